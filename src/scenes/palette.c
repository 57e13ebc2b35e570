#include "src/scenes/palette.h"

#include "src/scenes/maths.h"

struct uda_rgb uda_rgb_hsv(float hue, float saturation, float value)
{
    float h = (hue - (float)uda_floor(hue)) * 6.0f;
    int64_t sector = uda_floor(h);
    float f = h - (float)sector, v = value * 255.0f;
    float p = v * (1.0f - saturation), q = v * (1.0f - saturation * f);
    float t = v * (1.0f - saturation * (1.0f - f));
    switch (sector) {
    case 0: return (struct uda_rgb){v, t, p};
    case 1: return (struct uda_rgb){q, v, p};
    case 2: return (struct uda_rgb){p, v, t};
    case 3: return (struct uda_rgb){p, q, v};
    case 4: return (struct uda_rgb){t, p, v};
    default: return (struct uda_rgb){v, p, q};
    }
}

struct uda_rgb uda_palette_grey(float value)
{
    return (struct uda_rgb){value, value, value};
}

static struct uda_rgb muted(struct uda_rng *rng)
{
    static const float hues[6] = {0.0f, 0.06f, 0.14f, 0.33f, 0.58f, 0.63f};
    float hue = hues[uda_rng_below(rng, 6)];
    hue += uda_rng_range(rng, -0.02f, 0.02f);
    float saturation = uda_rng_range(rng, 0.35f, 0.75f);
    return uda_rgb_hsv(hue, saturation, uda_rng_range(rng, 0.25f, 0.75f));
}

struct uda_rgb uda_palette_vehicle(struct uda_rng *rng, enum uda_scene_style style)
{
    bool real = style == UDA_SCENE_REAL;
    if (uda_rng_uniform(rng) < (real ? 0.42f : 0.05f)) {
        float value = uda_rng_range(rng, 0.0f, 1.0f);
        return uda_palette_grey(value < 0.35f ? 40.0f + 60.0f * value : 90.0f + 150.0f * value);
    }
    if (real) {
        return muted(rng);
    }
    float hue = uda_rng_uniform(rng), saturation = uda_rng_range(rng, 0.65f, 1.0f);
    return uda_rgb_hsv(hue, saturation, uda_rng_range(rng, 0.6f, 1.0f));
}

struct uda_rgb uda_palette_cloth(struct uda_rng *rng, enum uda_scene_style style)
{
    if (style == UDA_SCENE_REAL) {
        if (uda_rng_uniform(rng) < 0.4f) {
            return uda_palette_grey(uda_rng_range(rng, 30.0f, 190.0f));
        }
        return muted(rng);
    }
    float hue = uda_rng_uniform(rng), saturation = uda_rng_range(rng, 0.6f, 1.0f);
    return uda_rgb_hsv(hue, saturation, uda_rng_range(rng, 0.45f, 1.0f));
}

struct uda_rgb uda_palette_skin(struct uda_rng *rng)
{
    static const struct uda_rgb tone[5] = {
        {240, 200, 170}, {224, 172, 132}, {198, 140, 100}, {140, 92, 62}, {96, 62, 44}};
    return tone[uda_rng_below(rng, 5)];
}

struct uda_rgb uda_palette_hair(struct uda_rng *rng)
{
    static const struct uda_rgb tone[5] = {
        {30, 24, 20}, {62, 42, 28}, {110, 74, 40}, {190, 150, 90}, {150, 148, 146}};
    return tone[uda_rng_below(rng, 5)];
}

struct uda_rgb uda_palette_wall(struct uda_rng *rng, enum uda_scene_style style)
{
    bool real = style == UDA_SCENE_REAL;
    float kind = uda_rng_uniform(rng);
    float value = real ? uda_rng_range(rng, 0.35f, 0.72f) : uda_rng_range(rng, 0.6f, 0.88f);
    if (kind < 0.3f) {
        return uda_palette_grey(value * 255.0f);
    }
    if (kind < 0.8f) {
        float saturation = uda_rng_range(rng, 0.15f, real ? 0.32f : 0.26f);
        return uda_rgb_hsv(uda_rng_range(rng, 0.03f, 0.13f), saturation, value);
    }
    float saturation = uda_rng_range(rng, 0.1f, real ? 0.2f : 0.3f);
    return uda_rgb_hsv(uda_rng_range(rng, 0.45f, 0.65f), saturation, value);
}

struct uda_rgb uda_palette_leaf(struct uda_rng *rng, enum uda_scene_style style)
{
    bool real = style == UDA_SCENE_REAL;
    float hue = real ? uda_rng_range(rng, 0.16f, 0.3f) : uda_rng_range(rng, 0.24f, 0.36f);
    float saturation = real ? uda_rng_range(rng, 0.3f, 0.55f) : uda_rng_range(rng, 0.5f, 0.75f);
    return uda_rgb_hsv(hue, saturation,
                       real ? uda_rng_range(rng, 0.25f, 0.42f) : uda_rng_range(rng, 0.42f, 0.62f));
}

struct uda_rgb uda_palette_glass(struct uda_rng *rng, enum uda_scene_style style)
{
    float value = style == UDA_SCENE_REAL ? uda_rng_range(rng, 0.12f, 0.32f)
                                          : uda_rng_range(rng, 0.3f, 0.45f);
    return uda_rgb_hsv(uda_rng_range(rng, 0.55f, 0.6f), 0.3f, value);
}
