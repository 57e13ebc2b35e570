/*
 * Products of bf16 tiles in shared memory by the tensor cores' mma.m16n8k16, sums in float.
 *
 * Invariants: all lanes of a warp call. With (g, t) = (lane / 4, lane % 4) a lane holds of a 16 x 16 factor
 * A, two terms a word, the lower term in the lower half: a[0] row g, terms 2t and 2t + 1; a[1] row g + 8;
 * a[2], a[3] the same 8 terms further; of B, 8 columns of 16 terms: b[0] column g, terms 2t and 2t + 1;
 * b[1] 8 terms further; of the sum columns 2t and 2t + 1 of row g, then of row g + 8. On the host the lanes
 * exchange these words and add up the same elements, so a word in the wrong lane is a wrong result there.
 *
 *     float sum[TILES][4] = {};
 *     uda_mma_add<TILES>(sum, a, lda, b, ldb, depth);      // 16 rows of a, 8 TILES rows of b
 *     uda_mma_put<TILES>(out, ld, sum);
 */
#ifndef UDA_KERNELS_CUDA_MMA_CUH
#define UDA_KERNELS_CUDA_MMA_CUH

#include "kernels/cuda/device.cuh"

/* Values behind each row of a tile: the words that a warp reads at once then lie in 32 banks. */
#define UDA_MMA_PAD 8

#if defined(UDA_HOST_CUDA)
/* x.low y.low + x.high y.high */
static inline float uda_mma_pair(unsigned x, unsigned y)
{
    return __uint_as_float(x << 16) * __uint_as_float(y << 16) +
           __uint_as_float(x & 0xffff0000u) * __uint_as_float(y & 0xffff0000u);
}
#endif

/* sum [16, 8] += A [16, 16] B [16, 8] */
static __device__ __forceinline__ void uda_mma(float (&sum)[4], const unsigned (&a)[4],
                                               const unsigned (&b)[2])
{
#if !defined(UDA_HOST_CUDA)
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    int lane = (int)threadIdx.x % UDA_WARP, row = lane / 4 * 4, column = lane % 4 * 8;
    for (int half = 0; half < 2; half++) {
        for (int t = 0; t < 4; t++) {
            unsigned top = __shfl_sync(UDA_ALL_LANES, a[2 * half], row + t);
            unsigned bottom = __shfl_sync(UDA_ALL_LANES, a[2 * half + 1], row + t);
            unsigned left = __shfl_sync(UDA_ALL_LANES, b[half], column + t);
            unsigned right = __shfl_sync(UDA_ALL_LANES, b[half], column + 4 + t);
            sum[0] += uda_mma_pair(top, left);
            sum[1] += uda_mma_pair(top, right);
            sum[2] += uda_mma_pair(bottom, left);
            sum[3] += uda_mma_pair(bottom, right);
        }
    }
#endif
}

/* Two neighbours, the first at an even place. */
static __device__ __forceinline__ unsigned uda_mma_word(const uda_bf16 *p)
{
    return *reinterpret_cast<const unsigned *>(p);
}

/* sum [16, 8 TILES] += a [16, depth] times the rows of b [8 TILES, depth]; depth is a multiple of 16. */
template <int TILES>
static __device__ __forceinline__ void uda_mma_add(float (&sum)[TILES][4], const uda_bf16 *a, int lda,
                                                   const uda_bf16 *b, int ldb, int depth)
{
    int lane = (int)threadIdx.x % UDA_WARP, g = lane / 4, t = lane % 4;
    const uda_bf16 *x = a + g * lda + 2 * t, *y = b + g * ldb + 2 * t;
    for (int k = 0; k < depth; k += 16) {
        unsigned rows[4] = {uda_mma_word(x + k), uda_mma_word(x + 8 * lda + k), uda_mma_word(x + k + 8),
                            uda_mma_word(x + 8 * lda + k + 8)};
        UDA_UNROLL
        for (int tile = 0; tile < TILES; tile++) {
            const uda_bf16 *at = y + tile * 8 * ldb + k;
            unsigned columns[2] = {uda_mma_word(at), uda_mma_word(at + 8)};
            uda_mma(sum[tile], rows, columns);
        }
    }
}

/* out [16, 8 TILES] = sum; ld is even. */
template <int TILES>
static __device__ __forceinline__ void uda_mma_put(float *out, int ld, const float (&sum)[TILES][4])
{
    int lane = (int)threadIdx.x % UDA_WARP;
    float *to = out + lane / 4 * ld + lane % 4 * 2;
    UDA_UNROLL
    for (int tile = 0; tile < TILES; tile++) {
        *reinterpret_cast<float2 *>(to + tile * 8) = {sum[tile][0], sum[tile][1]};
        *reinterpret_cast<float2 *>(to + 8 * ld + tile * 8) = {sum[tile][2], sum[tile][3]};
    }
}

/* What a warp of four has of a product [M, N], M = 32 or 64: 16 rows and 8 tiles columns. */
template <int M, int N> struct uda_mma_part {
    static constexpr int down = M / 16, across = 4 / down, tiles = N / 8 / across;
    int row, column;

    __device__ uda_mma_part()
    {
        int warp = (int)threadIdx.x / UDA_WARP;
        row = warp % down * 16;
        column = warp / down * tiles * 8;
    }
};

/* A float as the sum of two bf16: 16 bits of it, so that products of it stay those of floats. */
static __device__ __forceinline__ void uda_mma_split(uda_bf16 *high, uda_bf16 *low, float x)
{
    uda_store(high, x);
    uda_store(low, x - uda_load(high));
}

#endif
