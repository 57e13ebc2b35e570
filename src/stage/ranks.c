#include "src/stage/ranks.h"

#include "src/stage/ranks_predict.h"

struct order {
    int64_t stage; /* index in the plan; -1: the run ends */
    int64_t rc;    /* then: how */
};

struct uda_dist uda_stage_dist(const struct uda_stage_context *context)
{
    return context->options->dist.ranks > 1 ? context->options->dist : uda_dist_alone();
}

bool uda_stage_leads(const struct uda_stage_context *context) { return context->options->dist.rank == 0; }

static bool is_training(const struct uda_plan_stage *stage)
{
    return stage->kind == UDA_STAGE_TRAIN || stage->kind == UDA_STAGE_ADAPT;
}

static int give(const struct uda_run_options *options, struct order order, struct uda_err *err)
{
    return options->dist.ranks > 1 ? uda_dist_broadcast(&options->dist, &order, sizeof order, err) : 0;
}

int uda_ranks_run(struct uda_stage_context *context, struct uda_err *err)
{
    bool predicts = uda_ranks_predicts(context->stage);
    if (predicts || is_training(context->stage)) {
        UDA_TRY(give(context->options, (struct order){.stage = context->stage->index}, err));
    }
    int rc = uda_stage_run(context, err);
    struct uda_err lost = {0};
    if (predicts && (rc == 0 || rc == UDA_STOPPED) && uda_ranks_predict_end(context, &lost) != 0) {
        *err = lost;
        rc = (int)lost.code;
    }
    return rc;
}

int uda_ranks_dismiss(const struct uda_run_options *options, int rc, struct uda_err *err)
{
    struct uda_err lost = {0};
    if ((rc == 0 || rc == UDA_STOPPED) &&
        give(options, (struct order){.stage = -1, .rc = rc}, &lost) != 0) {
        *err = lost;
        return (int)lost.code;
    }
    return rc;
}

/* What rank 0's executor has done for its own context is done; this rank only reads. */
static int work(const struct uda_manifest *manifest, const struct uda_run_options *options,
                const struct uda_plan *plan, int64_t index, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_stage_state state = {.status = UDA_RUNNING};
    struct uda_stage_context context = {.options = options, .manifest = manifest, .plan = plan,
                                        .stage = &plan->stage[index], .state = &state,
                                        .arena = &arena};
    context.dir = uda_stage_path(&context, context.stage->dir);
    int rc = context.dir == NULL ? uda_fail(err, UDA_NOMEM, "ranks: out of memory") : 0;
    if (rc == 0 && uda_ranks_predicts(context.stage)) {
        rc = uda_ranks_predict_serve(&context, err);
    } else if (rc == 0) {
        rc = uda_stage_run(&context, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

int uda_ranks_follow(const struct uda_manifest *manifest, const struct uda_run_options *options,
                     struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_plan plan;
    struct order order = {.stage = 0};
    int rc = uda_plan_init(&plan, &arena, manifest, err);
    while (rc == 0) {
        rc = uda_dist_broadcast(&options->dist, &order, sizeof order, err);
        if (rc != 0 || order.stage < 0) {
            break;
        }
        rc = work(manifest, options, &plan, order.stage, err);
        if (rc == UDA_STOPPED) { /* agreed with rank 0, which says what comes of it */
            uda_err_clear(err);
            rc = 0;
        }
    }
    if (rc == 0 && order.rc != 0) {
        rc = uda_fail(err, (enum uda_code)order.rc, "rank 0 has stopped the run");
    }
    uda_arena_finish(&arena);
    return rc;
}
