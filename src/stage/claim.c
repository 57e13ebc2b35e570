#include "src/stage/claim.h"

#include "io/fs.h"
#include "src/base/log.h"
#include "src/stage/progress.h"
#include "src/stage/stop.h"

#include <stdio.h>
#include <string.h>

#define FOLDER_LEASE_S 60.0    /* nobody stays so long under the folder's lock */
#define FOLDER_GIVE_UP_S 300.0
#define LONGEST_PAUSE_S 2.0
#define SAY_AFTER_S 3.0

int uda_claims_init(struct uda_claims *claims, struct uda_arena *arena, const char *run_dir,
                    const struct uda_plan *plan, struct uda_err *err)
{
    size_t count = (size_t)plan->count + 1;
    *claims = (struct uda_claims){.plan = plan, .dir = uda_fs_join(arena, run_dir, "claims"),
                                  .folder_path = uda_fs_join(arena, run_dir, "lock"),
                                  .path = uda_arena_calloc(arena, count * sizeof *claims->path),
                                  .watch = uda_arena_calloc(arena, count * sizeof *claims->watch)};
    bool good = claims->dir != NULL && claims->folder_path != NULL && claims->path != NULL &&
                claims->watch != NULL;
    for (int64_t i = 0; good && i < plan->count; i++) {
        claims->path[i] = uda_fs_join(arena, claims->dir, plan->stage[i].name);
        good = claims->path[i] != NULL;
    }
    return good ? uda_fs_mkdirs(claims->dir, err) : uda_fail(err, UDA_NOMEM, "claims: out of memory");
}

/* The claim went to somebody else, or was removed by hand: what this process has not written by now is theirs
 * to write. */
static void lost(const char *path, void *args)
{
    (void)args;
    uda_log(UDA_LOG_ERROR, "'%s': this claim was taken over while this process was silent, or removed: "
                           "ending at once; the last checkpoint is good", path);
    uda_stop_now();
}

int uda_claims_take(bool *taken, struct uda_claims *claims, int64_t stage, struct uda_err *err)
{
    UDA_TRY(uda_lock_try(&claims->held, &claims->watch[stage], claims->path[stage], UDA_LOCK_LEASE_S, err));
    *taken = claims->held != NULL;
    return *taken ? uda_lock_keep(claims->held, lost, NULL, err) : 0;
}

void uda_claims_give(struct uda_claims *claims) { uda_lock_release(&claims->held); }

int uda_claims_tidy(struct uda_claims *claims, int64_t stage, struct uda_err *err)
{
    struct uda_lock *lock = NULL;
    if (uda_fs_exists(claims->path[stage])) {
        UDA_TRY(uda_lock_try(&lock, &claims->watch[stage], claims->path[stage], UDA_LOCK_LEASE_S, err));
        uda_lock_release(&lock);
    }
    return 0;
}

int uda_claims_enter(struct uda_claims *claims, struct uda_err *err)
{
    return uda_claims_wait(&claims->folder, claims->folder_path, "the run folder", FOLDER_GIVE_UP_S, err);
}

void uda_claims_leave(struct uda_claims *claims) { uda_lock_release(&claims->folder); }

void uda_claims_finish(struct uda_claims *claims)
{
    uda_claims_leave(claims);
    uda_claims_give(claims);
}

int uda_claims_look(bool *held, struct uda_claims *claims, int64_t stage, struct uda_err *err)
{
    return uda_lock_look(held, &claims->watch[stage], claims->path[stage], err);
}

int uda_claims_other(int64_t *stage, struct uda_claims *claims, struct uda_err *err)
{
    *stage = -1;
    for (int64_t i = 0; i < claims->plan->count && *stage < 0; i++) {
        bool held = false;
        UDA_TRY(uda_claims_look(&held, claims, i, err));
        *stage = held ? i : -1;
    }
    return 0;
}

/* By two clocks, the file system's and this machine's: for the talk only. */
static double age_of_sign(const struct uda_lock_watch *watch)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec - (double)(watch->sight[0].sign_ns / 1000000000);
}

const char *uda_claims_describe(char *text, size_t bytes, const struct uda_lock_watch *watch,
                                const char *path)
{
    const struct uda_lock_owner *o = &watch->owner;
    if (o->pid == 0) {
        (void)snprintf(text, bytes, "'%s' holds no name: its owner is just coming, or gone", path);
        return text;
    }
    int n = snprintf(text, bytes, "process %lld on host '%s' since %s", (long long)o->pid, o->host, o->since);
    double age_s = age_of_sign(watch);
    if (!watch->here && age_s > o->lease_s / 4.0 && n > 0 && (size_t)n < bytes) {
        (void)snprintf(text + n, bytes - (size_t)n,
                       ", last sign of life %.0f s ago: counts as dead once it is seen to be silent for "
                       "%.0f s (if it is gone for good, remove '%s')", age_s, o->lease_s, path);
    }
    return text;
}

void uda_claims_pause(double waited_s)
{
    double left = waited_s / 8.0;
    left = left < 0.02 ? 0.02 : left > LONGEST_PAUSE_S ? LONGEST_PAUSE_S : left;
    while (left > 0.0 && !uda_stop_wanted()) {
        double slice = left < 0.1 ? left : 0.1;
        const struct timespec pause = {.tv_nsec = (long)(slice * 1e9)};
        (void)nanosleep(&pause, NULL);
        left -= slice;
    }
}

int uda_claims_wait(struct uda_lock **lock, const char *path, const char *what, double give_up_s,
                    struct uda_err *err)
{
    struct uda_lock_watch watch = {0};
    struct uda_progress clock;
    char owner[512], reason[128];
    double said_s = 0.0;
    uda_progress_start(&clock, what, 0, 0, 0);
    for (;;) {
        double waited_s = uda_progress_seconds(&clock);
        UDA_TRY(uda_lock_try(lock, &watch, path, give_up_s > 0.0 ? FOLDER_LEASE_S : UDA_LOCK_LEASE_S, err));
        if (*lock != NULL) {
            return give_up_s > 0.0 ? 0 : uda_lock_keep(*lock, lost, NULL, err);
        }
        (void)uda_claims_describe(owner, sizeof owner, &watch, path);
        if (waited_s - said_s > SAY_AFTER_S) {
            uda_log(UDA_LOG_INFO, "waiting for %s: %s", what, owner);
            said_s = 2.0 * waited_s;
        }
        if (give_up_s > 0.0 && waited_s > give_up_s) {
            return uda_fail(err, UDA_IO, "'%s': %s does not let go of %s: stop it, or wait for it", path,
                            owner, what);
        }
        if (give_up_s <= 0.0 && uda_stop_wanted()) {
            return uda_fail(err, UDA_STOPPED, "%s while waiting for %s: run the same command to continue",
                            uda_stop_reason(reason, sizeof reason), what);
        }
        /* A stop does not shorten the wait for a lock that is held for a moment only. */
        const struct timespec moment = {.tv_nsec = 10000000};
        if (give_up_s > 0.0) {
            (void)nanosleep(&moment, NULL);
        } else {
            uda_claims_pause(waited_s);
        }
    }
}
