#include "src/dist/dist.h"

#include "src/base/hash.h"
#include "src/dist/launch.h"
#include "src/dist/transport.h"
#include "src/dist/watch.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Floats of one slice of a sum under way: 1 MiB. */
#define SLICE ((int64_t)1 << 18)

struct uda_world {
    struct uda_transport transport;
    struct uda_watch *watch; /* NULL: not yet */
    struct uda_dist_hooks hooks;
    float *slice; /* [ranks][SLICE], made by the first sum */
    bool good;    /* the work ended without a failure */
};

/* ---- waiting ---- */

/* Between two looks: give way, then sleep longer and longer, up to a millisecond. */
static void rest(int64_t turn)
{
    if (turn < 200) {
        (void)sched_yield();
        return;
    }
    long us = turn < 1000 ? 50 : 1000;
    (void)nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static int pause_transfer(void *args, int64_t turn, struct uda_err *err)
{
    struct uda_world *world = args;
    UDA_TRY(uda_watch_look(world->watch, err));
    if (world->transport.rank != 0 && world->hooks.stop_wanted != NULL &&
        world->hooks.stop_wanted()) {
        char reason[UDA_DIST_REASON_BYTES];
        uda_watch_tell_stop(world->watch, world->hooks.stop_reason(reason, sizeof reason));
    }
    rest(turn);
    return 0;
}

int uda_dist_pause(const struct uda_dist *dist, int64_t turn, struct uda_err *err)
{
    if (dist->world != NULL) {
        return pause_transfer(dist->world, turn, err);
    }
    rest(turn);
    return 0;
}

/* Of any size, in pieces; the peer cuts the same way. */
static int swap(struct uda_world *world, int peer, const void *send, size_t send_bytes, void *recv,
                size_t recv_bytes, struct uda_err *err)
{
    const unsigned char *from = send;
    unsigned char *to = recv;
    while (send_bytes > 0 || recv_bytes > 0) {
        const struct uda_swap s = {
            .peer = peer,
            .send = from,
            .recv = to,
            .send_bytes = send_bytes < UDA_SWAP_BYTES ? send_bytes : UDA_SWAP_BYTES,
            .recv_bytes = recv_bytes < UDA_SWAP_BYTES ? recv_bytes : UDA_SWAP_BYTES,
            .pause = pause_transfer,
            .pause_args = world};
        UDA_TRY(world->transport.swap(world->transport.self, &s, err));
        send_bytes -= s.send_bytes;
        recv_bytes -= s.recv_bytes;
        from = send_bytes > 0 ? from + s.send_bytes : from;
        to = recv_bytes > 0 ? to + s.recv_bytes : to;
    }
    return 0;
}

/* ---- life ---- */

struct uda_dist uda_dist_alone(void) { return (struct uda_dist){.ranks = 1}; }

/* All ranks have the watch, or the job ends here: without it a dead rank could leave the others waiting. */
static int start_watch(struct uda_dist *dist, struct uda_err *err)
{
    struct uda_world *world = dist->world;
    struct uda_net_place place;
    struct uda_err why = {0};
    struct uda_watch *watch = NULL;
    memset(&place, 0, sizeof place);
    int rc = dist->rank == 0 ? uda_watch_listen(&watch, &place, dist->ranks, &why) : 0;
    UDA_TRY(uda_dist_broadcast(dist, &place, sizeof place, err));
    if (dist->rank != 0) {
        rc = uda_watch_call(&watch, &place, dist->rank, dist->ranks, &world->hooks, &why);
    } else if (rc == 0) {
        rc = uda_watch_accept(watch, &world->hooks, &why);
    }
    int64_t failed = rc != 0;
    int agreed = uda_dist_max(dist, &failed, err);
    if (agreed != 0 || failed != 0) {
        uda_watch_destroy(&watch);
    }
    world->watch = watch;
    if (agreed == 0 && failed != 0) {
        return uda_fail(err, UDA_COMM, "%s",
                        why.code != UDA_OK ? why.text : "another rank cannot reach rank 0");
    }
    return agreed;
}

static int join(struct uda_dist *dist, const struct uda_launch *launch,
                const struct uda_dist_hooks *hooks, struct uda_err *err)
{
    if ((launch->ranks & (launch->ranks - 1)) != 0 || launch->ranks > UDA_DIST_RANKS) {
        return uda_fail(err, UDA_MANIFEST,
                        "%s is %d: the number of ranks is a power of two, so that sums have one "
                        "order; at most %d",
                        launch->by, launch->ranks, UDA_DIST_RANKS);
    }
    struct uda_world *world = uda_calloc(sizeof *world);
    if (world == NULL) {
        return uda_fail(err, UDA_NOMEM, "ranks: out of memory");
    }
    int rc = launch->mpi ? uda_transport_mpi(&world->transport, launch->ranks, launch->by, err)
                         : uda_transport_tcp(&world->transport, launch, uda_launch_getenv, err);
    if (rc != 0) {
        uda_free(world);
        return rc;
    }
    world->hooks = *hooks;
    *dist = (struct uda_dist){
        .rank = world->transport.rank, .ranks = world->transport.ranks, .world = world};
    return start_watch(dist, err);
}

int uda_dist_init(struct uda_dist *dist, const struct uda_dist_hooks *hooks, struct uda_err *err)
{
    struct uda_launch launch;
    *dist = uda_dist_alone();
    UDA_TRY(uda_launch_detect(&launch, uda_launch_getenv, err));
    if (launch.ranks <= 1) {
        return 0;
    }
    int rc = join(dist, &launch, hooks, err);
    if (dist->world == NULL) {
        dist->rank = launch.rank; /* for who says why */
    }
    return rc;
}

int uda_dist_conclude(struct uda_dist *dist, int rc, bool *speak, struct uda_err *err)
{
    struct uda_world *world = dist->world;
    *speak = dist->rank == 0;
    if (world == NULL) {
        return rc;
    }
    struct uda_err why = {0};
    world->good = rc == 0 || rc == UDA_STOPPED;
    if (world->good && uda_dist_barrier(dist, &why) != 0) {
        world->good = false;
        *err = why;
        rc = (int)why.code;
    }
    if (!world->good) {
        uda_watch_tell_failure(world->watch, err);
        *speak = dist->rank == 0 || world->watch == NULL || uda_watch_orphan(world->watch);
    }
    return rc;
}

/* A launcher ends the others when the first one is gone with another code than 0. */
void uda_dist_leave(struct uda_dist *dist)
{
    struct uda_world *world = dist->world;
    if (world == NULL) {
        return;
    }
    if (world->good) {
        world->transport.close(world->transport.self, true);
    }
    if (dist->rank != 0) {
        uda_watch_linger(world->watch);
    }
    if (!world->good) { /* only now: a connection that breaks before rank 0 has spoken tells less than it */
        world->transport.close(world->transport.self, false);
    }
    uda_watch_destroy(&world->watch);
    uda_free(world->slice);
    uda_free(world);
    dist->world = NULL;
}

/* ---- operations: log2(ranks) swaps with the ranks whose number differs in one bit ---- */

int uda_dist_max(const struct uda_dist *dist, int64_t *value, struct uda_err *err)
{
    for (int bit = 1; bit < dist->ranks; bit *= 2) {
        int64_t other = 0;
        UDA_TRY(
            swap(dist->world, dist->rank ^ bit, value, sizeof *value, &other, sizeof other, err));
        *value = other > *value ? other : *value;
    }
    return 0;
}

int uda_dist_barrier(const struct uda_dist *dist, struct uda_err *err)
{
    int64_t nothing = 0;
    return uda_dist_max(dist, &nothing, err);
}

int uda_dist_broadcast(const struct uda_dist *dist, void *data, size_t bytes, struct uda_err *err)
{
    for (int bit = 1; bit < dist->ranks; bit *= 2) {
        if (dist->rank < bit) {
            UDA_TRY(swap(dist->world, dist->rank + bit, data, bytes, NULL, 0, err));
        } else if (dist->rank < 2 * bit) {
            UDA_TRY(swap(dist->world, dist->rank - bit, NULL, 0, data, bytes, err));
        }
    }
    return 0;
}

int uda_dist_gather(const struct uda_dist *dist, void *block, size_t bytes, struct uda_err *err)
{
    unsigned char *at = block;
    for (int bit = 1; bit < dist->ranks; bit *= 2) {
        int peer = dist->rank ^ bit;
        size_t mine = (size_t)(dist->rank / bit * bit), theirs = (size_t)(peer / bit * bit);
        size_t n = (size_t)bit * bytes;
        UDA_TRY(swap(dist->world, peer, at + mine * bytes, n, at + theirs * bytes, n, err));
    }
    return 0;
}

int uda_dist_collect(const struct uda_dist *dist, unsigned char **all, size_t *bytes,
                     struct uda_arena *arena, const void *mine, size_t mine_bytes,
                     struct uda_err *err)
{
    bytes[dist->rank] = mine_bytes;
    UDA_TRY(uda_dist_gather(dist, bytes, sizeof *bytes, err));
    for (int r = 0; r < dist->ranks; r++) {
        all[r] = NULL;
        if (dist->rank != 0 && dist->rank != r) {
            continue;
        }
        unsigned char *data = uda_arena_alloc(arena, bytes[r]);
        if (data == NULL) {
            return uda_fail(err, UDA_NOMEM, "ranks: out of memory for %zu bytes of rank %d",
                            bytes[r], r);
        }
        if (dist->rank == r && mine_bytes > 0) {
            memcpy(data, mine, mine_bytes);
        }
        if (r != 0 && dist->rank == r) {
            UDA_TRY(swap(dist->world, 0, data, bytes[r], NULL, 0, err));
        } else if (r != 0) {
            UDA_TRY(swap(dist->world, r, NULL, 0, data, bytes[r], err));
        }
        all[r] = dist->rank == 0 ? data : NULL;
    }
    return 0;
}

/* y += x */
static void add(float *y, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        y[i] += x[i];
    }
}

/* Slice r of x [count], at most SLICE a rank: its place and length. */
static int64_t slice_of(int64_t *first, int64_t count, int ranks, int r)
{
    int64_t each = (count + ranks - 1) / ranks;
    *first = each * r < count ? each * r : count;
    int64_t last = *first + each < count ? *first + each : count;
    return last - *first;
}

/* Every rank gets the others' parts of its own slice, and sums them in the order of the tree. */
static int sum_own_slice(const struct uda_dist *dist, float *x, int64_t count, struct uda_err *err)
{
    float *from = dist->world->slice;
    int64_t own = 0, n = slice_of(&own, count, dist->ranks, dist->rank);
    memcpy(from + dist->rank * SLICE, x + own, (size_t)n * sizeof *x);
    for (int k = 1; k < dist->ranks; k++) {
        int peer = dist->rank ^ k;
        int64_t theirs = 0, m = slice_of(&theirs, count, dist->ranks, peer);
        UDA_TRY(swap(dist->world, peer, x + theirs, (size_t)m * sizeof *x, from + peer * SLICE,
                     (size_t)n * sizeof *x, err));
    }
    for (int step = 1; step < dist->ranks; step *= 2) {
        for (int r = 0; r < dist->ranks; r += 2 * step) {
            add(from + r * SLICE, from + (r + step) * SLICE, n);
        }
    }
    memcpy(x + own, from, (size_t)n * sizeof *x);
    return 0;
}

/* The summed slices to all: after each swap a rank holds twice as many. */
static int share_slices(const struct uda_dist *dist, float *x, int64_t count, struct uda_err *err)
{
    for (int bit = 1; bit < dist->ranks; bit *= 2) {
        int peer = dist->rank ^ bit, group[2] = {dist->rank / bit * bit, peer / bit * bit};
        int64_t first[2], bytes[2];
        for (int g = 0; g < 2; g++) {
            int64_t end = 0, n = slice_of(&end, count, dist->ranks, group[g] + bit - 1);
            (void)slice_of(&first[g], count, dist->ranks, group[g]);
            bytes[g] = (end + n - first[g]) * (int64_t)sizeof *x;
        }
        UDA_TRY(swap(dist->world, peer, x + first[0], (size_t)bytes[0], x + first[1],
                     (size_t)bytes[1], err));
    }
    return 0;
}

int uda_dist_sum(const struct uda_dist *dist, float *x, int64_t count, struct uda_err *err)
{
    if (dist->ranks == 1) {
        return 0;
    }
    struct uda_world *world = dist->world;
    if (world->slice == NULL) {
        world->slice = uda_alloc((size_t)dist->ranks * (size_t)SLICE * sizeof(float));
        if (world->slice == NULL) {
            return uda_fail(err, UDA_NOMEM, "ranks: out of memory for sums over %d ranks",
                            dist->ranks);
        }
    }
    for (int64_t done = 0; done < count; done += SLICE * dist->ranks) {
        int64_t n = count - done < SLICE * dist->ranks ? count - done : SLICE * dist->ranks;
        UDA_TRY(sum_own_slice(dist, x + done, n, err));
        UDA_TRY(share_slices(dist, x + done, n, err));
    }
    return 0;
}

/* ---- agreement ---- */

int uda_dist_same_text(const struct uda_dist *dist, const char *what, const char *text,
                       struct uda_err *err)
{
    struct uda_digest digest[UDA_DIST_RANKS];
    if (dist->ranks == 1) {
        return 0;
    }
    digest[dist->rank] = uda_digest_of(text, strlen(text));
    UDA_TRY(uda_dist_gather(dist, digest, sizeof *digest, err));
    for (int r = 1; r < dist->ranks; r++) {
        if (!uda_digest_equal(digest[0], digest[r])) {
            return uda_fail(err, UDA_MANIFEST,
                            "rank %d has another %s than rank 0: all must be started alike", r,
                            what);
        }
    }
    return 0;
}

struct wish {
    int32_t stop;
    char reason[UDA_DIST_REASON_BYTES];
};

int uda_dist_agree_stop(const struct uda_dist *dist, bool *stop, char reason[UDA_DIST_REASON_BYTES],
                        bool mine, struct uda_err *err)
{
    (void)snprintf(reason, UDA_DIST_REASON_BYTES, "%s", "");
    *stop = mine;
    if (dist->ranks == 1) {
        return 0;
    }
    const struct uda_dist_hooks *hooks = &dist->world->hooks;
    int64_t any = mine || (hooks->stop_wanted != NULL && hooks->stop_wanted());
    bool wanted = any != 0;
    UDA_TRY(uda_dist_max(dist, &any, err));
    *stop = any != 0;
    if (!*stop) {
        return 0;
    }
    struct wish wish[UDA_DIST_RANKS];
    memset(&wish[dist->rank], 0, sizeof *wish);
    wish[dist->rank].stop = wanted;
    if (hooks->stop_reason != NULL) {
        (void)hooks->stop_reason(wish[dist->rank].reason, sizeof wish[dist->rank].reason);
    }
    UDA_TRY(uda_dist_gather(dist, wish, sizeof *wish, err));
    for (int r = dist->ranks - 1; r >= 0; r--) {
        if (wish[r].stop) {
            bool named = strncmp(wish[r].reason, "rank ", 5) == 0; /* heard through the watch */
            if (named) {
                (void)snprintf(reason, UDA_DIST_REASON_BYTES, "%s", wish[r].reason);
            } else {
                (void)snprintf(reason, UDA_DIST_REASON_BYTES, "rank %d %.100s", r, wish[r].reason);
            }
        }
    }
    return 0;
}
