/*
 * The case table of the ops: every op against a plain double-precision reference, its gradients
 * against central differences of that reference, and its bytes against another number of threads,
 * on every instruction set.
 *
 * A case names its inputs' shapes, runs the op on a tape, and computes the same in double. Inputs
 * are parameters of the tape, so gradients arrive in one flat array.
 *
 * Tolerances: a float result built from K products of unit-size terms carries about sqrt(K) eps
 * relative error, eps = 2^-24; a case gives `scale` >= that sqrt(K) growth, and the harness allows
 * 16 eps scale of the largest value. Differences use h = 1e-5 in double: truncation 1e-10,
 * cancellation 1e-11 of the reference's size.
 */
#ifndef UDA_TESTS_OPS_HARNESS_H
#define UDA_TESTS_OPS_HARNESS_H

#include "src/ops/ops.h"

#define OP_INPUTS 8

struct op_case {
    const char *name;
    int inputs;
    struct {
        int ndim;
        int64_t dim[UDA_DIMS];
        bool constant; /* no gradient is expected */
        float offset;  /* inputs are offset + spread * N(0,1); spread 0 means 1 */
        float spread;
    } input[OP_INPUTS];
    /* Runs the op; the result's gradient is seeded by the harness. */
    struct uda_tensor *(*run)(struct uda_tape *t, struct uda_tensor **x, const void *config);
    /* y [count] in double from inputs in double; count is what run's result has. */
    void (*reference)(double *y, int64_t count, const double *const *x, const void *config);
    const void *config;
    double scale;
};

/* Runs the case on every instruction set of this processor with 1 and 3 threads; counts failures by
 * check.h. */
void op_case_check(const struct op_case *c);
/* Prints and returns the number of failed checks, as a verdict: 0 or 1. */
int op_failures(void);

#endif
