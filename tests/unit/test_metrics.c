/* Metrics rows: appended whole, cut back to a checkpoint, torn lines dropped, failed appends
 * undone. */
#include "io/metrics.h"

#include "io/fault.h"
#include "io/fs.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <errno.h>

static char dir[SCRATCH_BYTES], path[SCRATCH_BYTES];

static void check_content(const char *expected)
{
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    unsigned char *data = NULL;
    size_t bytes = 0;
    CHECK_OK(uda_fs_read(&data, &bytes, &arena, path, 1 << 20, &err), &err);
    if (data != NULL) {
        CHECK_STR((const char *)data, expected);
    }
    uda_arena_finish(&arena);
}

static void append_raw(const char *text)
{
    FILE *f = fopen(path, "ab");
    CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Appends the rows from..to-1 and returns the length of the file. */
static int64_t append_rows(int from, int to)
{
    struct uda_err err = {0};
    struct uda_metrics *m = NULL;
    CHECK_OK(uda_metrics_open(&m, path, &err), &err);
    for (int i = from; i < to; i++) {
        char row[32];
        (void)snprintf(row, sizeof row, "{\"step\":%d}", i);
        CHECK_OK(uda_metrics_append(m, row, &err), &err);
    }
    CHECK_OK(uda_metrics_sync(m, &err), &err);
    int64_t bytes = uda_metrics_bytes(m), size = 0;
    uda_metrics_close(&m);
    CHECK_OK(uda_fs_size(&size, path, &err), &err);
    CHECK(size == bytes);
    return bytes;
}

static void test_resume(void)
{
    struct uda_err err = {0};
    CHECK_OK(uda_metrics_truncate_to(path, 0, &err), &err); /* not there yet */
    int64_t checkpoint = append_rows(0, 3);
    (void)append_rows(3, 6);
    append_raw("{\"step\":"); /* killed in the middle of a row */
    CHECK_OK(uda_metrics_truncate_to(path, checkpoint, &err), &err);
    (void)append_rows(3, 5);
    check_content("{\"step\":0}\n{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"step\":4}\n");
    CHECK_OK(uda_metrics_truncate_to(path, 0, &err), &err);
    check_content("");
    (void)append_rows(7, 8);
    append_raw("torn");
    (void)append_rows(8, 9); /* opening alone drops a torn line */
    check_content("{\"step\":7}\n{\"step\":8}\n");
}

static void test_refusals(void)
{
    struct uda_err err = {0};
    struct uda_metrics *m = NULL;
    CHECK_OK(uda_metrics_truncate_to(path, 0, &err), &err);
    int64_t bytes = append_rows(0, 2);
    CHECK(uda_metrics_truncate_to(path, bytes + 1, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, path) != NULL && strstr(err.text, "lost") != NULL);
    uda_err_clear(&err);
    CHECK(uda_metrics_truncate_to(path, bytes - 3, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, path) != NULL);
    uda_err_clear(&err);
    CHECK(append_rows(0, 0) == bytes); /* refused cuts changed nothing */
    CHECK_OK(uda_metrics_open(&m, path, &err), &err);
    CHECK(uda_metrics_append(m, "two\nrows", &err) == UDA_FORMAT);
    uda_err_clear(&err);
    CHECK(uda_metrics_append(m, "", &err) == UDA_FORMAT);
    uda_err_clear(&err);
    uda_metrics_close(&m);
    CHECK(unlink(path) == 0);
    CHECK(uda_metrics_truncate_to(path, 5, &err) == UDA_IO);
}

/* A row that could not be written whole leaves the file at the row before. */
static void test_full_disk(void)
{
    struct uda_err err = {0};
    struct uda_metrics *m = NULL;
    CHECK_OK(uda_metrics_open(&m, path, &err), &err);
    CHECK_OK(uda_metrics_append(m, "{\"a\":1}", &err), &err);
    uda_fault_limit_write(3);
    uda_fault_fail_after(2, ENOSPC); /* three bytes go out, then the disk is full */
    CHECK(uda_metrics_append(m, "{\"b\":2}", &err) == UDA_IO && strstr(err.text, path) != NULL);
    uda_fault_reset();
    uda_err_clear(&err);
    check_content("{\"a\":1}\n");
    uda_fault_limit_write(3);
    CHECK_OK(uda_metrics_append(m, "{\"c\":3}", &err), &err);
    uda_fault_reset();
    check_content("{\"a\":1}\n{\"c\":3}\n");
    uda_metrics_close(&m);
}

int main(void)
{
    scratch_make(dir);
    scratch_path(path, dir, "metrics.jsonl");
    test_resume();
    test_refusals();
    test_full_disk();
    scratch_remove(dir);
    return check_result();
}
