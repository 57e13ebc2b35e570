/* Masks from files: lists of counts, compressed strings, polygons. */
#include "src/base/rle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A 32-bit difference has 33 bits with its sign: seven groups of five. */
#define MAX_GROUPS 7

/* The fine grid of rleFrPoly, and what keeps an outline's walk short. */
#define FINE 5.0
#define MAX_COORDINATE 1e8
#define MAX_STEPS ((int64_t)1 << 27)

static int check_file_size(int64_t height, int64_t width, struct uda_err *err)
{
    if (height < 1 || width < 1 || height > INT32_MAX / width) {
        return uda_fail(err, UDA_FORMAT, "mask size %lld x %lld is not in 1 .. 2^31 - 1 pixels",
                        (long long)height, (long long)width);
    }
    return 0;
}

static int no_memory(struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "no memory for the runs of a mask");
}

int uda_rle_from_counts(struct uda_rle *rle, struct uda_arena *arena, const int64_t *counts,
                        int64_t count, int64_t height, int64_t width, struct uda_err *err)
{
    UDA_TRY(check_file_size(height, width, err));
    int64_t left = height * width;
    for (int64_t i = 0; i < count; i++) {
        if (counts[i] < 0 || counts[i] > left) {
            return uda_fail(err, UDA_FORMAT, "run %lld of a mask of %lld x %lld is %lld: %s",
                            (long long)i, (long long)height, (long long)width,
                            (long long)counts[i],
                            counts[i] < 0 ? "negative" : "beyond the end of the image");
        }
        left -= counts[i];
    }
    if (left != 0) {
        return uda_fail(err, UDA_FORMAT, "runs of a mask cover %lld of %lld pixels",
                        (long long)(height * width - left), (long long)(height * width));
    }
    uint32_t *copy = uda_arena_alloc(arena, (size_t)count * sizeof *copy);
    if (copy == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < count; i++) {
        copy[i] = (uint32_t)counts[i];
    }
    *rle = (struct uda_rle){.height = height, .width = width, .counts = copy, .count = count};
    return 0;
}

/* Reads one signed number at *at and moves on. */
static int read_number(int64_t *number, const char *text, size_t *at, struct uda_err *err)
{
    uint64_t bits = 0;
    for (int group = 0; group < MAX_GROUPS; group++) {
        int c = (unsigned char)text[*at] - 48;
        if (c < 0 || c > 63) {
            return uda_fail(err, UDA_FORMAT, "compressed mask: %s at character %zu",
                            text[*at] == '\0' ? "cut short" : "bad character", *at);
        }
        (*at)++;
        bits |= (uint64_t)(c & 0x1f) << (5 * group);
        if ((c & 0x20) == 0) {
            if ((c & 0x10) != 0) {
                bits |= ~(uint64_t)0 << (5 * (group + 1));
            }
            memcpy(number, &bits, sizeof bits);
            return 0;
        }
    }
    return uda_fail(err, UDA_FORMAT, "compressed mask: number too long at character %zu", *at);
}

int uda_rle_from_text(struct uda_rle *rle, struct uda_arena *arena, const char *text,
                      int64_t height, int64_t width, struct uda_err *err)
{
    UDA_TRY(check_file_size(height, width, err));
    size_t ends = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        ends += (((unsigned char)text[i] - 48) & 0x20) == 0;
    }
    int64_t *counts = uda_alloc((ends + 1) * sizeof *counts);
    if (counts == NULL) {
        return no_memory(err);
    }
    int rc = 0;
    int64_t count = 0;
    for (size_t at = 0; text[at] != '\0'; count++) {
        int64_t number = 0;
        UDA_GOTO(rc = read_number(&number, text, &at, err), out);
        counts[count] = number + (count > 2 ? counts[count - 2] : 0);
        if (counts[count] < 0 || counts[count] > INT32_MAX) {
            rc = uda_fail(err, UDA_FORMAT, "compressed mask: run %lld is out of range",
                          (long long)count);
            goto out;
        }
    }
    rc = uda_rle_from_counts(rle, arena, counts, count, height, width, err);
out:
    uda_free(counts);
    return rc;
}

int uda_rle_to_text(char **text, struct uda_arena *arena, const struct uda_rle *rle,
                    struct uda_err *err)
{
    char *out = uda_arena_alloc(arena, (size_t)rle->count * MAX_GROUPS + 1);
    if (out == NULL) {
        return no_memory(err);
    }
    size_t at = 0;
    for (int64_t i = 0; i < rle->count; i++) {
        int64_t left = (int64_t)rle->counts[i] - (i > 2 ? (int64_t)rle->counts[i - 2] : 0);
        for (bool more = true; more;) {
            int group = (int)((uint64_t)left & 0x1f);
            left = (left - group) / 32; /* exact: the group is what a floor leaves */
            more = (group & 0x10) != 0 ? left != -1 : left != 0;
            out[at++] = (char)(group + (more ? 0x20 : 0) + 48);
        }
    }
    out[at] = '\0';
    *text = out;
    return 0;
}

/* Where the outline enters or leaves pixel columns, as column-major positions. */
struct crossings {
    uint32_t *at;
    int64_t count, room;
    int64_t height, width;
    int last_u, last_v; /* previous point on the fine grid */
    bool started;
};

static bool crossings_add(struct crossings *c, uint32_t position)
{
    if (c->count == c->room) {
        int64_t room = c->room == 0 ? 256 : 2 * c->room;
        uint32_t *at = uda_alloc((size_t)room * sizeof *at);
        if (at == NULL) {
            return false;
        }
        if (c->count > 0) {
            memcpy(at, c->at, (size_t)c->count * sizeof *at);
        }
        uda_free(c->at);
        c->at = at;
        c->room = room;
    }
    c->at[c->count++] = position;
    return true;
}

/* Takes the next point of the outline on the fine grid; false when out of memory. */
static bool crossings_point(struct crossings *c, int u, int v)
{
    int before_u = c->last_u, before_v = c->last_v;
    bool moved = c->started && u != before_u;
    c->started = true;
    c->last_u = u;
    c->last_v = v;
    if (!moved) {
        return true;
    }
    double x = ((double)(u < before_u ? u : u - 1) + .5) / FINE - .5;
    if (floor(x) != x || x < 0 || x > (double)(c->width - 1)) {
        return true;
    }
    double y = ((double)(v < before_v ? v : before_v) + .5) / FINE - .5;
    y = ceil(y < 0 ? 0 : y > (double)c->height ? (double)c->height : y);
    return crossings_add(c, (uint32_t)((int64_t)x * c->height + (int64_t)y));
}

/* Walks one edge on the fine grid from its first to its last point; false when out of memory. */
static bool crossings_edge(struct crossings *c, int xs, int ys, int xe, int ye)
{
    int dx = abs(xe - xs), dy = abs(ye - ys);
    bool flat = dx >= dy;
    bool flip = flat ? xs > xe : ys > ye;
    if (flip) {
        int t = xs;
        xs = xe;
        xe = t;
        t = ys;
        ys = ye;
        ye = t;
    }
    int steps = flat ? dx : dy;
    double slope = steps == 0 ? 0.0 : flat ? (double)(ye - ys) / dx : (double)(xe - xs) / dy;
    for (int d = 0; d <= steps; d++) {
        int t = flip ? steps - d : d;
        int u = flat ? xs + t : (int)(xs + slope * t + .5);
        int v = flat ? (int)(ys + slope * t + .5) : ys + t;
        if (!crossings_point(c, u, v)) {
            return false;
        }
    }
    return true;
}

static int compare_positions(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Sorted crossings to runs; a run of no pixels joins its neighbours. */
static int crossings_runs(struct uda_rle *rle, struct uda_arena *arena, struct crossings *c,
                          struct uda_err *err)
{
    if (!crossings_add(c, (uint32_t)(c->height * c->width))) {
        return no_memory(err);
    }
    qsort(c->at, (size_t)c->count, sizeof *c->at, compare_positions);
    uint32_t *counts = uda_arena_alloc(arena, (size_t)c->count * sizeof *counts);
    if (counts == NULL) {
        return no_memory(err);
    }
    counts[0] = c->at[0];
    int64_t runs = 1;
    for (int64_t i = 1; i < c->count; i++) {
        if (c->at[i] > c->at[i - 1]) {
            counts[runs++] = c->at[i] - c->at[i - 1];
        } else if (++i < c->count) {
            counts[runs - 1] += c->at[i] - c->at[i - 1];
        }
    }
    *rle = (struct uda_rle){
        .height = c->height, .width = c->width, .counts = counts, .count = runs};
    return 0;
}

static int check_polygon(const double *xy, int64_t points, struct uda_err *err)
{
    if (points < 3) {
        return uda_fail(err, UDA_FORMAT, "polygon has %lld points: it needs 3 or more",
                        (long long)points);
    }
    for (int64_t i = 0; i < 2 * points; i++) {
        if (!(fabs(xy[i]) <= MAX_COORDINATE)) {
            return uda_fail(err, UDA_FORMAT, "polygon point %lld: coordinate %g is out of range",
                            (long long)(i / 2), xy[i]);
        }
    }
    double steps = 0;
    for (int64_t i = 0; i < points; i++) {
        int64_t j = i + 1 < points ? i + 1 : 0;
        double dx = fabs(xy[2 * i] - xy[2 * j]), dy = fabs(xy[2 * i + 1] - xy[2 * j + 1]);
        steps += FINE * (dx > dy ? dx : dy) + 1;
    }
    if (steps > (double)MAX_STEPS) {
        return uda_fail(err, UDA_FORMAT, "polygon outline is %.0f pixels long: out of range",
                        steps / FINE);
    }
    return 0;
}

int uda_rle_from_polygon(struct uda_rle *rle, struct uda_arena *arena, const double *xy,
                         int64_t points, int64_t height, int64_t width, struct uda_err *err)
{
    UDA_TRY(check_file_size(height, width, err));
    UDA_TRY(check_polygon(xy, points, err));
    struct crossings c = {.height = height, .width = width};
    int rc = 0;
    for (int64_t i = 0; i < points; i++) {
        int64_t j = i + 1 < points ? i + 1 : 0;
        int xs = (int)(FINE * xy[2 * i] + .5), ys = (int)(FINE * xy[2 * i + 1] + .5);
        int xe = (int)(FINE * xy[2 * j] + .5), ye = (int)(FINE * xy[2 * j + 1] + .5);
        if (!crossings_edge(&c, xs, ys, xe, ye)) {
            rc = no_memory(err);
            goto out;
        }
    }
    rc = crossings_runs(rle, arena, &c, err);
out:
    uda_free(c.at);
    return rc;
}
