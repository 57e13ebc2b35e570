#include "tests/cuda/host_backend.h"

#include "kernels/cuda/table.h"
#include "src/base/arena.h"
#include "tests/cuda/grid_graph.h"
#include "tests/cuda/group.h"

#include <stdio.h>
#include <string.h>

const char *uda_cuda_libraries(void) { return "host harness"; }

#define DEVICES 4

static int count(char *text, size_t bytes)
{
    (void)text;
    (void)bytes;
    return DEVICES;
}

static int describe(char *text, size_t bytes, int device, struct uda_err *err)
{
    (void)device;
    (void)err;
    (void)snprintf(text, bytes, "host harness");
    return 0;
}

static int open_stream(void **stream, int device, struct uda_err *err)
{
    bool there = device >= 0 && device < DEVICES;
    struct uda_cuda_stream *s = there ? uda_calloc(sizeof *s) : NULL;
    if (s == NULL) {
        return uda_fail(err, there ? UDA_NOMEM : UDA_UNSUPPORTED, "host harness: no device %d", device);
    }
    s->device = device;
    *stream = s;
    return 0;
}

static void close_stream(void **stream)
{
    uda_free(*stream);
    *stream = NULL;
}

static int synchronize(void *stream, struct uda_err *err)
{
    (void)stream;
    return uda_grid_failure() == NULL ? 0 : uda_fail(err, UDA_DEVICE, "%s", uda_grid_failure());
}

static int alloc(void **data, void *stream, size_t bytes, struct uda_err *err)
{
    (void)stream;
    void *block = bytes > (size_t)1 << 30 ? NULL : uda_alloc(bytes);
    if (block == NULL) {
        return uda_fail(err, UDA_NOMEM, "host harness: out of memory for %zu bytes", bytes);
    }
    memset(block, 0xff, bytes); /* NaN */
    *data = block;
    return 0;
}

static int copy(void *stream, void *to, const void *from, size_t bytes, struct uda_err *err)
{
    (void)stream;
    (void)err;
    memcpy(to, from, bytes);
    return 0;
}

struct clearing {
    void *data;
    size_t bytes;
};

static void clear_now(void *args)
{
    const struct clearing *c = args;
    memset(c->data, 0, c->bytes);
}

static int clear(void *stream, void *data, size_t bytes, struct uda_err *err)
{
    struct clearing c = {data, bytes}, *kept = NULL;
    (void)stream;
    if (!uda_grid_graph_open()) {
        clear_now(&c);
        return 0;
    }
    kept = uda_alloc(sizeof *kept);
    if (kept == NULL) {
        return uda_fail(err, UDA_NOMEM, "host harness: out of memory");
    }
    *kept = c;
    uda_grid_graph_add(NULL, clear_now, kept, uda_free);
    return 0;
}

/* ---- graphs ---- */

static int graph_begin(void *stream, struct uda_err *err)
{
    (void)stream;
    uda_grid_graph_begin();
    return uda_grid_graph_open() ? 0 : uda_fail(err, UDA_NOMEM, "host harness: out of memory");
}

static int graph_end(void **graph, void *stream, struct uda_err *err)
{
    (void)stream;
    *graph = uda_grid_graph_end();
    return *graph != NULL ? 0 : uda_fail(err, UDA_NOMEM, "host harness: out of memory");
}

static int graph_launch(void *stream, void *graph, struct uda_err *err)
{
    uda_grid_graph_run(graph);
    return synchronize(stream, err);
}

static void graph_destroy(void *graph)
{
    uda_grid_graph_destroy(graph);
}

const struct uda_backend_graphs host_graphs = {
    .begin = graph_begin, .end = graph_end, .launch = graph_launch, .destroy = graph_destroy};

static int place(char *text, size_t bytes, void *stream, struct uda_err *err)
{
    (void)err;
    (void)snprintf(text, bytes, "harness:%d", ((const struct uda_cuda_stream *)stream)->device);
    return 0;
}

static void copy_plainly(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }

static int look(void *member, enum uda_group_state *state, struct uda_err *err)
{
    UDA_TRY(synchronize(NULL, err));
    return group_look(member, state, copy_plainly, err);
}

static const struct uda_backend_group group = {
    GROUP_OVER_MEMORY, .place = place, .swap = group_swap, .look = look};

const struct uda_backend *host_backend(void)
{
    static const struct uda_backend backend = {.abi = uda_backend_abi,
                                               .name = "host harness",
                                               .kernels = &uda_cuda_table,
                                               .count = count,
                                               .describe = describe,
                                               .open = open_stream,
                                               .close = close_stream,
                                               .enter = synchronize,
                                               .alloc = alloc,
                                               .free = uda_free,
                                               .alloc_host = alloc,
                                               .free_host = uda_free,
                                               .upload = copy,
                                               .download = copy,
                                               .clear = clear,
                                               .synchronize = synchronize,
                                               .missing = uda_cuda_missing,
                                               .graphs = &host_graphs,
                                               .group = &group};
    return &backend;
}
