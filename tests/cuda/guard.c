/*
 * A module like the CUDA one whose device is the CPU with memory that only its kernels and copies may
 * touch: a program that dereferences a device's pointer dies, one that hands a kernel memory of the host
 * is told so and dies. Compiled twice. guard.so has the CPU's kernels: its results are the CPU's, byte by
 * byte. guard_cuda.so (GUARD_GRID) has the CUDA kernels under the host harness: slow, and what a GPU computes
 * but for libraries and rounding. UDA_GRID=descending or shuffled when a device is opened changes the order
 * in which blocks and threads run: results that follow it are a race.
 *
 *     UDA_CUDA_MODULE=guard.so uda4inst run manifests/smoke.yaml --set runtime.device=cuda
 *     UDA_CUDA_MODULE=guard_cuda.so test_step --close
 *
 * It counts what the program asks of a device: guard_counts, and with UDA_GUARD_COUNT set a line on stderr
 * when a device is closed.
 */
#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS, madvise */

#include "kernels/backend.h"
#include "src/base/arena.h"
#include "src/base/hash.h"
#include "tests/cuda/group.h"
#include "tests/cuda/guard.h"
#include "tests/cuda/guard_graph.h"
#include "tests/cuda/guard_pointers.h"

#if defined(GUARD_GRID)
#include "kernels/cuda/table.h"
#include "tests/cuda/grid.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define REGION_BYTES ((size_t)1 << 37)
#define BLOCKS 4096
#define PINNED 256 /* blocks of pinned memory; uploads of them without a wait */
#define DEVICES 4
#define PAGE_BYTES ((size_t)2 << 20) /* a large page: locking costs as much as there are pages */
#define POISON_BYTES ((size_t)64 << 20) /* larger blocks are the step's slabs, which stay untouched */

/* One thread uses devices at a time. */
static unsigned char *region;
static size_t used_bytes;
static struct block {
    unsigned char *data;
    size_t bytes;
    bool used;
} block[BLOCKS];
static int blocks;
static int64_t counts[GUARD_COUNTS];

static void demand(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "guard: %s\n", what);
        abort();
    }
}

static void unlock(void)
{
    demand(used_bytes == 0 || mprotect(region, used_bytes, PROT_READ | PROT_WRITE) == 0, "cannot unlock");
}

static void lock(void)
{
    demand(used_bytes == 0 || mprotect(region, used_bytes, PROT_NONE) == 0, "cannot lock");
}

static bool ours(const void *p)
{
    const unsigned char *at = p;
    return at >= region && at < region + used_bytes;
}

void guard_expect(const char *kernel, const void *const *pointer, int count)
{
    for (int i = 0; i < count; i++) {
        if (pointer[i] != NULL && !ours(pointer[i])) {
            (void)fprintf(stderr, "guard: kernel %s: its pointer %d is memory of the host\n", kernel, i);
            abort();
        }
    }
}

#if defined(GUARD_GRID)
static const struct uda_kernels *inner(void) { return &uda_cuda_table; }

static void check_grid(void)
{
    if (uda_grid_failure() != NULL) {
        (void)fprintf(stderr, "guard: %s\n", uda_grid_failure());
        abort();
    }
}

static void choose_order(void)
{
    const char *order = getenv("UDA_GRID");
    uda_grid_order(order != NULL && strcmp(order, "descending") == 0 ? UDA_GRID_DESCENDING
                   : order != NULL && strcmp(order, "shuffled") == 0 ? UDA_GRID_SHUFFLED
                                                                     : UDA_GRID_ASCENDING);
}
#else
static const struct uda_kernels *inner(void) { return uda_kernels_cpu(); }
static void check_grid(void) {}
static void choose_order(void) {}
#endif

/* With UDA_GUARD_FAILS=NAME that kernel fails. */
static bool is_failing(const char *kernel)
{
    const char *name = getenv("UDA_GUARD_FAILS");
    return name != NULL && strcmp(name, kernel) == 0;
}

enum kernel {
#define UDA_KERNEL(kernel, args) RUN_##kernel,
#include "kernels/kernels.def"
#undef UDA_KERNEL
    KERNELS
};

#define UDA_KERNEL(kernel, args)                                                                   \
    static int inner_##kernel(struct uda_stream *stream, void *a) { return inner()->kernel(stream, a); }
#include "kernels/kernels.def"
#undef UDA_KERNEL

static int run_inner(int kernel, struct uda_stream *stream, void *args)
{
    static int (*const kernels[KERNELS])(struct uda_stream *, void *) = {
#define UDA_KERNEL(kernel, args) inner_##kernel,
#include "kernels/kernels.def"
#undef UDA_KERNEL
    };
    return kernels[kernel](stream, args);
}

#if defined(GUARD_GRID)
static int run(int kernel, struct uda_stream *stream, void *args)
{
    return run_inner(kernel, stream, args);
}
#else
/*
 * On a device the need of workspace is a matter of sizes given by value. These CPU kernels read how many
 * targets there are and ask for less: here they answer that they need some, and get in the end what they
 * need.
 */
static int run(int kernel, struct uda_stream *stream, void *args)
{
    struct uda_workspace *ws = args, given = *ws;
    if (kernel != RUN_match_cost && kernel != RUN_mask_loss_fwd && kernel != RUN_mask_loss_bwd) {
        return run_inner(kernel, stream, args);
    }
    if (given.data == NULL) {
        ws->bytes = 1;
        return 0;
    }
    *ws = (struct uda_workspace){0};
    int rc = run_inner(kernel, stream, args);
    if (rc == 0 && ws->bytes > 0) {
        ws->data = uda_alloc(ws->bytes);
        demand(ws->data != NULL, "out of memory");
        rc = run_inner(kernel, stream, args);
        uda_free(ws->data);
    }
    *ws = given;
    return rc;
}

int guard_run(int kernel, void *args)
{
    static struct uda_stream stream;
    demand(stream.team != NULL || uda_team_create(&stream.team, 1, NULL) == 0, "no threads");
    return run(kernel, &stream, args);
}
#endif

#define UDA_KERNEL(kernel, args)                                                                   \
    static int guard_##kernel(struct uda_stream *stream, struct args *a)                           \
    {                                                                                              \
        expect_##args(#kernel, a);                                                                 \
        if (is_failing(#kernel)) {                                                                 \
            return (int)UDA_DEVICE;                                                                \
        }                                                                                          \
        if (guard_graph_keeps(RUN_##kernel, a, sizeof *a)) {                                       \
            return 0;                                                                              \
        }                                                                                          \
        unlock();                                                                                  \
        counts[GUARD_KERNELS] += a->ws.data != NULL ? 0 : 1; /* a second call is the same run */    \
        int rc = run(RUN_##kernel, stream, a);                                                     \
        lock();                                                                                    \
        check_grid();                                                                              \
        return rc;                                                                                 \
    }
#include "kernels/kernels.def"
#undef UDA_KERNEL

void guard_graph_runs(void (*body)(void *graph), void *graph)
{
    counts[GUARD_GRAPHS]++;
    unlock();
    body(graph);
    lock();
    check_grid();
}

static const char *libraries(void) { return inner()->libraries(); }

static const struct uda_kernels kernels = {
    .name = "guard",
    .libraries = libraries,
#define UDA_KERNEL(kernel, args) .kernel = guard_##kernel,
#include "kernels/kernels.def"
#undef UDA_KERNEL
};

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
    (void)snprintf(text, bytes, "the CPU behind locked memory");
    return 0;
}

/* What one upload or wait is of; a device may have several. */
struct guard_stream {
    int device;
};

static int open_stream(void **stream, int device, struct uda_err *err)
{
    if (device < 0 || device >= DEVICES) {
        return uda_fail(err, UDA_UNSUPPORTED, "guard: device %d: no such device (%d at hand)", device,
                        DEVICES);
    }
    if (region == NULL) {
        void *data = mmap(NULL, REGION_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        demand(data != MAP_FAILED, "cannot reserve memory");
        size_t over = (size_t)data % PAGE_BYTES;
        region = (unsigned char *)data + (over == 0 ? 0 : PAGE_BYTES - over);
        (void)madvise(data, REGION_BYTES, MADV_HUGEPAGE);
    }
    choose_order();
    struct guard_stream *s = uda_calloc(sizeof *s);
    if (s == NULL) {
        return uda_fail(err, UDA_NOMEM, "guard: out of memory");
    }
    s->device = device;
    *stream = s;
    return 0;
}

static void close_stream(void **stream)
{
    if (*stream != NULL && getenv("UDA_GUARD_COUNT") != NULL) {
        (void)fprintf(stderr, "guard: %lld kernels, %lld uploads of %lld bytes, %lld downloads, %lld clears, "
                              "%lld waits, %lld graphs, %lld swaps\n",
                      (long long)counts[GUARD_KERNELS], (long long)counts[GUARD_UPLOADS],
                      (long long)counts[GUARD_BYTES],
                      (long long)counts[GUARD_DOWNLOADS], (long long)counts[GUARD_CLEARS],
                      (long long)counts[GUARD_WAITS], (long long)counts[GUARD_GRAPHS],
                      (long long)counts[GUARD_SWAPS]);
    }
    uda_free(*stream);
    *stream = NULL;
}

static int enter(void *stream, struct uda_err *err)
{
    (void)stream;
    (void)err;
    return 0;
}

/* Uploads from pinned memory that a GPU may still be reading, until the host waits for their stream. */
static struct pending {
    const void *stream, *from;
    size_t bytes;
    struct uda_digest digest;
} pending[PINNED];
static int pendings;

static void wait_for_stream(const void *stream)
{
    int kept = 0;
    counts[GUARD_WAITS]++;
    for (int i = 0; i < pendings; i++) {
        demand(uda_digest_equal(pending[i].digest, uda_digest_of(pending[i].from, pending[i].bytes)),
               "pinned memory was changed before the device had read it");
        if (pending[i].stream != stream) {
            pending[kept++] = pending[i];
        }
    }
    pendings = kept;
}

static int synchronize(void *stream, struct uda_err *err)
{
    wait_for_stream(stream);
    return enter(stream, err);
}

/* ---- pinned memory ---- */

static struct pinned {
    unsigned char *data;
    size_t bytes;
} pinned[PINNED];

static bool is_pinned(const void *p)
{
    const unsigned char *at = p;
    for (int i = 0; i < PINNED; i++) {
        if (pinned[i].data != NULL && at >= pinned[i].data && at < pinned[i].data + pinned[i].bytes) {
            return true;
        }
    }
    return false;
}

static int alloc_host(void **data, void *stream, size_t bytes, struct uda_err *err)
{
    int free_at = 0;
    (void)stream;
    while (free_at < PINNED && pinned[free_at].data != NULL) {
        free_at++;
    }
    unsigned char *made = free_at < PINNED ? uda_alloc(bytes + 1) : NULL;
    if (made == NULL) {
        return uda_fail(err, UDA_NOMEM, "guard: out of pinned memory");
    }
    counts[GUARD_ALLOCATIONS]++;
    pinned[free_at] = (struct pinned){made, bytes};
    *data = made;
    return 0;
}

static void release_host(void *data)
{
    for (int i = 0; i < pendings; i++) {
        demand(pending[i].from != data, "pinned memory was freed before the device had read it");
    }
    for (int i = 0; i < PINNED; i++) {
        if (pinned[i].data == data) {
            pinned[i].data = NULL;
        }
    }
    uda_free(data);
}

/* ---- memory of the device ---- */

/* A free block of the same size, or the next of the region. */
static struct block *find_block(size_t bytes)
{
    for (int i = 0; i < blocks; i++) {
        if (!block[i].used && block[i].bytes == bytes) {
            return &block[i];
        }
    }
    demand(blocks < BLOCKS && bytes <= REGION_BYTES - PAGE_BYTES - used_bytes, "too many blocks");
    block[blocks] = (struct block){.data = region + used_bytes, .bytes = bytes};
    used_bytes += bytes;
    return &block[blocks++];
}

static int alloc(void **data, void *stream, size_t bytes, struct uda_err *err)
{
    (void)stream;
    if (bytes > REGION_BYTES / 8) {
        return uda_fail(err, UDA_NOMEM, "guard: out of memory");
    }
    counts[GUARD_ALLOCATIONS]++;
    struct block *b = find_block((bytes / PAGE_BYTES + 1) * PAGE_BYTES);
    b->used = true;
    if (b->bytes <= POISON_BYTES) {
        unlock();
        memset(b->data, 0xff, b->bytes); /* NaN */
        lock();
    }
    *data = b->data;
    return 0;
}

static void release(void *data)
{
    for (int i = 0; i < blocks; i++) {
        if (block[i].data == data) {
            demand(block[i].used, "freed twice");
            (void)madvise(data, block[i].bytes, MADV_DONTNEED);
            block[i].used = false;
            return;
        }
    }
    demand(data == NULL, "freed what was not allocated");
}

static int upload(void *stream, void *to, const void *from, size_t bytes, struct uda_err *err)
{
    (void)err;
    counts[GUARD_UPLOADS]++;
    counts[GUARD_BYTES] += (int64_t)bytes;
    demand(bytes == 0 || (ours(to) && !ours(from)), "an upload goes from the host to the device");
    if (is_pinned(from)) {
        demand(pendings < PINNED, "too many uploads without a wait");
        pending[pendings++] = (struct pending){stream, from, bytes, uda_digest_of(from, bytes)};
    }
    unlock();
    memcpy(to, from, bytes);
    lock();
    return 0;
}

static int download(void *stream, void *to, const void *from, size_t bytes, struct uda_err *err)
{
    (void)err;
    counts[GUARD_DOWNLOADS]++;
    wait_for_stream(stream);
    demand(bytes == 0 || (ours(from) && !ours(to)), "a download goes from the device to the host");
    unlock();
    memcpy(to, from, bytes);
    lock();
    return 0;
}

static int clear(void *stream, void *data, size_t bytes, struct uda_err *err)
{
    (void)stream;
    (void)err;
    counts[GUARD_CLEARS]++;
    demand(bytes == 0 || ours(data), "cleared memory is the device's");
    if (guard_graph_keeps(GUARD_CLEAR, &(struct guard_clear){data, bytes}, sizeof(struct guard_clear))) {
        return 0;
    }
    unlock();
    memset(data, 0, bytes);
    lock();
    return 0;
}

/* ---- the group: several processes, a device each ---- */

static int place(char *text, size_t bytes, void *stream, struct uda_err *err)
{
    (void)err;
    (void)snprintf(text, bytes, "guard:%d", ((const struct guard_stream *)stream)->device);
    return 0;
}

static int swap(void *member, const struct uda_group_part *part, struct uda_err *err)
{
    int ranks = group_ranks(member);
    for (int r = 0; r < ranks; r++) {
        demand(part[r].send_count == 0 || ours(part[r].send), "what is sent is the device's");
        demand(part[r].recv_count == 0 || ours(part[r].recv), "what is received is the device's");
    }
    counts[GUARD_SWAPS]++;
    return group_swap(member, part, err);
}

static void copy_there(void *to, const void *from, size_t bytes)
{
    unlock();
    memcpy(to, from, bytes);
    lock();
}

static int look(void *member, enum uda_group_state *state, struct uda_err *err)
{
    return group_look(member, state, copy_there, err);
}

static const struct uda_backend_group group = {GROUP_OVER_MEMORY, .place = place, .swap = swap, .look = look};

/* With UDA_GUARD_LACKS=NAME the module lacks that kernel. */
static const char *missing(int64_t index) { return index == 0 ? getenv("UDA_GUARD_LACKS") : NULL; }

UDA_EXPORT const struct uda_backend *uda_backend_module(void);
UDA_EXPORT guard_counts_fn guard_counts;

const int64_t *guard_counts(void) { return counts; }

const struct uda_backend *uda_backend_module(void)
{
    static const struct uda_backend backend = {.abi = uda_backend_abi,
                                               .name = "guard",
                                               .kernels = &kernels,
                                               .count = count,
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
                                               .missing = missing,
                                               .graphs = &guard_graphs,
                                               .group = &group};
    return &backend;
}
