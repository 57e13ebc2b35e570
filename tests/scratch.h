/*
 * A temporary folder for a test, removed at the end with everything in it (one level of files).
 *
 *     char dir[SCRATCH_BYTES], path[SCRATCH_BYTES];
 *     scratch_make(dir);  scratch_path(path, dir, "a.h5");  ...  scratch_remove(dir);
 */
#ifndef UDA_TESTS_SCRATCH_H
#define UDA_TESTS_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRATCH_BYTES 512

static inline void scratch_make(char dir[SCRATCH_BYTES])
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(dir, SCRATCH_BYTES, "%s/uda4inst-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        exit(1);
    }
}

static inline void scratch_path(char path[SCRATCH_BYTES], const char *dir, const char *name)
{
    if (snprintf(path, SCRATCH_BYTES, "%s/%s", dir, name) >= SCRATCH_BYTES) {
        abort();
    }
}

/* A committed file below tests/data, whose place the environment variable UDA_TEST_DATA tells. */
static inline void scratch_data(char path[SCRATCH_BYTES], const char *name)
{
    const char *base = getenv("UDA_TEST_DATA");
    scratch_path(path, base == NULL ? "tests/data" : base, name);
}

/* Number of entries; removes them if asked. */
static inline int scratch_entries(const char *dir, int remove_them)
{
    DIR *handle = opendir(dir);
    int count = 0;
    for (struct dirent *e; handle != NULL && (e = readdir(handle)) != NULL;) {
        char path[SCRATCH_BYTES];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        count++;
        scratch_path(path, dir, e->d_name);
        if (remove_them) {
            (void)unlink(path);
        }
    }
    if (handle != NULL) {
        (void)closedir(handle);
    }
    return count;
}

static inline void scratch_remove(const char *dir)
{
    (void)scratch_entries(dir, 1);
    (void)rmdir(dir);
}

#endif
