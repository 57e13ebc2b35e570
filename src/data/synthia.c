/*
 * SYNTHIA-RAND-CITYSCAPES. GT/LABELS is 16-bit RGB: red is the class 0..22, green the instance
 * (README of the data set). Rider and bicycle may share a number, so the key is the pair. A thing
 * pixel with instance 0 has no object: it is a crowd for us. Readers that cut to 8 bits see class 0
 * everywhere: such files are refused.
 */
#include "src/data/label_png.h"
#include "src/data/segments.h"

#include "io/fs.h"
#include "src/base/classes.h"

#define CLASS_MAX 22

/* Class of ours by class of SYNTHIA; -1 = not an object. */
static int class_of(uint32_t synthia)
{
    switch (synthia) {
    case 10: return UDA_PERSON;
    case 17: return UDA_RIDER;
    case 8: return UDA_CAR;
    case 18: return UDA_TRUCK;
    case 19: return UDA_BUS;
    case 20: return UDA_TRAIN;
    case 12: return UDA_MOTORCYCLE;
    case 11: return UDA_BICYCLE;
    default: return -1;
    }
}

static int list_split(struct uda_reader_list *list, struct uda_arena *arena,
                      const struct uda_reader_source *source, struct uda_err *err)
{
    UDA_TRY(uda_reader_no_split(source, "synthia", err));
    struct uda_reader_source inner = *source;
    const char *nested = uda_fs_join(arena, source->root, "RAND_CITYSCAPES");
    if (nested == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", source->root);
    }
    if (uda_fs_is_dir(nested)) {
        inner.root = nested;
    }
    const struct uda_reader_folder folder = {
        .image_dir = "RGB", .image_prefix = "", .label_dir = "GT/LABELS", .label_prefix = ""};
    return uda_reader_list_folder(list, arena, &inner, &folder, err);
}

static int describe(struct uda_segment *segment, void *ctx, uint32_t key, int64_t x, int64_t y,
                    struct uda_err *err)
{
    const struct uda_label_file *file = ctx;
    uint32_t id = key >> 16;
    if (id > CLASS_MAX) {
        return uda_label_png_bad(file->path, id, x, y, "red is not a SYNTHIA class (0..22)", err);
    }
    int cls = class_of(id);
    segment->keep = cls >= 0;
    segment->cls = cls >= 0 ? (enum uda_class)cls : UDA_PERSON;
    segment->crowd = (key & 0xffff) == 0;
    return 0;
}

static int read_labels(struct uda_labels *labels, const struct uda_reader_list *list, int64_t i,
                       int64_t height, int64_t width, struct uda_arena *arena,
                       struct uda_arena *scratch, struct uda_err *err)
{
    const struct uda_label_png want = {.bits = 16,
                                       .channels_min = 3,
                                       .channels_max = 4,
                                       .height = height,
                                       .width = width,
                                       .what = "16-bit RGB (GT/LABELS)"};
    return uda_label_png_instances(labels, list->item[i].label, &want, describe, arena, scratch,
                                   err);
}

const struct uda_reader uda_reader_synthia = {
    .format = "synthia",
    .layout = "[RAND_CITYSCAPES/]RGB/NNNNNNN.png, GT/LABELS/NNNNNNN.png",
    .list = list_split,
    .labels = read_labels,
};
