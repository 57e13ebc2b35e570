#include "src/scenes/items.h"

#include "src/scenes/maths.h"

/* Ranges of length, width, height in metres: {synthetic, real}. */
struct range3 {
    float length[2], width[2], height[2];
};

static const struct range3 ranges[][2] = {
    [UDA_ITEM_PERSON] = {{{0.5f, 0.6f}, {0.5f, 0.6f}, {1.6f, 1.85f}},
                         {{0.5f, 0.6f}, {0.5f, 0.6f}, {1.45f, 1.9f}}},
    [UDA_ITEM_RIDER_BICYCLE] = {{{1.7f, 1.75f}, {0.55f, 0.6f}, {1.65f, 1.8f}},
                                {{1.65f, 1.8f}, {0.55f, 0.6f}, {1.6f, 1.85f}}},
    [UDA_ITEM_RIDER_MOTORCYCLE] = {{{2.0f, 2.1f}, {0.7f, 0.8f}, {1.6f, 1.7f}},
                                   {{1.9f, 2.2f}, {0.7f, 0.8f}, {1.55f, 1.75f}}},
    [UDA_ITEM_CAR] = {{{3.9f, 4.6f}, {1.75f, 1.85f}, {1.42f, 1.55f}},
                      {{3.6f, 4.8f}, {1.7f, 1.95f}, {1.4f, 1.75f}}},
    [UDA_ITEM_TRUCK] = {{{5.8f, 6.8f}, {2.3f, 2.5f}, {3.0f, 3.4f}},
                        {{5.4f, 7.6f}, {2.2f, 2.5f}, {2.7f, 3.5f}}},
    [UDA_ITEM_BUS] = {{{7.4f, 8.6f}, {2.5f, 2.55f}, {3.0f, 3.2f}},
                      {{7.8f, 9.6f}, {2.5f, 2.55f}, {2.9f, 3.2f}}},
    [UDA_ITEM_TRAIN] = {{{12.0f, 14.5f}, {2.4f, 2.5f}, {3.3f, 3.5f}},
                        {{12.5f, 15.5f}, {2.4f, 2.6f}, {3.2f, 3.6f}}},
    [UDA_ITEM_MOTORCYCLE] = {{{2.0f, 2.1f}, {0.7f, 0.8f}, {1.15f, 1.25f}},
                             {{1.9f, 2.2f}, {0.7f, 0.8f}, {1.05f, 1.25f}}},
    [UDA_ITEM_BICYCLE] = {{{1.7f, 1.75f}, {0.5f, 0.55f}, {1.05f, 1.12f}},
                          {{1.6f, 1.8f}, {0.5f, 0.55f}, {1.0f, 1.12f}}},
    [UDA_ITEM_TREE] = {{{1.0f, 1.0f}, {1.0f, 1.0f}, {5.0f, 8.5f}},
                       {{1.0f, 1.0f}, {1.0f, 1.0f}, {5.5f, 11.0f}}},
    [UDA_ITEM_BUSH] = {{{1.0f, 1.6f}, {1.0f, 1.0f}, {0.6f, 1.2f}},
                       {{1.0f, 1.8f}, {1.0f, 1.0f}, {0.6f, 1.5f}}},
    [UDA_ITEM_LAMP] = {{{0.3f, 0.3f}, {0.3f, 0.3f}, {5.0f, 6.5f}},
                       {{0.3f, 0.3f}, {0.3f, 0.3f}, {5.0f, 7.5f}}},
    [UDA_ITEM_SIGNAL] = {{{0.3f, 0.3f}, {0.3f, 0.3f}, {3.0f, 3.6f}},
                         {{0.3f, 0.3f}, {0.3f, 0.3f}, {3.0f, 3.6f}}},
    [UDA_ITEM_SIGN] = {{{0.3f, 0.3f}, {0.3f, 0.3f}, {2.3f, 2.7f}},
                       {{0.3f, 0.3f}, {0.3f, 0.3f}, {2.2f, 2.9f}}},
    [UDA_ITEM_BOLLARD] = {{{0.2f, 0.2f}, {0.2f, 0.2f}, {0.8f, 0.9f}},
                          {{0.2f, 0.2f}, {0.2f, 0.2f}, {0.7f, 1.0f}}},
};

void uda_item_shape(struct uda_item *item, enum uda_scene_style style, struct uda_rng *rng)
{
    const struct range3 *r = &ranges[item->kind][style];
    float t = uda_rng_uniform(rng);
    item->length = r->length[0] + (r->length[1] - r->length[0]) * t;
    item->width = r->width[0] + (r->width[1] - r->width[0]) * t;
    item->height = uda_rng_range(rng, r->height[0], r->height[1]);
}

void uda_item_draw(struct uda_brush *brush, const struct uda_item *item)
{
    uda_view_haze(brush->view, item->z);
    switch (item->kind) {
    case UDA_ITEM_PERSON: uda_draw_person(brush, item); break;
    case UDA_ITEM_RIDER_BICYCLE:
    case UDA_ITEM_RIDER_MOTORCYCLE: uda_draw_rider(brush, item); break;
    case UDA_ITEM_CAR: uda_draw_car(brush, item); break;
    case UDA_ITEM_TRUCK: uda_draw_truck(brush, item); break;
    case UDA_ITEM_BUS: uda_draw_bus(brush, item); break;
    case UDA_ITEM_TRAIN: uda_draw_train(brush, item); break;
    case UDA_ITEM_MOTORCYCLE: uda_draw_motorcycle(brush, item); break;
    case UDA_ITEM_BICYCLE: uda_draw_bicycle(brush, item); break;
    case UDA_ITEM_TREE:
    case UDA_ITEM_BUSH:
    case UDA_ITEM_LAMP:
    case UDA_ITEM_SIGNAL:
    case UDA_ITEM_SIGN:
    case UDA_ITEM_BOLLARD: uda_draw_furniture(brush, item); break;
    }
}

void uda_item_shadow(const struct uda_view *view, const struct uda_item *item)
{
    struct uda_frame frame =
        uda_frame_at(item->x - view->sun.x * item->height * 0.25f,
                     item->z - view->sun.z * item->height * 0.2f, item->heading);
    bool round = item->kind == UDA_ITEM_TREE;
    float half_u = round ? 1.4f : item->length * 0.5f, half_v = round ? 1.4f : item->width * 0.5f;
    uda_view_haze(view, item->z);
    for (int layer = 0; layer < 6; layer++) {
        float grow = 0.93f + 0.045f * (float)layer;
        struct uda_vec p[16];
        for (int64_t i = 0; i < 16; i++) {
            struct uda_point unit = uda_circle(4 * i + 2);
            /* a rounded rectangle: the circle pushed towards its square */
            float square = uda_clamp(unit.x * 1.35f, -1.0f, 1.0f);
            float upright = uda_clamp(unit.y * 1.35f, -1.0f, 1.0f);
            p[i] = uda_frame_point(&frame, square * half_u * grow, upright * half_v * grow, 0.0f);
        }
        struct uda_paint paint = uda_paint_flat((struct uda_rgb){12, 12, 18});
        paint.alpha = 0.12f;
        paint.silent = true;
        uda_draw_polygon(view, p, 16, &paint);
    }
}

void uda_draw_wheel_back(const struct uda_view *view, const struct uda_frame *frame, float u,
                         float half_width, float radius)
{
    struct uda_paint black = uda_paint_flat((struct uda_rgb){16, 16, 17});
    for (int side = -1; side <= 1; side += 2) {
        float out = half_width * (float)side, in = (half_width - 0.22f) * (float)side;
        uda_draw_disc(view, frame, u, in, radius, radius, &black);
        uda_draw_ground(view, frame, u - radius, in, u + radius, out, radius, &black);
        uda_draw_disc(view, frame, u, out, radius, radius, &black);
        /* the tread between the discs, as seen from ahead and from behind */
        for (int end = -1; end <= 1; end += 2) {
            float edge = u + 0.9f * radius * (float)end;
            struct uda_vec p[4] = {uda_frame_point(frame, u, in, 0.0f),
                                   uda_frame_point(frame, u, out, 0.0f),
                                   uda_frame_point(frame, edge, out, radius),
                                   uda_frame_point(frame, edge, in, radius)};
            uda_draw_polygon(view, p, 4, &black);
        }
    }
}

void uda_draw_wheel_face(const struct uda_view *view, const struct uda_frame *frame,
                         const struct uda_prism *body, float u, float half_width, float radius,
                         struct uda_rgb rim)
{
    struct uda_paint arch = uda_paint_flat((struct uda_rgb){22, 22, 24});
    struct uda_paint tyre = uda_paint_flat((struct uda_rgb){34, 34, 36});
    struct uda_paint metal = uda_paint_flat(rim);
    struct uda_paint hub = uda_paint_flat(uda_rgb_scale(rim, 0.6f));
    for (int side = -1; side <= 1; side += 2) {
        if (!uda_prism_visible(view, frame, body, side > 0 ? body->n : body->n + 1)) {
            continue;
        }
        float v = half_width * (float)side;
        arch.silent = true;
        uda_draw_disc(view, frame, u, v, radius * 1.05f, radius * 1.18f, &arch);
        uda_draw_disc(view, frame, u, v, radius, radius, &tyre);
        uda_draw_disc(view, frame, u, v, radius, radius * 0.62f, &metal);
        uda_draw_disc(view, frame, u, v, radius, radius * 0.25f, &hub);
    }
}
