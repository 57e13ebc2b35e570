#include "kernels/cpu/vrows.h"
#include "tests/check.h"

/* Largest error of a function over a grid, in the measure of its bound. */
enum measure { RELATIVE, ABSOLUTE, MIXED };

static double worst(vf (*f)(vf), double (*exact)(double), double from, double to,
                    enum measure measure)
{
    double most = 0.0;
    for (int64_t i = 0; i <= 400000; i++) {
        float x = (float)(from + (to - from) * (double)i / 400000.0);
        vf y = f(vf_set(x));
        double expected = exact((double)x), error = fabs((double)y[0] - expected);
        double size = fabs(expected);
        if (measure == RELATIVE || (measure == MIXED && size > 1.0)) {
            error /= size;
        }
        most = error > most ? error : most;
    }
    return most;
}

static double exact_softplus(double x) { return log1p(exp(x)); }
static double exact_sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }
static double exact_cdf(double x) { return 0.5 * erfc(-x / sqrt(2.0)); }

static vf f_vexp(vf x) { return vf_exp(x); }
static vf f_vlog(vf x) { return vf_log(x); }
static vf f_vlog1p(vf x) { return vf_log1p(x); }
static vf f_vsoftplus(vf x) { return vf_softplus(x); }
static vf f_vsigmoid(vf x) { return vf_sigmoid(x); }
static vf f_verf(vf x) { return vf_erf(x); }
static vf f_vcdf(vf x)
{
    vf bell;
    return vf_normal_cdf(x, &bell);
}

/*
 * Bounds: eps = 6e-8 for each rounding that matters. exp: one in its reduction, one or two in its
 * last steps; log likewise. erf is 1 less a polynomial times exp, about five roundings near 1; Phi is
 * half of that. softplus adds exp's error, log's and its own; the sigmoid exp's and two of its own.
 */
static void test_accuracy(void)
{
    CHECK(worst(f_vexp, exp, -86.9, 88.0, RELATIVE) < 1.5e-7);
    CHECK(worst(f_vlog, log, 1e-6, 4.0, MIXED) < 1.5e-7);
    CHECK(worst(f_vlog, log, 4.0, 1e30, RELATIVE) < 1.5e-7);
    CHECK(worst(f_vlog1p, log1p, 0.0, 1.0, ABSOLUTE) < 1.5e-7);
    CHECK(worst(f_vsoftplus, exact_softplus, -80.0, 40.0, RELATIVE) < 4e-7);
    CHECK(worst(f_vsigmoid, exact_sigmoid, -80.0, 40.0, RELATIVE) < 3e-7);
    CHECK(worst(f_verf, erf, -6.0, 6.0, ABSOLUTE) < 3e-7);
    CHECK(worst(f_vcdf, exact_cdf, -8.0, 8.0, ABSOLUTE) < 2e-7);
}

static float first(vf x) { return x[0]; }

static void test_ends(void)
{
    CHECK(first(vf_exp(vf_set(0.0f))) == 1.0f);
    CHECK(first(vf_exp(vf_set(-88.0f))) == 0.0f);
    CHECK(first(vf_exp(vf_set(-1e30f))) == 0.0f);
    CHECK(first(vf_exp(vf_set(-INFINITY))) == 0.0f);
    CHECK(first(vf_exp(vf_set(NAN))) == 0.0f);
    CHECK(isfinite(first(vf_exp(vf_set(1e30f)))));
    CHECK(first(vf_log(vf_set(1.0f))) == 0.0f);
    CHECK(first(vf_erf(vf_set(40.0f))) == 1.0f);
    CHECK(first(vf_erf(vf_set(-40.0f))) == -1.0f);
    CHECK(first(vf_softplus(vf_set(1e30f))) == 1e30f);
    CHECK(first(vf_softplus(vf_set(-1e30f))) == 0.0f);
}

static void test_rows(void)
{
    float from[UDA_LANES * UDA_LANES], to[UDA_LANES * UDA_LANES];
    for (int i = 0; i < UDA_LANES * UDA_LANES; i++) {
        from[i] = (float)(i * 37 % 101 - 50);
    }
    vf_transpose(to, UDA_LANES, from, UDA_LANES);
    vf sums = vf_rows_sum(from, UDA_LANES), most = vf_rows_max(from, UDA_LANES);
    for (int i = 0; i < UDA_LANES; i++) {
        float sum = 0.0f, top = -1e30f;
        for (int k = 0; k < UDA_LANES; k++) {
            CHECK(to[k * UDA_LANES + i] == from[i * UDA_LANES + k]);
            sum += from[i * UDA_LANES + k];
            top = from[i * UDA_LANES + k] > top ? from[i * UDA_LANES + k] : top;
        }
        CHECK(sums[i] == sum);
        CHECK(most[i] == top);
    }
}

int main(void)
{
    test_accuracy();
    test_ends();
    test_rows();
    return check_result();
}
