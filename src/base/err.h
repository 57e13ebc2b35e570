/*
 * Errors: a code that says what the caller can do, and one line that names the thing and the place.
 *
 * Invariants: a function that can fail returns 0 or a negative `enum uda_code` and takes
 * `struct uda_err *err` last. The first to fail fills err; everyone above passes it on unchanged.
 * On failure outputs are untouched and every object can still be destroyed.
 *
 *     struct uda_err err = {0};
 *     UDA_TRY(uda_fs_mkdirs(path, &err));                       // returns the code
 *     UDA_GOTO(rc = uda_png_read(&image, path, &err), out);     // jumps forward to cleanup
 *     return uda_fail(&err, UDA_FORMAT, "'%s': line %d is not a frame name", path, line);
 */
#ifndef UDA_BASE_ERR_H
#define UDA_BASE_ERR_H

#include "src/base/compiler.h"

enum uda_code {
    UDA_OK = 0,
    UDA_NOMEM = -1,       /* memory is exhausted: a smaller run may work */
    UDA_IO = -2,          /* the operating system refused: path and errno text are in the message */
    UDA_FORMAT = -3,      /* a file is damaged or not what it claims to be */
    UDA_VERSION = -4,     /* a file is of another version of the format */
    UDA_SHAPE = -5,       /* sizes do not fit together */
    UDA_MANIFEST = -6,    /* the manifest or the command line is wrong (exit code 2) */
    UDA_UNSUPPORTED = -7, /* not in this build (exit code 77) */
    UDA_DEVICE = -8,      /* the accelerator failed */
    UDA_COMM = -9,        /* another rank failed */
    UDA_NONFINITE = -10,  /* NaN or infinity where there must be a number */
    UDA_STOPPED = -11     /* stopped early on request; resumable (exit code 75) */
};

#define UDA_ERR_TEXT_BYTES 1024

struct uda_err {
    enum uda_code code;
    const char *file; /* source position of the first failure */
    int line;
    char text[UDA_ERR_TEXT_BYTES]; /* one line: lower case, what failed first, 'quoted subject' */
};

/* Fills err (NULL is allowed) unless it already holds an error, and returns code. */
#define uda_fail(err, code, ...) uda_fail_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)
int uda_fail_at(struct uda_err *err, enum uda_code code, const char *file, int line,
                const char *format, ...) UDA_PRINTF(5, 6);

/* uda_fail with UDA_IO and ": <strerror(errno)>" appended. */
#define uda_fail_errno(err, ...) uda_fail_errno_at((err), __FILE__, __LINE__, __VA_ARGS__)
int uda_fail_errno_at(struct uda_err *err, const char *file, int line, const char *format, ...)
    UDA_PRINTF(4, 5);

/* Forgets an error that has been dealt with. */
void uda_err_clear(struct uda_err *err);

/* "nomem", "io", ... for logs. Borrowed, static. */
const char *uda_code_name(enum uda_code code);

/* Process exit code for a library code: 0, 1, 2 (manifest), 75 (stopped), 77 (unsupported). */
int uda_code_exit(enum uda_code code);

#define UDA_TRY(call)                                                                              \
    do {                                                                                           \
        int uda_try_rc = (call);                                                                   \
        if (uda_try_rc != 0) {                                                                     \
            return uda_try_rc;                                                                     \
        }                                                                                          \
    } while (0)

#define UDA_GOTO(call, label)                                                                      \
    do {                                                                                           \
        if ((call) != 0) {                                                                         \
            goto label;                                                                            \
        }                                                                                          \
    } while (0)

#endif
