#include "io/metrics.h"

#include "io/fault.h"
#include "src/base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct uda_metrics {
    int fd;
    bool folder_synced;
    int64_t bytes;
    char *row; /* reused copy of a row with its newline */
    size_t row_room;
    char path[];
};

/* Position behind the last newline among the first `bytes` bytes; -1 with errno. */
static int64_t last_line_end(int fd, int64_t bytes)
{
    char part[4096];
    while (bytes > 0) {
        int64_t from = bytes > (int64_t)sizeof part ? bytes - (int64_t)sizeof part : 0;
        ssize_t n = pread(fd, part, (size_t)(bytes - from), (off_t)from);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return -1;
        }
        for (ssize_t i = n - 1; i >= 0; i--) {
            if (part[i] == '\n') {
                return from + i + 1;
            }
        }
        bytes = from;
    }
    return 0;
}

static int cut_torn_line(struct uda_metrics *m, struct uda_err *err)
{
    struct stat info;
    if (fstat(m->fd, &info) != 0) {
        return uda_fail_errno(err, "'%s': cannot be looked at", m->path);
    }
    int64_t whole = last_line_end(m->fd, (int64_t)info.st_size);
    if (whole < 0 ||
        (whole < (int64_t)info.st_size && uda_fault_ftruncate(m->fd, (off_t)whole) != 0)) {
        return uda_fail_errno(err, "'%s': its torn last line cannot be cut", m->path);
    }
    m->bytes = whole;
    return 0;
}

int uda_metrics_open(struct uda_metrics **metrics, const char *path, struct uda_err *err)
{
    size_t path_bytes = strlen(path) + 1;
    struct uda_metrics *m = uda_calloc(sizeof *m + path_bytes);
    if (m == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    memcpy(m->path, path, path_bytes);
    m->fd = uda_fault_open(path, O_RDWR | O_CREAT | O_APPEND, 0666);
    int rc = m->fd >= 0 ? cut_torn_line(m, err)
                        : uda_fail_errno(err, "'%s': cannot be opened for appending", path);
    if (rc != 0) {
        uda_metrics_close(&m);
        return rc;
    }
    *metrics = m;
    return 0;
}

/* Copies the row with a newline behind it into m->row. */
static int stage_row(struct uda_metrics *m, const char *row, size_t bytes, struct uda_err *err)
{
    if (bytes == 0 || strpbrk(row, "\r\n") != NULL) {
        return uda_fail(err, UDA_FORMAT, "'%s': a row must be one line", m->path);
    }
    if (bytes + 1 > m->row_room) {
        size_t room = bytes + 1 > 4096 ? 2 * (bytes + 1) : 4096;
        char *fresh = uda_alloc(room);
        if (fresh == NULL) {
            return uda_fail(err, UDA_NOMEM, "'%s': no memory for a row of %zu bytes", m->path,
                            bytes);
        }
        uda_free(m->row);
        m->row = fresh;
        m->row_room = room;
    }
    memcpy(m->row, row, bytes);
    m->row[bytes] = '\n';
    return 0;
}

int uda_metrics_append(struct uda_metrics *metrics, const char *row, struct uda_err *err)
{
    size_t bytes = strlen(row), done = 0;
    UDA_TRY(stage_row(metrics, row, bytes, err));
    while (done < bytes + 1) {
        ssize_t n = uda_fault_write(metrics->fd, metrics->row + done, bytes + 1 - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            int rc = uda_fail_errno(err, "'%s': cannot append a row", metrics->path);
            (void)!uda_fault_ftruncate(metrics->fd, (off_t)metrics->bytes);
            return rc;
        }
        done += (size_t)n;
    }
    metrics->bytes += (int64_t)bytes + 1;
    return 0;
}

int64_t uda_metrics_bytes(const struct uda_metrics *metrics)
{
    return metrics->bytes;
}

int uda_metrics_sync(struct uda_metrics *metrics, struct uda_err *err)
{
    if (uda_fault_fsync(metrics->fd) != 0 ||
        (!metrics->folder_synced && uda_fault_fsync_folder_of(metrics->path) != 0)) {
        return uda_fail_errno(err, "'%s': syncing failed", metrics->path);
    }
    metrics->folder_synced = true;
    return 0;
}

void uda_metrics_close(struct uda_metrics **metrics)
{
    if (metrics == NULL || *metrics == NULL) {
        return;
    }
    if ((*metrics)->fd >= 0) {
        (void)close((*metrics)->fd);
    }
    uda_free((*metrics)->row);
    uda_free(*metrics);
    *metrics = NULL;
}

static int truncate_open(int fd, const char *path, int64_t bytes, struct uda_err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return uda_fail_errno(err, "'%s': cannot be looked at", path);
    }
    if ((int64_t)info.st_size < bytes) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': has %lld bytes, the checkpoint knows of %" PRId64
                        ": rows are lost: restore the file, or resume from an older checkpoint",
                        path, (long long)info.st_size, bytes);
    }
    int64_t line_end = last_line_end(fd, bytes);
    if (line_end < 0) {
        return uda_fail_errno(err, "'%s': reading failed", path);
    }
    if (line_end != bytes) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': no row ends at byte %" PRId64
                        " where the checkpoint knows of an end: this is another file",
                        path, bytes);
    }
    if ((int64_t)info.st_size > bytes && uda_fault_ftruncate(fd, (off_t)bytes) != 0) {
        return uda_fail_errno(err, "'%s': cannot be cut", path);
    }
    return uda_fault_fsync(fd) == 0 ? 0 : uda_fail_errno(err, "'%s': syncing failed", path);
}

int uda_metrics_truncate_to(const char *path, int64_t bytes, struct uda_err *err)
{
    int fd = uda_fault_open(path, O_RDWR, 0);
    if (fd < 0 && errno == ENOENT && bytes == 0) {
        return 0;
    }
    if (fd < 0) {
        return uda_fail_errno(err, "'%s': cannot be opened to go on at byte %" PRId64, path, bytes);
    }
    int rc = truncate_open(fd, path, bytes, err);
    (void)close(fd);
    return rc;
}
