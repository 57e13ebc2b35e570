/*
 * The rasteriser of the scenes: convex shapes into a colour buffer and an id map.
 *
 * Colour is anti-aliased (four sub-rows, exact in x to 1/256 px); the id map takes the id wherever
 * the centre of the pixel lies inside, so that ids never mix. Vertices are rounded to 1/256 px and
 * edges are walked with integer arithmetic: the same shapes give the same bytes on every machine.
 *
 * Invariants: later shapes cover earlier ones. A canvas without a colour buffer draws ids only.
 *
 *     struct uda_canvas canvas;
 *     UDA_TRY(uda_canvas_init(&canvas, &arena, 96, 192, true, err));
 *     canvas.id = 7;
 *     struct uda_paint paint = uda_paint_flat((struct uda_rgb){90, 90, 95});
 *     uda_canvas_convex(&canvas, corner, 4, &paint);
 */
#ifndef UDA_SCENES_CANVAS_H
#define UDA_SCENES_CANVAS_H

#include "src/base/arena.h"
#include "src/base/err.h"

/* Colour, 0..255 in each channel. */
struct uda_rgb {
    float r, g, b;
};

/* Position in pixels, x right, y down; (0, 0) is the corner of the first pixel, (0.5, 0.5) its
 * centre. */
struct uda_point {
    float x, y;
};

/* A colour, or a linear gradient: t = (p - from) . (dx, dy), clamped to 0..1, mixes rgb and end. */
struct uda_paint {
    struct uda_rgb rgb, end;
    struct uda_point from;
    float dx, dy;
    float alpha; /* 0..1 */
    bool silent; /* colour only: the id map stays */
};

struct uda_canvas {
    int64_t height, width;
    float *rgb;          /* [height, width, 3], 0..255; NULL: ids only */
    uint16_t *map;       /* [height, width] */
    uint16_t id;         /* what shapes write into the map */
    int64_t fresh_px;    /* pixels that changed to `id`; the caller sets it to 0 */
    struct uda_rgb haze; /* colours are mixed with this one ... */
    float haze_share;    /* ... by this share, 0..1 */
    int32_t *low, *high; /* [4 * height] spans of the shape that is being drawn, 1/256 px */
};

/* A canvas of zeros over the arena. Errors: UDA_NOMEM. */
int uda_canvas_init(struct uda_canvas *canvas, struct uda_arena *arena, int64_t height,
                    int64_t width, bool coloured, struct uda_err *err) UDA_MUST_USE;

/* rgb times factor. */
struct uda_rgb uda_rgb_scale(struct uda_rgb rgb, float factor);
/* (1 - t) a + t b */
struct uda_rgb uda_rgb_mix(struct uda_rgb a, struct uda_rgb b, float t);

/* One colour everywhere. */
struct uda_paint uda_paint_flat(struct uda_rgb rgb);
/* From rgb at point a to end at point b. */
struct uda_paint uda_paint_gradient(struct uda_rgb rgb, struct uda_rgb end, struct uda_point a,
                                    struct uda_point b);

/* Fills a convex polygon of n points in either orientation; outside parts are cut. n >= 3. */
void uda_canvas_convex(struct uda_canvas *canvas, const struct uda_point *point, int64_t n,
                       const struct uda_paint *paint);
/* Fills an ellipse with half axes rx, ry. */
void uda_canvas_ellipse(struct uda_canvas *canvas, struct uda_point centre, float rx, float ry,
                        const struct uda_paint *paint);
/* Fills the convex hull of two discs: a limb, a pole, a tube. Radii in pixels. */
void uda_canvas_limb(struct uda_canvas *canvas, struct uda_point a, float ra, struct uda_point b,
                     float rb, const struct uda_paint *paint);

#endif
