/*
 * Detections drawn on their image: transparent masks in class colours with solid outlines.
 *
 *     UDA_TRY(uda_overlay_draw(&image, &set.image[i], 0.5, err));
 */
#ifndef UDA_EVAL_OVERLAY_H
#define UDA_EVAL_OVERLAY_H

#include "src/base/detections.h"

/*
 * Draws detections with score >= least on image, in place; the surest is drawn last. Instances of a
 * class differ in lightness. Errors: SHAPE (sizes differ), NOMEM.
 */
int uda_overlay_draw(struct uda_image *image, const struct uda_image_detections *found,
                     double least, struct uda_err *err) UDA_MUST_USE;

/*
 * Places 0 .. found->count - 1 by falling score, ties in input order, into order [count]. Pure.
 */
void uda_detections_by_score(int64_t *order, const struct uda_image_detections *found);

#endif
