/*
 * The result of an evaluation, and how it is shown: a text table and JSON.
 *
 * Invariants: a figure is in 0..1, or NaN where it is undefined (a class without ground truth); NaN
 * is "-" in tables and null in JSON. Memory belongs to the arena that the evaluator was given.
 *
 *     struct uda_ap ap;
 *     UDA_TRY(uda_evaluation_finish(&ap, evaluation, &arena, err));
 *     struct uda_str text;
 *     uda_str_init(&text, &arena);
 *     uda_ap_table(&text, &ap);
 *     UDA_TRY(uda_str_status(&text, err));
 *     UDA_TRY(uda_ap_write("ap.json", &ap, err));
 */
#ifndef UDA_EVAL_AP_H
#define UDA_EVAL_AP_H

#include "src/base/str.h"

#define UDA_AP_THRESHOLDS 10 /* overlaps .5, .55, ... .95 */

struct uda_ap_class {
    const char *name;
    double ap, ap50;
    double at[UDA_AP_THRESHOLDS];              /* average precision at each overlap */
    double ap75, ap_small, ap_medium, ap_large; /* COCO only */
    int64_t truths, guesses; /* counted objects (COCO: not crowd); predictions with pixels */
};

struct uda_ap {
    const char *protocol; /* "cityscapes", "kitti360", "coco" */
    bool has_sizes;       /* ap75 and the size ranges hold figures */
    double ap, ap50, ap75, ap_small, ap_medium, ap_large;
    struct uda_ap_class *cls; /* [classes] in the protocol's order */
    int64_t classes;
    int64_t images;
};

/* Mean of the values that are not NaN; NaN if there is none. */
double uda_ap_mean(const double *value, int64_t count);

/* Appends an aligned table: class, AP, AP50 in percent, a bar of AP. Lines end in '\n'. */
void uda_ap_table(struct uda_str *text, const struct uda_ap *ap);

/*
 * Appends {"AP":x,"AP50":x,"classes":{"car":{"AP":x,"AP50":x},...}}; COCO adds AP75, APs, APm, APl.
 * 17 significant digits, so that the doubles come back.
 */
void uda_ap_json(struct uda_str *text, const struct uda_ap *ap);

/* uda_ap_json and a newline into a file, replaced atomically. Errors: NOMEM, IO. */
int uda_ap_write(const char *path, const struct uda_ap *ap, struct uda_err *err) UDA_MUST_USE;

#endif
