/*
 * Shared by the CPU kernels, which are compiled once for each instruction set: the set's name in
 * every public symbol, its vector width, and a vector type the compiler maps to registers.
 *
 * Invariants: UDA_ISA is defined by the build (generic, v3, v4). Loops over vf are plain C;
 * reductions over lanes go through vf_sum, whose order is fixed for a given width.
 */
#ifndef UDA_KERNELS_CPU_CPU_H
#define UDA_KERNELS_CPU_CPU_H

#include "kernels/kernels.h"

#include <string.h>

#define UDA_PASTE2(a, b, c) a##b##_##c
#define UDA_PASTE(a, b, c) UDA_PASTE2(a, b, c)
/* uda_cpu_<isa>_<name> */
#define UDA_CPU(name) UDA_PASTE(uda_cpu_, UDA_ISA, name)

#if defined(__AVX512F__)
#define UDA_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define UDA_VECTOR_BYTES 32
#else
#define UDA_VECTOR_BYTES 16
#endif
#define UDA_LANES (UDA_VECTOR_BYTES / 4)

typedef float vf UDA_VECTOR(UDA_VECTOR_BYTES);
typedef int32_t vi UDA_VECTOR(UDA_VECTOR_BYTES);

static UDA_ALWAYS_INLINE vf vf_load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static UDA_ALWAYS_INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }

static UDA_ALWAYS_INLINE vf vf_set(float x) { return (vf){0} + x; }

/* v turned by the constant k lanes: lane i is v's lane i + k, cyclically. */
#if UDA_LANES == 16
#define UDA_TURN(v, k)                                                                             \
    UDA_SHUFFLE(v, v, k, (k) + 1, (k) + 2, (k) + 3, (k) + 4, (k) + 5, (k) + 6, (k) + 7, (k) + 8,   \
                (k) + 9, (k) + 10, (k) + 11, (k) + 12, (k) + 13, (k) + 14, (k) + 15)
#elif UDA_LANES == 8
#define UDA_TURN(v, k)                                                                             \
    UDA_SHUFFLE(v, v, k, (k) + 1, (k) + 2, (k) + 3, (k) + 4, (k) + 5, (k) + 6, (k) + 7)
#else
#define UDA_TURN(v, k) UDA_SHUFFLE(v, v, k, (k) + 1, (k) + 2, (k) + 3)
#endif

/* Sum of the lanes, pairwise: lane i and lane i + half, and so on down to one. */
static UDA_ALWAYS_INLINE float vf_sum(vf v)
{
#if UDA_LANES >= 16
    v += UDA_TURN(v, 8);
#endif
#if UDA_LANES >= 8
    v += UDA_TURN(v, 4);
#endif
    v += UDA_TURN(v, 2);
    v += UDA_TURN(v, 1);
    return v[0];
}

static UDA_ALWAYS_INLINE int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static UDA_ALWAYS_INLINE int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static UDA_ALWAYS_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* One declaration for each kernel of the table, in this instruction set. */
#define UDA_KERNEL(kernel, args) int UDA_CPU(kernel)(struct uda_stream *, struct args *);
#include "kernels/kernels.def"
#undef UDA_KERNEL

const char *UDA_CPU(libraries)(void);

/* Sequential product for use inside tasks: C = op(A) op(B) (+ C). The arguments of
 * uda_gemm_args. */
int UDA_CPU(gemm_sequential)(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K,
                             const float *A, int64_t lda, const float *B, int64_t ldb,
                             bool accumulate, float *C, int64_t ldc);

#endif
