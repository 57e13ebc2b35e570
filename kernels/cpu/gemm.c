#include "kernels/cpu/cpu.h"

#include "src/base/err.h"

#include <dnnl.h>

/* From the OpenMP runtime inside the matrix library: this thread's products are to run on this
 * thread. */
void omp_set_num_threads(int threads);

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

/* The version that was compiled against; its soname holds the loaded one to the same major
 * version. */
const char *UDA_CPU(libraries)(void)
{
    return "oneDNN " TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "." TEXT(DNNL_VERSION_PATCH);
}

#define SPLIT_K_CHUNK 2048
#define SPLIT_K_MOST 16

int UDA_CPU(gemm_sequential)(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K,
                             const float *A, int64_t lda, const float *B, int64_t ldb,
                             bool accumulate, float *C, int64_t ldc)
{
    omp_set_num_threads(1);
    dnnl_status_t status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', M, N, K,
                                      1.0f, A, lda, B, ldb, accumulate ? 1.0f : 0.0f, C, ldc);
    return status == dnnl_success ? 0 : UDA_DEVICE;
}

/* How a product is cut: tiles of C, and chunks of K summed in order. A function of the shape
 * alone. */
struct cut {
    int64_t tile_m, tile_n, tiles_m, tiles_n, chunk_k, chunks;
};

static struct cut cut_of(const struct uda_gemm_args *a)
{
    struct cut c = {.tile_m = a->M, .tile_n = a->N, .chunk_k = a->K, .chunks = 1};
    if (a->M >= 1024) {
        c.tile_m = 256;
    } else if (a->M >= 96) {
        c.tile_m = ceil_div(ceil_div(a->M, 2), 48) * 48;
    }
    if (a->N > 1536 || (a->M < 1024 && a->N >= 256)) {
        c.tile_n = a->N > 4096 ? 1024 : ceil_div(ceil_div(a->N, 4), 64) * 64;
    }
    c.tiles_m = ceil_div(a->M, c.tile_m);
    c.tiles_n = ceil_div(a->N, c.tile_n);
    if (a->K >= 2 * SPLIT_K_CHUNK && c.tiles_m * c.tiles_n < 8) {
        c.chunks = min_i64(a->K / SPLIT_K_CHUNK, SPLIT_K_MOST);
        c.chunk_k = ceil_div(a->K, c.chunks);
        c.chunks = ceil_div(a->K, c.chunk_k);
    }
    return c;
}

struct job {
    const struct uda_gemm_args *a;
    const float *A, *B, *bias;
    float *C;
    struct cut cut;
    float *partial; /* [chunks, M, N] when chunks > 1 */
    int *status;    /* [tiles * chunks] */
};

static void set_bias(float *C, int64_t ldc, const float *bias, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++) {
        memcpy(C + i * ldc, bias, (size_t)columns * sizeof *C);
    }
}

static void tile(void *args, int64_t i)
{
    struct job *job = args;
    const struct uda_gemm_args *a = job->a;
    const struct cut *c = &job->cut;
    int64_t tiles = c->tiles_m * c->tiles_n;
    int64_t chunk = i / tiles, tm = i % tiles / c->tiles_n, tn = i % c->tiles_n;
    int64_t m0 = tm * c->tile_m, n0 = tn * c->tile_n, k0 = chunk * c->chunk_k;
    int64_t m = min_i64(c->tile_m, a->M - m0), n = min_i64(c->tile_n, a->N - n0);
    int64_t k = min_i64(c->chunk_k, a->K - k0);
    const float *A = job->A + (a->transpose_a ? k0 * a->lda + m0 : m0 * a->lda + k0);
    const float *B = job->B + (a->transpose_b ? n0 * a->ldb + k0 : k0 * a->ldb + n0);
    float *C = job->C + m0 * a->ldc + n0;
    int64_t ldc = a->ldc;
    bool accumulate = a->accumulate;
    if (c->chunks > 1) {
        C = job->partial + chunk * a->M * a->N + m0 * a->N + n0;
        ldc = a->N;
        accumulate = false;
    } else if (job->bias != NULL) {
        set_bias(C, ldc, job->bias + n0, m, n);
        accumulate = true;
    }
    job->status[i] = UDA_CPU(gemm_sequential)(a->transpose_a, a->transpose_b, m, n, k, A, a->lda, B,
                                              a->ldb, accumulate, C, ldc);
}

/* Row i of C: bias or old value, then the chunks in order. */
static void join_row(void *args, int64_t i)
{
    struct job *job = args;
    const struct uda_gemm_args *a = job->a;
    float *C = job->C + i * a->ldc;
    if (job->bias != NULL) {
        memcpy(C, job->bias, (size_t)a->N * sizeof *C);
    } else if (!a->accumulate) {
        memset(C, 0, (size_t)a->N * sizeof *C);
    }
    for (int64_t chunk = 0; chunk < job->cut.chunks; chunk++) {
        const float *part = job->partial + (chunk * a->M + i) * a->N;
        for (int64_t j = 0; j < a->N; j++) {
            C[j] += part[j];
        }
    }
}

int UDA_CPU(gemm)(struct uda_stream *stream, struct uda_gemm_args *a)
{
    if (a->type != UDA_F32 || a->type_c != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct job job = {.a = a, .A = a->A, .B = a->B, .bias = a->bias, .C = a->C, .cut = cut_of(a)};
    int64_t tasks = job.cut.tiles_m * job.cut.tiles_n * job.cut.chunks;
    int64_t partial = job.cut.chunks > 1 ? job.cut.chunks * a->M * a->N : 0;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)partial * sizeof(float) + (size_t)tasks * sizeof(int);
        return 0;
    }
    job.partial = a->ws.data;
    job.status = (int *)(void *)(job.partial + partial);
    uda_team_run(stream->team, tasks, tile, &job);
    for (int64_t i = 0; i < tasks; i++) {
        if (job.status[i] != 0) {
            return job.status[i];
        }
    }
    if (job.cut.chunks > 1) {
        uda_team_run(stream->team, a->M, join_row, &job);
    }
    return 0;
}

#define SUM_CHUNK 256

static void sum_chunk(void *args, int64_t i)
{
    const struct uda_column_sum_args *a = args;
    float *part = (float *)a->ws.data + i * a->columns;
    memset(part, 0, (size_t)a->columns * sizeof *part);
    const float *from = a->x;
    int64_t last = min_i64((i + 1) * SUM_CHUNK, a->rows);
    for (int64_t row = i * SUM_CHUNK; row < last; row++) {
        const float *x = from + row * a->ldx;
        for (int64_t j = 0; j < a->columns; j++) {
            part[j] += x[j];
        }
    }
}

int UDA_CPU(column_sum)(struct uda_stream *stream, struct uda_column_sum_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    int64_t chunks = ceil_div(a->rows, SUM_CHUNK);
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(chunks * a->columns + 1) * sizeof(float);
        return 0;
    }
    uda_team_run(stream->team, chunks, sum_chunk, a);
    const float *part = a->ws.data;
    if (!a->accumulate) {
        memset(a->y, 0, (size_t)a->columns * sizeof *a->y);
    }
    for (int64_t i = 0; i < chunks; i++) {
        for (int64_t j = 0; j < a->columns; j++) {
            a->y[j] += part[i * a->columns + j];
        }
    }
    return 0;
}
