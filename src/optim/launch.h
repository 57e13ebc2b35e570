/*
 * Running a kernel outside a tape: workspace comes from the device's pool, a failure is named.
 *
 *     UDA_OPTIM_LAUNCH(device, sum_squares, &args, err);      // returns on failure
 */
#ifndef UDA_OPTIM_LAUNCH_H
#define UDA_OPTIM_LAUNCH_H

#include "src/tensor/device.h"

/* Gets the workspace that a kernel asked for; data NULL with bytes 0 is no failure. */
static inline int uda_optim_workspace(struct uda_device *device, struct uda_workspace *ws)
{
    ws->data = uda_device_get(device, ws->bytes);
    return ws->data == NULL ? UDA_NOMEM : 0;
}

/* Names the kernel of a failed run. */
static inline int uda_optim_result(int rc, const char *kernel, struct uda_err *err)
{
    return rc == 0 ? 0
                   : uda_fail(err, (enum uda_code)rc, "kernel %s failed: %s", kernel,
                              uda_code_name((enum uda_code)rc));
}

/* The code of running `kernel` of the device's table with *args; args is evaluated several
 * times. */
#define UDA_OPTIM_RUN(device, kernel, args, err)                                                   \
    uda_optim_result(                                                                              \
        uda_optim_run_##kernel((device), (args)), #kernel, (err))

#define UDA_OPTIM_LAUNCH(device, kernel, args, err) UDA_TRY(UDA_OPTIM_RUN(device, kernel, args, err))

/* Kernels may need to be called twice: see kernels/kernels.h. */
#define UDA_OPTIM_KERNEL(kernel)                                                                   \
    static inline int uda_optim_run_##kernel(struct uda_device *device,                            \
                                             struct uda_##kernel##_args *args)                     \
    {                                                                                              \
        args->ws = (struct uda_workspace){0};                                                      \
        int rc = device->kernels->kernel(&device->stream, args);                                   \
        if (rc != 0 || args->ws.bytes == 0) {                                                      \
            return rc;                                                                             \
        }                                                                                          \
        UDA_TRY(uda_optim_workspace(device, &args->ws));                                           \
        rc = device->kernels->kernel(&device->stream, args);                                       \
        uda_device_put(device, args->ws.data);                                                \
        return rc;                                                                                 \
    }

UDA_OPTIM_KERNEL(sum_squares)
UDA_OPTIM_KERNEL(spoil)
UDA_OPTIM_KERNEL(adamw)
UDA_OPTIM_KERNEL(ema)
UDA_OPTIM_KERNEL(scale_add)
UDA_OPTIM_KERNEL(copy_blocks)

#endif
