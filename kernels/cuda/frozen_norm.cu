#include "kernels/cuda/channels.cuh"

#define THREADS UDA_SPOT_THREADS

/* scale and shift [C]: y = x scale + shift */
static __global__ void __launch_bounds__(THREADS)
    fold(float *scale, float *shift, const float *gamma, const float *beta, const float *mean,
         const float *var, float eps, int64_t C)
{
    int64_t c = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (c < C) {
        scale[c] = gamma[c] / sqrtf(var[c] + eps);
        shift[c] = beta[c] - mean[c] * scale[c];
    }
}

template <int N, typename T>
static __global__ void __launch_bounds__(THREADS)
    forward(T *y, const T *x, const T *add, const float *scale, const float *shift, int64_t rows, int64_t C,
            bool relu)
{
    uda_spot s = uda_spot_of<N>(1, C);
    if (s.pixel < rows) {
        uda_channels<N> v = uda_take<N>(x + s.pixel * C + s.c), a = uda_take<N>(scale + s.c);
        uda_channels<N> b = uda_take<N>(shift + s.c);
        for (int i = 0; i < N; i++) {
            v.v[i] = v.v[i] * a.v[i] + b.v[i];
        }
        if (add != nullptr) {
            uda_add<N>(&v, 1.0f, uda_take<N>(add + s.pixel * C + s.c));
        }
        for (int i = 0; i < N; i++) {
            v.v[i] = relu && v.v[i] < 0.0f ? 0.0f : v.v[i];
        }
        uda_put<N>(y + s.pixel * C + s.c, v);
    }
}

template <int N, typename T>
static __device__ __forceinline__ void give(T *to, bool accumulate, uda_channels<N> d)
{
    if (accumulate) {
        uda_add<N>(&d, 1.0f, uda_take<N>(to));
    }
    uda_put<N>(to, d);
}

/* y NULL: no ReLU. dx, dadd may be NULL. */
template <int N, typename T>
static __global__ void __launch_bounds__(THREADS)
    backward(T *dx, T *dadd, const T *dy, const T *y, const float *scale, int64_t rows, int64_t C,
             bool add_dx, bool add_dadd)
{
    uda_spot s = uda_spot_of<N>(1, C);
    int64_t at = s.pixel * C + s.c;
    if (s.pixel < rows) {
        uda_channels<N> d = uda_take<N>(dy + at), a = uda_take<N>(scale + s.c);
        if (y != nullptr) {
            uda_channels<N> v = uda_take<N>(y + at);
            for (int i = 0; i < N; i++) {
                d.v[i] = v.v[i] > 0.0f ? d.v[i] : 0.0f;
            }
        }
        if (dadd != nullptr) {
            give<N>(dadd + at, add_dadd, d);
        }
        for (int i = 0; i < N; i++) {
            d.v[i] *= a.v[i];
        }
        if (dx != nullptr) {
            give<N>(dx + at, add_dx, d);
        }
    }
}

/* The workspace: scale [C] and shift [C], each from a multiple of 16 bytes; false: only its size was asked
 * for. */
static bool prepare(struct uda_stream *stream, struct uda_frozen_norm_args *a, float **scale, float **shift)
{
    int64_t room = uda_ceil_div(a->C, 4) * 4;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(2 * room + 1) * sizeof(float);
        return false;
    }
    *scale = static_cast<float *>(a->ws.data);
    *shift = *scale + room;
    UDA_CUDA_LAUNCH(fold, uda_blocks(a->C, THREADS), THREADS, 0, stream, *scale, *shift, a->gamma, a->beta,
                    a->mean, a->var, a->eps, a->C);
    return true;
}

template <typename T> static int run_forward(struct uda_stream *stream, struct uda_frozen_norm_args *a)
{
    const T *x = static_cast<const T *>(a->x), *add = static_cast<const T *>(a->add);
    T *y = static_cast<T *>(a->y);
    float *scale = nullptr, *shift = nullptr;
    if (!prepare(stream, a, &scale, &shift)) {
        return 0;
    }
    if (a->C % 4 == 0 && uda_fours(x) && uda_fours(y) && uda_fours(add)) {
        UDA_CUDA_LAUNCH((forward<4, T>), uda_spots(a->rows, a->C, 4), THREADS, 0, stream, y, x, add, scale,
                        shift, a->rows, a->C, a->relu);
    } else {
        UDA_CUDA_LAUNCH((forward<1, T>), uda_spots(a->rows, a->C, 1), THREADS, 0, stream, y, x, add, scale,
                        shift, a->rows, a->C, a->relu);
    }
    return uda_cuda_launched();
}

int uda_cuda_frozen_norm_fwd(struct uda_stream *stream, struct uda_frozen_norm_args *a)
{
    return a->type == UDA_BF16 ? run_forward<uda_bf16>(stream, a) : run_forward<float>(stream, a);
}

template <typename T> static int run_backward(struct uda_stream *stream, struct uda_frozen_norm_args *a)
{
    const T *dy = static_cast<const T *>(a->dy);
    const T *y = a->relu ? static_cast<const T *>(a->saved_y) : nullptr;
    T *dx = static_cast<T *>(a->dx), *dadd = static_cast<T *>(a->dadd);
    float *scale = nullptr, *shift = nullptr;
    if (!prepare(stream, a, &scale, &shift)) {
        return 0;
    }
    if (a->C % 4 == 0 && uda_fours(dy) && uda_fours(y) && uda_fours(dx) && uda_fours(dadd)) {
        UDA_CUDA_LAUNCH((backward<4, T>), uda_spots(a->rows, a->C, 4), THREADS, 0, stream, dx, dadd, dy, y,
                        scale, a->rows, a->C, a->add_dx, a->add_dadd);
    } else {
        UDA_CUDA_LAUNCH((backward<1, T>), uda_spots(a->rows, a->C, 1), THREADS, 0, stream, dx, dadd, dy, y,
                        scale, a->rows, a->C, a->add_dx, a->add_dadd);
    }
    return uda_cuda_launched();
}

int uda_cuda_frozen_norm_bwd(struct uda_stream *stream, struct uda_frozen_norm_args *a)
{
    return a->type == UDA_BF16 ? run_backward<uda_bf16>(stream, a) : run_backward<float>(stream, a);
}
