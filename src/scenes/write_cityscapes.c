/*
 * Cityscapes: gtFine instanceIds (16-bit: label id * 1000 + number for objects, the label id for
 * stuff) and labelIds. Source: cityscapesScripts, preparation/json2instanceImg.py.
 */
#include "src/scenes/sheet.h"

static char *path_of(const struct uda_sheet *sheet, const char *type, const char *suffix)
{
    return uda_arena_printf(sheet->arena, "%s/%s/%s/drawn/drawn_%06lld_000019_%s.png", sheet->root,
                            type, sheet->split, (long long)sheet->number, suffix);
}

static char *image_path(const struct uda_sheet *sheet)
{
    return path_of(sheet, "leftImg8bit", "leftImg8bit");
}

static uint16_t instance_value(const struct uda_drawing *drawing, uint16_t map)
{
    int id = uda_scene_label_id(drawing, map);
    if (map < UDA_SCENE_OBJECT) {
        return (uint16_t)id;
    }
    /* numbers start at 0 in each class */
    int64_t object = map - UDA_SCENE_OBJECT, number = 0;
    for (int64_t i = 0; i < object && i < drawing->objects; i++) {
        number += drawing->object[i].cls == drawing->object[object].cls;
    }
    return (uint16_t)(1000 * id + number);
}

static int write_scene(const struct uda_sheet *sheet, struct uda_err *err)
{
    UDA_TRY(uda_sheet_gray(sheet, path_of(sheet, "gtFine", "gtFine_labelIds"), 8,
                           uda_sheet_label_id, err));
    return uda_sheet_gray(sheet, path_of(sheet, "gtFine", "gtFine_instanceIds"), 16, instance_value,
                          err);
}

const struct uda_scene_writer uda_scene_cityscapes = {
    .format = "cityscapes",
    .split = "train",
    .note = "leftImg8bit/SPLIT/drawn/*_leftImg8bit.png, "
            "gtFine/SPLIT/drawn/*_gtFine_{instanceIds,labelIds}.png",
    .folder = {"leftImg8bit/%s/drawn", "gtFine/%s/drawn"},
    .image = image_path,
    .write = write_scene,
};
