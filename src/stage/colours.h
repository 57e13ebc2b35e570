/*
 * Colours of the pairs of a step (src/uda/lab.h), moved where the models run: on the CPU by a team, on a GPU
 * on a stream of its own, so that pairs do not wait for the training step that the GPU is busy with.
 *
 * Invariants: the bytes are those of uda_lab_transfer on every device. Nothing is kept from one call to the
 * next but tables and memory. One thread; a steady step allocates nothing.
 *
 *     UDA_TRY(uda_colours_create(&colours, UDA_LAB_ROUND, "cuda:1", team, err));
 *     UDA_TRY(uda_colours_move(colours, pair, pairs, err));          // each step
 *     uda_colours_destroy(&colours);
 */
#ifndef UDA_STAGE_COLOURS_H
#define UDA_STAGE_COLOURS_H

#include "src/uda/lab.h"

struct uda_colour_pair {
    uint8_t *out;                   /* [source_pixels, 3] = source in target's colours; may be source */
    const uint8_t *source, *target; /* [pixels, 3] */
    int64_t source_pixels, target_pixels;
};

struct uda_colours;

/* device: "cuda", "cuda:1"; NULL or "cpu": the CPU. team: of the CPU, borrowed; NULL: this thread alone.
 * Owns: *colours, by the caller. Errors: those of uda_device_init. */
int uda_colours_create(struct uda_colours **colours, enum uda_lab_bytes bytes, const char *device,
                       struct uda_team *team, struct uda_err *err) UDA_MUST_USE;
void uda_colours_destroy(struct uda_colours **colours);

/* All pairs; on a GPU all are queued before the first is waited for. Errors: UDA_SHAPE (an empty image),
 * UDA_NOMEM, UDA_DEVICE; then some may have been moved. */
int uda_colours_move(struct uda_colours *colours, const struct uda_colour_pair *pair, int64_t pairs,
                     struct uda_err *err) UDA_MUST_USE;

#endif
