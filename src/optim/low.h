/*
 * The flat array of parameters once more in bf16: what products read where activations are bf16.
 *
 * Invariants: a function of the values, so it is never saved; whoever changes the values (starting
 * values, a file, an update, an average) refreshes it before the next forward pass.
 *
 *     UDA_TRY(uda_low_alloc(&low, device, &params, err));
 *     UDA_TRY(uda_low_refresh(device, &params, low, values, err));
 *     tape.type = UDA_BF16;
 *     tape.param_low = low;
 */
#ifndef UDA_OPTIM_LOW_H
#define UDA_OPTIM_LOW_H

#include "src/nn/param.h"

/* Memory of the device for the copy, cleared. Owns: the caller, uda_device_free. Errors: UDA_UNSUPPORTED (the
 * CPU, whose kernels are float alone), UDA_NOMEM, UDA_DEVICE. */
int uda_low_alloc(void **low, struct uda_device *device, const struct uda_params *params,
                  struct uda_err *err) UDA_MUST_USE;

/* low = values, each rounded to the nearest bf16, ties to even. Both [total], of the device. Errors: what a
 * kernel returns. */
int uda_low_refresh(struct uda_device *device, const struct uda_params *params, void *low,
                    const float *values, struct uda_err *err) UDA_MUST_USE;

#endif
