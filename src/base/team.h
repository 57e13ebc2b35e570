/*
 * A team of threads for data-parallel loops.
 *
 * Why not OpenMP: two shards of a step run side by side, each with its own team; gcc's and clang's
 * runtimes do not mix with the one inside the matrix library; and thread sanitizer understands
 * this.
 *
 * Invariants: task i computes the same bytes whoever runs it, so a result never depends on the
 * number of threads. A team is used by one thread at a time. Tasks may not start loops on the same
 * team.
 *
 *     static void row(void *args, int64_t i) { ... }
 *     uda_team_run(team, rows, row, &args);      // returns when all tasks are done
 */
#ifndef UDA_BASE_TEAM_H
#define UDA_BASE_TEAM_H

#include "src/base/err.h"

struct uda_team;

/* threads >= 1 including the caller; 0 means one per available core. Owns: *team, by the caller.
 * Errors: UDA_NOMEM, also when the system gives fewer threads. */
int uda_team_create(struct uda_team **team, int threads, struct uda_err *err) UDA_MUST_USE;
void uda_team_destroy(struct uda_team **team);
int uda_team_threads(const struct uda_team *team);

/* Calls task(args, i) once for every i in 0..tasks-1, in any order, on the team; NULL team: in
 * order, here. */
void uda_team_run(struct uda_team *team, int64_t tasks, void (*task)(void *args, int64_t i),
                  void *args);

/* Cores this process may run on. */
int uda_cores(void);

#endif
