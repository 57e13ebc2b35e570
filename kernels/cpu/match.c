#include "kernels/cpu/points.h"

#include "src/base/err.h"

#include <math.h>

#define BLOCK UDA_POINT_BLOCK
/* Partial sums over the points; each share takes every SHARES-th block. Joined in order. */
#define SHARES 16

/* Memory of one share. */
struct share {
    float *features, *x, *sigmoid, *label;                   /* [BLOCK,C], 2 [Q,BLOCK], [M,BLOCK] */
    float *sum_softplus, *sum_sigmoid, *sum_label, *xt, *st; /* [Q] [Q] [M] [Q,M] [Q,M] */
};

struct match_job {
    const struct uda_match_cost_args *a; /* its arrays of targets begin at the image's */
    int64_t M;
    int64_t words; /* of a mask */
    int64_t blocks, shares, share_floats;
    int status[SHARES];
};

static struct share share_of(const struct match_job *job, int64_t i)
{
    const struct uda_match_cost_args *a = job->a;
    struct share s = {.features = (float *)a->ws.data + i * job->share_floats};
    s.x = s.features + BLOCK * a->C;
    s.sigmoid = s.x + a->Q * BLOCK;
    s.label = s.sigmoid + a->Q * BLOCK;
    s.xt = s.label + job->M * BLOCK;
    s.st = s.xt + a->Q * job->M;
    s.sum_softplus = s.st + a->Q * job->M;
    s.sum_sigmoid = s.sum_softplus + a->Q;
    s.sum_label = s.sum_sigmoid + a->Q;
    return s;
}

/* Features [BLOCK, C] at a block of points. */
static void gather_features(float *features, const float *f, int64_t C,
                            const struct point_taps *taps)
{
    for (int64_t j = 0; j < BLOCK; j++) {
        const float *f0 = f + taps->at[0][j] * C, *f1 = f + taps->at[1][j] * C;
        const float *f2 = f + taps->at[2][j] * C, *f3 = f + taps->at[3][j] * C;
        float w0 = taps->weight[0][j], w1 = taps->weight[1][j], w2 = taps->weight[2][j];
        float w3 = taps->weight[3][j], *UDA_RESTRICT to = features + j * C;
        for (int64_t c = 0; c < C; c++) {
            to[c] = w0 * f0[c] + w1 * f1[c] + w2 * f2[c] + w3 * f3[c];
        }
    }
}

/* Row sums of softplus(x) and s(x) over `count` points, s kept. */
static void sum_row(const struct share *s, int64_t q, int64_t count)
{
    const float *x = s->x + q * BLOCK;
    vf softplus = vf_set(0.0f), total = vf_set(0.0f);
    for (int64_t j = 0; j < count; j += UDA_LANES) {
        vf sigmoid, plus = softplus_sigmoid(vf_load(x + j), &sigmoid);
        vf_store(s->sigmoid + q * BLOCK + j, sigmoid);
        if (count - j < UDA_LANES) {
            plus = keep_lanes(plus, first_lanes(count - j));
            sigmoid = keep_lanes(sigmoid, first_lanes(count - j));
        }
        softplus += plus;
        total += sigmoid;
    }
    s->sum_softplus[q] += vf_sum(softplus);
    s->sum_sigmoid[q] += vf_sum(total);
}

static int add_block(const struct match_job *job, const struct share *s, int64_t first)
{
    const struct uda_match_cost_args *a = job->a;
    int64_t count = min_i64(BLOCK, a->P - first);
    struct point_taps taps;
    point_taps(&taps, a->point + 2 * first, count, a->H, a->W);
    gather_features(s->features, a->f, a->C, &taps);
    int rc = UDA_CPU(gemm_sequential)(false, true, a->Q, BLOCK, a->C, a->e, a->C, s->features, a->C,
                                      false, s->x, BLOCK);
    for (int64_t q = 0; q < a->Q; q++) {
        sum_row(s, q, count);
    }
    point_taps(&taps, a->point + 2 * first, count, a->height, a->width);
    for (int64_t m = 0; m < job->M; m++) {
        float *label = s->label + m * BLOCK;
        point_label(label, a->mask + m * job->words, &taps);
        vf sum = vf_set(0.0f);
        for (int64_t j = 0; j < BLOCK; j += UDA_LANES) {
            sum += vf_load(label + j);
        }
        s->sum_label[m] += vf_sum(sum);
    }
    rc |= UDA_CPU(gemm_sequential)(false, true, a->Q, job->M, count, s->x, BLOCK, s->label, BLOCK,
                                   true, s->xt, job->M);
    rc |= UDA_CPU(gemm_sequential)(false, true, a->Q, job->M, count, s->sigmoid, BLOCK, s->label,
                                   BLOCK, true, s->st, job->M);
    return rc;
}

static void match_share(void *args, int64_t i)
{
    struct match_job *job = args;
    const struct uda_match_cost_args *a = job->a;
    struct share s = share_of(job, i);
    memset(s.xt, 0, (size_t)(2 * a->Q * job->M + 2 * a->Q + job->M) * sizeof *s.xt);
    for (int64_t block = i; block < job->blocks; block += job->shares) {
        if (add_block(job, &s, block * BLOCK) != 0) {
            job->status[i] = UDA_DEVICE;
        }
    }
}

/* The costs of one query, from the sums of all shares. */
static void match_row(void *args, int64_t q)
{
    const struct match_job *job = args;
    const struct uda_match_cost_args *a = job->a;
    const float *logits = a->logits + q * a->K;
    double top = (double)logits[0], classes = 0.0, softplus = 0.0, sigmoid = 0.0;
    for (int64_t k = 1; k < a->K; k++) {
        top = (double)logits[k] > top ? (double)logits[k] : top;
    }
    for (int64_t k = 0; k < a->K; k++) {
        classes += exp((double)logits[k] - top);
    }
    for (int64_t i = 0; i < job->shares; i++) {
        struct share s = share_of(job, i);
        softplus += (double)s.sum_softplus[q];
        sigmoid += (double)s.sum_sigmoid[q];
    }
    for (int64_t m = 0; m < job->M; m++) {
        double label = 0.0, xt = 0.0, st = 0.0;
        for (int64_t i = 0; i < job->shares; i++) {
            struct share s = share_of(job, i);
            label += (double)s.sum_label[m];
            xt += (double)s.xt[q * job->M + m];
            st += (double)s.st[q * job->M + m];
        }
        double mask = (softplus - xt) / (double)a->P;
        double dice = 1.0 - (2.0 * st + 1.0) / (sigmoid + label + 1.0);
        double cls = -exp((double)logits[a->cls[m]] - top) / classes;
        a->cost[q * job->M + m] =
            (float)((double)a->cls_weight * cls + (double)a->mask_weight * mask +
                    (double)a->dice_weight * dice);
    }
}

int UDA_CPU(match_cost)(struct uda_stream *stream, struct uda_match_cost_args *a)
{
    struct uda_match_cost_args image = *a;
    struct match_job job = {.a = &image, .M = a->first[1] - a->first[0], .blocks = ceil_div(a->P, BLOCK),
                            .words = uda_mask_words(a->height * a->width)};
    if (job.M == 0) {
        return 0;
    }
    image.cls += a->first[0];
    image.mask += a->first[0] * job.words;
    image.cost += a->first[0] * a->Q;
    job.shares = min_i64(SHARES, job.blocks);
    int64_t floats = BLOCK * (a->C + 2 * a->Q + job.M) + 2 * a->Q * job.M + 2 * a->Q + job.M;
    job.share_floats = ceil_div(floats, 16) * 16;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(job.shares * job.share_floats) * sizeof(float);
        return 0;
    }
    uda_team_run(stream->team, job.shares, match_share, &job);
    for (int64_t i = 0; i < job.shares; i++) {
        if (job.status[i] != 0) {
            return job.status[i];
        }
    }
    uda_team_run(stream->team, a->Q, match_row, &job);
    return 0;
}
