/* The host harness itself: small kernels whose results are known, and misuse that it must name. */
#include "kernels/cuda/mma.cuh"

#include <cstdio>
#include <cstring>

static int failures;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);    \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static struct uda_stream *const stream = nullptr;

/* ---- what works ---- */

static __global__ void reverse(int *y, const int *x, int count)
{
    UDA_SHARED(int, kept, [256]);
    int i = (int)threadIdx.x;
    kept[i] = i < count ? x[blockIdx.x * blockDim.x + threadIdx.x] : -1;
    __syncthreads();
    if (i < count) {
        y[blockIdx.x * blockDim.x + threadIdx.x] = kept[count - 1 - i];
    }
}

static void check_shared(void)
{
    int x[512], y[512];
    for (int i = 0; i < 512; i++) {
        x[i] = i;
        y[i] = -7;
    }
    UDA_CUDA_LAUNCH(reverse, dim3(2), 256, 0, stream, y, x, 256);
    EXPECT(uda_cuda_launched() == 0);
    bool same = true;
    for (int i = 0; i < 512; i++) {
        same = same && y[i] == i / 256 * 256 + 255 - i % 256;
    }
    EXPECT(same);
}

static __global__ void warps(float *sums, int *down, unsigned *ballots, int *half)
{
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    float sum = uda_warp_sum((float)threadIdx.x);
    int from = __shfl_down_sync(UDA_ALL_LANES, (int)threadIdx.x, 1);
    unsigned odd = __ballot_sync(UDA_ALL_LANES, lane % 2 == 1);
    int mine = -1;
    if (lane < 16) { /* a partial mask, in segments of 8 */
        mine = __shfl_xor_sync(0xffffu, (int)threadIdx.x, 3, 8);
    }
    __syncwarp();
    sums[threadIdx.x] = sum;
    down[threadIdx.x] = from;
    half[threadIdx.x] = mine;
    if (lane == 0) {
        ballots[warp] = odd;
    }
}

static void check_warps(void)
{
    float sums[64];
    int down[64], half[64];
    unsigned ballots[2];
    UDA_CUDA_LAUNCH(warps, dim3(1), 64, 0, stream, sums, down, ballots, half);
    EXPECT(uda_cuda_launched() == 0);
    bool same = ballots[0] == 0xaaaaaaaau && ballots[1] == 0xaaaaaaaau;
    for (int i = 0; i < 64; i++) {
        same = same && sums[i] == (i < 32 ? 496.0f : 1520.0f);
        same = same && down[i] == (i % 32 == 31 ? i : i + 1);
        same = same && half[i] == (i % 32 < 16 ? (i ^ 3) : -1);
    }
    EXPECT(same);
}

static __global__ void counts(unsigned *total, int *more, double *y)
{
    UDA_SHARED_DYNAMIC(double, all);
    all[threadIdx.x + threadIdx.y * blockDim.x] = threadIdx.y;
    atomicAdd(total, threadIdx.x);
    int odd = __syncthreads_count(threadIdx.x % 2 == 1);
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        more[blockIdx.x + blockIdx.y * gridDim.x] = odd;
        y[blockIdx.x + blockIdx.y * gridDim.x] = all[blockDim.x * blockDim.y - 1];
    }
}

static void check_shape(void)
{
    unsigned total = 0;
    int more[6];
    double y[6];
    UDA_CUDA_LAUNCH(counts, dim3(3, 2), dim3(7, 5), 35 * sizeof(double), stream, &total, more, y);
    EXPECT(uda_cuda_launched() == 0);
    EXPECT(total == 6 * 5 * 21);
    for (int i = 0; i < 6; i++) {
        EXPECT(more[i] == 15 && y[i] == 4.0);
    }
}

static void check_bf16(void)
{
    const float x[] = {1.0f, 1.00390625f, 1.01171875f, -3.5f, 3.0e38f, 65504.0f, 0.0f, 1e-40f};
    uda_bf16 h[8];
    for (int i = 0; i < 8; i++) {
        uda_store(&h[i], x[i]);
        float back = uda_load(&h[i]);
        EXPECT(fabsf(back - x[i]) <= fabsf(x[i]) * 0.00390625f || x[i] < 1e-38f);
    }
    EXPECT(uda_load(&h[1]) == 1.0f && uda_load(&h[2]) == 1.015625f); /* halves go to even */
    uda_store(&h[0], __uint_as_float(0x7f800001u));
    EXPECT(isnan(uda_load(&h[0])));
    uda_store(&h[0], INFINITY);
    EXPECT(uda_load(&h[0]) == INFINITY);
}

/* ---- what is wrong ---- */

static __global__ void early_return(int *y)
{
    if (threadIdx.x == 3) {
        return;
    }
    __syncthreads();
    y[threadIdx.x] = 0;
}

static __global__ void two_barriers(int *y)
{
    if (threadIdx.x < 16) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    y[threadIdx.x] = 0;
}

static __global__ void lanes_left_out(int *y)
{
    if (threadIdx.x < 16) {
        y[threadIdx.x] = __shfl_xor_sync(UDA_ALL_LANES, (int)threadIdx.x, 1);
    }
    __syncthreads();
}

static __global__ void lanes_that_are_not(int *y)
{
    y[threadIdx.x] = __shfl_xor_sync(UDA_ALL_LANES, (int)threadIdx.x, 1);
}

static __global__ void not_in_mask(int *y)
{
    y[threadIdx.x] = __shfl_sync(0xffu, (int)threadIdx.x, 0);
}

static __global__ void from_outside(int *y)
{
    if (threadIdx.x < 8) {
        y[threadIdx.x] = __shfl_sync(0xffu, (int)threadIdx.x, 9);
    }
}

static __global__ void no_dynamic(int *y)
{
    UDA_SHARED_DYNAMIC(int, mine);
    y[threadIdx.x] = mine[0];
}

static __global__ void too_much_shared(int *y)
{
    UDA_SHARED(float, large, [13000]);
    large[threadIdx.x] = 1.0f;
    y[threadIdx.x] = (int)large[threadIdx.x];
}

static __global__ void nothing(int) {}

/* The failure must name the kernel and say `what`. */
static void expect_failure(const char *kernel, const char *what)
{
    EXPECT(uda_cuda_launched() != 0);
    const char *said = uda_grid_failure() != NULL ? uda_grid_failure() : "nothing";
    if (strstr(said, what) == NULL || strstr(said, kernel) == NULL) {
        (void)fprintf(stderr, "%s: expected '%s', got: %s\n", kernel, what, said);
        failures++;
    }
    uda_grid_clear();
}

#define EXPECT_FAILURE(kernel, blocks, threads, shared, what, ...)                                 \
    do {                                                                                           \
        UDA_CUDA_LAUNCH(kernel, blocks, threads, shared, stream, __VA_ARGS__);                     \
        expect_failure(#kernel, what);                                                             \
    } while (0)

static void check_misuse(void)
{
    int y[1024];
    EXPECT_FAILURE(early_return, dim3(1), 32, 0, "returned", y);
    uda_grid_order(UDA_GRID_DESCENDING);
    EXPECT_FAILURE(early_return, dim3(1), 32, 0, "barrier", y);
    uda_grid_order(UDA_GRID_ASCENDING);
    EXPECT_FAILURE(two_barriers, dim3(1), 32, 0, "different barriers", y);
    EXPECT_FAILURE(lanes_left_out, dim3(1), 32, 0, "waits", y);
    EXPECT_FAILURE(lanes_that_are_not, dim3(1), 20, 0, "lanes that the block does not have", y);
    EXPECT_FAILURE(not_in_mask, dim3(1), 32, 0, "leaves the caller out", y);
    EXPECT_FAILURE(from_outside, dim3(1), 32, 0, "outside its mask", y);
    EXPECT_FAILURE(no_dynamic, dim3(1), 32, 0, "did not ask for", y);
    EXPECT_FAILURE(too_much_shared, dim3(1), 32, 0, "more shared memory", y);
    EXPECT_FAILURE(early_return, dim3(1), 1025, 0, "more than 1024 threads", y);
    EXPECT_FAILURE(early_return, dim3(1, 70000), 32, 0, "too many blocks", y);
    EXPECT_FAILURE(early_return, dim3(1), 32, 200 << 10, "more shared memory", y);
    int64_t before = uda_grid_count();
    UDA_CUDA_LAUNCH(nothing, dim3(0), 32, 0, stream, 1);
    EXPECT(uda_cuda_launched() == 0 && uda_grid_count() == before);
}

/* A missing barrier: what a thread reads depends on the order, or is what poison says. */
static __global__ void race(int *y)
{
    UDA_SHARED(int, kept, [64]);
    kept[threadIdx.x] = (int)threadIdx.x;
    y[threadIdx.x] = kept[63 - threadIdx.x];
}

static void check_race(void)
{
    int y[2][64];
    for (int order = 0; order < 2; order++) {
        uda_grid_order(order == 0 ? UDA_GRID_ASCENDING : UDA_GRID_DESCENDING);
        UDA_CUDA_LAUNCH(race, dim3(1), 64, 0, stream, y[order]);
    }
    uda_grid_order(UDA_GRID_ASCENDING);
    EXPECT(uda_cuda_launched() == 0 && memcmp(y[0], y[1], sizeof y[0]) != 0);
    EXPECT(y[0][0] == -1); /* poison */
}

/* A missing barrier before the second write: only a warp that runs ahead of another shows it. */
static __global__ void overtaken(float *y, bool guarded)
{
    UDA_SHARED(float, kept, [2]);
    for (int round = 0; round < 2; round++) {
        float sum = uda_warp_sum((float)((int)threadIdx.x + round));
        if (guarded) {
            __syncthreads();
        }
        if (threadIdx.x % 32 == 0) {
            kept[threadIdx.x / 32] = sum;
        }
        __syncthreads();
        y[round * 64 + (int)threadIdx.x] = kept[0] + kept[1];
    }
}

static void check_overtaking(void)
{
    float y[2][2][128];
    for (int guarded = 0; guarded < 2; guarded++) {
        for (int order = 0; order < 2; order++) {
            uda_grid_order(order == 0 ? UDA_GRID_ASCENDING : UDA_GRID_SHUFFLED);
            UDA_CUDA_LAUNCH(overtaken, dim3(1), 64, 0, stream, y[guarded][order], guarded != 0);
        }
    }
    uda_grid_order(UDA_GRID_ASCENDING);
    EXPECT(uda_cuda_launched() == 0 && memcmp(y[0][0], y[0][1], sizeof y[0][0]) != 0);
    EXPECT(memcmp(y[1][0], y[1][1], sizeof y[1][0]) == 0 && y[1][0][0] == 2016.0f && y[1][0][64] == 2080.0f);
}

/* ---- fragments: the instruction set's formulas for element i of a lane ---- */

static __global__ void multiply_fragments(float *c, const uda_bf16 *a, const uda_bf16 *b)
{
    int g = (int)threadIdx.x / 4, t = (int)threadIdx.x % 4;
    unsigned x[4] = {}, y[2] = {};
    float sum[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    for (int i = 0; i < 8; i++) {
        int row = i < 2 || (i >= 4 && i < 6) ? g : g + 8, term = 2 * t + (i & 1) + (i >= 4 ? 8 : 0);
        x[i / 2] |= (unsigned)a[row * 16 + term].bits << (16 * (i & 1));
    }
    for (int i = 0; i < 4; i++) {
        int term = 2 * t + (i & 1) + (i >= 2 ? 8 : 0);
        y[i / 2] |= (unsigned)b[term * 8 + g].bits << (16 * (i & 1));
    }
    uda_mma(sum, x, y);
    for (int i = 0; i < 4; i++) {
        c[(i < 2 ? g : g + 8) * 8 + 2 * t + (i & 1)] = sum[i];
    }
}

/* Small integers: sums are exact. */
static void check_fragments(void)
{
    uda_bf16 a[16 * 16], b[16 * 8];
    float c[16 * 8];
    for (int i = 0; i < 16 * 16; i++) {
        uda_store(&a[i], (float)(i * 7 % 31 - 15));
    }
    for (int i = 0; i < 16 * 8; i++) {
        uda_store(&b[i], (float)(i * 11 % 29 - 14));
    }
    UDA_CUDA_LAUNCH(multiply_fragments, dim3(1), 32, 0, stream, c, a, b);
    EXPECT(uda_cuda_launched() == 0);
    for (int i = 0; i < 16 * 8; i++) {
        float sum = 1.0f;
        for (int k = 0; k < 16; k++) {
            sum += uda_load(&a[i / 8 * 16 + k]) * uda_load(&b[k * 8 + i % 8]);
        }
        EXPECT(c[i] == sum);
    }
}

/* Every block once, whatever the order. */
static __global__ void count_block(unsigned *counts) { atomicAdd(&counts[blockIdx.x], 1u); }

static void check_blocks(void)
{
    for (int order = 0; order < 3; order++) {
        unsigned counts[12] = {};
        uda_grid_order((enum uda_grid_order)order);
        UDA_CUDA_LAUNCH(count_block, dim3(12), 1, 0, stream, counts);
        for (int i = 0; i < 12; i++) {
            EXPECT(counts[i] == 1);
        }
    }
    uda_grid_order(UDA_GRID_ASCENDING);
}

int main(void)
{
    check_shared();
    uda_grid_order(UDA_GRID_SHUFFLED);
    check_shared();
    check_warps();
    check_shape();
    uda_grid_order(UDA_GRID_ASCENDING);
    check_warps();
    check_bf16();
    check_misuse();
    check_race();
    check_overtaking();
    check_fragments();
    check_blocks();
    uda_grid_finish();
    return failures > 0 ? 1 : 0;
}
