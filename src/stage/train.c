#include "src/stage/labels.h"
#include "src/stage/session.h"

/* Decoded images are kept in memory up to this; it changes no result. */
#define CACHE_BYTES ((size_t)1 << 30)

/* Supervised training: one data set, one batch a step. */
struct train {
    struct uda_labels_file labels; /* with `labels: STAGE` */
    struct uda_dataset *dataset;
    struct uda_loader *loader;
    const struct uda_batch *next; /* the coming step's, where it has been fetched already */
};

/* The images of the data set with the labels of a label or fuse stage. */
static int open_pseudo_labelled(struct uda_session *session, uint32_t classes, struct uda_err *err)
{
    struct train *t = session->self;
    const struct uda_stage_context *c = session->context;
    const struct uda_plan_stage *from = &c->plan->stage[c->stage->labels];
    int64_t instances = 0;
    UDA_TRY(uda_labels_open(&t->labels, c, from, err));
    for (int64_t i = 0; i < t->labels.set.count; i++) {
        for (int64_t k = 0; k < t->labels.set.image[i].count; k++) {
            instances += classes >> t->labels.set.image[i].item[k].cls & 1u;
        }
    }
    if (instances == 0) {
        return uda_fail(err, UDA_FORMAT,
                        "stage '%s': '%s' has no instance to learn from: lower stages.%s.score (%g) and the "
                        "score of the stages it was made from, or train their models longer",
                        c->stage->name, from->label_file, from->spec->name, from->spec->label_score);
    }
    return uda_setup_pseudo_labelled(&t->dataset, c, c->stage->spec->data[0], classes,
                                     &t->labels.source, err);
}

static int open_data(struct uda_session *session, struct uda_err *err)
{
    struct train *t = session->self;
    const struct uda_stage_context *c = session->context;
    uint32_t classes = uda_class_map_mask(&session->map);
    if (c->stage->labels >= 0) {
        UDA_TRY(open_pseudo_labelled(session, classes, err));
    } else {
        UDA_TRY(uda_setup_dataset(&t->dataset, c, c->stage->spec->data[0], classes, true, err));
    }
    struct uda_augment_spec augment;
    UDA_TRY(uda_setup_augment(&augment, session->recipe, err));
    const struct uda_loader_spec spec = {
        .batch = session->recipe->batch, .first_image = session->share.first_image,
        .images = session->share.images, .seed = c->manifest->seed, .stage = c->stage->rng_stage,
        .first_step = session->state.step, .last_step = session->iterations,
        .order = UDA_LOADER_SHUFFLE, .augment = &augment, .map = &session->map,
        .workers = (int)c->manifest->runtime.workers,
        .prefetch = (int)c->manifest->runtime.prefetch, .cache_bytes = CACHE_BYTES};
    return uda_loader_create(&t->loader, t->dataset, &spec, err);
}

/* The next batch on its way to the device, which is at work on this one. */
static int fetch_next(struct uda_session *session, struct uda_err *err)
{
    struct train *t = session->self;
    if (uda_loader_next(t->loader, &t->next, NULL) != 0 || t->next == NULL) {
        t->next = NULL; /* a failure is reported again at its own step */
        return 0;
    }
    return uda_trainer_ahead(session->trainer, t->next, err);
}

static int step(struct uda_session *session, struct uda_step_report *report, struct uda_err *err)
{
    struct train *t = session->self;
    struct uda_step_part part = {.batch = t->next, .weight = 1.0f};
    t->next = NULL;
    if (part.batch == NULL) {
        UDA_TRY(uda_loader_next(t->loader, &part.batch, err));
    }
    UDA_TRY(uda_trainer_begin(session->trainer, &part, 1, session->state.step, err));
    if (!uda_device_is_host(uda_trainer_device(session->trainer))) {
        UDA_TRY(fetch_next(session, err));
    }
    return uda_trainer_end(session->trainer, report, err);
}

int uda_stage_train(struct uda_stage_context *context, struct uda_err *err)
{
    static const struct uda_session_kind kind = {.open = open_data, .step = step};
    struct train train = {.loader = NULL};
    struct uda_session session = {.context = context, .kind = &kind, .self = &train};
    int rc = uda_session_run(&session, err);
    uda_loader_destroy(&train.loader);
    uda_dataset_destroy(&train.dataset);
    uda_session_finish(&session);
    return rc;
}
