/*
 * Small matrix products on buffers that live in the first- and second-level cache: C (+)= A B with
 * B and C in rows of whole vectors. Tiles of C stay in registers over the whole of K; rows and
 * columns are cut into tiles of nearly equal size.
 *
 * Invariants: K sums run in order in every element, so the bits depend on nothing but the operands
 * and the instruction set. C does not alias A or B.
 *
 *     smm(n, vectors, d, q, dp, 1, kt, ld, false, s, ld);     // s [n, ld] = q [n, d] kt [d, ld]
 *     smm(n, dp / UDA_LANES, n, s, 1, ld, q, dp, true, dk, dp); // dk += s^T q
 */
#ifndef UDA_KERNELS_CPU_SMALLMM_H
#define UDA_KERNELS_CPU_SMALLMM_H

#include "kernels/cpu/cpu.h"

/* Tiles: V vectors wide, at most SMM_MOST_V rows high: accumulators, one row of B and a broadcast
 * fill the registers. */
#if defined(__AVX512F__)
#define SMM_WIDEST 4
#define SMM_MOST_1 8
#define SMM_MOST_2 8
#define SMM_MOST_3 8
#define SMM_MOST_4 6
#else
#define SMM_WIDEST 3
#define SMM_MOST_1 8
#define SMM_MOST_2 6
#define SMM_MOST_3 4
#endif

struct smm_args {
    int64_t K;
    const float *A; /* A(i, k) = A[i row_a + k step_a] */
    int64_t row_a, step_a;
    const float *B;
    int64_t ldb;
    bool add;
    float *C;
    int64_t ldc;
};

/* R and V are constants after inlining: acc lives in registers. */
static UDA_ALWAYS_INLINE void smm_tile(const int R, const int V, const struct smm_args *p,
                                       const float *A, float *C)
{
    vf acc[8][4];
    for (int r = 0; r < R; r++) {
        for (int v = 0; v < V; v++) {
            acc[r][v] = p->add ? vf_load(C + r * p->ldc + v * UDA_LANES) : vf_set(0.0f);
        }
    }
    const float *B = p->B;
    const int64_t row_a = p->row_a, step_a = p->step_a, ldb = p->ldb;
    for (int64_t k = 0; k < p->K; k++, A += step_a, B += ldb) {
        vf b[4];
        for (int v = 0; v < V; v++) {
            b[v] = vf_load(B + v * UDA_LANES);
        }
        for (int r = 0; r < R; r++) {
            vf a = vf_set(A[r * row_a]);
            for (int v = 0; v < V; v++) {
                acc[r][v] += a * b[v];
            }
        }
    }
    for (int r = 0; r < R; r++) {
        for (int v = 0; v < V; v++) {
            vf_store(C + r * p->ldc + v * UDA_LANES, acc[r][v]);
        }
    }
}

/* All rows of a stripe of V vectors. */
#define SMM_STRIPE(V)                                                                              \
    static void smm_stripe_##V(const struct smm_args *p, int64_t rows)                             \
    {                                                                                              \
        int64_t blocks = ceil_div(rows, SMM_MOST_##V), high = rows / blocks, more = rows % blocks; \
        const float *A = p->A;                                                                     \
        float *C = p->C;                                                                           \
        for (int64_t i = 0; i < blocks; i++) {                                                     \
            int64_t R = high + (i < more);                                                         \
            switch (R) {                                                                           \
            case 1: smm_tile(1, V, p, A, C); break;                                                \
            case 2: smm_tile(2, V, p, A, C); break;                                                \
            case 3: smm_tile(3, V, p, A, C); break;                                                \
            case 4: smm_tile(4, V, p, A, C); break;                                                \
            case 5: smm_tile(SMM_MOST_##V >= 5 ? 5 : 1, V, p, A, C); break;                        \
            case 6: smm_tile(SMM_MOST_##V >= 6 ? 6 : 1, V, p, A, C); break;                        \
            case 7: smm_tile(SMM_MOST_##V >= 7 ? 7 : 1, V, p, A, C); break;                        \
            default: smm_tile(SMM_MOST_##V >= 8 ? 8 : 1, V, p, A, C); break;                       \
            }                                                                                      \
            A += R * p->row_a;                                                                     \
            C += R * p->ldc;                                                                       \
        }                                                                                          \
    }

SMM_STRIPE(1)
SMM_STRIPE(2)
SMM_STRIPE(3)
#if SMM_WIDEST > 3
SMM_STRIPE(4)
#endif

/* C [rows, vectors * UDA_LANES] (+)= A [rows, K] B [K, vectors * UDA_LANES]; see smm_args for the
 * strides. */
static void smm(int64_t rows, int64_t vectors, int64_t K, const float *A, int64_t row_a,
                int64_t step_a, const float *B, int64_t ldb, bool add, float *C, int64_t ldc)
{
    int64_t blocks = ceil_div(vectors, SMM_WIDEST), wide = vectors / blocks, more = vectors % blocks;
    struct smm_args p = {.K = K, .A = A, .row_a = row_a, .step_a = step_a, .B = B, .ldb = ldb,
                         .add = add, .C = C, .ldc = ldc};
    for (int64_t i = 0; i < blocks; i++) {
        int64_t V = wide + (i < more);
        switch (V) {
        case 1: smm_stripe_1(&p, rows); break;
        case 2: smm_stripe_2(&p, rows); break;
        case 3: smm_stripe_3(&p, rows); break;
#if SMM_WIDEST > 3
        default: smm_stripe_4(&p, rows); break;
#endif
        }
        p.B += V * UDA_LANES;
        p.C += V * UDA_LANES;
    }
}

#endif
