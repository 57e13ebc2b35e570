/*
 * Graphs of launches on the host (grid.h): what a stream's capture is on a GPU. A launch that is kept has its
 * arguments in it, as they were.
 *
 *     uda_grid_graph_begin();
 *     ... kernels' functions: their launches are kept ...
 *     struct uda_grid_graph *graph = uda_grid_graph_end();   // NULL: out of memory
 *     uda_grid_graph_run(graph);                             // as often as wanted
 *     uda_grid_graph_destroy(graph);
 */
#ifndef UDA_TESTS_CUDA_GRID_GRAPH_H
#define UDA_TESTS_CUDA_GRID_GRAPH_H

#include "tests/cuda/grid.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uda_grid_graph;

void uda_grid_graph_begin(void);
struct uda_grid_graph *uda_grid_graph_end(void);
bool uda_grid_graph_open(void);
/* Keeps a launch; args are the graph's now, and go by drop. launch NULL: body(args) runs once, no grid. */
void uda_grid_graph_add(const struct uda_grid_launch *launch, void (*body)(void *args), void *args,
                        void (*drop)(void *args));
void uda_grid_graph_run(const struct uda_grid_graph *graph);
void uda_grid_graph_destroy(struct uda_grid_graph *graph);

#ifdef __cplusplus
}
#endif

#endif
