/*
 * One case on one target: makes its arrays, runs the kernel, keeps the results for comparison.
 *
 * A case is a function that fills a kernel's arguments from its sizes and runs it. It is called for the
 * CPU kernels and then for the kernels under test, with the same numbers in the inputs; results are
 * compared output by output.
 *
 *     static void add(struct trial *t, const int64_t *s)
 *     {
 *         struct uda_add_args a = {.N = s[0], .count = s[1], .stride_b = s[2]};
 *         a.a = trial_normals(t, s[0] * s[1], 0.0f, 1.0f);
 *         ...
 *         a.y = trial_output(t, s[0] * s[1], false, 1.0);    // one rounding
 *         TRIAL_RUN(t, add, &a);
 *     }
 *
 * Invariants: inputs are a function of (case, order of the call): normals, integers; a kernel may not
 * change them. An output starts as NaN, or as numbers when the kernel adds to it. Tolerance: an output
 * gives `roundings` r >= 1, the number of float roundings that its error grows like (sqrt(K) for a sum
 * of K terms of either sign, as in tests/ops/harness.h); both sides may err by 16 eps r of the largest
 * value of the CPU's result, eps = 2^-24, so 32 eps r is allowed between them. A rounding of a double
 * is 2^-29 of one. 0 roundings: the same bytes.
 *
 * Storage: a case with a type has typed arrays, trial_typed_*, which the kernel under test keeps in that
 * type and the CPU in float; their numbers are the same, and fit. The kernel's `type` is t->type. A result
 * of bf16 is allowed one rounding to 8 bits more, at most half a unit in the last place: 2^-8 of the value.
 * 0 roundings: it is the CPU's, rounded. What a typed case asks of a CPU kernel in that type must be
 * UDA_UNSUPPORTED.
 *
 *     struct uda_relu_args a = {.type = t->type, .count = s[0]};
 *     a.x = trial_typed_normals(t, a.count, 0.0f, 1.0f);
 *     a.y = trial_typed_output(t, a.count, false, 0.0);
 */
#ifndef UDA_TESTS_CUDA_TRIAL_H
#define UDA_TESTS_CUDA_TRIAL_H

#include "kernels/type.h"
#include "src/base/arena.h"
#include "tests/cuda/target.h"

#define TRIAL_ARRAYS 32
#define TRIAL_SIZES 13

enum trial_type { TRIAL_BYTES, TRIAL_FLOAT, TRIAL_DOUBLE, TRIAL_BF16 };

struct trial_array {
    void *block, *data; /* on the target; data begins `shift` bytes into the block */
    size_t bytes, block_bytes;
    void *initial, *final; /* on the host */
    enum trial_type type;
    bool output;
    double roundings;
};

struct trial {
    struct target *target;
    const char *kernel;   /* set by the run */
    enum uda_type type;   /* how typed arrays are stored here */
    enum uda_type numbers; /* what the numbers in them fit */
    bool unaligned;       /* float and typed arrays lie one value off their natural boundary */
    bool empty;           /* every output is empty: only the kernel under test runs */
    bool reference;       /* this is the CPU's turn */
    int rc, inputs, arrays;
    struct trial_array array[TRIAL_ARRAYS];
    struct uda_arena host; /* what the kernel reads on the host */
};

/* offset + spread N(0,1) [count]; on the target. */
float *trial_normals(struct trial *t, int64_t count, float offset, float spread);
void *trial_typed_normals(struct trial *t, int64_t count, float offset, float spread);
/* The same in host memory, for arguments that the host reads. */
float *trial_host_normals(struct trial *t, int64_t count, float offset, float spread);
/* Uniform in low..high-1; high > low. */
int32_t *trial_integers(struct trial *t, int64_t count, int32_t low, int32_t high);
/* A copy of the case's own data; an input. */
void *trial_data(struct trial *t, const void *data, size_t bytes);
void *trial_typed_data(struct trial *t, const float *data, int64_t count);

/* Results. add: they start as normals, for a kernel that adds. */
float *trial_output(struct trial *t, int64_t count, bool add, double roundings);
void *trial_typed_output(struct trial *t, int64_t count, bool add, double roundings);
double *trial_output_double(struct trial *t, int64_t count, bool add, double roundings);
/* offset + spread N(0,1) before the kernel changes them. */
float *trial_output_normals(struct trial *t, int64_t count, float offset, float spread, double roundings);
/* Compared byte by byte. */
void *trial_output_bytes(struct trial *t, size_t bytes);
/* The same; it starts as `data`, for a kernel that works in place. */
void *trial_output_data(struct trial *t, const void *data, size_t bytes);

/* Runs the kernel of the target's table, with workspace as kernels.h says. */
#define TRIAL_RUN(t, name, args)                                                                   \
    do {                                                                                           \
        struct target *trial_target = (t)->target;                                                 \
        (t)->kernel = #name;                                                                       \
        if ((t)->empty && (t)->reference) {                                                        \
            break;                                                                                 \
        }                                                                                          \
        (args)->ws = (struct uda_workspace){0};                                                    \
        (t)->rc = trial_target->kernels->name(&trial_target->stream, (args));                      \
        if ((t)->rc == 0 && (args)->ws.bytes > 0) {                                                \
            (args)->ws.data = trial_workspace((t), (args)->ws.bytes);                              \
            (t)->rc = trial_target->kernels->name(&trial_target->stream, (args));                  \
        }                                                                                          \
    } while (0)
void *trial_workspace(struct trial *t, size_t bytes);

struct trial_case {
    const char *kernel;
    void (*run)(struct trial *t, const int64_t *size);
    int64_t size[TRIAL_SIZES];
    bool empty;     /* an output of size 0: nothing may be launched or written */
    bool not_finite; /* results that are no numbers on the CPU must be none here */
    bool unaligned; /* the kernel's arrays lie one value off: branches of aligned access are not taken */
    enum uda_type type; /* of typed arrays */
};

struct trial_cases {
    const struct trial_case *row;
    int64_t count;
};

/* Runs the case on both targets and compares. Returns 0, or 1 after printing the first difference with
 * the case's name. `again` (may be NULL) is called between repeats of the kernel under test, which must
 * give the same bytes each time: it changes the order of threads; false ends the repeats. */
int trial_compare(const struct trial_case *c, struct target *reference, struct target *target,
                  bool (*again)(int repeat));
/* "add 3 5 5 unaligned bf16" into text. Returns text. */
const char *trial_name(char *text, size_t bytes, const struct trial_case *c);

#endif
