/*
 * Pictures of predictions for people, one panel above the other:
 *     what was found        transparent masks in class colours (src/eval/overlay.h)
 *     what is true          the labels, drawn the same way
 *     where the two agree   green right, red false, blue missed, yellow found wrong (src/eval/agreement.h)
 * The last two only where there is a truth to compare with. Label and fuse stages have the first.
 */
#ifndef UDA_STAGE_PICTURE_H
#define UDA_STAGE_PICTURE_H

#include "src/base/detections.h"
#include "src/data/dataset.h"
#include "src/stage/stage.h"

/* How a picture looks. */
struct uda_picture_look {
    double min_score;    /* masks of at least this score are shown and compared */
    bool compare;        /* with the labels of the image */
    uint32_t class_mask; /* bit (1 << enum uda_class): labels that count; 0: all */
    bool enlarge;        /* by uda_picture_scale, so that small images can be seen */
};

/* Times a panel is enlarged so that `width` columns can be seen: 3 below 200, 2 below 400, else
 * 1. */
int64_t uda_picture_scale(int64_t width);

/* big u8 [height scale, width scale, bytes] = small u8 [height, width, bytes], each pixel
 * repeated. */
void uda_picture_enlarge(uint8_t *big, const uint8_t *small, int64_t height, int64_t width,
                         int64_t bytes, int64_t scale);

/* Writes dir/<name>.png; '/' in names becomes '_'. Memory: arena. Errors: UDA_NOMEM, UDA_IO,
 * UDA_SHAPE (found is of another size). */
int uda_picture_write(const char *dir, const struct uda_labelled_image *image,
                      const struct uda_image_detections *found, const struct uda_picture_look *look,
                      struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* Pictures of the first images of a stage's set, RUN/predictions/<stage>/<name>.png. found->image[i]
 * belongs to image i of the data set. */
int uda_pictures_write(const struct uda_stage_context *context, const struct uda_dataset *dataset,
                       const struct uda_detections *found, const struct uda_picture_look *look,
                       struct uda_err *err) UDA_MUST_USE;

#endif
