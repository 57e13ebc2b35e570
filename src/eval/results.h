/*
 * A results folder in the form of the Cityscapes and KITTI-360 scripts: for each image a text file
 * with lines "relative/mask.png label score", anywhere below a root.
 *
 * Invariants: names are sorted by bytes; a mask's path never leaves the root, whatever the file
 * says.
 *
 *     struct uda_results results;
 *     UDA_TRY(uda_results_open(&results, &arena, "results", err));
 *     UDA_TRY(uda_results_find(&path, &results, "frankfurt_000000_000294", "...gt.png", err));
 *     UDA_TRY(uda_results_read(&line, &lines, &arena, &results, path, err));
 *     UDA_TRY(uda_results_mask(&rle, &arena, line[0].path, line[0].where, err));
 */
#ifndef UDA_EVAL_RESULTS_H
#define UDA_EVAL_RESULTS_H

#include "src/base/rle.h"

struct uda_results_file {
    const char *name; /* the part of path behind the last '/' */
    const char *path; /* relative to the root */
};

struct uda_results {
    const char *root;
    struct uda_results_file *file; /* [files] the .txt files, sorted by name, then path */
    int64_t files;
};

struct uda_results_line {
    const char *path;  /* of the mask, root included */
    const char *where; /* "results/a_pred.txt:3", for messages */
    int64_t label;     /* label id; may be negative or unknown: the protocol judges */
    double score;      /* not NaN */
};

/* Lists the folder. Errors: IO, NOMEM. */
int uda_results_open(struct uda_results *results, struct uda_arena *arena, const char *root,
                     struct uda_err *err) UDA_MUST_USE;

/* The one file named prefix*.txt, root included, in arena. truth names the image in messages.
 * Errors: FORMAT (none, or two), NOMEM. */
int uda_results_find(const char **path, struct uda_arena *arena, const struct uda_results *results,
                     const char *prefix, const char *truth, struct uda_err *err) UDA_MUST_USE;

/*
 * Its lines; where a mask appears twice the later line counts. Exactly three fields, one space
 * between them, as the scripts demand. Errors: IO, FORMAT with file and line, NOMEM.
 */
int uda_results_read(struct uda_results_line **line, int64_t *lines, struct uda_arena *arena,
                     const struct uda_results *results, const char *path,
                     struct uda_err *err) UDA_MUST_USE;

/*
 * A mask file: what Pillow's convert("L") leaves above zero. height and width: of the ground truth.
 * scratch holds the decoded image. Errors: IO, FORMAT (not a PNG, another size), NOMEM.
 */
int uda_results_mask(struct uda_rle *mask, struct uda_arena *arena, struct uda_arena *scratch,
                     const struct uda_results_line *line, int64_t height, int64_t width,
                     struct uda_err *err) UDA_MUST_USE;

#endif
