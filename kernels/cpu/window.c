#include "kernels/cpu/smallmm.h"
#include "kernels/cpu/vrows.h"
#include "kernels/window_geometry.h"

#include "src/base/err.h"

#include <math.h>

/* Tasks a call is cut into, at least if there is that much to do. */
#define TASKS 64
/* Most query rows whose logits are held at a time: whole vectors of rows. */
#define ROWS 64
/* Most heads of a window that one task does one after the other. */
#define HEADS 4
/* Logit of padding columns: no exponential comes out of it. */
#define NEVER (-1e30f)
#define OTHER_REGION (-100.0f)

/* Sizes, and the scratch of one task: buffers of whole vectors, the rest of each row zero. */
struct plan {
    const struct uda_window_attention_args *a;
    int64_t n, d, dp, ld; /* tokens and channels of a window's head; d and n as row strides */
    int64_t block;                     /* query rows at a time */
    int64_t Hp, Wp, across, windows;   /* padded map; windows in a row and of an image */
    int64_t group, groups;             /* heads of a task */
    int64_t chunks, per_chunk, stride; /* windows of all images in chunks; a task's scratch */
    float scale;
    float *bias;    /* [heads, n, ld] */
    float *scratch; /* [chunks * groups, stride] */
};

struct scratch {
    float *q, *k, *v;  /* [ld, dp] each; v holds dy in backward */
    float *kt, *vt;    /* [dp, ld] */
    float *s, *ds;     /* [block, ld] */
    float *o;          /* [block, dp]: output rows, or dq */
    float *dk, *dv;    /* [n, dp] */
    float *ds_sum;     /* [group, n, ld] */
    float *bias_sum;   /* [group, 2, dp]: of dk and dv over padded tokens */
    float *region;     /* [ld] */
    int64_t *token;    /* [n]: on the map, or -1 */
};

/* Floats rounded up to whole cache lines. */
static int64_t lines(int64_t floats) { return ceil_div(floats, 16) * 16; }

/* The largest divisor of the heads that is at most HEADS. */
static int64_t heads_together(int64_t heads)
{
    int64_t group = HEADS;
    while (heads % group != 0) {
        group--;
    }
    return group;
}

static void plan_init(struct plan *p, const struct uda_window_attention_args *a, bool backward)
{
    int64_t n = a->window * a->window, d = a->D / a->heads;
    *p = (struct plan){.a = a, .n = n, .d = d, .scale = 1.0f / sqrtf((float)d)};
    p->dp = ceil_div(d, UDA_LANES) * UDA_LANES;
    p->ld = ceil_div(n, UDA_LANES) * UDA_LANES;
    p->block = ceil_div(n, ceil_div(n, ROWS));
    p->Hp = uda_window_padded(a->H, a->window);
    p->Wp = uda_window_padded(a->W, a->window);
    p->across = p->Wp / a->window;
    p->windows = p->Hp / a->window * p->across;
    p->group = heads_together(a->heads);
    p->groups = a->heads / p->group;
    int64_t all = a->N * p->windows;
    p->per_chunk = ceil_div(all, max_i64(min_i64(TASKS / p->groups, all), 1));
    p->chunks = ceil_div(all, p->per_chunk);
    p->stride = lines(2 * n) + 3 * lines(p->ld * p->dp) + lines(p->block * p->dp) +
                lines(p->dp * p->ld) + lines(p->block * p->ld) + lines(p->ld);
    if (backward) {
        p->stride += 2 * lines(n * p->dp) + lines(p->dp * p->ld) + lines(p->block * p->ld) +
                     lines(p->group * n * p->ld) + lines(p->group * 2 * p->dp);
    }
}

static size_t plan_bytes(const struct plan *p)
{
    int64_t tasks = p->chunks * p->groups;
    return (size_t)(lines(p->a->heads * p->n * p->ld) + tasks * p->stride) * sizeof(float);
}

static float *cut(float **rest, int64_t floats)
{
    float *part = *rest;
    *rest += lines(floats);
    return part;
}

static struct scratch scratch_of(const struct plan *p, int64_t task, bool backward)
{
    float *rest = p->scratch + task * p->stride;
    int64_t padded = p->ld * p->dp, tokens = p->n * p->dp;
    struct scratch s = {.token = (int64_t *)(void *)cut(&rest, 2 * p->n)};
    s.q = cut(&rest, padded);
    s.k = cut(&rest, padded);
    s.v = cut(&rest, padded);
    s.o = cut(&rest, p->block * p->dp);
    s.kt = cut(&rest, padded);
    s.s = cut(&rest, p->block * p->ld);
    s.region = cut(&rest, p->ld);
    if (backward) {
        s.dk = cut(&rest, tokens);
        s.dv = cut(&rest, tokens);
        s.vt = cut(&rest, padded);
        s.ds = cut(&rest, p->block * p->ld);
        s.ds_sum = cut(&rest, p->group * p->n * p->ld);
        s.bias_sum = cut(&rest, p->group * 2 * p->dp);
    }
    return s;
}

/* The bias of one head as a matrix, padding columns never. */
static void spread_bias(void *args, int64_t head)
{
    const struct plan *p = args;
    float *to = p->bias + head * p->n * p->ld;
    for (int64_t i = 0; i < p->n; i++, to += p->ld) {
        for (int64_t j = 0; j < p->n; j++) {
            int64_t row = uda_window_index(p->a->window, i, j);
            to[j] = p->a->table[row * p->a->heads + head];
        }
        for (int64_t j = p->n; j < p->ld; j++) {
            to[j] = NEVER;
        }
    }
}

/* Tokens of window w of all images, and their regions. Returns whether there is more than one
 * region. */
static bool locate(const struct plan *p, struct scratch *s, int64_t w)
{
    const struct uda_window_attention_args *a = p->a;
    int64_t image = w / p->windows, y0 = w % p->windows / p->across * a->window;
    int64_t x0 = w % p->across * a->window;
    for (int64_t ty = 0; ty < a->window; ty++) {
        int64_t y = uda_window_source(p->Hp, a->shift, y0 + ty);
        int64_t row = uda_window_label(p->Hp, a->window, a->shift, y0 + ty);
        for (int64_t tx = 0; tx < a->window; tx++) {
            int64_t x = uda_window_source(p->Wp, a->shift, x0 + tx);
            int64_t column = uda_window_label(p->Wp, a->window, a->shift, x0 + tx);
            s->token[ty * a->window + tx] =
                y < a->H && x < a->W ? (image * a->H + y) * a->W + x : -1;
            s->region[ty * a->window + tx] = (float)(3 * row + column);
        }
    }
    return a->shift > 0 && (y0 + a->window == p->Hp || x0 + a->window == p->Wp);
}

static UDA_ALWAYS_INLINE void copy_scaled(float *to, const float *from, int64_t d, float scale)
{
    int64_t c = 0;
    for (; c + UDA_LANES <= d; c += UDA_LANES) {
        vf_store(to + c, vf_load(from + c) * scale);
    }
    for (; c < d; c++) {
        to[c] = from[c] * scale;
    }
}

/* to [n, dp] = scale times channels first.. of every token; padded tokens have `other` (NULL:
 * 0). */
static void gather(const struct plan *p, const struct scratch *s, float *to, const float *map,
                   int64_t channels, int64_t first, const float *other, float scale)
{
    for (int64_t i = 0; i < p->n; i++, to += p->dp) {
        if (s->token[i] >= 0) {
            copy_scaled(to, map + s->token[i] * channels + first, p->d, scale);
        } else if (other != NULL) {
            copy_scaled(to, other + first, p->d, scale);
        } else {
            memset(to, 0, (size_t)p->d * sizeof *to);
        }
    }
}

/* to [dp, ld] = from [ld, dp] transposed. */
static void transpose(const struct plan *p, float *to, const float *from)
{
    for (int64_t i = 0; i < p->ld; i += UDA_LANES) {
        for (int64_t c = 0; c < p->dp; c += UDA_LANES) {
            vf_transpose(to + c * p->ld + i, p->ld, from + i * p->dp + c, p->dp);
        }
    }
}

/* Clears what follows `rows` vectors up to a whole number of UDA_LANES of them. */
static void fill_rows(float *vectors, int64_t rows)
{
    int64_t all = ceil_div(rows, UDA_LANES) * UDA_LANES;
    memset(vectors + rows * UDA_LANES, 0, (size_t)((all - rows) * UDA_LANES) * sizeof *vectors);
}

/* Logit with bias, and -100 where regions differ. */
static UDA_ALWAYS_INLINE vf logit(const float *s, const float *bias, const float *region, float own,
                                  bool masked)
{
    vf x = vf_load(s) + vf_load(bias);
    if (masked) {
        x += (vf)((vi)vf_set(OTHER_REGION) & (vf_load(region) != own));
    }
    return x;
}

/* Logits of a block with bias and mask, in place; the largest of each row. */
static UDA_ALWAYS_INLINE void add_bias(const struct plan *p, struct scratch *s, const float *bias,
                                       int64_t first, int64_t rows, bool masked, float *largest)
{
    float most[ROWS * UDA_LANES] UDA_ALIGNED(64);
    for (int64_t i = 0; i < rows; i++) {
        float *row = s->s + i * p->ld;
        const float *b = bias + (first + i) * p->ld;
        float own = s->region[first + i];
        vf top = vf_set(NEVER);
        for (int64_t j = 0; j < p->ld; j += UDA_LANES) {
            vf x = logit(row + j, b + j, s->region + j, own, masked);
            vf_store(row + j, x);
            top = vf_max(top, x);
        }
        vf_store(most + i * UDA_LANES, top);
    }
    fill_rows(most, rows);
    for (int64_t i = 0; i < rows; i += UDA_LANES) {
        vf_store(largest + i, vf_rows_max(most + i * UDA_LANES, UDA_LANES));
    }
}

/* Logits less their largest into exponentials; the inverses and logarithms of the rows' sums. */
static void exponentials(const struct plan *p, struct scratch *s, int64_t rows,
                         const float *largest, float *inverse, float *log_sums)
{
    float sums[ROWS * UDA_LANES] UDA_ALIGNED(64), logs[ROWS] UDA_ALIGNED(64);
    for (int64_t i = 0; i < rows; i++) {
        float *row = s->s + i * p->ld, top = largest[i];
        vf sum = vf_set(0.0f);
        for (int64_t j = 0; j < p->ld; j += UDA_LANES) {
            vf e = vf_exp_low(vf_load(row + j) - top);
            vf_store(row + j, e);
            sum += e;
        }
        vf_store(sums + i * UDA_LANES, sum);
    }
    fill_rows(sums, rows);
    for (int64_t i = 0; i < rows; i += UDA_LANES) {
        vf total = vf_rows_sum(sums + i * UDA_LANES, UDA_LANES);
        vf_store(inverse + i, 1.0f / total);
        vf_store(logs + i, vf_load(largest + i) + vf_log(total));
    }
    memcpy(log_sums, logs, (size_t)rows * sizeof *logs);
}

static void forward_head(const struct plan *p, struct scratch *s, int64_t w, int64_t head,
                         bool masked)
{
    const struct uda_window_attention_args *a = p->a;
    const float *bias = p->bias + head * p->n * p->ld;
    int64_t first = head * p->d, vectors = p->dp / UDA_LANES;
    gather(p, s, s->q, a->qkv, 3 * a->D, first, a->qkv_bias, p->scale);
    gather(p, s, s->k, a->qkv, 3 * a->D, a->D + first, a->qkv_bias, 1.0f);
    gather(p, s, s->v, a->qkv, 3 * a->D, 2 * a->D + first, a->qkv_bias, 1.0f);
    transpose(p, s->kt, s->k);
    float largest[ROWS] UDA_ALIGNED(64), inverse[ROWS] UDA_ALIGNED(64);
    float *log_sums = a->log_sums + (w * a->heads + head) * p->n;
    for (int64_t i0 = 0; i0 < p->n; i0 += p->block) {
        int64_t rows = min_i64(p->block, p->n - i0);
        smm(rows, p->ld / UDA_LANES, p->d, s->q + i0 * p->dp, p->dp, 1, s->kt, p->ld, false, s->s,
            p->ld);
        if (masked) {
            add_bias(p, s, bias, i0, rows, true, largest);
        } else {
            add_bias(p, s, bias, i0, rows, false, largest);
        }
        exponentials(p, s, rows, largest, inverse, log_sums + i0);
        smm(rows, vectors, p->n, s->s, p->ld, 1, s->v, p->dp, false, s->o, p->dp);
        for (int64_t i = 0; i < rows; i++) {
            if (s->token[i0 + i] >= 0) {
                copy_scaled((float *)a->y + s->token[i0 + i] * a->D + first, s->o + i * p->dp, p->d,
                            inverse[i]);
            }
        }
    }
}

/* Task: the windows of a chunk, of each a group of heads: their channels lie side by side. */
static void forward_task(void *args, int64_t i)
{
    const struct plan *p = args;
    int64_t chunk = i / p->groups, head = i % p->groups * p->group;
    int64_t last = min_i64((chunk + 1) * p->per_chunk, p->a->N * p->windows);
    memset(p->scratch + i * p->stride, 0, (size_t)p->stride * sizeof *p->scratch);
    struct scratch s = scratch_of(p, i, false);
    for (int64_t w = chunk * p->per_chunk; w < last; w++) {
        bool masked = locate(p, &s, w);
        for (int64_t k = 0; k < p->group; k++) {
            forward_head(p, &s, w, head + k, masked);
        }
    }
}

/* Sizes and the bias matrices; false when workspace is still to be given. */
static bool plan_begin(struct plan *p, struct uda_stream *stream,
                       struct uda_window_attention_args *a, bool backward)
{
    plan_init(p, a, backward);
    if (a->ws.data == NULL) {
        a->ws.bytes = plan_bytes(p);
        return false;
    }
    p->bias = a->ws.data;
    p->scratch = p->bias + lines(a->heads * p->n * p->ld);
    uda_team_run(stream->team, a->heads, spread_bias, p);
    return true;
}

int UDA_CPU(window_attention_fwd)(struct uda_stream *stream, struct uda_window_attention_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct plan p;
    if (plan_begin(&p, stream, a, false)) {
        uda_team_run(stream->team, p.chunks * p.groups, forward_task, &p);
    }
    return 0;
}

/* ---- backward ---- */

/* s: logits into probabilities P; the sums of P dP of each row, dP in ds. */
static UDA_ALWAYS_INLINE void probabilities(const struct plan *p, struct scratch *s,
                                            const float *bias, int64_t first, int64_t rows,
                                            bool masked, const float *log_sums, float *delta)
{
    float products[ROWS * UDA_LANES] UDA_ALIGNED(64);
    for (int64_t i = 0; i < rows; i++) {
        float *row = s->s + i * p->ld;
        const float *ds = s->ds + i * p->ld, *b = bias + (first + i) * p->ld;
        float own = s->region[first + i], log_sum = log_sums[first + i];
        vf product = vf_set(0.0f);
        for (int64_t j = 0; j < p->ld; j += UDA_LANES) {
            vf e = vf_exp_low(logit(row + j, b + j, s->region + j, own, masked) - log_sum);
            vf_store(row + j, e);
            product += e * vf_load(ds + j);
        }
        vf_store(products + i * UDA_LANES, product);
    }
    fill_rows(products, rows);
    for (int64_t i = 0; i < rows; i += UDA_LANES) {
        vf_store(delta + i, vf_rows_sum(products + i * UDA_LANES, UDA_LANES));
    }
}

/* ds: dP into dS = P (dP - delta), which is added to sum, the block's rows of ds_sum. */
static void softmax_back(const struct plan *p, struct scratch *s, int64_t rows, const float *delta,
                         float *UDA_RESTRICT sum)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = i * p->ld; j < (i + 1) * p->ld; j += UDA_LANES) {
            vf d = vf_load(s->s + j) * (vf_load(s->ds + j) - delta[i]);
            vf_store(s->ds + j, d);
            vf_store(sum + j, vf_load(sum + j) + d);
        }
    }
}

static UDA_ALWAYS_INLINE void put(float *to, const float *from, int64_t d, float scale, bool add)
{
    if (!add) {
        copy_scaled(to, from, d, scale);
        return;
    }
    for (int64_t c = 0; c < d; c++) {
        to[c] += from[c] * scale;
    }
}

/* from [rows, dp] to channels first.. of dqkv; padded tokens' to bias_sum if not NULL. */
static void scatter(const struct plan *p, const struct scratch *s, const float *from, int64_t row0,
                    int64_t rows, int64_t first, float scale, float *bias_sum)
{
    const struct uda_window_attention_args *a = p->a;
    for (int64_t i = 0; i < rows; i++, from += p->dp) {
        int64_t token = s->token[row0 + i];
        if (token >= 0) {
            if (a->dqkv != NULL) {
                put((float *)a->dqkv + token * 3 * a->D + first, from, p->d, scale, a->add_dqkv);
            }
        } else if (bias_sum != NULL) {
            put(bias_sum, from, p->d, scale, true);
        }
    }
}

/* k, v (as dy), transposes and scaled queries of a window's head. */
static void backward_gather(const struct plan *p, struct scratch *s, int64_t first)
{
    const struct uda_window_attention_args *a = p->a;
    gather(p, s, s->v, a->qkv, 3 * a->D, 2 * a->D + first, a->qkv_bias, 1.0f);
    transpose(p, s->vt, s->v);
    gather(p, s, s->v, a->dy, a->D, first, NULL, 1.0f);
    gather(p, s, s->k, a->qkv, 3 * a->D, a->D + first, a->qkv_bias, 1.0f);
    transpose(p, s->kt, s->k);
    gather(p, s, s->q, a->qkv, 3 * a->D, first, a->qkv_bias, p->scale);
}

/* k: the head's number in its group. */
static void backward_head(const struct plan *p, struct scratch *s, int64_t w, int64_t head,
                          int64_t k, bool masked)
{
    const struct uda_window_attention_args *a = p->a;
    const float *bias = p->bias + head * p->n * p->ld;
    const float *log_sums = a->saved_log_sums + (w * a->heads + head) * p->n;
    float *ds_sum = s->ds_sum + k * p->n * p->ld, *bias_sum = s->bias_sum + k * 2 * p->dp;
    float delta[ROWS] UDA_ALIGNED(64);
    int64_t first = head * p->d, vd = p->dp / UDA_LANES, vn = p->ld / UDA_LANES;
    backward_gather(p, s, first);
    for (int64_t i0 = 0; i0 < p->n; i0 += p->block) {
        int64_t rows = min_i64(p->block, p->n - i0);
        const float *q = s->q + i0 * p->dp, *dy = s->v + i0 * p->dp;
        smm(rows, vn, p->d, q, p->dp, 1, s->kt, p->ld, false, s->s, p->ld);
        smm(rows, vn, p->d, dy, p->dp, 1, s->vt, p->ld, false, s->ds, p->ld);
        if (masked) {
            probabilities(p, s, bias, i0, rows, true, log_sums, delta);
        } else {
            probabilities(p, s, bias, i0, rows, false, log_sums, delta);
        }
        softmax_back(p, s, rows, delta, ds_sum + i0 * p->ld);
        smm(p->n, vd, rows, s->s, 1, p->ld, dy, p->dp, i0 > 0, s->dv, p->dp);
        smm(p->n, vd, rows, s->ds, 1, p->ld, q, p->dp, i0 > 0, s->dk, p->dp);
        smm(rows, vd, p->n, s->ds, p->ld, 1, s->k, p->dp, false, s->o, p->dp);
        scatter(p, s, s->o, i0, rows, first, p->scale, NULL);
    }
    scatter(p, s, s->dk, 0, p->n, a->D + first, 1.0f, bias_sum);
    scatter(p, s, s->dv, 0, p->n, 2 * a->D + first, 1.0f, bias_sum + p->dp);
}

static void backward_task(void *args, int64_t i)
{
    const struct plan *p = args;
    int64_t chunk = i / p->groups, head = i % p->groups * p->group;
    int64_t last = min_i64((chunk + 1) * p->per_chunk, p->a->N * p->windows);
    memset(p->scratch + i * p->stride, 0, (size_t)p->stride * sizeof *p->scratch);
    struct scratch s = scratch_of(p, i, true);
    for (int64_t w = chunk * p->per_chunk; w < last; w++) {
        bool masked = locate(p, &s, w);
        for (int64_t k = 0; k < p->group; k++) {
            backward_head(p, &s, w, head + k, k, masked);
        }
    }
}

/* ds_sum and bias_sum of a chunk for one head. */
static struct scratch sums_of(const struct plan *p, int64_t chunk, int64_t head)
{
    int64_t k = head % p->group;
    struct scratch s = scratch_of(p, chunk * p->groups + head / p->group, true);
    s.ds_sum += k * p->n * p->ld;
    s.bias_sum += k * 2 * p->dp;
    return s;
}

/* dtable of one head: sums over the chunks in order, then over the pairs of tokens that share a row
 * of the table. */
static void join_table(const struct plan *p, int64_t head)
{
    const struct uda_window_attention_args *a = p->a;
    int64_t side = 2 * a->window - 1;
    for (int64_t row = 0; row < side * side && !a->add_dtable; row++) {
        a->dtable[row * a->heads + head] = 0.0f;
    }
    float *total = sums_of(p, 0, head).ds_sum;
    for (int64_t chunk = 1; chunk < p->chunks; chunk++) {
        const float *part = sums_of(p, chunk, head).ds_sum;
        for (int64_t i = 0; i < p->n * p->ld; i++) {
            total[i] += part[i];
        }
    }
    for (int64_t i = 0; i < p->n; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            int64_t row = uda_window_index(a->window, i, j);
            a->dtable[row * a->heads + head] += total[i * p->ld + j];
        }
    }
}

static void join_bias(const struct plan *p, int64_t head)
{
    const struct uda_window_attention_args *a = p->a;
    for (int64_t part = 0; part < 3; part++) {
        float *to = a->dbias + part * a->D + head * p->d;
        if (!a->add_dbias) {
            memset(to, 0, (size_t)p->d * sizeof *to);
        }
        for (int64_t chunk = 0; chunk < p->chunks && part > 0; chunk++) {
            const float *sum = sums_of(p, chunk, head).bias_sum;
            put(to, sum + (part - 1) * p->dp, p->d, 1.0f, true);
        }
    }
}

static void join_head(void *args, int64_t head)
{
    const struct plan *p = args;
    if (p->a->dtable != NULL) {
        join_table(p, head);
    }
    if (p->a->dbias != NULL) {
        join_bias(p, head);
    }
}

int UDA_CPU(window_attention_bwd)(struct uda_stream *stream, struct uda_window_attention_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct plan p;
    if (plan_begin(&p, stream, a, true)) {
        uda_team_run(stream->team, p.chunks * p.groups, backward_task, &p);
        uda_team_run(stream->team, a->heads, join_head, &p);
    }
    return 0;
}
