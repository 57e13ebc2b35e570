/* Lists of kernel calls that are run as graphs (src/tensor/replay.h), on the host harness: whatever changes
 * from time to time, the results are those of running each call. */
#include "src/optim/launch.h"
#include "tests/check.h"
#include "tests/cuda/grid.h"
#include "tests/cuda/host_backend.h"

#include <stdlib.h>

#define COUNT 300

struct bench {
    struct uda_device device;
    float *y, *later;
    double *sum;
};

/* What a run does besides the plain list. */
enum twist { NONE, LAST_LEFT_OUT, ONE_MORE, UPLOAD, DOWNLOAD, ABANDON };

static void open_bench(struct bench *b, const struct uda_backend *backend)
{
    struct uda_err err = {0};
    void *data = NULL;
    CHECK_OK(uda_device_init_backend(&b->device, backend, 0, 1, &err), &err);
    CHECK_OK(uda_device_alloc(&data, &b->device, COUNT * sizeof *b->y, &err), &err);
    b->y = data;
    CHECK_OK(uda_device_alloc(&data, &b->device, COUNT * sizeof *b->later, &err), &err);
    b->later = data;
    CHECK_OK(uda_device_alloc(&data, &b->device, sizeof *b->sum, &err), &err);
    b->sum = data;
}

static void close_bench(struct bench *b)
{
    uda_device_free(&b->device, b->y);
    uda_device_free(&b->device, b->later);
    uda_device_free(&b->device, b->sum);
    uda_device_finish(&b->device);
}

static void add(struct bench *b, float factor, const float *x)
{
    struct uda_err err = {0};
    struct uda_scale_add_args a = {.count = COUNT, .factor = factor, .y = b->y, .x = x};
    CHECK_OK(UDA_OPTIM_RUN(&b->device, scale_add, &a, &err), &err);
}

static void twist_now(struct bench *b, enum twist twist, const float *x, float value)
{
    struct uda_err err = {0};
    float back = 0.0f, more[COUNT];
    for (int i = 0; i < COUNT; i++) {
        more[i] = 100.0f;
    }
    if (twist == UPLOAD) { /* a kernel before reads what was there */
        CHECK_OK(uda_device_upload(&b->device, b->later, more, sizeof more, &err), &err);
    } else if (twist == DOWNLOAD) {
        CHECK_OK(uda_device_download(&b->device, &back, b->y + COUNT - 1, sizeof back, &err), &err);
        CHECK_CLOSE(back, value + 1.0f, 0.0);
    } else if (twist == ONE_MORE) {
        add(b, 1.0f, x);
    }
}

/*
 * later = 1; y = factor x + later; sum = y . y; y += 2 later. Twists: without the last; y += x in between;
 * 100 for later before the last; a look at y. x is `value` everywhere; small whole numbers: all is exact.
 */
static void run(struct bench *b, uint64_t key, float value, float factor, enum twist twist)
{
    struct uda_err err = {0};
    struct uda_device *device = &b->device;
    CHECK_OK(uda_replay_begin(device, key, &err), &err);
    float x[COUNT], y[COUNT], middle = factor * value + 1.0f;
    double sum = 0.0;
    for (int i = 0; i < COUNT; i++) {
        x[i] = value;
    }
    float *there = uda_device_get_sent(device, sizeof x);
    CHECK_OK(uda_device_upload(device, there, x, sizeof x, &err), &err);
    struct uda_fill_args one = {.type = UDA_F32, .count = COUNT, .value = 1.0f, .y = b->later};
    CHECK(device->kernels->fill(&device->stream, &one) == 0);
    CHECK_OK(uda_device_clear(device, b->y, sizeof y, &err), &err);
    add(b, factor, there);
    add(b, 1.0f, b->later);
    twist_now(b, twist, there, factor * value);
    struct uda_sum_squares_args squares = {.count = COUNT, .x = b->y, .sum = b->sum};
    CHECK_OK(UDA_OPTIM_RUN(device, sum_squares, &squares, &err), &err);
    if (twist != LAST_LEFT_OUT) {
        add(b, 2.0f, b->later);
    }
    if (twist == ABANDON) {
        uda_replay_abandon(device);
        return;
    }
    CHECK_OK(uda_replay_end(device, &err), &err);
    CHECK(!uda_replay_active(device) && device->kernels == device->backend->kernels);
    uda_device_put_sent(device, there);
    middle += twist == ONE_MORE ? value : 0.0f;
    CHECK_OK(uda_device_download(device, y, b->y, sizeof y, &err), &err);
    CHECK_OK(uda_device_download(device, &sum, b->sum, sizeof sum, &err), &err);
    float last = middle + (twist == LAST_LEFT_OUT ? 0.0f : twist == UPLOAD ? 200.0f : 2.0f);
    for (int i = 0; i < COUNT; i++) {
        CHECK_CLOSE(y[i], last, 0.0);
    }
    CHECK_CLOSE(sum, (double)COUNT * (double)middle * (double)middle, 0.0);
}

static void expect(const struct bench *b, int64_t recorded, int64_t launched, int64_t graphs)
{
    const struct uda_replay_counts counts = uda_replay_counted(&b->device);
    CHECK(counts.recorded == recorded && counts.launched == launched && counts.graphs == graphs);
}

/* The same list from the second time on is a graph, which sees what its memory holds. */
static void test_again(void)
{
    struct bench b = {0};
    open_bench(&b, host_backend());
    for (int i = 0; i < 4; i++) {
        int64_t before = uda_grid_count();
        run(&b, 1, (float)(i + 2), 3.0f, NONE);
        CHECK(uda_grid_count() > before + 4);
        expect(&b, 1, i, i > 0);
    }
    CHECK(uda_replay_counted(&b.device).calls == 6 && uda_replay_refused(&b.device) == NULL);
    close_bench(&b);
}

/* A list that differs anywhere is run, and from then on it is the list. */
static void test_changes(void)
{
    static const enum twist twists[] = {LAST_LEFT_OUT, ONE_MORE, NONE};
    struct bench b = {0};
    int64_t launched = 1, recorded = 1;
    open_bench(&b, host_backend());
    run(&b, 1, 2.0f, 3.0f, NONE);
    run(&b, 1, 2.0f, 3.0f, NONE);
    run(&b, 1, 2.0f, 5.0f, NONE); /* a number by value */
    run(&b, 1, 4.0f, 5.0f, NONE);
    recorded += 1;
    launched += 1;
    expect(&b, recorded, launched, launched);
    for (int i = 0; i < UDA_LEN(twists); i++) {
        run(&b, 1, 2.0f, 5.0f, twists[i]);
        run(&b, 1, 3.0f, 5.0f, twists[i]);
        recorded++;
        launched++;
        expect(&b, recorded, launched, launched);
    }
    close_bench(&b);
}

/* A copy that would come before kernels that are pending lets them run first. */
static void test_copies(void)
{
    struct bench b = {0};
    open_bench(&b, host_backend());
    for (int i = 0; i < 3; i++) {
        run(&b, 1, 2.0f, 3.0f, UPLOAD);
        run(&b, 2, 2.0f, 3.0f, DOWNLOAD);
    }
    expect(&b, 6, 0, 0);
    run(&b, 1, 2.0f, 3.0f, NONE);
    run(&b, 1, 2.0f, 3.0f, NONE);
    expect(&b, 7, 1, 1);
    run(&b, 1, 2.0f, 3.0f, UPLOAD); /* after a graph, too */
    expect(&b, 8, 1, 1);
    close_bench(&b);
}

static void test_abandon(void)
{
    struct bench b = {0};
    struct uda_err err = {0};
    float before = 0.0f, after = 0.0f;
    open_bench(&b, host_backend());
    run(&b, 1, 2.0f, 3.0f, NONE);
    CHECK_OK(uda_device_download(&b.device, &before, b.y, sizeof before, &err), &err);
    run(&b, 1, 7.0f, 3.0f, ABANDON);
    CHECK_OK(uda_device_download(&b.device, &after, b.y, sizeof after, &err), &err);
    CHECK_CLOSE(after, before, 0.0); /* what was pending has not run */
    run(&b, 1, 7.0f, 3.0f, NONE);
    run(&b, 1, 8.0f, 3.0f, NONE);
    expect(&b, 2, 1, 1);
    uda_replay_abandon(&b.device);
    close_bench(&b);
}

/* So many lists are kept; the one not wanted for longest goes. */
static void test_keys(void)
{
    struct bench b = {0};
    open_bench(&b, host_backend());
    const int kept = UDA_REPLAY_LISTS;
    for (uint64_t key = 0; key < (uint64_t)kept; key++) {
        run(&b, key, 2.0f, (float)key, NONE);
        run(&b, key, 2.0f, (float)key, NONE);
    }
    run(&b, 0, 3.0f, 0.0f, NONE);
    expect(&b, kept, kept + 1, kept);
    run(&b, (uint64_t)kept, 3.0f, 8.0f, NONE); /* in the place of 1 */
    run(&b, 0, 3.0f, 0.0f, NONE);
    run(&b, 2, 3.0f, 2.0f, NONE);
    expect(&b, kept + 1, kept + 3, kept);
    run(&b, 1, 3.0f, 1.0f, NONE); /* the same calls, but nobody remembers */
    expect(&b, kept + 2, kept + 3, kept);
    close_bench(&b);
}

static int no_begin(void *stream, struct uda_err *err)
{
    (void)stream;
    return uda_fail(err, UDA_DEVICE, "no graphs today");
}

static int no_end(void **graph, void *stream, struct uda_err *err)
{
    if (host_graphs.end(graph, stream, err) == 0) {
        host_graphs.destroy(*graph);
    }
    *graph = NULL;
    return uda_fail(err, UDA_DEVICE, "no graphs at the end");
}

/* A device that makes no graphs runs the calls, says why, and is not asked again. */
static void test_refused(void)
{
    for (int i = 0; i < 3; i++) {
        struct uda_backend backend = *host_backend();
        struct uda_backend_graphs graphs = host_graphs;
        struct bench b = {0};
        graphs.begin = i == 0 ? no_begin : graphs.begin;
        graphs.end = i == 1 ? no_end : graphs.end;
        backend.graphs = i < 2 ? &graphs : NULL;
        open_bench(&b, &backend);
        for (int k = 0; k < 3; k++) {
            run(&b, 1, (float)k, 3.0f, NONE);
        }
        expect(&b, i < 2 ? 3 : 0, 0, 0);
        const char *why = uda_replay_refused(&b.device);
        CHECK(i == 2 ? why == NULL : why != NULL && strstr(why, "no graphs") != NULL);
        close_bench(&b);
    }
}

static void test_off(void)
{
    struct bench b = {0};
    CHECK(setenv("UDA_CUDA_GRAPHS", "0", 1) == 0);
    open_bench(&b, host_backend());
    run(&b, 1, 2.0f, 3.0f, NONE);
    run(&b, 1, 2.0f, 3.0f, NONE);
    expect(&b, 0, 0, 0);
    close_bench(&b);
    CHECK(unsetenv("UDA_CUDA_GRAPHS") == 0);
}

/* Out of memory anywhere is an error or no matter, never a wrong result. */
static void test_memory(void)
{
    for (int64_t nth = 1; nth < 40; nth++) {
        struct uda_err err = {0};
        struct uda_device device;
        CHECK_OK(uda_device_init_backend(&device, host_backend(), 0, 1, &err), &err);
        float *y = uda_device_get(&device, COUNT * sizeof *y), value = 0.0f;
        uda_alloc_fail_after(nth);
        int rc = 0;
        for (int i = 0; i < 3 && rc == 0; i++) {
            struct uda_fill_args a = {.type = UDA_F32, .count = COUNT, .value = 5.0f, .y = y};
            rc = uda_replay_begin(&device, 1, &err);
            rc = rc != 0 ? rc : device.kernels->fill(&device.stream, &a);
            if (rc != 0) {
                uda_replay_abandon(&device);
            } else {
                rc = uda_replay_end(&device, &err);
            }
        }
        uda_alloc_fail_after(0);
        CHECK(rc == 0 || rc == (int)UDA_NOMEM);
        CHECK_OK(uda_device_download(&device, &value, y, sizeof value, &err), &err);
        CHECK(rc != 0 || value == 5.0f);
        uda_device_finish(&device);
    }
}

int main(void)
{
    test_again();
    test_changes();
    test_copies();
    test_abandon();
    test_keys();
    test_refused();
    test_off();
    test_memory();
    uda_grid_finish();
    return check_result();
}
