#include "kernels/cuda/channels.cuh"

#include <math.h>

#define THREADS UDA_SPOT_THREADS

/* Where an output row or column reads: (1 - part) x[low] + part x[high]. */
struct tap {
    int32_t low, high;
    float part;
};

/* The outputs that may read an input row or column: first..last. */
struct span {
    int32_t first, last;
};

/* Both axes of a resize, in the workspace: taps [H] and [W], then spans [h] and [w]. */
struct axes {
    tap *row, *column;
    span *rows, *columns;
};

/* ---- bilinear ---- */

static __device__ __forceinline__ tap tap_of(int64_t i, int64_t in, int64_t out)
{
    double source = ((double)i + 0.5) * (double)in / (double)out - 0.5;
    source = source > 0.0 ? source : 0.0;
    int64_t low = uda_least((int64_t)source, in - 1);
    return {(int32_t)low, (int32_t)uda_least(low + 1, in - 1), (float)(source - (double)low)};
}

static __device__ __forceinline__ span span_of(int64_t i, int64_t in, int64_t out)
{
    double ratio = (double)out / (double)in;
    int64_t first = (int64_t)(((double)i - 0.5) * ratio - 0.5) - 1;
    int64_t last = (int64_t)(((double)i + 1.5) * ratio - 0.5) + 1;
    return {(int32_t)uda_most(first, 0), (int32_t)uda_least(last, out - 1)};
}

/* The taps of one axis, and its spans unless NULL. */
static __global__ void __launch_bounds__(THREADS)
    prepare_axis(tap *taps, span *spans, int64_t in, int64_t out)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < out) {
        taps[i] = tap_of(i, in, out);
    }
    if (i < in && spans != nullptr) {
        spans[i] = span_of(i, in, out);
    }
}

/* Fills the workspace; false: only its size was asked for. */
static bool prepare(axes *x, struct uda_stream *stream, struct uda_resize_args *a, bool spans)
{
    if (a->ws.data == NULL) {
        int64_t bytes = (a->H + a->W) * (int64_t)sizeof(tap) + (a->h + a->w) * (int64_t)sizeof(span);
        a->ws.bytes = (size_t)uda_most(bytes, 1);
        return false;
    }
    x->row = static_cast<tap *>(a->ws.data);
    x->column = x->row + a->H;
    x->rows = reinterpret_cast<span *>(x->column + a->W);
    x->columns = x->rows + a->h;
    span *rows = spans ? x->rows : NULL, *columns = spans ? x->columns : NULL;
    UDA_CUDA_LAUNCH(prepare_axis, uda_blocks(uda_most(a->H, a->h), THREADS), THREADS, 0, stream, x->row,
                    rows, a->h, a->H);
    UDA_CUDA_LAUNCH(prepare_axis, uda_blocks(uda_most(a->W, a->w), THREADS), THREADS, 0, stream, x->column,
                    columns, a->w, a->W);
    return true;
}

/* Sizes, and what the kernels need of the arguments. */
template <typename T> struct resize {
    axes axis;
    const T *x, *add;
    T *y;
    int64_t N, h, w, H, W, C;
    bool accumulate;
};

template <int N, typename T>
static __global__ void __launch_bounds__(THREADS) resize_map(const __grid_constant__ resize<T> r)
{
    uda_spot s = uda_spot_of<N>(r.W, r.C);
    if (s.row >= r.N * r.H) {
        return;
    }
    int64_t n = uda_divide(s.row, r.H);
    tap row = r.axis.row[s.row - n * r.H], column = r.axis.column[s.column];
    const T *top = r.x + (n * r.h + row.low) * r.w * r.C + s.c;
    const T *bottom = r.x + (n * r.h + row.high) * r.w * r.C + s.c;
    float w11 = row.part * column.part, w10 = row.part - w11, w01 = column.part - w11;
    uda_channels<N> y = {};
    uda_add<N>(&y, 1.0f - row.part - w01, uda_take<N>(top + column.low * r.C));
    uda_add<N>(&y, w01, uda_take<N>(top + column.high * r.C));
    uda_add<N>(&y, w10, uda_take<N>(bottom + column.low * r.C));
    uda_add<N>(&y, w11, uda_take<N>(bottom + column.high * r.C));
    if (r.add != nullptr) {
        uda_add<N>(&y, 1.0f, uda_take<N>(r.add + s.pixel * r.C + s.c));
    }
    uda_put<N>(r.y + s.pixel * r.C + s.c, y);
}

template <typename T> static int resize_forward(struct uda_stream *stream, struct uda_resize_args *a)
{
    const T *x = static_cast<const T *>(a->x), *add = static_cast<const T *>(a->add);
    resize<T> r = {{}, x, add, static_cast<T *>(a->y), a->N, a->h, a->w, a->H, a->W, a->C, false};
    if (!prepare(&r.axis, stream, a, false)) {
        return 0;
    }
    if (a->C % 4 == 0 && uda_fours(r.x) && uda_fours(r.add) && uda_fours(r.y)) {
        UDA_CUDA_LAUNCH((resize_map<4, T>), uda_spots(a->N * a->H * a->W, a->C, 4), THREADS, 0, stream, r);
    } else {
        UDA_CUDA_LAUNCH((resize_map<1, T>), uda_spots(a->N * a->H * a->W, a->C, 1), THREADS, 0, stream, r);
    }
    return uda_cuda_launched();
}

int uda_cuda_resize_fwd(struct uda_stream *stream, struct uda_resize_args *a)
{
    return a->type == UDA_BF16 ? resize_forward<uda_bf16>(stream, a) : resize_forward<float>(stream, a);
}

/* The weight with which an output of tap t reads input i: at the last one both ends of a tap meet. */
static __device__ __forceinline__ float weight_of(const tap &t, int64_t i)
{
    return (t.low == i ? 1.0f - t.part : 0.0f) + (t.high == i ? t.part : 0.0f);
}

/* x is dy, y is dx: a thread gathers what its input pixel gave, rows of outputs first, in order. */
template <int N, typename T>
static __global__ void __launch_bounds__(THREADS) gather_map(const __grid_constant__ resize<T> r)
{
    uda_spot s = uda_spot_of<N>(r.w, r.C);
    if (s.row >= r.N * r.h) {
        return;
    }
    int64_t n = uda_divide(s.row, r.h), i = s.row - n * r.h;
    span rows = r.axis.rows[i], columns = r.axis.columns[s.column];
    uda_channels<N> sum = {};
    for (int64_t o = rows.first; o <= rows.last; o++) {
        float of_row = weight_of(r.axis.row[o], i);
        const T *dy = r.x + (n * r.H + o) * r.W * r.C + s.c;
        for (int64_t p = columns.first; of_row != 0.0f && p <= columns.last; p++) {
            float weight = of_row * weight_of(r.axis.column[p], s.column);
            if (weight != 0.0f) {
                uda_add<N>(&sum, weight, uda_take<N>(dy + p * r.C));
            }
        }
    }
    T *dx = r.y + s.pixel * r.C + s.c;
    if (r.accumulate) {
        uda_add<N>(&sum, 1.0f, uda_take<N>(dx));
    }
    uda_put<N>(dx, sum);
}

template <typename T>
static __global__ void __launch_bounds__(THREADS)
    pass_on(T *to, const T *from, int64_t count, bool accumulate)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < count) {
        float x = uda_load(from + i);
        uda_store(to + i, accumulate ? uda_load(to + i) + x : x);
    }
}

template <typename T> static int resize_backward(struct uda_stream *stream, struct uda_resize_args *a)
{
    const T *dy = static_cast<const T *>(a->dy);
    T *dx = static_cast<T *>(a->dx), *dadd = static_cast<T *>(a->dadd);
    resize<T> r = {{}, dy, nullptr, dx, a->N, a->h, a->w, a->H, a->W, a->C, a->accumulate_x};
    if (!prepare(&r.axis, stream, a, true)) {
        return 0;
    }
    if (dx != NULL && a->C % 4 == 0 && uda_fours(dx) && uda_fours(dy)) {
        UDA_CUDA_LAUNCH((gather_map<4, T>), uda_spots(a->N * a->h * a->w, a->C, 4), THREADS, 0, stream, r);
    } else if (dx != NULL) {
        UDA_CUDA_LAUNCH((gather_map<1, T>), uda_spots(a->N * a->h * a->w, a->C, 1), THREADS, 0, stream, r);
    }
    if (dadd != NULL) {
        int64_t count = a->N * a->H * a->W * a->C;
        UDA_CUDA_LAUNCH(pass_on<T>, uda_blocks(count, THREADS), THREADS, 0, stream, dadd, dy, count,
                        a->accumulate_add);
    }
    return uda_cuda_launched();
}

int uda_cuda_resize_bwd(struct uda_stream *stream, struct uda_resize_args *a)
{
    return a->type == UDA_BF16 ? resize_backward<uda_bf16>(stream, a) : resize_backward<float>(stream, a);
}

/* ---- centre pool ---- */

/* Means of the four centre pixels of the cells; s is a cell of y. */
template <int N, typename T>
static __global__ void __launch_bounds__(THREADS)
    pool_centres(T *y, const T *x, int64_t images, int64_t H, int64_t W, int64_t C, int64_t ratio)
{
    int64_t height = H / ratio, width = W / ratio;
    uda_spot s = uda_spot_of<N>(width, C);
    if (s.row >= images * height) {
        return;
    }
    int64_t n = uda_divide(s.row, height), skip = ratio / 2 - 1;
    int64_t row = n * H + (s.row - n * height) * ratio + skip, column = s.column * ratio + skip;
    const T *top = x + (row * W + column) * C + s.c, *bottom = top + W * C;
    uda_channels<N> a = uda_take<N>(top), b = uda_take<N>(top + C);
    uda_channels<N> c = uda_take<N>(bottom), d = uda_take<N>(bottom + C);
    for (int i = 0; i < N; i++) {
        a.v[i] = 0.25f * (a.v[i] + b.v[i] + (c.v[i] + d.v[i]));
    }
    uda_put<N>(y + s.pixel * C + s.c, a);
}

template <typename T> static int pool(struct uda_stream *stream, const struct uda_centre_pool_args *a)
{
    int64_t cells = a->N * (a->H / a->ratio) * (a->W / a->ratio);
    const T *x = static_cast<const T *>(a->x);
    T *y = static_cast<T *>(a->y);
    if (a->C % 4 == 0 && uda_fours(x) && uda_fours(y)) {
        UDA_CUDA_LAUNCH((pool_centres<4, T>), uda_spots(cells, a->C, 4), THREADS, 0, stream, y, x, a->N, a->H,
                        a->W, a->C, a->ratio);
    } else {
        UDA_CUDA_LAUNCH((pool_centres<1, T>), uda_spots(cells, a->C, 1), THREADS, 0, stream, y, x, a->N, a->H,
                        a->W, a->C, a->ratio);
    }
    return uda_cuda_launched();
}

int uda_cuda_centre_pool(struct uda_stream *stream, struct uda_centre_pool_args *a)
{
    return a->type == UDA_BF16 ? pool<uda_bf16>(stream, a) : pool<float>(stream, a);
}

/* ---- sine positions ---- */

/* table [H + W, half]: the halves of the rows' places, then of the columns'. Angles in float, as the
 * reference takes them. */
static __global__ void __launch_bounds__(THREADS) sine_table(float *table, int64_t H, int64_t W, int64_t half)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, place = uda_divide(at, half);
    int64_t k = at - place * half;
    if (place >= H + W) {
        return;
    }
    int64_t i = place < H ? place : place - H, n = place < H ? H : W;
    float angle = (float)(i + 1) / ((float)n + 1e-6f) * 6.283185307179586f;
    float period = (float)pow(10000.0, (double)(k / 2 * 2) / (double)half);
    double a = (double)(angle / period);
    table[at] = (float)(k % 2 == 0 ? sin(a) : cos(a));
}

static __global__ void __launch_bounds__(THREADS)
    spread_table(float *y, const float *table, int64_t H, int64_t W, int64_t half)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, pixel = uda_divide(at, 2 * half);
    int64_t c = at - pixel * 2 * half, row = uda_divide(pixel, W);
    if (row < H) {
        y[at] = c < half ? table[row * half + c] : table[(H + pixel - row * W) * half + c - half];
    }
}

int uda_cuda_sine_position(struct uda_stream *stream, struct uda_sine_position_args *a)
{
    int64_t half = a->C / 2;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)uda_most((a->H + a->W) * half, 1) * sizeof(float);
        return 0;
    }
    float *table = static_cast<float *>(a->ws.data);
    UDA_CUDA_LAUNCH(sine_table, uda_blocks((a->H + a->W) * half, THREADS), THREADS, 0, stream, table, a->H,
                    a->W, half);
    UDA_CUDA_LAUNCH(spread_table, uda_blocks(a->H * a->W * 2 * half, THREADS), THREADS, 0, stream, a->y,
                    table, a->H, a->W, half);
    return uda_cuda_launched();
}
