/* Stages: names become indices, and what refers to what must fit. */
#include "src/base/nearest.h"
#include "src/plan/check_parts.h"
#include "src/plan/schema.h"

#include <inttypes.h>
#include <string.h>

#define NAMES_ROOM 64

static const char *suggestion(struct uda_draft *draft, const char *word,
                              const char *const *candidate, int64_t count)
{
    const char *near = uda_nearest(word, candidate, count);
    const char *text = near == NULL ? "" : uda_arena_printf(draft->arena, ": did you mean '%s'?", near);
    return text == NULL ? "" : text;
}

static int64_t find_dataset(struct uda_draft *draft, const struct uda_stage_draft *stage,
                            const char *name, struct uda_place place)
{
    const char *candidate[NAMES_ROOM];
    const struct uda_manifest *m = draft->manifest;
    for (int64_t i = 0; i < m->dataset_count; i++) {
        if (strcmp(m->dataset[i].name, name) == 0) {
            return i;
        }
        candidate[i] = m->dataset[i].name;
    }
    uda_diag_add(draft->diag, place, "stage '%s' reads data set '%s', which is not under 'datasets'%s",
                 stage->spec.name, name, suggestion(draft, name, candidate, m->dataset_count));
    return -1;
}

/* The index of a stage of one of the kinds, or -1 after a complaint. */
static int64_t find_stage(struct uda_draft *draft, const struct uda_stage_draft *stage,
                          const char *key, const char *name, struct uda_place place,
                          unsigned kinds, const char *wanted)
{
    const char *candidate[NAMES_ROOM];
    int64_t count = draft->manifest->stage_count;
    for (int64_t i = 0; i < count; i++) {
        const struct uda_stage_draft *other = &draft->stage[i];
        candidate[i] = other->spec.name;
        if (strcmp(other->spec.name, name) != 0) {
            continue;
        }
        if (!other->bad && (kinds >> other->spec.kind & 1u) == 0) {
            uda_diag_add(draft->diag, place, "'%s' of stage '%s' needs %s: '%s' is of kind %s", key,
                         stage->spec.name, wanted, name, uda_stage_kind_name(other->spec.kind));
            return -1;
        }
        return i;
    }
    uda_diag_add(draft->diag, place, "stage '%s' refers to stage '%s', which is not under 'stages'%s",
                 stage->spec.name, name, suggestion(draft, name, candidate, count));
    return -1;
}

static void resolve_data(struct uda_draft *draft, struct uda_stage_draft *stage)
{
    struct uda_manifest_stage *spec = &stage->spec;
    int64_t found = 0;
    for (int64_t i = 0; i < stage->data.count; i++) {
        spec->data[i] = find_dataset(draft, stage, stage->data.name[i], stage->data.place[i]);
        found += spec->data[i] >= 0 ? 1 : 0;
    }
    spec->data_count = found == stage->data.count ? found : 0;
    int64_t want = spec->kind == UDA_STAGE_ADAPT ? 2 : spec->kind == UDA_STAGE_TRAIN ? 0 : 1;
    if (stage->data.count > 0 && want > 0 && stage->data.count != want) {
        uda_diag_add(draft->diag, stage->data.place[0],
                     "stage '%s' of kind %s needs %s, not %" PRId64, spec->name,
                     uda_stage_kind_name(spec->kind),
                     want == 2 ? "two data sets: [source, target]" : "one data set",
                     stage->data.count);
        spec->data_count = 0;
    }
}

/* A stage that runs once cannot take weights or labels that exist once for each category. */
static void check_fan(struct uda_draft *draft, const struct uda_stage_draft *stage,
                      const struct uda_names *names, int64_t other, const char *remedy)
{
    if (other < 0 || !draft->stage[other].spec.for_each_category || stage->spec.for_each_category) {
        return;
    }
    uda_diag_add(draft->diag, names->place[0],
                 "stage '%s' exists once for each category, stage '%s' does not: %s",
                 draft->stage[other].spec.name, stage->spec.name, remedy);
}

static void resolve_stages(struct uda_draft *draft, struct uda_stage_draft *stage)
{
    struct uda_manifest_stage *spec = &stage->spec;
    if (stage->from.count == 1) {
        spec->from = find_stage(draft, stage, "from", stage->from.name[0], stage->from.place[0],
                                1u << UDA_STAGE_TRAIN | 1u << UDA_STAGE_ADAPT,
                                "a train or adapt stage");
        spec->fused = spec->kind == UDA_STAGE_EVALUATE && spec->from >= 0 && !spec->for_each_category &&
                      draft->stage[spec->from].spec.for_each_category;
        if (!spec->fused) {
            check_fan(draft, stage, &stage->from, spec->from, "write for_each: category here too");
        }
    }
    if (stage->labels.count == 1) {
        spec->labels = find_stage(draft, stage, "labels", stage->labels.name[0],
                                  stage->labels.place[0],
                                  1u << UDA_STAGE_LABEL | 1u << UDA_STAGE_FUSE,
                                  "a label or fuse stage");
        check_fan(draft, stage, &stage->labels, spec->labels,
                  "join its labels by a stage of kind fuse");
    }
    for (int64_t i = 0; i < stage->inputs.count; i++) {
        int64_t input = find_stage(draft, stage, "inputs", stage->inputs.name[i],
                                   stage->inputs.place[i], 1u << UDA_STAGE_LABEL, "a label stage");
        if (input >= 0) {
            spec->inputs[spec->input_count++] = input;
        }
    }
}

/* Has an adapt stage something to learn from, and may it open what it asks for? */
static void check_adapt(struct uda_draft *draft, const struct uda_stage_draft *stage)
{
    const struct uda_manifest_stage *spec = &stage->spec;
    const struct uda_manifest_recipe *r = &spec->recipe;
    if (spec->kind != UDA_STAGE_ADAPT || spec->data_count != 2) {
        return;
    }
    if (r->mixing.target_labels == UDA_TARGET_TRUE &&
        draft->manifest->dataset[spec->data[1]].labels == UDA_LABELS_NONE) {
        uda_diag_add(draft->diag, stage->data.place[1],
                     "stage '%s' has mixing.target_labels: true, and data set '%s' has labels: none: "
                     "give it 'labels: file' if its labels may be opened",
                     spec->name, draft->manifest->dataset[spec->data[1]].name);
    }
    bool mixes = (r->mixing.directions[UDA_S2T] && r->loss.s2t > 0.0) ||
                 (r->mixing.directions[UDA_T2S] && r->loss.t2s > 0.0);
    if (r->loss.combine == UDA_COMBINE_WEIGHTED && !mixes && r->loss.source <= 0.0) {
        uda_diag_add(draft->diag, stage->data.place[0],
                     "stage '%s' has nothing to learn from: mixing.directions and loss.s2t, loss.t2s, "
                     "loss.source leave no kind of image",
                     spec->name);
    }
}

/* Does the stage find labels to learn from or to compare with? */
static void check_labels(struct uda_draft *draft, const struct uda_stage_draft *stage)
{
    const struct uda_manifest_stage *spec = &stage->spec;
    bool needs = spec->kind == UDA_STAGE_EVALUATE || spec->kind == UDA_STAGE_ADAPT ||
                 (spec->kind == UDA_STAGE_TRAIN && stage->labels.count == 0);
    int64_t count = spec->kind == UDA_STAGE_ADAPT && spec->data_count > 1 ? 1 : spec->data_count;
    for (int64_t i = 0; needs && i < count; i++) {
        const struct uda_manifest_dataset *d = &draft->manifest->dataset[spec->data[i]];
        if (d->labels == UDA_LABELS_NONE) {
            uda_diag_add(draft->diag, stage->data.place[i],
                         "stage '%s' needs labels, and data set '%s' has labels: none%s",
                         spec->name, d->name,
                         spec->kind == UDA_STAGE_TRAIN
                             ? ": give 'labels: STAGE' to train on pseudo-labels"
                             : "");
        }
    }
    if (stage->labels.count > 0 && stage->data.count > 1) {
        uda_diag_add(draft->diag, stage->labels.place[0],
                     "stage '%s': pseudo-labels belong to one data set, and it has %" PRId64,
                     spec->name, stage->data.count);
    }
}

/* Keys that join the findings of several models have nothing to join with one; their defaults stand
 * in every resolved manifest. */
static void check_joining(struct uda_draft *draft, const struct uda_stage_draft *stage)
{
    static const char *const keys[] = {"rule", "min_left"};
    const struct uda_yaml_node *stages = uda_yaml_get(draft->tree, "stages");
    const struct uda_yaml_node *tree = uda_yaml_get(stages, stage->spec.name);
    for (int k = 0; k < UDA_LEN(keys); k++) {
        const struct uda_yaml_node *node = uda_yaml_get(tree, keys[k]);
        const struct uda_key *key = uda_schema_find(k == 0 ? "stages.*.rule" : "stages.*.min_left");
        if (node != NULL && node->kind == UDA_YAML_SCALAR && strcmp(node->text, key->def) != 0 &&
            stage->spec.kind == UDA_STAGE_EVALUATE && !stage->spec.fused) {
            uda_diag_add(draft->diag, node->place,
                         "'%s' of stage '%s' joins what the models of several categories find, and it "
                         "measures one", keys[k], stage->spec.name);
        }
    }
}

static void check_kind(struct uda_draft *draft, struct uda_stage_draft *stage)
{
    struct uda_manifest_stage *spec = &stage->spec;
    if (spec->for_each_category && draft->manifest->category_count == 0) {
        uda_diag_add(draft->diag, stage->place,
                     "stage '%s' has for_each: category, and there are no 'categories'",
                     spec->name);
    }
    if (spec->weights == UDA_OF_TEACHER && spec->from >= 0 &&
        draft->stage[spec->from].spec.kind != UDA_STAGE_ADAPT) {
        uda_diag_add(draft->diag, stage->from.place[0],
                     "stage '%s' asks for the teacher's weights, and stage '%s' has no teacher: "
                     "only adapt has",
                     spec->name, draft->stage[spec->from].spec.name);
    }
    if (spec->kind == UDA_STAGE_EVALUATE && stage->labels.count > 0 && stage->from.count > 0) {
        uda_diag_add(draft->diag, stage->labels.place[0],
                     "stage '%s' measures the weights of 'from' or the labels of 'labels': give one",
                     spec->name);
    }
    check_joining(draft, stage);
    if (spec->protocol == UDA_PROTOCOL_AUTO) {
        enum uda_layout format = spec->data_count > 0
                                     ? draft->manifest->dataset[spec->data[0]].format
                                     : UDA_LAYOUT_CITYSCAPES;
        spec->protocol = format == UDA_LAYOUT_KITTI360 ? UDA_PROTOCOL_KITTI360
                         : format == UDA_LAYOUT_COCO   ? UDA_PROTOCOL_COCO
                                                       : UDA_PROTOCOL_CITYSCAPES;
    }
}

/* Stages that `spec` reads: from, labels, inputs. How many. */
static int64_t inputs_of(int64_t out[10], const struct uda_manifest_stage *spec)
{
    int64_t count = 0;
    if (spec->from >= 0) {
        out[count++] = spec->from;
    }
    if (spec->labels >= 0) {
        out[count++] = spec->labels;
    }
    for (int64_t i = 0; i < spec->input_count; i++) {
        out[count++] = spec->inputs[i];
    }
    return count;
}

/* Follows inputs from `at`; a stage met on the way down again closes a circle, which is reported
 * once. */
static bool find_circle(struct uda_draft *draft, int64_t at, unsigned char *state, const char *way)
{
    int64_t input[10];
    const char *name = draft->stage[at].spec.name;
    if (state[at] == 1) {
        const char *start = way; /* the part of the way from the first `name` on */
        size_t length = strlen(name);
        while (strncmp(start, name, length) != 0 || strncmp(start + length, " -> ", 4) != 0) {
            start = strstr(start, " -> ") + 4;
        }
        uda_diag_add(draft->diag, draft->stage[at].place,
                     "stages wait for each other in a circle: %s%s", start, name);
        return true;
    }
    if (state[at] == 2) {
        return false;
    }
    state[at] = 1;
    const char *longer = uda_arena_printf(draft->arena, "%s%s -> ", way, name);
    int64_t count = inputs_of(input, &draft->stage[at].spec);
    bool found = longer == NULL;
    for (int64_t i = 0; i < count && !found; i++) {
        found = find_circle(draft, input[i], state, longer);
    }
    state[at] = 2;
    return found;
}

void uda_check_stages(struct uda_draft *draft)
{
    int64_t count = draft->manifest->stage_count;
    for (int64_t i = 0; i < count; i++) {
        struct uda_stage_draft *stage = &draft->stage[i];
        stage->spec.for_each_category = stage->for_each == 1;
    }
    for (int64_t i = 0; i < count; i++) {
        struct uda_stage_draft *stage = &draft->stage[i];
        if (!stage->bad) {
            resolve_data(draft, stage);
            resolve_stages(draft, stage);
            check_labels(draft, stage);
            check_adapt(draft, stage);
        }
    }
    unsigned char state[NAMES_ROOM] = {0};
    for (int64_t i = 0; i < count; i++) {
        if (!draft->stage[i].bad) {
            check_kind(draft, &draft->stage[i]);
        }
        if (state[i] == 0 && find_circle(draft, i, state, "")) {
            break;
        }
    }
}
