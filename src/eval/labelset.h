/*
 * A detection set as an HDF5 file: pseudo-labels and predictions that any HDF5 reader opens.
 *
 * Layout (one row each; n images, m instances, ascending image):
 *     /                      kind "label set", version 1, classes "person,rider,..."
 *     classes/name, label_id, train_id           [8]
 *     producers/name                             which model or file an instance came from
 *     images/name text, height i64, width i64    [n]
 *     instances/image_index i64, class i32, score f64, producer i32, area i64   [m]
 *     instances/box i64                          [m, 4] x0, y0, x1, y1, inclusive pixels
 *     instances/rle_offset i64                   [m + 1] into rle/counts
 *     rle/counts u32                             COCO's runs: column-major, 0 and 1 in turn
 *     thresholds                                 one f64 attribute each
 *     provenance                                 what merely happened
 *
 * Invariants: saving what was loaded gives the same bytes outside provenance. A loaded set obeys
 * detections.h: masks, areas and boxes are checked against each other.
 *
 *     UDA_TRY(uda_labelset_save("P.h5", &set, &(struct uda_labelset_facts){0}, err));
 *     UDA_TRY(uda_labelset_load(&set, &arena, "P.h5", err));
 */
#ifndef UDA_EVAL_LABELSET_H
#define UDA_EVAL_LABELSET_H

#include "src/base/detections.h"

struct uda_labelset_threshold {
    const char *name; /* "score", "mask", ... */
    double value;
};

/* What a label set tells of its making; all may be empty. */
struct uda_labelset_facts {
    const struct uda_labelset_threshold *threshold; /* [thresholds] */
    int64_t thresholds;
    const char *program_version; /* NULL: no provenance is written */
    int argc;
    char *const *argv;
};

/* Errors: NOMEM, IO, SHAPE (more instances than the format counts). */
int uda_labelset_save(const char *path, const struct uda_detections *set,
                      const struct uda_labelset_facts *facts, struct uda_err *err) UDA_MUST_USE;

/* set is filled anew over the arena. Errors: NOMEM, IO, VERSION, FORMAT naming file and row. */
int uda_labelset_load(struct uda_detections *set, struct uda_arena *arena, const char *path,
                      struct uda_err *err) UDA_MUST_USE;

/* The same as bytes in memory of the arena, for another process that waits for them. Errors: NOMEM,
 * SHAPE. */
int uda_labelset_pack(unsigned char **data, size_t *bytes, struct uda_arena *arena,
                      const struct uda_detections *set, struct uda_err *err) UDA_MUST_USE;
/* Adds the images of such bytes to the set; name: for messages. Errors: NOMEM, FORMAT. */
int uda_labelset_unpack(struct uda_detections *set, const unsigned char *data, size_t bytes,
                        const char *name, struct uda_err *err) UDA_MUST_USE;

#endif
