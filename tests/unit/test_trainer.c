#include "src/stage/trainer.h"
#include "src/base/rng.h"
#include "tests/check.h"

#include <string.h>

#define BATCH 4
#define HEIGHT 32
#define WIDTH 64
#define TARGETS 3

/* A batch drawn from the step: pixels, and rectangles as targets. */
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
        int64_t count = uda_rng_below(&rng, TARGETS + 1);
        for (int64_t k = 0; k < count; k++) {
            int64_t y0 = uda_rng_below(&rng, HEIGHT - 8), x0 = uda_rng_below(&rng, WIDTH - 8);
            d->cls[n][k] = (int32_t)uda_rng_below(&rng, 8);
            for (int64_t y = y0; y < y0 + 8; y++) {
                memset(&d->masks[n][(k * HEIGHT + y) * WIDTH + x0], 1, 8);
            }
        }
        d->target[n] = (struct uda_target){.count = count, .cls = d->cls[n], .masks = d->masks[n]};
    }
    d->batch = (struct uda_batch){.step = step, .images = BATCH, .height = HEIGHT, .width = WIDTH,
                                  .pixels = d->pixels, .target = d->target};
    return &d->batch;
}

static struct uda_trainer_spec spec_of(int64_t shards, int threads)
{
    struct uda_err err = {0};
    struct uda_trainer_spec spec = {.criterion = uda_criterion_defaults(),
                                    .adamw = uda_adamw_defaults(), .clip = 0.01, .shards = shards,
                                    .batch = BATCH, .threads = threads, .seed = 1, .stage = 5};
    CHECK_OK(uda_model_preset(&spec.model, "swin-demo", 8, &err), &err);
    spec.model.drop_path = 0.2f;
    spec.criterion.points = 64;
    spec.schedule = (struct uda_schedule){.kind = UDA_SCHEDULE_CONSTANT, .base = 1e-3, .total = 100};
    return spec;
}

/* Digest of all values and moments after `steps` steps; system allocations of the later half in
 * *allocations. */
static struct uda_digest train(int64_t shards, int threads, int64_t steps, int64_t *allocations)
{
    static struct drawn drawn;
    struct uda_err err = {0};
    struct uda_trainer *trainer = NULL;
    struct uda_step_report report;
    struct uda_trainer_spec spec = spec_of(shards, threads);
    struct uda_digest part[3] = {{0, 0}};
    CHECK_OK(uda_trainer_create(&trainer, &spec, &err), &err);
    if (trainer == NULL) {
        return part[0];
    }
    int64_t before = 0;
    for (int64_t t = 0; t < steps; t++) {
        if (t == steps / 2) {
            before = uda_alloc_count();
        }
        CHECK_OK(uda_trainer_step(trainer, &(struct uda_step_part){draw(&drawn, t), 1.0f}, 1, t,
                                  &report, &err), &err);
    }
    *allocations = uda_alloc_count() - before;
    size_t bytes = (size_t)uda_trainer_params(trainer)->total * sizeof(float);
    part[0] = uda_digest_of(uda_trainer_values(trainer), bytes);
    part[1] = uda_digest_of(uda_trainer_adam_m(trainer), bytes);
    part[2] = uda_digest_of(uda_trainer_adam_v(trainer), bytes);
    uda_trainer_destroy(&trainer);
    return uda_digest_of(part, sizeof part);
}

/* Bytes depend on the number of shards alone, and a steady step asks the system for nothing. */
static void test_same_bytes(void)
{
    static const int threads[] = {1, 2, 3, 4};
    for (int64_t shards = 1; shards <= 4; shards *= 2) {
        int64_t allocations = 0;
        struct uda_digest first = train(shards, threads[0], 8, &allocations);
        CHECK(UDA_SEPARATE_BLOCKS || allocations == 0);
        for (int64_t i = 1; i < UDA_LEN(threads); i++) {
            CHECK(uda_digest_equal(first, train(shards, threads[i], 8, &allocations)));
            CHECK(UDA_SEPARATE_BLOCKS || allocations == 0);
        }
    }
}

static void test_refusals(void)
{
    struct uda_err err = {0};
    struct uda_trainer *trainer = NULL;
    struct uda_trainer_spec spec = spec_of(3, 1);
    CHECK(uda_trainer_create(&trainer, &spec, &err) == UDA_MANIFEST && trainer == NULL);
    uda_err_clear(&err);
    spec = spec_of(8, 1);
    CHECK(uda_trainer_create(&trainer, &spec, &err) == UDA_MANIFEST);
    uda_err_clear(&err);
    /* A diverged model stops before it touches the weights, and the step is named. */
    static struct drawn drawn;
    struct uda_step_report report;
    spec = spec_of(1, 1);
    CHECK_OK(uda_trainer_create(&trainer, &spec, &err), &err);
    struct uda_batch *batch = draw(&drawn, 0);
    batch->pixels[0] = NAN;
    size_t bytes = (size_t)uda_trainer_params(trainer)->total * sizeof(float);
    struct uda_digest before = uda_digest_of(uda_trainer_values(trainer), bytes);
    const struct uda_step_part part = {batch, 1.0f};
    CHECK(uda_trainer_step(trainer, &part, 1, 41, &report, &err) == UDA_NONFINITE);
    CHECK(strstr(err.text, "41") != NULL);
    CHECK(uda_digest_equal(before, uda_digest_of(uda_trainer_values(trainer), bytes)));
    uda_trainer_destroy(&trainer);
}

/* Two equal parts of half weight are one part: the same gradient up to rounding, drawn with other
 * points. Checked where no point is drawn: without targets only the class loss is left. */
static void test_parts(void)
{
    static struct drawn drawn;
    struct uda_err err = {0};
    struct uda_step_report one, two;
    struct uda_trainer *a = NULL, *b = NULL;
    struct uda_trainer_spec spec = spec_of(2, 2);
    spec.model.drop_path = 0.0f;
    CHECK_OK(uda_trainer_create(&a, &spec, &err), &err);
    CHECK_OK(uda_trainer_create(&b, &spec, &err), &err);
    struct uda_batch *batch = draw(&drawn, 0);
    for (int n = 0; n < BATCH; n++) {
        drawn.target[n].count = 0;
    }
    const struct uda_step_part whole = {batch, 1.0f}, half[] = {{batch, 0.5f}, {batch, 0.5f}};
    CHECK_OK(uda_trainer_step(a, &whole, 1, 0, &one, &err), &err);
    CHECK_OK(uda_trainer_step(b, half, 2, 0, &two, &err), &err);
    CHECK_CLOSE(two.losses.total, one.losses.total, 1e-6 * one.losses.total);
    CHECK_CLOSE(two.grad_norm, one.grad_norm, 1e-5 * one.grad_norm); /* rounding of two float sums */
    CHECK(uda_trainer_step(a, half, UDA_STEP_PARTS + 1, 1, &one, &err) == UDA_SHAPE);
    uda_trainer_destroy(&a);
    uda_trainer_destroy(&b);
}

int main(void)
{
    test_parts();
    test_same_bytes();
    test_refusals();
    return check_result();
}
