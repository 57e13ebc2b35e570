/*
 * The lock of a run folder: one process works in it, and others can see which.
 *
 * A lock is a file that its owner holds with flock(2) and that says who holds it: pid, host, boot
 * id, start time. The kernel lets go when the owner dies, so a lock whose owner is gone is taken
 * over, with a warning that names the dead one. Where the file system has no flock the owner is
 * judged by its pid, on the same host and boot only.
 *
 * Invariants: a live owner is never robbed. Nothing in a run's results depends on this file.
 *
 *     struct uda_lock *lock = NULL;
 *     UDA_TRY(uda_lock_acquire(&lock, "RUN/lock", err));
 *     ...
 *     uda_lock_release(&lock);
 */
#ifndef UDA_IO_LOCK_H
#define UDA_IO_LOCK_H

#include "src/base/err.h"

struct uda_lock;

#define UDA_LOCK_TEXT_BYTES 128

struct uda_lock_owner {
    int64_t pid;
    char host[UDA_LOCK_TEXT_BYTES];
    char boot[UDA_LOCK_TEXT_BYTES];  /* changes at every start of the machine; "" where unknown */
    char since[UDA_LOCK_TEXT_BYTES]; /* UTC, 2026-01-31T23:59:59Z */
};

/* Takes the lock or fails at once. Owns: the caller, until release or the end of the process.
 * Errors: UDA_IO naming the owner's pid, host and since when, or what the system refused;
 * UDA_NOMEM. */
int uda_lock_acquire(struct uda_lock **lock, const char *path, struct uda_err *err) UDA_MUST_USE;

/* Removes the file and lets go; NULL and *lock == NULL are allowed. */
void uda_lock_release(struct uda_lock **lock);

/* Looks without taking: *held says whether a live process holds it, and owner then says which. A
 * missing file is not held. Errors: UDA_IO. */
int uda_lock_peek(bool *held, struct uda_lock_owner *owner, const char *path,
                  struct uda_err *err) UDA_MUST_USE;

#endif
