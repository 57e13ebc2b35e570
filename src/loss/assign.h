/*
 * Rectangular linear assignment: the cheapest way to pair queries with targets.
 *
 * Shortest augmenting paths (Crouse, "On implementing 2D rectangular assignment algorithms", 2016),
 * the method behind scipy.optimize.linear_sum_assignment. Deterministic: double arithmetic in a
 * fixed order; at equal path cost a free column is preferred.
 */
#ifndef UDA_LOSS_ASSIGN_H
#define UDA_LOSS_ASSIGN_H

#include "src/base/err.h"

/* Bytes of workspace for Q x M. */
size_t uda_assign_bytes(int64_t Q, int64_t M);

/*
 * Minimises the sum of cost [Q, M] over min(Q, M) pairs: query and target [min(Q, M)], sorted by
 * query. M or Q may be 0. work: uda_assign_bytes(Q, M) bytes, aligned to 8. Errors: UDA_NONFINITE
 * (a cost is not a finite number).
 */
int uda_assign(int32_t *query, int32_t *target, const float *cost, int64_t Q, int64_t M, void *work,
               struct uda_err *err) UDA_MUST_USE;

#endif
