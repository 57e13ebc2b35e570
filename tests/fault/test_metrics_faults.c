/*
 * Metrics under power loss: what was synced is there and a run goes on behind it. safetensors: no
 * allocation may fail unseen.
 */
#include "io/fault.h"
#include "io/fs.h"
#include "io/metrics.h"
#include "io/safetensors.h"
#include "src/base/arena.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <errno.h>

#define MANY 1000

static char dir[SCRATCH_BYTES], path[SCRATCH_BYTES];

/* Goes on at `checkpoint` with rows up to 6, syncing every second one; *synced is what a checkpoint
 * written after the last successful sync would remember. */
static int work(int64_t *synced, int64_t checkpoint, struct uda_err *err)
{
    struct uda_metrics *m = NULL;
    UDA_TRY(uda_metrics_truncate_to(path, checkpoint, err));
    UDA_TRY(uda_metrics_open(&m, path, err));
    int rc = 0;
    for (int64_t row = checkpoint / 6; row < 6 && rc == 0; row++) {
        char text[16];
        (void)snprintf(text, sizeof text, "row %d", (int)row);
        rc = uda_metrics_append(m, text, err);
        if (rc == 0 && row % 2 == 1) {
            rc = uda_metrics_sync(m, err);
            *synced = rc == 0 ? uda_metrics_bytes(m) : *synced;
        }
    }
    uda_metrics_close(&m);
    return rc;
}

static void check_finished(void)
{
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    unsigned char *data = NULL;
    size_t bytes = 0;
    CHECK_OK(uda_fs_read(&data, &bytes, &arena, path, 1000, &err), &err);
    CHECK_STR(data == NULL ? "" : (const char *)data, "row 0\nrow 1\nrow 2\nrow 3\nrow 4\nrow 5\n");
    uda_arena_finish(&arena);
}

static void test_interruptions(bool power, enum uda_fault_loss loss)
{
    struct uda_err err = {0};
    int64_t n = 1;
    for (; n < MANY; n++) {
        int64_t synced = 0;
        (void)scratch_entries(dir, 1);
        if (power) {
            uda_fault_power_cut(n);
        } else {
            uda_fault_fail_after(n, ENOSPC);
        }
        int rc = work(&synced, 0, &err);
        bool fired = uda_fault_fired();
        uda_fault_power_restore(loss);
        CHECK(fired ? rc == UDA_IO && strstr(err.text, path) != NULL : rc == 0);
        uda_err_clear(&err);
        CHECK_OK(work(&synced, synced, &err), &err); /* the resumed run */
        check_finished();
        if (!fired) {
            break;
        }
    }
    CHECK(n > 8 && n < MANY);
}

static void test_safetensors_allocations(void)
{
    struct uda_err err = {0};
    const float x[2] = {1, 2};
    const struct uda_safetensors_tensor tensors[] = {{"a", 1, (int64_t[]){2}, x},
                                                     {"b", 1, (int64_t[]){1}, x}};
    int64_t n = 1;
    for (; n < MANY; n++) {
        struct uda_safetensors *f = NULL;
        uda_alloc_fail_after(n);
        int rc = uda_safetensors_write(path, tensors, 2, NULL, 0, &err);
        if (rc == 0) {
            rc = uda_safetensors_open(&f, path, &err);
        }
        uda_alloc_fail_after(0);
        uda_safetensors_close(&f);
        if (rc == 0) {
            break;
        }
        CHECK(rc == UDA_NOMEM && err.text[0] != '\0');
        uda_err_clear(&err);
    }
    CHECK(n > 3 && n < MANY && scratch_entries(dir, 0) == 1);
}

int main(void)
{
    scratch_make(dir);
    scratch_path(path, dir, "metrics.jsonl");
    test_interruptions(false, UDA_FAULT_LOSE_NOTHING);
    test_interruptions(true, UDA_FAULT_LOSE_NOTHING);
    test_interruptions(true, UDA_FAULT_LOSE_DATA);
    (void)scratch_entries(dir, 1);
    test_safetensors_allocations();
    scratch_remove(dir);
    return check_result();
}
