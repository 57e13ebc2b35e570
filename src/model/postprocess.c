#include "src/model/postprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 16 /* masks made at a time */

/* One (query, class) pair. */
struct pair {
    double score;
    int64_t index; /* query K + class */
    int64_t slot;  /* of its query among those kept */
};

/* Taps of bilinear resampling along one axis: value = (1 - weight) x[first] + weight x[second]. */
struct axis {
    int64_t *first, *second;
    float *weight;
};

/* What a kept query became. */
struct mask {
    int64_t query;
    double confidence; /* mean sigmoid over the mask */
    struct uda_rle rle;
    bool empty;
};

struct job {
    const struct uda_postprocess *spec;
    int64_t w4;               /* width of the logits */
    struct axis x1, y1, x2, y2; /* 1/4 to padded, image to result */
    const float *logits;      /* [CHUNK, h4, w4] */
    int64_t plane;            /* h4 w4 */
    float *rows;              /* [CHUNK, row_floats] */
    int64_t row_floats;
    uint8_t *bits; /* [CHUNK, height, width] */
    struct mask *mask;
    struct uda_arena *arena; /* [CHUNK] */
    int code[CHUNK];
};

/* Best first; equal scores by index. */
static int compare_pairs(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    if (a->score != b->score) {
        return a->score > b->score ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Probabilities of all (query, class) pairs from logits [Q, K+1]; false if one is not a number. */
static bool class_scores(struct pair *pair, const float *logits, int64_t Q, int64_t K)
{
    for (int64_t q = 0; q < Q; q++) {
        const float *x = logits + q * (K + 1);
        double largest = (double)x[0], sum = 0.0;
        for (int64_t k = 0; k <= K; k++) {
            largest = fmax(largest, (double)x[k]);
        }
        for (int64_t k = 0; k <= K; k++) {
            sum += exp((double)x[k] - largest);
        }
        if (!isfinite(sum)) {
            return false;
        }
        for (int64_t k = 0; k < K; k++) {
            pair[q * K + k] = (struct pair){.score = exp((double)x[k] - largest) / sum,
                                            .index = q * K + k};
        }
    }
    return true;
}

/* Taps for the first `used` of `out` points that resample `in` points, corners not aligned. */
static bool axis_make(struct axis *axis, struct uda_arena *arena, int64_t in, int64_t out,
                      int64_t used)
{
    axis->first = uda_arena_alloc(arena, (size_t)used * sizeof *axis->first);
    axis->second = uda_arena_alloc(arena, (size_t)used * sizeof *axis->second);
    axis->weight = uda_arena_alloc(arena, (size_t)used * sizeof *axis->weight);
    if (axis->first == NULL || axis->second == NULL || axis->weight == NULL) {
        return false;
    }
    float ratio = (float)in / (float)out;
    for (int64_t i = 0; i < used; i++) {
        float at = fmaxf(((float)i + 0.5f) * ratio - 0.5f, 0.0f);
        int64_t first = (int64_t)at < in - 1 ? (int64_t)at : in - 1;
        axis->first[i] = first;
        axis->second[i] = first + 1 < in ? first + 1 : first;
        axis->weight[i] = at - (float)first;
    }
    return true;
}

static void blend(float *y, const float *a, const float *b, float weight, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        y[i] = (1.0f - weight) * a[i] + weight * b[i];
    }
}

static void stretch(float *y, const float *x, const struct axis *axis, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        y[i] = (1.0f - axis->weight[i]) * x[axis->first[i]] + axis->weight[i] * x[axis->second[i]];
    }
}

/* Rows of one mask: the two last enlarged rows are kept, since neighbours share them. */
struct enlarger {
    const struct job *job;
    const float *logits;
    float *narrow;      /* [w4] */
    float *row[2];      /* [image_width] */
    int64_t row_at[2];
};

/* Row y of the logits enlarged to the padded size, cut to the image width. */
static const float *enlarged_row(struct enlarger *e, int64_t y)
{
    const struct job *job = e->job;
    int slot = (int)(y & 1);
    if (e->row_at[slot] != y) {
        blend(e->narrow, e->logits + job->y1.first[y] * job->w4,
              e->logits + job->y1.second[y] * job->w4, job->y1.weight[y], job->w4);
        stretch(e->row[slot], e->narrow, &job->x1, job->spec->image_width);
        e->row_at[slot] = y;
    }
    return e->row[slot];
}

/* Thresholds a row; adds to the sums of sigmoids and pixels. */
static void threshold_row(uint8_t *bits, const float *x, int64_t width, double *sum, int64_t *count)
{
    double row_sum = 0.0;
    for (int64_t i = 0; i < width; i++) {
        bits[i] = x[i] > 0.0f;
        if (bits[i]) {
            row_sum += 1.0 / (1.0 + (double)expf(-x[i]));
            (*count)++;
        }
    }
    *sum += row_sum;
}

static void make_mask(void *args, int64_t i)
{
    struct job *job = args;
    const struct uda_postprocess *s = job->spec;
    struct mask *mask = &job->mask[i];
    float *rows = job->rows + i * job->row_floats;
    struct enlarger e = {.job = job,
                         .logits = job->logits + i * job->plane,
                         .narrow = rows,
                         .row = {rows + job->w4, rows + job->w4 + s->image_width},
                         .row_at = {-1, -1}};
    float *mixed = e.row[1] + s->image_width, *wide = mixed + s->image_width;
    uint8_t *bits = job->bits + i * s->height * s->width;
    bool resized = s->height != s->image_height || s->width != s->image_width;
    double sum = 0.0;
    int64_t count = 0;
    for (int64_t y = 0; y < s->height; y++) {
        const float *x;
        if (resized) {
            const float *a = enlarged_row(&e, job->y2.first[y]);
            const float *b = enlarged_row(&e, job->y2.second[y]);
            blend(mixed, a, b, job->y2.weight[y], s->image_width);
            stretch(wide, mixed, &job->x2, s->width);
            x = wide;
        } else {
            x = enlarged_row(&e, y);
        }
        threshold_row(bits + y * s->width, x, s->width, &sum, &count);
    }
    mask->empty = count == 0;
    mask->confidence = sum / ((double)count + 1e-6);
    job->code[i] = mask->empty ? 0
                               : uda_rle_encode(&mask->rle, &job->arena[i], bits, s->height,
                                                s->width, NULL);
}

/* What dense logits are made of. */
struct dense {
    const struct uda_tensor *f;
    int64_t n;
    const float *embed; /* host [Q, C], of image n */
    float *gathered;    /* host [CHUNK, C] */
    float *there;       /* device [CHUNK, plane]; NULL: the program reads the device's memory */
};

/* Dense logits of `count` queries at 1/4: out [count, plane] = E F^T. */
static void dense_logits(struct uda_tape *t, float *out, const struct dense *d, const struct mask *mask,
                         int64_t count)
{
    int64_t C = d->f->dim[3], plane = d->f->dim[1] * d->f->dim[2];
    for (int64_t i = 0; i < count; i++) {
        memcpy(d->gathered + i * C, d->embed + mask[i].query * C, (size_t)C * sizeof *d->gathered);
    }
    size_t bytes = (size_t)(count * C) * sizeof *d->gathered;
    struct uda_gemm_args a = {.M = count, .N = plane, .K = C, .lda = C,
                              .A = uda_tape_lend(t, d->gathered, bytes),
                              .B = uda_floats(d->f) + d->n * plane * C, .ldb = C, .transpose_b = true,
                              .C = d->there != NULL ? d->there : out, .ldc = plane};
    UDA_LAUNCH(t, gemm, &a);
    uda_tape_unlend(t, d->gathered, a.A);
    if (d->there != NULL) {
        uda_tape_download(t, out, d->there, (size_t)(count * plane) * sizeof *out);
    }
}

/* A copy on the host of `count` values of the device; NULL on error of the tape. */
static const float *read_values(struct uda_tape *t, struct uda_arena *arena, const float *data,
                                int64_t count)
{
    if (uda_device_is_host(t->device)) {
        return data;
    }
    float *host = uda_arena_alloc(arena, (size_t)count * sizeof *host);
    if (host == NULL) {
        (void)uda_tape_fail(t, UDA_NOMEM, "out of memory for %lld predictions", (long long)count);
        return NULL;
    }
    uda_tape_download(t, host, data, (size_t)count * sizeof *host);
    return uda_tape_ok(t) ? host : NULL;
}

/* Makes the masks of all kept queries, CHUNK at a time. */
static int make_masks(struct uda_tape *t, struct mask *mask, int64_t masks,
                      struct uda_arena arena[CHUNK], const struct uda_predictions *predictions,
                      int64_t n, const struct uda_postprocess *spec, struct uda_arena *own,
                      struct uda_err *err)
{
    const struct uda_tensor *f = predictions->mask_features;
    const struct uda_tensor *embed = predictions->embed[predictions->count - 1];
    struct job job = {.spec = spec, .w4 = f->dim[2], .plane = f->dim[1] * f->dim[2], .arena = arena};
    job.row_floats = job.w4 + 3 * spec->image_width + spec->width;
    bool ok = axis_make(&job.x1, own, f->dim[2], spec->padded_width, spec->image_width) &&
              axis_make(&job.y1, own, f->dim[1], spec->padded_height, spec->image_height) &&
              axis_make(&job.x2, own, spec->image_width, spec->width, spec->width) &&
              axis_make(&job.y2, own, spec->image_height, spec->height, spec->height);
    float *logits = uda_arena_alloc(own, (size_t)(CHUNK * job.plane) * sizeof *logits);
    int64_t rows = embed->dim[1] * embed->dim[2];
    struct dense d = {.f = f, .n = n, .embed = read_values(t, own, uda_floats(embed) + n * rows, rows)};
    d.gathered = uda_arena_alloc(own, (size_t)(CHUNK * embed->dim[2]) * sizeof *d.gathered);
    if (!uda_device_is_host(t->device)) {
        d.there = uda_tape_scratch(t, (size_t)(CHUNK * job.plane) * sizeof *d.there);
    }
    UDA_TRY(uda_tape_status(t, err));
    job.rows = uda_arena_alloc(own, (size_t)(CHUNK * job.row_floats) * sizeof *job.rows);
    job.bits = uda_arena_alloc(own, (size_t)(CHUNK * spec->height * spec->width));
    if (!ok || logits == NULL || d.gathered == NULL || job.rows == NULL || job.bits == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for %d masks of %lld x %lld", CHUNK,
                        (long long)spec->height, (long long)spec->width);
    }
    job.logits = logits;
    for (int64_t first = 0; first < masks; first += CHUNK) {
        int64_t count = masks - first < CHUNK ? masks - first : CHUNK;
        job.mask = mask + first;
        dense_logits(t, logits, &d, job.mask, count);
        UDA_TRY(uda_tape_status(t, err));
        uda_team_run(t->device->stream.team, count, make_mask, &job);
        for (int64_t i = 0; i < count; i++) {
            if (job.code[i] != 0) {
                return uda_fail(err, (enum uda_code)job.code[i], "mask of %lld x %lld: %s",
                                (long long)spec->height, (long long)spec->width,
                                uda_code_name((enum uda_code)job.code[i]));
            }
        }
    }
    uda_tape_scratch_put(t, d.there);
    return 0;
}

/* The best pairs and their distinct queries, in order of first appearance. slot_of [Q]. */
static int64_t select_pairs(struct pair *pair, int64_t pairs, int64_t K, double min_score,
                            struct mask *mask, int64_t *slot_of, int64_t Q, int64_t *kept)
{
    int64_t masks = 0;
    for (int64_t q = 0; q < Q; q++) {
        slot_of[q] = -1;
    }
    *kept = 0;
    for (int64_t i = 0; i < pairs && pair[i].score >= min_score; i++) {
        int64_t q = pair[i].index / K;
        if (slot_of[q] < 0) {
            slot_of[q] = masks;
            mask[masks++] = (struct mask){.query = q};
        }
        pair[i].slot = slot_of[q];
        (*kept)++;
    }
    return masks;
}

static int add_instances(struct uda_detections *set, int64_t producer, const struct pair *pair,
                         int64_t pairs, const struct mask *mask, int64_t K,
                         const struct uda_postprocess *spec, struct uda_err *err)
{
    for (int64_t i = 0; i < pairs; i++) {
        const struct mask *m = &mask[pair[i].slot];
        double score = pair[i].score * m->confidence;
        if (!m->empty && score >= spec->min_score) {
            UDA_TRY(uda_detections_add(set, spec->classes[pair[i].index % K], score, &m->rle,
                                       producer, err));
        }
    }
    return 0;
}

static int check_sizes(const struct uda_predictions *predictions, int64_t n,
                       const struct uda_postprocess *s, struct uda_err *err)
{
    const struct uda_tensor *f = predictions->mask_features;
    bool fits = predictions->count > 0 && n >= 0 && n < f->dim[0] && s->image_height >= 1 &&
                s->image_width >= 1 && s->image_height <= s->padded_height &&
                s->image_width <= s->padded_width && s->padded_height == 4 * f->dim[1] &&
                s->padded_width == 4 * f->dim[2];
    if (!fits) {
        return uda_fail(err, UDA_SHAPE, "image of %lld x %lld in %lld x %lld does not fit the prediction",
                        (long long)s->image_height, (long long)s->image_width,
                        (long long)s->padded_height, (long long)s->padded_width);
    }
    return uda_rle_check_size(s->height, s->width, err);
}

int uda_postprocess(struct uda_detections *set, int64_t producer, struct uda_tape *tape,
                    const struct uda_predictions *predictions, int64_t n,
                    const struct uda_postprocess *spec, struct uda_err *err)
{
    UDA_TRY(uda_tape_status(tape, err));
    UDA_TRY(check_sizes(predictions, n, spec, err));
    const struct uda_tensor *logits = predictions->logits[predictions->count - 1];
    int64_t Q = logits->dim[1], K = logits->dim[2] - 1;
    int64_t pairs = Q * K < spec->top ? Q * K : spec->top, kept = 0;
    struct uda_arena own = {0}, arena[CHUNK] = {0};
    struct pair *pair = uda_arena_alloc(&own, (size_t)(Q * K) * sizeof *pair);
    struct mask *mask = uda_arena_alloc(&own, (size_t)Q * sizeof *mask);
    int64_t *slot_of = uda_arena_alloc(&own, (size_t)Q * sizeof *slot_of);
    int rc = 0;
    if (pair == NULL || mask == NULL || slot_of == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "out of memory for %lld predictions", (long long)(Q * K));
        goto out;
    }
    const float *scores = read_values(tape, &own, uda_floats(logits) + n * Q * (K + 1), Q * (K + 1));
    UDA_GOTO(rc = uda_tape_status(tape, err), out);
    if (!class_scores(pair, scores, Q, K)) {
        rc = uda_fail(err, UDA_NONFINITE, "the model's class scores are not numbers");
        goto out;
    }
    qsort(pair, (size_t)(Q * K), sizeof *pair, compare_pairs);
    int64_t masks = select_pairs(pair, pairs, K, spec->min_score, mask, slot_of, Q, &kept);
    UDA_GOTO(rc = make_masks(tape, mask, masks, arena, predictions, n, spec, &own, err), out);
    rc = add_instances(set, producer, pair, kept, mask, K, spec, err);
out:
    for (int i = 0; i < CHUNK; i++) {
        uda_arena_finish(&arena[i]);
    }
    uda_arena_finish(&own);
    return rc;
}
