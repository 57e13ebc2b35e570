/*
 * Shifted-window attention. A block has one head and a window (forward) or a chunk of windows (backward);
 * where a window's tokens lie, and what is added to its logits, is address arithmetic.
 *
 * The table's gradient: each thread of a block adds the slopes of its own pairs of tokens over the
 * chunk's windows, in order; then the chunks are summed, then the pairs of each row of the table.
 * NEEDSWORK: windows of 49 could keep these sums in registers.
 */
#include "kernels/cuda/partials.cuh"
#include "kernels/cuda/tiles_mma.cuh"
#include "kernels/window_geometry.h"

#define OTHER_REGION (-100.0f)
/* About as many blocks as backward is cut into, if there are so many windows; a constant, so that sums
 * do not depend on the device. */
#define BACK_BLOCKS 512
#define JOIN_THREADS 128
#define MOST_SHARED_BYTES ((size_t)160 << 10)

/* Sizes and tensors. */
template <typename T> struct windows {
    int64_t N, H, W, D, heads, window, shift, across, count; /* windows in a row, in all images */
    int64_t chunks, per_chunk;
    int n, d;
    float scale;
    const T *qkv, *dy;
    const float *qkv_bias, *table;
    T *y, *dqkv;
    float *log_sums;
    float *sums;      /* [chunks, heads, slots]: of dS; NULL: not wanted */
    float *bias_sums; /* [chunks, 2, D]: of dk and dv over padded tokens; NULL: not wanted */
    bool add_dqkv;
};

/* Tiles of a window, and the slots of its pairs of tokens. */
static inline __host__ __device__ int tiles_q(int n) { return (n + UDA_TILE_Q - 1) / UDA_TILE_Q; }
static inline __host__ __device__ int tiles_k(int n) { return (n + UDA_TILE_K - 1) / UDA_TILE_K; }
static inline __host__ __device__ int64_t slots(int n)
{
    return (int64_t)tiles_q(n) * tiles_k(n) * UDA_TILE_Q * UDA_TILE_K;
}

/* Slot of query i and key j: values of a thread UDA_TILE_THREADS apart, so that neighbours are. */
static __device__ __forceinline__ int64_t slot_of(int n, int i, int j)
{
    int tile = i / UDA_TILE_Q * tiles_k(n) + j / UDA_TILE_K;
    int thread = i % UDA_TILE_Q / 4 * UDA_TILE_ACROSS + j % UDA_TILE_K / 4;
    return ((int64_t)tile * 16 + i % 4 * 4 + j % 4) * UDA_TILE_THREADS + thread;
}

/* One head of one window. */
template <typename T> struct window_head {
    int queries, keys, d;
    float scale;
    const windows<T> *w;
    int64_t first;       /* channel */
    const int *token;    /* [n]: on the map, -1: padded */
    const int *place;    /* [n]: row of the table for (i, j) is place[i] - place[j] + middle */
    const int *region;   /* [n] */
    const float *bias;   /* [(2 window - 1)^2] */
    int middle;
    float *log_sums;     /* [n] */
    float *deltas, *dq;  /* [n], [n, padded channels] */
    int padded;
    float *sums;         /* [slots] of this chunk and head, or NULL */
    float *bias_sum;     /* [2, padded channels] */
    bool first_window;   /* of the chunk: sums begin */

    __device__ float operand(enum uda_operand which, int row, int c) const
    {
        int64_t at = token[row];
        if (which == UDA_OPERAND_DY) {
            return at >= 0 ? uda_load(w->dy + at * w->D + first + c) : 0.0f;
        }
        int64_t channel = (int64_t)which * w->D + first + c;
        return at >= 0 ? uda_load(w->qkv + at * 3 * w->D + channel) : w->qkv_bias[channel];
    }

    __device__ void logits(float (&s)[4][4], int query, int key) const
    {
        UDA_UNROLL
        for (int c = 0; c < 4; c++) {
            bool real = key + c < keys;
            int to = real ? place[key + c] : 0, its = real ? region[key + c] : 0;
            UDA_UNROLL
            for (int r = 0; r < 4; r++) {
                if (!real) {
                    s[r][c] = UDA_FORBIDDEN;
                } else if (query + r < queries) {
                    s[r][c] += bias[place[query + r] - to + middle];
                    s[r][c] += region[query + r] != its ? OTHER_REGION : 0.0f;
                }
            }
        }
    }

    __device__ void put_output(int query, int c, float x) const
    {
        if (token[query] >= 0) {
            uda_store(w->y + token[query] * w->D + first + c, x);
        }
    }

    __device__ void put_log_sum(int query, float x) const { log_sums[query] = x; }
    __device__ float log_sum(int query) const { return log_sums[query]; }
    __device__ float delta(int query) const { return deltas[query]; }

    __device__ void record(const float (&ds)[4][4], int query, int key) const
    {
        if (sums == nullptr) {
            return;
        }
        int tile = query / UDA_TILE_Q * tiles_k(keys) + key / UDA_TILE_K;
        float *to = sums + (int64_t)tile * UDA_TILE_Q * UDA_TILE_K + threadIdx.x;
        UDA_UNROLL
        for (int i = 0; i < 16; i++) {
            float x = ds[i / 4][i % 4];
            to[i * UDA_TILE_THREADS] = first_window ? x : to[i * UDA_TILE_THREADS] + x;
        }
    }

    __device__ void put(int64_t channel, int row, float x) const
    {
        if (w->dqkv != nullptr && token[row] >= 0) {
            T *to = w->dqkv + (int64_t)token[row] * 3 * w->D + channel;
            uda_store(to, w->add_dqkv ? uda_load(to) + x : x);
        }
    }

    __device__ void add_dq(int query, int c, float x, bool first_tile, bool last_tile) const
    {
        float *sum = dq + query * padded + c;
        float total = first_tile ? x : *sum + x;
        *sum = total;
        if (last_tile) {
            put(first + c, query, total * scale);
        }
    }

    /* Padded tokens' slopes go through shared memory, room_k and room_v, to sums in order of the tokens. */
    template <int C>
    __device__ void put_keys(int key, const float (&dk)[8][C], const float (&dv)[8][C], float *room_k,
                             float *room_v) const
    {
        int tx = (int)threadIdx.x % UDA_TILE_ACROSS, ty = (int)threadIdx.x / UDA_TILE_ACROSS;
        UDA_UNROLL
        for (int r = 0; r < 8; r++) {
            int row = key + 8 * ty + r;
            UDA_UNROLL
            for (int c = 0; c < C; c++) {
                if (row < keys && C * tx + c < d) {
                    put(w->D + first + C * tx + c, row, dk[r][c]);
                    put(2 * w->D + first + C * tx + c, row, dv[r][c]);
                }
                if (bias_sum != nullptr) {
                    bool outside = row < keys && token[row] < 0;
                    room_k[(8 * ty + r) * padded + C * tx + c] = outside ? dk[r][c] : 0.0f;
                    room_v[(8 * ty + r) * padded + C * tx + c] = outside ? dv[r][c] : 0.0f;
                }
            }
        }
        if (bias_sum == nullptr) {
            return; /* the whole block */
        }
        __syncthreads();
        if ((int)threadIdx.x < 2 * padded) {
            const float *from = (int)threadIdx.x < padded ? room_k : room_v;
            float sum = bias_sum[threadIdx.x];
            for (int row = 0; row < UDA_TILE_K; row++) {
                sum += from[row * padded + (int)threadIdx.x % padded];
            }
            bias_sum[threadIdx.x] = sum;
        }
        __syncthreads();
    }
};

/* ---- shared memory: tiles, then the window's own arrays ---- */

static inline __host__ __device__ int64_t fours(int64_t count) { return (count + 3) / 4 * 4; }

static inline size_t own_bytes(int64_t window, int n, int padded, bool backward)
{
    int64_t floats = fours((2 * window - 1) * (2 * window - 1)) + 3 * fours(n);
    floats += backward ? fours(n) + (int64_t)n * padded + 2 * padded : 0;
    return (size_t)floats * sizeof(float);
}

/* The head blockIdx.y with its arrays at `own`; its bias is read. */
template <typename T>
static __device__ __forceinline__ window_head<T> head_at(const windows<T> &w, float *own, int padded)
{
    int side = 2 * (int)w.window - 1, room = (int)fours(w.n);
    int *token = reinterpret_cast<int *>(own + fours(side * side));
    float *rest = own + fours(side * side) + 3 * room;
    window_head<T> h = {w.n, w.n, w.d, w.scale, &w, (int64_t)blockIdx.y * w.d, token, token + room,
                        token + 2 * room, own, (side + 1) * ((int)w.window - 1), nullptr, rest, rest + room,
                        padded, nullptr, nullptr, true};
    for (int i = (int)threadIdx.x; i < side * side; i += UDA_TILE_THREADS) {
        own[i] = w.table[i * w.heads + blockIdx.y];
    }
    return h;
}

/* Tokens of window `at` of all images. Returns whether some are padded, in every thread of the block. */
template <typename T>
static __device__ __forceinline__ bool locate(const windows<T> &w, window_head<T> *h, int64_t at)
{
    int64_t Hp = uda_window_padded(w.H, w.window), Wp = uda_window_padded(w.W, w.window);
    int64_t of_image = Hp / w.window * w.across, image = at / of_image, rest = at - image * of_image;
    int64_t y0 = rest / w.across * w.window, x0 = rest % w.across * w.window;
    int *token = const_cast<int *>(h->token), *place = const_cast<int *>(h->place);
    int *region = const_cast<int *>(h->region);
    int window = (int)w.window, outside = 0;
    __syncthreads(); /* the window before is done with */
    for (int i = (int)threadIdx.x; i < w.n; i += UDA_TILE_THREADS) {
        int ty = i / window, tx = i % window;
        int64_t y = uda_window_source(Hp, w.shift, y0 + ty), x = uda_window_source(Wp, w.shift, x0 + tx);
        bool real = y < w.H && x < w.W;
        token[i] = real ? (int)((image * w.H + y) * w.W + x) : -1;
        place[i] = ty * (2 * window - 1) + tx;
        region[i] = (int)(3 * uda_window_label(Hp, w.window, w.shift, y0 + ty) +
                          uda_window_label(Wp, w.window, w.shift, x0 + tx));
        outside |= !real;
    }
    h->log_sums = w.log_sums + (at * w.heads + blockIdx.y) * w.n;
    return __syncthreads_or(outside) != 0;
}

/* ---- forward. Grid: windows, heads ---- */

template <typename T, int C>
static __global__ void __launch_bounds__(UDA_TILE_THREADS)
    attend_windows(const __grid_constant__ windows<T> w, int own)
{
    UDA_SHARED_DYNAMIC(float, shared);
    window_head<T> h = head_at(w, shared + own, C * UDA_TILE_ACROSS);
    (void)locate(w, &h, blockIdx.x);
    typename uda_tiles_for<T, C>::forward tiles(shared);
    for (int query = 0; query < w.n; query += UDA_TILE_Q) {
        uda_attend(h, query, tiles);
    }
}

/* ---- backward. Grid: chunks of windows, heads ---- */

/* WHOLE: a window is one tile of keys. */
template <typename T, int C, bool WHOLE>
static __global__ void __launch_bounds__(UDA_TILE_THREADS, 2)
    attend_windows_back(const __grid_constant__ windows<T> w, int own)
{
    UDA_SHARED_DYNAMIC(float, shared);
    int padded = C * UDA_TILE_ACROSS;
    window_head<T> h = head_at(w, shared + own, padded);
    typename uda_tiles_for<T, C>::backward tiles(shared);
    float *bias_sum = h.dq + w.n * padded;
    if ((int)threadIdx.x < 2 * padded) {
        bias_sum[threadIdx.x] = 0.0f;
    }
    int64_t chunk = blockIdx.x, first = chunk * w.per_chunk, last = uda_least(first + w.per_chunk, w.count);
    h.sums = w.sums != nullptr ? w.sums + (chunk * w.heads + blockIdx.y) * slots(w.n) : nullptr;
    for (int64_t at = first; at < last; at++) {
        bool outside = locate(w, &h, at);
        h.bias_sum = outside && w.bias_sums != nullptr ? bias_sum : nullptr;
        h.first_window = at == first;
        if (!WHOLE) {
            uda_attend_deltas(h, h.deltas, tiles);
        }
        uda_attend_back<WHOLE>(h, 0, w.n, tiles);
    }
    if (w.bias_sums != nullptr && (int)threadIdx.x < 2 * padded) {
        int part = (int)threadIdx.x / padded, c = (int)threadIdx.x % padded;
        if (c < w.d) {
            w.bias_sums[(chunk * 2 + part) * w.D + h.first + c] = bias_sum[threadIdx.x];
        }
    }
}

/* dtable [(2 window - 1)^2, heads] (+)= sums over the pairs of tokens that share the row. */
static __global__ void __launch_bounds__(JOIN_THREADS)
    join_pairs(float *dtable, const float *sums, int window, int heads, bool add)
{
    int at = (int)(blockIdx.x * JOIN_THREADS + threadIdx.x), side = 2 * window - 1, n = window * window;
    if (at >= side * side * heads) {
        return;
    }
    int row = at / heads, head = at % heads, dy = row / side - (window - 1), dx = row % side - (window - 1);
    const float *from = sums + head * slots(n);
    float sum = 0.0f;
    for (int y = max(dy, 0); y < min(window + dy, window); y++) {
        for (int x = max(dx, 0); x < min(window + dx, window); x++) {
            sum += from[slot_of(n, y * window + x, (y - dy) * window + x - dx)];
        }
    }
    dtable[at] = add ? dtable[at] + sum : sum;
}

static __global__ void __launch_bounds__(JOIN_THREADS) clear_values(float *x, int64_t count)
{
    int64_t at = (int64_t)blockIdx.x * JOIN_THREADS + threadIdx.x;
    if (at < count) {
        x[at] = 0.0f;
    }
}

/* ---- launches ---- */

template <typename T> static windows<T> prepare(const struct uda_window_attention_args *a)
{
    windows<T> w = {};
    w.N = a->N;
    w.H = a->H;
    w.W = a->W;
    w.D = a->D;
    w.heads = a->heads;
    w.window = a->window;
    w.shift = a->shift;
    w.across = uda_window_padded(a->W, a->window) / a->window;
    w.count = a->N * (uda_window_padded(a->H, a->window) / a->window) * w.across;
    w.per_chunk = uda_most(uda_ceil_div(w.count, uda_most(BACK_BLOCKS / a->heads, 1)), 1);
    w.chunks = uda_ceil_div(w.count, w.per_chunk);
    w.n = (int)(a->window * a->window);
    w.d = (int)(a->D / a->heads);
    w.scale = 1.0f / sqrtf((float)w.d);
    w.qkv = static_cast<const T *>(a->qkv);
    w.qkv_bias = a->qkv_bias;
    w.table = a->table;
    w.y = static_cast<T *>(a->y);
    w.log_sums = a->log_sums;
    w.dy = static_cast<const T *>(a->dy);
    w.dqkv = static_cast<T *>(a->dqkv);
    w.add_dqkv = a->add_dqkv;
    return w;
}

template <typename T>
static int attend_forward(struct uda_stream *stream, const struct uda_window_attention_args *a)
{
    windows<T> w = prepare<T>(a);
    int channels = uda_tile_channels(w.d), own = (int)uda_attend_floats<T>(channels);
    size_t bytes = (size_t)own * sizeof(float) + own_bytes(w.window, w.n, 0, false);
    dim3 blocks((unsigned)w.count, (unsigned)w.heads);
    if (w.d > UDA_TILE_MOST_CHANNELS || bytes > MOST_SHARED_BYTES) {
        return (int)UDA_UNSUPPORTED;
    }
    if (channels == 1) {
        UDA_CUDA_LAUNCH((attend_windows<T, 1>), blocks, UDA_TILE_THREADS, bytes, stream, w, own);
    } else if (channels == 2) {
        UDA_CUDA_LAUNCH((attend_windows<T, 2>), blocks, UDA_TILE_THREADS, bytes, stream, w, own);
    } else {
        UDA_CUDA_LAUNCH((attend_windows<T, 4>), blocks, UDA_TILE_THREADS, bytes, stream, w, own);
    }
    return uda_cuda_launched();
}

int uda_cuda_window_attention_fwd(struct uda_stream *stream, struct uda_window_attention_args *a)
{
    return a->type == UDA_BF16 ? attend_forward<uda_bf16>(stream, a) : attend_forward<float>(stream, a);
}

template <typename T, bool WHOLE>
static void back_launch(struct uda_stream *stream, const windows<T> &w, int own, size_t bytes)
{
    int channels = uda_tile_channels(w.d);
    dim3 blocks((unsigned)w.chunks, (unsigned)w.heads);
    if (channels == 1) {
        UDA_CUDA_LAUNCH((attend_windows_back<T, 1, WHOLE>), blocks, UDA_TILE_THREADS, bytes, stream, w,
                        own);
    } else if (channels == 2) {
        UDA_CUDA_LAUNCH((attend_windows_back<T, 2, WHOLE>), blocks, UDA_TILE_THREADS, bytes, stream, w,
                        own);
    } else {
        UDA_CUDA_LAUNCH((attend_windows_back<T, 4, WHOLE>), blocks, UDA_TILE_THREADS, bytes, stream, w,
                        own);
    }
}

/* The second stage: of the table, and of the padded tokens' bias. */
template <typename T>
static void join(struct uda_stream *stream, const struct uda_window_attention_args *a, const windows<T> &w,
                 float *total)
{
    int64_t pairs = w.heads * slots(w.n), rows = (2 * w.window - 1) * (2 * w.window - 1) * w.heads;
    if (a->dtable != NULL) {
        uda_sum_partials(stream, total, w.sums, w.chunks, pairs, pairs, false);
        UDA_CUDA_LAUNCH(join_pairs, uda_blocks(rows, JOIN_THREADS), JOIN_THREADS, 0, stream, a->dtable, total,
                        (int)w.window, (int)w.heads, a->add_dtable);
    }
    if (a->dbias != NULL) {
        int64_t queries = a->add_dbias ? 0 : w.D; /* nothing comes to the queries' third */
        UDA_CUDA_LAUNCH(clear_values, uda_blocks(queries, JOIN_THREADS), JOIN_THREADS, 0, stream, a->dbias,
                        queries);
        uda_sum_partials(stream, a->dbias + w.D, w.bias_sums, w.chunks, 2 * w.D, 2 * w.D, a->add_dbias);
    }
}

/* Workspace: the chunks' sums of dS, their total, the chunks' sums of the bias. */
template <typename T>
static int attend_backward(struct uda_stream *stream, struct uda_window_attention_args *a)
{
    windows<T> w = prepare<T>(a);
    int channels = uda_tile_channels(w.d), own = (int)uda_attend_back_floats<T>(channels);
    size_t bytes = (size_t)own * sizeof(float) +
                   own_bytes(w.window, w.n, channels * UDA_TILE_ACROSS, true);
    int64_t pairs = a->dtable != NULL ? w.heads * slots(w.n) : 0, bias = a->dbias != NULL ? 2 * w.D : 0;
    if (w.d > UDA_TILE_MOST_CHANNELS || bytes > MOST_SHARED_BYTES) {
        return (int)UDA_UNSUPPORTED;
    }
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)((w.chunks + 1) * pairs + w.chunks * bias + 1) * sizeof(float);
        return 0;
    }
    float *sums = static_cast<float *>(a->ws.data), *total = sums + w.chunks * pairs;
    w.sums = pairs > 0 ? sums : NULL;
    w.bias_sums = bias > 0 ? total + pairs : NULL;
    w.log_sums = const_cast<float *>(a->saved_log_sums); /* backward only reads it */
    if (w.n <= UDA_TILE_K) {
        back_launch<T, true>(stream, w, own, bytes);
    } else {
        back_launch<T, false>(stream, w, own, bytes);
    }
    join(stream, a, w, total);
    return uda_cuda_launched();
}

int uda_cuda_window_attention_bwd(struct uda_stream *stream, struct uda_window_attention_args *a)
{
    return a->type == UDA_BF16 ? attend_backward<uda_bf16>(stream, a) : attend_backward<float>(stream, a);
}
