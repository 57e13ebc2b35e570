#include "kernels/cpu/cpu.h"

#include <math.h>

/* Rows of one task; in backward also the rows of one partial sum of dgamma and dbeta. */
#define ROWS 64
/* Channels of one task when partial sums are joined. */
#define COLUMNS 64

/* ---- rows ---- */

static float row_sum(const float *x, int64_t C)
{
    vf sum[2] = {{0}, {0}};
    int64_t c = 0;
    for (; c + 2 * UDA_LANES <= C; c += 2 * UDA_LANES) {
        sum[0] += vf_load(x + c);
        sum[1] += vf_load(x + c + UDA_LANES);
    }
    float tail = 0.0f;
    for (; c < C; c++) {
        tail += x[c];
    }
    return vf_sum(sum[0] + sum[1]) + tail;
}

/* sum (x - mean)^2. */
static float row_spread(const float *x, float mean, int64_t C)
{
    vf sum[2] = {{0}, {0}};
    int64_t c = 0;
    for (; c + 2 * UDA_LANES <= C; c += 2 * UDA_LANES) {
        vf d0 = vf_load(x + c) - mean, d1 = vf_load(x + c + UDA_LANES) - mean;
        sum[0] += d0 * d0;
        sum[1] += d1 * d1;
    }
    float tail = 0.0f;
    for (; c < C; c++) {
        tail += (x[c] - mean) * (x[c] - mean);
    }
    return vf_sum(sum[0] + sum[1]) + tail;
}

static void row_fwd(const struct uda_layernorm_args *a, int64_t row)
{
    int64_t C = a->C;
    const float *x = (const float *)a->a + row * C, *gamma = a->gamma, *beta = a->beta;
    if (a->b != NULL) {
        const float *b = (const float *)a->b + row * C;
        float *sum = (float *)a->sum + row * C;
        for (int64_t c = 0; c < C; c++) {
            sum[c] = x[c] + b[c];
        }
        x = sum;
    }
    float mean = row_sum(x, C) / (float)C;
    float rstd = 1.0f / sqrtf(row_spread(x, mean, C) / (float)C + a->eps);
    float *UDA_RESTRICT y = (float *)a->y + row * C;
    for (int64_t c = 0; c < C; c++) {
        y[c] = (x[c] - mean) * rstd * gamma[c] + beta[c];
    }
    if (a->stats != NULL) {
        a->stats[2 * row] = mean;
        a->stats[2 * row + 1] = rstd;
    }
}

static void layernorm_fwd_task(void *args, int64_t i)
{
    const struct uda_layernorm_args *a = args;
    int64_t last = min_i64((i + 1) * ROWS, a->rows);
    for (int64_t row = i * ROWS; row < last; row++) {
        row_fwd(a, row);
    }
}

int UDA_CPU(layernorm_fwd)(struct uda_stream *stream, struct uda_layernorm_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, ceil_div(a->rows, ROWS), layernorm_fwd_task, a);
    return 0;
}

/* sums[0] = sum dy gamma, sums[1] = sum dy gamma xhat; dgamma += dy xhat, dbeta += dy. */
static void row_sums(float sums[2], float *UDA_RESTRICT dgamma, float *UDA_RESTRICT dbeta,
                     const float *x, const float *dy, const float *gamma, float mean, float rstd,
                     int64_t C)
{
    vf sum_g = {0}, sum_gx = {0};
    int64_t c = 0;
    for (; c + UDA_LANES <= C; c += UDA_LANES) {
        vf d = vf_load(dy + c), xhat = (vf_load(x + c) - mean) * rstd, dx = d * xhat;
        vf g = vf_load(gamma + c);
        sum_g += d * g;
        sum_gx += dx * g;
        vf_store(dgamma + c, vf_load(dgamma + c) + dx);
        vf_store(dbeta + c, vf_load(dbeta + c) + d);
    }
    sums[0] = vf_sum(sum_g);
    sums[1] = vf_sum(sum_gx);
    for (; c < C; c++) {
        float dx = dy[c] * ((x[c] - mean) * rstd);
        sums[0] += dy[c] * gamma[c];
        sums[1] += dx * gamma[c];
        dgamma[c] += dx;
        dbeta[c] += dy[c];
    }
}

/* dx (+)= dy gamma k + x p + q. */
static void row_dx(float *UDA_RESTRICT dx, bool add, const float *x, const float *dy,
                   const float *gamma, float k, float p, float q, int64_t C)
{
    if (add) {
        for (int64_t c = 0; c < C; c++) {
            dx[c] += dy[c] * gamma[c] * k + (x[c] * p + q);
        }
    } else {
        for (int64_t c = 0; c < C; c++) {
            dx[c] = dy[c] * gamma[c] * k + (x[c] * p + q);
        }
    }
}

static void layernorm_bwd_task(void *args, int64_t i)
{
    const struct uda_layernorm_args *a = args;
    int64_t C = a->C, last = min_i64((i + 1) * ROWS, a->rows);
    float *partial = (float *)a->ws.data + i * 2 * C;
    memset(partial, 0, (size_t)(2 * C) * sizeof *partial);
    for (int64_t row = i * ROWS; row < last; row++) {
        const float *x = (const float *)a->x + row * C, *dy = (const float *)a->dy + row * C;
        float mean = a->saved_stats[2 * row], rstd = a->saved_stats[2 * row + 1], sums[2];
        row_sums(sums, partial, partial + C, x, dy, a->gamma, mean, rstd, C);
        float p = -rstd * rstd * sums[1] / (float)C;
        float q = -rstd * sums[0] / (float)C - mean * p;
        if (a->dx != NULL) {
            row_dx((float *)a->dx + row * C, a->add_dx, x, dy, a->gamma, rstd, p, q, C);
        }
        if (a->dx2 != NULL) {
            row_dx((float *)a->dx2 + row * C, a->add_dx2, x, dy, a->gamma, rstd, p, q, C);
        }
    }
}

/* Sums of partial[chunk][which][c] over the chunks in order, for dgamma (which 0) and dbeta (1). */
struct join {
    const float *partial;
    int64_t chunks, C;
    float *out[2];
    bool add[2];
};

static void join_task(void *args, int64_t i)
{
    const struct join *j = args;
    int64_t first = i * COLUMNS, count = min_i64(COLUMNS, j->C - first);
    for (int which = 0; which < 2; which++) {
        if (j->out[which] == NULL) {
            continue;
        }
        float sum[COLUMNS] = {0};
        for (int64_t chunk = 0; chunk < j->chunks; chunk++) {
            const float *from = j->partial + (2 * chunk + which) * j->C + first;
            for (int64_t c = 0; c < count; c++) {
                sum[c] += from[c];
            }
        }
        float *out = j->out[which] + first;
        for (int64_t c = 0; c < count; c++) {
            out[c] = j->add[which] ? out[c] + sum[c] : sum[c];
        }
    }
}

int UDA_CPU(layernorm_bwd)(struct uda_stream *stream, struct uda_layernorm_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    int64_t chunks = ceil_div(a->rows, ROWS);
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(chunks * 2 * a->C) * sizeof(float);
        return 0;
    }
    uda_team_run(stream->team, chunks, layernorm_bwd_task, a);
    struct join join = {.partial = a->ws.data, .chunks = chunks, .C = a->C,
                        .out = {a->dgamma, a->dbeta}, .add = {a->add_dgamma, a->add_dbeta}};
    uda_team_run(stream->team, ceil_div(a->C, COLUMNS), join_task, &join);
    return 0;
}

/* ---- groups ---- */

/* Tokens of one task. */
#define TOKENS 128

struct group_job {
    const struct uda_groupnorm_args *a;
    const float *x, *dy;
    float *y, *dx;
    int64_t chunks;       /* of tokens, for one image */
    float *partial;       /* [N, chunks, 2, C] */
    float *coefficients;  /* [N, 5, C]: y = x c0 + c1; dx = dy c2 + x c3 + c4 */
};

static struct group_job group_job(struct uda_groupnorm_args *a)
{
    struct group_job job = {.a = a, .x = a->x, .dy = a->dy, .y = a->y, .dx = a->dx,
                            .chunks = ceil_div(a->T, TOKENS), .partial = a->ws.data};
    int64_t partial = a->N * job.chunks * 2 * a->C;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(partial + a->N * 5 * a->C) * sizeof(float);
    } else {
        job.coefficients = job.partial + partial;
    }
    return job;
}

/* Per channel: sums of x - x0 and its square, x0 the image's first token: no cancellation when
 * means are large. */
static void group_moments(void *args, int64_t i)
{
    const struct group_job *job = args;
    const struct uda_groupnorm_args *a = job->a;
    int64_t C = a->C, n = i / job->chunks, first = i % job->chunks * TOKENS;
    int64_t last = min_i64(first + TOKENS, a->T);
    const float *x0 = job->x + n * a->T * C;
    float *UDA_RESTRICT sum = job->partial + i * 2 * C, *UDA_RESTRICT square = sum + C;
    memset(sum, 0, (size_t)(2 * C) * sizeof *sum);
    for (int64_t t = first; t < last; t++) {
        const float *x = x0 + t * C;
        for (int64_t c = 0; c < C; c++) {
            float d = x[c] - x0[c];
            sum[c] += d;
            square[c] += d * d;
        }
    }
}

/* Sum of partial[n][.][which][c] over the chunks. */
static double chunk_sum(const struct group_job *job, int64_t n, int which, int64_t c)
{
    double sum = 0.0;
    for (int64_t chunk = 0; chunk < job->chunks; chunk++) {
        sum += (double)job->partial[((n * job->chunks + chunk) * 2 + which) * job->a->C + c];
    }
    return sum;
}

/* Statistics of one group of one image. */
static void group_stats(void *args, int64_t i)
{
    const struct group_job *job = args;
    const struct uda_groupnorm_args *a = job->a;
    int64_t per = a->C / a->groups, n = i / a->groups, first = i % a->groups * per;
    const float *x0 = job->x + n * a->T * a->C;
    double mean = 0.0, spread = 0.0, T = (double)a->T;
    for (int64_t c = first; c < first + per; c++) {
        mean += (double)x0[c] + chunk_sum(job, n, 0, c) / T;
    }
    mean /= (double)per;
    for (int64_t c = first; c < first + per; c++) {
        double shift = mean - (double)x0[c];
        spread += chunk_sum(job, n, 1, c) - 2.0 * shift * chunk_sum(job, n, 0, c) + T * shift * shift;
    }
    double var = spread / (T * (double)per);
    a->stats[2 * i] = (float)mean;
    a->stats[2 * i + 1] = (float)(1.0 / sqrt((var > 0.0 ? var : 0.0) + (double)a->eps));
}

/* c0 = rstd gamma, c1 = beta - mean rstd gamma of image n. */
static void group_affine(const struct group_job *job, const float *stats, int64_t n)
{
    const struct uda_groupnorm_args *a = job->a;
    float *c0 = job->coefficients + n * 5 * a->C, *c1 = c0 + a->C;
    for (int64_t c = 0; c < a->C; c++) {
        const float *s = stats + 2 * (n * a->groups + c / (a->C / a->groups));
        c0[c] = s[1] * a->gamma[c];
        c1[c] = a->beta[c] - s[0] * c0[c];
    }
}

static void group_apply(void *args, int64_t i)
{
    const struct group_job *job = args;
    const struct uda_groupnorm_args *a = job->a;
    int64_t C = a->C, n = i / job->chunks, first = i % job->chunks * TOKENS;
    int64_t last = min_i64(first + TOKENS, a->T);
    const float *c0 = job->coefficients + n * 5 * C, *c1 = c0 + C;
    float floor = a->relu ? 0.0f : -INFINITY;
    for (int64_t t = first; t < last; t++) {
        const float *x = job->x + (n * a->T + t) * C;
        float *UDA_RESTRICT y = job->y + (n * a->T + t) * C;
        for (int64_t c = 0; c < C; c++) {
            float value = x[c] * c0[c] + c1[c];
            y[c] = value < floor ? floor : value;
        }
    }
}

int UDA_CPU(groupnorm_fwd)(struct uda_stream *stream, struct uda_groupnorm_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct group_job job = group_job(a);
    if (a->ws.data == NULL) {
        return 0;
    }
    uda_team_run(stream->team, a->N * job.chunks, group_moments, &job);
    uda_team_run(stream->team, a->N * a->groups, group_stats, &job);
    for (int64_t n = 0; n < a->N; n++) {
        group_affine(&job, a->stats, n);
    }
    uda_team_run(stream->team, a->N * job.chunks, group_apply, &job);
    return 0;
}

/* dy where x c0 + c1 > floor, the output not being cut by the ReLU, else 0. */
static UDA_ALWAYS_INLINE vf passed(vf x, vf dy, vf c0, vf c1, float floor)
{
    return (vf)((vi)dy & (x * c0 + c1 > floor));
}

/* One token: sum += d and product += d xhat; d: the dy that passes, xhat = x r + m. */
static void token_sums(float *sum, float *product, const float *x, const float *dy, const float *c0,
                       const float *c1, const float *r, const float *m, float floor, int64_t C)
{
    int64_t c = 0;
    for (; c + UDA_LANES <= C; c += UDA_LANES) {
        vf v = vf_load(x + c);
        vf d = passed(v, vf_load(dy + c), vf_load(c0 + c), vf_load(c1 + c), floor);
        vf_store(sum + c, vf_load(sum + c) + d);
        vf_store(product + c, vf_load(product + c) + d * (v * vf_load(r + c) + vf_load(m + c)));
    }
    for (; c < C; c++) {
        float d = x[c] * c0[c] + c1[c] > floor ? dy[c] : 0.0f;
        sum[c] += d;
        product[c] += d * (x[c] * r[c] + m[c]);
    }
}

/* Per channel: sums of dy and dy xhat over the tokens of a chunk. */
static void group_slopes(void *args, int64_t i)
{
    const struct group_job *job = args;
    const struct uda_groupnorm_args *a = job->a;
    int64_t C = a->C, n = i / job->chunks, first = i % job->chunks * TOKENS;
    int64_t last = min_i64(first + TOKENS, a->T);
    const float *c0 = job->coefficients + n * 5 * C, *c1 = c0 + C;
    /* c3 and c4 serve as r and m until group_join fills them. */
    const float *r = c0 + 3 * C, *m = c0 + 4 * C;
    float floor = a->relu ? 0.0f : -INFINITY;
    float *sum = job->partial + i * 2 * C;
    memset(sum, 0, (size_t)(2 * C) * sizeof *sum);
    for (int64_t t = first; t < last; t++) {
        int64_t at = (n * a->T + t) * C;
        token_sums(sum, sum + C, job->x + at, job->dy + at, c0, c1, r, m, floor, C);
    }
}

/* Coefficients of dx for one group of one image, and its channels' sums into the first chunk's
 * partials. */
static void group_join(void *args, int64_t i)
{
    const struct group_job *job = args;
    const struct uda_groupnorm_args *a = job->a;
    int64_t C = a->C, per = C / a->groups, n = i / a->groups, first = i % a->groups * per;
    float *c2 = job->coefficients + (n * 5 + 2) * C, *c3 = c2 + C, *c4 = c3 + C;
    float *partial = job->partial + n * job->chunks * 2 * C;
    double sum_g = 0.0, sum_gx = 0.0, count = (double)a->T * (double)per;
    for (int64_t c = first; c < first + per; c++) {
        double sum = chunk_sum(job, n, 0, c), product = chunk_sum(job, n, 1, c);
        sum_g += (double)a->gamma[c] * sum;
        sum_gx += (double)a->gamma[c] * product;
        partial[c] = (float)sum;
        partial[C + c] = (float)product;
    }
    double mean = (double)a->saved_stats[2 * i], rstd = (double)a->saved_stats[2 * i + 1];
    for (int64_t c = first; c < first + per; c++) {
        double p = -rstd * rstd * sum_gx / count;
        c2[c] = (float)(rstd * (double)a->gamma[c]);
        c3[c] = (float)p;
        c4[c] = (float)(-rstd * sum_g / count - mean * p);
    }
}

/* dx (+)= d c2 + x c3 + c4 of one token; c: the five coefficients [5, C]. */
static UDA_ALWAYS_INLINE void token_dx(float *dx, bool add, const float *x, const float *dy,
                                       const float *c, float floor, int64_t C)
{
    const float *c0 = c, *c1 = c0 + C, *c2 = c1 + C, *c3 = c2 + C, *c4 = c3 + C;
    int64_t k = 0;
    for (; k + UDA_LANES <= C; k += UDA_LANES) {
        vf v = vf_load(x + k);
        vf d = passed(v, vf_load(dy + k), vf_load(c0 + k), vf_load(c1 + k), floor);
        vf g = d * vf_load(c2 + k) + (v * vf_load(c3 + k) + vf_load(c4 + k));
        vf_store(dx + k, add ? vf_load(dx + k) + g : g);
    }
    for (; k < C; k++) {
        float d = x[k] * c0[k] + c1[k] > floor ? dy[k] : 0.0f;
        float g = d * c2[k] + (x[k] * c3[k] + c4[k]);
        dx[k] = add ? dx[k] + g : g;
    }
}

static void group_dx(void *args, int64_t i)
{
    const struct group_job *job = args;
    const struct uda_groupnorm_args *a = job->a;
    int64_t C = a->C, n = i / job->chunks, first = i % job->chunks * TOKENS;
    int64_t last = min_i64(first + TOKENS, a->T);
    const float *c = job->coefficients + n * 5 * C;
    float floor = a->relu ? 0.0f : -INFINITY;
    for (int64_t t = first; t < last; t++) {
        int64_t at = (n * a->T + t) * C;
        if (a->add_dx) {
            token_dx(job->dx + at, true, job->x + at, job->dy + at, c, floor, C);
        } else {
            token_dx(job->dx + at, false, job->x + at, job->dy + at, c, floor, C);
        }
    }
}

/* dgamma and dbeta: the images' sums, in order. */
static void group_parameters(const struct group_job *job)
{
    const struct uda_groupnorm_args *a = job->a;
    for (int64_t c = 0; c < a->C; c++) {
        double sum = 0.0, product = 0.0;
        for (int64_t n = 0; n < a->N; n++) {
            sum += (double)job->partial[n * job->chunks * 2 * a->C + c];
            product += (double)job->partial[n * job->chunks * 2 * a->C + a->C + c];
        }
        if (a->dgamma != NULL) {
            a->dgamma[c] = (float)product + (a->add_dgamma ? a->dgamma[c] : 0.0f);
        }
        if (a->dbeta != NULL) {
            a->dbeta[c] = (float)sum + (a->add_dbeta ? a->dbeta[c] : 0.0f);
        }
    }
}

int UDA_CPU(groupnorm_bwd)(struct uda_stream *stream, struct uda_groupnorm_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct group_job job = group_job(a);
    if (a->ws.data == NULL) {
        return 0;
    }
    for (int64_t n = 0; n < a->N; n++) {
        group_affine(&job, a->saved_stats, n);
        float *r = job.coefficients + (n * 5 + 3) * a->C, *m = r + a->C;
        for (int64_t c = 0; c < a->C; c++) {
            const float *s = a->saved_stats + 2 * (n * a->groups + c / (a->C / a->groups));
            r[c] = s[1];
            m[c] = -s[0] * s[1];
        }
    }
    uda_team_run(stream->team, a->N * job.chunks, group_slopes, &job);
    uda_team_run(stream->team, a->N * a->groups, group_join, &job);
    group_parameters(&job);
    if (a->dx != NULL) {
        uda_team_run(stream->team, a->N * job.chunks, group_dx, &job);
    }
    return 0;
}
