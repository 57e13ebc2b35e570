#include "io/fs.h"
#include "src/base/log.h"
#include "src/cmd/cmd.h"
#include "src/cmd/manifest_option.h"
#include "src/cmd/options.h"
#include "src/stage/executor.h"
#include "src/stage/stop.h"

#include <stdio.h>

/* RUN when none is given: runs/<name of the manifest>. */
static const char *default_run(struct uda_arena *arena, const struct uda_manifest *manifest)
{
    return uda_arena_printf(arena, "runs/%s", manifest->name);
}

/* The results on stdout: the table of every evaluation that is done. */
static int print_tables(struct uda_arena *arena, const struct uda_manifest *manifest,
                        const char *run_dir, struct uda_err *err)
{
    struct uda_plan plan;
    UDA_TRY(uda_plan_init(&plan, arena, manifest, err));
    for (int64_t i = 0; i < plan.count; i++) {
        const struct uda_plan_stage *stage = &plan.stage[i];
        const char *path = uda_arena_printf(arena, "%s/%s/ap.txt", run_dir, stage->dir);
        unsigned char *text = NULL;
        size_t bytes = 0;
        if (stage->kind != UDA_STAGE_EVALUATE || path == NULL || !uda_fs_exists(path)) {
            continue;
        }
        UDA_TRY(uda_fs_read(&text, &bytes, arena, path, (size_t)1 << 20, err));
        (void)printf("%s (%s)\n%s\n", stage->name, path, (const char *)text);
    }
    return 0;
}

static int load_and_run(struct uda_arena *arena, const char *path,
                        const struct uda_option_list *sets, struct uda_run_options *options,
                        struct uda_err *err)
{
    struct uda_manifest *manifest = NULL;
    UDA_TRY(uda_manifest_option_load(&manifest, arena, path, sets, err));
    if (options->run_dir == NULL) {
        options->run_dir = default_run(arena, manifest);
        if (options->run_dir == NULL) {
            return uda_fail(err, UDA_NOMEM, "run: out of memory");
        }
    }
    int rc = uda_execute(manifest, options, err);
    if (rc == 0) {
        uda_log(UDA_LOG_INFO, "run '%s' is complete", options->run_dir);
        rc = print_tables(arena, manifest, options->run_dir, err);
    }
    return rc;
}

int uda_cmd_run(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest, sets = {.count = 0};
    struct uda_run_options options = {.program_version = UDA_PROGRAM_VERSION, .argc = argc,
                                      .argv = argv};
    const char *max_time = NULL;
    bool help = false;
    const struct uda_option table[] = {
        {"--run", UDA_OPTION_TEXT, &options.run_dir, "DIR", "run folder (default runs/<name>)"},
        {"--set", UDA_OPTION_LIST, &sets, "KEY=VALUE", "overrides a key of the manifest; repeatable"},
        {"--until", UDA_OPTION_TEXT, &options.until, "STAGE", "stop after this stage, exit code 75"},
        {"--only", UDA_OPTION_TEXT, &options.only, "STAGE", "run this stage alone"},
        {"--max-time", UDA_OPTION_TEXT, &max_time, "TIME", "checkpoint and exit 75 after 90s, 15m, 2h"},
        {"--allow-changed", UDA_OPTION_FLAG, &options.allow_changed, NULL,
         "continue under a changed manifest; what depends on the change is redone"},
        {"--stop-after-step", UDA_OPTION_INT, &options.stop_after_step, "N",
         "behave as if a signal came after step N (for tests)"},
    };
    const struct uda_usage usage = {.verb = "run", .arguments = "MANIFEST.yaml [options]",
                                    .summary = "Starts a run, or continues it where it was.",
                                    .option = table, .options = UDA_LEN(table), .least = 1, .most = 1};
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    if (max_time != NULL) {
        UDA_TRY(uda_stop_parse_time(&options.max_seconds, max_time, err));
    }
    struct uda_arena arena = {0};
    int rc = load_and_run(&arena, rest.item[0], &sets, &options, err);
    uda_arena_finish(&arena);
    return rc;
}
