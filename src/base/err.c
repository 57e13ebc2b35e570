#include "src/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Formats into err unless it already holds an error; strips line breaks so that it stays one
 * line. */
static void fill(struct uda_err *err, enum uda_code code, const char *file, int line,
                 const char *format, va_list args, const char *suffix)
{
    if (err == NULL || err->code != UDA_OK) {
        return;
    }
    err->code = code;
    err->file = file;
    err->line = line;
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    if (suffix != NULL && n >= 0 && (size_t)n < sizeof err->text) {
        (void)snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", suffix);
    }
}

int uda_fail_at(struct uda_err *err, enum uda_code code, const char *file, int line,
                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, file, line, format, args, NULL);
    va_end(args);
    return (int)code;
}

int uda_fail_errno_at(struct uda_err *err, const char *file, int line, const char *format, ...)
{
    char reason[128] = "";
    int saved = errno;
    if (strerror_r(saved, reason, sizeof reason) != 0) {
        (void)snprintf(reason, sizeof reason, "errno %d", saved);
    }
    va_list args;
    va_start(args, format);
    fill(err, UDA_IO, file, line, format, args, reason);
    va_end(args);
    return (int)UDA_IO;
}

void uda_err_clear(struct uda_err *err)
{
    if (err != NULL) {
        *err = (struct uda_err){0};
    }
}

const char *uda_code_name(enum uda_code code)
{
    switch (code) {
    case UDA_OK: return "ok";
    case UDA_NOMEM: return "nomem";
    case UDA_IO: return "io";
    case UDA_FORMAT: return "format";
    case UDA_VERSION: return "version";
    case UDA_SHAPE: return "shape";
    case UDA_MANIFEST: return "manifest";
    case UDA_UNSUPPORTED: return "unsupported";
    case UDA_DEVICE: return "device";
    case UDA_COMM: return "comm";
    case UDA_NONFINITE: return "nonfinite";
    case UDA_STOPPED: return "stopped";
    }
    return "unknown";
}

int uda_code_exit(enum uda_code code)
{
    switch (code) {
    case UDA_OK: return 0;
    case UDA_MANIFEST: return 2;
    case UDA_STOPPED: return 75;
    case UDA_UNSUPPORTED: return 77;
    default: return 1;
    }
}
