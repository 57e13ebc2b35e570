#include "src/loss/assign.h"

#include <math.h>

/* Rows are the smaller side, so that every row finds a column. */
struct problem {
    int64_t rows, columns;
    const float *cost;
    int64_t row_stride, column_stride;
    double *u, *v;    /* dual prices */
    double *distance; /* [columns] shortest path found so far */
    int32_t *from;    /* [columns] row the path came from */
    int32_t *row_of;  /* [columns] partner, -1: free */
    int32_t *column_of; /* [rows] partner, -1: none yet */
    uint8_t *row_done, *column_done;
};

size_t uda_assign_bytes(int64_t Q, int64_t M)
{
    size_t rows = (size_t)(Q < M ? Q : M), columns = (size_t)(Q < M ? M : Q);
    return (rows + 2 * columns) * sizeof(double) + (rows + 2 * columns) * sizeof(int32_t) + rows +
           columns + 64;
}

static void carve(struct problem *p, void *work)
{
    p->u = work;
    p->v = p->u + p->rows;
    p->distance = p->v + p->columns;
    p->from = (int32_t *)(void *)(p->distance + p->columns);
    p->row_of = p->from + p->columns;
    p->column_of = p->row_of + p->columns;
    p->row_done = (uint8_t *)(p->column_of + p->rows);
    p->column_done = p->row_done + p->rows;
    for (int64_t i = 0; i < p->rows; i++) {
        p->u[i] = 0.0;
        p->column_of[i] = -1;
    }
    for (int64_t j = 0; j < p->columns; j++) {
        p->v[j] = 0.0;
        p->row_of[j] = -1;
    }
}

/* Relaxes every open column from `row` at path length `base`; returns the open column with the
 * shortest path, a free one if several are equally near. */
static int64_t scan(struct problem *p, int64_t row, double base)
{
    int64_t best = -1;
    for (int64_t j = 0; j < p->columns; j++) {
        if (p->column_done[j]) {
            continue;
        }
        double cost = (double)p->cost[row * p->row_stride + j * p->column_stride];
        double length = base + cost - p->u[row] - p->v[j];
        if (length < p->distance[j]) {
            p->distance[j] = length;
            p->from[j] = (int32_t)row;
        }
        bool nearer = best < 0 || p->distance[j] < p->distance[best];
        bool tie = best >= 0 && p->distance[j] == p->distance[best];
        if (nearer || (tie && p->row_of[best] >= 0 && p->row_of[j] < 0)) {
            best = j;
        }
    }
    return best;
}

/* Gives `start` a column by the shortest augmenting path; keeps reduced costs non-negative. */
static void augment(struct problem *p, int64_t start)
{
    for (int64_t j = 0; j < p->columns; j++) {
        p->distance[j] = INFINITY;
        p->column_done[j] = 0;
    }
    for (int64_t i = 0; i < p->rows; i++) {
        p->row_done[i] = 0;
    }
    int64_t row = start, sink;
    double length = 0.0;
    for (;;) {
        p->row_done[row] = 1;
        sink = scan(p, row, length);
        length = p->distance[sink];
        p->column_done[sink] = 1;
        if (p->row_of[sink] < 0) {
            break;
        }
        row = p->row_of[sink];
    }
    for (int64_t i = 0; i < p->rows; i++) {
        if (p->row_done[i]) {
            p->u[i] += i == start ? length : length - p->distance[p->column_of[i]];
        }
    }
    for (int64_t j = 0; j < p->columns; j++) {
        if (p->column_done[j]) {
            p->v[j] -= length - p->distance[j];
        }
    }
    for (int64_t j = sink; j >= 0;) {
        int32_t owner = p->from[j];
        int64_t next = p->column_of[owner];
        p->row_of[j] = owner;
        p->column_of[owner] = (int32_t)j;
        j = owner == start ? -1 : next;
    }
}

int uda_assign(int32_t *query, int32_t *target, const float *cost, int64_t Q, int64_t M, void *work,
               struct uda_err *err)
{
    for (int64_t i = 0; i < Q * M; i++) {
        if (!isfinite(cost[i])) {
            return uda_fail(err, UDA_NONFINITE,
                            "matching cost of query %lld and target %lld is not a number: training "
                            "has diverged: lower optimizer.lr", (long long)(i / M), (long long)(i % M));
        }
    }
    bool transposed = M < Q;
    struct problem p = {.rows = transposed ? M : Q,
                        .columns = transposed ? Q : M,
                        .cost = cost,
                        .row_stride = transposed ? 1 : M,
                        .column_stride = transposed ? M : 1};
    carve(&p, work);
    for (int64_t i = 0; i < p.rows; i++) {
        augment(&p, i);
    }
    int64_t pairs = 0;
    for (int64_t q = 0; q < Q; q++) {
        int32_t partner = transposed ? p.row_of[q] : p.column_of[q];
        if (partner >= 0) {
            query[pairs] = (int32_t)q;
            target[pairs++] = partner;
        }
    }
    return 0;
}
