#include "src/plan/plan.h"

#include "src/plan/fingerprint.h"

#include <string.h>

static int no_memory(const struct uda_manifest *manifest, struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "'%s': out of memory", manifest->path);
}

/* Have all stages that `spec` reads been placed? */
static bool ready(const struct uda_manifest_stage *spec, const bool *placed)
{
    bool good = (spec->from < 0 || placed[spec->from]) && (spec->labels < 0 || placed[spec->labels]);
    for (int64_t i = 0; i < spec->input_count; i++) {
        good = good && placed[spec->inputs[i]];
    }
    return good;
}

/* order [stage_count]: the first stage of the manifest whose inputs are placed comes next. */
static void sort_stages(int64_t *order, bool *placed, const struct uda_manifest *m)
{
    for (int64_t n = 0; n < m->stage_count; n++) {
        for (int64_t s = 0; s < m->stage_count; s++) {
            if (!placed[s] && ready(&m->stage[s], placed)) {
                placed[s] = true;
                order[n] = s;
                break;
            }
        }
    }
}

/* Plan index of the instance of a manifest stage that belongs to a category, or of its only
 * one; -1. */
static int64_t instance_of(const struct uda_plan *plan, int64_t stage, int64_t category)
{
    for (int64_t i = 0; stage >= 0 && i < plan->count; i++) {
        const struct uda_plan_stage *s = &plan->stage[i];
        if (s->spec->index == stage && (s->category < 0 || s->category == category)) {
            return i;
        }
    }
    return -1;
}

static void add_input(struct uda_plan_stage *stage, int64_t index)
{
    if (index < 0) {
        return;
    }
    int64_t at = 0;
    while (at < stage->input_count && stage->input[at] < index) {
        at++;
    }
    if (at < stage->input_count && stage->input[at] == index) {
        return;
    }
    memmove(stage->input + at + 1, stage->input + at,
            (size_t)(stage->input_count - at) * sizeof *stage->input);
    stage->input[at] = index;
    stage->input_count++;
}

/* All instances of a manifest stage. */
static void add_all(struct uda_plan_stage *stage, const struct uda_plan *plan, int64_t index)
{
    for (int64_t i = 0; i < plan->count; i++) {
        if (plan->stage[i].spec->index == index) {
            add_input(stage, i);
        }
    }
}

static void link_inputs(struct uda_plan_stage *stage, const struct uda_plan *plan)
{
    const struct uda_manifest_stage *spec = stage->spec;
    stage->from = instance_of(plan, spec->from, stage->category);
    stage->labels = instance_of(plan, spec->labels, stage->category);
    add_input(stage, stage->from);
    add_input(stage, stage->labels);
    for (int64_t k = 0; k < spec->input_count; k++) {
        add_all(stage, plan, spec->inputs[k]);
    }
    if (spec->fused) {
        add_all(stage, plan, spec->from);
    }
}

static bool name_files(struct uda_plan_stage *stage, struct uda_arena *arena)
{
    bool trains = stage->kind == UDA_STAGE_TRAIN || stage->kind == UDA_STAGE_ADAPT;
    bool labels = stage->kind == UDA_STAGE_LABEL || stage->kind == UDA_STAGE_FUSE;
    stage->dir = uda_arena_printf(arena, "stages/%s", stage->name);
    if (trains) {
        stage->weights = uda_arena_printf(arena, "stages/%s/weights.h5", stage->name);
    }
    if (labels) {
        stage->label_file = uda_arena_printf(arena, "labels/%s.h5", stage->name);
    }
    return stage->dir != NULL && (!trains || stage->weights != NULL) &&
           (!labels || stage->label_file != NULL);
}

/* Adds one instance at the end of the plan. */
static int add_instance(struct uda_plan *plan, struct uda_arena *arena,
                        const struct uda_manifest_stage *spec, int64_t category, int64_t room,
                        struct uda_err *err)
{
    const struct uda_manifest *m = plan->manifest;
    struct uda_plan_stage stage = {.kind = spec->kind, .index = plan->count, .category = category,
                                   .spec = spec};
    stage.name = category < 0 ? spec->name
                              : uda_arena_printf(arena, "%s.%s", spec->name,
                                                 m->category[category].name);
    stage.input = uda_arena_calloc(arena, (size_t)room * sizeof *stage.input);
    if (stage.name == NULL || stage.input == NULL || !name_files(&stage, arena)) {
        return no_memory(m, err);
    }
    stage.rng_stage = (uint32_t)uda_digest_of(stage.name, strlen(stage.name)).low;
    link_inputs(&stage, plan);
    struct uda_facts facts = {.arena = arena};
    UDA_TRY(uda_facts_collect(&facts, plan, &stage, err));
    UDA_TRY(uda_facts_digest(&stage.fingerprint, &facts, err));
    plan->stage[plan->count++] = stage;
    return 0;
}

int uda_plan_init(struct uda_plan *plan, struct uda_arena *arena,
                  const struct uda_manifest *manifest, struct uda_err *err)
{
    struct uda_plan made = {.manifest = manifest};
    size_t stages = (size_t)manifest->stage_count;
    int64_t fan = manifest->category_count > 1 ? manifest->category_count : 1;
    int64_t room = manifest->stage_count * fan + 1;
    int64_t *order = uda_arena_calloc(arena, stages * sizeof *order);
    bool *placed = uda_arena_calloc(arena, stages * sizeof *placed);
    made.stage = uda_arena_calloc(arena, (size_t)room * sizeof *made.stage);
    if (order == NULL || placed == NULL || made.stage == NULL) {
        return no_memory(manifest, err);
    }
    sort_stages(order, placed, manifest);
    for (int64_t n = 0; n < manifest->stage_count; n++) {
        const struct uda_manifest_stage *spec = &manifest->stage[order[n]];
        int64_t instances = spec->for_each_category ? manifest->category_count : 1;
        for (int64_t c = 0; c < instances; c++) {
            UDA_TRY(add_instance(&made, arena, spec, spec->for_each_category ? c : -1, room, err));
        }
    }
    *plan = made;
    return 0;
}

int64_t uda_plan_find(const struct uda_plan *plan, const char *name)
{
    for (int64_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->stage[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}
