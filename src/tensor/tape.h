/*
 * The tape: makes tensors, records ops, replays them backwards, and keeps the first error.
 *
 * Invariants: after an error every op returns the tape's broken tensor (all sizes 0), so model code
 * needs no checks; uda_tape_status() is asked once per step. Backward visits ops in reverse; when
 * an op is done its outputs and their gradients go back to the pool, so the peak is near what is
 * really live. With recording off nothing is kept for backward, and uda_tape_release() gives a
 * tensor back at once.
 *
 *     uda_tape_begin(&tape, recording);
 *     x = uda_linear(&tape, x, w, b);  ...  uda_mask_loss(...);
 *     uda_tape_backward(&tape);
 *     UDA_TRY(uda_tape_status(&tape, err));
 */
#ifndef UDA_TENSOR_TAPE_H
#define UDA_TENSOR_TAPE_H

#include "src/tensor/device.h"
#include "src/tensor/tensor.h"

struct uda_tape;
struct uda_node;

/* Adds the gradients of an op's inputs, reading those of its outputs. `saved` is what the op put
 * there. */
typedef void uda_backward_fn(struct uda_tape *tape, void *saved);

struct uda_tape {
    struct uda_device *device;
    enum uda_type type;  /* of activations; fp32 islands are the ops' business */
    float *param_values; /* flat, see nn/param.h */
    float *param_grads;  /* same layout; NULL: parameters need no gradient */
    void *param_low;     /* the values in bf16, same layout: what products of bf16 read; NULL: none */
    bool recording;
    struct uda_arena arena; /* tensors, nodes and saved structs of this step */
    struct uda_node *last;
    struct uda_tensor broken;
    struct uda_err err;
};

/* The tape borrows the device and the flat arrays. finish gives the arena back; not the device. */
void uda_tape_init(struct uda_tape *tape, struct uda_device *device);
void uda_tape_finish(struct uda_tape *tape);

/* Forgets the last step: every tensor of it is gone, the memory is kept. */
void uda_tape_begin(struct uda_tape *tape, bool recording);
/* Runs the recorded ops backwards and empties the tape. Loss ops are roots: they need no seed. */
void uda_tape_backward(struct uda_tape *tape);
/* 0, or the first error since begin. */
int uda_tape_status(const struct uda_tape *tape, struct uda_err *err) UDA_MUST_USE;
bool uda_tape_ok(const struct uda_tape *tape);
/* Records an error of an op and returns the broken tensor. */
#define uda_tape_fail(tape, code, ...)                                                             \
    ((void)uda_fail(&(tape)->err, (code), __VA_ARGS__), &(tape)->broken)

/* ---- for ops ---- */

/* A tensor of the pool, not cleared. Owned by the tape. Broken on error. */
struct uda_tensor *uda_tape_new(struct uda_tape *tape, enum uda_type type, int ndim, const int64_t *dim);
struct uda_tensor *uda_tape_new_like(struct uda_tape *tape, const struct uda_tensor *x);
/* A leaf over borrowed floats that outlive the step; no gradient. */
struct uda_tensor *uda_tape_constant(struct uda_tape *tape, const float *data, int ndim,
                                     const int64_t *dim);
/* The same over the host's memory: where kernels cannot read it, a copy on the device. */
struct uda_tensor *uda_tape_input(struct uda_tape *tape, const float *host, int ndim,
                                  const int64_t *dim);
/* A parameter at `offset` elements of the flat arrays. */
struct uda_tensor *uda_tape_param(struct uda_tape *tape, int64_t offset, int ndim,
                                  const int64_t *dim);
/* A parameter's values as a factor of that type: its own, or those of param_low. NULL: there are none (it is
 * no parameter, or the tape has no param_low). */
const void *uda_tape_factor(const struct uda_tape *tape, const struct uda_tensor *param, enum uda_type type);
/* The same data with other dimensions (same count). Shares data and gradient. */
struct uda_tensor *uda_reshape(struct uda_tape *tape, struct uda_tensor *x, int ndim,
                               const int64_t *dim);
/* Rows first..first+rows-1 of a parameter [n, ...]: shares data and gradient. */
struct uda_tensor *uda_param_rows(struct uda_tape *tape, struct uda_tensor *param, int64_t first,
                                  int64_t rows);

/*
 * Records an op whose tensors (outputs and saved statistics; at most 6) are `owned`, owned[0] being
 * its result, if `needs` and the tape is recording: returns zeroed saved memory of `bytes`.
 * Otherwise releases owned[1..] and returns NULL: the op then returns owned[0]. `needs` becomes the
 * result's needs_grad.
 */
void *uda_tape_record(struct uda_tape *tape, bool needs, uda_backward_fn *backward, size_t bytes,
                      struct uda_tensor *const *owned, int count);
/* The same for a loss: backward runs without any gradient coming in. */
void *uda_tape_record_root(struct uda_tape *tape, uda_backward_fn *backward, size_t bytes,
                           struct uda_tensor *const *owned, int count);

/*
 * Where to put x's gradient, in x's type: NULL if it needs none; *accumulate says whether to add or
 * overwrite. One call for each contribution.
 */
void *uda_grad_take(struct uda_tape *tape, struct uda_tensor *x, bool *accumulate);

/* With recording off: gives x's memory back now. With recording on, and for views and leaves:
 * nothing. */
void uda_tape_release(struct uda_tape *tape, struct uda_tensor *x);

/* Scratch memory until put back; NULL on error (sticky). */
void *uda_tape_scratch(struct uda_tape *tape, size_t bytes);
void uda_tape_scratch_put(struct uda_tape *tape, void *scratch);

/*
 * The host's side of a device, whose kernels may not be able to read the host's memory. NULL on error
 * (sticky).
 * host_scratch: step memory that the program may dereference. lend: `host` for kernels: itself, or a
 * copy of it on the device, until unlend or the end of the step; the caller keeps `host` as it is so
 * long. stage: memory to fill and to send once; send: what kernels read then, itself or a copy of its first
 * `bytes` in a block of `room` on the device, until sent_put. download: waits for the kernels before it.
 */
void *uda_tape_host_scratch(struct uda_tape *tape, size_t bytes);
void uda_tape_host_scratch_put(struct uda_tape *tape, void *scratch);
const void *uda_tape_lend(struct uda_tape *tape, const void *host, size_t bytes);
void uda_tape_unlend(struct uda_tape *tape, const void *host, const void *lent);
void *uda_tape_stage(struct uda_tape *tape, size_t bytes);
void *uda_tape_send(struct uda_tape *tape, void *staged, size_t bytes, size_t room);
void uda_tape_sent_put(struct uda_tape *tape, void *sent);
void uda_tape_download(struct uda_tape *tape, void *host, const void *data, size_t bytes);

/* Runs a kernel of the device's table with workspace as kernels.h says; a failure sticks, naming
 * the kernel. */
#define UDA_LAUNCH(tape, kernel, args)                                                             \
    do {                                                                                           \
        if (uda_tape_ok(tape)) {                                                                   \
            struct uda_device *launch_device = (tape)->device;                                     \
            (args)->ws = (struct uda_workspace){0};                                                \
            int launch_rc = launch_device->kernels->kernel(&launch_device->stream, (args));        \
            if (launch_rc == 0 && (args)->ws.bytes > 0) {                                          \
                (args)->ws.data = uda_tape_scratch((tape), (args)->ws.bytes);                      \
                launch_rc = (args)->ws.data == NULL                                                \
                                ? UDA_NOMEM                                                        \
                                : launch_device->kernels->kernel(&launch_device->stream, (args));  \
                uda_tape_scratch_put((tape), (args)->ws.data);                                     \
            }                                                                                      \
            if (launch_rc != 0) {                                                                  \
                (void)uda_fail(&(tape)->err, (enum uda_code)launch_rc,                             \
                               "kernel " #kernel " failed: %s",                                    \
                               uda_code_name((enum uda_code)launch_rc));                           \
            }                                                                                      \
        }                                                                                          \
    } while (0)

#endif
