#include "tests/cuda/guard_graph.h"

#if defined(GUARD_GRID)
#include "tests/cuda/grid_graph.h"
#include "tests/cuda/host_backend.h"

static int begin(void *stream, struct uda_err *err) { return host_graphs.begin(stream, err); }
static int end(void **graph, void *stream, struct uda_err *err)
{
    return host_graphs.end(graph, stream, err);
}
static void destroy(void *graph) { host_graphs.destroy(graph); }
static void run(void *graph) { uda_grid_graph_run(graph); }

/* Launches keep themselves. */
bool guard_graph_keeps(int kernel, const void *args, size_t bytes)
{
    const struct guard_clear *clear = args;
    (void)bytes;
    return kernel == GUARD_CLEAR && uda_grid_graph_open() &&
           host_backend()->clear(NULL, clear->data, clear->bytes, NULL) == 0;
}
#else
#include "src/base/arena.h"
#include "src/tensor/replay_list.h"

#include <stdlib.h>
#include <string.h>

#define ARGS_BYTES 1024 /* the largest struct's are less */

static struct uda_call_list *open_list;

static int begin(void *stream, struct uda_err *err)
{
    (void)stream;
    open_list = uda_calloc(sizeof *open_list);
    return open_list != NULL ? 0 : uda_fail(err, UDA_NOMEM, "guard: out of memory");
}

static int end(void **graph, void *stream, struct uda_err *err)
{
    (void)stream;
    (void)err;
    *graph = open_list;
    open_list = NULL;
    return 0;
}

bool guard_graph_keeps(int kernel, const void *args, size_t bytes)
{
    if (open_list == NULL) {
        return false;
    }
    if (bytes > ARGS_BYTES || !uda_call_list_add(open_list, kernel, args, bytes)) {
        abort();
    }
    return true;
}

static void run(void *graph)
{
    const struct uda_call_list *list = graph;
    for (int64_t i = 0; i < list->calls; i++) {
        _Alignas(16) unsigned char args[ARGS_BYTES];
        const struct uda_call *call = &list->call[i];
        memcpy(args, list->args + call->args_at, call->args_bytes);
        const struct guard_clear *clear = (const void *)args;
        if (call->kernel == GUARD_CLEAR) {
            memset(clear->data, 0, clear->bytes);
        } else if (guard_run(call->kernel, args) != 0) {
            abort();
        }
    }
}

static void destroy(void *graph)
{
    uda_call_list_finish(graph);
    uda_free(graph);
}
#endif

static int launch(void *stream, void *graph, struct uda_err *err)
{
    (void)stream;
    (void)err;
    guard_graph_runs(run, graph);
    return 0;
}

const struct uda_backend_graphs guard_graphs = {
    .begin = begin, .end = end, .launch = launch, .destroy = destroy};
