#include "kernels/cpu/cpu.h"

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

/* Of the largest problem, rounded so that every problem's memory is aligned. */
static int64_t problem_bytes(const struct uda_assign_args *a)
{
    int64_t rows = min_i64(a->Q, a->most), columns = max_i64(a->Q, a->most);
    int64_t bytes = (rows + 2 * columns) * (int64_t)(sizeof(double) + sizeof(int32_t)) + rows + columns;
    return ceil_div(bytes, 64) * 64;
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

/* 1 + its index, or 0. */
static int64_t first_wrong(const float *cost, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(cost[i])) {
            return i + 1;
        }
    }
    return 0;
}

/* Row i with column i: of costs that have no order. */
static void pair_in_order(struct problem *p)
{
    for (int64_t i = 0; i < p->rows; i++) {
        p->column_of[i] = p->row_of[i] = (int32_t)i;
    }
}

struct assign_job {
    const struct uda_assign_args *a;
    int64_t bytes;
};

static void solve(void *args, int64_t i)
{
    const struct assign_job *job = args;
    const struct uda_assign_args *a = job->a;
    int64_t at = i / a->N * a->T, n = i % a->N, first = a->first[n], M = a->first[n + 1] - first;
    const float *cost = a->cost + (at + first) * a->Q;
    bool transposed = M < a->Q;
    struct problem p = {.rows = transposed ? M : a->Q,
                        .columns = transposed ? a->Q : M,
                        .cost = cost,
                        .row_stride = transposed ? 1 : M,
                        .column_stride = transposed ? M : 1};
    carve(&p, (unsigned char *)a->ws.data + i * job->bytes);
    a->wrong[i] = first_wrong(cost, a->Q * M);
    if (a->wrong[i] > 0) {
        pair_in_order(&p);
    } else {
        for (int64_t row = 0; row < p.rows; row++) {
            augment(&p, row);
        }
    }
    int32_t *query = a->query + at + first, *target = a->target + at + first, *label = a->label + i * a->Q;
    for (int64_t q = 0; q < a->Q; q++) {
        int32_t partner = transposed ? p.row_of[q] : p.column_of[q];
        label[q] = (int32_t)a->K;
        if (partner >= 0) {
            *query++ = (int32_t)q;
            *target++ = partner;
            label[q] = a->cls[first + partner];
        }
    }
}

int UDA_CPU(assign)(struct uda_stream *stream, struct uda_assign_args *a)
{
    struct assign_job job = {.a = a, .bytes = problem_bytes(a)};
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)max_i64(a->P * a->N * job.bytes, 1);
        return 0;
    }
    uda_team_run(stream->team, a->P * a->N, solve, &job);
    return 0;
}
