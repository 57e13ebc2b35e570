/* LAB: known colours, an independent computation of the transfer, round trips, flat images. */
#include "kernels/kernels.h"
#include "kernels/lab.h"
#include "src/base/rng.h"
#include "src/uda/lab.h"
#include "tests/check.h"

#include <stdlib.h>

/* ---- the same formulas, written again from the definition, in long double ---- */

static long double curve(long double t)
{
    return t > 0.008856L ? powl(t, 1.0L / 3.0L) : 7.787L * t + 4.0L / 29.0L;
}

static long double degamma(int byte)
{
    long double v = (long double)byte / 255.0L;
    return v > 0.04045L ? powl((v + 0.055L) / 1.055L, 2.4L) : v / 12.92L;
}

static void lab_of(long double lab[3], const uint8_t *rgb)
{
    long double r = degamma(rgb[0]), g = degamma(rgb[1]), b = degamma(rgb[2]);
    long double x = (0.412453L * r + 0.357580L * g + 0.180423L * b) / 0.95047L;
    long double y = 0.212671L * r + 0.715160L * g + 0.072169L * b;
    long double z = (0.019334L * r + 0.119193L * g + 0.950227L * b) / 1.08883L;
    lab[0] = 116.0L * curve(y) - 16.0L;
    lab[1] = 500.0L * (curve(x) - curve(y));
    lab[2] = 200.0L * (curve(y) - curve(z));
}

/* The matrix back is the numerical inverse here, not the constants of the library. */
static void invert(long double inverse[3][3])
{
    static const long double m[3][3] = {{0.412453L, 0.357580L, 0.180423L},
                                        {0.212671L, 0.715160L, 0.072169L},
                                        {0.019334L, 0.119193L, 0.950227L}};
    long double det = 0.0L;
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        det += m[0][i] * (m[1][j] * m[2][k] - m[1][k] * m[2][j]);
        for (int r = 0; r < 3; r++) {
            int s = (r + 1) % 3, t = (r + 2) % 3;
            inverse[i][r] = m[s][j] * m[t][k] - m[s][k] * m[t][j];
        }
    }
    for (int i = 0; i < 9; i++) {
        inverse[i / 3][i % 3] /= det;
    }
}

/* 255 x the clamped sRGB value of one channel. */
static long double level_of(const long double lab[3], int channel)
{
    long double inverse[3][3], f[3], v = 0.0L;
    static const long double w[3] = {0.95047L, 1.0L, 1.08883L};
    invert(inverse);
    f[1] = (lab[0] + 16.0L) / 116.0L;
    f[0] = f[1] + lab[1] / 500.0L;
    f[2] = fmaxl(f[1] - lab[2] / 200.0L, 0.0L);
    for (int i = 0; i < 3; i++) {
        long double t = f[i] > 0.2068966L ? f[i] * f[i] * f[i] : (f[i] - 4.0L / 29.0L) / 7.787L;
        v += inverse[channel][i] * t * w[i];
    }
    v = v > 0.0031308L ? 1.055L * powl(v, 1.0L / 2.4L) - 0.055L : 12.92L * v;
    return 255.0L * fminl(fmaxl(v, 0.0L), 1.0L);
}

static void stats_of(long double mean[3], long double std[3], const uint8_t *rgb, int64_t pixels)
{
    for (int c = 0; c < 3; c++) {
        long double sum = 0.0L, squares = 0.0L, lab[3];
        for (int64_t p = 0; p < pixels; p++) {
            lab_of(lab, rgb + 3 * p);
            sum += lab[c];
            squares += lab[c] * lab[c];
        }
        mean[c] = sum / (long double)pixels;
        std[c] = sqrtl((squares - sum * mean[c]) / (long double)(pixels - 1));
    }
}

static uint8_t *noise(struct uda_arena *arena, int64_t pixels, uint32_t sample, int low, int span)
{
    struct uda_rng rng;
    uda_rng_init(&rng, 7, UDA_RNG_TEST, 0, 0, sample);
    uint8_t *rgb = uda_arena_alloc(arena, (size_t)pixels * 3);
    for (int64_t i = 0; i < 3 * pixels; i++) {
        rgb[i] = (uint8_t)(low + uda_rng_below(&rng, span));
    }
    return rgb;
}

static struct uda_lab_levels levels[2]; /* by enum uda_lab_bytes */

/* Values of the textbooks (two decimals), for D65 and sRGB. */
static void test_known(void)
{
    static const struct {
        uint8_t rgb[3];
        double lab[3];
    } known[] = {{{255, 255, 255}, {100.0, 0.0, 0.0}}, {{0, 0, 0}, {0.0, 0.0, 0.0}},
                 {{255, 0, 0}, {53.24, 80.09, 67.20}}, {{0, 255, 0}, {87.74, -86.18, 83.18}},
                 {{0, 0, 255}, {32.30, 79.19, -107.86}}, {{119, 119, 119}, {50.03, 0.0, 0.0}}};
    for (int64_t i = 0; i < UDA_LEN(known); i++) {
        double lab[3];
        uda_lab_of_rgb(lab, known[i].rgb, &levels[UDA_LAB_ROUND]);
        for (int c = 0; c < 3; c++) {
            CHECK_CLOSE(lab[c], known[i].lab[c], 0.02);
        }
    }
}

/* Colours of a grid, the dark ones densely: LAB as computed above (double against long double, in
 * units of up to 100), and back; truncation loses at most one level. */
static void test_round_trip(void)
{
    int64_t wrong = 0;
    for (int i = 0; i < 16 * 16 * 16; i++) {
        uint8_t rgb[3] = {(uint8_t)(i % 16), (uint8_t)(i / 16 % 16), (uint8_t)(i / 256)};
        double lab[3];
        long double want[3];
        lab_of(want, rgb);
        uda_lab_of_rgb(lab, rgb, &levels[UDA_LAB_ROUND]);
        for (int c = 0; c < 3; c++) {
            CHECK_CLOSE(lab[c], want[c], 1e-10);
        }
    }
    for (int r = 0; r < 256; r += 5) {
        for (int g = 0; g < 256; g += 5) {
            for (int b = 0; b < 256; b += 15) {
                uint8_t rgb[3] = {(uint8_t)r, (uint8_t)g, (uint8_t)b}, back[3];
                double lab[3];
                uda_lab_of_rgb(lab, rgb, &levels[UDA_LAB_ROUND]);
                uda_lab_to_rgb(back, lab, &levels[UDA_LAB_ROUND]);
                wrong += memcmp(rgb, back, 3) != 0;
                uda_lab_to_rgb(back, lab, &levels[UDA_LAB_TRUNCATE]);
                for (int c = 0; c < 3; c++) {
                    wrong += rgb[c] - back[c] != 0 && rgb[c] - back[c] != 1;
                }
            }
        }
    }
    CHECK(wrong == 0);
}

/* Against the computation above. A byte may only differ where the exact value lies on the edge
 * between two bytes: 1e-4 levels covers the library's inverse matrix (about 1e-8 relative). */
static void check_transfer(const uint8_t *out, const uint8_t *source, int64_t ps, const uint8_t *target,
                           int64_t pt, enum uda_lab_bytes bytes)
{
    int64_t clamped = 0;
    long double ms[3], ss[3], mt[3], st[3], lab[3];
    stats_of(ms, ss, source, ps);
    stats_of(mt, st, target, pt);
    for (int64_t p = 0; p < ps; p++) {
        lab_of(lab, source + 3 * p);
        for (int c = 0; c < 3; c++) {
            lab[c] = (lab[c] - ms[c]) / (ss[c] + 1e-8L) * (st[c] + 1e-8L) + mt[c];
        }
        for (int c = 0; c < 3; c++) {
            double level = (double)level_of(lab, c) + (bytes == UDA_LAB_ROUND ? 0.5 : 0.0);
            bool edge = fabs(level - round(level)) < 1e-4;
            CHECK(out[3 * p + c] == (int)level || (edge && abs(out[3 * p + c] - (int)level) == 1));
            clamped += level >= 255.0 || level < 0.6;
        }
    }
    CHECK(clamped < ps); /* the test would say little otherwise */
}

static void test_transfer(struct uda_arena *arena, enum uda_lab_bytes bytes)
{
    struct uda_err err = {0};
    int64_t ps = 37 * 23, pt = 19 * 41;
    const uint8_t *source = noise(arena, ps, 1, 0, 256), *target = noise(arena, pt, 2, 40, 90);
    uint8_t *out = uda_arena_alloc(arena, (size_t)ps * 3);
    struct uda_arena scratch = {0};
    CHECK_OK(uda_lab_transfer(out, source, ps, target, pt, &levels[bytes], NULL, &scratch, &err), &err);
    check_transfer(out, source, ps, target, pt, bytes);
    /* In place: the same bytes. */
    uint8_t *same = uda_arena_alloc(arena, (size_t)ps * 3);
    memcpy(same, source, (size_t)ps * 3);
    CHECK_OK(uda_lab_transfer(same, same, ps, target, pt, &levels[bytes], NULL, &scratch, &err), &err);
    CHECK(memcmp(same, out, (size_t)ps * 3) == 0);
    CHECK(uda_arena_mark(&scratch) == 0);
    uda_arena_finish(&scratch);
}

/* With colours that stay inside sRGB the result has the target's statistics, up to bytes. */
static void test_statistics(struct uda_arena *arena)
{
    struct uda_err err = {0};
    int64_t n = 64 * 64;
    const uint8_t *source = noise(arena, n, 3, 60, 40), *target = noise(arena, n, 4, 110, 60);
    uint8_t *out = uda_arena_alloc(arena, (size_t)n * 3);
    CHECK_OK(uda_lab_transfer(out, source, n, target, n, &levels[UDA_LAB_ROUND], NULL, arena, &err), &err);
    long double got_mean[3], got_std[3], want_mean[3], want_std[3];
    stats_of(got_mean, got_std, out, n);
    stats_of(want_mean, want_std, target, n);
    for (int c = 0; c < 3; c++) {
        /* Rounding moves a pixel by at most 0.5 levels, about 0.6 LAB units, without a bias. */
        CHECK_CLOSE(got_mean[c], want_mean[c], 0.1);
        CHECK_CLOSE(got_std[c], want_std[c], 0.1);
    }
    /* The own statistics change nothing. */
    CHECK_OK(uda_lab_transfer(out, source, n, source, n, &levels[UDA_LAB_ROUND], NULL, arena, &err), &err);
    CHECK(memcmp(out, source, (size_t)n * 3) == 0);
}

/* Several blocks, the last ones short: the same bytes on any number of threads, as computed above. */
static void test_threads(struct uda_arena *arena)
{
    struct uda_err err = {0};
    int64_t ps = 3 * 1024 + 17, pt = 2 * 1024 + 1;
    const uint8_t *source = noise(arena, ps, 5, 30, 150), *target = noise(arena, pt, 6, 60, 120);
    uint8_t *alone = uda_arena_alloc(arena, (size_t)ps * 3), *out = uda_arena_alloc(arena, (size_t)ps * 3);
    const struct uda_lab_levels *round = &levels[UDA_LAB_ROUND];
    CHECK_OK(uda_lab_transfer(alone, source, ps, target, pt, round, NULL, arena, &err), &err);
    for (int threads = 1; threads <= 3; threads++) {
        struct uda_team *team = NULL;
        CHECK_OK(uda_team_create(&team, threads, &err), &err);
        CHECK_OK(uda_lab_transfer(out, source, ps, target, pt, round, team, arena, &err), &err);
        CHECK(memcmp(out, alone, (size_t)ps * 3) == 0);
        uda_team_destroy(&team);
    }
    check_transfer(alone, source, ps, target, pt, UDA_LAB_ROUND);
}

/* Every instruction set has the same bytes, also where all light lies within rounding of an edge between
 * bytes: source and target are one image, and levels truncate. */
static void test_instruction_sets(struct uda_arena *arena)
{
    static const char *const isa[] = {"generic", "x86-64-v3", "x86-64-v4"};
    int64_t pixels = 3 * 1024 + 17, bytes = 3 * pixels, differ = 0;
    const uint8_t *image = noise(arena, pixels, 8, 0, 256);
    uint8_t *first = uda_arena_alloc(arena, (size_t)bytes), *out = uda_arena_alloc(arena, (size_t)bytes);
    struct uda_stream stream = {0};
    for (int i = 0; i < 3; i++) {
        const struct uda_kernels *kernels = uda_kernels_cpu_named(isa[i]);
        struct uda_lab_transfer_args a = {.source_pixels = pixels, .target_pixels = pixels,
                                          .levels = &levels[UDA_LAB_TRUNCATE], .source = image,
                                          .target = image, .out = i == 0 ? first : out};
        if (kernels != NULL) {
            CHECK(kernels->lab_transfer(&stream, &a) == 0);
            a.ws.data = uda_arena_alloc(arena, a.ws.bytes);
            CHECK(kernels->lab_transfer(&stream, &a) == 0);
            CHECK(memcmp(a.out, first, (size_t)bytes) == 0);
        }
    }
    for (int64_t i = 0; i < bytes; i++) {
        differ += first[i] != image[i];
    }
    CHECK(differ > bytes / 10 && differ < bytes * 9 / 10); /* light on both sides of edges */
}

/* The least light of a byte is where the curve says it: just below it, the byte before. */
static void test_levels(void)
{
    for (int how = 0; how < 2; how++) {
        for (int byte = 1; byte < 256; byte++) {
            long double level = (long double)byte - (how == UDA_LAB_ROUND ? 0.5L : 0.0L);
            long double v = level / 255.0L;
            v = v > 0.04045L ? powl((v + 0.055L) / 1.055L, 2.4L) : v / 12.92L;
            /* The curve's value has at most 6 roundings (exponent, power, product, difference, 255, 0.5); a
             * relative error of it is 2.4 times that of the light. */
            CHECK_CLOSE(levels[how].edge[byte] / (double)v, 1.0, 6 * 2.4 * 0x1p-53);
        }
    }
}

static void test_flat(struct uda_arena *arena)
{
    struct uda_err err = {0};
    static const uint8_t grey[] = {90, 90, 90, 90, 90, 90, 90, 90, 90};
    static const uint8_t green[] = {40, 160, 70, 40, 160, 70};
    uint8_t out[9];
    CHECK_OK(uda_lab_transfer(out, grey, 3, green, 2, &levels[UDA_LAB_ROUND], NULL, arena, &err), &err);
    for (int i = 0; i < 9; i++) {
        CHECK(out[i] == green[i % 3]);
    }
    /* A flat target takes the contrast away; one pixel is flat too. */
    static const uint8_t two[] = {10, 20, 30, 200, 180, 160};
    CHECK_OK(uda_lab_transfer(out, two, 2, green, 1, &levels[UDA_LAB_ROUND], NULL, arena, &err), &err);
    CHECK(memcmp(out, green, 6) == 0);
    CHECK(uda_lab_transfer(out, two, 0, green, 1, &levels[UDA_LAB_ROUND], NULL, arena, &err) == UDA_SHAPE);
    uda_err_clear(&err);
    CHECK(uda_lab_transfer(out, two, 2, green, 0, &levels[UDA_LAB_ROUND], NULL, arena, &err) == UDA_SHAPE);
}

int main(void)
{
    struct uda_arena arena = {0};
    uda_lab_levels_init(&levels[UDA_LAB_ROUND], UDA_LAB_ROUND);
    uda_lab_levels_init(&levels[UDA_LAB_TRUNCATE], UDA_LAB_TRUNCATE);
    test_levels();
    test_known();
    test_round_trip();
    test_transfer(&arena, UDA_LAB_ROUND);
    test_transfer(&arena, UDA_LAB_TRUNCATE);
    test_statistics(&arena);
    test_threads(&arena);
    test_instruction_sets(&arena);
    test_flat(&arena);
    uda_arena_finish(&arena);
    return check_result();
}
