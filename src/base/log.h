/*
 * The talk: levelled lines on stderr, and on a run's log file once one is attached.
 *
 * stdout is for results and is written by main and the commands only.
 *
 *     uda_log(UDA_LOG_WARN, "checkpoint '%s' is damaged: using '%s'", newest, previous);
 *     uda_log_progress("step %lld/%lld  loss %.3f", step, steps, loss);   // rewrites its line
 */
#ifndef UDA_BASE_LOG_H
#define UDA_BASE_LOG_H

#include "src/base/compiler.h"

enum uda_log_level { UDA_LOG_NONE = -1, UDA_LOG_ERROR, UDA_LOG_WARN, UDA_LOG_INFO, UDA_LOG_DEBUG };

/* Writes "level: text" and a newline in one write. Threads: safe. */
void uda_log(enum uda_log_level level, const char *format, ...) UDA_PRINTF(2, 3);

/* On a terminal: rewrites the current line. Elsewhere: a line, at most one in 10 seconds unless
 * `last`. Said at UDA_LOG_INFO. */
void uda_log_progress(bool last, const char *format, ...) UDA_PRINTF(2, 3);

/* Lines above this level are dropped; the default is UDA_LOG_INFO, UDA_LOG_NONE drops all. Call
 * before threads start. */
void uda_log_set_level(enum uda_log_level level);

/* Copies every line, with the time and the process's number in front, to a descriptor opened with
 * O_APPEND; -1 stops it. Borrowed. */
void uda_log_set_copy(int descriptor);

#endif
