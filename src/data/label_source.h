/*
 * Which labels of a source belong to which image of a data set, and how many there are. For
 * src/data/dataset.c only.
 */
#ifndef UDA_DATA_LABEL_SOURCE_H
#define UDA_DATA_LABEL_SOURCE_H

#include "src/data/dataset.h"

/*
 * row [item[i].source] = k with source->image[k] = item[i].name, and item[i]'s counts of instances
 * are those of its labels. item [count] is in ascending name. Errors: UDA_NOMEM; UDA_FORMAT when
 * one side has an image that the other lacks, or the source has one twice; those of source->load.
 */
int uda_label_source_match(int64_t *row, const struct uda_label_source *source,
                           struct uda_dataset_item *item, int64_t count,
                           struct uda_err *err) UDA_MUST_USE;

#endif
