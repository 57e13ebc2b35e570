#include "src/stage/stage.h"

#include "src/stage/fused.h"
#include "src/stage/labels.h"
#include "src/stage/setup.h"

/* A stage of kind fuse at work. It takes seconds, so an interrupted one starts again. */
struct fuse {
    struct uda_stage_context *context;
    struct uda_detections *set;      /* [input_count] */
    struct uda_fusion_input *input;  /* [input_count] */
    struct uda_detections fused;
    struct uda_dataset *dataset; /* for the pictures */
};

static int load_inputs(struct fuse *s, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    size_t inputs = (size_t)c->stage->input_count;
    s->set = uda_arena_calloc(c->arena, inputs * sizeof *s->set);
    s->input = uda_arena_calloc(c->arena, inputs * sizeof *s->input);
    if (s->set == NULL || s->input == NULL) {
        return uda_fail(err, UDA_NOMEM, "stage '%s': out of memory", c->stage->name);
    }
    for (int64_t k = 0; k < c->stage->input_count; k++) {
        const char *file = c->plan->stage[c->stage->input[k]].label_file;
        const char *path = uda_stage_path(c, file);
        if (path == NULL) {
            return uda_fail(err, UDA_NOMEM, "stage '%s': out of memory", c->stage->name);
        }
        UDA_TRY(uda_labelset_load(&s->set[k], c->arena, path, err));
        s->input[k].set = &s->set[k];
        s->input[k].name = file;
    }
    uda_fused_share(s->input, c);
    return 0;
}

static int fuse(struct fuse *s, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    const struct uda_manifest_stage *spec = c->stage->spec;
    const struct uda_fusion_rule rule = {.score = spec->label_score,
                                         .min_area_px = spec->label_min_area,
                                         .min_left = spec->label_overlap,
                                         .plain = spec->fuse_rule == UDA_FUSE_PLAIN};
    UDA_TRY(load_inputs(s, err));
    uda_detections_init(&s->fused, c->arena);
    UDA_TRY(uda_fuse(&s->fused, s->input, c->stage->input_count, &rule, err));
    const struct uda_labelset_threshold threshold[] = {
        {.name = "score", .value = rule.score},
        {.name = "min_area", .value = (double)rule.min_area_px},
        {.name = "min_left", .value = rule.min_left}};
    const struct uda_plan_stage *first = &c->plan->stage[c->stage->input[0]];
    UDA_TRY(uda_setup_images(&s->dataset, c, first->spec->data[0], err));
    return uda_labels_write(c, &s->fused, s->dataset, threshold, UDA_LEN(threshold), err);
}

int uda_stage_fuse(struct uda_stage_context *context, struct uda_err *err)
{
    struct fuse s = {.context = context};
    int rc = fuse(&s, err);
    uda_dataset_destroy(&s.dataset);
    return rc;
}
