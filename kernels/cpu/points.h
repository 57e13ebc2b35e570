/*
 * Sampling maps at points, in blocks: where a block's points fall, and what to do with a sampled
 * logit.
 *
 * Invariants: a block always has UDA_POINT_BLOCK entries; those beyond the count have weight 0 at
 * place 0. A tap outside the map has weight 0 and a place inside it, so reading is always allowed,
 * whatever the points are.
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

/* The two cells around u in -1..n, clamped into 0..last = n - 1, and their weights, 0 for a cell
 * outside. */
static UDA_ALWAYS_INLINE void place_lanes(vf u, int32_t last, vi cell[2], vf weight[2])
{
    const float magic = 0x1.8p23f; /* adding it rounds to an integer kept in the low bits */
    vf shifted = u + magic, nearest = shifted - magic;
    vi above = nearest > u; /* -1 where rounding went up */
    vf part = u - vf_select(above, nearest - 1.0f, nearest);
    vi x = (vi)shifted - 0x4b400000 + above, next = x + 1;
    weight[0] = (vf)((vi)(1.0f - part) & ((x >= 0) & (x <= last)));
    weight[1] = (vf)((vi)part & (x < last));
    vi low = (x < last), high = (next < last), in = (x > 0);
    cell[0] = ((x & low) | (last & ~low)) & in;
    cell[1] = ((next & high) | (last & ~high)) & (next > 0);
}

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
    for (int64_t j = 0; j < UDA_POINT_BLOCK; j += UDA_LANES) {
        vf u = vf_max(vf_load(px + j) * width - 0.5f, vf_set(-1.0f)); /* NaN too becomes -1 */
        vf v = vf_max(vf_load(py + j) * height - 0.5f, vf_set(-1.0f)), across[2], down[2];
        vi column[2], row[2];
        place_lanes(vf_min(u, vf_set(width)), (int32_t)w - 1, column, across);
        place_lanes(vf_min(v, vf_set(height)), (int32_t)h - 1, row, down);
        for (int tap = 0; tap < 4; tap++) {
            vi at = row[tap / 2] * (int32_t)w + column[tap % 2];
            vf_store(taps->weight[tap] + j, down[tap / 2] * across[tap % 2]);
            memcpy(taps->at[tap] + j, &at, sizeof at);
        }
    }
}

/* x [UDA_POINT_BLOCK] = map at the points. */
static inline void point_sample(float *UDA_RESTRICT x, const float *map,
                                const struct point_taps *taps)
{
    for (int64_t j = 0; j < UDA_POINT_BLOCK; j++) {
        x[j] = taps->weight[0][j] * map[taps->at[0][j]] + taps->weight[1][j] * map[taps->at[1][j]] +
               taps->weight[2][j] * map[taps->at[2][j]] + taps->weight[3][j] * map[taps->at[3][j]];
    }
}

/* t [UDA_POINT_BLOCK] = a mask of bits at the points. */
static inline void point_label(float *UDA_RESTRICT t, const uint32_t *bits,
                               const struct point_taps *taps)
{
    for (int64_t j = 0; j < UDA_POINT_BLOCK; j++) {
        float sum = 0.0f;
        for (int tap = 0; tap < 4; tap++) {
            int32_t at = taps->at[tap][j];
            int32_t bit = (int32_t)(bits[at >> 5] >> (at & 31) & 1u);
            sum += taps->weight[tap][j] * (float)bit;
        }
        t[j] = sum;
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
