/*
 * A backend in use: its kernel table, its stream (on the CPU: a team of threads) and its step
 * memory.
 *
 * Invariants: data pointers of a device's tensors are only dereferenced by its kernels, unless
 * uda_device_is_host says that the program may; everything else goes through upload and download. A
 * device is used by one thread at a time. Shards of a step that run side by side have a device each.
 *
 *     UDA_TRY(uda_device_init(&device, "cuda", threads, &err));
 *     float *x = uda_device_get(&device, bytes);
 *     UDA_TRY(uda_device_upload(&device, x, host, bytes, &err));
 *     ...                                                    // kernels of device.kernels
 *     UDA_TRY(uda_device_download(&device, host, x, bytes, &err));
 */
#ifndef UDA_TENSOR_DEVICE_H
#define UDA_TENSOR_DEVICE_H

#include "kernels/backend.h"
#include "src/base/arena.h"
#include "src/tensor/device_pool.h"
#include "src/tensor/device_staging.h"
#include "src/tensor/replay.h"

struct uda_device {
    const struct uda_kernels *kernels;
    struct uda_stream stream;
    struct uda_pool pool; /* activations and workspaces of the CPU */
    const struct uda_backend *backend; /* NULL: the CPU */
    struct uda_device_pool device_pool; /* the same on a backend */
    struct uda_device_pool sent_pool;   /* of a backend: what the host sends during a step */
    struct uda_replay *replay;          /* of a backend; NULL: never begun */
    struct uda_staging staging;         /* of a backend */
    int index; /* of the backend's devices */
};

/* A CPU device with its own team; threads 0 = all cores; isa NULL = best. Errors: UDA_NOMEM,
 * UDA_UNSUPPORTED. */
int uda_device_init_cpu(struct uda_device *device, int threads, const char *isa,
                        struct uda_err *err) UDA_MUST_USE;
/* A device of a backend, with a team for what stays on the host. Errors: UDA_UNSUPPORTED (no such
 * device), UDA_DEVICE, UDA_NOMEM. */
int uda_device_init_backend(struct uda_device *device, const struct uda_backend *backend, int index,
                            int threads, struct uda_err *err) UDA_MUST_USE;
/* "cpu", "cuda" or "cuda:1". Errors: those above; UDA_UNSUPPORTED says why there is no module or
 * device; UDA_MANIFEST: another name. */
int uda_device_init(struct uda_device *device, const char *name, int threads,
                    struct uda_err *err) UDA_MUST_USE;
void uda_device_finish(struct uda_device *device);

/* Has the device every kernel? UDA_UNSUPPORTED names those that it lacks. */
int uda_device_complete(const struct uda_device *device, struct uda_err *err) UDA_MUST_USE;
/* "kernels 'cpu v4', matrix products 'oneDNN 2.6.3'", and the model of a GPU: what results depend on.
 * Returns text. */
const char *uda_device_made_with(char *text, size_t bytes, const struct uda_device *device);

/* May the program dereference the device's memory? */
bool uda_device_is_host(const struct uda_device *device);

/* Step memory, not cleared; NULL when out of memory. Goes back by put, or all at once by reset. */
void *uda_device_get(struct uda_device *device, size_t bytes) UDA_MUST_USE;
void uda_device_put(struct uda_device *device, void *block);
void uda_device_reset(struct uda_device *device);
/* The same for what the host sends: no kernel's result comes to lie there. While a list of calls is compared
 * (src/tensor/replay.h) nothing goes back. On the CPU the same memory. */
void *uda_device_get_sent(struct uda_device *device, size_t bytes) UDA_MUST_USE;
void uda_device_put_sent(struct uda_device *device, void *block);
/* Bytes of step memory in use, and the most there were. */
size_t uda_device_used_bytes(const struct uda_device *device);
size_t uda_device_peak_bytes(const struct uda_device *device);

/* Memory that outlives the step (parameters, moments), cleared. Errors: UDA_NOMEM, UDA_DEVICE. */
int uda_device_alloc(void **data, struct uda_device *device, size_t bytes, struct uda_err *err) UDA_MUST_USE;
void uda_device_free(struct uda_device *device, void *data);

/* Copies between the host and the device's memory, in the order of its kernels. `from` may be changed
 * when upload returns; download has waited. Errors: UDA_DEVICE. */
int uda_device_upload(struct uda_device *device, void *to, const void *from, size_t bytes,
                      struct uda_err *err) UDA_MUST_USE;
int uda_device_download(struct uda_device *device, void *to, const void *from, size_t bytes,
                        struct uda_err *err) UDA_MUST_USE;
/* Memory of the host for one send, which takes it back: pinned on a backend, where the copy is made while the
 * program goes on. NULL when out of memory. Errors of send: UDA_DEVICE. */
void *uda_device_stage(struct uda_device *device, size_t bytes) UDA_MUST_USE;
int uda_device_send(struct uda_device *device, void *to, void *staged, size_t bytes,
                    struct uda_err *err) UDA_MUST_USE;
/* As upload, for large arrays: all threads fill a staged block, whose copy is made while the program goes on.
 * Errors: UDA_NOMEM, UDA_DEVICE. */
int uda_device_send_copy(struct uda_device *device, void *to, const void *from, size_t bytes,
                         struct uda_err *err) UDA_MUST_USE;
/* Sets bytes to 0. */
int uda_device_clear(struct uda_device *device, void *data, size_t bytes, struct uda_err *err) UDA_MUST_USE;
/* Waits for all work, and says whether it succeeded. Errors: UDA_DEVICE. */
int uda_device_synchronize(struct uda_device *device, struct uda_err *err) UDA_MUST_USE;

/* The CUDA module: looked for beside the program, where it is installed, and where the library path
 * leads; opened once and kept. UDA_UNSUPPORTED says what the loader said, or that it is of another
 * build. */
int uda_device_cuda(const struct uda_backend **backend, struct uda_err *err) UDA_MUST_USE;

#endif
