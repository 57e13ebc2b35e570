/*
 * From samples to what the network takes: normalised, padded, channels last.
 *
 * Invariants: pixels beyond an image are 0 after normalisation, mask pixels beyond it are 0; the
 * padded size is the largest of the batch rounded up to UDA_BATCH_ALIGN_PX. Memory belongs to the
 * arena given.
 *
 *     UDA_TRY(uda_batch_make(&batch, samples, n, 0, &arena, err));
 *     x = tensor over batch.pixels [N, height, width, 3]
 */
#ifndef UDA_DATA_BATCH_H
#define UDA_DATA_BATCH_H

#include "src/data/augment.h"

#define UDA_BATCH_ALIGN_PX 32

/* What the network was trained with: ImageNet mean and standard deviation, RGB, 0..255. */
extern const float uda_batch_mean[3], uda_batch_std[3];

/* The targets of one image. */
struct uda_target {
    int64_t count;       /* M */
    const int32_t *cls;  /* [M] */
    const uint8_t *masks; /* [M, batch.height, batch.width], 0 or 1 */
};

struct uda_batch {
    int64_t step;
    int64_t first, images;        /* N images, from this number of the step's batch on */
    int64_t height, width;        /* padded */
    float *pixels;                /* [N, height, width, 3], (rgb - mean) / std */
    struct uda_target *target;    /* [N] */
    const struct uda_sample *sample; /* [N], its origin: unpadded sizes, 8-bit pixels, names */
};

/* Normalises and pads. min_align_px: multiple for the padded size, 0 = UDA_BATCH_ALIGN_PX. The
 * batch borrows samples. UDA_SHAPE: no sample, or a size that overflows; UDA_NOMEM. */
int uda_batch_make(struct uda_batch *batch, const struct uda_sample *sample, int64_t images,
                   int64_t align_px, struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* The same images in a larger frame: pixels and masks are copied, 0 beyond. UDA_SHAPE: a smaller
 * frame, or one that overflows; UDA_NOMEM. */
int uda_batch_pad(struct uda_batch *out, const struct uda_batch *batch, int64_t height, int64_t width,
                  struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* (rgb - mean) / std of one image into pixels [height, width, 3] of a frame of out_height x
 * out_width, 0 elsewhere. The frame is at least as large as the image. */
void uda_batch_normalise(float *pixels, int64_t out_height, int64_t out_width, const uint8_t *rgb,
                         int64_t height, int64_t width);

/* n rounded up to a multiple of align; 0 for n = 0. */
int64_t uda_batch_round_up(int64_t n, int64_t align);

#endif
