/* Run lock: one owner, named in the refusal; a dead owner's lock is taken over. */
#include "io/lock.h"

#include "io/fault.h"
#include "io/fs.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static char dir[SCRATCH_BYTES], path[SCRATCH_BYTES];

/* A process that holds the lock until it is killed; returns once it has it. */
static pid_t start_owner(void)
{
    int ready[2];
    char byte = 0;
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct uda_lock *lock = NULL;
        struct uda_err err = {0};
        byte = uda_lock_acquire(&lock, path, &err) == 0 ? 'y' : 'n';
        (void)!write(ready[1], &byte, 1);
        for (;;) {
            (void)pause();
        }
    }
    CHECK(read(ready[0], &byte, 1) == 1 && byte == 'y');
    (void)close(ready[0]);
    (void)close(ready[1]);
    return child;
}

static void test_live_and_dead_owner(void)
{
    struct uda_lock *lock = NULL;
    struct uda_err err = {0};
    struct uda_lock_owner owner = {0};
    bool held = true;
    char pid[32];
    CHECK_OK(uda_lock_peek(&held, &owner, path, &err), &err);
    CHECK(!held);
    pid_t child = start_owner();
    (void)snprintf(pid, sizeof pid, "process %lld", (long long)child);
    CHECK(uda_lock_acquire(&lock, path, &err) == UDA_IO && lock == NULL);
    CHECK(strstr(err.text, path) != NULL && strstr(err.text, pid) != NULL);
    CHECK(strstr(err.text, "since 2") != NULL && strstr(err.text, "host '") != NULL);
    uda_err_clear(&err);
    CHECK_OK(uda_lock_peek(&held, &owner, path, &err), &err);
    CHECK(held && owner.pid == (int64_t)child && owner.host[0] != '\0' && owner.since[0] == '2');
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    CHECK_OK(uda_lock_peek(&held, &owner, path, &err), &err);
    CHECK(!held && owner.pid == (int64_t)child);
    CHECK_OK(uda_lock_acquire(&lock, path, &err), &err);
    CHECK_OK(uda_lock_peek(&held, &owner, path, &err), &err);
    CHECK(held && owner.pid == (int64_t)getpid());
    uda_lock_release(&lock);
    uda_lock_release(&lock);
    CHECK(!uda_fs_exists(path));
}

static void test_strange_files(void)
{
    static const char *contents[] = {
        "", "pid", "pid: \nhost:", "pid: 99999999999999999999\n", "\xff\xfe\n\n\n:::", "pid: 1"};
    struct uda_err err = {0};
    for (int64_t i = 0; i < UDA_LEN(contents); i++) {
        struct uda_lock *lock = NULL;
        CHECK_OK(uda_fs_write(path, contents[i], strlen(contents[i]), &err), &err);
        CHECK_OK(uda_lock_acquire(&lock, path, &err), &err); /* nobody holds it */
        uda_lock_release(&lock);
    }
}

static void test_failures(void)
{
    struct uda_lock *lock = NULL;
    struct uda_err err = {0};
    CHECK(uda_lock_acquire(&lock, "/nonexistent/lock", &err) == UDA_IO);
    uda_err_clear(&err);
    int64_t n = 1;
    for (; n < 10; n++) {
        uda_fault_fail_after(n, ENOSPC);
        int rc = uda_lock_acquire(&lock, path, &err);
        bool fired = uda_fault_fired();
        uda_fault_reset();
        uda_lock_release(&lock);
        if (!fired) {
            CHECK(rc == 0);
            break;
        }
        CHECK(rc == UDA_IO && strstr(err.text, path) != NULL);
        uda_err_clear(&err);
    }
    CHECK(n > 1 && n < 10);
}

int main(void)
{
    scratch_make(dir);
    scratch_path(path, dir, "lock");
    test_live_and_dead_owner();
    test_strange_files();
    test_failures();
    scratch_remove(dir);
    return check_result();
}
