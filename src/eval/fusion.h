/*
 * Fusion: the detections of several models of the same images become one set.
 *
 * Class-level: a class is taken only from the inputs that own it. Confidence-based: instances claim
 * their pixels in the order of their scores, each pixel belongs to the surest, and what is left of
 * an instance decides whether it stays (UDA4Inst, category fusion; the released code concatenates
 * the lists, which is `plain`).
 *
 * Invariants: pure; the result depends on the inputs and their order alone. Equal scores: the
 * earlier input first, then the earlier item. Without plain the masks of an image are disjoint and
 * come by falling score.
 *
 *     const struct uda_fusion_input input[] = {{.set = &humans, .name = "labels/label.human.h5"},
 *                                              {.set = &vehicles, .name = "..."}};   // and .takes
 *     const struct uda_fusion_rule rule = {.score = 0.85, .min_area_px = 0, .min_left = 0.5};
 *     uda_detections_init(&fused, &arena);
 *     UDA_TRY(uda_fuse(&fused, input, UDA_LEN(input), &rule, err));
 */
#ifndef UDA_EVAL_FUSION_H
#define UDA_EVAL_FUSION_H

#include "src/base/detections.h"

struct uda_fusion_input {
    const struct uda_detections *set;
    const char *name;        /* for messages */
    bool takes[UDA_CLASSES]; /* the classes that this input owns; plain: not looked at */
};

struct uda_fusion_rule {
    double score;        /* kept: above this */
    int64_t min_area_px; /* kept: at least so many pixels, before and after other claims */
    double min_left;     /* kept: at least this share (0..1) of its pixels unclaimed, and one */
    bool plain;          /* concatenate in input order: no classes, no claims */
};

/*
 * fused (empty, over an arena) = the inputs' instances with score > rule.score and area >=
 * min_area_px, each cut to the pixels that no surer kept one has claimed; one that is dropped
 * claims nothing. Images: those of the inputs, which must be the same in the same order; producers
 * are kept. Errors: NOMEM; FORMAT when the inputs are of different images or sizes.
 */
int uda_fuse(struct uda_detections *fused, const struct uda_fusion_input *input, int64_t inputs,
             const struct uda_fusion_rule *rule, struct uda_err *err) UDA_MUST_USE;

#endif
