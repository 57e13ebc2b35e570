/*
 * Lists of kernel calls that come again: a list seen before is run as one graph.
 *
 * Between begin and end the kernels of a device are not run at once when they are called: as long as the
 * calls are those of the list kept under `key` (same kernels, same bytes of arguments), nothing happens but
 * the comparison. When all of them have come, the device launches the list's graph, which is made the second
 * time the list comes. At the first call that differs, what is pending is run, and the rest is run as it
 * comes and kept for the next time. So nothing of a step can be frozen in a graph: what differs is seen.
 *
 * Invariants: the results are those of running every call at once. What arguments point to may change from
 * time to time: they point to memory of the device. Copies to the device in between are made at once, before
 * the calls that are pending; so their memory is that of uda_device_get_sent, which no kernel's result
 * shares. A copy to other memory, or to the host, first runs what is pending and ends the comparison until
 * `end`. A device whose backend has no graphs, and the CPU, run every call at once. One thread.
 *
 *     UDA_TRY(uda_replay_begin(&device, key, err));
 *     ... a tape's forward and backward ...
 *     UDA_TRY(uda_replay_end(&device, err));                       // or, after an error:
 *     uda_replay_abandon(&device);
 */
#ifndef UDA_TENSOR_REPLAY_H
#define UDA_TENSOR_REPLAY_H

#include "src/base/err.h"

#define UDA_REPLAY_LISTS 32 /* kept; the one that was not wanted for longest makes room */

struct uda_device;
struct uda_replay;

/* What has happened so far. */
struct uda_replay_counts {
    int64_t launched;  /* lists that were run as a graph */
    int64_t recorded;  /* lists that were run call by call, whole or from the first call that differed */
    int64_t graphs;    /* that were made */
    int64_t calls;     /* runs of kernels in the last list */
};

/* key: what the caller knows to change the list (sizes), so that lists do not drive each other out.
 * Everything of uda_device_get_sent goes back. Errors: UDA_NOMEM. */
int uda_replay_begin(struct uda_device *device, uint64_t key, struct uda_err *err) UDA_MUST_USE;
/* Everything is queued on the device. Errors: what a kernel returns, UDA_DEVICE. */
int uda_replay_end(struct uda_device *device, struct uda_err *err) UDA_MUST_USE;
/* What is pending is not run. Accepts a device that has not begun. */
void uda_replay_abandon(struct uda_device *device);

/* Has begun, and not ended? */
bool uda_replay_active(const struct uda_device *device);
struct uda_replay_counts uda_replay_counted(const struct uda_device *device);
/* Why the device makes no graphs though its backend knows them; NULL: it does. Borrowed. */
const char *uda_replay_refused(const struct uda_device *device);

/* ---- for device.c ---- */

/* Sets memory of the device to 0, in the order of the kernels. Errors: UDA_DEVICE. */
int uda_replay_clear(struct uda_device *device, void *data, size_t bytes, struct uda_err *err) UDA_MUST_USE;
/* Runs what is pending; until `end` everything is run at once. Errors: what a kernel returns. */
int uda_replay_interrupt(struct uda_device *device, struct uda_err *err) UDA_MUST_USE;
void uda_replay_destroy(struct uda_device *device);

#endif
