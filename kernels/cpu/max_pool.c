#include "kernels/cpu/cpu.h"

#include "src/base/err.h"

#include <math.h>

/* The window of output row or column i: low..high of 0..side-1. */
struct window {
    int64_t low, high;
};

static struct window window_of(int64_t i, int64_t side)
{
    return (struct window){.low = max_i64(2 * i - 1, 0), .high = min_i64(2 * i + 1, side - 1)};
}

/* One row of y. */
static void fwd_row(void *args, int64_t i)
{
    const struct uda_max_pool_args *a = args;
    int64_t Ho = uda_max_pool_side(a->H), Wo = uda_max_pool_side(a->W), C = a->C;
    const float *image = (const float *)a->x + i / Ho * a->H * a->W * C;
    struct window down = window_of(i % Ho, a->H);
    for (int64_t j = 0; j < Wo; j++) {
        struct window right = window_of(j, a->W);
        float *UDA_RESTRICT y = (float *)a->y + (i * Wo + j) * C;
        for (int64_t c = 0; c < C; c++) {
            y[c] = -INFINITY;
        }
        for (int64_t r = down.low; r <= down.high; r++) {
            for (int64_t k = right.low; k <= right.high; k++) {
                const float *x = image + (r * a->W + k) * C;
                for (int64_t c = 0; c < C; c++) {
                    y[c] = x[c] <= y[c] || y[c] != y[c] ? y[c] : x[c];
                }
            }
        }
    }
}

int UDA_CPU(max_pool_fwd)(struct uda_stream *stream, struct uda_max_pool_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, a->N * uda_max_pool_side(a->H), fwd_row, a);
    return 0;
}

/* Is channel c of pixel (r, k) the first of its window that has the window's largest value? */
static bool is_first(const struct uda_max_pool_args *a, const float *image, float y, int64_t r, int64_t k,
                     int64_t c, struct window down, struct window right)
{
    if (image[(r * a->W + k) * a->C + c] != y) {
        return false;
    }
    for (int64_t rr = down.low; rr <= r; rr++) {
        for (int64_t kk = right.low; kk <= (rr < r ? right.high : k - 1); kk++) {
            if (image[(rr * a->W + kk) * a->C + c] == y) {
                return false;
            }
        }
    }
    return true;
}

/* One pixel of x: what the windows it lies in give it, in order. */
static void bwd_pixel(const struct uda_max_pool_args *a, int64_t n, int64_t r, int64_t k)
{
    int64_t Ho = uda_max_pool_side(a->H), Wo = uda_max_pool_side(a->W), C = a->C;
    const float *image = (const float *)a->x + n * a->H * a->W * C, *y = a->saved_y, *dy = a->dy;
    float *dx = (float *)a->dx + ((n * a->H + r) * a->W + k) * C;
    for (int64_t c = 0; c < C; c++) {
        float sum = 0.0f;
        for (int64_t i = r / 2; i <= (r + 1) / 2 && i < Ho; i++) {
            for (int64_t j = k / 2; j <= (k + 1) / 2 && j < Wo; j++) {
                int64_t at = ((n * Ho + i) * Wo + j) * C + c;
                sum += is_first(a, image, y[at], r, k, c, window_of(i, a->H), window_of(j, a->W)) ? dy[at]
                                                                                                  : 0.0f;
            }
        }
        dx[c] = a->accumulate ? dx[c] + sum : sum;
    }
}

static void bwd_row(void *args, int64_t i)
{
    const struct uda_max_pool_args *a = args;
    for (int64_t k = 0; k < a->W; k++) {
        bwd_pixel(a, i / a->H, i % a->H, k);
    }
}

int UDA_CPU(max_pool_bwd)(struct uda_stream *stream, struct uda_max_pool_args *a)
{
    if (a->type != UDA_F32) {
        return UDA_UNSUPPORTED;
    }
    uda_team_run(stream->team, a->N * a->H, bwd_row, a);
    return 0;
}
