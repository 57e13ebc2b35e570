#include "kernels/cpu/vmath.h"

#include "src/base/err.h"

#define LEVELS UDA_DEFORM_LEVELS
#define TAPS 4
/* Samples of a head, padded to whole vectors. */
#define ROOM 32
/* Queries of a task in forward. */
#define TOKENS 256

/* A head of 8 channels on processors whose vectors are wider; and the sums of four vectors. */
typedef float v8 UDA_VECTOR(32);
typedef float v4 UDA_VECTOR(16);

struct deform_job {
    const struct uda_deform_args *a;
    int64_t d, samples, padded, blocks, logits; /* logits: in the whole tensor */
    /*
     * Copies [N, M, S, d]: rows of one head next to each other, as the maps' rows of D channels, a
     * power of two apart, would share few sets of the caches.
     */
    float *value, *dvalue;
    /* Of each sample's level: its sides, and its first token. */
    UDA_ALIGNED(64) float width[ROOM], height[ROOM];
    UDA_ALIGNED(64) int32_t columns[ROOM], rows[ROOM], first[ROOM];
    UDA_ALIGNED(64) int32_t real[ROOM]; /* all ones for a sample, 0 for padding */
};

/* Where the samples of one query and head fall. What padding holds is never used. */
struct samples {
    UDA_ALIGNED(64) float u[ROOM], v[ROOM];      /* the query's own place in each sample's level */
    UDA_ALIGNED(64) float a[ROOM];               /* attention weights */
    UDA_ALIGNED(64) float part_x[ROOM], part_y[ROOM];
    UDA_ALIGNED(64) float weight[TAPS][ROOM];    /* bilinear, 0 outside */
    UDA_ALIGNED(64) float share[TAPS][ROOM];     /* weight times a */
    UDA_ALIGNED(64) float inside[TAPS][ROOM];    /* 1 or 0 */
    UDA_ALIGNED(64) int32_t token[TAPS][ROOM];   /* clamped into the level */
};

static void job_init(struct deform_job *job, const struct uda_deform_args *a)
{
    *job = (struct deform_job){.a = a, .d = a->D / a->M, .samples = LEVELS * a->P,
                               .blocks = ceil_div(a->S, TOKENS),
                               .logits = a->N * a->S * a->M * LEVELS * a->P};
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
            job->real[j] = -1;
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
        s->u[j] = x * job->width[j] - 0.5f;
        s->v[j] = y * job->height[j] - 0.5f;
    }
}

static UDA_ALWAYS_INLINE void softmax(const struct deform_job *job, struct samples *s,
                                      const float *logits, int64_t padded)
{
    vf most = vf_set(-1e30f), sum = vf_set(0.0f);
    for (int64_t j = 0; j < padded; j += UDA_LANES) {
        vi real;
        memcpy(&real, job->real + j, sizeof real);
        vf x = vf_select(real, vf_load(logits + j), vf_set(-1e30f));
        vf_store(s->a + j, x);
        most = vf_max(x, most);
    }
    float top = vf_largest(most);
    for (int64_t j = 0; j < padded; j += UDA_LANES) {
        vf e = vf_exp(vf_load(s->a + j) - top);
        vf_store(s->a + j, e);
        sum += e;
    }
    float inverse = 1.0f / vf_sum(sum);
    for (int64_t j = 0; j < padded; j += UDA_LANES) {
        vf_store(s->a + j, vf_load(s->a + j) * inverse);
    }
}

/* Taps of all samples of a head, from the query's place and the head's offsets. */
static UDA_ALWAYS_INLINE void place_samples(const struct deform_job *job, struct samples *s,
                                            const float *off, int64_t padded)
{
    for (int64_t j = 0; j < padded; j++) {
        float u = s->u[j] + off[2 * j], v = s->v[j] + off[2 * j + 1];
        bool near = (u > -1.0f) & (u < job->width[j]) & (v > -1.0f) & (v < job->height[j]);
        u = near ? u : 0.0f;
        v = near ? v : 0.0f;
        int32_t x = (int32_t)(u + 1.0f) - 1, y = (int32_t)(v + 1.0f) - 1; /* floor: u > -1 */
        float lw = u - (float)x, lh = v - (float)y, hw = 1.0f - lw, hh = 1.0f - lh;
        float left = (near & (x >= 0)) ? 1.0f : 0.0f;
        float right = (near & (x < job->columns[j] - 1)) ? 1.0f : 0.0f;
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
        for (int tap = 0; tap < TAPS; tap++) {
            s->share[tap][j] = s->weight[tap][j] * s->a[j];
        }
    }
}

/* Weights and taps of the samples of (n, token, m) = head. */
static void place_head(const struct deform_job *job, struct samples *s, int64_t head)
{
    float padded_logits[ROOM], padded_offsets[2 * ROOM];
    const float *logits = job->a->weights + head * job->samples;
    const float *offsets = job->a->offsets + head * job->samples * 2;
    if (head * job->samples + job->padded > job->logits) { /* whole vectors would pass the end */
        memset(padded_logits, 0, sizeof padded_logits);
        memset(padded_offsets, 0, sizeof padded_offsets);
        memcpy(padded_logits, logits, (size_t)job->samples * sizeof *logits);
        memcpy(padded_offsets, offsets, (size_t)(2 * job->samples) * sizeof *offsets);
        logits = padded_logits;
        offsets = padded_offsets;
    }
    if (job->padded == 16) {
        softmax(job, s, logits, 16);
        place_samples(job, s, offsets, 16);
    } else {
        softmax(job, s, logits, ROOM);
        place_samples(job, s, offsets, ROOM);
    }
}

/* The copy of one image's head. */
static void pack_head(void *args, int64_t i)
{
    const struct deform_job *job = args;
    const struct uda_deform_args *a = job->a;
    const float *from = (const float *)a->value + i / a->M * a->S * a->D + i % a->M * job->d;
    float *to = job->value + i * a->S * job->d;
    for (int64_t token = 0; token < a->S; token++) {
        memcpy(to + token * job->d, from + token * a->D, (size_t)job->d * sizeof *to);
    }
}

/* ---- forward: y [d] = sum over samples and taps; one function for each number of vectors in a
 * head ---- */

static UDA_ALWAYS_INLINE void gather(float *y, const float *value, const struct samples *s,
                                     const struct deform_job *job, int vectors)
{
    int64_t d = job->d;
    /* Short heads have a sum for each tap, so that one addition need not wait for the other. */
    const int sums = vectors <= 2 ? TAPS : 1;
    vf acc[8] = {{0}};
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            const float *x = value + s->token[tap][j] * d;
            float w = s->share[tap][j];
            for (int i = 0; i < vectors; i++) {
                acc[tap % sums * vectors + i] += vf_load(x + i * UDA_LANES) * w;
            }
        }
    }
    for (int i = 0; i < vectors; i++) {
        for (int sum = 1; sum < sums; sum++) {
            acc[i] += acc[sum * vectors + i];
        }
        vf_store(y + i * UDA_LANES, acc[i]);
    }
}

static void gather_8(float *y, const float *value, const struct samples *s,
                     const struct deform_job *job)
{
    v8 acc[TAPS] = {{0}}, x;
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            memcpy(&x, value + s->token[tap][j] * job->d, sizeof x);
            acc[tap] += x * s->share[tap][j];
        }
    }
    acc[0] += acc[1] + (acc[2] + acc[3]);
    memcpy(y, &acc[0], sizeof acc[0]);
}

static void gather_any(float *y, const float *value, const struct samples *s,
                       const struct deform_job *job)
{
    memset(y, 0, (size_t)job->d * sizeof *y);
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            const float *x = value + s->token[tap][j] * job->d;
            float w = s->share[tap][j];
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
    int64_t image_head = i / job->blocks, first = i % job->blocks * TOKENS;
    int64_t n = image_head / a->M, m = image_head % a->M;
    const float *value = job->value + image_head * a->S * job->d;
    struct samples s;
    for (int64_t token = first; token < min_i64(first + TOKENS, a->S); token++) {
        int64_t head = (n * a->S + token) * a->M + m;
        place_query(job, &s, token);
        place_head(job, &s, head);
        gather_head((float *)a->y + head * job->d, value, &s, job);
    }
}

int UDA_CPU(deform_fwd)(struct uda_stream *stream, struct uda_deform_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct deform_job job;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(a->N * a->S * a->D) * sizeof(float);
        return 0;
    }
    job_init(&job, a);
    job.value = a->ws.data;
    uda_team_run(stream->team, a->N * a->M, pack_head, &job);
    uda_team_run(stream->team, a->N * a->M * job.blocks, forward_block, &job);
    return 0;
}

/* ---- backward ---- */

/* to [4] = vf_sum of each vector, the same bits: halves are added while two, then four vectors
 * share a register. */
static UDA_ALWAYS_INLINE void sum_four(float *to, const vf x[TAPS])
{
#if UDA_LANES == 16
#define LOW 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
    vf a = UDA_SHUFFLE(x[0], x[1], LOW) + UDA_SHUFFLE(x[0], x[1], HIGH);
    vf b = UDA_SHUFFLE(x[2], x[3], LOW) + UDA_SHUFFLE(x[2], x[3], HIGH);
    vf c = UDA_SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           UDA_SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    c += UDA_TURN(c, 2);
    c += UDA_TURN(c, 1);
    v4 sums = UDA_SHUFFLE(c, c, 0, 4, 8, 12);
#elif UDA_LANES == 8
#define LOW 0, 1, 2, 3, 8, 9, 10, 11
#define HIGH 4, 5, 6, 7, 12, 13, 14, 15
    vf a = UDA_SHUFFLE(x[0], x[1], LOW) + UDA_SHUFFLE(x[0], x[1], HIGH);
    vf b = UDA_SHUFFLE(x[2], x[3], LOW) + UDA_SHUFFLE(x[2], x[3], HIGH);
    vf c = UDA_SHUFFLE(a, b, 0, 1, 4, 5, 8, 9, 12, 13) +
           UDA_SHUFFLE(a, b, 2, 3, 6, 7, 10, 11, 14, 15);
    c += UDA_TURN(c, 1);
    v4 sums = UDA_SHUFFLE(c, c, 0, 2, 4, 6);
#else
#define LOW 0, 1, 4, 5
#define HIGH 2, 3, 6, 7
    vf a = UDA_SHUFFLE(x[0], x[1], LOW) + UDA_SHUFFLE(x[0], x[1], HIGH);
    vf b = UDA_SHUFFLE(x[2], x[3], LOW) + UDA_SHUFFLE(x[2], x[3], HIGH);
    v4 sums = UDA_SHUFFLE(a, b, 0, 2, 4, 6) + UDA_SHUFFLE(a, b, 1, 3, 5, 7);
#endif
    memcpy(to, &sums, sizeof sums);
}

/* dot [sample, tap] = g . tap's value; dvalue of the tap += weight a g. */
static UDA_ALWAYS_INLINE void scatter(float dot[ROOM][TAPS], float *dvalue, const float *value,
                                      const float *g, const struct samples *s,
                                      const struct deform_job *job, int vectors)
{
    int64_t d = job->d;
    vf grad[8];
    for (int i = 0; i < vectors; i++) {
        grad[i] = vf_load(g + i * UDA_LANES);
    }
    for (int64_t j = 0; j < job->samples; j++) {
        vf sum[TAPS];
        for (int tap = 0; tap < TAPS; tap++) {
            int64_t at = s->token[tap][j] * d;
            sum[tap] = grad[0] * vf_load(value + at);
            for (int i = 1; i < vectors; i++) {
                sum[tap] += grad[i] * vf_load(value + at + i * UDA_LANES);
            }
            float w = s->share[tap][j];
            for (int i = 0; dvalue != NULL && i < vectors; i++) {
                float *to = dvalue + at + i * UDA_LANES;
                vf_store(to, vf_load(to) + grad[i] * w);
            }
        }
        sum_four(dot[j], sum);
    }
}

static void scatter_8(float dot[ROOM][TAPS], float *dvalue, const float *value, const float *g,
                      const struct samples *s, const struct deform_job *job)
{
    v8 grad, x;
    memcpy(&grad, g, sizeof grad);
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            int64_t at = s->token[tap][j] * job->d;
            memcpy(&x, value + at, sizeof x);
            v8 p = grad * x;
            p += UDA_SHUFFLE(p, p, 4, 5, 6, 7, 0, 1, 2, 3);
            p += UDA_SHUFFLE(p, p, 2, 3, 0, 1, 6, 7, 4, 5);
            dot[j][tap] = p[0] + p[1];
            if (dvalue != NULL) {
                memcpy(&x, dvalue + at, sizeof x);
                x += grad * s->share[tap][j];
                memcpy(dvalue + at, &x, sizeof x);
            }
        }
    }
}

static void scatter_any(float dot[ROOM][TAPS], float *dvalue, const float *value, const float *g,
                        const struct samples *s, const struct deform_job *job)
{
    for (int64_t j = 0; j < job->samples; j++) {
        for (int tap = 0; tap < TAPS; tap++) {
            int64_t at = s->token[tap][j] * job->d;
            float w = s->share[tap][j], sum = 0.0f;
            for (int64_t c = 0; c < job->d; c++) {
                sum += g[c] * value[at + c];
            }
            for (int64_t c = 0; dvalue != NULL && c < job->d; c++) {
                dvalue[at + c] += w * g[c];
            }
            dot[j][tap] = sum;
        }
    }
}

static void scatter_head(float dot[ROOM][TAPS], float *dvalue, const float *value, const float *g,
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
                        float dot[ROOM][TAPS], float *doffsets, float *dweights)
{
    const struct uda_deform_args *a = job->a;
    float da[ROOM], dx[ROOM], dy[ROOM], mean = 0.0f;
    for (int64_t j = 0; j < job->samples; j++) {
        float d0 = dot[j][0] * s->inside[0][j], d1 = dot[j][1] * s->inside[1][j];
        float d2 = dot[j][2] * s->inside[2][j], d3 = dot[j][3] * s->inside[3][j];
        float lw = s->part_x[j], lh = s->part_y[j];
        da[j] = s->weight[0][j] * dot[j][0] + s->weight[1][j] * dot[j][1] +
                s->weight[2][j] * dot[j][2] + s->weight[3][j] * dot[j][3];
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

/* The head's own gradient of the values goes where it belongs. */
static void unpack_head(const struct deform_job *job, int64_t i)
{
    const struct uda_deform_args *a = job->a;
    float *to = (float *)a->dvalue + i / a->M * a->S * a->D + i % a->M * job->d;
    const float *from = job->dvalue + i * a->S * job->d;
    for (int64_t token = 0; token < a->S; token++) {
        for (int64_t c = 0; c < job->d; c++) {
            float *place = to + token * a->D + c;
            float old = a->accumulate_value ? *place : 0.0f;
            *place = old + from[token * job->d + c];
        }
    }
}

/* All queries of one image and head, in order. */
static void backward_head(void *args, int64_t i)
{
    const struct deform_job *job = args;
    const struct uda_deform_args *a = job->a;
    int64_t n = i / a->M, m = i % a->M;
    const float *dy = a->dy;
    float *dvalue = a->dvalue != NULL ? job->dvalue + i * a->S * job->d : NULL;
    struct samples s;
    UDA_ALIGNED(64) float dot[ROOM][TAPS];
    pack_head(args, i);
    if (dvalue != NULL) {
        memset(dvalue, 0, (size_t)(a->S * job->d) * sizeof *dvalue);
    }
    for (int64_t token = 0; token < a->S; token++) {
        int64_t head = (n * a->S + token) * a->M + m;
        place_query(job, &s, token);
        place_head(job, &s, head);
        scatter_head(dot, dvalue, job->value + i * a->S * job->d, dy + head * job->d, &s,
                     job);
        finish_head(job, &s, dot,
                    a->doffsets != NULL ? a->doffsets + head * job->samples * 2 : NULL,
                    a->dweights != NULL ? a->dweights + head * job->samples : NULL);
    }
    if (dvalue != NULL) {
        unpack_head(job, i);
    }
}

int UDA_CPU(deform_bwd)(struct uda_stream *stream, struct uda_deform_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct deform_job job;
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(2 * a->N * a->S * a->D) * sizeof(float);
        return 0;
    }
    job_init(&job, a);
    job.value = a->ws.data;
    job.dvalue = job.value + a->N * a->S * a->D;
    uda_team_run(stream->team, a->N * a->M, backward_head, &job);
    return 0;
}
