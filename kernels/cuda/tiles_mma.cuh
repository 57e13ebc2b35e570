/*
 * The tiles of tiles.cuh in bf16, and their products by the tensor cores (mma.cuh).
 *
 * Invariants: q, k, v and dy are stored in bf16 anyway and are exact here (what a problem makes of floats is
 * rounded as it would be in storage); probabilities and slopes of logits are split into two bf16 each, so
 * that all products are those of floats to 2^-17. Every row of a tile is a row of a factor; a product's
 * result goes through shared memory to the threads that own it.
 */
#ifndef UDA_KERNELS_CUDA_TILES_MMA_CUH
#define UDA_KERNELS_CUDA_TILES_MMA_CUH

#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/tiles.cuh"

#define UDA_HALF_LQ (UDA_TILE_Q + UDA_MMA_PAD)
#define UDA_HALF_LK (UDA_TILE_K + UDA_MMA_PAD)

/* Rows first.. of an operand into plain [rows, 16 C + PAD] and turned [16 C, ld], as uda_tile_fill, but q is
 * not scaled. */
template <int C, typename P>
static __device__ __forceinline__ void uda_half_fill(const P &p, enum uda_operand which, int first, int rows,
                                                     int limit, uda_bf16 *plain, uda_bf16 *turned, int ld)
{
    constexpr int padded = C * UDA_TILE_ACROSS;
    UDA_UNROLL_FOUR
    for (int i = (int)threadIdx.x; i < rows * padded; i += UDA_TILE_THREADS) {
        int row = i / padded, c = i % padded;
        float x = first + row < limit && c < p.d ? p.operand(which, first + row, c) : 0.0f;
        if (plain != nullptr) {
            uda_store(plain + row * (padded + UDA_MMA_PAD) + c, x);
        }
        if (turned != nullptr) {
            uda_store(turned + c * ld + row, x);
        }
    }
}

/* A tile [.., ld] of floats as two of bf16: high, and low behind it. */
struct uda_halves {
    uda_bf16 *high, *low;
    int ld;
};

/* x[r][c] at row 4 ty + r, column 4 tx + c; turned: the other way round. */
static __device__ __forceinline__ void uda_half_put(const uda_halves &to, const float (&x)[4][4], int tx,
                                                    int ty, bool turned)
{
    UDA_UNROLL
    for (int i = 0; i < 16; i++) {
        int row = 4 * ty + i / 4, column = 4 * tx + i % 4;
        int at = turned ? column * to.ld + row : row * to.ld + column;
        uda_mma_split(to.high + at, to.low + at, x[i / 4][i % 4]);
    }
}

/* out [M, N] = a [M, depth] times the rows of b [N, depth], by the block. */
template <int M, int N>
static __device__ __forceinline__ void uda_half_product(float *out, int ld, const uda_bf16 *a, int lda,
                                                        const uda_bf16 *b, int ldb, int depth)
{
    typedef uda_mma_part<M, N> part;
    part at;
    float sum[part::tiles][4] = {};
    uda_mma_add<part::tiles>(sum, a + at.row * lda, lda, b + at.column * ldb, ldb, depth);
    uda_mma_put<part::tiles>(out + at.row * ld + at.column, ld, sum);
}

/* The same with a in halves, added to a warp's part. */
template <int M, int N>
static __device__ __forceinline__ void uda_half_add(float (&sum)[uda_mma_part<M, N>::tiles][4],
                                                    const uda_halves &a, const uda_bf16 *b, int ldb,
                                                    int depth)
{
    typedef uda_mma_part<M, N> part;
    part at;
    const uda_bf16 *rows = b + at.column * ldb;
    uda_mma_add<part::tiles>(sum, a.high + at.row * a.ld, a.ld, rows, ldb, depth);
    uda_mma_add<part::tiles>(sum, a.low + at.row * a.ld, a.ld, rows, ldb, depth);
}

/* out [M, N] = a times the rows of b, by the block. */
template <int M, int N>
static __device__ __forceinline__ void uda_half_product(float *out, int ld, const uda_halves &a,
                                                        const uda_bf16 *b, int ldb, int depth)
{
    typedef uda_mma_part<M, N> part;
    part at;
    float sum[part::tiles][4] = {};
    uda_half_add<M, N>(sum, a, b, ldb, depth);
    uda_mma_put<part::tiles>(out + at.row * ld + at.column, ld, sum);
}

/* x[r][c] (+)= scale from[first + r, C column + c] */
template <int R, int C>
static __device__ __forceinline__ void uda_half_take(float (&x)[R][C], const float *from, int ld, int first,
                                                     int column, float scale)
{
    UDA_UNROLL
    for (int r = 0; r < R; r++) {
        float v[C];
        uda_tile_read<C>(v, from + (first + r) * ld + C * column);
        UDA_UNROLL
        for (int c = 0; c < C; c++) {
            x[r][c] += scale * v[c];
        }
    }
}

/* ---- forward ---- */

template <int C> struct uda_half_tiles {
    static constexpr int channels = C, padded = C * UDA_TILE_ACROSS, ld = padded + UDA_MMA_PAD;
    static constexpr int ld_out = padded + 4; /* of products with v */
    static constexpr size_t floats =
        (size_t)(UDA_TILE_Q * UDA_TILE_LK +
                 ((UDA_TILE_Q + UDA_TILE_K) * ld + padded * UDA_HALF_LK + 2 * UDA_TILE_Q * UDA_HALF_LK) / 2);
    float *out;                /* [Q, LK], [Q, ld_out] */
    uda_bf16 *q, *k, *v_turned; /* [Q, ld], [K, ld], [16 C, LK] */
    uda_halves e;              /* [Q, LK] */

    __device__ explicit uda_half_tiles(float *shared)
    {
        out = shared;
        q = reinterpret_cast<uda_bf16 *>(out + UDA_TILE_Q * UDA_TILE_LK);
        k = q + UDA_TILE_Q * ld;
        v_turned = k + UDA_TILE_K * ld;
        e.high = v_turned + padded * UDA_HALF_LK;
        e.low = e.high + UDA_TILE_Q * UDA_HALF_LK;
        e.ld = UDA_HALF_LK;
    }

    template <typename P> __device__ void fill_queries(const P &p, int query) const
    {
        uda_half_fill<C>(p, UDA_OPERAND_Q, query, UDA_TILE_Q, p.queries, q, nullptr, 0);
    }

    template <typename P> __device__ void fill_keys(const P &p, int key) const
    {
        uda_half_fill<C>(p, UDA_OPERAND_K, key, UDA_TILE_K, p.keys, k, nullptr, 0);
        uda_half_fill<C>(p, UDA_OPERAND_V, key, UDA_TILE_K, p.keys, nullptr, v_turned, UDA_HALF_LK);
    }

    __device__ void scores(float (&s)[4][4], float scale, int tx, int ty) const
    {
        uda_half_product<UDA_TILE_Q, UDA_TILE_K>(out, UDA_TILE_LK, q, ld, k, ld, padded);
        __syncthreads();
        uda_half_take<4, 4>(s, out, UDA_TILE_LK, 4 * ty, tx, scale);
    }

    __device__ void put_weights(const float (&s)[4][4], int tx, int ty) const
    {
        uda_half_put(e, s, tx, ty, false);
    }

    __device__ void add_output(float (&y)[4][C], int tx, int ty) const
    {
        uda_half_product<UDA_TILE_Q, padded>(out, ld_out, e, v_turned, UDA_HALF_LK, UDA_TILE_K);
        __syncthreads();
        uda_half_take<4, C>(y, out, ld_out, 4 * ty, tx, 1.0f);
    }
};

/* ---- backward ---- */

template <int C> struct uda_half_back_tiles {
    static constexpr int channels = C, padded = C * UDA_TILE_ACROSS, ld = padded + UDA_MMA_PAD;
    static constexpr int rows = UDA_TILE_K * UDA_TILE_ACROSS / UDA_TILE_THREADS;
    static constexpr int pairs = UDA_TILE_Q * UDA_TILE_LK, ld_out = padded + 4;
    typedef uda_mma_part<UDA_TILE_K, padded> part;
    static constexpr size_t floats =
        (size_t)(2 * pairs + (UDA_TILE_K * 2 + UDA_TILE_Q * 2) * ld / 2 + padded * UDA_HALF_LK / 2 +
                 padded * UDA_HALF_LQ + 2 * UDA_TILE_K * UDA_HALF_LQ + UDA_TILE_Q * UDA_HALF_LK);
    float *s, *dp;                   /* [Q, LK]; together [K, ld_out] */
    uda_bf16 *k, *k_turned, *v;      /* [K, ld], [16 C, LK], [K, ld]; together [K, ld_out] floats */
    uda_bf16 *q, *q_turned, *dy, *dy_turned; /* [Q, ld], [16 C, LQ] */
    uda_halves p_turned, ds, ds_turned;      /* [K, LQ], [Q, LK], [K, LQ] */
    float *room_k, *room_v;

    struct sums {
        float dk[part::tiles][4], dv[part::tiles][4];
    };

    __device__ explicit uda_half_back_tiles(float *shared)
    {
        static_assert(2 * pairs >= UDA_TILE_K * ld_out, "dv fits s and dp");
        static_assert(2 * UDA_TILE_K * ld + padded * UDA_HALF_LK >= 2 * UDA_TILE_K * ld_out, "dk fits k, v");
        s = shared;
        dp = s + pairs;
        k = reinterpret_cast<uda_bf16 *>(dp + pairs);
        k_turned = k + UDA_TILE_K * ld;
        v = k_turned + padded * UDA_HALF_LK;
        q = v + UDA_TILE_K * ld;
        q_turned = q + UDA_TILE_Q * ld;
        dy = q_turned + padded * UDA_HALF_LQ;
        dy_turned = dy + UDA_TILE_Q * ld;
        uda_bf16 *rest = dy_turned + padded * UDA_HALF_LQ;
        p_turned = {rest, rest + UDA_TILE_K * UDA_HALF_LQ, UDA_HALF_LQ};
        rest += 2 * UDA_TILE_K * UDA_HALF_LQ;
        ds_turned = {rest, rest + UDA_TILE_K * UDA_HALF_LQ, UDA_HALF_LQ};
        rest += 2 * UDA_TILE_K * UDA_HALF_LQ;
        ds = {rest, rest + UDA_TILE_Q * UDA_HALF_LK, UDA_HALF_LK};
        room_k = reinterpret_cast<float *>(k);
        room_v = s;
    }

    template <typename P> __device__ void fill_keys(const P &p, int key) const
    {
        uda_half_fill<C>(p, UDA_OPERAND_K, key, UDA_TILE_K, p.keys, k, k_turned, UDA_HALF_LK);
        uda_half_fill<C>(p, UDA_OPERAND_V, key, UDA_TILE_K, p.keys, v, nullptr, 0);
    }

    template <typename P> __device__ void fill_queries(const P &p, int query) const
    {
        uda_half_fill<C>(p, UDA_OPERAND_Q, query, UDA_TILE_Q, p.queries, q, q_turned, UDA_HALF_LQ);
        uda_half_fill<C>(p, UDA_OPERAND_DY, query, UDA_TILE_Q, p.queries, dy, dy_turned, UDA_HALF_LQ);
    }

    __device__ void scores(float (&mine)[4][4], float (&slope)[4][4], float scale, int tx, int ty) const
    {
        uda_half_product<UDA_TILE_Q, UDA_TILE_K>(s, UDA_TILE_LK, q, ld, k, ld, padded);
        uda_half_product<UDA_TILE_Q, UDA_TILE_K>(dp, UDA_TILE_LK, dy, ld, v, ld, padded);
        __syncthreads();
        uda_half_take<4, 4>(mine, s, UDA_TILE_LK, 4 * ty, tx, scale);
        uda_half_take<4, 4>(slope, dp, UDA_TILE_LK, 4 * ty, tx, 1.0f);
    }

    __device__ void put_scores(const float (&mine)[4][4], const float (&slope)[4][4], int tx, int ty) const
    {
        uda_half_put(p_turned, mine, tx, ty, true);
        uda_half_put(ds_turned, slope, tx, ty, true);
        uda_half_put(ds, slope, tx, ty, false);
    }

    __device__ void add_keys(sums &sum, int, int) const
    {
        uda_half_add<UDA_TILE_K, padded>(sum.dv, p_turned, dy_turned, UDA_HALF_LQ, UDA_TILE_Q);
        uda_half_add<UDA_TILE_K, padded>(sum.dk, ds_turned, q_turned, UDA_HALF_LQ, UDA_TILE_Q);
    }

    __device__ void slopes(float (&dq)[4][C], int tx, int ty) const
    {
        uda_half_product<UDA_TILE_Q, padded>(s, ld_out, ds, k_turned, UDA_HALF_LK, UDA_TILE_K);
        __syncthreads();
        uda_half_take<4, C>(dq, s, ld_out, 4 * ty, tx, 1.0f);
    }

    /* Through the rooms, which are free again. */
    __device__ void take_keys(float (&dk)[rows][C], float (&dv)[rows][C], const sums &sum, float scale) const
    {
        part at;
        int tx = (int)threadIdx.x % UDA_TILE_ACROSS, ty = (int)threadIdx.x / UDA_TILE_ACROSS;
        int first = at.row * ld_out + at.column;
        __syncthreads(); /* without queries there was none since the keys came */
        uda_mma_put<part::tiles>(room_k + first, ld_out, sum.dk);
        uda_mma_put<part::tiles>(room_v + first, ld_out, sum.dv);
        __syncthreads();
        UDA_UNROLL
        for (int i = 0; i < rows * C; i++) {
            dk[i / C][i % C] = 0.0f;
            dv[i / C][i % C] = 0.0f;
        }
        uda_half_take<rows, C>(dk, room_k, ld_out, rows * ty, tx, scale);
        uda_half_take<rows, C>(dv, room_v, ld_out, rows * ty, tx, 1.0f);
        __syncthreads();
    }
};

/* ---- which tiles ---- */

template <typename T, int C> struct uda_tiles_for {
    typedef uda_attend_tiles<C> forward;
    typedef uda_back_tiles<C> backward;
};
template <int C> struct uda_tiles_for<uda_bf16, C> {
    typedef uda_half_tiles<C> forward;
    typedef uda_half_back_tiles<C> backward;
};

template <typename T> static inline size_t uda_attend_floats(int channels)
{
    return channels == 1   ? uda_tiles_for<T, 1>::forward::floats
           : channels == 2 ? uda_tiles_for<T, 2>::forward::floats
                           : uda_tiles_for<T, 4>::forward::floats;
}

template <typename T> static inline size_t uda_attend_back_floats(int channels)
{
    return channels == 1   ? uda_tiles_for<T, 1>::backward::floats
           : channels == 2 ? uda_tiles_for<T, 2>::backward::floats
                           : uda_tiles_for<T, 4>::backward::floats;
}

#endif
