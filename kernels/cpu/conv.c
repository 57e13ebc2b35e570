#include "kernels/cpu/cpu.h"

#include "src/base/err.h"

/* Output pixels of one product: their 3x3 neighbourhoods stay in the second-level cache. */
#define PIXELS 64
/* Scratch areas; each serves its share of the tasks. A constant, so that shares do not depend on
 * threads. */
#define AREAS 32

/* Weights as [Co, 9 C] (tap-major), or for the input's gradient [C, 9 Co] with the taps turned by
 * 180 degrees. */
static void pack_weight(float *packed, const float *w, int64_t Co, int64_t C, bool flip)
{
    for (int64_t o = 0; o < Co; o++) {
        for (int64_t c = 0; c < C; c++) {
            for (int64_t tap = 0; tap < 9; tap++) {
                float value = w[(o * C + c) * 9 + tap];
                if (flip) {
                    packed[(c * 9 + 8 - tap) * Co + o] = value;
                } else {
                    packed[(o * 9 + tap) * C + c] = value;
                }
            }
        }
    }
}

/* Rows [pixels, 9 C] of neighbourhoods of pixels first..first+pixels-1 of one image [H, W, C]. */
static void gather(float *rows, const float *image, int64_t first, int64_t pixels, int64_t H,
                   int64_t W, int64_t C)
{
    for (int64_t p = 0; p < pixels; p++) {
        int64_t y = (first + p) / W, x = (first + p) % W;
        for (int64_t tap = 0; tap < 9; tap++) {
            int64_t yy = y + tap / 3 - 1, xx = x + tap % 3 - 1;
            float *to = rows + (p * 9 + tap) * C;
            if (yy < 0 || yy >= H || xx < 0 || xx >= W) {
                memset(to, 0, (size_t)C * sizeof *to);
            } else {
                memcpy(to, image + (yy * W + xx) * C, (size_t)C * sizeof *to);
            }
        }
    }
}

/* A convolution of `in` [N,H,W,C] into `out` [N,H,W,Co] by packed weights. */
struct conv_job {
    int64_t N, H, W, C, Co, tasks, tasks_per_image, areas;
    const float *in, *packed;
    float *out, *scratch;
    bool accumulate;
    int status[AREAS];
};

static void conv_task(void *args, int64_t area)
{
    struct conv_job *job = args;
    float *rows = job->scratch + area * PIXELS * 9 * job->C;
    for (int64_t i = area; i < job->tasks; i += job->areas) {
        int64_t n = i / job->tasks_per_image, first = i % job->tasks_per_image * PIXELS;
        int64_t pixels = min_i64(PIXELS, job->H * job->W - first);
        gather(rows, job->in + n * job->H * job->W * job->C, first, pixels, job->H, job->W, job->C);
        float *out = job->out + (n * job->H * job->W + first) * job->Co;
        if (UDA_CPU(gemm_sequential)(false, true, pixels, job->Co, 9 * job->C, rows, 9 * job->C,
                                     job->packed, 9 * job->C, job->accumulate, out, job->Co) != 0) {
            job->status[area] = UDA_DEVICE;
        }
    }
}

static int convolve(struct uda_stream *stream, struct uda_conv3x3_args *a, bool flip)
{
    int64_t C = flip ? a->Co : a->C, Co = flip ? a->C : a->Co;
    int64_t per_image = ceil_div(a->H * a->W, PIXELS), tasks = a->N * per_image;
    int64_t areas = min_i64(AREAS, tasks), packed = ceil_div(9 * a->C * a->Co, 16) * 16;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(packed + areas * PIXELS * 9 * C) * sizeof(float);
        return 0;
    }
    float *weights = a->ws.data;
    pack_weight(weights, a->w, a->Co, a->C, flip);
    struct conv_job job = {.N = a->N, .H = a->H, .W = a->W, .C = C, .Co = Co, .tasks = tasks,
                           .tasks_per_image = per_image, .areas = areas,
                           .in = flip ? a->dy : a->x, .packed = weights,
                           .out = flip ? a->dx : a->y, .scratch = weights + packed,
                           .accumulate = flip && a->accumulate};
    uda_team_run(stream->team, areas, conv_task, &job);
    for (int64_t i = 0; i < areas; i++) {
        if (job.status[i] != 0) {
            return job.status[i];
        }
    }
    return 0;
}

int UDA_CPU(conv3x3_fwd)(struct uda_stream *stream, struct uda_conv3x3_args *a)
{
    return convolve(stream, a, false);
}

int UDA_CPU(conv3x3_bwd_input)(struct uda_stream *stream, struct uda_conv3x3_args *a)
{
    return convolve(stream, a, true);
}

/* Weight gradient: each share sums its stretches of pixels in order; the shares are added in
 * order. */
#define SHARES 8
#define STRETCH 256

struct weight_job {
    const struct uda_conv3x3_args *a;
    float *partial, *scratch; /* [SHARES, Co, 9 C], [SHARES, STRETCH, 9 C] */
    int64_t per_image, stretches;
    int status[SHARES];
};

static void weight_task(void *args, int64_t share)
{
    struct weight_job *job = args;
    const struct uda_conv3x3_args *a = job->a;
    int64_t K = 9 * a->C, pixels_per_image = a->H * a->W;
    float *partial = job->partial + share * a->Co * K, *rows = job->scratch + share * STRETCH * K;
    memset(partial, 0, (size_t)(a->Co * K) * sizeof *partial);
    for (int64_t i = share; i < job->stretches; i += SHARES) {
        int64_t n = i / job->per_image, first = i % job->per_image * STRETCH;
        int64_t pixels = min_i64(STRETCH, pixels_per_image - first);
        gather(rows, a->x + n * pixels_per_image * a->C, first, pixels, a->H, a->W, a->C);
        const float *dy = a->dy + (n * pixels_per_image + first) * a->Co;
        if (UDA_CPU(gemm_sequential)(true, false, a->Co, K, pixels, dy, a->Co, rows, K, true,
                                     partial, K) != 0) {
            job->status[share] = UDA_DEVICE;
        }
    }
}

static void weight_join(void *args, int64_t o)
{
    struct weight_job *job = args;
    const struct uda_conv3x3_args *a = job->a;
    int64_t K = 9 * a->C;
    for (int64_t c = 0; c < a->C; c++) {
        for (int64_t tap = 0; tap < 9; tap++) {
            float sum = 0.0f;
            for (int64_t share = 0; share < SHARES; share++) {
                sum += job->partial[(share * a->Co + o) * K + tap * a->C + c];
            }
            float *dw = a->dw + (o * a->C + c) * 9 + tap;
            *dw = a->accumulate ? *dw + sum : sum;
        }
    }
}

int UDA_CPU(conv3x3_bwd_weight)(struct uda_stream *stream, struct uda_conv3x3_args *a)
{
    int64_t K = 9 * a->C;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(SHARES * (a->Co + STRETCH) * K) * sizeof(float);
        return 0;
    }
    struct weight_job job = {.a = a, .partial = a->ws.data,
                             .per_image = ceil_div(a->H * a->W, STRETCH)};
    job.scratch = job.partial + SHARES * a->Co * K;
    job.stretches = a->N * job.per_image;
    uda_team_run(stream->team, SHARES, weight_task, &job);
    for (int64_t share = 0; share < SHARES; share++) {
        if (job.status[share] != 0) {
            return job.status[share];
        }
    }
    uda_team_run(stream->team, a->Co, weight_join, &job);
    return 0;
}
