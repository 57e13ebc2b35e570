#include "src/data/segments.h"

#include <stdlib.h>
#include <string.h>

/* One distinct key met so far. */
struct slot {
    uint32_t key;
    struct uda_segment segment;
    int64_t area_px, x0, y0, x1, y1;
    int64_t rank; /* position among the kept keys in ascending order */
};

/* A horizontal stretch of one kept key. */
struct run {
    int32_t slot, y, x0, x1; /* x1 inclusive */
};

/* Growing arrays and an open-addressing index from key to slot, all in scratch. */
struct work {
    struct uda_arena *scratch;
    const char *path; /* of the label file, for messages */
    int64_t kept;     /* slots that are objects */
    struct slot *slot;
    int64_t slots, slot_room;
    struct run *run;
    int64_t runs, run_room;
    int32_t *table; /* slot + 1; 0 = free */
    int64_t table_room; /* power of two, at least twice slots */
};

static int64_t bucket_of(uint32_t key, int64_t room)
{
    return (int64_t)((key * 2654435761u) >> 7) & (room - 1);
}

static int grow_table(struct work *w)
{
    int64_t room = w->table_room == 0 ? 256 : 2 * w->table_room;
    int32_t *table = uda_arena_calloc(w->scratch, (size_t)room * sizeof *table);
    if (table == NULL) {
        return UDA_NOMEM;
    }
    for (int64_t i = 0; i < w->slots; i++) {
        int64_t b = bucket_of(w->slot[i].key, room);
        while (table[b] != 0) {
            b = (b + 1) & (room - 1);
        }
        table[b] = (int32_t)(i + 1);
    }
    w->table = table;
    w->table_room = room;
    return 0;
}

/* *index = the slot of key, or -1 if there is none yet. */
static int64_t find_slot(const struct work *w, uint32_t key)
{
    if (w->table_room == 0) {
        return -1;
    }
    int64_t b = bucket_of(key, w->table_room);
    while (w->table[b] != 0) {
        if (w->slot[w->table[b] - 1].key == key) {
            return w->table[b] - 1;
        }
        b = (b + 1) & (w->table_room - 1);
    }
    return -1;
}

static int add_slot(struct work *w, const struct slot *fresh)
{
    if (w->slots == w->slot_room) {
        int64_t room = w->slot_room == 0 ? 128 : 2 * w->slot_room;
        struct slot *grown =
            uda_arena_grow(w->scratch, w->slot, (size_t)w->slot_room * sizeof *grown,
                           (size_t)room * sizeof *grown);
        if (grown == NULL) {
            return UDA_NOMEM;
        }
        w->slot = grown;
        w->slot_room = room;
    }
    w->slot[w->slots++] = *fresh;
    if (2 * w->slots > w->table_room) {
        return grow_table(w);
    }
    int64_t b = bucket_of(fresh->key, w->table_room);
    while (w->table[b] != 0) {
        b = (b + 1) & (w->table_room - 1);
    }
    w->table[b] = (int32_t)w->slots;
    return 0;
}

static int add_run(struct work *w, struct run run)
{
    if (w->runs == w->run_room) {
        int64_t room = w->run_room == 0 ? 4096 : 2 * w->run_room;
        struct run *grown = uda_arena_grow(w->scratch, w->run, (size_t)w->run_room * sizeof *grown,
                                           (size_t)room * sizeof *grown);
        if (grown == NULL) {
            return UDA_NOMEM;
        }
        w->run = grown;
        w->run_room = room;
    }
    w->run[w->runs++] = run;
    struct slot *s = &w->slot[run.slot];
    s->area_px += run.x1 - run.x0 + 1;
    s->x0 = run.x0 < s->x0 ? run.x0 : s->x0;
    s->x1 = run.x1 > s->x1 ? run.x1 : s->x1;
    s->y0 = run.y < s->y0 ? run.y : s->y0;
    s->y1 = run.y > s->y1 ? run.y : s->y1;
    return 0;
}

/* One row into runs of kept keys; the last key's slot is remembered across runs. */
static int scan_row(struct work *w, const uint32_t *row, int64_t y, int64_t width,
                    uda_segment_describe *describe, void *ctx, struct uda_err *err)
{
    for (int64_t x = 0; x < width;) {
        uint32_t key = row[x];
        int64_t start = x;
        while (x < width && row[x] == key) {
            x++;
        }
        if (key == 0) {
            continue;
        }
        int64_t at = find_slot(w, key);
        if (at < 0) {
            struct slot fresh = {.key = key, .x0 = INT64_MAX, .y0 = INT64_MAX, .x1 = -1, .y1 = -1};
            UDA_TRY(describe(&fresh.segment, ctx, key, start, y, err));
            w->kept += fresh.segment.keep;
            UDA_TRY(uda_segments_check(w->path, w->kept, 0, err));
            if (add_slot(w, &fresh) != 0) {
                return uda_fail(err, UDA_NOMEM, "'%s': out of memory", w->path);
            }
            at = w->slots - 1;
        }
        struct run run = {
            .slot = (int32_t)at, .y = (int32_t)y, .x0 = (int32_t)start, .x1 = (int32_t)(x - 1)};
        if (w->slot[at].segment.keep && add_run(w, run) != 0) {
            return uda_fail(err, UDA_NOMEM, "'%s': out of memory", w->path);
        }
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct slot *const *x = a, *const *y = b;
    return ((*x)->key > (*y)->key) - ((*x)->key < (*y)->key);
}

/* The kept slots in ascending key become instances with cleared masks. */
static int make_instances(struct uda_labels *labels, struct work *w, struct uda_arena *arena,
                          struct uda_err *err)
{
    struct slot **kept = uda_arena_alloc(w->scratch, (size_t)w->slots * sizeof *kept);
    int64_t count = 0, bytes = 0;
    for (int64_t i = 0; kept != NULL && i < w->slots; i++) {
        if (w->slot[i].segment.keep) {
            kept[count++] = &w->slot[i];
        }
    }
    struct uda_instance *instance = uda_arena_alloc(arena, (size_t)count * sizeof *instance);
    if (kept == NULL || instance == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", w->path);
    }
    qsort(kept, (size_t)count, sizeof(struct slot *), by_key);
    for (int64_t i = 0; i < count; i++) {
        struct slot *s = kept[i];
        size_t box = (size_t)(s->x1 - s->x0 + 1) * (size_t)(s->y1 - s->y0 + 1);
        s->rank = i;
        bytes += (int64_t)box;
        UDA_TRY(uda_segments_check(w->path, count, bytes, err));
        instance[i] = (struct uda_instance){.id = s->key,
                                            .cls = s->segment.cls,
                                            .crowd = s->segment.crowd,
                                            .area_px = s->area_px,
                                            .x0 = s->x0,
                                            .y0 = s->y0,
                                            .x1 = s->x1,
                                            .y1 = s->y1,
                                            .mask = uda_arena_calloc(arena, box)};
        if (instance[i].mask == NULL) {
            return uda_fail(err, UDA_NOMEM, "'%s': out of memory", w->path);
        }
    }
    labels->instance = instance;
    labels->count = count;
    return 0;
}

static void fill_masks(const struct uda_labels *labels, const struct work *w)
{
    for (int64_t i = 0; i < w->runs; i++) {
        const struct run *run = &w->run[i];
        const struct uda_instance *n = &labels->instance[w->slot[run->slot].rank];
        uint8_t *row = n->mask + (run->y - n->y0) * (n->x1 - n->x0 + 1);
        memset(row + run->x0 - n->x0, 1, (size_t)(run->x1 - run->x0 + 1));
    }
}

int uda_segments_check(const char *path, int64_t objects, int64_t mask_bytes, struct uda_err *err)
{
    if (objects > UDA_SEGMENTS_MAX || mask_bytes > UDA_SEGMENTS_BYTES_MAX) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': too many objects (bounds: %d in an image, %lld MiB of masks): not a "
                        "label file, or a damaged one",
                        path, UDA_SEGMENTS_MAX, (long long)(UDA_SEGMENTS_BYTES_MAX >> 20));
    }
    return 0;
}

int uda_segments_extract(struct uda_labels *labels, const uint32_t *key, int64_t height,
                         int64_t width, const char *path, uda_segment_describe *describe,
                         void *ctx, struct uda_arena *arena, struct uda_arena *scratch,
                         struct uda_err *err)
{
    struct work w = {.scratch = scratch, .path = path};
    struct uda_labels found = {.height = height, .width = width};
    int rc = 0;
    for (int64_t y = 0; y < height && rc == 0; y++) {
        rc = scan_row(&w, key + y * width, y, width, describe, ctx, err);
    }
    if (rc == 0) {
        rc = make_instances(&found, &w, arena, err);
    }
    if (rc == 0) {
        fill_masks(&found, &w);
        *labels = found;
    }
    return rc;
}
