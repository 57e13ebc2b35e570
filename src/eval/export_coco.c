/* Detection sets as COCO JSON. */
#include "src/eval/export.h"

#include "io/fs.h"
#include "io/json.h"
#include "src/base/classes.h"
#include "src/base/str.h"

#include <string.h>

static int no_memory(const char *path, struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "'%s': no memory to write it", path);
}

/* "segmentation": {...}, in scratch. */
static int add_mask(struct uda_str *text, struct uda_arena *scratch, const struct uda_rle *mask,
                    struct uda_err *err)
{
    char *counts = NULL;
    UDA_TRY(uda_rle_to_text(&counts, scratch, mask, err));
    uda_str_add(text, "\"segmentation\": {\"size\": [%lld, %lld], \"counts\": ",
                (long long)mask->height, (long long)mask->width);
    uda_str_json(text, counts);
    uda_str_add(text, "}");
    return 0;
}

static void add_images(struct uda_str *text, struct uda_arena *scratch,
                       const struct uda_detections *set)
{
    uda_str_add(text, "\"images\": [");
    for (int64_t i = 0; i < set->count; i++) {
        const struct uda_image_detections *image = &set->image[i];
        char *file = uda_arena_printf(scratch, "%s.png", image->name);
        uda_str_add(text, "%s\n {\"id\": %lld, \"height\": %lld, \"width\": %lld, \"file_name\": ",
                    i > 0 ? "," : "", (long long)i + 1, (long long)image->height,
                    (long long)image->width);
        uda_str_json(text, file != NULL ? file : "");
        text->failed = text->failed || file == NULL;
        uda_str_add(text, "}");
    }
    uda_str_add(text, "],\n");
}

static void add_categories(struct uda_str *text)
{
    uda_str_add(text, "\"categories\": [");
    for (int c = 0; c < UDA_CLASSES; c++) {
        uda_str_add(text, "%s\n {\"id\": %d, \"name\": \"%s\"}", c > 0 ? "," : "",
                    uda_classes[c].label_id, uda_classes[c].name);
    }
    uda_str_add(text, "],\n");
}

static int add_annotation(struct uda_str *text, struct uda_arena *scratch,
                          const struct uda_detections *set, int64_t image, int64_t k, int64_t id,
                          struct uda_err *err)
{
    const struct uda_detection *item = &set->image[image].item[k];
    uda_str_add(text,
                "%s\n {\"id\": %lld, \"image_id\": %lld, \"category_id\": %d, \"iscrowd\": 0, "
                "\"area\": %lld, \"bbox\": [%lld, %lld, %lld, %lld], \"score\": %.17g, "
                "\"producer\": ",
                id > 1 ? "," : "", (long long)id, (long long)image + 1,
                uda_classes[item->cls].label_id, (long long)item->area_px, (long long)item->box.x0,
                (long long)item->box.y0, (long long)(item->box.x1 - item->box.x0 + 1),
                (long long)(item->box.y1 - item->box.y0 + 1), item->score);
    uda_str_json(text, set->producer[item->producer]);
    uda_str_add(text, ", ");
    UDA_TRY(add_mask(text, scratch, &item->mask, err));
    uda_str_add(text, "}");
    return 0;
}

static int build_coco(struct uda_str *text, struct uda_arena *scratch,
                      const struct uda_detections *set, struct uda_err *err)
{
    int64_t id = 1;
    uda_str_add(text, "{\"info\": {\"description\": \"exported by uda4inst\"},\n\"licenses\": [],\n");
    add_images(text, scratch, set);
    add_categories(text);
    uda_str_add(text, "\"annotations\": [");
    for (int64_t i = 0; i < set->count; i++) {
        for (int64_t k = 0; k < set->image[i].count; k++) {
            size_t mark = uda_arena_mark(scratch);
            UDA_TRY(add_annotation(text, scratch, set, i, k, id++, err));
            uda_arena_reset(scratch, mark);
        }
    }
    uda_str_add(text, "]}\n");
    return uda_str_status(text, err);
}

int uda_export_coco(const char *path, const struct uda_detections *set, struct uda_err *err)
{
    struct uda_arena arena = {0}, scratch = {0};
    struct uda_str text;
    uda_str_init(&text, &arena);
    int rc = build_coco(&text, &scratch, set, err);
    if (rc == 0) {
        rc = uda_fs_write(path, text.text, text.bytes, err);
    }
    uda_arena_finish(&arena);
    uda_arena_finish(&scratch);
    return rc;
}

/* What images and classes are called in the results: ids, or INT64_MIN where the file has none. */
struct ids {
    int64_t *image; /* [set->count] */
    int64_t category[UDA_CLASSES];
};

static bool is_stem(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/'), *start = slash != NULL ? slash + 1 : file;
    const char *dot = strrchr(start, '.');
    size_t length = dot != NULL && dot > start ? (size_t)(dot - start) : strlen(start);
    return strlen(name) == length && strncmp(start, name, length) == 0;
}

static int find_ids(struct ids *ids, const struct uda_json *root, const struct uda_detections *set,
                    const char *path, struct uda_err *err)
{
    const struct uda_json *images = uda_json_get(root, "images");
    const struct uda_json *categories = uda_json_get(root, "categories");
    for (int c = 0; c < UDA_CLASSES; c++) {
        ids->category[c] = INT64_MIN;
        for (int64_t i = 0; i < uda_json_count(categories); i++) {
            const struct uda_json *node = uda_json_at(categories, i);
            const char *name = uda_json_text(uda_json_get(node, "name"));
            if (name != NULL && strcmp(name, uda_classes[c].name) == 0) {
                ids->category[c] = uda_json_integer(uda_json_get(node, "id"), INT64_MIN);
            }
        }
    }
    for (int64_t i = 0; i < set->count; i++) {
        ids->image[i] = INT64_MIN;
        for (int64_t k = 0; k < uda_json_count(images) && ids->image[i] == INT64_MIN; k++) {
            const struct uda_json *node = uda_json_at(images, k);
            const char *file = uda_json_text(uda_json_get(node, "file_name"));
            if (file != NULL && is_stem(file, set->image[i].name)) {
                ids->image[i] = uda_json_integer(uda_json_get(node, "id"), INT64_MIN);
            }
        }
        if (ids->image[i] == INT64_MIN) {
            return uda_fail(err, UDA_FORMAT, "'%s' has no image '%s'", path, set->image[i].name);
        }
    }
    return 0;
}

static int read_ids(struct ids *ids, const struct uda_detections *set, const char *instances_path,
                    struct uda_err *err)
{
    struct uda_json *root = NULL;
    if (instances_path == NULL) {
        for (int c = 0; c < UDA_CLASSES; c++) {
            ids->category[c] = uda_classes[c].label_id;
        }
        for (int64_t i = 0; i < set->count; i++) {
            ids->image[i] = i + 1;
        }
        return 0;
    }
    UDA_TRY(uda_json_read(&root, instances_path, err));
    int rc = find_ids(ids, root, set, instances_path, err);
    uda_json_destroy(&root);
    return rc;
}

static int build_results(struct uda_str *text, struct uda_arena *scratch, const struct ids *ids,
                         const struct uda_detections *set, struct uda_err *err)
{
    bool first = true;
    uda_str_add(text, "[");
    for (int64_t i = 0; i < set->count; i++) {
        for (int64_t k = 0; k < set->image[i].count; k++) {
            const struct uda_detection *item = &set->image[i].item[k];
            if (ids->category[item->cls] == INT64_MIN) {
                continue;
            }
            size_t mark = uda_arena_mark(scratch);
            uda_str_add(text, "%s\n {\"image_id\": %lld, \"category_id\": %lld, \"score\": %.17g, ",
                        first ? "" : ",", (long long)ids->image[i],
                        (long long)ids->category[item->cls], item->score);
            UDA_TRY(add_mask(text, scratch, &item->mask, err));
            uda_str_add(text, "}");
            uda_arena_reset(scratch, mark);
            first = false;
        }
    }
    uda_str_add(text, "]\n");
    return uda_str_status(text, err);
}

int uda_export_coco_results(const char *path, const struct uda_detections *set,
                            const char *instances_path, struct uda_err *err)
{
    struct uda_arena arena = {0}, scratch = {0};
    struct uda_str text;
    struct ids ids = {.image = uda_alloc((size_t)set->count * sizeof *ids.image)};
    int rc = 0;
    if (ids.image == NULL) {
        return no_memory(path, err);
    }
    uda_str_init(&text, &arena);
    UDA_GOTO(rc = read_ids(&ids, set, instances_path, err), out);
    UDA_GOTO(rc = build_results(&text, &scratch, &ids, set, err), out);
    rc = uda_fs_write(path, text.text, text.bytes, err);
out:
    uda_free(ids.image);
    uda_arena_finish(&arena);
    uda_arena_finish(&scratch);
    return rc;
}
