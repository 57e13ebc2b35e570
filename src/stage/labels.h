/*
 * Label sets in a run: what a label or fuse stage leaves behind, and its use as the labels of a
 * data set.
 *
 *     UDA_TRY(uda_labels_write(context, &set, threshold, UDA_LEN(threshold), err));      // the maker
 *
 *     struct uda_labels_file labels;                                                     // the user
 *     UDA_TRY(uda_labels_open(&labels, context, &plan->stage[stage->labels], err));
 *     UDA_TRY(uda_setup_pseudo_labelled(&dataset, context, 0, mask, &labels.source, err));
 */
#ifndef UDA_STAGE_LABELS_H
#define UDA_STAGE_LABELS_H

#include "src/data/dataset.h"
#include "src/eval/labelset.h"
#include "src/stage/stage.h"

/*
 * Ends a label or fuse stage: the set as labels/<stage>.h5, counts as metrics.jsonl, pictures of the
 * first images, DONE. A set without an instance is said, not refused. dataset: for the pictures.
 */
int uda_labels_write(const struct uda_stage_context *context, const struct uda_detections *set,
                     const struct uda_dataset *dataset,
                     const struct uda_labelset_threshold *threshold, int64_t thresholds,
                     struct uda_err *err) UDA_MUST_USE;

/* A set file as the labels of a data set. source.args points into the struct: do not move it. */
struct uda_labels_file {
    struct uda_detections set;
    struct uda_label_source source;
};

/*
 * Loads what stage `from` (label or fuse) wrote. Memory: the context's arena. Errors: those of
 * uda_labelset_load.
 */
int uda_labels_open(struct uda_labels_file *labels, const struct uda_stage_context *context,
                    const struct uda_plan_stage *from, struct uda_err *err) UDA_MUST_USE;

/*
 * A set as a label source. Borrows set and name; memory: arena. The instances of an image keep
 * their order and get the ids 1, 2, ...; scores are left behind. Errors: UDA_NOMEM.
 */
int uda_labels_source(struct uda_label_source *source, const struct uda_detections *set,
                      const char *name, struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

#endif
