#include "src/scenes/lens.h"

#include "src/base/rng.h"
#include "src/scenes/maths.h"

/* Amplitude of the texture of a surface: {synthetic, real at gap 1}. */
static float roughness(uint16_t value, bool real, float gap)
{
    float k = real ? gap : 0.0f;
    if (value >= UDA_SCENE_OBJECT) {
        return 0.20f * k;
    }
    switch (value) {
    case UDA_STUFF_ROAD: return 0.02f + 0.28f * k;
    case UDA_STUFF_LANE: return 0.02f + 0.5f * k;
    case UDA_STUFF_PAVEMENT: return 0.02f + 0.28f * k;
    case UDA_STUFF_TERRAIN: return 0.06f + 0.4f * k;
    case UDA_STUFF_VEGETATION: return 0.10f + 0.65f * k;
    case UDA_STUFF_BUILDING: return 0.015f + 0.3f * k;
    default: return 0.1f * k;
    }
}

/* Clouds: noise stretched towards the horizon. */
static void cloud_pixel(float *rgb, const struct uda_street *street, float x, float y,
                        float horizon)
{
    float depth = 1.0f / (1.15f - uda_clamp(y / horizon, 0.0f, 1.0f));
    float n = uda_noise(street->texture + 11u, x * 1.1f * depth + 3.0f, depth * 2.2f) * 0.6f +
              uda_noise(street->texture + 12u, x * 2.7f * depth, depth * 5.0f) * 0.4f;
    float cover = uda_clamp((n + street->cloud * 1.1f - 0.45f) * 1.6f, 0.0f, 1.0f) * 0.85f;
    float shade = 250.0f - 26.0f * street->cloud * (1.0f + n);
    for (int c = 0; c < 3; c++) {
        rgb[c] += (shade - rgb[c]) * cover;
    }
}

void uda_lens_texture(const struct uda_view *view, const struct uda_street *street,
                      const struct uda_scene_spec *spec)
{
    struct uda_canvas *canvas = view->canvas;
    bool real = spec->style == UDA_SCENE_REAL;
    float unit = 96.0f / (float)canvas->height; /* one of 96 rows */
    uint32_t seed = street->texture;
    for (int64_t y = 0; y < canvas->height; y++) {
        float row = ((float)y + 0.5f) * unit;
        float z = uda_view_depth(view, (float)y + 0.5f);
        bool ground_row = (float)y > view->horizon + 1.0f;
        /* texture finer than a pixel would only be noise: it fades out with distance */
        float per_px = z / view->focal, fine = uda_clamp(0.5f - per_px * 3.0f, 0.0f, 0.5f);
        for (int64_t x = 0; x < canvas->width; x++) {
            uint16_t value = canvas->map[y * canvas->width + x];
            float *rgb = canvas->rgb + 3 * (y * canvas->width + x);
            if (value == UDA_STUFF_SKY) {
                cloud_pixel(rgb, street, ((float)x - view->centre) / (float)canvas->height,
                            (float)y + 0.5f, view->horizon);
                continue;
            }
            float amount = roughness(value, real, spec->gap);
            if (amount < 0.001f) {
                continue;
            }
            float column = ((float)x + 0.5f) * unit, n;
            bool ground = ground_row && (value == UDA_STUFF_ROAD || value == UDA_STUFF_LANE ||
                                         value == UDA_STUFF_PAVEMENT || value == UDA_STUFF_TERRAIN);
            if (ground) {
                float gx = ((float)x + 0.5f - view->centre) * per_px;
                n = uda_noise(seed, gx * 1.6f, z * 0.5f) * (1.0f - fine) +
                    uda_noise(seed + 1u, gx * 7.0f, z * 3.0f) * fine;
            } else {
                n = uda_noise(seed + 2u, column * 0.34f, row * 0.34f) * 0.5f +
                    uda_noise(seed + 3u, column * 0.75f, row * 0.75f) * 0.5f;
            }
            float factor = 1.0f + amount * n;
            rgb[0] *= factor;
            rgb[1] *= factor;
            rgb[2] *= factor;
        }
    }
}

/* Separable Gaussian of `sigma` px, edges repeated; rgb in and out, scratch of the same size. */
static void blur(float *rgb, float *scratch, int64_t height, int64_t width, float sigma)
{
    float weight[33], sum = 1.0f;
    int64_t radius = (int64_t)(sigma * 2.5f + 0.999f);
    radius = radius > 32 ? 32 : radius;
    if (sigma < 0.05f || radius < 1) {
        return;
    }
    weight[0] = 1.0f;
    for (int64_t k = 1; k <= radius; k++) {
        float t = (float)k / sigma;
        weight[k] = uda_decay(0.5f * t * t);
        sum += 2.0f * weight[k];
    }
    for (int64_t k = 0; k <= radius; k++) {
        weight[k] /= sum;
    }
    for (int pass = 0; pass < 2; pass++) {
        const float *in = pass == 0 ? rgb : scratch;
        float *out = pass == 0 ? scratch : rgb;
        int64_t step = pass == 0 ? 1 : width;
        for (int64_t y = 0; y < height; y++) {
            for (int64_t x = 0; x < width; x++) {
                int64_t at = pass == 0 ? x : y, last = pass == 0 ? width - 1 : height - 1;
                int64_t here = y * width + x;
                float v[3] = {in[3 * here] * weight[0], in[3 * here + 1] * weight[0],
                              in[3 * here + 2] * weight[0]};
                for (int64_t k = 1; k <= radius; k++) {
                    int64_t a = here - step * (at < k ? at : k);
                    int64_t b = here + step * (last - at < k ? last - at : k);
                    for (int c = 0; c < 3; c++) {
                        v[c] += (in[3 * a + c] + in[3 * b + c]) * weight[k];
                    }
                }
                for (int c = 0; c < 3; c++) {
                    out[3 * here + c] = v[c];
                }
            }
        }
    }
}

/* The light of one exposure. */
struct exposure {
    float grey, cast[3], gamma[1025], gain, tilt_x, tilt_y, vignette, haze, noise;
    uint32_t seed;
};

static void choose(struct exposure *e, float *sigma, float g, struct uda_rng *rng)
{
    *sigma = g * uda_rng_range(rng, 0.4f, 0.9f);
    e->grey = 0.35f * g;
    float warm = uda_rng_range(rng, -0.06f, 0.16f) * g;
    e->cast[0] = 1.0f + warm;
    e->cast[1] = 1.0f + 0.3f * warm;
    e->cast[2] = 1.0f - warm;
    float gamma = 1.0f + g * uda_rng_range(rng, -0.35f, 0.55f);
    for (int i = 0; i <= 1024; i++) {
        e->gamma[i] = 255.0f * uda_pow((float)i / 1024.0f, gamma);
    }
    e->gain = 1.0f - g * uda_rng_range(rng, -0.2f, 0.4f);
    e->tilt_x = g * uda_rng_range(rng, -0.25f, 0.25f);
    e->tilt_y = g * uda_rng_range(rng, -0.25f, 0.25f);
    e->vignette = 0.8f * g;
    e->haze = g * uda_rng_range(rng, 0.0f, 0.5f);
    e->noise = 255.0f * g * uda_rng_range(rng, 0.015f, 0.045f);
    e->seed = uda_rng_u32(rng);
}

static void expose_pixel(float v[3], const struct exposure *e, float u, float w, float band)
{
    float luma = 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2];
    float light = e->gain * (1.0f + e->tilt_x * u + e->tilt_y * w) *
                  (1.0f - e->vignette * (u * u + w * w) * 0.5f);
    for (int c = 0; c < 3; c++) {
        float x = (v[c] + (luma - v[c]) * e->grey) * e->cast[c];
        x += (215.0f - x) * band;
        float at = uda_clamp(x, 0.0f, 254.99f) * (1024.0f / 255.0f);
        int64_t i = (int64_t)at;
        x = e->gamma[i] + (e->gamma[i + 1] - e->gamma[i]) * (at - (float)i);
        v[c] = x * light;
    }
}

static uint8_t quantise(float v)
{
    float x = v + 0.5f;
    return (uint8_t)(x < 0.0f ? 0.0f : x > 255.0f ? 255.0f : x);
}

void uda_lens_expose(uint8_t *rgb, float *scratch, const struct uda_view *view,
                     const struct uda_scene_spec *spec, struct uda_rng *rng)
{
    struct uda_canvas *canvas = view->canvas;
    int64_t height = canvas->height, width = canvas->width;
    if (spec->style == UDA_SCENE_SYNTHETIC) {
        for (int64_t i = 0; i < 3 * height * width; i++) {
            rgb[i] = quantise(canvas->rgb[i]);
        }
        return;
    }
    struct exposure e;
    float sigma = 0.0f, rows = (float)height;
    choose(&e, &sigma, spec->gap, rng);
    /* optics blur a share of the picture, the sensor some pixels: in between, the square root */
    blur(canvas->rgb, scratch, height, width, sigma * uda_sqrt(rows / 96.0f));
    for (int64_t y = 0; y < height; y++) {
        float w = ((float)y + 0.5f) / rows * 2.0f - 1.0f;
        float from = ((float)y + 0.5f - view->horizon) / (0.16f * rows);
        float band = e.haze * uda_decay(from * from);
        for (int64_t x = 0; x < width; x++) {
            float u = ((float)x + 0.5f) / (float)width * 2.0f - 1.0f;
            float *v = canvas->rgb + 3 * (y * width + x);
            expose_pixel(v, &e, u, w, band);
            for (int c = 0; c < 3; c++) {
                float grain = uda_grain(e.seed + (uint32_t)c, (int32_t)x, (int32_t)y);
                rgb[3 * (y * width + x) + c] = quantise(v[c] + e.noise * grain);
            }
        }
    }
}
