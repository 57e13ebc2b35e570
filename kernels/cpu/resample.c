#include "kernels/cpu/cpu.h"

#include "src/base/err.h"

#include <math.h>

/* Where an output row or column reads: y = (1 - part) x[low] + part x[high]. */
struct tap {
    int32_t low, high;
    float part;
};

static struct tap tap_of(int64_t i, int64_t in, int64_t out)
{
    double source = ((double)i + 0.5) * (double)in / (double)out - 0.5;
    source = source > 0.0 ? source : 0.0;
    int64_t low = min_i64((int64_t)source, in - 1);
    return (struct tap){.low = (int32_t)low,
                        .high = (int32_t)min_i64(low + 1, in - 1),
                        .part = (float)(source - (double)low)};
}

struct resize_job {
    const struct uda_resize_args *a;
    const struct tap *rows, *columns; /* [H], [W] */
};

static void resize_row(void *args, int64_t i)
{
    const struct resize_job *job = args;
    const struct uda_resize_args *a = job->a;
    const float *x = a->x, *adds = a->add;
    int64_t C = a->C, n = i / a->H;
    struct tap row = job->rows[i % a->H];
    const float *top = x + (n * a->h + row.low) * a->w * C;
    const float *bottom = x + (n * a->h + row.high) * a->w * C;
    for (int64_t j = 0; j < a->W; j++) {
        struct tap column = job->columns[j];
        float w11 = row.part * column.part, w10 = row.part - w11, w01 = column.part - w11;
        float w00 = 1.0f - row.part - w01;
        const float *x00 = top + column.low * C, *x01 = top + column.high * C;
        const float *x10 = bottom + column.low * C, *x11 = bottom + column.high * C;
        const float *add = adds != NULL ? adds + (i * a->W + j) * C : NULL;
        float *UDA_RESTRICT y = (float *)a->y + (i * a->W + j) * C;
        for (int64_t c = 0; c < C; c++) {
            y[c] = w00 * x00[c] + w01 * x01[c] + w10 * x10[c] + w11 * x11[c];
        }
        for (int64_t c = 0; add != NULL && c < C; c++) {
            y[c] += add[c];
        }
    }
}

/* Taps of all output rows and columns into the workspace; false: only its size was asked for. */
static bool prepare(struct resize_job *job, struct uda_workspace *ws)
{
    const struct uda_resize_args *a = job->a;
    if (ws->data == NULL) {
        ws->bytes = (size_t)(a->H + a->W) * sizeof(struct tap);
        return false;
    }
    struct tap *rows = ws->data, *columns = rows + a->H;
    for (int64_t i = 0; i < a->H; i++) {
        rows[i] = tap_of(i, a->h, a->H);
    }
    for (int64_t j = 0; j < a->W; j++) {
        columns[j] = tap_of(j, a->w, a->W);
    }
    job->rows = rows;
    job->columns = columns;
    return true;
}

int UDA_CPU(resize_fwd)(struct uda_stream *stream, struct uda_resize_args *a)
{
    struct resize_job job = {.a = a};
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    if (prepare(&job, &a->ws)) {
        uda_team_run(stream->team, a->N * a->H, resize_row, &job);
    }
    return 0;
}

/* Adds one row of dy, weighted, to the row of dx it was read from. */
static void spread_row(float *dx, const float *dy, float weight, const struct resize_job *job)
{
    const struct uda_resize_args *a = job->a;
    for (int64_t j = 0; j < a->W; j++) {
        struct tap column = job->columns[j];
        float high = weight * column.part, low = weight - high;
        const float *g = dy + j * a->C;
        float *to_low = dx + column.low * a->C, *to_high = dx + column.high * a->C;
        for (int64_t c = 0; c < a->C; c++) {
            to_low[c] += low * g[c];
        }
        for (int64_t c = 0; high != 0.0f && c < a->C; c++) {
            to_high[c] += high * g[c];
        }
    }
}

/* A row of dx gathers from the rows of dy that read it, in order. */
static void gather_row(void *args, int64_t i)
{
    const struct resize_job *job = args;
    const struct uda_resize_args *a = job->a;
    int64_t n = i / a->h, y = i % a->h;
    const float *dy = a->dy;
    float *dx = (float *)a->dx + i * a->w * a->C;
    if (!a->accumulate_x) {
        memset(dx, 0, (size_t)(a->w * a->C) * sizeof *dx);
    }
    double ratio = (double)a->H / (double)a->h;
    int64_t first = max_i64((int64_t)(((double)y - 0.5) * ratio - 0.5) - 1, 0);
    int64_t last = min_i64((int64_t)(((double)y + 1.5) * ratio - 0.5) + 1, a->H - 1);
    for (int64_t o = first; o <= last; o++) {
        struct tap row = job->rows[o];
        float weight = (row.low == y ? 1.0f - row.part : 0.0f) + (row.high == y ? row.part : 0.0f);
        if (weight != 0.0f) {
            spread_row(dx, dy + (n * a->H + o) * a->W * a->C, weight, job);
        }
    }
}

static void copy_row(void *args, int64_t i)
{
    const struct resize_job *job = args;
    const struct uda_resize_args *a = job->a;
    int64_t count = a->W * a->C;
    const float *dy = (const float *)a->dy + i * count;
    float *dadd = (float *)a->dadd + i * count;
    if (!a->accumulate_add) {
        memcpy(dadd, dy, (size_t)count * sizeof *dadd);
        return;
    }
    for (int64_t c = 0; c < count; c++) {
        dadd[c] += dy[c];
    }
}

int UDA_CPU(resize_bwd)(struct uda_stream *stream, struct uda_resize_args *a)
{
    struct resize_job job = {.a = a};
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    if (prepare(&job, &a->ws)) {
        if (a->dx != NULL) {
            uda_team_run(stream->team, a->N * a->h, gather_row, &job);
        }
        if (a->dadd != NULL) {
            uda_team_run(stream->team, a->N * a->H, copy_row, &job);
        }
    }
    return 0;
}

static void pool_row(void *args, int64_t i)
{
    const struct uda_centre_pool_args *a = args;
    int64_t H = a->H / a->ratio, W = a->W / a->ratio, C = a->C, n = i / H;
    int64_t row = n * a->H + i % H * a->ratio + a->ratio / 2 - 1;
    for (int64_t j = 0; j < W; j++) {
        const float *top = (const float *)a->x + (row * a->W + j * a->ratio + a->ratio / 2 - 1) * C;
        const float *bottom = top + a->W * C;
        float *UDA_RESTRICT y = (float *)a->y + (i * W + j) * C;
        for (int64_t c = 0; c < C; c++) {
            y[c] = 0.25f * (top[c] + top[C + c] + (bottom[c] + bottom[C + c]));
        }
    }
}

int UDA_CPU(centre_pool)(struct uda_stream *stream, struct uda_centre_pool_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, a->N * (a->H / a->ratio), pool_row, a);
    return 0;
}

/* One half [C/2] of the embedding of place i of n. In float as the reference takes its angles. */
static void sine_half(float *half, int64_t i, int64_t n, int64_t count)
{
    float angle = (float)(i + 1) / ((float)n + 1e-6f) * 6.283185307179586f;
    for (int64_t k = 0; k < count; k++) {
        float period = (float)pow(10000.0, (double)(k / 2 * 2) / (double)count);
        double a = (double)(angle / period);
        half[k] = (float)(k % 2 == 0 ? sin(a) : cos(a));
    }
}

int UDA_CPU(sine_position)(struct uda_stream *stream, struct uda_sine_position_args *a)
{
    (void)stream;
    int64_t half = a->C / 2;
    for (int64_t j = 0; j < a->W; j++) {
        sine_half(a->y + j * a->C + half, j, a->W, half);
    }
    for (int64_t i = 0; i < a->H; i++) {
        float *row = a->y + i * a->W * a->C;
        sine_half(row, i, a->H, half);
        for (int64_t j = 0; j < a->W; j++) {
            memmove(row + j * a->C, row, (size_t)half * sizeof *row);
            memmove(row + j * a->C + half, a->y + j * a->C + half, (size_t)half * sizeof *row);
        }
    }
    return 0;
}
