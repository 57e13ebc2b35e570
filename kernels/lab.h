/*
 * The arithmetic of the colour transfer, shared by the kernels of all backends.
 *
 * sRGB to CIELAB as the authors' library (kornia) has it: XYZ by a matrix of six decimals, white 0.95047, 1,
 * 1.08883. Statistics are those of blocks of UDA_LAB_BLOCK pixels, joined in the order of the pixels.
 *
 * Invariants: double; +, -, *, /, sqrt and comparisons alone, each rounded by itself, in the order written.
 * Files that include this are compiled without contraction to fma (-ffp-contract=off, -fmad=false), and then
 * the bytes are the same on every processor.
 *
 *     uda_lab_of_rgb(lab + 3 * p, rgb + 3 * p, levels);                           // each pixel
 *     moment[3 * block + c] = uda_lab_measure(lab + c, pixels);                   // each block
 *     uda_lab_join(&stats->mean[c], &stats->std[c], moment + c, pixels);          // each channel
 *     uda_lab_shift(lab + 3 * p, &from, &to), uda_lab_to_rgb(out + 3 * p, lab + 3 * p, levels);
 */
#ifndef UDA_KERNELS_LAB_H
#define UDA_KERNELS_LAB_H

#include "kernels/args_lab.h"

#include <math.h>
#include <string.h>

#if defined(__CUDACC__)
#define UDA_LAB_FUNCTION static inline __host__ __device__
#else
#define UDA_LAB_FUNCTION static inline
#endif

/* ---- colours ---- */

/*
 * The cube root of a positive normal number. A third of the exponent and of what follows it is within 6 %
 * (the constant is Kahan's); each of Halley's steps y (y^3 + 2 t) / (2 y^3 + t) leaves 2/3 of the cube of a
 * relative error: 1.5e-4, 2e-12, and then what rounding leaves.
 */
UDA_LAB_FUNCTION double uda_lab_cube_root(double t)
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

/* XYZ by its white, and the numbers of which L, a, b are differences. */
UDA_LAB_FUNCTION double uda_lab_curve(double t)
{
    return t > 0.008856 ? uda_lab_cube_root(t) : 7.787 * t + 4.0 / 29.0;
}
UDA_LAB_FUNCTION double uda_lab_curve_inverse(double f)
{
    return f > 0.2068966 ? f * f * f : (f - 4.0 / 29.0) / 7.787;
}

/* L (0..100), a, b of a colour. */
UDA_LAB_FUNCTION void uda_lab_of_rgb(double lab[3], const uint8_t rgb[3], const struct uda_lab_levels *levels)
{
    double r = levels->linear[rgb[0]], g = levels->linear[rgb[1]], b = levels->linear[rgb[2]];
    double x = uda_lab_curve((0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.95047);
    double y = uda_lab_curve(0.212671 * r + 0.715160 * g + 0.072169 * b);
    double z = uda_lab_curve((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.08883);
    lab[0] = 116.0 * y - 16.0;
    lab[1] = 500.0 * (x - y);
    lab[2] = 200.0 * (y - z);
}

/* The byte of linear light; outside 0..1: the nearest. */
UDA_LAB_FUNCTION uint8_t uda_lab_byte(double v, const struct uda_lab_levels *levels)
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

/* The inverse; colours outside sRGB are clamped channel by channel. */
UDA_LAB_FUNCTION void uda_lab_to_rgb(uint8_t rgb[3], const double lab[3], const struct uda_lab_levels *levels)
{
    double fy = (lab[0] + 16.0) / 116.0;
    double fx = lab[1] / 500.0 + fy;
    double fz = fmax(fy - lab[2] / 200.0, 0.0);
    double x = uda_lab_curve_inverse(fx) * 0.95047, y = uda_lab_curve_inverse(fy);
    double z = uda_lab_curve_inverse(fz) * 1.08883;
    rgb[0] = uda_lab_byte(3.2404813432005266 * x - 1.5371515162713185 * y - 0.4985363261688878 * z, levels);
    rgb[1] = uda_lab_byte(-0.9692549499965682 * x + 1.8759900014898907 * y + 0.0415559265582928 * z, levels);
    rgb[2] = uda_lab_byte(0.0556466391351772 * x - 0.2040413383665112 * y + 1.0573110696453443 * z, levels);
}

/* ---- statistics ---- */

#define UDA_LAB_BLOCK ((int64_t)1024)

/* Mean of one channel over some pixels, and the sum of squared deviations from it. */
struct uda_lab_moment {
    double mean, squares;
};

/* Mean and unbiased deviation of L, a, b. */
struct uda_lab_stats {
    double mean[3], std[3];
};

/* Blocks of an image, and pixels of one of them. */
UDA_LAB_FUNCTION int64_t uda_lab_blocks(int64_t pixels)
{
    return (pixels + UDA_LAB_BLOCK - 1) / UDA_LAB_BLOCK;
}
UDA_LAB_FUNCTION int64_t uda_lab_block_pixels(int64_t block, int64_t pixels)
{
    int64_t rest = pixels - block * UDA_LAB_BLOCK;
    return rest < UDA_LAB_BLOCK ? rest : UDA_LAB_BLOCK;
}

/* Of the channel that lab, of the first pixel, points to. */
UDA_LAB_FUNCTION struct uda_lab_moment uda_lab_measure(const double *lab, int64_t pixels)
{
    struct uda_lab_moment m = {0.0, 0.0};
    for (int64_t p = 0; p < pixels; p++) {
        m.mean += lab[3 * p];
    }
    m.mean /= (double)pixels;
    for (int64_t p = 0; p < pixels; p++) {
        double d = lab[3 * p] - m.mean;
        m.squares += d * d;
    }
    return m;
}

/* One channel of an image from its blocks, block i's being moment[3 i]: Chan, Golub and LeVeque, "Updating
 * formulae and a pairwise algorithm for computing sample variances" (1979). */
UDA_LAB_FUNCTION void uda_lab_join(double *mean, double *std, const struct uda_lab_moment *moment,
                                   int64_t pixels)
{
    struct uda_lab_moment all = moment[0];
    double count = (double)uda_lab_block_pixels(0, pixels);
    for (int64_t i = 1; i < uda_lab_blocks(pixels); i++) {
        double more = (double)uda_lab_block_pixels(i, pixels), d = moment[3 * i].mean - all.mean;
        double share = more / (count + more);
        all.squares += moment[3 * i].squares + d * d * count * share;
        all.mean += d * share;
        count += more;
    }
    *mean = all.mean;
    *std = count > 1.0 ? sqrt(all.squares / (count - 1.0)) : 0.0;
}

/* One colour from the statistics of one image to those of another. */
UDA_LAB_FUNCTION void uda_lab_shift(double lab[3], const struct uda_lab_stats *from,
                                    const struct uda_lab_stats *to)
{
    for (int c = 0; c < 3; c++) {
        double z = (lab[c] - from->mean[c]) / (from->std[c] + 1e-8);
        lab[c] = z * (to->std[c] + 1e-8) + to->mean[c];
    }
}

#endif
