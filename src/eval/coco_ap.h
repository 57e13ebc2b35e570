/*
 * COCO's average precision of masks: greedy matching by score, 101-point interpolation.
 *
 * Follows pycocotools' cocoeval.py (COCOeval, iouType segm, 100 detections for each image and
 * class), with its orders of ties and its roundings.
 *
 * Two steps as in region.h: uda_coco_measure matches the objects of an image (pure), uda_coco_ap
 * reduces the images, which must be in ascending id. Classes are indices 0 .. classes - 1,
 * ascending category id.
 */
#ifndef UDA_EVAL_COCO_AP_H
#define UDA_EVAL_COCO_AP_H

#include "src/base/detections.h"
#include "src/eval/ap.h"

#define UDA_COCO_RANGES 4 /* all, small, medium, large */

struct uda_coco_truth {
    int64_t cls;
    double area;   /* the annotation's field, not the mask's pixels */
    bool crowd;
    bool nameless; /* its id is 0, which the reference takes for "no match" */
    struct uda_rle mask;
};

struct uda_coco_guess {
    int64_t cls;
    double score; /* not NaN */
    double area;  /* the mask's pixels; the box's area where a results file has boxes */
    struct uda_rle mask;
};

/* One matched prediction: bit t of a word = at overlap t. */
struct uda_coco_found {
    double score;
    int32_t cls;
    uint16_t matched[UDA_COCO_RANGES], ignored[UDA_COCO_RANGES];
};

/* Objects of one class in an image that count in each range. */
struct uda_coco_objects {
    int32_t cls;
    int32_t counted[UDA_COCO_RANGES];
    int32_t all; /* not crowd */
};

/* All that is kept of an image; both lists ascend in class, predictions descend in score. */
struct uda_coco_image {
    struct uda_coco_found *found; /* [founds] */
    int64_t founds;
    struct uda_coco_objects *objects; /* [classes] */
    int64_t classes;
};

/* Matches guess [guesses] with truth [truths], both in file order. Errors: NOMEM, SHAPE (mask
 * sizes). */
int uda_coco_measure(struct uda_coco_image *image, struct uda_arena *arena,
                     const struct uda_coco_truth *truth, int64_t truths,
                     const struct uda_coco_guess *guess, int64_t guesses, const char *name,
                     struct uda_err *err) UDA_MUST_USE;

/* The figures; cls_name [classes] is borrowed by the result. Errors: NOMEM. */
int uda_coco_ap(struct uda_ap *ap, struct uda_arena *arena, const char *const *cls_name,
                int64_t classes, const struct uda_coco_image *const *image, int64_t images,
                struct uda_err *err) UDA_MUST_USE;

/*
 * An instances file against a results file, or against detections (set not NULL; results_path is
 * then only a name) whose images are called like file_name without folder and suffix. Category and
 * image ids are the files'. Errors: IO; FORMAT naming file and entry; NOMEM.
 */
int uda_coco_ap_files(struct uda_ap *ap, struct uda_arena *arena, const char *instances_path,
                      const char *results_path, const struct uda_detections *set,
                      struct uda_err *err) UDA_MUST_USE;

#endif
