#include "io/durable.h"

#include "io/fault.h"
#include "src/base/arena.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLICE_BYTES ((size_t)8 << 20)
#define MARGIN_BYTES ((int64_t)1 << 20)
#define TEMP_MARK ".tmp-"
#define ATTEMPTS 8

struct uda_durable {
    int fd;
    bool temp_exists;
    char *path, *temp_path; /* in the same block as the struct */
};

static int preflight(const char *path, int64_t expected_bytes, struct uda_err *err)
{
    if (expected_bytes <= 0) {
        return 0;
    }
    int64_t free_bytes = uda_fault_free_bytes(path);
    if (free_bytes < 0) {
        return uda_fail_errno(err, "'%s': cannot ask for the free space of its folder", path);
    }
    if (expected_bytes > INT64_MAX - MARGIN_BYTES || expected_bytes + MARGIN_BYTES > free_bytes) {
        return uda_fail(
            err, UDA_IO,
            "'%s': the file needs %.1f MiB but only %.1f MiB are free: make room and run "
            "again",
            path, ((double)expected_bytes + (double)MARGIN_BYTES) / 1048576.0,
            (double)free_bytes / 1048576.0);
    }
    return 0;
}

/* Two machines may have processes with the same pid: the time tells them apart, and O_EXCL is certain. */
static int open_temp(struct uda_durable *f, size_t temp_bytes)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(f->temp_path, temp_bytes, "%s%s%lld-%lld%09ld", f->path, TEMP_MARK, (long long)getpid(),
                   (long long)now.tv_sec, now.tv_nsec);
    return uda_fault_open(f->temp_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
}

int uda_durable_begin(struct uda_durable **file, const char *path, int64_t expected_bytes,
                      struct uda_err *err)
{
    UDA_TRY(preflight(path, expected_bytes, err));
    size_t path_bytes = strlen(path) + 1, temp_bytes = path_bytes + sizeof TEMP_MARK + 48;
    struct uda_durable *f = uda_calloc(sizeof *f + path_bytes + temp_bytes);
    if (f == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    f->path = (char *)(f + 1);
    f->temp_path = f->path + path_bytes;
    memcpy(f->path, path, path_bytes);
    for (int i = 0; i < ATTEMPTS && (i == 0 || (f->fd < 0 && errno == EEXIST)); i++) {
        f->fd = open_temp(f, temp_bytes);
    }
    if (f->fd < 0) {
        int rc = uda_fail_errno(err, "'%s': cannot create '%s'", path, f->temp_path);
        uda_free(f);
        return rc;
    }
    f->temp_exists = true;
    *file = f;
    return 0;
}

int uda_durable_put(struct uda_durable *file, const void *data, size_t bytes, struct uda_err *err)
{
    const unsigned char *at = data;
    while (bytes > 0) {
        ssize_t n = uda_fault_write(file->fd, at, bytes < SLICE_BYTES ? bytes : SLICE_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return uda_fail_errno(err, "'%s': writing failed, what was there is unchanged",
                                  file->path);
        }
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

int uda_durable_commit(struct uda_durable **file, struct uda_err *err)
{
    struct uda_durable *f = *file;
    int rc = 0;
    if (uda_fault_fsync(f->fd) != 0) {
        rc = uda_fail_errno(err, "'%s': syncing failed, what was there is unchanged", f->path);
    }
    int closed = close(f->fd);
    f->fd = -1;
    if (rc == 0 && closed != 0) {
        rc = uda_fail_errno(err, "'%s': closing failed, what was there is unchanged", f->path);
    }
    if (rc == 0 && uda_fault_rename(f->temp_path, f->path) != 0) {
        rc = uda_fail_errno(err, "'%s': cannot rename '%s' to it", f->path, f->temp_path);
    }
    f->temp_exists = rc != 0;
    if (rc == 0 && uda_fault_fsync_folder_of(f->path) != 0) {
        rc = uda_fail_errno(err,
                            "'%s': is written, but its folder cannot be synced and a power "
                            "loss may undo it",
                            f->path);
    }
    uda_durable_abort(file);
    return rc;
}

void uda_durable_abort(struct uda_durable **file)
{
    if (file == NULL || *file == NULL) {
        return;
    }
    struct uda_durable *f = *file;
    if (f->fd >= 0) {
        (void)close(f->fd);
    }
    if (f->temp_exists) {
        (void)uda_fault_unlink(f->temp_path);
    }
    uda_free(f);
    *file = NULL;
}

static size_t count_digits(const char *text)
{
    size_t count = 0;
    while (isdigit((unsigned char)text[count])) {
        count++;
    }
    return count;
}

/* True for "name.tmp-<digits>" and "name.tmp-<digits>-<digits>" with a name in front: this one, if given. */
static bool is_leftover(const char *file, const char *name)
{
    const char *mark = NULL;
    for (const char *at = strstr(file, TEMP_MARK); at != NULL; at = strstr(at + 1, TEMP_MARK)) {
        mark = at;
    }
    if (mark == NULL || mark == file) {
        return false;
    }
    size_t name_bytes = (size_t)(mark - file);
    if (name != NULL && (strlen(name) != name_bytes || memcmp(name, file, name_bytes) != 0)) {
        return false;
    }
    const char *digits = mark + strlen(TEMP_MARK);
    size_t first = count_digits(digits), second = digits[first] == '-' ? count_digits(digits + first + 1) : 0;
    return first > 0 && (digits[first] == '\0' || (second > 0 && digits[first + 1 + second] == '\0'));
}

static int sweep(int64_t *removed, const char *folder, const char *name, struct uda_err *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL && errno != ENOENT) {
        return uda_fail_errno(err, "'%s': cannot list the folder", folder);
    }
    int64_t count = 0;
    int rc = 0;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[4096];
        int n = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (!is_leftover(entry->d_name, name) || n < 0 || (size_t)n >= sizeof path) {
            continue;
        }
        if (uda_fault_unlink(path) == 0) {
            count++;
        } else if (rc == 0) {
            rc = uda_fail_errno(err, "'%s': cannot remove this leftover of a killed run", path);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    if (rc == 0 && removed != NULL) {
        *removed = count;
    }
    return rc;
}

int uda_durable_sweep(int64_t *removed, const char *folder, struct uda_err *err)
{
    return sweep(removed, folder, NULL, err);
}

int uda_durable_sweep_file(const char *folder, const char *name, struct uda_err *err)
{
    return sweep(NULL, folder, name, err);
}
