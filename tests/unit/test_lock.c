/* Locks between processes: one owner at a time, named to the others; a dead owner's lock is taken over
 * once. */
#include "io/lock.h"

#include "io/fault.h"
#include "io/fs.h"
#include "io/lock_owner.h"
#include "src/base/log.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LEASE_S 60.0

static char dir[SCRATCH_BYTES], path[SCRATCH_BYTES];

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

static double seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One try with a fresh memory: taken? */
static bool try_once(struct uda_lock **lock)
{
    struct uda_lock_watch watch = {0};
    struct uda_err err = {0};
    CHECK_OK(uda_lock_try(lock, &watch, path, LEASE_S, &err), &err);
    return *lock != NULL;
}

/* A process that holds the lock until it is killed; returns once it has it. */
static pid_t start_owner(void)
{
    int ready[2];
    char byte = 0;
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct uda_lock *lock = NULL;
        byte = try_once(&lock) ? 'y' : 'n';
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
    struct uda_lock_watch watch = {0};
    struct uda_err err = {0};
    struct uda_lock_owner owner = {0};
    bool held = true;
    double silent_s = -1.0;
    CHECK_OK(uda_lock_peek(&held, &owner, &silent_s, path, &err), &err);
    CHECK(!held);
    pid_t child = start_owner();
    CHECK_OK(uda_lock_try(&lock, &watch, path, LEASE_S, &err), &err);
    CHECK(lock == NULL && watch.here && watch.owner.pid == (int64_t)child);
    CHECK(watch.owner.host[0] != '\0' && watch.owner.since[0] == '2' && watch.owner.lease_s == LEASE_S);
    CHECK_OK(uda_lock_peek(&held, &owner, &silent_s, path, &err), &err);
    CHECK(held && owner.pid == (int64_t)child && silent_s == 0.0);
    /* It is dead as soon as it is killed, not only once its parent asks for it. */
    siginfo_t info;
    CHECK(kill(child, SIGKILL) == 0 && waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK_OK(uda_lock_peek(&held, &owner, &silent_s, path, &err), &err);
    CHECK(!held);
    CHECK_OK(uda_lock_try(&lock, &watch, path, LEASE_S, &err), &err);
    CHECK(lock != NULL && watch.took_over && watch.owner.pid == (int64_t)child);
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK_OK(uda_lock_peek(&held, &owner, &silent_s, path, &err), &err);
    CHECK(held && owner.pid == (int64_t)getpid());
    struct uda_lock *second = NULL;
    CHECK(!try_once(&second));
    uda_lock_release(&lock);
    uda_lock_release(&lock);
    CHECK(scratch_entries(dir, 0) == 0);
}

static void *hold_on(void *ready)
{
    (void)!write(*(int *)ready, "y", 1);
    for (;;) {
        (void)pause();
    }
    return NULL;
}

/* Its first thread has ended, another one still works: the process lives until that is gone as well. */
static void test_last_thread(void)
{
    int ready[2];
    char byte = 0;
    struct uda_lock_owner owner = {0};
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, hold_on, &ready[1]) != 0) {
            _exit(1);
        }
        pthread_exit(NULL);
    }
    owner.pid = (int64_t)child;
    CHECK(read(ready[0], &byte, 1) == 1 && byte == 'y');
    for (int i = 0; i < 20; i++) { /* it may take a moment to end */
        CHECK(uda_lock_owner_lives(&owner));
        pause_ms(1);
    }
    siginfo_t info;
    CHECK(kill(child, SIGKILL) == 0 && waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(!uda_lock_owner_lives(&owner));
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(!uda_lock_owner_lives(&owner));
    CHECK(close(ready[0]) == 0 && close(ready[1]) == 0);
}

/* A process is dead from its end on, also in the moment in which its parent asks for it. */
static void test_reaped_meanwhile(void)
{
    for (int i = 0; i < 200; i++) {
        pid_t child = fork(), looker;
        struct uda_lock_owner owner = {.pid = (int64_t)child};
        siginfo_t info;
        int status = 0;
        if (child == 0) {
            _exit(0);
        }
        CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
        if ((looker = fork()) == 0) {
            for (int look = 0; look < 200; look++) {
                if (uda_lock_owner_lives(&owner)) {
                    _exit(1);
                }
            }
            _exit(0);
        }
        const struct timespec moment = {.tv_nsec = 10000L * i};
        (void)nanosleep(&moment, NULL);
        CHECK(waitpid(child, NULL, 0) == child);
        CHECK(waitpid(looker, &status, 0) == looker && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* Puts somebody's record in place. */
static void plant(const struct uda_lock_owner *owner)
{
    char record[UDA_LOCK_RECORD_BYTES];
    struct uda_err err = {0};
    size_t bytes = uda_lock_owner_write(record, owner);
    CHECK_OK(uda_fs_write(path, record, bytes, &err), &err);
}

/* The pid lives, but it is another process than the one that took the lock. */
static void test_reused_pid(void)
{
    struct uda_lock *lock = NULL;
    struct uda_lock_owner owner;
    uda_lock_owner_self(&owner, LEASE_S);
    if (owner.started == 0 || owner.boot[0] == '\0') {
        return; /* no /proc */
    }
    plant(&owner);
    CHECK(!try_once(&lock));
    owner.started++;
    plant(&owner);
    CHECK(try_once(&lock));
    uda_lock_release(&lock);
    CHECK(scratch_entries(dir, 0) == 0);
}

/* An owner on another machine: its pid means nothing here, its silence does. */
static void test_other_machine(void)
{
    struct uda_lock *lock = NULL;
    struct uda_lock_watch watch = {0};
    struct uda_err err = {0};
    struct uda_lock_owner owner, seen = {0};
    uda_lock_owner_self(&owner, 0.3);
    owner.pid = 1;
    (void)snprintf(owner.boot, sizeof owner.boot, "another");
    (void)snprintf(owner.host, sizeof owner.host, "node7");
    plant(&owner);
    double start = seconds_now();
    while (seconds_now() - start < 0.6) { /* it gives signs of life */
        CHECK(utimensat(AT_FDCWD, path, NULL, 0) == 0);
        CHECK_OK(uda_lock_try(&lock, &watch, path, LEASE_S, &err), &err);
        CHECK(lock == NULL && !watch.here && strcmp(watch.owner.host, "node7") == 0);
        pause_ms(20);
    }
    start = seconds_now();
    while (lock == NULL && seconds_now() - start < 5.0) { /* no longer */
        CHECK_OK(uda_lock_try(&lock, &watch, path, LEASE_S, &err), &err);
        pause_ms(10);
    }
    CHECK(lock != NULL && watch.took_over && seconds_now() - start > 0.25);
    uda_lock_release(&lock);

    /* Time in which the observer did not look counts for ten seconds at most. */
    owner.lease_s = LEASE_S;
    plant(&owner);
    watch = (struct uda_lock_watch){0};
    for (int i = 0; i < 6; i++) {
        CHECK_OK(uda_lock_try(&lock, &watch, path, LEASE_S, &err), &err);
        CHECK(lock == NULL);
        watch.sight[0].looked.tv_sec -= 3600;
    }
    bool held = false;
    double silent_s = -1.0;
    CHECK_OK(uda_lock_peek(&held, &seen, &silent_s, path, &err), &err);
    CHECK(held && seen.pid == 1 && silent_s >= 0.0 && silent_s < 30.0);
    CHECK_OK(uda_lock_try(&lock, &watch, path, LEASE_S, &err), &err);
    CHECK(lock != NULL);
    uda_lock_release(&lock);
    CHECK(scratch_entries(dir, 0) == 0);
}

static void count_loss(const char *lost_path, void *args)
{
    atomic_fetch_add((_Atomic int *)args, strcmp(lost_path, path) == 0 ? 1 : 100);
}

static void test_signs_of_life(void)
{
    struct uda_lock *lock = NULL;
    struct uda_lock_watch watch = {0};
    struct uda_err err = {0};
    struct stat before, after;
    _Atomic int losses = 0;
    CHECK_OK(uda_lock_try(&lock, &watch, path, 0.2, &err), &err);
    CHECK(lock != NULL && stat(path, &before) == 0);
    CHECK_OK(uda_lock_keep(lock, count_loss, &losses, &err), &err);
    pause_ms(200);
    CHECK(stat(path, &after) == 0 && (after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
                                      after.st_mtim.tv_nsec != before.st_mtim.tv_nsec));
    CHECK(atomic_load(&losses) == 0);
    struct uda_lock_owner other; /* somebody took it for dead */
    uda_lock_owner_self(&other, LEASE_S);
    plant(&other);
    for (int i = 0; i < 200 && atomic_load(&losses) == 0; i++) {
        pause_ms(10);
    }
    CHECK(atomic_load(&losses) == 1);
    uda_lock_release(&lock);
    CHECK(uda_fs_exists(path)); /* the other's */
    CHECK_OK(uda_fs_remove(path, &err), &err);

    CHECK_OK(uda_lock_try(&lock, &watch, path, 0.2, &err), &err);
    CHECK_OK(uda_lock_keep(lock, count_loss, &losses, &err), &err);
    CHECK_OK(uda_fs_remove(path, &err), &err); /* by hand */
    for (int i = 0; i < 200 && atomic_load(&losses) == 1; i++) {
        pause_ms(10);
    }
    CHECK(atomic_load(&losses) == 2);
    uda_lock_release(&lock);
    CHECK(scratch_entries(dir, 0) == 0);
}

/* A file without a whole record belongs to nobody once it has not changed for ten seconds. */
static void test_strange_files(void)
{
    static const char *contents[] = {
        "", "pid", "pid: \nhost:", "pid: 99999999999999999999\n", "\xff\xfe\n\n\n:::", "pid: 1",
        "pid: 1\nkey: ../../../etc\nlease: 1\n", "pid: 1\nkey: 0123456789abcdef\nlease: -1\n"};
    struct uda_err err = {0};
    for (int64_t i = 0; i < UDA_LEN(contents); i++) {
        struct uda_lock *lock = NULL;
        struct uda_lock_watch watch = {0};
        CHECK_OK(uda_fs_write(path, contents[i], strlen(contents[i]), &err), &err);
        CHECK_OK(uda_lock_try(&lock, &watch, path, LEASE_S, &err), &err);
        CHECK(lock == NULL && watch.owner.pid == 0);
        watch.sight[0].silent_s = 10.0;
        CHECK_OK(uda_lock_try(&lock, &watch, path, LEASE_S, &err), &err);
        CHECK(lock != NULL);
        uda_lock_release(&lock);
        CHECK(scratch_entries(dir, 0) == 0);
    }
}

static void test_failures(void)
{
    struct uda_lock *lock = NULL;
    struct uda_lock_watch watch = {0};
    struct uda_err err = {0};
    CHECK(uda_lock_try(&lock, &watch, "/nonexistent/lock", LEASE_S, &err) == UDA_IO);
    uda_err_clear(&err);
    int64_t n = 1;
    for (; n < 10; n++) {
        uda_fault_fail_after(n, ENOSPC);
        int rc = uda_lock_try(&lock, &watch, path, LEASE_S, &err);
        bool fired = uda_fault_fired();
        uda_fault_reset();
        CHECK(rc == 0 ? lock != NULL : rc == UDA_IO && lock == NULL && strstr(err.text, path) != NULL);
        uda_lock_release(&lock);
        uda_err_clear(&err);
        (void)scratch_entries(dir, 1); /* an unlink that failed leaves its file */
        if (!fired) {
            break;
        }
    }
    CHECK(n > 4 && n < 10); /* open, write, link, unlink */

    uda_fault_fail_after(3, EPERM); /* a file system without links */
    CHECK_OK(uda_lock_try(&lock, &watch, path, LEASE_S, &err), &err);
    CHECK(uda_fault_fired() && lock != NULL);
    uda_fault_reset();
    struct uda_lock *second = NULL;
    CHECK_OK(uda_lock_try(&second, &watch, path, LEASE_S, &err), &err);
    CHECK(second == NULL && watch.owner.pid == (int64_t)getpid());
    uda_lock_release(&lock);
    CHECK(scratch_entries(dir, 0) == 0);
}

/* Takes the lock again and again until it is killed. *inside: who thinks to be alone. Ends when it is
 * not. */
static void contend(_Atomic int *inside)
{
    for (;;) {
        struct uda_lock *lock = NULL;
        if (!try_once(&lock)) {
            pause_ms(1);
            continue;
        }
        struct uda_lock_owner before = {.pid = atomic_exchange(inside, (int)getpid())};
        if (check_failures > 0 || (before.pid != 0 && uda_lock_owner_lives(&before))) {
            _exit(1);
        }
        for (volatile int spin = 0; spin < 20000; spin++) {
        }
        int self = (int)getpid();
        if (!atomic_compare_exchange_strong(inside, &self, 0)) {
            _exit(1);
        }
        uda_lock_release(&lock);
    }
}

/* Some processes want one lock, and one after the other is killed at any moment: holding it, taking it,
 * taking over a dead one's, letting go. */
static void test_contention(void)
{
    enum { WORKERS = 4, KILLS = 400 };
    char shared[SCRATCH_BYTES];
    struct uda_err err = {0};
    scratch_path(shared, dir, "inside");
    CHECK_OK(uda_fs_write(shared, "\0\0\0\0", sizeof(int), &err), &err);
    int fd = open(shared, O_RDWR);
    void *page = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    _Atomic int *inside = page;
    CHECK(fd >= 0 && page != MAP_FAILED && close(fd) == 0 && unlink(shared) == 0);
    pid_t worker[WORKERS] = {0};
    int own_ends = 0;
    unsigned state = 1;
    for (int n = 0; n < KILLS && own_ends == 0; n++) {
        for (int i = 0; i < WORKERS; i++) {
            if (worker[i] == 0 && (worker[i] = fork()) == 0) {
                contend(inside);
            }
        }
        state = state * 1103515245u + 12345u;
        const struct timespec pause = {.tv_nsec = (long)(state >> 8) % 4000000};
        (void)nanosleep(&pause, NULL);
        int status = 0, i = (int)(state >> 16) % WORKERS;
        CHECK(kill(worker[i], SIGKILL) == 0 && waitpid(worker[i], &status, 0) == worker[i]);
        own_ends += WIFEXITED(status);
        worker[i] = 0;
    }
    for (int i = 0; i < WORKERS; i++) {
        int status = 0;
        if (worker[i] != 0) {
            CHECK(kill(worker[i], SIGKILL) == 0 && waitpid(worker[i], &status, 0) == worker[i]);
            own_ends += WIFEXITED(status);
        }
    }
    CHECK(own_ends == 0); /* nobody met another inside */
    CHECK(munmap(page, sizeof(int)) == 0);
    struct uda_lock *lock = NULL;
    CHECK(try_once(&lock)); /* and nothing is in the way of the next */
    CHECK_OK(uda_lock_sweep(dir, &err), &err);
    CHECK(scratch_entries(dir, 0) == 1);
    uda_lock_release(&lock);
}

int main(void)
{
    scratch_make(dir);
    scratch_path(path, dir, "lock");
    test_live_and_dead_owner();
    test_last_thread();
    test_reaped_meanwhile();
    test_reused_pid();
    test_other_machine();
    test_signs_of_life();
    test_strange_files();
    test_failures();
    uda_log_set_level(UDA_LOG_ERROR); /* many a warning of taking over */
    test_contention();
    scratch_remove(dir);
    return check_result();
}
