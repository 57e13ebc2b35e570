/*
 * The matching rules that Cityscapes and KITTI-360 share: ground truth as disjoint regions,
 * predictions as masks with scores, an average precision for each class and overlap.
 *
 * Follows cityscapesScripts' evalInstanceLevelSemanticLabeling.py, and kitti360Scripts' of the same
 * name, where areas are weighted by a confidence. One difference: where every prediction of a class
 * is dropped and none matches, the reference stops with an IndexError; here the precision is 0.
 *
 * Two steps: uda_region_measure reduces an image to areas and overlaps (pure, so images can be
 * measured by several threads), uda_region_ap reduces the measured images, in their order, to
 * figures. Areas are sums of integers, so that neither order nor threads change a bit.
 */
#ifndef UDA_EVAL_REGION_H
#define UDA_EVAL_REGION_H

#include "src/base/detections.h"
#include "src/eval/ap.h"

#define UDA_REGION_CLASSES 8   /* the most that a protocol has */
#define UDA_REGION_LABELS 64   /* label ids are below this */

/* What a data set evaluates. */
struct uda_region_protocol {
    const char *name;
    const char *cls[UDA_REGION_CLASSES];
    int64_t classes;
    int labels;                           /* ids 0 .. labels - 1 are known */
    int8_t label_class[UDA_REGION_LABELS]; /* class of a predicted label id, -1: not evaluated */
    int8_t truth_class[UDA_REGION_LABELS]; /* class of a ground truth label id, -1: no region */
    bool is_void[UDA_REGION_LABELS];       /* a pixel with this raw value is void */
};

/* A ground truth region. */
struct uda_region {
    int64_t cls;
    bool group; /* several objects that nobody separated: absorbs predictions, is never found */
    double area_px;
};

/*
 * The ground truth of an image, prepared for overlaps. index [width, height] (column-major, as
 * masks are): 0 nothing, 1 void, 2 + r region r. weight alike, 65535 = sure, or NULL for all 1.
 */
struct uda_region_map {
    int64_t height, width;
    uint16_t *index;
    uint16_t *weight;
    struct uda_region *region; /* [regions] */
    int64_t regions;
};

/* A prediction; cls is the protocol's. */
struct uda_region_guess {
    int64_t cls;
    double score; /* not NaN */
    struct uda_rle mask;
};

/* One measured prediction and its overlaps with regions of its class. */
struct uda_region_overlap {
    int64_t region;
    double area_px;
};

struct uda_region_found {
    int64_t cls;
    double score;
    double area_px, void_px;
    struct uda_region_overlap *overlap; /* [overlaps] */
    int64_t overlaps;
};

/* All that is kept of an image. */
struct uda_region_image {
    struct uda_region *region; /* [regions] */
    int64_t regions;
    struct uda_region_found *found; /* [founds] predictions that have pixels */
    int64_t founds;
};

/*
 * Instance ids as Cityscapes and KITTI-360 write them: value < 1000 is a label id (a group if its
 * class is evaluated), else id * 1000 + number. ids [height, width] row-major, one channel; weights
 * of the same size or NULL. name stands in messages. Errors: NOMEM, FORMAT (unknown id, sizes,
 * channels).
 */
int uda_region_map_of_ids(struct uda_region_map *map, struct uda_arena *arena,
                          const struct uda_region_protocol *protocol,
                          const struct uda_raster *ids, const struct uda_raster *weights,
                          const char *name, struct uda_err *err) UDA_MUST_USE;

/*
 * Labels of a data set's reader: crowd instances of a class are its group region; void_mask u8
 * [height, width] non-zero = void, or NULL. Where masks overlap the later instance has the pixel.
 * Gives what the instance id file gives. Errors: NOMEM, FORMAT (more than 65533 instances).
 */
int uda_region_map_of_labels(struct uda_region_map *map, struct uda_arena *arena,
                             const struct uda_region_protocol *protocol,
                             const struct uda_labels *labels, const uint8_t *void_mask,
                             const char *name, struct uda_err *err) UDA_MUST_USE;

/*
 * Areas and overlaps of guess [guesses] on the map; empty masks are left out. Pure; memory from
 * arena. Errors: NOMEM, SHAPE (a mask's size differs from the image's).
 */
int uda_region_measure(struct uda_region_image *image, struct uda_arena *arena,
                       const struct uda_region_map *map, const struct uda_region_guess *guess,
                       int64_t guesses, const char *name, struct uda_err *err) UDA_MUST_USE;

/* The figures over image [images], in that order. Errors: NOMEM. */
int uda_region_ap(struct uda_ap *ap, struct uda_arena *arena,
                  const struct uda_region_protocol *protocol,
                  const struct uda_region_image *const *image, int64_t images,
                  struct uda_err *err) UDA_MUST_USE;

#endif
