#include "kernels/cpu/cpu.h"

#include "src/base/err.h"

#include <math.h>

#define PIECE 16384 /* values of one task, about: whole rows */

/* y = x scale + shift; scale and shift [C]. */
struct job {
    const struct uda_frozen_norm_args *a;
    const float *scale, *shift;
    int64_t rows_each;
};

static int64_t rows_each(const struct uda_frozen_norm_args *a)
{
    return a->C > 0 ? max_i64(PIECE / a->C, 1) : 1;
}

/* Folds statistics and parameters into the workspace. */
static struct job prepare(struct uda_frozen_norm_args *a)
{
    float *scale = a->ws.data, *shift = scale + a->C;
    for (int64_t c = 0; c < a->C; c++) {
        scale[c] = a->gamma[c] / sqrtf(a->var[c] + a->eps);
        shift[c] = a->beta[c] - a->mean[c] * scale[c];
    }
    return (struct job){.a = a, .scale = scale, .shift = shift, .rows_each = rows_each(a)};
}

static void fwd_task(void *args, int64_t i)
{
    const struct job *job = args;
    const struct uda_frozen_norm_args *a = job->a;
    int64_t last = min_i64((i + 1) * job->rows_each, a->rows);
    for (int64_t at = i * job->rows_each * a->C; at < last * a->C; at += a->C) {
        const float *x = (const float *)a->x + at, *add = a->add;
        float *y = (float *)a->y + at;
        for (int64_t c = 0; c < a->C; c++) {
            y[c] = x[c] * job->scale[c] + job->shift[c];
        }
        for (int64_t c = 0; add != NULL && c < a->C; c++) {
            y[c] += add[at + c];
        }
        for (int64_t c = 0; a->relu && c < a->C; c++) {
            y[c] = y[c] < 0.0f ? 0.0f : y[c];
        }
    }
}

int UDA_CPU(frozen_norm_fwd)(struct uda_stream *stream, struct uda_frozen_norm_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(2 * a->C + 1) * sizeof(float);
        return 0;
    }
    struct job job = prepare(a);
    uda_team_run(stream->team, ceil_div(a->rows, job.rows_each), fwd_task, &job);
    return 0;
}

/* to (+)= d scale where the ReLU let y through; scale NULL: 1. */
static void pass(float *to, bool accumulate, const float *dy, const float *y, const float *scale, int64_t C)
{
    for (int64_t c = 0; c < C; c++) {
        float d = y == NULL || y[c] > 0.0f ? dy[c] : 0.0f;
        d = scale != NULL ? d * scale[c] : d;
        to[c] = accumulate ? to[c] + d : d;
    }
}

static void bwd_task(void *args, int64_t i)
{
    const struct job *job = args;
    const struct uda_frozen_norm_args *a = job->a;
    int64_t last = min_i64((i + 1) * job->rows_each, a->rows);
    const float *saved_y = a->saved_y, *dy = a->dy;
    float *dx = a->dx, *dadd = a->dadd;
    for (int64_t at = i * job->rows_each * a->C; at < last * a->C; at += a->C) {
        const float *y = a->relu ? saved_y + at : NULL;
        if (dadd != NULL) {
            pass(dadd + at, a->add_dadd, dy + at, y, NULL, a->C);
        }
        if (dx != NULL) {
            pass(dx + at, a->add_dx, dy + at, y, job->scale, a->C);
        }
    }
}

int UDA_CPU(frozen_norm_bwd)(struct uda_stream *stream, struct uda_frozen_norm_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(2 * a->C + 1) * sizeof(float);
        return 0;
    }
    struct job job = prepare(a);
    uda_team_run(stream->team, ceil_div(a->rows, job.rows_each), bwd_task, &job);
    return 0;
}
