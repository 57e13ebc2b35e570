/*
 * Pictures of predictions for people: predictions above, truth below.
 */
#ifndef UDA_STAGE_PICTURE_H
#define UDA_STAGE_PICTURE_H

#include "src/base/detections.h"
#include "src/data/dataset.h"
#include "src/stage/stage.h"

/* Writes dir/<name>.png: masks of at least min_score on the image, and below them the labels if
 * there are any. '/' in names becomes '_'. Draws into image->image.rgb. Errors: UDA_NOMEM,
 * UDA_IO. */
int uda_picture_write(const char *dir, struct uda_labelled_image *image,
                      const struct uda_image_detections *found, double min_score,
                      struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* Pictures of the first images of a stage's set, RUN/predictions/<stage>/<name>.png. found->image[i]
 * belongs to image i of the data set. */
int uda_pictures_write(const struct uda_stage_context *context, const struct uda_dataset *dataset,
                       const struct uda_detections *found, double min_score,
                       struct uda_err *err) UDA_MUST_USE;

#endif
