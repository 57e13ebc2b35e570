#include "tests/cuda/host_backend.h"

#include "kernels/cuda/table.h"
#include "src/base/arena.h"
#include "tests/cuda/grid.h"
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

static int clear(void *stream, void *data, size_t bytes, struct uda_err *err)
{
    (void)stream;
    (void)err;
    memset(data, 0, bytes);
    return 0;
}

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
                                               .group = &group};
    return &backend;
}
