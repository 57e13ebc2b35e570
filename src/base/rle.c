#include "src/base/rle.h"

#include <string.h>

#define MAX_PIXELS ((int64_t)INT32_MAX)
#define COLUMNS 64 /* transposed at a time: 64 columns of 1024 rows stay in the second-level cache */

int uda_rle_check_size(int64_t height, int64_t width, struct uda_err *err)
{
    if (height < 1 || width < 1 || height > MAX_PIXELS / width) {
        return uda_fail(err, UDA_SHAPE, "mask size %lld x %lld is not in 1 .. 2^31 - 1 pixels",
                        (long long)height, (long long)width);
    }
    return 0;
}

/* Runs under construction: `value` repeated `run` times is not written yet. */
struct writer {
    struct uda_arena *arena;
    uint32_t *counts;
    int64_t count, room;
    uint32_t run;
    bool value, failed;
};

static void writer_flush(struct writer *w)
{
    if (w->count == w->room) {
        int64_t room = w->room == 0 ? 64 : 2 * w->room;
        uint32_t *counts = uda_arena_grow(w->arena, w->counts, (size_t)w->room * sizeof *counts,
                                          (size_t)room * sizeof *counts);
        if (counts == NULL) {
            w->failed = true;
            w->count = 0;
            return;
        }
        w->counts = counts;
        w->room = room;
    }
    w->counts[w->count++] = w->run;
    w->run = 0;
}

/* Appends `run` pixels; runs of no pixels vanish, neighbours of one value join. */
static void writer_put(struct writer *w, bool value, uint32_t run)
{
    if (run == 0) {
        return;
    }
    if (value != w->value) {
        writer_flush(w);
        w->value = value;
    }
    w->run += run;
}

static int writer_end(struct writer *w, struct uda_rle *rle, int64_t height, int64_t width,
                      struct uda_err *err)
{
    if (!w->failed) {
        writer_flush(w);
    }
    if (w->failed) {
        return uda_fail(err, UDA_NOMEM, "no memory for the runs of a mask");
    }
    *rle = (struct uda_rle){
        .height = height, .width = width, .counts = w->counts, .count = w->count};
    return 0;
}

/* Appends one column of `rows` pixels. */
static void writer_column(struct writer *w, const uint8_t *column, int64_t rows)
{
    int64_t start = 0;
    for (int64_t y = 1; y <= rows; y++) {
        if (y == rows || (column[y] != 0) != (column[start] != 0)) {
            writer_put(w, column[start] != 0, (uint32_t)(y - start));
            start = y;
        }
    }
}

int uda_rle_encode_box(struct uda_rle *rle, struct uda_arena *arena, const uint8_t *mask,
                       struct uda_box box, int64_t height, int64_t width, struct uda_err *err)
{
    UDA_TRY(uda_rle_check_size(height, width, err));
    struct writer w = {.arena = arena};
    if (box.x1 < box.x0 || box.y1 < box.y0) {
        writer_put(&w, false, (uint32_t)(height * width));
        return writer_end(&w, rle, height, width, err);
    }
    if (box.x0 < 0 || box.y0 < 0 || box.x1 >= width || box.y1 >= height) {
        return uda_fail(err, UDA_SHAPE, "mask box %lld,%lld..%lld,%lld is outside %lld x %lld",
                        (long long)box.x0, (long long)box.y0, (long long)box.x1,
                        (long long)box.y1, (long long)height, (long long)width);
    }
    int64_t rows = box.y1 - box.y0 + 1, columns = box.x1 - box.x0 + 1;
    uint8_t *tile = uda_alloc((size_t)rows * COLUMNS);
    if (tile == NULL) {
        return uda_fail(err, UDA_NOMEM, "no memory for the runs of a mask");
    }
    writer_put(&w, false, (uint32_t)(box.x0 * height));
    for (int64_t x = 0; x < columns && !w.failed; x += COLUMNS) {
        int64_t part = columns - x < COLUMNS ? columns - x : COLUMNS;
        for (int64_t y = 0; y < rows; y++) {
            const uint8_t *row = mask + y * columns + x;
            for (int64_t i = 0; i < part; i++) {
                tile[i * rows + y] = row[i];
            }
        }
        for (int64_t i = 0; i < part; i++) {
            writer_put(&w, false, (uint32_t)box.y0);
            writer_column(&w, tile + i * rows, rows);
            writer_put(&w, false, (uint32_t)(height - 1 - box.y1));
        }
    }
    writer_put(&w, false, (uint32_t)((width - 1 - box.x1) * height));
    uda_free(tile);
    return writer_end(&w, rle, height, width, err);
}

int uda_rle_encode(struct uda_rle *rle, struct uda_arena *arena, const uint8_t *mask,
                   int64_t height, int64_t width, struct uda_err *err)
{
    UDA_TRY(uda_rle_check_size(height, width, err));
    struct uda_box all = {.x1 = width - 1, .y1 = height - 1};
    return uda_rle_encode_box(rle, arena, mask, all, height, width, err);
}

void uda_rle_decode_box(uint8_t *mask, struct uda_box box, const struct uda_rle *rle)
{
    if (box.x1 < box.x0 || box.y1 < box.y0) {
        return;
    }
    int64_t columns = box.x1 - box.x0 + 1;
    memset(mask, 0, (size_t)(columns * (box.y1 - box.y0 + 1)));
    int64_t at = 0;
    for (int64_t i = 0; i < rle->count; i++) {
        int64_t end = at + rle->counts[i];
        if (i % 2 == 0) {
            at = end;
            continue;
        }
        while (at < end) {
            int64_t x = at / rle->height, y = at % rle->height;
            int64_t stop = y + (end - at) < rle->height ? y + (end - at) : rle->height;
            at += stop - y;
            if (x < box.x0 || x > box.x1) {
                continue;
            }
            int64_t low = y > box.y0 ? y : box.y0;
            int64_t high = stop <= box.y1 ? stop : box.y1 + 1;
            for (int64_t r = low; r < high; r++) {
                mask[(r - box.y0) * columns + x - box.x0] = 1;
            }
        }
    }
}

void uda_rle_decode(uint8_t *mask, const struct uda_rle *rle)
{
    struct uda_box all = {.x1 = rle->width - 1, .y1 = rle->height - 1};
    uda_rle_decode_box(mask, all, rle);
}

int64_t uda_rle_area(const struct uda_rle *rle)
{
    int64_t area = 0;
    for (int64_t i = 1; i < rle->count; i += 2) {
        area += rle->counts[i];
    }
    return area;
}

struct uda_box uda_rle_box(const struct uda_rle *rle)
{
    struct uda_box box = {rle->width, rle->height, -1, -1};
    int64_t at = 0;
    for (int64_t i = 0; i < rle->count; i++) {
        int64_t run = rle->counts[i];
        if (i % 2 == 1 && run > 0) {
            int64_t first = at / rle->height, last = (at + run - 1) / rle->height;
            int64_t top = first == last ? at % rle->height : 0;
            int64_t bottom = first == last ? (at + run - 1) % rle->height : rle->height - 1;
            box.x0 = first < box.x0 ? first : box.x0;
            box.x1 = last > box.x1 ? last : box.x1;
            box.y0 = top < box.y0 ? top : box.y0;
            box.y1 = bottom > box.y1 ? bottom : box.y1;
        }
        at += run;
    }
    return box.x1 < 0 ? (struct uda_box){0, 0, -1, -1} : box;
}

/* A walk along the runs of a mask. */
struct reader {
    const struct uda_rle *rle;
    int64_t next; /* run after the current one */
    uint32_t left;
    bool value;
};

static void reader_start(struct reader *r, const struct uda_rle *rle)
{
    *r = (struct reader){.rle = rle, .next = 1, .left = rle->count > 0 ? rle->counts[0] : 0};
}

/* Moves to a run with pixels left; false at the end. */
static bool reader_ready(struct reader *r)
{
    while (r->left == 0 && r->next < r->rle->count) {
        r->left = r->rle->counts[r->next++];
        r->value = !r->value;
    }
    return r->left > 0;
}

int64_t uda_rle_intersection(const struct uda_rle *a, const struct uda_rle *b)
{
    struct reader ra, rb;
    reader_start(&ra, a);
    reader_start(&rb, b);
    int64_t both = 0;
    while (reader_ready(&ra) && reader_ready(&rb)) {
        uint32_t step = ra.left < rb.left ? ra.left : rb.left;
        both += ra.value && rb.value ? step : 0;
        ra.left -= step;
        rb.left -= step;
    }
    return both;
}

double uda_rle_iou(const struct uda_rle *a, const struct uda_rle *b, bool crowd)
{
    int64_t both = uda_rle_intersection(a, b);
    if (both == 0) {
        return 0.0;
    }
    int64_t area = uda_rle_area(a);
    int64_t all = crowd ? area : area + uda_rle_area(b) - both;
    return (double)both / (double)all;
}

static int union_of_two(struct uda_rle *rle, struct uda_arena *arena, const struct uda_rle *a,
                        const struct uda_rle *b, struct uda_err *err)
{
    if (a->height != b->height || a->width != b->width) {
        return uda_fail(err, UDA_SHAPE, "masks of %lld x %lld and %lld x %lld cannot be joined",
                        (long long)a->height, (long long)a->width, (long long)b->height,
                        (long long)b->width);
    }
    struct reader ra, rb;
    reader_start(&ra, a);
    reader_start(&rb, b);
    struct writer w = {.arena = arena};
    while (reader_ready(&ra) && reader_ready(&rb) && !w.failed) {
        uint32_t step = ra.left < rb.left ? ra.left : rb.left;
        writer_put(&w, ra.value || rb.value, step);
        ra.left -= step;
        rb.left -= step;
    }
    return writer_end(&w, rle, a->height, a->width, err);
}

int uda_rle_union(struct uda_rle *rle, struct uda_arena *arena, const struct uda_rle *part,
                  int64_t parts, struct uda_err *err)
{
    struct uda_rle sum = part[0];
    for (int64_t i = 1; i < parts; i++) {
        UDA_TRY(union_of_two(&sum, arena, &sum, &part[i], err));
    }
    *rle = sum;
    return 0;
}
