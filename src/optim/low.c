#include "src/optim/low.h"

#include "src/optim/launch.h"

int uda_low_alloc(void **low, struct uda_device *device, const struct uda_params *params,
                  struct uda_err *err)
{
    if (uda_device_is_host(device)) {
        return uda_fail(err, UDA_UNSUPPORTED,
                        "precision is bf16 and the device is the CPU, which computes in fp32 alone: choose a "
                        "GPU, or precision fp32");
    }
    return uda_device_alloc(low, device, (size_t)params->total * uda_type_bytes(UDA_BF16), err);
}

int uda_low_refresh(struct uda_device *device, const struct uda_params *params, void *low,
                    const float *values, struct uda_err *err)
{
    struct uda_copy_blocks_args a = {.type = UDA_BF16, .N = 1, .count = params->total, .x = values, .y = low};
    return UDA_OPTIM_RUN(device, copy_blocks, &a, err);
}
