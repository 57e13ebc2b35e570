/*
 * One rank of two: a step in which only rank 1's image has a number that is none must end on both with
 * UDA_NONFINITE and with nothing updated, and the next step goes on with the same values on both.
 *
 *   spoiled DEVICE
 */
#include "src/base/hash.h"
#include "src/base/rng.h"
#include "src/stage/trainer.h"
#include "tests/check.h"

#define SIDE 32

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

static void test_spoiled(struct uda_trainer *trainer, const struct uda_dist *dist)
{
    static float pixels[SIDE * SIDE * 3];
    static uint8_t mask[SIDE * SIDE];
    const int32_t cls = 3;
    struct uda_target target = {.count = 1, .cls = &cls, .masks = mask};
    const struct uda_batch batch = {.images = 1, .height = SIDE, .width = SIDE, .pixels = pixels,
                                    .target = &target};
    const struct uda_step_part part = {&batch, 1.0f};
    struct uda_err err = {0};
    struct uda_step_report report;
    struct uda_rng rng;
    uda_rng_init(&rng, 4, UDA_RNG_TEST, 0, 0, (uint32_t)dist->rank);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        pixels[i] = uda_rng_normal(&rng);
        mask[i / 3] = i / 3 / SIDE < SIDE / 2;
    }
    struct uda_digest before = state(trainer), after[2];
    float kept = pixels[100];
    pixels[100] = dist->rank == 1 ? NAN : kept;
    CHECK(uda_trainer_step(trainer, &part, 1, 0, &report, &err) == UDA_NONFINITE);
    CHECK(uda_digest_equal(before, state(trainer)));
    uda_err_clear(&err);
    pixels[100] = kept;
    CHECK_OK(uda_trainer_step(trainer, &part, 1, 0, &report, &err), &err);
    after[dist->rank] = state(trainer);
    CHECK(!uda_digest_equal(before, after[dist->rank]));
    CHECK_OK(uda_dist_gather(dist, after, sizeof after[0], &err), &err);
    CHECK(uda_digest_equal(after[0], after[1]));
}

int main(int argc, char **argv)
{
    static const struct uda_dist_hooks hooks = {.stop_wanted = NULL};
    struct uda_err err = {0};
    struct uda_dist dist;
    struct uda_trainer *trainer = NULL;
    int rc = uda_dist_init(&dist, &hooks, &err);
    struct uda_trainer_spec spec = {.criterion = uda_criterion_defaults(), .adamw = uda_adamw_defaults(),
                                    .clip = 0.01, .shards = 2, .batch = 2, .threads = 1, .seed = 1,
                                    .stage = 5, .device = argc > 1 ? argv[1] : "cpu", .dist = &dist};
    spec.criterion.points = 64;
    spec.schedule = (struct uda_schedule){.kind = UDA_SCHEDULE_CONSTANT, .base = 1e-3, .total = 100};
    CHECK_OK(rc, &err);
    CHECK(dist.ranks == 2);
    if (rc == 0 && dist.ranks == 2) {
        CHECK_OK(uda_model_preset(&spec.model, "swin-demo", 8, &err), &err);
        CHECK_OK(uda_trainer_create(&trainer, &spec, &err), &err);
    }
    if (trainer != NULL) {
        test_spoiled(trainer, &dist);
        uda_trainer_destroy(&trainer);
    }
    uda_dist_leave(&dist);
    return check_result();
}
