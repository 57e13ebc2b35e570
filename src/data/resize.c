#include "src/data/resize.h"

#include <math.h>
#include <string.h>

/* Weights are fixed point with 32 - 8 - 2 bits after the point: 8 bits of sample and one of
 * headroom. */
#define WEIGHT_BITS 22

/* The taps of outputs first .. first+count-1 along one axis. */
struct taps {
    int32_t *start, *length; /* [count] input index of the first tap, number of taps */
    int32_t *weight;         /* [count, room] */
    int64_t count, room;
};

/* Triangle filter of Pillow's precompute_coeffs and normalize_coeffs_8bpc, evaluated in double. */
static int make_taps(struct taps *taps, int64_t in, int64_t out, int64_t first, int64_t count,
                     struct uda_arena *scratch)
{
    double scale = (double)in / (double)out;
    double support = scale < 1.0 ? 1.0 : scale;
    double per_tap = 1.0 / support;
    int64_t room = (int64_t)ceil(support) * 2 + 1;
    double *raw = uda_arena_alloc(scratch, (size_t)room * sizeof *raw);
    taps->start = uda_arena_alloc(scratch, (size_t)count * sizeof *taps->start);
    taps->length = uda_arena_alloc(scratch, (size_t)count * sizeof *taps->length);
    taps->weight = uda_arena_alloc(scratch, (size_t)(count * room) * sizeof *taps->weight);
    if (raw == NULL || taps->start == NULL || taps->length == NULL || taps->weight == NULL) {
        return UDA_NOMEM;
    }
    taps->count = count;
    taps->room = room;
    for (int64_t i = 0; i < count; i++) {
        double centre = ((double)(first + i) + 0.5) * scale;
        int64_t low = (int64_t)(centre - support + 0.5), high = (int64_t)(centre + support + 0.5);
        low = low < 0 ? 0 : low;
        high = high > in ? in : high;
        double sum = 0.0;
        for (int64_t t = low; t < high; t++) {
            double distance = fabs(((double)t - centre + 0.5) * per_tap);
            raw[t - low] = distance < 1.0 ? 1.0 - distance : 0.0;
            sum += raw[t - low];
        }
        int32_t *weight = taps->weight + i * room;
        for (int64_t t = 0; t < high - low; t++) {
            double w = sum != 0.0 ? raw[t] / sum : raw[t];
            weight[t] = (int32_t)(0.5 + w * (double)(1 << WEIGHT_BITS));
        }
        taps->start[i] = (int32_t)low;
        taps->length[i] = (int32_t)(high - low);
    }
    return 0;
}

static uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> WEIGHT_BITS;
    return (uint8_t)(value > 255 ? 255 : value);
}

/* out [count, 3] = one input row [*, 3] filtered along x. */
static void filter_row(uint8_t *UDA_RESTRICT out, const uint8_t *UDA_RESTRICT in,
                       const struct taps *taps)
{
    for (int64_t i = 0; i < taps->count; i++) {
        const uint8_t *p = in + 3 * (int64_t)taps->start[i];
        const int32_t *weight = taps->weight + i * taps->room;
        int32_t r = 1 << (WEIGHT_BITS - 1), g = r, b = r;
        for (int32_t t = 0; t < taps->length[i]; t++) {
            r += weight[t] * p[3 * t];
            g += weight[t] * p[3 * t + 1];
            b += weight[t] * p[3 * t + 2];
        }
        out[3 * i] = to_byte(r);
        out[3 * i + 1] = to_byte(g);
        out[3 * i + 2] = to_byte(b);
    }
}

static void add_scaled(int32_t *UDA_RESTRICT sum, const uint8_t *UDA_RESTRICT row, int32_t weight,
                       int64_t n)
{
    for (int64_t x = 0; x < n; x++) {
        sum[x] += weight * row[x];
    }
}

/* out [count, n] = rows [*, n] filtered along y; row 0 of `rows` is input row `base`. */
static void filter_columns(uint8_t *out, const uint8_t *rows, int64_t base, int64_t n,
                           const struct taps *taps, int32_t *sum)
{
    for (int64_t i = 0; i < taps->count; i++) {
        const uint8_t *first = rows + (taps->start[i] - base) * n;
        for (int64_t x = 0; x < n; x++) {
            sum[x] = 1 << (WEIGHT_BITS - 1);
        }
        for (int32_t t = 0; t < taps->length[i]; t++) {
            add_scaled(sum, first + t * n, taps->weight[i * taps->room + t], n);
        }
        uint8_t *to = out + i * n;
        for (int64_t x = 0; x < n; x++) {
            to[x] = to_byte(sum[x]);
        }
    }
}

static bool edge_ok(int64_t edge) { return edge >= 1 && edge <= UDA_RESIZE_EDGE_MAX_PX; }

static int check(const struct uda_image *image, const struct uda_resize *r, struct uda_err *err)
{
    const struct uda_window *w = &r->window;
    if (!edge_ok(image->height) || !edge_ok(image->width) || !edge_ok(r->height) ||
        !edge_ok(r->width)) {
        return uda_fail(err, UDA_SHAPE,
                        "cannot resize %lldx%lld to %lldx%lld pixels: edges must be 1..%d",
                        (long long)image->width, (long long)image->height, (long long)r->width,
                        (long long)r->height, UDA_RESIZE_EDGE_MAX_PX);
    }
    if (w->y0 < 0 || w->x0 < 0 || w->height < 1 || w->width < 1 || w->height > r->height - w->y0 ||
        w->width > r->width - w->x0) {
        return uda_fail(err, UDA_SHAPE, "window %lld,%lld %lldx%lld is outside of %lldx%lld pixels",
                        (long long)w->x0, (long long)w->y0, (long long)w->width,
                        (long long)w->height, (long long)r->width, (long long)r->height);
    }
    return 0;
}

/* The rows [*base, *base + *count) that the vertical taps touch. */
static void touched_rows(int64_t *base, int64_t *count, const struct taps *taps)
{
    int64_t last = taps->count - 1;
    *base = taps->start[0];
    *count = taps->start[last] + taps->length[last] - *base;
}

static int resample(uint8_t *out, const struct uda_image *image, const struct uda_resize *r,
                    struct uda_arena *scratch)
{
    const struct uda_window *w = &r->window;
    struct taps across = {0}, down = {0};
    int64_t n = 3 * w->width, base = 0, rows = 0;
    if (make_taps(&across, image->width, r->width, w->x0, w->width, scratch) != 0 ||
        make_taps(&down, image->height, r->height, w->y0, w->height, scratch) != 0) {
        return UDA_NOMEM;
    }
    touched_rows(&base, &rows, &down);
    uint8_t *middle = uda_arena_alloc(scratch, (size_t)(rows * n));
    int32_t *sum = uda_arena_alloc(scratch, (size_t)n * sizeof *sum);
    if (middle == NULL || sum == NULL) {
        return UDA_NOMEM;
    }
    for (int64_t y = 0; y < rows; y++) {
        const uint8_t *in = image->rgb + (base + y) * image->width * 3;
        if (image->width == r->width) {
            memcpy(middle + y * n, in + 3 * w->x0, (size_t)n);
        } else {
            filter_row(middle + y * n, in, &across);
        }
    }
    filter_columns(out, middle, base, n, &down, sum);
    return 0;
}

int uda_resize_image(uint8_t *out, const struct uda_image *image, const struct uda_resize *resize,
                        struct uda_arena *scratch, struct uda_err *err)
{
    UDA_TRY(check(image, resize, err));
    const struct uda_window *w = &resize->window;
    if (resize->height == image->height && resize->width == image->width) {
        for (int64_t y = 0; y < w->height; y++) {
            memcpy(out + y * w->width * 3,
                   image->rgb + ((w->y0 + y) * image->width + w->x0) * 3, (size_t)w->width * 3);
        }
        return 0;
    }
    size_t mark = uda_arena_mark(scratch);
    int rc = resample(out, image, resize, scratch);
    uda_arena_reset(scratch, mark);
    if (rc != 0) {
        return uda_fail(err, UDA_NOMEM, "out of memory to resize an image to %lldx%lld",
                        (long long)resize->width, (long long)resize->height);
    }
    return 0;
}

void uda_resize_nearest(int32_t *source, int64_t in, int64_t out, int64_t first, int64_t count)
{
    /* Pillow adds up the step instead of multiplying, and its rounding errors decide some
     * pixels. */
    double step = (double)in / (double)out, at = 0.5 * step;
    for (int64_t i = 0; i < first + count; i++) {
        if (i >= first) {
            int64_t index = (int64_t)at;
            source[i - first] = (int32_t)(index < in ? index : in - 1);
        }
        at += step;
    }
}

void uda_resize_shortest_edge(int64_t *out_height, int64_t *out_width, int64_t height, int64_t width,
                              int64_t edge_px, int64_t edge_max_px)
{
    double size = (double)edge_px;
    double scale = size / (double)(height < width ? height : width);
    double h = height < width ? size : scale * (double)height;
    double w = height < width ? scale * (double)width : size;
    double longer = h > w ? h : w;
    if (edge_max_px > 0 && longer > (double)edge_max_px) {
        double shrink = (double)edge_max_px / longer;
        h *= shrink;
        w *= shrink;
    }
    *out_height = (int64_t)(h + 0.5);
    *out_width = (int64_t)(w + 0.5);
}
