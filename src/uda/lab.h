/*
 * Colour transfer: the source crop takes the target crop's statistics in CIELAB.
 *
 * UDA4Inst (arXiv 2405.09682), colour transfer, after Reinhard et al., "Color transfer between
 * images" (2001): for each of L, a, b over all pixels of the crop
 *     new = (x - mean_s) / (std_s + 1e-8) (std_t + 1e-8) + mean_t
 * with the unbiased deviation (N - 1); nothing is clamped in LAB, the result is clamped in RGB.
 * The conversion is the one of the authors' library (kornia): sRGB curve, XYZ by a matrix of six
 * decimals, white 0.95047, 1, 1.08883.
 *
 * Invariants: pure; double throughout, summed in the order of the pixels; a crop of one colour has
 * deviation 0 and becomes the target's mean colour. Labels do not change.
 *
 *     UDA_TRY(uda_lab_transfer(crop.rgb, crop.rgb, crop_pixels, target.rgb, target_pixels,
 *                              UDA_LAB_ROUND, &scratch, err));       // in place
 */
#ifndef UDA_UDA_LAB_H
#define UDA_UDA_LAB_H

#include "src/base/arena.h"
#include "src/base/err.h"

/* How a value in 0..255 becomes a byte. */
enum uda_lab_bytes {
    UDA_LAB_ROUND,   /* to nearest: equal statistics leave an image as it is */
    UDA_LAB_TRUNCATE /* down, as the released code does: half a level darker */
};

/* Mean and unbiased standard deviation of L (0..100), a, b. */
struct uda_lab_stats {
    double mean[3], std[3];
};

/* lab [pixels, 3] of rgb [pixels, 3]. */
void uda_lab_from_rgb(double *lab, const uint8_t *rgb, int64_t pixels);

/* The inverse: rgb [pixels, 3], colours outside sRGB clamped channel by channel. */
void uda_lab_to_rgb(uint8_t *rgb, const double *lab, int64_t pixels, enum uda_lab_bytes bytes);

/* Over lab [pixels, 3], pixels >= 1; one pixel has deviation 0. */
void uda_lab_stats_of(struct uda_lab_stats *stats, const double *lab, int64_t pixels);

/* Moves lab [pixels, 3] in place from the statistics `from` to `to`. */
void uda_lab_move(double *lab, int64_t pixels, const struct uda_lab_stats *from,
                  const struct uda_lab_stats *to);

/* out [source_pixels, 3] = source in the colours of target; out may be source. scratch is left as
 * found. Errors: UDA_SHAPE (an empty image), UDA_NOMEM; then out is unchanged. */
int uda_lab_transfer(uint8_t *out, const uint8_t *source, int64_t source_pixels,
                     const uint8_t *target, int64_t target_pixels, enum uda_lab_bytes bytes,
                     struct uda_arena *scratch, struct uda_err *err) UDA_MUST_USE;

#endif
