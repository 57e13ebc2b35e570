#include "src/scenes/maths.h"

#include <math.h>

float uda_sqrt(float x)
{
    return x > 0.0f ? sqrtf(x) : 0.0f;
}

float uda_abs(float x)
{
    return x < 0.0f ? -x : x;
}

float uda_clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

int64_t uda_floor(float x)
{
    int64_t whole = (int64_t)x;
    return (float)whole > x ? whole - 1 : whole;
}

float uda_sin_turn(float t)
{
    float r = t - (float)uda_floor(t + 0.5f); /* -0.5..0.5 turns */
    r = r > 0.25f ? 0.5f - r : r < -0.25f ? -0.5f - r : r;
    float x = r * 6.2831853f, s = x * x;
    return x * (1.0f + s * (-0.16666667f +
                            s * (0.008333331f + s * (-0.00019840874f + s * 2.7525562e-6f))));
}

float uda_cos_turn(float t)
{
    return uda_sin_turn(t + 0.25f);
}

float uda_exp2(float x)
{
    float limited = uda_clamp(x, -120.0f, 120.0f);
    int64_t whole = uda_floor(limited);
    float f = (limited - (float)whole) * 0.69314718f;
    float p =
        1.0f + f * (1.0f + f * (0.5f + f * (0.16666667f + f * (0.041666668f + f * 0.0083333f))));
    return ldexpf(p, (int)whole);
}

/* log2 of x > 0 by the series of atanh on the mantissa. */
static float log2_of(float x)
{
    int exponent = 0;
    float m = frexpf(x, &exponent); /* 0.5..1 */
    if (m < 0.70710678f) {
        m *= 2.0f;
        exponent--;
    }
    float z = (m - 1.0f) / (m + 1.0f), s = z * z;
    float series =
        z * (1.0f + s * (0.33333333f + s * (0.2f + s * (0.14285714f + s * 0.11111111f))));
    return (float)exponent + series * 2.8853901f;
}

float uda_pow(float x, float y)
{
    return x > 0.0f ? uda_exp2(y * log2_of(x)) : 0.0f;
}

float uda_decay(float x)
{
    return uda_exp2(-1.442695f * x);
}

struct uda_point uda_circle(int64_t k)
{
    static const float sine[17] = {0.0f,        0.09801714f, 0.19509032f, 0.29028468f, 0.38268343f,
                                   0.47139674f, 0.55557023f, 0.63439328f, 0.70710678f, 0.77301045f,
                                   0.83146961f, 0.88192126f, 0.92387953f, 0.95694034f, 0.98078528f,
                                   0.99518473f, 1.0f};
    int64_t quarter = (k / 16) % 4, i = k % 16;
    float s = sine[i], c = sine[16 - i];
    switch (quarter) {
    case 0: return (struct uda_point){c, s};
    case 1: return (struct uda_point){-s, c};
    case 2: return (struct uda_point){-c, -s};
    default: return (struct uda_point){s, -c};
    }
}

uint32_t uda_hash2(uint32_t seed, int32_t x, int32_t y)
{
    uint32_t h = seed ^ ((uint32_t)x * 0x9E3779B1u) ^ ((uint32_t)y * 0x85EBCA77u);
    h ^= h >> 15;
    h *= 0x2C1B3C6Du;
    h ^= h >> 12;
    h *= 0x297A2D39u;
    return h ^ (h >> 15);
}

static float corner(uint32_t seed, int32_t x, int32_t y)
{
    return (float)(uda_hash2(seed, x, y) >> 8) * 0x1p-23f - 1.0f;
}

float uda_noise(uint32_t seed, float x, float y)
{
    int32_t ix = (int32_t)uda_floor(x), iy = (int32_t)uda_floor(y);
    float fx = x - (float)ix, fy = y - (float)iy;
    fx = fx * fx * (3.0f - 2.0f * fx);
    fy = fy * fy * (3.0f - 2.0f * fy);
    float a = corner(seed, ix, iy), b = corner(seed, ix + 1, iy);
    float c = corner(seed, ix, iy + 1), d = corner(seed, ix + 1, iy + 1);
    float top = a + (b - a) * fx, low = c + (d - c) * fx;
    return top + (low - top) * fy;
}

float uda_grain(uint32_t seed, int32_t x, int32_t y)
{
    uint32_t h = uda_hash2(seed, x, y);
    float sum =
        (float)(h & 255u) + (float)((h >> 8) & 255u) + (float)((h >> 16) & 255u) + (float)(h >> 24);
    return (sum - 510.0f) * (1.0f / 147.8f); /* four bytes: variance 4 * (256^2 - 1) / 12 */
}
