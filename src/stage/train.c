#include "src/stage/stage.h"

#include "io/fs.h"
#include "io/metrics.h"
#include "src/base/log.h"
#include "src/stage/checkpoint.h"
#include "src/stage/labels.h"
#include "src/stage/progress.h"
#include "src/stage/run_folder.h"
#include "src/stage/setup.h"
#include "src/stage/stop.h"
#include "src/stage/trainer.h"
#include "src/stage/weights.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Decoded images are kept in memory up to this; it changes no result. */
#define CACHE_BYTES ((size_t)1 << 30)

enum { FIGURE_LOSS, FIGURE_CLASS, FIGURE_MASK, FIGURE_DICE, FIGURE_NORM };

/* A stage of kind train at work. */
struct train {
    struct uda_stage_context *context;
    const struct uda_manifest_recipe *recipe;
    struct uda_class_map map;
    struct uda_trainer *trainer;
    struct uda_labels_file labels; /* with `labels: STAGE` */
    struct uda_dataset *dataset;
    struct uda_loader *loader;
    struct uda_metrics *metrics, *timing;
    struct uda_checkpoint state; /* borrows the trainer's arrays */
    struct uda_progress progress;
    int64_t iterations, saved_step;
    double lr;
};

static int open_trainer(struct train *s, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    struct uda_trainer_spec spec = {.criterion = uda_setup_criterion(s->recipe),
                                    .adamw = uda_setup_adamw(s->recipe),
                                    .clip = s->recipe->optimizer.clip,
                                    .shards = c->manifest->shards, .batch = s->recipe->batch,
                                    .threads = (int)c->manifest->runtime.threads,
                                    .seed = c->manifest->seed, .stage = c->stage->rng_stage};
    UDA_TRY(uda_setup_model(&spec.model, &c->manifest->model, s->map.count, err));
    UDA_TRY(uda_setup_schedule(&spec.schedule, s->recipe, s->iterations, err));
    UDA_TRY(uda_trainer_create(&s->trainer, &spec, err));
    s->state = (struct uda_checkpoint){.params = uda_trainer_params(s->trainer),
                                       .values = uda_trainer_values(s->trainer),
                                       .adam_m = uda_trainer_adam_m(s->trainer),
                                       .adam_v = uda_trainer_adam_v(s->trainer)};
    uda_digest_text(s->state.fingerprint, c->stage->fingerprint);
    uda_trainer_made_with(s->trainer, s->state.made_with, sizeof s->state.made_with);
    return 0;
}

/* Values to start from: the stage named by `from`, model.init, or the reference initialisation. */
static int load_start(struct train *s, struct uda_err *err)
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
static int check_space(const struct train *s, struct uda_err *err)
{
    int64_t space = 0;
    int64_t one = 3 * s->state.params->total * (int64_t)sizeof(float) + (1 << 20);
    UDA_TRY(uda_fs_free_bytes(&space, s->context->dir, err));
    if (space < 2 * one) {
        return uda_fail(err, UDA_IO,
                        "'%s': %lld MiB are free and two checkpoints need %lld MiB: free some "
                        "space, then run the same command", s->context->dir, (long long)(space >> 20),
                        (long long)((2 * one) >> 20));
    }
    return 0;
}

static int resume(struct train *s, struct uda_err *err)
{
    bool found = false;
    UDA_TRY(uda_checkpoint_load(&found, &s->state, s->context->dir, err));
    if (found) {
        uda_log(UDA_LOG_INFO, "%s: continuing at step %lld of %lld", s->context->stage->name,
                (long long)s->state.step, (long long)s->iterations);
    } else {
        s->state.step = 0;
        s->state.metrics_bytes = 0;
        UDA_TRY(load_start(s, err));
    }
    s->saved_step = found ? s->state.step : -1;
    UDA_TRY(uda_metrics_truncate_to(s->context->metrics_path, s->state.metrics_bytes, err));
    UDA_TRY(uda_metrics_open(&s->metrics, s->context->metrics_path, err));
    return uda_metrics_open(&s->timing, s->context->timing_path, err);
}

/* The images of the data set with the labels of a label or fuse stage. */
static int open_pseudo_labelled(struct train *s, uint32_t classes, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    const struct uda_plan_stage *from = &c->plan->stage[c->stage->labels];
    int64_t instances = 0;
    UDA_TRY(uda_labels_open(&s->labels, c, from, err));
    for (int64_t i = 0; i < s->labels.set.count; i++) {
        for (int64_t k = 0; k < s->labels.set.image[i].count; k++) {
            instances += classes >> s->labels.set.image[i].item[k].cls & 1u;
        }
    }
    if (instances == 0) {
        return uda_fail(err, UDA_FORMAT,
                        "stage '%s': '%s' has no instance to learn from: lower stages.%s.score (%g) and the "
                        "score of the stages it was made from, or train their models longer",
                        c->stage->name, from->label_file, from->spec->name, from->spec->label_score);
    }
    return uda_setup_pseudo_labelled(&s->dataset, c, c->stage->spec->data[0], classes,
                                     &s->labels.source, err);
}

static int open_data(struct train *s, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    uint32_t classes = uda_class_map_mask(&s->map);
    if (c->stage->labels >= 0) {
        UDA_TRY(open_pseudo_labelled(s, classes, err));
    } else {
        UDA_TRY(uda_setup_dataset(&s->dataset, c, c->stage->spec->data[0], classes, true, err));
    }
    struct uda_augment_spec augment;
    UDA_TRY(uda_setup_augment(&augment, s->recipe, err));
    const struct uda_loader_spec spec = {
        .batch = s->recipe->batch, .seed = c->manifest->seed, .stage = c->stage->rng_stage,
        .first_step = s->state.step, .last_step = s->iterations, .order = UDA_LOADER_SHUFFLE,
        .augment = &augment, .map = &s->map, .workers = (int)c->manifest->runtime.workers,
        .prefetch = (int)c->manifest->runtime.prefetch, .cache_bytes = CACHE_BYTES};
    return uda_loader_create(&s->loader, s->dataset, &spec, err);
}

/* ---- figures ---- */

static void add_figures(struct train *s, const struct uda_step_report *report)
{
    double *sum = s->state.figure;
    sum[FIGURE_LOSS] += report->losses.total;
    for (int i = 0; i < report->losses.predictions; i++) {
        sum[FIGURE_CLASS] += report->losses.ce[i];
        sum[FIGURE_MASK] += report->losses.mask[i];
        sum[FIGURE_DICE] += report->losses.dice[i];
    }
    sum[FIGURE_NORM] += report->grad_norm;
    s->state.figure_count++;
    s->lr = report->lr;
}

static int write_timing(struct train *s, struct uda_err *err)
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
static int write_figures(struct train *s, struct uda_err *err)
{
    double n = (double)s->state.figure_count, *sum = s->state.figure;
    char row[512];
    (void)snprintf(row, sizeof row,
                   "{\"stage\":\"%s\",\"step\":%lld,\"loss\":%.9g,\"loss_class\":%.9g,\"loss_mask\":%.9g,"
                   "\"loss_dice\":%.9g,\"grad_norm\":%.9g,\"lr\":%.9g}",
                   s->context->stage->name, (long long)s->state.step, sum[FIGURE_LOSS] / n,
                   sum[FIGURE_CLASS] / n, sum[FIGURE_MASK] / n, sum[FIGURE_DICE] / n,
                   sum[FIGURE_NORM] / n, s->lr);
    memset(s->state.figure, 0, sizeof s->state.figure);
    s->state.figure_count = 0;
    UDA_TRY(uda_metrics_append(s->metrics, row, err));
    return write_timing(s, err);
}

static int save(struct train *s, struct uda_err *err)
{
    const struct uda_run_options *o = s->context->options;
    const struct uda_checkpoint_origin origin = {.version = o->program_version, .argc = o->argc,
                                                 .argv = o->argv};
    UDA_TRY(uda_metrics_sync(s->metrics, err));
    s->state.metrics_bytes = uda_metrics_bytes(s->metrics);
    const struct uda_checkpoint_rule rule = {.every = s->context->manifest->checkpoint.every,
                                             .last = s->iterations,
                                             .keep = s->context->manifest->checkpoint.keep};
    UDA_TRY(uda_checkpoint_save(&s->state, s->context->dir, &rule, &origin, err));
    s->saved_step = s->state.step;
    s->context->state->step = s->state.step;
    return 0;
}

/* ---- the loop ---- */

static int one_step(struct train *s, struct uda_err *err)
{
    const struct uda_batch *batch = NULL;
    struct uda_step_report report;
    UDA_TRY(uda_loader_next(s->loader, &batch, err));
    const struct uda_step_part part = {.batch = batch, .weight = 1.0f};
    UDA_TRY(uda_trainer_step(s->trainer, &part, 1, s->state.step, &report, err));
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

static int loop(struct train *s, struct uda_err *err)
{
    int64_t every = s->context->manifest->checkpoint.every;
    int64_t stop_after = s->context->options->stop_after_step;
    uda_progress_start(&s->progress, s->context->stage->name, s->state.step, s->iterations,
                       s->recipe->batch);
    while (s->state.step < s->iterations) {
        UDA_TRY(one_step(s, err));
        bool stop = uda_stop_wanted() || (stop_after > 0 && s->state.step == stop_after);
        if (stop || s->state.step % every == 0 || s->state.step == s->iterations) {
            UDA_TRY(save(s, err));
        }
        if (stop && s->state.step < s->iterations) {
            char reason[128];
            return uda_fail(err, UDA_STOPPED,
                            "%s: %s: stopped at step %lld of %lld: run the same command to continue",
                            s->context->stage->name, uda_stop_reason(reason, sizeof reason),
                            (long long)s->state.step, (long long)s->iterations);
        }
    }
    return 0;
}

static int write_result(struct train *s, struct uda_err *err)
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
    UDA_TRY(uda_setup_model(&about.model, &c->manifest->model, s->map.count, err));
    UDA_TRY(uda_weights_save(path, s->state.params, s->state.values, &about, err));
    const char *const files[] = {"weights.h5", "metrics.jsonl"};
    return uda_run_folder_done(c->dir, c->stage, s->iterations, files, UDA_LEN(files), err);
}

int uda_stage_train(struct uda_stage_context *context, struct uda_err *err)
{
    struct train s = {.context = context, .recipe = &context->stage->spec->recipe,
                      .iterations = context->stage->spec->iterations};
    int rc = uda_setup_classes(&s.map, context->manifest, context->stage, err);
    if (rc == 0) {
        rc = open_trainer(&s, err);
    }
    if (rc == 0) {
        rc = check_space(&s, err);
    }
    if (rc == 0) {
        rc = resume(&s, err);
    }
    if (rc == 0 && s.state.step < s.iterations) {
        rc = open_data(&s, err);
    }
    if (rc == 0) {
        rc = loop(&s, err);
    }
    if (rc == 0) {
        rc = write_result(&s, err);
    }
    context->state->step = s.state.step;
    uda_loader_destroy(&s.loader);
    uda_dataset_destroy(&s.dataset);
    uda_metrics_close(&s.metrics);
    uda_metrics_close(&s.timing);
    uda_trainer_destroy(&s.trainer);
    return rc;
}
