#include "tests/cuda/trial.h"

#include "src/base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPS 0x1p-24
#define EPS_BF16 0x1p-8

static void *checked(void *block)
{
    if (block == NULL) {
        (void)fprintf(stderr, "trial: out of memory\n");
        abort();
    }
    return block;
}

static struct uda_rng input_stream(struct trial *t)
{
    struct uda_rng rng;
    uda_rng_init(&rng, 23, UDA_RNG_TEST, 0, 0, (uint32_t)t->inputs++);
    return rng;
}

static size_t value_bytes(enum trial_type type)
{
    static const size_t bytes[] = {[TRIAL_BYTES] = 1, [TRIAL_FLOAT] = sizeof(float),
                                   [TRIAL_DOUBLE] = sizeof(double), [TRIAL_BF16] = sizeof(uint16_t)};
    return bytes[type];
}

/* To nearest, even; NaN: all bits, as an output starts. */
static uint16_t narrow(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return isnan(x) ? UINT16_MAX : (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

static float widen(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Uploads `initial` (taken over) as the next array. */
static void *add_array(struct trial *t, void *initial, size_t bytes, enum trial_type type, bool output,
                       double roundings)
{
    if (t->arrays == TRIAL_ARRAYS) {
        (void)fprintf(stderr, "trial: more than %d arrays\n", TRIAL_ARRAYS);
        abort();
    }
    size_t shift = t->unaligned && (type == TRIAL_FLOAT || type == TRIAL_BF16) ? value_bytes(type) : 0;
    struct trial_array *a = &t->array[t->arrays++];
    *a = (struct trial_array){.bytes = bytes, .block_bytes = bytes + shift, .initial = initial,
                              .type = type, .output = output, .roundings = roundings};
    a->block = t->target->alloc(t->target, a->block_bytes);
    a->data = (unsigned char *)a->block + shift;
    t->target->upload(t->target, a->data, initial, bytes);
    return a->data;
}

static float *normals(struct trial *t, int64_t count, float offset, float spread)
{
    float *x = checked(uda_alloc((size_t)count * sizeof *x + 1));
    struct uda_rng rng = input_stream(t);
    for (int64_t i = 0; i < count; i++) {
        x[i] = offset + spread * uda_rng_normal(&rng);
    }
    return x;
}

float *trial_normals(struct trial *t, int64_t count, float offset, float spread)
{
    float *x = normals(t, count, offset, spread);
    return add_array(t, x, (size_t)count * sizeof *x, TRIAL_FLOAT, false, 0.0);
}

/* count floats (taken over) as the next typed array. */
static void *add_typed(struct trial *t, float *x, int64_t count, bool output, double roundings)
{
    for (int64_t i = 0; i < count && t->numbers == UDA_BF16; i++) {
        x[i] = isnan(x[i]) ? x[i] : widen(narrow(x[i]));
    }
    if (t->type == UDA_F32) {
        return add_array(t, x, (size_t)count * sizeof *x, TRIAL_FLOAT, output, roundings);
    }
    uint16_t *halves = checked(uda_alloc((size_t)count * sizeof *halves + 1));
    for (int64_t i = 0; i < count; i++) {
        halves[i] = narrow(x[i]);
    }
    uda_free(x);
    return add_array(t, halves, (size_t)count * sizeof *halves, TRIAL_BF16, output, roundings);
}

void *trial_typed_normals(struct trial *t, int64_t count, float offset, float spread)
{
    return add_typed(t, normals(t, count, offset, spread), count, false, 0.0);
}

float *trial_host_normals(struct trial *t, int64_t count, float offset, float spread)
{
    float *x = normals(t, count, offset, spread);
    float *kept = checked(uda_arena_alloc(&t->host, (size_t)count * sizeof *x));
    memcpy(kept, x, (size_t)count * sizeof *x);
    uda_free(x);
    return kept;
}

int32_t *trial_integers(struct trial *t, int64_t count, int32_t low, int32_t high)
{
    int32_t *x = checked(uda_alloc((size_t)count * sizeof *x + 1));
    struct uda_rng rng = input_stream(t);
    for (int64_t i = 0; i < count; i++) {
        x[i] = low + (int32_t)uda_rng_below(&rng, high - low);
    }
    return add_array(t, x, (size_t)count * sizeof *x, TRIAL_BYTES, false, 0.0);
}

void *trial_data(struct trial *t, const void *data, size_t bytes)
{
    void *x = checked(uda_alloc(bytes + 1));
    memcpy(x, data, bytes);
    return add_array(t, x, bytes, TRIAL_BYTES, false, 0.0);
}

void *trial_typed_data(struct trial *t, const float *data, int64_t count)
{
    float *x = checked(uda_alloc((size_t)count * sizeof *x + 1));
    memcpy(x, data, (size_t)count * sizeof *x);
    return add_typed(t, x, count, false, 0.0);
}

static void *poison(size_t bytes)
{
    void *x = checked(uda_alloc(bytes + 1));
    memset(x, 0xff, bytes);
    return x;
}

float *trial_output(struct trial *t, int64_t count, bool add, double roundings)
{
    size_t bytes = (size_t)count * sizeof(float);
    void *initial = add ? normals(t, count, 0.0f, 1.0f) : poison(bytes);
    return add_array(t, initial, bytes, TRIAL_FLOAT, true, roundings);
}

void *trial_typed_output(struct trial *t, int64_t count, bool add, double roundings)
{
    float *x = add ? normals(t, count, 0.0f, 1.0f) : poison((size_t)count * sizeof *x);
    return add_typed(t, x, count, true, roundings);
}

float *trial_output_normals(struct trial *t, int64_t count, float offset, float spread, double roundings)
{
    return add_array(t, normals(t, count, offset, spread), (size_t)count * sizeof(float), TRIAL_FLOAT, true,
                     roundings);
}

double *trial_output_double(struct trial *t, int64_t count, bool add, double roundings)
{
    double *x = poison((size_t)count * sizeof *x);
    for (int64_t i = 0; add && i < count; i++) {
        x[i] = (double)i + 0.5;
    }
    return add_array(t, x, (size_t)count * sizeof *x, TRIAL_DOUBLE, true, roundings);
}

void *trial_output_bytes(struct trial *t, size_t bytes)
{
    return add_array(t, poison(bytes), bytes, TRIAL_BYTES, true, 0.0);
}

void *trial_output_data(struct trial *t, const void *data, size_t bytes)
{
    void *x = checked(uda_alloc(bytes + 1));
    memcpy(x, data, bytes);
    return add_array(t, x, bytes, TRIAL_BYTES, true, 0.0);
}

void *trial_workspace(struct trial *t, size_t bytes)
{
    struct trial_array *a = &t->array[t->arrays];
    (void)add_array(t, poison(bytes), bytes, TRIAL_BYTES, true, -1.0); /* not compared */
    return a->data;
}

const char *trial_name(char *text, size_t bytes, const struct trial_case *c)
{
    int last = TRIAL_SIZES - 1;
    while (last > 0 && c->size[last] == 0) {
        last--;
    }
    size_t at = (size_t)snprintf(text, bytes, "%s", c->kernel);
    for (int i = 0; i <= last && at < bytes; i++) {
        at += (size_t)snprintf(text + at, bytes - at, " %lld", (long long)c->size[i]);
    }
    if (at < bytes) {
        (void)snprintf(text + at, bytes - at, "%s%s", c->unaligned ? " unaligned" : "",
                       c->type == UDA_BF16 ? " bf16" : "");
    }
    return text;
}

static void say(const struct trial_case *c, const struct target *target, const char *what)
{
    char name[200];
    (void)fprintf(stderr, "%s (%s): %s\n", trial_name(name, sizeof name, c), target->name, what);
}

/* Calls the case. */
static void begin_trial(struct trial *t, const struct trial_case *c, struct target *target, bool reference)
{
    *t = (struct trial){.target = target, .empty = c->empty, .reference = reference, .numbers = c->type};
    t->type = reference ? UDA_F32 : c->type;
    t->unaligned = c->unaligned && !reference;
    c->run(t, c->size);
}

/* Brings the arrays back; `kept`: outputs must be what they were, too. Returns the number of complaints. */
static int end_trial(struct trial *t, const struct trial_case *c, bool kept)
{
    int complaints = 0;
    for (int i = 0; i < t->arrays; i++) {
        struct trial_array *a = &t->array[i];
        a->final = checked(uda_alloc(a->bytes + 1));
        t->target->download(t->target, a->final, a->data, a->bytes);
        if (!t->target->release(t->target, a->block, a->block_bytes)) {
            say(c, t->target, "wrote behind an array");
            complaints++;
        }
        if ((!a->output || kept) && memcmp(a->final, a->initial, a->bytes) != 0) {
            say(c, t->target, a->output ? "failed and changed an output" : "changed an input");
            complaints++;
        }
    }
    return complaints;
}

/* Runs the case. Returns the number of complaints. */
static int run_trial(struct trial *t, const struct trial_case *c, struct target *target, bool reference)
{
    begin_trial(t, c, target, reference);
    int complaints = 0;
    if (t->rc != 0 || t->kernel == NULL || strcmp(t->kernel, c->kernel) != 0) {
        char what[96];
        (void)snprintf(what, sizeof what, "%s %s",
                       t->rc != 0 ? "returned" : "runs another kernel than its name says:",
                       t->rc != 0 ? uda_code_name((enum uda_code)t->rc) : t->kernel);
        say(c, target, what);
        complaints++;
    }
    return complaints + end_trial(t, c, false);
}

static void free_trial(struct trial *t)
{
    for (int i = 0; i < t->arrays; i++) {
        uda_free(t->array[i].initial);
        uda_free(t->array[i].final);
    }
    uda_arena_finish(&t->host);
}

static double value(const struct trial_array *a, const void *data, int64_t i)
{
    return a->type == TRIAL_BF16    ? (double)widen(((const uint16_t *)data)[i])
           : a->type == TRIAL_FLOAT ? (double)((const float *)data)[i]
                                    : ((const double *)data)[i];
}

/* The largest magnitude of the CPU's result: what errors are relative to. */
static double largest(const struct trial_array *a, int64_t count)
{
    double most = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        double x = fabs(value(a, a->final, i));
        most = x > most ? x : most;
    }
    return most;
}

static int64_t count_of(const struct trial_array *a) { return (int64_t)(a->bytes / value_bytes(a->type)); }

/* The same bytes, or the expected floats rounded to bf16. */
static bool same(const struct trial_array *expected, const struct trial_array *got)
{
    if (expected->type == got->type) {
        return memcmp(expected->final, got->final, got->bytes) == 0;
    }
    for (int64_t i = 0; i < count_of(got); i++) {
        if (narrow(((const float *)expected->final)[i]) != ((const uint16_t *)got->final)[i]) {
            return false;
        }
    }
    return true;
}

static int compare_array(const struct trial_case *c, const struct target *target, int index,
                         const struct trial_array *expected, const struct trial_array *got)
{
    int64_t count = count_of(expected);
    if (count != count_of(got)) {
        say(c, target, "the case made arrays of other sizes");
        return 1;
    }
    char what[160];
    if (expected->roundings <= 0.0) {
        if (expected->roundings == 0.0 && !same(expected, got)) {
            (void)snprintf(what, sizeof what, "array %d: the bytes differ", index);
            say(c, target, what);
            return 1;
        }
        return 0;
    }
    double size = largest(expected, count), all = 32.0 * EPS * expected->roundings * size;
    double stored = got->type == TRIAL_BF16 ? EPS_BF16 : 0.0;
    for (int64_t i = 0; i < count; i++) {
        double a = value(expected, expected->final, i), b = value(got, got->final, i);
        double allowed = all + stored * (fabs(a) + all); /* it rounds what may be off by `all` */
        if (!(fabs(a - b) <= allowed) && !(c->not_finite && isnan(a) && isnan(b))) {
            (void)snprintf(what, sizeof what, "array %d [%lld] = %.9g, expected %.9g within %.2g", index,
                           (long long)i, b, a, allowed);
            say(c, target, what);
            return 1;
        }
    }
    return 0;
}

static int compare_trials(const struct trial_case *c, const struct trial *expected, const struct trial *got)
{
    int complaints = 0;
    for (int i = 0; i < expected->arrays && i < got->arrays; i++) {
        const struct trial_array *a = &expected->array[i];
        if (a->output && a->roundings >= 0.0 && !(c->empty && a->bytes > 0)) {
            complaints += compare_array(c, got->target, i, a, &got->array[i]);
        }
    }
    return complaints;
}

/* Repeats must give the bytes of the first run. */
static int compare_bytes(const struct trial_case *c, const struct trial *first, const struct trial *again)
{
    for (int i = 0; i < first->arrays; i++) {
        const struct trial_array *a = &first->array[i];
        if (a->output && a->roundings >= 0.0 && memcmp(a->final, again->array[i].final, a->bytes) != 0) {
            say(c, first->target, "another order of threads gives other bytes: a race");
            return 1;
        }
    }
    return 0;
}

/* The reference is asked for the case's type. Returns the number of complaints. */
static int check_refusal(struct trial *t, const struct trial_case *c, struct target *reference)
{
    begin_trial(t, c, reference, false);
    int complaints = t->rc == (int)UDA_UNSUPPORTED ? 0 : 1;
    if (complaints > 0) {
        say(c, reference, "is for floats alone, and does not say so");
    }
    complaints += end_trial(t, c, true);
    free_trial(t);
    return complaints;
}

int trial_compare(const struct trial_case *c, struct target *reference, struct target *target,
                  bool (*again)(int repeat))
{
    struct trial *expected = checked(uda_calloc(3 * sizeof *expected)), *got = expected + 1, *more = got + 1;
    int complaints = run_trial(expected, c, reference, true);
    complaints += run_trial(got, c, target, false);
    if (complaints == 0) {
        complaints += compare_trials(c, expected, got);
    }
    if (c->type != UDA_F32) {
        complaints += check_refusal(more, c, reference);
    }
    for (int repeat = 1; again != NULL && complaints == 0 && again(repeat); repeat++) {
        complaints += run_trial(more, c, target, false);
        complaints += complaints == 0 ? compare_bytes(c, got, more) : 0;
        free_trial(more);
    }
    if (again != NULL) {
        (void)again(0);
    }
    free_trial(expected);
    free_trial(got);
    uda_free(expected);
    return complaints > 0 ? 1 : 0;
}
