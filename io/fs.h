/*
 * The file system: whole-file reads, replaces that are durable or absent, sorted listings.
 *
 * Invariants: a file under its final name is whole (temp, fsync, rename, fsync folder). Listings
 * are sorted by bytes, so directory order never decides anything. Lists and texts belong to the
 * arena. Errors, where nothing else is said: UDA_IO naming the path and the system's reason;
 * UDA_NOMEM.
 *
 *     char **name = NULL;
 *     int64_t count = 0;
 *     UDA_TRY(uda_fs_walk(&name, &count, &arena, root, ".png", err));
 *     UDA_TRY(uda_fs_write("RUN/state", bytes, size, err));
 */
#ifndef UDA_IO_FS_H
#define UDA_IO_FS_H

#include "src/base/arena.h"
#include "src/base/err.h"

/*
 * The whole file, with a NUL behind the last byte (not counted). data belongs to the arena.
 * Errors: UDA_IO; UDA_FORMAT if the file is larger than max_bytes; UDA_NOMEM.
 */
int uda_fs_read(unsigned char **data, size_t *bytes, struct uda_arena *arena, const char *path,
                size_t max_bytes, struct uda_err *err) UDA_MUST_USE;

/*
 * Replaces `path` by the given bytes: temporary file beside it, fsync, rename, fsync of the folder.
 * On failure the old file is untouched and the temporary one removed. Errors: UDA_IO.
 */
int uda_fs_write(const char *path, const void *data, size_t bytes,
                 struct uda_err *err) UDA_MUST_USE;

/* Creates the folder and those above it; an existing folder is fine. */
int uda_fs_mkdirs(const char *path, struct uda_err *err) UDA_MUST_USE;

/* False also for what cannot be looked at. */
bool uda_fs_exists(const char *path);
bool uda_fs_is_dir(const char *path);
/* Size of a regular file. */
int uda_fs_size(int64_t *bytes, const char *path, struct uda_err *err) UDA_MUST_USE;
/* Removes a file; one that is not there is fine. */
int uda_fs_remove(const char *path, struct uda_err *err) UDA_MUST_USE;

/* Names in a folder without "." and "..", sorted by bytes. */
int uda_fs_list(char ***names, int64_t *count, struct uda_arena *arena, const char *dir,
                struct uda_err *err) UDA_MUST_USE;
/* Files below root whose names end in suffix ("" = all), as paths relative to root, sorted by
 * bytes. */
int uda_fs_walk(char ***paths, int64_t *count, struct uda_arena *arena, const char *root,
                const char *suffix, struct uda_err *err) UDA_MUST_USE;

/* "a/b", or b alone when it is absolute or a is empty; NULL when out of memory. */
char *uda_fs_join(struct uda_arena *arena, const char *a, const char *b) UDA_MUST_USE;
/* The part before the last '/', or "." */
char *uda_fs_parent(struct uda_arena *arena, const char *path) UDA_MUST_USE;

/* Bytes that an unprivileged process may still write to the file system that holds path. */
int uda_fs_free_bytes(int64_t *bytes, const char *path, struct uda_err *err) UDA_MUST_USE;

#endif
