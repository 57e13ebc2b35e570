/*
 * Masks as run lengths, the way COCO writes them: column by column, runs of 0 and 1 in turn, the
 * first run of 0 (possibly empty).
 *
 * Follows pycocotools' common/maskApi.c: counts, compressed strings and polygon masks are equal,
 * count by count and byte by byte.
 *
 * Invariants: every mask that a function here returns has height, width >= 1, height * width <=
 * 2^31 - 1, and counts that sum to height * width; so decode, area, box and intersection cannot
 * fail. Memory belongs to the arena that the producer was given. All functions are pure.
 *
 *     struct uda_rle rle;
 *     UDA_TRY(uda_rle_encode(&rle, &arena, mask, height, width, err));
 *     int64_t area = uda_rle_area(&rle);
 *     double iou = uda_rle_iou(&rle, &other, false);
 *     UDA_TRY(uda_rle_to_text(&text, &arena, &rle, err));      // "counts" of a COCO file
 */
#ifndef UDA_BASE_RLE_H
#define UDA_BASE_RLE_H

#include "src/base/arena.h"
#include "src/base/err.h"

struct uda_rle {
    int64_t height, width;
    uint32_t *counts; /* [count] pixels of 0, 1, 0, 1, ... in column-major order */
    int64_t count;
};

/* Inclusive pixel box; an empty one is {0, 0, -1, -1}. */
struct uda_box {
    int64_t x0, y0, x1, y1;
};

/* 0 if a mask of this size can be written as runs (both >= 1, product <= 2^31 - 1), else
 * UDA_SHAPE. */
int uda_rle_check_size(int64_t height, int64_t width, struct uda_err *err) UDA_MUST_USE;

/* mask u8 [height, width] row-major, non-zero = object. Errors: NOMEM, SHAPE. */
int uda_rle_encode(struct uda_rle *rle, struct uda_arena *arena, const uint8_t *mask,
                   int64_t height, int64_t width, struct uda_err *err) UDA_MUST_USE;

/* A mask cut to `box`: mask u8 [y1-y0+1, x1-x0+1]; the rest of the image is 0. An empty box gives
 * an empty mask. Errors: NOMEM, SHAPE (box not inside the image). */
int uda_rle_encode_box(struct uda_rle *rle, struct uda_arena *arena, const uint8_t *mask,
                       struct uda_box box, int64_t height, int64_t width, struct uda_err *err)
    UDA_MUST_USE;

/* mask u8 [height, width] row-major, 0 or 1; every pixel is written. */
void uda_rle_decode(uint8_t *mask, const struct uda_rle *rle);

/* The part of the mask inside `box` (which must lie in the image): mask u8 [y1-y0+1, x1-x0+1]. */
void uda_rle_decode_box(uint8_t *mask, struct uda_box box, const struct uda_rle *rle);

/* Pixels set. */
int64_t uda_rle_area(const struct uda_rle *rle);

/* The tight box (pycocotools' toBbox is {x0, y0, x1-x0+1, y1-y0+1}). */
struct uda_box uda_rle_box(const struct uda_rle *rle);

/* Pixels set in both, without decoding. The sizes must be equal (a bug otherwise). */
int64_t uda_rle_intersection(const struct uda_rle *a, const struct uda_rle *b);

/* intersection / union, or intersection / area of `a` if `crowd` (b is a crowd region); 0 if the
 * intersection is empty. The sizes must be equal. */
double uda_rle_iou(const struct uda_rle *a, const struct uda_rle *b, bool crowd);

/* Pixels set in any of part [parts], parts >= 1. Errors: NOMEM, SHAPE (sizes differ). */
int uda_rle_union(struct uda_rle *rle, struct uda_arena *arena, const struct uda_rle *part,
                  int64_t parts, struct uda_err *err) UDA_MUST_USE;

/* Takes counts [count] from a file. Errors: NOMEM, FORMAT (negative, not summing to the size). */
int uda_rle_from_counts(struct uda_rle *rle, struct uda_arena *arena, const int64_t *counts,
                        int64_t count, int64_t height, int64_t width, struct uda_err *err)
    UDA_MUST_USE;

/* Decompresses COCO's string: 5 bits a character, little groups first, differences to the count two
 * before from the fourth on. Errors: NOMEM, FORMAT (bad character, cut short, wrong sum). */
int uda_rle_from_text(struct uda_rle *rle, struct uda_arena *arena, const char *text,
                      int64_t height, int64_t width, struct uda_err *err) UDA_MUST_USE;

/* The inverse, NUL-terminated, in the arena. Errors: NOMEM. */
int uda_rle_to_text(char **text, struct uda_arena *arena, const struct uda_rle *rle,
                    struct uda_err *err) UDA_MUST_USE;

/* One polygon xy [points, 2] (x, y in pixels, closed by itself, points >= 3) on the pixel grid by
 * rleFrPoly's rule: edges are walked on a grid five times finer, a pixel column is entered or left
 * where its centre line is crossed. An object of several polygons is their uda_rle_union.
 * Errors: NOMEM, FORMAT (fewer than 3 points, a coordinate that is not a number or beyond 1e8, an
 * outline longer than 2^27 fifths of a pixel). */
int uda_rle_from_polygon(struct uda_rle *rle, struct uda_arena *arena, const double *xy,
                         int64_t points, int64_t height, int64_t width, struct uda_err *err)
    UDA_MUST_USE;

#endif
