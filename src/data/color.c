/*
 * ColorAugSSD of detectron2 (projects/PointRend/point_rend/color_augmentation.py) on 8-bit RGB: the
 * SSD paper's photometric distortion with OpenCV's 8-bit HSV, whose hue counts half-degrees 0..179.
 */
#include "src/data/augment.h"

#include <math.h>

#define HSV_SHIFT 12 /* OpenCV's fixed point for the division tables */

/* 2^12 * 255 / i and 2^12 * 180 / (6 i), rounded; entry 0 is 0. */
struct hsv_tables {
    int32_t saturation[256], hue[256];
};

static void make_tables(struct hsv_tables *t)
{
    t->saturation[0] = t->hue[0] = 0;
    for (int32_t i = 1; i < 256; i++) {
        t->saturation[i] = (2 * (255 << HSV_SHIFT) + i) / (2 * i);
        t->hue[i] = (2 * (30 << HSV_SHIFT) + i) / (2 * i);
    }
}

static int32_t max3(int32_t a, int32_t b, int32_t c)
{
    int32_t m = a > b ? a : b;
    return m > c ? m : c;
}

static int32_t min3(int32_t a, int32_t b, int32_t c)
{
    int32_t m = a < b ? a : b;
    return m < c ? m : c;
}

static void to_hsv(uint8_t hsv[3], const uint8_t rgb[3], const struct hsv_tables *t)
{
    int32_t r = rgb[0], g = rgb[1], b = rgb[2];
    int32_t v = max3(r, g, b), d = v - min3(r, g, b);
    int32_t h = v == r ? g - b : v == g ? b - r + 2 * d : r - g + 4 * d;
    h = (h * t->hue[d] + (1 << (HSV_SHIFT - 1))) >> HSV_SHIFT;
    hsv[0] = (uint8_t)(h < 0 ? h + 180 : h);
    hsv[1] = (uint8_t)((d * t->saturation[v] + (1 << (HSV_SHIFT - 1))) >> HSV_SHIFT);
    hsv[2] = (uint8_t)v;
}

static void to_rgb(uint8_t rgb[3], const uint8_t hsv[3])
{
    static const int8_t which[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3},
                                       {1, 2, 0}, {3, 1, 0}, {0, 1, 2}};
    float sixth = (float)hsv[0] * (6.0f / 180.0f), s = (float)hsv[1] / 255.0f, v = (float)hsv[2];
    int sector = (int)sixth;
    float part = sixth - (float)sector;
    float level[4] = {v, v * (1.0f - s), v * (1.0f - s * part), v * (1.0f - s * (1.0f - part))};
    sector = sector > 5 ? 0 : sector;
    for (int c = 0; c < 3; c++) {
        rgb[c] = (uint8_t)(level[which[sector][c]] + 0.5f);
    }
}

/* table[i] = clip(scale * i + shift) to 0..255, cut to an integer. */
static void make_line(uint8_t table[256], float scale, float shift)
{
    for (int i = 0; i < 256; i++) {
        float y = scale * (float)i + shift;
        table[i] = (uint8_t)(y < 0.0f ? 0.0f : y > 255.0f ? 255.0f : y);
    }
}

static void apply_line(uint8_t *rgb, int64_t pixels, float scale, float shift)
{
    uint8_t table[256];
    make_line(table, scale, shift);
    for (int64_t i = 0; i < 3 * pixels; i++) {
        rgb[i] = table[rgb[i]];
    }
}

static void contrast(uint8_t *rgb, int64_t pixels, float strength, struct uda_rng *rng)
{
    if (uda_rng_below(rng, 2) == 1) {
        apply_line(rgb, pixels, uda_rng_range(rng, 1.0f - 0.5f * strength, 1.0f + 0.5f * strength),
                   0.0f);
    }
}

static void saturation(uint8_t *rgb, int64_t pixels, float strength, const struct hsv_tables *t,
                       struct uda_rng *rng)
{
    if (uda_rng_below(rng, 2) == 0) {
        return;
    }
    uint8_t table[256];
    make_line(table, uda_rng_range(rng, 1.0f - 0.5f * strength, 1.0f + 0.5f * strength), 0.0f);
    for (int64_t i = 0; i < pixels; i++) {
        uint8_t hsv[3];
        to_hsv(hsv, rgb + 3 * i, t);
        hsv[1] = table[hsv[1]];
        to_rgb(rgb + 3 * i, hsv);
    }
}

static void hue(uint8_t *rgb, int64_t pixels, float strength, const struct hsv_tables *t,
                struct uda_rng *rng)
{
    if (uda_rng_below(rng, 2) == 0) {
        return;
    }
    int64_t most = (int64_t)(18.0f * strength + 0.5f);
    int shift = (int)(uda_rng_below(rng, 2 * most + 1) - most) + 180;
    for (int64_t i = 0; i < pixels; i++) {
        uint8_t hsv[3];
        to_hsv(hsv, rgb + 3 * i, t);
        hsv[0] = (uint8_t)((hsv[0] + shift) % 180);
        to_rgb(rgb + 3 * i, hsv);
    }
}

void uda_augment_color(uint8_t *rgb, int64_t pixels, float strength, struct uda_rng *rng)
{
    struct hsv_tables t;
    make_tables(&t);
    if (uda_rng_below(rng, 2) == 1) {
        apply_line(rgb, pixels, 1.0f, uda_rng_range(rng, -32.0f * strength, 32.0f * strength));
    }
    bool contrast_first = uda_rng_below(rng, 2) == 1;
    if (contrast_first) {
        contrast(rgb, pixels, strength, rng);
    }
    saturation(rgb, pixels, strength, &t, rng);
    hue(rgb, pixels, strength, &t, rng);
    if (!contrast_first) {
        contrast(rgb, pixels, strength, rng);
    }
}
