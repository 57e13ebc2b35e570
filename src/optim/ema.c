#include "src/optim/ema.h"

#include "src/optim/launch.h"

double uda_ema_alpha(int64_t iteration, double alpha)
{
    double ramp = 1.0 - 1.0 / ((double)iteration + 1.0);
    return ramp < alpha ? ramp : alpha;
}

int uda_ema_update(struct uda_device *device, const struct uda_params *params, float *teacher,
                   const float *student, double alpha, struct uda_err *err)
{
    struct uda_ema_args a = {
        .count = params->total, .alpha = alpha, .teacher = teacher, .student = student};
    return UDA_OPTIM_RUN(device, ema, &a, err);
}
