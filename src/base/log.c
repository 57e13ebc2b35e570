#include "src/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The log is the one piece of process-wide state: every thread talks to the same terminal. */
static struct {
    pthread_mutex_t mutex;
    enum uda_log_level level;
    int copy;
    bool line_open; /* a progress line is on the terminal */
    time_t last_progress;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER, .level = UDA_LOG_INFO, .copy = -1};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static void write_all(int descriptor, const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(descriptor, text, bytes);
        if (n <= 0) {
            return;
        }
        text += n;
        bytes -= (size_t)n;
    }
}

/* Appends the line to the copy with a UTC time stamp and the process in front: several may share it. */
static void write_copy(const char *text)
{
    if (state.copy < 0) {
        return;
    }
    char line[2304];
    struct tm when;
    time_t now = time(NULL);
    (void)gmtime_r(&now, &when);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%SZ ", &when);
    int m = snprintf(line + n, sizeof line - n, "[%lld] %s\n", (long long)getpid(), text);
    size_t bytes = n + (m > 0 ? (size_t)m : 0);
    write_all(state.copy, line, bytes < sizeof line ? bytes : sizeof line - 1);
}

void uda_log(enum uda_log_level level, const char *format, ...)
{
    if (level > state.level) {
        return;
    }
    char text[2048];
    int n = level == UDA_LOG_INFO ? 0 : snprintf(text, sizeof text, "%s: ", level_names[level]);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    char line[2100];
    (void)pthread_mutex_lock(&state.mutex);
    int bytes = snprintf(line, sizeof line, "%s%s\n", state.line_open ? "\n" : "", text);
    state.line_open = false;
    write_all(STDERR_FILENO, line, (size_t)bytes);
    write_copy(text);
    (void)pthread_mutex_unlock(&state.mutex);
}

void uda_log_progress(bool last, const char *format, ...)
{
    if (state.level < UDA_LOG_INFO) {
        return;
    }
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char line[1100];
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)pthread_mutex_lock(&state.mutex);
    if (isatty(STDERR_FILENO)) {
        int bytes = snprintf(line, sizeof line, "\r\033[K%s%s", text, last ? "\n" : "");
        state.line_open = !last;
        write_all(STDERR_FILENO, line, (size_t)bytes);
    } else if (last || state.last_progress == 0 || now.tv_sec - state.last_progress >= 10) {
        int bytes = snprintf(line, sizeof line, "%s\n", text);
        write_all(STDERR_FILENO, line, (size_t)bytes);
        write_copy(text);
        state.last_progress = now.tv_sec;
    }
    (void)pthread_mutex_unlock(&state.mutex);
}

void uda_log_set_level(enum uda_log_level level) { state.level = level; }

void uda_log_set_copy(int descriptor) { state.copy = descriptor; }
