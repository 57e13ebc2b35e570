/* COCO's JSON files as input of coco_ap. */
#include "src/eval/coco_ap.h"

#include "io/json.h"
#include "src/base/classes.h"
#include "src/base/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An id of the file and its place in ours. */
struct key {
    int64_t id, index;
};

struct size {
    int64_t height, width;
};

struct files {
    struct uda_arena *arena;
    const char *instances_path, *results_path;
    const struct uda_detections *set; /* instead of a results file, or NULL */
    const char **stem;                /* [images] names in a set */
    struct key *image; /* [images] ascending id; index = place in the file */
    struct size *size; /* [images] in ascending id */
    int64_t images;
    struct key *category; /* [categories] ascending id; index = place in the file */
    const char **name;    /* [categories] */
    int64_t categories;
    int64_t nameless; /* annotations with id 0 */
};

/* Annotations or results of one image, in file order. */
struct list {
    int64_t *item;
    int64_t count;
};

static int no_memory(struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "no memory for a COCO file");
}

static int by_id(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    return x->id != y->id ? (x->id < y->id ? -1 : 1) : x->index < y->index ? -1 : x->index > y->index;
}

/* Place of an id in the sorted keys, -1 if unknown. */
static int64_t find(const struct key *key, int64_t keys, int64_t id)
{
    int64_t low = 0, high = keys;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (key[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < keys && key[low].id == id ? low : -1;
}

static int require_array(const struct uda_json *node, const char *path, const char *what,
                         struct uda_err *err)
{
    if (uda_json_kind(node) != UDA_JSON_ARRAY) {
        return uda_fail(err, UDA_FORMAT, "'%s': %s must be an array", path, what);
    }
    return 0;
}

/* Integer member of entry i of a list; NaN-free and present. */
static int get_id(int64_t *id, const struct uda_json *entry, const char *key, const char *path,
                  const char *list, int64_t i, struct uda_err *err)
{
    int64_t a = uda_json_integer(uda_json_get(entry, key), -1);
    int64_t b = uda_json_integer(uda_json_get(entry, key), -2);
    if (a != b) {
        return uda_fail(err, UDA_FORMAT, "'%s': %s[%lld]: '%s' must be an integer", path, list,
                        (long long)i, key);
    }
    *id = a;
    return 0;
}

/* Sorted ids of a list; equal ones are an error. */
static int read_keys(struct key **keys, struct uda_arena *arena, const struct uda_json *list,
                     const char *path, const char *what, struct uda_err *err)
{
    int64_t count = uda_json_count(list);
    struct key *key = uda_arena_alloc(arena, (size_t)count * sizeof *key);
    if (key == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < count; i++) {
        UDA_TRY(get_id(&key[i].id, uda_json_at(list, i), "id", path, what, i, err));
        key[i].index = i;
    }
    qsort(key, (size_t)count, sizeof *key, by_id);
    for (int64_t i = 1; i < count; i++) {
        if (key[i].id == key[i - 1].id) {
            return uda_fail(err, UDA_FORMAT, "'%s': %s[%lld] and %s[%lld] have the id %lld", path,
                            what, (long long)key[i - 1].index, what, (long long)key[i].index,
                            (long long)key[i].id);
        }
    }
    *keys = key;
    return 0;
}

static int read_tables(struct files *f, const struct uda_json *root, struct uda_err *err)
{
    const char *path = f->instances_path;
    const struct uda_json *images = uda_json_get(root, "images");
    const struct uda_json *categories = uda_json_get(root, "categories");
    UDA_TRY(require_array(images, path, "images", err));
    UDA_TRY(require_array(categories, path, "categories", err));
    UDA_TRY(require_array(uda_json_get(root, "annotations"), path, "annotations", err));
    UDA_TRY(read_keys(&f->image, f->arena, images, path, "images", err));
    UDA_TRY(read_keys(&f->category, f->arena, categories, path, "categories", err));
    f->images = uda_json_count(images);
    f->categories = uda_json_count(categories);
    f->size = uda_arena_alloc(f->arena, (size_t)f->images * sizeof *f->size);
    f->name = uda_arena_alloc(f->arena, (size_t)f->categories * sizeof *f->name);
    if (f->size == NULL || f->name == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < f->images; i++) {
        const struct uda_json *image = uda_json_at(images, f->image[i].index);
        UDA_TRY(get_id(&f->size[i].height, image, "height", path, "images", f->image[i].index, err));
        UDA_TRY(get_id(&f->size[i].width, image, "width", path, "images", f->image[i].index, err));
    }
    for (int64_t i = 0; i < f->categories; i++) {
        int64_t at = f->category[i].index;
        const char *name = uda_json_text(uda_json_get(uda_json_at(categories, at), "name"));
        if (name == NULL) {
            return uda_fail(err, UDA_FORMAT, "'%s': categories[%lld]: 'name' must be a string",
                            path, (long long)at);
        }
        f->name[i] = uda_arena_strdup(f->arena, name);
        if (f->name[i] == NULL) {
            return no_memory(err);
        }
    }
    return 0;
}

/* "a/b/000000000139.jpg" -> "000000000139", what readers call the image. */
static int read_stems(struct files *f, const struct uda_json *images, struct uda_err *err)
{
    f->stem = uda_arena_alloc(f->arena, (size_t)f->images * sizeof *f->stem);
    if (f->stem == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < f->images; i++) {
        int64_t at = f->image[i].index;
        const char *file = uda_json_text(uda_json_get(uda_json_at(images, at), "file_name"));
        if (file == NULL) {
            return uda_fail(err, UDA_FORMAT, "'%s': images[%lld]: 'file_name' must be a string",
                            f->instances_path, (long long)at);
        }
        const char *slash = strrchr(file, '/'), *dot = strrchr(file, '.');
        const char *name = slash != NULL ? slash + 1 : file;
        int length = (int)(dot != NULL && dot > name ? (size_t)(dot - name) : strlen(name));
        f->stem[i] = uda_arena_printf(f->arena, "%.*s", length, name);
        if (f->stem[i] == NULL) {
            return no_memory(err);
        }
    }
    return 0;
}

/* The polygons of one object. */
static int polygons_mask(struct uda_rle *mask, struct uda_arena *arena, const struct uda_json *list,
                         struct size size, struct uda_err *err)
{
    int64_t parts = uda_json_count(list);
    struct uda_rle *part = uda_arena_alloc(arena, (size_t)parts * sizeof *part);
    if (part == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < parts; i++) {
        const struct uda_json *polygon = uda_json_at(list, i);
        int64_t numbers = uda_json_count(polygon);
        if (uda_json_kind(polygon) != UDA_JSON_ARRAY || numbers % 2 != 0) {
            return uda_fail(err, UDA_FORMAT, "segmentation[%lld] must be [x, y, x, y, ...]",
                            (long long)i);
        }
        double *xy = uda_arena_alloc(arena, (size_t)numbers * sizeof *xy);
        if (xy == NULL) {
            return no_memory(err);
        }
        for (int64_t k = 0; k < numbers; k++) {
            xy[k] = uda_json_number(uda_json_at(polygon, k));
        }
        UDA_TRY(uda_rle_from_polygon(&part[i], arena, xy, numbers / 2, size.height, size.width,
                                     err));
    }
    return uda_rle_union(mask, arena, part, parts, err);
}

static int counts_mask(struct uda_rle *mask, struct uda_arena *arena, const struct uda_json *object,
                       struct size size, struct uda_err *err)
{
    const struct uda_json *shape = uda_json_get(object, "size");
    const struct uda_json *counts = uda_json_get(object, "counts");
    int64_t height = uda_json_integer(uda_json_at(shape, 0), -1);
    int64_t width = uda_json_integer(uda_json_at(shape, 1), -1);
    if (uda_json_count(shape) != 2 || height != size.height || width != size.width) {
        return uda_fail(err, UDA_FORMAT, "mask size %lld x %lld differs from the image's %lld x %lld",
                        (long long)height, (long long)width, (long long)size.height,
                        (long long)size.width);
    }
    if (uda_json_text(counts) != NULL) {
        return uda_rle_from_text(mask, arena, uda_json_text(counts), height, width, err);
    }
    if (uda_json_kind(counts) != UDA_JSON_ARRAY) {
        return uda_fail(err, UDA_FORMAT, "'counts' must be a string or an array");
    }
    int64_t runs = uda_json_count(counts);
    int64_t *run = uda_arena_alloc(arena, (size_t)runs * sizeof *run);
    if (run == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < runs; i++) {
        run[i] = uda_json_integer(uda_json_at(counts, i), -1);
    }
    return uda_rle_from_counts(mask, arena, run, runs, height, width, err);
}

/* A "segmentation" in any of its three forms; the message names the entry. */
static int read_mask(struct uda_rle *mask, struct uda_arena *arena, const struct uda_json *node,
                     struct size size, const char *path, const char *list, int64_t i,
                     struct uda_err *err)
{
    struct uda_err inner = {0};
    int rc = 0;
    if (uda_json_kind(node) == UDA_JSON_ARRAY && uda_json_count(node) > 0) {
        rc = polygons_mask(mask, arena, node, size, &inner);
    } else if (uda_json_kind(node) == UDA_JSON_OBJECT) {
        rc = counts_mask(mask, arena, node, size, &inner);
    } else {
        rc = uda_fail(&inner, UDA_FORMAT, "'segmentation' must be polygons or runs");
    }
    if (rc != 0) {
        return uda_fail(err, (enum uda_code)rc, "'%s': %s[%lld]: %s", path, list, (long long)i,
                        inner.text);
    }
    return 0;
}

/* Entries of a list by image; members of a category that is not known are left out. */
static int group_by_image(struct list **lists, struct files *f, const struct uda_json *entries,
                          const char *path, const char *what, struct uda_err *err)
{
    int64_t count = uda_json_count(entries), image = 0, category = 0;
    struct list *list = uda_arena_calloc(f->arena, (size_t)f->images * sizeof *list);
    int64_t *item = uda_arena_alloc(f->arena, (size_t)count * sizeof *item);
    int64_t *where = uda_arena_alloc(f->arena, (size_t)count * sizeof *where);
    if (list == NULL || item == NULL || where == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < count; i++) {
        const struct uda_json *entry = uda_json_at(entries, i);
        UDA_TRY(get_id(&image, entry, "image_id", path, what, i, err));
        UDA_TRY(get_id(&category, entry, "category_id", path, what, i, err));
        where[i] = find(f->image, f->images, image);
        if (where[i] < 0) {
            return uda_fail(err, UDA_FORMAT, "'%s': %s[%lld]: image id %lld is not in '%s'", path,
                            what, (long long)i, (long long)image, f->instances_path);
        }
        where[i] = find(f->category, f->categories, category) < 0 ? -1 : where[i];
        if (where[i] >= 0) {
            list[where[i]].count++;
        }
    }
    for (int64_t i = 0; i < f->images; i++) {
        list[i].item = item;
        item += list[i].count;
        list[i].count = 0;
    }
    for (int64_t i = 0; i < count; i++) {
        if (where[i] >= 0) {
            list[where[i]].item[list[where[i]].count++] = i;
        }
    }
    *lists = list;
    return 0;
}

static int read_truth(struct uda_coco_truth *truth, struct files *f, struct uda_arena *arena,
                      const struct uda_json *entries, int64_t i, struct size size,
                      struct uda_err *err)
{
    const struct uda_json *entry = uda_json_at(entries, i);
    const struct uda_json *crowd = uda_json_get(entry, "iscrowd");
    int64_t category = uda_json_integer(uda_json_get(entry, "category_id"), 0);
    truth->cls = find(f->category, f->categories, category);
    truth->crowd = uda_json_integer(crowd, 0) != 0 || uda_json_bool(crowd, false);
    truth->area = uda_json_number(uda_json_get(entry, "area"));
    truth->nameless = uda_json_integer(uda_json_get(entry, "id"), 1) == 0;
    f->nameless += truth->nameless;
    if (isnan(truth->area)) {
        return uda_fail(err, UDA_FORMAT, "'%s': annotations[%lld]: 'area' must be a number",
                        f->instances_path, (long long)i);
    }
    return read_mask(&truth->mask, arena, uda_json_get(entry, "segmentation"), size,
                     f->instances_path, "annotations", i, err);
}

static int read_guess(struct uda_coco_guess *guess, struct files *f, struct uda_arena *arena,
                      const struct uda_json *entries, bool boxes, int64_t i, struct size size,
                      struct uda_err *err)
{
    const struct uda_json *entry = uda_json_at(entries, i), *box = uda_json_get(entry, "bbox");
    int64_t category = uda_json_integer(uda_json_get(entry, "category_id"), 0);
    guess->cls = find(f->category, f->categories, category);
    guess->score = uda_json_number(uda_json_get(entry, "score"));
    if (isnan(guess->score)) {
        return uda_fail(err, UDA_FORMAT, "'%s': results[%lld]: 'score' must be a number",
                        f->results_path, (long long)i);
    }
    UDA_TRY(read_mask(&guess->mask, arena, uda_json_get(entry, "segmentation"), size,
                      f->results_path, "results", i, err));
    guess->area = (double)uda_rle_area(&guess->mask);
    if (boxes) {
        guess->area = uda_json_number(uda_json_at(box, 2)) * uda_json_number(uda_json_at(box, 3));
        if (isnan(guess->area)) {
            return uda_fail(err, UDA_FORMAT, "'%s': results[%lld]: 'bbox' must be four numbers",
                            f->results_path, (long long)i);
        }
    }
    return 0;
}

/* The set's detections of image i; those whose class no category is named after are left out. */
static int find_guesses(struct uda_coco_guess **guess, int64_t *guesses, struct files *f,
                        struct uda_arena *arena, int64_t i, struct uda_err *err)
{
    const struct uda_image_detections *found = uda_detections_find(f->set, f->stem[i]);
    if (found == NULL) {
        return uda_fail(err, UDA_FORMAT, "'%s': no image '%s' in '%s'", f->instances_path,
                        f->stem[i], f->results_path);
    }
    if (found->height != f->size[i].height || found->width != f->size[i].width) {
        return uda_fail(err, UDA_FORMAT, "'%s': image '%s' is %lld x %lld but %lld x %lld in '%s'",
                        f->instances_path, f->stem[i], (long long)f->size[i].height,
                        (long long)f->size[i].width, (long long)found->height,
                        (long long)found->width, f->results_path);
    }
    *guess = uda_arena_alloc(arena, (size_t)found->count * sizeof **guess);
    if (*guess == NULL) {
        return no_memory(err);
    }
    for (int64_t k = 0; k < found->count; k++) {
        const struct uda_detection *item = &found->item[k];
        for (int64_t c = 0; c < f->categories; c++) {
            if (strcmp(f->name[c], uda_classes[item->cls].name) == 0) {
                (*guess)[(*guesses)++] = (struct uda_coco_guess){
                    c, item->score, (double)item->area_px, item->mask};
                break;
            }
        }
    }
    return 0;
}

static bool has_mask(const struct uda_json *entry)
{
    return uda_json_count(uda_json_get(entry, "segmentation")) > 0;
}

/* The parsed files, and their entries by image. */
struct inputs {
    const struct uda_json *annotations, *results;
    struct list *truths, *guesses; /* [images]; guesses NULL with a set */
    bool boxes;                    /* sizes of predictions come from their boxes */
};

static int measure_image(struct uda_coco_image *out, struct files *f, struct uda_arena *scratch,
                         const struct inputs *in, int64_t i, struct uda_err *err)
{
    const struct list *a = &in->truths[i], *r = in->guesses != NULL ? &in->guesses[i] : NULL;
    struct uda_coco_truth *truth = uda_arena_alloc(scratch, (size_t)a->count * sizeof *truth);
    struct uda_coco_guess *guess = NULL;
    int64_t truths = 0, guesses = 0;
    if (truth == NULL) {
        return no_memory(err);
    }
    for (int64_t k = 0; k < a->count; k++) {
        if (has_mask(uda_json_at(in->annotations, a->item[k]))) {
            UDA_TRY(read_truth(&truth[truths++], f, scratch, in->annotations, a->item[k],
                               f->size[i], err));
        }
    }
    if (r == NULL) {
        UDA_TRY(find_guesses(&guess, &guesses, f, scratch, i, err));
        return uda_coco_measure(out, f->arena, truth, truths, guess, guesses, f->stem[i], err);
    }
    guess = uda_arena_alloc(scratch, (size_t)r->count * sizeof *guess);
    if (guess == NULL) {
        return no_memory(err);
    }
    for (; guesses < r->count; guesses++) {
        UDA_TRY(read_guess(&guess[guesses], f, scratch, in->results, in->boxes, r->item[guesses],
                           f->size[i], err));
    }
    return uda_coco_measure(out, f->arena, truth, truths, guess, guesses, f->results_path, err);
}

static int prepare(struct inputs *in, struct files *f, const struct uda_json *instances,
                   struct uda_err *err)
{
    struct key *ids = NULL;
    UDA_TRY(read_tables(f, instances, err));
    in->annotations = uda_json_get(instances, "annotations");
    UDA_TRY(read_keys(&ids, f->arena, in->annotations, f->instances_path, "annotations", err));
    UDA_TRY(group_by_image(&in->truths, f, in->annotations, f->instances_path, "annotations", err));
    if (f->set != NULL) {
        return read_stems(f, uda_json_get(instances, "images"), err);
    }
    UDA_TRY(require_array(in->results, f->results_path, "the results", err));
    UDA_TRY(group_by_image(&in->guesses, f, in->results, f->results_path, "results", err));
    in->boxes = uda_json_count(uda_json_get(uda_json_at(in->results, 0), "bbox")) > 0;
    if (in->boxes) {
        uda_log(UDA_LOG_WARN,
                "'%s' holds boxes: like pycocotools, sizes of predictions are taken from them and "
                "not from the masks",
                f->results_path);
    }
    return 0;
}

static int evaluate(struct uda_ap *ap, struct files *f, const struct inputs *in,
                    struct uda_err *err)
{
    struct uda_coco_image *image = uda_arena_alloc(f->arena, (size_t)f->images * sizeof *image);
    const struct uda_coco_image **pointer =
        uda_arena_alloc(f->arena, (size_t)f->images * sizeof *pointer);
    if (image == NULL || pointer == NULL) {
        return no_memory(err);
    }
    struct uda_arena scratch = {0};
    int rc = 0;
    for (int64_t i = 0; i < f->images && rc == 0; i++) {
        rc = measure_image(&image[i], f, &scratch, in, i, err);
        pointer[i] = &image[i];
        uda_arena_reset(&scratch, 0);
    }
    uda_arena_finish(&scratch);
    if (rc == 0 && f->nameless > 0) {
        uda_log(UDA_LOG_WARN,
                "'%s' has an annotation with id 0: like pycocotools, a prediction that finds it "
                "counts as wrong; number from 1",
                f->instances_path);
    }
    return rc != 0 ? rc
                   : uda_coco_ap(ap, f->arena, f->name, f->categories, pointer, f->images, err);
}

int uda_coco_ap_files(struct uda_ap *ap, struct uda_arena *arena, const char *instances_path,
                      const char *results_path, const struct uda_detections *set,
                      struct uda_err *err)
{
    struct uda_json *instances = NULL, *results = NULL;
    struct files files = {.arena = arena,
                          .instances_path = instances_path,
                          .results_path = results_path,
                          .set = set};
    struct inputs in = {0};
    int rc = 0;
    UDA_GOTO(rc = uda_json_read(&instances, instances_path, err), out);
    if (set == NULL) {
        UDA_GOTO(rc = uda_json_read(&results, results_path, err), out);
        in.results = results;
    }
    UDA_GOTO(rc = prepare(&in, &files, instances, err), out);
    rc = evaluate(ap, &files, &in, err);
out:
    uda_json_destroy(&instances);
    uda_json_destroy(&results);
    return rc;
}
