/*
 * A 32 x 64 tile of a matrix product in float, whose factors are functions: rows that are gathered,
 * features between pixels. For the losses; large plain products are uda_cuda_gemm's.
 *
 * Invariants: a block has UDA_TILE_THREADS threads, all of which call; terms are added in the order of
 * k. Row i of the tile belongs to warp i / 4; a lane has columns `lane` and `lane + 32`.
 *
 *     uda_tile tile = {};
 *     uda_tile_add<false, false>(tile, K, [&](int i, int64_t k) { return a[i * K + k]; },
 *                                [&](int64_t k, int j) { return b[j * K + k]; });
 *     uda_tile_each(tile, [&](int i, int j, float value) { ... });
 */
#ifndef UDA_KERNELS_CUDA_TILE_CUH
#define UDA_KERNELS_CUDA_TILE_CUH

#include "kernels/cuda/device.cuh"

#define UDA_TILE_ROWS 32
#define UDA_TILE_COLUMNS 64
#define UDA_TILE_THREADS 256
#define UDA_TILE_DEPTH 32
#define UDA_TILE_PAD 36 /* rows of four start at 16 bytes */

struct uda_tile {
    float of[4][2];
};

/*
 * Adds sum over k < K of a(i, k) b(k, j). a and b give 0 where there is no row or column; k is always
 * below K. ROWS_FAST: neighbours in i are neighbours in a's memory, else those in k; COLUMNS_FAST: in
 * j of b's.
 */
template <bool ROWS_FAST, bool COLUMNS_FAST, typename A, typename B>
static __device__ __forceinline__ void uda_tile_add(uda_tile &tile, int64_t K, A a, B b)
{
    UDA_SHARED(float, left, [UDA_TILE_DEPTH][UDA_TILE_PAD]);
    UDA_SHARED(float, right, [UDA_TILE_DEPTH][UDA_TILE_COLUMNS + 1]);
    int me = (int)threadIdx.x, lane = me % UDA_WARP, first = me / UDA_WARP * 4;
    for (int64_t base = 0; base < K; base += UDA_TILE_DEPTH) {
        for (int at = me; at < UDA_TILE_DEPTH * UDA_TILE_ROWS; at += UDA_TILE_THREADS) {
            int k = ROWS_FAST ? at / UDA_TILE_ROWS : at % UDA_TILE_DEPTH;
            int i = ROWS_FAST ? at % UDA_TILE_ROWS : at / UDA_TILE_DEPTH;
            left[k][i] = base + k < K ? a(i, base + k) : 0.0f;
        }
        for (int at = me; at < UDA_TILE_DEPTH * UDA_TILE_COLUMNS; at += UDA_TILE_THREADS) {
            int k = COLUMNS_FAST ? at / UDA_TILE_COLUMNS : at % UDA_TILE_DEPTH;
            int j = COLUMNS_FAST ? at % UDA_TILE_COLUMNS : at / UDA_TILE_DEPTH;
            right[k][j] = base + k < K ? b(base + k, j) : 0.0f;
        }
        __syncthreads();
        UDA_UNROLL
        for (int k = 0; k < UDA_TILE_DEPTH; k++) {
            float low = right[k][lane], high = right[k][lane + UDA_WARP];
            for (int i = 0; i < 4; i++) {
                tile.of[i][0] += left[k][first + i] * low;
                tile.of[i][1] += left[k][first + i] * high;
            }
        }
        __syncthreads();
    }
}

/* each(i, j, value) for the thread's eight values. */
template <typename F> static __device__ __forceinline__ void uda_tile_each(const uda_tile &tile, F each)
{
    int lane = (int)threadIdx.x % UDA_WARP, first = (int)threadIdx.x / UDA_WARP * 4;
    for (int i = 0; i < 4; i++) {
        each(first + i, lane, tile.of[i][0]);
        each(first + i, lane + UDA_WARP, tile.of[i][1]);
    }
}

#endif
