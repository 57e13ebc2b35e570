/*
 * Pictures of mixing for people: what went in, what came out, and what was pasted.
 *
 * One page of four panels, 4 px apart:
 *     the source crop with its labels     | the target crop with its pseudo-labels
 *     the mixed image, pastes outlined    | the mixed image with its labels
 *
 * Colours: labels are transparent masks in class colours (src/base/classes.h: the Cityscapes
 * palette, lighter for every further instance of a class). What was pasted has an outline inside
 * its last pixels: UDA_PICTURE_DONOR for the other image of the pair, UDA_PICTURE_POOL for images of
 * the rare-class pool; two pastes that touch are told apart if they are of different images. Pages
 * are grey where a panel is smaller than the largest. Small crops are enlarged (uda_picture_scale).
 *
 * Invariants: nothing that is given is changed; the same samples give the same bytes.
 *
 *     UDA_TRY(uda_picture_mixed(path, &mixed, &source, &target, &map, &scratch, err));
 */
#ifndef UDA_STAGE_PICTURE_MIXED_H
#define UDA_STAGE_PICTURE_MIXED_H

#include "src/uda/mixer.h"

#define UDA_PICTURE_DONOR {255, 220, 0} /* yellow */
#define UDA_PICTURE_POOL {255, 0, 255}  /* magenta */
#define UDA_PICTURE_PAPER 48            /* grey, of all three channels */
#define UDA_PICTURE_GAP 4               /* px between panels */

/*
 * Writes the page as a PNG. mixed is of source and target in either direction; source after colour
 * transfer, target with its pseudo-instances as labels; sizes may differ. map: what the samples'
 * classes are. scratch is left as found. Errors: UDA_NOMEM; UDA_SHAPE (a class that is not in map);
 * UDA_IO.
 */
int uda_picture_mixed(const char *path, const struct uda_mixed *mixed,
                      const struct uda_sample *source, const struct uda_sample *target,
                      const struct uda_class_map *map, struct uda_arena *scratch,
                      struct uda_err *err) UDA_MUST_USE;

#endif
