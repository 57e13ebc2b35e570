/* Arguments of multi-head attention and of its mask bits. */
#ifndef UDA_KERNELS_ARGS_ATTENTION_H
#define UDA_KERNELS_ARGS_ATTENTION_H

#include "kernels/type.h"
#include "kernels/workspace.h"

/*
 * For each image and head m of M, on the channels m D/M ..: S = q k^T / sqrt(D/M), P = softmax(S)
 * over the keys that are allowed, y = P v. q, y [N,Q,D]; k, v [N,L,D]; lse [N,M,Q] = log sum exp S.
 * mask [N,Q,(L+31)/32]: bit l of a row set = key l forbidden; bits beyond L are ignored; NULL: all
 * allowed. A row that forbids everything gives y = 0 and no gradient.
 * fwd: y, lse from q, k, v
 * bwd: with dP = dy v^T and dS = P (dP - rowsum(dy y)) / sqrt(D/M): dk (+)= dS^T q, dv (+)= P^T dy,
 *      dq (+)= dS k, in this order, so that tensors may be the same; uses q, k, v, y, lse, dy. A
 *      NULL gradient is skipped.
 * q, k, v, y and their gradients are of `type`.
 */
struct uda_attention_args {
    struct uda_workspace ws;
    enum uda_type type;
    int64_t N, Q, L, D, M;
    const void *q, *k, *v, *dy;
    const uint32_t *mask;
    void *y, *dq, *dk, *dv;
    float *lse;
    bool accumulate_q, accumulate_k, accumulate_v;
};

/* bit l of row (n, q) = dot(e[n,q], f[n,l]) < 0; a row of ones becomes zeros; bits beyond L are 0.
 * e [N,Q,C], f [N,L,C], bits [N,Q,(L+31)/32]. */
struct uda_attention_mask_args {
    struct uda_workspace ws;
    int64_t N, Q, L, C;
    const float *e, *f;
    uint32_t *bits;
};

#endif
