#include "src/stage/ranks_predict.h"

#include "src/eval/labelset.h"
#include "src/stage/setup.h"
#include "src/stage/stop.h"

#include <string.h>

enum { END, PREDICT };

struct order {
    int64_t what;
    int64_t from; /* index in the plan; -1: model.init */
    int64_t first, last, count; /* of the data set's images */
    double least_score;
};

/* A rank that serves. */
struct server {
    const struct uda_stage_context *context;
    struct uda_dataset *dataset;
    struct uda_predictor *predictor;
    int64_t from; /* of the predictor */
    double least_score;
    struct uda_progress progress; /* with one a prediction ends when a stop is wanted */
};

bool uda_ranks_predicts(const struct uda_plan_stage *stage)
{
    return stage->kind == UDA_STAGE_LABEL || (stage->kind == UDA_STAGE_EVALUATE && stage->labels < 0);
}

/* This rank's part of first..last-1. */
static int64_t cut(const struct order *order, const struct uda_dist *dist, int64_t rank)
{
    return order->first + (order->last - order->first) * rank / dist->ranks;
}

/* All ranks together: a rank that was stopped has not finished its part, and then nobody's counts. */
static int agree(const struct uda_dist *dist, int rc, struct uda_err *err)
{
    if (rc != 0 && rc != UDA_STOPPED) {
        return rc;
    }
    int64_t incomplete = rc == UDA_STOPPED;
    char reason[UDA_DIST_REASON_BYTES];
    bool stop = false;
    struct uda_err lost = {0};
    if (uda_dist_max(dist, &incomplete, &lost) != 0 ||
        (incomplete != 0 && uda_dist_agree_stop(dist, &stop, reason, rc == UDA_STOPPED, &lost) != 0)) {
        *err = lost;
        return (int)lost.code;
    }
    if (incomplete == 0) {
        return 0;
    }
    if (rc == 0 && dist->rank == 0) {
        uda_stop_request(reason); /* the stage tells why it ends */
    }
    return rc == UDA_STOPPED ? rc : uda_fail(err, UDA_STOPPED, "%s", reason);
}

/* Predicts this rank's part, and brings the parts to rank 0. found NULL: not rank 0. */
static int work(struct uda_detections *found, struct uda_predictor *predictor, struct uda_dataset *dataset,
                const struct order *order, const struct uda_dist *dist, struct uda_progress *progress,
                struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_detections part;
    unsigned char *all[UDA_DIST_RANKS] = {NULL}, *mine = NULL;
    size_t bytes[UDA_DIST_RANKS] = {0}, mine_bytes = 0;
    uda_detections_init(&part, &arena);
    int rc = uda_predictor_run(predictor, &part, cut(order, dist, dist->rank),
                               cut(order, dist, dist->rank + 1), uda_setup_load_image, dataset, progress,
                               err);
    rc = agree(dist, rc, err);
    if (rc == 0) {
        rc = uda_labelset_pack(&mine, &mine_bytes, &arena, &part, err);
    }
    if (rc == 0) {
        rc = uda_dist_collect(dist, all, bytes, &arena, mine, mine_bytes, err);
    }
    for (int r = 0; r < dist->ranks && rc == 0 && found != NULL; r++) {
        rc = uda_labelset_unpack(found, all[r], bytes[r], "predictions of a rank", err);
    }
    uda_arena_finish(&arena);
    return rc;
}

/* The images are those that were asked for, by name. */
static int check_names(const struct uda_detections *found, int64_t before, const struct uda_ranks_job *job,
                       const struct order *order, struct uda_err *err)
{
    for (int64_t i = order->first; i < order->last; i++) {
        int64_t k = before + i - order->first;
        const char *name = k < found->count ? found->image[k].name : "(none)";
        if (strcmp(name, job->dataset->item[i].name) != 0) {
            return uda_fail(err, UDA_FORMAT,
                            "stage '%s': another rank sees image '%s' where rank 0 sees '%s': all must see "
                            "the same data", job->context->stage->name, name, job->dataset->item[i].name);
        }
    }
    return 0;
}

int uda_ranks_predict(struct uda_detections *found, struct uda_predictor *predictor,
                      const struct uda_ranks_job *job, int64_t first, int64_t last,
                      struct uda_progress *progress, struct uda_err *err)
{
    const struct uda_dist dist = uda_stage_dist(job->context);
    if (dist.ranks == 1) {
        return uda_predictor_run(predictor, found, first, last, uda_setup_load_image, job->dataset,
                                 progress, err);
    }
    struct order order = {.what = PREDICT, .from = job->from == NULL ? -1 : job->from->index,
                          .first = first, .last = last, .count = job->dataset->count,
                          .least_score = job->least_score};
    int64_t before = found->count;
    UDA_TRY(uda_dist_broadcast(&dist, &order, sizeof order, err));
    UDA_TRY(work(found, predictor, job->dataset, &order, &dist, progress, err));
    return check_names(found, before, job, &order, err);
}

int uda_ranks_predict_end(const struct uda_stage_context *context, struct uda_err *err)
{
    const struct uda_dist dist = uda_stage_dist(context);
    struct order order = {.what = END};
    return uda_dist_broadcast(&dist, &order, sizeof order, err);
}

/* As rank 0 has opened it: the index is there and is not written again. */
static int open_images(struct server *s, const struct order *order, struct uda_err *err)
{
    const struct uda_plan_stage *stage = s->context->stage;
    if (s->dataset == NULL && stage->kind == UDA_STAGE_EVALUATE) {
        UDA_TRY(uda_setup_dataset(&s->dataset, s->context, stage->spec->data[0], 0, false, err));
    } else if (s->dataset == NULL) {
        UDA_TRY(uda_setup_images(&s->dataset, s->context, stage->spec->data[0], err));
    }
    if (s->dataset->count != order->count) {
        return uda_fail(err, UDA_FORMAT, "stage '%s': rank %d sees %lld images and rank 0 %lld", stage->name,
                        s->context->options->dist.rank, (long long)s->dataset->count,
                        (long long)order->count);
    }
    return 0;
}

static int serve(struct server *s, const struct order *order, const struct uda_dist *dist,
                 struct uda_err *err)
{
    UDA_TRY(open_images(s, order, err));
    if (s->predictor == NULL || s->from != order->from || s->least_score != order->least_score) {
        uda_predictor_destroy(&s->predictor);
        const struct uda_plan_stage *from = order->from < 0 ? NULL : &s->context->plan->stage[order->from];
        UDA_TRY(uda_setup_predictor_of(&s->predictor, s->context, from, order->least_score, err));
        s->from = order->from;
        s->least_score = order->least_score;
    }
    uda_progress_start(&s->progress, s->context->stage->name, order->first, order->count, 1);
    return work(NULL, s->predictor, s->dataset, order, dist, &s->progress, err);
}

int uda_ranks_predict_serve(const struct uda_stage_context *context, struct uda_err *err)
{
    const struct uda_dist dist = uda_stage_dist(context);
    struct server s = {.context = context};
    struct order order = {.what = END};
    int rc = 0;
    do {
        rc = uda_dist_broadcast(&dist, &order, sizeof order, err);
        if (rc == 0 && order.what == PREDICT) {
            rc = serve(&s, &order, &dist, err);
        }
        if (rc == UDA_STOPPED) { /* agreed: rank 0 ends the stage, and says so */
            uda_err_clear(err);
            rc = 0;
        }
    } while (rc == 0 && order.what == PREDICT);
    uda_predictor_destroy(&s.predictor);
    uda_dataset_destroy(&s.dataset);
    return rc;
}
