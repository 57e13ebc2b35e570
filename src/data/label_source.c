#include "src/data/label_source.h"

#include <stdlib.h>
#include <string.h>

/* An image of the source, to be sorted by name. */
struct entry {
    const char *name;
    int64_t k;
};

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : a->k < b->k ? -1 : a->k > b->k;
}

static int sort_source(struct entry **sorted, const struct uda_label_source *source,
                       struct uda_arena *arena, struct uda_err *err)
{
    struct entry *entry = uda_arena_alloc(arena, (size_t)source->count * sizeof *entry);
    if (entry == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", source->name);
    }
    for (int64_t k = 0; k < source->count; k++) {
        entry[k] = (struct entry){.name = source->image[k], .k = k};
    }
    if (source->count > 1) {
        qsort(entry, (size_t)source->count, sizeof *entry, compare);
    }
    for (int64_t k = 1; k < source->count; k++) {
        if (strcmp(entry[k - 1].name, entry[k].name) == 0) {
            return uda_fail(err, UDA_FORMAT, "'%s': image '%s' is in it twice", source->name,
                            entry[k].name);
        }
    }
    *sorted = entry;
    return 0;
}

/* Both lists ascend, so the first difference tells who lacks an image. */
static int match(int64_t *row, const struct entry *entry, const struct uda_label_source *source,
                 const struct uda_dataset_item *item, int64_t count, struct uda_err *err)
{
    for (int64_t i = 0; i < count || i < source->count; i++) {
        int order = i >= count           ? 1
                    : i >= source->count ? -1
                                         : strcmp(item[i].name, entry[i].name);
        if (order < 0) {
            return uda_fail(err, UDA_FORMAT,
                            "'%s' has no labels of image '%s' of the data set: label the same data set",
                            source->name, item[i].name);
        }
        if (order > 0) {
            return uda_fail(err, UDA_FORMAT,
                            "'%s' has labels of image '%s', which the data set lacks: use the data set "
                            "that was labelled",
                            source->name, entry[i].name);
        }
        row[item[i].source] = entry[i].k;
    }
    return 0;
}

static int count_labels(struct uda_dataset_item *item, const struct uda_label_source *source,
                        int64_t k, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_labels labels = {0};
    uda_arena_reset(arena, 0);
    UDA_TRY(source->load(&labels, source, k, item->height, item->width, arena, err));
    memset(item->instances, 0, sizeof item->instances);
    item->crowds = 0;
    for (int64_t n = 0; n < labels.count; n++) {
        if (labels.instance[n].crowd) {
            item->crowds++;
        } else {
            item->instances[labels.instance[n].cls]++;
        }
    }
    return 0;
}

int uda_label_source_match(int64_t *row, const struct uda_label_source *source,
                           struct uda_dataset_item *item, int64_t count, struct uda_err *err)
{
    struct uda_arena arena = {0}, scratch = {0};
    struct entry *entry = NULL;
    int rc = sort_source(&entry, source, &arena, err);
    if (rc == 0) {
        rc = match(row, entry, source, item, count, err);
    }
    for (int64_t i = 0; i < count && rc == 0; i++) {
        rc = count_labels(&item[i], source, row[item[i].source], &scratch, err);
    }
    uda_arena_finish(&scratch);
    uda_arena_finish(&arena);
    return rc;
}
