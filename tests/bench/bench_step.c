/*
 * Time of one supervised training step, part by part, on drawn inputs: what tools/bench.sh prints.
 *
 *   bench_step MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS THREADS [DEVICE [PRECISION]]
 *
 * MODEL: a preset of src/model/config.h, as swin-t, resnet-50 or swin-demo. PRECISION: fp32, or bf16 on a
 * GPU. Output: rows of tests/bench/bench.h: the parts' times, then images/s and memory. On a device the parts
 * wait for it to take their times; two more rows are steps that wait at their end alone, with the kernels of
 * forward and backward launched one by one, and as one graph (src/tensor/replay.h). Where a device has run no
 * graph there is no such row.
 */
#include "src/model/mask2former.h"
#include "src/optim/adamw.h"
#include "src/optim/low.h"
#include "src/stage/found.h"
#include "tests/bench/bench.h"

#define STEPS_MOST (BENCH_STEPS_MOST + 1)

enum part { BACKBONE, PIXEL_DECODER, MASK_DECODER, LOSSES, BACKWARD, UPDATE, STEP, ONE_BY_ONE, GRAPH, PARTS };
static const char *const part_names[PARTS] = {
    "backbone", "pixel decoder", "mask decoder", "losses", "backward", "update", "step", "step, one by one",
    "step, one graph"};

struct step {
    struct bench about;
    struct uda_params params;
    struct uda_mask2former model;
    struct uda_device device;
    struct uda_tape tape;
    float *values, *grads, *m, *v;
    struct bench_images images;
    struct uda_targets *targets;
    struct uda_found found;
    double ms[PARTS][STEPS_MOST];
};

/* Device memory with zeros. */
static float *zeros(struct step *b)
{
    struct uda_err err = {0};
    void *data = NULL;
    bench_good(uda_device_alloc(&data, &b->device, (size_t)b->params.total * sizeof(float), &err), &err);
    return data;
}

/* After the values have changed. */
static int refresh(struct step *b, struct uda_err *err)
{
    return b->tape.type == UDA_F32
               ? 0
               : uda_low_refresh(&b->device, &b->params, b->tape.param_low, b->values, err);
}

static void open_device(struct step *b)
{
    struct uda_err err = {0};
    uda_params_init(&b->params);
    uda_mask2former_build(&b->model, &b->params, &b->about.model);
    bench_good(uda_params_status(&b->params, &err), &err);
    bench_good(uda_device_init(&b->device, b->about.device, b->about.threads, &err), &err);
    bench_good(uda_device_complete(&b->device, &err), &err);
    uda_tape_init(&b->tape, &b->device);
    b->tape.type = b->about.type;
    bench_good(uda_found_init(&b->found, &b->device, 0, 1, 1, b->about.batch, &err), &err);
}

static void fill_arrays(struct step *b)
{
    struct uda_err err = {0};
    size_t bytes = (size_t)b->params.total * sizeof(float);
    float *initial = bench_needed(uda_calloc(bytes));
    b->values = zeros(b);
    b->grads = zeros(b);
    b->m = zeros(b);
    b->v = zeros(b);
    uda_params_initialise(&b->params, initial, 1);
    bench_good(uda_device_upload(&b->device, b->values, initial, bytes, &err), &err);
    uda_free(initial);
    if (b->tape.type == UDA_BF16) {
        bench_good(uda_low_alloc(&b->tape.param_low, &b->device, &b->params, &err), &err);
        bench_good(refresh(b, &err), &err);
    }
    b->tape.param_values = b->values;
    b->tape.param_grads = b->grads;
}

static void draw(struct step *b)
{
    int64_t H = b->about.height, W = b->about.width;
    bench_images(&b->images, &b->about, b->about.batch);
    b->targets = bench_needed(uda_calloc((size_t)b->about.batch * sizeof *b->targets));
    for (int64_t n = 0; n < b->about.batch; n++) {
        b->targets[n] = (struct uda_targets){.count = BENCH_TARGETS, .height = H, .width = W,
                                             .cls = b->images.cls + n * BENCH_TARGETS,
                                             .mask = b->images.masks + n * BENCH_TARGETS * H * W};
    }
}

/* The time when the device has done all there is; in a step without clocks between its parts, nothing. */
static void done(struct step *b, double *at)
{
    struct uda_err err = {0};
    if (at != NULL) {
        bench_good(uda_device_synchronize(&b->device, &err), &err);
        *at = bench_now_ms();
    }
}

static void queue_update(struct step *b, int64_t step)
{
    struct uda_err err = {0};
    const struct uda_adamw_config adamw = uda_adamw_defaults();
    bench_good(uda_found_spoil(&b->found, &b->device, b->grads, &err), &err);
    bench_good(uda_grad_squares(b->found.squares, &b->device, &b->params, b->grads, &err), &err);
    bench_good(uda_adamw_step(&b->device, &b->params, &adamw, 1e-4, step + 1, 0.01, b->found.squares,
                              b->values, b->grads, b->m, b->v, &err), &err);
    bench_good(refresh(b, &err), &err);
}

/* Forward, losses, backward; part[1..5], unless NULL: when each was done. */
static void queue_gradients(struct step *b, int64_t step, double *part)
{
    struct uda_err err = {0};
    struct uda_predictions p = {0};
    struct uda_normaliser norm = {0};
    const struct uda_draws draws = {.seed = 1, .step = (uint32_t)step};
    struct uda_tensor *features = NULL;
    int64_t dim[] = {b->about.batch, b->about.height, b->about.width, 3}, h[3], w[3];
    bench_good(uda_device_clear(&b->device, b->grads, (size_t)b->params.total * sizeof *b->grads, &err),
               &err);
    uda_tape_begin(&b->tape, true);
    struct uda_tensor *image = uda_tape_input(&b->tape, b->images.pixels, 4, dim);
    uda_mask2former_backbone(&b->tape, &b->model, image, &draws, p.stage);
    done(b, part != NULL ? part + 1 : NULL);
    uda_pixel_decoder_forward(&b->tape, &b->params, &b->model.pixel_decoder, p.stage, &features,
                              p.multi_scale, h, w);
    done(b, part != NULL ? part + 2 : NULL);
    uda_mask_decoder_forward(&b->tape, &b->params, &b->model.mask_decoder, p.multi_scale, h, w,
                             features, &p);
    done(b, part != NULL ? part + 3 : NULL);
    uda_normaliser_add(&norm, &b->about.criterion, b->model.config.queries, b->targets, b->about.batch);
    const struct uda_findings found = uda_found_there(&b->found, 0, 0);
    uda_criterion_queue(&b->tape, &b->about.criterion, &p, b->targets, &norm, &draws, &found);
    done(b, part != NULL ? part + 4 : NULL);
    uda_tape_backward(&b->tape);
    bench_good(uda_tape_status(&b->tape, &err), &err);
    done(b, part != NULL ? part + 5 : NULL);
}

static void one_step(struct step *b, int64_t step)
{
    struct uda_err err = {0};
    double at[STEP + 1];
    done(b, &at[0]);
    bench_good(uda_found_clear(&b->found, &b->device, &err), &err);
    queue_gradients(b, step, at);
    queue_update(b, step);
    bench_good(uda_found_fetch(&b->found, &b->device, &err), &err);
    done(b, &at[6]);
    for (int part = 0; part < STEP; part++) {
        b->ms[part][step] = at[part + 1] - at[part];
    }
    b->ms[STEP][step] = at[6] - at[0];
}

/* As in training: the host waits once, for the report. */
static void whole_step(struct step *b, int64_t i, enum part how)
{
    struct uda_err err = {0};
    int64_t step = STEPS_MOST + 2 * i + how;
    double first = bench_now_ms();
    bench_good(uda_found_clear(&b->found, &b->device, &err), &err);
    if (how == GRAPH) {
        bench_good(uda_replay_begin(&b->device, 1, &err), &err);
    }
    queue_gradients(b, step, NULL);
    bench_good(uda_replay_end(&b->device, &err), &err);
    queue_update(b, step);
    bench_good(uda_found_fetch(&b->found, &b->device, &err), &err);
    b->ms[how][i] = bench_now_ms() - first;
}

/* In turn, so that both see the same machine. A graph is made when its list comes for the second time.
 * Returns whether every one that was timed was launched as one. */
static bool whole_steps(struct step *b)
{
    whole_step(b, 0, GRAPH);
    whole_step(b, 0, GRAPH);
    struct uda_replay_counts before = uda_replay_counted(&b->device);
    for (int64_t i = 0; i <= b->about.steps; i++) {
        whole_step(b, i, ONE_BY_ONE);
        whole_step(b, i, GRAPH);
    }
    return bench_graphs(&b->device, &before);
}

/* Rows of times end with the step as training does it. */
static void print_rows(struct step *b, int parts)
{
    size_t bytes = (size_t)b->params.total * (4 * sizeof(float) + (b->tape.type == UDA_BF16 ? 2 : 0));
    double step_ms = 0.0;
    for (int part = 0; part < parts; part++) {
        step_ms = bench_times(&b->about, part_names[part], b->ms[part], b->about.steps + 1);
    }
    if (parts == PARTS) {
        bench_figure(&b->about, "kernels of the graph", 0, (double)uda_replay_counted(&b->device).calls);
    }
    bench_figure(&b->about, "images/s", 3, 1e3 * (double)b->about.batch / step_ms);
    bench_memory(&b->about, &b->device, uda_device_peak_bytes(&b->device), bytes);
    bench_made_with(&b->about, &b->device);
}

int main(int argc, char **argv)
{
    static struct step b;
    int parts = ONE_BY_ONE;
    bench_arguments(&b.about, argc, argv);
    open_device(&b);
    fill_arrays(&b);
    draw(&b);
    for (int64_t i = 0; i <= b.about.steps; i++) {
        one_step(&b, i);
    }
    if (!uda_device_is_host(&b.device)) {
        parts = whole_steps(&b) ? PARTS : GRAPH;
    }
    print_rows(&b, parts);
    uda_tape_finish(&b.tape);
    uda_found_finish(&b.found, &b.device);
    uda_device_finish(&b.device);
    return 0;
}
