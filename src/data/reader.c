#include "src/data/reader.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/data/label_png.h"

#include <stdlib.h>
#include <string.h>

static const struct uda_reader *const readers[] = {
    &uda_reader_cityscapes, &uda_reader_kitti360, &uda_reader_urbansyn,
    &uda_reader_synscapes,  &uda_reader_synthia,  &uda_reader_coco,
};

const struct uda_reader *uda_reader_find(const char *format)
{
    for (int64_t i = 0; format != NULL && i < UDA_LEN(readers); i++) {
        if (strcmp(readers[i]->format, format) == 0) {
            return readers[i];
        }
    }
    return NULL;
}

const struct uda_reader *uda_reader_at(int64_t i)
{
    return i >= 0 && i < UDA_LEN(readers) ? readers[i] : NULL;
}

void uda_reader_finish(const struct uda_reader *reader, struct uda_reader_list *list)
{
    if (reader != NULL && reader->finish != NULL) {
        reader->finish(list);
    }
    *list = (struct uda_reader_list){0};
}

static int by_name(const void *a, const void *b)
{
    const struct uda_reader_item *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

int uda_reader_sort(struct uda_reader_list *list, bool number, const char *where,
                    struct uda_err *err)
{
    if (list->count == 0) {
        return uda_fail(err, UDA_FORMAT, "'%s': no images", where);
    }
    qsort(list->item, (size_t)list->count, sizeof *list->item, by_name);
    for (int64_t i = 0; i < list->count; i++) {
        if (i > 0 && strcmp(list->item[i - 1].name, list->item[i].name) == 0) {
            return uda_fail(err, UDA_FORMAT, "'%s': two images are called '%s'", where,
                            list->item[i].name);
        }
        if (number) {
            list->item[i].id = i + 1;
        }
    }
    return 0;
}

int uda_reader_items(struct uda_reader_list *list, struct uda_arena *arena, int64_t room,
                     struct uda_err *err)
{
    list->item = uda_arena_calloc(arena, (size_t)room * sizeof *list->item);
    list->count = 0;
    if (list->item == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a list of %lld images", (long long)room);
    }
    return 0;
}

bool uda_reader_ends(const char *name, const char *suffix)
{
    size_t bytes = strlen(name), tail = strlen(suffix);
    return bytes > tail && strcmp(name + bytes - tail, suffix) == 0;
}

char *uda_reader_strip(struct uda_arena *arena, const char *name, const char *suffix)
{
    if (!uda_reader_ends(name, suffix)) {
        return NULL;
    }
    return uda_arena_printf(arena, "%.*s", (int)(strlen(name) - strlen(suffix)), name);
}

int uda_reader_no_split(const struct uda_reader_source *source, const char *format,
                        struct uda_err *err)
{
    if (source->split != NULL && source->split[0] != '\0') {
        return uda_fail(err, UDA_MANIFEST, "%s has no split '%s': leave it out and use hold_out",
                        format, source->split);
    }
    return 0;
}

/* *path = root/dir/file, which must exist. */
static int label_path(const char **path, struct uda_arena *arena, const char *root, const char *dir,
                      const char *file, const char *image, struct uda_err *err)
{
    char *p = uda_arena_printf(arena, "%s/%s/%s", root, dir, file);
    if (p == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", root);
    }
    if (!uda_fs_exists(p)) {
        return uda_fail(err, UDA_FORMAT, "'%s' has no label file '%s'", image, p);
    }
    *path = p;
    return 0;
}

static int folder_item(struct uda_reader_item *item, struct uda_arena *arena, const char *root,
                       const char *file, const struct uda_reader_folder *folder, bool unlabelled,
                       struct uda_err *err)
{
    char *stem = uda_reader_strip(arena, file + strlen(folder->image_prefix), ".png");
    item->name = stem;
    item->image = uda_arena_printf(arena, "%s/%s/%s", root, folder->image_dir, file);
    char *label = uda_arena_printf(arena, "%s%s.png", folder->label_prefix, stem != NULL ? stem : "");
    if (stem == NULL || item->image == NULL || label == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", root);
    }
    if (unlabelled) {
        return 0;
    }
    UDA_TRY(label_path(&item->label, arena, root, folder->label_dir, label, item->image, err));
    for (int k = 0; k < 2 && folder->extra_dir[k] != NULL; k++) {
        char *extra = uda_arena_printf(arena, "%s%s", stem, folder->extra_suffix[k]);
        if (extra == NULL) {
            return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", root);
        }
        UDA_TRY(label_path(&item->extra[k], arena, root, folder->extra_dir[k], extra, item->image,
                           err));
    }
    return 0;
}

int uda_reader_list_folder(struct uda_reader_list *list, struct uda_arena *arena,
                           const struct uda_reader_source *source,
                           const struct uda_reader_folder *folder, struct uda_err *err)
{
    char **names = NULL;
    int64_t count = 0;
    const char *dir = uda_fs_join(arena, source->root, folder->image_dir);
    if (dir == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the list of images", source->root);
    }
    UDA_TRY(uda_fs_list(&names, &count, arena, dir, err));
    UDA_TRY(uda_reader_items(list, arena, count, err));
    size_t prefix = strlen(folder->image_prefix);
    for (int64_t i = 0; i < count; i++) {
        size_t bytes = strlen(names[i]);
        if (strncmp(names[i], folder->image_prefix, prefix) != 0 || bytes <= prefix + 4 ||
            strcmp(names[i] + bytes - 4, ".png") != 0) {
            continue;
        }
        UDA_TRY(folder_item(&list->item[list->count], arena, source->root, names[i], folder,
                            source->unlabelled, err));
        list->count++;
    }
    return uda_reader_sort(list, true, dir, err);
}

int uda_label_png_read(struct uda_raster *raster, const char *path, const struct uda_label_png *want,
                       struct uda_arena *arena, struct uda_err *err)
{
    struct uda_raster r = {0};
    UDA_TRY(uda_png_read_raster(&r, arena, path, err));
    if (r.bits != want->bits || r.channels < want->channels_min || r.channels > want->channels_max) {
        return uda_fail(err, UDA_FORMAT, "'%s': %d-bit PNG with %lld channels where %s is expected",
                        path, r.bits, (long long)r.channels, want->what);
    }
    if (r.height != want->height || r.width != want->width) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': %lldx%lld pixels where the image has %lldx%lld", path,
                        (long long)r.width, (long long)r.height, (long long)want->width,
                        (long long)want->height);
    }
    *raster = r;
    return 0;
}

int uda_label_png_keys(uint32_t **key, const char *path, const struct uda_label_png *want,
                       struct uda_arena *arena, struct uda_err *err)
{
    struct uda_raster r = {0};
    UDA_TRY(uda_label_png_read(&r, path, want, arena, err));
    int64_t pixels = r.height * r.width;
    uint32_t *out = uda_arena_alloc(arena, (size_t)pixels * sizeof *out);
    if (out == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    const uint16_t *s = r.sample;
    for (int64_t i = 0; i < pixels; i++, s += r.channels) {
        if (r.channels < 3) {
            out[i] = s[0];
        } else if (r.bits == 16) {
            out[i] = (uint32_t)s[0] << 16 | s[1];
        } else {
            out[i] = s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16;
        }
    }
    *key = out;
    return 0;
}

int uda_label_png_instances(struct uda_labels *labels, const char *path,
                            const struct uda_label_png *want, uda_segment_describe *describe,
                            struct uda_arena *arena, struct uda_arena *scratch, struct uda_err *err)
{
    struct uda_label_file file = {.path = path};
    uint32_t *key = NULL;
    UDA_TRY(uda_label_png_keys(&key, path, want, scratch, err));
    return uda_segments_extract(labels, key, want->height, want->width, path, describe, &file,
                                arena, scratch, err);
}

int uda_label_png_bad(const char *path, uint32_t value, int64_t x, int64_t y, const char *what,
                      struct uda_err *err)
{
    return uda_fail(err, UDA_FORMAT, "'%s': pixel (%lld,%lld) has the value %u: %s", path,
                    (long long)x, (long long)y, value, what);
}
