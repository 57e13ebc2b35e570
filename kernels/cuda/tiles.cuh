/*
 * Attention of one head over tiles of queries and keys, for all kinds of attention: what the rows are,
 * where they lie and what is added to the logits is the business of a problem, a struct P with
 *
 *     int queries, keys, d;                        // d <= UDA_TILE_MOST_CHANNELS
 *     float scale;                                 // d^-1/2
 *     float operand(which, row, channel);          // q, k, v, dy
 *     void logits(float (&s)[4][4], query, key);   // bias; UDA_FORBIDDEN where a query may not look
 *     void put_output(query, channel, y);   void put_log_sum(query, log_sum);
 *     float log_sum(query);  float delta(query);   // backward; delta = sum over keys of P dP
 *     void record(const float (&ds)[4][4], query, key);
 *     void add_dq(query, channel, slope, first, last);      // first, last tile of keys of this block
 *     void put_keys<C>(key, dk, dv, room_k, room_v);        // after the last query
 *
 * and how the products are computed that of a struct of tiles: those here are of floats, those of
 * tiles_mma.cuh of bf16.
 *
 * Invariants: a block of UDA_TILE_THREADS threads; thread (tx, ty) owns 4 queries from 4 ty and 4 keys
 * from 4 tx of a tile, in every tile the same, or C channels from C tx; sums have a fixed order. Shared
 * memory of the tiles: at a 16-byte boundary; it is free again on return after a barrier.
 */
#ifndef UDA_KERNELS_CUDA_TILES_CUH
#define UDA_KERNELS_CUDA_TILES_CUH

#include "kernels/cuda/device.cuh"

#define UDA_TILE_THREADS 128
#define UDA_TILE_ACROSS 16 /* threads along keys or channels */
#define UDA_TILE_Q 32
#define UDA_TILE_K 64
/* Rows of turned tiles are longer, which spreads them over the banks, and whole float4. */
#define UDA_TILE_LQ (UDA_TILE_Q + 4)
#define UDA_TILE_LK (UDA_TILE_K + 4)
#define UDA_TILE_MOST_CHANNELS 64
/* Stands for minus infinity: below every logit, and differences stay finite. */
#define UDA_FORBIDDEN (-1e30f)

/* Enough to hide shared memory's latency; more costs registers. */
#if defined(__CUDACC__)
#define UDA_UNROLL_FOUR _Pragma("unroll 4")
#else
#define UDA_UNROLL_FOUR
#endif

enum uda_operand { UDA_OPERAND_Q, UDA_OPERAND_K, UDA_OPERAND_V, UDA_OPERAND_DY };

/* Channels of a thread for heads of d channels: 1, 2 or 4. */
static inline int uda_tile_channels(int64_t d)
{
    return d <= UDA_TILE_ACROSS ? 1 : d <= 2 * UDA_TILE_ACROSS ? 2 : 4;
}

/* N neighbouring floats at a boundary of as many, up to 16 bytes. */
template <int N> static __device__ __forceinline__ void uda_tile_read(float (&x)[N], const float *p)
{
    if constexpr (N % 4 == 0) {
        UDA_UNROLL
        for (int i = 0; i < N; i += 4) {
            uda_quad q = uda_load4(p + i);
            x[i] = q.v[0];
            x[i + 1] = q.v[1];
            x[i + 2] = q.v[2];
            x[i + 3] = q.v[3];
        }
    } else if constexpr (N == 2) {
        float2 q = *reinterpret_cast<const float2 *>(p);
        x[0] = q.x;
        x[1] = q.y;
    } else {
        x[0] = *p;
    }
}

/* out[i][j] += sum over r < depth of a[r lda + i] b[r ldb + j]: the thread's part of a product. */
template <int R, int C>
static __device__ __forceinline__ void uda_tile_product(float (&out)[R][C], const float *a, int lda,
                                                        const float *b, int ldb, int depth)
{
    UDA_UNROLL_FOUR
    for (int r = 0; r < depth; r++) {
        float x[R], y[C];
        uda_tile_read<R>(x, a + r * lda);
        uda_tile_read<C>(y, b + r * ldb);
        UDA_UNROLL
        for (int i = 0; i < R; i++) {
            UDA_UNROLL
            for (int j = 0; j < C; j++) {
                out[i][j] += x[i] * y[j];
            }
        }
    }
}

/* Rows first.. of an operand into plain [rows, 16 C] and turned [16 C, ld]; either may be NULL. Zeros
 * beyond the last row and channel. */
template <int C, typename P>
static __device__ __forceinline__ void uda_tile_fill(const P &p, enum uda_operand which, int first, int rows,
                                                     int limit, float *plain, float *turned, int ld)
{
    constexpr int padded = C * UDA_TILE_ACROSS;
    UDA_UNROLL_FOUR
    for (int i = (int)threadIdx.x; i < rows * padded; i += UDA_TILE_THREADS) {
        int row = i / padded, c = i % padded;
        float x = first + row < limit && c < p.d ? p.operand(which, first + row, c) : 0.0f;
        x = which == UDA_OPERAND_Q ? x * p.scale : x;
        if (plain != nullptr) {
            plain[i] = x;
        }
        if (turned != nullptr) {
            turned[c * ld + row] = x;
        }
    }
}

/* Over the threads that share rows of a tile: 16 neighbouring lanes. */
static __device__ __forceinline__ float uda_row_max(float x)
{
    for (int d = UDA_TILE_ACROSS / 2; d > 0; d /= 2) {
        x = fmaxf(x, __shfl_xor_sync(UDA_ALL_LANES, x, d));
    }
    return x;
}
static __device__ __forceinline__ float uda_row_sum(float x)
{
    for (int d = UDA_TILE_ACROSS / 2; d > 0; d /= 2) {
        x += __shfl_xor_sync(UDA_ALL_LANES, x, d);
    }
    return x;
}

/* ---- forward ---- */

/* Logits into exponentials above the new running maximum; sum is this thread's part of the row's. */
template <int C>
static __device__ __forceinline__ void uda_tile_softmax(float (&s)[4][4], float (&y)[4][C], float (&top)[4],
                                                        float (&sum)[4])
{
    UDA_UNROLL
    for (int r = 0; r < 4; r++) {
        float most = uda_row_max(fmaxf(fmaxf(s[r][0], s[r][1]), fmaxf(s[r][2], s[r][3])));
        most = fmaxf(most, top[r]);
        float rescale = expf(top[r] - most), total = 0.0f;
        UDA_UNROLL
        for (int c = 0; c < 4; c++) {
            s[r][c] = s[r][c] == UDA_FORBIDDEN ? 0.0f : expf(s[r][c] - most);
            total += s[r][c];
        }
        sum[r] = sum[r] * rescale + total;
        top[r] = most;
        UDA_UNROLL
        for (int c = 0; c < C; c++) {
            y[r][c] *= rescale;
        }
    }
}

/* to[key, query]: a float4 for each of the thread's keys. */
static __device__ __forceinline__ void uda_tile_turn(float *to, const float (&s)[4][4], int tx, int ty)
{
    UDA_UNROLL
    for (int c = 0; c < 4; c++) {
        uda_store4(to + (4 * tx + c) * UDA_TILE_LQ + 4 * ty, {{s[0][c], s[1][c], s[2][c], s[3][c]}});
    }
}

/* Tiles of floats. q [16 C, LQ], k [16 C, LK], e [K, LQ] turned; v [K, 16 C]. */
template <int C> struct uda_attend_tiles {
    static constexpr int channels = C, padded = C * UDA_TILE_ACROSS;
    static constexpr size_t floats =
        (size_t)(padded * (UDA_TILE_LQ + UDA_TILE_LK + UDA_TILE_K) + UDA_TILE_K * UDA_TILE_LQ);
    float *q, *k, *v, *e;

    __device__ explicit uda_attend_tiles(float *shared)
    {
        q = shared;
        k = q + padded * UDA_TILE_LQ;
        v = k + padded * UDA_TILE_LK;
        e = v + UDA_TILE_K * padded;
    }

    template <typename P> __device__ void fill_queries(const P &p, int query) const
    {
        uda_tile_fill<C>(p, UDA_OPERAND_Q, query, UDA_TILE_Q, p.queries, nullptr, q, UDA_TILE_LQ);
    }

    template <typename P> __device__ void fill_keys(const P &p, int key) const
    {
        uda_tile_fill<C>(p, UDA_OPERAND_K, key, UDA_TILE_K, p.keys, nullptr, k, UDA_TILE_LK);
        uda_tile_fill<C>(p, UDA_OPERAND_V, key, UDA_TILE_K, p.keys, v, nullptr, 0);
    }

    /* s = q k^T scale */
    __device__ void scores(float (&s)[4][4], float, int tx, int ty) const
    {
        uda_tile_product<4, 4>(s, q + 4 * ty, UDA_TILE_LQ, k + 4 * tx, UDA_TILE_LK, padded);
    }

    __device__ void put_weights(const float (&s)[4][4], int tx, int ty) const { uda_tile_turn(e, s, tx, ty); }

    /* y += weights v, after a barrier */
    __device__ void add_output(float (&y)[4][C], int tx, int ty) const
    {
        uda_tile_product<4, C>(y, e + 4 * ty, UDA_TILE_LQ, v + C * tx, padded, UDA_TILE_K);
    }
};

/* Output of the queries first.. of a tile. */
template <typename TILES, typename P>
static __device__ __forceinline__ void uda_attend(const P &p, int first, const TILES &t)
{
    constexpr int C = TILES::channels;
    int tx = (int)threadIdx.x % UDA_TILE_ACROSS, ty = (int)threadIdx.x / UDA_TILE_ACROSS;
    float y[4][C] = {}, sum[4] = {}, top[4] = {UDA_FORBIDDEN, UDA_FORBIDDEN, UDA_FORBIDDEN, UDA_FORBIDDEN};
    t.fill_queries(p, first);
    for (int key = 0; key < p.keys; key += UDA_TILE_K) {
        t.fill_keys(p, key);
        __syncthreads();
        float s[4][4] = {};
        t.scores(s, p.scale, tx, ty);
        p.logits(s, first + 4 * ty, key + 4 * tx);
        uda_tile_softmax<C>(s, y, top, sum);
        t.put_weights(s, tx, ty);
        __syncthreads();
        t.add_output(y, tx, ty);
        __syncthreads();
    }
    UDA_UNROLL
    for (int r = 0; r < 4; r++) {
        int query = first + 4 * ty + r;
        float total = uda_row_sum(sum[r]), inverse = total == 0.0f ? 0.0f : 1.0f / total;
        if (query < p.queries) {
            UDA_UNROLL
            for (int c = 0; c < C; c++) {
                if (C * tx + c < p.d) {
                    p.put_output(query, C * tx + c, y[r][c] * inverse);
                }
            }
            if (tx == 0) { /* a row that forbids everything: exp(s - log_sum) = 0 in backward */
                p.put_log_sum(query, total == 0.0f ? -UDA_FORBIDDEN : top[r] + logf(total));
            }
        }
    }
}

/* ---- backward ---- */

/* Tiles of floats: of each operand the layouts that the products read. */
template <int C> struct uda_back_tiles {
    static constexpr int channels = C, padded = C * UDA_TILE_ACROSS;
    static constexpr int rows = UDA_TILE_K * UDA_TILE_ACROSS / UDA_TILE_THREADS; /* keys of a thread */
    static constexpr int pairs = UDA_TILE_Q * UDA_TILE_LK;
    static constexpr size_t floats = (size_t)(padded * 2 * (UDA_TILE_LQ + UDA_TILE_LK + UDA_TILE_Q) +
                                              padded * UDA_TILE_K + 2 * pairs + UDA_TILE_K * UDA_TILE_LQ);
    float *q_turned, *q, *dy_turned, *dy; /* [16 C, LQ], [Q, 16 C] */
    float *k_turned, *k, *v_turned;       /* [16 C, LK], [K, 16 C] */
    float *p, *ds, *ds_turned;            /* [Q, LK], [Q, LK], [K, LQ] */
    float *room_k, *room_v;               /* [K, 16 C], for put_keys */

    /* What a thread has of dk and dv of a tile of keys. */
    struct sums {
        float dk[rows][C], dv[rows][C];
    };

    __device__ explicit uda_back_tiles(float *shared)
    {
        q_turned = shared;
        q = q_turned + padded * UDA_TILE_LQ;
        dy_turned = q + UDA_TILE_Q * padded;
        dy = dy_turned + padded * UDA_TILE_LQ;
        k_turned = dy + UDA_TILE_Q * padded;
        v_turned = k_turned + padded * UDA_TILE_LK;
        k = v_turned + padded * UDA_TILE_LK;
        p = k + UDA_TILE_K * padded;
        ds = p + pairs;
        ds_turned = ds + pairs;
        room_k = k_turned;
        room_v = v_turned;
    }

    template <typename P> __device__ void fill_keys(const P &problem, int key) const
    {
        uda_tile_fill<C>(problem, UDA_OPERAND_K, key, UDA_TILE_K, problem.keys, k, k_turned, UDA_TILE_LK);
        uda_tile_fill<C>(problem, UDA_OPERAND_V, key, UDA_TILE_K, problem.keys, nullptr, v_turned,
                         UDA_TILE_LK);
    }

    template <typename P> __device__ void fill_queries(const P &problem, int query) const
    {
        uda_tile_fill<C>(problem, UDA_OPERAND_Q, query, UDA_TILE_Q, problem.queries, q, q_turned,
                         UDA_TILE_LQ);
        uda_tile_fill<C>(problem, UDA_OPERAND_DY, query, UDA_TILE_Q, problem.queries, dy, dy_turned,
                         UDA_TILE_LQ);
    }

    /* s = q k^T scale, dp = dy v^T */
    __device__ void scores(float (&s)[4][4], float (&dp)[4][4], float, int tx, int ty) const
    {
        uda_tile_product<4, 4>(s, q_turned + 4 * ty, UDA_TILE_LQ, k_turned + 4 * tx, UDA_TILE_LK, padded);
        uda_tile_product<4, 4>(dp, dy_turned + 4 * ty, UDA_TILE_LQ, v_turned + 4 * tx, UDA_TILE_LK, padded);
    }

    /* Probabilities s and slopes of logits dp. */
    __device__ void put_scores(const float (&s)[4][4], const float (&dp)[4][4], int tx, int ty) const
    {
        UDA_UNROLL
        for (int r = 0; r < 4; r++) {
            int at = (4 * ty + r) * UDA_TILE_LK + 4 * tx;
            uda_store4(p + at, {{s[r][0], s[r][1], s[r][2], s[r][3]}});
            uda_store4(ds + at, {{dp[r][0], dp[r][1], dp[r][2], dp[r][3]}});
        }
        uda_tile_turn(ds_turned, dp, tx, ty);
    }

    /* dv += p^T dy, dk += ds^T q scale, after a barrier */
    __device__ void add_keys(sums &sum, int tx, int ty) const
    {
        uda_tile_product<rows, C>(sum.dv, p + rows * ty, UDA_TILE_LK, dy + C * tx, padded, UDA_TILE_Q);
        uda_tile_product<rows, C>(sum.dk, ds + rows * ty, UDA_TILE_LK, q + C * tx, padded, UDA_TILE_Q);
    }

    /* dq = ds k */
    __device__ void slopes(float (&dq)[4][C], int tx, int ty) const
    {
        uda_tile_product<4, C>(dq, ds_turned + 4 * ty, UDA_TILE_LQ, k + C * tx, padded, UDA_TILE_K);
    }

    /* The thread's rows from rows ty, channels from C tx. */
    __device__ void take_keys(float (&dk)[rows][C], float (&dv)[rows][C], const sums &sum, float) const
    {
        UDA_UNROLL
        for (int i = 0; i < rows * C; i++) {
            dk[i / C][i % C] = sum.dk[i / C][i % C];
            dv[i / C][i % C] = sum.dv[i / C][i % C];
        }
    }
};

/* Logits into probabilities. */
template <typename P>
static __device__ __forceinline__ void uda_back_probabilities(const P &p, float (&s)[4][4], int query,
                                                              int key, int tx, int ty)
{
    p.logits(s, query + 4 * ty, key + 4 * tx);
    UDA_UNROLL
    for (int r = 0; r < 4; r++) {
        bool real = query + 4 * ty + r < p.queries;
        float log_sum = real ? p.log_sum(query + 4 * ty + r) : 0.0f;
        UDA_UNROLL
        for (int c = 0; c < 4; c++) {
            s[r][c] = !real || s[r][c] == UDA_FORBIDDEN ? 0.0f : expf(s[r][c] - log_sum);
        }
    }
}

static __device__ __forceinline__ float uda_row_delta(const float (&s)[4], const float (&dp)[4])
{
    return uda_row_sum(s[0] * dp[0] + s[1] * dp[1] + s[2] * dp[2] + s[3] * dp[3]);
}

/* delta[query] for a problem that does not know it: sums of P dP over all keys. */
template <typename TILES, typename P>
static __device__ __forceinline__ void uda_attend_deltas(const P &p, float *delta, const TILES &t)
{
    int tx = (int)threadIdx.x % UDA_TILE_ACROSS, ty = (int)threadIdx.x / UDA_TILE_ACROSS;
    for (int query = 0; query < p.queries; query += UDA_TILE_Q) {
        float sum[4] = {};
        t.fill_queries(p, query);
        for (int key = 0; key < p.keys; key += UDA_TILE_K) {
            t.fill_keys(p, key);
            __syncthreads();
            float s[4][4] = {}, dp[4][4] = {};
            t.scores(s, dp, p.scale, tx, ty);
            uda_back_probabilities(p, s, query, key, tx, ty);
            UDA_UNROLL
            for (int r = 0; r < 4; r++) {
                sum[r] += uda_row_delta(s[r], dp[r]);
            }
            __syncthreads();
        }
        UDA_UNROLL
        for (int r = 0; r < 4; r++) {
            if (tx == 0 && query + 4 * ty + r < p.queries) {
                delta[query + 4 * ty + r] = sum[r];
            }
        }
    }
    __syncthreads();
}

/* Slopes of the logits, dS = P (dP - delta), into dp. WHOLE: one tile of keys is all of them, so that delta
 * is at hand. */
template <bool WHOLE, typename P>
static __device__ __forceinline__ void uda_back_slopes(const P &p, const float (&s)[4][4], float (&dp)[4][4],
                                                       int query, int ty)
{
    UDA_UNROLL
    for (int r = 0; r < 4; r++) {
        int row = query + 4 * ty + r;
        float delta = WHOLE ? uda_row_delta(s[r], dp[r]) : row < p.queries ? p.delta(row) : 0.0f;
        UDA_UNROLL
        for (int c = 0; c < 4; c++) {
            dp[r][c] = s[r][c] * (dp[r][c] - delta);
        }
    }
}

template <typename TILES, typename P>
static __device__ __forceinline__ void uda_back_queries(const P &p, const TILES &t, int query, int tx, int ty,
                                                        bool first, bool last)
{
    constexpr int C = TILES::channels;
    float dq[4][C] = {};
    t.slopes(dq, tx, ty);
    UDA_UNROLL
    for (int r = 0; r < 4; r++) {
        UDA_UNROLL
        for (int c = 0; c < C; c++) {
            if (query + 4 * ty + r < p.queries && C * tx + c < p.d) {
                p.add_dq(query + 4 * ty + r, C * tx + c, dq[r][c], first, last);
            }
        }
    }
}

/* All queries against the keys first_key.. up to last_key, which is a multiple of UDA_TILE_K or the end. */
template <bool WHOLE, typename TILES, typename P>
static __device__ __forceinline__ void uda_attend_back(const P &p, int first_key, int last_key,
                                                       const TILES &t)
{
    constexpr int C = TILES::channels, R = UDA_TILE_K * UDA_TILE_ACROSS / UDA_TILE_THREADS;
    int tx = (int)threadIdx.x % UDA_TILE_ACROSS, ty = (int)threadIdx.x / UDA_TILE_ACROSS;
    for (int key = first_key; key < last_key; key += UDA_TILE_K) {
        typename TILES::sums sum = {};
        t.fill_keys(p, key);
        for (int query = 0; query < p.queries; query += UDA_TILE_Q) {
            t.fill_queries(p, query);
            __syncthreads();
            float s[4][4] = {}, dp[4][4] = {};
            t.scores(s, dp, p.scale, tx, ty);
            uda_back_probabilities(p, s, query, key, tx, ty);
            uda_back_slopes<WHOLE>(p, s, dp, query, ty);
            t.put_scores(s, dp, tx, ty);
            p.record(dp, query, key);
            __syncthreads();
            t.add_keys(sum, tx, ty);
            uda_back_queries(p, t, query, tx, ty, key == first_key, key + UDA_TILE_K >= last_key);
            __syncthreads();
        }
        float dk[R][C], dv[R][C];
        t.take_keys(dk, dv, sum, p.scale);
        p.template put_keys<C>(key, dk, dv, t.room_k, t.room_v);
    }
}

#endif
