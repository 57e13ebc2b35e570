#include "src/scenes/street.h"

#include "src/scenes/maths.h"

#define JUNCTION_M 4.5f /* half the width of a side street with its kerbs */
#define END_M 110.0f    /* where the street ends in a cross street */

void uda_street_plan(struct uda_street *street, enum uda_scene_style style, struct uda_rng *rng)
{
    bool real = style == UDA_SCENE_REAL;
    struct uda_street s = {.lane = uda_rng_range(rng, 2.9f, 3.5f)};
    s.right = uda_rng_range(rng, 2.0f, 4.2f);
    s.left = s.right - 2.0f * s.lane - uda_rng_range(rng, 0.4f, 3.0f);
    s.pavement_left = uda_rng_range(rng, 2.0f, 4.5f);
    s.pavement_right = uda_rng_range(rng, 2.0f, 4.5f);
    s.verge_left = uda_rng_uniform(rng) < 0.3f;
    s.verge_right = uda_rng_uniform(rng) < 0.3f;
    s.has_rails = uda_rng_uniform(rng) < 0.12f;
    s.rails = s.left + 0.5f * s.lane + 0.3f;
    s.crossing = uda_rng_uniform(rng) < 0.25f ? uda_rng_range(rng, 8.0f, 18.0f) : 0.0f;
    float grey = real ? uda_rng_range(rng, 70.0f, 105.0f) : uda_rng_range(rng, 92.0f, 118.0f);
    s.asphalt = (struct uda_rgb){grey, grey, grey + (real ? 1.0f : 5.0f)};
    float slab = real ? uda_rng_range(rng, 105.0f, 145.0f) : uda_rng_range(rng, 160.0f, 190.0f);
    s.slabs = (struct uda_rgb){slab + 6.0f, slab, slab - 6.0f};
    s.kerb = uda_palette_grey(slab + 22.0f);
    float hue = real ? uda_rng_range(rng, 0.17f, 0.26f) : uda_rng_range(rng, 0.26f, 0.33f);
    float value = real ? uda_rng_range(rng, 0.32f, 0.45f) : uda_rng_range(rng, 0.5f, 0.65f);
    s.grass = uda_rgb_hsv(hue, real ? 0.42f : 0.62f, value);
    hue = real ? 0.58f : uda_rng_range(rng, 0.54f, 0.62f);
    float depth = real ? uda_rng_range(rng, 0.1f, 0.3f) : uda_rng_range(rng, 0.45f, 0.7f);
    s.sky_top = uda_rgb_hsv(hue, depth, real ? uda_rng_range(rng, 0.72f, 0.9f) : 0.93f);
    s.sky_low = uda_rgb_mix(s.sky_top, (struct uda_rgb){244, 244, 240}, real ? 0.6f : 0.65f);
    s.cloud = real ? uda_rng_range(rng, 0.2f, 1.0f) : uda_rng_range(rng, 0.0f, 0.6f);
    s.texture = uda_rng_u32(rng);
    *street = s;
}

static void draw_sky(const struct uda_view *view, const struct uda_street *street)
{
    struct uda_canvas *canvas = view->canvas;
    float w = (float)canvas->width, h = (float)canvas->height;
    struct uda_point all[4] = {{0, 0}, {w, 0}, {w, h}, {0, h}};
    canvas->haze_share = 0.0f;
    canvas->id = UDA_STUFF_SKY;
    struct uda_paint sky =
        uda_paint_gradient(street->sky_top, street->sky_low, (struct uda_point){0, 0},
                           (struct uda_point){0, view->horizon});
    uda_canvas_convex(canvas, all, 4, &sky);
    canvas->id = UDA_STUFF_TERRAIN;
    struct uda_point low[4] = {{0, view->horizon}, {w, view->horizon}, {w, h}, {0, h}};
    struct uda_paint ground = uda_paint_flat(uda_rgb_mix(street->grass, canvas->haze, 0.3f));
    uda_canvas_convex(canvas, low, 4, &ground);
}

/* A strip of ground z0..z1 by x0..x1, in pieces so that haze grows with distance. */
static void strip(const struct uda_view *view, float x0, float x1, float z0, float z1, float h,
                  struct uda_rgb rgb)
{
    static const float cuts[7] = {0.0f, 8.0f, 16.0f, 28.0f, 45.0f, 70.0f, 120.0f};
    struct uda_frame frame = uda_frame_at(0.0f, 0.0f, 0.0f);
    struct uda_paint paint = uda_paint_flat(rgb);
    for (int i = 5; i >= 0; i--) {
        float a = cuts[i] > z0 ? cuts[i] : z0, b = cuts[i + 1] < z1 ? cuts[i + 1] : z1;
        if (b > a) {
            uda_view_haze(view, 0.5f * (a + b));
            uda_draw_ground(view, &frame, a, x0, b, x1, h, &paint);
        }
    }
}

static void draw_markings(const struct uda_view *view, const struct uda_street *street,
                          enum uda_scene_style style, struct uda_rng *rng)
{
    bool real = style == UDA_SCENE_REAL;
    struct uda_rgb white = uda_rgb_scale((struct uda_rgb){236, 236, 230}, real ? 0.82f : 1.0f);
    float centre = street->right - street->lane, dash = uda_rng_range(rng, 1.6f, 3.0f);
    float phase = uda_rng_range(rng, 0.0f, dash * 2.0f);
    bool solid = uda_rng_uniform(rng) < 0.15f, edges = uda_rng_uniform(rng) < 0.4f;
    view->canvas->id = UDA_STUFF_LANE;
    for (int i = 24; i >= 0; i--) {
        float z = phase + 2.0f * dash * (float)i;
        if (z < 60.0f) {
            strip(view, centre - 0.07f, centre + 0.07f, z, solid ? z + 2.0f * dash : z + dash, 0,
                  white);
        }
    }
    if (edges) {
        strip(view, street->left + 0.3f, street->left + 0.42f, 0, 60, 0, white);
        strip(view, street->right - 0.42f, street->right - 0.3f, 0, 60, 0, white);
    }
    if (street->crossing > 0.0f) {
        for (float x = street->left + 0.4f; x < street->right - 0.5f; x += 1.0f) {
            strip(view, x, x + 0.5f, street->crossing, street->crossing + 3.0f, 0, white);
        }
    }
}

static void draw_rails(const struct uda_view *view, const struct uda_street *street)
{
    struct uda_rgb steel = {62, 60, 62}, bed = uda_rgb_scale(street->asphalt, 0.86f);
    view->canvas->id = UDA_STUFF_ROAD;
    if (street->has_rails) {
        strip(view, street->rails - 1.2f, street->rails + 1.2f, 0, 100, 0, bed);
        for (int side = -1; side <= 1; side += 2) {
            float x = street->rails + 0.72f * (float)side;
            strip(view, x - 0.05f, x + 0.05f, 0, 70, 0, steel);
        }
    }
    if (street->rails_across > 0.0f) {
        float z = street->rails_across;
        strip(view, -60, 60, z - 1.2f, z + 1.2f, 0.01f, bed);
        for (int side = -1; side <= 1; side += 2) {
            float middle = z + 0.72f * (float)side;
            strip(view, -60, 60, middle - 0.06f, middle + 0.06f, 0.01f, steel);
        }
    }
}

/* A kerb stops at the mouths of side streets; far pieces first. */
static void draw_kerb(const struct uda_view *view, const struct uda_street *street, float x0,
                      float x1)
{
    for (float z = 80.0f; z > 0.0f; z -= 2.0f) {
        bool mouth = false;
        for (int64_t i = 0; i < street->junctions; i++) {
            mouth = mouth || uda_abs(street->junction[i] - (z - 1.0f)) < JUNCTION_M;
        }
        if (!mouth) {
            strip(view, x0, x1, z - 2.0f, z, 0, street->kerb);
        }
    }
}

static void draw_ground(const struct uda_view *view, const struct uda_street *street)
{
    float left = street->left, right = street->right;
    view->canvas->id = UDA_STUFF_TERRAIN;
    strip(view, -80, 80, 0, 120, 0, street->grass);
    view->canvas->id = UDA_STUFF_PAVEMENT;
    float out_left = street->verge_left ? left - street->pavement_left : left - 14.0f;
    float out_right = street->verge_right ? right + street->pavement_right : right + 14.0f;
    strip(view, out_left, left, 0, END_M, 0, street->slabs);
    strip(view, right, out_right, 0, END_M, 0, street->slabs);
    struct uda_rgb joint = uda_rgb_scale(street->slabs, 0.9f);
    for (float z = 30.0f; z > 2.0f; z -= 1.5f) {
        strip(view, out_left, left, z, z + 0.04f, 0, joint);
        strip(view, right, out_right, z, z + 0.04f, 0, joint);
    }
    view->canvas->id = UDA_STUFF_ROAD;
    for (int64_t i = 0; i < street->junctions; i++) {
        float z = street->junction[i];
        strip(view, -90, left, z - JUNCTION_M, z + JUNCTION_M, 0, street->asphalt);
        strip(view, right, 90, z - JUNCTION_M, z + JUNCTION_M, 0, street->asphalt);
    }
    strip(view, left, right, 0, END_M, 0, street->asphalt);
    struct uda_rgb gutter = uda_rgb_scale(street->asphalt, 0.78f);
    strip(view, left, left + 0.18f, 0, 60, 0, gutter);
    strip(view, right - 0.18f, right, 0, 60, 0, gutter);
    view->canvas->id = UDA_STUFF_PAVEMENT;
    draw_kerb(view, street, left - 0.16f, left);
    draw_kerb(view, street, right, right + 0.16f);
}

/* Windows in a grid and a ground floor with doors and shop windows on the side of a building that
 * faces the road. */
static void draw_facade(const struct uda_view *view, const struct uda_frame *frame,
                        const struct uda_prism *house, int side, struct uda_rgb wall,
                        struct uda_rgb glass, struct uda_rng *rng)
{
    float half = house->u[1], height = house->h[2];
    float near = frame->z - half > 2.0f ? frame->z - half : 2.0f;
    float storey = uda_rng_range(rng, 2.8f, 3.4f), pitch = uda_rng_range(rng, 1.9f, 3.0f);
    float wide = pitch * uda_rng_range(rng, 0.4f, 0.62f);
    bool shops = uda_rng_uniform(rng) < 0.5f, frames = uda_rng_uniform(rng) < 0.6f;
    struct uda_rgb awning = uda_rgb_hsv(uda_rng_uniform(rng), 0.25f, 0.6f);
    struct uda_rgb trim = uda_rgb_mix(wall, uda_palette_grey(235.0f), 0.5f);
    uda_draw_side_box(view, frame, house, side, -half, height - 0.35f, half, height, trim);
    uda_draw_side_box(view, frame, house, side, -half, 0.0f, half, 0.5f, uda_rgb_scale(wall, 0.7f));
    if (uda_view_scale(view, near) * wide < 1.0f) {
        return;
    }
    if (shops) {
        uda_draw_side_box(view, frame, house, side, -half, storey - 0.1f, half, storey + 0.25f,
                          awning);
    }
    for (float u = -half + 0.5f * (pitch - wide); u + wide < half; u += pitch) {
        if (frame->z + u < 1.5f) {
            continue;
        }
        if (shops) {
            uda_draw_side_box(view, frame, house, side, u - 0.3f, 0.4f, u + wide + 0.3f,
                              storey - 0.35f, glass);
        } else {
            bool door = uda_rng_uniform(rng) < 0.25f;
            uda_draw_side_box(view, frame, house, side, u, door ? 0.0f : 1.0f, u + wide, 2.2f,
                              door ? uda_rgb_scale(awning, 0.7f) : glass);
        }
        for (float h = storey + 0.9f; h + 1.5f < height - 0.2f; h += storey) {
            if (frames) {
                uda_draw_side_box(view, frame, house, side, u - 0.12f, h - 0.12f, u + wide + 0.12f,
                                  h + 1.62f, trim);
            }
            uda_draw_side_box(view, frame, house, side, u, h, u + wide, h + 1.5f, glass);
        }
    }
}

/* Windows on the end wall that looks along the street (strip 3 runs from the roof down at u =
 * -half). */
static void draw_gable(const struct uda_view *view, const struct uda_frame *frame,
                       const struct uda_prism *house, struct uda_rgb glass)
{
    float height = house->h[2];
    int64_t floors = (int64_t)(height / 3.2f);
    for (int64_t i = 0; i < floors; i++) {
        float t = ((float)i + 0.25f) / (float)floors;
        for (int64_t k = 0; k < 3; k++) {
            float s = 0.12f + 0.3f * (float)k;
            uda_draw_patch(view, frame, house, 3, s, t, s + 0.14f, t + 0.5f / (float)floors, glass);
        }
    }
}

static void draw_house(const struct uda_view *view, enum uda_scene_style style, float x, float z,
                       float half, int side, uint32_t look)
{
    struct uda_rng own, *rng = &own; /* what one house skips must not change the next */
    uda_rng_init(rng, look, UDA_RNG_SCENE, 0, 0, 0);
    float depth = uda_rng_range(rng, 4.0f, 6.0f), height = uda_rng_range(rng, 6.0f, 17.0f);
    float centre = x - (float)side * depth;
    struct uda_rgb wall = uda_palette_wall(rng, style), glass = uda_palette_glass(rng, style);
    struct uda_frame frame = uda_frame_at(centre, z, 0.0f);
    struct uda_prism house = {.n = 4,
                              .u = {-half, half, half, -half},
                              .h = {0.0f, 0.0f, height, height},
                              .w_low = depth,
                              .w_high = depth};
    bool gabled = uda_rng_uniform(rng) < 0.4f;
    float hue = uda_rng_range(rng, 0.01f, 0.06f);
    struct uda_rgb tiles = uda_rgb_hsv(hue, 0.45f, uda_rng_range(rng, 0.35f, 0.6f));
    uda_view_haze(view, z);
    view->canvas->id = UDA_STUFF_BUILDING;
    if (gabled) {
        struct uda_prism roof = {.n = 4,
                                 .u = {-half, half, half, -half},
                                 .h = {height, height, height + 2.4f, height + 2.4f},
                                 .w_low = depth + 0.3f,
                                 .w_high = 0.2f};
        uda_prism_draw(view, &frame, &roof, tiles);
    }
    uda_prism_draw(view, &frame, &house, wall);
    draw_gable(view, &frame, &house, glass);
    draw_facade(view, &frame, &house, side, wall, glass, rng);
}

/* What closes the view at the end of the street: fronts and trees in the haze. */
static void draw_skyline(const struct uda_view *view, enum uda_scene_style style,
                         struct uda_rng *rng)
{
    float z = END_M + 12.0f;
    float reach = 0.6f * (float)view->canvas->width / view->focal * z + 20.0f;
    for (float x = -reach; x < reach;) {
        float half = uda_rng_range(rng, 6.0f, 14.0f);
        struct uda_frame frame = uda_frame_at(x + half, z + uda_rng_range(rng, 0.0f, 20.0f), 0.25f);
        uda_view_haze(view, z);
        if (uda_rng_uniform(rng) < 0.25f) {
            view->canvas->id = UDA_STUFF_VEGETATION;
            struct uda_rgb leaf = uda_palette_leaf(rng, style);
            for (int i = -1; i <= 1; i++) {
                uda_draw_ball(view, uda_frame_point(&frame, half * 0.5f * (float)i, 0, 5.0f),
                              half * 0.6f, uda_rng_range(rng, 5.0f, 8.0f), leaf);
            }
        } else {
            view->canvas->id = UDA_STUFF_BUILDING;
            float height = uda_rng_range(rng, 9.0f, 30.0f);
            struct uda_prism front = {.n = 4,
                                      .u = {-half, half, half, -half},
                                      .h = {0.0f, 0.0f, height, height},
                                      .w_low = 5.0f,
                                      .w_high = 5.0f};
            struct uda_rgb wall = uda_palette_wall(rng, style),
                           glass = uda_palette_glass(rng, style);
            uda_prism_draw(view, &frame, &front, wall);
            int facing = uda_prism_visible(view, &frame, &front, 4) ? 1 : -1;
            float step = uda_view_scale(view, z) > 3.0f ? 3.2f : 6.4f;
            for (float h = 2.0f; h + 2.0f < height; h += step) {
                for (float u = -half + 1.0f; u + 1.5f < half; u += step) {
                    uda_draw_side_box(view, &frame, &front, facing, u, h, u + step * 0.5f,
                                      h + step * 0.5f, glass);
                }
            }
        }
        x += 2.0f * half + uda_rng_range(rng, 0.0f, 6.0f);
    }
}

void uda_street_draw(const struct uda_view *view, const struct uda_street *street,
                     enum uda_scene_style style, struct uda_rng *rng)
{
    draw_sky(view, street);
    draw_skyline(view, style, rng);
    draw_ground(view, street);
    draw_rails(view, street);
    draw_markings(view, street, style, rng);
    float z[2] = {END_M, END_M};
    for (int i = 0; i < 28; i++) {
        /* far to near, alternating between the sides */
        int k = z[0] >= z[1] ? 0 : 1;
        float half = uda_rng_range(rng, 4.0f, 9.0f),
              gap = uda_rng_uniform(rng) < 0.2f ? 6.0f : 0.0f;
        for (int64_t j = 0; j < street->junctions; j++) {
            float far = street->junction[j] + JUNCTION_M, near = street->junction[j] - JUNCTION_M;
            if (z[k] > near && z[k] - 2.0f * half < far) {
                /* the house ends at the corner, or makes way */
                float room = 0.5f * (z[k] - far);
                half = room > 2.0f ? room : 0.0f;
                gap = z[k] - 2.0f * half - near;
                break;
            }
        }
        if (z[k] < 2.0f) {
            break;
        }
        bool verge = k == 0 ? street->verge_left : street->verge_right;
        float x =
            k == 0 ? street->left - street->pavement_left : street->right + street->pavement_right;
        x += verge ? (k == 0 ? -9.0f : 9.0f) : 0.0f;
        uint32_t look = uda_rng_u32(rng);
        if (half > 0.0f) {
            draw_house(view, style, x, z[k] - half, half, k == 0 ? 1 : -1, look);
        }
        z[k] -= 2.0f * half + gap;
    }
}
