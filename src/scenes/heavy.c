/* Trucks, buses and trams. */
#include "src/scenes/items.h"

static const struct uda_rgb lamp = {250, 244, 205}, red = {205, 24, 22}, dark = {28, 28, 32};

static struct uda_prism box(float u0, float u1, float h0, float h1, float half_width)
{
    return (struct uda_prism){.n = 4,
                              .u = {u0, u1, u1, u0},
                              .h = {h0, h0, h1, h1},
                              .w_low = half_width,
                              .w_high = half_width};
}

/* Two lamps low on a strip, at shares t0..t1 of its height. */
static void lamps(const struct uda_view *view, const struct uda_frame *frame,
                  const struct uda_prism *prism, int64_t face, float t0, float t1,
                  struct uda_rgb rgb)
{
    uda_draw_patch(view, frame, prism, face, 0.04f, t0, 0.2f, t1, rgb);
    uda_draw_patch(view, frame, prism, face, 0.8f, t0, 0.96f, t1, rgb);
}

static void draw_cab(struct uda_brush *brush, const struct uda_frame *frame, float half,
                     float half_width, float top, struct uda_rgb rgb, struct uda_rgb glass)
{
    const struct uda_view *view = brush->view;
    struct uda_prism cab = {.n = 5,
                            .u = {half - 1.85f, half, half, half - 0.3f, half - 1.85f},
                            .h = {0.45f, 0.45f, 1.35f, top, top},
                            .w_low = half_width,
                            .w_high = half_width * 0.95f};
    uda_prism_draw(view, frame, &cab, rgb);
    uda_draw_patch(view, frame, &cab, 1, 0.0f, 0.0f, 1.0f, 0.25f, dark);
    uda_draw_patch(view, frame, &cab, 1, 0.22f, 0.4f, 0.78f, 0.85f, dark);
    lamps(view, frame, &cab, 1, 0.3f, 0.55f, lamp);
    uda_draw_patch(view, frame, &cab, 2, 0.06f, 0.08f, 0.94f, 0.82f, glass);
    const float pane[6] = {half - 1.2f, half - 0.12f, 1.42f,
                           half - 1.2f, half - 0.36f, 1.42f + (top - 1.42f) * 0.72f};
    for (int side = -1; side <= 1; side += 2) {
        uda_draw_side(view, frame, &cab, side, pane, glass);
        uda_draw_side_box(view, frame, &cab, side, half - 1.27f, 0.6f, half - 1.22f, top - 0.2f,
                          uda_rgb_scale(rgb, 0.55f));
        uda_draw_side_box(view, frame, &cab, side, half - 1.85f, 0.45f, half, 0.58f, dark);
        struct uda_vec top_end =
            uda_frame_point(frame, half - 0.05f, (half_width + 0.14f) * (float)side, top - 0.35f);
        struct uda_vec low_end =
            uda_frame_point(frame, half - 0.05f, (half_width + 0.14f) * (float)side, 1.6f);
        uda_draw_limb(view, top_end, 0.07f, low_end, 0.07f, dark);
    }
}

static void draw_cargo(struct uda_brush *brush, const struct uda_frame *frame, float half,
                       float half_width, float height, struct uda_rgb rgb)
{
    const struct uda_view *view = brush->view;
    struct uda_rng *rng = &brush->rng;
    bool tipper = uda_rng_uniform(rng) < (brush->style == UDA_SCENE_REAL ? 0.2f : 0.0f);
    float top = tipper ? height * 0.66f : height;
    struct uda_prism cargo = box(-half, half - 2.0f, 0.85f, top, half_width);
    struct uda_rgb stripe = uda_palette_vehicle(rng, brush->style);
    uda_prism_draw(view, frame, &cargo, rgb);
    struct uda_rgb edge = uda_rgb_scale(rgb, 0.7f);
    uda_draw_patch(view, frame, &cargo, 3, 0.485f, 0.03f, 0.515f, 0.97f, edge);
    lamps(view, frame, &cargo, 3, 0.92f, 1.0f, red);
    bool logo = uda_rng_uniform(rng) < 0.6f;
    for (int side = -1; side <= 1; side += 2) {
        uda_draw_side_box(view, frame, &cargo, side, -half, 0.85f, half - 2.0f, 0.97f, edge);
        if (tipper) {
            for (int rib = 0; rib < 4; rib++) {
                float u = -half + (2.0f * half - 2.0f) * (0.12f + 0.25f * (float)rib);
                uda_draw_side_box(view, frame, &cargo, side, u, 0.97f, u + 0.1f, top, edge);
            }
        } else if (logo) {
            float mid = 0.85f + (top - 0.85f) * 0.42f, high = 0.85f + (top - 0.85f) * 0.68f;
            uda_draw_side_box(view, frame, &cargo, side, -half * 0.75f, mid, half * 0.1f, high,
                              stripe);
        }
    }
}

void uda_draw_truck(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_rng *rng = &brush->rng;
    struct uda_frame frame = uda_frame_at(item->x, item->z, item->heading);
    float half = item->length * 0.5f, half_width = item->width * 0.5f;
    struct uda_rgb cab = uda_palette_vehicle(rng, brush->style);
    struct uda_rgb glass = uda_palette_glass(rng, brush->style);
    struct uda_rgb cargo = uda_rng_uniform(rng) < (brush->style == UDA_SCENE_REAL ? 0.55f : 0.25f)
                               ? uda_palette_grey(uda_rng_range(rng, 165.0f, 235.0f))
                               : uda_palette_vehicle(rng, brush->style);
    struct uda_rgb rim = uda_palette_grey(uda_rng_range(rng, 110.0f, 180.0f));
    struct uda_prism chassis = box(-half, half - 0.3f, 0.45f, 0.87f, half_width * 0.85f);
    struct uda_prism flank = box(-half, half, 0.4f, 1.0f, half_width);
    const float axle[3] = {half - 0.95f, -half + 1.75f, -half + 0.7f};
    for (int i = 0; i < 3; i++) {
        uda_draw_wheel_back(view, &frame, axle[i], half_width - 0.04f, 0.47f);
    }
    uda_prism_draw(view, &frame, &chassis, (struct uda_rgb){52, 52, 56});
    bool cab_far = frame.ahead_z > 0.0f;
    float top = item->height * 0.84f;
    if (cab_far) {
        draw_cab(brush, &frame, half, half_width * 0.97f, top, cab, glass);
    }
    draw_cargo(brush, &frame, half, half_width, item->height, cargo);
    if (!cab_far) {
        draw_cab(brush, &frame, half, half_width * 0.97f, top, cab, glass);
    }
    for (int i = 0; i < 3; i++) {
        uda_draw_wheel_face(view, &frame, &flank, axle[i], half_width, 0.47f, rim);
    }
}

void uda_draw_bus(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_rng *rng = &brush->rng;
    struct uda_frame frame = uda_frame_at(item->x, item->z, item->heading);
    float half = item->length * 0.5f, half_width = item->width * 0.5f, top = item->height;
    struct uda_rgb rgb = uda_palette_vehicle(rng, brush->style);
    struct uda_rgb glass = uda_palette_glass(rng, brush->style);
    struct uda_rgb band =
        uda_rng_uniform(rng) < 0.5f ? uda_rgb_scale(rgb, 0.7f) : uda_palette_grey(225.0f);
    struct uda_rgb rim = uda_palette_grey(uda_rng_range(rng, 120.0f, 190.0f));
    struct uda_prism body = {.n = 6,
                             .u = {-half, half, half, half - 0.22f, half - 0.45f, -half},
                             .h = {0.32f, 0.32f, 1.15f, top - 0.15f, top, top},
                             .w_low = half_width,
                             .w_high = half_width * 0.97f};
    uda_draw_wheel_back(view, &frame, half - 1.9f, half_width - 0.04f, 0.46f);
    uda_draw_wheel_back(view, &frame, -half + 1.9f, half_width - 0.04f, 0.46f);
    uda_prism_draw(view, &frame, &body, rgb);
    uda_draw_patch(view, &frame, &body, 1, 0.0f, 0.0f, 1.0f, 0.2f, dark);
    uda_draw_patch(view, &frame, &body, 1, 0.0f, 0.62f, 1.0f, 0.8f, band);
    lamps(view, &frame, &body, 1, 0.26f, 0.52f, lamp);
    uda_draw_patch(view, &frame, &body, 2, 0.04f, 0.02f, 0.96f, 0.8f, glass);
    uda_draw_patch(view, &frame, &body, 2, 0.25f, 0.83f, 0.75f, 0.97f,
                   (struct uda_rgb){30, 26, 20});
    uda_draw_patch(view, &frame, &body, 2, 0.32f, 0.86f, 0.68f, 0.94f,
                   (struct uda_rgb){250, 170, 40});
    uda_draw_patch(view, &frame, &body, 5, 0.1f, 0.12f, 0.9f, 0.48f, glass);
    uda_draw_patch(view, &frame, &body, 5, 0.25f, 0.68f, 0.75f, 0.85f, uda_rgb_scale(rgb, 0.6f));
    lamps(view, &frame, &body, 5, 0.72f, 0.86f, red);
    float low = 1.28f, high = top - 0.5f;
    for (int side = -1; side <= 1; side += 2) {
        uda_draw_side_box(view, &frame, &body, side, -half, 0.32f, half, 0.44f, dark);
        uda_draw_side_box(view, &frame, &body, side, -half, 0.82f, half - 0.02f, 1.02f, band);
        int64_t panes = (int64_t)(item->length / 1.25f);
        float step = (2.0f * half - 0.5f) / (float)panes;
        for (int64_t i = 0; i < panes; i++) {
            float u = -half + 0.2f + step * (float)i;
            bool door = side > 0 && (i == panes - 1 || i == panes / 2);
            uda_draw_side_box(view, &frame, &body, side, u + 0.05f, door ? 0.5f : low,
                              u + step - 0.07f, high, glass);
            if (door) {
                uda_draw_side_box(view, &frame, &body, side, u + step * 0.5f - 0.04f, 0.5f,
                                  u + step * 0.5f + 0.04f, high, uda_rgb_scale(rgb, 0.6f));
            }
        }
    }
    uda_draw_wheel_face(view, &frame, &body, half - 1.9f, half_width + 0.01f, 0.46f, rim);
    uda_draw_wheel_face(view, &frame, &body, -half + 1.9f, half_width + 0.01f, 0.46f, rim);
}

/* The current collector on the roof. */
static void draw_pantograph(const struct uda_view *view, const struct uda_frame *frame, float top)
{
    struct uda_rgb metal = {70, 70, 76};
    struct uda_vec foot = uda_frame_point(frame, 0.6f, 0, top);
    struct uda_vec knee = uda_frame_point(frame, -0.5f, 0, top + 0.55f);
    struct uda_vec tip = uda_frame_point(frame, 0.5f, 0, top + 1.0f);
    uda_draw_limb(view, foot, 0.05f, knee, 0.05f, metal);
    uda_draw_limb(view, knee, 0.05f, tip, 0.05f, metal);
    uda_draw_limb(view, uda_frame_point(frame, 0.5f, -0.7f, top + 1.0f), 0.05f,
                  uda_frame_point(frame, 0.5f, 0.7f, top + 1.0f), 0.05f, metal);
}

static void train_side(const struct uda_view *view, const struct uda_frame *frame,
                       const struct uda_prism *body, int side, float half, float top,
                       const struct uda_rgb colour[3])
{
    uda_draw_side_box(view, frame, body, side, -half, 0.3f, half, 0.5f, dark);
    uda_draw_side_box(view, frame, body, side, -half + 0.15f, 0.72f, half - 0.15f, 1.02f,
                      colour[1]);
    uda_draw_side_box(view, frame, body, side, -half + 0.55f, 1.4f, half - 0.55f, top - 0.75f,
                      colour[2]);
    int64_t cells = 9;
    float step = (2.0f * half - 1.6f) / (float)cells;
    for (int64_t i = 0; i <= cells; i++) {
        float u = -half + 0.8f + step * (float)i;
        uda_draw_side_box(view, frame, body, side, u - 0.06f, 1.4f, u + 0.06f, top - 0.75f,
                          uda_rgb_scale(colour[0], 0.75f));
        if (i < cells && i % 3 == 1) {
            uda_draw_side_box(view, frame, body, side, u + 0.1f, 0.42f, u + step - 0.1f,
                              top - 0.65f, uda_rgb_scale(colour[0], 0.8f));
            uda_draw_side_box(view, frame, body, side, u + 0.2f, 0.75f, u + step * 0.5f - 0.05f,
                              top - 0.8f, colour[2]);
            uda_draw_side_box(view, frame, body, side, u + step * 0.5f + 0.05f, 0.75f,
                              u + step - 0.2f, top - 0.8f, colour[2]);
        }
    }
    uda_draw_side_box(view, frame, body, side, -0.16f, 0.3f, 0.16f, top - 0.2f, dark);
}

void uda_draw_train(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_rng *rng = &brush->rng;
    struct uda_frame frame = uda_frame_at(item->x, item->z, item->heading);
    float half = item->length * 0.5f, half_width = item->width * 0.5f, top = item->height;
    struct uda_rgb colour[3] = {uda_palette_vehicle(rng, brush->style)};
    colour[1] = uda_rng_uniform(rng) < 0.5f ? uda_palette_grey(220.0f)
                                            : uda_palette_vehicle(rng, brush->style);
    colour[2] = uda_palette_glass(rng, brush->style);
    struct uda_prism body = {.n = 8,
                             .u = {-half + 0.12f, half - 0.12f, half, half - 0.55f, half - 1.0f,
                                   -half + 1.0f, -half + 0.55f, -half},
                             .h = {0.28f, 0.28f, 1.2f, top - 0.35f, top, top, top - 0.35f, 1.2f},
                             .w_low = half_width,
                             .w_high = half_width * 0.92f};
    uda_prism_draw(view, &frame, &body, colour[0]);
    for (int64_t face = 1; face <= 7; face += 6) {
        /* strips 1 and 2 are the nose, 7 and 6 the tail; the tail's run from top to bottom */
        bool nose = face == 1;
        int64_t screen = nose ? 2 : 6;
        uda_draw_patch(view, &frame, &body, face, 0.0f, nose ? 0.5f : 0.25f, 1.0f,
                       nose ? 0.75f : 0.5f, colour[1]);
        lamps(view, &frame, &body, face, nose ? 0.18f : 0.6f, nose ? 0.4f : 0.82f,
              nose ? lamp : red);
        uda_draw_patch(view, &frame, &body, screen, 0.07f, nose ? 0.04f : 0.24f, 0.93f,
                       nose ? 0.76f : 0.96f, colour[2]);
        uda_draw_patch(view, &frame, &body, screen, 0.3f, nose ? 0.82f : 0.05f, 0.7f,
                       nose ? 0.95f : 0.18f, (struct uda_rgb){250, 170, 40});
    }
    train_side(view, &frame, &body, -1, half, top, colour);
    train_side(view, &frame, &body, 1, half, top, colour);
    draw_pantograph(view, &frame, top);
}
