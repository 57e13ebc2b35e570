/*
 * Pasting one object: which pixels, and from where they come. What the mixer is made of.
 *
 * Invariants: all boxes are inclusive and inside the frame they are said to be in; a canvas knows
 * of each pixel which image it shows.
 *
 *     uda_paste_measure(&extent, mask, mask_width, height, width);
 *     if (extent.area_px >= min_area_px) {
 *         uda_paste_one(&canvas, rgb, mask, width_of_both, &extent, by_mask, margin, 1);
 *     }
 */
#ifndef UDA_UDA_PASTE_H
#define UDA_UDA_PASTE_H

#include "src/base/rle.h"
#include "src/data/augment.h"

enum uda_paste_style { UDA_PASTE_ADAPTIVE, UDA_PASTE_INSTANCE, UDA_PASTE_PATCH };

enum uda_paste_blur {
    UDA_PASTE_SHARP,
    UDA_PASTE_BLUR_ALL,     /* every pasted pixel is of the blurred donor */
    UDA_PASTE_BLUR_RELEASED /* all but instance 0; none at all if instance 0 is not pasted */
};

/* The image being composed. */
struct uda_canvas {
    uint8_t *rgb;      /* [height, width, 3] */
    uint16_t *origin;  /* [height, width] image that a pixel shows */
    uint16_t *claimed; /* [height, width] the same, counting pasted masks only; may be origin */
    int64_t height, width;
};

/* The part of a mask inside a frame. Empty: area 0 and box {0, 0, -1, -1}. */
struct uda_extent {
    int64_t area_px;
    struct uda_box box;
};

/* mask u8 [.., mask_width], of which the first height rows and width columns count. */
void uda_paste_measure(struct uda_extent *extent, const uint8_t *mask, int64_t mask_width,
                       int64_t height, int64_t width);

/* By mask, or by box? Adaptive: by mask above instance_area_px. */
bool uda_paste_by_mask(enum uda_paste_style style, int64_t area_px, int64_t instance_area_px);

/* The box with a margin, cut to a frame of height x width. */
struct uda_box uda_paste_grow(struct uda_box box, int64_t margin_px, int64_t height, int64_t width);

/* Copies the pixels of one object from rgb [.., width, 3] with mask [.., width] to the canvas and
 * writes `origin` there: mask pixels, or all of box (already grown). mask pixels are claimed in
 * both cases. extent and box lie in both frames. */
void uda_paste_one(struct uda_canvas *canvas, const uint8_t *rgb, const uint8_t *mask,
                   int64_t width, const struct uda_extent *extent, const struct uda_box *box,
                   uint16_t origin);

/* 5x5 Gaussian blur: kernel [1 4 6 4 1]/16 in both directions, border reflected without repeating
 * the edge, rounded once: OpenCV's GaussianBlur of 8-bit images with sigma 0. out is not rgb.
 * row [5, width, 3] u16 is working memory. */
void uda_paste_blur(uint8_t *out, const uint8_t *rgb, int64_t height, int64_t width, uint16_t *row);

#endif
