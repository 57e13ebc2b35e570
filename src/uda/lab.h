/*
 * Colour transfer: the source crop takes the target crop's statistics in CIELAB.
 *
 * UDA4Inst (arXiv 2405.09682), colour transfer, after Reinhard et al., "Color transfer between
 * images" (2001): for each of L, a, b over all pixels of the crop
 *     new = (x - mean_s) / (std_s + 1e-8) (std_t + 1e-8) + mean_t
 * with the unbiased deviation (N - 1); nothing is clamped in LAB, the result is clamped in RGB.
 * The conversion is the one of the authors' library (kornia): sRGB curve, XYZ by a matrix of six
 * decimals, white 0.95047, 1, 1.08883 (kernels/lab.h). This is the CPU's side; on a GPU a stage runs the same
 * kernel (src/stage/colours.h), to the same bytes.
 *
 * Invariants: pure; double throughout; statistics are those of blocks of fixed size, joined in the order of
 * the pixels, so that bytes do not depend on the number of threads; a crop of one colour has deviation 0 and
 * becomes the target's mean colour. Labels do not change.
 *
 *     uda_lab_levels_init(&levels, UDA_LAB_ROUND);                      // once
 *     UDA_TRY(uda_lab_transfer(crop.rgb, crop.rgb, crop_pixels, target.rgb, target_pixels, &levels, team,
 *                              &scratch, err));                         // in place
 */
#ifndef UDA_UDA_LAB_H
#define UDA_UDA_LAB_H

#include "kernels/args_lab.h"
#include "src/base/arena.h"
#include "src/base/err.h"
#include "src/base/team.h"

/* How a value in 0..255 becomes a byte. */
enum uda_lab_bytes {
    UDA_LAB_ROUND,   /* to nearest: equal statistics leave an image as it is */
    UDA_LAB_TRUNCATE /* down, as the released code does: half a level darker */
};

/* The kernel's tables for one way of making bytes: 1 ms or less. */
void uda_lab_levels_init(struct uda_lab_levels *levels, enum uda_lab_bytes bytes);

/* Can colours be moved between images of these sizes? Errors: UDA_SHAPE: one is empty, or beyond memory. */
int uda_lab_check(int64_t source_pixels, int64_t target_pixels, struct uda_err *err) UDA_MUST_USE;

/* out [source_pixels, 3] = source in the colours of target; out may be source. team: NULL for this thread
 * alone. scratch is left as found. Errors: UDA_SHAPE (an empty image), UDA_NOMEM; then out is unchanged. */
int uda_lab_transfer(uint8_t *out, const uint8_t *source, int64_t source_pixels,
                     const uint8_t *target, int64_t target_pixels, const struct uda_lab_levels *levels,
                     struct uda_team *team, struct uda_arena *scratch, struct uda_err *err) UDA_MUST_USE;

#endif
