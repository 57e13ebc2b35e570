/*
 * Sampling maps at points, in blocks: where a block's points fall, and what to do with a sampled logit.
 *
 * Invariants: a block always has UDA_POINT_BLOCK entries; those beyond the count have weight 0 at place 0. A tap outside
 * the map has weight 0 and a place inside it, so reading is always allowed, whatever the points are.
 *
 *     point_taps(&taps, point + 2 * first, count, h, w);
 *     point_sample(x, map, &taps);
 */
#ifndef UDA_KERNELS_CPU_POINTS_H
#define UDA_KERNELS_CPU_POINTS_H

#include "kernels/cpu/vmath.h"

#define UDA_POINT_BLOCK 256

struct point_taps {
    UDA_ALIGNED(64) float weight[4][UDA_POINT_BLOCK];
    UDA_ALIGNED(64) int32_t at[4][UDA_POINT_BLOCK]; /* row times width plus column */
};

/* Of point [count, 2], (x, y) each, on a map of h x w pixels; h w fits an int32. */
static inline void point_taps(struct point_taps *taps, const float *point, int64_t count, int64_t h,
                              int64_t w)
{
    UDA_ALIGNED(64) float px[UDA_POINT_BLOCK], py[UDA_POINT_BLOCK];
    for (int64_t j = 0; j < count; j++) {
        px[j] = point[2 * j];
        py[j] = point[2 * j + 1];
    }
    for (int64_t j = count; j < UDA_POINT_BLOCK; j++) {
        px[j] = -1.0f; /* outside: no weight */
        py[j] = -1.0f;
    }
    const float width = (float)w, height = (float)h;
    const int32_t right = (int32_t)w - 1, bottom = (int32_t)h - 1, stride = (int32_t)w;
    for (int64_t j = 0; j < UDA_POINT_BLOCK; j++) {
        float u = px[j] * width - 0.5f, v = py[j] * height - 0.5f;
        u = u > -1.0f ? u : -1.0f; /* NaN too */
        v = v > -1.0f ? v : -1.0f;
        u = u < width ? u : width;
        v = v < height ? v : height;
        int32_t x = (int32_t)(u + 1.0f) - 1, y = (int32_t)(v + 1.0f) - 1; /* floor: u >= -1 */
        float lw = u - (float)x, lh = v - (float)y;
        float w0 = x >= 0 ? 1.0f - lw : 0.0f, w1 = x < right ? lw : 0.0f;
        float h0 = y >= 0 ? 1.0f - lh : 0.0f, h1 = y < bottom ? lh : 0.0f;
        w0 = x <= right ? w0 : 0.0f;
        h0 = y <= bottom ? h0 : 0.0f;
        int32_t x0 = x > 0 ? x : 0, y0 = y > 0 ? y : 0, x1 = x + 1, y1 = y + 1;
        x0 = x0 < right ? x0 : right;
        x1 = x1 < right ? x1 : right;
        y0 = (y0 < bottom ? y0 : bottom) * stride;
        y1 = (y1 < bottom ? y1 : bottom) * stride;
        taps->weight[0][j] = h0 * w0;
        taps->weight[1][j] = h0 * w1;
        taps->weight[2][j] = h1 * w0;
        taps->weight[3][j] = h1 * w1;
        taps->at[0][j] = y0 + x0;
        taps->at[1][j] = y0 + x1;
        taps->at[2][j] = y1 + x0;
        taps->at[3][j] = y1 + x1;
    }
}

/* x [UDA_POINT_BLOCK] = map at the points. */
static inline void point_sample(float *UDA_RESTRICT x, const float *map, const struct point_taps *taps)
{
    for (int64_t j = 0; j < UDA_POINT_BLOCK; j++) {
        x[j] = taps->weight[0][j] * map[taps->at[0][j]] + taps->weight[1][j] * map[taps->at[1][j]] +
               taps->weight[2][j] * map[taps->at[2][j]] + taps->weight[3][j] * map[taps->at[3][j]];
    }
}

/* The same of a mask of 0 and 1. */
static inline void point_label(float *UDA_RESTRICT t, const uint8_t *mask, const struct point_taps *taps)
{
    for (int64_t j = 0; j < UDA_POINT_BLOCK; j++) {
        t[j] = taps->weight[0][j] * (float)mask[taps->at[0][j]] +
               taps->weight[1][j] * (float)mask[taps->at[1][j]] +
               taps->weight[2][j] * (float)mask[taps->at[2][j]] +
               taps->weight[3][j] * (float)mask[taps->at[3][j]];
    }
}

/* softplus(x) and the logistic function of x, from one exponential. */
static UDA_ALWAYS_INLINE vf softplus_sigmoid(vf x, vf *sigmoid)
{
    vf e = vf_exp(-vf_abs(x)), w = e + 1.0f, inverse = 1.0f / w;
    *sigmoid = vf_select(x >= 0.0f, inverse, e * inverse);
    return vf_max(x, vf_set(0.0f)) + (vf_log(w) + (e - (w - 1.0f)) * inverse);
}

/* All ones in the lanes below `count`. */
static UDA_ALWAYS_INLINE vi first_lanes(int64_t count)
{
    static const int32_t index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    vi lane;
    memcpy(&lane, index, sizeof lane);
    return lane < (int32_t)min_i64(count, UDA_LANES);
}

static UDA_ALWAYS_INLINE vf keep_lanes(vf x, vi where) { return (vf)((vi)x & where); }

#endif
