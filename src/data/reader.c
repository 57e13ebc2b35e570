#include "src/data/reader.h"

#include "io/png.h"
#include "src/data/label_png.h"

#include <stdlib.h>
#include <string.h>

static const struct uda_reader *const readers[] = {
    &uda_reader_cityscapes,
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

char *uda_reader_strip(struct uda_arena *arena, const char *name, const char *suffix)
{
    size_t bytes = strlen(name), tail = strlen(suffix);
    if (bytes <= tail || strcmp(name + bytes - tail, suffix) != 0) {
        return NULL;
    }
    return uda_arena_printf(arena, "%.*s", (int)(bytes - tail), name);
}

bool uda_reader_ends(const char *name, const char *suffix)
{
    size_t bytes = strlen(name), tail = strlen(suffix);
    return bytes > tail && strcmp(name + bytes - tail, suffix) == 0;
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

int uda_label_png_bad(const char *path, uint32_t value, int64_t x, int64_t y, const char *what,
                      struct uda_err *err)
{
    return uda_fail(err, UDA_FORMAT, "'%s': pixel (%lld,%lld) has the value %u: %s", path,
                    (long long)x, (long long)y, value, what);
}
