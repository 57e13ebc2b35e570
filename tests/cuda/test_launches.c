/*
 * The criterion queues the same calls of kernels, with the same arguments to the byte, for all targets that
 * have the same room: a step that was captured once can be replayed for other targets. On the host harness.
 */
#include "kernels/cuda/table.h"
#include "src/base/hash.h"
#include "src/loss/criterion.h"
#include "tests/check.h"
#include "tests/cuda/grid.h"
#include "tests/cuda/host_backend.h"

#define IMAGES 3
#define QUERIES 5
#define CLASSES 3
#define CHANNELS 4
#define SIDE 4           /* of the mask features */
#define MASK (16 * SIDE * SIDE)
#define PREDICTIONS 2
#define MOST 16          /* targets of an image */

/* Calls since the last reset: how many, and a digest of names and arguments. */
static int64_t calls;
static struct uda_digest seen;

static void record(const char *kernel, const void *args, size_t bytes)
{
    const struct uda_digest part[] = {seen, uda_digest_of(kernel, strlen(kernel)),
                                      uda_digest_of(args, bytes)};
    seen = uda_digest_of(part, sizeof part);
    calls++;
}

#define UDA_KERNEL(kernel, args)                                                                   \
    static int see_##kernel(struct uda_stream *stream, struct args *a)                             \
    {                                                                                              \
        UDA_CLEAR_PADDING(a);                                                                      \
        record(#kernel, a, sizeof *a);                                                             \
        return uda_cuda_table.kernel(stream, a);                                                   \
    }
#include "kernels/kernels.def"
#undef UDA_KERNEL

static const struct uda_kernels seeing = {
    .name = "seeing",
#define UDA_KERNEL(kernel, args) .kernel = see_##kernel,
#include "kernels/kernels.def"
#undef UDA_KERNEL
};

/* Parameters stand for what a model predicts. */
#define EMBED (IMAGES * QUERIES * CHANNELS)
#define LOGITS (IMAGES * QUERIES * (CLASSES + 1))
#define FEATURES (IMAGES * SIDE * SIDE * CHANNELS)
#define TOTAL (PREDICTIONS * (EMBED + LOGITS) + FEATURES)

static struct uda_predictions predict(struct uda_tape *t)
{
    const int64_t e[] = {IMAGES, QUERIES, CHANNELS}, l[] = {IMAGES, QUERIES, CLASSES + 1};
    const int64_t f[] = {IMAGES, SIDE, SIDE, CHANNELS};
    struct uda_predictions p = {.count = PREDICTIONS};
    for (int i = 0; i < PREDICTIONS; i++) {
        p.embed[i] = uda_tape_param(t, i * (EMBED + LOGITS), 3, e);
        p.logits[i] = uda_tape_param(t, i * (EMBED + LOGITS) + EMBED, 3, l);
    }
    p.mask_features = uda_tape_param(t, PREDICTIONS * (EMBED + LOGITS), 4, f);
    return p;
}

/* The criterion and its backward for so many targets of each image; the digest of its calls. */
static struct uda_digest run(struct uda_tape *t, const int64_t count[IMAGES], struct uda_losses *losses)
{
    static uint8_t mask[MOST * MASK];
    static int32_t cls[MOST];
    struct uda_err err = {0};
    struct uda_targets targets[IMAGES];
    struct uda_normaliser norm = {0};
    struct uda_criterion_config config = uda_criterion_defaults();
    const struct uda_draws draws = {.seed = 4};
    config.points = 24;
    for (int64_t i = 0; i < MOST * MASK; i++) {
        mask[i] = (i / MASK + i % MASK / 8) % 3 == 0;
        cls[i % MOST] = (int32_t)(i % MOST % CLASSES);
    }
    for (int n = 0; n < IMAGES; n++) { /* one without targets need not know how large they would be */
        targets[n] = (struct uda_targets){.count = count[n], .height = count[n] > 0 ? 4 * SIDE : 0,
                                          .width = count[n] > 0 ? 4 * SIDE : 0, .cls = cls, .mask = mask};
    }
    uda_normaliser_add(&norm, &config, QUERIES, targets, IMAGES);
    uda_tape_begin(t, true);
    calls = 0;
    seen = (struct uda_digest){0};
    const struct uda_predictions predictions = predict(t);
    uda_criterion(t, &config, &predictions, targets, &norm, &draws, losses);
    uda_tape_backward(t);
    CHECK_OK(uda_tape_status(t, &err), &err);
    CHECK(calls > 0);
    return seen;
}

static void check_calls(void)
{
    static const int64_t same[][IMAGES] = {{3, 2, 0}, {0, 8, 0}, {1, 0, 0}, {0, 1, 7}, {2, 2, 2}};
    static const int64_t more[IMAGES] = {3, 5, 1}, none[IMAGES] = {0, 0, 0};
    float values[TOTAL];
    void *there[2] = {NULL, NULL};
    struct uda_err err = {0};
    struct uda_device device;
    struct uda_tape tape;
    struct uda_losses losses, last = {0};
    CHECK_OK(uda_device_init_backend(&device, host_backend(), 0, 1, &err), &err);
    device.kernels = &seeing;
    for (int i = 0; i < TOTAL; i++) {
        values[i] = (float)((i * 7919 + 13) % 1000 - 500) / 400.0f;
    }
    for (int i = 0; i < 2; i++) {
        CHECK_OK(uda_device_alloc(&there[i], &device, sizeof values, &err), &err);
    }
    CHECK_OK(uda_device_upload(&device, there[0], values, sizeof values, &err), &err);
    uda_tape_init(&tape, &device);
    tape.param_values = there[0];
    tape.param_grads = there[1];
    (void)run(&tape, more, &losses); /* memory is made once */
    const struct uda_digest first = run(&tape, same[0], &losses);
    int64_t first_calls = calls;
    for (int i = 1; i < UDA_LEN(same); i++) {
        CHECK(uda_digest_equal(run(&tape, same[i], &last), first) && calls == first_calls);
        CHECK(last.total > 0.0 && last.total != losses.total);
    }
    CHECK(!uda_digest_equal(run(&tape, more, &last), first));
    (void)run(&tape, none, &last);
    CHECK(calls < first_calls && last.mask[0] == 0.0 && last.ce[0] > 0.0);
    uda_tape_finish(&tape);
    uda_device_free(&device, there[0]);
    uda_device_free(&device, there[1]);
    uda_device_finish(&device);
}

static void check_room(void)
{
    static const int64_t room[] = {0, 8, 12, 16, 24, 32, 48, 64, 96, 128};
    for (int64_t targets = 0, i = 0; targets <= 128; targets++) {
        i += targets > room[i];
        CHECK(uda_criterion_room(targets) == room[i]);
    }
}

int main(void)
{
    check_room();
    check_calls();
    uda_grid_finish();
    return check_result();
}
