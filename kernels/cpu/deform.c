#include "kernels/cpu/vmath.h"

#include "src/base/err.h"

#define LEVELS UDA_DEFORM_LEVELS
#define TAPS 4
/* Samples of a head, padded to whole vectors. */
#define ROOM 32
#define TOKENS 64

/* A head of 8 channels on processors whose vectors are wider. */
typedef float v8 UDA_VECTOR(32);

struct deform_job {
    const struct uda_deform_args *a;
    int64_t d, samples, padded, blocks;
    /* Of each sample's level: its sides, and its first token. */
    UDA_ALIGNED(64) float width[ROOM], height[ROOM];
    UDA_ALIGNED(64) int32_t columns[ROOM], rows[ROOM], first[ROOM];
};

/* Where the samples of one query and head fall. Padding lies outside and weighs nothing. */
struct samples {
    UDA_ALIGNED(64) float u[ROOM], v[ROOM];      /* the query's own place in each sample's level */
    UDA_ALIGNED(64) float a[ROOM];               /* attention weights */
    UDA_ALIGNED(64) float part_x[ROOM], part_y[ROOM];
    UDA_ALIGNED(64) float weight[TAPS][ROOM];    /* bilinear, 0 outside */
    UDA_ALIGNED(64) float inside[TAPS][ROOM];    /* 1 or 0 */
    UDA_ALIGNED(64) int32_t token[TAPS][ROOM];   /* clamped into the level */
};

static void job_init(struct deform_job *job, const struct uda_deform_args *a)
{
    *job = (struct deform_job){.a = a, .d = a->D / a->M, .samples = LEVELS * a->P,
                               .blocks = ceil_div(a->S, TOKENS)};
    job->padded = ceil_div(job->samples, 16) * 16;
    int64_t start = 0;
    for (int64_t l = 0; l < LEVELS; l++) {
        for (int64_t p = 0; p < a->P; p++) {
            int64_t j = l * a->P + p;
            job->columns[j] = (int32_t)a->width[l];
            job->rows[j] = (int32_t)a->height[l];
            job->width[j] = (float)a->width[l];
            job->height[j] = (float)a->height[l];
            job->first[j] = (int32_t)start;
        }
        start += a->height[l] * a->width[l];
    }
}

/* The query's place in every level, in cells, less one half. */
static void place_query(const struct deform_job *job, struct samples *s, int64_t token)
{
    const struct uda_deform_args *a = job->a;
    int64_t own = 0;
    while (token >= a->height[own] * a->width[own]) {
        token -= a->height[own] * a->width[own];
        own++;
    }
    float x = ((float)(token % a->width[own]) + 0.5f) / (float)a->width[own];
    float y = ((float)(token / a->width[own]) + 0.5f) / (float)a->height[own];
    for (int64_t j = 0; j < job->padded; j++) {
        s->u[j] = j < job->samples ? x * job->width[j] - 0.5f : -2.0f;
        s->v[j] = j < job->samples ? y * job->height[j] - 0.5f : -2.0f;
    }
}

static void softmax(const struct deform_job *job, struct samples *s, const float *logits)
{
    memcpy(s->a, logits, (size_t)job->samples * sizeof *s->a);
    for (int64_t j = job->samples; j < job->padded; j++) {
        s->a[j] = -1e30f;
    }
    vf most = vf_load(s->a), sum = vf_set(0.0f);
    for (int64_t j = UDA_LANES; j < job->padded; j += UDA_LANES) {
        most = vf_max(most, vf_load(s->a + j));
    }
    float top = vf_largest(most);
    for (int64_t j = 0; j < job->padded; j += UDA_LANES) {
        vf e = vf_exp(vf_load(s->a + j) - top);
        vf_store(s->a + j, e);
        sum += e;
    }
    float inverse = 1.0f / vf_sum(sum);
    for (int64_t j = 0; j < job->padded; j += UDA_LANES) {
        vf_store(s->a + j, vf_load(s->a + j) * inverse);
    }
}

/* Taps of all samples of a head, from the query's place and the head's offsets. */
static void place_samples(const struct deform_job *job, struct samples *s, const float *offsets)
{
    float off[2 * ROOM];
    memcpy(off, offsets, (size_t)(2 * job->samples) * sizeof *off);
    memset(off + 2 * job->samples, 0, (size_t)(2 * (job->padded - job->samples)) * sizeof *off);
    for (int64_t j = 0; j < job->padded; j++) {
        float u = s->u[j] + off[2 * j], v = s->v[j] + off[2 * j + 1];
        bool near = (u > -1.0f) & (u < job->width[j]) & (v > -1.0f) & (v < job->height[j]);
        u = near ? u : 0.0f;
        v = near ? v : 0.0f;
        int32_t x = (int32_t)(u + 1.0f) - 1, y = (int32_t)(v + 1.0f) - 1; /* floor: u > -1 */
        float lw = u - (float)x, lh = v - (float)y, hw = 1.0f - lw, hh = 1.0f - lh;
        float left = near & (x >= 0) ? 1.0f : 0.0f;
        float right = near & (x < job->columns[j] - 1) ? 1.0f : 0.0f;
        float top = y >= 0 ? 1.0f : 0.0f, bottom = y < job->rows[j] - 1 ? 1.0f : 0.0f;
        int32_t x0 = x > 0 ? x : 0, y0 = y > 0 ? y : 0;
        int32_t x1 = x < job->columns[j] - 1 ? x + 1 : x0, y1 = y < job->rows[j] - 1 ? y + 1 : y0;
        s->part_x[j] = lw;
        s->part_y[j] = lh;
        s->inside[0][j] = top * left;
        s->inside[1][j] = top * right;
        s->inside[2][j] = bottom * left;
        s->inside[3][j] = bottom * right;
        s->weight[0][j] = hh * hw * (top * left);
        s->weight[1][j] = hh * lw * (top * right);
        s->weight[2][j] = lh * hw * (bottom * left);
        s->weight[3][j] = lh * lw * (bottom * right);
        s->token[0][j] = job->first[j] + y0 * job->columns[j] + x0;
        s->token[1][j] = job->first[j] + y0 * job->columns[j] + x1;
        s->token[2][j] = job->first[j] + y1 * job->columns[j] + x0;
        s->token[3][j] = job->first[j] + y1 * job->columns[j] + x1;
    }
}

/* ---- forward: y [d] = sum over samples and taps; one function for each number of vectors in a head ---- */

static UDA_ALWAYS_INLINE void gather(float *y, const float *value, const struct samples *s,
                                     const struct deform_job *job, int vectors)
{
    int64_t D = job->a->D;
    vf acc[8];
    for (int i = 0; i < vectors; i++) {
        acc[i] = vf_set(0.0f);
    }
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            const float *x = value + s->token[tap][j] * D;
            float w = s->weight[tap][j] * s->a[j];
            for (int i = 0; i < vectors; i++) {
                acc[i] += vf_load(x + i * UDA_LANES) * w;
            }
        }
    }
    for (int i = 0; i < vectors; i++) {
        vf_store(y + i * UDA_LANES, acc[i]);
    }
}

static void gather_8(float *y, const float *value, const struct samples *s,
                     const struct deform_job *job)
{
    v8 acc = {0}, x;
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            memcpy(&x, value + s->token[tap][j] * job->a->D, sizeof x);
            acc += x * (s->weight[tap][j] * s->a[j]);
        }
    }
    memcpy(y, &acc, sizeof acc);
}

static void gather_any(float *y, const float *value, const struct samples *s,
                       const struct deform_job *job)
{
    memset(y, 0, (size_t)job->d * sizeof *y);
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            const float *x = value + s->token[tap][j] * job->a->D;
            float w = s->weight[tap][j] * s->a[j];
            for (int64_t c = 0; c < job->d; c++) {
                y[c] += w * x[c];
            }
        }
    }
}

static void gather_head(float *y, const float *value, const struct samples *s,
                        const struct deform_job *job)
{
    if (job->d == 2 * UDA_LANES) {
        gather(y, value, s, job, 2);
    } else if (job->d == UDA_LANES) {
        gather(y, value, s, job, 1);
    } else if (job->d == 4 * UDA_LANES) {
        gather(y, value, s, job, 4);
    } else if (job->d == 8 * UDA_LANES) {
        gather(y, value, s, job, 8);
    } else if (job->d == 8) {
        gather_8(y, value, s, job);
    } else {
        gather_any(y, value, s, job);
    }
}

static void forward_block(void *args, int64_t i)
{
    const struct deform_job *job = args;
    const struct uda_deform_args *a = job->a;
    int64_t n = i / job->blocks, first = i % job->blocks * TOKENS;
    const float *value = a->value + n * a->S * a->D;
    struct samples s;
    for (int64_t token = first; token < min_i64(first + TOKENS, a->S); token++) {
        place_query(job, &s, token);
        for (int64_t m = 0; m < a->M; m++) {
            int64_t head = (n * a->S + token) * a->M + m;
            softmax(job, &s, a->weights + head * job->samples);
            place_samples(job, &s, a->offsets + head * job->samples * 2);
            gather_head(a->y + head * job->d, value + m * job->d, &s, job);
        }
    }
}

int UDA_CPU(deform_fwd)(struct uda_stream *stream, struct uda_deform_args *a)
{
    struct deform_job job;
    job_init(&job, a);
    uda_team_run(stream->team, a->N * job.blocks, forward_block, &job);
    return 0;
}

/* ---- backward ---- */

/* dot [tap, sample] = g . tap's value; dvalue of the tap += weight a g. */
static UDA_ALWAYS_INLINE void scatter(float dot[TAPS][ROOM], float *dvalue, const float *value,
                                      const float *g, const struct samples *s,
                                      const struct deform_job *job, int vectors)
{
    int64_t D = job->a->D;
    vf grad[8];
    for (int i = 0; i < vectors; i++) {
        grad[i] = vf_load(g + i * UDA_LANES);
    }
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            int64_t at = s->token[tap][j] * D;
            vf sum = grad[0] * vf_load(value + at);
            for (int i = 1; i < vectors; i++) {
                sum += grad[i] * vf_load(value + at + i * UDA_LANES);
            }
            dot[tap][j] = vf_sum(sum);
            float w = s->weight[tap][j] * s->a[j];
            for (int i = 0; dvalue != NULL && i < vectors; i++) {
                float *to = dvalue + at + i * UDA_LANES;
                vf_store(to, vf_load(to) + grad[i] * w);
            }
        }
    }
}

static void scatter_8(float dot[TAPS][ROOM], float *dvalue, const float *value, const float *g,
                      const struct samples *s, const struct deform_job *job)
{
    v8 grad, x;
    memcpy(&grad, g, sizeof grad);
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            int64_t at = s->token[tap][j] * job->a->D;
            memcpy(&x, value + at, sizeof x);
            v8 p = grad * x;
            dot[tap][j] = ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]));
            if (dvalue != NULL) {
                memcpy(&x, dvalue + at, sizeof x);
                x += grad * (s->weight[tap][j] * s->a[j]);
                memcpy(dvalue + at, &x, sizeof x);
            }
        }
    }
}

static void scatter_any(float dot[TAPS][ROOM], float *dvalue, const float *value, const float *g,
                        const struct samples *s, const struct deform_job *job)
{
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            int64_t at = s->token[tap][j] * job->a->D;
            float w = s->weight[tap][j] * s->a[j], sum = 0.0f;
            for (int64_t c = 0; c < job->d; c++) {
                sum += g[c] * value[at + c];
            }
            for (int64_t c = 0; dvalue != NULL && c < job->d; c++) {
                dvalue[at + c] += w * g[c];
            }
            dot[tap][j] = sum;
        }
    }
}

static void scatter_head(float dot[TAPS][ROOM], float *dvalue, const float *value, const float *g,
                         const struct samples *s, const struct deform_job *job)
{
    if (job->d == 2 * UDA_LANES) {
        scatter(dot, dvalue, value, g, s, job, 2);
    } else if (job->d == UDA_LANES) {
        scatter(dot, dvalue, value, g, s, job, 1);
    } else if (job->d == 4 * UDA_LANES) {
        scatter(dot, dvalue, value, g, s, job, 4);
    } else if (job->d == 8 * UDA_LANES) {
        scatter(dot, dvalue, value, g, s, job, 8);
    } else if (job->d == 8) {
        scatter_8(dot, dvalue, value, g, s, job);
    } else {
        scatter_any(dot, dvalue, value, g, s, job);
    }
}

/* Gradients of a head's offsets and logits from the taps' dot products. */
static void finish_head(const struct deform_job *job, const struct samples *s,
                        float dot[TAPS][ROOM], float *doffsets, float *dweights)
{
    const struct uda_deform_args *a = job->a;
    float da[ROOM], dx[ROOM], dy[ROOM], mean = 0.0f;
    for (int64_t j = 0; j < job->samples; j++) {
        float d0 = dot[0][j] * s->inside[0][j], d1 = dot[1][j] * s->inside[1][j];
        float d2 = dot[2][j] * s->inside[2][j], d3 = dot[3][j] * s->inside[3][j];
        float lw = s->part_x[j], lh = s->part_y[j];
        da[j] = s->weight[0][j] * dot[0][j] + s->weight[1][j] * dot[1][j] +
                s->weight[2][j] * dot[2][j] + s->weight[3][j] * dot[3][j];
        dx[j] = s->a[j] * ((1.0f - lh) * (d1 - d0) + lh * (d3 - d2));
        dy[j] = s->a[j] * ((1.0f - lw) * (d2 - d0) + lw * (d3 - d1));
    }
    for (int64_t j = 0; j < job->samples; j++) {
        mean += s->a[j] * da[j];
    }
    for (int64_t j = 0; doffsets != NULL && j < job->samples; j++) {
        doffsets[2 * j] = a->accumulate_offsets ? doffsets[2 * j] + dx[j] : dx[j];
        doffsets[2 * j + 1] = a->accumulate_offsets ? doffsets[2 * j + 1] + dy[j] : dy[j];
    }
    for (int64_t j = 0; dweights != NULL && j < job->samples; j++) {
        float dlogit = s->a[j] * (da[j] - mean);
        dweights[j] = a->accumulate_weights ? dweights[j] + dlogit : dlogit;
    }
}

/* All queries of one image and head, in order. */
static void backward_head(void *args, int64_t i)
{
    const struct deform_job *job = args;
    const struct uda_deform_args *a = job->a;
    int64_t n = i / a->M, m = i % a->M, base = n * a->S * a->D + m * job->d;
    float *dvalue = a->dvalue != NULL ? a->dvalue + base : NULL;
    struct samples s;
    UDA_ALIGNED(64) float dot[TAPS][ROOM];
    for (int64_t token = 0; dvalue != NULL && !a->accumulate_value && token < a->S; token++) {
        memset(dvalue + token * a->D, 0, (size_t)job->d * sizeof *dvalue);
    }
    for (int64_t token = 0; token < a->S; token++) {
        int64_t head = (n * a->S + token) * a->M + m;
        place_query(job, &s, token);
        softmax(job, &s, a->weights + head * job->samples);
        place_samples(job, &s, a->offsets + head * job->samples * 2);
        scatter_head(dot, dvalue, a->value + base, a->dy + head * job->d, &s, job);
        finish_head(job, &s, dot, a->doffsets != NULL ? a->doffsets + head * job->samples * 2 : NULL,
                    a->dweights != NULL ? a->dweights + head * job->samples : NULL);
    }
}

int UDA_CPU(deform_bwd)(struct uda_stream *stream, struct uda_deform_args *a)
{
    struct deform_job job;
    job_init(&job, a);
    uda_team_run(stream->team, a->N * a->M, backward_head, &job);
    return 0;
}
