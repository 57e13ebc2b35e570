/*
 * Cityscapes gtFine. Decoding follows cityscapesScripts preparation/json2instanceImg.py: a pixel
 * value of 1000 and more is label id * 1000 + instance; below it is the label id itself, and a
 * thing class there is a group, which is a crowd for us. Image and label are paired by name as in
 * detectron2.
 */
#include "src/data/label_png.h"
#include "src/data/segments.h"

#include "io/fs.h"
#include "src/base/classes.h"

#include <string.h>

#define IMAGE_SUFFIX "_leftImg8bit.png"
#define LABEL_ID_MAX 33

static int add_image(struct uda_reader_list *list, struct uda_arena *arena, const char *root,
                     const char *split, const char *relative, bool unlabelled, struct uda_err *err)
{
    struct uda_reader_item *item = &list->item[list->count];
    const char *slash = strrchr(relative, '/');
    const char *file = slash != NULL ? slash + 1 : relative;
    char *stem = uda_reader_strip(arena, relative, IMAGE_SUFFIX);
    item->name = uda_reader_strip(arena, file, IMAGE_SUFFIX);
    item->image = uda_arena_printf(arena, "%s/leftImg8bit/%s/%s", root, split, relative);
    if (stem == NULL || item->name == NULL || item->image == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", root);
    }
    if (!unlabelled) {
        item->label =
            uda_arena_printf(arena, "%s/gtFine/%s/%s_gtFine_instanceIds.png", root, split, stem);
        if (item->label == NULL) {
            return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", root);
        }
        if (!uda_fs_exists(item->label)) {
            return uda_fail(err, UDA_FORMAT, "'%s' has no label file '%s'", item->image,
                            item->label);
        }
    }
    list->count++;
    return 0;
}

static int list_split(struct uda_reader_list *list, struct uda_arena *arena,
                      const struct uda_reader_source *source, struct uda_err *err)
{
    const char *split = source->split != NULL && source->split[0] != '\0' ? source->split : "train";
    char *folder = uda_arena_printf(arena, "%s/leftImg8bit/%s", source->root, split);
    if (folder == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", source->root);
    }
    char **paths = NULL;
    int64_t count = 0;
    UDA_TRY(uda_fs_walk(&paths, &count, arena, folder, IMAGE_SUFFIX, err));
    UDA_TRY(uda_reader_items(list, arena, count, err));
    for (int64_t i = 0; i < count; i++) {
        UDA_TRY(add_image(list, arena, source->root, split, paths[i], source->unlabelled, err));
    }
    return uda_reader_sort(list, true, folder, err);
}

static int describe(struct uda_segment *segment, void *ctx, uint32_t key, int64_t x, int64_t y,
                    struct uda_err *err)
{
    const struct uda_label_file *file = ctx;
    uint32_t id = key >= 1000 ? key / 1000 : key;
    if (id > LABEL_ID_MAX || (key >= 1000 && id < 24)) {
        return uda_label_png_bad(file->path, key, x, y, "not a Cityscapes label id", err);
    }
    int cls = uda_class_of_label_id(id);
    segment->keep = cls >= 0;
    segment->cls = cls >= 0 ? (enum uda_class)cls : UDA_PERSON;
    segment->crowd = key < 1000;
    return 0;
}

static int read_labels(struct uda_labels *labels, const struct uda_reader_list *list, int64_t i,
                       int64_t height, int64_t width, struct uda_arena *arena,
                       struct uda_arena *scratch, struct uda_err *err)
{
    const struct uda_label_png want = {.bits = 16,
                                       .channels_min = 1,
                                       .channels_max = 1,
                                       .height = height,
                                       .width = width,
                                       .what = "16-bit gray (instanceIds)"};
    return uda_label_png_instances(labels, list->item[i].label, &want, describe, arena, scratch,
                                   err);
}

const struct uda_reader uda_reader_cityscapes = {
    .format = "cityscapes",
    .layout = "leftImg8bit/SPLIT/CITY/*_leftImg8bit.png, gtFine/SPLIT/CITY/*_gtFine_instanceIds.png",
    .list = list_split,
    .labels = read_labels,
};
