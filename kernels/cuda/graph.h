/*
 * Graphs of a stream's work (kernels/backend.h), by stream capture.
 *
 *     backend.graphs = &uda_cuda_graphs;
 */
#ifndef UDA_KERNELS_CUDA_GRAPH_H
#define UDA_KERNELS_CUDA_GRAPH_H

#include "kernels/backend.h"

extern const struct uda_backend_graphs uda_cuda_graphs;

#endif
