#include "src/stage/executor.h"

#include "io/durable.h"
#include "io/fs.h"
#include "io/lock.h"
#include "src/base/log.h"
#include "src/stage/run_folder.h"
#include "src/stage/stop.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct executor {
    const struct uda_manifest *manifest;
    const struct uda_run_options *options;
    struct uda_plan plan;
    struct uda_state state;
    struct uda_arena arena;
    const char *state_path, *timing_path;
    struct uda_lock *lock;
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

static int save_state(struct executor *x, struct uda_err *err)
{
    return uda_state_save(&x->state, x->state_path, &x->plan, err);
}

static int missing_input(const struct executor *x, const struct uda_plan_stage *stage,
                         struct uda_err *err)
{
    for (int64_t i = 0; i < stage->input_count; i++) {
        const struct uda_plan_stage *input = &x->plan.stage[stage->input[i]];
        int64_t step = 0;
        if (uda_run_folder_look(&step, x->options->run_dir, input) != UDA_PLAN_DONE) {
            return uda_fail(err, UDA_MANIFEST, "stage '%s' needs '%s', which is not done: run it first",
                            stage->name, input->name);
        }
    }
    return 0;
}

static bool in_build(const struct uda_plan_stage *stage) { return stage->kind != UDA_STAGE_ADAPT; }

/* Said before the hours of work that may come first. */
static void warn_unsupported(const struct executor *x)
{
    for (int64_t i = 0; i < x->plan.count; i++) {
        const struct uda_plan_stage *stage = &x->plan.stage[i];
        bool wanted = x->options->only == NULL || names_stage(x->options->only, stage);
        if (wanted && !in_build(stage)) {
            uda_log(UDA_LOG_WARN, "stage '%s' is not in this build: the run will end there",
                    stage->name);
            return;
        }
        if (names_stage(x->options->until, stage)) {
            return;
        }
    }
}

static int run_kind(struct uda_stage_context *context, struct uda_err *err)
{
    switch (context->stage->kind) {
    case UDA_STAGE_TRAIN: return uda_stage_train(context, err);
    case UDA_STAGE_EVALUATE: return uda_stage_evaluate(context, err);
    case UDA_STAGE_LABEL: return uda_stage_label(context, err);
    case UDA_STAGE_FUSE: return uda_stage_fuse(context, err);
    case UDA_STAGE_ADAPT:
    case UDA_STAGE_KINDS: break;
    }
    return uda_fail(err, UDA_UNSUPPORTED, "stage '%s': kind '%s' is not in this build",
                    context->stage->name, uda_stage_kind_name(context->stage->kind));
}

/* Records how the stage ended; its own error wins over one of the record. */
static int close_stage(struct executor *x, struct uda_stage_state *state, int rc,
                       struct uda_err *err)
{
    if (rc == 0) {
        state->status = UDA_DONE;
    } else if (rc != UDA_STOPPED) {
        state->status = UDA_FAILED;
        (void)snprintf(state->note, sizeof state->note, "%s", err->text);
    }
    struct uda_err later = {0};
    int saved = save_state(x, &later);
    if (saved == 0) {
        saved = uda_run_folder_join_metrics(x->options->run_dir, &x->plan, &later);
    }
    if (rc == 0 && saved != 0) {
        *err = later;
        return saved;
    }
    return rc;
}

static int run_stage(struct executor *x, const struct uda_plan_stage *stage, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_stage_state *state = &x->state.stage[stage->index];
    struct uda_stage_context context = {.options = x->options, .manifest = x->manifest,
                                        .plan = &x->plan, .stage = stage, .state = state,
                                        .arena = &arena, .timing_path = x->timing_path};
    context.dir = uda_stage_path(&context, stage->dir);
    context.metrics_path = context.dir == NULL ? NULL : uda_fs_join(&arena, context.dir, "metrics.jsonl");
    int rc = context.metrics_path == NULL ? uda_fail(err, UDA_NOMEM, "executor: out of memory")
                                          : uda_fs_mkdirs(context.dir, err);
    if (rc == 0) {
        state->status = UDA_RUNNING;
        state->note[0] = '\0';
        uda_digest_text(state->fingerprint, stage->fingerprint);
        rc = save_state(x, err);
    }
    if (rc == 0) {
        rc = close_stage(x, state, run_kind(&context, err), err);
    }
    uda_arena_finish(&arena);
    return rc;
}

/* Brings one instance to its end, or finds that there is nothing to do. */
static int visit(struct executor *x, const struct uda_plan_stage *stage, bool *all_done,
                 struct uda_err *err)
{
    int64_t step = 0;
    enum uda_plan_status status = uda_run_folder_look(&step, x->options->run_dir, stage);
    struct uda_stage_state *state = &x->state.stage[stage->index];
    if (status == UDA_PLAN_DONE) {
        uda_log(UDA_LOG_INFO, "%s: done", stage->name);
        state->status = UDA_DONE;
        state->step = step;
        uda_digest_text(state->fingerprint, stage->fingerprint);
        return 0;
    }
    if (x->options->only != NULL && !names_stage(x->options->only, stage)) {
        *all_done = false;
        return 0;
    }
    if (uda_stop_wanted()) {
        char reason[128];
        return uda_fail(err, UDA_STOPPED, "%s before stage '%s': run the same command to continue",
                        uda_stop_reason(reason, sizeof reason), stage->name);
    }
    if (status == UDA_PLAN_STALE) {
        UDA_TRY(uda_run_folder_set_aside(x->options->run_dir, stage, err));
    }
    UDA_TRY(missing_input(x, stage, err));
    return run_stage(x, stage, err);
}

static int walk(struct executor *x, struct uda_err *err)
{
    bool all_done = true;
    int64_t last = -1;
    warn_unsupported(x);
    for (int64_t i = 0; i < x->plan.count; i++) {
        if (names_stage(x->options->until, &x->plan.stage[i])) {
            last = i;
        }
    }
    for (int64_t i = 0; i < x->plan.count; i++) {
        UDA_TRY(visit(x, &x->plan.stage[i], &all_done, err));
        if (i == last && i + 1 < x->plan.count) {
            return uda_fail(err, UDA_STOPPED, "stopped after stage '%s' as asked", x->options->until);
        }
    }
    UDA_TRY(save_state(x, err));
    UDA_TRY(uda_run_folder_join_metrics(x->options->run_dir, &x->plan, err));
    if (!all_done && x->options->only == NULL) {
        return uda_fail(err, UDA_STOPPED, "some stages are left");
    }
    return 0;
}

/* Temporary files of writers that were killed; safe because the lock is ours. */
static int sweep(struct executor *x, struct uda_err *err)
{
    int64_t removed = 0;
    UDA_TRY(uda_durable_sweep(&removed, x->options->run_dir, err));
    const char *labels = uda_fs_join(&x->arena, x->options->run_dir, "labels");
    if (labels != NULL && uda_fs_is_dir(labels)) {
        UDA_TRY(uda_durable_sweep(&removed, labels, err));
    }
    for (int64_t i = 0; i < x->plan.count; i++) {
        const char *dir = uda_fs_join(&x->arena, x->options->run_dir, x->plan.stage[i].dir);
        if (dir != NULL && uda_fs_is_dir(dir)) {
            UDA_TRY(uda_durable_sweep(&removed, dir, err));
        }
    }
    return 0;
}

static int open_run(struct executor *x, struct uda_err *err)
{
    const char *dir = x->options->run_dir;
    UDA_TRY(uda_plan_init(&x->plan, &x->arena, x->manifest, err));
    UDA_TRY(check_names(x, err));
    UDA_TRY(uda_fs_mkdirs(dir, err));
    const char *lock = uda_fs_join(&x->arena, dir, "lock");
    const char *log = uda_fs_join(&x->arena, dir, "log.txt");
    x->state_path = uda_fs_join(&x->arena, dir, "state.h5");
    x->timing_path = uda_fs_join(&x->arena, dir, "timing.jsonl");
    if (lock == NULL || log == NULL || x->state_path == NULL || x->timing_path == NULL) {
        return uda_fail(err, UDA_NOMEM, "executor: out of memory");
    }
    UDA_TRY(uda_lock_acquire(&x->lock, lock, err));
    UDA_TRY(sweep(x, err));
    x->log_copy = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (x->log_copy >= 0) {
        uda_log_set_copy(x->log_copy);
    }
    UDA_TRY(uda_run_folder_open(x->manifest, x->options, err));
    return uda_state_load(&x->state, &x->arena, x->state_path, &x->plan, err);
}

int uda_execute(const struct uda_manifest *manifest, const struct uda_run_options *options,
                struct uda_err *err)
{
    struct executor x = {.manifest = manifest, .options = options, .log_copy = -1};
    uda_stop_install(options->max_seconds);
    int rc = open_run(&x, err);
    if (rc == 0) {
        rc = walk(&x, err);
    }
    if (rc != 0 && rc != UDA_STOPPED && x.log_copy >= 0) {
        uda_log(UDA_LOG_DEBUG, "%s", err->text);
    }
    uda_log_set_copy(-1);
    if (x.log_copy >= 0) {
        (void)close(x.log_copy);
    }
    uda_lock_release(&x.lock);
    uda_arena_finish(&x.arena);
    return rc;
}
