/* Does a manifest make sense? Data sets, categories, sizes; stages are in check_stages.c. */
#include "src/base/classes.h"
#include "src/plan/check_parts.h"
#include "src/plan/manifest_parts.h"
#include "src/plan/preset.h"

#include <inttypes.h>
#include <string.h>

/* The place of section.key (NULL: the section itself) if it is written, else of the manifest. */
static struct uda_place place_of(const struct uda_draft *draft, const struct uda_yaml_node *parent,
                                 const char *key)
{
    const struct uda_yaml_node *node = uda_yaml_get(parent, key);
    if (node != NULL) {
        return node->place;
    }
    return parent != NULL ? parent->place : (struct uda_place){.source = draft->tree->place.source};
}

static void check_coco(struct uda_draft *draft, const struct uda_manifest_dataset *d,
                       const struct uda_yaml_node *node)
{
    bool coco = d->format == UDA_LAYOUT_COCO;
    if (!coco && (d->images != NULL || d->annotations != NULL)) {
        uda_diag_add(draft->diag, place_of(draft, node, d->images != NULL ? "images" : "annotations"),
                     "data set '%s': 'images' and 'annotations' are for format coco: this one has a "
                     "'root'",
                     d->name);
    }
    bool given = uda_yaml_get(node, "root") != NULL;
    bool parts = uda_yaml_get(node, "images") != NULL && uda_yaml_get(node, "annotations") != NULL;
    if (!given && coco && !parts && d->scenes.count == 0) {
        uda_diag_add(draft->diag, node->place,
                     "data set '%s' of format coco needs 'root', or 'images' and 'annotations'",
                     d->name);
    } else if (!given && (!coco || d->scenes.count > 0)) {
        uda_diag_add(draft->diag, node->place, "data set '%s' needs 'root': the folder that holds it%s",
                     d->name, d->scenes.count > 0 ? ", where its scenes are drawn" : "");
    }
}

/* A polygon is pairs of numbers, three at least, on an image of a size that is given. */
static void check_ego(struct uda_draft *draft, const struct uda_manifest_dataset *d,
                      const struct uda_yaml_node *node)
{
    const struct uda_yaml_node *ego = uda_yaml_get(node, "ego");
    int64_t numbers = d->ego.polygon.count;
    if (numbers > 0 && (numbers < 6 || numbers % 2 != 0)) {
        uda_diag_add(draft->diag, place_of(draft, ego, "polygon"),
                     "data set '%s': 'ego.polygon' has %" PRId64 " numbers: it needs an x and a y for "
                     "each of three points or more",
                     d->name, numbers);
    }
    if (numbers > 0 && (d->ego.size[0] == 0 || d->ego.size[1] == 0)) {
        uda_diag_add(draft->diag, place_of(draft, ego, "size"),
                     "data set '%s': 'ego.polygon' needs 'ego.size': height and width of the image that "
                     "it is drawn on, as in 'size: [1024, 2048]'",
                     d->name);
    }
}

static void check_datasets(struct uda_draft *draft)
{
    const struct uda_yaml_node *tree = uda_yaml_get(draft->tree, "datasets");
    for (int64_t i = 0; i < draft->manifest->dataset_count; i++) {
        const struct uda_manifest_dataset *d = &draft->manifest->dataset[i];
        const struct uda_yaml_node *node = uda_yaml_get(tree, d->name);
        bool has_format = uda_yaml_get(node, "format") != NULL;
        if (has_format) {
            check_coco(draft, d, node);
        }
        check_ego(draft, d, node);
        bool no_split = d->format == UDA_LAYOUT_URBANSYN || d->format == UDA_LAYOUT_SYNTHIA;
        if (has_format && no_split && d->split != NULL && d->split[0] != '\0') {
            uda_diag_add(draft->diag, place_of(draft, node, "split"),
                         "data set '%s': this format has no splits: use 'hold_out'", d->name);
        }
        if (d->split != NULL && (strchr(d->split, '/') != NULL || d->split[0] == '.')) {
            uda_diag_add(draft->diag, place_of(draft, node, "split"),
                         "data set '%s': a split is a name, not a path", d->name);
        }
        if (d->hold_out.part == UDA_PART_HELD_OUT && d->hold_out.count == 0) {
            uda_diag_add(draft->diag, place_of(draft, node, "hold_out"),
                         "data set '%s' is the part held out, and hold_out.count is 0", d->name);
        }
    }
}

/* Where a class stands in a category. */
static struct uda_place class_place(const struct uda_yaml_node *category, const char *name)
{
    for (int64_t i = 0; category->kind == UDA_YAML_SEQUENCE && i < category->count; i++) {
        const struct uda_yaml_node *item = category->item[i];
        if (item->kind == UDA_YAML_SCALAR && strcmp(item->text, name) == 0) {
            return item->place;
        }
    }
    return category->place;
}

static void check_categories(struct uda_draft *draft)
{
    const struct uda_yaml_node *tree = uda_yaml_get(draft->tree, "categories");
    const struct uda_manifest *m = draft->manifest;
    for (int64_t b = 0; b < m->category_count; b++) {
        for (int64_t a = 0; a < b; a++) {
            for (int c = 0; c < UDA_CLASSES; c++) {
                if (!m->category[a].has[c] || !m->category[b].has[c]) {
                    continue;
                }
                const char *name = uda_classes[c].name;
                struct uda_place first = class_place(tree->item[a], name);
                uda_diag_add(draft->diag, class_place(tree->item[b], name),
                             "class '%s' is in category '%s' already: %s", name,
                             m->category[a].name, uda_place_text(draft->arena, first));
            }
        }
    }
}

static void check_division(struct uda_draft *draft, const char *key, int64_t value,
                           int64_t divisor, const char *by)
{
    const struct uda_yaml_node *model = uda_yaml_get(draft->tree, "model");
    if (value > 0 && divisor > 0 && value % divisor != 0) {
        uda_diag_add(draft->diag, place_of(draft, model, key),
                     "'model.%s': %" PRId64 " is not a multiple of %s, %" PRId64, key, value, by,
                     divisor);
    }
}

static void check_model(struct uda_draft *draft)
{
    const struct uda_manifest_model *m = &draft->manifest->model;
    uda_preset_check(draft);
    for (int i = 0; i < 4; i++) {
        if (m->heads[i] > 0 && m->embed_dim > 0 && (m->embed_dim << i) % m->heads[i] != 0) {
            const struct uda_yaml_node *model = uda_yaml_get(draft->tree, "model");
            uda_diag_add(draft->diag, place_of(draft, model, "heads"),
                         "'model.heads': stage %d has %" PRId64 " channels, which %" PRId64
                         " heads do not divide",
                         i + 1, m->embed_dim << i, m->heads[i]);
        }
    }
    check_division(draft, "embed_dim", m->embed_dim, uda_backbone_is_resnet(m->backbone) ? 4 : 1,
                   "what a ResNet's blocks shrink by");
    check_division(draft, "hidden_dim", m->hidden_dim, m->attention_heads,
                   "attention_heads");
    check_division(draft, "hidden_dim", m->hidden_dim, m->groups, "groups");
    check_division(draft, "hidden_dim", m->hidden_dim, 4, "4 (position embedding)");
}

/* Sizes of one recipe; parent is the mapping that holds its sections, name says whose it is. */
static void check_recipe(struct uda_draft *draft, const struct uda_manifest_recipe *r,
                         const struct uda_yaml_node *parent, bool own_batch)
{
    const struct uda_yaml_node *augment = uda_yaml_get(parent, "augment");
    const struct uda_yaml_node *schedule = uda_yaml_get(parent, "schedule");
    const struct uda_yaml_node *mixing = uda_yaml_get(parent, "mixing");
    static const char *const side[2] = {"height", "width"};
    for (int i = 0; i < 2 && uda_yaml_get(augment, "crop") != NULL; i++) {
        int64_t v = r->augment.crop[i];
        if (v % 32 != 0) {
            uda_diag_add(draft->diag, place_of(draft, augment, "crop"),
                         "'augment.crop': the %s %" PRId64 " is not a multiple of 32, the stride of "
                         "the last Swin stage: %" PRId64 " and %" PRId64 " are",
                         side[i], v, v / 32 * 32, v / 32 * 32 + 32);
        }
    }
    for (int64_t i = 1; schedule != NULL && i < r->schedule.steps.count; i++) {
        if (r->schedule.steps.value[i] <= r->schedule.steps.value[i - 1]) {
            uda_diag_add(draft->diag, place_of(draft, schedule, "steps"),
                         "'schedule.steps' must ascend: %" PRId64 " stands before %" PRId64,
                         r->schedule.steps.value[i - 1], r->schedule.steps.value[i]);
            break;
        }
    }
    if (schedule != NULL && r->schedule.kind == UDA_LR_MULTISTEP && r->schedule.steps.count == 0) {
        uda_diag_add(draft->diag, place_of(draft, schedule, "kind"),
                     "'schedule.kind' multistep needs 'schedule.steps'");
    }
    if (mixing != NULL && r->mixing.instance_area < r->mixing.min_area) {
        uda_diag_add(draft->diag, place_of(draft, mixing, "instance_area"),
                     "'mixing.instance_area': %" PRId64 " px is below min_area, %" PRId64 " px",
                     r->mixing.instance_area, r->mixing.min_area);
    }
    if (own_batch && r->batch > 0 && draft->manifest->shards > r->batch) {
        uda_diag_add(draft->diag, place_of(draft, parent, "batch"),
                     "a batch of %" PRId64 " cannot be split in parallel.shards: %" PRId64, r->batch,
                     draft->manifest->shards);
    }
}

static void check_shards(struct uda_draft *draft)
{
    int64_t shards = draft->manifest->shards;
    if (shards > 0 && (shards & (shards - 1)) != 0) {
        uda_diag_add(draft->diag, place_of(draft, uda_yaml_get(draft->tree, "parallel"), "shards"),
                     "'parallel.shards': %" PRId64 " is not a power of two", shards);
    }
}

static void check_device(struct uda_draft *draft)
{
    const char *device = draft->manifest->runtime.device;
    if (device == NULL || strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0 ||
        strcmp(device, "cuda") == 0) {
        return;
    }
    size_t digits = strncmp(device, "cuda:", 5) == 0 ? strspn(device + 5, "0123456789") : 0;
    if (digits < 1 || digits > 3 || device[5 + digits] != '\0') {
        uda_diag_add(draft->diag, place_of(draft, uda_yaml_get(draft->tree, "runtime"), "device"),
                     "'runtime.device' is '%s': auto, cpu, cuda, or a GPU by its number as in cuda:1",
                     device);
    }
}

void uda_manifest_check_meaning(struct uda_draft *draft)
{
    const struct uda_yaml_node *stages = uda_yaml_get(draft->tree, "stages");
    check_datasets(draft);
    check_categories(draft);
    check_model(draft);
    check_shards(draft);
    check_device(draft);
    check_recipe(draft, &draft->manifest->recipe, draft->tree, true);
    for (int64_t i = 0; i < draft->manifest->stage_count; i++) {
        const struct uda_yaml_node *node = stages->item[i];
        check_recipe(draft, &draft->stage[i].spec.recipe, node,
                     uda_yaml_get(node, "batch") != NULL);
    }
    uda_check_stages(draft);
}
