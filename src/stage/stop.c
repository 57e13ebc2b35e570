#include "src/stage/stop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Signals are the process's own: the one number that says which came first. */
static _Atomic int signal_seen;
static double limit_seconds;
static struct timespec started;
/* Why somebody else wants a stop: written once, before the flag. */
static char request_reason[128];
static _Atomic int request_state; /* 0 none, 1 being written, 2 there */

/*
 * A thread waits for the signals; no handler ever runs. A handler would run on the stack of whatever it
 * interrupts, and the generated code of the matrix library keeps data where a handler's frame goes: a
 * signal in the middle of a product then damaged the heap.
 */
static void *watch(void *set)
{
    for (;;) {
        int number = 0;
        if (sigwait(set, &number) != 0) {
            return NULL;
        }
        if (atomic_exchange(&signal_seen, number) != 0) {
            _exit(75);
        }
    }
}

void uda_stop_install(double max_seconds)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
    static sigset_t set; /* outlives this call: the thread reads it */
    (void)sigemptyset(&set);
    for (int64_t i = 0; i < UDA_LEN(numbers); i++) {
        (void)sigaddset(&set, numbers[i]);
    }
    pthread_t thread;
    sigset_t before;
    /* Every thread of the program is made later and inherits the mask. Without a watcher the signals
     * keep their default, which ends the process: the last checkpoint is good. */
    if (pthread_sigmask(SIG_BLOCK, &set, &before) == 0) {
        if (pthread_create(&thread, NULL, watch, &set) == 0) {
            (void)pthread_detach(thread);
        } else {
            (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
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

void uda_stop_request(const char *reason)
{
    int none = 0;
    if (atomic_compare_exchange_strong(&request_state, &none, 1)) {
        (void)snprintf(request_reason, sizeof request_reason, "%s", reason);
        atomic_store(&request_state, 2);
    }
}

bool uda_stop_wanted(void)
{
    return atomic_load(&signal_seen) != 0 || atomic_load(&request_state) == 2 || time_is_over();
}

void uda_stop_now(void) { _exit(75); }

const char *uda_stop_reason(char *text, size_t bytes)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}, {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"}};
    (void)snprintf(text, bytes, "%s", "");
    for (int64_t i = 0; i < UDA_LEN(names); i++) {
        if (atomic_load(&signal_seen) == names[i].number) {
            (void)snprintf(text, bytes, "received %s", names[i].name);
            return text;
        }
    }
    if (atomic_load(&request_state) == 2) {
        (void)snprintf(text, bytes, "%s", request_reason);
    } else if (time_is_over()) {
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
