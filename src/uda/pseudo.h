/*
 * Pseudo-labels of a target crop: the teacher's instances that are sure enough.
 *
 * UDA4Inst (arXiv 2405.09682), pseudo-labels: an instance counts if (class probability) x (mean
 * foreground probability in its mask) > confidence, strictly; the product is the score of
 * uda_postprocess. Besides: classes that the model's map lacks, masks below min_area_px, instances
 * mostly on the camera's own car (less than ego_keep of their area outside of it), and, where
 * max_iou < 1, masks with a larger IoU than that to a surer one of any class (the teacher may find
 * one object with several queries) are left out.
 *
 * Invariants: pure; instances in descending score, equal ones in the order they were found; masks
 * may overlap and are not changed.
 *
 *     const struct uda_pseudo_spec spec = {.confidence = 0.9, .max_iou = 1.0, .ego_keep = 0.2};
 *     UDA_TRY(uda_pseudo_label(&target, &pseudo, &spec, &map, found, ego, &arena, &scratch, err));
 *     if (pseudo.count > 0) { mix ... target ... }
 */
#ifndef UDA_UDA_PSEUDO_H
#define UDA_UDA_PSEUDO_H

#include "src/base/detections.h"
#include "src/data/augment.h"

struct uda_pseudo_spec {
    double confidence;   /* 0..1 */
    int64_t min_area_px; /* 0 or 1: any; the mixer has its own limit for pasting */
    double ego_keep;     /* share of the area, 0..1; 0: off */
    double max_iou;      /* 0..1; 1: duplicates stay (paper and released code) */
};

/* What became of the teacher's instances. The first reason that applies counts, in this order. */
struct uda_pseudo {
    int64_t found;
    int64_t foreign, unsure, small, ego, duplicate;
    int64_t count;       /* kept */
    const double *score; /* [count] */
};

/* Replaces the labels of target (cls, masks, count) by the instances in `found`, whose size is the
 * target's. map: classes of the model. ego u8 [height, width], 1 = own car; NULL: none. Memory of
 * labels and scores: arena; scratch is another one, left as found. Errors: UDA_SHAPE (sizes
 * differ), UDA_NOMEM; then nothing is changed. */
int uda_pseudo_label(struct uda_sample *target, struct uda_pseudo *pseudo,
                     const struct uda_pseudo_spec *spec, const struct uda_class_map *map,
                     const struct uda_image_detections *found, const uint8_t *ego,
                     struct uda_arena *arena, struct uda_arena *scratch,
                     struct uda_err *err) UDA_MUST_USE;

#endif
