/*
 * Inputs and digests of the golden cases: what tools/golden/values.py draws, drawn again.
 *
 * Invariant: weights, images, targets and signs are functions of (seed, position), so a golden file
 * holds outputs only. A digest is [norm, largest magnitude, projections on random signs.., evenly
 * spread samples..] of a tensor.
 */
#ifndef UDA_TESTS_GOLDEN_VALUES_H
#define UDA_TESTS_GOLDEN_VALUES_H

#include "io/json.h"
#include "src/nn/param.h"
#include "src/ops/ops.h"

#define GOLDEN_SIGNS (1 << 20) /* largest tensor */

/* values [params->total]: every parameter by its kind. */
void golden_weights(const struct uda_params *params, float *values, uint64_t seed);
/* x [height, width, 3] of image n. */
void golden_image(float *x, int64_t n, int64_t height, int64_t width, uint64_t seed);
/* Ellipses: cls [count], mask [count, height, width] of image n. */
void golden_targets(int32_t *cls, uint8_t *mask, int64_t n, int64_t count, int64_t height,
                    int64_t width, int64_t classes, uint64_t seed);
/* sign [GOLDEN_SIGNS] words of random bits. */
void golden_signs(uint32_t *sign, uint64_t seed);

/* How far a tensor is from a digest. */
struct golden_error {
    double norm;   /* estimate of |x - y| */
    double sample; /* largest difference of a sample */
    double size;   /* |y| */
    double largest; /* largest |y_i| */
};

/*
 * Since E[(r . d)^2] = |d|^2 for random signs r, the root mean square of the differences of the
 * projections estimates |x - y|; with 16 (10) projections it is within a factor of 1.9 (2.2) with
 * probability 0.999.
 */
struct golden_error golden_compare(const float *x, int64_t count, const struct uda_json *digest,
                                   int projections, const uint32_t *sign);

#endif
