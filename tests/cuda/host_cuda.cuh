/*
 * CUDA's names for kernels that are compiled for the host: forced into every .cu file of kernels/cuda
 * in the tests (-include), in place of cuda_runtime.h. What it does not name a kernel cannot use
 * there; float atomics are left out on purpose.
 */
#ifndef UDA_TESTS_CUDA_HOST_CUDA_CUH
#define UDA_TESTS_CUDA_HOST_CUDA_CUH

#define UDA_HOST_CUDA 1

#include "tests/cuda/grid.h"
#include "tests/cuda/grid_graph.h"

#include <cmath>
#include <cstring>

using std::isfinite;
using std::isinf;
using std::isnan;

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__ __restrict

#define UDA_HOST_TEXT2(x) #x
#define UDA_HOST_TEXT(x) UDA_HOST_TEXT2(x)
#define UDA_HOST_PLACE __FILE__ ":" UDA_HOST_TEXT(__LINE__)

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

#define threadIdx (uda_grid_here->thread)
#define blockIdx (uda_grid_here->block)
#define blockDim (uda_grid_here->threads)
#define gridDim (uda_grid_here->blocks)
#define warpSize UDA_GRID_WARP

struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

/* ---- launches and shared memory: see kernels/cuda/device.cuh ---- */

template <typename F> static void uda_host_thread(void *f) { (*static_cast<F *>(f))(); }

template <typename F> static void uda_host_drop(void *f) { delete static_cast<F *>(f); }

/* The arguments travel with the launch: f gets copies, now or when the graph is launched that keeps it. */
template <typename F, typename... Args>
static void uda_host_launch(const char *kernel, const char *file, dim3 blocks, dim3 threads,
                            size_t shared_bytes, F f, Args... args)
{
    struct uda_grid_launch launch = {kernel, file,
                                     {blocks.x, blocks.y, blocks.z},
                                     {threads.x, threads.y, threads.z},
                                     shared_bytes};
    auto body = [f, args...]() { f(args...); };
    using body_type = decltype(body);
    if (uda_grid_graph_open()) {
        uda_grid_graph_add(&launch, uda_host_thread<body_type>, new body_type(body),
                           uda_host_drop<body_type>);
    } else {
        uda_grid_run(&launch, uda_host_thread<body_type>, &body);
    }
}

#define UDA_HOST_SHARED(type, name, dims)                                                          \
    static struct uda_grid_site name##_site;                                                       \
    type(&name) dims = *static_cast<type(*) dims>(                                                 \
        uda_grid_shared(&name##_site, sizeof(type dims), UDA_HOST_PLACE))

/* ---- barriers and warps ---- */

#define __syncthreads() ((void)uda_grid_barrier(UDA_GRID_SYNC, 0, UDA_HOST_PLACE))
#define __syncthreads_count(p) uda_grid_barrier(UDA_GRID_COUNT, (p), UDA_HOST_PLACE)
#define __syncthreads_and(p) uda_grid_barrier(UDA_GRID_AND, (p), UDA_HOST_PLACE)
#define __syncthreads_or(p) uda_grid_barrier(UDA_GRID_OR, (p), UDA_HOST_PLACE)
#define __threadfence_block() ((void)0)

template <typename T> static T uda_host_shuffle(const char *place, unsigned mask, T value, int source)
{
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = uda_grid_warp(UDA_GRID_SHUFFLE, mask, bits, source, place);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Lanes are numbered within segments of `width`; beyond its segment a lane keeps its own value. */
template <typename T>
static T uda_host_shfl(const char *place, unsigned mask, T value, int source, int width = 32)
{
    int lane = (int)uda_grid_lane();
    return uda_host_shuffle(place, mask, value, lane / width * width + (source & (width - 1)));
}
template <typename T>
static T uda_host_down(const char *place, unsigned mask, T value, unsigned delta, int width = 32)
{
    int lane = (int)uda_grid_lane(), from = lane + (int)delta;
    return uda_host_shuffle(place, mask, value, from < lane / width * width + width ? from : -1);
}
template <typename T>
static T uda_host_up(const char *place, unsigned mask, T value, unsigned delta, int width = 32)
{
    int lane = (int)uda_grid_lane(), from = lane - (int)delta;
    return uda_host_shuffle(place, mask, value, from >= lane / width * width ? from : -1);
}
template <typename T>
static T uda_host_xor(const char *place, unsigned mask, T value, int bits, int width = 32)
{
    int lane = (int)uda_grid_lane(), from = lane ^ bits;
    return uda_host_shuffle(place, mask, value, from < lane / width * width + width ? from : -1);
}
static inline void uda_host_syncwarp(const char *place)
{
    (void)uda_grid_warp(UDA_GRID_WARP_SYNC, 0xffffffffu, 0, -1, place);
}

#define __shfl_sync(...) uda_host_shfl(UDA_HOST_PLACE, __VA_ARGS__)
#define __shfl_down_sync(...) uda_host_down(UDA_HOST_PLACE, __VA_ARGS__)
#define __shfl_up_sync(...) uda_host_up(UDA_HOST_PLACE, __VA_ARGS__)
#define __shfl_xor_sync(...) uda_host_xor(UDA_HOST_PLACE, __VA_ARGS__)
#define __ballot_sync(mask, p)                                                                     \
    ((unsigned)uda_grid_warp(UDA_GRID_BALLOT, (mask), (p) ? 1 : 0, -1, UDA_HOST_PLACE))
#define __any_sync(mask, p) (__ballot_sync(mask, p) != 0)
#define __all_sync(mask, p) (__ballot_sync(mask, p) == (mask))
#define __syncwarp() uda_host_syncwarp(UDA_HOST_PLACE)

/* ---- atomics: integers alone, because their sums do not depend on the order ---- */

#define UDA_HOST_ATOMIC(name, T, expression)                                                       \
    static inline T name(T *address, T value)                                                      \
    {                                                                                              \
        T old = *address;                                                                          \
        *address = (expression);                                                                   \
        return old;                                                                                \
    }
#define UDA_HOST_ATOMICS(T)                                                                        \
    UDA_HOST_ATOMIC(atomicAdd, T, old + value)                                                     \
    UDA_HOST_ATOMIC(atomicMax, T, old > value ? old : value)                                       \
    UDA_HOST_ATOMIC(atomicMin, T, old < value ? old : value)                                       \
    UDA_HOST_ATOMIC(atomicOr, T, old | value)                                                      \
    UDA_HOST_ATOMIC(atomicAnd, T, old & value)                                                     \
    UDA_HOST_ATOMIC(atomicExch, T, value)                                                          \
    static inline T atomicCAS(T *address, T expected, T value)                                     \
    {                                                                                              \
        T old = *address;                                                                          \
        *address = old == expected ? value : old;                                                  \
        return old;                                                                                \
    }
UDA_HOST_ATOMICS(unsigned)
UDA_HOST_ATOMICS(unsigned long long)
static inline int atomicMax(int *a, int v) { int old = *a; *a = old > v ? old : v; return old; }
static inline int atomicMin(int *a, int v) { int old = *a; *a = old < v ? old : v; return old; }
static inline int atomicAdd(int *a, int v)
{
    int old = *a;
    *a = (int)((unsigned)old + (unsigned)v);
    return old;
}

/* ---- bits and arithmetic ---- */

template <typename T> static inline T __ldg(const T *p) { return *p; }
template <typename To, typename From> static inline To uda_host_bits(From from)
{
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
static inline int __float_as_int(float x) { return uda_host_bits<int>(x); }
static inline unsigned __float_as_uint(float x) { return uda_host_bits<unsigned>(x); }
static inline float __int_as_float(int x) { return uda_host_bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return uda_host_bits<float>(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
/* To nearest, even; saturates, NaN is 0. */
static inline int __float2int_rn(float x)
{
    return !(x == x) ? 0 : x >= 0x1p31f ? INT32_MAX : x < -0x1p31f ? INT32_MIN : (int)lrintf(x);
}
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
#define __expf(x) expf(x) /* libm has functions of these names */
#define __logf(x) logf(x)
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __saturatef(float x) { return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x; }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
static inline long min(long a, long b) { return a < b ? a : b; }
static inline long max(long a, long b) { return a > b ? a : b; }
static inline long long min(long long a, long long b) { return a < b ? a : b; }
static inline long long max(long long a, long long b) { return a > b ? a : b; }

#endif
