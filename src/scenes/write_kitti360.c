/*
 * KITTI-360: instance PNG with semantic * 1000 + number for every pixel (number 0 for stuff),
 * semantic PNG, confidence PNG (16-bit, 65535 = sure) and the frame list that drives the readers.
 * Source: kitti360Scripts, helpers/annotation.py.
 */
#include "src/scenes/sheet.h"

#include "io/fs.h"

#define RAW "data_2d_raw/2013_05_28_drive_0000_sync/image_00/data_rect"
#define LABELS "data_2d_semantics/train/2013_05_28_drive_0000_sync/image_00"

static char *path_of(const struct uda_sheet *sheet, const char *folder)
{
    return uda_arena_printf(sheet->arena, "%s/%s/%010lld.png", sheet->root, folder,
                            (long long)sheet->number);
}

static char *image_path(const struct uda_sheet *sheet)
{
    return path_of(sheet, RAW);
}

static uint16_t instance_value(const struct uda_drawing *drawing, uint16_t map)
{
    int number = map < UDA_SCENE_OBJECT ? 0 : map - UDA_SCENE_OBJECT + 1;
    return (uint16_t)(1000 * uda_scene_label_id(drawing, map) + number);
}

static uint16_t sure(const struct uda_drawing *drawing, uint16_t map)
{
    (void)drawing;
    (void)map;
    return UINT16_MAX;
}

static int write_scene(const struct uda_sheet *sheet, struct uda_err *err)
{
    UDA_TRY(uda_sheet_gray(sheet, path_of(sheet, LABELS "/semantic"), 8, uda_sheet_label_id, err));
    UDA_TRY(uda_sheet_gray(sheet, path_of(sheet, LABELS "/confidence"), 16, sure, err));
    return uda_sheet_gray(sheet, path_of(sheet, LABELS "/instance"), 16, instance_value, err);
}

static int write_list(const struct uda_sheet *sheet, int64_t count, char *const *records,
                      struct uda_err *err)
{
    (void)records;
    struct uda_str text;
    uda_str_init(&text, sheet->arena);
    for (int64_t i = 0; i < count; i++) {
        uda_str_add(&text, RAW "/%010lld.png " LABELS "/semantic/%010lld.png\n", (long long)i,
                    (long long)i);
    }
    UDA_TRY(uda_str_status(&text, err));
    char *path =
        uda_arena_printf(sheet->arena, "%s/data_2d_semantics/train/2013_05_28_drive_%s_frames.txt",
                         sheet->root, sheet->split);
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", sheet->root);
    }
    return uda_fs_write(path, text.text, text.bytes, err);
}

const struct uda_scene_writer uda_scene_kitti360 = {
    .format = "kitti360",
    .split = "train",
    .note = "frame list data_2d_semantics/train/2013_05_28_drive_SPLIT_frames.txt names image and "
            "label files",
    .folder = {RAW, LABELS "/semantic", LABELS "/instance", LABELS "/confidence"},
    .image = image_path,
    .write = write_scene,
    .end = write_list,
};
