/*
 * The camera and shapes in space.
 *
 * A pinhole camera `eye_m` above flat ground looks along z. Camera space: x right, y up from the
 * ground, z ahead, in metres; x_px = centre + focal x / z, y_px = horizon - focal (y - eye) / z. An
 * object has a frame: a place on the ground and a heading; its own coordinates are u ahead, v to
 * its right, h up.
 *
 * Invariants: what lies nearer than UDA_NEAR_M is cut off; shapes are drawn in the order of the
 * calls.
 *
 *     struct uda_frame frame = uda_frame_at(1.5f, 12.0f, 0.25f);   // looks to the right
 *     uda_prism_draw(view, &frame, &body, colour);
 *     uda_draw_side(view, &frame, &body, +1, -1.0f, 0.9f, 0.5f, 1.4f, glass);
 */
#ifndef UDA_SCENES_SPACE_H
#define UDA_SCENES_SPACE_H

#include "src/scenes/canvas.h"

#define UDA_NEAR_M 0.4f

struct uda_vec {
    float x, y, z;
};

struct uda_view {
    struct uda_canvas *canvas;
    float focal, centre, horizon; /* px */
    float eye;                    /* m */
    struct uda_vec sun;           /* unit vector towards the sun */
    float ambient, diffuse;       /* brightness of a face: ambient + diffuse max(0, n . sun) */
    float haze_per_m;
};

struct uda_frame {
    float x, z; /* on the ground */
    float ahead_x, ahead_z;
};

/* A profile in (u, h), convex, extruded over v = -w..w, where w goes linearly from low (lowest h)
 * to high (highest h). */
struct uda_prism {
    int64_t n;
    float u[8], h[8];
    float w_low, w_high;
};

/* heading in turns: 0 looks away from the camera, 0.25 to the right, 0.5 towards it. */
struct uda_frame uda_frame_at(float x, float z, float heading);
struct uda_vec uda_frame_point(const struct uda_frame *frame, float u, float v, float h);

/* Sets the canvas's haze share for things at this distance. */
void uda_view_haze(const struct uda_view *view, float z);
/* Pixels of one metre at depth z. */
float uda_view_scale(const struct uda_view *view, float z);
/* Depth of the ground at image row y below the horizon. */
float uda_view_depth(const struct uda_view *view, float y_px);
struct uda_point uda_view_project(const struct uda_view *view, struct uda_vec p);

/* A convex polygon in space, n <= 64. */
void uda_draw_polygon(const struct uda_view *view, const struct uda_vec *p, int64_t n,
                      const struct uda_paint *paint);
/* A quad on the ground given by its corners in a frame: u0..u1, v0..v1, at height h. */
void uda_draw_ground(const struct uda_view *view, const struct uda_frame *frame, float u0, float v0,
                     float u1, float v1, float h, const struct uda_paint *paint);
/* A tube between two points with radii in metres (never thinner than about a pixel), shaded
 * across. */
void uda_draw_limb(const struct uda_view *view, struct uda_vec a, float ra, struct uda_vec b,
                   float rb, struct uda_rgb rgb);
/* A ball, seen as an ellipse: rx, ry in metres; lit from above. */
void uda_draw_ball(const struct uda_view *view, struct uda_vec centre, float rx, float ry,
                   struct uda_rgb rgb);
/* A disc in the plane v = const of a frame. */
void uda_draw_disc(const struct uda_view *view, const struct uda_frame *frame, float u, float v,
                   float h, float radius, const struct uda_paint *paint);

/* Faces 0..n-1 are the strips from profile point k to k+1, n is the right side (v > 0), n+1 the
 * left. */
bool uda_prism_visible(const struct uda_view *view, const struct uda_frame *frame,
                       const struct uda_prism *prism, int64_t face);
/* Every visible face in the colour, shaded by its direction. */
void uda_prism_draw(const struct uda_view *view, const struct uda_frame *frame,
                    const struct uda_prism *prism, struct uda_rgb rgb);
/* A patch on strip `face`: s across from left to right, t along from point k to k+1, both 0..1.
 * Drawn if visible. */
void uda_draw_patch(const struct uda_view *view, const struct uda_frame *frame,
                    const struct uda_prism *prism, int64_t face, float s0, float t0, float s1,
                    float t1, struct uda_rgb rgb);
/* A quad (ua..ub at height h0, uc..ud at height h1) on a side (side +1 right, -1 left). Drawn if
 * visible. */
void uda_draw_side(const struct uda_view *view, const struct uda_frame *frame,
                   const struct uda_prism *prism, int side, const float corner[6],
                   struct uda_rgb rgb);
/* The same for an upright rectangle u0..u1, h0..h1. */
void uda_draw_side_box(const struct uda_view *view, const struct uda_frame *frame,
                       const struct uda_prism *prism, int side, float u0, float h0, float u1,
                       float h1, struct uda_rgb rgb);

#endif
