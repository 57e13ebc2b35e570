#include "kernels/cuda/device.cuh"

#define THREADS 256
#define PER_THREAD 4
#define PIECE (THREADS * PER_THREAD) /* values of a block */

/* ---- y = f(x), dx (+)= f'(x) dy ---- */

/* One value in, one out; old is what an accumulating gradient adds to. */
struct gelu_forward {
    static __device__ __forceinline__ float value(float x, float)
    {
        return 0.5f * x * erfcf(x * -0.707106781f);
    }
};
struct gelu_backward {
    static __device__ __forceinline__ float value(float x, float dy)
    {
        float cdf = 0.5f * erfcf(x * -0.707106781f);
        return dy * (cdf + x * 0.398942280f * expf(-0.5f * x * x));
    }
};
struct relu_forward {
    static __device__ __forceinline__ float value(float x, float) { return x > 0.0f ? x : 0.0f; }
};
struct relu_backward {
    static __device__ __forceinline__ float value(float x, float dy) { return x > 0.0f ? dy : 0.0f; }
};

/* y (+)= F(x, dy) of count values; FOURS: pointers allow four at a time. dy may be NULL. */
template <typename F, typename T, bool FOURS>
static __global__ void __launch_bounds__(THREADS)
    map_values(T *y, const T *x, const T *dy, int64_t count, bool accumulate)
{
    int64_t first = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * PER_THREAD;
    if (FOURS && first + PER_THREAD <= count) {
        uda_quad v = uda_load4(x + first), d = v, old = {};
        if (dy != nullptr) {
            d = uda_load4(dy + first);
        }
        if (accumulate) {
            old = uda_load4(y + first);
        }
        for (int i = 0; i < PER_THREAD; i++) {
            v.v[i] = F::value(v.v[i], d.v[i]) + old.v[i];
        }
        uda_store4(y + first, v);
        return;
    }
    for (int64_t i = first; i < uda_least(first + PER_THREAD, count); i++) {
        float d = dy != nullptr ? uda_load(dy + i) : 0.0f, old = accumulate ? uda_load(y + i) : 0.0f;
        uda_store(y + i, F::value(uda_load(x + i), d) + old);
    }
}

template <typename F, typename T>
static void map_launch(struct uda_stream *stream, void *to, const void *from, const void *slope,
                       int64_t count, bool accumulate)
{
    T *y = static_cast<T *>(to);
    const T *x = static_cast<const T *>(from), *dy = static_cast<const T *>(slope);
    if (uda_fours(y) && uda_fours(x) && uda_fours(dy)) {
        UDA_CUDA_LAUNCH((map_values<F, T, true>), uda_blocks(count, PIECE), THREADS, 0, stream, y, x, dy,
                        count, accumulate);
    } else {
        UDA_CUDA_LAUNCH((map_values<F, T, false>), uda_blocks(count, PIECE), THREADS, 0, stream, y, x, dy,
                        count, accumulate);
    }
}

/* y (+)= F(x, dy) in the type of the arguments. */
template <typename F>
static int map_run(struct uda_stream *stream, const struct uda_unary_args *a, void *y, const void *dy,
                   bool accumulate)
{
    if (a->type == UDA_BF16) {
        map_launch<F, uda_bf16>(stream, y, a->x, dy, a->count, accumulate);
    } else {
        map_launch<F, float>(stream, y, a->x, dy, a->count, accumulate);
    }
    return uda_cuda_launched();
}

int uda_cuda_gelu_fwd(struct uda_stream *stream, struct uda_unary_args *a)
{
    return map_run<gelu_forward>(stream, a, a->y, nullptr, false);
}

int uda_cuda_gelu_bwd(struct uda_stream *stream, struct uda_unary_args *a)
{
    return map_run<gelu_backward>(stream, a, a->dx, a->dy, a->accumulate);
}

int uda_cuda_relu_fwd(struct uda_stream *stream, struct uda_unary_args *a)
{
    return map_run<relu_forward>(stream, a, a->y, nullptr, false);
}

int uda_cuda_relu_bwd(struct uda_stream *stream, struct uda_unary_args *a)
{
    return map_run<relu_backward>(stream, a, a->dx, a->dy, a->accumulate);
}

/* ---- y[n,i] = a[n,i] + scale[n] b[n stride_b + i] ---- */

/* Four values of one block, or `rest` < 4 of them. */
template <typename T, typename TB, bool FOURS>
static __device__ __forceinline__ void add_four(T *y, const T *a, const TB *b, float scale, int64_t rest)
{
    if (FOURS && rest >= PER_THREAD) {
        uda_quad p = uda_load4(a), q = uda_load4(b);
        for (int i = 0; i < PER_THREAD; i++) {
            p.v[i] += scale * q.v[i];
        }
        uda_store4(y, p);
        return;
    }
    for (int64_t i = 0; i < uda_least(rest, PER_THREAD); i++) {
        uda_store(y + i, uda_load(a + i) + scale * uda_load(b + i));
    }
}

/* A thread has four values of one block; the blocks follow each other at ceil(count / 4) threads. */
template <typename T, typename TB, bool FOURS, bool SCALED>
static __global__ void __launch_bounds__(THREADS)
    add_blocks(T *y, const T *a, const TB *b, int64_t N, int64_t count, int64_t stride_b,
               const float *scale)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, fours = uda_ceil_div(count, PER_THREAD);
    int64_t n = uda_divide(at, fours), first = (at - n * fours) * PER_THREAD;
    if (n < N) {
        add_four<T, TB, FOURS>(y + n * count + first, a + n * count + first, b + n * stride_b + first,
                               SCALED ? scale[n] : 1.0f, count - first);
    }
}

template <typename T, typename TB, bool SCALED>
static void add_launch(struct uda_stream *stream, const struct uda_add_args *args, int64_t N, int64_t count,
                       int64_t stride_b)
{
    T *y = static_cast<T *>(args->y);
    const T *a = static_cast<const T *>(args->a);
    const TB *b = static_cast<const TB *>(args->b);
    bool fours = (N == 1 || (count % PER_THREAD == 0 && stride_b % PER_THREAD == 0)) && uda_fours(y) &&
                 uda_fours(a) && uda_fours(b);
    dim3 blocks = uda_blocks(N * uda_ceil_div(count, PER_THREAD), THREADS);
    if (fours) {
        UDA_CUDA_LAUNCH((add_blocks<T, TB, true, SCALED>), blocks, THREADS, 0, stream, y, a, b, N, count,
                        stride_b, args->scale);
    } else {
        UDA_CUDA_LAUNCH((add_blocks<T, TB, false, SCALED>), blocks, THREADS, 0, stream, y, a, b, N, count,
                        stride_b, args->scale);
    }
}

template <typename T, typename TB> static int add_run(struct uda_stream *stream, const struct uda_add_args *a)
{
    if (a->scale != NULL) {
        add_launch<T, TB, true>(stream, a, a->N, a->count, a->stride_b);
    } else if (a->stride_b == a->count) { /* all as one block */
        add_launch<T, TB, false>(stream, a, 1, a->N * a->count, 0);
    } else {
        add_launch<T, TB, false>(stream, a, a->N, a->count, a->stride_b);
    }
    return uda_cuda_launched();
}

int uda_cuda_add(struct uda_stream *stream, struct uda_add_args *a)
{
    if (a->type == UDA_F32) {
        return a->type_b == UDA_F32 ? add_run<float, float>(stream, a) : (int)UDA_UNSUPPORTED;
    }
    return a->type_b == UDA_F32 ? add_run<uda_bf16, float>(stream, a)
                                : add_run<uda_bf16, uda_bf16>(stream, a);
}
