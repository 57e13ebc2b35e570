#include "src/stage/arrays.h"

#include "src/optim/low.h"

int uda_arrays_new(float **array, const struct uda_params *params, struct uda_err *err)
{
    *array = uda_calloc(uda_array_bytes(params));
    return *array != NULL ? 0
                          : uda_fail(err, UDA_NOMEM, "model: out of memory for %lld parameters",
                                     (long long)params->elements);
}

int uda_arrays_new_on(float **array, const struct uda_params *params, struct uda_device *device,
                      struct uda_err *err)
{
    void *data = NULL;
    UDA_TRY(uda_device_alloc(&data, device, uda_array_bytes(params), err));
    *array = data;
    return 0;
}

int uda_arrays_init(struct uda_arrays *arrays, const struct uda_params *params, bool teacher,
                    struct uda_err *err)
{
    struct uda_array_set *host = &arrays->host;
    *arrays = (struct uda_arrays){.params = params};
    UDA_TRY(uda_arrays_new(&host->values, params, err));
    UDA_TRY(uda_arrays_new(&host->adam_m, params, err));
    UDA_TRY(uda_arrays_new(&host->adam_v, params, err));
    return teacher ? uda_arrays_new(&host->teacher, params, err) : 0;
}

static int place_low(struct uda_arrays *arrays, struct uda_device *device, struct uda_err *err)
{
    UDA_TRY(uda_low_alloc(&arrays->low, device, arrays->params, err));
    return arrays->host.teacher == NULL ? 0
                                        : uda_low_alloc(&arrays->teacher_low, device, arrays->params, err);
}

int uda_arrays_place(struct uda_arrays *arrays, struct uda_device *device, enum uda_type type,
                     struct uda_err *err)
{
    const struct uda_params *params = arrays->params;
    struct uda_array_set *live = &arrays->live;
    if (type == UDA_BF16) {
        UDA_TRY(place_low(arrays, device, err));
    }
    if (uda_device_is_host(device)) {
        *live = arrays->host;
        return 0;
    }
    UDA_TRY(uda_arrays_new_on(&live->values, params, device, err));
    UDA_TRY(uda_arrays_new_on(&live->adam_m, params, device, err));
    UDA_TRY(uda_arrays_new_on(&live->adam_v, params, device, err));
    if (arrays->host.teacher != NULL) {
        UDA_TRY(uda_arrays_new_on(&live->teacher, params, device, err));
    }
    return uda_arrays_upload(arrays, device, err);
}

void uda_arrays_finish(struct uda_arrays *arrays, struct uda_device *device)
{
    struct uda_array_set *host = &arrays->host, *live = &arrays->live;
    if (live->values != host->values) {
        uda_device_free(device, live->values);
        uda_device_free(device, live->adam_m);
        uda_device_free(device, live->adam_v);
        uda_device_free(device, live->teacher);
    }
    uda_device_free(device, arrays->low);
    uda_device_free(device, arrays->teacher_low);
    uda_free(host->values);
    uda_free(host->adam_m);
    uda_free(host->adam_v);
    uda_free(host->teacher);
}

int uda_arrays_upload(struct uda_arrays *arrays, struct uda_device *device, struct uda_err *err)
{
    const struct uda_array_set *host = &arrays->host, *live = &arrays->live;
    size_t bytes = uda_array_bytes(arrays->params);
    if (uda_device_is_host(device)) {
        return 0;
    }
    UDA_TRY(uda_device_upload(device, live->values, host->values, bytes, err));
    UDA_TRY(uda_device_upload(device, live->adam_m, host->adam_m, bytes, err));
    UDA_TRY(uda_device_upload(device, live->adam_v, host->adam_v, bytes, err));
    if (live->teacher != NULL) {
        UDA_TRY(uda_device_upload(device, live->teacher, host->teacher, bytes, err));
        UDA_TRY(uda_arrays_refresh_teacher(arrays, device, err));
    }
    return uda_arrays_refresh(arrays, device, err);
}

int uda_arrays_download(struct uda_arrays *arrays, struct uda_device *device, struct uda_err *err)
{
    const struct uda_array_set *host = &arrays->host, *live = &arrays->live;
    size_t bytes = uda_array_bytes(arrays->params);
    if (uda_device_is_host(device)) {
        return 0;
    }
    UDA_TRY(uda_device_download(device, host->values, live->values, bytes, err));
    UDA_TRY(uda_device_download(device, host->adam_m, live->adam_m, bytes, err));
    UDA_TRY(uda_device_download(device, host->adam_v, live->adam_v, bytes, err));
    return live->teacher == NULL ? 0 : uda_device_download(device, host->teacher, live->teacher, bytes, err);
}

int uda_arrays_refresh(struct uda_arrays *arrays, struct uda_device *device, struct uda_err *err)
{
    return arrays->low == NULL
               ? 0
               : uda_low_refresh(device, arrays->params, arrays->low, arrays->live.values, err);
}

int uda_arrays_refresh_teacher(struct uda_arrays *arrays, struct uda_device *device, struct uda_err *err)
{
    return arrays->teacher_low == NULL
               ? 0
               : uda_low_refresh(device, arrays->params, arrays->teacher_low, arrays->live.teacher, err);
}
