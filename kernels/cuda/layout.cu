#include "kernels/cuda/device.cuh"

#define THREADS 256
#define PER_THREAD 4

/* ---- y[n stride_y + i] (+)= scale[n] x[n stride_x + i] ---- */

struct copy_shape {
    int64_t N, count, stride_x, stride_y;
};

/* A thread has four values of one block; the blocks follow each other at ceil(count / 4) threads. */
template <typename T, typename TX, bool FOURS, bool SCALED>
static __global__ void __launch_bounds__(THREADS)
    copy_values(T *y, const TX *x, copy_shape shape, bool accumulate, const float *scale)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    int64_t fours = uda_ceil_div(shape.count, PER_THREAD), n = uda_divide(at, fours);
    int64_t first = (at - n * fours) * PER_THREAD;
    if (n >= shape.N) {
        return;
    }
    const TX *from = x + n * shape.stride_x + first;
    T *to = y + n * shape.stride_y + first;
    float s = SCALED ? scale[n] : 1.0f;
    int64_t rest = uda_least(PER_THREAD, shape.count - first);
    if (FOURS && rest == PER_THREAD) {
        uda_quad v = uda_load4(from), old = {};
        if (accumulate) {
            old = uda_load4(to);
        }
        for (int i = 0; i < PER_THREAD; i++) {
            v.v[i] = accumulate ? old.v[i] + s * v.v[i] : s * v.v[i];
        }
        uda_store4(to, v);
        return;
    }
    for (int64_t i = 0; i < rest; i++) {
        float v = s * uda_load(from + i);
        uda_store(to + i, accumulate ? uda_load(to + i) + v : v);
    }
}

template <typename T, typename TX, bool SCALED>
static void copy_launch(struct uda_stream *stream, const struct uda_copy_blocks_args *a)
{
    T *y = static_cast<T *>(a->y);
    const TX *x = static_cast<const TX *>(a->x);
    copy_shape shape = {a->N, a->count, a->stride_x, a->stride_y};
    bool fours = (a->N == 1 || (a->stride_x % PER_THREAD == 0 && a->stride_y % PER_THREAD == 0)) &&
                 uda_fours(y) && uda_fours(x);
    dim3 blocks = uda_blocks(a->N * uda_ceil_div(a->count, PER_THREAD), THREADS);
    if (fours) {
        UDA_CUDA_LAUNCH((copy_values<T, TX, true, SCALED>), blocks, THREADS, 0, stream, y, x, shape,
                        a->accumulate, a->scale);
    } else {
        UDA_CUDA_LAUNCH((copy_values<T, TX, false, SCALED>), blocks, THREADS, 0, stream, y, x, shape,
                        a->accumulate, a->scale);
    }
}

template <typename T, typename TX>
static int copy_run(struct uda_stream *stream, const struct uda_copy_blocks_args *a)
{
    if (a->scale != NULL) {
        copy_launch<T, TX, true>(stream, a);
    } else {
        copy_launch<T, TX, false>(stream, a);
    }
    return uda_cuda_launched();
}

int uda_cuda_copy_blocks(struct uda_stream *stream, struct uda_copy_blocks_args *a)
{
    if (a->type == UDA_F32) {
        return a->type_x == UDA_F32 ? copy_run<float, float>(stream, a)
                                    : copy_run<float, uda_bf16>(stream, a);
    }
    return a->type_x == UDA_F32 ? copy_run<uda_bf16, float>(stream, a)
                                : copy_run<uda_bf16, uda_bf16>(stream, a);
}

/* ---- y[i] = value ---- */

template <typename T>
static __global__ void __launch_bounds__(THREADS) fill_values(T *y, int64_t count, float value)
{
    int64_t first = (int64_t)blockIdx.x * THREADS * PER_THREAD + threadIdx.x;
    for (int i = 0; i < PER_THREAD; i++) {
        int64_t at = first + i * THREADS;
        if (at < count) {
            uda_store(y + at, value);
        }
    }
}

template <typename T> static int fill_run(struct uda_stream *stream, const struct uda_fill_args *a)
{
    UDA_CUDA_LAUNCH(fill_values<T>, uda_blocks(a->count, THREADS * PER_THREAD), THREADS, 0, stream,
                    static_cast<T *>(a->y), a->count, a->value);
    return uda_cuda_launched();
}

int uda_cuda_fill(struct uda_stream *stream, struct uda_fill_args *a)
{
    return a->type == UDA_BF16 ? fill_run<uda_bf16>(stream, a) : fill_run<float>(stream, a);
}

/* ---- y[i] (+)= sum over n of x[n stride_x + i], in order of n ---- */

template <typename T>
static __global__ void __launch_bounds__(THREADS)
    sum_values(float *y, const T *x, int64_t N, int64_t count, int64_t stride_x, bool accumulate)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < count) {
        float sum = accumulate ? y[i] : 0.0f;
        for (int64_t n = 0; n < N; n++) {
            sum += uda_load(x + n * stride_x + i);
        }
        y[i] = sum;
    }
}

template <typename T> static int sum_run(struct uda_stream *stream, const struct uda_sum_blocks_args *a)
{
    UDA_CUDA_LAUNCH(sum_values<T>, uda_blocks(a->count, THREADS), THREADS, 0, stream, a->y,
                    static_cast<const T *>(a->x), a->N, a->count, a->stride_x, a->accumulate);
    return uda_cuda_launched();
}

int uda_cuda_sum_blocks(struct uda_stream *stream, struct uda_sum_blocks_args *a)
{
    return a->type == UDA_BF16 ? sum_run<uda_bf16>(stream, a) : sum_run<float>(stream, a);
}

/* ---- patches ---- */

/* A thread for each value of y [N, H/4, W/4, 48]. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    patchify_values(T *y, const float *x, int64_t W, int64_t count)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) {
        return;
    }
    int64_t patch = uda_divide(at, 48), row = uda_divide(patch, W / 4), column = patch - row * (W / 4);
    int k = (int)(at - patch * 48), c = k / 16, ky = k / 4 % 4, kx = k % 4;
    /* row counts patch rows over all images: image n, row i of it is pixel row n H + 4 i. */
    uda_store(y + at, x[((row * 4 + ky) * W + column * 4 + kx) * 3 + c]);
}

template <typename T> static int patchify_run(struct uda_stream *stream, const struct uda_patchify_args *a)
{
    int64_t count = a->N * a->H * a->W * 3;
    UDA_CUDA_LAUNCH(patchify_values<T>, uda_blocks(count, THREADS), THREADS, 0, stream,
                    static_cast<T *>(a->y), a->x, a->W, count);
    return uda_cuda_launched();
}

int uda_cuda_patchify(struct uda_stream *stream, struct uda_patchify_args *a)
{
    return a->type == UDA_BF16 ? patchify_run<uda_bf16>(stream, a) : patchify_run<float>(stream, a);
}

/* A thread for each value of y [N, h, w, 4, C], h and w half of H and W, rounded up. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    merge_values(T *y, const T *x, int64_t H, int64_t W, int64_t C, int64_t count)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) {
        return;
    }
    int64_t h = (H + 1) / 2, w = (W + 1) / 2;
    int64_t cell = uda_divide(at, C), c = at - cell * C, q = cell % 4, token = cell / 4;
    int64_t row = uda_divide(token, w), column = token - row * w, n = uda_divide(row, h);
    int64_t yy = (row - n * h) * 2 + q % 2, xx = column * 2 + q / 2;
    uda_store(y + at, yy < H && xx < W ? uda_load(x + ((n * H + yy) * W + xx) * C + c) : 0.0f);
}

template <typename T> static int merge_run(struct uda_stream *stream, const struct uda_patch_merge_args *a)
{
    int64_t count = a->N * ((a->H + 1) / 2) * ((a->W + 1) / 2) * 4 * a->C;
    UDA_CUDA_LAUNCH(merge_values<T>, uda_blocks(count, THREADS), THREADS, 0, stream, static_cast<T *>(a->y),
                    static_cast<const T *>(a->x), a->H, a->W, a->C, count);
    return uda_cuda_launched();
}

int uda_cuda_patch_merge_fwd(struct uda_stream *stream, struct uda_patch_merge_args *a)
{
    return a->type == UDA_BF16 ? merge_run<uda_bf16>(stream, a) : merge_run<float>(stream, a);
}

/* A thread for each value of dx [N,H,W,C]: each is read once. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    merge_back_values(T *dx, const T *dy, int64_t H, int64_t W, int64_t C, int64_t count,
                      bool accumulate)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) {
        return;
    }
    int64_t h = (H + 1) / 2, w = (W + 1) / 2;
    int64_t pixel = uda_divide(at, C), c = at - pixel * C, line = uda_divide(pixel, W);
    int64_t xx = pixel - line * W, n = uda_divide(line, H), yy = line - n * H;
    int64_t q = yy % 2 + 2 * (xx % 2);
    float g = uda_load(dy + (((n * h + yy / 2) * w + xx / 2) * 4 + q) * C + c);
    uda_store(dx + at, accumulate ? uda_load(dx + at) + g : g);
}

template <typename T>
static int merge_back_run(struct uda_stream *stream, const struct uda_patch_merge_args *a)
{
    int64_t count = a->N * a->H * a->W * a->C;
    UDA_CUDA_LAUNCH(merge_back_values<T>, uda_blocks(count, THREADS), THREADS, 0, stream,
                    static_cast<T *>(a->dx), static_cast<const T *>(a->dy), a->H, a->W, a->C, count,
                    a->accumulate);
    return uda_cuda_launched();
}

int uda_cuda_patch_merge_bwd(struct uda_stream *stream, struct uda_patch_merge_args *a)
{
    return a->type == UDA_BF16 ? merge_back_run<uda_bf16>(stream, a) : merge_back_run<float>(stream, a);
}
