/*
 * The roots of the tape and the matching costs, against plain double loops: values, gradients by
 * central differences (the choice of points frozen, as no gradient passes it), bytes on 1 and 3
 * threads, on every instruction set.
 *
 * Tolerances: as tests/ops/harness.h, 16 eps scale of the largest value, scale covering the growth
 * over a dot product and the places of the points (a place of w cells is rounded to w 2^-24 and is
 * worth the step between two cells).
 */
#include "src/base/rng.h"
#include "src/ops/ops.h"
#include "tests/check.h"

#include <stdlib.h>

#define EPS 0x1p-24
#define STEP 1e-5

struct shape {
    const char *name;
    int64_t N, Q, C, H, W, K; /* K classes without no-object */
    int64_t M, height, width;
    int64_t R, points, candidates, important;
    bool zero; /* e = 0: every candidate ties */
    double scale;
};

static void *checked(void *block)
{
    if (block == NULL) {
        abort();
    }
    return block;
}

/* Everything a case needs, the same for every run. */
struct inputs {
    struct uda_arena arena;
    const struct shape *s;
    int64_t e_count, f_count, logit_count, f_at, logit_at, total;
    float *value, *grad, *zero; /* e, f, logits at 64-byte offsets */
    float *candidate, *random;
    uint8_t *mask;
    uint32_t *bits;
    int32_t *cls, *query, *target, *label;
    struct uda_targets targets;
};

static float *points(struct inputs *in, int64_t count, uint32_t sample)
{
    float *p = checked(uda_arena_alloc(&in->arena, (size_t)(2 * count + 2) * sizeof *p));
    struct uda_rng rng;
    uda_rng_init(&rng, 5, UDA_RNG_TEST, 1, 0, sample);
    for (int64_t i = 0; i < 2 * count; i++) {
        p[i] = uda_rng_uniform(&rng);
    }
    const float corner[] = {0.0f, 0.0f, 0x1.fffffep-1f, 0x1.fffffep-1f, 0.0f, 0x1.fffffep-1f, 0.5f, 0.0f};
    for (int64_t i = 0; i < 8 && count >= 8; i++) {
        p[i] = corner[i];
    }
    return p;
}

static void inputs_init(struct inputs *in, const struct shape *s)
{
    *in = (struct inputs){.s = s, .e_count = s->N * s->Q * s->C, .f_count = s->N * s->H * s->W * s->C,
                          .logit_count = s->N * s->Q * (s->K + 1)};
    in->f_at = (in->e_count + 15) / 16 * 16;
    in->logit_at = in->f_at + (in->f_count + 15) / 16 * 16;
    in->total = in->logit_at + in->logit_count;
    in->value = checked(uda_arena_calloc(&in->arena, (size_t)in->total * sizeof *in->value));
    in->grad = checked(uda_arena_calloc(&in->arena, (size_t)in->total * sizeof *in->grad));
    in->zero = checked(uda_arena_calloc(&in->arena, (size_t)in->total * sizeof *in->zero));
    struct uda_rng rng;
    uda_rng_init(&rng, 5, UDA_RNG_TEST, 0, 0, 0);
    float spread = 2.0f / sqrtf((float)s->C);
    for (int64_t i = 0; i < in->total; i++) {
        bool is_e = i < in->e_count;
        in->value[i] = is_e && s->zero ? 0.0f : (is_e ? spread : 1.0f) * uda_rng_normal(&rng);
    }
    in->candidate = points(in, s->M * s->candidates, 1); /* matching reads one set */
    in->random = points(in, s->M * (s->points - s->important), 2);
    int64_t pixels = s->M * s->height * s->width;
    in->mask = checked(uda_arena_alloc(&in->arena, (size_t)pixels + 1));
    for (int64_t i = 0; i < pixels; i++) { /* blobs, not noise */
        in->mask[i] = (i % s->width / 3 + i / s->width / 3 + i / s->height / s->width) % 2 == 0;
    }
    int64_t each = uda_mask_words(s->height * s->width);
    in->bits = checked(uda_arena_alloc(&in->arena, (size_t)(s->M * each + 1) * sizeof *in->bits));
    for (int64_t m = 0; m < s->M; m++) {
        uda_mask_pack(in->bits + m * each, in->mask + m * s->height * s->width, s->height * s->width);
    }
    size_t words = (size_t)(s->M + s->R + s->N * s->Q + 1) * sizeof(int32_t);
    in->cls = checked(uda_arena_alloc(&in->arena, words));
    in->query = checked(uda_arena_alloc(&in->arena, words));
    in->target = checked(uda_arena_alloc(&in->arena, words));
    in->label = checked(uda_arena_alloc(&in->arena, words));
    for (int64_t m = 0; m < s->M; m++) {
        in->cls[m] = (int32_t)(m % s->K);
    }
    for (int64_t r = 0; r < s->R; r++) {
        in->query[r] = (int32_t)(r * s->Q / s->R);
        in->target[r] = (int32_t)(s->M - 1 - r % s->M);
    }
    for (int64_t i = 0; i < s->N * s->Q; i++) {
        in->label[i] = (int32_t)(i % 3 == 0 ? i / 3 % s->K : s->K);
    }
    in->targets = (struct uda_targets){.count = s->M, .height = s->height, .width = s->width,
                                       .cls = in->cls, .mask = in->mask};
}

/* ---- reference ---- */

/* Bilinear sample with zeros outside of a map whose values are `stride` apart, by a function of the
 * pixel. */
struct map {
    const double *f, *e; /* value = dot(e, f[pixel]) over C, or ... */
    const uint8_t *mask; /* ... the mask's pixel */
    int64_t h, w, C;
};

static double pixel(const struct map *m, int64_t y, int64_t x)
{
    if (x < 0 || y < 0 || x >= m->w || y >= m->h) {
        return 0.0;
    }
    if (m->mask != NULL) {
        return (double)m->mask[y * m->w + x];
    }
    double sum = 0.0;
    for (int64_t c = 0; c < m->C; c++) {
        sum += m->e[c] * m->f[(y * m->w + x) * m->C + c];
    }
    return sum;
}

static double sample(const struct map *m, const float *point)
{
    double u = (double)point[0] * (double)m->w - 0.5, v = (double)point[1] * (double)m->h - 0.5;
    double x = floor(u), y = floor(v), lu = u - x, lv = v - y;
    int64_t xi = (int64_t)x, yi = (int64_t)y;
    return (1 - lv) * ((1 - lu) * pixel(m, yi, xi) + lu * pixel(m, yi, xi + 1)) +
           lv * ((1 - lu) * pixel(m, yi + 1, xi) + lu * pixel(m, yi + 1, xi + 1));
}

static double softplus(double x) { return fmax(x, 0.0) + log1p(exp(-fabs(x))); }
static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

static struct map logit_map(const struct inputs *in, const double *x, int64_t n, int64_t q)
{
    const struct shape *s = in->s;
    return (struct map){.e = x + (n * s->Q + q) * s->C, .f = x + in->f_at + n * s->H * s->W * s->C,
                        .h = s->H, .w = s->W, .C = s->C};
}

static struct map label_map(const struct inputs *in, int64_t m)
{
    const struct shape *s = in->s;
    return (struct map){.mask = in->mask + m * s->height * s->width, .h = s->height, .w = s->width};
}

/* The points of row r: the most uncertain candidates, then the random ones. */
static void choose(float *chosen, const struct inputs *in, const double *x, int64_t n, int64_t r)
{
    const struct shape *s = in->s;
    const float *candidate = in->candidate + in->target[r] * s->candidates * 2;
    struct map map = logit_map(in, x, n, in->query[r]);
    double *size = checked(uda_alloc((size_t)(s->candidates + 1) * sizeof *size));
    for (int64_t i = 0; i < s->candidates; i++) {
        size[i] = fabs(sample(&map, candidate + 2 * i));
    }
    int64_t kept = 0;
    for (int64_t i = 0; i < s->candidates; i++) {
        int64_t before = 0;
        for (int64_t k = 0; k < s->candidates; k++) {
            before += size[k] < size[i] || (size[k] == size[i] && k < i);
        }
        if (before < s->important) {
            memcpy(chosen + 2 * kept++, candidate + 2 * i, 2 * sizeof *chosen);
        }
    }
    int64_t rest = s->points - s->important;
    memcpy(chosen + 2 * kept, in->random + in->target[r] * rest * 2, (size_t)(2 * rest) * sizeof *chosen);
    uda_free(size);
}

/* BCE and dice of all rows at the chosen points, over the denominator. */
static void ref_mask(double loss[2], const struct inputs *in, const double *x, int64_t n,
                     const float *chosen, double denominator)
{
    const struct shape *s = in->s;
    loss[0] = loss[1] = 0.0;
    for (int64_t r = 0; r < s->R; r++) {
        struct map logits = logit_map(in, x, n, in->query[r]), labels = label_map(in, in->target[r]);
        double entropy = 0.0, st = 0.0, sum = 1.0;
        for (int64_t p = 0; p < s->points; p++) {
            const float *point = chosen + 2 * (r * s->points + p);
            double l = sample(&logits, point), t = sample(&labels, point);
            entropy += softplus(l) - l * t;
            st += sigmoid(l) * t;
            sum += sigmoid(l) + t;
        }
        loss[0] += entropy / (double)s->points / denominator;
        loss[1] += (1.0 - (2.0 * st + 1.0) / sum) / denominator;
    }
}

static double ref_class(const struct inputs *in, const double *x, float no_object, double denominator)
{
    const struct shape *s = in->s;
    double sum = 0.0;
    for (int64_t i = 0; i < s->N * s->Q; i++) {
        const double *logits = x + in->logit_at + i * (s->K + 1);
        double total = 0.0, w = in->label[i] == s->K ? (double)no_object : 1.0;
        for (int64_t k = 0; k <= s->K; k++) {
            total += exp(logits[k]);
        }
        sum += w * (log(total) - logits[in->label[i]]);
    }
    return sum / denominator;
}

/* ---- runs ---- */

#define DENOMINATOR 3.5
#define NO_OBJECT 0.1f
#define CLASS_WEIGHT 2.0f
#define MASK_WEIGHT 5.0f
#define DICE_WEIGHT 4.0f
#define IMAGE(s) ((s)->N - 1)

struct results {
    double cls, mask, dice;
};

/* The three losses and their gradient; e and f pass an op first, so that their gradients begin
 * unset. */
static struct results run(struct inputs *in, int threads, const char *isa, float *cost)
{
    const struct shape *s = in->s;
    struct uda_err err = {0};
    struct uda_device device;
    CHECK_OK(uda_device_init_cpu(&device, threads, isa, &err), &err);
    device.pool.slab_bytes = 1 << 20;
    struct uda_tape tape;
    uda_tape_init(&tape, &device);
    tape.param_values = in->value;
    tape.param_grads = in->grad;
    memset(in->grad, 0, (size_t)in->total * sizeof *in->grad);
    uda_tape_begin(&tape, true);
    int64_t ed[] = {s->N, s->Q, s->C}, fd[] = {s->N, s->H, s->W, s->C}, ld[] = {s->N, s->Q, s->K + 1};
    struct uda_tensor *e = uda_add(&tape, uda_tape_param(&tape, 0, 3, ed),
                                   uda_tape_constant(&tape, in->zero, 3, ed));
    struct uda_tensor *f = uda_add(&tape, uda_tape_param(&tape, in->f_at, 4, fd),
                                   uda_tape_constant(&tape, in->zero, 4, fd));
    struct uda_tensor *logits = uda_tape_param(&tape, in->logit_at, 3, ld);
    struct uda_match_spec match = {.cls_weight = CLASS_WEIGHT, .mask_weight = MASK_WEIGHT,
                                   .dice_weight = DICE_WEIGHT, .points = s->candidates,
                                   .point = in->candidate, .cls = in->cls, .mask = in->bits};
    if (s->candidates > 0) {
        uda_match_cost(&tape, cost, logits, e, f, IMAGE(s), &in->targets, &match);
    }
    struct results got = {0};
    uda_class_loss(&tape, &got.cls, logits, in->label, NO_OBJECT, DENOMINATOR, CLASS_WEIGHT);
    struct uda_matches matches = {.count = s->R, .query = in->query, .target = in->target};
    struct uda_point_spec spec = {.points = s->points, .candidates = s->candidates,
                                  .important = s->important, .candidate = in->candidate,
                                  .random = in->random, .mask = in->bits,
                                  .denominator = DENOMINATOR,
                                  .mask_weight = MASK_WEIGHT, .dice_weight = DICE_WEIGHT};
    for (int twice = 0; twice < 2; twice++) { /* the second adds to the gradients of the first */
        uda_mask_loss(&tape, &got.mask, &got.dice, e, f, IMAGE(s), &in->targets, &matches, &spec);
    }
    uda_tape_backward(&tape);
    CHECK_OK(uda_tape_status(&tape, &err), &err);
    CHECK(s->R == 0 || device.pool.used_bytes == 0);
    uda_tape_finish(&tape);
    uda_device_finish(&device);
    return got;
}

static double total_loss(const struct inputs *in, const double *x, const float *chosen)
{
    double mask[2];
    ref_mask(mask, in, x, IMAGE(in->s), chosen, DENOMINATOR);
    return (double)CLASS_WEIGHT * ref_class(in, x, NO_OBJECT, DENOMINATOR) +
           2.0 * ((double)MASK_WEIGHT * mask[0] + (double)DICE_WEIGHT * mask[1]);
}

static void check_gradient(const struct inputs *in, double *x, const float *chosen)
{
    const int64_t from[] = {0, in->f_at, in->logit_at};
    const int64_t count[] = {in->e_count, in->f_count, in->logit_count};
    for (int part = 0; part < 3; part++) {
        int64_t probes = count[part] < 150 ? count[part] : 60;
        double size = 1e-6, worst = 0.0;
        for (int64_t p = 0; p < probes; p++) {
            int64_t k = from[part] + (probes == count[part] ? p : p * 7919 % count[part]);
            double kept = x[k];
            x[k] = kept + STEP;
            double above = total_loss(in, x, chosen);
            x[k] = kept - STEP;
            double slope = (above - total_loss(in, x, chosen)) / (2 * STEP);
            x[k] = kept;
            size = fmax(size, fabs(slope));
            worst = fmax(worst, fabs(slope - (double)in->grad[k]));
        }
        if (!(worst <= 64 * EPS * in->s->scale * size + 1e-9)) {
            (void)fprintf(stderr, "%s: gradient of part %d is off by %g of %g\n", in->s->name, part,
                          worst, size);
            check_failures++;
        }
    }
}

static void check_cost(const struct inputs *in, const double *x, const float *cost)
{
    const struct shape *s = in->s;
    double P = (double)s->candidates;
    for (int64_t i = 0; i < s->Q * s->M && s->candidates > 0; i++) {
        int64_t q = i / s->M, m = i % s->M;
        struct map logits = logit_map(in, x, IMAGE(s), q), labels = label_map(in, m);
        const double *cls = x + in->logit_at + (IMAGE(s) * s->Q + q) * (s->K + 1);
        double mask = 0.0, st = 0.0, sum = 1.0, total = 0.0;
        for (int64_t p = 0; p < s->candidates; p++) {
            double l = sample(&logits, in->candidate + 2 * p), t = sample(&labels, in->candidate + 2 * p);
            mask += (softplus(-l) * t + softplus(l) * (1.0 - t)) / P;
            st += sigmoid(l) * t;
            sum += sigmoid(l) + t;
        }
        for (int64_t k = 0; k <= s->K; k++) {
            total += exp(cls[k]);
        }
        double expected = -(double)CLASS_WEIGHT * exp(cls[in->cls[m]]) / total +
                          (double)MASK_WEIGHT * mask +
                          (double)DICE_WEIGHT * (1.0 - (2.0 * st + 1.0) / sum);
        if (!(fabs((double)cost[i] - expected) <= 16 * EPS * s->scale * 10.0)) {
            (void)fprintf(stderr, "%s: cost[%lld] = %.9g, expected %.9g\n", s->name, (long long)i,
                          (double)cost[i], expected);
            check_failures++;
            return;
        }
    }
}

static void check_case(const struct shape *s, const char *isa)
{
    struct inputs in;
    inputs_init(&in, s);
    size_t costs = (size_t)(s->Q * s->M + 1) * sizeof(float);
    float *cost1 = checked(uda_arena_calloc(&in.arena, costs));
    float *cost3 = checked(uda_arena_calloc(&in.arena, costs));
    float *grad3 = checked(uda_arena_alloc(&in.arena, (size_t)in.total * sizeof *grad3));
    double *x = checked(uda_arena_alloc(&in.arena, (size_t)in.total * sizeof *x));
    float *chosen = checked(uda_arena_alloc(
        &in.arena, (size_t)((s->R + 1) * (s->points + 1) * 2) * sizeof *chosen));
    struct results three = run(&in, 3, isa, cost3);
    memcpy(grad3, in.grad, (size_t)in.total * sizeof *grad3);
    struct results one = run(&in, 1, isa, cost1);
    if (memcmp(&one, &three, sizeof one) != 0 || memcmp(cost1, cost3, costs) != 0 ||
        memcmp(grad3, in.grad, (size_t)in.total * sizeof *grad3) != 0) {
        (void)fprintf(stderr, "%s (%s): 1 and 3 threads differ\n", s->name, isa);
        check_failures++;
    }
    for (int64_t i = 0; i < in.total; i++) {
        x[i] = (double)in.value[i];
    }
    double mask[2];
    for (int64_t r = 0; r < s->R; r++) {
        choose(chosen + r * s->points * 2, &in, x, IMAGE(s), r);
    }
    ref_mask(mask, &in, x, IMAGE(s), chosen, DENOMINATOR);
    double tolerance = 16 * EPS * s->scale * (1.0 + (double)s->R);
    CHECK_CLOSE(one.mask, 2.0 * mask[0], tolerance);
    CHECK_CLOSE(one.dice, 2.0 * mask[1], tolerance);
    double cls = ref_class(&in, x, NO_OBJECT, DENOMINATOR);
    CHECK_CLOSE(one.cls, cls, 1e-12 * cls); /* summed in double */
    check_cost(&in, x, cost1);
    check_gradient(&in, x, chosen);
    uda_arena_finish(&in.arena);
}

/* Class loss of queries that are all no-object, and of far logits. */
static void check_class(void)
{
    struct uda_err err = {0};
    struct uda_device device;
    struct uda_tape tape;
    float value[12] = {60, -60, 0, 1, 2, 3, -1, -1, -1, 0, 0, 50}, grad[12] = {0};
    const int32_t none[4] = {2, 2, 2, 2};
    CHECK_OK(uda_device_init_cpu(&device, 1, NULL, &err), &err);
    uda_tape_init(&tape, &device);
    tape.param_values = value;
    tape.param_grads = grad;
    uda_tape_begin(&tape, true);
    struct uda_tensor *logits = uda_tape_param(&tape, 0, 3, (int64_t[]){1, 4, 3});
    double loss = 1.0, expected = 1.0;
    uda_class_loss(&tape, &loss, logits, none, 0.1f, 0.4, 2.0f);
    uda_tape_backward(&tape);
    CHECK_OK(uda_tape_status(&tape, &err), &err);
    for (int i = 0; i < 4; i++) {
        double sum = 0.0;
        for (int k = 0; k < 3; k++) {
            sum += exp((double)value[3 * i + k]);
        }
        expected += (double)0.1f / 0.4 * (log(sum) - (double)value[3 * i + 2]);
        for (int k = 0; k < 3; k++) {
            double p = exp((double)value[3 * i + k]) / sum - (k == 2 ? 1.0 : 0.0);
            CHECK_CLOSE(grad[3 * i + k], 2.0 * (double)0.1f / 0.4 * p, 2 * EPS);
        }
    }
    CHECK_CLOSE(loss, expected, 1e-12 * expected);
    uda_tape_begin(&tape, true);
    const int32_t wrong[2] = {0, 2};
    const struct uda_assign_spec spec = {.predictions = 1, .images = 1, .queries = 4, .classes = 2};
    uda_assign(&tape, &(struct uda_targets){.count = 2, .cls = wrong}, &spec);
    CHECK(uda_tape_status(&tape, &err) == UDA_SHAPE && strstr(err.text, "target 1 has class 2 of 2") != NULL);
    uda_tape_begin(&tape, true);
    uda_tape_finish(&tape);
    uda_device_finish(&device);
}

int main(void)
{
    static const struct shape cases[] = {
        {"small", 2, 7, 4, 4, 6, 3, 5, 8, 12, 2, 16, 50, 12, false, 16},
        {"ties", 1, 4, 3, 5, 5, 2, 2, 7, 9, 2, 12, 40, 9, true, 16},
        {"large", 1, 9, 32, 16, 12, 8, 4, 64, 48, 4, 300, 900, 225, false, 64},
        {"no matches", 2, 3, 4, 4, 4, 2, 1, 8, 8, 0, 16, 48, 12, false, 16},
        {"only random points", 1, 3, 4, 3, 4, 2, 1, 6, 8, 1, 9, 0, 0, false, 16},
        {"only uncertain points", 1, 3, 4, 3, 4, 2, 3, 6, 8, 3, 256, 700, 256, false, 16},
        {"one pixel", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 1, false, 16},
    };
    static const char *const isas[] = {"generic", "x86-64-v3", "x86-64-v4"};
    for (int i = 0; i < 3; i++) {
        for (int64_t k = 0; k < UDA_LEN(cases) && uda_kernels_cpu_named(isas[i]) != NULL; k++) {
            check_case(&cases[k], isas[i]);
        }
    }
    check_class();
    return check_result();
}
