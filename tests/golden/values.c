#include "tests/golden/values.h"

#include <math.h>
#include <string.h>

#include "src/base/rng.h"

enum { WEIGHTS, IMAGE, TARGETS, SIGNS };

static struct uda_rng stream(uint64_t seed, uint32_t step, int64_t sample)
{
    struct uda_rng rng;
    uda_rng_init(&rng, seed, UDA_RNG_TEST, 0, step, (uint32_t)sample);
    return rng;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Parameter = shift + scale N(0,1), by kind, as in values.py. */
static void scale_of(const struct uda_param *p, float *scale, float *shift)
{
    *shift = p->init == UDA_INIT_ONE ? 1.0f : 0.0f; /* gamma, and a variance */
    if (p->decay == UDA_DECAY_NORM) {
        *scale = 0.1f;
    } else if (p->decay == UDA_DECAY_TABLE) {
        *scale = 0.5f;
    } else if (p->decay == UDA_DECAY_EMBEDDING || ends_with(p->name, ".level_embed") ||
               p->init == UDA_INIT_COMPASS) {
        *scale = 1.0f;
    } else if (ends_with(p->name, ".sampling_offsets.weight")) {
        *scale = 0.02f;
    } else if (p->ndim == 1) {
        *scale = 0.1f;
    } else {
        *scale = 1.0f / sqrtf((float)(p->count / p->dim[0]));
    }
}

void golden_weights(const struct uda_params *params, float *values, uint64_t seed)
{
    memset(values, 0, (size_t)params->total * sizeof *values);
    for (int i = 0; i < params->count; i++) {
        const struct uda_param *p = &params->item[i];
        struct uda_rng rng = stream(seed, WEIGHTS, i);
        float scale = 0, shift = 0;
        scale_of(p, &scale, &shift);
        for (int64_t j = 0; j < p->count; j++) {
            values[p->offset + j] = shift + scale * uda_rng_normal(&rng);
        }
    }
}

void golden_image(float *x, int64_t n, int64_t height, int64_t width, uint64_t seed)
{
    struct uda_rng rng = stream(seed, IMAGE, n);
    for (int64_t i = 0; i < height * width * 3; i++) {
        x[i] = uda_rng_normal(&rng);
    }
}

void golden_targets(int32_t *cls, uint8_t *mask, int64_t n, int64_t count, int64_t height,
                    int64_t width, int64_t classes, uint64_t seed)
{
    struct uda_rng rng = stream(seed, TARGETS, n);
    for (int64_t m = 0; m < count; m++) {
        cls[m] = (int32_t)((double)uda_rng_uniform(&rng) * (double)classes);
        int64_t cx = (int64_t)((double)uda_rng_uniform(&rng) * (double)width);
        int64_t cy = (int64_t)((double)uda_rng_uniform(&rng) * (double)height);
        int64_t rx = 4 + (int64_t)((double)uda_rng_uniform(&rng) * (double)width / 3.0);
        int64_t ry = 4 + (int64_t)((double)uda_rng_uniform(&rng) * (double)height / 3.0);
        for (int64_t y = 0; y < height; y++) {
            for (int64_t x = 0; x < width; x++) {
                int64_t reach = (x - cx) * (x - cx) * ry * ry + (y - cy) * (y - cy) * rx * rx;
                mask[(m * height + y) * width + x] = reach <= rx * rx * ry * ry;
            }
        }
    }
}

void golden_signs(uint32_t *sign, uint64_t seed)
{
    struct uda_rng rng = stream(seed, SIGNS, 0);
    for (int64_t i = 0; i < GOLDEN_SIGNS; i++) {
        sign[i] = uda_rng_u32(&rng);
    }
}

struct golden_error golden_compare(const float *x, int64_t count, const struct uda_json *digest,
                                   int projections, const uint32_t *sign)
{
    struct golden_error error = {.size = uda_json_number(uda_json_at(digest, 0)),
                                 .largest = uda_json_number(uda_json_at(digest, 1))};
    double squares = 0.0;
    if (count > GOLDEN_SIGNS) {
        error.norm = NAN;
        return error;
    }
    for (int k = 0; k < projections; k++) {
        double sum = 0.0;
        for (int64_t i = 0; i < count; i++) {
            double value = (double)x[i];
            sum += ((sign[i] >> k) & 1u) != 0 ? -value : value;
        }
        double gap = sum - uda_json_number(uda_json_at(digest, 2 + k));
        squares += gap * gap;
    }
    error.norm = sqrt(squares / projections);
    int64_t samples = uda_json_count(digest) - 2 - projections;
    for (int64_t j = 0; j < samples; j++) {
        double expected = uda_json_number(uda_json_at(digest, 2 + projections + j));
        double gap = fabs((double)x[(2 * j + 1) * count / (2 * samples)] - expected);
        error.sample = gap > error.sample || isnan(gap) ? gap : error.sample;
    }
    return error;
}
