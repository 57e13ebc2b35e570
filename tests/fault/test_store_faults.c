/*
 * Durable or absent: whichever call or allocation fails, and wherever the power is cut, the name
 * holds the old file or the new one, whole, and the message names it.
 */
#include "io/durable.h"
#include "io/fault.h"
#include "io/fs.h"
#include "io/store.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MANY 1000 /* a loop that gets here never ends */

static char dir[SCRATCH_BYTES], path[SCRATCH_BYTES];

/* Two ways to write a file whose whole content is its generation. */
struct writer {
    const char *name;
    int (*write)(int64_t generation, struct uda_err *err);
    int64_t (*read)(struct uda_err *err); /* generation, or a negative number if it is not whole */
};

static int write_store(int64_t generation, struct uda_err *err)
{
    struct uda_store_writer *w = NULL;
    float values[3000];
    for (int i = 0; i < 3000; i++) {
        values[i] = (float)generation;
    }
    UDA_TRY(uda_store_begin(&w, 0, err));
    int rc = uda_store_put_f32(w, "a/values", values, 1, (int64_t[]){3000}, err);
    if (rc == 0) {
        rc = uda_store_put_attr_i64(w, "", "generation", generation, err);
    }
    if (rc == 0) {
        rc = uda_store_commit(&w, path, err);
    }
    uda_store_abort(&w);
    return rc;
}

static int64_t read_store(struct uda_err *err)
{
    struct uda_store *s = NULL;
    struct uda_arena arena = {0};
    float *values = NULL;
    int64_t generation = -1;
    int rc = uda_store_open(&s, path, err);
    if (rc == 0) {
        rc = uda_store_get_attr_i64(&generation, s, "", "generation", err);
    }
    if (rc == 0) {
        rc = uda_store_load_f32(&values, NULL, s, "a/values", &arena, err);
    }
    if (rc == 0 && (values[0] != (float)generation || values[2999] != (float)generation)) {
        rc = uda_fail(err, UDA_FORMAT, "torn");
    }
    uda_store_close(&s);
    uda_arena_finish(&arena);
    return rc == 0 ? generation : rc;
}

static int write_plain(int64_t generation, struct uda_err *err)
{
    char text[4096];
    memset(text, 'a' + (int)generation, sizeof text);
    return uda_fs_write(path, text, sizeof text, err);
}

static int64_t read_plain(struct uda_err *err)
{
    struct uda_arena arena = {0};
    unsigned char *data = NULL;
    size_t bytes = 0;
    int64_t generation = uda_fs_read(&data, &bytes, &arena, path, 1 << 20, err);
    if (generation == 0) {
        generation = bytes == 4096 && data[0] == data[4095] ? data[0] - 'a' : -1;
    }
    uda_arena_finish(&arena);
    return generation;
}

static const struct writer writers[] = {{"store", write_store, read_store},
                                        {"plain", write_plain, read_plain}};

/* Each file-changing call fails once. */
static void test_failing_calls(const struct writer *w, int error)
{
    struct uda_err err = {0};
    int64_t n = 1;
    CHECK_OK(w->write(1, &err), &err);
    for (; n < MANY; n++) {
        uda_fault_fail_after(n, error);
        int rc = w->write(2, &err);
        bool fired = uda_fault_fired();
        uda_fault_reset();
        if (!fired) {
            CHECK(rc == 0);
            break;
        }
        CHECK(rc == UDA_IO && strstr(err.text, path) != NULL &&
              strstr(err.text, strerror(error)) != NULL);
        uda_err_clear(&err);
        int64_t generation = w->read(&err);
        bool placed = strstr(err.text, "folder") == NULL;
        CHECK(generation == 1 || (generation == 2 && placed));
        CHECK(scratch_entries(dir, 0) == 1); /* no temporary is left */
        CHECK_OK(w->write(1, &err), &err);
    }
    CHECK(n >= 5 && n < MANY); /* open, write, sync, rename, sync of the folder at least */
    CHECK(w->read(&err) == 2);
    CHECK(scratch_entries(dir, 0) == 1);
}

/* The machine stops at each call. */
static void test_power_cuts(const struct writer *w, enum uda_fault_loss loss, bool have_old)
{
    struct uda_err err = {0};
    int64_t n = 1, removed = 0, seen_old = 0, seen_new = 0;
    for (; n < MANY; n++) {
        (void)scratch_entries(dir, 1);
        if (have_old) {
            CHECK_OK(w->write(1, &err), &err);
        }
        uda_fault_power_cut(n);
        int rc = w->write(2, &err);
        bool fired = uda_fault_fired();
        uda_fault_power_restore(loss);
        uda_err_clear(&err);
        bool there = uda_fs_exists(path);
        int64_t generation = there ? w->read(&err) : 0;
        CHECK(fired ? rc == UDA_IO : rc == 0);
        CHECK(generation == (have_old ? 1 : 0) || generation == 2);
        seen_old += generation != 2;
        seen_new += generation == 2;
        CHECK_OK(uda_durable_sweep(&removed, dir, &err), &err);
        CHECK(scratch_entries(dir, 0) == (there ? 1 : 0));
        if (!fired) {
            CHECK(generation == 2); /* what was reported as done stays done */
            break;
        }
    }
    CHECK(n >= 5 && n < MANY && seen_old >= 4 && seen_new >= 1);
    (void)scratch_entries(dir, 1);
}

static void test_failing_allocations(const struct writer *w)
{
    struct uda_err err = {0};
    int64_t n = 1;
    CHECK_OK(w->write(1, &err), &err);
    for (; n < MANY; n++) {
        uda_alloc_fail_after(n);
        int rc = w->write(2, &err);
        uda_alloc_fail_after(0);
        if (rc == 0) {
            break;
        }
        CHECK(rc == UDA_NOMEM && err.text[0] != '\0');
        uda_err_clear(&err);
        CHECK(w->read(&err) == 1 && scratch_entries(dir, 0) == 1);
    }
    CHECK(n > 1 && n < MANY && w->read(&err) == 2);
    for (n = 1; n < MANY; n++) {
        uda_alloc_fail_after(n);
        int64_t generation = w->read(&err);
        uda_alloc_fail_after(0);
        uda_err_clear(&err);
        if (generation == 2) {
            break;
        }
        CHECK(generation == UDA_NOMEM);
    }
    CHECK(n > 1 && n < MANY);
    (void)scratch_entries(dir, 1);
}

static void test_short_writes(const struct writer *w)
{
    struct uda_err err = {0};
    uda_fault_limit_write(7);
    CHECK_OK(w->write(3, &err), &err);
    uda_fault_reset();
    CHECK(w->read(&err) == 3);
}

static void test_full_disk(const struct writer *w)
{
    struct uda_err err = {0};
    CHECK_OK(w->write(1, &err), &err);
    uda_fault_claim_free(4096); /* less than the file and its margin */
    CHECK(w->write(2, &err) == UDA_IO);
    uda_fault_reset();
    CHECK(strstr(err.text, path) != NULL && strstr(err.text, "MiB are free") != NULL);
    uda_err_clear(&err);
    CHECK(w->read(&err) == 1 && scratch_entries(dir, 0) == 1);

    pid_t child = fork();
    if (child == 0) { /* the kernel itself refuses, in the middle of the file */
        struct rlimit limit = {.rlim_cur = 1000, .rlim_max = 1000};
        (void)signal(SIGXFSZ, SIG_IGN);
        int rc = setrlimit(RLIMIT_FSIZE, &limit) == 0 ? w->write(2, &err) : 0;
        _exit(rc == UDA_IO && strstr(err.text, path) != NULL ? 0 : 1);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(w->read(&err) == 1 && scratch_entries(dir, 0) == 1);
    (void)scratch_entries(dir, 1);
}

static void test_sweep(void)
{
    static const char *names[] = {"a.h5.tmp-12", "a.h5.tmp-12-345", "ab.h5.tmp-7-8", "b.tmp-",
                                  "tmp-3", ".tmp-3",
                                  "c.tmp-4x", "c.tmp-4-", "c.tmp-4-5x", "c.tmp-4-5-6", "d.h5"};
    struct uda_err err = {0};
    int64_t removed = -1;
    for (int64_t i = 0; i < UDA_LEN(names); i++) {
        char file[SCRATCH_BYTES];
        scratch_path(file, dir, names[i]);
        CHECK_OK(uda_fs_write(file, "x", 1, &err), &err);
    }
    CHECK_OK(uda_durable_sweep_file(dir, "b.h5", &err), &err); /* another file's are not touched */
    CHECK(scratch_entries(dir, 0) == UDA_LEN(names));
    CHECK_OK(uda_durable_sweep_file(dir, "a.h5", &err), &err);
    CHECK(scratch_entries(dir, 0) == UDA_LEN(names) - 2);
    CHECK_OK(uda_durable_sweep(&removed, dir, &err), &err);
    CHECK(removed == 1 && scratch_entries(dir, 1) == UDA_LEN(names) - 3);
    CHECK_OK(uda_durable_sweep(&removed, "/nonexistent/folder", &err), &err);
    CHECK(removed == 0);
}

int main(void)
{
    scratch_make(dir);
    scratch_path(path, dir, "file.h5");
    for (int64_t i = 0; i < UDA_LEN(writers); i++) {
        const struct writer *w = &writers[i];
        int before = check_failures;
        test_failing_calls(w, ENOSPC);
        test_failing_calls(w, EIO);
        for (int loss = UDA_FAULT_LOSE_NOTHING; loss <= UDA_FAULT_LOSE_ALL; loss++) {
            test_power_cuts(w, (enum uda_fault_loss)loss, true);
            test_power_cuts(w, (enum uda_fault_loss)loss, false);
        }
        test_failing_allocations(w);
        test_short_writes(w);
        test_full_disk(w);
        if (check_failures > before) {
            (void)fprintf(stderr, "in writer %s\n", w->name);
        }
    }
    test_sweep();
    scratch_remove(dir);
    return check_result();
}
