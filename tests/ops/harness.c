#include "tests/ops/harness.h"

#include "src/base/rng.h"
#include "tests/check.h"

#include <stdlib.h>

#define STEP 1e-5
#define PROBES 48

/* The inputs of a case, flat, at 64-byte offsets as the program keeps its parameters. */
struct flat {
    float *value, *grad;
    int64_t offset[OP_INPUTS], count[OP_INPUTS], total;
};

static void *checked(void *block)
{
    if (block == NULL) {
        abort();
    }
    return block;
}

static void flat_init(struct flat *f, const struct op_case *c)
{
    *f = (struct flat){0};
    for (int i = 0; i < c->inputs; i++) {
        f->offset[i] = f->total;
        f->count[i] = 1;
        for (int d = 0; d < c->input[i].ndim; d++) {
            f->count[i] *= c->input[i].dim[d];
        }
        f->total += (f->count[i] + 15) / 16 * 16;
    }
    f->value = checked(uda_calloc((size_t)f->total * sizeof *f->value));
    f->grad = checked(uda_calloc((size_t)f->total * sizeof *f->grad));
    for (int i = 0; i < c->inputs; i++) {
        struct uda_rng rng;
        uda_rng_init(&rng, 7, UDA_RNG_TEST, 0, 0, (uint32_t)i);
        float spread = c->input[i].spread == 0.0f ? 1.0f : c->input[i].spread;
        for (int64_t k = 0; k < f->count[i]; k++) {
            f->value[f->offset[i] + k] = c->input[i].offset + spread * uda_rng_normal(&rng);
        }
    }
}

static void flat_finish(struct flat *f)
{
    uda_free(f->value);
    uda_free(f->grad);
}

static float seed_value(int64_t i)
{
    return (float)((i * 2654435761LL % 1000) - 500) / 500.0f;
}

/* One forward and backward; y is copied out. Returns the size of the result. */
static int64_t run_once(const struct op_case *c, struct flat *f, int threads, const char *isa,
                        float **y_out)
{
    struct uda_err err = {0};
    struct uda_device device;
    CHECK_OK(uda_device_init_cpu(&device, threads, isa, &err), &err);
    device.pool.slab_bytes = 1 << 20;
    struct uda_tape tape;
    uda_tape_init(&tape, &device);
    tape.param_values = f->value;
    tape.param_grads = f->grad;
    memset(f->grad, 0, (size_t)f->total * sizeof *f->grad);
    uda_tape_begin(&tape, true);
    struct uda_tensor *x[OP_INPUTS];
    for (int i = 0; i < c->inputs; i++) {
        x[i] = c->input[i].constant
                   ? uda_tape_constant(&tape, f->value + f->offset[i], c->input[i].ndim,
                                       c->input[i].dim)
                   : uda_tape_param(&tape, f->offset[i], c->input[i].ndim, c->input[i].dim);
    }
    struct uda_tensor *y = c->run(&tape, x, c->config);
    CHECK_OK(uda_tape_status(&tape, &err), &err);
    int64_t count = err.code == UDA_OK ? y->count : 0;
    *y_out = checked(uda_alloc((size_t)(count + 1) * sizeof **y_out));
    if (count > 0) {
        memcpy(*y_out, y->data, (size_t)count * sizeof **y_out);
        bool accumulate = false;
        float *dy = uda_grad_take(&tape, y, &accumulate);
        for (int64_t i = 0; dy != NULL && i < count; i++) {
            dy[i] = seed_value(i);
        }
        uda_tape_backward(&tape);
        CHECK_OK(uda_tape_status(&tape, &err), &err);
        CHECK(device.pool.used_bytes == 0 || c->inputs == 0 || dy == NULL);
    }
    uda_tape_finish(&tape);
    uda_device_finish(&device);
    return count;
}

/* sum_i seed_i reference_i at the given inputs. */
static double projected(const struct op_case *c, const double *const *x, double *y, int64_t count)
{
    c->reference(y, count, x, c->config);
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) {
        sum += (double)seed_value(i) * y[i];
    }
    return sum;
}

static double largest(const double *x, int64_t n)
{
    double most = 1e-30;
    for (int64_t i = 0; i < n; i++) {
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    }
    return most;
}

static void check_gradients(const struct op_case *c, const struct flat *f, double **x, double *y,
                            int64_t count, double tolerance)
{
    for (int i = 0; i < c->inputs; i++) {
        if (c->input[i].constant) {
            continue;
        }
        double expected[PROBES], got[PROBES];
        int64_t probes = f->count[i] < PROBES ? f->count[i] : PROBES;
        for (int64_t p = 0; p < probes; p++) {
            int64_t k = probes == f->count[i] ? p : p * 7919 % f->count[i];
            double kept = x[i][k];
            x[i][k] = kept + STEP;
            double above = projected(c, (const double *const *)(void *)x, y, count);
            x[i][k] = kept - STEP;
            double below = projected(c, (const double *const *)(void *)x, y, count);
            x[i][k] = kept;
            expected[p] = (above - below) / (2 * STEP);
            got[p] = (double)f->grad[f->offset[i] + k];
        }
        double size = largest(expected, probes);
        for (int64_t p = 0; p < probes; p++) {
            if (!(fabs(got[p] - expected[p]) <= tolerance * size + 1e-7)) {
                (void)fprintf(stderr, "%s: input %d probe %lld: gradient %.9g, expected %.9g (size %.3g)\n",
                              c->name, i, (long long)p, got[p], expected[p], size);
                check_failures++;
                break;
            }
        }
    }
}

static void check_isa(const struct op_case *c, const char *isa)
{
    struct flat f;
    flat_init(&f, c);
    float *y1 = NULL, *y3 = NULL;
    int64_t count = run_once(c, &f, 3, isa, &y3);
    float *grad3 = checked(uda_alloc((size_t)f.total * sizeof *grad3));
    memcpy(grad3, f.grad, (size_t)f.total * sizeof *grad3);
    CHECK(run_once(c, &f, 1, isa, &y1) == count);
    if (memcmp(y1, y3, (size_t)count * sizeof *y1) != 0 ||
        memcmp(grad3, f.grad, (size_t)f.total * sizeof *grad3) != 0) {
        (void)fprintf(stderr, "%s (%s): 1 and 3 threads differ\n", c->name, isa);
        check_failures++;
    }
    double *x[OP_INPUTS] = {NULL}, *y = checked(uda_alloc((size_t)(count + 1) * sizeof *y));
    for (int i = 0; i < c->inputs; i++) {
        x[i] = checked(uda_alloc((size_t)f.count[i] * sizeof *x[i]));
        for (int64_t k = 0; k < f.count[i]; k++) {
            x[i][k] = (double)f.value[f.offset[i] + k];
        }
    }
    double tolerance = 16.0 * 0x1p-24 * (c->scale > 1.0 ? c->scale : 1.0);
    c->reference(y, count, (const double *const *)(void *)x, c->config);
    double size = largest(y, count);
    for (int64_t i = 0; i < count; i++) {
        if (!(fabs((double)y1[i] - y[i]) <= tolerance * size)) {
            (void)fprintf(stderr, "%s (%s): y[%lld] = %.9g, expected %.9g (size %.3g)\n", c->name, isa,
                          (long long)i, (double)y1[i], y[i], size);
            check_failures++;
            break;
        }
    }
    check_gradients(c, &f, x, y, count, 4 * tolerance);
    for (int i = 0; i < c->inputs; i++) {
        uda_free(x[i]);
    }
    uda_free(y);
    uda_free(grad3);
    uda_free(y1);
    uda_free(y3);
    flat_finish(&f);
}

void op_case_check(const struct op_case *c)
{
    static const char *const isas[] = {"generic", "x86-64-v3", "x86-64-v4"};
    for (int i = 0; i < 3; i++) {
        if (uda_kernels_cpu_named(isas[i]) != NULL) {
            check_isa(c, isas[i]);
        }
    }
}

int op_failures(void) { return check_result(); }
