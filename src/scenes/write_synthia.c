/*
 * SYNTHIA-RAND-CITYSCAPES: GT/LABELS as 16-bit RGB, red = class 0..22, green = number of a dynamic
 * object. Trucks and trains have class numbers although the original never shows them; lane
 * markings are a class here.
 */
#include "src/scenes/sheet.h"

static char *path_of(const struct uda_sheet *sheet, const char *folder)
{
    return uda_arena_printf(sheet->arena, "%s/RAND_CITYSCAPES/%s/%07lld.png", sheet->root, folder,
                            (long long)sheet->number);
}

static char *image_path(const struct uda_sheet *sheet)
{
    return path_of(sheet, "RGB");
}

static uint16_t class_of(int label_id)
{
    switch (label_id) {
    case 7: return 3;
    case 8: return 4;
    case 9: return 13;
    case 11: return 2;
    case 12: return 21;
    case 13: return 5;
    case 17: return 7;
    case 19: return 15;
    case 20: return 9;
    case 21: return 6;
    case 22: return 16;
    case 23: return 1;
    case 24: return 10;
    case 25: return 17;
    case 26: return 8;
    case 27: return 18;
    case 28: return 19;
    case 31: return 20;
    case 32: return 12;
    case 33: return 11;
    default: return 0;
    }
}

static void label(uint16_t sample[3], const struct uda_drawing *drawing, uint16_t map)
{
    sample[0] = map == UDA_STUFF_LANE ? 22 : class_of(uda_scene_label_id(drawing, map));
    sample[1] = map < UDA_SCENE_OBJECT ? 0 : (uint16_t)(map - UDA_SCENE_OBJECT + 1);
}

static int write_scene(const struct uda_sheet *sheet, struct uda_err *err)
{
    return uda_sheet_colour(sheet, path_of(sheet, "GT/LABELS"), 16, label, err);
}

const struct uda_scene_writer uda_scene_synthia = {
    .format = "synthia",
    .note = "RAND_CITYSCAPES/RGB/NNNNNNN.png, RAND_CITYSCAPES/GT/LABELS/NNNNNNN.png, from 0000000",
    .folder = {"RAND_CITYSCAPES/RGB", "RAND_CITYSCAPES/GT/LABELS"},
    .image = image_path,
    .write = write_scene,
};
