#include "kernels/cuda/device.cuh"

#include <math.h>

#define THREADS 256
#define WARPS (THREADS / UDA_WARP)
#define PER_THREAD 4
#define PIECE (THREADS * PER_THREAD) /* values of a block */

/* ---- sum of squares ---- */

/* Values of a block of the first stage: part of the meaning, another size gives other bits. */
#define CHUNK 65536

/* The block's sum, in thread 0: by warps, then over the warps in order. All threads call. */
static __device__ __forceinline__ double block_sum(double x)
{
    UDA_SHARED(double, sums, [WARPS]);
    x = uda_warp_sum(x);
    if (threadIdx.x % UDA_WARP == 0) {
        sums[threadIdx.x / UDA_WARP] = x;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < WARPS; w++) {
            x += sums[w];
        }
    }
    return x;
}

template <typename T, bool FOURS>
static __global__ void __launch_bounds__(THREADS) square_chunk(double *partial, const T *x, int64_t count)
{
    int64_t first = blockIdx.x * (int64_t)CHUNK, last = uda_least(first + CHUNK, count);
    double sum = 0.0;
    for (int64_t i = first + threadIdx.x * PER_THREAD; i < last; i += PIECE) {
        uda_quad q = {};
        if (FOURS && i + PER_THREAD <= last) {
            q = uda_load4(x + i);
        } else {
            for (int k = 0; k < PER_THREAD && i + k < last; k++) {
                q.v[k] = uda_load(x + i + k);
            }
        }
        for (int k = 0; k < PER_THREAD; k++) {
            sum += (double)q.v[k] * (double)q.v[k];
        }
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
    }
}

/* One block. */
static __global__ void __launch_bounds__(THREADS) add_chunks(double *out, const double *partial,
                                                             int64_t chunks)
{
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < chunks; i += THREADS) {
        sum += partial[i];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        *out = sum;
    }
}

int uda_cuda_sum_squares(struct uda_stream *stream, struct uda_sum_squares_args *a)
{
    int64_t chunks = uda_ceil_div(a->count, CHUNK);
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)uda_most(chunks, 1) * sizeof(double);
        return 0;
    }
    double *partial = static_cast<double *>(a->ws.data);
    if (uda_fours(a->x)) {
        UDA_CUDA_LAUNCH((square_chunk<float, true>), uda_blocks(chunks, 1), THREADS, 0, stream, partial,
                        a->x, a->count);
    } else {
        UDA_CUDA_LAUNCH((square_chunk<float, false>), uda_blocks(chunks, 1), THREADS, 0, stream, partial,
                        a->x, a->count);
    }
    UDA_CUDA_LAUNCH(add_chunks, dim3(1), THREADS, 0, stream, a->sum, partial, chunks);
    return uda_cuda_launched();
}

/* ---- spoil ---- */

/* One warp: a few hundred numbers. */
static __global__ void __launch_bounds__(UDA_WARP) spoil_first(const __grid_constant__ uda_spoil_args a)
{
    bool bad = false;
    for (int64_t i = threadIdx.x; i < a.values; i += UDA_WARP) {
        bad = bad || !isfinite(a.value[i]);
    }
    for (int64_t i = threadIdx.x; i < a.faults; i += UDA_WARP) {
        bad = bad || a.fault[i] != 0;
    }
    if (__any_sync(UDA_ALL_LANES, bad) && threadIdx.x == 0) {
        a.x[0] = __uint_as_float(0x7fc00000u);
    }
}

int uda_cuda_spoil(struct uda_stream *stream, struct uda_spoil_args *a)
{
    UDA_CUDA_LAUNCH(spoil_first, dim3(1), UDA_WARP, 0, stream, *a);
    return uda_cuda_launched();
}

/* ---- AdamW ---- */

/* Segments of a launch: they travel with it. */
#define SEGMENTS 96

struct group {
    int64_t offset, count, block; /* block: the first of the launch that works on it */
    float decay, step;
};

struct update {
    group of[SEGMENTS];
    int groups;
    float part1, part2, keep2, root, eps;
};

/* The factor of the gradient; NaN when there must be no update. */
static __global__ void __launch_bounds__(UDA_WARP)
    find_factor(float *factor, const double *squares, double max_norm)
{
    if (threadIdx.x == 0) {
        double sum = *squares, least = max_norm / (sqrt(sum) + 1e-6);
        *factor = !isfinite(sum) ? __uint_as_float(0x7fc00000u)
                                 : (float)(max_norm <= 0.0 || least > 1.0 ? 1.0 : least);
    }
}

/* The group that a block works on: the last one that begins at or before it. */
static __device__ __forceinline__ const group &group_of(const update &u, int64_t block)
{
    int low = 0, high = u.groups;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (u.of[middle].block <= block) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return u.of[low];
}

static __device__ __forceinline__ void update_value(const update &u, const group &s, float g, float &p,
                                                    float &m, float &v)
{
    m += u.part1 * (g - m);
    v = v * u.keep2 + u.part2 * g * g;
    p = p * s.decay - s.step * m / (sqrtf(v) / u.root + u.eps);
}

/* FOURS: the arrays allow four at a time, where a group begins at a multiple of four. */
template <bool FOURS>
static __global__ void __launch_bounds__(THREADS)
    update_groups(float *value, float *m, float *v, const float *grad, const float *factor,
                  const __grid_constant__ update u)
{
    float scale = *factor;
    if (isnan(scale)) {
        return; /* the whole grid */
    }
    const group &s = group_of(u, blockIdx.x);
    int64_t first = (blockIdx.x - s.block) * PIECE + threadIdx.x * PER_THREAD;
    int64_t at = s.offset + first, rest = uda_least(s.count - first, PER_THREAD);
    if (FOURS && rest == PER_THREAD && s.offset % PER_THREAD == 0) {
        uda_quad p4 = uda_load4(value + at), m4 = uda_load4(m + at), v4 = uda_load4(v + at);
        uda_quad g4 = uda_load4(grad + at);
        for (int i = 0; i < PER_THREAD; i++) {
            update_value(u, s, g4.v[i] * scale, p4.v[i], m4.v[i], v4.v[i]);
        }
        uda_store4(value + at, p4);
        uda_store4(m + at, m4);
        uda_store4(v + at, v4);
        return;
    }
    for (int64_t i = at; i < at + rest; i++) {
        update_value(u, s, grad[i] * scale, value[i], m[i], v[i]);
    }
}

static void update_launch(struct uda_stream *stream, const struct uda_adamw_args *a, const update &u,
                          int64_t blocks)
{
    const float *factor = static_cast<const float *>(a->ws.data);
    if (uda_fours(a->value) && uda_fours(a->m) && uda_fours(a->v) && uda_fours(a->grad)) {
        UDA_CUDA_LAUNCH(update_groups<true>, uda_blocks(blocks, 1), THREADS, 0, stream, a->value, a->m,
                        a->v, a->grad, factor, u);
    } else {
        UDA_CUDA_LAUNCH(update_groups<false>, uda_blocks(blocks, 1), THREADS, 0, stream, a->value, a->m,
                        a->v, a->grad, factor, u);
    }
}

int uda_cuda_adamw(struct uda_stream *stream, struct uda_adamw_args *a)
{
    if (a->ws.data == NULL) {
        a->ws.bytes = sizeof(float);
        return 0;
    }
    UDA_CUDA_LAUNCH(find_factor, dim3(a->segments > 0), UDA_WARP, 0, stream, static_cast<float *>(a->ws.data),
                    a->squares, a->max_norm);
    double correction1 = 1.0 - pow(a->beta1, (double)a->t);
    double correction2 = 1.0 - pow(a->beta2, (double)a->t);
    update u = {};
    u.part1 = (float)(1.0 - a->beta1);
    u.part2 = (float)(1.0 - a->beta2);
    u.keep2 = (float)a->beta2;
    u.root = (float)sqrt(correction2);
    u.eps = (float)a->eps;
    int64_t blocks = 0;
    for (int64_t k = 0; k < a->segments; k++) {
        const struct uda_adamw_segment *s = &a->segment[k];
        u.of[u.groups++] = {s->offset, s->count, blocks, (float)(1.0 - s->lr * s->weight_decay),
                            (float)(s->lr / correction1)};
        blocks += uda_ceil_div(s->count, PIECE);
        if (u.groups == SEGMENTS || k == a->segments - 1) {
            update_launch(stream, a, u, blocks);
            u.groups = 0;
            blocks = 0;
        }
    }
    return uda_cuda_launched();
}

/* ---- y = keep y + factor x ---- */

template <typename T, bool FOURS>
static __global__ void __launch_bounds__(THREADS)
    blend_values(T *y, const T *x, int64_t count, float keep, float factor)
{
    int64_t first = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * PER_THREAD;
    if (FOURS && first + PER_THREAD <= count) {
        uda_quad p = uda_load4(y + first), q = uda_load4(x + first);
        for (int i = 0; i < PER_THREAD; i++) {
            p.v[i] = keep * p.v[i] + factor * q.v[i];
        }
        uda_store4(y + first, p);
        return;
    }
    for (int64_t i = first; i < uda_least(first + PER_THREAD, count); i++) {
        uda_store(y + i, keep * uda_load(y + i) + factor * uda_load(x + i));
    }
}

static int blend_launch(struct uda_stream *stream, float *y, const float *x, int64_t count, float keep,
                        float factor)
{
    if (uda_fours(y) && uda_fours(x)) {
        UDA_CUDA_LAUNCH((blend_values<float, true>), uda_blocks(count, PIECE), THREADS, 0, stream, y, x,
                        count, keep, factor);
    } else {
        UDA_CUDA_LAUNCH((blend_values<float, false>), uda_blocks(count, PIECE), THREADS, 0, stream, y, x,
                        count, keep, factor);
    }
    return uda_cuda_launched();
}

int uda_cuda_ema(struct uda_stream *stream, struct uda_ema_args *a)
{
    return blend_launch(stream, a->teacher, a->student, a->count, (float)a->alpha, (float)(1.0 - a->alpha));
}

int uda_cuda_scale_add(struct uda_stream *stream, struct uda_scale_add_args *a)
{
    return blend_launch(stream, a->y, a->x, a->count, 1.0f, a->factor);
}
