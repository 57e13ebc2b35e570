#include "kernels/cuda/partials.cuh"
#include "kernels/cuda/points.cuh"
#include "kernels/cuda/tile.cuh"

#define THREADS 256
/* Chunks of pixels whose share of de is summed apart. Part of the meaning. */
#define LEAST_PIXELS 512
#define MOST_CHUNKS 64

/* Memory has room for `most` rows, of which an image has R; a block without a row leaves as a whole. */
struct spread {
    uda_mask_grad_args a;
    unsigned long long *fixed; /* [R, H W]: sums as integers, whose order does not matter */
    float *dense;              /* [R, H W] */
    float *partial;            /* [chunks, most, C] */
    float *de;                 /* [R, C] */
    int *exponent;             /* [R]: fixed = value 2^exponent; NOT_A_NUMBER */
    int64_t rows, pixels, chunk_pixels, chunks; /* rows: the least of Q and most */
};

#define NOT_A_NUMBER INT32_MIN

/*
 * A block for each row: P terms of at most the largest |dlogit| must stay below 2^62. The largest is
 * below 2^(e + 1), P at most 2^bits.
 */
static __global__ void __launch_bounds__(THREADS) find_exponents(const __grid_constant__ spread job)
{
    UDA_SHARED(unsigned, largest, [1]);
    const uda_mask_grad_args &a = job.a;
    if (blockIdx.x >= uda_pairs(a.first, a.Q)) {
        return;
    }
    const float *dlogit = a.dlogit + (a.first[0] + blockIdx.x) * a.P;
    if (threadIdx.x == 0) {
        largest[0] = 0;
    }
    __syncthreads();
    unsigned most = 0;
    for (int64_t i = threadIdx.x; i < a.P; i += THREADS) {
        unsigned bits = __float_as_uint(dlogit[i]) & 0x7fffffffu;
        most = bits > most ? bits : most;
    }
    atomicMax(&largest[0], most);
    __syncthreads();
    if (threadIdx.x == 0) {
        int e = (int)(largest[0] >> 23) - 127, bits = 0;
        while (((int64_t)1 << bits) < a.P) {
            bits++;
        }
        job.exponent[blockIdx.x] = largest[0] >= 0x7f800000u ? NOT_A_NUMBER : 60 - bits - e;
    }
}

/* Grid (pixels, rows). */
static __global__ void __launch_bounds__(THREADS) clear_fixed(const __grid_constant__ spread job)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, R = uda_pairs(job.a.first, job.a.Q);
    for (int64_t r = blockIdx.y; r < R && i < job.pixels; r += gridDim.y) {
        job.fixed[r * job.pixels + i] = 0;
    }
}

/* A thread for each point; grid (points, rows). */
static __global__ void __launch_bounds__(THREADS) spread_points(const __grid_constant__ spread job)
{
    const uda_mask_grad_args &a = job.a;
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, R = uda_pairs(a.first, a.Q);
    for (int64_t r = blockIdx.y; r < R && i < a.P; r += gridDim.y) {
        if (job.exponent[r] == NOT_A_NUMBER) {
            continue;
        }
        int64_t from = (a.first[0] + r) * a.P + i;
        uda_taps taps = uda_taps_of(a.point + 2 * from, a.H, a.W);
        double g = scalbn((double)a.dlogit[from], job.exponent[r]);
        for (int tap = 0; tap < 4; tap++) {
            long long share = (long long)((double)taps.weight[tap] * g);
            if (share != 0) {
                atomicAdd(&job.fixed[r * job.pixels + taps.at[tap]], (unsigned long long)share);
            }
        }
    }
}

/* Grid (pixels, rows). */
static __global__ void __launch_bounds__(THREADS) make_dense(const __grid_constant__ spread job)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, R = uda_pairs(job.a.first, job.a.Q);
    for (int64_t r = blockIdx.y; r < R && i < job.pixels; r += gridDim.y) {
        int64_t at = r * job.pixels + i;
        int exponent = job.exponent[r];
        bool good = exponent != NOT_A_NUMBER; /* which has no negative */
        double value = scalbn((double)(long long)job.fixed[at], good ? -exponent : 0);
        job.dense[at] = good ? (float)value : __uint_as_float(0x7fc00000u);
    }
}

/* dense f over a chunk of pixels; grid (channels, rows, chunks). */
static __global__ void __launch_bounds__(UDA_TILE_THREADS) embed_chunks(const __grid_constant__ spread job)
{
    const uda_mask_grad_args &a = job.a;
    int64_t c0 = (int64_t)blockIdx.x * UDA_TILE_COLUMNS, r0 = (int64_t)blockIdx.y * UDA_TILE_ROWS;
    int64_t first = blockIdx.z * job.chunk_pixels, last = uda_least(first + job.chunk_pixels, job.pixels);
    int64_t R = uda_pairs(a.first, a.Q);
    if (r0 >= R) {
        return;
    }
    const float *f = a.f + (a.n * job.pixels + first) * a.C;
    uda_tile tile = {};
    uda_tile_add<false, true>(
        tile, last - first,
        [&](int i, int64_t k) { return r0 + i < R ? job.dense[(r0 + i) * job.pixels + first + k] : 0.0f; },
        [&](int64_t k, int j) { return c0 + j < a.C ? f[k * a.C + c0 + j] : 0.0f; });
    uda_tile_each(tile, [&](int i, int j, float value) {
        if (r0 + i < R && c0 + j < a.C) {
            job.partial[(blockIdx.z * job.rows + r0 + i) * a.C + c0 + j] = value;
        }
    });
}

/* de = the sum of its chunks. */
static __global__ void __launch_bounds__(UDA_WARP *UDA_PARTIAL_LANES)
    join_embeds(const __grid_constant__ spread job)
{
    uda_partials_block(job.de, job.partial, job.chunks, job.rows * job.a.C,
                       uda_pairs(job.a.first, job.a.Q) * job.a.C, false);
}

/* A thread for each channel adds the rows in order: two may have the same query. */
static __global__ void __launch_bounds__(THREADS) add_embeds(const __grid_constant__ spread job)
{
    const uda_mask_grad_args &a = job.a;
    int64_t c = (int64_t)blockIdx.x * THREADS + threadIdx.x, R = uda_pairs(a.first, a.Q);
    const int32_t *query = a.query + a.first[0];
    for (int64_t r = 0; c < a.C && r < R; r++) {
        a.de[(a.n * a.Q + query[r]) * a.C + c] += job.de[r * a.C + c];
    }
}

/* df of image n; grid (channels, pixels). */
static __global__ void __launch_bounds__(UDA_TILE_THREADS) feature_slopes(const __grid_constant__ spread job)
{
    const uda_mask_grad_args &a = job.a;
    int64_t c0 = (int64_t)blockIdx.x * UDA_TILE_COLUMNS, p0 = (int64_t)blockIdx.y * UDA_TILE_ROWS;
    const float *e = a.e + a.n * a.Q * a.C;
    float *df = a.df + a.n * job.pixels * a.C;
    int64_t R = uda_pairs(a.first, a.Q);
    const int32_t *query = a.query + a.first[0];
    if (R == 0 && a.accumulate_f) {
        return;
    }
    uda_tile tile = {};
    uda_tile_add<true, true>(
        tile, R,
        [&](int i, int64_t k) { return p0 + i < job.pixels ? job.dense[k * job.pixels + p0 + i] : 0.0f; },
        [&](int64_t k, int j) { return c0 + j < a.C ? e[query[k] * a.C + c0 + j] : 0.0f; });
    uda_tile_each(tile, [&](int i, int j, float value) {
        if (p0 + i < job.pixels && c0 + j < a.C) {
            float *to = df + (p0 + i) * a.C + c0 + j;
            *to = a.accumulate_f ? *to + value : value;
        }
    });
}

/* Zeroes x [count] outside [from, to). */
static __global__ void __launch_bounds__(THREADS)
    clear_around(float *x, int64_t from, int64_t to, int64_t count)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < count && (i < from || i >= to)) {
        x[i] = 0.0f;
    }
}

static void embed_launch(struct uda_stream *stream, const spread &job)
{
    const uda_mask_grad_args &a = job.a;
    dim3 tiles((unsigned)uda_ceil_div(a.C, UDA_TILE_COLUMNS), (unsigned)uda_ceil_div(job.rows, UDA_TILE_ROWS),
               (unsigned)job.chunks);
    if (!a.accumulate_e) {
        int64_t count = a.N * a.Q * a.C;
        UDA_CUDA_LAUNCH(clear_around, uda_blocks(count, THREADS), THREADS, 0, stream, a.de, 0, 0, count);
    }
    UDA_CUDA_LAUNCH(embed_chunks, tiles, UDA_TILE_THREADS, 0, stream, job);
    UDA_CUDA_LAUNCH(join_embeds, uda_blocks(job.rows * a.C, UDA_WARP), dim3(UDA_WARP, UDA_PARTIAL_LANES), 0,
                    stream, job);
    UDA_CUDA_LAUNCH(add_embeds, uda_blocks(a.C, THREADS), THREADS, 0, stream, job);
}

static void feature_launch(struct uda_stream *stream, const spread &job)
{
    const uda_mask_grad_args &a = job.a;
    int64_t image = job.pixels * a.C, count = a.N * image;
    if (!a.accumulate_f) {
        UDA_CUDA_LAUNCH(clear_around, uda_blocks(count, THREADS), THREADS, 0, stream, a.df, a.n * image,
                        (a.n + 1) * image, count);
    }
    dim3 tiles((unsigned)uda_ceil_div(a.C, UDA_TILE_COLUMNS),
               (unsigned)uda_ceil_div(job.pixels, UDA_TILE_ROWS));
    UDA_CUDA_LAUNCH(feature_slopes, tiles, UDA_TILE_THREADS, 0, stream, job);
}

int uda_cuda_mask_loss_bwd(struct uda_stream *stream, struct uda_mask_grad_args *a)
{
    spread job = {};
    job.a = *a;
    job.rows = uda_least(a->Q, a->most);
    job.pixels = a->H * a->W;
    job.chunk_pixels = uda_chunk_rows(job.pixels, LEAST_PIXELS, MOST_CHUNKS);
    job.chunks = uda_ceil_div(job.pixels, job.chunk_pixels);
    int64_t dense = job.rows * job.pixels, embed = job.rows * a->C;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)uda_most(3 * dense + (job.chunks + 1) * embed + job.rows, 1) * sizeof(float);
        return 0;
    }
    job.fixed = static_cast<unsigned long long *>(a->ws.data);
    job.dense = static_cast<float *>(a->ws.data) + 2 * dense;
    job.partial = job.dense + dense;
    job.de = job.partial + job.chunks * embed;
    job.exponent = reinterpret_cast<int *>(job.de + embed);
    UDA_CUDA_LAUNCH(find_exponents, (unsigned)job.rows, THREADS, 0, stream, job);
    unsigned at_once = (unsigned)uda_least(job.rows, UDA_ROWS_AT_ONCE);
    dim3 maps((unsigned)uda_ceil_div(job.pixels, THREADS), at_once);
    dim3 blocks((unsigned)uda_ceil_div(a->P, THREADS), at_once);
    UDA_CUDA_LAUNCH(clear_fixed, maps, THREADS, 0, stream, job);
    UDA_CUDA_LAUNCH(spread_points, blocks, THREADS, 0, stream, job);
    UDA_CUDA_LAUNCH(make_dense, maps, THREADS, 0, stream, job);
    if (a->de != NULL) {
        embed_launch(stream, job);
    }
    if (a->df != NULL) {
        feature_launch(stream, job);
    }
    return uda_cuda_launched();
}
