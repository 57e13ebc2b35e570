#include "src/uda/lab.h"

#include <math.h>

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

static double lab_curve(double t) { return t > 0.008856 ? cbrt(t) : 7.787 * t + 4.0 / 29.0; }

static double lab_curve_inverse(double f)
{
    return f > 0.2068966 ? f * f * f : (f - 4.0 / 29.0) / 7.787;
}

void uda_lab_from_rgb(double *lab, const uint8_t *rgb, int64_t pixels)
{
    double linear[256];
    for (int v = 0; v < 256; v++) {
        linear[v] = linear_of_srgb((double)v / 255.0);
    }
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

static uint8_t byte_of(double value, enum uda_lab_bytes bytes)
{
    if (!(value > 0.0)) {
        return 0;
    }
    double scaled = (value < 1.0 ? value : 1.0) * 255.0;
    return (uint8_t)(bytes == UDA_LAB_ROUND ? scaled + 0.5 : scaled);
}

void uda_lab_to_rgb(uint8_t *rgb, const double *lab, int64_t pixels, enum uda_lab_bytes bytes)
{
    for (int64_t p = 0; p < pixels; p++) {
        double fy = (lab[3 * p] + 16.0) / 116.0;
        double fx = lab[3 * p + 1] / 500.0 + fy;
        double fz = fmax(fy - lab[3 * p + 2] / 200.0, 0.0);
        double x = lab_curve_inverse(fx) * white[0], y = lab_curve_inverse(fy) * white[1];
        double z = lab_curve_inverse(fz) * white[2];
        for (int c = 0; c < 3; c++) {
            double v = from_xyz[c][0] * x + from_xyz[c][1] * y + from_xyz[c][2] * z;
            rgb[3 * p + c] = byte_of(srgb_of_linear(v), bytes);
        }
    }
}

void uda_lab_stats_of(struct uda_lab_stats *stats, const double *lab, int64_t pixels)
{
    for (int c = 0; c < 3; c++) {
        double sum = 0.0, squares = 0.0;
        for (int64_t p = 0; p < pixels; p++) {
            sum += lab[3 * p + c];
        }
        double mean = sum / (double)pixels;
        for (int64_t p = 0; p < pixels; p++) {
            double d = lab[3 * p + c] - mean;
            squares += d * d;
        }
        stats->mean[c] = mean;
        stats->std[c] = pixels > 1 ? sqrt(squares / (double)(pixels - 1)) : 0.0;
    }
}

void uda_lab_move(double *lab, int64_t pixels, const struct uda_lab_stats *from,
                  const struct uda_lab_stats *to)
{
    for (int64_t p = 0; p < pixels; p++) {
        for (int c = 0; c < 3; c++) {
            double z = (lab[3 * p + c] - from->mean[c]) / (from->std[c] + STD_GUARD);
            lab[3 * p + c] = z * (to->std[c] + STD_GUARD) + to->mean[c];
        }
    }
}

int uda_lab_transfer(uint8_t *out, const uint8_t *source, int64_t source_pixels,
                     const uint8_t *target, int64_t target_pixels, enum uda_lab_bytes bytes,
                     struct uda_arena *scratch, struct uda_err *err)
{
    int64_t most = source_pixels > target_pixels ? source_pixels : target_pixels;
    if (source_pixels < 1 || target_pixels < 1 || (uint64_t)most > SIZE_MAX / (3 * sizeof(double))) {
        return uda_fail(err, UDA_SHAPE, "colour transfer from %lld to %lld pixels",
                        (long long)source_pixels, (long long)target_pixels);
    }
    size_t mark = uda_arena_mark(scratch);
    double *lab = uda_arena_alloc(scratch, (size_t)most * 3 * sizeof *lab);
    if (lab == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for the colours of %lld pixels",
                        (long long)most);
    }
    struct uda_lab_stats from, to;
    uda_lab_from_rgb(lab, target, target_pixels);
    uda_lab_stats_of(&to, lab, target_pixels);
    uda_lab_from_rgb(lab, source, source_pixels);
    uda_lab_stats_of(&from, lab, source_pixels);
    uda_lab_move(lab, source_pixels, &from, &to);
    uda_lab_to_rgb(out, lab, source_pixels, bytes);
    uda_arena_reset(scratch, mark);
    return 0;
}
