/*
 * Sums over ranks of arrays that lie on a device, without the host: slices go from each device to each
 * (kernels/group.h), every device sums its slice, and the sums go to all.
 *
 * Invariants: the bytes are uda_dist_sum's, the balanced tree over the ranks in order; where the array is
 * cut does not change them. All ranks decide alike whether it can be done. Memory of the device beside the
 * arrays: one bucket, whatever the number of ranks. A rank that fails or dies ends the waiting of all
 * others with its error, on the device too.
 *
 *     UDA_TRY(uda_device_sum_create(&sum, how, &dist, &device, UDA_DEVICE_SUM_BUCKET, &err));
 *     if (sum != NULL) { UDA_TRY(uda_device_sum_run(sum, grads, count, &err)); }
 *     uda_device_sum_destroy(&sum);                      // before the device
 */
#ifndef UDA_DIST_DEVICE_SUM_H
#define UDA_DIST_DEVICE_SUM_H

#include "src/dist/dist.h"
#include "src/tensor/device.h"

/* Floats that are on their way at once: 64 MiB. */
#define UDA_DEVICE_SUM_BUCKET ((int64_t)1 << 24)
#define UDA_DEVICE_SUM_TEXT 320

struct uda_device_sum;

/*
 * Collective. *sum NULL when sums go through the host: a rank's device is the host, its module knows no
 * group or cannot use it, two ranks share a device. how: what to say of it, "on the devices by NCCL
 * 2.28.9" or "on the host: rank 2: no NCCL: ..."; the same on all ranks. bucket: floats, >= 1; the same on
 * all ranks. dist and device are borrowed. Owns: *sum, by the caller. Errors: UDA_COMM: the devices cannot
 * join though all ranks could use the group; UDA_NOMEM, UDA_DEVICE.
 */
int uda_device_sum_create(struct uda_device_sum **sum, char how[UDA_DEVICE_SUM_TEXT],
                          const struct uda_dist *dist, struct uda_device *device, int64_t bucket,
                          struct uda_err *err) UDA_MUST_USE;

/* x [count] of the device = sum over ranks. Collective. The device has done all its work when it returns, so
 * nothing waits for another rank later. Errors: UDA_COMM, or the error of the rank that failed; no
 * further sum is possible then. */
int uda_device_sum_run(struct uda_device_sum *sum, float *x, int64_t count, struct uda_err *err) UDA_MUST_USE;

/* After a failure, or while others are at work: gives up what is under way. */
void uda_device_sum_destroy(struct uda_device_sum **sum);

#endif
