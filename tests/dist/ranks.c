/*
 * One rank of the tests of src/dist; ranks.sh starts several.
 *
 *   ranks ops           every operation, against what one process computes
 *   ranks fail R        rank R fails: all end with its code and message
 *   ranks die R         rank R ends with SIGKILL: the others end within half a minute
 *   ranks hang R        rank R stops answering (SIGSTOP): the same
 *   ranks busy R        rank R ends with SIGKILL while the others compute
 *   ranks stop R        rank R gets SIGTERM: all agree
 *   ranks lead R        the same while rank 0 works and the others wait: rank 0 hears of it
 */
#include "src/base/log.h"
#include "src/base/rng.h"
#include "src/dist/dist.h"
#include "src/stage/stop.h"
#include "tests/check.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MOST (5 * 1000 * 1000)

/* What rank r adds, element i. Magnitudes differ, so that another order gives other bits. */
static void fill(float *x, int64_t count, int rank)
{
    struct uda_rng rng;
    uda_rng_init(&rng, 1, UDA_RNG_TEST, 0, 0, (uint32_t)rank);
    uda_rng_fill(&rng, x, count);
    for (int64_t i = 0; i < count; i++) {
        x[i] = (x[i] - 0.5f) * (float)(1 << (i + rank) % 17);
    }
}

/* x [ranks][count] -> x[0], as the trainer sums shards. */
static void sum_alone(float **x, int ranks, int64_t count)
{
    for (int step = 1; step < ranks; step *= 2) {
        for (int r = 0; r < ranks; r += 2 * step) {
            for (int64_t i = 0; i < count; i++) {
                x[r][i] += x[r + step][i];
            }
        }
    }
}

static void test_sum(const struct uda_dist *dist, int64_t count)
{
    struct uda_err err = {0};
    float *all[64] = {NULL};
    float *mine = uda_alloc((size_t)(count + 1) * sizeof *mine);
    for (int r = 0; r < dist->ranks; r++) {
        all[r] = uda_alloc((size_t)(count + 1) * sizeof **all);
        fill(all[r], count, r);
    }
    memcpy(mine, all[dist->rank], (size_t)count * sizeof *mine);
    mine[count] = 7.0f;
    sum_alone(all, dist->ranks, count);
    CHECK_OK(uda_dist_sum(dist, mine, count, &err), &err);
    CHECK(memcmp(mine, all[0], (size_t)count * sizeof *mine) == 0);
    CHECK(mine[count] == 7.0f);
    int64_t before = uda_alloc_count();
    CHECK_OK(uda_dist_sum(dist, mine, count, &err), &err);
    CHECK(uda_alloc_count() == before);
    for (int r = 0; r < dist->ranks; r++) {
        uda_free(all[r]);
    }
    uda_free(mine);
}

static void test_bytes(const struct uda_dist *dist)
{
    struct uda_err err = {0};
    static unsigned char block[(1 << 26) + 12345];
    static const size_t sizes[] = {0, 1, 1000, sizeof block};
    for (int64_t s = 0; s < UDA_LEN(sizes); s++) {
        for (size_t i = 0; i < sizes[s]; i++) {
            block[i] = dist->rank == 0 ? (unsigned char)(i * 7 + i / 251) : 0;
        }
        CHECK_OK(uda_dist_broadcast(dist, block, sizes[s], &err), &err);
        size_t wrong = 0;
        for (size_t i = 0; i < sizes[s]; i++) {
            wrong += block[i] != (unsigned char)(i * 7 + i / 251);
        }
        CHECK(wrong == 0);
    }
    int64_t record[64][3] = {{0}};
    for (int k = 0; k < 3; k++) {
        record[dist->rank][k] = 100 * dist->rank + k;
    }
    CHECK_OK(uda_dist_gather(dist, record, sizeof record[0], &err), &err);
    for (int r = 0; r < dist->ranks; r++) {
        CHECK(record[r][0] == 100 * r && record[r][2] == 100 * r + 2);
    }
    int64_t most = dist->rank == dist->ranks - 1 ? 41 : -dist->rank;
    CHECK_OK(uda_dist_max(dist, &most, &err), &err);
    CHECK(most == 41);
}

static void test_collect(const struct uda_dist *dist)
{
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    unsigned char *all[64] = {NULL}, mine[64];
    size_t bytes[64] = {0};
    memset(mine, 'a' + dist->rank, sizeof mine);
    CHECK_OK(uda_dist_collect(dist, all, bytes, &arena, mine, (size_t)dist->rank * 3, &err), &err);
    for (int r = 0; r < dist->ranks; r++) {
        CHECK(bytes[r] == (size_t)r * 3);
        CHECK((all[r] != NULL) == (dist->rank == 0));
        for (size_t i = 0; all[r] != NULL && i < bytes[r]; i++) {
            CHECK(all[r][i] == 'a' + r);
        }
    }
    uda_arena_finish(&arena);
}

static void test_agreement(const struct uda_dist *dist)
{
    struct uda_err err = {0};
    char reason[UDA_DIST_REASON_BYTES];
    bool stop = true;
    CHECK_OK(uda_dist_agree_stop(dist, &stop, reason, false, &err), &err);
    CHECK(!stop);
    CHECK_OK(uda_dist_agree_stop(dist, &stop, reason, dist->rank == dist->ranks - 1, &err), &err);
    CHECK(stop);
    CHECK_OK(uda_dist_same_text(dist, "manifest", "equal", &err), &err);
    if (dist->ranks > 1) {
        CHECK(uda_dist_same_text(dist, "manifest", dist->rank == 1 ? "other" : "equal", &err) ==
              UDA_MANIFEST);
        CHECK(strstr(err.text, "rank 1 has another manifest") != NULL);
    }
}

static void test_operations(const struct uda_dist *dist)
{
    static const int64_t counts[] = {0, 1, 2, 3, 5, 1000, ((int64_t)1 << 18) * 2 + 7, COUNT_MOST};
    struct uda_err err = {0};
    for (int64_t i = 0; i < UDA_LEN(counts); i++) {
        test_sum(dist, counts[i]);
    }
    test_bytes(dist);
    test_collect(dist);
    test_agreement(dist);
    CHECK_OK(uda_dist_barrier(dist, &err), &err);
}

/* A working job: barriers every 20 ms, for at most a minute. */
static int work(const struct uda_dist *dist, const char *mode, int victim, struct uda_err *err)
{
    bool is_victim = dist->rank == victim;
    for (int step = 0; step < 3000; step++) {
        char reason[UDA_DIST_REASON_BYTES];
        bool stop = false;
        UDA_TRY(uda_dist_agree_stop(dist, &stop, reason, false, err));
        if (stop) {
            return uda_fail(err, UDA_STOPPED, "stopped: %s", reason);
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        if (step == 10 && strcmp(mode, "busy") == 0 && !is_victim) {
            (void)sleep(60);
        }
        if (step != 10 || !is_victim) {
            continue;
        }
        if (strcmp(mode, "fail") == 0) {
            return uda_fail(err, UDA_MANIFEST, "'image.png' is not what it was");
        }
        (void)kill(getpid(), strcmp(mode, "stop") == 0   ? SIGTERM
                             : strcmp(mode, "hang") == 0 ? SIGSTOP
                                                         : SIGKILL);
    }
    return uda_fail(err, UDA_COMM, "nobody ended this");
}

/* Rank 0 works alone while the others wait. */
static int lead(const struct uda_dist *dist, struct uda_err *err)
{
    for (int i = 0; i < 1500 && dist->rank == 0 && !uda_stop_wanted(); i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    UDA_TRY(uda_dist_barrier(dist, err));
    char reason[UDA_DIST_REASON_BYTES];
    bool stop = false;
    UDA_TRY(uda_dist_agree_stop(dist, &stop, reason, false, err));
    return stop ? uda_fail(err, UDA_STOPPED, "stopped: %s", reason)
                : uda_fail(err, UDA_COMM, "no stop came");
}

int main(int argc, char **argv)
{
    static const struct uda_dist_hooks hooks = {.stop_wanted = uda_stop_wanted,
                                                .stop_reason = uda_stop_reason,
                                                .request_stop = uda_stop_request};
    const char *mode = argc > 1 ? argv[1] : "ops";
    int victim = argc > 2 ? atoi(argv[2]) : 0;
    struct uda_err err = {0};
    struct uda_dist dist;
    bool speak = true;
    uda_stop_install(0.0);
    int rc = uda_dist_init(&dist, &hooks, &err);
    if (dist.rank != 0) {
        uda_log_set_level(UDA_LOG_NONE);
    }
    if (rc == 0 && strcmp(mode, "ops") == 0) {
        test_operations(&dist);
    } else if (rc == 0 && strcmp(mode, "lead") == 0) {
        if (dist.rank == victim) {
            (void)kill(getpid(), SIGTERM);
        }
        rc = lead(&dist, &err);
    } else if (rc == 0) {
        rc = work(&dist, mode, victim, &err);
    }
    rc = uda_dist_conclude(&dist, rc, &speak, &err);
    if (speak && rc != 0) {
        uda_log_set_level(UDA_LOG_INFO);
        uda_log(UDA_LOG_ERROR, "%s", err.text);
    }
    uda_dist_leave(&dist);
    return rc != 0 ? uda_code_exit((enum uda_code)rc) : check_result();
}
