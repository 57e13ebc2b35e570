#include "kernels/cpu/vmath.h"

#include "src/base/err.h"

#include <math.h>

/* One tile of scores stays in the second-level cache. KEY_BLOCK is a multiple of 32: blocks begin
 * at a mask word. */
#define QUERY_BLOCK 128
#define KEY_BLOCK 512
/* Scratch areas; each serves its share of the tasks. A constant, so that shares do not depend on
 * threads. */
#define AREAS 32
/* Stands for minus infinity: below every score that is allowed, and its differences are finite. */
#define FORBIDDEN (-1e30f)

static const int32_t lane_bit[16] = {1,     1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,
                                     1 << 6, 1 << 7, 1 << 8,  1 << 9,  1 << 10, 1 << 11,
                                     1 << 12, 1 << 13, 1 << 14, 1 << 15};

/* All ones in the lanes j.. of a block of `keys` keys that are forbidden or past its end. */
static UDA_ALWAYS_INLINE vi forbidden_lanes(const uint32_t *mask, int64_t j, int64_t keys)
{
    uint32_t bits = mask != NULL ? mask[j / 32] >> (j % 32) : 0;
    if (keys - j < UDA_LANES) {
        bits |= UINT32_MAX << (keys - j);
    }
    vi lane;
    memcpy(&lane, lane_bit, sizeof lane);
    return (((vi){0} + (int32_t)(bits & 0xffff)) & lane) != 0;
}

/* A row of scores becomes exp(scale s - top) with the new running maximum; returns exp(old
 * top - new top). */
static float softmax_row(float *s, int64_t keys, const uint32_t *mask, float scale, float *top,
                         float *sum)
{
    vf most = vf_set(*top);
    for (int64_t j = 0; j < keys; j += UDA_LANES) {
        vf x = vf_load(s + j) * scale;
        if (mask != NULL || keys - j < UDA_LANES) {
            x = vf_select(forbidden_lanes(mask, j, keys), vf_set(FORBIDDEN), x);
        }
        vf_store(s + j, x);
        most = vf_max(x, most);
    }
    float new_top = vf_largest(most);
    vf total = vf_set(0.0f);
    for (int64_t j = 0; j < keys; j += UDA_LANES) {
        vf x = vf_load(s + j);
        vf p = vf_select(x == FORBIDDEN, vf_set(0.0f), vf_exp(x - new_top));
        vf_store(s + j, p);
        total += p;
    }
    vf rescale = vf_exp(vf_set(*top - new_top));
    *sum = *sum * rescale[0] + vf_sum(total);
    *top = new_top;
    return rescale[0];
}

struct job {
    const struct uda_attention_args *a;
    int64_t d, query_blocks, tasks, areas, area_floats;
    float *scratch;
    int status[AREAS];
};

static float *scratch_of(const struct job *job, int64_t area)
{
    return job->scratch + area * job->area_floats;
}

static const uint32_t *mask_row(const struct uda_attention_args *a, int64_t n, int64_t query,
                                int64_t key)
{
    return a->mask == NULL ? NULL
                           : a->mask + (n * a->Q + query) * ((a->L + 31) / 32) + key / 32;
}

static int attend(const struct job *job, int64_t n, int64_t head, int64_t first, float *scratch)
{
    const struct uda_attention_args *a = job->a;
    int64_t d = job->d, queries = min_i64(QUERY_BLOCK, a->Q - first);
    const float *q = (const float *)a->q + (n * a->Q + first) * a->D + head * d;
    const float *k = (const float *)a->k + n * a->L * a->D + head * d;
    const float *v = (const float *)a->v + n * a->L * a->D + head * d;
    float *s = scratch, *acc = s + QUERY_BLOCK * KEY_BLOCK;
    float top[QUERY_BLOCK], sum[QUERY_BLOCK], scale = 1.0f / sqrtf((float)d);
    for (int64_t i = 0; i < queries; i++) {
        top[i] = FORBIDDEN;
        sum[i] = 0.0f;
    }
    for (int64_t key = 0; key < a->L; key += KEY_BLOCK) {
        int64_t keys = min_i64(KEY_BLOCK, a->L - key);
        int rc = UDA_CPU(gemm_sequential)(false, true, queries, keys, d, q, a->D, k + key * a->D,
                                          a->D, false, s, KEY_BLOCK);
        for (int64_t i = 0; i < queries; i++) {
            float rescale = softmax_row(s + i * KEY_BLOCK, keys, mask_row(a, n, first + i, key),
                                        scale, &top[i], &sum[i]);
            for (int64_t c = 0; c < d && key > 0; c++) {
                acc[i * d + c] *= rescale;
            }
        }
        if (rc != 0 || UDA_CPU(gemm_sequential)(false, false, queries, d, keys, s, KEY_BLOCK,
                                                v + key * a->D, a->D, key > 0, acc, d) != 0) {
            return UDA_DEVICE;
        }
    }
    for (int64_t i = 0; i < queries; i++) {
        float *y = (float *)a->y + (n * a->Q + first + i) * a->D + head * d;
        float inverse = sum[i] == 0.0f ? 0.0f : 1.0f / sum[i];
        for (int64_t c = 0; c < d; c++) {
            y[c] = acc[i * d + c] * inverse;
        }
        /* A row that forbids everything: exp(s - lse) = 0 in backward. */
        a->lse[(n * a->M + head) * a->Q + first + i] =
            sum[i] == 0.0f ? -FORBIDDEN : top[i] + logf(sum[i]);
    }
    return 0;
}

static void attend_task(void *args, int64_t area)
{
    struct job *job = args;
    for (int64_t i = area; i < job->tasks; i += job->areas) {
        int64_t block = i % job->query_blocks, head = i / job->query_blocks % job->a->M;
        int rc = attend(job, i / job->query_blocks / job->a->M, head, block * QUERY_BLOCK,
                        scratch_of(job, area));
        job->status[area] = rc != 0 ? rc : job->status[area];
    }
}

/* Runs the shares, or asks for the memory of all of them. */
static int run_shares(struct uda_stream *stream, struct uda_workspace *ws, struct job *job,
                      void (*task)(void *, int64_t))
{
    job->areas = min_i64(AREAS, job->tasks);
    if (ws->data == NULL) {
        ws->bytes = (size_t)(job->areas * job->area_floats) * sizeof(float);
        return 0;
    }
    job->scratch = ws->data;
    uda_team_run(stream->team, job->areas, task, job);
    for (int64_t i = 0; i < job->areas; i++) {
        if (job->status[i] != 0) {
            return job->status[i];
        }
    }
    return 0;
}

int UDA_CPU(attention_fwd)(struct uda_stream *stream, struct uda_attention_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct job job = {.a = a, .d = a->D / a->M, .query_blocks = ceil_div(a->Q, QUERY_BLOCK)};
    job.tasks = a->N * a->M * job.query_blocks;
    job.area_floats = QUERY_BLOCK * (KEY_BLOCK + ceil_div(job.d, 16) * 16);
    return run_shares(stream, &a->ws, &job, attend_task);
}

/* P from scores, and dS from dP in place. */
static void gradient_row(float *s, float *dp, int64_t keys, const uint32_t *mask, float scale,
                         float lse, float delta)
{
    for (int64_t j = 0; j < keys; j += UDA_LANES) {
        vf p = vf_exp(vf_load(s + j) * scale - lse);
        if (mask != NULL || keys - j < UDA_LANES) {
            p = vf_select(forbidden_lanes(mask, j, keys), vf_set(0.0f), p);
        }
        vf_store(s + j, p);
        vf_store(dp + j, p * (vf_load(dp + j) - delta) * scale);
    }
}

/* One block of queries against one block of keys: adds to dk, dv and the head's own dq [Q, d]. */
static int gradient_tile(const struct job *job, int64_t n, int64_t head, int64_t first, int64_t key,
                         float *s, float *dq)
{
    const struct uda_attention_args *a = job->a;
    int64_t d = job->d, D = a->D, queries = min_i64(QUERY_BLOCK, a->Q - first);
    int64_t keys = min_i64(KEY_BLOCK, a->L - key);
    int64_t row = (n * a->Q + first) * D + head * d, column = (n * a->L + key) * D + head * d;
    const float *q = (const float *)a->q + row, *ys = (const float *)a->y + row;
    const float *k = (const float *)a->k + column, *v = (const float *)a->v + column;
    const float *dy = (const float *)a->dy + row;
    float *dp = s + QUERY_BLOCK * KEY_BLOCK, scale = 1.0f / sqrtf((float)d);
    int rc = UDA_CPU(gemm_sequential)(false, true, queries, keys, d, q, D, k, D, false, s,
                                      KEY_BLOCK);
    rc |= UDA_CPU(gemm_sequential)(false, true, queries, keys, d, dy, D, v, D, false, dp,
                                   KEY_BLOCK);
    for (int64_t i = 0; i < queries; i++) {
        const float *y = ys + i * D, *g = dy + i * D;
        float delta = 0.0f;
        for (int64_t c = 0; c < d; c++) {
            delta += g[c] * y[c];
        }
        gradient_row(s + i * KEY_BLOCK, dp + i * KEY_BLOCK, keys, mask_row(a, n, first + i, key),
                     scale, a->lse[(n * a->M + head) * a->Q + first + i], delta);
    }
    if (a->dk != NULL) {
        rc |= UDA_CPU(gemm_sequential)(true, false, keys, d, queries, dp, KEY_BLOCK, q, D,
                                       a->accumulate_k || first > 0, (float *)a->dk + column, D);
    }
    if (a->dv != NULL) {
        rc |= UDA_CPU(gemm_sequential)(true, false, keys, d, queries, s, KEY_BLOCK, dy, D,
                                       a->accumulate_v || first > 0, (float *)a->dv + column, D);
    }
    if (a->dq != NULL) {
        rc |= UDA_CPU(gemm_sequential)(false, false, queries, d, keys, dp, KEY_BLOCK, k, D, key > 0,
                                       dq + first * d, d);
    }
    return rc != 0 ? UDA_DEVICE : 0;
}

static void gradient_task(void *args, int64_t area)
{
    struct job *job = args;
    const struct uda_attention_args *a = job->a;
    int64_t d = job->d;
    float *s = scratch_of(job, area), *dq = s + 2 * QUERY_BLOCK * KEY_BLOCK;
    for (int64_t i = area; i < job->tasks; i += job->areas) {
        int64_t n = i / a->M, head = i % a->M;
        for (int64_t key = 0; key < a->L; key += KEY_BLOCK) {
            for (int64_t first = 0; first < a->Q; first += QUERY_BLOCK) {
                int rc = gradient_tile(job, n, head, first, key, s, dq);
                job->status[area] = rc != 0 ? rc : job->status[area];
            }
        }
        for (int64_t row = 0; a->dq != NULL && row < a->Q; row++) {
            float *to = (float *)a->dq + (n * a->Q + row) * a->D + head * d;
            for (int64_t c = 0; c < d; c++) {
                to[c] = a->accumulate_q ? to[c] + dq[row * d + c] : dq[row * d + c];
            }
        }
    }
}

int UDA_CPU(attention_bwd)(struct uda_stream *stream, struct uda_attention_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    struct job job = {.a = a, .d = a->D / a->M, .tasks = a->N * a->M};
    job.area_floats = 2 * QUERY_BLOCK * KEY_BLOCK + ceil_div(a->Q * job.d, 16) * 16;
    return run_shares(stream, &a->ws, &job, gradient_task);
}

/* ---- mask bits ---- */

struct mask_job {
    const struct uda_attention_mask_args *a;
    int64_t blocks, tasks, areas;
    float *scratch; /* [areas, Q, KEY_BLOCK] */
    int status[AREAS];
};

/* Bits of 32 values that are negative. */
static uint32_t negative_bits(const float *x)
{
    uint32_t word = 0;
    for (int64_t j = 0; j < 32; j += UDA_LANES) {
        vi lane, hit;
        memcpy(&lane, lane_bit, sizeof lane);
        hit = (vf_load(x + j) < 0.0f) & lane;
        int32_t each[UDA_LANES], any = 0;
        memcpy(each, &hit, sizeof each);
        for (int i = 0; i < UDA_LANES; i++) {
            any |= each[i];
        }
        word |= (uint32_t)any << j;
    }
    return word;
}

static void mask_task(void *args, int64_t area)
{
    struct mask_job *job = args;
    const struct uda_attention_mask_args *a = job->a;
    int64_t words = (a->L + 31) / 32;
    float *x = job->scratch + area * a->Q * KEY_BLOCK;
    for (int64_t i = area; i < job->tasks; i += job->areas) {
        int64_t n = i / job->blocks, key = i % job->blocks * KEY_BLOCK;
        int64_t keys = min_i64(KEY_BLOCK, a->L - key), padded = ceil_div(keys, 32) * 32;
        if (UDA_CPU(gemm_sequential)(false, true, a->Q, keys, a->C, a->e + n * a->Q * a->C, a->C,
                                     a->f + (n * a->L + key) * a->C, a->C, false, x,
                                     KEY_BLOCK) != 0) {
            job->status[area] = UDA_DEVICE;
        }
        for (int64_t q = 0; q < a->Q; q++) {
            uint32_t *bits = a->bits + (n * a->Q + q) * words + key / 32;
            memset(x + q * KEY_BLOCK + keys, 0, (size_t)(padded - keys) * sizeof *x);
            for (int64_t w = 0; w < padded / 32; w++) {
                bits[w] = negative_bits(x + q * KEY_BLOCK + w * 32);
            }
        }
    }
}

/* A query that may look nowhere looks everywhere. */
static void open_row(void *args, int64_t row)
{
    const struct mask_job *job = args;
    int64_t L = job->a->L, words = (L + 31) / 32;
    uint32_t *bits = job->a->bits + row * words;
    for (int64_t w = 0; w < words; w++) {
        int64_t left = L - w * 32;
        if (bits[w] != (left >= 32 ? UINT32_MAX : (UINT32_C(1) << left) - 1)) {
            return;
        }
    }
    memset(bits, 0, (size_t)words * sizeof *bits);
}

int UDA_CPU(attention_mask)(struct uda_stream *stream, struct uda_attention_mask_args *a)
{
    struct mask_job job = {.a = a, .blocks = ceil_div(a->L, KEY_BLOCK)};
    job.tasks = a->N * job.blocks;
    job.areas = min_i64(AREAS, job.tasks);
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)(job.areas * a->Q * KEY_BLOCK) * sizeof(float);
        return 0;
    }
    job.scratch = a->ws.data;
    uda_team_run(stream->team, job.areas, mask_task, &job);
    for (int64_t i = 0; i < job.areas; i++) {
        if (job.status[i] != 0) {
            return job.status[i];
        }
    }
    uda_team_run(stream->team, a->N * a->Q, open_row, &job);
    return 0;
}
