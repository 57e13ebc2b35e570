/*
 * What the kernels share: launches, shared memory, storage types, reductions. A .cu file includes this
 * and nothing of CUDA, and compiles twice: by nvcc, and by the host compiler against a header of the
 * tests that runs a grid on the CPU. How to write a kernel: kernels/cuda/cuda.h.
 *
 * Invariants: arithmetic is in float whatever the storage type; every sum has a fixed order that
 * depends on sizes alone; a size of 0 launches nothing.
 */
#ifndef UDA_KERNELS_CUDA_DEVICE_CUH
#define UDA_KERNELS_CUDA_DEVICE_CUH

#include "kernels/cuda/cuda.h"

#if defined(__CUDACC__)
#include <cuda_runtime.h>

/* A shared array: UDA_SHARED(float, tile, [8][33]); or one value: UDA_SHARED(float, total, ); */
#define UDA_SHARED(type, name, dims) __shared__ type name dims
/* The memory of the launch's `shared`, aligned to 16 bytes, as type *name. One for each kernel. */
#define UDA_SHARED_DYNAMIC(type, name)                                                             \
    extern __shared__ __align__(16) unsigned char uda_dynamic_shared[];                            \
    type *name = reinterpret_cast<type *>(uda_dynamic_shared)

/* More than 48 KiB must be asked for. */
template <typename F> static inline void uda_allow_shared(F *kernel, size_t bytes)
{
    if (bytes > ((size_t)48 << 10)) {
        (void)cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
    }
}

static inline cudaStream_t uda_cuda_native(const struct uda_stream *stream)
{
    return static_cast<cudaStream_t>(static_cast<struct uda_cuda_stream *>(stream->native)->native);
}

/* kernel<<<blocks, threads, shared bytes, stream>>>(...); nothing if there are no blocks. A kernel with
 * template arguments stands in parentheses. */
#define UDA_CUDA_LAUNCH(kernel, blocks, threads, shared, stream, ...)                              \
    do {                                                                                           \
        dim3 launch_blocks = (blocks);                                                             \
        if (launch_blocks.x > 0 && launch_blocks.y > 0 && launch_blocks.z > 0) {                             \
            uda_allow_shared(kernel, (shared));                                                    \
            kernel<<<launch_blocks, (threads), (shared),                                           \
                     uda_cuda_native(stream)>>>(__VA_ARGS__);                                      \
        }                                                                                          \
    } while (0)

#define UDA_UNROLL _Pragma("unroll")

/* What a kernel's function returns: 0, or UDA_DEVICE when a launch was refused. */
static inline int uda_cuda_launched(void)
{
    return cudaGetLastError() == cudaSuccess ? 0 : (int)UDA_DEVICE;
}
#elif defined(UDA_HOST_CUDA)
#define UDA_SHARED(type, name, dims) UDA_HOST_SHARED(type, name, dims)
#define UDA_SHARED_DYNAMIC(type, name)                                                             \
    type *name = static_cast<type *>(uda_grid_shared_dynamic(UDA_HOST_PLACE))
#define UDA_CUDA_LAUNCH(kernel, blocks, threads, shared, stream, ...)                              \
    do {                                                                                           \
        dim3 launch_blocks = (blocks);                                                             \
        (void)(stream);                                                                            \
        if (launch_blocks.x > 0 && launch_blocks.y > 0 && launch_blocks.z > 0) {                             \
            uda_host_launch(#kernel, __FILE__, launch_blocks, (threads), (shared),                 \
                            [](auto... host_args) { kernel(host_args...); }, __VA_ARGS__);         \
        }                                                                                          \
    } while (0)
#define UDA_UNROLL
static inline int uda_cuda_launched(void) { return uda_grid_failure() == NULL ? 0 : (int)UDA_DEVICE; }
#else
#error "a .cu file is compiled by nvcc or in the tests"
#endif

#define UDA_WARP 32
#define UDA_ALL_LANES 0xffffffffu

/* ---- sizes ---- */

static inline __host__ __device__ int64_t uda_least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline __host__ __device__ int64_t uda_most(int64_t a, int64_t b) { return a > b ? a : b; }
static inline __host__ __device__ int64_t uda_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* a / b of numbers that are not negative; 64-bit division is slow on a GPU and rarely needed. */
static __device__ __forceinline__ int64_t uda_divide(int64_t a, int64_t b)
{
    return ((a | b) >> 32) == 0 ? (int64_t)((uint32_t)a / (uint32_t)b) : a / b;
}

/* Blocks for `work` items, `per` each, along x. */
static inline dim3 uda_blocks(int64_t work, int64_t per)
{
    return dim3((unsigned)uda_ceil_div(work, per), 1, 1);
}

/* ---- storage ---- */

/* The upper half of a float. */
struct uda_bf16 {
    uint16_t bits;
};

static __device__ __forceinline__ float uda_load(const float *p) { return *p; }
static __device__ __forceinline__ float uda_load(const uda_bf16 *p)
{
    return __uint_as_float((unsigned)p->bits << 16);
}

static __device__ __forceinline__ void uda_store(float *p, float x) { *p = x; }
/* Rounds to nearest even; a NaN stays one. */
static __device__ __forceinline__ void uda_store(uda_bf16 *p, float x)
{
    unsigned bits = __float_as_uint(x), odd = (bits >> 16) & 1;
    p->bits = (uint16_t)(x == x ? (bits + 0x7fffu + odd) >> 16 : (bits >> 16) | 0x40u);
}

/* Four neighbouring values at a 16-byte (float) or 8-byte (bf16) boundary: one memory operation. */
struct uda_quad {
    float v[4];
};

static __device__ __forceinline__ uda_quad uda_load4(const float *p)
{
    float4 x = *reinterpret_cast<const float4 *>(p);
    return {{x.x, x.y, x.z, x.w}};
}
static __device__ __forceinline__ uda_quad uda_load4(const uda_bf16 *p)
{
    uint2 x = *reinterpret_cast<const uint2 *>(p);
    return {{__uint_as_float(x.x << 16), __uint_as_float(x.x & 0xffff0000u), __uint_as_float(x.y << 16),
             __uint_as_float(x.y & 0xffff0000u)}};
}
static __device__ __forceinline__ void uda_store4(float *p, const uda_quad &q)
{
    *reinterpret_cast<float4 *>(p) = {q.v[0], q.v[1], q.v[2], q.v[3]};
}
static __device__ __forceinline__ void uda_store4(uda_bf16 *p, const uda_quad &q)
{
    uda_bf16 h[4];
    for (int i = 0; i < 4; i++) {
        uda_store(&h[i], q.v[i]);
    }
    *reinterpret_cast<uint2 *>(p) = {h[0].bits | (unsigned)h[1].bits << 16,
                                     h[2].bits | (unsigned)h[3].bits << 16};
}

/* May p be read four values at a time? NULL, which nobody reads, may. */
template <typename T> static inline bool uda_fours(const T *p)
{
    return reinterpret_cast<uintptr_t>(p) % (4 * sizeof(T)) == 0;
}

/* ---- sums ---- */

/* The sum over the warp, in every lane: pairs at distance 16, 8, 4, 2, 1. All 32 lanes call. */
static __device__ __forceinline__ float uda_warp_sum(float x)
{
    for (int d = UDA_WARP / 2; d > 0; d /= 2) {
        x += __shfl_xor_sync(UDA_ALL_LANES, x, d);
    }
    return x;
}
static __device__ __forceinline__ double uda_warp_sum(double x)
{
    for (int d = UDA_WARP / 2; d > 0; d /= 2) {
        x += __shfl_xor_sync(UDA_ALL_LANES, x, d);
    }
    return x;
}

#endif
