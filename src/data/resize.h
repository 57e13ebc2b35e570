/*
 * Pillow's resampling of 8-bit RGB images and masks, bit for bit.
 *
 * BILINEAR is a triangle filter that widens when shrinking (antialiasing), as two passes with
 * 22-bit fixed-point weights: horizontal, rounded to 8 bits, then vertical (Pillow
 * src/libImaging/Resample.c). Pillow 13 starts with the vertical pass where the height shrinks
 * clearly more than the width, which keeping the proportions never does; here the horizontal pass
 * is always first, as in all versions before. NEAREST takes the pixel under the centre of the
 * output pixel (src/libImaging/Geometry.c). Only a window of the output is computed; its bytes
 * equal those of the whole.
 *
 *     struct uda_resize r = {.height = 512, .width = 1024, .window = {0, 0, 512, 1024}};
 *     UDA_TRY(uda_resize_image(rgb, &image, &r, &scratch, err));
 */
#ifndef UDA_DATA_RESIZE_H
#define UDA_DATA_RESIZE_H

#include "src/base/arena.h"
#include "src/base/err.h"
#include "src/base/image.h"

#define UDA_RESIZE_EDGE_MAX_PX 32768

struct uda_window {
    int64_t y0, x0, height, width;
};

struct uda_resize {
    int64_t height, width;    /* of the whole output */
    struct uda_window window; /* the part wanted, inside it */
};

/* out [window.height, window.width, 3] of the image resized to height x width. UDA_SHAPE: an edge
 * outside 1..UDA_RESIZE_EDGE_MAX_PX or a window outside the output; UDA_NOMEM. scratch is left as
 * found. */
int uda_resize_image(uint8_t *out, const struct uda_image *image, const struct uda_resize *resize,
                        struct uda_arena *scratch, struct uda_err *err) UDA_MUST_USE;

/* source[i] = the input index that output position first+i takes, for an edge of `in` resized to
 * `out`; ascending, in 0..in-1. */
void uda_resize_nearest(int32_t *source, int64_t in, int64_t out, int64_t first, int64_t count);

/* detectron2's ResizeShortestEdge: the size with the shorter edge = edge_px and the longer at most
 * edge_max_px (0 = no bound), rounded half up. */
void uda_resize_shortest_edge(int64_t *out_height, int64_t *out_width, int64_t height, int64_t width,
                              int64_t edge_px, int64_t edge_max_px);

#endif
