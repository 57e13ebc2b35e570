#include "io/fs.h"
#include "src/base/log.h"
#include "src/cmd/cmd.h"
#include "src/cmd/manifest_option.h"
#include "src/cmd/options.h"
#include "src/stage/executor.h"
#include "src/stage/setup.h"
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

/* All ranks must have been started alike. */
static int compare_ranks(struct uda_arena *arena, const struct uda_manifest *manifest,
                         const struct uda_run_options *options, struct uda_err *err)
{
    struct uda_str text;
    uda_str_init(&text, arena);
    uda_manifest_resolved(&text, manifest);
    uda_str_add(&text, "--run %s --until %s --only %s --stop-after-step %lld\n", options->run_dir,
                options->until == NULL ? "" : options->until,
                options->only == NULL ? "" : options->only, (long long)options->stop_after_step);
    UDA_TRY(uda_str_status(&text, err));
    return uda_dist_same_text(&options->dist, "manifest or other options", text.text, err);
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
    UDA_TRY(compare_ranks(arena, manifest, options, err));
    UDA_TRY(uda_setup_spread_ranks(manifest, arena, &options->dist, err));
    UDA_TRY(uda_setup_check_device(manifest, options->only, err));
    int rc = uda_execute(manifest, options, err);
    if (rc == 0 && options->dist.rank == 0) {
        uda_log(UDA_LOG_INFO, "run '%s' is complete", options->run_dir);
        rc = print_tables(arena, manifest, options->run_dir, err);
    }
    return rc;
}

/* The same on the ranks that a launcher started; rank 0 talks for all. */
static int run_ranks(const char *path, const struct uda_option_list *sets,
                     struct uda_run_options *options, struct uda_err *err)
{
    static const struct uda_dist_hooks hooks = {.stop_wanted = uda_stop_wanted,
                                                .stop_reason = uda_stop_reason,
                                                .request_stop = uda_stop_request};
    struct uda_arena arena = {0};
    bool speak = true;
    uda_stop_install(options->max_seconds);
    int rc = uda_dist_init(&options->dist, &hooks, err);
    if (options->dist.rank != 0) {
        uda_log_set_level(UDA_LOG_NONE);
    }
    if (rc == 0) {
        if (options->dist.ranks > 1) {
            uda_log(UDA_LOG_INFO, "%d ranks", options->dist.ranks);
        }
        rc = load_and_run(&arena, path, sets, options, err);
    }
    rc = uda_dist_conclude(&options->dist, rc, &speak, err);
    if (options->dist.world != NULL) { /* said here: a launcher may end this process when another is gone */
        if (speak) {
            uda_log_set_level(UDA_LOG_INFO);
        }
        if (rc != 0) {
            uda_log(rc == UDA_STOPPED ? UDA_LOG_INFO : UDA_LOG_ERROR, "%s", err->text);
        }
        (void)fflush(stdout);
        uda_err_clear(err);
        uda_log_set_level(UDA_LOG_NONE);
    }
    uda_dist_leave(&options->dist);
    uda_arena_finish(&arena);
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
    return run_ranks(rest.item[0], &sets, &options, err);
}
