/* COCO instances JSON with compressed run lengths; all eight classes are categories 1..8. */
#include "src/scenes/sheet.h"

#include "io/fs.h"
#include "src/base/classes.h"
#include "src/base/rle.h"

#include <string.h>

static char *image_path(const struct uda_sheet *sheet)
{
    return uda_arena_printf(sheet->arena, "%s/%s/%012lld.png", sheet->root, sheet->split,
                            (long long)sheet->number + 1);
}

/* The scene's line in "images" and its annotations as one text, kept until the end. */
static int write_scene(const struct uda_sheet *sheet, struct uda_err *err)
{
    const struct uda_drawing *d = sheet->drawing;
    struct uda_labels labels;
    struct uda_str text;
    UDA_TRY(uda_scene_labels(&labels, sheet->arena, d, err));
    uda_str_init(&text, sheet->arena);
    long long image = (long long)sheet->number + 1;
    uda_str_add(&text,
                "{\"id\": %lld, \"width\": %lld, \"height\": %lld, \"file_name\": \"%012lld.png\"}",
                image, (long long)labels.width, (long long)labels.height, image);
    uda_str_put(&text, "\0", 1);
    for (int64_t i = 0; i < labels.count; i++) {
        const struct uda_instance *n = &labels.instance[i];
        struct uda_box box = {n->x0, n->y0, n->x1, n->y1};
        struct uda_rle rle;
        char *counts = NULL;
        UDA_TRY(
            uda_rle_encode_box(&rle, sheet->arena, n->mask, box, labels.height, labels.width, err));
        UDA_TRY(uda_rle_to_text(&counts, sheet->arena, &rle, err));
        uda_str_add(
            &text,
            "%s{\"id\": %lld, \"image_id\": %lld, \"category_id\": %d, \"iscrowd\": 0, "
            "\"area\": %lld, \"bbox\": [%lld, %lld, %lld, %lld], \"segmentation\": {\"size\": "
            "[%lld, %lld], \"counts\": ",
            i > 0 ? ",\n" : "", (image - 1) * UDA_SCENE_OBJECTS + (long long)i + 1, image,
            (int)n->cls + 1, (long long)n->area_px, (long long)n->x0, (long long)n->y0,
            (long long)(n->x1 - n->x0 + 1), (long long)(n->y1 - n->y0 + 1),
            (long long)labels.height, (long long)labels.width);
        uda_str_json(&text, counts);
        uda_str_add(&text, "}}");
    }
    UDA_TRY(uda_str_status(&text, err));
    *sheet->record = uda_alloc(text.bytes + 1);
    if (*sheet->record == NULL) {
        return uda_fail(err, UDA_NOMEM, "annotations of scene %lld: out of memory", image);
    }
    memcpy(*sheet->record, text.text, text.bytes + 1);
    return 0;
}

static int write_json(const struct uda_sheet *sheet, int64_t count, char *const *records,
                      struct uda_err *err)
{
    struct uda_str text;
    uda_str_init(&text, sheet->arena);
    uda_str_add(&text, "{\"images\": [\n");
    for (int64_t i = 0; i < count; i++) {
        uda_str_add(&text, "%s%s", i > 0 ? ",\n" : "", records[i]);
    }
    uda_str_add(&text, "],\n\"annotations\": [\n");
    bool first = true;
    for (int64_t i = 0; i < count; i++) {
        const char *annotations = records[i] + strlen(records[i]) + 1;
        if (annotations[0] != '\0') {
            uda_str_add(&text, "%s", first ? "" : ",\n");
            uda_str_put(&text, annotations, strlen(annotations));
            first = false;
        }
    }
    uda_str_add(&text, "],\n\"categories\": [\n");
    for (int c = 0; c < UDA_CLASSES; c++) {
        uda_str_add(&text, "%s{\"id\": %d, \"name\": \"%s\"}", c > 0 ? ",\n" : "", c + 1,
                    uda_classes[c].name);
    }
    uda_str_add(&text, "]}\n");
    UDA_TRY(uda_str_status(&text, err));
    char *path = uda_arena_printf(sheet->arena, "%s/annotations/instances_%s.json", sheet->root,
                                  sheet->split);
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", sheet->root);
    }
    return uda_fs_write(path, text.text, text.bytes, err);
}

const struct uda_scene_writer uda_scene_coco = {
    .format = "coco",
    .split = "train",
    .note = "SPLIT/NNNNNNNNNNNN.png, annotations/instances_SPLIT.json",
    .folder = {"%s", "annotations"},
    .image = image_path,
    .write = write_scene,
    .end = write_json,
    .records = true,
};
