#include "io/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PATH_BYTES 1024
#define RECORDS 64

/* What a power loss would take: bytes of an open file, or a rename whose folder was not synced. */
struct record {
    enum { FREE, FILE_BYTES, RENAME } kind;
    int fd;                /* FILE_BYTES: while open, else -1 */
    char path[PATH_BYTES]; /* FILE_BYTES: where it is now; RENAME: the new name */
    char from[PATH_BYTES]; /* RENAME: the old name */
    char old[PATH_BYTES];  /* RENAME: a link to what the new name held, "" if nothing */
    off_t synced_bytes, written_bytes;
};

static _Atomic int armed; /* 0: every call is the plain system call */
static struct {
    int64_t countdown, free_bytes;
    int error;
    bool power, fired, dead, free_set;
    size_t write_limit;
    struct record records[RECORDS];
} state;

/* True when this call must fail; sets errno. */
static bool injected(void)
{
    if (atomic_load_explicit(&armed, memory_order_relaxed) == 0) {
        return false;
    }
    if (state.dead) {
        errno = EIO;
        return true;
    }
    if (state.countdown <= 0 || --state.countdown > 0) {
        return false;
    }
    state.fired = true;
    state.dead = state.power;
    errno = state.power ? EIO : state.error;
    return true;
}

static bool recording(void)
{
    return atomic_load_explicit(&armed, memory_order_relaxed) != 0 && state.power;
}

static struct record *find_record(int kind, int fd)
{
    for (int i = 0; i < RECORDS; i++) {
        struct record *r = &state.records[i];
        if ((int)r->kind == kind && (kind == FREE || r->fd == fd)) {
            return r;
        }
    }
    return NULL;
}

static void record_open(int fd, const char *path, int flags)
{
    struct stat info;
    struct record *stale = find_record(FILE_BYTES, fd);
    if (stale != NULL) {
        stale->fd = -1; /* closed since; what it wrote may still be unsynced */
    }
    struct record *r = find_record(FREE, -1);
    if (r == NULL || fstat(fd, &info) != 0) {
        return;
    }
    *r = (struct record){.kind = FILE_BYTES, .fd = fd};
    (void)snprintf(r->path, sizeof r->path, "%s", path);
    r->synced_bytes = (flags & O_TRUNC) != 0 || S_ISDIR(info.st_mode) ? 0 : info.st_size;
    r->written_bytes = r->synced_bytes;
}

int uda_fault_open(const char *path, int flags, mode_t mode)
{
    bool writes = (flags & (O_WRONLY | O_RDWR)) != 0;
    if (writes && injected()) {
        return -1;
    }
    int fd = open(path, flags | O_CLOEXEC, mode);
    if (fd >= 0 && writes && recording()) {
        record_open(fd, path, flags);
    }
    return fd;
}

ssize_t uda_fault_write(int fd, const void *data, size_t bytes)
{
    if (injected()) {
        return -1;
    }
    if (atomic_load_explicit(&armed, memory_order_relaxed) != 0 && state.write_limit > 0 &&
        bytes > state.write_limit) {
        bytes = state.write_limit;
    }
    ssize_t n = write(fd, data, bytes);
    struct record *r = n > 0 && recording() ? find_record(FILE_BYTES, fd) : NULL;
    if (r != NULL) {
        r->written_bytes += n;
    }
    return n;
}

int uda_fault_fsync(int fd)
{
    if (injected()) {
        return -1;
    }
    int rc = fsync(fd);
    struct record *r = rc == 0 && recording() ? find_record(FILE_BYTES, fd) : NULL;
    if (r != NULL) {
        r->synced_bytes = r->written_bytes;
    }
    return rc;
}

int uda_fault_ftruncate(int fd, off_t bytes)
{
    if (injected()) {
        return -1;
    }
    int rc = ftruncate(fd, bytes);
    struct record *r = rc == 0 && recording() ? find_record(FILE_BYTES, fd) : NULL;
    if (r != NULL) {
        r->written_bytes = bytes;
        r->synced_bytes = r->synced_bytes < bytes ? r->synced_bytes : bytes;
    }
    return rc;
}

static void record_rename(const char *from, const char *to)
{
    struct record *r = find_record(FREE, -1);
    if (r == NULL) {
        return;
    }
    *r = (struct record){.kind = RENAME, .fd = -1};
    (void)snprintf(r->path, sizeof r->path, "%s", to);
    (void)snprintf(r->from, sizeof r->from, "%s", from);
    (void)snprintf(r->old, sizeof r->old, "%s.fault-old", to);
    (void)unlink(r->old);
    if (link(to, r->old) != 0) {
        r->old[0] = '\0';
    }
}

int uda_fault_rename(const char *from, const char *to)
{
    if (injected()) {
        return -1;
    }
    if (recording()) {
        record_rename(from, to);
    }
    int rc = rename(from, to);
    for (int i = 0; rc == 0 && recording() && i < RECORDS; i++) {
        struct record *r = &state.records[i];
        if (r->kind == FILE_BYTES && strcmp(r->path, from) == 0) {
            (void)snprintf(r->path, sizeof r->path, "%s", to);
        }
    }
    return rc;
}

int uda_fault_unlink(const char *path)
{
    return injected() ? -1 : unlink(path);
}

int uda_fault_link(const char *from, const char *to)
{
    return injected() ? -1 : link(from, to);
}

/* The folder part of a path, "." when there is none; false when it does not fit. */
static bool folder_of(char folder[PATH_BYTES], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t bytes = slash == NULL ? 0 : (size_t)(slash - path);
    if (bytes >= PATH_BYTES) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(folder, path, bytes);
    folder[bytes] = '\0';
    if (bytes == 0) {
        (void)snprintf(folder, PATH_BYTES, "%s", slash == NULL ? "." : "/");
    }
    return true;
}

static void folder_synced(const char *folder)
{
    char of[PATH_BYTES];
    for (int i = 0; i < RECORDS; i++) {
        struct record *r = &state.records[i];
        if (r->kind == RENAME && folder_of(of, r->path) && strcmp(of, folder) == 0) {
            (void)unlink(r->old);
            r->kind = FREE;
        }
    }
}

int uda_fault_fsync_folder_of(const char *path)
{
    char folder[PATH_BYTES];
    if (!folder_of(folder, path) || injected()) {
        return -1;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    /* Some network file systems refuse to sync a folder; there is nothing more to be done there. */
    int rc = injected() ? -1 : fsync(fd);
    if (rc != 0 && (errno == EINVAL || errno == ENOTSUP)) {
        rc = 0;
    }
    int error = errno;
    (void)close(fd);
    errno = error;
    if (rc == 0 && recording()) {
        folder_synced(folder);
    }
    return rc;
}

int64_t uda_fault_free_bytes(const char *path)
{
    if (atomic_load_explicit(&armed, memory_order_relaxed) != 0 && state.free_set) {
        return state.free_bytes;
    }
    char folder[PATH_BYTES];
    struct statvfs info;
    if (!folder_of(folder, path) || statvfs(folder, &info) != 0) {
        return -1;
    }
    uint64_t block = info.f_frsize != 0 ? (uint64_t)info.f_frsize : (uint64_t)info.f_bsize;
    uint64_t blocks = (uint64_t)info.f_bavail;
    if (block != 0 && blocks > (uint64_t)INT64_MAX / block) {
        return INT64_MAX;
    }
    return (int64_t)(block * blocks);
}

void uda_fault_fail_after(int64_t nth, int error)
{
    state.countdown = nth;
    state.error = error;
    state.fired = false;
    atomic_store(&armed, 1);
}

void uda_fault_limit_write(size_t bytes)
{
    state.write_limit = bytes;
    atomic_store(&armed, 1);
}

void uda_fault_claim_free(int64_t bytes)
{
    state.free_bytes = bytes;
    state.free_set = bytes >= 0;
    atomic_store(&armed, 1);
}

void uda_fault_power_cut(int64_t nth)
{
    uda_fault_reset();
    state.countdown = nth;
    state.power = true;
    atomic_store(&armed, 1);
}

void uda_fault_power_restore(enum uda_fault_loss loss)
{
    for (int i = 0; i < RECORDS && loss != UDA_FAULT_LOSE_NOTHING; i++) {
        struct record *r = &state.records[i];
        if (r->kind == FILE_BYTES && r->synced_bytes < r->written_bytes) {
            (void)!truncate(r->path, r->synced_bytes);
        }
    }
    for (int i = RECORDS - 1; i >= 0 && loss == UDA_FAULT_LOSE_ALL; i--) {
        struct record *r = &state.records[i];
        if (r->kind == RENAME) {
            (void)rename(r->path, r->from);
            if (r->old[0] != '\0') {
                (void)rename(r->old, r->path);
            }
        }
    }
    uda_fault_reset();
}

bool uda_fault_fired(void)
{
    return state.fired;
}

void uda_fault_reset(void)
{
    for (int i = 0; i < RECORDS; i++) {
        if (state.records[i].kind == RENAME && state.records[i].old[0] != '\0') {
            (void)unlink(state.records[i].old);
        }
    }
    memset(&state, 0, sizeof state);
    atomic_store(&armed, 0);
}
