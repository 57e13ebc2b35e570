#include "kernels/cuda/partials.cuh"

#define ROWS 8 /* tokens at a time in a block of 32 channels */
#define THREADS 256
/* Chunks of tokens for each image. */
#define LEAST_TOKENS 64
#define MOST_CHUNKS 128

template <typename T> struct groups {
    const T *x, *dy;
    T *y, *dx;
    float *stats;       /* [N, groups, 2]: written by forward, read by backward */
    const float *gamma, *beta;
    float *partial;     /* [N, chunks, 2, C] */
    float *slopes;      /* [N, groups, 2]: dx = d gamma rstd + x slope + offset */
    int64_t N, tokens, C, per, count, chunks, chunk_tokens; /* per: channels of a group; count: groups */
    float eps;
    bool relu, add;
};

/* Does the gradient pass? The output is recomputed; without relu it always does. */
template <typename T>
static __device__ __forceinline__ bool passes(const groups<T> &g, float x, float mean, float rstd, int64_t c)
{
    float scale = rstd * g.gamma[c];
    return !g.relu || x * scale + (g.beta[c] - mean * scale) > 0.0f;
}

/*
 * Two sums of a channel over a chunk of tokens, block (32, 8), grid (channels, chunks, N). Forward: of
 * x - x0 and its square, x0 the image's first token, so that large means cancel nothing. Backward: of d
 * and d xhat.
 */
template <typename T, bool BACK>
static __global__ void __launch_bounds__(THREADS) sum_channels(groups<T> g)
{
    UDA_SHARED(float, sums, [2][ROWS][UDA_WARP]);
    int64_t c = (int64_t)blockIdx.x * UDA_WARP + threadIdx.x, n = blockIdx.z;
    int64_t first = blockIdx.y * g.chunk_tokens, last = uda_least(first + g.chunk_tokens, g.tokens);
    float sum = 0.0f, product = 0.0f;
    if (c < g.C) {
        const T *x = g.x + n * g.tokens * g.C + c;
        const float *stats = g.stats + 2 * (n * g.count + c / g.per);
        float base = BACK ? stats[0] : uda_load(x), rstd = BACK ? stats[1] : 1.0f;
        for (int64_t t = first + threadIdx.y; t < last; t += ROWS) {
            float v = uda_load(x + t * g.C), d = v - base;
            if (BACK) {
                d = passes(g, v, base, rstd, c) ? uda_load(g.dy + (n * g.tokens + t) * g.C + c) : 0.0f;
            }
            sum += d;
            product += d * ((v - base) * rstd);
        }
    }
    sums[0][threadIdx.y][threadIdx.x] = sum;
    sums[1][threadIdx.y][threadIdx.x] = product;
    __syncthreads();
    if (threadIdx.y < 2 && c < g.C) {
        float total = 0.0f;
        for (int row = 0; row < ROWS; row++) {
            total += sums[threadIdx.y][row][threadIdx.x];
        }
        g.partial[((n * g.chunks + blockIdx.y) * 2 + threadIdx.y) * g.C + c] = total;
    }
}

/* A warp for each group of each image joins the chunks' sums in double. */
template <typename T> static __global__ void __launch_bounds__(THREADS) join_statistics(groups<T> g)
{
    int64_t at = (int64_t)blockIdx.x * (THREADS / UDA_WARP) + threadIdx.x / UDA_WARP;
    int64_t lane = threadIdx.x % UDA_WARP, n = at / g.count, first = at % g.count * g.per;
    if (at >= g.N * g.count) {
        return; /* a whole warp */
    }
    const T *x0 = g.x + n * g.tokens * g.C + first;
    const float *partial = g.partial + n * g.chunks * 2 * g.C + first;
    double tokens = (double)g.tokens, mean = 0.0, spread = 0.0;
    for (int64_t i = lane; i < g.per * g.chunks; i += UDA_WARP) {
        mean += (double)partial[i / g.per * 2 * g.C + i % g.per] / tokens;
    }
    for (int64_t c = lane; c < g.per; c += UDA_WARP) {
        mean += (double)uda_load(x0 + c);
    }
    mean = uda_warp_sum(mean) / (double)g.per;
    for (int64_t i = lane; i < g.per * g.chunks; i += UDA_WARP) {
        const float *sums = partial + i / g.per * 2 * g.C + i % g.per;
        spread += (double)sums[g.C] - 2.0 * (mean - (double)uda_load(x0 + i % g.per)) * (double)sums[0];
    }
    for (int64_t c = lane; c < g.per; c += UDA_WARP) {
        double shift = mean - (double)uda_load(x0 + c);
        spread += tokens * shift * shift;
    }
    double var = uda_warp_sum(spread) / (tokens * (double)g.per);
    if (lane == 0) {
        g.stats[2 * at] = (float)mean;
        g.stats[2 * at + 1] = (float)(1.0 / sqrt((var > 0.0 ? var : 0.0) + (double)g.eps));
    }
}

template <typename T> static __global__ void __launch_bounds__(THREADS) join_slopes(groups<T> g)
{
    int64_t at = (int64_t)blockIdx.x * (THREADS / UDA_WARP) + threadIdx.x / UDA_WARP;
    int64_t lane = threadIdx.x % UDA_WARP, n = at / g.count, first = at % g.count * g.per;
    if (at >= g.N * g.count) {
        return; /* a whole warp */
    }
    const float *partial = g.partial + n * g.chunks * 2 * g.C + first;
    double sum_g = 0.0, sum_gx = 0.0, count = (double)g.tokens * (double)g.per;
    for (int64_t i = lane; i < g.per * g.chunks; i += UDA_WARP) {
        const float *sums = partial + i / g.per * 2 * g.C + i % g.per;
        double gamma = (double)g.gamma[first + i % g.per];
        sum_g += gamma * (double)sums[0];
        sum_gx += gamma * (double)sums[g.C];
    }
    sum_g = uda_warp_sum(sum_g);
    sum_gx = uda_warp_sum(sum_gx);
    if (lane == 0) {
        double mean = (double)g.stats[2 * at], rstd = (double)g.stats[2 * at + 1];
        double slope = -rstd * rstd * sum_gx / count;
        g.slopes[2 * at] = (float)slope;
        g.slopes[2 * at + 1] = (float)(-rstd * sum_g / count - mean * slope);
    }
}

/* A thread for each value; BACK: of dx, else of y. */
template <typename T, bool BACK>
static __global__ void __launch_bounds__(THREADS) apply_groups(groups<T> g)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= g.N * g.tokens * g.C) {
        return;
    }
    int64_t token = uda_divide(at, g.C), c = at - token * g.C;
    int64_t group = uda_divide(token, g.tokens) * g.count + uda_divide(c, g.per);
    float mean = g.stats[2 * group], rstd = g.stats[2 * group + 1], x = uda_load(g.x + at);
    float scale = rstd * g.gamma[c];
    if (BACK) {
        float d = passes(g, x, mean, rstd, c) ? uda_load(g.dy + at) : 0.0f;
        float slope = d * scale + (x * g.slopes[2 * group] + g.slopes[2 * group + 1]);
        uda_store(g.dx + at, g.add ? uda_load(g.dx + at) + slope : slope);
    } else {
        float y = x * scale + (g.beta[c] - mean * scale);
        uda_store(g.y + at, g.relu && y < 0.0f ? 0.0f : y);
    }
}

/* How tokens are cut. */
struct token_cut {
    int64_t chunk_tokens, chunks, sums; /* sums: of all chunks */
};

static token_cut cut_of(const struct uda_groupnorm_args *a)
{
    int64_t chunk_tokens = uda_chunk_rows(a->T, LEAST_TOKENS, MOST_CHUNKS);
    int64_t chunks = uda_ceil_div(a->T, chunk_tokens);
    return {chunk_tokens, chunks, a->N * chunks * 2 * a->C};
}

/* Does the call only ask for its workspace? Then it is told. */
static bool asks(struct uda_groupnorm_args *a)
{
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(cut_of(a).sums + a->N * a->groups * 2 + 1) * sizeof(float);
    }
    return a->ws.data == NULL;
}

template <typename T> static groups<T> groups_of(const struct uda_groupnorm_args *a)
{
    token_cut cut = cut_of(a);
    float *ws = static_cast<float *>(a->ws.data);
    return {static_cast<const T *>(a->x), static_cast<const T *>(a->dy), static_cast<T *>(a->y),
            static_cast<T *>(a->dx), a->stats, a->gamma, a->beta, ws, ws + cut.sums, a->N, a->T, a->C,
            a->groups > 0 ? a->C / a->groups : 0, a->groups, cut.chunks, cut.chunk_tokens, a->eps, a->relu,
            a->add_dx};
}

template <typename T> static dim3 channel_blocks(const groups<T> &g)
{
    return dim3((unsigned)uda_ceil_div(g.C, UDA_WARP), (unsigned)g.chunks, (unsigned)g.N);
}

template <typename T>
static void forward_launch(struct uda_stream *stream, const struct uda_groupnorm_args *a)
{
    groups<T> g = groups_of<T>(a);
    dim3 group_blocks = uda_blocks(g.tokens > 0 ? g.N * g.count : 0, THREADS / UDA_WARP);
    UDA_CUDA_LAUNCH((sum_channels<T, false>), channel_blocks(g), dim3(UDA_WARP, ROWS), 0, stream, g);
    UDA_CUDA_LAUNCH(join_statistics<T>, group_blocks, THREADS, 0, stream, g);
    UDA_CUDA_LAUNCH((apply_groups<T, false>), uda_blocks(g.N * g.tokens * g.C, THREADS), THREADS, 0,
                    stream, g);
}

int uda_cuda_groupnorm_fwd(struct uda_stream *stream, struct uda_groupnorm_args *a)
{
    if (asks(a)) {
        return 0;
    }
    if (a->type == UDA_BF16) {
        forward_launch<uda_bf16>(stream, a);
    } else {
        forward_launch<float>(stream, a);
    }
    return uda_cuda_launched();
}

template <typename T>
static void backward_launch(struct uda_stream *stream, const struct uda_groupnorm_args *a)
{
    groups<T> g = groups_of<T>(a);
    g.stats = const_cast<float *>(a->saved_stats); /* backward only reads it */
    UDA_CUDA_LAUNCH((sum_channels<T, true>), channel_blocks(g), dim3(UDA_WARP, ROWS), 0, stream, g);
    uda_sum_partials(stream, a->dgamma, g.partial + g.C, g.N * g.chunks, 2 * g.C, g.C, a->add_dgamma);
    uda_sum_partials(stream, a->dbeta, g.partial, g.N * g.chunks, 2 * g.C, g.C, a->add_dbeta);
    if (a->dx != NULL) {
        dim3 group_blocks = uda_blocks(g.tokens > 0 ? g.N * g.count : 0, THREADS / UDA_WARP);
        UDA_CUDA_LAUNCH(join_slopes<T>, group_blocks, THREADS, 0, stream, g);
        UDA_CUDA_LAUNCH((apply_groups<T, true>), uda_blocks(g.N * g.tokens * g.C, THREADS), THREADS, 0,
                        stream, g);
    }
}

int uda_cuda_groupnorm_bwd(struct uda_stream *stream, struct uda_groupnorm_args *a)
{
    if (asks(a)) {
        return 0;
    }
    if (a->type == UDA_BF16) {
        backward_launch<uda_bf16>(stream, a);
    } else {
        backward_launch<float>(stream, a);
    }
    return uda_cuda_launched();
}
