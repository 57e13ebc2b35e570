/*
 * Matrix products by cuBLASLt. The algorithm of a product is the first that the library's heuristic names
 * (it does not run anything) whose sum over K is in one piece: no split K, so no order that is left open.
 * A long K has been cut by the caller, as a batch.
 */
#include "kernels/cuda/library.h"
#include "src/base/arena.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <string.h>

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

#define WORKSPACE_BYTES ((size_t)32 << 20)
#define SLOTS 1024 /* products whose algorithm is remembered */
#define CANDIDATES 16

/* Products and sums are in float; factors of float must not be rounded, those of bf16 are exact as they
 * are. */
#define COMPUTE CUBLAS_COMPUTE_32F
#define SCALE CUDA_R_32F
#define NEVER                                                                                      \
    (CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_TF32 | CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_16F |          \
     CUBLASLT_NUMERICAL_IMPL_FLAGS_ACCUMULATOR_16F)
#define NEVER_FLOAT (NEVER | CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_16BF)

static cudaDataType_t type_of(enum uda_type type) { return type == UDA_BF16 ? CUDA_R_16BF : CUDA_R_32F; }

/* What the heuristic is asked about; no padding. */
struct key {
    int64_t M, N, K, lda, ldb, ldc, count, form; /* form: bits */
};

struct slot {
    struct key key; /* M 0: empty */
    bool found;
    cublasLtMatmulAlgo_t algo;
};

struct library {
    cublasLtHandle_t handle;
    struct slot slot[SLOTS];
};

/* A product as the library wants it: row-major C [M,N] is its column-major [N,M], so B comes first. */
struct problem {
    cublasLtMatmulDescOpaque_t product;
    cublasLtMatrixLayoutOpaque_t a, b, c;
    uint32_t alignment_bytes;
};

const char *uda_cuda_library_text(void)
{
    return "CUDA runtime " TEXT(CUDART_VERSION) ", cuBLASLt " TEXT(CUBLAS_VER_MAJOR) "." TEXT(
        CUBLAS_VER_MINOR) "." TEXT(CUBLAS_VER_PATCH) " (first algorithm without split K, float sums)";
}

int uda_cuda_library_open(struct uda_cuda_stream *s, struct uda_err *err)
{
    struct library *library = uda_calloc(sizeof *library);
    if (library == NULL) {
        return uda_fail(err, UDA_NOMEM, "cuda: out of memory");
    }
    cublasStatus_t status = cublasLtCreate(&library->handle);
    if (status != CUBLAS_STATUS_SUCCESS) {
        uda_free(library);
        return uda_fail(err, UDA_DEVICE, "cuda: cuBLASLt cannot begin: %s", cublasLtGetStatusString(status));
    }
    s->library = library;
    return 0;
}

void uda_cuda_library_close(struct uda_cuda_stream *s)
{
    struct library *library = s->library;
    if (library != NULL) {
        (void)cublasLtDestroy(library->handle);
        uda_free(library);
        s->library = NULL;
    }
}

static struct uda_cuda_stream *stream_of(const struct uda_stream *stream) { return stream->native; }

size_t uda_cuda_library_bytes(const struct uda_stream *stream)
{
    return stream_of(stream)->library != NULL ? WORKSPACE_BYTES : 0;
}

/* The boundary that all rows of the product's matrices share: 16 bytes, or a value's. */
static uint32_t alignment_of(const struct uda_gemm_args *a, const struct uda_cuda_batch *batch)
{
    size_t bytes = uda_type_bytes(a->type), bytes_c = uda_type_bytes(a->type_c);
    uintptr_t pointers = (uintptr_t)a->A | (uintptr_t)a->B | (uintptr_t)a->C | (uintptr_t)a->bias;
    uintptr_t factors = (uintptr_t)(a->lda | a->ldb | batch->stride_a | batch->stride_b) * bytes;
    uintptr_t result = (uintptr_t)(a->ldc | batch->stride_c) * bytes_c;
    return (pointers | factors | result) % 16 == 0 ? 16 : (uint32_t)(bytes < bytes_c ? bytes : bytes_c);
}

#define SAY(p, name, value)                                                                        \
    (cublasLtMatmulDescSetAttribute(&(p)->product, name, &(value), sizeof(value)) == CUBLAS_STATUS_SUCCESS)

/* Operation, transposes and bias. */
static bool describe_product(struct problem *p, const struct uda_gemm_args *a)
{
    int32_t first = a->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    int32_t second = a->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    bool good = cublasLtMatmulDescInit(&p->product, COMPUTE, SCALE) == CUBLAS_STATUS_SUCCESS &&
                SAY(p, CUBLASLT_MATMUL_DESC_TRANSA, first) && SAY(p, CUBLASLT_MATMUL_DESC_TRANSB, second);
    if (good && a->bias != NULL) {
        uint32_t epilogue = CUBLASLT_EPILOGUE_BIAS; /* the bias has the result's type */
        const void *bias = a->bias;
        good = SAY(p, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue) &&
               SAY(p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
    return good;
}

/* A matrix [rows, columns], row-major here. */
static bool describe_matrix(cublasLtMatrixLayoutOpaque_t *x, cudaDataType_t type, int64_t rows,
                            int64_t columns, int64_t ld, int64_t count, int64_t stride)
{
    int32_t times = (int32_t)count;
    if (ld < columns ||
        cublasLtMatrixLayoutInit(x, type, (uint64_t)columns, (uint64_t)rows, ld) != CUBLAS_STATUS_SUCCESS) {
        return false;
    }
    return count == 1 ||
           (cublasLtMatrixLayoutSetAttribute(x, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &times, sizeof times) ==
                CUBLAS_STATUS_SUCCESS &&
            cublasLtMatrixLayoutSetAttribute(x, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                             sizeof stride) == CUBLAS_STATUS_SUCCESS);
}

static bool describe(struct problem *p, const struct uda_gemm_args *a, const struct uda_cuda_batch *batch)
{
    int64_t rows_a = a->transpose_a ? a->K : a->M, columns_a = a->transpose_a ? a->M : a->K;
    int64_t rows_b = a->transpose_b ? a->N : a->K, columns_b = a->transpose_b ? a->K : a->N;
    cudaDataType_t type = type_of(a->type);
    p->alignment_bytes = alignment_of(a, batch);
    return describe_product(p, a) &&
           describe_matrix(&p->a, type, rows_a, columns_a, a->lda, batch->count, batch->stride_a) &&
           describe_matrix(&p->b, type, rows_b, columns_b, a->ldb, batch->count, batch->stride_b) &&
           describe_matrix(&p->c, type_of(a->type_c), a->M, a->N, a->ldc, batch->count, batch->stride_c);
}

/* Sums over K in one piece, in float, of factors as they are? */
static bool is_plain(const cublasLtMatmulAlgo_t *algo, uint64_t never)
{
    int32_t parts = 0;
    uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_MASK;
    uint64_t flags = 0;
    size_t written = 0;
    return cublasLtMatmulAlgoConfigGetAttribute(algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &parts, sizeof parts,
                                                &written) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatmulAlgoConfigGetAttribute(algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme,
                                                sizeof scheme, &written) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatmulAlgoCapGetAttribute(algo, CUBLASLT_ALGO_CAP_NUMERICAL_IMPL_FLAGS, &flags,
                                             sizeof flags, &written) == CUBLAS_STATUS_SUCCESS &&
           parts <= 1 && scheme == CUBLASLT_REDUCTION_SCHEME_NONE && (flags & never) == 0;
}

#define PREFER(x, name, value)                                                                     \
    (cublasLtMatmulPreferenceSetAttribute(x, name, &(value), sizeof(value)) == CUBLAS_STATUS_SUCCESS)

/* The first algorithm of the wanted kind; false: there is none. */
static bool choose(cublasLtMatmulAlgo_t *algo, struct library *library, struct problem *p, uint64_t never)
{
    cublasLtMatmulPreferenceOpaque_t wish;
    uint64_t bytes = WORKSPACE_BYTES;
    uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE, aligned = p->alignment_bytes;
    if (cublasLtMatmulPreferenceInit(&wish) != CUBLAS_STATUS_SUCCESS ||
        !PREFER(&wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes) ||
        !PREFER(&wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, scheme) ||
        !PREFER(&wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, aligned) ||
        !PREFER(&wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, aligned) ||
        !PREFER(&wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, aligned) ||
        !PREFER(&wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, aligned)) {
        return false;
    }
    cublasLtMatmulHeuristicResult_t result[CANDIDATES];
    int count = 0;
    if (cublasLtMatmulAlgoGetHeuristic(library->handle, &p->product, &p->b, &p->a, &p->c, &p->c, &wish,
                                       CANDIDATES, result, &count) != CUBLAS_STATUS_SUCCESS) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (result[i].state == CUBLAS_STATUS_SUCCESS && result[i].workspaceSize <= WORKSPACE_BYTES &&
            is_plain(&result[i].algo, never)) {
            *algo = result[i].algo;
            return true;
        }
    }
    return false;
}

static uint64_t hash_of(const struct key *key)
{
    int64_t field[sizeof *key / sizeof(int64_t)];
    uint64_t hash = 0;
    memcpy(field, key, sizeof field);
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        hash = (hash ^ (uint64_t)field[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash;
}

/* The product's algorithm, chosen at first sight; a place that two products share is chosen anew each
 * time, with the same result. */
static const struct slot *slot_of(struct library *library, const struct uda_gemm_args *a,
                                  const struct uda_cuda_batch *batch, struct problem *p)
{
    struct key key = {a->M, a->N, a->K, a->lda, a->ldb, a->ldc, batch->count, 0};
    key.form = (a->transpose_a ? 1 : 0) | (a->transpose_b ? 2 : 0) | (a->bias != NULL ? 4 : 0) |
               (p->alignment_bytes == 16 ? 8 : 0) | (a->type == UDA_BF16 ? 16 : 0) |
               (a->type_c == UDA_BF16 ? 32 : 0);
    struct slot *slot = &library->slot[hash_of(&key) % SLOTS];
    if (memcmp(&slot->key, &key, sizeof key) != 0) {
        slot->key = key;
        slot->found = choose(&slot->algo, library, p, a->type == UDA_BF16 ? NEVER : NEVER_FLOAT);
    }
    return slot;
}

int uda_cuda_library_product(struct uda_stream *stream, const struct uda_gemm_args *a,
                             const struct uda_cuda_batch *batch)
{
    struct uda_cuda_stream *s = stream_of(stream);
    struct problem p;
    if (s->library == NULL || a->ws.data == NULL || a->ws.bytes < WORKSPACE_BYTES ||
        !describe(&p, a, batch)) {
        return (int)UDA_UNSUPPORTED;
    }
    struct library *library = s->library;
    const struct slot *slot = slot_of(library, a, batch, &p);
    if (!slot->found) {
        return (int)UDA_UNSUPPORTED;
    }
    const float one = 1.0f, old = a->accumulate ? 1.0f : 0.0f;
    return cublasLtMatmul(library->handle, &p.product, &one, a->B, &p.b, a->A, &p.a, &old, a->C, &p.c, a->C,
                          &p.c, &slot->algo, a->ws.data, WORKSPACE_BYTES, s->native) == CUBLAS_STATUS_SUCCESS
               ? 0
               : (int)UDA_DEVICE;
}
