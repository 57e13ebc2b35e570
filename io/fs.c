#include "io/fs.h"

#include "io/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_DEPTH 64

static int read_open(unsigned char **data, size_t *bytes, struct uda_arena *arena, int fd,
                     const char *path, size_t max_bytes, struct uda_err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return uda_fail_errno(err, "cannot read '%s'", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return uda_fail(err, UDA_IO, "cannot read '%s': not a regular file", path);
    }
    if ((uint64_t)info.st_size > max_bytes) {
        return uda_fail(err, UDA_FORMAT, "'%s' has %lld bytes, more than the %zu allowed here",
                        path, (long long)info.st_size, max_bytes);
    }
    size_t size = (size_t)info.st_size, got = 0;
    unsigned char *buffer = uda_arena_alloc(arena, size + 1);
    if (buffer == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for %zu bytes", path, size);
    }
    while (got < size) {
        ssize_t n = read(fd, buffer + got, size - got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return uda_fail_errno(err, "cannot read '%s'", path);
        }
        if (n == 0) {
            break; /* the file shrank: give what there is */
        }
        got += (size_t)n;
    }
    buffer[got] = '\0';
    *data = buffer;
    *bytes = got;
    return 0;
}

int uda_fs_read(unsigned char **data, size_t *bytes, struct uda_arena *arena, const char *path,
                size_t max_bytes, struct uda_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return uda_fail_errno(err, "cannot open '%s'", path);
    }
    int rc = read_open(data, bytes, arena, fd, path, max_bytes, err);
    (void)close(fd);
    return rc;
}

int uda_fs_write(const char *path, const void *data, size_t bytes, struct uda_err *err)
{
    struct uda_durable *file = NULL;
    UDA_TRY(uda_durable_begin(&file, path, (int64_t)bytes, err));
    int rc = uda_durable_put(file, data, bytes, err);
    if (rc == 0) {
        rc = uda_durable_commit(&file, err);
    }
    uda_durable_abort(&file);
    return rc;
}

int uda_fs_mkdirs(const char *path, struct uda_err *err)
{
    char buffer[4096];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof buffer) {
        return uda_fail(err, UDA_IO, "cannot create folder '%s': bad length", path);
    }
    memcpy(buffer, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (buffer[i] != '/' && buffer[i] != '\0') {
            continue;
        }
        char kept = buffer[i];
        buffer[i] = '\0';
        if (mkdir(buffer, 0777) != 0 && errno != EEXIST) {
            return uda_fail_errno(err, "cannot create folder '%s'", buffer);
        }
        buffer[i] = kept;
    }
    if (!uda_fs_is_dir(path)) {
        return uda_fail(err, UDA_IO, "cannot create folder '%s': a file is in the way", path);
    }
    return 0;
}

bool uda_fs_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool uda_fs_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int uda_fs_size(int64_t *bytes, const char *path, struct uda_err *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return uda_fail_errno(err, "cannot look at '%s'", path);
    }
    *bytes = (int64_t)info.st_size;
    return 0;
}

int uda_fs_remove(const char *path, struct uda_err *err)
{
    if (unlink(path) != 0 && errno != ENOENT) {
        return uda_fail_errno(err, "cannot remove '%s'", path);
    }
    return 0;
}

/* A growing list of names in an arena. */
struct names {
    struct uda_arena *arena;
    char **item;
    int64_t count, room;
};

static int names_add(struct names *names, char *name, struct uda_err *err)
{
    if (names->count == names->room) {
        int64_t room = names->room == 0 ? 64 : 2 * names->room;
        char **item = uda_arena_grow(names->arena, names->item,
                                     (size_t)names->room * sizeof *item,
                                     (size_t)room * sizeof *item);
        if (item == NULL) {
            return uda_fail(err, UDA_NOMEM, "folder listing: out of memory");
        }
        names->item = item;
        names->room = room;
    }
    if (name == NULL) {
        return uda_fail(err, UDA_NOMEM, "folder listing: out of memory");
    }
    names->item[names->count++] = name;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_sort(struct names *names)
{
    if (names->count > 1) {
        qsort(names->item, (size_t)names->count, sizeof *names->item, by_bytes);
    }
}

static int list_into(struct names *names, const char *dir, struct uda_err *err)
{
    DIR *handle = opendir(dir);
    if (handle == NULL) {
        return uda_fail_errno(err, "cannot open folder '%s'", dir);
    }
    int rc = 0;
    for (struct dirent *e = readdir(handle); e != NULL && rc == 0; e = readdir(handle)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            rc = names_add(names, uda_arena_strdup(names->arena, e->d_name), err);
        }
    }
    (void)closedir(handle);
    names_sort(names);
    return rc;
}

int uda_fs_list(char ***out, int64_t *count, struct uda_arena *arena, const char *dir,
                struct uda_err *err)
{
    struct names names = {.arena = arena};
    UDA_TRY(list_into(&names, dir, err));
    *out = names.item;
    *count = names.count;
    return 0;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

static int walk_into(struct names *found, const char *root, const char *below, const char *suffix,
                     int depth, struct uda_err *err)
{
    if (depth > MAX_DEPTH) {
        return uda_fail(err, UDA_IO, "'%s/%s' is nested deeper than %d folders", root, below,
                        MAX_DEPTH);
    }
    char *dir = uda_fs_join(found->arena, root, below);
    if (dir == NULL) {
        return uda_fail(err, UDA_NOMEM, "folder listing: out of memory");
    }
    struct names here = {.arena = found->arena};
    UDA_TRY(list_into(&here, dir, err));
    for (int64_t i = 0; i < here.count; i++) {
        char *relative = below[0] == '\0' ? here.item[i]
                                          : uda_fs_join(found->arena, below, here.item[i]);
        char *full = relative == NULL ? NULL : uda_fs_join(found->arena, root, relative);
        if (full == NULL) {
            return uda_fail(err, UDA_NOMEM, "folder listing: out of memory");
        }
        if (uda_fs_is_dir(full)) {
            UDA_TRY(walk_into(found, root, relative, suffix, depth + 1, err));
        } else if (ends_in(relative, suffix)) {
            UDA_TRY(names_add(found, relative, err));
        }
    }
    return 0;
}

int uda_fs_walk(char ***paths, int64_t *count, struct uda_arena *arena, const char *root,
                const char *suffix, struct uda_err *err)
{
    struct names found = {.arena = arena};
    UDA_TRY(walk_into(&found, root, "", suffix, 0, err));
    names_sort(&found);
    *paths = found.item;
    *count = found.count;
    return 0;
}

char *uda_fs_join(struct uda_arena *arena, const char *a, const char *b)
{
    if (a[0] == '\0' || b[0] == '/') {
        return uda_arena_strdup(arena, b);
    }
    if (b[0] == '\0') {
        return uda_arena_strdup(arena, a);
    }
    const char *slash = a[strlen(a) - 1] == '/' ? "" : "/";
    return uda_arena_printf(arena, "%s%s%s", a, slash, b);
}

char *uda_fs_parent(struct uda_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return uda_arena_strdup(arena, ".");
    }
    if (slash == path) {
        return uda_arena_strdup(arena, "/");
    }
    return uda_arena_printf(arena, "%.*s", (int)(slash - path), path);
}

int uda_fs_free_bytes(int64_t *bytes, const char *path, struct uda_err *err)
{
    struct statvfs info;
    if (statvfs(path, &info) != 0) {
        return uda_fail_errno(err, "cannot look at the file system of '%s'", path);
    }
    *bytes = (int64_t)info.f_bavail * (int64_t)info.f_frsize;
    return 0;
}
