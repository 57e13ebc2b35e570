#include "src/plan/plan.h"

#include "src/cmd/cmd.h"
#include "src/cmd/manifest_option.h"
#include "src/stage/status.h"

#include <stdio.h>

static int print_plan(const char *path, const struct uda_option_list *sets, bool resolved,
                      const char *run_dir,
                      struct uda_arena *arena, struct uda_err *err)
{
    struct uda_manifest *manifest = NULL;
    struct uda_plan plan;
    struct uda_str out;
    UDA_TRY(uda_manifest_option_load(&manifest, arena, path, sets, err));
    UDA_TRY(uda_plan_init(&plan, arena, manifest, err));
    uda_str_init(&out, arena);
    if (resolved) {
        uda_manifest_resolved(&out, manifest);
    } else {
        struct uda_plan_progress *progress = NULL;
        if (run_dir != NULL) {
            UDA_TRY(uda_status_progress(&progress, &plan, run_dir, arena, err));
        }
        uda_plan_print(&out, &plan, progress);
    }
    UDA_TRY(uda_str_status(&out, err));
    (void)fputs(out.text, stdout);
    return 0;
}

int uda_cmd_plan(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest, sets = {.count = 0};
    bool resolved = false, help = false;
    const char *run_dir = NULL;
    const struct uda_option table[] = {
        {"--run", UDA_OPTION_TEXT, &run_dir, "DIR", "say what is already done in this run folder"},
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
    int rc = print_plan(rest.item[0], &sets, resolved, run_dir, &arena, err);
    uda_arena_finish(&arena);
    return rc;
}
