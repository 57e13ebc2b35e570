#include "kernels/cuda/device.cuh"

/*
 * A warp for each problem: a few hundred columns, searched a few times for each row, one search after the
 * other. More threads would wait for each other at every search. What is summed is summed in the CPU's
 * order by one lane, and the nearest column is unique, so the pairs are the CPU's.
 */
#define SHARED_BYTES 49152 /* what a block has without asking */

struct assignment {
    uda_assign_args a;
    int64_t bytes; /* of a problem's memory */
};

struct problem {
    int rows, columns; /* rows: the smaller side */
    const float *cost;
    int64_t row_stride, column_stride;
    double *u, *v, *distance; /* [rows] [columns] dual prices, [columns] shortest path found so far */
    int *from, *row_of, *column_of; /* [columns] [columns] [rows], -1: no partner */
    unsigned char *row_done, *column_done;
};

static __device__ __forceinline__ problem problem_of(const uda_assign_args &a, int64_t at, int64_t first,
                                                     int64_t M, unsigned char *memory)
{
    problem p;
    bool transposed = M < a.Q;
    p.rows = (int)(transposed ? M : a.Q);
    p.columns = (int)(transposed ? a.Q : M);
    p.cost = a.cost + (at + first) * a.Q;
    p.row_stride = transposed ? 1 : M;
    p.column_stride = transposed ? M : 1;
    p.u = reinterpret_cast<double *>(memory);
    p.v = p.u + p.rows;
    p.distance = p.v + p.columns;
    p.from = reinterpret_cast<int *>(p.distance + p.columns);
    p.row_of = p.from + p.columns;
    p.column_of = p.row_of + p.columns;
    p.row_done = reinterpret_cast<unsigned char *>(p.column_of + p.rows);
    p.column_done = p.row_done + p.rows;
    return p;
}

/* Index of the first cost that is not finite, or -1. */
static __device__ __forceinline__ int64_t first_wrong(const float *cost, int64_t count)
{
    long long wrong = count;
    for (int64_t i = threadIdx.x; i < count && wrong == count; i += UDA_WARP) {
        wrong = isfinite(cost[i]) ? wrong : (long long)i;
    }
    for (int d = UDA_WARP / 2; d > 0; d /= 2) {
        long long other = __shfl_xor_sync(UDA_ALL_LANES, wrong, d);
        wrong = other < wrong ? other : wrong;
    }
    return wrong < count ? (int64_t)wrong + 1 : 0;
}

/* No pairs yet; costs that have no order pair row i with column i. */
static __device__ __forceinline__ void start(const problem &p, bool wrong)
{
    for (int i = (int)threadIdx.x; i < p.rows; i += UDA_WARP) {
        p.u[i] = 0.0;
        p.column_of[i] = wrong ? i : -1;
    }
    for (int j = (int)threadIdx.x; j < p.columns; j += UDA_WARP) {
        p.v[j] = 0.0;
        p.row_of[j] = wrong && j < p.rows ? j : -1;
    }
    __syncwarp();
}

/* Relaxes every open column from `row` at path length `base`; returns the open column with the shortest
 * path: of equal ones a free one, then the lowest. Every lane gets it. */
static __device__ __forceinline__ int scan(const problem &p, int row, double base)
{
    double nearest = INFINITY, price = p.u[row];
    int best = 2 * p.columns; /* a column, + columns when it is taken */
    for (int j = (int)threadIdx.x; j < p.columns; j += UDA_WARP) {
        if (p.column_done[j] != 0) {
            continue;
        }
        double length = base + (double)p.cost[row * p.row_stride + j * p.column_stride] - price - p.v[j];
        if (length < p.distance[j]) {
            p.distance[j] = length;
            p.from[j] = row;
        }
        double distance = p.distance[j];
        int candidate = p.row_of[j] < 0 ? j : j + p.columns;
        if (distance < nearest || (distance == nearest && candidate < best)) {
            nearest = distance;
            best = candidate;
        }
    }
    for (int d = UDA_WARP / 2; d > 0; d /= 2) {
        double distance = __shfl_xor_sync(UDA_ALL_LANES, nearest, d);
        int candidate = __shfl_xor_sync(UDA_ALL_LANES, best, d);
        if (distance < nearest || (distance == nearest && candidate < best)) {
            nearest = distance;
            best = candidate;
        }
    }
    __syncwarp();
    return best < p.columns ? best : best - p.columns;
}

/* Gives `start` a column by the shortest augmenting path; keeps reduced costs non-negative. */
static __device__ __forceinline__ void augment(const problem &p, int start)
{
    for (int j = (int)threadIdx.x; j < p.columns; j += UDA_WARP) {
        p.distance[j] = INFINITY;
        p.column_done[j] = 0;
    }
    for (int i = (int)threadIdx.x; i < p.rows; i += UDA_WARP) {
        p.row_done[i] = i == start;
    }
    __syncwarp();
    int row = start, sink;
    double length = 0.0;
    for (;;) {
        sink = scan(p, row, length);
        length = p.distance[sink];
        row = p.row_of[sink];
        if (threadIdx.x == 0) {
            p.column_done[sink] = 1;
            if (row >= 0) {
                p.row_done[row] = 1;
            }
        }
        __syncwarp();
        if (row < 0) {
            break;
        }
    }
    for (int i = (int)threadIdx.x; i < p.rows; i += UDA_WARP) {
        if (p.row_done[i] != 0) {
            p.u[i] += i == start ? length : length - p.distance[p.column_of[i]];
        }
    }
    for (int j = (int)threadIdx.x; j < p.columns; j += UDA_WARP) {
        if (p.column_done[j] != 0) {
            p.v[j] -= length - p.distance[j];
        }
    }
    __syncwarp();
    if (threadIdx.x == 0) {
        for (int j = sink; j >= 0;) {
            int owner = p.from[j], next = p.column_of[owner];
            p.row_of[j] = owner;
            p.column_of[owner] = j;
            j = owner == start ? -1 : next;
        }
    }
    __syncwarp();
}

/* The pairs in the order of their queries: a pair's place is the number of lower queries. */
static __device__ __forceinline__ void write_pairs(const problem &p, bool transposed, int32_t *query,
                                                   int32_t *target)
{
    for (int i = (int)threadIdx.x; i < p.rows; i += UDA_WARP) {
        int at = i, column = p.column_of[i];
        if (transposed) {
            at = 0;
            for (int k = 0; k < p.rows; k++) {
                at += p.column_of[k] < column;
            }
        }
        query[at] = transposed ? column : i;
        target[at] = transposed ? i : column;
    }
}

template <bool shared>
static __global__ void __launch_bounds__(UDA_WARP) solve(const __grid_constant__ assignment job)
{
    const uda_assign_args &a = job.a;
    int64_t i = blockIdx.x, prediction = uda_divide(i, a.N), n = i - prediction * a.N;
    int64_t at = prediction * a.T, first = a.first[n], M = a.first[n + 1] - first;
    unsigned char *memory;
    if constexpr (shared) {
        UDA_SHARED_DYNAMIC(unsigned char, fast);
        memory = fast;
    } else {
        memory = static_cast<unsigned char *>(a.ws.data) + i * job.bytes;
    }
    problem p = problem_of(a, at, first, M, memory);
    int64_t wrong = first_wrong(p.cost, a.Q * M);
    start(p, wrong > 0);
    for (int row = 0; row < p.rows && wrong == 0; row++) {
        augment(p, row);
    }
    bool transposed = M < a.Q;
    write_pairs(p, transposed, a.query + at + first, a.target + at + first);
    for (int64_t q = threadIdx.x; q < a.Q; q += UDA_WARP) {
        int partner = transposed ? p.row_of[q] : p.column_of[q];
        a.label[i * a.Q + q] = partner >= 0 ? a.cls[first + partner] : (int32_t)a.K;
    }
    if (threadIdx.x == 0) {
        a.wrong[i] = wrong;
    }
}

int uda_cuda_assign(struct uda_stream *stream, struct uda_assign_args *a)
{
    int64_t rows = uda_least(a->Q, a->most), columns = uda_most(a->Q, a->most);
    int64_t bytes = (rows + 2 * columns) * (int64_t)(sizeof(double) + sizeof(int)) + rows + columns;
    assignment job = {*a, uda_ceil_div(bytes, 64) * 64};
    dim3 blocks = uda_blocks(a->P * a->N, 1);
    if (job.bytes <= SHARED_BYTES) {
        UDA_CUDA_LAUNCH(solve<true>, blocks, UDA_WARP, (size_t)uda_most(job.bytes, 16), stream, job);
        return uda_cuda_launched();
    }
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(a->P * a->N * job.bytes);
        return 0;
    }
    UDA_CUDA_LAUNCH(solve<false>, blocks, UDA_WARP, 0, stream, job);
    return uda_cuda_launched();
}
