/*
 * Append-only JSON lines: metrics.jsonl and timing.jsonl of a run.
 *
 * Invariants: a row reaches the system in one write with O_APPEND, so readers see whole rows; a
 * failed append takes its bytes back. A checkpoint remembers uda_metrics_bytes after
 * uda_metrics_sync; a resume calls uda_metrics_truncate_to with it, which cuts later rows and a
 * torn last line, and the file goes on as if never interrupted.
 *
 *     UDA_TRY(uda_metrics_truncate_to(path, checkpoint_bytes, err));      // 0 at a fresh start
 *     UDA_TRY(uda_metrics_open(&metrics, path, err));
 *     UDA_TRY(uda_metrics_append(metrics, "{\"step\":1,\"loss\":0.5}", err));
 *     UDA_TRY(uda_metrics_sync(metrics, err));  int64_t bytes = uda_metrics_bytes(metrics);
 *     uda_metrics_close(&metrics);
 */
#ifndef UDA_IO_METRICS_H
#define UDA_IO_METRICS_H

#include "src/base/err.h"

struct uda_metrics;

/* Opens for appending, made if missing. A torn last line (of a killed writer) is cut. Owns: the
 * caller, until close. Errors: UDA_IO, UDA_NOMEM. */
int uda_metrics_open(struct uda_metrics **metrics, const char *path,
                     struct uda_err *err) UDA_MUST_USE;

/* Appends one row; the newline is added here. Errors: UDA_FORMAT if the row is empty or contains a
 * line break; UDA_IO naming the file, which then ends with the row before. */
int uda_metrics_append(struct uda_metrics *metrics, const char *row,
                       struct uda_err *err) UDA_MUST_USE;

/* Length of the file with all rows appended so far. */
int64_t uda_metrics_bytes(const struct uda_metrics *metrics);

/* All rows so far survive a power loss once this returns. Errors: UDA_IO. */
int uda_metrics_sync(struct uda_metrics *metrics, struct uda_err *err) UDA_MUST_USE;

/* Closes; not a sync. NULL and *metrics == NULL are allowed. */
void uda_metrics_close(struct uda_metrics **metrics);

/* Cuts the file to its first `bytes` bytes and syncs; a missing file with bytes 0 is fine. Errors:
 * UDA_IO; UDA_FORMAT if the file is shorter (rows are lost) or has no line end there (not the file
 * it was). */
int uda_metrics_truncate_to(const char *path, int64_t bytes, struct uda_err *err) UDA_MUST_USE;

#endif
