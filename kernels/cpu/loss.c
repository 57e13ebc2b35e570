#include "kernels/cpu/points.h"

#include "src/base/err.h"

#include <math.h>

#define BLOCK UDA_POINT_BLOCK
/* Scratch areas; each serves its share of the rows. A constant, so that shares do not depend on
 * threads. */
#define AREAS 32

/* ---- class loss: a few hundred rows, in double ---- */

/* log sum exp of a row. */
static double log_sum(const float *x, int64_t K)
{
    double top = (double)x[0], sum = 0.0;
    for (int64_t k = 1; k < K; k++) {
        top = (double)x[k] > top ? (double)x[k] : top;
    }
    for (int64_t k = 0; k < K; k++) {
        sum += exp((double)x[k] - top);
    }
    return top + log(sum);
}

int UDA_CPU(class_loss_fwd)(struct uda_stream *stream, struct uda_class_loss_args *a)
{
    (void)stream;
    double sum = 0.0;
    for (int64_t row = 0; row < a->rows; row++) {
        const float *x = a->logits + row * a->K;
        double w = a->target[row] == a->K - 1 ? (double)a->no_object : 1.0;
        sum += w * (log_sum(x, a->K) - (double)x[a->target[row]]);
    }
    *a->loss += sum / *a->denominator;
    return 0;
}

int UDA_CPU(class_loss_bwd)(struct uda_stream *stream, struct uda_class_loss_args *a)
{
    (void)stream;
    for (int64_t row = 0; row < a->rows; row++) {
        const float *x = a->logits + row * a->K;
        float *dx = a->dlogits + row * a->K;
        double w = a->target[row] == a->K - 1 ? (double)a->no_object : 1.0;
        double factor = (double)a->weight * w / *a->denominator, lse = log_sum(x, a->K);
        for (int64_t k = 0; k < a->K; k++) {
            double p = exp((double)x[k] - lse) - (k == a->target[row] ? 1.0 : 0.0);
            float d = (float)(factor * p);
            dx[k] = a->accumulate ? dx[k] + d : d;
        }
    }
    return 0;
}

/* ---- mask losses ---- */

/* Memory of one area: of all candidates x; of the points kept x, t, the logistic function of x, and
 * their places. */
struct area {
    float *all, *x, *t, *sigmoid, *point;
};

struct mask_job {
    const struct uda_mask_loss_args *a; /* its arrays of rows begin at the image's */
    int64_t R, areas, area_floats;
    float *logits; /* [R, H W] */
    float *scratch;
    double *row; /* [R, 2]: mask and dice loss of each row */
};

/* Room for x points in whole blocks; compaction may write one more. */
static int64_t room_for(int64_t points) { return (points / BLOCK + 1) * BLOCK; }

static struct area area_of(const struct mask_job *job, int64_t i)
{
    struct area s = {.all = job->scratch + i * job->area_floats};
    s.x = s.all + room_for(max_i64(job->a->candidates, job->a->P));
    s.t = s.x + room_for(job->a->P);
    s.sigmoid = s.t + room_for(job->a->P);
    s.point = s.sigmoid + room_for(job->a->P);
    return s;
}

static void sample_points(float *x, const float *point, int64_t count, const float *map, int64_t h,
                          int64_t w)
{
    struct point_taps taps;
    for (int64_t j = 0; j < count; j += BLOCK) {
        point_taps(&taps, point + 2 * j, min_i64(BLOCK, count - j), h, w);
        point_sample(x + j, map, &taps);
    }
}

/* Bits of |x|: they are ordered as the values. */
static uint32_t magnitude(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffffu;
}

/* How many magnitudes are below a limit. */
static int64_t count_below(const float *x, int64_t count, uint32_t limit)
{
    int32_t below = 0;
    for (int64_t i = 0; i < count; i++) {
        below += (int32_t)magnitude(x[i]) < (int32_t)limit;
    }
    return below;
}

/*
 * The kth smallest magnitude (k >= 1), and how many of its equals belong to the k smallest. Bit by
 * bit: counting runs on whole vectors, which beats a histogram's dependent stores.
 */
static uint32_t select_magnitude(const float *x, int64_t count, int64_t k, int64_t *ties)
{
    uint32_t found = 0;
    int64_t below = 0;
    for (uint32_t bit = UINT32_C(1) << 30; bit > 0; bit >>= 1) {
        int64_t fewer = count_below(x, count, found | bit);
        if (fewer < k) {
            found |= bit;
            below = fewer;
        }
    }
    *ties = k - below;
    return found;
}

/* Moves the most uncertain candidates to the front of x and point, in their order. */
static void keep_uncertain(struct area *s, const struct uda_mask_loss_args *a, int64_t r)
{
    const float *candidate = a->candidate + a->target[r] * a->candidates * 2;
    if (a->important == 0) {
        return;
    }
    int64_t ties = 0, kept = 0;
    uint32_t limit = select_magnitude(s->all, a->candidates, a->important, &ties);
    for (int64_t i = 0; i < a->candidates; i++) {
        uint32_t key = magnitude(s->all[i]);
        int64_t tie = (key == limit) & (ties > 0);
        ties -= tie;
        s->x[kept] = s->all[i];
        s->point[2 * kept] = candidate[2 * i];
        s->point[2 * kept + 1] = candidate[2 * i + 1];
        kept += (key < limit) | tie;
    }
}

/* Sums over the points of a row: softplus(x) - x t, s t, s, t; s kept. */
struct sums {
    double entropy, product, sigmoid, label;
};

static struct sums sum_points(struct area *s, int64_t count)
{
    struct sums total = {0};
    for (int64_t first = 0; first < count; first += BLOCK) {
        vf entropy = vf_set(0.0f), product = entropy, sigmoids = entropy, labels = entropy;
        for (int64_t j = first; j < min_i64(first + BLOCK, count); j += UDA_LANES) {
            vi in = first_lanes(count - j);
            vf x = vf_load(s->x + j), t = keep_lanes(vf_load(s->t + j), in), sigmoid;
            vf plus = softplus_sigmoid(x, &sigmoid);
            vf_store(s->sigmoid + j, sigmoid);
            entropy += keep_lanes(plus - x * t, in);
            product += sigmoid * t;
            sigmoids += keep_lanes(sigmoid, in);
            labels += t;
        }
        total.entropy += (double)vf_sum(entropy);
        total.product += (double)vf_sum(product);
        total.sigmoid += (double)vf_sum(sigmoids);
        total.label += (double)vf_sum(labels);
    }
    return total;
}

static void mask_row(struct mask_job *job, struct area *s, int64_t r)
{
    const struct uda_mask_loss_args *a = job->a;
    const float *map = job->logits + r * a->H * a->W;
    int64_t random = a->P - a->important;
    struct point_taps taps;
    sample_points(s->all, a->candidate + a->target[r] * a->candidates * 2, a->candidates, map, a->H, a->W);
    keep_uncertain(s, a, r);
    if (random > 0) {
        memcpy(s->point + 2 * a->important, a->random + a->target[r] * random * 2,
               (size_t)(2 * random) * sizeof *s->point);
        sample_points(s->all, a->random + a->target[r] * random * 2, random, map, a->H, a->W);
        memcpy(s->x + a->important, s->all, (size_t)random * sizeof *s->x);
    }
    const uint32_t *mask = a->mask + a->target[r] * uda_mask_words(a->height * a->width);
    for (int64_t j = 0; j < a->P; j += BLOCK) {
        point_taps(&taps, s->point + 2 * j, min_i64(BLOCK, a->P - j), a->height, a->width);
        point_label(s->t + j, mask, &taps);
    }
    struct sums sum = sum_points(s, a->P);
    double denominator = sum.sigmoid + sum.label + 1.0, overlap = 2.0 * sum.product + 1.0;
    job->row[2 * r] = sum.entropy / (double)a->P;
    job->row[2 * r + 1] = 1.0 - overlap / denominator;
    if (a->dlogit == NULL) {
        return;
    }
    memcpy(a->point + r * a->P * 2, s->point, (size_t)(2 * a->P) * sizeof *a->point);
    float *UDA_RESTRICT dlogit = a->dlogit + r * a->P;
    float entropy_factor = (float)((double)a->mask_weight / *a->denominator / (double)a->P);
    double dice_factor = (double)a->dice_weight / *a->denominator / (denominator * denominator);
    float of_label = (float)(-2.0 * denominator * dice_factor);
    float of_one = (float)(overlap * dice_factor);
    for (int64_t j = 0; j < a->P; j++) {
        float p = s->sigmoid[j], t = s->t[j];
        dlogit[j] = entropy_factor * (p - t) + (of_label * t + of_one) * (p * (1.0f - p));
    }
}

static void mask_area(void *args, int64_t i)
{
    struct mask_job *job = args;
    struct area s = area_of(job, i);
    for (int64_t r = i; r < job->R; r += job->areas) {
        mask_row(job, &s, r);
    }
}

/* Rows query[r] of e, one after the other. */
static void gather_rows(float *rows, const float *e, const int32_t *query, int64_t R, int64_t C)
{
    for (int64_t r = 0; r < R; r++) {
        memcpy(rows + r * C, e + query[r] * C, (size_t)C * sizeof *rows);
    }
}

/* Floats of a sub-product's workspace, whole vectors. */
static int64_t floats_of(struct uda_stream *stream, struct uda_gemm_args *product)
{
    product->ws = (struct uda_workspace){0};
    (void)UDA_CPU(gemm)(stream, product);
    return (int64_t)(product->ws.bytes / 64 + 1) * 16;
}

/* Pairs of an image. */
static int64_t pairs_of(const int64_t *first, int64_t Q) { return min_i64(Q, first[1] - first[0]); }

/* The arguments with what has rows at the image's. */
static struct uda_mask_loss_args at_image(const struct uda_mask_loss_args *a)
{
    struct uda_mask_loss_args image = *a;
    int64_t first = a->first[0];
    image.candidate += first * a->candidates * 2;
    image.random += first * (a->P - a->important) * 2;
    image.query += first;
    image.target += first;
    image.mask += first * uda_mask_words(a->height * a->width);
    if (a->dlogit != NULL) {
        image.point += first * a->P * 2;
        image.dlogit += first * a->P;
    }
    return image;
}

int UDA_CPU(mask_loss_fwd)(struct uda_stream *stream, struct uda_mask_loss_args *args)
{
    const struct uda_mask_loss_args image = at_image(args), *a = &image;
    int64_t R = pairs_of(a->first, a->Q), pixels = a->H * a->W, rows = ceil_div(R * a->C, 16) * 16;
    if (R == 0) {
        return 0;
    }
    struct uda_gemm_args product = {.M = R, .N = pixels, .K = a->C, .transpose_b = true,
                                    .lda = a->C, .B = a->f, .ldb = a->C, .ldc = pixels};
    int64_t product_floats = floats_of(stream, &product), map = ceil_div(R * pixels, 16) * 16;
    struct mask_job job = {.a = a, .R = R, .areas = min_i64(AREAS, R)};
    job.area_floats = room_for(max_i64(a->candidates, a->P)) + 5 * room_for(a->P);
    int64_t losses = ceil_div(4 * R, 16) * 16;
    if (args->ws.data == NULL) {
        args->ws.bytes = (size_t)(losses + rows + product_floats + map + job.areas * job.area_floats) *
                         sizeof(float);
        return 0;
    }
    job.row = a->ws.data;
    float *e = (float *)a->ws.data + losses;
    product.ws.data = e + rows;
    job.logits = e + rows + product_floats;
    job.scratch = job.logits + map;
    gather_rows(e, a->e, a->query, R, a->C);
    product.A = e;
    product.C = job.logits;
    int rc = UDA_CPU(gemm)(stream, &product);
    if (rc != 0) {
        return rc;
    }
    uda_team_run(stream->team, job.areas, mask_area, &job);
    double mask = 0.0, dice = 0.0;
    for (int64_t r = 0; r < R; r++) {
        mask += job.row[2 * r];
        dice += job.row[2 * r + 1];
    }
    *a->loss_mask += mask / *a->denominator;
    *a->loss_dice += dice / *a->denominator;
    return 0;
}

/* ---- gradient ---- */

struct spread_job {
    const struct uda_mask_grad_args *a; /* its arrays of rows begin at the image's */
    float *dense; /* [R, H W] */
};

static void spread_row(void *args, int64_t r)
{
    struct spread_job *job = args;
    const struct uda_mask_grad_args *a = job->a;
    float *map = job->dense + r * a->H * a->W;
    const float *point = a->point + r * a->P * 2, *dlogit = a->dlogit + r * a->P;
    struct point_taps taps;
    memset(map, 0, (size_t)(a->H * a->W) * sizeof *map);
    for (int64_t first = 0; first < a->P; first += BLOCK) {
        int64_t count = min_i64(BLOCK, a->P - first);
        point_taps(&taps, point + 2 * first, count, a->H, a->W);
        for (int64_t j = 0; j < count; j++) {
            float g = dlogit[first + j];
            for (int tap = 0; tap < 4; tap++) {
                map[taps.at[tap][j]] += taps.weight[tap][j] * g;
            }
        }
    }
}

/* Zeroes what lies outside [from, to) of x [count]. */
static void clear_around(float *x, int64_t from, int64_t to, int64_t count)
{
    memset(x, 0, (size_t)from * sizeof *x);
    memset(x + to, 0, (size_t)(count - to) * sizeof *x);
}

/* Rows of a product [R, C] to those of the pairs' queries. */
static void add_embeds(const struct uda_mask_grad_args *a, const float *de, int64_t R)
{
    if (!a->accumulate_e) {
        memset(a->de, 0, (size_t)(a->N * a->Q * a->C) * sizeof *a->de);
    }
    for (int64_t i = 0; i < R * a->C; i++) {
        a->de[(a->n * a->Q + a->query[i / a->C]) * a->C + i % a->C] += de[i];
    }
}

/* What an image without pairs has to set. */
static int no_gradient(const struct uda_mask_grad_args *a)
{
    if (a->de != NULL) {
        add_embeds(a, NULL, 0);
    }
    if (a->df != NULL && !a->accumulate_f) {
        memset(a->df, 0, (size_t)(a->N * a->H * a->W * a->C) * sizeof *a->df);
    }
    return 0;
}

int UDA_CPU(mask_loss_bwd)(struct uda_stream *stream, struct uda_mask_grad_args *args)
{
    struct uda_mask_grad_args image = *args, *a = &image;
    int64_t R = pairs_of(a->first, a->Q), pixels = a->H * a->W, each = pixels * a->C;
    int64_t rows = ceil_div(R * a->C, 16) * 16;
    if (R == 0) {
        return no_gradient(a);
    }
    image.point += a->first[0] * a->P * 2;
    image.dlogit += a->first[0] * a->P;
    image.query += a->first[0];
    struct uda_gemm_args to_e = {.M = R, .N = a->C, .K = pixels, .lda = pixels,
                                 .B = a->f + a->n * each, .ldb = a->C, .ldc = a->C};
    struct uda_gemm_args to_f = {.M = pixels, .N = a->C, .K = R, .transpose_a = true,
                                 .lda = pixels, .ldb = a->C, .ldc = a->C,
                                 .accumulate = a->accumulate_f};
    int64_t product = max_i64(floats_of(stream, &to_e), floats_of(stream, &to_f));
    if (args->ws.data == NULL) {
        args->ws.bytes = (size_t)(2 * rows + product + R * pixels) * sizeof(float);
        return 0;
    }
    float *e = a->ws.data, *de = e + rows;
    struct spread_job job = {.a = a, .dense = de + rows + product};
    to_e.ws.data = to_f.ws.data = de + rows;
    uda_team_run(stream->team, R, spread_row, &job);
    if (a->de != NULL) {
        to_e.A = job.dense;
        to_e.C = de;
        UDA_TRY(UDA_CPU(gemm)(stream, &to_e));
        add_embeds(a, de, R);
    }
    if (a->df != NULL) {
        gather_rows(e, a->e + a->n * a->Q * a->C, a->query, R, a->C);
        to_f.A = job.dense;
        to_f.B = e;
        to_f.C = a->df + a->n * each;
        UDA_TRY(UDA_CPU(gemm)(stream, &to_f));
        if (!a->accumulate_f) {
            clear_around(a->df, a->n * each, (a->n + 1) * each, a->N * each);
        }
    }
    return 0;
}
