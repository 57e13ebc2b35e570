#include "src/stage/fused.h"

#include "src/stage/predictor.h"
#include "src/stage/ranks_predict.h"
#include "src/stage/setup.h"

void uda_fused_share(struct uda_fusion_input *input, const struct uda_stage_context *context)
{
    const struct uda_plan_stage *stage = context->stage, *all = context->plan->stage;
    for (int cls = 0; cls < UDA_CLASSES; cls++) {
        bool owned = false;
        for (int64_t k = 0; k < stage->input_count; k++) {
            int64_t category = all[stage->input[k]].category;
            input[k].takes[cls] = category >= 0 && context->manifest->category[category].has[cls];
            owned = owned || input[k].takes[cls];
        }
        for (int64_t k = 0; k < stage->input_count && !owned; k++) {
            input[k].takes[cls] = all[stage->input[k]].category < 0;
        }
    }
}

/* What one model finds. */
static int predict(struct uda_detections *found, const struct uda_stage_context *context,
                   const struct uda_plan_stage *from, struct uda_dataset *dataset, int64_t first,
                   int64_t last, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_predictor *predictor = NULL;
    struct uda_progress progress;
    const char *name = uda_arena_printf(arena, "%s: %s", context->stage->name, from->name);
    if (name == NULL) {
        return uda_fail(err, UDA_NOMEM, "stage '%s': out of memory", context->stage->name);
    }
    uda_detections_init(found, arena);
    uda_progress_start(&progress, name, first, last, 1);
    UDA_TRY(uda_setup_predictor_of(&predictor, context, from, 0.0, err));
    const struct uda_ranks_job job = {.context = context, .from = from, .dataset = dataset};
    int rc = uda_ranks_predict(found, predictor, &job, first, last, &progress, err);
    uda_predictor_destroy(&predictor);
    return rc;
}

static int predict_all(struct uda_detections *found, const struct uda_stage_context *context,
                       struct uda_dataset *dataset, int64_t first, int64_t last,
                       struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_plan_stage *stage = context->stage;
    size_t inputs = (size_t)stage->input_count;
    struct uda_fusion_input *input = uda_arena_calloc(arena, inputs * sizeof *input);
    struct uda_detections *set = uda_arena_calloc(arena, inputs * sizeof *set);
    if (input == NULL || set == NULL) {
        return uda_fail(err, UDA_NOMEM, "stage '%s': out of memory", stage->name);
    }
    for (int64_t k = 0; k < stage->input_count; k++) {
        const struct uda_plan_stage *from = &context->plan->stage[stage->input[k]];
        UDA_TRY(predict(&set[k], context, from, dataset, first, last, arena, err));
        input[k].set = &set[k];
        input[k].name = from->weights;
    }
    uda_fused_share(input, context);
    const struct uda_fusion_rule rule = {.min_left = stage->spec->label_overlap,
                                         .plain = stage->spec->fuse_rule == UDA_FUSE_PLAIN};
    return uda_fuse(found, input, stage->input_count, &rule, err);
}

int uda_fused_predict(struct uda_detections *found, const struct uda_stage_context *context,
                      struct uda_dataset *dataset, int64_t first, int64_t last, struct uda_err *err)
{
    struct uda_arena arena = {0};
    int rc = predict_all(found, context, dataset, first, last, &arena, err);
    uda_arena_finish(&arena);
    return rc;
}
