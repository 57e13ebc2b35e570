/*
 * Locks between processes that share a folder, on one machine or on several over a network file system.
 *
 * A lock is a file that says who holds it: pid, host, boot id, pid namespace, start of the process, a key
 * of its own. It comes into being whole, by link(2), which is atomic on network file systems as well;
 * flock and fcntl locks are not used, because there they may silently work on one machine only.
 *
 * An owner who ran on this machine and in this pid namespace is judged by its process: it is dead when
 * the pid is gone or belongs to a later process. Any other owner is judged by its silence: it gives a
 * sign of life (uda_lock_keep) eight times in the lease that its lock names, and counts as dead once an
 * observer has seen none for a whole lease. The observer measures with its own clock between its own
 * looks, so the clocks of the machines need not agree, and time in which it could not look does not
 * count.
 *
 * A dead owner's lock is removed by one process only: the one who holds the lock "<path>.break-<key>".
 *
 * Invariants: a live owner that gives its signs of life is never robbed. One that was silent for a lease
 * (a suspended machine) learns of its loss from uda_lock_keep. Nothing in a run's results depends on
 * these files.
 *
 *     struct uda_lock_watch watch = {0};              // what this process has seen of the lock: keep it
 *     struct uda_lock *lock = NULL;
 *     UDA_TRY(uda_lock_try(&lock, &watch, "RUN/claims/source", UDA_LOCK_LEASE_S, err));
 *     if (lock == NULL) { ...watch.owner has it: look again later... }
 *     UDA_TRY(uda_lock_keep(lock, lost, args, err));  // for more than a moment
 *     ...
 *     uda_lock_release(&lock);
 */
#ifndef UDA_IO_LOCK_H
#define UDA_IO_LOCK_H

#include "src/base/err.h"

#include <time.h>

struct uda_lock;

#define UDA_LOCK_TEXT_BYTES 128
#define UDA_LOCK_KEY_BYTES 17
#define UDA_LOCK_LEVELS 3
/* A server may be away for a minute without anybody being taken for dead. */
#define UDA_LOCK_LEASE_S 120.0

struct uda_lock_owner {
    int64_t pid;                      /* 0: the file holds no record that can be read */
    int64_t started;                  /* of the process, clock ticks since the machine's start; 0: unknown */
    char key[UDA_LOCK_KEY_BYTES];     /* of this taking of the lock */
    char host[UDA_LOCK_TEXT_BYTES];
    char boot[UDA_LOCK_TEXT_BYTES];   /* changes at every start of the machine; "" where unknown */
    char space[UDA_LOCK_TEXT_BYTES];  /* in which pid means something: the pid namespace */
    char since[UDA_LOCK_TEXT_BYTES];  /* UTC, 2026-01-31T23:59:59Z */
    double lease_s;
};

/* What an observer has seen of one lock. All zero at first; one for each lock and process. */
struct uda_lock_watch {
    struct uda_lock_owner owner; /* at the last look */
    bool here;                   /* owner is judged by its process, not by its silence */
    bool took_over;              /* the lock just taken was a dead owner's */
    struct uda_lock_sight {      /* of the lock, of the right to break it, ... */
        char key[UDA_LOCK_KEY_BYTES];
        int64_t sign_ns;         /* time stamp of the last sign of life, by the file system's clock */
        double silent_s;         /* how long that has not changed, by this process's looks */
        struct timespec looked;
    } sight[UDA_LOCK_LEVELS];
};

/*
 * Takes the lock if it is free or its owner is dead; then *lock is set. *lock = NULL: another process has
 * it, watch->owner says which. Does not wait. lease_s: after so long a silence this owner counts as dead
 * elsewhere. Owns: the caller, until release. Errors: UDA_IO, what the system refused; UDA_NOMEM.
 */
int uda_lock_try(struct uda_lock **lock, struct uda_lock_watch *watch, const char *path, double lease_s,
                 struct uda_err *err) UDA_MUST_USE;

/*
 * Starts a thread that gives the signs of life until release. When the lock turns out to be gone or
 * another's, the thread calls lost(path, args) once and ends; lost must see to it that nothing more is
 * written. Errors: UDA_IO.
 */
int uda_lock_keep(struct uda_lock *lock, void (*lost)(const char *path, void *args), void *args,
                  struct uda_err *err) UDA_MUST_USE;

/* Ends the signs of life and removes the file if it is still ours; NULL and *lock == NULL are allowed. */
void uda_lock_release(struct uda_lock **lock);

/* One look without taking: *held says that the lock has an owner who is not known to be dead;
 * watch->owner then says who. Errors: UDA_IO. */
int uda_lock_look(bool *held, struct uda_lock_watch *watch, const char *path,
                  struct uda_err *err) UDA_MUST_USE;

/*
 * One look without taking and without a memory: *held says that there is a lock and its owner is not
 * known to be dead; *silent_s is the age of the last sign of life by this machine's clock, 0 for an owner
 * that is judged by its process. A missing file is not held. Errors: UDA_IO.
 */
int uda_lock_peek(bool *held, struct uda_lock_owner *owner, double *silent_s, const char *path,
                  struct uda_err *err) UDA_MUST_USE;

/* Removes from a folder what processes that were killed in the act of taking a lock left there; never a
 * lock. Safe beside others at work. Errors: UDA_IO. */
int uda_lock_sweep(const char *folder, struct uda_err *err) UDA_MUST_USE;

/* Name of this machine as in the records of its locks. */
void uda_lock_host(char host[UDA_LOCK_TEXT_BYTES]);

#endif
