#include "src/data/dataset.h"

#include "io/png.h"
#include "src/base/classes.h"
#include "src/base/rng.h"
#include "src/base/str.h"
#include "src/data/index.h"
#include "src/data/label_source.h"
#include "src/data/reader.h"

#include <string.h>

#define ALL_CLASSES ((1u << UDA_CLASSES) - 1u)

struct uda_dataset_state {
    struct uda_arena arena; /* holds the list, the items and the copies of the spec's texts */
    const struct uda_reader *reader;
    struct uda_reader_list list;
    const struct uda_label_source *source; /* NULL: the reader's labels */
    int64_t *row; /* [list.count] image of the source, by the item's source */
};

/* Marks the held-out images: the first hold_out_count of a permutation drawn from the seed. */
static int draw_hold_out(bool *held, int64_t count, const struct uda_dataset_spec *spec,
                         struct uda_arena *arena, struct uda_err *err)
{
    if (spec->hold_out_count < 0 || spec->hold_out_count > count) {
        return uda_fail(err, UDA_MANIFEST,
                        "'%s': cannot hold out %lld of %lld images", spec->root,
                        (long long)spec->hold_out_count, (long long)count);
    }
    int64_t *order = uda_arena_alloc(arena, (size_t)count * sizeof *order);
    if (order == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a split of %lld images",
                        (long long)count);
    }
    for (int64_t i = 0; i < count; i++) {
        order[i] = i;
    }
    struct uda_rng rng;
    uda_rng_init(&rng, spec->hold_out_seed, UDA_RNG_SPLIT, 0, 0, 0);
    uda_rng_shuffle(&rng, order, count);
    for (int64_t i = 0; i < spec->hold_out_count; i++) {
        held[order[i]] = true;
    }
    return 0;
}

static bool has_any(const struct uda_dataset_item *item, uint32_t class_mask)
{
    for (int c = 0; c < UDA_CLASSES; c++) {
        if ((class_mask >> c & 1u) != 0 && item->instances[c] > 0) {
            return true;
        }
    }
    return false;
}

/* The images of the part that the spec asks for, up to its limit: source [*count], ascending. */
static int choose(int64_t **source, int64_t *count, int64_t split_count,
                  const struct uda_dataset_spec *spec, struct uda_arena *arena, struct uda_err *err)
{
    bool *held = uda_arena_calloc(arena, (size_t)split_count * sizeof *held);
    *source = uda_arena_alloc(arena, (size_t)split_count * sizeof **source);
    if (held == NULL || *source == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a split of %lld images",
                        (long long)split_count);
    }
    if (spec->hold != UDA_HOLD_NONE) {
        UDA_TRY(draw_hold_out(held, split_count, spec, arena, err));
    }
    int64_t n = 0;
    for (int64_t i = 0; i < split_count && (spec->limit == 0 || n < spec->limit); i++) {
        if (spec->hold == UDA_HOLD_NONE || held[i] == (spec->hold == UDA_HOLD_HELD)) {
            (*source)[n++] = i;
        }
    }
    *count = n;
    return 0;
}

/* Keeps, in place and in order, the items that have an instance of the classes. */
static int drop_empty(struct uda_dataset *d, struct uda_dataset_item *item, int64_t count,
                      const struct uda_dataset_spec *spec, struct uda_err *err)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        if (spec->keep_empty || d->unlabelled || has_any(&item[i], d->class_mask)) {
            item[kept++] = item[i];
        }
    }
    d->item = item;
    d->count = kept;
    d->dropped_count = count - kept;
    if (kept == 0) {
        const char *where = spec->label_source != NULL ? spec->label_source->name
                            : spec->root != NULL       ? spec->root
                                                       : spec->annotations;
        return uda_fail(err, UDA_FORMAT,
                        "'%s': no image is left: %lld in the split, %lld in this part, none with an "
                        "instance of the classes",
                        where, (long long)d->split_count, (long long)count);
    }
    return 0;
}

static int sum_up(struct uda_dataset *d, struct uda_err *err)
{
    struct uda_hasher *h = NULL;
    UDA_TRY(uda_hasher_create(&h, err));
    uda_hasher_i64(h, d->class_mask);
    uda_hasher_i64(h, d->unlabelled);
    uda_hasher_i64(h, d->count);
    for (int64_t i = 0; i < d->count; i++) {
        const struct uda_dataset_item *item = &d->item[i];
        uda_hasher_text(h, item->name);
        uda_hasher_i64(h, item->height);
        uda_hasher_i64(h, item->width);
        uda_hasher_i64(h, item->crowds);
        d->crowds += item->crowds;
        for (int c = 0; c < UDA_CLASSES; c++) {
            uda_hasher_i64(h, item->instances[c]);
            d->instances[c] += item->instances[c];
            d->images[c] += item->instances[c] > 0;
        }
    }
    d->fingerprint = uda_hasher_digest(h);
    uda_hasher_destroy(&h);
    return 0;
}

static char *keep_text(struct uda_arena *arena, const char *text, bool *failed)
{
    char *copy = text != NULL ? uda_arena_strdup(arena, text) : NULL;
    *failed = *failed || (text != NULL && copy == NULL);
    return copy;
}

static int fill(struct uda_dataset *d, const struct uda_dataset_spec *spec, struct uda_err *err)
{
    struct uda_dataset_state *s = d->state;
    bool failed = false;
    struct uda_reader_source source = {.root = keep_text(&s->arena, spec->root, &failed),
                                       .split = keep_text(&s->arena, spec->split, &failed),
                                       .annotations =
                                           keep_text(&s->arena, spec->annotations, &failed),
                                       .images = keep_text(&s->arena, spec->images, &failed),
                                       .unlabelled = d->unlabelled || s->source != NULL};
    if (failed) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a data set");
    }
    struct uda_index_options options = {.unlabelled = source.unlabelled,
                                        .cache_path = spec->cache_path,
                                        .threads = spec->threads};
    struct uda_dataset_item *item = NULL;
    UDA_TRY(s->reader->list(&s->list, &s->arena, &source, err));
    d->split_count = s->list.count;
    int64_t *chosen = NULL, count = 0;
    UDA_TRY(choose(&chosen, &count, d->split_count, spec, &s->arena, err));
    UDA_TRY(uda_index_make(&item, s->reader, &s->list, chosen, count, &options, &s->arena, err));
    if (s->source != NULL) {
        s->row = uda_arena_calloc(&s->arena, (size_t)s->list.count * sizeof *s->row);
        if (s->row == NULL) {
            return uda_fail(err, UDA_NOMEM, "out of memory for a data set");
        }
        UDA_TRY(uda_label_source_match(s->row, s->source, item, count, err));
    }
    UDA_TRY(drop_empty(d, item, count, spec, err));
    return sum_up(d, err);
}

int uda_dataset_create(struct uda_dataset **dataset, const struct uda_dataset_spec *spec,
                       struct uda_err *err)
{
    const struct uda_reader *reader = uda_reader_find(spec->format);
    if (reader == NULL) {
        return uda_fail(err, UDA_MANIFEST, "there is no data set format '%s'",
                        spec->format != NULL ? spec->format : "");
    }
    if (spec->root == NULL && reader != &uda_reader_coco) {
        return uda_fail(err, UDA_MANIFEST, "a data set of format '%s' needs a root",
                        spec->format);
    }
    if (spec->limit < 0 || (spec->class_mask & ~ALL_CLASSES) != 0) {
        return uda_fail(err, UDA_MANIFEST, "a data set's limit or classes are out of range");
    }
    struct uda_dataset *d = uda_calloc(sizeof *d);
    struct uda_dataset_state *s = uda_calloc(sizeof *s);
    if (d == NULL || s == NULL) {
        uda_free(d);
        uda_free(s);
        return uda_fail(err, UDA_NOMEM, "out of memory for a data set");
    }
    d->state = s;
    s->reader = reader;
    d->class_mask = spec->class_mask != 0 ? spec->class_mask : ALL_CLASSES;
    d->unlabelled = spec->unlabelled && spec->label_source == NULL;
    s->source = spec->label_source;
    int rc = fill(d, spec, err);
    if (rc != 0) {
        uda_dataset_destroy(&d);
        return rc;
    }
    *dataset = d;
    return 0;
}

void uda_dataset_destroy(struct uda_dataset **dataset)
{
    struct uda_dataset *d = *dataset;
    if (d == NULL) {
        return;
    }
    uda_reader_finish(d->state->reader, &d->state->list);
    uda_arena_finish(&d->state->arena);
    uda_free(d->state);
    uda_free(d);
    *dataset = NULL;
}

int uda_dataset_load_labels(struct uda_labels *labels, const struct uda_dataset *dataset, int64_t i,
                            struct uda_arena *arena, struct uda_arena *scratch,
                            struct uda_err *err)
{
    const struct uda_dataset_item *item = &dataset->item[i];
    const struct uda_dataset_state *s = dataset->state;
    if (dataset->unlabelled) {
        *labels = (struct uda_labels){.height = item->height, .width = item->width};
        return 0;
    }
    if (s->source != NULL) {
        return s->source->load(labels, s->source, s->row[item->source], item->height, item->width,
                               arena, err);
    }
    size_t mark = uda_arena_mark(scratch);
    int rc = s->reader->labels(labels, &s->list, item->source, item->height, item->width, arena,
                               scratch, err);
    uda_arena_reset(scratch, mark);
    return rc;
}

int uda_dataset_load_image(struct uda_image *image, const struct uda_dataset *dataset, int64_t i,
                           struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_dataset_item *item = &dataset->item[i];
    struct uda_image out = {0};
    UDA_TRY(uda_png_read_rgb(&out, arena, item->image_path, err));
    if (out.height != item->height || out.width != item->width) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': %lldx%lld pixels, but %lldx%lld when it was indexed",
                        item->image_path, (long long)out.width, (long long)out.height,
                        (long long)item->width, (long long)item->height);
    }
    *image = out;
    return 0;
}

int uda_dataset_load(struct uda_labelled_image *scene, const struct uda_dataset *dataset, int64_t i,
                     struct uda_arena *arena, struct uda_arena *scratch, struct uda_err *err)
{
    struct uda_labelled_image out = {.name = dataset->item[i].name, .index = i};
    UDA_TRY(uda_dataset_load_image(&out.image, dataset, i, arena, err));
    UDA_TRY(uda_dataset_load_labels(&out.labels, dataset, i, arena, scratch, err));
    *scene = out;
    return 0;
}

int uda_dataset_rare_class(const struct uda_dataset *dataset, uint32_t class_mask)
{
    int rare = -1;
    for (int c = 0; c < UDA_CLASSES; c++) {
        if ((class_mask >> c & 1u) != 0 && dataset->instances[c] > 0 &&
            (rare < 0 || dataset->instances[c] < dataset->instances[rare])) {
            rare = c;
        }
    }
    return rare;
}

const char *uda_dataset_summary(const struct uda_dataset *dataset, struct uda_arena *arena)
{
    struct uda_str s;
    uda_str_init(&s, arena);
    uda_str_add(&s, "%lld images", (long long)dataset->count);
    if (dataset->dropped_count > 0) {
        uda_str_add(&s, " (%lld without an instance left out)", (long long)dataset->dropped_count);
    }
    for (int c = 0; c < UDA_CLASSES; c++) {
        if ((dataset->class_mask >> c & 1u) != 0 && !dataset->unlabelled) {
            uda_str_add(&s, ", %lld %s", (long long)dataset->instances[c], uda_classes[c].name);
        }
    }
    return s.text;
}
