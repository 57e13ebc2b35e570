/*
 * Measured images gathered by several threads in a fixed order.
 *
 * Invariant: image i of a run ends at place i whoever measured it; of several failures that of the
 * lowest i is reported.
 */
#ifndef UDA_EVAL_MEASURED_H
#define UDA_EVAL_MEASURED_H

#include "src/base/team.h"
#include "src/eval/coco_ap.h"
#include "src/eval/region.h"

/* What is kept of an image; one of the two is used. */
struct uda_measured {
    struct uda_region_image region;
    struct uda_coco_image coco;
};

/* Measures image i; memory of scratch, which is emptied after the image has been copied. */
typedef int uda_measure_job(void *args, int64_t i, struct uda_arena *scratch,
                            struct uda_measured *measured, struct uda_err *err);

/* image [images] is filled with copies in arena. Errors: what job returns, NOMEM. */
int uda_measure_all(struct uda_measured *image, struct uda_arena *arena, struct uda_team *team,
                    int64_t images, uda_measure_job *job, void *args,
                    struct uda_err *err) UDA_MUST_USE;

#endif
