#include "src/tensor/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENT_SLAB_BYTES ((size_t)32 << 20)

int uda_device_init_cpu(struct uda_device *device, int threads, const char *isa,
                        struct uda_err *err)
{
    const struct uda_kernels *kernels = isa == NULL ? uda_kernels_cpu() : uda_kernels_cpu_named(isa);
    if (kernels == NULL) {
        return uda_fail(err, UDA_UNSUPPORTED, "cpu kernels '%s' do not run on this processor", isa);
    }
    struct uda_team *team = NULL;
    UDA_TRY(uda_team_create(&team, threads, err));
    *device = (struct uda_device){.kernels = kernels, .stream = {.team = team}};
    return 0;
}

int uda_device_init_backend(struct uda_device *device, const struct uda_backend *backend, int index,
                            int threads, struct uda_err *err)
{
    struct uda_device made = {.kernels = backend->kernels, .backend = backend, .index = index};
    UDA_TRY(uda_team_create(&made.stream.team, threads, err));
    int rc = backend->open(&made.stream.native, index, err);
    if (rc != 0) {
        uda_team_destroy(&made.stream.team);
        return rc;
    }
    made.device_pool = (struct uda_device_pool){.backend = backend, .stream = made.stream.native};
    made.sent_pool = (struct uda_device_pool){.backend = backend, .stream = made.stream.native,
                                              .slab_bytes = SENT_SLAB_BYTES};
    made.staging = (struct uda_staging){.backend = backend, .stream = made.stream.native};
    *device = made;
    return 0;
}

int uda_device_init(struct uda_device *device, const char *name, int threads, struct uda_err *err)
{
    if (strcmp(name, "cpu") == 0) {
        return uda_device_init_cpu(device, threads, NULL, err);
    }
    bool numbered = strncmp(name, "cuda:", 5) == 0 && name[5] >= '0' && name[5] <= '9' && strlen(name) < 9;
    if (strcmp(name, "cuda") != 0 && (!numbered || name[5 + strspn(name + 5, "0123456789")] != '\0')) {
        return uda_fail(err, UDA_MANIFEST, "device '%s' is not cpu, cuda or cuda:<number>", name);
    }
    const struct uda_backend *backend = NULL;
    UDA_TRY(uda_device_cuda(&backend, err));
    int index = numbered ? (int)strtol(name + 5, NULL, 10) : 0;
    return uda_device_init_backend(device, backend, index, threads, err);
}

void uda_device_finish(struct uda_device *device)
{
    if (device->backend != NULL) {
        (void)device->backend->synchronize(device->stream.native, NULL);
        uda_replay_destroy(device);
        uda_device_pool_finish(&device->device_pool);
        uda_device_pool_finish(&device->sent_pool);
        uda_staging_finish(&device->staging);
        device->backend->close(&device->stream.native);
    }
    uda_team_destroy(&device->stream.team);
    uda_pool_finish(&device->pool);
    device->kernels = NULL;
    device->backend = NULL;
}

int uda_device_complete(const struct uda_device *device, struct uda_err *err)
{
    char names[160] = "";
    int64_t missing = 0;
    for (; device->backend != NULL && device->backend->missing(missing) != NULL; missing++) {
        size_t at = strlen(names);
        if (missing < 4) {
            (void)snprintf(names + at, sizeof names - at, "%s%s", missing > 0 ? ", " : "",
                           device->backend->missing(missing));
        }
    }
    return missing == 0 ? 0
                        : uda_fail(err, UDA_UNSUPPORTED,
                                   "%s lacks %lld kernels (%s%s): use runtime.device: cpu",
                                   device->backend->name, (long long)missing, names,
                                   missing > 4 ? ", ..." : "");
}

const char *uda_device_made_with(char *text, size_t bytes, const struct uda_device *device)
{
    char model[160] = "";
    if (device->backend == NULL) {
        (void)snprintf(text, bytes, "kernels '%s', matrix products '%s'", device->kernels->name,
                       device->kernels->libraries());
    } else if (device->backend->describe(model, sizeof model, device->index, NULL) == 0) {
        (void)snprintf(text, bytes, "kernels '%s', libraries '%s', device '%s'", device->kernels->name,
                       device->kernels->libraries(), model);
    }
    return text;
}

bool uda_device_is_host(const struct uda_device *device) { return device->backend == NULL; }

void *uda_device_get(struct uda_device *device, size_t bytes)
{
    return device->backend == NULL ? uda_pool_get(&device->pool, bytes)
                                   : uda_device_pool_get(&device->device_pool, bytes);
}

void uda_device_put(struct uda_device *device, void *block)
{
    if (device->backend == NULL) {
        uda_pool_put(&device->pool, block);
    } else {
        uda_device_pool_put(&device->device_pool, block);
    }
}

void uda_device_reset(struct uda_device *device)
{
    uda_pool_reset(&device->pool);
    uda_device_pool_reset(&device->device_pool);
    if (!uda_replay_active(device)) {
        uda_device_pool_reset(&device->sent_pool);
    }
    uda_staging_reset(&device->staging);
}

void *uda_device_get_sent(struct uda_device *device, size_t bytes)
{
    return device->backend == NULL ? uda_pool_get(&device->pool, bytes)
                                   : uda_device_pool_get(&device->sent_pool, bytes);
}

void uda_device_put_sent(struct uda_device *device, void *block)
{
    if (device->backend == NULL) {
        uda_pool_put(&device->pool, block);
    } else if (!uda_replay_active(device)) {
        uda_device_pool_put(&device->sent_pool, block);
    }
}

size_t uda_device_used_bytes(const struct uda_device *device)
{
    return device->backend == NULL ? device->pool.used_bytes
                                   : device->device_pool.used_bytes + device->sent_pool.used_bytes;
}

size_t uda_device_peak_bytes(const struct uda_device *device)
{
    return device->backend == NULL ? device->pool.peak_bytes
                                   : device->device_pool.peak_bytes + device->sent_pool.peak_bytes;
}

int uda_device_alloc(void **data, struct uda_device *device, size_t bytes, struct uda_err *err)
{
    if (device->backend == NULL) {
        void *block = uda_calloc(bytes);
        if (block == NULL) {
            return uda_fail(err, UDA_NOMEM, "out of memory for %zu bytes", bytes);
        }
        *data = block;
        return 0;
    }
    void *block = NULL;
    UDA_TRY(device->backend->alloc(&block, device->stream.native, bytes, err));
    int rc = device->backend->clear(device->stream.native, block, bytes, err);
    if (rc != 0) {
        device->backend->free(block);
        return rc;
    }
    *data = block;
    return 0;
}

void uda_device_free(struct uda_device *device, void *data)
{
    if (device->backend == NULL) {
        uda_free(data);
    } else if (data != NULL) {
        device->backend->free(data);
    }
}

int uda_device_upload(struct uda_device *device, void *to, const void *from, size_t bytes,
                      struct uda_err *err)
{
    if (device->backend != NULL) {
        if (!uda_device_pool_holds(&device->sent_pool, to)) {
            UDA_TRY(uda_replay_interrupt(device, err));
        }
        return device->backend->upload(device->stream.native, to, from, bytes, err);
    }
    memcpy(to, from, bytes);
    return 0;
}

int uda_device_download(struct uda_device *device, void *to, const void *from, size_t bytes,
                        struct uda_err *err)
{
    if (device->backend != NULL) {
        UDA_TRY(uda_replay_interrupt(device, err));
        UDA_TRY(device->backend->download(device->stream.native, to, from, bytes, err));
        uda_staging_waited(&device->staging);
        return 0;
    }
    memcpy(to, from, bytes);
    return 0;
}

void *uda_device_stage(struct uda_device *device, size_t bytes)
{
    return device->backend == NULL ? uda_pool_get(&device->pool, bytes)
                                   : uda_staging_get(&device->staging, bytes);
}

int uda_device_send(struct uda_device *device, void *to, void *staged, size_t bytes, struct uda_err *err)
{
    int rc = uda_device_upload(device, to, staged, bytes, err);
    if (device->backend == NULL) {
        uda_pool_put(&device->pool, staged);
    } else {
        uda_staging_sent(&device->staging, staged);
    }
    return rc;
}

/* Bytes that a thread copies at a time. */
#define COPY_CHUNK ((size_t)1 << 20)

struct copying {
    unsigned char *to;
    const unsigned char *from;
    size_t bytes;
};

static void copy_chunk(void *args, int64_t i)
{
    const struct copying *c = args;
    size_t first = (size_t)i * COPY_CHUNK, rest = c->bytes - first;
    memcpy(c->to + first, c->from + first, rest < COPY_CHUNK ? rest : COPY_CHUNK);
}

int uda_device_send_copy(struct uda_device *device, void *to, const void *from, size_t bytes,
                         struct uda_err *err)
{
    struct copying copying = {.to = uda_device_stage(device, bytes), .from = from, .bytes = bytes};
    if (copying.to == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for %zu bytes on the host", bytes);
    }
    uda_team_run(device->stream.team, (int64_t)((bytes + COPY_CHUNK - 1) / COPY_CHUNK), copy_chunk, &copying);
    return uda_device_send(device, to, copying.to, bytes, err);
}

int uda_device_clear(struct uda_device *device, void *data, size_t bytes, struct uda_err *err)
{
    if (uda_replay_active(device)) {
        return uda_replay_clear(device, data, bytes, err);
    }
    if (device->backend != NULL) {
        return device->backend->clear(device->stream.native, data, bytes, err);
    }
    memset(data, 0, bytes);
    return 0;
}

int uda_device_synchronize(struct uda_device *device, struct uda_err *err)
{
    if (device->backend == NULL) {
        return 0;
    }
    UDA_TRY(uda_replay_interrupt(device, err));
    UDA_TRY(device->backend->synchronize(device->stream.native, err));
    uda_staging_waited(&device->staging);
    return 0;
}
