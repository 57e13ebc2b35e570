#include "kernels/cuda/gemm.h"

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/library.h"

/* Threads of a block, EDGE x EDGE; each has SIDE / EDGE rows and columns of a tile of SIDE x SIDE. */
#define EDGE 16
#define THREADS (EDGE * EDGE)
/* Terms of the sum between two barriers. */
#define DEPTH 16
#define PAD 4 /* keeps rows of four aligned and spreads them over the banks */

#define SMALL 64
#define LARGE 128
/* Blocks that keep a device busy: below, tiles are small and a long K is cut. */
#define ENOUGH_BLOCKS 128
#define LEAST_CHUNK 512
#define MOST_CHUNKS 64
/* Multiplications from which the library is asked. */
#define LIBRARY_WORK 2.0e6

/* ---- how a product is cut: by its sizes alone ---- */

struct cut {
    int64_t side, tiles_m, tiles_n, chunk_k, chunks;
};

static cut cut_of(const struct uda_gemm_args *a)
{
    int64_t large = uda_ceil_div(a->M, LARGE) * uda_ceil_div(a->N, LARGE);
    cut c = {};
    c.side = large >= ENOUGH_BLOCKS ? LARGE : SMALL;
    c.tiles_m = uda_ceil_div(a->M, c.side);
    c.tiles_n = uda_ceil_div(a->N, c.side);
    c.chunk_k = a->K;
    c.chunks = 1;
    int64_t tiles = c.tiles_m * c.tiles_n;
    if (tiles > 0 && tiles < ENOUGH_BLOCKS && a->K >= 2 * LEAST_CHUNK) {
        c.chunks = uda_least(uda_ceil_div(2 * ENOUGH_BLOCKS, tiles),
                             uda_least(a->K / LEAST_CHUNK, MOST_CHUNKS));
        c.chunk_k = uda_ceil_div(uda_ceil_div(a->K, c.chunks), DEPTH) * DEPTH;
        c.chunks = uda_ceil_div(a->K, c.chunk_k);
    }
    return c;
}

static bool is_large(const struct uda_gemm_args *a)
{
    return (double)a->M * (double)a->N * (double)a->K >= LIBRARY_WORK;
}

/* Bytes of the chunks' sums, in front of the library's workspace. */
static size_t partial_bytes(const struct uda_gemm_args *a, const cut &c)
{
    size_t bytes = c.chunks > 1 ? (size_t)(c.chunks * a->M * a->N) * sizeof(float) : 0;
    return (bytes + 255) / 256 * 256;
}

size_t uda_cuda_gemm_bytes(const struct uda_stream *stream, const struct uda_gemm_args *a)
{
    return partial_bytes(a, cut_of(a)) + (is_large(a) ? uda_cuda_library_bytes(stream) : 0);
}

/* ---- the plain kernel ---- */

template <typename T, typename TC> struct product {
    const T *A, *B;
    const TC *bias;
    TC *C;
    int64_t lda, ldb, ldc, M, N, K, tiles_n, chunk_k, chunk_c; /* chunk i is written at C + i chunk_c */
    bool accumulate;
};

template <int SIDE> struct alignas(16) tiles {
    float a[2][DEPTH][SIDE + PAD], b[2][DEPTH][SIDE + PAD];
};

/* Values that a thread brings of a tile of SIDE x DEPTH. */
template <int SIDE> struct brought {
    float v[SIDE * DEPTH / THREADS];
};

/*
 * The thread's values of rows first..first+SIDE-1 and terms k..k+DEPTH-1; 0 beyond `rows` and `last`.
 * ALONG: neighbours in memory are rows (element (row, k) at k ld + row), else terms (row ld + k).
 */
template <int SIDE, bool ALONG, typename T>
static __device__ __forceinline__ brought<SIDE> bring(const T *x, int64_t ld, int64_t first,
                                                      int64_t rows, int64_t k, int64_t last)
{
    brought<SIDE> r;
    UDA_UNROLL
    for (int i = 0; i < SIDE * DEPTH / THREADS; i++) {
        int at = (int)threadIdx.x + i * THREADS;
        int64_t row = first + (ALONG ? at % SIDE : at / DEPTH), term = k + (ALONG ? at / SIDE : at % DEPTH);
        bool inside = row < rows && term < last;
        r.v[i] = inside ? uda_load(x + (ALONG ? term * ld + row : row * ld + term)) : 0.0f;
    }
    return r;
}

template <int SIDE, bool ALONG>
static __device__ __forceinline__ void put_down(float (*tile)[SIDE + PAD], const brought<SIDE> &r)
{
    UDA_UNROLL
    for (int i = 0; i < SIDE * DEPTH / THREADS; i++) {
        int at = (int)threadIdx.x + i * THREADS;
        tile[ALONG ? at / SIDE : at % DEPTH][ALONG ? at % SIDE : at / DEPTH] = r.v[i];
    }
}

/* A thread's i-th row or column of the tile: groups of four, EDGE groups apart. */
static __device__ __forceinline__ int place_of(int lane, int i) { return (i / 4 * EDGE + lane) * 4 + i % 4; }

/* The thread's values of one row of a tile in shared memory. */
template <int SIDE>
static __device__ __forceinline__ void pick(float *v, const float *row, int lane)
{
    UDA_UNROLL
    for (int i = 0; i < SIDE / EDGE; i += 4) {
        uda_quad q = uda_load4(row + place_of(lane, i));
        UDA_UNROLL
        for (int k = 0; k < 4; k++) {
            v[i + k] = q.v[k];
        }
    }
}

template <int SIDE, typename T, typename TC>
static __device__ __forceinline__ void write_tile(const product<T, TC> &p,
                                                  const float (*sum)[SIDE / EDGE], int64_t m0, int64_t n0,
                                                  int64_t chunk)
{
    int tx = (int)threadIdx.x % EDGE, ty = (int)threadIdx.x / EDGE;
    UDA_UNROLL
    for (int i = 0; i < SIDE / EDGE; i++) {
        int64_t m = m0 + place_of(ty, i);
        UDA_UNROLL
        for (int j = 0; j < SIDE / EDGE; j++) {
            int64_t n = n0 + place_of(tx, j);
            if (m < p.M && n < p.N) {
                TC *c = p.C + chunk * p.chunk_c + m * p.ldc + n;
                float base = p.bias != nullptr ? uda_load(p.bias + n) : p.accumulate ? uda_load(c) : 0.0f;
                uda_store(c, base + sum[i][j]);
            }
        }
    }
}

/* Block x: a tile of C; block z: a chunk of K. While a pair of tiles is multiplied the next is on its
 * way. */
template <int SIDE, bool TRANSPOSE_A, bool TRANSPOSE_B, typename T, typename TC>
static __global__ void __launch_bounds__(THREADS) multiply(const __grid_constant__ product<T, TC> p)
{
    UDA_SHARED(tiles<SIDE>, shared, [1]);
    int64_t m0 = blockIdx.x / p.tiles_n * SIDE, n0 = blockIdx.x % p.tiles_n * SIDE, chunk = blockIdx.z;
    int64_t k = chunk * p.chunk_k, last = uda_least(k + p.chunk_k, p.K);
    float sum[SIDE / EDGE][SIDE / EDGE] = {};
    brought<SIDE> a = bring<SIDE, TRANSPOSE_A>(p.A, p.lda, m0, p.M, k, last);
    brought<SIDE> b = bring<SIDE, !TRANSPOSE_B>(p.B, p.ldb, n0, p.N, k, last);
    for (int turn = 0; k < last; k += DEPTH, turn ^= 1) {
        put_down<SIDE, TRANSPOSE_A>(shared->a[turn], a);
        put_down<SIDE, !TRANSPOSE_B>(shared->b[turn], b);
        __syncthreads(); /* also: the pair of two turns ago has been multiplied by all */
        a = bring<SIDE, TRANSPOSE_A>(p.A, p.lda, m0, p.M, k + DEPTH, last);
        b = bring<SIDE, !TRANSPOSE_B>(p.B, p.ldb, n0, p.N, k + DEPTH, last);
        UDA_UNROLL
        for (int d = 0; d < DEPTH; d++) {
            float x[SIDE / EDGE], y[SIDE / EDGE];
            pick<SIDE>(x, shared->a[turn][d], (int)threadIdx.x / EDGE);
            pick<SIDE>(y, shared->b[turn][d], (int)threadIdx.x % EDGE);
            UDA_UNROLL
            for (int i = 0; i < SIDE / EDGE; i++) {
                UDA_UNROLL
                for (int j = 0; j < SIDE / EDGE; j++) {
                    sum[i][j] += x[i] * y[j];
                }
            }
        }
    }
    write_tile<SIDE>(p, sum, m0, n0, chunk);
}

template <int SIDE, typename T, typename TC>
static void multiply_launch(struct uda_stream *stream, const product<T, TC> &p, bool transpose_a,
                            bool transpose_b, dim3 blocks)
{
    if (transpose_a && transpose_b) {
        UDA_CUDA_LAUNCH((multiply<SIDE, true, true, T, TC>), blocks, THREADS, 0, stream, p);
    } else if (transpose_a) {
        UDA_CUDA_LAUNCH((multiply<SIDE, true, false, T, TC>), blocks, THREADS, 0, stream, p);
    } else if (transpose_b) {
        UDA_CUDA_LAUNCH((multiply<SIDE, false, true, T, TC>), blocks, THREADS, 0, stream, p);
    } else {
        UDA_CUDA_LAUNCH((multiply<SIDE, false, false, T, TC>), blocks, THREADS, 0, stream, p);
    }
}

template <typename T, typename TC>
static void multiply_plain(struct uda_stream *stream, const struct uda_gemm_args *a, const cut &c)
{
    product<T, TC> p = {};
    p.A = static_cast<const T *>(a->A);
    p.B = static_cast<const T *>(a->B);
    p.bias = static_cast<const TC *>(a->bias);
    p.C = static_cast<TC *>(a->C);
    p.lda = a->lda;
    p.ldb = a->ldb;
    p.ldc = a->ldc;
    p.M = a->M;
    p.N = a->N;
    p.K = a->K;
    p.tiles_n = c.tiles_n;
    p.chunk_k = c.chunk_k;
    p.chunk_c = a->M * a->N;
    p.accumulate = a->accumulate;
    dim3 blocks((unsigned)(c.tiles_m * c.tiles_n), 1, (unsigned)c.chunks);
    if (c.side == LARGE) {
        multiply_launch<LARGE>(stream, p, a->transpose_a, a->transpose_b, blocks);
    } else {
        multiply_launch<SMALL>(stream, p, a->transpose_a, a->transpose_b, blocks);
    }
}

/* C = bias, its old value or 0, plus the chunks' sums in order. */
template <typename TC>
static __global__ void __launch_bounds__(THREADS)
    join_chunks(TC *C, const float *partial, const TC *bias, int64_t M, int64_t N, int64_t ldc,
                int64_t chunks, bool accumulate)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, m = uda_divide(at, N), n = at - m * N;
    if (m < M) {
        float sum = bias != nullptr ? uda_load(bias + n) : accumulate ? uda_load(C + m * ldc + n) : 0.0f;
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            sum += partial[chunk * M * N + at];
        }
        uda_store(C + m * ldc + n, sum);
    }
}

template <typename TC>
static void join_launch(struct uda_stream *stream, const struct uda_gemm_args *a, const float *partial,
                        int64_t chunks)
{
    UDA_CUDA_LAUNCH(join_chunks<TC>, uda_blocks(a->M * a->N, THREADS), THREADS, 0, stream,
                    static_cast<TC *>(a->C), partial, static_cast<const TC *>(a->bias), a->M, a->N, a->ldc,
                    chunks, a->accumulate);
}

/* ---- the library's way ---- */

static const void *moved(const void *x, int64_t elements, enum uda_type type)
{
    return static_cast<const unsigned char *>(x) + elements * (int64_t)uda_type_bytes(type);
}

/* The same cut: a batch of whole chunks, and the last one when it is shorter. */
static int multiply_library(struct uda_stream *stream, const struct uda_gemm_args *a, const cut &c)
{
    struct uda_gemm_args p = *a;
    struct uda_cuda_batch batch = {1, 0, 0, 0};
    if (c.chunks == 1) {
        return uda_cuda_library_product(stream, &p, &batch);
    }
    int64_t whole = a->K / c.chunk_k;
    p.K = c.chunk_k;
    batch = {whole, a->transpose_a ? c.chunk_k * a->lda : c.chunk_k,
             a->transpose_b ? c.chunk_k : c.chunk_k * a->ldb, a->M * a->N};
    int rc = uda_cuda_library_product(stream, &p, &batch);
    if (rc == 0 && whole < c.chunks) {
        p.A = moved(p.A, whole * batch.stride_a, p.type);
        p.B = moved(p.B, whole * batch.stride_b, p.type);
        p.C = static_cast<float *>(p.C) + whole * batch.stride_c;
        p.K = a->K - whole * c.chunk_k;
        batch.count = 1;
        rc = uda_cuda_library_product(stream, &p, &batch);
    }
    return rc;
}

/* The product as its arguments say, or with more chunks than one the chunks' sums one after the other. */
static int multiply_any(struct uda_stream *stream, const struct uda_gemm_args *a, const cut &c)
{
    int rc = is_large(a) ? multiply_library(stream, a, c) : (int)UDA_UNSUPPORTED;
    if (rc != (int)UDA_UNSUPPORTED) {
        return rc;
    }
    if (a->type == UDA_F32) {
        multiply_plain<float, float>(stream, a, c);
    } else if (a->type_c == UDA_F32) {
        multiply_plain<uda_bf16, float>(stream, a, c);
    } else {
        multiply_plain<uda_bf16, uda_bf16>(stream, a, c);
    }
    return uda_cuda_launched();
}

int uda_cuda_gemm_run(struct uda_stream *stream, const struct uda_gemm_args *a)
{
    if (a->type == UDA_F32 && a->type_c != UDA_F32) {
        return (int)UDA_UNSUPPORTED;
    }
    cut c = cut_of(a);
    size_t bytes = partial_bytes(a, c);
    unsigned char *data = static_cast<unsigned char *>(a->ws.data);
    struct uda_gemm_args p = *a;
    p.ws.data = data != NULL ? data + bytes : NULL;
    p.ws.bytes = uda_cuda_library_bytes(stream);
    if (c.chunks == 1) {
        return multiply_any(stream, &p, c);
    }
    float *partial = reinterpret_cast<float *>(data);
    p.C = partial;
    p.type_c = UDA_F32;
    p.ldc = a->N;
    p.bias = NULL;
    p.accumulate = false;
    int rc = multiply_any(stream, &p, c);
    if (a->type_c == UDA_F32) {
        join_launch<float>(stream, a, partial, c.chunks);
    } else {
        join_launch<uda_bf16>(stream, a, partial, c.chunks);
    }
    return rc != 0 ? rc : uda_cuda_launched();
}

int uda_cuda_gemm(struct uda_stream *stream, struct uda_gemm_args *a)
{
    if (a->ws.data == NULL) {
        a->ws.bytes = uda_cuda_gemm_bytes(stream, a);
        if (a->ws.bytes > 0) {
            return 0;
        }
    }
    return uda_cuda_gemm_run(stream, a);
}
