/*
 * The camera's own car in the picture: a polygon that goes through the same resize, crop and flip
 * as the target image, because it travels as the scene's only label.
 *
 * The polygon is the manifest's datasets.*.ego. The released code has a template for Cityscapes (an
 * image of 2048 x 1024), whose outline is in manifests/parts/cityscapes.yaml; KITTI-360 has none.
 *
 * Invariants: pure; a target scene's own labels, if any, are never used in adaptation, so replacing
 * them loses nothing.
 *
 *     UDA_TRY(uda_dataset_load(&scene, target_set, i, &arena, &scratch, err));
 *     UDA_TRY(uda_ego_mark(&scene, &ego, map.cls[0], &arena, err));
 *     UDA_TRY(uda_augment_apply(&target, &augment, &map, &scene, &rng, &arena, &scratch, err));
 *     const uint8_t *ego = uda_ego_take(&target);          // NULL: not in this crop
 */
#ifndef UDA_UDA_EGO_H
#define UDA_UDA_EGO_H

#include "src/data/augment.h"

struct uda_ego {
    int64_t height, width; /* of the image that the points are meant for; others are scaled */
    int64_t points;        /* >= 3 */
    const int64_t *xy;     /* [points, 2] pixels, edges of the pixel grid */
};

/* The scene's labels become the ego car alone, as an instance of class cls (one that the class map
 * of the augmentation has). An outline outside of the image leaves no label. Errors: UDA_NOMEM,
 * UDA_FORMAT (polygon), UDA_SHAPE. */
int uda_ego_mark(struct uda_labelled_image *scene, const struct uda_ego *ego, enum uda_class cls,
                 struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* Takes it from the augmented sample, which then has no labels: mask u8 [height, width], borrowed
 * from the sample's arena; NULL if the crop does not show it. */
const uint8_t *uda_ego_take(struct uda_sample *sample);

#endif
