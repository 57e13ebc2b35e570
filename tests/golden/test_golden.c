/*
 * The whole model against Hugging Face's Mask2Former in double: maps, predictions, matching,
 * losses, gradients, instances, ten steps of the optimiser. Made by tools/golden/generate.py.
 *
 *     test_golden [--device cuda] FILE.json ...
 *
 * Skipped on a device that is not there or lacks kernels.
 *
 * Tolerances are relative. Forward and losses 1e-5: about 60 dependent layers, each with rounding
 * eps sqrt(K) ~ 2^-24 16 of its size, add up to sqrt(60) 1e-6. Gradients 1e-4 of the norm, 1e-3 of
 * the largest for single values: twice as many layers, and the smallest gradients are differences
 * of larger ones. Optimiser 1e-4: an update divides by the square root of small second moments,
 * which amplifies the gradients' error, but moves a value by at most the learning rate.
 */
#include <stdlib.h>

#include "src/loss/criterion.h"
#include "src/model/mask2former.h"
#include "src/model/postprocess.h"
#include "src/optim/adamw.h"
#include "tests/check.h"
#include "tests/golden/values.h"

#define MAPS 16  /* projections of a map's digest */
#define PARAMS 10 /* of a parameter's */
#define IMAGES 4

struct golden {
    struct uda_json *root;
    const struct uda_json *config;
    uint64_t seed;
    int64_t images, height, width;
    struct uda_params params;
    struct uda_mask2former model;
    struct uda_criterion_config criterion;
    struct uda_device device;
    struct uda_tape tape;
    struct uda_arena arena;
    float *values, *grads; /* of the device */
    float *host;           /* a copy of either */
    float *pixels;
    struct uda_targets target[IMAGES];
    uint32_t *sign;
};

static int64_t integer(const struct uda_json *object, const char *key)
{
    return uda_json_integer(uda_json_get(object, key), 0);
}

static struct uda_model_config read_config(const struct uda_json *c)
{
    struct uda_model_config config = {.resnet = integer(c, "resnet") != 0,
                                      .embed_dim = integer(c, "embed_dim"),
                                      .window = integer(c, "window"),
                                      .hidden = integer(c, "hidden"),
                                      .mask_dim = integer(c, "mask_dim"),
                                      .encoder_layers = integer(c, "encoder_layers"),
                                      .encoder_ffn = integer(c, "encoder_ffn"),
                                      .heads_n = integer(c, "heads_n"),
                                      .points = 4,
                                      .groups = integer(c, "groups"),
                                      .decoder_layers = integer(c, "decoder_layers"),
                                      .decoder_ffn = integer(c, "decoder_ffn"),
                                      .queries = integer(c, "queries"),
                                      .classes = integer(c, "classes")};
    for (int i = 0; i < UDA_STAGES; i++) {
        config.depths[i] = uda_json_integer(uda_json_at(uda_json_get(c, "depths"), i), 0);
        config.heads[i] = uda_json_integer(uda_json_at(uda_json_get(c, "heads"), i), 0);
    }
    return config;
}

static void make_inputs(struct golden *g)
{
    int64_t pixels = g->height * g->width;
    const struct uda_json *counts = uda_json_get(g->config, "targets");
    g->images = uda_json_count(counts);
    g->pixels = uda_arena_alloc(&g->arena, (size_t)(g->images * pixels * 3) * sizeof *g->pixels);
    for (int64_t n = 0; n < g->images; n++) {
        int64_t count = uda_json_integer(uda_json_at(counts, n), 0);
        int32_t *cls = uda_arena_alloc(&g->arena, (size_t)count * sizeof *cls);
        uint8_t *mask = uda_arena_alloc(&g->arena, (size_t)(count * pixels));
        golden_image(g->pixels + n * pixels * 3, n, g->height, g->width, g->seed);
        golden_targets(cls, mask, n, count, g->height, g->width, g->model.config.classes, g->seed);
        g->target[n] = (struct uda_targets){
            .count = count, .height = g->height, .width = g->width, .cls = cls, .mask = mask};
    }
}

/* `count` values of the device where the test can read them, until teardown. */
static float *fetch(struct golden *g, const float *data, int64_t count)
{
    struct uda_err err = {0};
    float *copy = uda_arena_alloc(&g->arena, (size_t)count * sizeof *copy);
    CHECK_OK(uda_device_download(&g->device, copy, data, (size_t)count * sizeof *copy, &err), &err);
    return copy;
}

static float *zeros(struct golden *g)
{
    struct uda_err err = {0};
    void *data = NULL;
    CHECK_OK(uda_device_alloc(&data, &g->device, (size_t)g->params.total * sizeof(float), &err), &err);
    return data;
}

static bool setup(struct golden *g, const char *device, const char *path, int threads)
{
    struct uda_err err = {0};
    *g = (struct golden){0};
    CHECK_OK(uda_json_read(&g->root, path, &err), &err);
    if (g->root == NULL) {
        return false;
    }
    g->config = uda_json_get(g->root, "config");
    g->seed = (uint64_t)integer(g->config, "seed");
    g->height = integer(g->config, "height");
    g->width = integer(g->config, "width");
    struct uda_model_config config = read_config(g->config);
    uda_params_init(&g->params);
    uda_mask2former_build(&g->model, &g->params, &config);
    CHECK_OK(uda_params_status(&g->params, &err), &err);
    CHECK_OK(uda_device_init(&g->device, device, threads, &err), &err);
    uda_tape_init(&g->tape, &g->device);
    size_t bytes = (size_t)g->params.total * sizeof *g->values;
    g->values = zeros(g);
    g->grads = zeros(g);
    g->host = uda_calloc(bytes);
    g->sign = uda_alloc(GOLDEN_SIGNS * sizeof *g->sign);
    golden_weights(&g->params, g->host, g->seed);
    CHECK_OK(uda_device_upload(&g->device, g->values, g->host, bytes, &err), &err);
    golden_signs(g->sign, g->seed);
    g->tape.param_values = g->values;
    g->tape.param_grads = g->grads;
    g->criterion = uda_criterion_defaults();
    g->criterion.points = integer(g->config, "points");
    make_inputs(g);
    return err.code == UDA_OK;
}

static void teardown(struct golden *g)
{
    uda_tape_finish(&g->tape);
    uda_device_free(&g->device, g->values);
    uda_device_free(&g->device, g->grads);
    uda_device_finish(&g->device);
    uda_free(g->host);
    uda_free(g->sign);
    uda_arena_finish(&g->arena);
    uda_params_finish(&g->params);
    uda_json_destroy(&g->root);
}

/* The worst of many comparisons, with its name. */
struct worst {
    double value;
    char name[128];
};

static void keep_worst(struct worst *worst, double value, const char *name)
{
    if (value > worst->value || isnan(value)) {
        worst->value = value;
        (void)snprintf(worst->name, sizeof worst->name, "%s", name);
    }
}

static void report(const struct worst *worst, const char *what, double tolerance)
{
    (void)printf("%-22s %.2e (%s), allowed %.0e\n", what, worst->value, worst->name, tolerance);
    CHECK(worst->value <= tolerance);
}

static void compare_map(struct golden *g, struct worst *worst, const char *name, int index,
                        const float *host, int64_t count)
{
    char key[64];
    (void)snprintf(key, sizeof key, index >= 0 ? "%s%d" : "%s", name, index);
    const struct uda_json *digest = uda_json_get(uda_json_get(g->root, "maps"), key);
    CHECK(uda_json_count(digest) > 2 + MAPS);
    struct golden_error e = golden_compare(host, count, digest, MAPS, g->sign);
    keep_worst(worst, e.norm / e.size, key);
    keep_worst(worst, e.sample / e.largest, key);
}

/* Dense masks of prediction p: [N, Q, H/4 W/4]. */
static void compare_masks(struct golden *g, struct worst *worst,
                          const struct uda_predictions *predictions, int p)
{
    const struct uda_tensor *e = predictions->embed[p], *f = predictions->mask_features;
    int64_t N = e->dim[0], Q = e->dim[1], C = e->dim[2], plane = f->dim[1] * f->dim[2];
    float *masks = uda_alloc((size_t)(N * Q * plane) * sizeof *masks);
    const float *embed = fetch(g, e->data, e->count), *features = fetch(g, f->data, f->count);
    for (int64_t row = 0; row < N * Q; row++) {
        for (int64_t i = 0; i < plane; i++) {
            const float *a = embed + row * C, *b = features + (row / Q * plane + i) * C;
            float sum = 0.0f;
            for (int64_t c = 0; c < C; c++) {
                sum += a[c] * b[c];
            }
            masks[row * plane + i] = sum;
        }
    }
    compare_map(g, worst, "masks", p, masks, N * Q * plane);
    uda_free(masks);
}

static void check_maps(struct golden *g, const struct uda_predictions *predictions)
{
    struct worst backbone = {0}, pixel = {0}, logits = {0}, masks = {0};
    for (int i = 0; i < UDA_STAGES; i++) {
        const struct uda_tensor *x = predictions->stage[i];
        compare_map(g, &backbone, "stage", i, fetch(g, x->data, x->count), x->count);
    }
    for (int i = 0; i < 3; i++) {
        const struct uda_tensor *x = predictions->multi_scale[i];
        compare_map(g, &pixel, "multi_scale", i, fetch(g, x->data, x->count), x->count);
    }
    const struct uda_tensor *f = predictions->mask_features;
    compare_map(g, &pixel, "mask_features", -1, fetch(g, f->data, f->count), f->count);
    for (int p = 0; p < predictions->count; p++) {
        const struct uda_tensor *x = predictions->logits[p];
        compare_map(g, &logits, "logits", p, fetch(g, x->data, x->count), x->count);
        compare_masks(g, &masks, predictions, p);
    }
    report(&backbone, "backbone", 1e-5);
    report(&pixel, "pixel decoder", 1e-5);
    report(&logits, "logits", 1e-5);
    report(&masks, "masks", 1e-5);
}

static void check_matching(struct golden *g, const struct uda_predictions *predictions,
                           const struct uda_draws *draws)
{
    int64_t wrong = 0, pairs = 0;
    for (int p = 0; p < predictions->count; p++) {
        const struct uda_json *images = uda_json_at(uda_json_get(g->root, "matched"), p);
        for (int64_t n = 0; n < g->images; n++) {
            int32_t query[64], target[64];
            int64_t count = uda_criterion_match(&g->tape, &g->criterion, predictions, p, n,
                                                g->target, draws, query, target);
            const struct uda_json *expected = uda_json_at(images, n);
            wrong += uda_json_count(uda_json_at(expected, 0)) != count;
            for (int64_t i = 0; i < count; i++) {
                wrong += query[i] != uda_json_integer(uda_json_at(uda_json_at(expected, 0), i), -1);
                wrong += target[i] != uda_json_integer(uda_json_at(uda_json_at(expected, 1), i), -1);
            }
            pairs += count;
        }
    }
    (void)printf("%-22s %lld pairs, %lld wrong\n", "matching", (long long)pairs, (long long)wrong);
    CHECK(wrong == 0 && pairs > 0);
}

static void check_losses(struct golden *g, const struct uda_losses *losses)
{
    struct worst worst = {0};
    double total = uda_json_number(uda_json_get(g->root, "total"));
    keep_worst(&worst, fabs(losses->total / total - 1.0), "total");
    for (int p = 0; p < losses->predictions; p++) {
        const struct uda_json *row = uda_json_at(uda_json_get(g->root, "losses"), p);
        const double ours[] = {losses->ce[p], losses->mask[p], losses->dice[p]};
        for (int i = 0; i < 3; i++) {
            char name[64];
            (void)snprintf(name, sizeof name, "loss %d of prediction %d", i, p);
            keep_worst(&worst, fabs(ours[i] / uda_json_number(uda_json_at(row, i)) - 1.0), name);
        }
    }
    report(&worst, "losses", 1e-5);
}

static bool all_zero(const float *x, int64_t count)
{
    int64_t i = 0;
    while (i < count && x[i] == 0.0f) {
        i++;
    }
    return i == count;
}

static void check_parameters(struct golden *g, const float *x, const struct uda_json *digests,
                             const char *what, double norm_tolerance, double sample_tolerance)
{
    struct worst norm = {0}, sample = {0};
    char title[64];
    CHECK(uda_json_count(digests) == g->params.count);
    for (int i = 0; i < g->params.count; i++) {
        const struct uda_param *p = &g->params.item[i];
        const char *name = uda_json_text(uda_json_at(uda_json_get(g->root, "parameters"), i));
        CHECK(name != NULL && strcmp(name, p->name) == 0);
        if (p->frozen && uda_json_count(uda_json_at(digests, i)) == 0) { /* the reference has no gradient */
            CHECK(all_zero(x + p->offset, p->count));
            continue;
        }
        struct golden_error e = golden_compare(x + p->offset, p->count, uda_json_at(digests, i),
                                               PARAMS, g->sign);
        keep_worst(&norm, e.norm / e.size, p->name);
        keep_worst(&sample, e.sample / e.largest, p->name);
    }
    (void)snprintf(title, sizeof title, "%s, norm", what);
    report(&norm, title, norm_tolerance);
    (void)snprintf(title, sizeof title, "%s, samples", what);
    report(&sample, title, sample_tolerance);
}

/* Forward pass and losses of one step. */
static void forward(struct golden *g, uint32_t step, struct uda_predictions *predictions,
                    struct uda_losses *losses)
{
    struct uda_draws draws = {.seed = g->seed, .step = step};
    struct uda_normaliser norm = {0};
    uda_tape_begin(&g->tape, true);
    struct uda_tensor *image = uda_tape_input(&g->tape, g->pixels, 4,
                                              (int64_t[]){g->images, g->height, g->width, 3});
    uda_mask2former_forward(&g->tape, &g->model, image, &draws, predictions);
    uda_normaliser_add(&norm, &g->criterion, g->model.config.queries, g->target, g->images);
    uda_criterion(&g->tape, &g->criterion, predictions, g->target, &norm, &draws, losses);
}

static void check_instances(struct golden *g, const struct uda_predictions *predictions)
{
    static const enum uda_class classes[] = {UDA_PERSON, UDA_RIDER, UDA_CAR,        UDA_TRUCK,
                                             UDA_BUS,    UDA_TRAIN, UDA_MOTORCYCLE, UDA_BICYCLE};
    const struct uda_json *post = uda_json_get(g->config, "post");
    const struct uda_json *image = uda_json_get(post, "image"), *size = uda_json_get(post, "size");
    const struct uda_json *expected = uda_json_get(g->root, "instances");
    struct uda_err err = {0};
    struct uda_postprocess spec = {.top = integer(post, "top"),
                                   .classes = classes,
                                   .padded_height = g->height,
                                   .padded_width = g->width,
                                   .image_height = uda_json_integer(uda_json_at(image, 0), 0),
                                   .image_width = uda_json_integer(uda_json_at(image, 1), 0),
                                   .height = uda_json_integer(uda_json_at(size, 0), 0),
                                   .width = uda_json_integer(uda_json_at(size, 1), 0)};
    struct uda_detections set;
    uda_detections_init(&set, &g->arena);
    CHECK_OK(uda_detections_image(&set, "golden", spec.height, spec.width, &err), &err);
    CHECK_OK(uda_postprocess(&set, 0, &g->tape, predictions, 0, &spec, &err), &err);
    struct worst score = {0}, overlap = {0};
    int64_t at = 0;
    for (int64_t i = 0; i < uda_json_count(expected) && err.code == UDA_OK; i++) {
        const struct uda_json *row = uda_json_at(expected, i);
        double value = uda_json_number(uda_json_at(row, 2));
        if (value == 0.0) { /* an empty mask: left out */
            continue;
        }
        struct uda_rle mask;
        CHECK_OK(uda_rle_from_text(&mask, &g->arena, uda_json_text(uda_json_at(row, 3)),
                                   spec.height, spec.width, &err), &err);
        CHECK(at < set.image[0].count);
        if (at >= set.image[0].count || err.code != UDA_OK) {
            return;
        }
        const struct uda_detection *d = &set.image[0].item[at++];
        CHECK((int64_t)d->cls == uda_json_integer(uda_json_at(row, 1), -1));
        keep_worst(&score, fabs(d->score / value - 1.0), "score");
        keep_worst(&overlap, 1.0 - uda_rle_iou(&d->mask, &mask, false), "1 - IoU");
    }
    CHECK(at == set.image[0].count && at > 0);
    report(&score, "instance scores", 1e-5);
    /* a pixel flips only where the logit is within rounding of 0: none of 10^4 expected */
    report(&overlap, "instance masks", 1e-3);
}

/* Inference must say what training says, and leave nothing behind. */
static void check_inference(struct golden *g, const float *logits, int64_t count)
{
    struct uda_predictions predictions;
    struct uda_err err = {0};
    uda_tape_begin(&g->tape, false);
    struct uda_tensor *image = uda_tape_input(&g->tape, g->pixels, 4,
                                              (int64_t[]){g->images, g->height, g->width, 3});
    uda_mask2former_forward(&g->tape, &g->model, image, NULL, &predictions);
    CHECK_OK(uda_tape_status(&g->tape, &err), &err);
    const struct uda_tensor *final = predictions.logits[predictions.count - 1];
    CHECK(memcmp(fetch(g, final->data, count), logits, (size_t)count * sizeof *logits) == 0);
    size_t kept = (size_t)predictions.mask_features->count * sizeof(float);
    for (int p = 0; p < predictions.count; p++) {
        kept += (size_t)(predictions.logits[p]->count + predictions.embed[p]->count) * sizeof(float);
    }
    (void)printf("%-22s %zu bytes held for %zu of results\n", "inference",
                 uda_device_used_bytes(&g->device), kept);
    if (uda_json_count(uda_json_get(g->root, "instances")) > 0) {
        check_instances(g, &predictions);
    }
}

static void check_step(struct golden *g)
{
    struct uda_predictions predictions;
    struct uda_losses losses;
    struct uda_draws draws = {.seed = g->seed};
    struct uda_err err = {0};
    forward(g, 0, &predictions, &losses);
    CHECK_OK(uda_tape_status(&g->tape, &err), &err);
    if (err.code != UDA_OK) {
        return;
    }
    check_maps(g, &predictions);
    check_matching(g, &predictions, &draws);
    check_losses(g, &losses);
    const struct uda_tensor *final = predictions.logits[predictions.count - 1];
    int64_t count = final->count;
    const float *logits = fetch(g, final->data, count);
    uda_tape_backward(&g->tape);
    CHECK_OK(uda_tape_status(&g->tape, &err), &err);
    const float *grads = fetch(g, g->grads, g->params.total);
    check_parameters(g, grads, uda_json_get(g->root, "gradients"), "gradients", 1e-4, 1e-3);
    check_inference(g, logits, count);
}

static void check_optimiser(struct golden *g)
{
    const struct uda_json *o = uda_json_get(g->root, "optimiser");
    const struct uda_json *totals = uda_json_get(o, "totals"), *norms = uda_json_get(o, "norms");
    struct uda_adamw_config config = uda_adamw_defaults();
    size_t bytes = (size_t)g->params.total * sizeof(float);
    float *m = zeros(g), *v = zeros(g);
    struct worst loss = {0}, clip = {0};
    CHECK(config.weight_decay == uda_json_number(uda_json_get(o, "weight_decay")));
    CHECK(config.backbone_factor == uda_json_number(uda_json_get(o, "backbone_factor")));
    for (int64_t step = 0; step < uda_json_count(totals); step++) {
        struct uda_predictions predictions;
        struct uda_losses losses;
        struct uda_err err = {0};
        CHECK_OK(uda_device_clear(&g->device, g->grads, bytes, &err), &err);
        forward(g, (uint32_t)step, &predictions, &losses);
        uda_tape_backward(&g->tape);
        CHECK_OK(uda_tape_status(&g->tape, &err), &err);
        double *squares = uda_device_get(&g->device, sizeof *squares), norm = 0.0;
        CHECK_OK(uda_grad_squares(squares, &g->device, &g->params, g->grads, &err), &err);
        CHECK_OK(uda_adamw_step(&g->device, &g->params, &config,
                                uda_json_number(uda_json_get(o, "lr")), step + 1,
                                uda_json_number(uda_json_get(o, "clip")), squares, g->values,
                                g->grads, m, v, &err), &err);
        CHECK_OK(uda_device_download(&g->device, &norm, squares, sizeof norm, &err), &err);
        norm = sqrt(norm);
        char name[32];
        (void)snprintf(name, sizeof name, "step %lld", (long long)step);
        keep_worst(&loss, fabs(losses.total / uda_json_number(uda_json_at(totals, step)) - 1.0), name);
        keep_worst(&clip, fabs(norm / uda_json_number(uda_json_at(norms, step)) - 1.0), name);
    }
    report(&loss, "losses of all steps", 1e-4);
    report(&clip, "gradient norms", 1e-3);
    const float *values = fetch(g, g->values, g->params.total);
    check_parameters(g, values, uda_json_get(o, "values"), "parameters after", 1e-4, 1e-3);
    uda_device_free(&g->device, m);
    uda_device_free(&g->device, v);
}

/* One step again, on another number of threads, must give the same gradients, byte for byte. */
static void check_threads(const char *device, const char *path)
{
    struct golden one, three;
    struct uda_predictions predictions;
    struct uda_losses losses[2];
    if (setup(&one, device, path, 1) && setup(&three, device, path, 3)) {
        forward(&one, 0, &predictions, &losses[0]);
        uda_tape_backward(&one.tape);
        forward(&three, 0, &predictions, &losses[1]);
        uda_tape_backward(&three.tape);
        CHECK(uda_tape_ok(&one.tape) && uda_tape_ok(&three.tape));
        CHECK(memcmp(&losses[0], &losses[1], sizeof losses[0]) == 0);
        CHECK(memcmp(fetch(&one, one.grads, one.params.total), fetch(&three, three.grads, one.params.total),
                     (size_t)one.params.total * sizeof(float)) == 0);
        teardown(&three);
        teardown(&one);
    }
}

/* Is the device there, with every kernel? Says why not. */
static bool has_device(const char *name)
{
    struct uda_err err = {0};
    struct uda_device device;
    int rc = uda_device_init(&device, name, 1, &err);
    if (rc == 0) {
        rc = uda_device_complete(&device, &err);
        uda_device_finish(&device);
    }
    if (rc != 0) {
        (void)printf("%s\n", err.text);
    }
    return rc == 0;
}

int main(int argc, char **argv)
{
    bool given = argc > 2 && strcmp(argv[1], "--device") == 0;
    const char *device = given ? argv[2] : "cpu";
    if (!has_device(device)) {
        return 77;
    }
    for (int i = given ? 3 : 1; i < argc; i++) {
        struct golden g;
        if (setup(&g, device, argv[i], 2)) {
            check_step(&g);
            if (uda_json_count(uda_json_get(g.root, "optimiser")) > 0) {
                check_optimiser(&g);
            }
        }
        teardown(&g);
        check_threads(device, argv[i]);
    }
    return check_result();
}
