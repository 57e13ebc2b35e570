#include "src/tensor/replay_list.h"

#include "src/base/arena.h"

#include <string.h>

#define LEAST_CALLS 256
#define LEAST_BYTES ((size_t)1 << 16)
#define ALIGN_BYTES ((size_t)16)

const struct uda_call *uda_call_list_find(const struct uda_call_list *list, int64_t at, int kernel,
                                          const void *args, size_t bytes)
{
    if (at >= list->calls) {
        return NULL;
    }
    const struct uda_call *call = &list->call[at];
    bool same = call->kernel == kernel && call->args_bytes == bytes &&
                memcmp(list->args + call->args_at, args, bytes) == 0;
    return same ? call : NULL;
}

/* A block of twice the room, at least `least`, with the old content; NULL when out of memory. */
static void *grown(void *block, size_t bytes, size_t *room, size_t least)
{
    size_t more = *room * 2 > least ? *room * 2 : least;
    void *larger = uda_alloc(more);
    if (larger == NULL) {
        return NULL;
    }
    if (bytes > 0) {
        memcpy(larger, block, bytes);
    }
    uda_free(block);
    *room = more;
    return larger;
}

static bool make_room(struct uda_call_list *list, size_t args_end)
{
    if (list->calls == list->call_room) {
        size_t room = (size_t)list->call_room * sizeof *list->call;
        void *call = grown(list->call, room, &room, LEAST_CALLS * sizeof *list->call);
        if (call == NULL) {
            return false;
        }
        list->call = call;
        list->call_room = (int64_t)(room / sizeof *list->call);
    }
    if (args_end > list->args_room) {
        size_t least = args_end > LEAST_BYTES ? args_end : LEAST_BYTES;
        void *args = grown(list->args, list->args_bytes, &list->args_room, least);
        if (args == NULL) {
            return false;
        }
        list->args = args;
    }
    return true;
}

bool uda_call_list_add(struct uda_call_list *list, int kernel, const void *args, size_t bytes)
{
    size_t at = (list->args_bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    if (!make_room(list, at + bytes)) {
        return false;
    }
    memcpy(list->args + at, args, bytes);
    list->call[list->calls++] = (struct uda_call){.kernel = kernel, .args_at = at, .args_bytes = bytes};
    list->args_bytes = at + bytes;
    return true;
}

void uda_call_list_cut(struct uda_call_list *list, int64_t calls)
{
    list->calls = calls;
    list->args_bytes = calls > 0 ? list->call[calls - 1].args_at + list->call[calls - 1].args_bytes : 0;
    list->whole = false;
}

void uda_call_list_finish(struct uda_call_list *list)
{
    uda_free(list->call);
    uda_free(list->args);
    *list = (struct uda_call_list){0};
}
