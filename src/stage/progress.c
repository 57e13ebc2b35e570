#include "src/stage/progress.h"

#include "src/base/log.h"

#include <stdio.h>

static double between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) + 1e-9 * (double)(to->tv_nsec - from->tv_nsec);
}

void uda_progress_start(struct uda_progress *progress, const char *name, int64_t first,
                        int64_t last, int64_t images_per_step)
{
    *progress = (struct uda_progress){.name = name, .first = first, .last = last,
                                      .images_per_step = images_per_step, .shown_step = first};
    (void)clock_gettime(CLOCK_MONOTONIC, &progress->started);
    progress->shown = progress->started;
}

const char *uda_progress_duration(char *text, size_t bytes, double seconds)
{
    int64_t s = (int64_t)(seconds + 0.5);
    if (s >= 3600) {
        (void)snprintf(text, bytes, "%lld h %02lld min", (long long)(s / 3600),
                       (long long)(s / 60 % 60));
    } else if (s >= 60) {
        (void)snprintf(text, bytes, "%lld min %02lld s", (long long)(s / 60), (long long)(s % 60));
    } else {
        (void)snprintf(text, bytes, "%lld s", (long long)s);
    }
    return text;
}

double uda_progress_seconds(const struct uda_progress *progress)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return between(&progress->started, &now);
}

void uda_progress_step(struct uda_progress *progress, int64_t step, const char *figures)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    double since = between(&progress->shown, &now);
    bool last = step >= progress->last;
    if (since < 0.5 && !last) {
        return;
    }
    int64_t steps = step - progress->shown_step;
    if (steps > 0) {
        double each = since / (double)steps;
        progress->seconds_per_step = progress->seconds_per_step > 0.0
                                         ? 0.8 * progress->seconds_per_step + 0.2 * each
                                         : each;
    }
    progress->shown = now;
    progress->shown_step = step;
    double each = progress->seconds_per_step;
    char left[48];
    uda_log_progress(last, "%s  %lld/%lld  %s  %.2f images/s  %s %s", progress->name,
                     (long long)step, (long long)progress->last, figures,
                     each > 0.0 ? (double)progress->images_per_step / each : 0.0,
                     last ? "took" : "left",
                     uda_progress_duration(left, sizeof left,
                                           last ? between(&progress->started, &now)
                                                : each * (double)(progress->last - step)));
}
