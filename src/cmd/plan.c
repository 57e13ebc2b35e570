#include "src/plan/plan.h"

#include "io/fs.h"
#include "src/base/log.h"
#include "src/cmd/cmd.h"
#include "src/cmd/manifest_option.h"
#include "src/stage/status.h"

#include <stdio.h>

/* The plan that the run folder was last run under; count 0 if there is none that can be read. */
static int old_plan_of(struct uda_plan *plan, const char *run_dir, struct uda_arena *arena,
                       struct uda_err *err)
{
    struct uda_manifest *manifest = NULL;
    struct uda_str report;
    struct uda_err why = {0};
    const char *path = uda_fs_join(arena, run_dir, "resolved.yaml");
    *plan = (struct uda_plan){.count = 0};
    uda_str_init(&report, arena);
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", run_dir);
    }
    if (!uda_fs_exists(path)) {
        return 0;
    }
    if (uda_manifest_load(&manifest, arena, path, NULL, 0, &report, &why) != 0) {
        uda_log(UDA_LOG_WARN, "%s: what changed since the run cannot be said", why.text);
        return 0;
    }
    return uda_plan_init(plan, arena, manifest, err);
}

/* What is done in the run folder, and for what must be done again the keys that say so. */
static int look_at_run(struct uda_plan_progress **progress, const struct uda_plan *plan,
                       const char *run_dir, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_plan_progress *p = NULL;
    struct uda_plan old_plan;
    if (!uda_fs_is_dir(run_dir)) {
        uda_log(UDA_LOG_INFO, "'%s' does not exist yet: nothing is done", run_dir);
        return 0;
    }
    UDA_TRY(uda_status_progress(&p, plan, run_dir, arena, err));
    UDA_TRY(old_plan_of(&old_plan, run_dir, arena, err));
    for (int64_t i = 0; i < plan->count; i++) {
        if (p[i].status == UDA_PLAN_STALE && old_plan.count > 0) {
            struct uda_str why;
            uda_str_init(&why, arena);
            UDA_TRY(uda_plan_explain(&why, &old_plan, plan, i, arena, err));
            p[i].reason = why.bytes > 0 ? why.text : p[i].reason;
        }
    }
    *progress = p;
    return 0;
}

static int print_plan(const char *path, const char *run_dir, const struct uda_option_list *sets,
                      bool resolved, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_manifest *manifest = NULL;
    struct uda_plan plan;
    struct uda_plan_progress *progress = NULL;
    struct uda_str out;
    UDA_TRY(uda_manifest_option_load(&manifest, arena, path, sets, err));
    UDA_TRY(uda_plan_init(&plan, arena, manifest, err));
    if (run_dir != NULL) {
        UDA_TRY(look_at_run(&progress, &plan, run_dir, arena, err));
    }
    uda_str_init(&out, arena);
    if (resolved) {
        uda_manifest_resolved(&out, manifest);
    } else {
        uda_plan_print(&out, &plan, progress);
    }
    UDA_TRY(uda_str_status(&out, err));
    (void)fputs(out.text, stdout);
    return 0;
}

int uda_cmd_plan(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest, sets = {.count = 0};
    const char *run_dir = NULL;
    bool resolved = false, help = false;
    const struct uda_option table[] = {
        {"--run", UDA_OPTION_TEXT, &run_dir, "DIR",
         "say what is done in this run folder, and why the rest is not"},
        {"--set", UDA_OPTION_LIST, &sets, "KEY=VALUE", "override one key, as in optimizer.lr=1e-3"},
        {"--resolved", UDA_OPTION_FLAG, &resolved, NULL,
         "print every key with its value and where it came from instead"}};
    const struct uda_usage usage = {
        "plan", "[options] MANIFEST",
        "Prints the stages in order, what each reads and writes, its cost and its disk space.",
        table, UDA_LEN(table), 1, 1};
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    struct uda_arena arena = {0};
    int rc = print_plan(rest.item[0], run_dir, &sets, resolved, &arena, err);
    uda_arena_finish(&arena);
    return rc;
}
