/* Cars: a body and a tapered cabin, each a prism, with glass, lamps, plates and wheels. */
#include "src/scenes/items.h"

struct build {
    float cabin_rear, cabin_front; /* foot of the cabin, from the ends of the car, m */
    float roof_rear, roof_front;   /* slant of the rear and front screens, m */
    float belt;                    /* height of the belt line as a share of the car's height */
};

static const struct build builds[] = {
    {0.85f, 1.20f, 0.42f, 0.72f, 0.62f}, /* saloon */
    {0.10f, 1.10f, 0.30f, 0.70f, 0.62f}, /* hatchback */
    {0.05f, 1.15f, 0.18f, 0.62f, 0.60f}, /* estate, SUV */
    {0.02f, 0.75f, 0.08f, 0.55f, 0.56f}, /* van */
};

static void body_of(struct uda_prism *body, float half, float belt, float half_width)
{
    *body = (struct uda_prism){
        .n = 7,
        .u = {-half, half, half, half - 0.22f, half - 1.1f, -half + 0.06f, -half},
        .h = {0.26f, 0.26f, belt * 0.72f, belt * 0.86f, belt, belt, belt * 0.7f},
        .w_low = half_width * 0.97f,
        .w_high = half_width};
}

/* Lamps, plate and grille on the ends of the body: strips 1 (front), 2 (bonnet edge) and 6
 * (rear). */
static void draw_ends(const struct uda_view *view, const struct uda_frame *frame,
                      const struct uda_prism *body, struct uda_rgb rgb)
{
    struct uda_rgb dark = {26, 26, 30}, lamp = {250, 244, 205}, red = {205, 24, 22};
    struct uda_rgb plate = {225, 225, 220}, amber = {235, 140, 30};
    uda_draw_patch(view, frame, body, 1, 0.0f, 0.0f, 1.0f, 0.16f, uda_rgb_scale(rgb, 0.45f));
    uda_draw_patch(view, frame, body, 1, 0.27f, 0.5f, 0.73f, 0.92f, dark);
    uda_draw_patch(view, frame, body, 1, 0.36f, 0.2f, 0.64f, 0.42f, plate);
    for (int side = 0; side < 2; side++) {
        float inner = side == 0 ? 0.23f : 0.77f, outer = side == 0 ? 0.02f : 0.98f;
        float low = inner < outer ? inner : outer, high = inner < outer ? outer : inner;
        uda_draw_patch(view, frame, body, 1, low, 0.6f, high, 1.0f, lamp);
        uda_draw_patch(view, frame, body, 6, low, 0.0f, high, 0.42f, red);
        uda_draw_patch(view, frame, body, 6, low, 0.36f, high, 0.44f, amber);
    }
    uda_draw_patch(view, frame, body, 6, 0.36f, 0.3f, 0.64f, 0.55f, plate);
    uda_draw_patch(view, frame, body, 6, 0.0f, 0.8f, 1.0f, 1.0f, uda_rgb_scale(rgb, 0.45f));
}

/* Sills, door gaps and handles. */
static void draw_flanks(const struct uda_view *view, const struct uda_frame *frame,
                        const struct uda_prism *body, float half, float belt, struct uda_rgb rgb)
{
    struct uda_rgb gap = uda_rgb_scale(rgb, 0.55f), handle = uda_rgb_scale(rgb, 0.4f);
    for (int side = -1; side <= 1; side += 2) {
        uda_draw_side_box(view, frame, body, side, -half, 0.26f, half, 0.34f,
                          uda_rgb_scale(rgb, 0.4f));
        uda_draw_side_box(view, frame, body, side, -half * 0.95f, belt * 0.83f, half * 0.8f,
                          belt * 0.87f, uda_rgb_scale(rgb, 1.12f));
        for (int door = -1; door <= 1; door++) {
            float u = 0.02f * half + 0.46f * half * (float)door;
            uda_draw_side_box(view, frame, body, side, u - 0.015f, 0.36f, u + 0.015f, belt, gap);
            uda_draw_side_box(view, frame, body, side, u - 0.26f, belt * 0.9f, u - 0.08f,
                              belt * 0.93f, handle);
        }
    }
}

/* Screens and side windows of the cabin: strips 1 (windscreen) and 3 (rear screen). */
static void draw_glass(const struct uda_view *view, const struct uda_frame *frame,
                       const struct uda_prism *cabin, struct uda_rgb glass, bool blind_rear)
{
    struct uda_rgb bright = uda_rgb_mix(glass, (struct uda_rgb){205, 222, 235}, 0.3f);
    uda_draw_patch(view, frame, cabin, 1, 0.06f, 0.06f, 0.94f, 0.94f, glass);
    uda_draw_patch(view, frame, cabin, 1, 0.06f, 0.66f, 0.94f, 0.94f, bright);
    uda_draw_patch(view, frame, cabin, 3, 0.1f, 0.12f, 0.9f, 0.9f, glass);
    float h0 = cabin->h[0], h1 = cabin->h[1 + 1];
    float low = h0 + (h1 - h0) * 0.1f, high = h0 + (h1 - h0) * 0.86f;
    float rear0 = cabin->u[0] + 0.16f, rear1 = cabin->u[3] + 0.12f;
    float front0 = cabin->u[1] - 0.2f, front1 = cabin->u[2] - 0.06f;
    float split = (cabin->u[3] + cabin->u[2]) * 0.5f;
    const float rear[6] = {rear0, split - 0.05f, low, rear1, split - 0.05f, high};
    const float front[6] = {split + 0.05f, front0, low, split + 0.05f, front1, high};
    for (int side = -1; side <= 1; side += 2) {
        if (!blind_rear) {
            uda_draw_side(view, frame, cabin, side, rear, glass);
        }
        uda_draw_side(view, frame, cabin, side, front, glass);
    }
}

/* The mirrors of the hidden flank, which the cabin covers, or those of the visible one. */
static void draw_mirrors(const struct uda_view *view, const struct uda_frame *frame,
                         const struct uda_prism *body, float u, float belt, float half_width,
                         struct uda_rgb rgb, bool hidden)
{
    for (int side = -1; side <= 1; side += 2) {
        bool seen = uda_prism_visible(view, frame, body, side > 0 ? body->n : body->n + 1);
        if (seen != hidden) {
            struct uda_vec at =
                uda_frame_point(frame, u - 0.15f, (half_width + 0.06f) * (float)side, belt + 0.07f);
            uda_draw_ball(view, at, 0.1f, 0.08f, uda_rgb_scale(rgb, 0.9f));
        }
    }
}

void uda_draw_car(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_rng *rng = &brush->rng;
    struct uda_frame frame = uda_frame_at(item->x, item->z, item->heading);
    struct uda_rgb rgb = uda_palette_vehicle(rng, brush->style);
    struct uda_rgb glass = uda_palette_glass(rng, brush->style);
    struct uda_rgb rim = uda_palette_grey(uda_rng_range(rng, 120.0f, 205.0f));
    float pick = uda_rng_uniform(rng);
    bool real = brush->style == UDA_SCENE_REAL;
    int64_t kind = real ? (pick < 0.25f   ? 0
                           : pick < 0.55f ? 1
                           : pick < 0.88f ? 2
                                          : 3)
                        : (pick < 0.45f   ? 0
                           : pick < 0.85f ? 1
                                          : 2);
    const struct build *b = &builds[kind];
    float half = item->length * 0.5f, half_width = item->width * 0.5f;
    float height = kind == 3 ? item->height * 1.15f : item->height, belt = height * b->belt;
    struct uda_prism body;
    body_of(&body, half, belt, half_width);
    float foot0 = -half + b->cabin_rear, foot1 = half - b->cabin_front;
    struct uda_prism cabin = {.n = 4,
                              .u = {foot0, foot1, foot1 - b->roof_front, foot0 + b->roof_rear},
                              .h = {belt - 0.02f, belt - 0.02f, height, height},
                              .w_low = half_width * 0.94f,
                              .w_high = half_width * (kind == 3 ? 0.88f : 0.74f)};
    float radius = kind >= 2 ? 0.35f : 0.32f, axle = half - 0.78f;
    uda_draw_wheel_back(view, &frame, -axle, half_width - 0.03f, radius);
    uda_draw_wheel_back(view, &frame, axle, half_width - 0.03f, radius);
    uda_prism_draw(view, &frame, &body, rgb);
    draw_ends(view, &frame, &body, rgb);
    draw_flanks(view, &frame, &body, half, belt, rgb);
    draw_mirrors(view, &frame, &body, foot1, belt, half_width, rgb, true);
    uda_prism_draw(view, &frame, &cabin, rgb);
    draw_glass(view, &frame, &cabin, glass, kind == 3 && uda_rng_uniform(rng) < 0.5f);
    uda_draw_wheel_face(view, &frame, &body, -axle, half_width + 0.01f, radius, rim);
    uda_draw_wheel_face(view, &frame, &body, axle, half_width + 0.01f, radius, rim);
    draw_mirrors(view, &frame, &body, foot1, belt, half_width, rgb, false);
}
