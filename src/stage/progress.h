/*
 * The talk of a long stage: step, losses, images per second, time left. Reads the clock; decides
 * nothing.
 *
 *     uda_progress_start(&p, "source", first_step, last_step, batch);
 *     uda_progress_step(&p, step, "loss 12.3  lr 1.0e-4");  // a terminal's line is rewritten
 */
#ifndef UDA_STAGE_PROGRESS_H
#define UDA_STAGE_PROGRESS_H

#include "src/base/compiler.h"

#include <time.h>

struct uda_progress {
    const char *name; /* borrowed */
    int64_t first, last, images_per_step;
    struct timespec started, shown;
    int64_t shown_step;
    double seconds_per_step; /* smoothed */
};

/* Starts the clock at step `first` of `last`. */
void uda_progress_start(struct uda_progress *progress, const char *name, int64_t first,
                        int64_t last, int64_t images_per_step);
/* step: number of steps done so far, counted from 0 of the whole stage. Shows at most twice a
 * second. */
void uda_progress_step(struct uda_progress *progress, int64_t step, const char *figures);
/* Seconds since start. */
double uda_progress_seconds(const struct uda_progress *progress);
/* "1 h 02 min", "3 min 20 s", "12 s". Returns text. */
const char *uda_progress_duration(char *text, size_t bytes, double seconds);

#endif
