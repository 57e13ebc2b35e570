/*
 * UDA_LANES vectors at a time: transposition in registers, and one sum or maximum for each of them.
 *
 * A step of distance s swaps lanes between vectors i and i + s; log2(UDA_LANES) steps transpose. A
 * reduction keeps one vector of each pair instead, and adds in a fixed tree.
 *
 *     vf sums = vf_rows_sum(rows, stride);   // lane i: the sum of the lanes at rows + i stride
 */
#ifndef UDA_KERNELS_CPU_VROWS_H
#define UDA_KERNELS_CPU_VROWS_H

#include "kernels/cpu/vmath.h"

#if UDA_LANES == 16
#define VROWS_LIST(F, s)                                                                           \
    F(0, s), F(1, s), F(2, s), F(3, s), F(4, s), F(5, s), F(6, s), F(7, s), F(8, s), F(9, s),      \
        F(10, s), F(11, s), F(12, s), F(13, s), F(14, s), F(15, s)
#elif UDA_LANES == 8
#define VROWS_LIST(F, s) F(0, s), F(1, s), F(2, s), F(3, s), F(4, s), F(5, s), F(6, s), F(7, s)
#else
#define VROWS_LIST(F, s) F(0, s), F(1, s), F(2, s), F(3, s)
#endif

/* Lane i of a step: lane i of a where bit s of i is clear, else lane i - s of b. HIGH: the other
 * half. */
#define VROWS_LOW(i, s) ((i) & (s) ? UDA_LANES + (i) - (s) : (i))
#define VROWS_HIGH(i, s) ((i) & (s) ? UDA_LANES + (i) : (i) + (s))

#define VROWS_STEP(s)                                                                              \
    static UDA_ALWAYS_INLINE vf vrows_low_##s(vf a, vf b)                                          \
    {                                                                                              \
        return UDA_SHUFFLE(a, b, VROWS_LIST(VROWS_LOW, s));                                        \
    }                                                                                              \
    static UDA_ALWAYS_INLINE vf vrows_high_##s(vf a, vf b)                                         \
    {                                                                                              \
        return UDA_SHUFFLE(a, b, VROWS_LIST(VROWS_HIGH, s));                                       \
    }                                                                                              \
    static UDA_ALWAYS_INLINE void vrows_swap_##s(vf *r)                                            \
    {                                                                                              \
        for (int i = 0; i < UDA_LANES; i++) {                                                      \
            if ((i & (s)) == 0) {                                                                  \
                vf a = r[i], b = r[i + (s)];                                                       \
                r[i] = vrows_low_##s(a, b);                                                        \
                r[i + (s)] = vrows_high_##s(a, b);                                                 \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static UDA_ALWAYS_INLINE void vrows_add_##s(vf *r)                                             \
    {                                                                                              \
        for (int i = 0; i < UDA_LANES; i += 2 * (s)) {                                             \
            r[i] = vrows_low_##s(r[i], r[i + (s)]) + vrows_high_##s(r[i], r[i + (s)]);             \
        }                                                                                          \
    }                                                                                              \
    static UDA_ALWAYS_INLINE void vrows_max_##s(vf *r)                                             \
    {                                                                                              \
        for (int i = 0; i < UDA_LANES; i += 2 * (s)) {                                             \
            r[i] = vf_max(vrows_low_##s(r[i], r[i + (s)]), vrows_high_##s(r[i], r[i + (s)]));      \
        }                                                                                          \
    }

VROWS_STEP(1)
VROWS_STEP(2)
#if UDA_LANES > 4
VROWS_STEP(4)
#endif
#if UDA_LANES > 8
VROWS_STEP(8)
#endif

#if UDA_LANES == 16
#define VROWS_ALL(what, r)                                                                         \
    (vrows_##what##_1(r), vrows_##what##_2(r), vrows_##what##_4(r), vrows_##what##_8(r))
#elif UDA_LANES == 8
#define VROWS_ALL(what, r) (vrows_##what##_1(r), vrows_##what##_2(r), vrows_##what##_4(r))
#else
#define VROWS_ALL(what, r) (vrows_##what##_1(r), vrows_##what##_2(r))
#endif

static UDA_ALWAYS_INLINE void vrows_load(vf *r, const float *from, int64_t stride)
{
    for (int i = 0; i < UDA_LANES; i++) {
        r[i] = vf_load(from + i * stride);
    }
}

/* Lane i: the sum of the lanes of vector i at from + i stride. */
static inline vf vf_rows_sum(const float *from, int64_t stride)
{
    vf r[UDA_LANES];
    vrows_load(r, from, stride);
    VROWS_ALL(add, r);
    return r[0];
}

/* Lane i: the largest lane of vector i at from + i stride. */
static inline vf vf_rows_max(const float *from, int64_t stride)
{
    vf r[UDA_LANES];
    vrows_load(r, from, stride);
    VROWS_ALL(max, r);
    return r[0];
}

/* A block of UDA_LANES rows and columns, transposed; row strides in floats. */
static inline void vf_transpose(float *to, int64_t to_stride, const float *from,
                                int64_t from_stride)
{
    vf r[UDA_LANES];
    vrows_load(r, from, from_stride);
    VROWS_ALL(swap, r);
    for (int i = 0; i < UDA_LANES; i++) {
        vf_store(to + i * to_stride, r[i]);
    }
}

#endif
