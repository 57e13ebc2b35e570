/*
 * Graphs of the guard's device (guard.c): its kernels' calls, or (GUARD_GRID) their launches.
 *
 *     if (guard_graph_keeps(kernel, args, bytes)) { return 0; }   // it runs when the graph does
 */
#ifndef UDA_TESTS_CUDA_GUARD_GRAPH_H
#define UDA_TESTS_CUDA_GUARD_GRAPH_H

#include "kernels/backend.h"

extern const struct uda_backend_graphs guard_graphs;

#define GUARD_CLEAR (-1) /* the number of clear, whose arguments are these */
struct guard_clear {
    void *data;
    size_t bytes;
};

/* Is a graph of calls open? Then it has the call now. */
bool guard_graph_keeps(int kernel, const void *args, size_t bytes);

/* ---- of guard.c ---- */

/* Runs a kernel by its number in kernels.def. */
int guard_run(int kernel, void *args);
/* Everything in between may touch the device's memory. */
void guard_graph_runs(void (*body)(void *graph), void *graph);

#endif
