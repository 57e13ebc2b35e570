/*
 * What the programs that time steps share: their arguments, drawn inputs, the clock, and rows.
 *
 * Images are normal numbers with 20 elliptic targets each, drawn from a fixed seed; nothing is read from
 * disk. A row is TSV on stdout: model, size, batch, part, and two figures (median and p90 in ms; or what the
 * part says). What goes wrong ends the program: exit code 77 where the device or its precision is missing,
 * else 1.
 *
 *     struct bench b;
 *     bench_arguments(&b, argc, argv);
 *     bench_images(&images, &b, b.batch);
 *     ... b.steps + 1 times into ms, the first of which warms up ...
 *     bench_times(&b, "step", ms, b.steps + 1);
 */
#ifndef UDA_TESTS_BENCH_BENCH_H
#define UDA_TESTS_BENCH_BENCH_H

#include "src/loss/criterion.h"
#include "src/model/config.h"
#include "src/tensor/device.h"

#define BENCH_TARGETS 20
#define BENCH_STEPS_MOST 199

/* PROGRAM MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS THREADS [DEVICE [PRECISION]] */
struct bench {
    const char *name; /* of the model: a preset of src/model/config.h */
    struct uda_model_config model;
    struct uda_criterion_config criterion;
    int64_t height, width, batch, steps;
    int threads;
    const char *device; /* cpu, unless given */
    enum uda_type type; /* fp32, unless given */
};
void bench_arguments(struct bench *b, int argc, char **argv);

/* Images and targets of `count` images; memory for the life of the program. */
struct bench_images {
    float *pixels;  /* [count, height, width, 3] */
    int32_t *cls;   /* [count, BENCH_TARGETS] */
    uint8_t *masks; /* [count, BENCH_TARGETS, height, width] */
};
void bench_images(struct bench_images *images, const struct bench *b, int64_t count);

/* Ends the program when a call has failed, or there is no block. */
void bench_good(int rc, const struct uda_err *err);
void *bench_needed(void *block);
double bench_now_ms(void);

/* Sorts ms and prints the median and p90 of all but the first, which warms up. Returns the median. */
double bench_times(const struct bench *b, const char *part, double *ms, int64_t count);
/* A row with one figure. */
void bench_figure(const struct bench *b, const char *part, int decimals, double figure);
/* Rows of memory, MiB. step_bytes: the most step memory in use; array_bytes: parameters, gradients, moments.
 * On a device their sum, which is what the program has needed of it, and what it has taken from it;
 * everywhere the peak of the host's memory. */
void bench_memory(const struct bench *b, const struct uda_device *device, size_t step_bytes,
                  size_t array_bytes);
/* Since `before`, has the device launched every list of calls as a graph? If not, stderr says why. On the
 * CPU, which has none, false and silent. */
bool bench_graphs(const struct uda_device *device, const struct uda_replay_counts *before);
/* On stderr: what the figures were made with. */
void bench_made_with(const struct bench *b, const struct uda_device *device);

#endif
