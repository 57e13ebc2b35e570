/*
 * Sampling maps at points, as kernels/args_loss.h says: bilinear, zeros outside.
 *
 * Invariants: a tap outside the map has weight 0 and a place inside it, so reading is always allowed,
 * whatever the point is; a coordinate that is not a number lies outside.
 *
 *     uda_taps taps = uda_taps_of(point + 2 * p, h, w);
 *     float x = uda_sample(map, taps);
 */
#ifndef UDA_KERNELS_CUDA_POINTS_CUH
#define UDA_KERNELS_CUDA_POINTS_CUH

#include "kernels/cuda/device.cuh"

struct uda_taps {
    float weight[4];
    int at[4]; /* row times width plus column */
};

/* The two cells around u in -1..n, clamped into 0..n-1, and their weights. */
static __device__ __forceinline__ void uda_place(float u, int n, int cell[2], float weight[2])
{
    u = u > -1.0f ? u : -1.0f; /* NaN too */
    u = u < (float)n ? u : (float)n;
    float below = floorf(u), part = u - below;
    int x = (int)below;
    weight[0] = x >= 0 && x < n ? 1.0f - part : 0.0f;
    weight[1] = x + 1 < n ? part : 0.0f;
    cell[0] = x < 0 ? 0 : x < n ? x : n - 1;
    cell[1] = x + 1 < n ? x + 1 : n - 1;
}

/* Of a point (x, y) on a map of h x w pixels; h w fits an int. */
static __device__ __forceinline__ uda_taps uda_taps_of(const float *point, int64_t h, int64_t w)
{
    uda_taps taps;
    int column[2], row[2];
    float across[2], down[2];
    uda_place(point[0] * (float)w - 0.5f, (int)w, column, across);
    uda_place(point[1] * (float)h - 0.5f, (int)h, row, down);
    for (int tap = 0; tap < 4; tap++) {
        taps.weight[tap] = down[tap / 2] * across[tap % 2];
        taps.at[tap] = row[tap / 2] * (int)w + column[tap % 2];
    }
    return taps;
}

static __device__ __forceinline__ float uda_sample(const float *map, const uda_taps &taps)
{
    return taps.weight[0] * map[taps.at[0]] + taps.weight[1] * map[taps.at[1]] +
           taps.weight[2] * map[taps.at[2]] + taps.weight[3] * map[taps.at[3]];
}

/* Of a mask of bits. */
static __device__ __forceinline__ float uda_sample(const uint32_t *mask, const uda_taps &taps)
{
    float sum = 0.0f;
    for (int tap = 0; tap < 4; tap++) {
        sum += taps.weight[tap] * (float)(mask[taps.at[tap] >> 5] >> (taps.at[tap] & 31) & 1u);
    }
    return sum;
}

/* Rows that a grid takes at once; its blocks go on to those behind. More would mostly be blocks without a
 * row: an image has few of all that there is room for. */
#define UDA_ROWS_AT_ONCE 16

/* Pairs of an image: as many as it has targets and there are queries. */
static __device__ __forceinline__ int64_t uda_pairs(const int64_t *first, int64_t Q)
{
    return uda_least(Q, first[1] - first[0]);
}

/* softplus(x) and the logistic function of x, from one exponential. */
static __device__ __forceinline__ float uda_softplus(float x, float *sigmoid)
{
    float e = expf(-fabsf(x)), inverse = 1.0f / (1.0f + e);
    *sigmoid = x >= 0.0f ? inverse : e * inverse;
    return (x > 0.0f ? x : 0.0f) + log1pf(e);
}

/* log sum exp of K logits, in double. */
static __device__ __forceinline__ double uda_log_sum(const float *x, int64_t K)
{
    double top = (double)x[0], sum = 0.0;
    for (int64_t k = 1; k < K; k++) {
        top = (double)x[k] > top ? (double)x[k] : top;
    }
    for (int64_t k = 0; k < K; k++) {
        sum += exp((double)x[k] - top);
    }
    return top + log(sum);
}

#endif
