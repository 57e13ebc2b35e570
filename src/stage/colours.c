#include "src/stage/colours.h"

#include "src/optim/launch.h"

#include <string.h>

/* The device's memory is asked for in pieces of this: a batch of large crops takes a few. */
#define SLAB_BYTES ((size_t)16 << 20)

UDA_OPTIM_KERNEL(lab_transfer)

struct uda_colours {
    struct uda_lab_levels levels;
    /* of the CPU */
    struct uda_team *team;
    struct uda_steady scratch;
    /* of a GPU; kernels NULL: there is none */
    struct uda_device device;
    void *levels_there;
};

static int open_device(struct uda_colours *c, const char *name, struct uda_err *err)
{
    UDA_TRY(uda_device_init(&c->device, name, 1, err));
    c->device.device_pool.slab_bytes = SLAB_BYTES;
    UDA_TRY(uda_device_alloc(&c->levels_there, &c->device, sizeof c->levels, err));
    return uda_device_upload(&c->device, c->levels_there, &c->levels, sizeof c->levels, err);
}

int uda_colours_create(struct uda_colours **out, enum uda_lab_bytes bytes, const char *device,
                       struct uda_team *team, struct uda_err *err)
{
    struct uda_colours *c = uda_calloc(sizeof *c);
    if (c == NULL) {
        return uda_fail(err, UDA_NOMEM, "colours: out of memory");
    }
    c->team = team;
    uda_lab_levels_init(&c->levels, bytes);
    int rc = device == NULL || strcmp(device, "cpu") == 0 ? 0 : open_device(c, device, err);
    if (rc != 0) {
        uda_colours_destroy(&c);
        return rc;
    }
    *out = c;
    return 0;
}

void uda_colours_destroy(struct uda_colours **out)
{
    struct uda_colours *c = *out;
    if (c == NULL) {
        return;
    }
    if (c->device.kernels != NULL) {
        uda_device_free(&c->device, c->levels_there);
        uda_device_finish(&c->device);
    }
    uda_arena_finish(&c->scratch.arena);
    uda_free(c);
    *out = NULL;
}

/* ---- on a GPU ---- */

/* Sends both images and queues the kernel; *there: where the device will have the result. */
static int queue_pair(uint8_t **there, struct uda_colours *c, const struct uda_colour_pair *pair,
                      struct uda_err *err)
{
    UDA_TRY(uda_lab_check(pair->source_pixels, pair->target_pixels, err));
    size_t source_bytes = (size_t)pair->source_pixels * 3, target_bytes = (size_t)pair->target_pixels * 3;
    uint8_t *source = uda_device_get(&c->device, source_bytes);
    uint8_t *target = uda_device_get(&c->device, target_bytes);
    if (source == NULL || target == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of the device's memory for the colours of %lld pixels",
                        (long long)pair->source_pixels);
    }
    UDA_TRY(uda_device_send_copy(&c->device, source, pair->source, source_bytes, err));
    UDA_TRY(uda_device_send_copy(&c->device, target, pair->target, target_bytes, err));
    struct uda_lab_transfer_args a = {.source_pixels = pair->source_pixels,
                                      .target_pixels = pair->target_pixels, .levels = c->levels_there,
                                      .source = source, .target = target, .out = source};
    UDA_TRY(UDA_OPTIM_RUN(&c->device, lab_transfer, &a, err));
    uda_device_put(&c->device, target); /* what comes to lie there is queued behind the kernel */
    *there = source;
    return 0;
}

static int move_there(struct uda_colours *c, const struct uda_colour_pair *pair, int64_t pairs,
                      struct uda_err *err)
{
    uda_steady_reset(&c->scratch);
    uda_device_reset(&c->device);
    uint8_t **there = uda_arena_alloc(&c->scratch.arena, (size_t)pairs * sizeof *there);
    if (there == NULL) {
        return uda_fail(err, UDA_NOMEM, "colours: out of memory");
    }
    for (int64_t i = 0; i < pairs; i++) {
        UDA_TRY(queue_pair(&there[i], c, &pair[i], err));
    }
    for (int64_t i = 0; i < pairs; i++) {
        size_t bytes = (size_t)pair[i].source_pixels * 3;
        UDA_TRY(uda_device_download(&c->device, pair[i].out, there[i], bytes, err));
    }
    return 0;
}

/* ---- anywhere ---- */

int uda_colours_move(struct uda_colours *c, const struct uda_colour_pair *pair, int64_t pairs,
                     struct uda_err *err)
{
    if (c->device.kernels != NULL) {
        return move_there(c, pair, pairs, err);
    }
    uda_steady_reset(&c->scratch);
    for (int64_t i = 0; i < pairs; i++) { /* the team works on one pair: a batch may have few */
        UDA_TRY(uda_lab_transfer(pair[i].out, pair[i].source, pair[i].source_pixels, pair[i].target,
                                 pair[i].target_pixels, &c->levels, c->team, &c->scratch.arena, err));
    }
    return 0;
}
