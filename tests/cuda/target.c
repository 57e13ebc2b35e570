#include "tests/cuda/target.h"

#include "src/base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_BYTES ((size_t)256)
#define GUARD 0xa5

static void *checked(void *block)
{
    if (block == NULL) {
        (void)fprintf(stderr, "target: out of memory\n");
        abort();
    }
    return block;
}

static void demand(int rc, const struct uda_err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "target: %s\n", err->text);
        abort();
    }
}

/* ---- host ---- */

static void *host_alloc(struct target *target, size_t bytes)
{
    (void)target;
#if UDA_SEPARATE_BLOCKS
    unsigned char *block = checked(uda_alloc_exact(bytes));
#else
    unsigned char *block = checked(uda_alloc(bytes + GUARD_BYTES));
    memset(block + bytes, GUARD, GUARD_BYTES);
#endif
    memset(block, 0xff, bytes);
    return block;
}

static bool guard_lives(const unsigned char *guard)
{
    for (size_t i = 0; i < GUARD_BYTES; i++) {
        if (guard[i] != GUARD) {
            return false;
        }
    }
    return true;
}

static bool host_release(struct target *target, void *block, size_t bytes)
{
    (void)target;
    bool intact = UDA_SEPARATE_BLOCKS || guard_lives((unsigned char *)block + bytes);
    uda_free(block);
    return intact;
}

static void host_copy(struct target *target, void *to, const void *from, size_t bytes)
{
    (void)target;
    memcpy(to, from, bytes);
}

struct target target_host(const char *name, const struct uda_kernels *kernels)
{
    return (struct target){.name = name,
                           .kernels = kernels,
                           .alloc = host_alloc,
                           .release = host_release,
                           .upload = host_copy,
                           .download = host_copy};
}

/* ---- device ---- */

static void device_upload(struct target *target, void *to, const void *from, size_t bytes)
{
    struct uda_err err = {0};
    demand(target->backend->upload(target->stream.native, to, from, bytes, &err), &err);
}

static void device_download(struct target *target, void *to, const void *from, size_t bytes)
{
    struct uda_err err = {0};
    demand(target->backend->download(target->stream.native, to, from, bytes, &err), &err);
}

static void *device_alloc(struct target *target, size_t bytes)
{
    struct uda_err err = {0};
    void *block = NULL;
    demand(target->backend->alloc(&block, target->stream.native, bytes + GUARD_BYTES, &err), &err);
    unsigned char *image = checked(uda_alloc(bytes + GUARD_BYTES));
    memset(image, 0xff, bytes);
    memset(image + bytes, GUARD, GUARD_BYTES);
    device_upload(target, block, image, bytes + GUARD_BYTES);
    uda_free(image);
    return block;
}

static bool device_release(struct target *target, void *block, size_t bytes)
{
    unsigned char guard[GUARD_BYTES];
    device_download(target, guard, (unsigned char *)block + bytes, sizeof guard);
    target->backend->free(block);
    return guard_lives(guard);
}

int target_device(struct target *target, const struct uda_backend *backend, struct uda_err *err)
{
    *target = (struct target){.name = backend->name,
                              .kernels = backend->kernels,
                              .backend = backend,
                              .alloc = device_alloc,
                              .release = device_release,
                              .upload = device_upload,
                              .download = device_download};
    return backend->open(&target->stream.native, 0, err);
}

void target_finish(struct target *target)
{
    if (target->backend != NULL) {
        target->backend->close(&target->stream.native);
    }
}
