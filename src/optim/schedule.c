#include "src/optim/schedule.h"

#include <math.h>
#include <string.h>

int uda_schedule_kind(enum uda_schedule_kind *kind, const char *name, struct uda_err *err)
{
    static const char *const names[] = {"poly", "linear", "constant", "multistep"};
    for (int64_t i = 0; i < UDA_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *kind = (enum uda_schedule_kind)i;
            return 0;
        }
    }
    return uda_fail(err, UDA_MANIFEST,
                    "there is no schedule '%s'; known are poly, linear, constant, multistep", name);
}

static double decay(const struct uda_schedule *s, int64_t t)
{
    double left = t < s->total ? 1.0 - (double)t / (double)s->total : 0.0;
    double factor = 1.0;
    switch (s->kind) {
    case UDA_SCHEDULE_POLY:
        return pow(left, s->power);
    case UDA_SCHEDULE_LINEAR:
        return left;
    case UDA_SCHEDULE_CONSTANT:
        return 1.0;
    case UDA_SCHEDULE_MULTISTEP:
        for (int i = 0; i < s->steps; i++) {
            factor *= s->step[i] <= t ? s->gamma : 1.0;
        }
        return factor;
    }
    return 1.0;
}

double uda_schedule_lr(const struct uda_schedule *s, int64_t t)
{
    double warm = 1.0;
    if (t < s->warmup) {
        double alpha = (double)t / (double)s->warmup;
        warm = s->factor * (1.0 - alpha) + alpha;
    }
    return s->base * warm * decay(s, t);
}
