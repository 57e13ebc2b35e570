/* Bicycles and motorcycles: wheels with filled discs (as annotators mark them), tubes, and some
 * bodywork. */
#include "src/scenes/items.h"

#include "src/scenes/maths.h"

/* Tyre as a ring of tubes around a translucent disc of spokes; turned by `steer` turns about the
 * upright axis. */
static void draw_wheel(const struct uda_view *view, const struct uda_frame *frame, float u,
                       float radius, float tyre, float spokes, struct uda_rgb rim)
{
    struct uda_paint inner = uda_paint_flat(rim);
    inner.alpha = spokes;
    uda_draw_disc(view, frame, u, 0.0f, radius, radius - tyre * 0.5f, &inner);
    int64_t n = radius * uda_view_scale(view, frame->z) < 7.0f ? 12 : 24;
    struct uda_rgb black = {30, 30, 32};
    float middle = radius - tyre;
    for (int64_t i = 0; i < n; i++) {
        struct uda_point a = uda_circle(64 * i / n), b = uda_circle(64 * ((i + 1) % n) / n);
        uda_draw_limb(view, uda_frame_point(frame, u + middle * a.x, 0, radius + middle * a.y),
                      tyre, uda_frame_point(frame, u + middle * b.x, 0, radius + middle * b.y),
                      tyre, black);
    }
    uda_draw_limb(view, uda_frame_point(frame, u, -0.05f, radius), tyre * 1.6f,
                  uda_frame_point(frame, u, 0.05f, radius), tyre * 1.6f, uda_palette_grey(120));
}

void uda_draw_bicycle(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_rng *rng = &brush->rng;
    struct uda_frame frame = uda_frame_at(item->x, item->z, item->heading);
    struct uda_rgb rgb = uda_palette_vehicle(rng, brush->style);
    struct uda_rgb black = {32, 32, 34}, silver = {170, 170, 175};
    bool step_through = uda_rng_uniform(rng) < 0.4f, basket = uda_rng_uniform(rng) < 0.3f;
    bool guards = uda_rng_uniform(rng) < 0.5f;
    float k = item->height / 1.08f, radius = 0.34f * k, axle = item->length * 0.5f - radius;
    float tube = 0.028f;
    draw_wheel(view, &frame, -axle, radius, 0.03f, 0.4f, silver);
    draw_wheel(view, &frame, axle, radius, 0.03f, 0.4f, silver);
    struct uda_vec rear = uda_frame_point(&frame, -axle, 0, radius);
    struct uda_vec front = uda_frame_point(&frame, axle, 0, radius);
    struct uda_vec crank = uda_frame_point(&frame, -0.06f * k, 0, 0.3f * k);
    struct uda_vec seat = uda_frame_point(&frame, -0.24f * k, 0, 0.86f * k);
    struct uda_vec head = uda_frame_point(&frame, axle - 0.16f, 0, 0.82f * k);
    struct uda_vec bar = uda_frame_point(&frame, axle - 0.2f, 0, 1.0f * k);
    struct uda_vec join = step_through ? uda_frame_point(&frame, -0.12f, 0, 0.5f * k) : seat;
    uda_draw_limb(view, rear, tube, crank, tube, rgb);
    uda_draw_limb(view, rear, tube * 0.8f, seat, tube * 0.8f, rgb);
    uda_draw_limb(view, crank, tube * 1.2f, seat, tube * 1.2f, rgb);
    uda_draw_limb(view, crank, tube * 1.3f, head, tube * 1.3f, rgb);
    uda_draw_limb(view, join, tube, head, tube, rgb);
    uda_draw_limb(view, head, tube * 1.2f, front, tube, rgb);
    uda_draw_limb(view, head, tube, bar, tube, black);
    if (guards) {
        uda_draw_limb(view, uda_frame_point(&frame, -axle - radius * 0.75f, 0, radius * 1.75f),
                      tube, uda_frame_point(&frame, -axle + 0.1f, 0, radius * 2.1f), tube, rgb);
    }
    uda_draw_limb(view, uda_frame_point(&frame, axle - 0.22f, -0.28f, 1.0f * k), 0.025f,
                  uda_frame_point(&frame, axle - 0.22f, 0.28f, 1.0f * k), 0.025f, black);
    struct uda_vec saddle = uda_frame_point(&frame, -0.38f * k, 0, 0.95f * k);
    uda_draw_limb(view, seat, tube, uda_frame_point(&frame, -0.27f * k, 0, 0.94f * k), tube,
                  silver);
    uda_draw_limb(view, saddle, 0.07f, uda_frame_point(&frame, -0.12f * k, 0, 0.95f * k), 0.04f,
                  black);
    if (basket) {
        struct uda_prism box = {.n = 4,
                                .u = {axle - 0.1f, axle + 0.2f, axle + 0.24f, axle - 0.12f},
                                .h = {0.78f * k, 0.78f * k, 1.0f * k, 1.0f * k},
                                .w_low = 0.15f,
                                .w_high = 0.19f};
        uda_prism_draw(view, &frame, &box, (struct uda_rgb){120, 88, 52});
    }
    uda_draw_ball(view, uda_frame_point(&frame, axle - 0.06f, 0, 0.84f * k), 0.05f, 0.05f,
                  (struct uda_rgb){250, 245, 210});
    uda_draw_ball(view, uda_frame_point(&frame, -axle - radius * 0.62f, 0, radius * 1.8f), 0.045f,
                  0.045f, (struct uda_rgb){215, 20, 20});
}

void uda_draw_motorcycle(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_rng *rng = &brush->rng;
    struct uda_frame frame = uda_frame_at(item->x, item->z, item->heading);
    struct uda_rgb rgb = uda_palette_vehicle(rng, brush->style);
    struct uda_rgb black = {34, 34, 38}, steel = {150, 150, 156};
    bool scooter = uda_rng_uniform(rng) < (brush->style == UDA_SCENE_REAL ? 0.45f : 0.25f);
    float radius = scooter ? 0.26f : 0.32f, axle = item->length * 0.5f - radius;
    float k = item->height / 1.2f;
    draw_wheel(view, &frame, -axle, radius, scooter ? 0.08f : 0.085f, 0.85f, steel);
    draw_wheel(view, &frame, axle, radius, scooter ? 0.07f : 0.075f, 0.85f, steel);
    struct uda_vec fork = uda_frame_point(&frame, axle - 0.24f, 0, 0.85f * k);
    struct uda_vec bar = uda_frame_point(&frame, axle - 0.34f, 0, 1.08f * k);
    uda_draw_limb(view, uda_frame_point(&frame, axle, 0, radius), 0.05f, fork, 0.06f, steel);
    if (scooter) {
        uda_draw_limb(view, uda_frame_point(&frame, axle - 0.14f, 0, 0.42f), 0.16f, fork, 0.19f,
                      rgb);
        uda_draw_limb(view, uda_frame_point(&frame, axle - 0.2f, 0, 0.34f), 0.1f,
                      uda_frame_point(&frame, -0.2f, 0, 0.34f), 0.12f, rgb);
        uda_draw_limb(view, uda_frame_point(&frame, -0.2f, 0, 0.5f * k), 0.2f,
                      uda_frame_point(&frame, -axle - 0.05f, 0, 0.58f * k), 0.2f, rgb);
    } else {
        uda_draw_limb(view, uda_frame_point(&frame, -0.28f, 0, 0.46f), 0.2f,
                      uda_frame_point(&frame, 0.22f, 0, 0.48f), 0.2f, uda_palette_grey(72));
        uda_draw_limb(view, uda_frame_point(&frame, -0.1f, 0, 0.78f * k), 0.14f,
                      uda_frame_point(&frame, 0.36f, 0, 0.86f * k), 0.17f, rgb);
        uda_draw_limb(view, uda_frame_point(&frame, -0.4f, 0, 0.76f * k), 0.1f,
                      uda_frame_point(&frame, -axle - 0.12f, 0, 0.88f * k), 0.08f, rgb);
        for (int side = -1; side <= 1; side += 2) {
            uda_draw_limb(view, uda_frame_point(&frame, -0.1f, 0.16f * (float)side, 0.32f), 0.05f,
                          uda_frame_point(&frame, -axle - 0.1f, 0.18f * (float)side, 0.42f), 0.07f,
                          steel);
        }
    }
    uda_draw_limb(view, uda_frame_point(&frame, -0.1f, 0, 0.84f * k), 0.08f,
                  uda_frame_point(&frame, -axle + 0.02f, 0, 0.88f * k), 0.09f, black);
    uda_draw_limb(view, fork, 0.08f, bar, 0.06f, black);
    uda_draw_limb(view, uda_frame_point(&frame, axle - 0.36f, -0.36f, 1.1f * k), 0.035f,
                  uda_frame_point(&frame, axle - 0.36f, 0.36f, 1.1f * k), 0.035f, black);
    uda_draw_limb(view, uda_frame_point(&frame, axle - 0.22f, 0, radius * 2.1f), 0.06f,
                  uda_frame_point(&frame, axle + 0.14f, 0, radius * 2.05f), 0.05f, rgb);
    struct uda_vec light = uda_frame_point(&frame, axle - 0.12f, 0, 0.95f * k);
    struct uda_vec tail = uda_frame_point(&frame, -axle - 0.2f, 0, 0.82f * k);
    if (frame.ahead_z < 0.3f) {
        uda_draw_ball(view, light, 0.11f, 0.11f, (struct uda_rgb){252, 246, 210});
    }
    if (frame.ahead_z > -0.3f) {
        uda_draw_ball(view, tail, 0.08f, 0.06f, (struct uda_rgb){215, 20, 20});
    }
}
