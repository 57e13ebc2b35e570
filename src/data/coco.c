/*
 * COCO instances JSON: images, annotations, categories (pycocotools coco.py). Categories are
 * matched by name, since ids are not contiguous; names that are none of the eight classes are not
 * objects. iscrowd = 1 is a crowd. An annotation without a segmentation, or whose mask has no
 * pixel, is left out. Instances are in the order of the file and may overlap; their id is
 * 1 + position in `annotations`.
 *
 * Where: `annotations` and `images` as given; without them ROOT/annotations/instances_SPLIT.json
 * and ROOT/SPLIT. Images must be PNG files.
 */
#include "src/data/coco.h"

#include "src/data/label_png.h"
#include "src/data/segments.h"

#include "io/fs.h"
#include "src/base/classes.h"

#include <stdlib.h>
#include <string.h>

struct coco {
    struct uda_json *root;
    const struct uda_json *annotation; /* array */
    const char *path;                  /* of the JSON */
    int64_t *first;                    /* [items + 1] into index */
    int64_t *index;                    /* annotations of an item, in file order */
    int8_t *cls;                       /* [annotations] enum uda_class, -1 = not an object */
};

/* Category id -> class, sorted by id. */
struct category {
    int64_t id;
    int cls;
};

/* Image id -> position in the sorted list, sorted by id. */
struct place {
    int64_t id, at;
};

static int by_category(const void *a, const void *b)
{
    const struct category *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int no_memory(const char *path, struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
}

static int find_array(const struct uda_json **array, const struct coco *c, const char *key,
                      struct uda_err *err)
{
    *array = uda_json_get(c->root, key);
    if (uda_json_kind(*array) != UDA_JSON_ARRAY) {
        return uda_fail(err, UDA_FORMAT, "'%s': '%s' is not an array", c->path, key);
    }
    return 0;
}

static int list_images(struct uda_reader_list *list, const struct coco *c, const char *folder,
                       struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_json *images = NULL;
    UDA_TRY(find_array(&images, c, "images", err));
    int64_t count = uda_json_count(images);
    UDA_TRY(uda_reader_items(list, arena, count, err));
    for (int64_t i = 0; i < count; i++) {
        const struct uda_json *image = uda_json_at(images, i);
        const char *file = uda_json_text(uda_json_get(image, "file_name"));
        int64_t height = uda_json_integer(uda_json_get(image, "height"), 0);
        int64_t width = uda_json_integer(uda_json_get(image, "width"), 0);
        int64_t id = uda_json_integer(uda_json_get(image, "id"), INT64_MIN);
        if (file == NULL || file[0] == '\0' || file[0] == '/' || height < 1 || width < 1 ||
            height > 32768 || width > 32768 || id == INT64_MIN) {
            return uda_fail(err, UDA_FORMAT,
                            "'%s': images[%lld] needs id, relative file_name, and height and width "
                            "in 1..32768",
                            c->path, (long long)i);
        }
        if (uda_reader_ends(file, ".jpg") || uda_reader_ends(file, ".jpeg")) {
            return uda_fail(err, UDA_UNSUPPORTED,
                            "'%s': images[%lld] is '%s', but only PNG images are read: convert the "
                            "images and the file_name entries",
                            c->path, (long long)i, file);
        }
        const char *dot = strrchr(file, '.'), *slash = strrchr(file, '/');
        bool suffix = dot != NULL && (slash == NULL || dot > slash + 1) && dot > file;
        struct uda_reader_item *item = &list->item[list->count++];
        *item = (struct uda_reader_item){.id = id, .height = height, .width = width};
        item->name = uda_arena_printf(arena, "%.*s",
                                      suffix ? (int)(dot - file) : (int)strlen(file), file);
        item->image = uda_fs_join(arena, folder, file);
        if (item->name == NULL || item->image == NULL) {
            return no_memory(c->path, err);
        }
    }
    return uda_reader_sort(list, false, c->path, err);
}

static int list_categories(struct category **category, int64_t *count, const struct coco *c,
                           struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_json *array = NULL;
    UDA_TRY(find_array(&array, c, "categories", err));
    *count = uda_json_count(array);
    *category = uda_arena_alloc(arena, (size_t)*count * sizeof **category);
    if (*category == NULL) {
        return no_memory(c->path, err);
    }
    for (int64_t i = 0; i < *count; i++) {
        const struct uda_json *node = uda_json_at(array, i);
        const char *name = uda_json_text(uda_json_get(node, "name"));
        int64_t id = uda_json_integer(uda_json_get(node, "id"), INT64_MIN);
        if (name == NULL || id == INT64_MIN) {
            return uda_fail(err, UDA_FORMAT, "'%s': categories[%lld] needs id and name", c->path,
                            (long long)i);
        }
        (*category)[i] = (struct category){.id = id, .cls = uda_class_of_name(name)};
    }
    qsort(*category, (size_t)*count, sizeof **category, by_category);
    for (int64_t i = 1; i < *count; i++) {
        if ((*category)[i - 1].id == (*category)[i].id) {
            return uda_fail(err, UDA_FORMAT, "'%s': two categories have the id %lld", c->path,
                            (long long)(*category)[i].id);
        }
    }
    return 0;
}

static int list_places(struct place **place, const struct uda_reader_list *list,
                       const struct coco *c, struct uda_arena *arena, struct uda_err *err)
{
    *place = uda_arena_alloc(arena, (size_t)list->count * sizeof **place);
    if (*place == NULL) {
        return no_memory(c->path, err);
    }
    for (int64_t i = 0; i < list->count; i++) {
        (*place)[i] = (struct place){.id = list->item[i].id, .at = i};
    }
    qsort(*place, (size_t)list->count, sizeof **place, by_place);
    for (int64_t i = 1; i < list->count; i++) {
        if ((*place)[i - 1].id == (*place)[i].id) {
            return uda_fail(err, UDA_FORMAT, "'%s': two images have the id %lld", c->path,
                            (long long)(*place)[i].id);
        }
    }
    return 0;
}

/* Position of every annotation's image and its class; then the annotations grouped by image. */
static int group(struct coco *c, const struct uda_reader_list *list, struct uda_arena *arena,
                 struct uda_err *err)
{
    struct category *category = NULL;
    struct place *place = NULL;
    int64_t categories = 0, count = uda_json_count(c->annotation);
    UDA_TRY(list_categories(&category, &categories, c, arena, err));
    UDA_TRY(list_places(&place, list, c, arena, err));
    int64_t *at = uda_arena_alloc(arena, (size_t)count * sizeof *at);
    c->cls = uda_arena_alloc(arena, (size_t)count * sizeof *c->cls);
    c->index = uda_arena_alloc(arena, (size_t)count * sizeof *c->index);
    c->first = uda_arena_calloc(arena, (size_t)(list->count + 2) * sizeof *c->first);
    if (at == NULL || c->cls == NULL || c->index == NULL || c->first == NULL) {
        return no_memory(c->path, err);
    }
    for (int64_t i = 0; i < count; i++) {
        const struct uda_json *node = uda_json_at(c->annotation, i);
        struct place key = {.id = uda_json_integer(uda_json_get(node, "image_id"), INT64_MIN)};
        struct category kind = {.id =
                                    uda_json_integer(uda_json_get(node, "category_id"), INT64_MIN)};
        const struct place *p = bsearch(&key, place, (size_t)list->count, sizeof key, by_place);
        const struct category *k =
            categories == 0 ? NULL
                            : bsearch(&kind, category, (size_t)categories, sizeof kind, by_category);
        if (p == NULL || k == NULL) {
            return uda_fail(err, UDA_FORMAT,
                            "'%s': annotations[%lld] has an unknown %s", c->path, (long long)i,
                            p == NULL ? "image_id" : "category_id");
        }
        at[i] = p->at;
        c->cls[i] = (int8_t)k->cls;
        c->first[p->at + 2]++;
    }
    for (int64_t i = 0; i < list->count; i++) {
        c->first[i + 2] += c->first[i + 1];
    }
    for (int64_t i = 0; i < count; i++) {
        c->index[c->first[at[i] + 1]++] = i;
    }
    return 0;
}

static void finish(struct uda_reader_list *list)
{
    struct coco *c = list->state;
    if (c != NULL) {
        uda_json_destroy(&c->root);
    }
}

static int list_split(struct uda_reader_list *list, struct uda_arena *arena,
                      const struct uda_reader_source *source, struct uda_err *err)
{
    const char *split = source->split != NULL && source->split[0] != '\0' ? source->split : "train";
    const char *root = source->root != NULL ? source->root : "";
    if (root[0] == '\0' && (source->annotations == NULL || source->images == NULL)) {
        return uda_fail(err, UDA_MANIFEST, "coco needs a root, or annotations and images");
    }
    struct coco *c = uda_arena_calloc(arena, sizeof *c);
    if (c == NULL) {
        return no_memory(root, err);
    }
    c->path = source->annotations != NULL
                  ? source->annotations
                  : uda_arena_printf(arena, "%s/annotations/instances_%s.json", root, split);
    const char *folder = source->images != NULL ? source->images
                         : source->annotations != NULL
                             ? root
                             : uda_arena_printf(arena, "%s/%s", root, split);
    if (c->path == NULL || folder == NULL) {
        return no_memory(root, err);
    }
    c->path = uda_arena_strdup(arena, c->path);
    list->state = c;
    list->annotations = c->path;
    UDA_TRY(uda_json_read(&c->root, c->path, err));
    UDA_TRY(list_images(list, c, folder, arena, err));
    if (source->unlabelled) {
        return 0;
    }
    UDA_TRY(find_array(&c->annotation, c, "annotations", err));
    return group(c, list, arena, err);
}

/* counts as a JSON array or string. */
static int from_runs(struct uda_rle *rle, const struct uda_json *node, int64_t height, int64_t width,
                     const char *where, struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_json *size = uda_json_get(node, "size"), *runs = uda_json_get(node, "counts");
    if (uda_json_integer(uda_json_at(size, 0), -1) != height ||
        uda_json_integer(uda_json_at(size, 1), -1) != width || uda_json_count(size) != 2) {
        return uda_fail(err, UDA_FORMAT, "%s: segmentation.size is not [%lld, %lld] like the image",
                        where, (long long)height, (long long)width);
    }
    struct uda_err inner = {0};
    int rc = 0;
    if (uda_json_kind(runs) == UDA_JSON_STRING) {
        rc = uda_rle_from_text(rle, arena, uda_json_text(runs), height, width, &inner);
    } else if (uda_json_kind(runs) == UDA_JSON_ARRAY) {
        int64_t count = uda_json_count(runs);
        int64_t *counts = uda_arena_alloc(arena, (size_t)count * sizeof *counts);
        if (counts == NULL) {
            return uda_fail(err, UDA_NOMEM, "%s: out of memory", where);
        }
        for (int64_t i = 0; i < count; i++) {
            counts[i] = uda_json_integer(uda_json_at(runs, i), -1);
        }
        rc = uda_rle_from_counts(rle, arena, counts, count, height, width, &inner);
    } else {
        return uda_fail(err, UDA_FORMAT, "%s: segmentation.counts is neither an array nor a string",
                        where);
    }
    return rc == 0 ? 0 : uda_fail(err, (enum uda_code)rc, "%s: %s", where, inner.text);
}

static int from_polygon(struct uda_rle *rle, const struct uda_json *node, int64_t height,
                        int64_t width, const char *where, struct uda_arena *arena,
                        struct uda_err *err)
{
    int64_t count = uda_json_count(node);
    if (uda_json_kind(node) != UDA_JSON_ARRAY || count < 6 || count % 2 != 0) {
        return uda_fail(err, UDA_FORMAT,
                        "%s: a polygon is not an array of an even number of coordinates, 6 or more",
                        where);
    }
    double *xy = uda_arena_alloc(arena, (size_t)count * sizeof *xy);
    if (xy == NULL) {
        return uda_fail(err, UDA_NOMEM, "%s: out of memory", where);
    }
    for (int64_t i = 0; i < count; i++) {
        xy[i] = uda_json_number(uda_json_at(node, i));
    }
    struct uda_err inner = {0};
    int rc = uda_rle_from_polygon(rle, arena, xy, count / 2, height, width, &inner);
    return rc == 0 ? 0 : uda_fail(err, (enum uda_code)rc, "%s: %s", where, inner.text);
}

int uda_coco_segmentation(struct uda_rle *rle, bool *any, const struct uda_json *node,
                          int64_t height, int64_t width, const char *where,
                          struct uda_arena *arena, struct uda_err *err)
{
    enum uda_json_kind kind = uda_json_kind(node);
    int64_t count = uda_json_count(node);
    if (kind == UDA_JSON_ABSENT || kind == UDA_JSON_NULL ||
        (count == 0 && (kind == UDA_JSON_ARRAY || kind == UDA_JSON_OBJECT))) {
        *any = false;
        return 0;
    }
    if (kind == UDA_JSON_OBJECT) {
        UDA_TRY(from_runs(rle, node, height, width, where, arena, err));
        *any = true;
        return 0;
    }
    if (kind != UDA_JSON_ARRAY) {
        return uda_fail(err, UDA_FORMAT, "%s: segmentation is neither polygons nor run lengths",
                        where);
    }
    struct uda_rle *part = uda_arena_alloc(arena, (size_t)count * sizeof *part);
    if (part == NULL) {
        return uda_fail(err, UDA_NOMEM, "%s: out of memory", where);
    }
    for (int64_t i = 0; i < count; i++) {
        UDA_TRY(from_polygon(&part[i], uda_json_at(node, i), height, width, where, arena, err));
    }
    if (count == 1) {
        *rle = part[0];
    } else {
        UDA_TRY(uda_rle_union(rle, arena, part, count, err));
    }
    *any = true;
    return 0;
}

/* One annotation as an instance; *any = false if it has no pixel. */
static int read_instance(struct uda_instance *out, bool *any, const struct coco *c, int64_t at,
                         int64_t height, int64_t width, struct uda_arena *arena,
                         struct uda_arena *scratch, struct uda_err *err)
{
    const struct uda_json *node = uda_json_at(c->annotation, at);
    char *where = uda_arena_printf(scratch, "'%s': annotations[%lld]", c->path, (long long)at);
    if (where == NULL) {
        return no_memory(c->path, err);
    }
    struct uda_rle rle = {0};
    UDA_TRY(uda_coco_segmentation(&rle, any, uda_json_get(node, "segmentation"), height, width,
                                  where, scratch, err));
    int64_t area = *any ? uda_rle_area(&rle) : 0;
    if (area == 0) {
        *any = false;
        return 0;
    }
    const struct uda_json *crowd = uda_json_get(node, "iscrowd");
    struct uda_box box = uda_rle_box(&rle);
    *out = (struct uda_instance){
        .id = at + 1,
        .cls = (enum uda_class)c->cls[at],
        .crowd = uda_json_integer(crowd, 0) != 0 || uda_json_bool(crowd, false),
        .area_px = area,
        .x0 = box.x0,
        .y0 = box.y0,
        .x1 = box.x1,
        .y1 = box.y1,
        .mask = uda_arena_alloc(arena, (size_t)(box.x1 - box.x0 + 1) *
                                           (size_t)(box.y1 - box.y0 + 1)),
    };
    if (out->mask == NULL) {
        return no_memory(c->path, err);
    }
    uda_rle_decode_box(out->mask, box, &rle);
    return 0;
}

static int read_labels(struct uda_labels *labels, const struct uda_reader_list *list, int64_t i,
                       int64_t height, int64_t width, struct uda_arena *arena,
                       struct uda_arena *scratch, struct uda_err *err)
{
    const struct coco *c = list->state;
    if (height != list->item[i].height || width != list->item[i].width) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': %lldx%lld pixels where '%s' says %lldx%lld", list->item[i].image,
                        (long long)width, (long long)height, c->path,
                        (long long)list->item[i].width, (long long)list->item[i].height);
    }
    int64_t room = c->first[i + 1] - c->first[i], bytes = 0;
    struct uda_labels out = {.height = height, .width = width};
    out.instance = uda_arena_alloc(arena, (size_t)room * sizeof *out.instance);
    if (out.instance == NULL) {
        return no_memory(c->path, err);
    }
    for (int64_t k = c->first[i]; k < c->first[i + 1]; k++) {
        bool any = false;
        if (c->cls[c->index[k]] < 0) {
            continue;
        }
        struct uda_instance *n = &out.instance[out.count];
        UDA_TRY(read_instance(n, &any, c, c->index[k], height, width, arena, scratch, err));
        out.count += any;
        bytes += any ? (n->x1 - n->x0 + 1) * (n->y1 - n->y0 + 1) : 0;
        UDA_TRY(uda_segments_check(c->path, out.count, bytes, err));
    }
    *labels = out;
    return 0;
}

const struct uda_reader uda_reader_coco = {
    .format = "coco",
    .layout = "annotations JSON and an image folder (ROOT/annotations/instances_SPLIT.json, ROOT/SPLIT)",
    .list = list_split,
    .labels = read_labels,
    .finish = finish,
};
