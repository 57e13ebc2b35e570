/*
 * UrbanSyn: panoptic PNG (red, green = number, blue = Cityscapes train id; a rider and its
 * two-wheeler share the number), ss PNG with train ids (19 = none), bbox2d JSON with one record for
 * each object.
 */
#include "src/scenes/sheet.h"

#include "io/fs.h"
#include "src/base/classes.h"

static char *path_of(const struct uda_sheet *sheet, const char *kind, const char *suffix)
{
    return uda_arena_printf(sheet->arena, "%s/%s/%s_%04lld.%s", sheet->root, kind, kind,
                            (long long)sheet->number + 1, suffix);
}

static char *image_path(const struct uda_sheet *sheet)
{
    return path_of(sheet, "rgb", "png");
}

static uint16_t train_id(const struct uda_drawing *drawing, uint16_t map)
{
    static const uint8_t stuff[24] = {19, 19, 19, 19, 19, 19, 19, 0, 1, 19, 19, 2,
                                      3,  4,  19, 19, 19, 5,  19, 6, 7, 8,  9,  10};
    int id = uda_scene_label_id(drawing, map);
    int cls = uda_class_of_label_id(id);
    if (cls >= 0) {
        return (uint16_t)uda_classes[cls].train_id;
    }
    return id >= 0 && id < 24 ? stuff[id] : 19;
}

static void panoptic(uint16_t sample[3], const struct uda_drawing *drawing, uint16_t map)
{
    int64_t i = (int64_t)map - UDA_SCENE_OBJECT;
    if (i < 0 || i >= drawing->objects) {
        return;
    }
    int64_t partner = drawing->object[i].partner;
    int64_t number = partner >= 0 && partner < i ? partner + 1 : i + 1;
    sample[0] = (uint16_t)(number & 255);
    sample[1] = (uint16_t)(number >> 8);
    sample[2] = (uint16_t)uda_classes[drawing->object[i].cls].train_id;
}

static int write_boxes(const struct uda_sheet *sheet, struct uda_err *err)
{
    const struct uda_drawing *d = sheet->drawing;
    struct uda_str text;
    uda_str_init(&text, sheet->arena);
    uda_str_add(&text, "[");
    for (int64_t i = 0; i < d->objects; i++) {
        const struct uda_scene_object *o = &d->object[i];
        uint16_t rgb[3] = {0};
        panoptic(rgb, d, (uint16_t)(UDA_SCENE_OBJECT + i));
        uda_str_add(&text,
                    "%s\n    {\n        \"bbox\": {\"xMax\": %lld, \"xMin\": %lld, \"yMax\": %lld, "
                    "\"yMin\": %lld},\n        \"color\": [%d, %d, %d, 255],\n        \"label\": "
                    "\"%s\",\n        \"occlusion_percentage\": %lld\n    }",
                    i > 0 ? "," : "", (long long)o->x1, (long long)o->x0, (long long)o->y1,
                    (long long)o->y0, rgb[0], rgb[1], rgb[2], uda_classes[o->cls].name,
                    (long long)(100 * (o->whole_px - o->area_px) / o->whole_px));
    }
    uda_str_add(&text, "\n]\n");
    UDA_TRY(uda_str_status(&text, err));
    char *path = path_of(sheet, "bbox2d", "json");
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", sheet->root);
    }
    return uda_fs_write(path, text.text, text.bytes, err);
}

static int write_scene(const struct uda_sheet *sheet, struct uda_err *err)
{
    UDA_TRY(uda_sheet_gray(sheet, path_of(sheet, "ss", "png"), 8, train_id, err));
    UDA_TRY(write_boxes(sheet, err));
    return uda_sheet_colour(sheet, path_of(sheet, "panoptic", "png"), 8, panoptic, err);
}

const struct uda_scene_writer uda_scene_urbansyn = {
    .format = "urbansyn",
    .note = "rgb/rgb_NNNN.png, panoptic/panoptic_NNNN.png, ss/ss_NNNN.png, "
            "bbox2d/bbox2d_NNNN.json, from 0001",
    .folder = {"rgb", "panoptic", "ss", "bbox2d"},
    .image = image_path,
    .write = write_scene,
};
