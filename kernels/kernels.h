/*
 * The seam between what is computed and how: one struct of arguments for each kernel, one table of
 * kernels for each backend.
 *
 * Invariants: a kernel gets pointers, sizes, workspace and stream, returns 0 or a negative enum
 * uda_code, and never allocates, logs or waits. Its output bytes do not depend on the number of
 * threads: work is cut by shape alone, and every reduction has a fixed order. Unless a field says
 * otherwise tensors are contiguous, row-major f32, outputs do not alias inputs, and `accumulate`
 * chooses between = (false) and += (true).
 *
 * Workspace: a kernel that needs some is called twice. With ws.data == NULL it only writes ws.bytes
 * and returns; with ws.data set it computes. A kernel that needs none computes at the first call
 * and leaves ws.bytes 0. On a device the answer is a matter of the sizes given by value, not of what memory
 * holds: it is kept with the call (src/tensor/replay.h).
 *
 *     struct uda_relu_args a = {.y = y, .x = x, .count = n};
 *     rc = table->relu_fwd(stream, &a);
 */
#ifndef UDA_KERNELS_KERNELS_H
#define UDA_KERNELS_KERNELS_H

#include "src/base/team.h"

/* Where a kernel runs. CPU: the team of threads. CUDA: native is the stream. */
struct uda_stream {
    struct uda_team *team;
    void *native;
};

#include "kernels/args_linear.h"
#include "kernels/args_norm.h"
#include "kernels/args_elementwise.h"
#include "kernels/args_lab.h"
#include "kernels/args_layout.h"
#include "kernels/args_window.h"
#include "kernels/args_attention.h"
#include "kernels/args_deform.h"
#include "kernels/args_resample.h"
#include "kernels/args_loss.h"
#include "kernels/args_optim.h"
#include "kernels/args_random.h"

struct uda_kernels {
    const char *name; /* "cpu v4" */
    /* Libraries and versions that the results depend on: "oneDNN 2.6.3". Static. */
    const char *(*libraries)(void);
#define UDA_KERNEL(kernel, args) int (*kernel)(struct uda_stream *, struct args *);
#include "kernels/kernels.def"
#undef UDA_KERNEL
};

/* The best table for the processor at hand. Static, never NULL. */
const struct uda_kernels *uda_kernels_cpu(void);
/* A named table ("generic", "x86-64-v3", "x86-64-v4") or NULL when this processor cannot run it. */
const struct uda_kernels *uda_kernels_cpu_named(const char *isa);

#endif
