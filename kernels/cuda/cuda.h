/*
 * The CUDA kernels: what kernels.def lists, with the same argument structs, on device memory.
 *
 * Invariants: a kernel's function enqueues work on the stream and returns; it never allocates, logs,
 * waits or calls a library, so it can be captured in a graph; a launch's shape depends on sizes alone.
 * No float atomics: fixed-shape reductions in two stages, gathers, or integers (sums of integers do not
 * depend on the order). Pointers in the arguments are device memory unless the argument's comment says
 * "of the host" (few numbers); those are read before the function returns, and the kernel is not for a graph.
 *
 * How to add a kernel
 * 1. kernels/cuda/FAMILY.cu, in the list of kernels/cuda/meson.build. It includes
 *    kernels/cuda/device.cuh and nothing of CUDA. Define `int uda_cuda_NAME(struct uda_stream *, struct
 *    NAME_args *)`, declared below from kernels.def: the definition replaces a weak one in table.c that
 *    returns UDA_UNSUPPORTED, nothing else is to be registered.
 *
 *        template <typename T> static __global__ void __launch_bounds__(THREADS)
 *            scale_rows(T *y, const T *x, int64_t rows, int64_t C) { ... uda_load, uda_store ... }
 *
 *        int uda_cuda_scale_rows(struct uda_stream *stream, struct uda_scale_rows_args *a)
 *        {
 *            UDA_CUDA_LAUNCH(scale_rows<float>, uda_blocks(a->rows, ROWS), THREADS, 0, stream, a->y,
 *                            a->x, a->rows, a->C);
 *            return uda_cuda_launched();
 *        }
 *
 *    Template arguments with commas stand in parentheses: UDA_CUDA_LAUNCH((k<float, true>), ...).
 *    A grid without blocks launches nothing, so sizes of 0 need no test unless something is written
 *    (a sum over nothing is 0) or a size divides. Workspace: as kernels.h says, two calls.
 *    Storage type: a template argument T, float or uda_bf16, for arrays that the struct of arguments gives a
 *    type (`void *`, enum uda_type); the function picks the instance. Arithmetic and sums in float. Shared
 *    memory: UDA_SHARED, UDA_SHARED_DYNAMIC. Every thread of a block reaches every barrier (no early return
 *    before one), every lane of a mask its shuffle.
 *    Results that must be the CPU's bytes: the file stands in cuda_exact_files (no contraction to fma) and
 *    does the CPU's operations in the CPU's order, from a header that both share (kernels/lab.h).
 *    Tensor cores: mma.cuh, whose one instruction has a host variant with the same lanes' words; any
 *    other such intrinsic needs its own under #if defined(UDA_HOST_CUDA), the rest of the code is shared.
 *    Library calls (library.h: cuBLASLt) live in .c files of the module beside a plain .cu kernel of the
 *    same meaning, which is what the case table runs here; on a device it runs both.
 * 2. tests/cuda/cases_FAMILY.c: for each kernel a function that fills the arguments from sizes
 *    (tests/cuda/trial.h) and rows: sizes 0 (empty), 1, odd, large, each launch branch, accumulate on
 *    and off, each pointer that may be NULL. The test fails when a UDA_CUDA_LAUNCH of a .cu file has not
 *    run. Add the array to cases.h and cases.c, the file to tests/cuda/meson.build.
 * 3. Delete its line from tests/cuda/missing.txt, which must be exactly what is missing.
 * 4. ninja -C build && build/tests/cuda/test_host_kernels NAME; then .ci/run cuda (address and undefined
 *    behaviour sanitizers). A failure names kernel, block, thread and line (tests/cuda/grid.h says what is
 *    checked). -Xptxas=-v in kernels/cuda/meson.build shows registers and spills: aim at none. On a
 *    machine with a GPU test_device_kernels runs the same rows through the module.
 *
 * Host code reaches a device's memory by uda_tape_lend, upload and download alone; tests/cuda/guard.c is
 * a device on which anything else ends the program.
 *
 * A step waits once, at its end, and what comes before its update is one graph (src/tensor/replay.h) as long
 * as no argument changes from step to step: so what does change is given by pointer, and sizes by value are
 * those that there is room for.
 */
#ifndef UDA_KERNELS_CUDA_CUDA_H
#define UDA_KERNELS_CUDA_CUDA_H

#include "kernels/kernels.h"
#include "src/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What struct uda_stream's native points to. */
struct uda_cuda_stream {
    void *native; /* cudaStream_t */
    int device;
    void *library; /* of library.h; NULL: none */
};

/* One declaration for each kernel of the table. */
#define UDA_KERNEL(kernel, args) int uda_cuda_##kernel(struct uda_stream *, struct args *);
#include "kernels/kernels.def"
#undef UDA_KERNEL

#ifdef __cplusplus
}
#endif

#endif
