#include "kernels/cpu/cpu.h"

#include "src/base/err.h"

/* Output pixels of one product: their neighbourhoods stay in the second-level cache. */
#define PIXELS 64
/* Scratch areas; each serves its share of the tasks. A constant, so that shares do not depend on
 * threads. */
#define AREAS 32
#define TAPS 49 /* of the largest kernel */

/*
 * What a product takes: pixel (i, j) of a grid [rows, columns] reads, at tap t, pixel
 * (step i + down[t], step j + right[t]) of a map, and stands for pixel (top + spread i,
 * left + spread j) of the other map. weight[t]: the tap of w.
 */
struct grid {
    int64_t rows, columns, step, top, left, spread;
    int64_t taps, down[TAPS], right[TAPS], weight[TAPS];
};

/* The pixels of y, which read x. */
static struct grid grid_of_output(const struct uda_conv_args *a)
{
    int64_t k = a->kernel;
    struct grid g = {.rows = uda_conv_side(a->H, a->stride), .columns = uda_conv_side(a->W, a->stride),
                     .step = a->stride, .spread = 1, .taps = k * k};
    for (int64_t t = 0; t < g.taps; t++) {
        g.down[t] = t / k - k / 2;
        g.right[t] = t % k - k / 2;
        g.weight[t] = t;
    }
    return g;
}

/* The pixels of dx that lie at (top, left) modulo the stride, which read dy: taps turned by 180 degrees,
 * those that meet a pixel of dy. */
static struct grid grid_of_input(const struct uda_conv_args *a, int64_t top, int64_t left)
{
    int64_t k = a->kernel, s = a->stride;
    struct grid g = {.rows = uda_conv_side(a->H - top, s), .columns = uda_conv_side(a->W - left, s),
                     .step = 1, .top = top, .left = left, .spread = s};
    for (int64_t t = 0; t < k * k; t++) {
        int64_t down = top + t / k - k / 2, right = left + t % k - k / 2;
        if (down % s == 0 && right % s == 0) {
            g.down[g.taps] = down / s;
            g.right[g.taps] = right / s;
            g.weight[g.taps++] = k * k - 1 - t;
        }
    }
    return g;
}

/* The grid's weights as [Co, taps C], or for the input's gradient as [C, taps Co]. */
static void pack_weight(float *packed, const struct grid *g, const struct uda_conv_args *a, bool flip)
{
    int64_t all = a->kernel * a->kernel;
    const float *w = a->w;
    for (int64_t o = 0; o < a->Co; o++) {
        for (int64_t c = 0; c < a->C; c++) {
            for (int64_t t = 0; t < g->taps; t++) {
                float value = w[(o * a->C + c) * all + g->weight[t]];
                if (flip) {
                    packed[(c * g->taps + t) * a->Co + o] = value;
                } else {
                    packed[(o * g->taps + t) * a->C + c] = value;
                }
            }
        }
    }
}

/* Rows [pixels, taps C] of what the grid's pixels first..first+pixels-1 read in one image [H, W, C]. */
static void gather(float *rows, const struct grid *g, const float *image, int64_t first, int64_t pixels,
                   int64_t H, int64_t W, int64_t C)
{
    for (int64_t p = 0; p < pixels; p++) {
        int64_t y = (first + p) / g->columns * g->step, x = (first + p) % g->columns * g->step;
        for (int64_t t = 0; t < g->taps; t++) {
            int64_t yy = y + g->down[t], xx = x + g->right[t];
            float *to = rows + (p * g->taps + t) * C;
            if (yy < 0 || yy >= H || xx < 0 || xx >= W) {
                memset(to, 0, (size_t)C * sizeof *to);
            } else {
                memcpy(to, image + (yy * W + xx) * C, (size_t)C * sizeof *to);
            }
        }
    }
}

/* A convolution of `in` [N,h,w,C] into a grid's pixels of `out` [N,H,W,Co] by packed weights. */
struct conv_job {
    struct grid grid;
    int64_t h, w, H, W, C, Co, tasks, tasks_per_image, areas, area_floats;
    const float *in, *packed;
    float *out, *scratch;
    bool accumulate;
    int status[AREAS];
};

/* (+)= rows [pixels, Co] into the places of the grid's pixels. */
static void scatter(float *image, const struct conv_job *job, const float *rows, int64_t first,
                    int64_t pixels)
{
    const struct grid *g = &job->grid;
    for (int64_t p = 0; p < pixels; p++) {
        int64_t y = g->top + (first + p) / g->columns * g->spread;
        int64_t x = g->left + (first + p) % g->columns * g->spread;
        float *to = image + (y * job->W + x) * job->Co;
        for (int64_t o = 0; o < job->Co; o++) {
            to[o] = job->accumulate ? to[o] + rows[p * job->Co + o] : rows[p * job->Co + o];
        }
    }
}

static void conv_task(void *args, int64_t area)
{
    struct conv_job *job = args;
    const struct grid *g = &job->grid;
    int64_t K = g->taps * job->C;
    float *rows = job->scratch + area * job->area_floats;
    for (int64_t i = area; i < job->tasks; i += job->areas) {
        int64_t n = i / job->tasks_per_image, first = i % job->tasks_per_image * PIXELS;
        int64_t pixels = min_i64(PIXELS, g->rows * g->columns - first);
        float *image = job->out + n * job->H * job->W * job->Co;
        bool direct = g->spread == 1;
        float *out = direct ? image + first * job->Co : rows + PIXELS * K;
        gather(rows, g, job->in + n * job->h * job->w * job->C, first, pixels, job->h, job->w, job->C);
        if (K == 0) {
            memset(out, 0, (size_t)(pixels * job->Co) * sizeof *out);
        } else if (UDA_CPU(gemm_sequential)(false, true, pixels, job->Co, K, rows, K, job->packed, K,
                                            direct && job->accumulate, out, job->Co) != 0) {
            job->status[area] = UDA_DEVICE;
        }
        if (!direct) {
            scatter(image, job, out, first, pixels);
        }
    }
}

/* Workspace: weights [Co, taps C], and in each area rows [PIXELS, taps C] and, unless they go to their
 * places at once, results [PIXELS, Co]. */
static int convolve(struct uda_stream *stream, struct uda_conv_args *a, const struct grid *g, bool flip)
{
    int64_t C = flip ? a->Co : a->C, Co = flip ? a->C : a->Co;
    int64_t per_image = ceil_div(g->rows * g->columns, PIXELS), tasks = a->N * per_image;
    int64_t areas = min_i64(AREAS, tasks), packed = ceil_div(g->taps * a->C * a->Co, 16) * 16;
    int64_t area_floats = PIXELS * (g->taps * C + (g->spread > 1 ? Co : 0));
    if (a->ws.data == NULL) {
        size_t bytes = (size_t)(packed + areas * area_floats) * sizeof(float);
        a->ws.bytes = bytes > a->ws.bytes ? bytes : a->ws.bytes;
        return 0;
    }
    int64_t h = uda_conv_side(a->H, a->stride), w = uda_conv_side(a->W, a->stride);
    float *weights = a->ws.data;
    pack_weight(weights, g, a, flip);
    struct conv_job job = {.grid = *g, .h = flip ? h : a->H, .w = flip ? w : a->W, .H = flip ? a->H : h,
                           .W = flip ? a->W : w, .C = C, .Co = Co, .tasks = tasks,
                           .tasks_per_image = per_image, .areas = areas, .area_floats = area_floats,
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

int UDA_CPU(conv_fwd)(struct uda_stream *stream, struct uda_conv_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct grid g = grid_of_output(a);
    return convolve(stream, a, &g, false);
}

/* One grid for each place modulo the stride. */
int UDA_CPU(conv_bwd_input)(struct uda_stream *stream, struct uda_conv_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    for (int64_t i = 0; i < a->stride * a->stride; i++) {
        struct grid g = grid_of_input(a, i / a->stride, i % a->stride);
        UDA_TRY(convolve(stream, a, &g, true));
    }
    return 0;
}

/* Weight gradient: each share sums its stretches of pixels in order; the shares are added in
 * order. */
#define SHARES 8
#define STRETCH 256

struct weight_job {
    const struct uda_conv_args *a;
    struct grid grid;
    float *partial, *scratch; /* [SHARES, Co, taps C], [SHARES, STRETCH, taps C] */
    int64_t per_image, stretches;
    int status[SHARES];
};

static void weight_task(void *args, int64_t share)
{
    struct weight_job *job = args;
    const struct uda_conv_args *a = job->a;
    const struct grid *g = &job->grid;
    int64_t K = g->taps * a->C, pixels_per_image = g->rows * g->columns;
    float *partial = job->partial + share * a->Co * K, *rows = job->scratch + share * STRETCH * K;
    memset(partial, 0, (size_t)(a->Co * K) * sizeof *partial);
    for (int64_t i = share; i < job->stretches; i += SHARES) {
        int64_t n = i / job->per_image, first = i % job->per_image * STRETCH;
        int64_t pixels = min_i64(STRETCH, pixels_per_image - first);
        gather(rows, g, (const float *)a->x + n * a->H * a->W * a->C, first, pixels, a->H, a->W, a->C);
        const float *dy = (const float *)a->dy + (n * pixels_per_image + first) * a->Co;
        if (UDA_CPU(gemm_sequential)(true, false, a->Co, K, pixels, dy, a->Co, rows, K, true,
                                     partial, K) != 0) {
            job->status[share] = UDA_DEVICE;
        }
    }
}

static void weight_join(void *args, int64_t o)
{
    struct weight_job *job = args;
    const struct uda_conv_args *a = job->a;
    int64_t taps = job->grid.taps, K = taps * a->C;
    for (int64_t c = 0; c < a->C; c++) {
        for (int64_t tap = 0; tap < taps; tap++) {
            float sum = 0.0f;
            for (int64_t share = 0; share < SHARES; share++) {
                sum += job->partial[(share * a->Co + o) * K + tap * a->C + c];
            }
            float *dw = a->dw + (o * a->C + c) * taps + tap;
            *dw = a->accumulate ? *dw + sum : sum;
        }
    }
}

int UDA_CPU(conv_bwd_weight)(struct uda_stream *stream, struct uda_conv_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    int64_t K = a->kernel * a->kernel * a->C;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(SHARES * (a->Co + STRETCH) * K) * sizeof(float);
        return 0;
    }
    struct weight_job job = {.a = a, .grid = grid_of_output(a), .partial = a->ws.data};
    job.per_image = ceil_div(job.grid.rows * job.grid.columns, STRETCH);
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
