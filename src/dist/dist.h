/*
 * Ranks: several processes that work on one run and hold the same bytes.
 *
 * Invariants: every operation is collective: all ranks call it, in the same order, with the same
 * sizes, from the thread that called init. The number of ranks is a power of two. Sums are those of
 * a balanced binary tree over the ranks in order, the same on every rank and for every way of
 * carrying bytes; together with the trainer's tree over shards they are the sums of one process.
 * With one rank every operation does nothing. A rank that fails or dies ends the waiting of all
 * others with its error.
 *
 *     struct uda_dist dist;
 *     UDA_TRY(uda_dist_init(&dist, &hooks, err));
 *     UDA_TRY(uda_dist_sum(&dist, grads, count, err));
 *     rc = uda_dist_conclude(&dist, rc, &speak, err);
 *     if (speak) { print err }
 *     uda_dist_leave(&dist);
 */
#ifndef UDA_DIST_DIST_H
#define UDA_DIST_DIST_H

#include "src/base/arena.h"
#include "src/base/err.h"

#define UDA_DIST_RANKS 1024 /* most */
#define UDA_DIST_REASON_BYTES 128
#define UDA_DIST_HOST_BYTES 80

struct uda_world;

struct uda_dist {
    int rank, ranks;
    struct uda_world *world; /* NULL: alone */
};

/* How a rank that waits hears of a stop, and tells rank 0, which may be working alone for a long time. */
struct uda_dist_hooks {
    bool (*stop_wanted)(void);
    const char *(*stop_reason)(char *text, size_t bytes);
    /* Called on rank 0, from another thread, when another rank was told to stop. */
    void (*request_stop)(const char *reason);
};

/* One rank. */
struct uda_dist uda_dist_alone(void);

/*
 * Joins the ranks that a launcher started, or stays alone when none did. Call after signals are
 * blocked and before other threads start. hooks: copied. Errors: UDA_MANIFEST: wrong variables, or
 * a number of ranks that is no power of two; UDA_UNSUPPORTED: an MPI launcher, and a build without
 * MPI; UDA_COMM. uda_dist_conclude is called after a failure, too.
 */
int uda_dist_init(struct uda_dist *dist, const struct uda_dist_hooks *hooks,
                  struct uda_err *err) UDA_MUST_USE;

/*
 * The end of the work. rc is how this rank's ended: 0 and UDA_STOPPED wait for all ranks; anything
 * else tells err to the others, which end with it. Returns the code that the process ends with, and
 * *err to go with it: rc, or the failure of another rank. *speak: this rank is the one to print
 * err.
 */
int uda_dist_conclude(struct uda_dist *dist, int rc, bool *speak, struct uda_err *err) UDA_MUST_USE;
/* The last thing after uda_dist_conclude, when everything is said: rank 0 goes first, since
 * launchers end the others when one is gone with another code than 0. */
void uda_dist_leave(struct uda_dist *dist);

/* Which MPI this build has, its name and version, or NULL. Ranks over TCP are always there. */
const char *uda_dist_mpi(char *text, size_t bytes);

/* This machine: the same text in all its processes, another one elsewhere. */
void uda_dist_host(char text[UDA_DIST_HOST_BYTES]);

/* For who waits for something that the other ranks do by other means: sleeps a little between two looks,
 * longer and longer; turn counts them, from 0. Not collective. Errors: that of a rank that failed. */
int uda_dist_pause(const struct uda_dist *dist, int64_t turn, struct uda_err *err) UDA_MUST_USE;

/* Returns when all ranks are here. Errors of this and of all below: UDA_COMM, or the error of the rank that
 * failed. */
int uda_dist_barrier(const struct uda_dist *dist, struct uda_err *err) UDA_MUST_USE;

/* Rank 0's bytes to all. */
int uda_dist_broadcast(const struct uda_dist *dist, void *data, size_t bytes,
                       struct uda_err *err) UDA_MUST_USE;

/* block [ranks][bytes]: every rank fills its own block and gets all the others'. */
int uda_dist_gather(const struct uda_dist *dist, void *block, size_t bytes,
                    struct uda_err *err) UDA_MUST_USE;

/* Every rank's bytes, of any length, to rank 0: all [ranks], each with a length of `bytes` [ranks],
 * in memory of the arena; on other ranks all NULL. */
int uda_dist_collect(const struct uda_dist *dist, unsigned char **all, size_t *bytes,
                     struct uda_arena *arena, const void *mine, size_t mine_bytes,
                     struct uda_err *err) UDA_MUST_USE;

/* x [count] = sum over ranks. Steady: after the first call nothing is allocated. Errors: also UDA_NOMEM. */
int uda_dist_sum(const struct uda_dist *dist, float *x, int64_t count,
                 struct uda_err *err) UDA_MUST_USE;

/* *number = how many ranks below this one are on its machine. Errors: also UDA_NOMEM. */
int uda_dist_local(const struct uda_dist *dist, int *number, struct uda_err *err) UDA_MUST_USE;

/* *value = the largest of all ranks. */
int uda_dist_max(const struct uda_dist *dist, int64_t *value, struct uda_err *err) UDA_MUST_USE;

/* UDA_MANIFEST when a rank's text differs from rank 0's; `what` names it in the error. */
int uda_dist_same_text(const struct uda_dist *dist, const char *what, const char *text,
                       struct uda_err *err) UDA_MUST_USE;

/*
 * Has any rank been told to stop? The same answer on all ranks: *stop, and the reason of the lowest
 * such rank. mine: this rank's own wish, whatever its hook says. Alone: mine.
 */
int uda_dist_agree_stop(const struct uda_dist *dist, bool *stop, char reason[UDA_DIST_REASON_BYTES],
                        bool mine, struct uda_err *err) UDA_MUST_USE;

#endif
