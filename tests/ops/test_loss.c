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
    int64_t before, M, height, width; /* targets: of the first of two images, of the last one */
    int64_t spare;                    /* room for more */
    int64_t points, candidates, important;
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
    int64_t first[3], pairs[2]; /* of the images */
    float *point, *candidate, *random; /* [candidates], [room, candidates], [room, free] points */
    uint8_t *mask;
    uint32_t *bits;
    int32_t *cls, *query, *target, *label;
    struct uda_targets targets[2];
    struct uda_targets_sent sent;
};

/* Spare rows are NaN or no index: nobody may read them. */
#define NO_INDEX (1 << 30)

static float *points(struct inputs *in, int64_t count, int64_t room, uint32_t sample)
{
    float *p = checked(uda_arena_alloc(&in->arena, (size_t)(2 * room + 2) * sizeof *p));
    struct uda_rng rng;
    uda_rng_init(&rng, 5, UDA_RNG_TEST, 1, 0, sample);
    for (int64_t i = 0; i < 2 * count; i++) {
        p[i] = uda_rng_uniform(&rng);
    }
    const float corner[] = {0.0f, 0.0f, 0x1.fffffep-1f, 0x1.fffffep-1f, 0.0f, 0x1.fffffep-1f, 0.5f, 0.0f};
    for (int64_t i = 0; i < 8 && count >= 8; i++) {
        p[i] = corner[i];
    }
    for (int64_t i = 2 * count; i < 2 * room; i++) {
        p[i] = NAN;
    }
    return p;
}

/* Targets of all images, one after the other. */
static void init_targets(struct inputs *in)
{
    const struct shape *s = in->s;
    int64_t before = s->N > 1 ? s->before : 0, T = before + s->M, room = T + s->spare;
    int64_t pixels = s->height * s->width, each = uda_mask_words(pixels);
    in->mask = checked(uda_arena_alloc(&in->arena, (size_t)(T * pixels) + 1));
    for (int64_t i = 0; i < T * pixels; i++) { /* blobs, not noise */
        in->mask[i] = (i % s->width / 3 + i / s->width / 3 + i / s->height / s->width) % 2 == 0;
    }
    in->bits = checked(uda_arena_alloc(&in->arena, (size_t)(T * each + 1) * sizeof *in->bits));
    for (int64_t m = 0; m < T; m++) {
        uda_mask_pack(in->bits + m * each, in->mask + m * pixels, pixels);
    }
    in->cls = checked(uda_arena_alloc(&in->arena, (size_t)(room + 1) * sizeof *in->cls));
    for (int64_t m = 0; m < room; m++) {
        in->cls[m] = m < T ? (int32_t)(m % s->K) : NO_INDEX;
    }
    for (int64_t n = 0; n < s->N; n++) {
        int64_t count = n == s->N - 1 ? s->M : before, at = in->first[n];
        in->first[n + 1] = at + count;
        in->pairs[n] = count < s->Q ? count : s->Q;
        in->targets[n] = (struct uda_targets){.count = count, .height = s->height, .width = s->width,
                                              .cls = in->cls + at, .mask = in->mask + at * pixels};
    }
    in->sent = (struct uda_targets_sent){.room = room, .height = s->height, .width = s->width,
                                         .first = in->first, .cls = in->cls, .mask = in->bits};
    in->point = points(in, s->candidates, s->candidates, 3);
    in->candidate = points(in, T * s->candidates, room * s->candidates, 1);
    in->random = points(in, T * (s->points - s->important), room * (s->points - s->important), 2);
}

/* Pairs of each image, and a class for each query. */
static void init_pairs(struct inputs *in)
{
    const struct shape *s = in->s;
    size_t words = (size_t)(in->sent.room + s->N * s->Q + 1) * sizeof(int32_t);
    in->query = checked(uda_arena_alloc(&in->arena, words));
    in->target = checked(uda_arena_alloc(&in->arena, words));
    in->label = checked(uda_arena_alloc(&in->arena, words));
    for (int64_t i = 0; i < in->sent.room; i++) {
        in->query[i] = in->target[i] = NO_INDEX;
    }
    for (int64_t n = 0; n < s->N; n++) {
        for (int64_t r = 0; r < in->pairs[n]; r++) {
            in->query[in->first[n] + r] = (int32_t)(r * s->Q / in->pairs[n]);
            in->target[in->first[n] + r] = (int32_t)(in->targets[n].count - 1 - r);
        }
    }
    for (int64_t i = 0; i < s->N * s->Q; i++) {
        in->label[i] = (int32_t)(i % 3 == 0 ? i / 3 % s->K : s->K);
    }
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
    init_targets(in);
    init_pairs(in);
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

/* The points of row r of image n: the most uncertain candidates, then the random ones. */
static void choose(float *chosen, const struct inputs *in, const double *x, int64_t n, int64_t r)
{
    const struct shape *s = in->s;
    int64_t target = in->first[n] + in->target[r];
    const float *candidate = in->candidate + target * s->candidates * 2;
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
    memcpy(chosen + 2 * kept, in->random + target * rest * 2, (size_t)(2 * rest) * sizeof *chosen);
    uda_free(size);
}

/* Adds BCE and dice of image n's rows at the chosen points, over the denominator. */
static void ref_image(double loss[2], const struct inputs *in, const double *x, int64_t n,
                      const float *chosen, double denominator)
{
    const struct shape *s = in->s;
    for (int64_t r = in->first[n]; r < in->first[n] + in->pairs[n]; r++) {
        struct map logits = logit_map(in, x, n, in->query[r]);
        struct map labels = label_map(in, in->first[n] + in->target[r]);
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

static void ref_mask(double loss[2], const struct inputs *in, const double *x, const float *chosen,
                     double denominator)
{
    loss[0] = loss[1] = 0.0;
    for (int64_t n = 0; n < in->s->N; n++) {
        ref_image(loss, in, x, n, chosen, denominator);
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
                                   .dice_weight = DICE_WEIGHT, .points = s->candidates, .point = in->point};
    for (int64_t n = 0; n < s->N && s->candidates > 0; n++) {
        uda_match_cost(&tape, cost, logits, e, f, n, &in->targets[n], &in->sent, &match);
    }
    const double denominator = DENOMINATOR;
    struct results got = {0};
    uda_class_loss(&tape, &got.cls, logits, in->label, NO_OBJECT, &denominator, CLASS_WEIGHT);
    struct uda_point_spec spec = {.points = s->points, .candidates = s->candidates,
                                  .important = s->important, .candidate = in->candidate,
                                  .random = in->random, .query = in->query, .target = in->target,
                                  .denominator = &denominator, .mask_weight = MASK_WEIGHT,
                                  .dice_weight = DICE_WEIGHT};
    for (int twice = 0; twice < 2; twice++) { /* the second adds to the gradients of the first */
        uda_mask_loss(&tape, &got.mask, &got.dice, e, f, in->targets, &in->sent, &spec);
    }
    uda_tape_backward(&tape);
    CHECK_OK(uda_tape_status(&tape, &err), &err);
    CHECK(in->sent.room == 0 || device.pool.used_bytes == 0);
    uda_tape_finish(&tape);
    uda_device_finish(&device);
    return got;
}

static double total_loss(const struct inputs *in, const double *x, const float *chosen)
{
    double mask[2];
    ref_mask(mask, in, x, chosen, DENOMINATOR);
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

/* What the matching costs of target m with query q of image n should be. */
static double ref_cost(const struct inputs *in, const double *x, int64_t n, int64_t q, int64_t m)
{
    const struct shape *s = in->s;
    struct map logits = logit_map(in, x, n, q), labels = label_map(in, in->first[n] + m);
    const double *cls = x + in->logit_at + (n * s->Q + q) * (s->K + 1);
    double P = (double)s->candidates, mask = 0.0, st = 0.0, sum = 1.0, total = 0.0;
    for (int64_t p = 0; p < s->candidates; p++) {
        double l = sample(&logits, in->point + 2 * p), t = sample(&labels, in->point + 2 * p);
        mask += (softplus(-l) * t + softplus(l) * (1.0 - t)) / P;
        st += sigmoid(l) * t;
        sum += sigmoid(l) + t;
    }
    for (int64_t k = 0; k <= s->K; k++) {
        total += exp(cls[k]);
    }
    return -(double)CLASS_WEIGHT * exp(cls[in->cls[in->first[n] + m]]) / total + (double)MASK_WEIGHT * mask +
           (double)DICE_WEIGHT * (1.0 - (2.0 * st + 1.0) / sum);
}

/* Costs of all images; what there is room for besides is as it was, 0. */
static void check_cost(const struct inputs *in, const double *x, const float *cost)
{
    const struct shape *s = in->s;
    for (int64_t n = 0; n < s->N && s->candidates > 0; n++) {
        int64_t M = in->targets[n].count;
        for (int64_t i = 0; i < s->Q * M; i++, cost++) {
            double expected = ref_cost(in, x, n, i / M, i % M);
            if (!(fabs((double)*cost - expected) <= 16 * EPS * s->scale * 10.0)) {
                (void)fprintf(stderr, "%s: cost[%lld] of image %lld = %.9g, expected %.9g\n", s->name,
                              (long long)i, (long long)n, (double)*cost, expected);
                check_failures++;
                return;
            }
        }
    }
    for (int64_t i = 0; i < s->Q * s->spare && s->candidates > 0; i++) {
        CHECK(cost[i] == 0.0f);
    }
}

static void check_case(const struct shape *s, const char *isa)
{
    struct inputs in;
    inputs_init(&in, s);
    size_t costs = (size_t)(s->Q * in.sent.room + 1) * sizeof(float);
    float *cost1 = checked(uda_arena_calloc(&in.arena, costs));
    float *cost3 = checked(uda_arena_calloc(&in.arena, costs));
    float *grad3 = checked(uda_arena_alloc(&in.arena, (size_t)in.total * sizeof *grad3));
    double *x = checked(uda_arena_alloc(&in.arena, (size_t)in.total * sizeof *x));
    float *chosen = checked(uda_arena_alloc(
        &in.arena, (size_t)((in.sent.room + 1) * (s->points + 1) * 2) * sizeof *chosen));
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
    for (int64_t n = 0; n < s->N; n++) {
        for (int64_t r = in.first[n]; r < in.first[n] + in.pairs[n]; r++) {
            choose(chosen + r * s->points * 2, &in, x, n, r);
        }
    }
    ref_mask(mask, &in, x, chosen, DENOMINATOR);
    double tolerance = 16 * EPS * s->scale * (1.0 + (double)(in.pairs[0] + in.pairs[1]));
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
    const double denominator = 0.4;
    uda_class_loss(&tape, &loss, logits, none, 0.1f, &denominator, 2.0f);
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
    uda_tape_finish(&tape);
    uda_device_finish(&device);
}

int main(void)
{
    static const struct shape cases[] = {
        {"small", 2, 7, 4, 4, 6, 3, 3, 5, 8, 12, 4, 16, 50, 12, false, 16},
        {"ties", 1, 4, 3, 5, 5, 2, 0, 2, 7, 9, 0, 12, 40, 9, true, 16},
        {"large", 1, 9, 32, 16, 12, 8, 0, 4, 64, 48, 0, 300, 900, 225, false, 64},
        {"no targets", 2, 3, 4, 4, 4, 2, 0, 0, 8, 8, 0, 16, 48, 12, false, 16},
        {"room for targets alone", 2, 3, 4, 4, 4, 2, 0, 0, 8, 8, 3, 16, 48, 12, false, 16},
        {"the last image without", 2, 3, 4, 4, 4, 2, 2, 0, 8, 8, 1, 16, 48, 12, false, 16},
        {"the first image without", 2, 3, 4, 4, 4, 2, 0, 2, 8, 8, 1, 16, 48, 12, false, 16},
        {"more targets than queries", 2, 3, 4, 4, 4, 2, 5, 4, 8, 8, 3, 16, 48, 12, false, 16},
        {"only random points", 1, 3, 4, 3, 4, 2, 0, 1, 6, 8, 2, 9, 0, 0, false, 16},
        {"only uncertain points", 1, 3, 4, 3, 4, 2, 0, 3, 6, 8, 0, 256, 700, 256, false, 16},
        {"one pixel", 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 3, 1, false, 16},
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
