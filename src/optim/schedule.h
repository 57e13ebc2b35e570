/*
 * Learning rate as a function of the iteration.
 *
 * lr(t) = base * warm(t) * decay(t); t counts from 0; warm(t) = factor (1 - t/warmup) + t/warmup
 * for t < warmup, else 1.
 *   poly:      (1 - t/total)^power      detectron2's WarmupPolyLR
 *   linear:    1 - t/total
 *   constant:  1
 *   multistep: gamma^(number of steps <= t)      detectron2's WarmupMultiStepLR
 */
#ifndef UDA_OPTIM_SCHEDULE_H
#define UDA_OPTIM_SCHEDULE_H

#include "src/base/err.h"

#define UDA_SCHEDULE_STEPS 8

enum uda_schedule_kind {
    UDA_SCHEDULE_POLY,
    UDA_SCHEDULE_LINEAR,
    UDA_SCHEDULE_CONSTANT,
    UDA_SCHEDULE_MULTISTEP
};

struct uda_schedule {
    enum uda_schedule_kind kind;
    double base;    /* learning rate */
    int64_t total;  /* iterations */
    int64_t warmup; /* iterations of warm-up; 0: none */
    double factor;  /* of the first iteration of the warm-up */
    double power;   /* poly */
    double gamma;   /* multistep */
    int64_t step[UDA_SCHEDULE_STEPS];
    int steps;
};

/* "poly", "linear", "constant", "multistep". UDA_MANIFEST for another name. */
int uda_schedule_kind(enum uda_schedule_kind *kind, const char *name, struct uda_err *err) UDA_MUST_USE;

/* Learning rate of iteration t in 0..total-1; 0 from total on for poly and linear. Pure. */
double uda_schedule_lr(const struct uda_schedule *schedule, int64_t t);

#endif
