/*
 * Elementary functions on vectors: branch-free, the same bits in every lane position, no library
 * calls.
 *
 * Accuracy (tests/unit/test_vmath.c): exp 1.5e-7 relative; log 1.5e-7 relative to max(|log x|, 1);
 * erf 3e-7 absolute; softplus 4e-7 relative. Coefficients are minimax fits made for this file
 * (linear programming on Chebyshev nodes).
 *
 *     vf p = vf_exp(vf_load(s) - vf_set(max));
 */
#ifndef UDA_KERNELS_CPU_VMATH_H
#define UDA_KERNELS_CPU_VMATH_H

#include "kernels/cpu/cpu.h"

typedef uint32_t vu UDA_VECTOR(UDA_VECTOR_BYTES);

/* mask lanes are all ones or all zeros: a where set, else b. */
static UDA_ALWAYS_INLINE vf vf_select(vi mask, vf a, vf b)
{
    return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}

static UDA_ALWAYS_INLINE vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }
static UDA_ALWAYS_INLINE vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }
static UDA_ALWAYS_INLINE vf vf_abs(vf x) { return (vf)((vu)x & 0x7fffffffu); }

/* Largest lane. */
static UDA_ALWAYS_INLINE float vf_largest(vf v)
{
#if UDA_LANES >= 16
    v = vf_max(v, UDA_TURN(v, 8));
#endif
#if UDA_LANES >= 8
    v = vf_max(v, UDA_TURN(v, 4));
#endif
    v = vf_max(v, UDA_TURN(v, 2));
    v = vf_max(v, UDA_TURN(v, 1));
    return v[0];
}

/* The first n < UDA_LANES values; the other lanes are 0. */
static inline vf vf_load_part(const float *p, int64_t n)
{
    vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}

static inline void vf_store_part(float *p, vf v, int64_t n)
{
    memcpy(p, &v, (size_t)n * sizeof *p);
}

/*
 * e^x for x <= 88; 0 below -87 and for NaN (test for it elsewhere). With n = round(x log2 e) and
 * r = x - n ln 2: 2^n (1 + r + r^2 q(r)), q fitted on |r| <= ln 2 / 2 to 3e-9. Far below -87 the
 * intermediate values are garbage, which the last line clears.
 */
static UDA_ALWAYS_INLINE vf vf_exp_low(vf x)
{
    /* 1.5 2^23: adding it rounds to an integer kept in the low bits. */
    const vf magic = vf_set(12582912.0f);
    vf shifted = x * 1.44269504f + magic;
    vf n = shifted - magic;
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f; /* ln 2 in two parts; the first has 10 bits */
    vf q = r * 1.38144619e-3f + 8.36879672e-3f;
    q = q * r + 4.16683953e-2f;
    q = q * r + 0.1666652f;
    q = q * r + 0.499999934f;
    vf p = q * (r * r) + r + 1.0f;
    vf y = (vf)((vu)p + ((vu)shifted << 23));
    return (vf)((vi)y & (x >= -87.0f));
}

/* e^x for all x, at most e^88; 0 for NaN. */
static UDA_ALWAYS_INLINE vf vf_exp(vf x) { return vf_exp_low(vf_min(vf_set(88.0f), x)); }

/*
 * Natural logarithm of a positive normal x. x = 2^e m, m in [sqrt(1/2), sqrt(2)), f = m - 1:
 * e ln 2 + f - f^2/2 + f^3 q(f), q fitted to 3e-8.
 */
static UDA_ALWAYS_INLINE vf vf_log(vf x)
{
    vu bits = (vu)x + (0x3f800000u - 0x3f3504f3u); /* moves the cut of the exponent to sqrt(1/2) */
    vf e = (vf)((bits >> 23) + 0x4b400000u) - (12582912.0f + 127.0f);
    vf f = (vf)((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    vf q = f * 0.0891786322f - 0.143501843f;
    q = q * f + 0.148769553f;
    q = q * f - 0.165656364f;
    q = q * f + 0.199653989f;
    q = q * f - 0.250017469f;
    q = q * f + 0.33333858f;
    vf f2 = f * f;
    return e * 0.693359375f + (f + (f2 * (f * q - 0.5f) - e * 2.12194440e-4f));
}

/* log(1 + x) for x >= 0. The rounding of 1 + x is put right to first order. */
static UDA_ALWAYS_INLINE vf vf_log1p(vf x)
{
    vf w = x + 1.0f;
    return vf_log(w) + (x - (w - 1.0f)) / w;
}

/* log(1 + e^x). */
static UDA_ALWAYS_INLINE vf vf_softplus(vf x)
{
    return vf_max(x, vf_set(0.0f)) + vf_log1p(vf_exp_low(-vf_abs(x)));
}

/* 1 / (1 + e^-x). */
static UDA_ALWAYS_INLINE vf vf_sigmoid(vf x) { return 1.0f / (1.0f + vf_exp(-x)); }

/* erfc(z) e^(z^2) for z >= 0: a polynomial in t = 1 / (1 + 0.66 z); times e^(-z^2) it errs by 1e-8
 * before rounding. */
static UDA_ALWAYS_INLINE vf vf_erfc_scaled(vf z)
{
    vf t = 1.0f / (z * 0.66f + 1.0f);
    vf p = t * -0.0840766207f + 0.453286093f;
    p = p * t - 0.91179629f;
    p = p * t + 0.652728525f;
    p = p * t + 0.117116776f;
    p = p * t + 0.402457611f;
    p = p * t + 0.370283893f;
    return p * t;
}

/* erf(x), absolute error 3e-7. */
static UDA_ALWAYS_INLINE vf vf_erf(vf x)
{
    vf z = vf_abs(x);
    vf y = 1.0f - vf_erfc_scaled(z) * vf_exp_low(-z * z);
    return (vf)((vu)y | ((vu)x & 0x80000000u));
}

/* Normal distribution Phi(x), and e^(-x^2/2) for its density. The tail keeps its relative
 * accuracy. */
static UDA_ALWAYS_INLINE vf vf_normal_cdf(vf x, vf *bell)
{
    *bell = vf_exp_low(x * x * -0.5f);
    vf tail = vf_erfc_scaled(vf_abs(x) * 0.707106781f) * *bell * 0.5f;
    return vf_select(x > 0.0f, 1.0f - tail, tail);
}

/* The same for one value. */
static inline float f_exp(float x)
{
    vf y = vf_exp(vf_set(x));
    return y[0];
}

static inline float f_log(float x)
{
    vf y = vf_log(vf_set(x));
    return y[0];
}

static inline float f_softplus(float x)
{
    vf y = vf_softplus(vf_set(x));
    return y[0];
}

static inline float f_erf(float x)
{
    vf y = vf_erf(vf_set(x));
    return y[0];
}

#endif
