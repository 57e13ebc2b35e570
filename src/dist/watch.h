/*
 * The watch: a thread and a TCP connection between rank 0 and every other rank, beside what carries
 * the data.
 *
 * The main thread computes or waits; the watch hears what it cannot: that a rank has failed (and
 * why), that one was told to stop, that one is gone. A dead process's connection ends at once; a
 * machine that went down is silent for UDA_WATCH_SILENCE_S. The main thread then ends its waiting
 * by itself, also for its device, which gives up what waits for others; if it is computing, the
 * process ends after UDA_WATCH_GRACE_S. Files are replaced whole, so the last checkpoint stays good.
 *
 * Invariants: nothing that is computed depends on the watch. The clock decides only when to give
 * up, in seconds that this process was running: one that was suspended does not take the others for
 * dead.
 */
#ifndef UDA_DIST_WATCH_H
#define UDA_DIST_WATCH_H

#include "src/dist/dist.h"
#include "src/dist/net.h"

#define UDA_WATCH_SILENCE_S 15
#define UDA_WATCH_GRACE_S 8

struct uda_watch;

/* Rank 0, first half: listens. Owns: *watch, by the caller. Errors: UDA_COMM, UDA_NOMEM. */
int uda_watch_listen(struct uda_watch **watch, struct uda_net_place *place, int ranks,
                     struct uda_err *err) UDA_MUST_USE;
/* Rank 0, second half: waits until all have called, and starts. Errors: UDA_COMM after half a minute. */
int uda_watch_accept(struct uda_watch *watch, const struct uda_dist_hooks *hooks,
                     struct uda_err *err) UDA_MUST_USE;
/* The other ranks: call rank 0, and start. Errors: UDA_COMM, UDA_NOMEM. */
int uda_watch_call(struct uda_watch **watch, const struct uda_net_place *place, int rank, int ranks,
                   const struct uda_dist_hooks *hooks, struct uda_err *err) UDA_MUST_USE;

/* 0, or the code of the rank that failed first, and its message in err. Threads: any. */
int uda_watch_look(struct uda_watch *watch, struct uda_err *err) UDA_MUST_USE;
/* True when what was lost is rank 0. */
bool uda_watch_orphan(const struct uda_watch *watch);

/* Tells all others that this rank has failed. */
void uda_watch_tell_failure(struct uda_watch *watch, const struct uda_err *why);
/* Tells rank 0 that this rank was told to stop; once. */
void uda_watch_tell_stop(struct uda_watch *watch, const char *reason);

/* After a failure, not on rank 0: waits a few seconds for rank 0 to end first, since it says why. */
void uda_watch_linger(struct uda_watch *watch);
/* Says goodbye and ends the thread. */
void uda_watch_destroy(struct uda_watch **watch);

#endif
