#include "kernels/cuda/points.cuh"
#include "kernels/cuda/tile.cuh"

#define THREADS 256
#define WARPS (THREADS / UDA_WARP)

/* The sum over the block in every thread: warps, then these in order. All threads call. */
static __device__ __forceinline__ double block_sum(double x)
{
    UDA_SHARED(double, sums, [WARPS]);
    x = uda_warp_sum(x);
    __syncthreads(); /* an earlier sum has been read */
    if (threadIdx.x % UDA_WARP == 0) {
        sums[threadIdx.x / UDA_WARP] = x;
    }
    __syncthreads();
    double total = 0.0;
    for (int warp = 0; warp < WARPS; warp++) {
        total += sums[warp];
    }
    return total;
}

/* ---- class loss ---- */

static __device__ __forceinline__ double class_weight(const uda_class_loss_args &a, int64_t row)
{
    return a.target[row] == a.K - 1 ? (double)a.no_object : 1.0;
}

/* One block: a few hundred rows. */
static __global__ void __launch_bounds__(THREADS) class_loss(const __grid_constant__ uda_class_loss_args a)
{
    double sum = 0.0;
    for (int64_t row = threadIdx.x; row < a.rows; row += THREADS) {
        const float *x = a.logits + row * a.K;
        sum += class_weight(a, row) * (uda_log_sum(x, a.K) - (double)x[a.target[row]]);
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        *a.loss += sum / *a.denominator;
    }
}

/* A thread for each row. */
static __global__ void __launch_bounds__(THREADS) class_slopes(const __grid_constant__ uda_class_loss_args a)
{
    int64_t row = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (row >= a.rows) {
        return;
    }
    const float *x = a.logits + row * a.K;
    float *dx = a.dlogits + row * a.K;
    double factor = (double)a.weight * class_weight(a, row) / *a.denominator, sum = uda_log_sum(x, a.K);
    for (int64_t k = 0; k < a.K; k++) {
        float d = (float)(factor * (exp((double)x[k] - sum) - (k == a.target[row] ? 1.0 : 0.0)));
        dx[k] = a.accumulate ? dx[k] + d : d;
    }
}

int uda_cuda_class_loss_fwd(struct uda_stream *stream, struct uda_class_loss_args *a)
{
    UDA_CUDA_LAUNCH(class_loss, a->rows > 0 ? 1 : 0, THREADS, 0, stream, *a);
    return uda_cuda_launched();
}

int uda_cuda_class_loss_bwd(struct uda_stream *stream, struct uda_class_loss_args *a)
{
    UDA_CUDA_LAUNCH(class_slopes, uda_blocks(a->rows, THREADS), THREADS, 0, stream, *a);
    return uda_cuda_launched();
}

/* ---- mask losses ---- */

/* Memory has room for `most` rows, of which an image has R; a block without a row leaves as a whole. */
struct mask_job {
    uda_mask_loss_args a;
    double *row;     /* [R, 2]: mask and dice loss of each row */
    float *logits;   /* [R, H W] */
    float *all;      /* [R, candidates]: x at the candidates */
    float *x, *t;    /* [R, P] at the points kept */
    float *point;    /* [R, P, 2], unless a.point */
};

/* Points kept of row r. */
static __device__ __forceinline__ float *kept_points(const mask_job &job, int64_t r)
{
    float *point = job.a.point != nullptr ? job.a.point + 2 * job.a.first[0] * job.a.P : job.point;
    return point + 2 * r * job.a.P;
}

/* Dense logits of the matched queries; grid (pixels, rows). */
static __global__ void __launch_bounds__(UDA_TILE_THREADS) dense_logits(const __grid_constant__ mask_job job)
{
    const uda_mask_loss_args &a = job.a;
    int64_t pixels = a.H * a.W, p0 = (int64_t)blockIdx.x * UDA_TILE_COLUMNS;
    int64_t r0 = (int64_t)blockIdx.y * UDA_TILE_ROWS, R = uda_pairs(a.first, a.Q);
    if (r0 >= R) {
        return;
    }
    const int32_t *query = a.query + a.first[0];
    uda_tile tile = {};
    uda_tile_add<false, false>(
        tile, a.C, [&](int i, int64_t k) { return r0 + i < R ? a.e[query[r0 + i] * a.C + k] : 0.0f; },
        [&](int64_t k, int j) { return p0 + j < pixels ? a.f[(p0 + j) * a.C + k] : 0.0f; });
    uda_tile_each(tile, [&](int i, int j, float value) {
        if (r0 + i < R && p0 + j < pixels) {
            job.logits[(r0 + i) * pixels + p0 + j] = value;
        }
    });
}

/* Row of the arrays of targets that belongs to pair r. */
static __device__ __forceinline__ int64_t target_row(const uda_mask_loss_args &a, int64_t r)
{
    return a.first[0] + a.target[a.first[0] + r];
}

/* Grid (points, rows). */
static __global__ void __launch_bounds__(THREADS) sample_candidates(const __grid_constant__ mask_job job)
{
    const uda_mask_loss_args &a = job.a;
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, R = uda_pairs(a.first, a.Q);
    for (int64_t r = blockIdx.y; r < R && i < a.candidates; r += gridDim.y) {
        uda_taps taps = uda_taps_of(a.candidate + 2 * (target_row(a, r) * a.candidates + i), a.H, a.W);
        job.all[r * a.candidates + i] = uda_sample(job.logits + r * a.H * a.W, taps);
    }
}

/* The free points follow the important ones; grid (points, rows). */
static __global__ void __launch_bounds__(THREADS) sample_free(const __grid_constant__ mask_job job)
{
    const uda_mask_loss_args &a = job.a;
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, random = a.P - a.important;
    int64_t R = uda_pairs(a.first, a.Q);
    for (int64_t r = blockIdx.y; r < R && i < random; r += gridDim.y) {
        const float *point = a.random + 2 * (target_row(a, r) * random + i);
        float *kept = kept_points(job, r);
        int64_t to = a.important + i;
        job.x[r * a.P + to] = uda_sample(job.logits + r * a.H * a.W, uda_taps_of(point, a.H, a.W));
        kept[2 * to] = point[0];
        kept[2 * to + 1] = point[1];
    }
}

/* Bits of |x|: they are ordered as the values. */
static __device__ __forceinline__ unsigned magnitude(float x) { return __float_as_uint(x) & 0x7fffffffu; }

/*
 * The kth smallest magnitude (k >= 1) of x [count], and how many of its equals belong to the k smallest:
 * eight bits at a time, by counting. All threads call and get the same.
 */
static __device__ unsigned select_magnitude(const float *x, int64_t count, int64_t k, int64_t *ties)
{
    UDA_SHARED(unsigned, bin, [256]);
    UDA_SHARED(unsigned, chosen, [2]);
    unsigned found = 0, left = (unsigned)k;
    for (int shift = 24; shift >= 0; shift -= 8) {
        bin[threadIdx.x] = 0;
        __syncthreads();
        for (int64_t i = threadIdx.x; i < count; i += THREADS) {
            unsigned key = magnitude(x[i]);
            if (shift == 24 || key >> (shift + 8) == found >> (shift + 8)) {
                atomicAdd(&bin[key >> shift & 255u], 1u);
            }
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            unsigned below = 0, b = 0;
            while (b < 255 && below + bin[b] < left) {
                below += bin[b++];
            }
            chosen[0] = b;
            chosen[1] = left - below;
        }
        __syncthreads();
        found |= chosen[0] << shift;
        left = chosen[1];
    }
    *ties = (int64_t)left;
    return found;
}

/* Threads before this one whose flag is set; *all: how many have it in the block. All threads call. */
static __device__ __forceinline__ int count_before(bool flag, int *all)
{
    UDA_SHARED(int, counts, [WARPS]);
    int lane = (int)threadIdx.x % UDA_WARP, warp = (int)threadIdx.x / UDA_WARP;
    unsigned votes = __ballot_sync(UDA_ALL_LANES, flag);
    __syncthreads();
    if (lane == 0) {
        counts[warp] = __popc(votes);
    }
    __syncthreads();
    int before = __popc(votes & ((1u << lane) - 1u)), total = 0;
    for (int w = 0; w < WARPS; w++) {
        before += w < warp ? counts[w] : 0;
        total += counts[w];
    }
    *all = total;
    return before;
}

/* A block for each row keeps its most uncertain candidates, in their order; ties: lower index. */
static __global__ void __launch_bounds__(THREADS) keep_uncertain(const __grid_constant__ mask_job job)
{
    const uda_mask_loss_args &a = job.a;
    int64_t r = blockIdx.x, ties = 0, kept = 0, tied = 0;
    if (r >= uda_pairs(a.first, a.Q)) {
        return;
    }
    const float *all = job.all + r * a.candidates;
    const float *candidate = a.candidate + 2 * target_row(a, r) * a.candidates;
    float *x_kept = job.x + r * a.P, *kept_point = kept_points(job, r);
    unsigned limit = select_magnitude(all, a.candidates, a.important, &ties);
    for (int64_t base = 0; base < a.candidates; base += THREADS) {
        int64_t i = base + threadIdx.x;
        bool in = i < a.candidates;
        float x = in ? all[i] : 0.0f;
        bool tie = in && magnitude(x) == limit;
        int ties_here = 0, kept_here = 0;
        int64_t rank = tied + count_before(tie, &ties_here);
        bool keep = (in && magnitude(x) < limit) || (tie && rank < ties);
        int64_t to = kept + count_before(keep, &kept_here);
        if (keep) {
            x_kept[to] = x;
            kept_point[2 * to] = candidate[2 * i];
            kept_point[2 * to + 1] = candidate[2 * i + 1];
        }
        tied += ties_here;
        kept += kept_here;
    }
}

/* A block for each row: its losses, and their slopes at the points. */
static __global__ void __launch_bounds__(THREADS) row_losses(const __grid_constant__ mask_job job)
{
    const uda_mask_loss_args &a = job.a;
    int64_t r = blockIdx.x, base = r * a.P;
    if (r >= uda_pairs(a.first, a.Q)) {
        return;
    }
    const uint32_t *mask = a.mask + target_row(a, r) * uda_mask_words(a.height * a.width);
    const float *point = kept_points(job, r);
    double entropy = 0.0, product = 0.0, sigmoids = 0.0, labels = 0.0;
    for (int64_t i = threadIdx.x; i < a.P; i += THREADS) {
        float t = uda_sample(mask, uda_taps_of(point + 2 * i, a.height, a.width));
        float x = job.x[base + i], sigmoid = 0.0f, softplus = uda_softplus(x, &sigmoid);
        job.t[base + i] = t;
        entropy += (double)(softplus - x * t);
        product += (double)(sigmoid * t);
        sigmoids += (double)sigmoid;
        labels += (double)t;
    }
    entropy = block_sum(entropy);
    product = block_sum(product);
    sigmoids = block_sum(sigmoids);
    labels = block_sum(labels);
    double denominator = sigmoids + labels + 1.0, overlap = 2.0 * product + 1.0;
    if (threadIdx.x == 0) {
        job.row[2 * r] = entropy / (double)a.P;
        job.row[2 * r + 1] = 1.0 - overlap / denominator;
    }
    if (a.dlogit == nullptr) {
        return; /* the whole grid */
    }
    float *dlogit = a.dlogit + (a.first[0] + r) * a.P;
    float entropy_factor = (float)((double)a.mask_weight / *a.denominator / (double)a.P);
    double dice_factor = (double)a.dice_weight / *a.denominator / (denominator * denominator);
    float of_label = (float)(-2.0 * denominator * dice_factor), of_one = (float)(overlap * dice_factor);
    for (int64_t i = threadIdx.x; i < a.P; i += THREADS) {
        float t = job.t[base + i], p = 0.0f;
        (void)uda_softplus(job.x[base + i], &p);
        dlogit[i] = entropy_factor * (p - t) + (of_label * t + of_one) * (p * (1.0f - p));
    }
}

/* One thread: as many terms as there are matched masks. */
static __global__ void __launch_bounds__(UDA_WARP) join_losses(const __grid_constant__ mask_job job)
{
    int64_t R = uda_pairs(job.a.first, job.a.Q);
    if (threadIdx.x > 0 || R == 0) {
        return;
    }
    double mask = 0.0, dice = 0.0;
    for (int64_t r = 0; r < R; r++) {
        mask += job.row[2 * r];
        dice += job.row[2 * r + 1];
    }
    *job.a.loss_mask += mask / *job.a.denominator;
    *job.a.loss_dice += dice / *job.a.denominator;
}

int uda_cuda_mask_loss_fwd(struct uda_stream *stream, struct uda_mask_loss_args *a)
{
    int64_t pixels = a->H * a->W, rows = uda_least(a->Q, a->most), random = a->P - a->important;
    int64_t floats = rows * (4 + pixels + a->candidates + 4 * a->P);
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)uda_most(floats, 1) * sizeof(float);
        return 0;
    }
    mask_job job = {*a, static_cast<double *>(a->ws.data), nullptr, nullptr, nullptr, nullptr, nullptr};
    job.logits = static_cast<float *>(a->ws.data) + 4 * rows;
    job.all = job.logits + rows * pixels;
    job.x = job.all + rows * a->candidates;
    job.t = job.x + rows * a->P;
    job.point = job.t + rows * a->P;
    unsigned at_once = (unsigned)uda_least(rows, UDA_ROWS_AT_ONCE);
    dim3 tiles((unsigned)uda_ceil_div(pixels, UDA_TILE_COLUMNS), (unsigned)uda_ceil_div(rows, UDA_TILE_ROWS));
    UDA_CUDA_LAUNCH(dense_logits, tiles, UDA_TILE_THREADS, 0, stream, job);
    if (a->important > 0) {
        dim3 blocks((unsigned)uda_ceil_div(a->candidates, THREADS), at_once);
        UDA_CUDA_LAUNCH(sample_candidates, blocks, THREADS, 0, stream, job);
        UDA_CUDA_LAUNCH(keep_uncertain, (unsigned)rows, THREADS, 0, stream, job);
    }
    dim3 blocks((unsigned)uda_ceil_div(random, THREADS), at_once);
    UDA_CUDA_LAUNCH(sample_free, blocks, THREADS, 0, stream, job);
    UDA_CUDA_LAUNCH(row_losses, (unsigned)rows, THREADS, 0, stream, job);
    UDA_CUDA_LAUNCH(join_losses, rows > 0 ? 1 : 0, UDA_WARP, 0, stream, job);
    return uda_cuda_launched();
}
