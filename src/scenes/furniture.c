/* What lines the street: trees, bushes, lamps, traffic lights, signs and bollards. */
#include "src/scenes/items.h"

#include "src/scenes/maths.h"

static void draw_tree(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_rng *rng = &brush->rng;
    struct uda_frame frame = uda_frame_at(item->x, item->z, 0.0f);
    struct uda_rgb leaf = uda_palette_leaf(rng, brush->style);
    struct uda_rgb bark = uda_rgb_hsv(0.08f, 0.35f, uda_rng_range(rng, 0.22f, 0.4f));
    float h = item->height, crown = h * uda_rng_range(rng, 0.2f, 0.28f);
    bool conifer = uda_rng_uniform(rng) < 0.15f;
    view->canvas->id = UDA_STUFF_VEGETATION;
    uda_draw_limb(view, uda_frame_point(&frame, 0, 0, 0), 0.16f + 0.01f * h,
                  uda_frame_point(&frame, 0, 0, h * 0.6f), 0.1f, bark);
    if (conifer) {
        for (int i = 0; i < 4; i++) {
            float low = h * (0.22f + 0.19f * (float)i), r = crown * (1.0f - 0.22f * (float)i);
            struct uda_vec p[3] = {uda_frame_point(&frame, 0, -r, low),
                                   uda_frame_point(&frame, 0, r, low),
                                   uda_frame_point(&frame, 0, 0, low + h * 0.3f)};
            struct uda_paint paint = uda_paint_flat(uda_rgb_scale(leaf, 0.7f + 0.08f * (float)i));
            uda_draw_polygon(view, p, 3, &paint);
        }
        return;
    }
    int64_t clumps = 7 + uda_rng_below(rng, 5);
    for (int64_t i = 0; i < clumps; i++) {
        /* dark clumps low and behind first, bright ones above */
        float t = (float)i / (float)clumps;
        float angle = uda_rng_uniform(rng), spread = crown * uda_rng_range(rng, 0.25f, 0.75f);
        float v = spread * uda_cos_turn(angle), rise = spread * 0.7f * uda_sin_turn(angle);
        float r = crown * uda_rng_range(rng, 0.45f, 0.7f);
        uda_draw_ball(
            view,
            uda_frame_point(&frame, 0, v, h - crown * 1.25f + rise + crown * 0.5f * (t - 0.5f)), r,
            r * 0.88f, uda_rgb_scale(leaf, 0.72f + 0.42f * t));
    }
}

static void draw_bush(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_rgb leaf = uda_palette_leaf(&brush->rng, brush->style);
    struct uda_frame frame = uda_frame_at(item->x, item->z, item->heading);
    view->canvas->id = UDA_STUFF_VEGETATION;
    for (int i = 0; i < 4; i++) {
        float u = item->length * (-0.5f + 0.33f * (float)i);
        float r = item->height * uda_rng_range(&brush->rng, 0.42f, 0.56f);
        uda_draw_ball(view, uda_frame_point(&frame, u, 0, r * 0.9f), r * 1.15f, r,
                      uda_rgb_scale(leaf, uda_rng_range(&brush->rng, 0.75f, 1.05f)));
    }
}

/* The arm of a lamp reaches over the road: towards x = 0. */
static void draw_lamp(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_frame frame = uda_frame_at(item->x, item->z, 0.0f);
    float reach = item->x > 0.0f ? -1.3f : 1.3f, h = item->height;
    struct uda_rgb metal = uda_palette_grey(uda_rng_range(&brush->rng, 60.0f, 130.0f));
    view->canvas->id = UDA_STUFF_POLE;
    uda_draw_limb(view, uda_frame_point(&frame, 0, 0, 0), 0.09f, uda_frame_point(&frame, 0, 0, h),
                  0.06f, metal);
    uda_draw_limb(view, uda_frame_point(&frame, 0, 0, h), 0.05f,
                  uda_frame_point(&frame, 0, reach, h + 0.25f), 0.04f, metal);
    uda_draw_limb(view, uda_frame_point(&frame, 0, reach * 0.8f, h + 0.22f), 0.09f,
                  uda_frame_point(&frame, 0, reach * 1.2f, h + 0.26f), 0.07f,
                  (struct uda_rgb){215, 215, 200});
}

static void draw_signal(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_frame frame = uda_frame_at(item->x, item->z, 0.5f);
    float h = item->height;
    int64_t lit = uda_rng_below(&brush->rng, 3);
    view->canvas->id = UDA_STUFF_POLE;
    uda_draw_limb(view, uda_frame_point(&frame, 0, 0, 0), 0.07f, uda_frame_point(&frame, 0, 0, h),
                  0.06f, uda_palette_grey(85.0f));
    view->canvas->id = UDA_STUFF_LIGHT;
    struct uda_prism box = {.n = 4,
                            .u = {-0.12f, 0.12f, 0.12f, -0.12f},
                            .h = {h - 0.95f, h - 0.95f, h, h},
                            .w_low = 0.17f,
                            .w_high = 0.17f};
    uda_prism_draw(view, &frame, &box, (struct uda_rgb){34, 36, 38});
    static const struct uda_rgb colour[3] = {{40, 220, 120}, {250, 190, 40}, {240, 40, 30}};
    for (int64_t i = 0; i < 3; i++) {
        struct uda_vec c = uda_frame_point(&frame, 0.14f, 0, h - 0.8f + 0.32f * (float)i);
        struct uda_rgb rgb = uda_rgb_scale(colour[i], i == lit ? 1.15f : 0.28f);
        uda_draw_ball(view, c, 0.11f, 0.11f, rgb);
    }
}

static void draw_sign(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct uda_frame frame = uda_frame_at(item->x, item->z, 0.5f);
    struct uda_vec centre = uda_frame_point(&frame, 0.08f, 0, item->height - 0.32f);
    int64_t kind = uda_rng_below(&brush->rng, 4);
    view->canvas->id = UDA_STUFF_POLE;
    uda_draw_limb(view, uda_frame_point(&frame, 0, 0, 0), 0.045f,
                  uda_frame_point(&frame, 0, 0, item->height), 0.045f, uda_palette_grey(140.0f));
    view->canvas->id = UDA_STUFF_SIGN;
    struct uda_rgb red = {205, 30, 34}, white = {236, 236, 232}, blue = {36, 84, 180};
    if (kind == 0) {
        uda_draw_ball(view, centre, 0.36f, 0.36f, red);
        uda_draw_ball(view, centre, 0.25f, 0.25f, white);
    } else if (kind == 1) {
        for (int inner = 0; inner < 2; inner++) {
            float r = inner ? 0.24f : 0.42f;
            struct uda_vec p[3] = {{centre.x - r, centre.y - r * 0.75f, centre.z},
                                   {centre.x + r, centre.y - r * 0.75f, centre.z},
                                   {centre.x, centre.y + r, centre.z}};
            struct uda_paint paint = uda_paint_flat(inner ? white : red);
            uda_draw_polygon(view, p, 3, &paint);
        }
    } else {
        float w = kind == 2 ? 0.33f : 0.5f, h = kind == 2 ? 0.33f : 0.3f;
        struct uda_vec p[4] = {{centre.x - w, centre.y - h, centre.z},
                               {centre.x + w, centre.y - h, centre.z},
                               {centre.x + w, centre.y + h, centre.z},
                               {centre.x - w, centre.y + h, centre.z}};
        struct uda_paint paint = uda_paint_flat(kind == 2 ? blue : (struct uda_rgb){240, 200, 40});
        uda_draw_polygon(view, p, 4, &paint);
        uda_draw_ball(view, centre, w * 0.45f, h * 0.5f,
                      kind == 2 ? white : uda_palette_grey(40.0f));
    }
}

void uda_draw_furniture(struct uda_brush *brush, const struct uda_item *item)
{
    struct uda_frame frame = uda_frame_at(item->x, item->z, 0.0f);
    switch (item->kind) {
    case UDA_ITEM_TREE: draw_tree(brush, item); break;
    case UDA_ITEM_BUSH: draw_bush(brush, item); break;
    case UDA_ITEM_LAMP: draw_lamp(brush, item); break;
    case UDA_ITEM_SIGNAL: draw_signal(brush, item); break;
    case UDA_ITEM_SIGN: draw_sign(brush, item); break;
    default:
        brush->view->canvas->id = UDA_STUFF_POLE;
        uda_draw_limb(brush->view, uda_frame_point(&frame, 0, 0, 0.1f), 0.09f,
                      uda_frame_point(&frame, 0, 0, item->height), 0.09f, uda_palette_grey(78.0f));
        break;
    }
}
