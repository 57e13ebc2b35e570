#include "src/stage/status.h"

#include "io/fs.h"
#include "io/json.h"
#include "io/lock.h"
#include "src/stage/progress.h"
#include "src/stage/run_folder.h"

#include <string.h>

int uda_status_progress(struct uda_plan_progress **progress, const struct uda_plan *plan,
                        const char *run_dir, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_plan_progress *p = uda_arena_calloc(arena, (size_t)(plan->count + 1) * sizeof *p);
    const char *path = uda_fs_join(arena, run_dir, "state.h5");
    struct uda_state state;
    if (p == NULL || path == NULL) {
        return uda_fail(err, UDA_NOMEM, "status: out of memory");
    }
    UDA_TRY(uda_state_load(&state, arena, path, plan, err));
    for (int64_t i = 0; i < plan->count; i++) {
        p[i].status = uda_run_folder_look(&p[i].step, run_dir, &plan->stage[i]);
        if (p[i].status == UDA_PLAN_STALE) {
            p[i].reason = "made under other settings";
        }
        if (p[i].status != UDA_PLAN_DONE && state.stage[i].status == UDA_FAILED) {
            p[i].status = UDA_PLAN_FAILED;
            p[i].reason = state.stage[i].note;
        }
    }
    *progress = p;
    return 0;
}

/* Last complete line of a JSON-lines file, or NULL. */
static const char *last_line(const char *path, struct uda_arena *arena)
{
    struct uda_err why = {0};
    unsigned char *data = NULL;
    size_t bytes = 0;
    if (!uda_fs_exists(path) || uda_fs_read(&data, &bytes, arena, path, (size_t)1 << 32, &why) != 0) {
        return NULL;
    }
    while (bytes > 0 && data[bytes - 1] != '\n') {
        bytes--;
    }
    if (bytes == 0) {
        return NULL;
    }
    data[--bytes] = '\0';
    while (bytes > 0 && data[bytes - 1] != '\n') {
        bytes--;
    }
    return (const char *)data + bytes;
}

/* "loss 12.3 class 1.1 ..." out of a metrics row: its numbers, the nested objects left out. */
static void add_figures(struct uda_str *out, const char *row)
{
    struct uda_err why = {0};
    struct uda_json *root = NULL;
    if (row == NULL || uda_json_parse(&root, row, strlen(row), "metrics", &why) != 0) {
        return;
    }
    const char *key = NULL;
    const struct uda_json *value = NULL;
    for (void *i = uda_json_next(root, NULL, &key, &value); i != NULL;
         i = uda_json_next(root, i, &key, &value)) {
        if (uda_json_kind(value) == UDA_JSON_NUMBER) {
            uda_str_add(out, "  %s %.6g", key, uda_json_number(value));
        }
    }
    uda_json_destroy(&root);
}

static const char *word(enum uda_plan_status status)
{
    switch (status) {
    case UDA_PLAN_PENDING: return "pending";
    case UDA_PLAN_PARTIAL: return "started";
    case UDA_PLAN_DONE: return "done";
    case UDA_PLAN_STALE: return "stale";
    case UDA_PLAN_FAILED: return "failed";
    }
    return "?";
}

/* A file of the stage's folder; NULL when out of memory. */
static const char *file_of(const struct uda_plan_stage *stage, const char *name, const char *run_dir,
                           struct uda_arena *arena)
{
    const char *relative = uda_fs_join(arena, stage->dir, name);
    return relative == NULL ? NULL : uda_fs_join(arena, run_dir, relative);
}

static void add_stage(struct uda_str *out, const struct uda_plan_stage *stage,
                      const struct uda_plan_progress *progress, bool claimed, const char *run_dir,
                      struct uda_arena *arena)
{
    int64_t iterations = stage->spec->iterations;
    uda_str_add(out, "  %-20s %-9s %-8s", stage->name, uda_stage_kind_name(stage->kind),
                claimed ? "running" : word(progress->status));
    if (iterations > 0 && progress->status != UDA_PLAN_PENDING) {
        uda_str_add(out, " %lld/%lld", (long long)progress->step, (long long)iterations);
    }
    const char *path = file_of(stage, "metrics.jsonl", run_dir, arena);
    if (path != NULL) {
        add_figures(out, last_line(path, arena));
    }
    if (progress->reason != NULL && !claimed) {
        uda_str_add(out, "\n      %s", progress->reason);
    }
    uda_str_add(out, "\n");
}

/* Step and time left of a stage under way, from the last row of its timing.jsonl. */
static void add_eta(struct uda_str *out, const struct uda_plan_stage *stage, const char *run_dir,
                    struct uda_arena *arena)
{
    const char *path = file_of(stage, "timing.jsonl", run_dir, arena);
    const char *row = path == NULL ? NULL : last_line(path, arena);
    struct uda_json *root = NULL;
    struct uda_err why = {0};
    if (row == NULL || uda_json_parse(&root, row, strlen(row), "timing", &why) != 0) {
        return;
    }
    double left = uda_json_number(uda_json_get(root, "seconds_left"));
    int64_t step = uda_json_integer(uda_json_get(root, "step"), -1);
    if (left >= 0.0 && step >= 0) {
        char text[48];
        uda_str_add(out, ", step %lld, about %s left", (long long)step,
                    uda_progress_duration(text, sizeof text, left));
    }
    uda_json_destroy(&root);
}

/* Who works on the stage, if anybody does. */
static int add_owner(struct uda_str *out, bool *claimed, const struct uda_plan_stage *stage, bool done,
                     const char *run_dir, struct uda_arena *arena, struct uda_err *err)
{
    const char *claims = uda_fs_join(arena, run_dir, "claims");
    const char *path = claims == NULL ? NULL : uda_fs_join(arena, claims, stage->name);
    struct uda_lock_owner owner;
    double silent_s = 0.0;
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "status: out of memory");
    }
    UDA_TRY(uda_lock_peek(claimed, &owner, &silent_s, path, err));
    *claimed = *claimed && !done;
    if (!*claimed) {
        return 0;
    }
    if (owner.pid == 0) {
        uda_str_add(out, "  '%s': '%s' holds no name: its owner is just coming, or gone\n", stage->name,
                    path);
        return 0;
    }
    uda_str_add(out, "  running: process %lld on %s since %s: '%s'", (long long)owner.pid, owner.host,
                owner.since, stage->name);
    add_eta(out, stage, run_dir, arena);
    if (silent_s > owner.lease_s / 4.0) {
        uda_str_add(out, "\n      last sign of life %.0f s ago; after %.0f s another process takes over (if "
                         "it is gone for good, remove '%s')", silent_s, owner.lease_s, path);
    }
    uda_str_add(out, "\n");
    return 0;
}

int uda_status_print(struct uda_str *out, const char *run_dir, struct uda_arena *arena,
                     struct uda_err *err)
{
    const char *resolved = uda_fs_join(arena, run_dir, "resolved.yaml");
    if (resolved == NULL) {
        return uda_fail(err, UDA_NOMEM, "status: out of memory");
    }
    if (!uda_fs_exists(resolved)) {
        return uda_fail(err, UDA_IO, "'%s' is not a run folder: it has no resolved.yaml", run_dir);
    }
    struct uda_manifest *manifest = NULL;
    struct uda_str report;
    uda_str_init(&report, arena);
    UDA_TRY(uda_manifest_load(&manifest, arena, resolved, NULL, 0, &report, err));
    struct uda_plan plan;
    struct uda_plan_progress *progress = NULL;
    UDA_TRY(uda_plan_init(&plan, arena, manifest, err));
    UDA_TRY(uda_status_progress(&progress, &plan, run_dir, arena, err));
    bool *claimed = uda_arena_calloc(arena, (size_t)(plan.count + 1) * sizeof *claimed), any = false;
    if (claimed == NULL) {
        return uda_fail(err, UDA_NOMEM, "status: out of memory");
    }
    uda_str_add(out, "%s (%s)\n", manifest->name, run_dir);
    for (int64_t i = 0; i < plan.count; i++) {
        UDA_TRY(add_owner(out, &claimed[i], &plan.stage[i], progress[i].status == UDA_PLAN_DONE, run_dir,
                          arena, err));
        any = any || claimed[i];
    }
    if (!any) {
        uda_str_add(out, "  nobody works here now\n");
    }
    for (int64_t i = 0; i < plan.count; i++) {
        add_stage(out, &plan.stage[i], &progress[i], claimed[i], run_dir, arena);
    }
    return uda_str_status(out, err);
}
