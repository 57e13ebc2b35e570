#include "src/tensor/replay.h"

#include "src/base/log.h"
#include "src/tensor/device.h"
#include "src/tensor/replay_list.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum state {
    IDLE,
    MATCHING,  /* calls 0..at-1 of the list have come, and are pending */
    RECORDING, /* calls are run, and kept in the list */
    PLAIN      /* calls are run */
};

struct uda_replay {
    struct uda_call_list list[UDA_REPLAY_LISTS], *now;
    enum state state;
    int64_t at, clock;
    struct uda_err refused; /* the device could not make a graph, and why */
    struct uda_replay_counts counts;
};

/* ---- what a call is ---- */

struct clear_args {
    struct uda_workspace ws;
    void *data;
    size_t bytes;
};

/* Room for any. */
union args {
    struct clear_args clear;
#define UDA_KERNEL(kernel, type) struct type kernel;
#include "kernels/kernels.def"
#undef UDA_KERNEL
};

enum kernel {
#define UDA_KERNEL(kernel, type) RUN_##kernel,
#include "kernels/kernels.def"
#undef UDA_KERNEL
    CLEAR
};

#define UDA_KERNEL(kernel, type)                                                                   \
    static int run_##kernel(struct uda_device *device, void *args)                                 \
    {                                                                                              \
        return device->backend->kernels->kernel(&device->stream, args);                            \
    }
#include "kernels/kernels.def"
#undef UDA_KERNEL

static int run_clear(struct uda_device *device, void *args)
{
    const struct clear_args *a = args;
    return device->backend->clear(device->stream.native, a->data, a->bytes, NULL);
}

static const struct kind {
    const char *name;
    int (*run)(struct uda_device *, void *);
} kinds[] = {
#define UDA_KERNEL(kernel, type) {#kernel, run_##kernel},
#include "kernels/kernels.def"
#undef UDA_KERNEL
    {"clear", run_clear}};

/* ---- running what is pending ---- */

/* Calls first..last-1 of a list; questions for workspace are answered already. */
static int run_calls(struct uda_device *device, const struct uda_call_list *list, int64_t first,
                     int64_t last, struct uda_err *err)
{
    for (int64_t i = first; i < last; i++) {
        const struct uda_call *call = &list->call[i];
        union args args;
        if (call->asked_bytes > 0) {
            continue;
        }
        memcpy(&args, list->args + call->args_at, call->args_bytes);
        int rc = kinds[call->kernel].run(device, &args);
        if (rc != 0) {
            return uda_fail(err, (enum uda_code)rc, "kernel %s failed: %s", kinds[call->kernel].name,
                            uda_code_name((enum uda_code)rc));
        }
    }
    return 0;
}

/* The graph of a list, after everything that was queued with the old one. */
static void drop_graph(struct uda_device *device, struct uda_call_list *list)
{
    if (list->graph != NULL) {
        (void)device->backend->synchronize(device->stream.native, NULL);
        device->backend->graphs->destroy(list->graph);
        list->graph = NULL;
    }
}

/* The list so far is right, what followed is not. */
static int leave_list(struct uda_device *device, enum state state, struct uda_err *err)
{
    struct uda_replay *r = device->replay;
    bool pending = r->state == MATCHING;
    r->state = state;
    drop_graph(device, r->now);
    if (!pending) {
        return 0;
    }
    uda_call_list_cut(r->now, r->at);
    return run_calls(device, r->now, 0, r->at, err);
}

/* ---- calls ---- */

/* args begin with the workspace (kernels/workspace.h). */
static int call(struct uda_device *device, enum kernel kernel, void *args, size_t bytes)
{
    struct uda_replay *r = device->replay;
    struct uda_workspace *ws = args;
    if (r->state == MATCHING) {
        const struct uda_call *kept = uda_call_list_find(r->now, r->at, (int)kernel, args, bytes);
        if (kept != NULL) {
            r->at++;
            ws->bytes = kept->asked_bytes > 0 ? kept->asked_bytes : ws->bytes;
            return 0;
        }
        UDA_TRY(leave_list(device, RECORDING, NULL));
    }
    if (r->state == RECORDING && !uda_call_list_add(r->now, (int)kernel, args, bytes)) {
        return (int)UDA_NOMEM;
    }
    bool asks = ws->data == NULL;
    int rc = kinds[kernel].run(device, args);
    if (r->state == RECORDING && rc == 0 && asks) {
        r->now->call[r->now->calls - 1].asked_bytes = ws->bytes;
    }
    return rc;
}

static struct uda_device *device_of(struct uda_stream *stream)
{
    return (struct uda_device *)(void *)((unsigned char *)stream - offsetof(struct uda_device, stream));
}

#define UDA_KERNEL(kernel, type)                                                                   \
    static int called_##kernel(struct uda_stream *stream, struct type *a)                          \
    {                                                                                              \
        UDA_CLEAR_PADDING(a); /* no argument; where it stays, equal calls may look different */    \
        return call(device_of(stream), RUN_##kernel, a, sizeof *a);                                \
    }
#include "kernels/kernels.def"
#undef UDA_KERNEL

static const char *libraries(void) { return ""; }

static const struct uda_kernels recorder = {
    .name = "recorder",
    .libraries = libraries,
#define UDA_KERNEL(kernel, type) .kernel = called_##kernel,
#include "kernels/kernels.def"
#undef UDA_KERNEL
};

int uda_replay_clear(struct uda_device *device, void *data, size_t bytes, struct uda_err *err)
{
    struct clear_args a = {.data = data, .bytes = bytes};
    int rc = call(device, CLEAR, &a, sizeof a);
    return rc == 0 ? 0 : uda_fail(err, (enum uda_code)rc, "clearing device memory failed");
}

/* ---- begin and end ---- */

bool uda_replay_active(const struct uda_device *device)
{
    return device->replay != NULL && device->replay->state != IDLE;
}

const char *uda_replay_refused(const struct uda_device *device)
{
    bool refused = device->replay != NULL && device->replay->refused.code != UDA_OK;
    return refused ? device->replay->refused.text : NULL;
}

struct uda_replay_counts uda_replay_counted(const struct uda_device *device)
{
    return device->replay != NULL ? device->replay->counts : (struct uda_replay_counts){0};
}

/* The list of that key, or an empty one in place of the oldest. */
static struct uda_call_list *choose(struct uda_device *device, uint64_t key)
{
    struct uda_replay *r = device->replay;
    struct uda_call_list *oldest = &r->list[0];
    for (int i = 0; i < UDA_REPLAY_LISTS; i++) {
        struct uda_call_list *list = &r->list[i];
        if (list->whole && list->key == key) {
            return list;
        }
        oldest = list->used < oldest->used ? list : oldest;
    }
    drop_graph(device, oldest);
    uda_call_list_cut(oldest, 0);
    oldest->key = key;
    return oldest;
}

/* For comparisons: UDA_CUDA_GRAPHS=0 runs every call at once. */
static bool wanted(const struct uda_device *device)
{
    const char *setting = getenv("UDA_CUDA_GRAPHS");
    return device->backend != NULL && device->backend->graphs != NULL &&
           (setting == NULL || strcmp(setting, "0") != 0);
}

int uda_replay_begin(struct uda_device *device, uint64_t key, struct uda_err *err)
{
    if (!wanted(device)) {
        return 0;
    }
    if (device->replay == NULL) {
        device->replay = uda_calloc(sizeof *device->replay);
        if (device->replay == NULL) {
            return uda_fail(err, UDA_NOMEM, "device: out of memory");
        }
    }
    struct uda_replay *r = device->replay;
    uda_device_pool_reset(&device->sent_pool);
    r->now = choose(device, key);
    r->now->used = ++r->clock;
    r->state = r->now->calls > 0 ? MATCHING : RECORDING;
    r->now->whole = false;
    r->at = 0;
    device->kernels = &recorder;
    return 0;
}

static void leave(struct uda_device *device)
{
    device->replay->state = IDLE;
    device->kernels = device->backend->kernels;
}

/* Makes the graph of the list; without one if the device cannot. */
static void make_graph(struct uda_device *device, struct uda_call_list *list)
{
    struct uda_replay *r = device->replay;
    const struct uda_backend_graphs *graphs = device->backend->graphs;
    void *stream = device->stream.native;
    if (list->graph != NULL || r->refused.code != UDA_OK) {
        return;
    }
    bool made = graphs->begin(stream, &r->refused) == 0;
    if (made) {
        made = run_calls(device, list, 0, list->calls, &r->refused) == 0;
        int rc = graphs->end(&list->graph, stream, made ? &r->refused : NULL); /* the first error */
        made = made && rc == 0;
    }
    if (made) {
        r->counts.graphs++;
    } else {
        drop_graph(device, list);
        uda_log(UDA_LOG_WARN, "%s: kernels are launched one by one, to the same bytes", r->refused.text);
    }
}

static int run_whole(struct uda_device *device, struct uda_call_list *list, struct uda_err *err)
{
    make_graph(device, list);
    if (list->graph == NULL) {
        device->replay->counts.recorded++;
        return run_calls(device, list, 0, list->calls, err);
    }
    device->replay->counts.launched++;
    return device->backend->graphs->launch(device->stream.native, list->graph, err);
}

static int64_t runs_of(const struct uda_call_list *list)
{
    int64_t runs = 0;
    for (int64_t i = 0; i < list->calls; i++) {
        runs += list->call[i].asked_bytes == 0;
    }
    return runs;
}

int uda_replay_end(struct uda_device *device, struct uda_err *err)
{
    if (!uda_replay_active(device)) {
        return 0;
    }
    struct uda_replay *r = device->replay;
    int rc = 0;
    if (r->state == MATCHING && r->at == r->now->calls) {
        rc = run_whole(device, r->now, err);
    } else {
        r->counts.recorded++;
        rc = r->state == MATCHING ? leave_list(device, RECORDING, err) : 0;
    }
    r->now->whole = rc == 0 && r->state != PLAIN;
    r->counts.calls = runs_of(r->now);
    leave(device);
    return rc;
}

void uda_replay_abandon(struct uda_device *device)
{
    if (uda_replay_active(device)) {
        leave(device); /* the list is not whole: nobody finds it */
    }
}

int uda_replay_interrupt(struct uda_device *device, struct uda_err *err)
{
    return uda_replay_active(device) ? leave_list(device, PLAIN, err) : 0;
}

void uda_replay_destroy(struct uda_device *device)
{
    struct uda_replay *r = device->replay;
    if (r == NULL) {
        return;
    }
    for (int i = 0; i < UDA_REPLAY_LISTS; i++) {
        drop_graph(device, &r->list[i]);
        uda_call_list_finish(&r->list[i]);
    }
    uda_free(r);
    device->replay = NULL;
}
