/* People on foot and on two wheels: a skeleton of tubes in metres, dressed. */
#include "src/scenes/items.h"

#include "src/scenes/maths.h"

struct dress {
    struct uda_rgb skin, hair, top, legs, shoes, bag;
    bool skirt, shorts, long_hair, backpack, handbag, hat;
    float girth;
};

static struct dress draw_dress(struct uda_brush *brush)
{
    struct uda_rng *rng = &brush->rng;
    struct dress d = {.skin = uda_palette_skin(rng)};
    d.hair = uda_palette_hair(rng);
    d.top = uda_palette_cloth(rng, brush->style);
    bool jeans = uda_rng_uniform(rng) < (brush->style == UDA_SCENE_REAL ? 0.45f : 0.15f);
    d.legs = uda_palette_cloth(rng, brush->style);
    d.legs = jeans ? (struct uda_rgb){44, 56, 98} : uda_rgb_scale(d.legs, 0.85f);
    d.shoes = uda_palette_grey(uda_rng_range(rng, 20.0f, 200.0f));
    d.bag = uda_palette_cloth(rng, brush->style);
    bool real = brush->style == UDA_SCENE_REAL;
    d.skirt = uda_rng_uniform(rng) < (real ? 0.12f : 0.2f);
    d.shorts = uda_rng_uniform(rng) < 0.15f;
    d.long_hair = uda_rng_uniform(rng) < 0.35f;
    d.backpack = uda_rng_uniform(rng) < (real ? 0.3f : 0.15f);
    d.handbag = uda_rng_uniform(rng) < 0.2f;
    d.hat = uda_rng_uniform(rng) < 0.12f;
    d.girth = uda_rng_range(rng, 0.95f, real ? 1.3f : 1.15f);
    return d;
}

/* A limb of two parts that bends at the middle joint. */
static void bent(const struct uda_view *view, struct uda_vec a, struct uda_vec joint,
                 struct uda_vec b, const float radius[3], struct uda_rgb upper,
                 struct uda_rgb lower)
{
    uda_draw_limb(view, a, radius[0], joint, radius[1], upper);
    uda_draw_limb(view, joint, radius[1], b, radius[2], lower);
}

static void draw_head(const struct uda_view *view, const struct uda_frame *frame, float u, float h,
                      float k, const struct dress *d, bool helmet, struct uda_rgb helmet_rgb)
{
    struct uda_vec centre = uda_frame_point(frame, u, 0, h);
    float away = frame->ahead_z; /* 1: we see the back of the head */
    uda_draw_limb(view, uda_frame_point(frame, u - 0.02f, 0, h - 0.2f * k), 0.055f * k, centre,
                  0.06f * k, d->skin);
    struct uda_vec back = uda_frame_point(frame, u - 0.035f * k, 0, h + 0.03f * k);
    if (d->long_hair && !helmet) {
        uda_draw_limb(view, back, 0.1f * k, uda_frame_point(frame, u - 0.07f, 0, h - 0.2f * k),
                      0.07f * k, d->hair);
    }
    bool behind = away > 0.5f;
    if (behind) {
        uda_draw_ball(view, centre, 0.1f * k, 0.135f * k, d->hair);
    } else {
        uda_draw_ball(view, back, 0.105f * k, 0.125f * k, d->hair);
        uda_draw_ball(view, uda_frame_point(frame, u + 0.02f * k, 0, h - 0.025f * k), 0.088f * k,
                      0.11f * k, d->skin);
    }
    if (helmet || d->hat) {
        struct uda_vec crown = uda_frame_point(frame, u - 0.01f, 0, h + 0.06f * k);
        uda_draw_ball(view, crown, 0.125f * k, 0.095f * k, helmet ? helmet_rgb : d->bag);
    }
}

/* Shoulders at height h1 around u1, hips at h0 around u0. */
static void draw_trunk(const struct uda_view *view, const struct uda_frame *frame,
                       const float hip[2], const float shoulder[2], float k, const struct dress *d)
{
    float wide = 0.105f * k * d->girth, narrow = 0.095f * k * d->girth;
    struct uda_vec corner[4] = {uda_frame_point(frame, hip[0], -narrow, hip[1]),
                                uda_frame_point(frame, hip[0], narrow, hip[1]),
                                uda_frame_point(frame, shoulder[0], wide, shoulder[1]),
                                uda_frame_point(frame, shoulder[0], -wide, shoulder[1])};
    uda_draw_limb(view, corner[0], 0.085f * k * d->girth, corner[3], 0.095f * k, d->top);
    uda_draw_limb(view, corner[1], 0.085f * k * d->girth, corner[2], 0.095f * k, d->top);
    struct uda_vec middle = uda_frame_point(frame, shoulder[0], 0, shoulder[1]);
    uda_draw_limb(view, uda_frame_point(frame, hip[0], 0, hip[1]), 0.13f * k * d->girth, middle,
                  0.14f * k * d->girth, d->top);
}

static void draw_leg(const struct uda_view *view, const struct uda_frame *frame, int side,
                     float swing, float k, const struct dress *d)
{
    float v = 0.085f * k * (float)side;
    float knee_u = swing * 0.6f + 0.04f, lift = swing < 0.0f ? 0.06f : 0.0f;
    struct uda_vec hip = uda_frame_point(frame, 0, v, 0.9f * k);
    struct uda_vec knee = uda_frame_point(frame, knee_u * k, v, 0.49f * k);
    struct uda_vec foot = uda_frame_point(frame, swing * k, v, (0.08f + lift) * k);
    const float radius[3] = {0.09f * k * d->girth, 0.068f * k, 0.05f * k};
    bool bare = d->skirt || d->shorts;
    bent(view, hip, knee, foot, radius, d->skirt ? d->skin : d->legs, bare ? d->skin : d->legs);
    uda_draw_limb(view, uda_frame_point(frame, swing * k - 0.05f, v, (0.045f + lift) * k),
                  0.05f * k, uda_frame_point(frame, swing * k + 0.15f * k, v, (0.04f + lift) * k),
                  0.04f * k, d->shoes);
}

static void draw_arm(const struct uda_view *view, const struct uda_frame *frame, int side,
                     float swing, float k, const struct dress *d)
{
    float v = 0.195f * k * d->girth * (float)side;
    struct uda_vec shoulder = uda_frame_point(frame, 0.02f, v * 0.9f, 1.42f * k);
    struct uda_vec elbow = uda_frame_point(frame, swing * 0.4f * k, v * 1.05f, 1.14f * k);
    struct uda_vec hand = uda_frame_point(frame, (swing + 0.1f) * k, v, 0.9f * k);
    const float radius[3] = {0.062f * k, 0.05f * k, 0.04f * k};
    bent(view, shoulder, elbow, hand, radius, d->top, d->shorts ? d->skin : d->top);
    uda_draw_ball(view, hand, 0.045f * k, 0.05f * k, d->skin);
    if (d->handbag && side > 0) {
        struct uda_vec bag = uda_frame_point(frame, (swing + 0.1f) * k, v, 0.68f * k);
        uda_draw_limb(view, hand, 0.015f, bag, 0.02f, d->bag);
        uda_draw_ball(view, bag, 0.13f * k, 0.12f * k, d->bag);
    }
}

void uda_draw_person(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct dress d = draw_dress(brush);
    struct uda_frame frame = uda_frame_at(item->x, item->z, item->heading);
    float k = item->height / 1.75f;
    float phase = uda_rng_range(&brush->rng, 0.35f, 1.0f);
    phase = uda_rng_uniform(&brush->rng) < 0.5f ? phase : -phase;
    float swing = item->walking ? 0.32f * phase : 0.05f * phase;
    /* the side away from the camera first */
    int far = frame.ahead_x > 0.0f ? -1 : 1;
    bool back = frame.ahead_z > 0.0f;
    if (d.backpack && !back) {
        uda_draw_limb(view, uda_frame_point(&frame, -0.2f * k, 0, 1.1f * k), 0.13f * k,
                      uda_frame_point(&frame, -0.2f * k, 0, 1.36f * k), 0.13f * k, d.bag);
    }
    draw_arm(view, &frame, far, -swing * (float)far, k, &d);
    draw_leg(view, &frame, far, swing * (float)far, k, &d);
    draw_leg(view, &frame, -far, -swing * (float)far, k, &d);
    if (d.skirt) {
        uda_draw_limb(view, uda_frame_point(&frame, 0, 0, 0.95f * k), 0.14f * k,
                      uda_frame_point(&frame, 0, 0, 0.62f * k), 0.21f * k, d.legs);
    }
    const float hip[2] = {0.0f, 0.95f * k}, shoulder[2] = {0.02f, 1.36f * k};
    draw_trunk(view, &frame, hip, shoulder, k, &d);
    draw_arm(view, &frame, -far, swing * (float)far, k, &d);
    draw_head(view, &frame, 0.04f, 1.62f * k, k, &d, false, d.bag);
    if (d.backpack && back) {
        uda_draw_limb(view, uda_frame_point(&frame, -0.2f * k, 0, 1.08f * k), 0.15f * k,
                      uda_frame_point(&frame, -0.2f * k, 0, 1.36f * k), 0.15f * k, d.bag);
    }
}

/* Joints of a rider as (u, h); the two-wheeler is in the same frame. */
struct seat {
    float hip[2], shoulder[2], head[2], hand[2], hand_v, knee[2][2], foot[2][2];
};

static const struct seat seats[2] = {{{-0.3f, 0.98f},
                                      {0.02f, 1.38f},
                                      {0.12f, 1.64f},
                                      {0.36f, 1.03f},
                                      0.26f,
                                      {{0.08f, 0.76f}, {0.02f, 0.62f}},
                                      {{-0.02f, 0.46f}, {-0.1f, 0.16f}}},
                                     {{-0.3f, 0.92f},
                                      {-0.06f, 1.36f},
                                      {0.02f, 1.6f},
                                      {0.4f, 1.08f},
                                      0.34f,
                                      {{0.16f, 0.72f}, {0.16f, 0.72f}},
                                      {{-0.06f, 0.34f}, {-0.06f, 0.34f}}}};

static void rider_leg(const struct uda_view *view, const struct uda_frame *frame, int side,
                      int pedal, const struct seat *s, float k, const struct dress *d)
{
    float v = 0.11f * (float)side;
    struct uda_vec hip = uda_frame_point(frame, s->hip[0], v, s->hip[1] * k);
    struct uda_vec knee =
        uda_frame_point(frame, s->knee[pedal][0], v * 1.4f, s->knee[pedal][1] * k);
    struct uda_vec foot = uda_frame_point(frame, s->foot[pedal][0], v, s->foot[pedal][1] * k);
    const float radius[3] = {0.095f * d->girth, 0.072f, 0.052f};
    bent(view, hip, knee, foot, radius, d->legs, d->shorts ? d->skin : d->legs);
    uda_draw_limb(
        view, foot, 0.05f,
        uda_frame_point(frame, s->foot[pedal][0] + 0.18f, v, s->foot[pedal][1] * k - 0.02f), 0.042f,
        d->shoes);
}

static void rider_arm(const struct uda_view *view, const struct uda_frame *frame, int side,
                      const struct seat *s, float k, const struct dress *d)
{
    float v = 0.2f * d->girth * (float)side;
    struct uda_vec shoulder = uda_frame_point(frame, s->shoulder[0], v, s->shoulder[1] * k);
    struct uda_vec elbow =
        uda_frame_point(frame, (s->shoulder[0] + s->hand[0]) * 0.5f - 0.03f, v * 1.2f,
                        (s->shoulder[1] + s->hand[1]) * 0.5f * k - 0.08f);
    struct uda_vec hand =
        uda_frame_point(frame, s->hand[0], s->hand_v * (float)side, s->hand[1] * k);
    const float radius[3] = {0.065f, 0.052f, 0.042f};
    bent(view, shoulder, elbow, hand, radius, d->top, d->top);
    uda_draw_ball(view, hand, 0.045f, 0.045f, d->skin);
}

void uda_draw_rider(struct uda_brush *brush, const struct uda_item *item)
{
    const struct uda_view *view = brush->view;
    struct dress d = draw_dress(brush);
    bool motor = item->kind == UDA_ITEM_RIDER_MOTORCYCLE;
    const struct seat *s = &seats[motor ? 1 : 0];
    struct uda_frame frame = uda_frame_at(item->x, item->z, item->heading);
    float k = item->height / (motor ? 1.62f : 1.72f);
    bool helmet = motor || uda_rng_uniform(&brush->rng) < 0.4f;
    struct uda_rgb helmet_rgb = uda_palette_vehicle(&brush->rng, brush->style);
    int far = frame.ahead_x > 0.0f ? -1 : 1;
    rider_leg(view, &frame, far, 0, s, k, &d);
    rider_arm(view, &frame, far, s, k, &d);
    const float hip[2] = {s->hip[0], s->hip[1] * k},
                shoulder[2] = {s->shoulder[0], s->shoulder[1] * k};
    draw_trunk(view, &frame, hip, shoulder, 1.0f, &d);
    if (d.backpack) {
        uda_draw_limb(
            view, uda_frame_point(&frame, s->hip[0], 0, s->hip[1] * k + 0.16f), 0.12f,
            uda_frame_point(&frame, s->shoulder[0] - 0.17f, 0, s->shoulder[1] * k - 0.02f), 0.13f,
            d.bag);
    }
    rider_leg(view, &frame, -far, 1, s, k, &d);
    rider_arm(view, &frame, -far, s, k, &d);
    d.long_hair = d.long_hair && !motor;
    draw_head(view, &frame, s->head[0], s->head[1] * k, 1.0f, &d, helmet, helmet_rgb);
    if (motor) {
        uda_draw_ball(view, uda_frame_point(&frame, s->head[0], 0, s->head[1] * k + 0.01f), 0.135f,
                      0.15f, helmet_rgb);
        if (frame.ahead_z < 0.4f) {
            uda_draw_ball(view, uda_frame_point(&frame, s->head[0] + 0.08f, 0, s->head[1] * k),
                          0.08f, 0.05f, (struct uda_rgb){30, 34, 40});
        }
    }
}
