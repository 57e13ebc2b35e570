#include "src/stage/stop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Signals are the process's own: the one flag a handler may set. */
static volatile sig_atomic_t signal_seen;
static double limit_seconds;
static struct timespec started;

static void on_signal(int number)
{
    if (signal_seen != 0) {
        _exit(75);
    }
    signal_seen = number;
}

void uda_stop_install(double max_seconds)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    (void)sigemptyset(&action.sa_mask);
    for (int64_t i = 0; i < UDA_LEN(numbers); i++) {
        (void)sigaction(numbers[i], &action, NULL);
    }
    limit_seconds = max_seconds;
    (void)clock_gettime(CLOCK_MONOTONIC, &started);
}

static bool time_is_over(void)
{
    if (limit_seconds <= 0.0) {
        return false;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    double elapsed = (double)(now.tv_sec - started.tv_sec) +
                     1e-9 * (double)(now.tv_nsec - started.tv_nsec);
    return elapsed >= limit_seconds;
}

bool uda_stop_wanted(void) { return signal_seen != 0 || time_is_over(); }

const char *uda_stop_reason(char *text, size_t bytes)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}, {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"}};
    (void)snprintf(text, bytes, "%s", "");
    for (int64_t i = 0; i < UDA_LEN(names); i++) {
        if (signal_seen == names[i].number) {
            (void)snprintf(text, bytes, "received %s", names[i].name);
            return text;
        }
    }
    if (time_is_over()) {
        (void)snprintf(text, bytes, "the time limit of %.0f s is reached", limit_seconds);
    }
    return text;
}

int uda_stop_parse_time(double *seconds, const char *text, struct uda_err *err)
{
    char *end = NULL;
    double value = strtod(text, &end);
    double unit = 0.0;
    if (end != text && value > 0.0) {
        if (strcmp(end, "") == 0 || strcmp(end, "s") == 0) {
            unit = 1.0;
        } else if (strcmp(end, "m") == 0) {
            unit = 60.0;
        } else if (strcmp(end, "h") == 0) {
            unit = 3600.0;
        }
    }
    if (unit == 0.0) {
        return uda_fail(err, UDA_MANIFEST, "--max-time: '%s' is no time: write 90s, 15m or 2h", text);
    }
    *seconds = value * unit;
    return 0;
}
