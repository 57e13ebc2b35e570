/*
 * What a model found: for each image a list of scored masks. The form in which predictions and
 * pseudo-labels travel from a model to evaluators, files and the fusion of labels.
 *
 * Invariants: images keep the order in which they were added; items of an image too. Every mask has
 * its image's size and at least one pixel; area and box are those of the mask. Scores are finite
 * and double, never rounded. All memory belongs to the arena given to init, which must outlive the
 * set.
 *
 *     struct uda_detections set;
 *     uda_detections_init(&set, &arena);
 *     UDA_TRY(uda_detections_producer(&set, &producer, "final/weights.h5", err));
 *     UDA_TRY(uda_detections_image(&set, "frankfurt_000000_000294", 1024, 2048, err));
 *     UDA_TRY(uda_detections_add(&set, UDA_CAR, score, &rle, producer, err));  // last image
 *     for (int64_t i = 0; i < set.count; i++) { ... set.image[i].item[k].mask ... }
 */
#ifndef UDA_BASE_DETECTIONS_H
#define UDA_BASE_DETECTIONS_H

#include "src/base/image.h"
#include "src/base/rle.h"

struct uda_detection {
    enum uda_class cls;
    double score; /* higher is surer; finite */
    struct uda_rle mask;
    int64_t area_px;
    struct uda_box box; /* tight, inclusive */
    int64_t producer;   /* index into the set's producers */
};

struct uda_image_detections {
    const char *name; /* the image's key in its data set, as in uda_dataset's items */
    int64_t height, width;
    struct uda_detection *item; /* [count] */
    int64_t count, room;
};

struct uda_detections {
    struct uda_arena *arena;
    struct uda_image_detections *image; /* [count] */
    int64_t count, room;
    const char **producer; /* [producers] which model or file an item came from */
    int64_t producers, producer_room;
};

/* An empty set over the arena. */
void uda_detections_init(struct uda_detections *set, struct uda_arena *arena);

/* Index of a producer name; added when new. Errors: NOMEM. */
int uda_detections_producer(struct uda_detections *set, int64_t *index, const char *name,
                            struct uda_err *err) UDA_MUST_USE;

/* Starts the next image; later uda_detections_add calls go to it. The name is copied.
 * Errors: NOMEM, SHAPE (size). */
int uda_detections_image(struct uda_detections *set, const char *name, int64_t height,
                         int64_t width, struct uda_err *err) UDA_MUST_USE;

/* Adds a mask to the last image. The counts are copied into the set's arena. An empty mask is left
 * out without an error. Errors: NOMEM, SHAPE (size of the mask), NONFINITE (score). */
int uda_detections_add(struct uda_detections *set, enum uda_class cls, double score,
                       const struct uda_rle *mask, int64_t producer, struct uda_err *err)
    UDA_MUST_USE;

/* The same with a mask u8 [height, width] row-major of the image's size. Errors: NOMEM,
 * NONFINITE. */
int uda_detections_add_mask(struct uda_detections *set, enum uda_class cls, double score,
                            const uint8_t *mask, int64_t producer, struct uda_err *err)
    UDA_MUST_USE;

/* The image of that name; NULL if there is none. Borrowed. */
const struct uda_image_detections *uda_detections_find(const struct uda_detections *set,
                                                       const char *name);

#endif
