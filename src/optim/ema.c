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
    int64_t offset = 0, count = 0;
    for (int next = 0; uda_params_trained(params, &next, &offset, &count);) {
        struct uda_ema_args a = {
            .count = count, .alpha = alpha, .teacher = teacher + offset, .student = student + offset};
        UDA_OPTIM_LAUNCH(device, ema, &a, err);
    }
    return 0;
}
