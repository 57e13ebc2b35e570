/* The rare-class pool in a checkpoint: save and load side by side. */
#include <stdio.h>
#include <string.h>

#include "src/uda/rare_pool_entry.h"

#define FRAME_COLUMNS 5 /* height, width, index, patches, labels */
#define PATCH_COLUMNS 4 /* x0, y0, x1, y1 */
#define LABEL_COLUMNS 6 /* class, picked, x0, y0, x1, y1 */

/* The arrays of a file. */
struct tables {
    int64_t frames, patches, labels, pixel_bytes, bit_bytes;
    int64_t *frame, *patch, *label;
    uint8_t *pixels, *bits;
};

static void name_of(char name[UDA_STORE_MAX_NAME], const char *group, const char *part)
{
    (void)snprintf(name, UDA_STORE_MAX_NAME, "%s/%s", group, part);
}

/* ---- save ---- */

static void flatten(struct tables *t, const struct uda_rare_entry *entry)
{
    const int64_t frame[FRAME_COLUMNS] = {entry->height, entry->width, entry->index,
                                          entry->patches, entry->labels};
    memcpy(t->frame + FRAME_COLUMNS * t->frames++, frame, sizeof frame);
    for (int64_t i = 0; i < entry->patches; i++) {
        struct uda_box b = entry->patch[i];
        const int64_t patch[PATCH_COLUMNS] = {b.x0, b.y0, b.x1, b.y1};
        memcpy(t->patch + PATCH_COLUMNS * t->patches++, patch, sizeof patch);
    }
    for (int64_t i = 0; i < entry->labels; i++) {
        const struct uda_rare_label *l = &entry->label[i];
        const int64_t label[LABEL_COLUMNS] = {l->cls,    l->picked, l->box.x0,
                                              l->box.y0, l->box.x1, l->box.y1};
        memcpy(t->label + LABEL_COLUMNS * t->labels++, label, sizeof label);
    }
    memcpy(t->pixels + t->pixel_bytes, entry->pixels, (size_t)entry->pixel_bytes);
    memcpy(t->bits + t->bit_bytes, entry->bits, (size_t)entry->bit_bytes);
    t->pixel_bytes += entry->pixel_bytes;
    t->bit_bytes += entry->bit_bytes;
}

static int collect(struct tables *t, const struct uda_rare_pool *pool, struct uda_arena *arena,
                   struct uda_err *err)
{
    struct tables sum = {.frames = pool->count};
    for (int64_t i = 0; i < pool->count; i++) {
        sum.patches += pool->entry[i]->patches;
        sum.labels += pool->entry[i]->labels;
        sum.pixel_bytes += pool->entry[i]->pixel_bytes;
        sum.bit_bytes += pool->entry[i]->bit_bytes;
    }
    *t = (struct tables){0};
    t->frame = uda_arena_alloc(arena, (size_t)(sum.frames * FRAME_COLUMNS) * sizeof *t->frame);
    t->patch = uda_arena_alloc(arena, (size_t)(sum.patches * PATCH_COLUMNS) * sizeof *t->patch);
    t->label = uda_arena_alloc(arena, (size_t)(sum.labels * LABEL_COLUMNS) * sizeof *t->label);
    t->pixels = uda_arena_alloc(arena, (size_t)sum.pixel_bytes);
    t->bits = uda_arena_alloc(arena, (size_t)sum.bit_bytes);
    if (t->frame == NULL || t->patch == NULL || t->label == NULL || t->pixels == NULL ||
        t->bits == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory to save the rare-class pool");
    }
    for (int64_t i = 0; i < pool->count; i++) {
        flatten(t, pool->entry[i]);
    }
    return 0;
}

static int put(struct uda_store_writer *writer, const char *group, const struct tables *t,
               int64_t margin_px, struct uda_err *err)
{
    char name[UDA_STORE_MAX_NAME];
    name_of(name, group, "frames");
    UDA_TRY(uda_store_put_i64(writer, name, t->frame, 2, (int64_t[]){t->frames, FRAME_COLUMNS}, err));
    name_of(name, group, "patches");
    UDA_TRY(
        uda_store_put_i64(writer, name, t->patch, 2, (int64_t[]){t->patches, PATCH_COLUMNS}, err));
    name_of(name, group, "labels");
    UDA_TRY(uda_store_put_i64(writer, name, t->label, 2, (int64_t[]){t->labels, LABEL_COLUMNS}, err));
    name_of(name, group, "pixels");
    UDA_TRY(uda_store_put_u8(writer, name, t->pixels, 1, (int64_t[]){t->pixel_bytes}, err));
    name_of(name, group, "bits");
    UDA_TRY(uda_store_put_u8(writer, name, t->bits, 1, (int64_t[]){t->bit_bytes}, err));
    return uda_store_put_attr_i64(writer, group, "margin_px", margin_px, err);
}

int uda_rare_pool_save(const struct uda_rare_pool *pool, struct uda_store_writer *writer,
                       const char *group, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct tables t;
    int rc = collect(&t, pool, &arena, err);
    if (rc == 0) {
        rc = put(writer, group, &t, pool->spec.margin_px, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

/* ---- load ---- */

struct reading {
    const struct uda_store *store;
    const char *group;
    struct tables t;
    int64_t patch, label, pixel, bit; /* read so far */
};

static int bad(const struct reading *r, int64_t frame, const char *what, struct uda_err *err)
{
    return uda_fail(err, UDA_FORMAT, "'%s': '%s': image %lld: %s", uda_store_path(r->store),
                    r->group, (long long)frame, what);
}

/* One table of 64-bit numbers with so many columns. */
static int get_table(int64_t **table, int64_t *rows, const struct reading *r, const char *part,
                     int64_t columns, struct uda_arena *arena, struct uda_err *err)
{
    char name[UDA_STORE_MAX_NAME];
    struct uda_store_info info;
    name_of(name, r->group, part);
    UDA_TRY(uda_store_load_i64(table, &info, r->store, name, arena, err));
    if (info.ndim != 2 || info.dims[1] != columns) {
        return uda_fail(err, UDA_FORMAT, "'%s': '%s' has not %lld columns",
                        uda_store_path(r->store), name, (long long)columns);
    }
    *rows = info.dims[0];
    return 0;
}

static int get_bytes(uint8_t **bytes, int64_t *count, const struct reading *r, const char *part,
                     struct uda_arena *arena, struct uda_err *err)
{
    char name[UDA_STORE_MAX_NAME];
    struct uda_store_info info;
    name_of(name, r->group, part);
    UDA_TRY(uda_store_load_u8(bytes, &info, r->store, name, arena, err));
    *count = info.count;
    return 0;
}

static bool box_from(struct uda_box *box, const int64_t *in, const struct uda_rare_entry *frame)
{
    *box = (struct uda_box){in[0], in[1], in[2], in[3]};
    return box->x0 >= 0 && box->y0 >= 0 && box->x0 <= box->x1 && box->y0 <= box->y1 &&
           box->x1 < frame->width && box->y1 < frame->height;
}

/* Sizes of frame i, checked against the file; its byte counts come from its boxes. */
static int measure_frame(struct uda_rare_entry *like, const struct reading *r, int64_t i,
                         struct uda_err *err)
{
    const int64_t *in = r->t.frame + FRAME_COLUMNS * i;
    *like = (struct uda_rare_entry){.height = in[0], .width = in[1], .index = in[2],
                                    .patches = in[3], .labels = in[4]};
    struct uda_box box;
    if (uda_rle_check_size(like->height, like->width, NULL) != 0) {
        return bad(r, i, "its size is out of range", err);
    }
    if (like->patches < 0 || like->patches > r->t.patches - r->patch || like->labels < 0 ||
        like->labels > r->t.labels - r->label) {
        return bad(r, i, "has more patches or labels than the file", err);
    }
    for (int64_t k = 0; k < like->patches; k++) {
        if (!box_from(&box, r->t.patch + PATCH_COLUMNS * (r->patch + k), like)) {
            return bad(r, i, "a patch is outside of it", err);
        }
        like->pixel_bytes += uda_rare_patch_bytes(box);
        if (like->pixel_bytes > r->t.pixel_bytes - r->pixel) {
            return bad(r, i, "the file has too few pixels", err);
        }
    }
    for (int64_t k = 0; k < like->labels; k++) {
        const int64_t *label = r->t.label + LABEL_COLUMNS * (r->label + k);
        if (label[0] < 0 || label[0] >= UDA_CLASSES || (label[1] != 0 && label[1] != 1) ||
            !box_from(&box, label + 2, like)) {
            return bad(r, i, "a label is out of range", err);
        }
        like->bit_bytes += uda_rare_label_bytes(box);
        if (like->bit_bytes > r->t.bit_bytes - r->bit) {
            return bad(r, i, "the file has too few mask bits", err);
        }
    }
    return 0;
}

static void fill_frame(struct uda_rare_entry *entry, struct reading *r)
{
    int64_t at = 0;
    for (int64_t k = 0; k < entry->patches; k++, r->patch++) {
        (void)box_from(&entry->patch[k], r->t.patch + PATCH_COLUMNS * r->patch, entry);
    }
    for (int64_t k = 0; k < entry->labels; k++, r->label++) {
        const int64_t *in = r->t.label + LABEL_COLUMNS * r->label;
        struct uda_rare_label *label = &entry->label[k];
        *label = (struct uda_rare_label){.cls = (int32_t)in[0], .picked = in[1] == 1, .bits_at = at};
        (void)box_from(&label->box, in + 2, entry);
        at += uda_rare_label_bytes(label->box);
    }
    memcpy(entry->pixels, r->t.pixels + r->pixel, (size_t)entry->pixel_bytes);
    memcpy(entry->bits, r->t.bits + r->bit, (size_t)entry->bit_bytes);
    r->pixel += entry->pixel_bytes;
    r->bit += entry->bit_bytes;
}

static int read_tables(struct reading *r, const struct uda_rare_pool *pool, struct uda_arena *arena,
                       struct uda_err *err)
{
    struct tables *t = &r->t;
    int64_t margin_px = 0;
    UDA_TRY(get_table(&t->frame, &t->frames, r, "frames", FRAME_COLUMNS, arena, err));
    UDA_TRY(get_table(&t->patch, &t->patches, r, "patches", PATCH_COLUMNS, arena, err));
    UDA_TRY(get_table(&t->label, &t->labels, r, "labels", LABEL_COLUMNS, arena, err));
    UDA_TRY(get_bytes(&t->pixels, &t->pixel_bytes, r, "pixels", arena, err));
    UDA_TRY(get_bytes(&t->bits, &t->bit_bytes, r, "bits", arena, err));
    UDA_TRY(uda_store_get_attr_i64(&margin_px, r->store, r->group, "margin_px", err));
    if (t->frames > pool->spec.images) {
        return bad(r, pool->spec.images, "more images than the pool holds", err);
    }
    if (margin_px != pool->spec.margin_px) {
        return bad(r, 0, "its patches have another margin", err);
    }
    return 0;
}

/* The pool's new content in `fresh`, which has its own memory. */
static int read_pool(struct uda_rare_pool *fresh, struct reading *r, struct uda_err *err)
{
    for (int64_t i = 0; i < r->t.frames; i++) {
        struct uda_rare_entry like;
        UDA_TRY(measure_frame(&like, r, i, err));
        struct uda_rare_entry *entry = uda_rare_entry_new(&fresh->memory, &like);
        if (entry == NULL) {
            return uda_fail(err, UDA_NOMEM, "out of memory for the rare-class pool");
        }
        fill_frame(entry, r);
        fresh->entry[fresh->count++] = entry;
    }
    if (r->patch != r->t.patches || r->label != r->t.labels || r->pixel != r->t.pixel_bytes ||
        r->bit != r->t.bit_bytes) {
        return bad(r, r->t.frames, "the file has more than its images need", err);
    }
    return 0;
}

int uda_rare_pool_load(struct uda_rare_pool *pool, const struct uda_store *store, const char *group,
                       struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_rare_pool *fresh = NULL;
    struct reading r = {.store = store, .group = group};
    int rc = 0;
    UDA_GOTO(rc = read_tables(&r, pool, &arena, err), out);
    UDA_GOTO(rc = uda_rare_pool_create(&fresh, &pool->spec, err), out);
    UDA_GOTO(rc = read_pool(fresh, &r, err), out);
    struct uda_rare_pool old = *pool;
    *pool = *fresh;
    *fresh = old;
out:
    uda_rare_pool_destroy(&fresh);
    uda_arena_finish(&arena);
    return rc;
}
