#include "kernels/cuda/graph.h"

#include "kernels/cuda/cuda.h"

#include <cuda_runtime_api.h>

static int check(cudaError_t status, const char *what, struct uda_err *err)
{
    if (status == cudaSuccess) {
        return 0;
    }
    (void)cudaGetLastError(); /* forgets what is not sticky */
    return uda_fail(err, UDA_DEVICE, "cuda: %s: %s", what, cudaGetErrorString(status));
}

static cudaStream_t native(void *stream) { return ((struct uda_cuda_stream *)stream)->native; }

/* Relaxed: other threads, and other streams of this one, go on. */
static int begin(void *stream, struct uda_err *err)
{
    return check(cudaStreamBeginCapture(native(stream), cudaStreamCaptureModeRelaxed),
                 "cannot begin a graph", err);
}

static int end(void **graph, void *stream, struct uda_err *err)
{
    cudaGraph_t kept = NULL;
    cudaGraphExec_t ready = NULL;
    *graph = NULL;
    UDA_TRY(check(cudaStreamEndCapture(native(stream), &kept), "cannot end a graph", err));
    int rc = check(cudaGraphInstantiate(&ready, kept, 0), "cannot make a graph", err);
    (void)cudaGraphDestroy(kept);
    *graph = ready;
    return rc;
}

static int launch(void *stream, void *graph, struct uda_err *err)
{
    return check(cudaGraphLaunch(graph, native(stream)), "cannot launch a graph", err);
}

static void destroy(void *graph)
{
    (void)cudaGraphExecDestroy(graph);
}

const struct uda_backend_graphs uda_cuda_graphs = {
    .begin = begin, .end = end, .launch = launch, .destroy = destroy};
