#include "kernels/cuda/partials.cuh"
#include "kernels/cuda/tiles_mma.cuh"

/* Most parts that backward cuts the keys into: each has a dq of its own. */
#define MOST_PARTS 32
#define ROW_WARPS 8
#define ROW_THREADS (ROW_WARPS * UDA_WARP)

/* One head of one image. NEEDSWORK: forward could cut long rows of keys too; to be measured on a GPU. */
template <typename T> struct attention {
    int queries, keys, d;
    int64_t D, words;
    float scale;
    const T *q, *k, *v, *dy; /* of the head: rows D apart */
    const uint32_t *mask;    /* of the image, or NULL */
    T *y;
    float *log_sums;         /* [Q] */
    const float *deltas;     /* a row for each query, M apart */
    int64_t M;
    float *dq;               /* this part's, rows D apart */
    T *dk, *dv;
    bool add_dk, add_dv;

    __device__ float operand(enum uda_operand which, int row, int c) const
    {
        int64_t at = row * D + c;
        return which == UDA_OPERAND_Q   ? uda_load(q + at)
               : which == UDA_OPERAND_K ? uda_load(k + at)
               : which == UDA_OPERAND_V ? uda_load(v + at)
                                        : uda_load(dy + at);
    }

    /* key is a multiple of 4: its bits are in one word. */
    __device__ void logits(float (&s)[4][4], int query, int key) const
    {
        UDA_UNROLL
        for (int r = 0; r < 4; r++) {
            unsigned bits = 0;
            if (mask != nullptr && query + r < queries && key < keys) {
                bits = mask[(query + r) * words + key / 32] >> (key % 32);
            }
            UDA_UNROLL
            for (int c = 0; c < 4; c++) {
                if (key + c >= keys || (bits >> c & 1) != 0) {
                    s[r][c] = UDA_FORBIDDEN;
                }
            }
        }
    }

    __device__ void put_output(int query, int c, float x) const { uda_store(y + query * D + c, x); }
    __device__ void put_log_sum(int query, float x) const { log_sums[query] = x; }
    __device__ float log_sum(int query) const { return log_sums[query]; }
    __device__ float delta(int query) const { return deltas[query * M]; }
    __device__ void record(const float (&)[4][4], int, int) const {}

    __device__ void add_dq(int query, int c, float x, bool first, bool) const
    {
        float *to = dq + query * D + c;
        *to = first ? x * scale : *to + x * scale;
    }

    /* dk, then dv: they may be one tensor. */
    template <int C>
    __device__ void put_keys(int key, const float (&slope_k)[8][C], const float (&slope_v)[8][C], float *,
                             float *) const
    {
        int tx = (int)threadIdx.x % UDA_TILE_ACROSS, ty = (int)threadIdx.x / UDA_TILE_ACROSS;
        UDA_UNROLL
        for (int r = 0; r < 8; r++) {
            UDA_UNROLL
            for (int c = 0; c < C; c++) {
                int64_t at = (key + 8 * ty + r) * D + C * tx + c;
                if (key + 8 * ty + r < keys && C * tx + c < d) {
                    if (dk != nullptr) {
                        uda_store(dk + at, add_dk ? uda_load(dk + at) + slope_k[r][c] : slope_k[r][c]);
                    }
                    if (dv != nullptr) {
                        uda_store(dv + at, add_dv ? uda_load(dv + at) + slope_v[r][c] : slope_v[r][c]);
                    }
                }
            }
        }
    }
};

/* The tensors, with the head of block (., m, n) to be chosen. */
template <typename T> struct tensors {
    attention<T> head;       /* its pointers are the tensors' */
    int64_t N;
    int64_t part_keys;       /* of a block in backward */
};

template <typename T> static __device__ __forceinline__ attention<T> head_of(const tensors<T> &t)
{
    attention<T> h = t.head;
    int64_t n = blockIdx.z, m = blockIdx.y, queries = n * h.queries * h.D + m * h.d;
    int64_t keys = n * h.keys * h.D + m * h.d;
    h.q += queries;
    h.k += keys;
    h.v += keys;
    h.mask = h.mask != nullptr ? h.mask + n * h.queries * h.words : nullptr;
    h.log_sums += (n * h.M + m) * h.queries;
    return h;
}

/* Grid: tiles of queries, heads, images. */
template <typename T, int C> static __global__ void __launch_bounds__(UDA_TILE_THREADS) attend(tensors<T> t)
{
    UDA_SHARED_DYNAMIC(float, shared);
    attention<T> head = head_of(t);
    head.y += (int64_t)blockIdx.z * head.queries * head.D + (int64_t)blockIdx.y * head.d;
    uda_attend(head, (int)blockIdx.x * UDA_TILE_Q, typename uda_tiles_for<T, C>::forward(shared));
}

/* Grid: parts of the keys, heads, images. */
template <typename T, int C>
static __global__ void __launch_bounds__(UDA_TILE_THREADS, 2) attend_back(tensors<T> t)
{
    UDA_SHARED_DYNAMIC(float, shared);
    attention<T> head = head_of(t);
    int64_t n = blockIdx.z, m = blockIdx.y, part = blockIdx.x;
    int64_t queries = n * head.queries * head.D + m * head.d, keys = n * head.keys * head.D + m * head.d;
    head.dy += queries;
    head.dq += part * t.N * head.queries * head.D + queries;
    head.dk = head.dk != nullptr ? head.dk + keys : nullptr;
    head.dv = head.dv != nullptr ? head.dv + keys : nullptr;
    head.deltas += n * head.queries * head.M + m;
    uda_attend_back<false>(head, (int)(part * t.part_keys),
                           (int)uda_least((part + 1) * t.part_keys, head.keys),
                           typename uda_tiles_for<T, C>::backward(shared));
}

/* sums[row] = dot(a[row], b[row]), rows of d; a warp for each. */
template <typename T>
static __global__ void __launch_bounds__(ROW_THREADS)
    row_products(float *sums, const T *a, const T *b, int64_t rows, int64_t d)
{
    int64_t row = (int64_t)blockIdx.x * ROW_WARPS + threadIdx.x / UDA_WARP;
    if (row >= rows) {
        return; /* a whole warp */
    }
    float sum = 0.0f;
    for (int64_t c = threadIdx.x % UDA_WARP; c < d; c += UDA_WARP) {
        sum += uda_load(a + row * d + c) * uda_load(b + row * d + c);
    }
    sum = uda_warp_sum(sum);
    if (threadIdx.x % UDA_WARP == 0) {
        sums[row] = sum;
    }
}

template <typename T> static tensors<T> prepare(const struct uda_attention_args *a)
{
    tensors<T> t = {};
    attention<T> *h = &t.head;
    t.N = a->N;
    h->queries = (int)a->Q;
    h->keys = (int)a->L;
    h->D = a->D;
    h->M = a->M;
    h->d = (int)(a->D / a->M);
    h->words = (a->L + 31) / 32;
    h->scale = 1.0f / sqrtf((float)h->d);
    h->q = static_cast<const T *>(a->q);
    h->k = static_cast<const T *>(a->k);
    h->v = static_cast<const T *>(a->v);
    h->dy = static_cast<const T *>(a->dy);
    h->mask = a->mask;
    h->y = static_cast<T *>(a->y);
    h->log_sums = a->lse;
    h->dk = static_cast<T *>(a->dk);
    h->dv = static_cast<T *>(a->dv);
    h->add_dk = a->accumulate_k;
    h->add_dv = a->accumulate_v;
    return t;
}

template <typename T>
static int attend_forward(struct uda_stream *stream, const struct uda_attention_args *a)
{
    tensors<T> t = prepare<T>(a);
    dim3 blocks((unsigned)uda_ceil_div(a->Q, UDA_TILE_Q), (unsigned)a->M, (unsigned)a->N);
    int channels = uda_tile_channels(t.head.d);
    size_t bytes = uda_attend_floats<T>(channels) * sizeof(float);
    if (t.head.d > UDA_TILE_MOST_CHANNELS) {
        return (int)UDA_UNSUPPORTED;
    }
    if (channels == 1) {
        UDA_CUDA_LAUNCH((attend<T, 1>), blocks, UDA_TILE_THREADS, bytes, stream, t);
    } else if (channels == 2) {
        UDA_CUDA_LAUNCH((attend<T, 2>), blocks, UDA_TILE_THREADS, bytes, stream, t);
    } else {
        UDA_CUDA_LAUNCH((attend<T, 4>), blocks, UDA_TILE_THREADS, bytes, stream, t);
    }
    return uda_cuda_launched();
}

int uda_cuda_attention_fwd(struct uda_stream *stream, struct uda_attention_args *a)
{
    return a->type == UDA_BF16 ? attend_forward<uda_bf16>(stream, a) : attend_forward<float>(stream, a);
}

template <typename T>
static void back_launch(struct uda_stream *stream, const tensors<T> &t, dim3 blocks)
{
    int channels = uda_tile_channels(t.head.d);
    size_t bytes = uda_attend_back_floats<T>(channels) * sizeof(float);
    if (channels == 1) {
        UDA_CUDA_LAUNCH((attend_back<T, 1>), blocks, UDA_TILE_THREADS, bytes, stream, t);
    } else if (channels == 2) {
        UDA_CUDA_LAUNCH((attend_back<T, 2>), blocks, UDA_TILE_THREADS, bytes, stream, t);
    } else {
        UDA_CUDA_LAUNCH((attend_back<T, 4>), blocks, UDA_TILE_THREADS, bytes, stream, t);
    }
}

/* Workspace: delta of each query and head, then dq of each part. */
template <typename T> static int attend_backward(struct uda_stream *stream, struct uda_attention_args *a)
{
    tensors<T> t = prepare<T>(a);
    int64_t rows = a->N * a->Q * a->M, tiles = uda_ceil_div(a->L, UDA_TILE_K);
    t.part_keys = uda_most(uda_ceil_div(tiles, MOST_PARTS), 1) * UDA_TILE_K;
    int64_t parts = uda_ceil_div(a->L, t.part_keys), count = a->N * a->Q * a->D;
    if (t.head.d > UDA_TILE_MOST_CHANNELS) {
        return (int)UDA_UNSUPPORTED;
    }
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(rows + parts * count + 1) * sizeof(float);
        return 0;
    }
    float *deltas = static_cast<float *>(a->ws.data);
    t.head.deltas = deltas;
    t.head.dq = deltas + rows;
    UDA_CUDA_LAUNCH(row_products<T>, uda_blocks(rows, ROW_WARPS), ROW_THREADS, 0, stream, deltas,
                    t.head.y, t.head.dy, rows, (int64_t)t.head.d);
    back_launch(stream, t, dim3((unsigned)parts, (unsigned)a->M, (unsigned)a->N));
    uda_sum_partials(stream, static_cast<T *>(a->dq), t.head.dq, parts, count, count, a->accumulate_q);
    return uda_cuda_launched();
}

int uda_cuda_attention_bwd(struct uda_stream *stream, struct uda_attention_args *a)
{
    return a->type == UDA_BF16 ? attend_backward<uda_bf16>(stream, a) : attend_backward<float>(stream, a);
}

/* ---- mask bits ---- */

#define DEPTH 32 /* channels at a time */

/* Grid: tiles of keys, tiles of queries, images. */
template <typename T>
static __global__ void __launch_bounds__(UDA_TILE_THREADS)
    mark_negative(uint32_t *bits, const T *e, const T *f, int64_t Q, int64_t L, int64_t C)
{
    UDA_SHARED_DYNAMIC(float, queries); /* [DEPTH, LQ] */
    float *keys = queries + DEPTH * UDA_TILE_LQ;
    int tx = (int)threadIdx.x % UDA_TILE_ACROSS, ty = (int)threadIdx.x / UDA_TILE_ACROSS;
    int64_t n = blockIdx.z, query = (int64_t)blockIdx.y * UDA_TILE_Q, key = (int64_t)blockIdx.x * UDA_TILE_K;
    float s[4][4] = {};
    for (int64_t base = 0; base < C; base += DEPTH) {
        int64_t c = base + threadIdx.x % DEPTH;
        for (int row = (int)threadIdx.x / DEPTH; row < UDA_TILE_Q; row += UDA_TILE_THREADS / DEPTH) {
            queries[(c - base) * UDA_TILE_LQ + row] =
                c < C && query + row < Q ? uda_load(e + (n * Q + query + row) * C + c) : 0.0f;
        }
        for (int row = (int)threadIdx.x / DEPTH; row < UDA_TILE_K; row += UDA_TILE_THREADS / DEPTH) {
            keys[(c - base) * UDA_TILE_LK + row] =
                c < C && key + row < L ? uda_load(f + (n * L + key + row) * C + c) : 0.0f;
        }
        __syncthreads();
        uda_tile_product<4, 4>(s, queries + 4 * ty, UDA_TILE_LQ, keys + 4 * tx, UDA_TILE_LK, DEPTH);
        __syncthreads();
    }
    int64_t words = (L + 31) / 32, word = key / 32 + tx / 8;
    for (int r = 0; r < 4; r++) {
        unsigned found = 0;
        for (int c = 0; c < 4; c++) {
            found |= s[r][c] < 0.0f ? 1u << (tx % 8 * 4 + c) : 0u; /* beyond L it is 0 */
        }
        for (int d = 4; d > 0; d /= 2) {
            found |= __shfl_xor_sync(UDA_ALL_LANES, found, d);
        }
        if (tx % 8 == 0 && query + 4 * ty + r < Q && word < words) {
            bits[(n * Q + query + 4 * ty + r) * words + word] = found;
        }
    }
}

/* A query that may look nowhere looks everywhere; a warp for each row. */
static __global__ void __launch_bounds__(ROW_THREADS) open_rows(uint32_t *bits, int64_t rows, int64_t L)
{
    int64_t row = (int64_t)blockIdx.x * ROW_WARPS + threadIdx.x / UDA_WARP, words = (L + 31) / 32;
    int64_t lane = threadIdx.x % UDA_WARP;
    if (row >= rows) {
        return; /* a whole warp */
    }
    bool full = true;
    for (int64_t w = lane; w < words; w += UDA_WARP) {
        unsigned all = L - w * 32 >= 32 ? 0xffffffffu : (1u << (L - w * 32)) - 1;
        full = full && bits[row * words + w] == all;
    }
    full = __all_sync(UDA_ALL_LANES, full);
    for (int64_t w = lane; full && w < words; w += UDA_WARP) {
        bits[row * words + w] = 0;
    }
}

int uda_cuda_attention_mask(struct uda_stream *stream, struct uda_attention_mask_args *a)
{
    dim3 blocks((unsigned)uda_ceil_div(a->L, UDA_TILE_K), (unsigned)uda_ceil_div(a->Q, UDA_TILE_Q),
                (unsigned)a->N);
    UDA_CUDA_LAUNCH(mark_negative<float>, blocks, UDA_TILE_THREADS,
                    DEPTH * (UDA_TILE_LQ + UDA_TILE_LK) * sizeof(float), stream, a->bits, a->e, a->f, a->Q,
                    a->L, a->C);
    UDA_CUDA_LAUNCH(open_rows, uda_blocks(a->L > 0 ? a->N * a->Q : 0, ROW_WARPS), ROW_THREADS, 0, stream,
                    a->bits, a->N * a->Q, a->L);
    return uda_cuda_launched();
}
