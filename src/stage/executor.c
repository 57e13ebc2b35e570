#include "src/stage/executor.h"

#include "io/durable.h"
#include "io/fs.h"
#include "src/base/log.h"
#include "src/stage/claim.h"
#include "src/stage/progress.h"
#include "src/stage/ranks.h"
#include "src/stage/run_folder.h"
#include "src/stage/stop.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Between two of its stages another process claims nothing for a moment. */
#define GAP_S 2.0

struct executor {
    const struct uda_manifest *manifest;
    const struct uda_run_options *options;
    struct uda_plan plan;
    struct uda_state state;
    struct uda_arena arena;
    struct uda_claims claims;
    bool *done; /* [plan.count] seen to be done, and said so */
    int64_t last; /* of the stages to be visited, in plan order */
    const char *state_path;
    struct uda_progress waiting; /* since when, for another process; name NULL: not */
    double working_s;            /* of it: when another was last seen to work */
    char said[UDA_LOCK_KEY_BYTES]; /* the claim that was named last */
    int log_copy;
};

char *uda_stage_path(const struct uda_stage_context *context, const char *relative)
{
    return uda_fs_join(context->arena, context->options->run_dir, relative);
}

/* Does `name` mean this instance, by its own name or by its stage's? */
static bool names_stage(const char *name, const struct uda_plan_stage *stage)
{
    return name != NULL &&
           (strcmp(name, stage->name) == 0 || strcmp(name, stage->spec->name) == 0);
}

static int check_names(const struct executor *x, struct uda_err *err)
{
    const char *wanted[] = {x->options->until, x->options->only};
    for (int k = 0; k < 2; k++) {
        bool found = wanted[k] == NULL;
        for (int64_t i = 0; i < x->plan.count; i++) {
            found = found || names_stage(wanted[k], &x->plan.stage[i]);
        }
        if (!found) {
            return uda_fail(err, UDA_MANIFEST, "%s: the manifest has no stage '%s'",
                            k == 0 ? "--until" : "--only", wanted[k]);
        }
    }
    return 0;
}

/* Our row of the state, and what others wrote in the meantime. Under the folder's lock. own: index or -1. */
static int save_state(struct executor *x, int64_t own, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_state now = {0};
    int rc = uda_state_load(&now, &arena, x->state_path, &x->plan, err);
    for (int64_t i = 0; rc == 0 && i < x->plan.count; i++) {
        if (i != own && !x->done[i]) {
            x->state.stage[i] = now.stage[i];
        }
    }
    uda_arena_finish(&arena);
    return rc == 0 ? uda_state_save(&x->state, x->state_path, &x->plan, err) : rc;
}

/* Looks whether the stage is done, whoever did it; says so once. */
static bool is_done(struct executor *x, const struct uda_plan_stage *stage)
{
    struct uda_stage_state *state = &x->state.stage[stage->index];
    int64_t step = 0;
    if (!x->done[stage->index] && uda_run_folder_is_done(&step, x->options->run_dir, stage)) {
        uda_log(UDA_LOG_INFO, "%s: done", stage->name);
        state->status = UDA_DONE;
        state->step = step;
        uda_digest_text(state->fingerprint, stage->fingerprint);
        x->done[stage->index] = true;
    }
    return x->done[stage->index];
}

/* The first input that is not done, or -1. */
static int64_t missing_input(struct executor *x, const struct uda_plan_stage *stage)
{
    for (int64_t i = 0; i < stage->input_count; i++) {
        if (!is_done(x, &x->plan.stage[stage->input[i]])) {
            return stage->input[i];
        }
    }
    return -1;
}

static bool is_wanted(const struct executor *x, const struct uda_plan_stage *stage)
{
    return stage->index <= x->last && (x->options->only == NULL || names_stage(x->options->only, stage));
}

int uda_stage_run(struct uda_stage_context *context, struct uda_err *err)
{
    switch (context->stage->kind) {
    case UDA_STAGE_TRAIN: return uda_stage_train(context, err);
    case UDA_STAGE_EVALUATE: return uda_stage_evaluate(context, err);
    case UDA_STAGE_LABEL: return uda_stage_label(context, err);
    case UDA_STAGE_FUSE: return uda_stage_fuse(context, err);
    case UDA_STAGE_ADAPT: return uda_stage_adapt(context, err);
    case UDA_STAGE_KINDS: break;
    }
    return uda_fail(err, UDA_UNSUPPORTED, "stage '%s': kind '%s' is not in this build",
                    context->stage->name, uda_stage_kind_name(context->stage->kind));
}

/* Records how the stage ended; its own error wins over one of the record. */
static int close_stage(struct executor *x, const struct uda_plan_stage *stage, int rc, struct uda_err *err)
{
    struct uda_stage_state *state = &x->state.stage[stage->index];
    int64_t step = 0;
    if (rc == 0) {
        state->status = UDA_DONE;
        x->done[stage->index] = true;
        if (uda_run_folder_is_done(&step, x->options->run_dir, stage)) {
            state->step = step; /* as every other process will see it */
        }
    } else if (rc != UDA_STOPPED) {
        state->status = UDA_FAILED;
        (void)snprintf(state->note, sizeof state->note, "%s", err->text);
    }
    struct uda_err later = {0};
    int saved = uda_claims_enter(&x->claims, &later);
    if (saved == 0) {
        saved = save_state(x, stage->index, &later);
    }
    if (saved == 0) {
        saved = uda_run_folder_join(x->options->run_dir, &x->plan, &later);
    }
    uda_claims_leave(&x->claims);
    if (rc == 0 && saved != 0) {
        *err = later;
        return saved;
    }
    return rc;
}

/* An owner on another machine that is taken for dead may only have been away: its metrics get a new file,
 * so that a row it still writes goes nowhere. Its other files are replaced whole, with the same bytes. */
static int part_from_owner(const struct executor *x, const struct uda_stage_context *context,
                           struct uda_err *err)
{
    const struct uda_lock_watch *watch = &x->claims.watch[context->stage->index];
    unsigned char *data = NULL;
    size_t bytes = 0;
    if (!watch->took_over || watch->here || !uda_fs_exists(context->metrics_path)) {
        return 0;
    }
    UDA_TRY(uda_fs_read(&data, &bytes, context->arena, context->metrics_path, (size_t)1 << 40, err));
    return uda_fs_write(context->metrics_path, data, bytes, err);
}

/* Makes the stage's folder ready and writes that it runs. Under the folder's lock, the stage is claimed. */
static int open_stage(struct executor *x, const struct uda_stage_context *context,
                      enum uda_plan_status status, struct uda_err *err)
{
    const struct uda_plan_stage *stage = context->stage;
    UDA_TRY(uda_run_folder_check(x->manifest, x->options->run_dir, err));
    if (status == UDA_PLAN_STALE) {
        UDA_TRY(uda_run_folder_set_aside(x->options->run_dir, stage, err));
    }
    UDA_TRY(uda_fs_mkdirs(context->dir, err));
    UDA_TRY(uda_run_folder_sweep(x->options->run_dir, stage, err));
    UDA_TRY(part_from_owner(x, context, err));
    context->state->status = UDA_RUNNING;
    context->state->note[0] = '\0';
    uda_digest_text(context->state->fingerprint, stage->fingerprint);
    return save_state(x, stage->index, err);
}

static int run_stage(struct executor *x, const struct uda_plan_stage *stage, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_stage_context context = {.options = x->options, .manifest = x->manifest,
                                        .plan = &x->plan, .stage = stage,
                                        .state = &x->state.stage[stage->index], .arena = &arena};
    int64_t step = 0;
    enum uda_plan_status status = uda_run_folder_look(&step, x->options->run_dir, stage);
    context.dir = uda_stage_path(&context, stage->dir);
    context.metrics_path = context.dir == NULL ? NULL : uda_fs_join(&arena, context.dir, "metrics.jsonl");
    context.timing_path = context.dir == NULL ? NULL : uda_fs_join(&arena, context.dir, "timing.jsonl");
    int rc = context.metrics_path == NULL || context.timing_path == NULL
                 ? uda_fail(err, UDA_NOMEM, "executor: out of memory")
                 : uda_claims_enter(&x->claims, err);
    if (rc == 0) {
        rc = open_stage(x, &context, status, err);
    }
    uda_claims_leave(&x->claims);
    if (rc == 0) {
        rc = close_stage(x, stage, uda_ranks_run(&context, err), err);
    }
    uda_arena_finish(&arena);
    return rc;
}

static int stop_or_run(struct executor *x, const struct uda_plan_stage *stage, struct uda_err *err)
{
    char reason[128];
    if (uda_stop_wanted()) {
        return uda_fail(err, UDA_STOPPED, "%s before stage '%s': run the same command to continue",
                        uda_stop_reason(reason, sizeof reason), stage->name);
    }
    return run_stage(x, stage, err);
}

enum outcome { IS_DONE, WORKED, TAKEN, BLOCKED };

/* Brings one instance to its end, or finds why not: it is done, another process has it, an input is
 * missing. */
static int visit(struct executor *x, enum outcome *outcome, const struct uda_plan_stage *stage,
                 struct uda_err *err)
{
    *outcome = IS_DONE;
    if (is_done(x, stage)) {
        return 0;
    }
    *outcome = BLOCKED;
    if (missing_input(x, stage) >= 0) {
        return 0;
    }
    bool taken = false;
    *outcome = TAKEN;
    int rc = uda_claims_take(&taken, &x->claims, stage->index, err);
    if (rc == 0 && taken) {
        /* Another process may have ended it between the look and the claim. */
        *outcome = is_done(x, stage) ? IS_DONE : WORKED;
        x->waiting.name = NULL;
        rc = *outcome == WORKED ? stop_or_run(x, stage, err) : 0;
    }
    uda_claims_give(&x->claims);
    return rc;
}

/* ---- waiting for others ---- */

/* A stage that another process works on and `stage` waits for: itself, or an input that is not done. -1:
 * none. */
static int find_worker(int64_t *worker, struct executor *x, int64_t stage, struct uda_err *err)
{
    const struct uda_plan_stage *s = &x->plan.stage[stage];
    bool held = false;
    *worker = -1;
    if (is_done(x, s)) {
        return 0;
    }
    UDA_TRY(uda_claims_look(&held, &x->claims, stage, err));
    *worker = held ? stage : -1;
    for (int64_t i = 0; i < s->input_count && *worker < 0; i++) {
        UDA_TRY(find_worker(worker, x, s->input[i], err));
    }
    return 0;
}

static void say_waiting(struct executor *x, int64_t worker)
{
    const struct uda_lock_watch *watch = &x->claims.watch[worker];
    const char *name = x->plan.stage[worker].name;
    char owner[1024], since[48];
    (void)uda_claims_describe(owner, sizeof owner, watch, x->claims.path[worker]);
    if (strcmp(x->said, watch->owner.key) != 0) {
        (void)snprintf(x->said, sizeof x->said, "%s", watch->owner.key);
        uda_log(UDA_LOG_INFO, "waiting for '%s': %s works on it", name, owner);
    } else if (x->working_s > 1.0) {
        uda_log_progress(false, "waiting for '%s' (%s): %s", name, owner,
                         uda_progress_duration(since, sizeof since, x->working_s));
    }
}

/* One moment's wait for `stage`, which another process has or whose inputs are missing. Errors:
 * UDA_MANIFEST if nobody works on them. */
static int wait_for(struct executor *x, int64_t stage, struct uda_err *err)
{
    int64_t worker = -1;
    char reason[128];
    const char *name = x->plan.stage[stage].name;
    bool first = x->waiting.name == NULL;
    if (first) {
        uda_progress_start(&x->waiting, "waiting", 0, 0, 0);
        x->working_s = 0.0;
    }
    if (uda_stop_wanted()) {
        return uda_fail(err, UDA_STOPPED, "%s while waiting for stage '%s': run the same command to continue",
                        uda_stop_reason(reason, sizeof reason), name);
    }
    double waited_s = uda_progress_seconds(&x->waiting);
    UDA_TRY(find_worker(&worker, x, stage, err));
    if (worker >= 0) {
        x->working_s = waited_s;
        say_waiting(x, worker);
    } else {
        int64_t input = missing_input(x, &x->plan.stage[stage]);
        if (input >= 0 && (first || waited_s - x->working_s > GAP_S)) {
            return uda_fail(err, UDA_MANIFEST, "stage '%s' needs '%s', which is not done: run it first", name,
                            x->plan.stage[input].name);
        }
    }
    uda_claims_pause(waited_s);
    return 0;
}

/* ---- the walk ---- */

/* Visits the stages in plan order until one was worked on. *open: a wanted one that is not done, or -1;
 * one that another process has rather than one without inputs. */
static int one_round(struct executor *x, bool *worked, int64_t *open, struct uda_err *err)
{
    bool taken = false;
    *worked = false;
    *open = -1;
    for (int64_t i = 0; i < x->plan.count && !*worked; i++) {
        enum outcome outcome = IS_DONE;
        if (!is_wanted(x, &x->plan.stage[i])) {
            (void)is_done(x, &x->plan.stage[i]);
            continue;
        }
        UDA_TRY(visit(x, &outcome, &x->plan.stage[i], err));
        *worked = outcome == WORKED;
        if (outcome == TAKEN && !taken) {
            taken = true;
            *open = i;
        } else if (outcome == BLOCKED && *open < 0) {
            *open = i;
        }
    }
    return 0;
}

static int walk(struct executor *x, struct uda_err *err)
{
    bool worked = true;
    int64_t open = -1;
    x->last = x->plan.count - 1;
    for (int64_t i = 0; i < x->plan.count; i++) {
        if (names_stage(x->options->until, &x->plan.stage[i])) {
            x->last = i;
        }
    }
    while (worked || open >= 0) {
        UDA_TRY(one_round(x, &worked, &open, err));
        if (!worked && open >= 0) {
            UDA_TRY(wait_for(x, open, err));
        }
    }
    if (x->last + 1 < x->plan.count) {
        return uda_fail(err, UDA_STOPPED, "stopped after stage '%s' as asked", x->options->until);
    }
    for (int64_t i = 0; i < x->plan.count; i++) {
        if (is_done(x, &x->plan.stage[i])) {
            UDA_TRY(uda_claims_tidy(&x->claims, i, err));
        }
    }
    UDA_TRY(uda_claims_enter(&x->claims, err));
    int rc = save_state(x, -1, err);
    if (rc == 0) {
        rc = uda_run_folder_join(x->options->run_dir, &x->plan, err);
    }
    uda_claims_leave(&x->claims);
    return rc;
}

/* Temporary files of writers that were killed. Under the folder's lock: what is in RUN itself is written
 * under it; the rest may be touched while nobody else has a claim, and is otherwise left to the owners of
 * claims. */
static int sweep(struct executor *x, bool alone, struct uda_err *err)
{
    static const char *const folders[] = {"index", "labels"};
    UDA_TRY(uda_durable_sweep(NULL, x->options->run_dir, err));
    UDA_TRY(uda_lock_sweep(x->options->run_dir, err));
    UDA_TRY(uda_lock_sweep(x->claims.dir, err));
    for (int64_t i = 0; alone && i < UDA_LEN(folders); i++) {
        const char *dir = uda_fs_join(&x->arena, x->options->run_dir, folders[i]);
        if (dir != NULL) {
            UDA_TRY(uda_durable_sweep(NULL, dir, err));
        }
    }
    for (int64_t i = 0; alone && i < x->plan.count; i++) {
        UDA_TRY(uda_run_folder_sweep(x->options->run_dir, &x->plan.stage[i], err));
    }
    return 0;
}

/* Under the folder's lock. */
static int enter_run(struct executor *x, struct uda_err *err)
{
    char owner[1024], busy[1200];
    int64_t other = -1;
    UDA_TRY(uda_claims_other(&other, &x->claims, err));
    UDA_TRY(sweep(x, other < 0, err));
    if (other >= 0) {
        (void)snprintf(busy, sizeof busy, "stage '%s' is worked on by %s", x->plan.stage[other].name,
                       uda_claims_describe(owner, sizeof owner, &x->claims.watch[other],
                                           x->claims.path[other]));
        uda_log(UDA_LOG_INFO, "%s", busy);
    }
    x->log_copy = uda_run_folder_log(x->options->run_dir);
    if (x->log_copy >= 0) {
        uda_log_set_copy(x->log_copy);
    }
    UDA_TRY(uda_run_folder_open(x->manifest, x->options, other < 0 ? NULL : busy, err));
    return uda_state_load(&x->state, &x->arena, x->state_path, &x->plan, err);
}

static int open_run(struct executor *x, struct uda_err *err)
{
    const char *dir = x->options->run_dir;
    UDA_TRY(uda_plan_init(&x->plan, &x->arena, x->manifest, err));
    UDA_TRY(check_names(x, err));
    UDA_TRY(uda_fs_mkdirs(dir, err));
    x->state_path = uda_fs_join(&x->arena, dir, "state.h5");
    x->done = uda_arena_calloc(&x->arena, (size_t)(x->plan.count + 1) * sizeof *x->done);
    if (x->state_path == NULL || x->done == NULL) {
        return uda_fail(err, UDA_NOMEM, "executor: out of memory");
    }
    UDA_TRY(uda_claims_init(&x->claims, &x->arena, dir, &x->plan, err));
    UDA_TRY(uda_claims_enter(&x->claims, err));
    int rc = enter_run(x, err);
    uda_claims_leave(&x->claims);
    return rc;
}

int uda_execute(const struct uda_manifest *manifest, const struct uda_run_options *options,
                struct uda_err *err)
{
    struct executor x = {.manifest = manifest, .options = options, .log_copy = -1};
    if (options->dist.rank != 0) {
        return uda_ranks_follow(manifest, options, err);
    }
    int rc = open_run(&x, err);
    if (rc == 0) {
        rc = walk(&x, err);
    }
    rc = uda_ranks_dismiss(options, rc, err);
    if (rc != 0 && rc != UDA_STOPPED && x.log_copy >= 0) {
        uda_log(UDA_LOG_DEBUG, "%s", err->text);
    }
    uda_log_set_copy(-1);
    if (x.log_copy >= 0) {
        (void)close(x.log_copy);
    }
    uda_claims_finish(&x.claims);
    uda_arena_finish(&x.arena);
    return rc;
}
