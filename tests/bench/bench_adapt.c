/*
 * Time of one step of `adapt` with both mixes, on drawn inputs: what tools/gpu-check.sh prints.
 *
 *   bench_adapt MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS THREADS [DEVICE [PRECISION]]
 *
 * The trainer and the teacher's predictor are those of src/stage/adapt.c, and the host waits where it waits
 * there: the teacher becomes the average and predicts BATCH images, each with 20 instances found; the student
 * goes forward and backward through two parts of BATCH images, and is updated. Left out is what the host does
 * between the two, in front of the student: loading, colours and the mixing of images; the parts are drawn
 * before. Output: rows of tests/bench/bench.h.
 */
#include "src/base/rng.h"
#include "src/data/batch.h"
#include "src/optim/ema.h"
#include "src/stage/predictor.h"
#include "src/stage/trainer.h"
#include "tests/bench/bench.h"

#define MIXES 2
#define WARM_UP 3 /* a list of calls is kept, then made a graph, then launched */

enum part { TEACHER, STUDENT, STEP, PARTS };
static const char *const part_names[PARTS] = {"average and teacher", "student step", "adapt step"};

struct adapt {
    struct bench about;
    struct uda_trainer *trainer;
    struct uda_predictor *teacher;
    struct uda_image *image; /* [batch] what the teacher is asked about */
    struct uda_batch mixed[MIXES];
    struct uda_step_part part[MIXES];
    struct uda_steady found;
    double ms[PARTS][BENCH_STEPS_MOST + 1];
};

static void create_trainer(struct adapt *a)
{
    struct uda_err err = {0};
    const struct bench *b = &a->about;
    const struct uda_trainer_spec spec = {
        .model = b->model, .criterion = b->criterion, .adamw = uda_adamw_defaults(),
        .schedule = {.kind = UDA_SCHEDULE_CONSTANT, .base = 1e-4, .total = 1000}, .clip = 0.01, .shards = 1,
        .batch = b->batch, .threads = b->threads, .device = b->device, .type = b->type, .teacher = true,
        .seed = 1};
    bench_good(uda_trainer_create(&a->trainer, &spec, &err), &err);
}

static void create_teacher(struct adapt *a)
{
    struct uda_err err = {0};
    struct uda_device *device = uda_trainer_device(a->trainer);
    const struct uda_predictor_spec spec = {
        .model = a->about.model, .map = uda_class_map_all(), .producer = "teacher",
        .values = uda_trainer_teacher_there(a->trainer), .low = uda_trainer_teacher_low(a->trainer),
        .on = uda_device_is_host(device) ? NULL : device, .type = a->about.type,
        .detections = BENCH_TARGETS, .threads = a->about.threads};
    bench_good(uda_predictor_create(&a->teacher, &spec, &err), &err);
}

static void draw_mixes(struct adapt *a)
{
    const struct bench *b = &a->about;
    int64_t plane = b->height * b->width;
    struct bench_images images;
    struct uda_target *target = bench_needed(uda_calloc((size_t)(MIXES * b->batch) * sizeof *target));
    bench_images(&images, b, MIXES * b->batch);
    for (int64_t n = 0; n < MIXES * b->batch; n++) {
        target[n] = (struct uda_target){.count = BENCH_TARGETS, .cls = images.cls + n * BENCH_TARGETS,
                                        .masks = images.masks + n * BENCH_TARGETS * plane};
    }
    for (int64_t k = 0; k < MIXES; k++) {
        a->mixed[k] = (struct uda_batch){.images = b->batch, .height = b->height, .width = b->width,
                                         .pixels = images.pixels + k * b->batch * plane * 3,
                                         .target = target + k * b->batch};
        a->part[k] = (struct uda_step_part){.batch = &a->mixed[k], .weight = 0.5f};
    }
}

static void draw_views(struct adapt *a)
{
    const struct bench *b = &a->about;
    struct uda_rng rng;
    uda_rng_init(&rng, 2, UDA_RNG_TEST, 0, 0, 0);
    a->image = bench_needed(uda_calloc((size_t)b->batch * sizeof *a->image));
    for (int64_t n = 0; n < b->batch; n++) {
        uint8_t *rgb = bench_needed(uda_calloc((size_t)(b->height * b->width * 3)));
        for (int64_t i = 0; i < b->height * b->width * 3; i++) {
            rgb[i] = (uint8_t)uda_rng_below(&rng, 256);
        }
        a->image[n] = (struct uda_image){.rgb = rgb, .height = b->height, .width = b->width};
    }
}

static int load_view(void *args, int64_t i, struct uda_image *image, const char **name,
                     struct uda_arena *arena, struct uda_err *err)
{
    const struct adapt *a = args;
    (void)arena;
    (void)err;
    *image = a->image[i];
    *name = "target";
    return 0;
}

/* The teacher's instances, as the mixing would get them. */
static void ask_teacher(struct adapt *a)
{
    struct uda_err err = {0};
    struct uda_detections found;
    uda_steady_reset(&a->found);
    uda_detections_init(&found, &a->found.arena);
    bench_good(uda_predictor_run(a->teacher, &found, 0, a->about.batch, load_view, a, NULL, &err), &err);
}

static void adapt_step(struct adapt *a, int64_t t, int64_t slot)
{
    struct uda_err err = {0};
    struct uda_step_report report;
    double first = bench_now_ms();
    bench_good(uda_trainer_average(a->trainer, uda_ema_alpha(t, 0.999), &err), &err);
    ask_teacher(a);
    double asked = bench_now_ms();
    bench_good(uda_trainer_begin(a->trainer, a->part, MIXES, t, &err), &err);
    bench_good(uda_trainer_end(a->trainer, &report, &err), &err);
    double last = bench_now_ms();
    a->ms[TEACHER][slot] = asked - first;
    a->ms[STUDENT][slot] = last - asked;
    a->ms[STEP][slot] = last - first;
}

/* Returns whether every list of calls of the timed steps was launched as a graph. */
static bool run_steps(struct adapt *a)
{
    const struct uda_device *device = uda_trainer_device(a->trainer);
    for (int64_t t = 0; t < WARM_UP; t++) {
        adapt_step(a, t, 0);
    }
    struct uda_replay_counts before = uda_replay_counted(device);
    for (int64_t i = 1; i <= a->about.steps; i++) {
        adapt_step(a, WARM_UP + i - 1, i);
    }
    return bench_graphs(device, &before);
}

/* Values, gradients, two moments and the teacher, and in bf16 copies of values and teacher. */
static size_t array_bytes(const struct adapt *a)
{
    size_t each = 5 * sizeof(float) + (a->about.type == UDA_BF16 ? 2 * 2 : 0);
    return (size_t)uda_trainer_params(a->trainer)->total * each;
}

static void print_rows(struct adapt *a, bool graphs)
{
    const struct uda_device *device = uda_trainer_device(a->trainer);
    const struct bench *b = &a->about;
    double step_ms = 0.0;
    for (int part = 0; part < PARTS; part++) {
        bool alone = part == STEP && !uda_device_is_host(device) && !graphs;
        step_ms = bench_times(b, alone ? "adapt step, one by one" : part_names[part], a->ms[part],
                              b->steps + 1);
    }
    bench_figure(b, "images/s of the student", 3, 1e3 * (double)(MIXES * b->batch) / step_ms);
    bench_memory(b, device, uda_trainer_peak_bytes(a->trainer), array_bytes(a));
    bench_made_with(b, device);
}

int main(int argc, char **argv)
{
    static struct adapt a;
    bench_arguments(&a.about, argc, argv);
    create_trainer(&a);
    create_teacher(&a);
    draw_mixes(&a);
    draw_views(&a);
    bool graphs = run_steps(&a);
    print_rows(&a, graphs);
    uda_predictor_destroy(&a.teacher);
    uda_trainer_destroy(&a.trainer);
    uda_arena_finish(&a.found.arena);
    return 0;
}
