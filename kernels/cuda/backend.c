/* The module's face: devices, memory, copies and graphs by the CUDA runtime. */
#include "kernels/backend.h"
#include "kernels/cuda/group.h"
#include "kernels/cuda/library.h"
#include "kernels/cuda/table.h"
#include "src/base/arena.h"

#include <cuda_runtime_api.h>
#include <stdio.h>

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

const char *uda_cuda_libraries(void)
{
    const char *text = uda_cuda_library_text();
    return text != NULL ? text : "CUDA runtime " TEXT(CUDART_VERSION);
}

static int check(cudaError_t status, const char *what, struct uda_err *err)
{
    if (status == cudaSuccess) {
        return 0;
    }
    (void)cudaGetLastError(); /* forgets what is not sticky */
    enum uda_code code = status == cudaErrorMemoryAllocation ? UDA_NOMEM : UDA_DEVICE;
    return uda_fail(err, code, "cuda: %s: %s", what, cudaGetErrorString(status));
}

static int device_count(char *text, size_t bytes)
{
    int count = 0;
    cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess || count == 0) {
        (void)cudaGetLastError();
        (void)snprintf(text, bytes, "%s",
                       status == cudaSuccess ? "no device" : cudaGetErrorString(status));
        return 0;
    }
    return count;
}

static int describe(char *text, size_t bytes, int device, struct uda_err *err)
{
    struct cudaDeviceProp about;
    UDA_TRY(check(cudaGetDeviceProperties(&about, device), "cannot ask for a device's properties", err));
    int driver = 0;
    UDA_TRY(check(cudaDriverGetVersion(&driver), "cannot ask for the driver's version", err));
    (void)snprintf(text, bytes, "%s, %.1f GiB, %d multiprocessors, compute %d.%d, driver %d.%d", about.name,
                   (double)about.totalGlobalMem / 1073741824.0, about.multiProcessorCount, about.major,
                   about.minor, driver / 1000, driver % 1000 / 10);
    return 0;
}

static int enter(void *stream, struct uda_err *err)
{
    const struct uda_cuda_stream *s = stream;
    return check(cudaSetDevice(s->device), "cannot use the device", err);
}

static void close_stream(void **stream)
{
    struct uda_cuda_stream *s = *stream;
    if (s != NULL) {
        uda_cuda_library_close(s);
        if (s->native != NULL) {
            (void)cudaStreamDestroy(s->native);
        }
        uda_free(s);
        *stream = NULL;
    }
}

static int open_stream(void **stream, int device, struct uda_err *err)
{
    char why[200] = "no such device";
    int count = device_count(why, sizeof why);
    if (device < 0 || device >= count) {
        return uda_fail(err, UDA_UNSUPPORTED, "cuda: device %d: %s (%d at hand)", device, why, count);
    }
    struct uda_cuda_stream *s = uda_calloc(sizeof *s);
    if (s == NULL) {
        return uda_fail(err, UDA_NOMEM, "cuda: out of memory");
    }
    s->device = device;
    void *made = s;
    cudaStream_t native = NULL;
    int rc = enter(s, err);
    if (rc == 0) {
        rc = check(cudaStreamCreateWithFlags(&native, cudaStreamNonBlocking), "cannot create a stream", err);
        s->native = native;
    }
    if (rc == 0) {
        rc = uda_cuda_library_open(s, err);
    }
    if (rc != 0) {
        close_stream(&made);
        return rc;
    }
    *stream = s;
    return 0;
}

static int alloc(void **data, void *stream, size_t bytes, struct uda_err *err)
{
    UDA_TRY(enter(stream, err));
    void *block = NULL;
    UDA_TRY(check(cudaMalloc(&block, bytes > 0 ? bytes : 1), "cannot allocate device memory", err));
    *data = block;
    return 0;
}

static void release(void *data)
{
    (void)cudaFree(data);
}

static int alloc_host(void **data, void *stream, size_t bytes, struct uda_err *err)
{
    UDA_TRY(enter(stream, err));
    void *block = NULL;
    UDA_TRY(check(cudaMallocHost(&block, bytes > 0 ? bytes : 1), "cannot allocate pinned memory", err));
    *data = block;
    return 0;
}

static void release_host(void *data)
{
    (void)cudaFreeHost(data);
}

static cudaStream_t native(void *stream) { return ((struct uda_cuda_stream *)stream)->native; }

/* Memory that is not pinned is staged before the call returns, so `from` is free again; pinned memory is read
 * when the stream gets there. */
static int upload(void *stream, void *to, const void *from, size_t bytes, struct uda_err *err)
{
    return check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, native(stream)), "an upload failed",
                 err);
}

static int synchronize(void *stream, struct uda_err *err)
{
    return check(cudaStreamSynchronize(native(stream)), "the device failed", err);
}

static int download(void *stream, void *to, const void *from, size_t bytes, struct uda_err *err)
{
    UDA_TRY(check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, native(stream)),
                  "a download failed", err));
    return synchronize(stream, err);
}

static int clear(void *stream, void *data, size_t bytes, struct uda_err *err)
{
    return check(cudaMemsetAsync(data, 0, bytes, native(stream)), "clearing device memory failed", err);
}

/* ---- graphs, by stream capture ---- */

/* Relaxed: other threads, and other streams of this one, go on. */
static int begin_graph(void *stream, struct uda_err *err)
{
    return check(cudaStreamBeginCapture(native(stream), cudaStreamCaptureModeRelaxed),
                 "cannot begin a graph", err);
}

static int end_graph(void **graph, void *stream, struct uda_err *err)
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

static int launch_graph(void *stream, void *graph, struct uda_err *err)
{
    return check(cudaGraphLaunch(graph, native(stream)), "cannot launch a graph", err);
}

static void destroy_graph(void *graph)
{
    (void)cudaGraphExecDestroy(graph);
}

static const struct uda_backend_graphs graphs = {
    .begin = begin_graph, .end = end_graph, .launch = launch_graph, .destroy = destroy_graph};

UDA_EXPORT const struct uda_backend *uda_backend_module(void);

const struct uda_backend *uda_backend_module(void)
{
    static const struct uda_backend backend = {.abi = uda_backend_abi,
                                               .name = "cuda",
                                               .kernels = &uda_cuda_table,
                                               .count = device_count,
                                               .describe = describe,
                                               .open = open_stream,
                                               .close = close_stream,
                                               .enter = enter,
                                               .alloc = alloc,
                                               .free = release,
                                               .alloc_host = alloc_host,
                                               .free_host = release_host,
                                               .upload = upload,
                                               .download = download,
                                               .clear = clear,
                                               .synchronize = synchronize,
                                               .missing = uda_cuda_missing,
                                               .graphs = &graphs,
                                               .group = UDA_CUDA_GROUP};
    return &backend;
}
