#include "src/stage/session.h"

#include "io/fs.h"
#include "src/base/log.h"
#include "src/stage/run_folder.h"
#include "src/stage/stop.h"
#include "src/stage/weights.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int open_trainer(struct uda_session *s, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    struct uda_trainer_spec spec = {.criterion = uda_setup_criterion(s->recipe),
                                    .adamw = uda_setup_adamw(s->recipe),
                                    .clip = s->recipe->optimizer.clip,
                                    .shards = c->manifest->shards, .batch = s->recipe->batch,
                                    .threads = (int)c->manifest->runtime.threads,
                                    .device = uda_setup_device(c->manifest),
                                    .type = uda_setup_type(s->recipe), .teacher = s->kind->teacher,
                                    .seed = c->manifest->seed, .stage = c->stage->rng_stage,
                                    .dist = &s->dist};
    UDA_TRY(uda_setup_model(&spec.model, &c->manifest->model, s->map.count, err));
    UDA_TRY(uda_setup_schedule(&spec.schedule, s->recipe, s->iterations, err));
    UDA_TRY(uda_trainer_create(&s->trainer, &spec, err));
    s->share = uda_trainer_share(s->trainer);
    const struct uda_params *params = uda_trainer_params(s->trainer);
    s->teacher = uda_trainer_teacher(s->trainer);
    s->state = (struct uda_checkpoint){.params = params,
                                       .values = uda_trainer_values(s->trainer),
                                       .adam_m = uda_trainer_adam_m(s->trainer),
                                       .adam_v = uda_trainer_adam_v(s->trainer),
                                       .teacher = s->teacher,
                                       .save_more = s->kind->save,
                                       .load_more = s->kind->load,
                                       .self = s->self};
    uda_digest_text(s->state.fingerprint, c->stage->fingerprint);
    uda_trainer_made_with(s->trainer, s->state.made_with, sizeof s->state.made_with);
    s->state.summed = uda_trainer_summed(s->trainer);
    if (s->state.summed[0] != '\0') {
        uda_log(UDA_LOG_INFO, "gradients of %d ranks are summed %s", s->dist.ranks, s->state.summed);
    }
    /* Every rank makes the update for itself: it must be the same. */
    return uda_dist_same_text(&s->dist, "instruction set or libraries", s->state.made_with, err);
}

/* Values to start from: the stage named by `from`, model.init, or the reference initialisation. */
static int load_start(struct uda_session *s, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    const char *path = c->manifest->model.init;
    if (c->stage->from >= 0) {
        path = uda_stage_path(c, c->plan->stage[c->stage->from].weights);
        if (path == NULL) {
            return uda_fail(err, UDA_NOMEM, "train: out of memory");
        }
    }
    return path == NULL ? 0 : uda_weights_load_init(s->state.values, path, s->state.params, err);
}

/* Room for the checkpoints to come, asked before hours of work rather than after. */
static int check_space(const struct uda_session *s, struct uda_err *err)
{
    int64_t space = 0;
    int64_t copies = s->teacher == NULL ? 3 : 4;
    int64_t one = copies * s->state.params->total * (int64_t)sizeof(float) + (1 << 20);
    UDA_TRY(uda_fs_free_bytes(&space, s->context->dir, err));
    if (space < 2 * one) {
        return uda_fail(err, UDA_IO,
                        "'%s': %lld MiB are free and two checkpoints need %lld MiB: free some "
                        "space, then run the same command", s->context->dir, (long long)(space >> 20),
                        (long long)((2 * one) >> 20));
    }
    return 0;
}

/* Rank 0 looks for the checkpoint, since it may have to set a damaged one aside; the others read the same. */
static int load_checkpoint(struct uda_session *s, bool *found, struct uda_err *err)
{
    int64_t step = -1;
    if (s->leads) {
        UDA_TRY(uda_checkpoint_load(found, &s->state, s->context->dir, err));
        step = *found ? s->state.step : -1;
    }
    UDA_TRY(uda_dist_broadcast(&s->dist, &step, sizeof step, err));
    *found = step >= 0;
    return *found && !s->leads ? uda_checkpoint_load_step(&s->state, s->context->dir, step, err) : 0;
}

static int start_values(struct uda_session *s, struct uda_err *err)
{
    if (s->leads) {
        UDA_TRY(load_start(s, err));
    }
    return uda_dist_broadcast(&s->dist, s->state.values,
                              (size_t)s->state.params->total * sizeof *s->state.values, err);
}

static int resume(struct uda_session *s, struct uda_err *err)
{
    bool found = false;
    UDA_TRY(load_checkpoint(s, &found, err));
    if (found) {
        uda_log(UDA_LOG_INFO, "%s: continuing at step %lld of %lld", s->context->stage->name,
                (long long)s->state.step, (long long)s->iterations);
    } else {
        s->state.step = 0;
        s->state.metrics_bytes = 0;
        UDA_TRY(start_values(s, err));
        if (s->teacher != NULL) {
            memcpy(s->teacher, s->state.values, (size_t)s->state.params->total * sizeof *s->teacher);
        }
    }
    UDA_TRY(uda_trainer_upload(s->trainer, err));
    s->saved_step = found ? s->state.step : -1;
    if (!s->leads) {
        return 0;
    }
    UDA_TRY(uda_metrics_truncate_to(s->context->metrics_path, s->state.metrics_bytes, err));
    UDA_TRY(uda_metrics_open(&s->metrics, s->context->metrics_path, err));
    return uda_metrics_open(&s->timing, s->context->timing_path, err);
}

/* ---- figures ---- */

static void add_figures(struct uda_session *s, const struct uda_step_report *report)
{
    double *sum = s->state.figure;
    sum[UDA_FIGURE_LOSS] += report->losses.total;
    for (int i = 0; i < report->losses.predictions; i++) {
        sum[UDA_FIGURE_CLASS] += report->losses.ce[i];
        sum[UDA_FIGURE_MASK] += report->losses.mask[i];
        sum[UDA_FIGURE_DICE] += report->losses.dice[i];
    }
    sum[UDA_FIGURE_NORM] += report->grad_norm;
    s->state.figure_count++;
    s->lr = report->lr;
}

static int write_timing(struct uda_session *s, struct uda_err *err)
{
    char row[512], when[32];
    time_t now = time(NULL);
    struct tm utc;
    (void)gmtime_r(&now, &utc);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    double each = s->progress.seconds_per_step;
    (void)snprintf(row, sizeof row,
                   "{\"stage\":\"%s\",\"step\":%lld,\"time\":\"%s\",\"seconds\":%.3f,"
                   "\"seconds_per_step\":%.4f,\"seconds_left\":%.1f,\"step_memory_mib\":%.1f}",
                   s->context->stage->name, (long long)s->state.step, when,
                   uda_progress_seconds(&s->progress), each,
                   each * (double)(s->iterations - s->state.step),
                   (double)uda_trainer_peak_bytes(s->trainer) / 1048576.0);
    return uda_metrics_append(s->timing, row, err);
}

/* A row of means over the steps since the last row. */
static int write_figures(struct uda_session *s, struct uda_err *err)
{
    double n = (double)s->state.figure_count, *sum = s->state.figure;
    char row[768];
    int at = snprintf(row, sizeof row,
                      "{\"stage\":\"%s\",\"step\":%lld,\"loss\":%.9g,\"loss_class\":%.9g,"
                      "\"loss_mask\":%.9g,\"loss_dice\":%.9g,\"grad_norm\":%.9g,\"lr\":%.9g",
                      s->context->stage->name, (long long)s->state.step, sum[UDA_FIGURE_LOSS] / n,
                      sum[UDA_FIGURE_CLASS] / n, sum[UDA_FIGURE_MASK] / n,
                      sum[UDA_FIGURE_DICE] / n, sum[UDA_FIGURE_NORM] / n, s->lr);
    for (int i = 0; i < s->kind->figures; i++) {
        at += snprintf(row + at, sizeof row - (size_t)at, ",\"%s\":%.9g", s->kind->figure[i],
                       sum[UDA_FIGURE_OWN + i] / n);
    }
    (void)snprintf(row + at, sizeof row - (size_t)at, "}");
    memset(s->state.figure, 0, sizeof s->state.figure);
    s->state.figure_count = 0;
    if (!s->leads) {
        return 0;
    }
    UDA_TRY(uda_metrics_append(s->metrics, row, err));
    return write_timing(s, err);
}

static int write_checkpoint(struct uda_session *s, struct uda_err *err)
{
    const struct uda_run_options *o = s->context->options;
    const struct uda_checkpoint_origin origin = {.version = o->program_version, .argc = o->argc,
                                                 .argv = o->argv};
    UDA_TRY(uda_metrics_sync(s->metrics, err));
    s->state.metrics_bytes = uda_metrics_bytes(s->metrics);
    const struct uda_checkpoint_rule rule = {.every = s->context->manifest->checkpoint.every,
                                             .last = s->iterations,
                                             .keep = s->context->manifest->checkpoint.keep};
    return uda_checkpoint_save(&s->state, s->context->dir, &rule, &origin, err);
}

static int save(struct uda_session *s, struct uda_err *err)
{
    if (s->kind->gather != NULL) {
        UDA_TRY(s->kind->gather(s, err));
    }
    if (s->leads) {
        UDA_TRY(uda_trainer_download(s->trainer, err));
        UDA_TRY(write_checkpoint(s, err));
    }
    s->saved_step = s->state.step;
    s->context->state->step = s->state.step;
    return 0;
}

/* ---- the loop ---- */

static int one_step(struct uda_session *s, struct uda_err *err)
{
    struct uda_step_report report;
    UDA_TRY(s->kind->step(s, &report, err));
    s->state.step++;
    add_figures(s, &report);
    char figures[128];
    (void)snprintf(figures, sizeof figures, "loss %.3f  lr %.2e", report.losses.total, report.lr);
    uda_progress_step(&s->progress, s->state.step, figures);
    int64_t every = s->context->manifest->runtime.log_every;
    if (s->state.step % every == 0 || s->state.step == s->iterations) {
        UDA_TRY(write_figures(s, err));
    }
    return 0;
}

static int loop(struct uda_session *s, struct uda_err *err)
{
    int64_t every = s->context->manifest->checkpoint.every;
    int64_t stop_after = s->context->options->stop_after_step;
    uda_progress_start(&s->progress, s->context->stage->name, s->state.step, s->iterations,
                       s->recipe->batch);
    while (s->state.step < s->iterations) {
        UDA_TRY(one_step(s, err));
        char reason[UDA_DIST_REASON_BYTES];
        bool stop = uda_stop_wanted() || (stop_after > 0 && s->state.step == stop_after);
        UDA_TRY(uda_dist_agree_stop(&s->dist, &stop, reason, stop, err));
        if (stop || s->state.step % every == 0 || s->state.step == s->iterations) {
            UDA_TRY(save(s, err));
        }
        if (stop && s->state.step < s->iterations) {
            return uda_fail(err, UDA_STOPPED,
                            "%s: %s: stopped at step %lld of %lld: run the same command to continue",
                            s->context->stage->name,
                            s->dist.ranks > 1 ? reason : uda_stop_reason(reason, sizeof reason),
                            (long long)s->state.step, (long long)s->iterations);
        }
    }
    return 0;
}

static int write_result(struct uda_session *s, struct uda_err *err)
{
    struct uda_stage_context *c = s->context;
    struct uda_weights_about about = {.map = s->map, .fingerprint = s->state.fingerprint,
                                      .version = c->options->program_version,
                                      .argc = c->options->argc, .argv = c->options->argv};
    const char *path = uda_stage_path(c, c->stage->weights);
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "train: out of memory");
    }
    if (s->saved_step != s->iterations) {
        UDA_TRY(save(s, err));
    }
    if (!s->leads) {
        return 0;
    }
    UDA_TRY(uda_setup_model(&about.model, &c->manifest->model, s->map.count, err));
    UDA_TRY(uda_weights_save(path, s->state.params, s->state.values, &about, err));
    const char *const files[] = {"weights.h5", "metrics.jsonl", "teacher.h5"};
    int64_t count = s->teacher == NULL ? 2 : 3;
    if (s->teacher != NULL) {
        path = uda_fs_join(c->arena, c->dir, "teacher.h5");
        if (path == NULL) {
            return uda_fail(err, UDA_NOMEM, "train: out of memory");
        }
        UDA_TRY(uda_weights_save(path, s->state.params, s->teacher, &about, err));
    }
    return uda_run_folder_done(c->dir, c->stage, s->iterations, files, count, err);
}

/* One step of the preparation, on rank 0 before the others. */
static int in_order(struct uda_session *s, int (*run)(struct uda_session *s, struct uda_err *err),
                    struct uda_err *err)
{
    if (s->leads) {
        UDA_TRY(run(s, err));
    }
    UDA_TRY(uda_dist_barrier(&s->dist, err));
    return s->leads ? 0 : run(s, err);
}

static int prepare(struct uda_session *s, struct uda_err *err)
{
    s->dist = uda_stage_dist(s->context);
    s->leads = uda_stage_leads(s->context);
    s->recipe = &s->context->stage->spec->recipe;
    s->iterations = s->context->stage->spec->iterations;
    UDA_TRY(uda_setup_classes(&s->map, s->context->manifest, s->context->stage, err));
    UDA_TRY(open_trainer(s, err));
    if (s->leads) {
        UDA_TRY(check_space(s, err));
    }
    if (s->kind->prepare != NULL) {
        UDA_TRY(in_order(s, s->kind->prepare, err));
    }
    UDA_TRY(resume(s, err));
    return s->state.step < s->iterations ? in_order(s, s->kind->open, err) : 0;
}

int uda_session_run(struct uda_session *s, struct uda_err *err)
{
    int rc = prepare(s, err);
    if (rc == 0) {
        rc = loop(s, err);
    }
    if (rc == 0) {
        rc = write_result(s, err);
    }
    s->context->state->step = s->state.step;
    return rc;
}

void uda_session_finish(struct uda_session *s)
{
    uda_metrics_close(&s->metrics);
    uda_metrics_close(&s->timing);
    uda_trainer_destroy(&s->trainer);
    s->teacher = NULL;
}
