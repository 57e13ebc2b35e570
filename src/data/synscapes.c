/*
 * Synscapes. The instance PNG holds id = R + 256 G + 65536 B (synscapes.on.liu.se/features);
 * meta/N.json says the class of an id as a Cityscapes label id, the class PNG that of every pixel.
 * A motorcyclist or bicyclist of the meta file is a person and a vehicle in one: it is split by the
 * class PNG into a rider and the vehicle, as the UDA4Inst paper describes. An id that the meta file
 * does not list gets the class of most of its pixels.
 *
 * Labels exist at the size of img/rgb; with img/rgb-2k they are scaled with nearest neighbour.
 */
#include "src/data/label_png.h"
#include "src/data/resize.h"
#include "src/data/segments.h"

#include "io/fs.h"
#include "io/json.h"
#include "io/png.h"
#include "src/base/classes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_ID_MAX 33
#define ID_RIDER 25
#define ID_MOTORCYCLE 32
#define ID_BICYCLE 33

static int list_split(struct uda_reader_list *list, struct uda_arena *arena,
                      const struct uda_reader_source *source, struct uda_err *err)
{
    const char *split = source->split != NULL ? source->split : "";
    bool large = strcmp(split, "rgb-2k") == 0;
    if (!large && split[0] != '\0' && strcmp(split, "rgb") != 0) {
        return uda_fail(err, UDA_MANIFEST,
                        "synscapes has no split '%s': use 'rgb' (1440x720), 'rgb-2k', or hold_out",
                        split);
    }
    const struct uda_reader_folder folder = {.image_dir = large ? "img/rgb-2k" : "img/rgb",
                                             .image_prefix = "",
                                             .label_dir = "img/instance",
                                             .label_prefix = "",
                                             .extra_dir = {"img/class", "meta"},
                                             .extra_suffix = {".png", ".json"}};
    return uda_reader_list_folder(list, arena, source, &folder, err);
}

/* What one image's label files say. */
struct frame {
    const struct uda_reader_item *item;
    const struct uda_json *classes; /* meta: instance.class */
    uint32_t *id, *cls;             /* [height, width]: instance id, Cityscapes label id */
    int64_t height, width;
};

/* *label_id = the meta file's class of an instance, -1 if it does not list it. */
static int meta_class(int *label_id, const struct frame *f, uint32_t id, struct uda_err *err)
{
    char key[16];
    (void)snprintf(key, sizeof key, "%u", id);
    const struct uda_json *node = uda_json_get(f->classes, key);
    *label_id = -1;
    if (node == NULL) {
        return 0;
    }
    int64_t value = uda_json_integer(node, -1);
    if (value < 0 || value > LABEL_ID_MAX) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': instance.class.%s is not a Cityscapes label id (0..33)",
                        f->item->extra[1], key);
    }
    *label_id = (int)value;
    return 0;
}

static int describe(struct uda_segment *segment, void *ctx, uint32_t key, int64_t x, int64_t y,
                    struct uda_err *err)
{
    (void)x;
    (void)y;
    int label_id = -1;
    UDA_TRY(meta_class(&label_id, ctx, key, err));
    int cls = uda_class_of_label_id(label_id);
    segment->keep = label_id < 0 || cls >= 0;
    segment->cls = cls >= 0 ? (enum uda_class)cls : UDA_PERSON;
    return 0;
}

/* Pixels of an instance by the class PNG. */
static int count_classes(int64_t hist[LABEL_ID_MAX + 1], const struct frame *f,
                         const struct uda_instance *n, struct uda_err *err)
{
    memset(hist, 0, (LABEL_ID_MAX + 1) * sizeof *hist);
    const uint8_t *mask = n->mask;
    for (int64_t y = n->y0; y <= n->y1; y++) {
        for (int64_t x = n->x0; x <= n->x1; x++) {
            uint32_t c = f->cls[y * f->width + x];
            if (*mask++ == 0) {
                continue;
            }
            if (c > LABEL_ID_MAX) {
                return uda_label_png_bad(f->item->extra[0], c, x, y, "not a Cityscapes label id",
                                         err);
            }
            hist[c]++;
        }
    }
    return 0;
}

/* The first of the most frequent classes. */
static int most_frequent(const int64_t hist[LABEL_ID_MAX + 1])
{
    int best = 0;
    for (int c = 1; c <= LABEL_ID_MAX; c++) {
        best = hist[c] > hist[best] ? c : best;
    }
    return best;
}

/* Whether a pixel of class c goes to part `want` of a ridden vehicle of class `main`: rider,
 * motorcycle and bicycle pixels to their own part, anything else to the vehicle. */
static bool belongs(uint32_t c, int want, int main)
{
    bool other = (c == ID_RIDER || c == ID_MOTORCYCLE || c == ID_BICYCLE) && (int)c != main;
    return want == main ? !other : other && (int)c == want;
}

/* part = the pixels of whole that belong to class `want`, cut to their box. Owns: mask in arena. */
static int cut_part(struct uda_instance *part, const struct frame *f,
                    const struct uda_instance *whole, int want, int main, struct uda_arena *arena,
                    struct uda_err *err)
{
    struct uda_instance p = {.id = want == main ? whole->id : whole->id | (int64_t)want << 24,
                             .cls = (enum uda_class)uda_class_of_label_id(want),
                             .x0 = f->width, .y0 = f->height, .x1 = -1, .y1 = -1};
    int64_t whole_width = whole->x1 - whole->x0 + 1;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t y = whole->y0; y <= whole->y1; y++) {
            const uint8_t *row = whole->mask + (y - whole->y0) * whole_width - whole->x0;
            for (int64_t x = whole->x0; x <= whole->x1; x++) {
                if (row[x] == 0 || !belongs(f->cls[y * f->width + x], want, main)) {
                    continue;
                }
                if (pass == 1) {
                    p.mask[(y - p.y0) * (p.x1 - p.x0 + 1) + x - p.x0] = 1;
                    continue;
                }
                p.area_px++;
                p.x0 = x < p.x0 ? x : p.x0;
                p.x1 = x > p.x1 ? x : p.x1;
                p.y0 = y < p.y0 ? y : p.y0;
                p.y1 = y;
            }
        }
        if (p.area_px == 0) {
            break;
        }
        if (pass == 0) {
            p.mask = uda_arena_calloc(arena, (size_t)((p.x1 - p.x0 + 1) * (p.y1 - p.y0 + 1)));
            if (p.mask == NULL) {
                return uda_fail(err, UDA_NOMEM, "'%s': out of memory", f->item->label);
            }
        }
    }
    *part = p;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct uda_instance *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Settles the class of every segment and splits ridden vehicles. */
static int refine(struct uda_labels *labels, const struct frame *f, const struct uda_labels *raw,
                  struct uda_arena *arena, struct uda_err *err)
{
    struct uda_labels out = {.height = f->height, .width = f->width};
    out.instance = uda_arena_alloc(arena, (size_t)raw->count * 3 * sizeof *out.instance);
    if (out.instance == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", f->item->label);
    }
    for (int64_t i = 0; i < raw->count; i++) {
        const struct uda_instance *n = &raw->instance[i];
        int64_t hist[LABEL_ID_MAX + 1];
        int label_id = -1;
        UDA_TRY(count_classes(hist, f, n, err));
        UDA_TRY(meta_class(&label_id, f, (uint32_t)n->id, err));
        if (label_id < 0) {
            label_id = most_frequent(hist);
        }
        int cls = uda_class_of_label_id(label_id);
        if (cls < 0) {
            continue;
        }
        if (label_id != ID_MOTORCYCLE && label_id != ID_BICYCLE) {
            out.instance[out.count] = *n;
            out.instance[out.count++].cls = (enum uda_class)cls;
            continue;
        }
        static const int parts[] = {ID_RIDER, ID_MOTORCYCLE, ID_BICYCLE};
        for (int p = 0; p < 3; p++) {
            struct uda_instance part = {0};
            UDA_TRY(cut_part(&part, f, n, parts[p], label_id, arena, err));
            if (part.area_px > 0) {
                out.instance[out.count++] = part;
            }
        }
    }
    qsort(out.instance, (size_t)out.count, sizeof *out.instance, by_id);
    *labels = out;
    return 0;
}

/* map scaled to height x width with nearest neighbour. */
static int scale_map(uint32_t **map, int64_t map_height, int64_t map_width, int64_t height,
                     int64_t width, struct uda_arena *scratch, struct uda_err *err)
{
    int32_t *rows = uda_arena_alloc(scratch, (size_t)height * sizeof *rows);
    int32_t *columns = uda_arena_alloc(scratch, (size_t)width * sizeof *columns);
    uint32_t *out = uda_arena_alloc(scratch, (size_t)height * (size_t)width * sizeof *out);
    if (rows == NULL || columns == NULL || out == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a label map");
    }
    uda_resize_nearest(rows, map_height, height, 0, height);
    uda_resize_nearest(columns, map_width, width, 0, width);
    for (int64_t y = 0; y < height; y++) {
        const uint32_t *from = *map + rows[y] * map_width;
        for (int64_t x = 0; x < width; x++) {
            out[y * width + x] = from[columns[x]];
        }
    }
    *map = out;
    return 0;
}

/* Both label maps, at the size of the image. */
static int read_maps(struct frame *f, struct uda_arena *scratch, struct uda_err *err)
{
    struct uda_label_png want = {.bits = 8, .channels_min = 3, .channels_max = 4,
                                 .what = "8-bit RGB or RGBA (img/instance)"};
    int64_t height = 0, width = 0;
    UDA_TRY(uda_png_size(&height, &width, f->item->label, err));
    if (height * f->width != width * f->height) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': %lldx%lld pixels, not in the proportion of the image, %lldx%lld",
                        f->item->label, (long long)width, (long long)height, (long long)f->width,
                        (long long)f->height);
    }
    want.height = height;
    want.width = width;
    UDA_TRY(uda_label_png_keys(&f->id, f->item->label, &want, scratch, err));
    want.channels_min = want.channels_max = 1;
    want.what = "8-bit gray (img/class)";
    UDA_TRY(uda_label_png_keys(&f->cls, f->item->extra[0], &want, scratch, err));
    if (height == f->height) {
        return 0;
    }
    UDA_TRY(scale_map(&f->id, height, width, f->height, f->width, scratch, err));
    return scale_map(&f->cls, height, width, f->height, f->width, scratch, err);
}

static int read_labels(struct uda_labels *labels, const struct uda_reader_list *list, int64_t i,
                       int64_t height, int64_t width, struct uda_arena *arena,
                       struct uda_arena *scratch, struct uda_err *err)
{
    struct frame f = {.item = &list->item[i], .height = height, .width = width};
    struct uda_json *meta = NULL;
    struct uda_labels raw = {0};
    UDA_TRY(read_maps(&f, scratch, err));
    int rc = uda_json_read(&meta, f.item->extra[1], err);
    if (rc == 0) {
        f.classes = uda_json_get(uda_json_get(meta, "instance"), "class");
        if (uda_json_kind(f.classes) != UDA_JSON_OBJECT) {
            rc = uda_fail(err, UDA_FORMAT, "'%s': instance.class is not an object",
                          f.item->extra[1]);
        }
    }
    if (rc == 0) {
        rc = uda_segments_extract(&raw, f.id, height, width, f.item->label, describe, &f, arena,
                                  scratch, err);
    }
    if (rc == 0) {
        rc = refine(labels, &f, &raw, arena, err);
    }
    uda_json_destroy(&meta);
    return rc;
}

const struct uda_reader uda_reader_synscapes = {
    .format = "synscapes",
    .layout = "img/rgb/N.png (split rgb-2k: img/rgb-2k/N.png), img/instance, img/class, meta/N.json",
    .list = list_split,
    .labels = read_labels,
};
