/*
 * One rank whose device is of UDA_CUDA_MODULE; devices.sh starts several.
 *
 *   devices sum      sums on the devices, against what one process computes, cut in several ways
 *   devices decide   how the ranks decide: says it
 *   devices die R    rank R ends with SIGKILL: the others, waiting on their devices, end by themselves
 *   devices fail R   rank R fails instead: all end with its message
 *
 * UDA_DEVICE=N: all ranks take device N. Exit code 77: no device for each rank.
 */
#include "src/base/log.h"
#include "src/base/rng.h"
#include "src/dist/device_sum.h"
#include "tests/check.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define RANKS_MOST 8
#define COUNT_MOST 300001

/* What rank r adds. Magnitudes differ, so that another order gives other bits. */
static void fill(float *x, int64_t count, int rank)
{
    struct uda_rng rng;
    uda_rng_init(&rng, 2, UDA_RNG_TEST, 0, 0, (uint32_t)rank);
    uda_rng_fill(&rng, x, count);
    for (int64_t i = 0; i < count; i++) {
        x[i] = (x[i] - 0.5f) * (float)(1 << (i + rank) % 17);
    }
}

/* The tree over ranks, as the trainer sums shards: into x[0]. */
static void sum_alone(float (*x)[COUNT_MOST], int ranks, int64_t count)
{
    for (int step = 1; step < ranks; step *= 2) {
        for (int r = 0; r < ranks; r += 2 * step) {
            for (int64_t i = 0; i < count; i++) {
                x[r][i] += x[r + step][i];
            }
        }
    }
}

/* Sums `count` values that begin `offset` floats into an array whose neighbours must stay. */
static void check_sum(struct uda_device_sum *sum, struct uda_device *device, const struct uda_dist *dist,
                      int64_t count, int64_t offset)
{
    static float all[RANKS_MOST][COUNT_MOST], got[COUNT_MOST + 16];
    struct uda_err err = {0};
    void *data = NULL;
    size_t bytes = (size_t)(count + offset + 1) * sizeof(float);
    for (int r = 0; r < dist->ranks; r++) {
        fill(all[r], count, r);
    }
    for (int64_t i = 0; i < offset; i++) {
        got[i] = 3.0f;
    }
    memcpy(got + offset, all[dist->rank], (size_t)count * sizeof(float));
    got[count + offset] = 7.0f;
    sum_alone(all, dist->ranks, count);
    CHECK_OK(uda_device_alloc(&data, device, bytes, &err), &err);
    CHECK_OK(uda_device_upload(device, data, got, bytes, &err), &err);
    int64_t allocations = uda_alloc_count();
    CHECK_OK(uda_device_sum_run(sum, (float *)data + offset, count, &err), &err);
    CHECK(uda_alloc_count() == allocations);
    CHECK_OK(uda_device_download(device, got, data, bytes, &err), &err);
    CHECK(memcmp(got + offset, all[0], (size_t)count * sizeof(float)) == 0);
    CHECK(got[count + offset] == 7.0f && (offset == 0 || got[offset - 1] == 3.0f));
    uda_device_free(device, data);
}

static int check_sums(struct uda_device *device, const struct uda_dist *dist, struct uda_err *err)
{
    static const int64_t counts[] = {0, 1, 3, 64, 65, 1000, 65536, COUNT_MOST};
    static const int64_t buckets[] = {1, 1000, 1 << 17, UDA_DEVICE_SUM_BUCKET};
    for (int64_t b = 0; b < UDA_LEN(buckets); b++) {
        struct uda_device_sum *sum = NULL;
        char how[UDA_DEVICE_SUM_TEXT];
        UDA_TRY(uda_device_sum_create(&sum, how, dist, device, buckets[b], err));
        if (sum == NULL) {
            return uda_fail(err, UDA_UNSUPPORTED, "sums go %s", how);
        }
        for (int64_t i = 0; i < UDA_LEN(counts) && (counts[i] / buckets[b] < 2000); i++) {
            check_sum(sum, device, dist, counts[i], i % 3);
        }
        uda_device_sum_destroy(&sum);
        UDA_TRY(uda_dist_barrier(dist, err));
        if (b == 0 && dist->rank == 0) {
            (void)printf("%d ranks, summed %s\n", dist->ranks, how);
        }
    }
    return 0;
}

static void check_decision(struct uda_device *device, const struct uda_dist *dist)
{
    struct uda_err err = {0};
    struct uda_device_sum *sum = NULL;
    char how[UDA_DEVICE_SUM_TEXT] = "";
    CHECK_OK(uda_device_sum_create(&sum, how, dist, device, 1000, &err), &err);
    CHECK((sum != NULL) == (strncmp(how, "on the devices", 14) == 0));
    if (dist->rank == 0) {
        (void)printf("summed %s\n", how);
    }
    uda_device_sum_destroy(&sum);
}

/* Rank `victim` does not come to the second sum. */
static int lose(struct uda_device *device, const struct uda_dist *dist, const char *mode, int victim,
                struct uda_err *err)
{
    struct uda_device_sum *sum = NULL;
    char how[UDA_DEVICE_SUM_TEXT];
    void *data = NULL;
    UDA_TRY(uda_device_alloc(&data, device, 1000 * sizeof(float), err));
    int rc = uda_device_sum_create(&sum, how, dist, device, 1000, err);
    if (rc == 0 && sum == NULL) {
        rc = uda_fail(err, UDA_UNSUPPORTED, "sums go %s", how);
    }
    if (rc == 0) {
        rc = uda_device_sum_run(sum, data, 1000, err);
    }
    if (rc == 0 && dist->rank == victim && strcmp(mode, "die") == 0) {
        (void)kill(getpid(), SIGKILL);
    } else if (rc == 0 && dist->rank == victim) {
        rc = uda_fail(err, UDA_MANIFEST, "'image.png' is not what it was");
    }
    if (rc == 0) {
        rc = uda_device_sum_run(sum, data, 1000, err);
        struct uda_err idle = {0}; /* given up: the device is free again, and nothing more is summed */
        CHECK_OK(uda_device_synchronize(device, &idle), &idle);
        CHECK(rc != 0 && uda_device_sum_run(sum, data, 1000, &idle) == (int)UDA_COMM);
    }
    uda_device_sum_destroy(&sum);
    uda_device_free(device, data);
    return rc;
}

static int work(const struct uda_dist *dist, int argc, char **argv, struct uda_err *err)
{
    const char *mode = argc > 1 ? argv[1] : "sum", *chosen = getenv("UDA_DEVICE");
    const struct uda_backend *backend = NULL;
    struct uda_device device;
    char text[256];
    int number = 0;
    UDA_TRY(uda_device_cuda(&backend, err));
    UDA_TRY(uda_dist_local(dist, &number, err));
    if (chosen == NULL && number >= backend->count(text, sizeof text)) {
        return uda_fail(err, UDA_UNSUPPORTED, "there is no device for each rank");
    }
    UDA_TRY(uda_device_init_backend(&device, backend, chosen != NULL ? atoi(chosen) : number, 1, err));
    int rc = 0;
    if (strcmp(mode, "sum") == 0) {
        rc = check_sums(&device, dist, err);
    } else if (strcmp(mode, "decide") == 0) {
        check_decision(&device, dist);
    } else {
        rc = lose(&device, dist, mode, argc > 2 ? atoi(argv[2]) : 0, err);
    }
    uda_device_finish(&device);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct uda_dist_hooks hooks = {.stop_wanted = NULL};
    struct uda_err err = {0};
    struct uda_dist dist;
    bool speak = true;
    int rc = uda_dist_init(&dist, &hooks, &err);
    if (dist.rank != 0) {
        uda_log_set_level(UDA_LOG_NONE);
    }
    if (rc == 0) {
        rc = work(&dist, argc, argv, &err);
    }
    rc = uda_dist_conclude(&dist, rc, &speak, &err);
    if (speak && rc != 0) {
        uda_log_set_level(UDA_LOG_INFO);
        uda_log(UDA_LOG_ERROR, "%s", err.text);
    }
    uda_dist_leave(&dist);
    return rc != 0 ? uda_code_exit((enum uda_code)rc) : check_result();
}
