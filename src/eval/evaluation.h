/*
 * An evaluation under way: images are added one by one or by a team, masks are not kept.
 *
 * Invariants: figures depend on the images and their order only, not on threads. In memory an
 * evaluation holds areas and overlaps, a few hundred bytes for each prediction.
 *
 *     struct uda_evaluation *evaluation = NULL;
 *     UDA_TRY(uda_evaluation_create(&evaluation, UDA_EVAL_CITYSCAPES, err));
 *     for each image:
 *         UDA_TRY(uda_evaluation_add(evaluation,
 *                                    &(struct uda_eval_truth){.name = name, .labels = &labels},
 *                                    &found.image[i], err));
 *     UDA_TRY(uda_evaluation_finish(&ap, evaluation, &arena, err));
 *     uda_evaluation_destroy(&evaluation);
 */
#ifndef UDA_EVAL_EVALUATION_H
#define UDA_EVAL_EVALUATION_H

#include "src/base/detections.h"
#include "src/base/team.h"
#include "src/eval/ap.h"

enum uda_eval_protocol { UDA_EVAL_CITYSCAPES, UDA_EVAL_KITTI360, UDA_EVAL_COCO };

/* "cityscapes", "kitti360", "coco"; -1 for anything else. */
int uda_eval_protocol_of_name(const char *name);
const char *uda_eval_protocol_name(enum uda_eval_protocol protocol);

/*
 * What is true of an image: either the instance id file (not for COCO), with KITTI-360's confidence
 * or NULL, or labels with a void mask u8 [height, width] or NULL (COCO knows no void). Borrowed.
 */
struct uda_eval_truth {
    const char *name; /* for messages */
    const struct uda_raster *ids, *confidence;
    const struct uda_labels *labels;
    const uint8_t *void_mask;
};

struct uda_evaluation;

/* An evaluation without images. Owns: *evaluation, by the caller. Errors: NOMEM. */
int uda_evaluation_create(struct uda_evaluation **evaluation, enum uda_eval_protocol protocol,
                          struct uda_err *err) UDA_MUST_USE;
void uda_evaluation_destroy(struct uda_evaluation **evaluation);

/*
 * Measures an image. Detections of classes that the protocol does not evaluate are left out
 * (KITTI-360: bus, train). Errors: NOMEM, SHAPE (mask size), FORMAT (unknown id in ids). An image
 * whose addition failed is not part of the evaluation.
 */
int uda_evaluation_add(struct uda_evaluation *evaluation, const struct uda_eval_truth *truth,
                       const struct uda_image_detections *found,
                       struct uda_err *err) UDA_MUST_USE;

/*
 * Adds images 0 .. images - 1 by a team (NULL: this thread), as uda_evaluation_add in that order
 * would. load fills truth and found of image i from memory of `scratch`, which is emptied after; it
 * is called from several threads, each i once. Errors: that of the lowest i that failed, and then no
 * image is added.
 */
int uda_evaluation_add_all(struct uda_evaluation *evaluation, struct uda_team *team, int64_t images,
                           int (*load)(void *args, int64_t i, struct uda_arena *scratch,
                                       struct uda_eval_truth *truth,
                                       struct uda_image_detections *found, struct uda_err *err),
                           void *args, struct uda_err *err) UDA_MUST_USE;

/* The figures so far; more images may be added after. COCO's classes are the eight. Errors:
 * NOMEM. */
int uda_evaluation_finish(struct uda_ap *ap, const struct uda_evaluation *evaluation,
                          struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

#endif
