/*
 * Training and prediction on a device whose memory the program cannot read (guard.c, by
 * UDA_CUDA_MODULE).
 *
 *     test_step            guard.so: the bytes of the CPU
 *     test_step --close    guard_cuda.so: close to the CPU, and the same bytes in other orders of threads
 *     test_step --bf16     guard_cuda.so: the same with bf16 activations
 */
#include "src/base/arena.h"
#include "src/base/hash.h"
#include "src/base/rng.h"
#include "src/model/mask2former.h"
#include "src/stage/predictor.h"
#include "src/stage/trainer.h"
#include "tests/check.h"
#include "tests/cuda/guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 2
#define HEIGHT 64
#define WIDTH 96
#define TARGETS 2
#define STEPS 4

struct drawn {
    float pixels[BATCH * HEIGHT * WIDTH * 3];
    int32_t cls[BATCH][TARGETS];
    uint8_t masks[BATCH][TARGETS * HEIGHT * WIDTH];
    struct uda_target target[BATCH];
    struct uda_batch batch;
};

static struct uda_batch *draw(struct drawn *d, int64_t step)
{
    struct uda_rng rng;
    uda_rng_init(&rng, 3, UDA_RNG_TEST, 0, (uint32_t)step, 0);
    for (int64_t i = 0; i < UDA_LEN(d->pixels); i++) {
        d->pixels[i] = uda_rng_normal(&rng);
    }
    memset(d->masks, 0, sizeof d->masks);
    for (int n = 0; n < BATCH; n++) {
        /* images without targets too; other numbers at steps 0, 2 and 3, in the same room */
        int64_t count = n == 0 ? (step % 3 == 1 ? 2 : 0) : 1 + step / 3 % 2;
        for (int64_t k = 0; k < count; k++) {
            d->cls[n][k] = (int32_t)uda_rng_below(&rng, 8);
            memset(&d->masks[n][(k * HEIGHT + uda_rng_below(&rng, HEIGHT - 8)) * WIDTH], 1, 8 * WIDTH);
        }
        d->target[n] = (struct uda_target){.count = count, .cls = d->cls[n], .masks = d->masks[n]};
    }
    d->batch = (struct uda_batch){.step = step, .images = BATCH, .height = HEIGHT, .width = WIDTH,
                                  .pixels = d->pixels, .target = d->target};
    return &d->batch;
}

static int load(void *args, int64_t i, struct uda_image *image, const char **name, struct uda_arena *arena,
                struct uda_err *err)
{
    static uint8_t rgb[HEIGHT * WIDTH * 3];
    (void)args;
    (void)arena;
    (void)err;
    for (int64_t k = 0; k < UDA_LEN(rgb); k++) {
        rgb[k] = (uint8_t)((k * 7 + i * 31) % 251);
    }
    *image = (struct uda_image){.height = HEIGHT, .width = WIDTH, .rgb = rgb};
    *name = "image";
    return 0;
}

/* Digest of what the teacher finds. */
static struct uda_digest predict(struct uda_trainer *trainer, const struct uda_trainer_spec *trained)
{
    struct uda_err err = {0};
    struct uda_device *device = uda_trainer_device(trainer);
    struct uda_predictor *predictor = NULL;
    struct uda_detections found;
    struct uda_arena arena = {0};
    struct uda_digest parts[512] = {{0, 0}};
    const struct uda_predictor_spec spec = {.model = trained->model, .map = uda_class_map_all(),
                                            .producer = "teacher", .detections = 40,
                                            .values = uda_trainer_teacher_there(trainer), .threads = 1,
                                            .on = uda_device_is_host(device) ? NULL : device,
                                            .type = trained->type, .low = uda_trainer_teacher_low(trainer)};
    uda_detections_init(&found, &arena);
    CHECK_OK(uda_predictor_create(&predictor, &spec, &err), &err);
    CHECK_OK(uda_predictor_run(predictor, &found, 0, 2, load, NULL, NULL, &err), &err);
    int64_t at = 0;
    for (int64_t i = 0; i < found.count; i++) {
        for (int64_t k = 0; k < found.image[i].count && at + 2 <= UDA_LEN(parts); k++) {
            const struct uda_detection *d = &found.image[i].item[k];
            parts[at++] = uda_digest_of(&d->score, sizeof d->score);
            parts[at++] = uda_digest_of(d->mask.counts, (size_t)d->mask.count * sizeof *d->mask.counts);
        }
    }
    CHECK(at > 0);
    uda_predictor_destroy(&predictor);
    uda_arena_finish(&arena);
    return uda_digest_of(parts, sizeof parts);
}

struct outcome {
    int64_t count; /* of values */
    float *values, *adam_m, *adam_v, *teacher;
    struct uda_digest found;
    struct uda_step_report report[STEPS];
};

static float *copy(const float *x, int64_t count)
{
    float *y = uda_calloc((size_t)count * sizeof *y);
    CHECK(y != NULL);
    memcpy(y, x, (size_t)count * sizeof *y);
    return y;
}

static void forget(struct outcome *o)
{
    uda_free(o->values);
    uda_free(o->adam_m);
    uda_free(o->adam_v);
    uda_free(o->teacher);
}

static struct uda_trainer_spec spec_of(const char *model, const char *device, enum uda_type type,
                                       int64_t shards)
{
    struct uda_err err = {0};
    struct uda_trainer_spec spec = {.criterion = uda_criterion_defaults(), .adamw = uda_adamw_defaults(),
                                    .clip = 0.01, .shards = shards, .batch = BATCH, .threads = 1, .seed = 3,
                                    .stage = 5, .device = device, .type = type, .teacher = true};
    CHECK_OK(uda_model_preset(&spec.model, model, 8, &err), &err);
    spec.model.drop_path = spec.model.resnet ? 0.0f : 0.2f;
    spec.criterion.points = 64;
    spec.schedule = (struct uda_schedule){.kind = UDA_SCHEDULE_CONSTANT, .base = 1e-3, .total = 100};
    return spec;
}

/* A step that waits once, at its end, and sends the images of `next` (NULL: none) before. blocks: what a
 * shard sends besides its images. early: these went up before the step. */
static void step_once(struct uda_trainer *trainer, const struct uda_step_part *part, int64_t t, int blocks,
                      bool early, const struct uda_batch *next, struct uda_step_report *report)
{
    struct uda_err err = {0};
    bool there = !uda_device_is_host(uda_trainer_device(trainer));
    const int64_t *counts = there ? guard_counted() : NULL;
    int64_t waits = counts != NULL ? counts[GUARD_WAITS] : 0;
    int64_t uploads = counts != NULL ? counts[GUARD_UPLOADS] : 0;
    CHECK_OK(uda_trainer_begin(trainer, part, 1, t, &err), &err);
    int64_t shards = uda_trainer_share(trainer).shards;
    CHECK(counts == NULL || counts[GUARD_UPLOADS] - uploads == (early ? blocks : 1 + blocks) * shards);
    CHECK(counts == NULL || counts[GUARD_WAITS] == waits);
    if (next != NULL) {
        CHECK_OK(uda_trainer_ahead(trainer, next, &err), &err);
    }
    CHECK_OK(uda_trainer_end(trainer, report, &err), &err);
    CHECK(counts == NULL || counts[GUARD_WAITS] - waits == 1);
}

/* Steps 0, 2 and 3 are one list of calls in each shard: run, made a graph, and launched again with other
 * targets. Then the teacher's second image. Nothing without graphs. */
static void check_graphs(struct uda_trainer *trainer, int64_t steps)
{
    const struct uda_replay_counts counts = uda_replay_counted(uda_trainer_device(trainer));
    const char *setting = getenv("UDA_CUDA_GRAPHS");
    bool off = setting != NULL && strcmp(setting, "0") == 0;
    bool there = !uda_device_is_host(uda_trainer_device(trainer));
    int64_t again = steps > 2 ? steps - 2 : 0;
    CHECK(uda_replay_refused(uda_trainer_device(trainer)) == NULL);
    CHECK(counts.launched == (off || !there ? 0 : again * uda_trainer_share(trainer).shards + 1));
}

static struct outcome train(const char *model, const char *device, enum uda_type type, int64_t shards,
                            int64_t steps)
{
    static struct drawn drawn[2], other;
    struct outcome o;
    struct uda_err err = {0};
    struct uda_trainer *trainer = NULL;
    const struct uda_trainer_spec spec = spec_of(model, device, type, shards);
    memset(&o, 0, sizeof o);
    CHECK_OK(uda_trainer_create(&trainer, &spec, &err), &err);
    if (trainer == NULL) {
        return o;
    }
    for (int64_t t = 0; t < steps; t++) {
        const struct uda_step_part part = {draw(&drawn[t % 2], t), 1.0f};
        /* the images of step 1 go up during step 0; what goes up during step 1 is not step 2's */
        const struct uda_batch *next = t == 0 ? draw(&drawn[1], 1) : t == 1 ? draw(&other, 9) : NULL;
        CHECK_OK(uda_trainer_average(trainer, t == 0 ? 0.0 : 0.9, &err), &err);
        int blocks = spec.model.drop_path > 0.0f ? 2 : 1; /* targets; drop path's factors */
        step_once(trainer, &part, t, blocks, t == 1, next, &o.report[t]);
    }
    if (steps > 0) {
        o.found = predict(trainer, &spec);
        check_graphs(trainer, steps);
    }
    CHECK_OK(uda_trainer_download(trainer, &err), &err);
    o.count = uda_trainer_params(trainer)->total;
    o.values = copy(uda_trainer_values(trainer), o.count);
    o.adam_m = copy(uda_trainer_adam_m(trainer), o.count);
    o.adam_v = copy(uda_trainer_adam_v(trainer), o.count);
    o.teacher = copy(uda_trainer_teacher(trainer), o.count);
    uda_trainer_destroy(&trainer);
    return o;
}

static struct uda_digest state(struct uda_trainer *trainer)
{
    struct uda_err err = {0};
    CHECK_OK(uda_trainer_download(trainer, &err), &err);
    size_t bytes = (size_t)uda_trainer_params(trainer)->total * sizeof(float);
    const struct uda_digest part[] = {uda_digest_of(uda_trainer_values(trainer), bytes),
                                      uda_digest_of(uda_trainer_adam_m(trainer), bytes),
                                      uda_digest_of(uda_trainer_adam_v(trainer), bytes)};
    return uda_digest_of(part, sizeof part);
}

/* The biases of two factors of the mask logits. */
static void set_biases(struct uda_trainer *trainer, float value)
{
    static const char *const names[] = {"sem_seg_head.pixel_decoder.mask_features.bias",
                                        "sem_seg_head.predictor.mask_embed.layers.2.bias"};
    struct uda_err err = {0};
    const struct uda_params *params = uda_trainer_params(trainer);
    for (int i = 0; i < UDA_LEN(names); i++) {
        int index = uda_params_find(params, names[i]);
        CHECK(index >= 0);
        for (int64_t k = 0; index >= 0 && k < params->item[index].count; k++) {
            uda_trainer_values(trainer)[params->item[index].offset + k] = value;
        }
    }
    CHECK_OK(uda_trainer_upload(trainer, &err), &err);
}

/* A step that must not count changes nothing, and the next one goes on. The number that is none: a pixel of
 * the last part's last image; infinite mask logits, whose losses and costs are infinite, but no gradient. */
static void test_nothing_updated(const char *device, int64_t shards)
{
    static struct drawn drawn[2];
    struct uda_err err = {0};
    struct uda_trainer *trainer = NULL;
    struct uda_step_report report;
    const struct uda_trainer_spec spec = spec_of("swin-demo", device, UDA_F32, shards);
    CHECK_OK(uda_trainer_create(&trainer, &spec, &err), &err);
    if (trainer == NULL) {
        return;
    }
    const struct uda_step_part part[] = {{draw(&drawn[0], 1), 1.0f}, {draw(&drawn[1], 2), 0.5f}};
    CHECK_OK(uda_trainer_step(trainer, part, 2, 0, &report, &err), &err);
    struct uda_digest before = state(trainer);
    drawn[1].pixels[UDA_LEN(drawn[1].pixels) - 1] = NAN;
    CHECK(uda_trainer_step(trainer, part, 2, 1, &report, &err) == UDA_NONFINITE);
    CHECK(strncmp(err.text, "step 1: ", 8) == 0);
    CHECK(uda_digest_equal(before, state(trainer)));
    uda_err_clear(&err);
    (void)draw(&drawn[1], 2);
    set_biases(trainer, 1e30f);
    before = state(trainer);
    CHECK(uda_trainer_step(trainer, part, 2, 1, &report, &err) == UDA_NONFINITE);
    CHECK(strstr(err.text, "matching cost of query 0 and target 0") != NULL);
    CHECK(uda_digest_equal(before, state(trainer)));
    uda_err_clear(&err);
    set_biases(trainer, 0.0f);
    before = state(trainer);
    CHECK_OK(uda_trainer_step(trainer, part, 2, 1, &report, &err), &err);
    CHECK(!uda_digest_equal(before, state(trainer)));
    uda_trainer_destroy(&trainer);
}

/* A child that touches the device's memory must die; one that touches nothing, live. */
static bool lives(const float *touched)
{
    pid_t child = fork();
    if (child == 0) {
        volatile float x = touched == NULL ? 0.0f : *touched;
        (void)x;
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_lock(void)
{
    struct uda_err err = {0};
    struct uda_device device;
    void *data = NULL;
    float value = 1.0f;
    CHECK_OK(uda_device_init(&device, "cuda", 1, &err), &err);
    CHECK_OK(uda_device_alloc(&data, &device, sizeof value, &err), &err);
    CHECK_OK(uda_device_upload(&device, data, &value, sizeof value, &err), &err);
    CHECK(lives(NULL) && !lives(data));
    uda_device_free(&device, data);
    uda_device_finish(&device);
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    CHECK(a->count > 0 && a->count == b->count);
    size_t bytes = (size_t)a->count * sizeof(float);
    CHECK(a->count == b->count && memcmp(a->values, b->values, bytes) == 0);
    CHECK(a->count == b->count && memcmp(a->adam_m, b->adam_m, bytes) == 0);
    CHECK(a->count == b->count && memcmp(a->adam_v, b->adam_v, bytes) == 0);
    CHECK(a->count == b->count && memcmp(a->teacher, b->teacher, bytes) == 0);
    CHECK(uda_digest_equal(a->found, b->found));
    CHECK(memcmp(a->report, b->report, sizeof a->report) == 0);
}

/* |a - b| / |b - from|, norms of vectors; from NULL: 0. */
static double apart(const float *a, const float *b, const float *from, int64_t count)
{
    double difference = 0.0, size = 0.0;
    for (int64_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i], s = (double)b[i] - (from == NULL ? 0.0 : (double)from[i]);
        difference += d * d;
        size += s * s;
    }
    return sqrt(difference / size);
}

static void report_apart(const char *what, double value, double tolerance)
{
    (void)printf("%-16s %.1e, allowed %.1e\n", what, value, tolerance);
    CHECK(value <= tolerance);
}

/*
 * Losses and gradients as tests/golden/test_golden.c derives: 1e-4 of a later step's loss, 1e-3 of its
 * gradients' norm, e = 1e-4 of a gradient. Adam moves a value by lr g / (|g| + eps), so an error of e rms(g)
 * changes the move by lr min(2, 2 e rms(g) / |g|): for normal g, sqrt(6.4 e) = 2.5e-2 of the moves.
 * Moments: e of adam_m and 2e of adam_v, but the moves of the second and third step change the gradients
 * too, by at most their share of the values: 1e-3.
 */
static void check_close(const struct outcome *a, const struct outcome *b, const struct outcome *start)
{
    CHECK(a->count > 0 && a->count == b->count && a->count == start->count);
    if (a->count != b->count || a->count != start->count) {
        return;
    }
    double loss = 0.0, norm = 0.0;
    for (int t = 0; t < STEPS; t++) {
        loss = fmax(loss, fabs(a->report[t].losses.total / b->report[t].losses.total - 1.0));
        norm = fmax(norm, fabs(a->report[t].grad_norm / b->report[t].grad_norm - 1.0));
        CHECK(a->report[t].losses.total > 0.0 && a->report[t].grad_norm > 0.0);
    }
    report_apart("losses", loss, 1e-4);
    report_apart("gradient norms", norm, 1e-3);
    report_apart("moves", apart(a->values, b->values, start->values, a->count), 2.5e-2);
    report_apart("teacher's moves", apart(a->teacher, b->teacher, start->values, a->count), 2.5e-2);
    report_apart("first moments", apart(a->adam_m, b->adam_m, NULL, a->count), 1e-3);
    report_apart("second moments", apart(a->adam_v, b->adam_v, NULL, a->count), 2e-3);
}

/* The worst parameter's |a - b| / |b|, among those that carry more than a hundredth of the mean size: the
 * others' gradients are what is left when larger terms cancel (keys' biases: all of it). */
static double worst_apart(const struct outcome *a, const struct outcome *b,
                          const struct uda_trainer_spec *spec)
{
    struct uda_params params;
    struct uda_mask2former model;
    double size = 0.0, worst = 0.0;
    const char *name = "";
    uda_params_init(&params);
    uda_mask2former_build(&model, &params, &spec->model);
    for (int64_t i = 0; i < b->count; i++) {
        size += (double)b->adam_m[i] * (double)b->adam_m[i];
    }
    double mean = sqrt(size / (double)params.elements);
    for (int i = 0; i < params.count; i++) {
        const struct uda_param *p = &params.item[i];
        double own = 0.0;
        for (int64_t k = 0; k < p->count; k++) {
            own += (double)b->adam_m[p->offset + k] * (double)b->adam_m[p->offset + k];
        }
        double far = apart(a->adam_m + p->offset, b->adam_m + p->offset, NULL, p->count);
        if (sqrt(own / (double)p->count) > 0.01 * mean && !(far <= worst)) {
            worst = far;
            name = p->name;
        }
    }
    (void)printf("furthest parameter: %s\n", name);
    uda_params_finish(&params);
    return worst;
}

/* One step on the CPU from weights that are rounded to bf16. */
static struct outcome train_rounded(const char *model, int64_t shards)
{
    static struct drawn drawn;
    struct outcome o;
    struct uda_err err = {0};
    struct uda_trainer *trainer = NULL;
    const struct uda_trainer_spec spec = spec_of(model, "cpu", UDA_F32, shards);
    memset(&o, 0, sizeof o);
    CHECK_OK(uda_trainer_create(&trainer, &spec, &err), &err);
    const struct uda_step_part part = {draw(&drawn, 0), 1.0f};
    o.count = uda_trainer_params(trainer)->total;
    for (int64_t i = 0; i < o.count; i++) {
        uint32_t bits;
        memcpy(&bits, uda_trainer_values(trainer) + i, sizeof bits);
        bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
        memcpy(uda_trainer_values(trainer) + i, &bits, sizeof bits);
    }
    CHECK_OK(uda_trainer_step(trainer, &part, 1, 0, &o.report[0], &err), &err);
    o.adam_m = copy(uda_trainer_adam_m(trainer), o.count);
    o.adam_v = copy(uda_trainer_adam_v(trainer), o.count);
    uda_trainer_destroy(&trainer);
    return o;
}

/*
 * bf16 activations against the CPU in fp32. How far one rounding of each layer carries is measured: the CPU's
 * step from weights that are rounded to bf16 and nothing else; depth is in it, and points, masks and matches
 * that turn on small differences. With bf16 activations a layer rounds its weights, its result and what
 * follows it, and the gradients of these two: five roundings, independent of each other: sqrt(5) times as
 * far. The loss is one number, which may come out close by chance: about 60 layers' roundings, each with the
 * root mean square of 2^-8 / sqrt(3) over a mantissa of 1 to 2, 1.7e-3: sqrt(60) times that.
 */
static double relative(double a, double b) { return fabs(a / b - 1.0); }

static void compare_bf16(const char *model, int64_t shards, int64_t steps)
{
    const struct uda_trainer_spec spec = spec_of(model, "cpu", UDA_F32, shards);
    CHECK(setenv("UDA_GRID", "descending", 1) == 0);
    struct outcome cpu = train(model, "cpu", UDA_F32, shards, 1), rounded = train_rounded(model, shards);
    struct outcome one = train(model, "cuda:1", UDA_BF16, shards, 1);
    struct outcome first = train(model, "cuda:1", UDA_BF16, shards, steps);
    CHECK(setenv("UDA_GRID", "shuffled", 1) == 0);
    struct outcome second = train(model, "cuda:1", UDA_BF16, shards, steps);
    check_same(&first, &second);
    double moments = apart(rounded.adam_m, cpu.adam_m, NULL, cpu.count);
    double squares = apart(rounded.adam_v, cpu.adam_v, NULL, cpu.count);
    report_apart("loss", relative(one.report[0].losses.total, cpu.report[0].losses.total), 1.3e-2);
    report_apart("gradient norm", relative(one.report[0].grad_norm, cpu.report[0].grad_norm),
                 sqrt(5.0) * moments);
    report_apart("first moments", apart(one.adam_m, cpu.adam_m, NULL, cpu.count), sqrt(5.0) * moments);
    report_apart("second moments", apart(one.adam_v, cpu.adam_v, NULL, cpu.count), sqrt(5.0) * squares);
    report_apart("one parameter", worst_apart(&one, &cpu, &spec),
                 sqrt(5.0) * worst_apart(&rounded, &cpu, &spec));
    forget(&cpu);
    forget(&rounded);
    forget(&one);
    forget(&first);
    forget(&second);
}

static void compare(const char *model, int64_t shards, bool close)
{
    CHECK(setenv("UDA_GRID", "descending", 1) == 0);
    struct outcome cpu = train(model, "cpu", UDA_F32, shards, STEPS);
    struct outcome first = train(model, "cuda:1", UDA_F32, shards, STEPS);
    if (!close) {
        check_same(&cpu, &first);
        CHECK(setenv("UDA_CUDA_GRAPHS", "0", 1) == 0);
        struct outcome single = train(model, "cuda:1", UDA_F32, shards, STEPS);
        CHECK(unsetenv("UDA_CUDA_GRAPHS") == 0);
        check_same(&first, &single);
        forget(&single);
    } else {
        CHECK(setenv("UDA_GRID", "shuffled", 1) == 0);
        struct outcome start = train(model, "cpu", UDA_F32, shards, 0);
        struct outcome second = train(model, "cuda:1", UDA_F32, shards, STEPS);
        check_close(&first, &cpu, &start);
        check_same(&first, &second);
        forget(&start);
        forget(&second);
    }
    forget(&cpu);
    forget(&first);
}

int main(int argc, char **argv)
{
    struct uda_err err = {0};
    struct uda_device device;
    if (uda_device_init(&device, "cuda", 1, &err) != 0) {
        (void)printf("%s\n", err.text);
        return 77;
    }
    uda_device_finish(&device);
    test_lock();
    if (argc > 1 && strcmp(argv[1], "--bf16") == 0) {
        compare_bf16("swin-demo", 2, 3);
        compare_bf16("resnet-demo", 1, 1);
        return check_result();
    }
    bool close = argc > 1 && strcmp(argv[1], "--close") == 0; /* slow: two shards only */
    for (int64_t shards = close ? 2 : 1; shards <= 2; shards++) {
        compare("swin-demo", shards, close);
        test_nothing_updated("cuda", shards);
        if (!close) {
            test_nothing_updated("cpu", shards);
        }
    }
    if (!close) { /* its kernels close to the CPU: a golden file through the harness */
        compare("resnet-demo", 2, false);
    }
    return check_result();
}
