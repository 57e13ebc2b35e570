#include "kernels/cpu/cpu.h"

/* Values of one task. */
#define PIECE 16384

static void copy_task(void *args, int64_t i)
{
    const struct uda_copy_blocks_args *a = args;
    int64_t pieces = ceil_div(a->count, PIECE), n = i / pieces, first = i % pieces * PIECE;
    int64_t count = min_i64(PIECE, a->count - first);
    const float *x = (const float *)a->x + n * a->stride_x + first;
    float *y = (float *)a->y + n * a->stride_y + first;
    float s = a->scale != NULL ? a->scale[n] : 1.0f;
    if (a->accumulate) {
        for (int64_t k = 0; k < count; k++) {
            y[k] += s * x[k];
        }
    } else if (a->scale == NULL) {
        memcpy(y, x, (size_t)count * sizeof *y);
    } else {
        for (int64_t k = 0; k < count; k++) {
            y[k] = s * x[k];
        }
    }
}

int UDA_CPU(copy_blocks)(struct uda_stream *stream, struct uda_copy_blocks_args *a)
{
    if (a->type != UDA_F32 || a->type_x != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, a->N * ceil_div(a->count, PIECE), copy_task, a);
    return 0;
}

static void fill_task(void *args, int64_t i)
{
    const struct uda_fill_args *a = args;
    float *y = a->y;
    int64_t last = min_i64((i + 1) * PIECE, a->count);
    for (int64_t k = i * PIECE; k < last; k++) {
        y[k] = a->value;
    }
}

int UDA_CPU(fill)(struct uda_stream *stream, struct uda_fill_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, ceil_div(a->count, PIECE), fill_task, a);
    return 0;
}

static void sum_task(void *args, int64_t i)
{
    const struct uda_sum_blocks_args *a = args;
    int64_t first = i * PIECE, count = min_i64(PIECE, a->count - first);
    float *y = a->y + first;
    if (!a->accumulate) {
        memset(y, 0, (size_t)count * sizeof *y);
    }
    for (int64_t n = 0; n < a->N; n++) {
        const float *x = (const float *)a->x + n * a->stride_x + first;
        for (int64_t k = 0; k < count; k++) {
            y[k] += x[k];
        }
    }
}

int UDA_CPU(sum_blocks)(struct uda_stream *stream, struct uda_sum_blocks_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, ceil_div(a->count, PIECE), sum_task, a);
    return 0;
}

/* One row of patches. */
static void patchify_task(void *args, int64_t i)
{
    const struct uda_patchify_args *a = args;
    int64_t h = a->H / 4, w = a->W / 4, n = i / h, y = i % h;
    const float *x = a->x + (n * a->H + 4 * y) * a->W * 3;
    float *to = (float *)a->y + i * w * 48;
    for (int64_t p = 0; p < w; p++, to += 48) {
        for (int64_t k = 0; k < 48; k++) {
            int64_t c = k / 16, ky = k / 4 % 4, kx = k % 4;
            to[k] = x[(ky * a->W + 4 * p + kx) * 3 + c];
        }
    }
}

int UDA_CPU(patchify)(struct uda_stream *stream, struct uda_patchify_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, a->N * (a->H / 4), patchify_task, a);
    return 0;
}

/* One row of outputs. */
static void merge_task(void *args, int64_t i)
{
    const struct uda_patch_merge_args *a = args;
    int64_t h = ceil_div(a->H, 2), w = ceil_div(a->W, 2), n = i / h, y = i % h, C = a->C;
    const float *from = a->x;
    float *to = (float *)a->y + i * w * 4 * C;
    for (int64_t x = 0; x < w; x++) {
        for (int64_t q = 0; q < 4; q++, to += C) {
            int64_t yy = 2 * y + q % 2, xx = 2 * x + q / 2;
            if (yy < a->H && xx < a->W) {
                memcpy(to, from + ((n * a->H + yy) * a->W + xx) * C, (size_t)C * sizeof *to);
            } else {
                memset(to, 0, (size_t)C * sizeof *to);
            }
        }
    }
}

int UDA_CPU(patch_merge_fwd)(struct uda_stream *stream, struct uda_patch_merge_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, a->N * ceil_div(a->H, 2), merge_task, a);
    return 0;
}

/* One row of inputs. */
static void merge_back_task(void *args, int64_t i)
{
    const struct uda_patch_merge_args *a = args;
    int64_t h = ceil_div(a->H, 2), w = ceil_div(a->W, 2), n = i / a->H, y = i % a->H, C = a->C;
    float *dx = (float *)a->dx + i * a->W * C;
    for (int64_t x = 0; x < a->W; x++, dx += C) {
        int64_t q = y % 2 + 2 * (x % 2);
        const float *from = (const float *)a->dy + (((n * h + y / 2) * w + x / 2) * 4 + q) * C;
        if (a->accumulate) {
            for (int64_t c = 0; c < C; c++) {
                dx[c] += from[c];
            }
        } else {
            memcpy(dx, from, (size_t)C * sizeof *dx);
        }
    }
}

int UDA_CPU(patch_merge_bwd)(struct uda_stream *stream, struct uda_patch_merge_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, a->N * a->H, merge_back_task, a);
    return 0;
}
