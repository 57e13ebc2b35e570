/*
 * The second stage of a reduction: sums of partial results that the blocks of the first stage have left
 * in the workspace.
 *
 * Invariants: the number of partial results depends on sizes alone, and so does the order of the sum:
 * eight interleaved sums, then these in order.
 *
 *     float *partial = (float *)a->ws.data;                       // [chunks][2][C]
 *     ... a first stage that writes all of it ...
 *     uda_sum_partials(stream, a->dgamma, partial, chunks, 2 * C, C, a->add_dgamma);
 */
#ifndef UDA_KERNELS_CUDA_PARTIALS_CUH
#define UDA_KERNELS_CUDA_PARTIALS_CUH

#include "kernels/cuda/device.cuh"

#define UDA_PARTIAL_LANES 8

/* Rows of one chunk when at least `least` and at most `chunks` chunks are wanted; a multiple of 8. */
static inline int64_t uda_chunk_rows(int64_t rows, int64_t least, int64_t chunks)
{
    return uda_most(least, uda_ceil_div(uda_ceil_div(rows, chunks), 8) * 8);
}

/* A block of (UDA_WARP, UDA_PARTIAL_LANES) threads sums 32 of them; one beyond the last leaves as a whole. */
template <typename T>
static __device__ __forceinline__ void uda_partials_block(T *out, const float *partial, int64_t chunks,
                                                          int64_t stride, int64_t count, bool add)
{
    UDA_SHARED(float, sums, [UDA_PARTIAL_LANES][UDA_WARP]);
    int64_t i = (int64_t)blockIdx.x * UDA_WARP + threadIdx.x;
    if (i - threadIdx.x >= count) {
        return;
    }
    float sum = 0.0f;
    for (int64_t chunk = threadIdx.y; i < count && chunk < chunks; chunk += UDA_PARTIAL_LANES) {
        sum += partial[chunk * stride + i];
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && i < count) {
        for (int lane = 1; lane < UDA_PARTIAL_LANES; lane++) {
            sum += sums[lane][threadIdx.x];
        }
        uda_store(out + i, add ? uda_load(out + i) + sum : sum);
    }
}

template <typename T>
static __global__ void __launch_bounds__(UDA_WARP *UDA_PARTIAL_LANES)
    uda_partials_kernel(T *out, const float *partial, int64_t chunks, int64_t stride, int64_t count,
                        bool add)
{
    uda_partials_block(out, partial, chunks, stride, count, add);
}

/* out[i] (+)= sum over chunks of partial[chunk stride + i], i < count; partial results are floats.
 * out NULL: nothing. */
template <typename T>
static inline void uda_sum_partials(struct uda_stream *stream, T *out, const float *partial,
                                    int64_t chunks, int64_t stride, int64_t count, bool add)
{
    if (out != NULL) {
        UDA_CUDA_LAUNCH(uda_partials_kernel<T>, uda_blocks(count, UDA_WARP),
                        dim3(UDA_WARP, UDA_PARTIAL_LANES), 0, stream, out, partial, chunks, stride, count,
                        add);
    }
}

#endif
