/*
 * A CUDA grid on the CPU: what a kernel compiled for the host calls (host_cuda.cuh gives it CUDA's
 * names). Blocks run one after the other; the threads of a block are fibers that hand over at
 * barriers and warp operations.
 *
 * Invariants: a misuse that is undefined or wrong on a GPU ends the grid with one line that names
 * kernel, block, thread and source line: a barrier or a shuffle that not all reach (or reach at
 * different lines), one after which a thread of the block or warp has already returned, lanes that
 * do not exist, a grid or shared memory beyond the device's limits. Shared memory starts as NaN in
 * every block and ends at the next sanitizer red zone. The order in which threads and blocks run is
 * chosen by uda_grid_order: results that depend on it are a race.
 *
 *     rc = uda_grid_run(&launch, body, args);       // body(args) once for each thread
 *     if (uda_grid_failure() != NULL) { ... }
 */
#ifndef UDA_TESTS_CUDA_GRID_H
#define UDA_TESTS_CUDA_GRID_H

#include "src/base/compiler.h"

#ifdef __cplusplus
extern "C" {
#endif

#define UDA_GRID_WARP 32
#define UDA_GRID_MOST_THREADS 1024
#define UDA_GRID_STATIC_SHARED_BYTES ((size_t)48 << 10)
#define UDA_GRID_SHARED_BYTES ((size_t)163 << 10) /* sm_80; sm_90 has 227 KiB */
#define UDA_GRID_PARAMETER_BYTES 4096

struct uda_grid_index {
    uint32_t x, y, z;
};

/* Where the running thread is. */
struct uda_grid_here {
    struct uda_grid_index thread, block, threads, blocks;
};
extern const struct uda_grid_here *const uda_grid_here;

struct uda_grid_launch {
    const char *kernel; /* as the launch names it */
    const char *file;
    struct uda_grid_index blocks, threads;
    size_t shared_bytes;
};

/* Runs body(args) for every thread of the grid. After a failure nothing runs until it is cleared. */
void uda_grid_run(const struct uda_grid_launch *launch, void (*body)(void *args), void *args);
/* The first failure since the last clear, or NULL. */
const char *uda_grid_failure(void);
void uda_grid_clear(void);

/* ASCENDING, DESCENDING: all threads of a block go on from wait to wait in step. SHUFFLED: a warp goes on
 * to the next barrier before another moves, in an order drawn anew after each; blocks are shuffled. */
enum uda_grid_order { UDA_GRID_ASCENDING, UDA_GRID_DESCENDING, UDA_GRID_SHUFFLED };
/* For all grids to come. */
void uda_grid_order(enum uda_grid_order order);
/* Grids run so far: a test counts its launches. */
int64_t uda_grid_count(void);
/* Has `file` (the end of its path) launched `kernel` so far? */
bool uda_grid_has_run(const char *file, const char *kernel);
/* Releases stacks and shared memory. */
void uda_grid_finish(void);

/* ---- what threads call; place is "file:line" ---- */

enum uda_grid_barrier { UDA_GRID_SYNC, UDA_GRID_COUNT, UDA_GRID_AND, UDA_GRID_OR };
/* __syncthreads, _count, _and, _or. */
int uda_grid_barrier(enum uda_grid_barrier kind, int predicate, const char *place);

enum uda_grid_warp { UDA_GRID_SHUFFLE, UDA_GRID_BALLOT, UDA_GRID_WARP_SYNC };
/* The value that lane `source` of the warp deposits (a shuffle; a negative source: the own value), or
 * the mask of lanes with a value other than 0 (a ballot). Every lane of `mask` takes part. */
uint64_t uda_grid_warp(enum uda_grid_warp kind, uint32_t mask, uint64_t value, int source,
                       const char *place);
uint32_t uda_grid_lane(void);

/* A shared variable: one for each declaration. */
struct uda_grid_site {
    struct uda_grid_site *next;
    void *data;
    size_t bytes;
    int64_t block; /* number of the block run that last saw it */
};
/* Its memory in this block, NaN at first sight. */
void *uda_grid_shared(struct uda_grid_site *site, size_t bytes, const char *place);
/* The memory that the launch asked for. */
void *uda_grid_shared_dynamic(const char *place);

#ifdef __cplusplus
}
#endif

#endif
