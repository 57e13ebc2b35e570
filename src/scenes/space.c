#include "src/scenes/space.h"

#include "src/scenes/maths.h"

#define MAX_CORNERS 64

struct uda_frame uda_frame_at(float x, float z, float heading)
{
    return (struct uda_frame){x, z, uda_sin_turn(heading), uda_cos_turn(heading)};
}

struct uda_vec uda_frame_point(const struct uda_frame *frame, float u, float v, float h)
{
    return (struct uda_vec){frame->x + u * frame->ahead_x + v * frame->ahead_z, h,
                            frame->z + u * frame->ahead_z - v * frame->ahead_x};
}

void uda_view_haze(const struct uda_view *view, float z)
{
    view->canvas->haze_share = 1.0f - uda_decay(view->haze_per_m * (z > 0.0f ? z : 0.0f));
}

float uda_view_scale(const struct uda_view *view, float z)
{
    return view->focal / (z > UDA_NEAR_M ? z : UDA_NEAR_M);
}

float uda_view_depth(const struct uda_view *view, float y_px)
{
    float below = y_px - view->horizon;
    return view->focal * view->eye / (below > 0.5f ? below : 0.5f);
}

struct uda_point uda_view_project(const struct uda_view *view, struct uda_vec p)
{
    float scale = uda_view_scale(view, p.z);
    return (struct uda_point){view->centre + scale * p.x,
                              view->horizon - scale * (p.y - view->eye)};
}

void uda_draw_polygon(const struct uda_view *view, const struct uda_vec *p, int64_t n,
                      const struct uda_paint *paint)
{
    struct uda_point out[MAX_CORNERS + 8];
    int64_t kept = 0;
    for (int64_t i = 0; i < n && i < MAX_CORNERS; i++) {
        struct uda_vec a = p[i], b = p[i + 1 == n ? 0 : i + 1];
        bool a_in = a.z >= UDA_NEAR_M, b_in = b.z >= UDA_NEAR_M;
        if (a_in) {
            out[kept++] = uda_view_project(view, a);
        }
        if (a_in != b_in) {
            float t = (UDA_NEAR_M - a.z) / (b.z - a.z);
            struct uda_vec cut = {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), UDA_NEAR_M};
            out[kept++] = uda_view_project(view, cut);
        }
    }
    if (kept >= 3) {
        uda_canvas_convex(view->canvas, out, kept, paint);
    }
}

void uda_draw_ground(const struct uda_view *view, const struct uda_frame *frame, float u0, float v0,
                     float u1, float v1, float h, const struct uda_paint *paint)
{
    struct uda_vec p[4] = {uda_frame_point(frame, u0, v0, h), uda_frame_point(frame, u1, v0, h),
                           uda_frame_point(frame, u1, v1, h), uda_frame_point(frame, u0, v1, h)};
    uda_draw_polygon(view, p, 4, paint);
}

void uda_draw_limb(const struct uda_view *view, struct uda_vec a, float ra, struct uda_vec b,
                   float rb, struct uda_rgb rgb)
{
    if (a.z < UDA_NEAR_M || b.z < UDA_NEAR_M) {
        return;
    }
    float pa = ra * uda_view_scale(view, a.z), pb = rb * uda_view_scale(view, b.z);
    pa = pa < 0.45f ? 0.45f : pa;
    pb = pb < 0.45f ? 0.45f : pb;
    struct uda_point p = uda_view_project(view, a), q = uda_view_project(view, b);
    float radius = pa > pb ? pa : pb;
    struct uda_paint paint = uda_paint_flat(rgb);
    if (radius > 1.2f) {
        /* light comes across the tube: bright towards the sun's side, dark away from it */
        float x = q.y - p.y, y = p.x - q.x, length = uda_sqrt(x * x + y * y);
        bool upright = length > 0.1f;
        x = upright ? x / length : 1.0f;
        y = upright ? y / length : 0.0f;
        float side = x * view->sun.x - y * view->sun.y >= 0.0f ? radius : -radius;
        paint = uda_paint_gradient(uda_rgb_scale(rgb, view->ambient + view->diffuse * 0.9f),
                                   uda_rgb_scale(rgb, view->ambient * 0.8f),
                                   (struct uda_point){p.x + x * side, p.y + y * side},
                                   (struct uda_point){p.x - x * side, p.y - y * side});
    }
    uda_canvas_limb(view->canvas, p, pa, q, pb, &paint);
}

void uda_draw_ball(const struct uda_view *view, struct uda_vec centre, float rx, float ry,
                   struct uda_rgb rgb)
{
    if (centre.z < UDA_NEAR_M) {
        return;
    }
    float scale = uda_view_scale(view, centre.z);
    float px = rx * scale < 0.5f ? 0.5f : rx * scale, py = ry * scale < 0.5f ? 0.5f : ry * scale;
    struct uda_point c = uda_view_project(view, centre);
    float side = view->sun.x > 0.0f ? px * 0.7f : -px * 0.7f;
    struct uda_paint paint = uda_paint_gradient(
        uda_rgb_scale(rgb, view->ambient + view->diffuse * 0.9f),
        uda_rgb_scale(rgb, view->ambient * 0.8f), (struct uda_point){c.x + side, c.y - py * 0.8f},
        (struct uda_point){c.x - side, c.y + py * 0.8f});
    uda_canvas_ellipse(view->canvas, c, px, py, &paint);
}

void uda_draw_disc(const struct uda_view *view, const struct uda_frame *frame, float u, float v,
                   float h, float radius, const struct uda_paint *paint)
{
    struct uda_vec p[32];
    int64_t n = radius * uda_view_scale(view, frame->z) < 8.0f ? 16 : 32;
    for (int64_t i = 0; i < n; i++) {
        struct uda_point unit = uda_circle(i * (64 / n));
        p[i] = uda_frame_point(frame, u + radius * unit.x, v, h + radius * unit.y);
    }
    uda_draw_polygon(view, p, n, paint);
}

/* Half width at height h. */
static float half_width(const struct uda_prism *prism, float h)
{
    float low = prism->h[0], high = prism->h[0];
    for (int64_t i = 1; i < prism->n; i++) {
        low = prism->h[i] < low ? prism->h[i] : low;
        high = prism->h[i] > high ? prism->h[i] : high;
    }
    float t = high > low ? (h - low) / (high - low) : 0.0f;
    return prism->w_low + (prism->w_high - prism->w_low) * t;
}

static struct uda_vec profile_point(const struct uda_frame *frame, const struct uda_prism *prism,
                                    int64_t k, float side)
{
    return uda_frame_point(frame, prism->u[k], side * half_width(prism, prism->h[k]), prism->h[k]);
}

/* Corners of a face; strips give left k, right k, right k+1, left k+1. Returns how many. */
static int64_t face_corners(struct uda_vec out[8], const struct uda_frame *frame,
                            const struct uda_prism *prism, int64_t face)
{
    if (face >= prism->n) {
        for (int64_t i = 0; i < prism->n; i++) {
            out[i] = profile_point(frame, prism, i, face == prism->n ? 1.0f : -1.0f);
        }
        return prism->n;
    }
    int64_t next = face + 1 == prism->n ? 0 : face + 1;
    out[0] = profile_point(frame, prism, face, -1.0f);
    out[1] = profile_point(frame, prism, face, 1.0f);
    out[2] = profile_point(frame, prism, next, 1.0f);
    out[3] = profile_point(frame, prism, next, -1.0f);
    return 4;
}

static struct uda_vec minus(struct uda_vec a, struct uda_vec b)
{
    return (struct uda_vec){a.x - b.x, a.y - b.y, a.z - b.z};
}

static float dot(struct uda_vec a, struct uda_vec b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

/* Outward unit normal of a face and its brightness; false if it looks away from the eye. */
static bool face_light(float *light, const struct uda_view *view, const struct uda_frame *frame,
                       const struct uda_prism *prism, int64_t face)
{
    struct uda_vec c[8], middle = {0}, other[8];
    int64_t n = face_corners(c, frame, prism, face);
    (void)face_corners(other, frame, prism, prism->n);
    struct uda_vec inside = {frame->x, 0, frame->z};
    float u = 0, h = 0;
    for (int64_t i = 0; i < prism->n; i++) {
        u += prism->u[i] / (float)prism->n;
        h += prism->h[i] / (float)prism->n;
    }
    inside = uda_frame_point(frame, u, 0, h);
    for (int64_t i = 0; i < n; i++) {
        middle.x += c[i].x / (float)n;
        middle.y += c[i].y / (float)n;
        middle.z += c[i].z / (float)n;
    }
    struct uda_vec a = minus(c[1], c[0]), b = minus(c[n - 1], c[0]);
    struct uda_vec normal = {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
    float length = uda_sqrt(dot(normal, normal));
    if (length < 1e-9f) {
        return false;
    }
    float sign = dot(normal, minus(middle, inside)) < 0.0f ? -1.0f / length : 1.0f / length;
    struct uda_vec out = {normal.x * sign, normal.y * sign, normal.z * sign};
    struct uda_vec eye = {0, view->eye, 0};
    float lit = dot(out, view->sun);
    *light = view->ambient + view->diffuse * (lit > 0.0f ? lit : 0.0f);
    return dot(out, minus(eye, middle)) > 0.0f;
}

bool uda_prism_visible(const struct uda_view *view, const struct uda_frame *frame,
                       const struct uda_prism *prism, int64_t face)
{
    float light = 0.0f;
    return face_light(&light, view, frame, prism, face);
}

void uda_prism_draw(const struct uda_view *view, const struct uda_frame *frame,
                    const struct uda_prism *prism, struct uda_rgb rgb)
{
    for (int64_t face = 0; face < prism->n + 2; face++) {
        float light = 0.0f;
        if (!face_light(&light, view, frame, prism, face)) {
            continue;
        }
        struct uda_vec c[8];
        int64_t n = face_corners(c, frame, prism, face);
        float low = c[0].y, high = c[0].y;
        for (int64_t i = 1; i < n; i++) {
            low = c[i].y < low ? c[i].y : low;
            high = c[i].y > high ? c[i].y : high;
        }
        /* a little darker towards the ground: the street reflects less than the sky */
        struct uda_vec bottom = {c[0].x, low, c[0].z}, top = {c[0].x, high, c[0].z};
        struct uda_paint paint =
            uda_paint_gradient(uda_rgb_scale(rgb, light * 0.88f), uda_rgb_scale(rgb, light * 1.04f),
                               uda_view_project(view, bottom), uda_view_project(view, top));
        paint.dx = 0.0f;
        uda_draw_polygon(view, c, n, &paint);
    }
}

static struct uda_vec between(struct uda_vec a, struct uda_vec b, float t)
{
    return (struct uda_vec){a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t, a.z + (b.z - a.z) * t};
}

void uda_draw_patch(const struct uda_view *view, const struct uda_frame *frame,
                    const struct uda_prism *prism, int64_t face, float s0, float t0, float s1,
                    float t1, struct uda_rgb rgb)
{
    float light = 0.0f;
    if (!face_light(&light, view, frame, prism, face)) {
        return;
    }
    struct uda_vec c[8];
    (void)face_corners(c, frame, prism, face);
    struct uda_vec left0 = between(c[0], c[3], t0), right0 = between(c[1], c[2], t0);
    struct uda_vec left1 = between(c[0], c[3], t1), right1 = between(c[1], c[2], t1);
    struct uda_vec p[4] = {between(left0, right0, s0), between(left0, right0, s1),
                           between(left1, right1, s1), between(left1, right1, s0)};
    struct uda_paint paint = uda_paint_flat(uda_rgb_scale(rgb, light));
    uda_draw_polygon(view, p, 4, &paint);
}

void uda_draw_side(const struct uda_view *view, const struct uda_frame *frame,
                   const struct uda_prism *prism, int side, const float corner[6],
                   struct uda_rgb rgb)
{
    float light = 0.0f;
    if (!face_light(&light, view, frame, prism, side > 0 ? prism->n : prism->n + 1)) {
        return;
    }
    float h0 = corner[2], h1 = corner[5];
    float w0 = half_width(prism, h0) * (float)side, w1 = half_width(prism, h1) * (float)side;
    struct uda_vec p[4] = {
        uda_frame_point(frame, corner[0], w0, h0), uda_frame_point(frame, corner[1], w0, h0),
        uda_frame_point(frame, corner[4], w1, h1), uda_frame_point(frame, corner[3], w1, h1)};
    struct uda_paint paint = uda_paint_flat(uda_rgb_scale(rgb, light));
    uda_draw_polygon(view, p, 4, &paint);
}

void uda_draw_side_box(const struct uda_view *view, const struct uda_frame *frame,
                       const struct uda_prism *prism, int side, float u0, float h0, float u1,
                       float h1, struct uda_rgb rgb)
{
    const float corner[6] = {u0, u1, h0, u0, u1, h1};
    uda_draw_side(view, frame, prism, side, corner, rgb);
}
