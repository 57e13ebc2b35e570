/*
 * A file that is whole under its name or not there: write a temporary, sync, rename, sync the folder.
 *
 * Invariants: until commit returns, whatever was at `path` stays untouched. A failure removes the
 * temporary `<path>.tmp-<pid>-<time>`, which no other process uses, here or on another machine; a killed
 * process may leave one, which uda_durable_sweep removes. After a failed sync nothing is retried: the
 * state of the disk is then unknown.
 *
 *     struct uda_durable *file = NULL;
 *     UDA_TRY(uda_durable_begin(&file, path, (int64_t)(head_bytes + body_bytes), err));
 *     UDA_GOTO(rc = uda_durable_put(file, head, head_bytes, err), out);
 *     UDA_GOTO(rc = uda_durable_put(file, body, body_bytes, err), out);
 *     rc = uda_durable_commit(&file, err);
 * out: uda_durable_abort(&file);                      // nothing to do after a commit
 */
#ifndef UDA_IO_DURABLE_H
#define UDA_IO_DURABLE_H

#include "src/base/err.h"

struct uda_durable;

/* Checks that `expected_bytes` and a margin of 1 MiB are free (UDA_IO naming path, needed and free
 * MiB; 0 skips the check) and opens the temporary. Owns: the caller, until commit or abort. */
int uda_durable_begin(struct uda_durable **file, const char *path, int64_t expected_bytes,
                      struct uda_err *err) UDA_MUST_USE;

/* Appends. Large data goes out in writes of 8 MiB. Errors: UDA_IO. */
int uda_durable_put(struct uda_durable *file, const void *data, size_t bytes,
                    struct uda_err *err) UDA_MUST_USE;

/* Syncs, renames, syncs the folder, frees. When only the last sync fails the new file is already in
 * place and whole, and the error says that it may not survive a power loss. Errors: UDA_IO. */
int uda_durable_commit(struct uda_durable **file, struct uda_err *err) UDA_MUST_USE;

/* Removes the temporary and frees; NULL and *file == NULL are allowed. */
void uda_durable_abort(struct uda_durable **file);

/* Removes what killed writers left in a folder (files named *.tmp-<digits>, *.tmp-<digits>-<digits>) and
 * says how many, if removed is not NULL. Only for the owner of the folder: it would pull the temporary
 * from under another live writer. A missing folder is an empty one. Errors: UDA_IO. */
int uda_durable_sweep(int64_t *removed, const char *folder, struct uda_err *err) UDA_MUST_USE;
/* The same for what was to become folder/name; for the owner of that file. */
int uda_durable_sweep_file(const char *folder, const char *name, struct uda_err *err) UDA_MUST_USE;

#endif
