#include "src/tensor/device.h"

int uda_device_init_cpu(struct uda_device *device, int threads, const char *isa,
                        struct uda_err *err)
{
    const struct uda_kernels *kernels = isa == NULL ? uda_kernels_cpu() : uda_kernels_cpu_named(isa);
    if (kernels == NULL) {
        return uda_fail(err, UDA_UNSUPPORTED, "cpu kernels '%s' do not run on this processor", isa);
    }
    struct uda_team *team = NULL;
    UDA_TRY(uda_team_create(&team, threads, err));
    *device = (struct uda_device){.kernels = kernels, .stream = {.team = team}};
    return 0;
}

void uda_device_finish(struct uda_device *device)
{
    uda_team_destroy(&device->stream.team);
    uda_pool_finish(&device->pool);
    device->kernels = NULL;
}
