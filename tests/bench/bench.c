#include "tests/bench/bench.h"

#include "src/base/arena.h"
#include "src/base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MIB 1048576.0

void bench_good(int rc, const struct uda_err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "bench: %s\n", err->text);
        exit(rc == (int)UDA_UNSUPPORTED ? 77 : 1);
    }
}

void *bench_needed(void *block)
{
    if (block == NULL) {
        (void)fprintf(stderr, "bench: out of memory\n");
        exit(1);
    }
    return block;
}

double bench_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void stop(const char *text)
{
    (void)fprintf(stderr, "bench: %s\n", text);
    exit(2);
}

void bench_arguments(struct bench *b, int argc, char **argv)
{
    struct uda_err err = {0};
    if (argc < 9 || argc > 11) {
        stop("arguments: MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS THREADS [DEVICE [PRECISION]]");
    }
    const char *precision = argc > 10 ? argv[10] : "fp32";
    *b = (struct bench){.name = argv[1], .criterion = uda_criterion_defaults(), .height = atoll(argv[2]),
                        .width = atoll(argv[3]), .batch = atoll(argv[4]), .steps = atoll(argv[7]),
                        .threads = atoi(argv[8]), .device = argc > 9 ? argv[9] : "cpu",
                        .type = strcmp(precision, "bf16") == 0 ? UDA_BF16 : UDA_F32};
    if (b->type == UDA_F32 && strcmp(precision, "fp32") != 0) {
        stop("precision: fp32 or bf16");
    }
    if (b->steps < 1 || b->steps > BENCH_STEPS_MOST || b->batch < 1 || b->height < 1 || b->width < 1) {
        stop("sizes from 1 on, and at most 199 steps");
    }
    bench_good(uda_model_preset(&b->model, b->name, 8, &err), &err);
    if (atoll(argv[5]) > 0) {
        b->model.queries = atoll(argv[5]);
    }
    b->criterion.points = atoll(argv[6]);
}

/* The targets of one image. */
static void draw_targets(int32_t *cls, uint8_t *masks, int64_t H, int64_t W, struct uda_rng *rng)
{
    for (int64_t k = 0; k < BENCH_TARGETS; k++) {
        float cy = uda_rng_uniform(rng) * (float)H, cx = uda_rng_uniform(rng) * (float)W;
        float u = uda_rng_uniform(rng), v = uda_rng_uniform(rng);
        float ry = 4.0f + u * u * (float)H / 4.0f, rx = 4.0f + v * v * (float)W / 4.0f;
        uint8_t *mask = masks + k * H * W;
        for (int64_t i = 0; i < H * W; i++) {
            float dy = ((float)(i / W) - cy) / ry, dx = ((float)(i % W) - cx) / rx;
            mask[i] = dy * dy + dx * dx < 1.0f;
        }
        cls[k] = (int32_t)uda_rng_below(rng, 8);
    }
}

void bench_images(struct bench_images *images, const struct bench *b, int64_t count)
{
    int64_t pixels = count * b->height * b->width;
    struct uda_rng rng;
    images->pixels = bench_needed(uda_calloc((size_t)pixels * 3 * sizeof *images->pixels));
    images->masks = bench_needed(uda_calloc((size_t)(pixels * BENCH_TARGETS)));
    images->cls = bench_needed(uda_calloc((size_t)(count * BENCH_TARGETS) * sizeof *images->cls));
    uda_rng_init(&rng, 1, UDA_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < pixels * 3; i++) {
        images->pixels[i] = uda_rng_normal(&rng);
    }
    for (int64_t n = 0; n < count; n++) {
        draw_targets(images->cls + n * BENCH_TARGETS,
                     images->masks + n * BENCH_TARGETS * b->height * b->width, b->height, b->width, &rng);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void row(const struct bench *b, const char *part, const char *figures)
{
    (void)printf("%s\t%lldx%lld\t%lld\t%s\t%s\n", b->name, (long long)b->height, (long long)b->width,
                 (long long)b->batch, part, figures);
}

double bench_times(const struct bench *b, const char *part, double *ms, int64_t count)
{
    char figures[64];
    qsort(ms + 1, (size_t)(count - 1), sizeof *ms, ascending);
    double median = ms[1 + (count - 1) / 2], p90 = ms[1 + (count - 1) * 9 / 10];
    (void)snprintf(figures, sizeof figures, "%.1f\t%.1f", median, p90);
    row(b, part, figures);
    return median;
}

void bench_figure(const struct bench *b, const char *part, int decimals, double figure)
{
    char figures[64];
    (void)snprintf(figures, sizeof figures, "%.*f\t", decimals, figure);
    row(b, part, figures);
}

void bench_memory(const struct bench *b, const struct uda_device *device, size_t step_bytes,
                  size_t array_bytes)
{
    char figures[64];
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    bench_figure(b, "step memory MiB", 0, (double)step_bytes / MIB);
    if (!uda_device_is_host(device)) {
        size_t taken = array_bytes + device->device_pool.held_bytes + device->sent_pool.held_bytes;
        (void)snprintf(figures, sizeof figures, "%.0f\t%.0f", (double)(step_bytes + array_bytes) / MIB,
                       (double)taken / MIB);
        row(b, "device memory MiB", figures);
    }
    bench_figure(b, "peak memory MiB", 0, (double)usage.ru_maxrss / 1024.0);
}

bool bench_graphs(const struct uda_device *device, const struct uda_replay_counts *before)
{
    if (uda_device_is_host(device)) {
        return false;
    }
    struct uda_replay_counts now = uda_replay_counted(device);
    if (now.launched > before->launched && now.recorded == before->recorded) {
        return true;
    }
    const char *why = uda_replay_refused(device);
    (void)fprintf(stderr, "bench: not every step was graphs: %lld launched, %lld lists call by call%s%s\n",
                  (long long)(now.launched - before->launched), (long long)(now.recorded - before->recorded),
                  why != NULL ? ": " : "", why != NULL ? why : "");
    return false;
}

void bench_made_with(const struct bench *b, const struct uda_device *device)
{
    char text[320] = "";
    (void)fprintf(stderr, "# ours: '%s': %s\n", b->device, uda_device_made_with(text, sizeof text, device));
}
