/*
 * Augmentation: a pure function of (scene, spec, random stream).
 *
 * Order as in the reference (Mask2Former's MaskFormerInstanceDatasetMapper for Cityscapes):
 * resize the shorter edge to a size drawn from a list, crop, color, flip. With `lsj` the COCO
 * order: flip, resize by a drawn scale, crop and pad to a fixed size. Only the crop is ever
 * computed, with the same bytes as resizing the whole image first.
 *
 * Invariants: images are resized as Pillow's BILINEAR, masks as its NEAREST, both bit for bit; the
 * result depends on nothing but the arguments.
 *
 *     struct uda_augment_spec spec = {.edge_px = {512, 614}, .edges = 2, .edge_max_px = 4096,
 *                                     .crop_height_px = 512, .crop_width_px = 1024, .color = 1,
 *                                     .flip = 0.5f};
 *     uda_rng_init(&rng, seed, UDA_RNG_AUGMENT, stage, step, i);
 *     UDA_TRY(uda_augment_apply(&sample, &spec, &map, &scene, &rng, &arena, &scratch, err));
 */
#ifndef UDA_DATA_AUGMENT_H
#define UDA_DATA_AUGMENT_H

#include "src/base/rng.h"
#include "src/data/dataset.h"

#define UDA_AUGMENT_EDGES 64

/* The classes of a model and their order: index[c] of enum uda_class c, -1 = not one of them. */
struct uda_class_map {
    int32_t index[UDA_CLASSES];
    enum uda_class cls[UDA_CLASSES]; /* [count], the inverse */
    int32_t count;
};

/* All eight in their fixed order. */
struct uda_class_map uda_class_map_all(void);
/* The classes of a category in its own order. UDA_MANIFEST: none, more than eight, or one twice. */
int uda_class_map_of(struct uda_class_map *map, const enum uda_class *cls, int64_t count,
                     struct uda_err *err) UDA_MUST_USE;
/* Bits for uda_dataset_spec.class_mask. */
uint32_t uda_class_map_mask(const struct uda_class_map *map);

struct uda_augment_spec {
    /* Resize: the shorter edge becomes one of edge_px, each as likely; 0 edges = keep the size. */
    int64_t edge_px[UDA_AUGMENT_EDGES];
    int64_t edges;
    int64_t edge_max_px; /* the longer edge is at most this; 0 = no bound */
    /* Crop: min(crop, size) at a uniform place; 0 = none. */
    int64_t crop_height_px, crop_width_px;
    float color; /* strength of ColorAugSSD, 0 = off, 1 = the reference's ranges */
    float flip;   /* probability of the horizontal flip */
    bool keep_plain; /* keep the crop as it was before the colours changed, too */
    bool keep_empty; /* keep instances that the crop has cut away, as all-zero masks (the reference does) */
    /* Large-scale jitter instead of the two steps above: scale in [scale_min, scale_max] of a frame
     * of crop_height_px x crop_width_px, cut or padded (grey 128) to it. */
    bool lsj;
    float scale_min, scale_max;
};

/* One training sample: an image and its targets. Memory belongs to the arena given. */
struct uda_sample {
    uint8_t *rgb; /* [height, width, 3] */
    uint8_t *plain; /* the same before ColorAugSSD, with keep_plain; rgb itself when nothing changed it */
    int64_t height, width;
    int64_t count;    /* M instances; crowds and classes outside the map are left out */
    int32_t *cls;     /* [M], 0..map.count-1 */
    uint8_t *masks;   /* [M, height, width], 0 or 1 */
    const char *name; /* borrowed from the data set */
    int64_t index;    /* in the data set */
};

/* Lists what is wrong with a spec (UDA_MANIFEST), or 0. */
int uda_augment_check(const struct uda_augment_spec *spec, struct uda_err *err) UDA_MUST_USE;

/* sample = flip(color(crop(resize(scene)))). Owns: all of sample in `arena`; `scratch` is left as
 * found. UDA_NOMEM; UDA_SHAPE: a resized edge would be below 1 or above 2^15 pixels. */
int uda_augment_apply(struct uda_sample *sample, const struct uda_augment_spec *spec,
                      const struct uda_class_map *map, const struct uda_labelled_image *scene,
                      struct uda_rng *rng, struct uda_arena *arena, struct uda_arena *scratch,
                      struct uda_err *err) UDA_MUST_USE;

/* ColorAugSSD in place on rgb [pixels, 3]: each of brightness +-32, contrast 0.5..1.5, saturation
 * 0.5..1.5, hue +-18 half-degrees fires with probability 1/2; `strength` in 0..1 narrows the
 * ranges. */
void uda_augment_color(uint8_t *rgb, int64_t pixels, float strength, struct uda_rng *rng);

#endif
