#include "kernels/cuda/points.cuh"
#include "kernels/cuda/tile.cuh"

#define THREADS UDA_TILE_THREADS
#define QUERIES UDA_TILE_ROWS
#define POINTS UDA_TILE_COLUMNS
#define TARGETS 32 /* of a block */
#define PAD (POINTS + 1)
#define PAIRS (QUERIES * TARGETS / THREADS)
/* Partial sums over the points. Part of the meaning: another number gives other bits. */
#define MOST_CHUNKS 32

struct match_sums {
    float *xt, *st;              /* [Q, M] each, room for [Q, most] */
    float *softplus, *sigmoid;   /* [Q] */
    float *label;                /* [M] */
};

struct match {
    struct uda_match_cost_args a;
    float *partial;
    int64_t tiles, chunks, chunk_floats;
};

static __device__ __forceinline__ match_sums sums_of(const match &job, int64_t chunk)
{
    const uda_match_cost_args &a = job.a;
    match_sums s;
    s.xt = job.partial + chunk * job.chunk_floats;
    s.st = s.xt + a.Q * a.most;
    s.softplus = s.st + a.Q * a.most;
    s.sigmoid = s.softplus + a.Q;
    s.label = s.sigmoid + a.Q;
    return s;
}

/*
 * Sums of 32 queries and 32 targets over a chunk's points, 64 at a time; grid (queries, targets, chunks).
 * The logits of a tile of points stay in shared memory. A block without targets leaves as a whole.
 */
static __global__ void __launch_bounds__(THREADS) sum_points(const __grid_constant__ match job)
{
    UDA_SHARED(uda_taps, taps, [POINTS]);
    UDA_SHARED(float, x, [QUERIES][PAD]);
    UDA_SHARED(float, s, [QUERIES][PAD]);
    UDA_SHARED(float, t, [TARGETS][PAD]);
    const uda_match_cost_args &a = job.a;
    match_sums out = sums_of(job, blockIdx.z);
    int64_t q0 = (int64_t)blockIdx.x * QUERIES, m0 = (int64_t)blockIdx.y * TARGETS;
    int64_t row = a.first[0], M = a.first[1] - row;
    if (m0 >= M) {
        return;
    }
    int me = (int)threadIdx.x, lane = me % UDA_WARP, warp = me / UDA_WARP;
    float xt[PAIRS] = {}, st[PAIRS] = {}, softplus[4] = {}, sigmoid[4] = {}, label[4] = {};
    for (int64_t tile = blockIdx.z; tile < job.tiles; tile += job.chunks) {
        int64_t first = tile * POINTS;
        if (me < POINTS) {
            float outside[2] = {-1.0f, -1.0f};
            taps[me] = uda_taps_of(first + me < a.P ? a.point + 2 * (first + me) : outside, a.H, a.W);
        }
        __syncthreads();
        uda_tile product = {};
        uda_tile_add<false, false>(
            product, a.C, [&](int i, int64_t k) { return q0 + i < a.Q ? a.e[(q0 + i) * a.C + k] : 0.0f; },
            [&](int64_t k, int j) {
                const uda_taps &p = taps[j];
                const float *f = a.f + k;
                return p.weight[0] * f[p.at[0] * a.C] + p.weight[1] * f[p.at[1] * a.C] +
                       p.weight[2] * f[p.at[2] * a.C] + p.weight[3] * f[p.at[3] * a.C];
            });
        uda_tile_each(product, [&](int i, int j, float value) { x[i][j] = value; });
        for (int at = me; at < TARGETS * POINTS; at += THREADS) {
            int i = at / POINTS, j = at % POINTS;
            float value = 0.0f;
            if (m0 + i < M && first + j < a.P) {
                value = uda_sample(a.mask + (row + m0 + i) * uda_mask_words(a.height * a.width),
                                   uda_taps_of(a.point + 2 * (first + j), a.height, a.width));
            }
            t[i][j] = value;
        }
        __syncthreads();
        for (int r = 0; r < 4; r++) { /* a warp has four rows of x and of t */
            for (int j = lane; j < POINTS; j += UDA_WARP) {
                float share = 0.0f, plus = uda_softplus(x[warp * 4 + r][j], &share);
                s[warp * 4 + r][j] = share;
                softplus[r] += first + j < a.P ? plus : 0.0f;
                sigmoid[r] += first + j < a.P ? share : 0.0f;
                label[r] += t[warp * 4 + r][j];
            }
        }
        __syncthreads();
        for (int pair = 0; pair < PAIRS; pair++) { /* target `lane` with queries warp + 8 pair */
            for (int j = 0; j < POINTS; j++) {
                xt[pair] += x[warp + 8 * pair][j] * t[lane][j];
                st[pair] += s[warp + 8 * pair][j] * t[lane][j];
            }
        }
        __syncthreads();
    }
    for (int pair = 0; pair < PAIRS; pair++) {
        int64_t q = q0 + warp + 8 * pair, m = m0 + lane;
        if (q < a.Q && m < M) {
            out.xt[q * M + m] = xt[pair];
            out.st[q * M + m] = st[pair];
        }
    }
    for (int r = 0; r < 4; r++) {
        float plus = uda_warp_sum(softplus[r]), share = uda_warp_sum(sigmoid[r]);
        float labels = uda_warp_sum(label[r]);
        int64_t q = q0 + warp * 4 + r, m = m0 + warp * 4 + r;
        if (lane == 0 && blockIdx.y == 0 && q < a.Q) {
            out.softplus[q] = plus;
            out.sigmoid[q] = share;
        }
        if (lane == 0 && blockIdx.x == 0 && m < M) {
            out.label[m] = labels;
        }
    }
}

/* A thread for each cost. */
static __global__ void __launch_bounds__(THREADS) join_costs(const __grid_constant__ match job)
{
    const uda_match_cost_args &a = job.a;
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, row = a.first[0], M = a.first[1] - row;
    if (at >= a.Q * M) {
        return;
    }
    int64_t q = uda_divide(at, M), m = at - q * M;
    double softplus = 0.0, sigmoid = 0.0, label = 0.0, xt = 0.0, st = 0.0;
    for (int64_t chunk = 0; chunk < job.chunks; chunk++) {
        match_sums sums = sums_of(job, chunk);
        softplus += (double)sums.softplus[q];
        sigmoid += (double)sums.sigmoid[q];
        label += (double)sums.label[m];
        xt += (double)sums.xt[at];
        st += (double)sums.st[at];
    }
    const float *logits = a.logits + q * a.K;
    double mask = (softplus - xt) / (double)a.P;
    double dice = 1.0 - (2.0 * st + 1.0) / (sigmoid + label + 1.0);
    double cls = -exp((double)logits[a.cls[row + m]] - uda_log_sum(logits, a.K));
    a.cost[row * a.Q + at] = (float)((double)a.cls_weight * cls + (double)a.mask_weight * mask +
                                     (double)a.dice_weight * dice);
}

int uda_cuda_match_cost(struct uda_stream *stream, struct uda_match_cost_args *a)
{
    match job = {*a, static_cast<float *>(a->ws.data), uda_ceil_div(a->P, POINTS), 0, 0};
    job.chunks = uda_least(job.tiles, MOST_CHUNKS);
    job.chunk_floats = 2 * a->Q * a->most + 2 * a->Q + a->most;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)uda_most(job.chunks * job.chunk_floats, 1) * sizeof(float);
        return 0;
    }
    dim3 blocks((unsigned)uda_ceil_div(a->Q, QUERIES), (unsigned)uda_ceil_div(a->most, TARGETS),
                (unsigned)job.chunks);
    UDA_CUDA_LAUNCH(sum_points, blocks, THREADS, 0, stream, job);
    UDA_CUDA_LAUNCH(join_costs, uda_blocks(a->Q * a->most, THREADS), THREADS, 0, stream, job);
    return uda_cuda_launched();
}
