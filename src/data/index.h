/*
 * The index of chosen images of a split: sizes and counts of instances, scanned once and kept in a
 * file.
 *
 * Invariants: the index depends on the files alone. The cache file is used only if format, names
 * and sizes in bytes of all files (for COCO the contents of the JSON) are those it was made from;
 * otherwise, or when it is damaged, it is made again and says so. For src/data/dataset.c only.
 *
 *     UDA_TRY(uda_index_make(&items, reader, &list, source, count, &options, &arena, err));
 */
#ifndef UDA_DATA_INDEX_H
#define UDA_DATA_INDEX_H

#include "src/data/dataset.h"
#include "src/data/reader.h"

struct uda_index_options {
    bool unlabelled;
    const char *cache_path; /* or NULL */
    int threads;            /* 0 = one per core */
};

/* items [count] for the images source [count] of the list, in that order, of the arena. Errors:
 * UDA_IO, UDA_FORMAT of the first bad file in name order, UDA_NOMEM. */
int uda_index_make(struct uda_dataset_item **items, const struct uda_reader *reader,
                   const struct uda_reader_list *list, const int64_t *source, int64_t count,
                   const struct uda_index_options *options, struct uda_arena *arena,
                   struct uda_err *err) UDA_MUST_USE;

#endif
