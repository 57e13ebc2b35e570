#include "tests/cuda/grid.h"

#include "src/base/arena.h"
#include "tests/cuda/fiber.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_BYTES 64 /* bytes behind a shared variable that must stay as they are */
#define POISON 0xff   /* NaN as a float, double or bf16; -1 as an integer */
#define CANARY 0xa5
#define MOST_LAUNCHES 512

enum state { FRESH, READY, AT_BARRIER, AT_WARP, DONE };

struct thread {
    enum state state;
    struct uda_fiber *fiber;
    const char *place; /* where it waits */
    int kind, source;
    uint32_t mask;
    uint64_t value, result;
};

/* A grid has the processor to itself, as a device has one stream here: this is the device. */
static struct {
    struct uda_grid_here here;
    struct thread thread[UDA_GRID_MOST_THREADS];
    int order[UDA_GRID_MOST_THREADS];
    int threads, done, waiting, current;
    struct uda_fiber *idle[UDA_GRID_MOST_THREADS];
    int idle_count;
    struct uda_grid_site *sites;
    size_t static_bytes; /* shared variables that this block has seen */
    unsigned char *dynamic;
    size_t dynamic_bytes;
    const struct uda_grid_launch *launch;
    void (*body)(void *args);
    void *args;
    enum uda_grid_order chosen;
    int64_t grids, block_runs;
    struct uda_grid_launch seen[MOST_LAUNCHES]; /* different ones */
    int seen_count;
    bool failed;
    char failure[512];
} grid;

const struct uda_grid_here *const uda_grid_here = &grid.here;

const char *uda_grid_failure(void) { return grid.failed ? grid.failure : NULL; }
void uda_grid_clear(void) { grid.failed = false; }
void uda_grid_order(enum uda_grid_order order) { grid.chosen = order; }
int64_t uda_grid_count(void) { return grid.grids; }

static void fail(const char *what, const char *place)
{
    if (grid.failed) {
        return;
    }
    const struct uda_grid_here *h = &grid.here;
    grid.failed = true;
    (void)snprintf(grid.failure, sizeof grid.failure,
                   "kernel %s, block (%u,%u,%u) of (%u,%u,%u), thread (%u,%u,%u) of (%u,%u,%u), %s: %s",
                   grid.launch->kernel, h->block.x, h->block.y, h->block.z, h->blocks.x, h->blocks.y,
                   h->blocks.z, h->thread.x, h->thread.y, h->thread.z, h->threads.x, h->threads.y,
                   h->threads.z, place, what);
}

/* Ends the running thread's part in a failed grid: it is never entered again. */
static void give_up(const char *what, const char *place)
{
    fail(what, place);
    for (;;) {
        uda_fiber_leave();
    }
}

static void *checked(void *block)
{
    if (block == NULL) {
        (void)fprintf(stderr, "host grid: out of memory\n");
        abort();
    }
    return block;
}

/* ---- threads ---- */

static void thread_body(void *args)
{
    (void)args;
    grid.body(grid.args);
    grid.thread[grid.current].state = DONE;
}

static void set_current(int i)
{
    uint32_t x = grid.here.threads.x, y = grid.here.threads.y, at = (uint32_t)i;
    grid.current = i;
    grid.here.thread = (struct uda_grid_index){at % x, at / x % y, at / x / y};
}

/* Runs thread i until it waits or ends. */
static void run_thread(int i)
{
    struct thread *t = &grid.thread[i];
    if (t->state == FRESH) {
        t->fiber = grid.idle_count > 0 ? grid.idle[--grid.idle_count] : checked(uda_fiber_create());
        uda_fiber_start(t->fiber, thread_body, NULL);
    }
    t->state = READY;
    set_current(i);
    uda_fiber_enter(t->fiber);
    if (t->state == DONE) {
        grid.idle[grid.idle_count++] = t->fiber;
        t->fiber = NULL;
        grid.done++;
    }
}

/* Nobody can go on: says who waits where. */
static void report_deadlock(void)
{
    for (int i = 0; i < grid.threads; i++) {
        const struct thread *t = &grid.thread[i];
        if (t->state == AT_BARRIER || t->state == AT_WARP) {
            set_current(i);
            fail(t->state == AT_BARRIER ? "waits at a barrier that not every thread of the block reaches"
                                        : "waits for lanes of its mask that do not come",
                 t->place);
            return;
        }
    }
}

static uint32_t scramble(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

/* A permutation of 0..count-1 in the chosen order. */
static void fill_order(int *order, int count, uint32_t seed)
{
    for (int i = 0; i < count; i++) {
        order[i] = grid.chosen == UDA_GRID_DESCENDING ? count - 1 - i : i;
    }
    for (int i = count - 1; grid.chosen == UDA_GRID_SHUFFLED && i > 0; i--) {
        int j = (int)(scramble(seed + (uint32_t)i) % (uint32_t)(i + 1)), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static bool can_run(int i) { return grid.thread[i].state == FRESH || grid.thread[i].state == READY; }

/* Every thread that can goes on until it waits: all warps keep step. Returns whether one did. */
static bool run_in_step(void)
{
    bool moved = false;
    for (int k = 0; k < grid.threads && !grid.failed; k++) {
        if (can_run(grid.order[k])) {
            run_thread(grid.order[k]);
            moved = true;
        }
    }
    return moved;
}

/* Each warp goes as far as it gets before the next one moves: it may read and write again what others have
 * not come to, unless a barrier holds it. */
static bool run_ahead(uint32_t seed)
{
    int warps = (grid.threads + UDA_GRID_WARP - 1) / UDA_GRID_WARP, lane[UDA_GRID_WARP];
    bool moved = false;
    fill_order(grid.order, warps, seed);
    for (int w = 0; w < warps; w++) {
        int first = grid.order[w] * UDA_GRID_WARP, rest = grid.threads - first;
        int lanes = rest < UDA_GRID_WARP ? rest : UDA_GRID_WARP;
        fill_order(lane, lanes, seed + (uint32_t)first);
        for (bool again = true; again;) {
            again = false;
            for (int k = 0; k < lanes && !grid.failed; k++) {
                if (can_run(first + lane[k])) {
                    run_thread(first + lane[k]);
                    again = moved = true;
                }
            }
        }
    }
    return moved;
}

static bool canaries_live(const unsigned char *end)
{
    for (int i = 0; i < ROOM_BYTES; i++) {
        if (end[i] != CANARY) {
            return false;
        }
    }
    return true;
}

static void check_shared(void)
{
    for (const struct uda_grid_site *s = grid.sites; s != NULL && !UDA_SEPARATE_BLOCKS; s = s->next) {
        if (!canaries_live((const unsigned char *)s->data + s->bytes)) {
            fail("wrote behind a shared variable", "shared memory");
        }
    }
    if (!UDA_SEPARATE_BLOCKS && grid.dynamic != NULL && !canaries_live(grid.dynamic + grid.dynamic_bytes)) {
        fail("wrote behind the dynamic shared memory", "shared memory");
    }
}

static void run_block(void)
{
    grid.block_runs++;
    grid.static_bytes = grid.launch->shared_bytes;
    if (grid.dynamic_bytes > 0) {
        memset(grid.dynamic, POISON, grid.dynamic_bytes);
    }
    for (int i = 0; i < grid.threads; i++) {
        grid.thread[i] = (struct thread){.state = FRESH};
    }
    fill_order(grid.order, grid.threads, (uint32_t)grid.block_runs);
    grid.done = 0;
    grid.waiting = 0;
    for (uint32_t turn = 0; grid.done < grid.threads && !grid.failed; turn++) {
        uint32_t seed = scramble((uint32_t)grid.block_runs) + turn;
        if (!(grid.chosen == UDA_GRID_SHUFFLED ? run_ahead(seed) : run_in_step())) {
            report_deadlock();
        }
    }
    for (int i = 0; i < grid.threads; i++) { /* after a failure only */
        if (grid.thread[i].fiber != NULL) {
            uda_fiber_destroy(&grid.thread[i].fiber);
        }
    }
    check_shared();
}

/* ---- grids ---- */

static void *alloc_shared(size_t bytes)
{
#if UDA_SEPARATE_BLOCKS
    return checked(uda_alloc_exact(bytes));
#else
    unsigned char *data = checked(uda_alloc(bytes + ROOM_BYTES));
    memset(data + bytes, CANARY, ROOM_BYTES);
    return data;
#endif
}

static bool within_limits(const struct uda_grid_launch *l)
{
    const struct uda_grid_index *b = &l->blocks, *t = &l->threads;
    if (t->x == 0 || t->y == 0 || t->z == 0 || b->x == 0 || b->y == 0 || b->z == 0) {
        fail("an empty grid or block", "launch");
    } else if (t->x > 1024 || t->y > 1024 || t->z > 64 ||
               (uint64_t)t->x * t->y * t->z > UDA_GRID_MOST_THREADS) {
        fail("more than 1024 threads in a block", "launch");
    } else if (b->x > INT32_MAX || b->y > 65535 || b->z > 65535) {
        fail("too many blocks", "launch");
    } else if (l->shared_bytes > UDA_GRID_SHARED_BYTES) {
        fail("more shared memory than a block may have", "launch");
    }
    return !grid.failed;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

bool uda_grid_has_run(const char *file, const char *kernel)
{
    for (int i = 0; i < grid.seen_count; i++) {
        if (strcmp(grid.seen[i].kernel, kernel) == 0 && ends_with(grid.seen[i].file, file)) {
            return true;
        }
    }
    return false;
}

/* The i-th block to run: shuffled by a step that has no factor of their number. */
static uint64_t block_at(uint64_t i, uint64_t blocks)
{
    const uint64_t prime = 2654435761u;
    return grid.chosen == UDA_GRID_ASCENDING                              ? i
           : grid.chosen == UDA_GRID_DESCENDING || blocks % prime == 0 ? blocks - 1 - i
                                                                       : i * prime % blocks;
}

void uda_grid_run(const struct uda_grid_launch *launch, void (*body)(void *args), void *args)
{
    if (grid.failed) {
        return;
    }
    grid.launch = launch;
    grid.body = body;
    grid.args = args;
    grid.here = (struct uda_grid_here){.threads = launch->threads, .blocks = launch->blocks};
    grid.grids++;
    if (!uda_grid_has_run(launch->file, launch->kernel) && grid.seen_count < MOST_LAUNCHES) {
        grid.seen[grid.seen_count++] = *launch;
    }
    if (!within_limits(launch)) {
        return;
    }
    grid.threads = (int)(launch->threads.x * launch->threads.y * launch->threads.z);
    uda_free(grid.dynamic);
    grid.dynamic_bytes = launch->shared_bytes;
    grid.dynamic = launch->shared_bytes > 0 ? alloc_shared(launch->shared_bytes) : NULL;
    uint64_t blocks = (uint64_t)launch->blocks.x * launch->blocks.y * launch->blocks.z;
    for (uint64_t i = 0; i < blocks && !grid.failed; i++) {
        uint64_t at = block_at(i, blocks);
        grid.here.block = (struct uda_grid_index){(uint32_t)(at % launch->blocks.x),
                                                  (uint32_t)(at / launch->blocks.x % launch->blocks.y),
                                                  (uint32_t)(at / launch->blocks.x / launch->blocks.y)};
        run_block();
    }
}

void uda_grid_finish(void)
{
    while (grid.idle_count > 0) {
        uda_fiber_destroy(&grid.idle[--grid.idle_count]);
    }
    for (struct uda_grid_site *s = grid.sites; s != NULL; s = s->next) {
        uda_free(s->data);
        s->data = NULL;
    }
    grid.sites = NULL;
    uda_free(grid.dynamic);
    grid.dynamic = NULL;
}

/* ---- shared memory ---- */

void *uda_grid_shared(struct uda_grid_site *site, size_t bytes, const char *place)
{
    if (site->data == NULL) {
        site->data = alloc_shared(bytes);
        site->bytes = bytes;
        site->next = grid.sites;
        grid.sites = site;
    }
    if (site->block != grid.block_runs) {
        site->block = grid.block_runs;
        memset(site->data, POISON, bytes);
        grid.static_bytes += bytes;
        if (grid.static_bytes - grid.launch->shared_bytes > UDA_GRID_STATIC_SHARED_BYTES ||
            grid.static_bytes > UDA_GRID_SHARED_BYTES) {
            give_up("more shared memory than a block may have", place);
        }
    }
    return site->data;
}

void *uda_grid_shared_dynamic(const char *place)
{
    if (grid.dynamic == NULL) {
        give_up("dynamic shared memory that the launch did not ask for", place);
    }
    return grid.dynamic;
}

/* ---- waiting ---- */

/* Leaves until somebody makes the thread READY; returns the thread. */
static struct thread *wait_here(struct thread *t, enum state state)
{
    t->state = state;
    uda_fiber_leave();
    return t;
}

static uint64_t barrier_result(enum uda_grid_barrier kind)
{
    uint64_t count = 0;
    for (int i = 0; i < grid.threads; i++) {
        count += grid.thread[i].value;
    }
    return kind == UDA_GRID_AND ? count == (uint64_t)grid.threads : kind == UDA_GRID_OR ? count > 0 : count;
}

int uda_grid_barrier(enum uda_grid_barrier kind, int predicate, const char *place)
{
    struct thread *self = &grid.thread[grid.current];
    if (grid.done > 0) {
        give_up("a barrier after a thread of the block has returned", place);
    }
    self->place = place;
    self->kind = (int)kind;
    self->value = predicate != 0;
    if (++grid.waiting < grid.threads) {
        return (int)wait_here(self, AT_BARRIER)->result;
    }
    uint64_t result = barrier_result(kind);
    for (int i = 0; i < grid.threads; i++) {
        struct thread *t = &grid.thread[i];
        if (t->kind != (int)kind || strcmp(t->place, place) != 0) {
            give_up("threads of the block wait at different barriers", place);
        }
        t->result = result;
        t->state = READY;
    }
    grid.waiting = 0;
    return (int)result;
}

uint32_t uda_grid_lane(void) { return (uint32_t)grid.current % UDA_GRID_WARP; }

/* Gives every lane of the mask its result: all have arrived. */
static void exchange(struct thread *warp, enum uda_grid_warp kind, uint32_t mask, const char *place)
{
    uint64_t ballot = 0;
    for (int i = 0; i < UDA_GRID_WARP; i++) {
        ballot |= (mask >> i & 1) != 0 && warp[i].value != 0 ? (uint64_t)1 << i : 0;
    }
    for (int i = 0; i < UDA_GRID_WARP; i++) {
        if ((mask >> i & 1) == 0) {
            continue;
        }
        int from = warp[i].source < 0 ? i : warp[i].source;
        if (warp[i].kind != (int)kind || strcmp(warp[i].place, place) != 0) {
            give_up("lanes of the mask wait at different warp operations", place);
        }
        if (kind == UDA_GRID_SHUFFLE && (from >= UDA_GRID_WARP || (mask >> from & 1) == 0)) {
            give_up("a shuffle from a lane outside its mask", place);
        }
        warp[i].result = kind == UDA_GRID_SHUFFLE ? warp[from].value : ballot;
        warp[i].state = READY;
    }
}

uint64_t uda_grid_warp(enum uda_grid_warp kind, uint32_t mask, uint64_t value, int source,
                       const char *place)
{
    int lane = grid.current % UDA_GRID_WARP, first = grid.current - lane;
    struct thread *self = &grid.thread[grid.current], *warp = &grid.thread[first];
    if ((mask >> lane & 1) == 0) {
        give_up("a warp operation whose mask leaves the caller out", place);
    }
    self->place = place;
    self->kind = (int)kind;
    self->mask = mask;
    self->value = value;
    self->source = source;
    bool all = true;
    for (int i = 0; i < UDA_GRID_WARP; i++) {
        if ((mask >> i & 1) == 0 || i == lane) {
            continue;
        }
        if (first + i >= grid.threads) {
            give_up("a mask with lanes that the block does not have", place);
        }
        if (warp[i].state == DONE) {
            give_up("a warp operation after a lane of its mask has returned", place);
        }
        /* Lanes that wait with another mask may come later; if not, nobody moves. */
        all = all && warp[i].state == AT_WARP && warp[i].mask == mask;
    }
    if (!all) {
        return wait_here(self, AT_WARP)->result;
    }
    exchange(warp, kind, mask, place);
    return self->result;
}
