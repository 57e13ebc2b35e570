#include "src/base/rng.h"
#include "src/uda/lab.h"
#include "tests/cuda/cases.h"

/* Where out is, and what the images are. */
enum { ELSEWHERE, IN_PLACE };
enum { NOISE, FLAT_SOURCE, FLAT_TARGET, EQUAL };

/* Levels in 0..high-1; flat: those of the first pixel everywhere. */
static uint8_t *image(struct trial *t, int64_t pixels, int high, uint32_t sample, bool flat)
{
    struct uda_rng rng;
    uint8_t *rgb = uda_arena_alloc(&t->host, (size_t)pixels * 3);
    uda_rng_init(&rng, 29, UDA_RNG_TEST, 0, 0, sample);
    for (int64_t i = 0; i < 3 * pixels; i++) {
        rgb[i] = flat && i >= 3 ? rgb[i % 3] : (uint8_t)uda_rng_below(&rng, high);
    }
    return rgb;
}

/*
 * size: pixels of source and target, enum uda_lab_bytes, where out is, what the images are. The same bytes:
 * both sides do the same operations on doubles in the same order. NOISE: the target has more contrast, so
 * lights lie beyond 0..1 too. EQUAL, one image twice: with UDA_LAB_TRUNCATE every light lies within rounding
 * of an edge between bytes, where last bits show: an fma in place of products and sums does.
 */
static void lab_transfer(struct trial *t, const int64_t *s)
{
    struct uda_lab_levels levels;
    struct uda_lab_transfer_args a = {.source_pixels = s[0], .target_pixels = s[1]};
    size_t bytes = (size_t)a.source_pixels * 3;
    int what = (int)s[4];
    const uint8_t *source = image(t, a.source_pixels, what == NOISE ? 192 : 256, 1, what == FLAT_SOURCE);
    const uint8_t *target = what == EQUAL ? source : image(t, a.target_pixels, 256, 2, what == FLAT_TARGET);
    uda_lab_levels_init(&levels, (enum uda_lab_bytes)s[2]);
    a.levels = trial_data(t, &levels, sizeof levels);
    a.target = trial_data(t, target, (size_t)a.target_pixels * 3);
    a.out = s[3] == IN_PLACE ? trial_output_data(t, source, bytes) : trial_output_bytes(t, bytes);
    a.source = s[3] == IN_PLACE ? a.out : trial_data(t, source, bytes);
    TRIAL_RUN(t, lab_transfer, &a);
}

static const struct trial_case rows[] = {
    {"lab_transfer", lab_transfer, {1, 1, UDA_LAB_ROUND}},
    {"lab_transfer", lab_transfer, {1, 7, UDA_LAB_TRUNCATE, IN_PLACE}},
    {"lab_transfer", lab_transfer, {7, 1, UDA_LAB_ROUND, IN_PLACE}},
    {"lab_transfer", lab_transfer, {333, 255, UDA_LAB_TRUNCATE}},
    {"lab_transfer", lab_transfer, {1024, 1024, UDA_LAB_ROUND, IN_PLACE}}, /* one block, whole */
    {"lab_transfer", lab_transfer, {1025, 1023, UDA_LAB_ROUND}},
    {"lab_transfer", lab_transfer, {9 * 1024 + 17, 6 * 1024 + 1, UDA_LAB_ROUND}},
    {"lab_transfer", lab_transfer, {6 * 1024 + 1, 9 * 1024 + 17, UDA_LAB_TRUNCATE, IN_PLACE}},
    {"lab_transfer", lab_transfer, {2100, 1500, UDA_LAB_ROUND, ELSEWHERE, FLAT_SOURCE}}, /* deviation 0 */
    {"lab_transfer", lab_transfer, {2100, 1500, UDA_LAB_TRUNCATE, IN_PLACE, FLAT_TARGET}},
    {"lab_transfer", lab_transfer, {5000, 5000, UDA_LAB_TRUNCATE, ELSEWHERE, EQUAL}},
    {"lab_transfer", lab_transfer, {5000, 5000, UDA_LAB_ROUND, ELSEWHERE, EQUAL}},
};

const struct trial_cases cuda_lab_cases = {rows, UDA_LEN(rows)};
