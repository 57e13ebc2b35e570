#include "kernels/cpu/cpu.h"

#include "src/base/err.h"

#include <math.h>

/* Elements of a task. Part of the meaning of sum_squares: another size gives other bits. */
#define CHUNK 65536

static void square_chunk(void *args, int64_t i)
{
    struct uda_sum_squares_args *a = args;
    int64_t last = min_i64((i + 1) * CHUNK, a->count), k = i * CHUNK;
    double lane[8] = {0};
    for (; k + 8 <= last; k += 8) {
        for (int j = 0; j < 8; j++) {
            lane[j] += (double)a->x[k + j] * (double)a->x[k + j];
        }
    }
    for (; k < last; k++) {
        lane[0] += (double)a->x[k] * (double)a->x[k];
    }
    double *part = a->ws.data;
    part[i] = ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
              ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

int UDA_CPU(sum_squares)(struct uda_stream *stream, struct uda_sum_squares_args *a)
{
    int64_t chunks = ceil_div(a->count, CHUNK);
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(chunks + 1) * sizeof(double);
        return 0;
    }
    uda_team_run(stream->team, chunks, square_chunk, a);
    const double *part = a->ws.data;
    double sum = 0.0;
    for (int64_t i = 0; i < chunks; i++) {
        sum += part[i];
    }
    *a->sum = sum;
    return 0;
}

int UDA_CPU(spoil)(struct uda_stream *stream, struct uda_spoil_args *a)
{
    (void)stream;
    bool bad = false;
    for (int64_t i = 0; i < a->values; i++) {
        bad = bad || !isfinite(a->value[i]);
    }
    for (int64_t i = 0; i < a->faults; i++) {
        bad = bad || a->fault[i] != 0;
    }
    if (bad) {
        a->x[0] = NAN;
    }
    return 0;
}

static double clip_factor(const struct uda_adamw_args *a)
{
    double factor = a->max_norm / (sqrt(*a->squares) + 1e-6);
    return a->max_norm <= 0.0 || factor > 1.0 ? 1.0 : factor;
}

/* Elements from..to-1 with the constants of their segment. */
static void adamw_range(const struct uda_adamw_args *a, const struct uda_adamw_segment *s,
                        int64_t from, int64_t to)
{
    double correction1 = 1.0 - pow(a->beta1, (double)a->t);
    double correction2 = 1.0 - pow(a->beta2, (double)a->t);
    const float decay = (float)(1.0 - s->lr * s->weight_decay), step = (float)(s->lr / correction1);
    const float root = (float)sqrt(correction2), eps = (float)a->eps, scale = (float)clip_factor(a);
    const float part1 = (float)(1.0 - a->beta1), part2 = (float)(1.0 - a->beta2);
    const float keep2 = (float)a->beta2;
    float *UDA_RESTRICT p = a->value + from, *UDA_RESTRICT m = a->m + from;
    float *UDA_RESTRICT v = a->v + from;
    const float *UDA_RESTRICT grad = a->grad + from;
    for (int64_t i = 0; i < to - from; i++) {
        float g = grad[i] * scale;
        m[i] += part1 * (g - m[i]);
        v[i] = v[i] * keep2 + part2 * g * g;
        p[i] = p[i] * decay - step * m[i] / (sqrtf(v[i]) / root + eps);
    }
}

static void adamw_chunk(void *args, int64_t i)
{
    const struct uda_adamw_args *a = args;
    for (int64_t k = 0; k < a->segments; k++) {
        const struct uda_adamw_segment *s = &a->segment[k];
        int64_t from = max_i64(s->offset, i * CHUNK);
        int64_t to = min_i64(s->offset + s->count, (i + 1) * CHUNK);
        if (from < to) {
            adamw_range(a, s, from, to);
        }
    }
}

int UDA_CPU(adamw)(struct uda_stream *stream, struct uda_adamw_args *a)
{
    int64_t end = 0;
    if (!isfinite(*a->squares)) {
        return 0;
    }
    for (int64_t k = 0; k < a->segments; k++) {
        end = max_i64(end, a->segment[k].offset + a->segment[k].count);
    }
    uda_team_run(stream->team, ceil_div(end, CHUNK), adamw_chunk, a);
    return 0;
}

static void ema_chunk(void *args, int64_t i)
{
    const struct uda_ema_args *a = args;
    const float alpha = (float)a->alpha, rest = (float)(1.0 - a->alpha);
    float *UDA_RESTRICT teacher = a->teacher + i * CHUNK;
    const float *UDA_RESTRICT student = a->student + i * CHUNK;
    for (int64_t k = 0; k < min_i64(CHUNK, a->count - i * CHUNK); k++) {
        teacher[k] = alpha * teacher[k] + rest * student[k];
    }
}

int UDA_CPU(ema)(struct uda_stream *stream, struct uda_ema_args *a)
{
    uda_team_run(stream->team, ceil_div(a->count, CHUNK), ema_chunk, a);
    return 0;
}

static void add_chunk(void *args, int64_t i)
{
    const struct uda_scale_add_args *a = args;
    const float factor = a->factor;
    float *UDA_RESTRICT y = a->y + i * CHUNK;
    const float *UDA_RESTRICT x = a->x + i * CHUNK;
    for (int64_t k = 0; k < min_i64(CHUNK, a->count - i * CHUNK); k++) {
        y[k] += factor * x[k];
    }
}

int UDA_CPU(scale_add)(struct uda_stream *stream, struct uda_scale_add_args *a)
{
    uda_team_run(stream->team, ceil_div(a->count, CHUNK), add_chunk, a);
    return 0;
}
