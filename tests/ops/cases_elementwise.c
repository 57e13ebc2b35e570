#include "tests/ops/cases.h"

#include <math.h>

enum kind { ADD, SCALED, GELU, RELU, ROWS, VECTOR, TWICE };

struct elementwise {
    enum kind kind;
    int64_t block; /* values of the broadcast operand, or of one image */
};

static const float scales[] = {0.0f, 1.25f, -2.0f};

static struct uda_tensor *run(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    const struct elementwise *s = config;
    switch (s->kind) {
    case ADD: return uda_add(t, x[0], x[1]);
    case SCALED: return uda_add_scaled(t, x[0], x[1], scales);
    case GELU: return uda_gelu(t, x[0]);
    case RELU: return uda_relu(t, x[0]);
    case ROWS: return uda_add_rows(t, x[0], x[1]);
    case VECTOR: return uda_add_vector(t, x[0], uda_param_rows(t, x[1], 1, 1));
    case TWICE: {
        struct uda_tensor *g = uda_gelu(t, x[0]);
        return uda_add(t, uda_relu(t, g), uda_gelu(t, g));
    }
    }
    return NULL;
}

static double gelu(double x) { return 0.5 * x * (1.0 + erf(x / sqrt(2.0))); }
static double relu(double x) { return x > 0.0 ? x : 0.0; }

static void reference(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct elementwise *s = config;
    for (int64_t i = 0; i < count; i++) {
        double a = x[0][i];
        switch (s->kind) {
        case ADD: y[i] = a + x[1][i]; break;
        case SCALED: y[i] = a + (double)scales[i / s->block] * x[1][i]; break;
        case GELU: y[i] = gelu(a); break;
        case RELU: y[i] = relu(a); break;
        case ROWS: y[i] = a + x[1][i % s->block]; break;
        case VECTOR: y[i] = a + x[1][s->block + i % s->block]; break;
        case TWICE: y[i] = relu(gelu(a)) + gelu(gelu(a)); break;
        }
    }
}

static const struct elementwise add = {ADD, 0}, scaled = {SCALED, 35}, gelu1 = {GELU, 0},
                                relu1 = {RELU, 0}, rows = {ROWS, 5 * 7}, vector = {VECTOR, 19},
                                vector_long = {VECTOR, 20000}, twice = {TWICE, 0};

/* Scale: one or two roundings each; broadcast gradients sum n <= 1200 values, sqrt(n) < 35. */
const struct op_case elementwise_cases[] = {
    {"add 3x7", 2, {{2, {3, 7}}, {2, {3, 7}}}, run, reference, &add, 1},
    {"add 40000", 2, {{1, {40000}}, {1, {40000}}}, run, reference, &add, 1},
    {"add_scaled 3x5x7", 2, {{3, {3, 5, 7}}, {3, {3, 5, 7}}}, run, reference, &scaled, 1},
    {"gelu 1", 1, {{1, {1}}}, run, reference, &gelu1, 1},
    {"gelu 3x77", 1, {{2, {3, 77}, false, 0.0f, 3.0f}}, run, reference, &gelu1, 1},
    {"gelu 33000", 1, {{2, {33, 1000}}}, run, reference, &gelu1, 1},
    {"gelu far out", 1, {{1, {50}, false, -9.0f, 4.0f}}, run, reference, &gelu1, 1},
    {"relu 3x7", 1, {{2, {3, 7}}}, run, reference, &relu1, 1},
    {"relu 17000", 1, {{1, {17000}}}, run, reference, &relu1, 1},
    {"two uses of a result", 1, {{1, {333}}}, run, reference, &twice, 2},
    {"add_rows 4x5x7", 2, {{3, {4, 5, 7}}, {2, {5, 7}}}, run, reference, &rows, 2},
    {"add_vector 3x400x19", 2, {{3, {3, 400, 19}}, {2, {3, 19}}}, run, reference, &vector, 35},
    {"add_vector 2x20000", 2, {{2, {2, 20000}}, {2, {2, 20000}}}, run, reference, &vector_long, 2},
};
const int64_t elementwise_case_count = UDA_LEN(elementwise_cases);
