#include "io/lock.h"

#include "io/fault.h"
#include "src/base/arena.h"
#include "src/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS 100
#define RECORD_BYTES 1024

struct uda_lock {
    int fd;
    char path[];
};

/* ---- who holds it ---- */

static void read_line(char text[UDA_LOCK_TEXT_BYTES], const char *path)
{
    FILE *f = fopen(path, "r");
    text[0] = '\0';
    if (f != NULL) {
        if (fgets(text, UDA_LOCK_TEXT_BYTES, f) == NULL) {
            text[0] = '\0';
        }
        text[strcspn(text, "\r\n")] = '\0';
        (void)fclose(f);
    }
}

static void describe_self(struct uda_lock_owner *self)
{
    time_t now = time(NULL);
    struct tm utc;
    *self = (struct uda_lock_owner){.pid = (int64_t)getpid()};
    if (gethostname(self->host, sizeof self->host - 1) != 0) {
        (void)snprintf(self->host, sizeof self->host, "unknown");
    }
    read_line(self->boot, "/proc/sys/kernel/random/boot_id");
    if (gmtime_r(&now, &utc) != NULL) {
        (void)strftime(self->since, sizeof self->since, "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
}

/* Value of a "key: value" line of a record, "" if it has none. */
static void field(char value[UDA_LOCK_TEXT_BYTES], const char *record, const char *key)
{
    size_t key_bytes = strlen(key);
    value[0] = '\0';
    for (const char *line = record; *line != '\0'; line += line[0] == '\n') {
        size_t bytes = strcspn(line, "\n");
        if (bytes > key_bytes + 2 && strncmp(line, key, key_bytes) == 0 && line[key_bytes] == ':') {
            (void)snprintf(value, UDA_LOCK_TEXT_BYTES, "%.*s", (int)(bytes - key_bytes - 2),
                           line + key_bytes + 2);
            return;
        }
        line += bytes;
    }
}

/* False if the file holds no record: its owner has not written it yet, or was killed before it
 * could. */
static bool read_owner(struct uda_lock_owner *owner, int fd)
{
    char record[RECORD_BYTES], pid[UDA_LOCK_TEXT_BYTES];
    ssize_t n = pread(fd, record, sizeof record - 1, 0);
    record[n > 0 ? n : 0] = '\0';
    field(pid, record, "pid");
    field(owner->host, record, "host");
    field(owner->boot, record, "boot");
    field(owner->since, record, "since");
    owner->pid = strtoll(pid, NULL, 10);
    return owner->pid > 0;
}

static int write_owner(int fd, const char *path, const struct uda_lock_owner *self,
                       struct uda_err *err)
{
    char record[RECORD_BYTES];
    int bytes = snprintf(record, sizeof record, "pid: %lld\nhost: %s\nboot: %s\nsince: %s\n",
                         (long long)self->pid, self->host, self->boot, self->since);
    if (uda_fault_ftruncate(fd, 0) != 0 ||
        (lseek(fd, 0, SEEK_SET), uda_fault_write(fd, record, (size_t)bytes)) != bytes) {
        return uda_fail_errno(err, "'%s': the lock cannot be written", path);
    }
    return 0;
}

/* ---- is it held ---- */

enum hold { FREE, HELD, UNKNOWN };

/* Tries to lock the open file, for a tenth of a second: somebody may only be looking. UNKNOWN: this
 * file system cannot lock. */
static enum hold try_lock(int fd)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    for (int i = 0; i < 10; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return FREE;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return UNKNOWN;
        }
        (void)nanosleep(&pause, NULL);
    }
    return HELD;
}

/* Without flock: dead for sure only if it ran here, and the machine restarted or the pid is
 * gone. */
static bool surely_dead(const struct uda_lock_owner *owner, const struct uda_lock_owner *self)
{
    if (strcmp(owner->host, self->host) != 0 || owner->boot[0] == '\0' || self->boot[0] == '\0') {
        return false;
    }
    return strcmp(owner->boot, self->boot) != 0 ||
           (kill((pid_t)owner->pid, 0) != 0 && errno == ESRCH);
}

/* True if the open file is still the one at path: another process may have released and removed
 * it. */
static bool same_file(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 &&
           open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

static int refuse(const char *path, const struct uda_lock_owner *owner, bool known,
                  struct uda_err *err)
{
    if (!known) {
        return uda_fail(err, UDA_IO,
                        "'%s': another process is taking this lock right now: try again", path);
    }
    return uda_fail(err, UDA_IO,
                    "'%s': is held by process %lld on host '%s' since %s: wait for it or stop it "
                    "(if that host is gone for good, remove the file)",
                    path, (long long)owner->pid, owner->host, owner->since);
}

/* One attempt on the open file: 0 taken, 1 the file changed under us, negative refused. */
static int take(int fd, const char *path, struct uda_err *err)
{
    struct uda_lock_owner self, owner = {0};
    describe_self(&self);
    enum hold hold = try_lock(fd);
    bool known = read_owner(&owner, fd);
    if (hold == HELD || (hold == UNKNOWN && known && !surely_dead(&owner, &self))) {
        return refuse(path, &owner, known, err);
    }
    if (!same_file(fd, path)) {
        return 1;
    }
    if (known) {
        uda_log(UDA_LOG_WARN,
                "'%s': process %lld on host '%s', owner since %s, ended without letting go: taking "
                "over",
                path, (long long)owner.pid, owner.host, owner.since);
    }
    return write_owner(fd, path, &self, err);
}

int uda_lock_acquire(struct uda_lock **lock, const char *path, struct uda_err *err)
{
    size_t path_bytes = strlen(path) + 1;
    struct uda_lock *l = uda_alloc(sizeof *l + path_bytes);
    if (l == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    memcpy(l->path, path, path_bytes);
    int rc = 1;
    for (int i = 0; i < ATTEMPTS && rc == 1; i++) {
        l->fd = uda_fault_open(path, O_RDWR | O_CREAT, 0666);
        if (l->fd < 0) {
            rc = uda_fail_errno(err, "'%s': the lock cannot be opened", path);
            break;
        }
        rc = take(l->fd, path, err);
        if (rc != 0) {
            (void)close(l->fd);
        }
    }
    if (rc == 1) {
        rc = uda_fail(err, UDA_IO, "'%s': others keep taking and releasing this lock", path);
    }
    if (rc != 0) {
        uda_free(l);
        return rc;
    }
    *lock = l;
    return 0;
}

void uda_lock_release(struct uda_lock **lock)
{
    if (lock == NULL || *lock == NULL) {
        return;
    }
    if (same_file((*lock)->fd, (*lock)->path)) {
        (void)uda_fault_unlink((*lock)->path); /* before letting go: nobody else can hold it yet */
    }
    (void)close((*lock)->fd);
    uda_free(*lock);
    *lock = NULL;
}

int uda_lock_peek(bool *held, struct uda_lock_owner *owner, const char *path, struct uda_err *err)
{
    struct uda_lock_owner found = {0}, self;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        return uda_fail_errno(err, "'%s': the lock cannot be opened", path);
    }
    *held = false;
    if (fd < 0) {
        return 0;
    }
    bool known = read_owner(&found, fd);
    /* Shared: two who only look do not take each other for an owner. */
    int rc = flock(fd, LOCK_SH | LOCK_NB);
    describe_self(&self);
    *held = rc != 0 && (errno == EWOULDBLOCK || (known && !surely_dead(&found, &self)));
    (void)close(fd);
    *owner = found;
    return 0;
}
