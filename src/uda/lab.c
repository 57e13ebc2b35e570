#include "src/uda/lab.h"

#include <math.h>
#include <string.h>

#define STD_GUARD 1e-8

static const double to_xyz[3][3] = {{0.412453, 0.357580, 0.180423},
                                    {0.212671, 0.715160, 0.072169},
                                    {0.019334, 0.119193, 0.950227}};
static const double from_xyz[3][3] = {
    {3.2404813432005266, -1.5371515162713185, -0.4985363261688878},
    {-0.9692549499965682, 1.8759900014898907, 0.0415559265582928},
    {0.0556466391351772, -0.2040413383665112, 1.0573110696453443}};
static const double white[3] = {0.95047, 1.0, 1.08883};

static double linear_of_srgb(double v)
{
    return v > 0.04045 ? pow((v + 0.055) / 1.055, 2.4) : v / 12.92;
}

static double srgb_of_linear(double v)
{
    return v > 0.0031308 ? 1.055 * pow(v, 1.0 / 2.4) - 0.055 : 12.92 * v;
}

/*
 * The cube root of a positive normal number. A third of the exponent and of what follows it is within 6 %
 * (the constant is Kahan's); each of Halley's steps y (y^3 + 2 t) / (2 y^3 + t) leaves 2/3 of the cube of a
 * relative error: 1.5e-4, 2e-12, and then what rounding leaves.
 */
static inline double cube_root(double t)
{
    uint64_t bits;
    double y;
    memcpy(&bits, &t, sizeof bits);
    bits = bits / 3 + ((uint64_t)715094163 << 32);
    memcpy(&y, &bits, sizeof y);
    for (int step = 0; step < 3; step++) {
        double cube = y * y * y;
        y *= (cube + t + t) / (cube + cube + t);
    }
    return y;
}

static inline double lab_curve(double t) { return t > 0.008856 ? cube_root(t) : 7.787 * t + 4.0 / 29.0; }

static double lab_curve_inverse(double f)
{
    return f > 0.2068966 ? f * f * f : (f - 4.0 / 29.0) / 7.787;
}

/* ---- bytes ---- */

static uint8_t byte_of(double value, enum uda_lab_bytes bytes)
{
    if (!(value > 0.0)) {
        return 0;
    }
    double scaled = (value < 1.0 ? value : 1.0) * 255.0;
    return (uint8_t)(bytes == UDA_LAB_ROUND ? scaled + 0.5 : scaled);
}

/* The least double of 0..1 that becomes the byte or more: bisection over all that lie between. */
static double edge_of(int byte, enum uda_lab_bytes bytes)
{
    double low = 0.0, high = 1.0; /* low is below the edge, high is not: 0 is byte 0, 1 is byte 255 */
    for (double middle = 0.5; middle > low && middle < high; middle = 0.5 * (low + high)) {
        if (byte_of(srgb_of_linear(middle), bytes) >= byte) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}

void uda_lab_levels_init(struct uda_lab_levels *levels, enum uda_lab_bytes bytes)
{
    for (int v = 0; v < 256; v++) {
        levels->linear[v] = linear_of_srgb((double)v / 255.0);
        levels->edge[v] = v == 0 ? 0.0 : edge_of(v, bytes);
    }
    for (int i = 0; i <= UDA_LAB_CELLS; i++) {
        levels->first[i] = byte_of(srgb_of_linear((double)i / UDA_LAB_CELLS), bytes);
    }
}

/* byte_of(srgb_of_linear(v)) without a power. */
static uint8_t byte_of_linear(double v, const struct uda_lab_levels *levels)
{
    if (!(v > 0.0)) {
        return 0;
    }
    int byte = levels->first[v < 1.0 ? (int)(v * UDA_LAB_CELLS) : UDA_LAB_CELLS];
    while (byte < 255 && v >= levels->edge[byte + 1]) {
        byte++;
    }
    return (uint8_t)byte;
}

/* ---- LAB ---- */

void uda_lab_from_rgb(double *lab, const uint8_t *rgb, int64_t pixels, const struct uda_lab_levels *levels)
{
    const double *linear = levels->linear;
    for (int64_t p = 0; p < pixels; p++) {
        double r = linear[rgb[3 * p]], g = linear[rgb[3 * p + 1]], b = linear[rgb[3 * p + 2]];
        double f[3];
        for (int c = 0; c < 3; c++) {
            f[c] = lab_curve((to_xyz[c][0] * r + to_xyz[c][1] * g + to_xyz[c][2] * b) / white[c]);
        }
        lab[3 * p] = 116.0 * f[1] - 16.0;
        lab[3 * p + 1] = 500.0 * (f[0] - f[1]);
        lab[3 * p + 2] = 200.0 * (f[1] - f[2]);
    }
}

void uda_lab_to_rgb(uint8_t *rgb, const double *lab, int64_t pixels, const struct uda_lab_levels *levels)
{
    for (int64_t p = 0; p < pixels; p++) {
        double fy = (lab[3 * p] + 16.0) / 116.0;
        double fx = lab[3 * p + 1] / 500.0 + fy;
        double fz = fmax(fy - lab[3 * p + 2] / 200.0, 0.0);
        double x = lab_curve_inverse(fx) * white[0], y = lab_curve_inverse(fy) * white[1];
        double z = lab_curve_inverse(fz) * white[2];
        for (int c = 0; c < 3; c++) {
            double v = from_xyz[c][0] * x + from_xyz[c][1] * y + from_xyz[c][2] * z;
            rgb[3 * p + c] = byte_of_linear(v, levels);
        }
    }
}

/* ---- statistics ---- */

#define BLOCK ((int64_t)1024)

/* Mean and sum of squared deviations of some pixels. */
struct moments {
    double count, mean[3], squares[3];
};

static void moments_of(struct moments *m, const double *lab, int64_t pixels)
{
    *m = (struct moments){.count = (double)pixels};
    for (int c = 0; c < 3; c++) {
        for (int64_t p = 0; p < pixels; p++) {
            m->mean[c] += lab[3 * p + c];
        }
        m->mean[c] /= (double)pixels;
        for (int64_t p = 0; p < pixels; p++) {
            double d = lab[3 * p + c] - m->mean[c];
            m->squares[c] += d * d;
        }
    }
}

/* Two groups of pixels as one: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
 * computing sample variances" (1979). */
static void join(struct moments *m, const struct moments *next)
{
    double count = m->count + next->count, share = next->count / count;
    for (int c = 0; c < 3; c++) {
        double d = next->mean[c] - m->mean[c];
        m->squares[c] += next->squares[c] + d * d * m->count * share;
        m->mean[c] += d * share;
    }
    m->count = count;
}

/* Mean and unbiased standard deviation of L (0..100), a, b. */
struct stats {
    double mean[3], std[3];
};

static void stats_of(struct stats *stats, const struct moments *block, int64_t blocks)
{
    struct moments all = block[0];
    for (int64_t i = 1; i < blocks; i++) {
        join(&all, &block[i]);
    }
    for (int c = 0; c < 3; c++) {
        stats->mean[c] = all.mean[c];
        stats->std[c] = all.count > 1.0 ? sqrt(all.squares[c] / (all.count - 1.0)) : 0.0;
    }
}

/* ---- transfer ---- */

struct transfer {
    const struct uda_lab_levels *levels;
    const uint8_t *source, *target;
    int64_t source_pixels, target_pixels, source_blocks;
    double *lab;           /* of the source */
    struct moments *block; /* of the source, then of the target */
    struct stats from, to;
    uint8_t *out;
};

/* First pixel of a block, and how many it has. */
static int64_t block_pixels(int64_t *first, int64_t block, int64_t pixels)
{
    *first = block * BLOCK;
    return pixels - *first < BLOCK ? pixels - *first : BLOCK;
}

static void measure_block(void *args, int64_t i)
{
    struct transfer *t = args;
    int64_t first = 0;
    if (i < t->source_blocks) {
        int64_t pixels = block_pixels(&first, i, t->source_pixels);
        uda_lab_from_rgb(t->lab + 3 * first, t->source + 3 * first, pixels, t->levels);
        moments_of(&t->block[i], t->lab + 3 * first, pixels);
    } else {
        double lab[3 * BLOCK];
        int64_t pixels = block_pixels(&first, i - t->source_blocks, t->target_pixels);
        uda_lab_from_rgb(lab, t->target + 3 * first, pixels, t->levels);
        moments_of(&t->block[i], lab, pixels);
    }
}

static void move_block(void *args, int64_t i)
{
    const struct transfer *t = args;
    int64_t first = 0, pixels = block_pixels(&first, i, t->source_pixels);
    double *lab = t->lab + 3 * first;
    for (int64_t p = 0; p < pixels; p++) {
        for (int c = 0; c < 3; c++) {
            double z = (lab[3 * p + c] - t->from.mean[c]) / (t->from.std[c] + STD_GUARD);
            lab[3 * p + c] = z * (t->to.std[c] + STD_GUARD) + t->to.mean[c];
        }
    }
    uda_lab_to_rgb(t->out + 3 * first, lab, pixels, t->levels);
}

int uda_lab_transfer(uint8_t *out, const uint8_t *source, int64_t source_pixels,
                     const uint8_t *target, int64_t target_pixels, const struct uda_lab_levels *levels,
                     struct uda_team *team, struct uda_arena *scratch, struct uda_err *err)
{
    int64_t most = source_pixels > target_pixels ? source_pixels : target_pixels;
    if (source_pixels < 1 || target_pixels < 1 || (uint64_t)most > SIZE_MAX / (6 * sizeof(double))) {
        return uda_fail(err, UDA_SHAPE, "colour transfer from %lld to %lld pixels",
                        (long long)source_pixels, (long long)target_pixels);
    }
    size_t mark = uda_arena_mark(scratch);
    int64_t source_blocks = (source_pixels + BLOCK - 1) / BLOCK;
    int64_t target_blocks = (target_pixels + BLOCK - 1) / BLOCK;
    struct transfer t = {.levels = levels, .source = source, .target = target, .out = out,
                         .source_pixels = source_pixels, .target_pixels = target_pixels,
                         .source_blocks = source_blocks};
    t.lab = uda_arena_alloc(scratch, (size_t)source_pixels * 3 * sizeof *t.lab);
    t.block = uda_arena_alloc(scratch, (size_t)(source_blocks + target_blocks) * sizeof *t.block);
    if (t.lab == NULL || t.block == NULL) {
        uda_arena_reset(scratch, mark);
        return uda_fail(err, UDA_NOMEM, "out of memory for the colours of %lld pixels",
                        (long long)source_pixels);
    }
    uda_team_run(team, source_blocks + target_blocks, measure_block, &t);
    stats_of(&t.from, t.block, source_blocks);
    stats_of(&t.to, t.block + source_blocks, target_blocks);
    uda_team_run(team, source_blocks, move_block, &t);
    uda_arena_reset(scratch, mark);
    return 0;
}
