/*
 * KITTI-360, 2D semantics. The official frame lists drive everything: a line names an image and its
 * semantic PNG; the instance PNG lies beside it. A pixel is semantic * 1000 + instance for stuff
 * too (kitti360Scripts helpers/annotation.py); a thing pixel with instance 0 has no object: it is a
 * crowd for us. Instance numbers run through a whole sequence and pass 255.
 */
#include "src/data/label_png.h"
#include "src/data/segments.h"

#include "io/fs.h"
#include "src/base/classes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LIST_BYTES_MAX ((size_t)256 << 20)
#define SEMANTIC_MAX 44

struct frames {
    const char *path; /* of the list, for messages */
    const struct uda_reader_source *source;
    struct uda_arena *arena;
};

/* "0003_0000000386" of ".../2013_05_28_drive_0003_sync/image_00/data_rect/0000000386.png", the name
 * the official evaluation uses; another camera than 00 is appended, so that names stay unique.
 * NULL: another pattern. */
static const char *frame_name(struct uda_arena *arena, const char *image)
{
    const char *drive = strstr(image, "_drive_");
    const char *camera = strstr(image, "_sync/image_");
    const char *slash = strrchr(image, '/');
    char *stem = slash != NULL ? uda_reader_strip(arena, slash + 1, ".png") : NULL;
    if (drive == NULL || camera == NULL || stem == NULL || camera < drive + 8) {
        return NULL;
    }
    drive += strlen("_drive_");
    camera += strlen("_sync/image_");
    int digits = (int)strspn(drive, "0123456789");
    if (digits == 0 || !isdigit((unsigned char)camera[0]) || !isdigit((unsigned char)camera[1]) ||
        strspn(stem, "0123456789") != strlen(stem)) {
        return NULL;
    }
    if (strncmp(camera, "00", 2) == 0) {
        return uda_arena_printf(arena, "%.*s_%s", digits, drive, stem);
    }
    return uda_arena_printf(arena, "%.*s_%s_image_%.2s", digits, drive, stem, camera);
}

/* The path of the instance PNG that belongs to a semantic PNG; NULL if it is not in a folder
 * "semantic". */
static char *instance_path(struct uda_arena *arena, const char *root, const char *semantic)
{
    static const char folder[] = "/semantic/";
    const char *at = strstr(semantic, folder);
    if (at == NULL) {
        return NULL;
    }
    return uda_arena_printf(arena, "%s/%.*s/instance/%s", root, (int)(at - semantic), semantic,
                            at + strlen(folder));
}

/* A path of the list may not leave the root. */
static bool inside(const char *path)
{
    return path != NULL && path[0] != '/' && strstr(path, "..") == NULL;
}

static int add_line(struct uda_reader_list *list, const struct frames *f, char *line, int64_t number,
                    struct uda_err *err)
{
    char *rest = NULL;
    const char *image = strtok_r(line, " \t\r", &rest);
    const char *semantic = strtok_r(NULL, " \t\r", &rest);
    if (image == NULL) {
        return 0;
    }
    bool complete = semantic != NULL || f->source->unlabelled;
    struct uda_reader_item item = {.name = inside(image) ? frame_name(f->arena, image) : NULL};
    if (!complete || item.name == NULL || strtok_r(NULL, " \t\r", &rest) != NULL ||
        (semantic != NULL && !inside(semantic))) {
        return uda_fail(err, UDA_FORMAT, "%s:%lld: not a line \"IMAGE SEMANTIC\" of KITTI-360 paths",
                        f->path, (long long)number);
    }
    item.image = uda_fs_join(f->arena, f->source->root, image);
    if (!f->source->unlabelled) {
        item.label = instance_path(f->arena, f->source->root, semantic);
        if (item.label == NULL) {
            return uda_fail(err, UDA_FORMAT, "%s:%lld: '%s' is not in a folder 'semantic'", f->path,
                            (long long)number, semantic);
        }
    }
    if (item.image == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", f->path);
    }
    const char *missing = !uda_fs_exists(item.image)                            ? item.image
                          : item.label != NULL && !uda_fs_exists(item.label) ? item.label
                                                                                : NULL;
    if (missing != NULL) {
        return uda_fail(err, UDA_FORMAT, "%s:%lld: no such file '%s'", f->path, (long long)number,
                        missing);
    }
    list->item[list->count++] = item;
    return 0;
}

static int list_split(struct uda_reader_list *list, struct uda_arena *arena,
                      const struct uda_reader_source *source, struct uda_err *err)
{
    const char *split = source->split != NULL && source->split[0] != '\0' ? source->split : "train";
    struct frames f = {.source = source, .arena = arena};
    f.path = uda_arena_printf(arena, "%s/data_2d_semantics/train/2013_05_28_drive_%s_frames.txt",
                              source->root, split);
    if (f.path == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", source->root);
    }
    unsigned char *data = NULL;
    size_t bytes = 0;
    UDA_TRY(uda_fs_read(&data, &bytes, arena, f.path, LIST_BYTES_MAX, err));
    if (memchr(data, '\0', bytes) != NULL) {
        return uda_fail(err, UDA_FORMAT, "'%s' is not a text file", f.path);
    }
    int64_t lines = 1;
    for (size_t i = 0; i < bytes; i++) {
        lines += data[i] == '\n';
    }
    UDA_TRY(uda_reader_items(list, arena, lines, err));
    char *line = (char *)data;
    for (int64_t number = 1; number <= lines; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        UDA_TRY(add_line(list, &f, line, number, err));
        line = end != NULL ? end + 1 : line;
    }
    return uda_reader_sort(list, true, f.path, err);
}

static int describe(struct uda_segment *segment, void *ctx, uint32_t key, int64_t x, int64_t y,
                    struct uda_err *err)
{
    const struct uda_label_file *file = ctx;
    if (key / 1000 > SEMANTIC_MAX) {
        return uda_label_png_bad(file->path, key, x, y, "not a KITTI-360 label (semantic id 0..44)",
                                 err);
    }
    int cls = uda_class_of_label_id(key / 1000);
    segment->keep = cls >= 0;
    segment->cls = cls >= 0 ? (enum uda_class)cls : UDA_PERSON;
    segment->crowd = key % 1000 == 0;
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
                                       .what = "16-bit gray (instance)"};
    return uda_label_png_instances(labels, list->item[i].label, &want, describe, arena, scratch,
                                   err);
}

const struct uda_reader uda_reader_kitti360 = {
    .format = "kitti360",
    .layout = "data_2d_semantics/train/2013_05_28_drive_SPLIT_frames.txt and the files it names",
    .list = list_split,
    .labels = read_labels,
};
