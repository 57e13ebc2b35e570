/*
 * UrbanSyn. The panoptic PNG alone tells everything: blue is the Cityscapes train id, red and green
 * number the object; the same (red, green) occurs with two classes (a rider and the bicycle), so
 * the key is the whole triple. (0,0,0) is stuff and void alike. Source: the data set's card on
 * Hugging Face, checked on 100 files.
 */
#include "src/data/label_png.h"
#include "src/data/segments.h"

#include "io/fs.h"
#include "src/base/classes.h"

#include <string.h>

static int list_split(struct uda_reader_list *list, struct uda_arena *arena,
                      const struct uda_reader_source *source, struct uda_err *err)
{
    UDA_TRY(uda_reader_no_split(source, "urbansyn", err));
    const struct uda_reader_folder folder = {
        .image_dir = "rgb", .image_prefix = "rgb_", .label_dir = "panoptic", .label_prefix = "panoptic_"};
    return uda_reader_list_folder(list, arena, source, &folder, err);
}

static int describe(struct uda_segment *segment, void *ctx, uint32_t key, int64_t x, int64_t y,
                    struct uda_err *err)
{
    const struct uda_label_file *file = ctx;
    int cls = uda_class_of_train_id(key >> 16);
    if (cls < 0) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': pixel (%lld,%lld) is (%u,%u,%u): blue is not the train id of a class "
                        "with instances (11..18)",
                        file->path, (long long)x, (long long)y, key & 255, key >> 8 & 255, key >> 16);
    }
    *segment = (struct uda_segment){.keep = true, .cls = (enum uda_class)cls};
    return 0;
}

static int read_labels(struct uda_labels *labels, const struct uda_reader_list *list, int64_t i,
                       int64_t height, int64_t width, struct uda_arena *arena,
                       struct uda_arena *scratch, struct uda_err *err)
{
    const struct uda_label_png want = {.bits = 8,
                                       .channels_min = 3,
                                       .channels_max = 4,
                                       .height = height,
                                       .width = width,
                                       .what = "8-bit RGB (panoptic)"};
    return uda_label_png_instances(labels, list->item[i].label, &want, describe, arena, scratch,
                                   err);
}

const struct uda_reader uda_reader_urbansyn = {
    .format = "urbansyn",
    .layout = "rgb/rgb_NNNN.png, panoptic/panoptic_NNNN.png",
    .list = list_split,
    .labels = read_labels,
};
