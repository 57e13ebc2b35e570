#include "src/scenes/sheet.h"

#include "io/png.h"

#include <string.h>

static const struct uda_scene_writer *const writers[] = {
    &uda_scene_cityscapes, &uda_scene_kitti360, &uda_scene_urbansyn,
    &uda_scene_synscapes,  &uda_scene_synthia,  &uda_scene_coco,
};

const struct uda_scene_writer *uda_scene_writer_at(int64_t i)
{
    return i >= 0 && i < UDA_LEN(writers) ? writers[i] : NULL;
}

const struct uda_scene_writer *uda_scene_writer_find(const char *format)
{
    for (int64_t i = 0; i < UDA_LEN(writers); i++) {
        if (strcmp(writers[i]->format, format) == 0) {
            return writers[i];
        }
    }
    return NULL;
}

/* Map values of a scene lie below this. */
#define VALUES (UDA_SCENE_OBJECT + UDA_SCENE_OBJECTS)

/* Every map value becomes `channels` samples by way of a table. */
static int write_table(const struct uda_sheet *sheet, const char *path, int bits, int channels,
                       uint16_t table[VALUES][3], struct uda_err *err)
{
    const struct uda_drawing *d = sheet->drawing;
    size_t pixels = (size_t)d->image.height * (size_t)d->image.width;
    size_t samples = pixels * (size_t)channels;
    size_t mark = uda_arena_mark(sheet->arena);
    uint16_t *wide = path == NULL ? NULL : uda_arena_alloc(sheet->arena, samples * sizeof *wide);
    if (wide == NULL) {
        return uda_fail(err, UDA_NOMEM, "labels of scene %lld: out of memory",
                        (long long)sheet->number);
    }
    for (size_t p = 0; p < pixels; p++) {
        for (size_t c = 0; c < (size_t)channels; c++) {
            wide[p * (size_t)channels + c] = table[d->map[p]][c];
        }
    }
    uint8_t *narrow = (uint8_t *)wide;
    for (size_t s = 0; bits == 8 && s < samples; s++) {
        narrow[s] = (uint8_t)wide[s]; /* in place: byte s never lies behind sample s */
    }
    int rc = uda_png_write(path, wide, d->image.height, d->image.width, channels, bits, err);
    uda_arena_reset(sheet->arena, mark);
    return rc;
}

int uda_sheet_gray(const struct uda_sheet *sheet, const char *path, int bits,
                   uint16_t (*value)(const struct uda_drawing *drawing, uint16_t map),
                   struct uda_err *err)
{
    uint16_t table[VALUES][3];
    for (int v = 0; v < VALUES; v++) {
        table[v][0] = value(sheet->drawing, (uint16_t)v);
    }
    return write_table(sheet, path, bits, 1, table, err);
}

int uda_sheet_colour(const struct uda_sheet *sheet, const char *path, int bits,
                     void (*value)(uint16_t sample[3], const struct uda_drawing *drawing,
                                   uint16_t map),
                     struct uda_err *err)
{
    uint16_t table[VALUES][3] = {0};
    for (int v = 0; v < VALUES; v++) {
        value(table[v], sheet->drawing, (uint16_t)v);
    }
    return write_table(sheet, path, bits, 3, table, err);
}

uint16_t uda_sheet_label_id(const struct uda_drawing *drawing, uint16_t map)
{
    return (uint16_t)uda_scene_label_id(drawing, map);
}
