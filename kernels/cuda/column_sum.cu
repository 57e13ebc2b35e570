#include "kernels/cuda/partials.cuh"

#define WARPS 8
#define THREADS (WARPS * UDA_WARP)
/* Chunks of rows whose sums are joined by the second stage. */
#define LEAST_ROWS 32
#define MOST_CHUNKS 256

/* Sums of 32 N neighbouring columns over a chunk of rows, N to a thread; block (32, 8): a warp has every
 * eighth row. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    sum_rows(float *partial, const T *x, int64_t rows, int64_t columns, int64_t ldx, int64_t chunk_rows)
{
    UDA_SHARED(float, sums, [WARPS][N * UDA_WARP]);
    int64_t c = ((int64_t)blockIdx.x * UDA_WARP + threadIdx.x) * N, first = blockIdx.y * chunk_rows;
    int64_t last = uda_least(first + chunk_rows, rows);
    float sum[N] = {};
    for (int64_t row = first + threadIdx.y; c < columns && row < last; row += WARPS) {
        if constexpr (N == 4) {
            uda_quad q = uda_load4(x + row * ldx + c);
            for (int i = 0; i < N; i++) {
                sum[i] += q.v[i];
            }
        } else {
            sum[0] += uda_load(x + row * ldx + c);
        }
    }
    for (int i = 0; i < N; i++) {
        sums[threadIdx.y][threadIdx.x * N + i] = sum[i];
    }
    __syncthreads();
    int64_t i = threadIdx.y * UDA_WARP + threadIdx.x, column = (int64_t)blockIdx.x * UDA_WARP * N + i;
    if (i < N * UDA_WARP && column < columns) {
        float total = 0.0f;
        for (int w = 0; w < WARPS; w++) {
            total += sums[w][i];
        }
        partial[blockIdx.y * columns + column] = total;
    }
}

template <typename T>
static void sum_launch(struct uda_stream *stream, const struct uda_column_sum_args *a, float *partial,
                       int64_t chunks, int64_t chunk_rows)
{
    const T *x = static_cast<const T *>(a->x);
    dim3 threads(UDA_WARP, WARPS);
    if (a->columns % 4 == 0 && a->ldx % 4 == 0 && uda_fours(x)) {
        UDA_CUDA_LAUNCH((sum_rows<T, 4>),
                        dim3((unsigned)uda_ceil_div(a->columns, 4 * UDA_WARP), (unsigned)chunks), threads, 0,
                        stream, partial, x, a->rows, a->columns, a->ldx, chunk_rows);
    } else {
        UDA_CUDA_LAUNCH((sum_rows<T, 1>),
                        dim3((unsigned)uda_ceil_div(a->columns, UDA_WARP), (unsigned)chunks), threads, 0,
                        stream, partial, x, a->rows, a->columns, a->ldx, chunk_rows);
    }
}

int uda_cuda_column_sum(struct uda_stream *stream, struct uda_column_sum_args *a)
{
    int64_t chunk_rows = uda_chunk_rows(a->rows, LEAST_ROWS, MOST_CHUNKS);
    int64_t chunks = uda_ceil_div(a->rows, chunk_rows);
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(uda_most(chunks, 1) * uda_most(a->columns, 1)) * sizeof(float);
        return 0;
    }
    float *partial = static_cast<float *>(a->ws.data);
    if (a->type == UDA_BF16) {
        sum_launch<uda_bf16>(stream, a, partial, chunks, chunk_rows);
    } else {
        sum_launch<float>(stream, a, partial, chunks, chunk_rows);
    }
    uda_sum_partials(stream, a->y, partial, chunks, a->columns, a->columns, a->accumulate);
    return uda_cuda_launched();
}
