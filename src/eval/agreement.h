/*
 * Error maps: where what was found and what is true agree, pixel by pixel.
 *
 * Detections with score >= least are matched to the truth by falling score: each takes the free true
 * instance of its class with the largest IoU, if that is at least 0.5. Then a pixel is
 *     green   right: in a matched detection and in the instance that it matches
 *     red     found, and nothing is there: in a detection, but in no instance that waits for it
 *     blue    missed: in an instance, but not in the detection that matches it
 *     yellow  red and blue at once: something is there, and it was found wrong (class, shape, twice)
 * Green goes before all others. Pixels to ignore (crowds, void) have no colour unless green.
 *
 *     UDA_TRY(uda_agreement_find(kind, &found.image[i], &truth.image[0], NULL, 0.5, err));
 *     uda_agreement_draw(&image, kind);
 */
#ifndef UDA_EVAL_AGREEMENT_H
#define UDA_EVAL_AGREEMENT_H

#include "src/base/detections.h"

enum uda_agreement {
    UDA_AGREE_NONE, /* background: truth and detections say nothing */
    UDA_AGREE_RIGHT,
    UDA_AGREE_FALSE,
    UDA_AGREE_MISSED,
    UDA_AGREE_MIXED_UP,
    UDA_AGREEMENTS
};

/* Colours in that order; the first is not used. */
extern const uint8_t uda_agreement_colors[UDA_AGREEMENTS][3];

/*
 * kind u8 [height, width] gets an enum uda_agreement for each pixel; every pixel is written.
 * ignored u8 [height, width] or NULL: non-zero where nothing is right or wrong. Scores of truth are
 * not looked at. Errors: SHAPE (sizes differ), NOMEM.
 */
int uda_agreement_find(uint8_t *kind, const struct uda_image_detections *found,
                       const struct uda_image_detections *truth, const uint8_t *ignored,
                       double least, struct uda_err *err) UDA_MUST_USE;

/* The image in dark grey, half covered with the colours of kind u8 [height, width]. In place. */
void uda_agreement_draw(struct uda_image *image, const uint8_t *kind);

#endif
