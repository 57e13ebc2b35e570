/*
 * Stopping early without losing work: signals and a time limit set a flag that steps look at.
 *
 * Invariants: TERM, INT, USR1 and USR2 mean the same: finish the step, write a checkpoint, exit 75.
 * A second one ends the process at once (the last checkpoint stays good). The clock decides only
 * when to stop, never what is computed.
 *
 *     uda_stop_install(max_seconds);
 *     while (...) {
 *         step();
 *         if (uda_stop_wanted()) { checkpoint(); return uda_fail(err, UDA_STOPPED, ...); }
 *     }
 */
#ifndef UDA_STAGE_STOP_H
#define UDA_STAGE_STOP_H

#include "src/base/err.h"

/* Waits for the signals in a thread of its own and starts the clock. max_seconds <= 0: no limit. Call once,
 * before other threads start: they inherit the blocked signals. */
void uda_stop_install(double max_seconds);
/* Stops as a signal would, without being one: the next signal still counts as the first. reason:
 * "rank 3 received SIGTERM". Threads: any. */
void uda_stop_request(const char *reason);
/* True once a signal came, a stop was requested, or the time is over. */
bool uda_stop_wanted(void);
/* "received SIGTERM", "the time limit of 600 s is reached", or "". Static. */
const char *uda_stop_reason(char *text, size_t bytes);
/* Ends the process at once with exit code 75 and writes nothing more: its work is no longer its own. */
void uda_stop_now(void);
/* "90", "90s", "15m", "2h" -> seconds. Errors: UDA_MANIFEST. */
int uda_stop_parse_time(double *seconds, const char *text, struct uda_err *err) UDA_MUST_USE;

#endif
