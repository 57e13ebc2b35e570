#include "src/data/augment.h"

#include "src/base/classes.h"
#include "src/data/resize.h"

#include <math.h>
#include <string.h>

#define PAD_GREY 128

struct uda_class_map uda_class_map_all(void)
{
    struct uda_class_map map = {.count = UDA_CLASSES};
    for (int c = 0; c < UDA_CLASSES; c++) {
        map.index[c] = c;
        map.cls[c] = (enum uda_class)c;
    }
    return map;
}

int uda_class_map_of(struct uda_class_map *map, const enum uda_class *cls, int64_t count,
                     struct uda_err *err)
{
    struct uda_class_map out = {.count = (int32_t)count};
    if (count < 1 || count > UDA_CLASSES) {
        return uda_fail(err, UDA_MANIFEST, "a category has %lld classes, not 1..%d",
                        (long long)count, UDA_CLASSES);
    }
    for (int c = 0; c < UDA_CLASSES; c++) {
        out.index[c] = -1;
    }
    for (int64_t i = 0; i < count; i++) {
        if (out.index[cls[i]] >= 0) {
            return uda_fail(err, UDA_MANIFEST, "a category names '%s' twice",
                            uda_classes[cls[i]].name);
        }
        out.index[cls[i]] = (int32_t)i;
        out.cls[i] = cls[i];
    }
    *map = out;
    return 0;
}

uint32_t uda_class_map_mask(const struct uda_class_map *map)
{
    uint32_t mask = 0;
    for (int32_t i = 0; i < map->count; i++) {
        mask |= 1u << map->cls[i];
    }
    return mask;
}

int uda_augment_check(const struct uda_augment_spec *spec, struct uda_err *err)
{
    if (spec->edges < 0 || spec->edges > UDA_AUGMENT_EDGES || spec->edge_max_px < 0) {
        return uda_fail(err, UDA_MANIFEST, "augment: %lld sizes of the shorter edge, not 0..%d",
                        (long long)spec->edges, UDA_AUGMENT_EDGES);
    }
    for (int64_t i = 0; i < spec->edges; i++) {
        if (spec->edge_px[i] < 1 || spec->edge_px[i] > UDA_RESIZE_EDGE_MAX_PX) {
            return uda_fail(err, UDA_MANIFEST, "augment: a shorter edge of %lld px, not 1..%d",
                            (long long)spec->edge_px[i], UDA_RESIZE_EDGE_MAX_PX);
        }
    }
    bool crop = spec->crop_height_px > 0 && spec->crop_width_px > 0;
    bool none = spec->crop_height_px == 0 && spec->crop_width_px == 0;
    if ((!crop && !none) || (spec->lsj && !crop) ||
        spec->crop_height_px > UDA_RESIZE_EDGE_MAX_PX ||
        spec->crop_width_px > UDA_RESIZE_EDGE_MAX_PX) {
        return uda_fail(err, UDA_MANIFEST, "augment: a crop of %lldx%lld px",
                        (long long)spec->crop_width_px, (long long)spec->crop_height_px);
    }
    if (!(spec->color >= 0.0f && spec->color <= 1.0f && spec->flip >= 0.0f &&
          spec->flip <= 1.0f)) {
        return uda_fail(err, UDA_MANIFEST, "augment: color and flip must be in 0..1");
    }
    if (spec->lsj && !(spec->scale_min > 0.0f && spec->scale_max >= spec->scale_min &&
                       spec->scale_max <= 64.0f)) {
        return uda_fail(err, UDA_MANIFEST, "augment: scales must be 0 < min <= max <= 64");
    }
    return 0;
}

/* Where the pixels of the output come from. */
struct layout {
    struct uda_resize resize;
    int64_t height, width; /* of the output; larger than the window only when padded */
    bool flip_first, flip_last;
};

static int64_t at_least_one(int64_t n) { return n < 1 ? 1 : n; }

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Resize and crop of the reference for street scenes. */
static void draw_layout(struct layout *l, const struct uda_augment_spec *spec, int64_t height,
                        int64_t width, struct uda_rng *rng)
{
    struct uda_resize *r = &l->resize;
    r->height = height;
    r->width = width;
    if (spec->edges > 0) {
        int64_t edge = spec->edge_px[uda_rng_below(rng, spec->edges)];
        uda_resize_shortest_edge(&r->height, &r->width, height, width, edge, spec->edge_max_px);
        r->height = at_least_one(r->height);
        r->width = at_least_one(r->width);
    }
    r->window = (struct uda_window){0, 0, r->height, r->width};
    if (spec->crop_height_px > 0) {
        r->window.height = smaller(spec->crop_height_px, r->height);
        r->window.width = smaller(spec->crop_width_px, r->width);
        r->window.y0 = uda_rng_below(rng, r->height - r->window.height + 1);
        r->window.x0 = uda_rng_below(rng, r->width - r->window.width + 1);
    }
    l->height = r->window.height;
    l->width = r->window.width;
}

/* Large-scale jitter: flip, ResizeScale, FixedSizeCrop; one draw places the crop on both axes. */
static void draw_layout_lsj(struct layout *l, const struct uda_augment_spec *spec, int64_t height,
                            int64_t width, struct uda_rng *rng)
{
    struct uda_resize *r = &l->resize;
    l->flip_first = uda_rng_uniform(rng) < spec->flip;
    double scale = (double)uda_rng_range(rng, spec->scale_min, spec->scale_max);
    double by_height = (double)spec->crop_height_px * scale / (double)height;
    double by_width = (double)spec->crop_width_px * scale / (double)width;
    double ratio = by_height < by_width ? by_height : by_width;
    r->height = at_least_one((int64_t)rint((double)height * ratio));
    r->width = at_least_one((int64_t)rint((double)width * ratio));
    l->height = spec->crop_height_px;
    l->width = spec->crop_width_px;
    double place = (double)uda_rng_uniform(rng);
    r->window.height = smaller(l->height, r->height);
    r->window.width = smaller(l->width, r->width);
    r->window.y0 = (int64_t)rint((double)(r->height - r->window.height) * place);
    r->window.x0 = (int64_t)rint((double)(r->width - r->window.width) * place);
}

static void flip_rows(uint8_t *rgb, int64_t height, int64_t width)
{
    for (int64_t y = 0; y < height; y++) {
        uint8_t *row = rgb + y * width * 3;
        for (int64_t a = 0, b = width - 1; a < b; a++, b--) {
            for (int c = 0; c < 3; c++) {
                uint8_t t = row[3 * a + c];
                row[3 * a + c] = row[3 * b + c];
                row[3 * b + c] = t;
            }
        }
    }
}

/* The image before the resize: itself, or a flipped copy. */
static int source_image(struct uda_image *image, const struct uda_image *original, bool flip,
                        struct uda_arena *scratch, struct uda_err *err)
{
    *image = *original;
    if (!flip) {
        return 0;
    }
    size_t bytes = (size_t)image->height * (size_t)image->width * 3;
    image->rgb = uda_arena_alloc(scratch, bytes);
    if (image->rgb == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory to flip an image");
    }
    memcpy(image->rgb, original->rgb, bytes);
    flip_rows(image->rgb, image->height, image->width);
    return 0;
}

/* The window of the resized image in the top left of the output, grey beyond it. */
static int make_image(uint8_t *rgb, const struct layout *l, const struct uda_image *original,
                      struct uda_arena *scratch, struct uda_err *err)
{
    const struct uda_window *w = &l->resize.window;
    struct uda_image image;
    UDA_TRY(source_image(&image, original, l->flip_first, scratch, err));
    if (w->height == l->height && w->width == l->width) {
        return uda_resize_image(rgb, &image, &l->resize, scratch, err);
    }
    uint8_t *part = uda_arena_alloc(scratch, (size_t)w->height * (size_t)w->width * 3);
    if (part == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory to pad an image");
    }
    UDA_TRY(uda_resize_image(part, &image, &l->resize, scratch, err));
    memset(rgb, PAD_GREY, (size_t)l->height * (size_t)l->width * 3);
    for (int64_t y = 0; y < w->height; y++) {
        memcpy(rgb + y * l->width * 3, part + y * w->width * 3, (size_t)w->width * 3);
    }
    return 0;
}

/* For every row and column of the window, after all flips, the row and column of the original. */
struct lookup {
    int32_t *row, *column; /* [rows], ascending; [columns], ascending or descending */
    int64_t rows, columns;
    int64_t stride; /* width of the output */
};

static int make_lookup(struct lookup *k, const struct layout *l, const struct uda_image *original,
                       struct uda_arena *scratch, struct uda_err *err)
{
    const struct uda_window *w = &l->resize.window;
    k->rows = w->height;
    k->columns = w->width;
    k->stride = l->width;
    k->row = uda_arena_alloc(scratch, (size_t)k->rows * sizeof *k->row);
    k->column = uda_arena_alloc(scratch, (size_t)k->columns * sizeof *k->column);
    if (k->row == NULL || k->column == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory to resize masks");
    }
    uda_resize_nearest(k->row, original->height, l->resize.height, w->y0, k->rows);
    uda_resize_nearest(k->column, original->width, l->resize.width, w->x0, k->columns);
    for (int64_t x = 0; l->flip_first && x < k->columns; x++) {
        k->column[x] = (int32_t)original->width - 1 - k->column[x];
    }
    for (int64_t a = 0, b = k->columns - 1; l->flip_last && a < b; a++, b--) {
        int32_t t = k->column[a];
        k->column[a] = k->column[b];
        k->column[b] = t;
    }
    return 0;
}

/* [*first, *end) = the positions of a monotone table whose values are in low..high. */
static void find_range(int64_t *first, int64_t *end, const int32_t *table, int64_t count,
                       int64_t low, int64_t high)
{
    int64_t a = 0, b = count;
    while (a < b && (table[a] < low || table[a] > high)) {
        a++;
    }
    while (b > a && (table[b - 1] < low || table[b - 1] > high)) {
        b--;
    }
    *first = a;
    *end = b;
}

/* Draws an instance into a cleared mask [*, stride]; out = NULL only asks. True if any pixel is
 * set. */
static bool draw_mask(uint8_t *out, const struct uda_instance *n, const struct lookup *k)
{
    int64_t y_first, y_end, x_first, x_end;
    bool any = false;
    find_range(&y_first, &y_end, k->row, k->rows, n->y0, n->y1);
    find_range(&x_first, &x_end, k->column, k->columns, n->x0, n->x1);
    for (int64_t y = y_first; y < y_end && !(out == NULL && any); y++) {
        const uint8_t *from = n->mask + (k->row[y] - n->y0) * (n->x1 - n->x0 + 1);
        uint8_t found = 0;
        for (int64_t x = x_first; x < x_end; x++) {
            uint8_t bit = from[k->column[x] - n->x0];
            found |= bit;
            if (out != NULL) {
                out[y * k->stride + x] = bit;
            }
        }
        any = any || found != 0;
    }
    return any;
}

static int make_masks(struct uda_sample *s, const struct uda_augment_spec *spec,
                      const struct uda_class_map *map, const struct uda_labels *labels,
                      const struct lookup *k, struct uda_arena *arena, struct uda_arena *scratch,
                      struct uda_err *err)
{
    const struct uda_instance **kept =
        uda_arena_alloc(scratch, (size_t)labels->count * sizeof *kept);
    if (kept == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for %lld masks", (long long)labels->count);
    }
    s->count = 0;
    for (int64_t i = 0; i < labels->count; i++) {
        const struct uda_instance *n = &labels->instance[i];
        if (!n->crowd && map->index[n->cls] >= 0 && (spec->keep_empty || draw_mask(NULL, n, k))) {
            kept[s->count++] = n;
        }
    }
    size_t pixels = (size_t)s->height * (size_t)s->width;
    s->cls = uda_arena_alloc(arena, (size_t)s->count * sizeof *s->cls);
    s->masks = uda_arena_calloc(arena, (size_t)s->count * pixels);
    if (s->cls == NULL || s->masks == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for %lld masks of %lldx%lld",
                        (long long)s->count, (long long)s->width, (long long)s->height);
    }
    for (int64_t i = 0; i < s->count; i++) {
        s->cls[i] = map->index[kept[i]->cls];
        (void)draw_mask(s->masks + (size_t)i * pixels, kept[i], k);
    }
    return 0;
}

/* A copy of the crop, if wanted; else the crop has no plain form. */
static int keep_plain(uint8_t **plain, struct uda_sample *s, const struct uda_augment_spec *spec,
                      struct uda_arena *arena, struct uda_err *err)
{
    size_t bytes = (size_t)s->height * (size_t)s->width * 3;
    s->plain = NULL;
    if (!spec->keep_plain) {
        return 0;
    }
    *plain = uda_arena_alloc(arena, bytes);
    if (*plain == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for a crop", s->name);
    }
    memcpy(*plain, s->rgb, bytes);
    s->plain = *plain;
    return 0;
}

static int apply(struct uda_sample *sample, const struct uda_augment_spec *spec,
                 const struct uda_class_map *map, const struct uda_labelled_image *scene,
                 struct uda_rng *rng, struct uda_arena *arena, struct uda_arena *scratch,
                 struct uda_err *err)
{
    struct layout l = {0};
    struct lookup k = {0};
    uint8_t *plain = NULL;
    const struct uda_image *image = &scene->image;
    if (spec->lsj) {
        draw_layout_lsj(&l, spec, image->height, image->width, rng);
    } else {
        draw_layout(&l, spec, image->height, image->width, rng);
    }
    struct uda_sample s = {
        .height = l.height, .width = l.width, .name = scene->name, .index = scene->index};
    s.rgb = uda_arena_alloc(arena, (size_t)s.height * (size_t)s.width * 3);
    if (s.rgb == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for a crop", scene->name);
    }
    UDA_TRY(make_image(s.rgb, &l, image, scratch, err));
    s.plain = s.rgb;
    if (!spec->lsj) {
        if (spec->color > 0.0f) {
            UDA_TRY(keep_plain(&plain, &s, spec, arena, err));
            uda_augment_color(s.rgb, s.height * s.width, spec->color, rng);
        }
        l.flip_last = uda_rng_uniform(rng) < spec->flip;
        if (l.flip_last) {
            flip_rows(s.rgb, s.height, s.width);
            if (plain != NULL) {
                flip_rows(plain, s.height, s.width);
            }
        }
    }
    UDA_TRY(make_lookup(&k, &l, image, scratch, err));
    UDA_TRY(make_masks(&s, spec, map, &scene->labels, &k, arena, scratch, err));
    *sample = s;
    return 0;
}

int uda_augment_apply(struct uda_sample *sample, const struct uda_augment_spec *spec,
                      const struct uda_class_map *map, const struct uda_labelled_image *scene,
                      struct uda_rng *rng, struct uda_arena *arena, struct uda_arena *scratch,
                      struct uda_err *err)
{
    size_t mark = uda_arena_mark(scratch);
    int rc = apply(sample, spec, map, scene, rng, arena, scratch, err);
    uda_arena_reset(scratch, mark);
    return rc;
}
