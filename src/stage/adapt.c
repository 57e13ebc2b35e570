#include "io/fs.h"
#include "src/base/classes.h"
#include "src/base/log.h"
#include "src/optim/ema.h"
#include "src/stage/mixing.h"
#include "src/stage/session.h"
#include "src/uda/ego.h"

#include <stdio.h>
#include <string.h>

/* Decoded images of each data set are kept in memory up to this; it changes no result. */
#define CACHE_BYTES ((size_t)1 << 30)
/* Pictures of mixed images over the whole stage. */
#define PICTURES 8

/* Random numbers of the two loaders. */
enum { STREAM_SOURCE, STREAM_TARGET };

enum { FIGURE_PSEUDO, FIGURE_UNLABELLED, FIGURE_PASTED, FIGURE_POOLED, FIGURE_SKIPPED };

/*
 * UDA4Inst's second stage: a student that learns from mixed images whose target labels come from
 * its own average, the teacher. Order of a step: teacher, pairs, colours, pseudo-labels, mixes,
 * student.
 */
struct adapt {
    struct uda_session *session;
    struct uda_dataset *source, *target;
    struct uda_loader *source_loader, *target_loader;
    struct uda_mixing *mixing;
    struct uda_predictor *teacher;
    struct uda_ego ego;
    enum uda_class ego_cls; /* any class of the model: what the outline travels as */
    const struct uda_batch *sources, *targets; /* of the coming step, where they have been fetched already */
    bool paired; /* and are in the mixing's hands */
    struct uda_steady found;
    int64_t asked[4096]; /* images of the step that the teacher is asked about */
    int64_t asks;
};

/* ---- data ---- */

static int open_sets(struct adapt *a, struct uda_err *err)
{
    const struct uda_stage_context *c = a->session->context;
    const int64_t *data = c->stage->spec->data;
    uint32_t classes = uda_class_map_mask(&a->session->map);
    UDA_TRY(uda_setup_dataset(&a->source, c, data[0], classes, true, err));
    if (a->session->recipe->mixing.target_labels == UDA_TARGET_TRUE) {
        uda_log(UDA_LOG_WARN, "%s: mixes with the target's true labels: an oracle, not a result",
                c->stage->name);
        return uda_setup_dataset(&a->target, c, data[1], classes, false, err);
    }
    return uda_setup_images(&a->target, c, data[1], err);
}

/* The classes to balance: as listed, or the one with the fewest instances in the source. */
static void find_rare(struct adapt *a, bool rare[UDA_CLASSES])
{
    const struct uda_session *s = a->session;
    bool listed = false;
    for (int k = 0; k < UDA_CLASSES; k++) {
        rare[k] = s->recipe->mixing.rare.classes[k];
        listed = listed || rare[k];
    }
    int found = listed ? -1 : uda_dataset_rare_class(a->source, uda_class_map_mask(&s->map));
    if (found >= 0) {
        rare[found] = true;
    }
    bool used = s->recipe->mixing.rare.pool > 0 && s->recipe->mixing.directions[UDA_S2T];
    for (int k = 0; used && k < UDA_CLASSES; k++) {
        if (rare[k] && s->map.index[k] >= 0) {
            uda_log(UDA_LOG_INFO, "%s: rare class: %s, %lld instances", s->context->stage->name,
                    uda_classes[k].name, (long long)a->source->instances[k]);
        }
    }
}

static void set_ego(struct adapt *a)
{
    const struct uda_stage_context *c = a->session->context;
    const struct uda_manifest_dataset *d = &c->manifest->dataset[c->stage->spec->data[1]];
    int64_t numbers = d->ego.polygon.count;
    if (numbers == 0 || a->session->recipe->mixing.ego_keep <= 0.0) {
        return;
    }
    a->ego = (struct uda_ego){.height = d->ego.size[0], .width = d->ego.size[1], .points = numbers / 2,
                              .xy = d->ego.polygon.value};
    a->ego_cls = a->session->map.cls[0];
}

static int mark_ego(struct uda_labelled_image *scene, const void *args, struct uda_arena *arena,
                    struct uda_err *err)
{
    const struct adapt *a = args;
    return uda_ego_mark(scene, &a->ego, a->ego_cls, arena, err);
}

static int prepare(struct uda_session *session, struct uda_err *err)
{
    struct adapt *a = session->self;
    const struct uda_stage_context *c = session->context;
    a->session = session;
    UDA_TRY(open_sets(a, err));
    set_ego(a);
    struct uda_mixing_spec spec = {.recipe = session->recipe, .map = &session->map,
                                   .batch = session->recipe->batch, .shards = c->manifest->shards,
                                   .share = session->share, .dist = &session->dist,
                                   .seed = c->manifest->seed,
                                   .stage = c->stage->rng_stage,
                                   .threads = (int)c->manifest->runtime.threads,
                                   .device = uda_setup_device(c->manifest)};
    find_rare(a, spec.rare);
    return uda_mixing_create(&a->mixing, &spec, err);
}

static int open_loaders(struct adapt *a, struct uda_err *err)
{
    const struct uda_session *s = a->session;
    const struct uda_stage_context *c = s->context;
    struct uda_augment_spec augment;
    UDA_TRY(uda_setup_augment(&augment, s->recipe, err));
    struct uda_loader_spec spec = {
        .batch = s->recipe->batch, .first_image = s->share.first_image, .images = s->share.images,
        .seed = c->manifest->seed, .stage = c->stage->rng_stage,
        .stream = STREAM_SOURCE, .first_step = s->state.step, .last_step = s->iterations,
        .order = UDA_LOADER_SHUFFLE, .augment = &augment, .map = &s->map,
        .workers = (int)c->manifest->runtime.workers,
        .prefetch = (int)c->manifest->runtime.prefetch, .cache_bytes = CACHE_BYTES};
    UDA_TRY(uda_loader_create(&a->source_loader, a->source, &spec, err));
    spec.stream = STREAM_TARGET;
    augment.keep_plain = s->recipe->mixing.teacher_view == UDA_VIEW_WEAK;
    if (s->recipe->mixing.pairing == UDA_PAIR_FIXED) {
        spec.follow = a->source;
    }
    if (a->ego.points > 0) {
        spec.edit = mark_ego;
        spec.edit_args = a;
    }
    return uda_loader_create(&a->target_loader, a->target, &spec, err);
}

static int open_all(struct uda_session *session, struct uda_err *err)
{
    struct adapt *a = session->self;
    const struct uda_stage_context *c = session->context;
    struct uda_predictor_spec spec = {.map = session->map, .producer = "teacher",
                                      .values = uda_trainer_teacher_there(session->trainer),
                                      .detections = session->recipe->test.detections,
                                      .min_score = session->recipe->mixing.confidence,
                                      .type = uda_setup_type(session->recipe),
                                      .low = uda_trainer_teacher_low(session->trainer),
                                      .threads = (int)c->manifest->runtime.threads};
    struct uda_device *device = uda_trainer_device(session->trainer);
    spec.on = uda_device_is_host(device) ? NULL : device; /* the CPU's predictor has workers of its own */
    UDA_TRY(open_loaders(a, err));
    UDA_TRY(uda_setup_model(&spec.model, &c->manifest->model, session->map.count, err));
    return uda_predictor_create(&a->teacher, &spec, err);
}

/* ---- one step ---- */

static int load_view(void *args, int64_t k, struct uda_image *image, const char **name,
                     struct uda_arena *arena, struct uda_err *err)
{
    const struct adapt *a = args;
    (void)arena;
    (void)err;
    *image = uda_mixing_view(a->mixing, a->asked[k]);
    *name = "target";
    return 0;
}

static int ask_teacher(struct adapt *a, struct uda_detections *found, struct uda_err *err)
{
    uda_steady_reset(&a->found);
    uda_detections_init(found, &a->found.arena);
    a->asks = 0;
    for (int64_t i = 0; i < a->session->share.images; i++) {
        if (uda_mixing_asks(a->mixing, i)) {
            a->asked[a->asks++] = i;
        }
    }
    return uda_predictor_run(a->teacher, found, 0, a->asks, load_view, a, NULL, err);
}

static void add_figures(struct uda_session *session, const struct uda_mixing_report *r)
{
    double *figure = session->state.figure + UDA_FIGURE_OWN;
    double targets = r->targets > 0 ? (double)r->targets : 1.0;
    double mixed = r->mixed > 0 ? (double)r->mixed : 1.0;
    figure[FIGURE_PSEUDO] += (double)r->pseudo / targets;
    figure[FIGURE_UNLABELLED] += (double)r->unlabelled / targets;
    figure[FIGURE_PASTED] += (double)r->pasted / mixed;
    figure[FIGURE_POOLED] += (double)r->pooled / mixed;
    figure[FIGURE_SKIPPED] += r->skipped ? 1.0 : 0.0;
}

/* RUN/mixed/<stage>/step-000001000-s2t.png and -t2s.png, a few times over the stage; of rank 0's images. */
static int draw_pictures(struct adapt *a, struct uda_err *err)
{
    const struct uda_stage_context *c = a->session->context;
    int64_t t = a->session->state.step, every = (a->session->iterations + PICTURES - 1) / PICTURES;
    if (t % every != 0 || !a->session->leads) {
        return 0;
    }
    struct uda_arena arena = {0};
    const char *folder = uda_arena_printf(&arena, "%s/mixed/%s", c->options->run_dir, c->stage->name);
    const char *prefix =
        folder == NULL ? NULL : uda_arena_printf(&arena, "%s/step-%09lld", folder, (long long)t);
    int rc = prefix == NULL ? uda_fail(err, UDA_NOMEM, "stage '%s': out of memory", c->stage->name)
                            : uda_fs_mkdirs(folder, err);
    if (rc == 0) {
        rc = uda_mixing_picture(a->mixing, prefix, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

/* Images of the coming step, sources in their targets' colours. */
static int pair(struct adapt *a, struct uda_err *err)
{
    if (a->sources == NULL) {
        UDA_TRY(uda_loader_next(a->source_loader, &a->sources, err));
    }
    if (a->targets == NULL) {
        UDA_TRY(uda_loader_next(a->target_loader, &a->targets, err));
    }
    if (!a->paired) {
        UDA_TRY(uda_mixing_begin(a->mixing, a->sources, a->targets, err));
    }
    a->paired = true;
    return 0;
}

/* The student's update. On a GPU this thread makes the next pairs while the device works; what fails then is
 * tried again, and reported, at its own step. */
static int update(struct uda_session *session, const struct uda_step_part *part, int parts,
                  struct uda_step_report *report, struct uda_err *err)
{
    struct adapt *a = session->self;
    struct uda_err later = {0};
    UDA_TRY(uda_trainer_begin(session->trainer, part, parts, session->state.step, err));
    if (!uda_device_is_host(uda_trainer_device(session->trainer)) &&
        session->state.step + 1 < session->iterations && pair(a, &later) != 0) {
        uda_err_clear(&later);
    }
    return uda_trainer_end(session->trainer, report, err);
}

static int step(struct uda_session *session, struct uda_step_report *report, struct uda_err *err)
{
    struct adapt *a = session->self;
    int64_t t = session->state.step;
    struct uda_detections found;
    struct uda_step_part part[UDA_STEP_PARTS];
    struct uda_mixing_report mixed;
    int parts = 0;
    UDA_TRY(uda_trainer_average(session->trainer, uda_ema_alpha(t, session->recipe->mixing.ema), err));
    UDA_TRY(pair(a, err));
    UDA_TRY(ask_teacher(a, &found, err));
    UDA_TRY(uda_mixing_label(a->mixing, &found, err));
    UDA_TRY(uda_mixing_finish(a->mixing, t, part, &parts, &mixed, err));
    UDA_TRY(draw_pictures(a, err));
    add_figures(session, &mixed);
    a->sources = a->targets = NULL;
    a->paired = false;
    if (mixed.skipped) {
        *report = (struct uda_step_report){.lr = uda_trainer_lr(session->trainer, t)};
        return 0;
    }
    return update(session, part, parts, report, err);
}

/* ---- checkpoint ---- */

static int gather(struct uda_session *session, struct uda_err *err)
{
    struct adapt *a = session->self;
    return uda_mixing_gather(a->mixing, err);
}

static int save(void *self, struct uda_store_writer *writer, struct uda_err *err)
{
    const struct adapt *a = self;
    return uda_mixing_save(a->mixing, writer, err);
}

static int load(void *self, const struct uda_store *store, struct uda_err *err)
{
    struct adapt *a = self;
    return uda_mixing_load(a->mixing, store, err);
}

int uda_stage_adapt(struct uda_stage_context *context, struct uda_err *err)
{
    static const struct uda_session_kind kind = {
        .teacher = true,
        .figure = {[FIGURE_PSEUDO] = "pseudo_labels", [FIGURE_UNLABELLED] = "unlabelled",
                   [FIGURE_PASTED] = "pasted", [FIGURE_POOLED] = "pooled", [FIGURE_SKIPPED] = "skipped"},
        .figures = 5, .prepare = prepare, .open = open_all, .step = step, .gather = gather,
        .save = save, .load = load};
    struct adapt *adapt = uda_calloc(sizeof *adapt);
    if (adapt == NULL) {
        return uda_fail(err, UDA_NOMEM, "stage '%s': out of memory", context->stage->name);
    }
    struct uda_session session = {.context = context, .kind = &kind, .self = adapt};
    int rc = uda_session_run(&session, err);
    uda_loader_destroy(&adapt->source_loader);
    uda_loader_destroy(&adapt->target_loader);
    uda_mixing_destroy(&adapt->mixing);
    uda_predictor_destroy(&adapt->teacher);
    uda_dataset_destroy(&adapt->source);
    uda_dataset_destroy(&adapt->target);
    uda_arena_finish(&adapt->found.arena);
    uda_session_finish(&session);
    uda_free(adapt);
    return rc;
}
