/*
 * Maps with channels last: a thread has some neighbouring channels of one pixel.
 *
 * Invariants: blocks are UDA_SPOT_THREADS threads in a row; with N = 4 the number of channels is a multiple
 * of four and pointers allow uda_load4.
 *
 *     uda_spot s = uda_spot_of<N>(W, C);             // in a kernel of uda_spots(pixels, C, N) blocks
 *     if (s.row < images * H) { uda_put<N>(y + s.pixel * C + s.c, uda_take<N>(x + ...)); }
 */
#ifndef UDA_KERNELS_CUDA_CHANNELS_CUH
#define UDA_KERNELS_CUDA_CHANNELS_CUH

#include "kernels/cuda/device.cuh"

#define UDA_SPOT_THREADS 256

/* N neighbouring channels: one memory operation. */
template <int N> struct uda_channels {
    float v[N];
};

template <int N, typename T> static __device__ __forceinline__ uda_channels<N> uda_take(const T *p)
{
    uda_channels<N> x;
    if constexpr (N == 4) {
        uda_quad q = uda_load4(p);
        for (int i = 0; i < 4; i++) {
            x.v[i] = q.v[i];
        }
    } else {
        x.v[0] = uda_load(p);
    }
    return x;
}

template <int N, typename T>
static __device__ __forceinline__ void uda_put(T *p, const uda_channels<N> &x)
{
    if constexpr (N == 4) {
        uda_store4(p, {{x.v[0], x.v[1], x.v[2], x.v[3]}});
    } else {
        uda_store(p, x.v[0]);
    }
}

/* sum += weight x */
template <int N>
static __device__ __forceinline__ void uda_add(uda_channels<N> *sum, float weight, const uda_channels<N> &x)
{
    for (int i = 0; i < N; i++) {
        sum->v[i] += weight * x.v[i];
    }
}

/* N channels from c of pixel `column` of row `row`, all images' rows counted. */
struct uda_spot {
    int64_t row, column, c, pixel;
};

template <int N> static __device__ __forceinline__ uda_spot uda_spot_of(int64_t width, int64_t C)
{
    int64_t at = (int64_t)blockIdx.x * UDA_SPOT_THREADS + threadIdx.x, groups = C / N;
    uda_spot s;
    s.pixel = uda_divide(at, groups);
    s.c = (at - s.pixel * groups) * N;
    s.row = uda_divide(s.pixel, width);
    s.column = s.pixel - s.row * width;
    return s;
}

/* Blocks for so many pixels. */
static inline dim3 uda_spots(int64_t pixels, int64_t C, int per_thread)
{
    return uda_blocks(pixels * (C / per_thread), UDA_SPOT_THREADS);
}

#endif
