#include "kernels/cuda/partials.cuh"

#define WARPS 8
#define THREADS (WARPS * UDA_WARP)
/* Chunks of rows whose sums of dgamma and dbeta are joined by the second stage. */
#define LEAST_ROWS 32
#define MOST_CHUNKS 1024

/* N neighbouring values, four by one memory operation. */
template <int N> struct values {
    float v[N];
};

template <int N, typename T> static __device__ __forceinline__ values<N> load(const T *p)
{
    values<N> x;
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

template <int N, typename T> static __device__ __forceinline__ void store(T *p, const values<N> &x)
{
    if constexpr (N == 4) {
        uda_store4(p, {{x.v[0], x.v[1], x.v[2], x.v[3]}});
    } else {
        uda_store(p, x.v[0]);
    }
}

/* ---- forward: a warp for each row, which stays in the cache between the three passes ---- */

template <typename T> struct forward {
    T *y, *sum;
    float *stats;
    const T *a, *b;
    const float *gamma, *beta;
    int64_t rows, C;
    float eps;
};

/* a, or a + b before it is stored. */
template <typename T, int N>
static __device__ __forceinline__ values<N> input(const forward<T> &f, int64_t at)
{
    values<N> x = load<N>(f.a + at);
    if (f.b != nullptr) {
        values<N> b = load<N>(f.b + at);
        for (int i = 0; i < N; i++) {
            x.v[i] += b.v[i];
        }
    }
    return x;
}

/* The row's sum; with b, a + b is written. */
template <typename T, int N>
static __device__ __forceinline__ float row_total(const forward<T> &f, int64_t row)
{
    float total = 0.0f;
    for (int64_t c = threadIdx.x % UDA_WARP * N; c < f.C; c += UDA_WARP * N) {
        values<N> x = input<T, N>(f, row * f.C + c);
        if (f.b != nullptr) {
            store<N>(f.sum + row * f.C + c, x);
        }
        for (int i = 0; i < N; i++) {
            total += x.v[i];
        }
    }
    return uda_warp_sum(total);
}

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS) normalise_rows(forward<T> f)
{
    int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / UDA_WARP;
    int64_t lane = threadIdx.x % UDA_WARP;
    if (row >= f.rows) {
        return; /* a whole warp */
    }
    float mean = row_total<T, N>(f, row) / (float)f.C, spread = 0.0f;
    for (int64_t c = lane * N; c < f.C; c += UDA_WARP * N) {
        values<N> x = input<T, N>(f, row * f.C + c);
        for (int i = 0; i < N; i++) {
            spread += (x.v[i] - mean) * (x.v[i] - mean);
        }
    }
    float rstd = 1.0f / sqrtf(uda_warp_sum(spread) / (float)f.C + f.eps);
    for (int64_t c = lane * N; c < f.C; c += UDA_WARP * N) {
        values<N> x = input<T, N>(f, row * f.C + c), gamma = load<N>(f.gamma + c);
        values<N> beta = load<N>(f.beta + c);
        for (int i = 0; i < N; i++) {
            x.v[i] = (x.v[i] - mean) * rstd * gamma.v[i] + beta.v[i];
        }
        store<N>(f.y + row * f.C + c, x);
    }
    if (f.stats != nullptr && lane == 0) {
        f.stats[2 * row] = mean;
        f.stats[2 * row + 1] = rstd;
    }
}

template <typename T>
static void forward_launch(struct uda_stream *stream, const struct uda_layernorm_args *a)
{
    forward<T> f = {static_cast<T *>(a->y), static_cast<T *>(a->sum), a->stats, static_cast<const T *>(a->a),
                    static_cast<const T *>(a->b), a->gamma, a->beta, a->rows, a->C, a->eps};
    bool fours = a->C % 4 == 0 && uda_fours(f.y) && uda_fours(f.sum) && uda_fours(f.a) && uda_fours(f.b) &&
                 uda_fours(f.gamma) && uda_fours(f.beta);
    if (fours) {
        UDA_CUDA_LAUNCH((normalise_rows<T, 4>), uda_blocks(a->rows, WARPS), THREADS, 0, stream, f);
    } else {
        UDA_CUDA_LAUNCH((normalise_rows<T, 1>), uda_blocks(a->rows, WARPS), THREADS, 0, stream, f);
    }
}

int uda_cuda_layernorm_fwd(struct uda_stream *stream, struct uda_layernorm_args *a)
{
    if (a->type == UDA_BF16) {
        forward_launch<uda_bf16>(stream, a);
    } else {
        forward_launch<float>(stream, a);
    }
    return uda_cuda_launched();
}

/* ---- backward ---- */

template <typename T> struct backward {
    T *dx, *dx2;
    const T *x, *dy;
    const float *stats, *gamma;
    int64_t rows, C, chunk_rows;
    bool add_dx, add_dx2;
    float *partial; /* [chunks][2][C]: sums of dy xhat and of dy */
};

/* dx (+)= dy gamma rstd + x p + q at one place. */
template <typename T, int N>
static __device__ __forceinline__ void put(T *to, bool add, const values<N> &slope)
{
    values<N> y = slope;
    if (add) {
        values<N> old = load<N>(to);
        for (int i = 0; i < N; i++) {
            y.v[i] += old.v[i];
        }
    }
    store<N>(to, y);
}

/* The row's gradient from its two sums: a second pass over the row, by a warp. */
template <typename T, int N>
static __device__ __forceinline__ void row_slopes(const backward<T> &b, int64_t row, float sum_g,
                                                  float sum_gx)
{
    float mean = b.stats[2 * row], rstd = b.stats[2 * row + 1];
    float p = -rstd * rstd * sum_gx / (float)b.C, q = -rstd * sum_g / (float)b.C - mean * p;
    for (int64_t c = threadIdx.x % UDA_WARP * N; c < b.C; c += UDA_WARP * N) {
        values<N> x = load<N>(b.x + row * b.C + c), d = load<N>(b.dy + row * b.C + c);
        values<N> gamma = load<N>(b.gamma + c);
        for (int i = 0; i < N; i++) {
            x.v[i] = d.v[i] * gamma.v[i] * rstd + (x.v[i] * p + q);
        }
        if (b.dx != nullptr) {
            put<T, N>(b.dx + row * b.C + c, b.add_dx, x);
        }
        if (b.dx2 != nullptr) {
            put<T, N>(b.dx2 + row * b.C + c, b.add_dx2, x);
        }
    }
}

/*
 * A block for each chunk of rows, a warp for a row at a time. A lane keeps the sums of dgamma and dbeta
 * of its PER channels, (32 k + lane) 4 + i, in registers; the warps' are added in order at the end.
 */
template <typename T, int PER>
static __global__ void __launch_bounds__(THREADS) slopes_fused(backward<T> b)
{
    int64_t warp = threadIdx.x / UDA_WARP, lane = threadIdx.x % UDA_WARP;
    int64_t first = blockIdx.x * b.chunk_rows, last = uda_least(first + b.chunk_rows, b.rows);
    float dgamma[PER] = {}, dbeta[PER] = {};
    for (int64_t row = first + warp; row < last; row += WARPS) {
        float mean = b.stats[2 * row], rstd = b.stats[2 * row + 1], sum_g = 0.0f, sum_gx = 0.0f;
        UDA_UNROLL
        for (int k = 0; k < PER / 4; k++) {
            int64_t c = (k * UDA_WARP + lane) * 4;
            if (c < b.C) {
                uda_quad x = uda_load4(b.x + row * b.C + c), d = uda_load4(b.dy + row * b.C + c);
                uda_quad gamma = uda_load4(b.gamma + c);
                for (int i = 0; i < 4; i++) {
                    float slope = d.v[i] * ((x.v[i] - mean) * rstd);
                    dgamma[4 * k + i] += slope;
                    dbeta[4 * k + i] += d.v[i];
                    sum_g += d.v[i] * gamma.v[i];
                    sum_gx += slope * gamma.v[i];
                }
            }
        }
        sum_g = uda_warp_sum(sum_g);
        sum_gx = uda_warp_sum(sum_gx);
        row_slopes<T, 4>(b, row, sum_g, sum_gx);
    }
    UDA_SHARED_DYNAMIC(float, joined); /* [2][C] */
    for (int64_t turn = 0; turn < WARPS; turn++) {
        UDA_UNROLL
        for (int i = 0; i < PER; i++) {
            int64_t c = (i / 4 * UDA_WARP + lane) * 4 + i % 4;
            if (turn == warp && c < b.C) {
                joined[c] = dgamma[i] + (turn > 0 ? joined[c] : 0.0f);
                joined[b.C + c] = dbeta[i] + (turn > 0 ? joined[b.C + c] : 0.0f);
            }
        }
        __syncthreads();
    }
    for (int64_t c = threadIdx.x; c < 2 * b.C; c += THREADS) {
        b.partial[blockIdx.x * 2 * b.C + c] = joined[c];
    }
}

/* Any C: the rows' gradients alone. */
template <typename T>
static __global__ void __launch_bounds__(THREADS) slopes_of_rows(backward<T> b)
{
    int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / UDA_WARP;
    if (row >= b.rows) {
        return; /* a whole warp */
    }
    float mean = b.stats[2 * row], rstd = b.stats[2 * row + 1], sum_g = 0.0f, sum_gx = 0.0f;
    for (int64_t c = threadIdx.x % UDA_WARP; c < b.C; c += UDA_WARP) {
        float g = uda_load(b.dy + row * b.C + c) * b.gamma[c];
        sum_g += g;
        sum_gx += g * ((uda_load(b.x + row * b.C + c) - mean) * rstd);
    }
    sum_g = uda_warp_sum(sum_g);
    sum_gx = uda_warp_sum(sum_gx);
    row_slopes<T, 1>(b, row, sum_g, sum_gx);
}

/* Any C: sums of dgamma and dbeta of 32 channels over a chunk of rows; block (32, 8). */
template <typename T>
static __global__ void __launch_bounds__(THREADS) slopes_of_parameters(backward<T> b)
{
    UDA_SHARED(float, sums, [2][WARPS][UDA_WARP]);
    int64_t c = (int64_t)blockIdx.x * UDA_WARP + threadIdx.x, first = blockIdx.y * b.chunk_rows;
    int64_t last = uda_least(first + b.chunk_rows, b.rows);
    float dgamma = 0.0f, dbeta = 0.0f;
    for (int64_t row = first + threadIdx.y; c < b.C && row < last; row += WARPS) {
        float d = uda_load(b.dy + row * b.C + c);
        dgamma += d * ((uda_load(b.x + row * b.C + c) - b.stats[2 * row]) * b.stats[2 * row + 1]);
        dbeta += d;
    }
    sums[0][threadIdx.y][threadIdx.x] = dgamma;
    sums[1][threadIdx.y][threadIdx.x] = dbeta;
    __syncthreads();
    if (threadIdx.y < 2 && c < b.C) {
        float sum = 0.0f;
        for (int w = 0; w < WARPS; w++) {
            sum += sums[threadIdx.y][w][threadIdx.x];
        }
        b.partial[((int64_t)blockIdx.y * 2 + threadIdx.y) * b.C + c] = sum;
    }
}

template <int PER, typename T>
static void fused_launch(struct uda_stream *stream, const backward<T> &b, int64_t chunks)
{
    UDA_CUDA_LAUNCH((slopes_fused<T, PER>), uda_blocks(chunks, 1), THREADS,
                    (size_t)(2 * b.C) * sizeof(float), stream, b);
}

template <typename T>
static void backward_launch(struct uda_stream *stream, const struct uda_layernorm_args *a, float *partial,
                            int64_t chunks, int64_t chunk_rows)
{
    backward<T> b = {static_cast<T *>(a->dx), static_cast<T *>(a->dx2), static_cast<const T *>(a->x),
                     static_cast<const T *>(a->dy), a->saved_stats, a->gamma, a->rows, a->C, chunk_rows,
                     a->add_dx, a->add_dx2, partial};
    bool fours = b.C % 4 == 0 && uda_fours(b.dx) && uda_fours(b.dx2) && uda_fours(b.x) && uda_fours(b.dy) &&
                 uda_fours(b.gamma);
    if (fours && b.C <= 128) {
        fused_launch<4>(stream, b, chunks);
    } else if (fours && b.C <= 256) {
        fused_launch<8>(stream, b, chunks);
    } else if (fours && b.C <= 384) {
        fused_launch<12>(stream, b, chunks);
    } else if (fours && b.C <= 768) {
        fused_launch<24>(stream, b, chunks);
    } else if (fours && b.C <= 1536) {
        fused_launch<48>(stream, b, chunks);
    } else {
        UDA_CUDA_LAUNCH(slopes_of_rows<T>, uda_blocks(b.rows, WARPS), THREADS, 0, stream, b);
        UDA_CUDA_LAUNCH(slopes_of_parameters<T>,
                        dim3((unsigned)uda_ceil_div(b.C, UDA_WARP), (unsigned)chunks),
                        dim3(UDA_WARP, WARPS), 0, stream, b);
    }
}

int uda_cuda_layernorm_bwd(struct uda_stream *stream, struct uda_layernorm_args *a)
{
    int64_t chunk_rows = uda_chunk_rows(a->rows, LEAST_ROWS, MOST_CHUNKS);
    int64_t chunks = uda_ceil_div(a->rows, chunk_rows);
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(uda_most(chunks, 1) * 2 * uda_most(a->C, 1)) * sizeof(float);
        return 0;
    }
    float *partial = static_cast<float *>(a->ws.data);
    if (a->type == UDA_BF16) {
        backward_launch<uda_bf16>(stream, a, partial, chunks, chunk_rows);
    } else {
        backward_launch<float>(stream, a, partial, chunks, chunk_rows);
    }
    uda_sum_partials(stream, a->dgamma, partial, chunks, 2 * a->C, a->C, a->add_dgamma);
    uda_sum_partials(stream, a->dbeta, partial + a->C, chunks, 2 * a->C, a->C, a->add_dbeta);
    return uda_cuda_launched();
}
