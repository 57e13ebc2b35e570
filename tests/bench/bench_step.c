/*
 * Time of one supervised training step, part by part, on drawn inputs: what tools/bench.sh prints.
 *
 *   bench_step MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS THREADS [DEVICE [PRECISION]]
 *
 * MODEL: a preset of src/model/config.h, as swin-t, resnet-50 or swin-demo. Output: one TSV row for each
 * part: part, median ms, p90 ms; then images/s and memory. Inputs and 20 elliptic targets an image are
 * drawn from the seed; nothing is read from disk. PRECISION: fp32, or bf16 on a GPU. There the parts wait for
 * the device to take their times; two more rows are steps that wait at their end alone, with the kernels of
 * forward and backward launched one by one, and as one graph (src/tensor/replay.h).
 */
#include "src/base/rng.h"
#include "src/loss/criterion.h"
#include "src/model/mask2former.h"
#include "src/optim/adamw.h"
#include "src/optim/low.h"
#include "src/stage/found.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define TARGETS 20
#define STEPS_MOST 200

enum part { BACKBONE, PIXEL_DECODER, MASK_DECODER, LOSSES, BACKWARD, UPDATE, STEP, ONE_BY_ONE, GRAPH, PARTS };
static const char *const part_names[PARTS] = {
    "backbone", "pixel decoder", "mask decoder", "losses", "backward", "update", "step", "step, one by one",
    "step, one graph"};

struct bench {
    struct uda_params params;
    struct uda_mask2former model;
    struct uda_device device;
    struct uda_tape tape;
    struct uda_criterion_config criterion;
    float *values, *grads, *m, *v, *pixels;
    int32_t *cls;
    uint8_t *masks;
    struct uda_targets *targets;
    struct uda_found found;
    int64_t height, width, batch;
    double ms[PARTS][STEPS_MOST];
};

static void stop_on(int rc, const struct uda_err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "bench: %s\n", err->text);
        exit(rc == (int)UDA_UNSUPPORTED ? 77 : 1);
    }
}

static void *needed(void *block)
{
    if (block == NULL) {
        (void)fprintf(stderr, "bench: out of memory\n");
        exit(1);
    }
    return block;
}

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void draw_targets(struct bench *b, int64_t n, struct uda_rng *rng)
{
    int64_t H = b->height, W = b->width;
    for (int64_t k = 0; k < TARGETS; k++) {
        float cy = uda_rng_uniform(rng) * (float)H, cx = uda_rng_uniform(rng) * (float)W;
        float u = uda_rng_uniform(rng), v = uda_rng_uniform(rng);
        float ry = 4.0f + u * u * (float)H / 4.0f, rx = 4.0f + v * v * (float)W / 4.0f;
        uint8_t *mask = b->masks + (n * TARGETS + k) * H * W;
        for (int64_t i = 0; i < H * W; i++) {
            float dy = ((float)(i / W) - cy) / ry, dx = ((float)(i % W) - cx) / rx;
            mask[i] = dy * dy + dx * dx < 1.0f;
        }
        b->cls[n * TARGETS + k] = (int32_t)uda_rng_below(rng, 8);
    }
    b->targets[n] = (struct uda_targets){.count = TARGETS, .height = H, .width = W,
                                         .cls = b->cls + n * TARGETS,
                                         .mask = b->masks + n * TARGETS * H * W};
}

/* Device memory with zeros. */
static float *zeros(struct bench *b)
{
    struct uda_err err = {0};
    void *data = NULL;
    stop_on(uda_device_alloc(&data, &b->device, (size_t)b->params.total * sizeof(float), &err), &err);
    return data;
}

/* After the values have changed. */
static int refresh(struct bench *b, struct uda_err *err)
{
    return b->tape.type == UDA_F32
               ? 0
               : uda_low_refresh(&b->device, &b->params, b->tape.param_low, b->values, err);
}

static void prepare(struct bench *b, const char *name, int64_t queries, int64_t points, int threads,
                    const char *device, const char *precision)
{
    struct uda_err err = {0};
    struct uda_model_config config;
    stop_on(uda_model_preset(&config, name, 8, &err), &err);
    if (queries > 0) {
        config.queries = queries;
    }
    uda_params_init(&b->params);
    uda_mask2former_build(&b->model, &b->params, &config);
    stop_on(uda_params_status(&b->params, &err), &err);
    stop_on(uda_device_init(&b->device, device, threads, &err), &err);
    stop_on(uda_device_complete(&b->device, &err), &err);
    uda_tape_init(&b->tape, &b->device);
    b->criterion = uda_criterion_defaults();
    b->criterion.points = points;
    size_t bytes = (size_t)b->params.total * sizeof(float);
    int64_t pixels = b->batch * b->height * b->width;
    float *initial = needed(uda_calloc(bytes));
    b->values = zeros(b);
    b->grads = zeros(b);
    b->m = zeros(b);
    b->v = zeros(b);
    stop_on(uda_found_init(&b->found, &b->device, 0, 1, 1, b->batch, &err), &err);
    b->pixels = needed(uda_calloc((size_t)pixels * 3 * sizeof(float)));
    b->masks = needed(uda_calloc((size_t)(pixels * TARGETS)));
    b->cls = needed(uda_calloc((size_t)(b->batch * TARGETS) * sizeof *b->cls));
    b->targets = needed(uda_calloc((size_t)b->batch * sizeof *b->targets));
    uda_params_initialise(&b->params, initial, 1);
    stop_on(uda_device_upload(&b->device, b->values, initial, bytes, &err), &err);
    if (strcmp(precision, "bf16") == 0) {
        b->tape.type = UDA_BF16;
        stop_on(uda_low_alloc(&b->tape.param_low, &b->device, &b->params, &err), &err);
        stop_on(refresh(b, &err), &err);
    }
    uda_free(initial);
    struct uda_rng rng;
    uda_rng_init(&rng, 1, UDA_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < pixels * 3; i++) {
        b->pixels[i] = uda_rng_normal(&rng);
    }
    for (int64_t n = 0; n < b->batch; n++) {
        draw_targets(b, n, &rng);
    }
    b->tape.param_values = b->values;
    b->tape.param_grads = b->grads;
}

/* The time when the device has done all there is; in a step without clocks between its parts, nothing. */
static void done(struct bench *b, double *at)
{
    struct uda_err err = {0};
    if (at != NULL) {
        stop_on(uda_device_synchronize(&b->device, &err), &err);
        *at = now_ms();
    }
}

static void queue_update(struct bench *b, int64_t step)
{
    struct uda_err err = {0};
    const struct uda_adamw_config adamw = uda_adamw_defaults();
    stop_on(uda_found_spoil(&b->found, &b->device, b->grads, &err), &err);
    stop_on(uda_grad_squares(b->found.squares, &b->device, &b->params, b->grads, &err), &err);
    stop_on(uda_adamw_step(&b->device, &b->params, &adamw, 1e-4, step + 1, 0.01, b->found.squares, b->values,
                           b->grads, b->m, b->v, &err), &err);
    stop_on(refresh(b, &err), &err);
}

/* Forward, losses, backward; part[1..5], unless NULL: when each was done. */
static void queue_gradients(struct bench *b, int64_t step, double *part)
{
    struct uda_err err = {0};
    struct uda_predictions p = {0};
    struct uda_normaliser norm = {0};
    const struct uda_draws draws = {.seed = 1, .step = (uint32_t)step};
    struct uda_tensor *features = NULL;
    int64_t dim[] = {b->batch, b->height, b->width, 3}, h[3], w[3];
    stop_on(uda_device_clear(&b->device, b->grads, (size_t)b->params.total * sizeof *b->grads, &err), &err);
    uda_tape_begin(&b->tape, true);
    struct uda_tensor *image = uda_tape_input(&b->tape, b->pixels, 4, dim);
    uda_mask2former_backbone(&b->tape, &b->model, image, &draws, p.stage);
    done(b, part != NULL ? part + 1 : NULL);
    uda_pixel_decoder_forward(&b->tape, &b->params, &b->model.pixel_decoder, p.stage, &features,
                              p.multi_scale, h, w);
    done(b, part != NULL ? part + 2 : NULL);
    uda_mask_decoder_forward(&b->tape, &b->params, &b->model.mask_decoder, p.multi_scale, h, w,
                             features, &p);
    done(b, part != NULL ? part + 3 : NULL);
    uda_normaliser_add(&norm, &b->criterion, b->model.config.queries, b->targets, b->batch);
    const struct uda_findings found = uda_found_there(&b->found, 0, 0);
    uda_criterion_queue(&b->tape, &b->criterion, &p, b->targets, &norm, &draws, &found);
    done(b, part != NULL ? part + 4 : NULL);
    uda_tape_backward(&b->tape);
    stop_on(uda_tape_status(&b->tape, &err), &err);
    done(b, part != NULL ? part + 5 : NULL);
}

static void one_step(struct bench *b, int64_t step)
{
    struct uda_err err = {0};
    double at[STEP + 1];
    done(b, &at[0]);
    stop_on(uda_found_clear(&b->found, &b->device, &err), &err);
    queue_gradients(b, step, at);
    queue_update(b, step);
    stop_on(uda_found_fetch(&b->found, &b->device, &err), &err);
    done(b, &at[6]);
    for (int part = 0; part < STEP; part++) {
        b->ms[part][step] = at[part + 1] - at[part];
    }
    b->ms[STEP][step] = at[6] - at[0];
}

/* As in training: the host waits once, for the report. */
static void whole_step(struct bench *b, int64_t i, enum part how)
{
    struct uda_err err = {0};
    int64_t step = STEPS_MOST + 2 * i + how;
    double first = now_ms();
    stop_on(uda_found_clear(&b->found, &b->device, &err), &err);
    if (how == GRAPH) {
        stop_on(uda_replay_begin(&b->device, 1, &err), &err);
    }
    queue_gradients(b, step, NULL);
    stop_on(uda_replay_end(&b->device, &err), &err);
    queue_update(b, step);
    stop_on(uda_found_fetch(&b->found, &b->device, &err), &err);
    b->ms[how][i] = now_ms() - first;
}

/* In turn, so that both see the same machine. A graph is made when its list comes for the second time. */
static void whole_steps(struct bench *b, int64_t steps)
{
    whole_step(b, 0, GRAPH);
    whole_step(b, 0, GRAPH);
    for (int64_t i = 0; i < steps; i++) {
        whole_step(b, i, ONE_BY_ONE);
        whole_step(b, i, GRAPH);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_row(const struct bench *b, const char *name, const char *part, const char *figures)
{
    (void)printf("%s\t%lldx%lld\t%lld\t%s\t%s\n", name, (long long)b->height, (long long)b->width,
                 (long long)b->batch, part, figures);
}

/* Rows of times end with the step as training does it. */
static void print_rows(struct bench *b, const char *name, int64_t steps)
{
    char figures[64];
    int parts = uda_device_is_host(&b->device) ? ONE_BY_ONE : PARTS;
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    double step_ms = 0.0;
    for (int part = 0; part < parts; part++) {
        double *ms = b->ms[part] + 1; /* the first step warms up */
        qsort(ms, (size_t)(steps - 1), sizeof *ms, ascending);
        step_ms = ms[(steps - 1) / 2];
        (void)snprintf(figures, sizeof figures, "%.1f\t%.1f", step_ms, ms[(steps - 1) * 9 / 10]);
        print_row(b, name, part_names[part], figures);
    }
    if (parts == PARTS) {
        (void)snprintf(figures, sizeof figures, "%lld\t", (long long)uda_replay_counted(&b->device).calls);
        print_row(b, name, "kernels of the graph", figures);
    }
    (void)snprintf(figures, sizeof figures, "%.3f\t", 1e3 * (double)b->batch / step_ms);
    print_row(b, name, "images/s", figures);
    (void)snprintf(figures, sizeof figures, "%.0f\t", (double)uda_device_peak_bytes(&b->device) / 1048576.0);
    print_row(b, name, "step memory MiB", figures);
    (void)snprintf(figures, sizeof figures, "%.0f\t", (double)usage.ru_maxrss / 1024.0);
    print_row(b, name, "peak memory MiB", figures);
}

int main(int argc, char **argv)
{
    if (argc < 9 || argc > 11) {
        (void)fprintf(stderr, "usage: bench_step MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS THREADS "
                              "[DEVICE [PRECISION]]\n");
        return 2;
    }
    static struct bench b;
    b.height = atoll(argv[2]);
    b.width = atoll(argv[3]);
    b.batch = atoll(argv[4]);
    int64_t steps = atoll(argv[7]) + 1;
    if (steps < 2 || steps > STEPS_MOST || b.batch < 1) {
        (void)fprintf(stderr, "bench: 1 to %d steps\n", STEPS_MOST - 1);
        return 2;
    }
    prepare(&b, argv[1], atoll(argv[5]), atoll(argv[6]), atoi(argv[8]), argc > 9 ? argv[9] : "cpu",
            argc > 10 ? argv[10] : "fp32");
    for (int64_t step = 0; step < steps; step++) {
        one_step(&b, step);
    }
    if (!uda_device_is_host(&b.device)) {
        whole_steps(&b, steps);
    }
    print_rows(&b, argv[1], steps);
    uda_tape_finish(&b.tape);
    uda_found_finish(&b.found, &b.device);
    uda_device_finish(&b.device);
    return 0;
}
