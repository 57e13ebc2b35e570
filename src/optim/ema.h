/*
 * The teacher: an exponential moving average of the student.
 *
 *     double alpha = uda_ema_alpha(iteration, 0.999);
 *     UDA_TRY(uda_ema_update(device, &params, teacher, student, alpha, err));
 */
#ifndef UDA_OPTIM_EMA_H
#define UDA_OPTIM_EMA_H

#include "src/nn/param.h"

/* min(1 - 1/(iteration + 1), alpha): iteration 0 copies the student (Tarvainen and Valpola 2017;
 * UDA4Inst's code). */
double uda_ema_alpha(int64_t iteration, double alpha);

/* teacher = alpha teacher + (1 - alpha) student over the flat arrays, but for frozen parameters, which
 * both have alike. Exact at any number of threads. Errors: UDA_NOMEM, and what a kernel returns. */
int uda_ema_update(struct uda_device *device, const struct uda_params *params, float *teacher,
                   const float *student, double alpha, struct uda_err *err) UDA_MUST_USE;

#endif
