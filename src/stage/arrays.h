/*
 * The flat arrays of a model in training: values, moments, teacher, on the host and on a device, and what
 * products of bf16 read.
 *
 * Invariants: every array has the registry's layout. `live` is what kernels work on: on the CPU the host's
 * arrays themselves. low and teacher_low follow live.values and live.teacher (src/optim/low.h): whoever
 * changes these refreshes them. All zero is valid and empty.
 *
 *     UDA_TRY(uda_arrays_init(&arrays, &params, teacher, err));       // on the host, zeros
 *     ... starting values into arrays.host.values ...
 *     UDA_TRY(uda_arrays_place(&arrays, &device, type, err));         // and on the device
 *     uda_arrays_finish(&arrays, &device);
 */
#ifndef UDA_STAGE_ARRAYS_H
#define UDA_STAGE_ARRAYS_H

#include "src/nn/param.h"

/* Each [params.total]. */
struct uda_array_set {
    float *values, *adam_m, *adam_v, *teacher; /* teacher: NULL if there is none */
};

struct uda_arrays {
    const struct uda_params *params; /* borrowed */
    struct uda_array_set host, live;
    void *low, *teacher_low; /* values and teacher in bf16, of the device; NULL in fp32 */
};

/* Errors: UDA_NOMEM. */
int uda_arrays_init(struct uda_arrays *arrays, const struct uda_params *params, bool teacher,
                    struct uda_err *err) UDA_MUST_USE;
/* The device's side, with the host's numbers. type: of activations. Errors: UDA_NOMEM, UDA_DEVICE,
 * UDA_UNSUPPORTED (bf16 on the CPU). */
int uda_arrays_place(struct uda_arrays *arrays, struct uda_device *device, enum uda_type type,
                     struct uda_err *err) UDA_MUST_USE;
/* Accepts arrays that were never placed, and a device that was never opened. */
void uda_arrays_finish(struct uda_arrays *arrays, struct uda_device *device);

/* Host to device and back; nothing on the CPU. upload refreshes. Errors: UDA_DEVICE, those of refresh. */
int uda_arrays_upload(struct uda_arrays *arrays, struct uda_device *device, struct uda_err *err) UDA_MUST_USE;
int uda_arrays_download(struct uda_arrays *arrays, struct uda_device *device,
                        struct uda_err *err) UDA_MUST_USE;
/* low, or teacher_low, from the live values; nothing in fp32. Errors: what a kernel returns. */
int uda_arrays_refresh(struct uda_arrays *arrays, struct uda_device *device,
                       struct uda_err *err) UDA_MUST_USE;
int uda_arrays_refresh_teacher(struct uda_arrays *arrays, struct uda_device *device,
                               struct uda_err *err) UDA_MUST_USE;

/* One more array with zeros: on the host, or of the device. Owns: the caller. Errors: UDA_NOMEM,
 * UDA_DEVICE. */
int uda_arrays_new(float **array, const struct uda_params *params, struct uda_err *err) UDA_MUST_USE;
int uda_arrays_new_on(float **array, const struct uda_params *params, struct uda_device *device,
                      struct uda_err *err) UDA_MUST_USE;
static inline size_t uda_array_bytes(const struct uda_params *params)
{
    return (size_t)params->total * sizeof(float);
}

#endif
