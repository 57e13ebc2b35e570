#include "kernels/cpu/vmath.h"

/* Values of one task. */
#define PIECE 16384

/* A vector operation applied to values first..last-1, the rest of a vector through a padded
 * copy. */
#define FOR_EACH(first, last, FULL, PART)                                                          \
    do {                                                                                           \
        int64_t at = (first);                                                                      \
        for (; at + UDA_LANES <= (last); at += UDA_LANES) {                                        \
            FULL;                                                                                  \
        }                                                                                          \
        int64_t rest = (last)-at;                                                                  \
        if (rest > 0) {                                                                            \
            PART;                                                                                  \
        }                                                                                          \
    } while (0)

static void add_block(float *y, const float *a, const float *b, float s, int64_t count)
{
    FOR_EACH(0, count, vf_store(y + at, vf_load(a + at) + s * vf_load(b + at)),
             vf_store_part(y + at, vf_load_part(a + at, rest) + s * vf_load_part(b + at, rest),
                           rest));
}

/* Task: rows of whole blocks when blocks are short, pieces of one block when they are long. */
static void add_task(void *args, int64_t i)
{
    const struct uda_add_args *a = args;
    const float *x = a->a, *b = a->b;
    float *y = a->y;
    int64_t pieces = ceil_div(a->count, PIECE), rows = pieces > 1 ? 1 : max_i64(PIECE / a->count, 1);
    int64_t n0 = i / pieces * rows, n1 = min_i64(n0 + rows, a->N), first = i % pieces * PIECE;
    int64_t count = min_i64(PIECE, a->count - first);
    for (int64_t n = n0; n < n1; n++) {
        int64_t at = n * a->count + first;
        add_block(y + at, x + at, b + n * a->stride_b + first,
                  a->scale != NULL ? a->scale[n] : 1.0f, count);
    }
}

int UDA_CPU(add)(struct uda_stream *stream, struct uda_add_args *a)
{
    if (a->type != UDA_F32 || a->type_b != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    int64_t pieces = ceil_div(a->count, PIECE), rows = pieces > 1 ? 1 : max_i64(PIECE / a->count, 1);
    uda_team_run(stream->team, pieces * ceil_div(a->N, rows), add_task, a);
    return 0;
}

static int run_unary(struct uda_stream *stream, struct uda_unary_args *a,
                     void (*task)(void *args, int64_t i))
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, ceil_div(a->count, PIECE), task, a);
    return 0;
}

static UDA_ALWAYS_INLINE vf gelu(vf x)
{
    vf bell;
    return x * vf_normal_cdf(x, &bell);
}

static UDA_ALWAYS_INLINE vf gelu_slope(vf x)
{
    vf bell, cdf = vf_normal_cdf(x, &bell);
    return cdf + x * bell * 0.398942280f;
}

static void gelu_fwd_task(void *args, int64_t i)
{
    const struct uda_unary_args *a = args;
    const float *x = a->x;
    float *y = a->y;
    FOR_EACH(i * PIECE, min_i64((i + 1) * PIECE, a->count), vf_store(y + at, gelu(vf_load(x + at))),
             vf_store_part(y + at, gelu(vf_load_part(x + at, rest)), rest));
}

int UDA_CPU(gelu_fwd)(struct uda_stream *stream, struct uda_unary_args *a)
{
    return run_unary(stream, a, gelu_fwd_task);
}

/* dx (+)= slope(x) dy for values of task i; old is dx or 0. */
#define SLOPE_TASK(name, slope)                                                                    \
    static void name(void *args, int64_t i)                                                        \
    {                                                                                              \
        const struct uda_unary_args *a = args;                                                     \
        int64_t first = i * PIECE, last = min_i64(first + PIECE, a->count);                        \
        const float *x = a->x, *dy = a->dy;                                                        \
        float *dx = a->dx;                                                                         \
        if (a->accumulate) {                                                                       \
            FOR_EACH(first, last,                                                                  \
                     vf_store(dx + at, vf_load(dx + at) + slope(vf_load(x + at), vf_load(dy + at))), \
                     vf_store_part(dx + at, vf_load_part(dx + at, rest) +                          \
                                                slope(vf_load_part(x + at, rest),                  \
                                                      vf_load_part(dy + at, rest)), rest));        \
        } else {                                                                                   \
            FOR_EACH(first, last, vf_store(dx + at, slope(vf_load(x + at), vf_load(dy + at))),     \
                     vf_store_part(dx + at, slope(vf_load_part(x + at, rest),                      \
                                                  vf_load_part(dy + at, rest)), rest));            \
        }                                                                                          \
    }

static UDA_ALWAYS_INLINE vf gelu_back(vf x, vf dy) { return gelu_slope(x) * dy; }
static UDA_ALWAYS_INLINE vf relu_back(vf x, vf dy) { return (vf)((vi)dy & (x > 0.0f)); }

SLOPE_TASK(gelu_bwd_task, gelu_back)
SLOPE_TASK(relu_bwd_task, relu_back)

int UDA_CPU(gelu_bwd)(struct uda_stream *stream, struct uda_unary_args *a)
{
    return run_unary(stream, a, gelu_bwd_task);
}

static void relu_fwd_task(void *args, int64_t i)
{
    const struct uda_unary_args *a = args;
    const float *x = a->x;
    float *y = a->y;
    int64_t last = min_i64((i + 1) * PIECE, a->count);
    for (int64_t at = i * PIECE; at < last; at++) {
        y[at] = x[at] > 0.0f ? x[at] : 0.0f;
    }
}

int UDA_CPU(relu_fwd)(struct uda_stream *stream, struct uda_unary_args *a)
{
    return run_unary(stream, a, relu_fwd_task);
}

int UDA_CPU(relu_bwd)(struct uda_stream *stream, struct uda_unary_args *a)
{
    return run_unary(stream, a, relu_bwd_task);
}
