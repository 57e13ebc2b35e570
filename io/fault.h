/*
 * The system calls that change files, with fault injection for tests.
 *
 * Everything under io/ that opens a file for writing, writes, syncs, renames, cuts or removes does
 * it through these, so that a test can make the nth such call fail or cut the power there.
 *
 * Invariants: while no fault is set they are the plain system calls (errno included) plus one
 * relaxed atomic load. The controls are for single-threaded tests only; they are the only mutable
 * state here.
 *
 *     for (int64_t n = 1;; n++) {
 *         uda_fault_fail_after(n, ENOSPC);
 *         int rc = uda_fs_write(path, data, bytes, &err);
 *         if (!uda_fault_fired()) { break; }                   // n calls were not reached: done
 *         uda_fault_reset();  ... path still holds the old bytes ...
 *     }
 */
#ifndef UDA_IO_FAULT_H
#define UDA_IO_FAULT_H

#include "src/base/compiler.h"

#include <sys/types.h>

/* The system calls of these names: -1 with errno when they fail. open is counted only when its flags
 * ask for writing, and O_CLOEXEC is added. */
int uda_fault_open(const char *path, int flags, mode_t mode) UDA_MUST_USE;
ssize_t uda_fault_write(int fd, const void *data, size_t bytes) UDA_MUST_USE;
int uda_fault_fsync(int fd) UDA_MUST_USE;
int uda_fault_ftruncate(int fd, off_t bytes) UDA_MUST_USE;
int uda_fault_rename(const char *from, const char *to) UDA_MUST_USE;
int uda_fault_unlink(const char *path);
int uda_fault_link(const char *from, const char *to) UDA_MUST_USE;
/* Opens the folder of `path` (or "."), syncs it, closes it: makes a rename in it durable. Two
 * calls. */
int uda_fault_fsync_folder_of(const char *path) UDA_MUST_USE;
/* Bytes an unprivileged user can still write where `path` is or will be; -1 with errno. */
int64_t uda_fault_free_bytes(const char *path) UDA_MUST_USE;

/* The nth call from now (1 = the next) fails with this errno; the others work. */
void uda_fault_fail_after(int64_t nth, int error);
/* No write takes more than this many bytes: short writes must be continued. 0: no limit. */
void uda_fault_limit_write(size_t bytes);
/* uda_fault_free_bytes answers this; -1: the truth. */
void uda_fault_claim_free(int64_t bytes);
/* The nth call from now and all later ones fail with EIO and change nothing, as if the process were
 * gone; from now on it is recorded what was synced. */
void uda_fault_power_cut(int64_t nth);

enum uda_fault_loss {
    UDA_FAULT_LOSE_NOTHING, /* the process was killed: the system still writes everything */
    UDA_FAULT_LOSE_DATA, /* power loss: unsynced bytes are gone, unsynced renames happen to be on disk */
    UDA_FAULT_LOSE_ALL /* power loss: unsynced bytes and unsynced renames are gone */
};

/* After a power cut: leaves the files as the loss could, and ends all injection. */
void uda_fault_power_restore(enum uda_fault_loss loss);
/* True once the call set by uda_fault_fail_after or uda_fault_power_cut was reached. */
bool uda_fault_fired(void);
/* Ends all injection and forgets what was recorded. */
void uda_fault_reset(void);

#endif
