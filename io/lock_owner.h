/*
 * Who holds a lock, as its file says it, and whether that process still lives. For io/lock.c only.
 *
 * Invariants: the record of a lock is written once, before the file has its name, and never changed.
 */
#ifndef UDA_IO_LOCK_OWNER_H
#define UDA_IO_LOCK_OWNER_H

#include "io/lock.h"

#define UDA_LOCK_RECORD_BYTES 1024

/* This process, with a key that no other taking of a lock has. */
void uda_lock_owner_self(struct uda_lock_owner *self, double lease_s);

/* Text of the record, with NUL; returns its length without. */
size_t uda_lock_owner_write(char record[UDA_LOCK_RECORD_BYTES], const struct uda_lock_owner *owner);

/* Reads a record; what is none gives pid 0, the key "unknown" and a lease of ten seconds: it can only come
 * from a power loss or from a file system without link(2), in the moment before the record is written. */
void uda_lock_owner_read(struct uda_lock_owner *owner, const char *record);

/* True if the owner's pid means something here: the same start of the same machine, the same pid
 * namespace. */
bool uda_lock_owner_here(const struct uda_lock_owner *owner, const struct uda_lock_owner *self);

/* For an owner that is here: its process is there, is no zombie, and is not a later one with the same
 * pid. */
bool uda_lock_owner_lives(const struct uda_lock_owner *owner);

#endif
