#include "src/plan/manifest.h"

#include "io/fs.h"
#include "src/base/classes.h"
#include "src/plan/manifest_parts.h"
#include "src/plan/preset.h"
#include "src/plan/sources.h"
#include "src/plan/value.h"

#include <inttypes.h>
#include <string.h>

/* One row being read: where it goes, what it is called, where it belongs. */
struct target {
    void *record;
    const struct uda_key *key;
    const char *path;        /* as the user writes it */
    struct uda_place parent; /* for a missing key */
    const char *owner;       /* "stage 'mix'", "data set 'val'", NULL at the top */
};

/* The node of a dotted path, or NULL. */
static const struct uda_yaml_node *find_node(const struct uda_yaml_node *tree, const char *path)
{
    while (tree != NULL && *path != '\0') {
        char segment[128];
        size_t length = strcspn(path, ".");
        if (length >= sizeof segment) {
            return NULL;
        }
        memcpy(segment, path, length);
        segment[length] = '\0';
        tree = uda_yaml_get(tree, segment);
        path += length + (path[length] == '.' ? 1 : 0);
    }
    return tree;
}

static void add_value(struct uda_draft *draft, const struct target *t, const char *text,
                      const char *origin, bool given)
{
    struct uda_manifest *m = draft->manifest;
    if (m->value_count == draft->value_room) {
        int64_t room = draft->value_room == 0 ? 256 : 2 * draft->value_room;
        m->value = uda_arena_grow(draft->arena, m->value,
                                  (size_t)draft->value_room * sizeof *m->value,
                                  (size_t)room * sizeof *m->value);
        draft->value_room = m->value == NULL ? 0 : room;
    }
    if (m->value == NULL || t->path == NULL || text == NULL || origin == NULL) {
        draft->failed = true;
        m->value_count = m->value == NULL ? 0 : m->value_count;
        return;
    }
    m->value[m->value_count++] = (struct uda_manifest_value){
        .path = t->path, .text = text, .origin = origin, .key = t->key, .given = given};
}

/* A default as a node: a scalar, or "[a, b]" as a sequence of scalars. */
static struct uda_yaml_node *default_node(struct uda_draft *draft, const char *text)
{
    struct uda_yaml_node *node = uda_arena_calloc(draft->arena, sizeof *node);
    size_t length = strlen(text);
    if (node == NULL) {
        return NULL;
    }
    if (text[0] != '[') {
        *node = (struct uda_yaml_node){.kind = UDA_YAML_SCALAR, .text = text, .quoted = length == 0};
        return node;
    }
    node->kind = UDA_YAML_SEQUENCE;
    node->item = uda_arena_calloc(draft->arena, length * sizeof *node->item);
    for (const char *at = text + 1; node->item != NULL && *at != ']' && *at != '\0';) {
        size_t word = strcspn(at, ",]");
        const char *item = uda_arena_printf(draft->arena, "%.*s", (int)word, at);
        struct uda_yaml_node *one = item == NULL ? NULL : default_node(draft, item);
        if (one == NULL) {
            return NULL;
        }
        node->item[node->count++] = one;
        at += word + strspn(at + word, ", ");
    }
    return node->item == NULL ? NULL : node;
}

static void report_missing(struct uda_draft *draft, const struct target *t)
{
    if (draft->incomplete) {
        return;
    }
    const char *leaf = strrchr(t->path, '.');
    if (t->owner != NULL) {
        uda_diag_add(draft->diag, t->parent, "%s needs '%s': %s", t->owner,
                     strncmp(t->key->path, "stages.*.", 9) == 0 ||
                             strncmp(t->key->path, "datasets.*.", 11) == 0
                         ? strchr(strchr(t->path, '.') + 1, '.') + 1
                         : leaf + 1,
                     t->key->help);
    } else {
        uda_diag_add(draft->diag, t->parent, "'%s' is missing: %s", t->path, t->key->help);
    }
}

/* Stores the row's default in the record; shown: it also enters the list of values. */
static void read_default(struct uda_draft *draft, const struct target *t, bool shown)
{
    const char *origin = "default", *text = t->key->def;
    if (text != NULL && text[0] == '@') {
        text = uda_preset_default(&origin, draft->arena, draft->manifest, t->record, t->key);
    }
    if (text == NULL) {
        report_missing(draft, t);
        return;
    }
    const struct uda_yaml_node *node = default_node(draft, text);
    const char *canonical = NULL;
    if (node == NULL) {
        draft->failed = true;
    } else if (uda_value_read(&canonical, draft, t->record, t->key, t->path, node) && shown) {
        add_value(draft, t, canonical, origin, false);
    }
}

static void read_given(struct uda_draft *draft, const struct target *t,
                       const struct uda_yaml_node *node)
{
    const char *canonical = NULL;
    if (uda_value_read(&canonical, draft, t->record, t->key, t->path, node)) {
        const char *name = node->place.source->name;
        const char *origin = strcmp(name, "--set") == 0
                                 ? "--set"
                                 : uda_arena_printf(draft->arena, "%s:%" PRId64, name,
                                                    node->place.line);
        add_value(draft, t, canonical, origin, true);
    } else if (t->key->def != NULL) {
        read_default(draft, t, false); /* so that later checks do not stumble over it again */
    }
}

static void read_row(struct uda_draft *draft, const struct target *t)
{
    const struct uda_yaml_node *node = find_node(draft->tree, t->path);
    if (node != NULL) {
        read_given(draft, t, node);
    } else {
        read_default(draft, t, true);
    }
}

/* "stages.*.data" with a name in place of the star, or a recipe key inside a stage. */
static const char *path_of(struct uda_draft *draft, const struct uda_key *key, const char *section,
                           const char *name)
{
    const char *rest = strchr(key->path, '*');
    const char *path = rest == NULL
                           ? uda_arena_printf(draft->arena, "%s.%s.%s", section, name, key->path)
                           : uda_arena_printf(draft->arena, "%s.%s%s", section, name, rest + 1);
    draft->failed = draft->failed || path == NULL;
    return path;
}

static void read_datasets(struct uda_draft *draft)
{
    const struct uda_yaml_node *tree = uda_yaml_get(draft->tree, "datasets");
    for (int64_t d = 0; d < draft->manifest->dataset_count; d++) {
        struct uda_manifest_dataset *dataset = &draft->manifest->dataset[d];
        const char *owner = uda_arena_printf(draft->arena, "data set '%s'", dataset->name);
        for (int64_t i = 0; i < uda_schema_count(); i++) {
            const struct uda_key *key = uda_schema_row(i);
            struct target t = {.record = dataset, .key = key, .parent = tree->key[d]->place,
                               .owner = owner};
            t.path = key->record == UDA_IN_DATASET
                         ? path_of(draft, key, "datasets", dataset->name)
                         : NULL;
            if (t.path != NULL) {
                read_row(draft, &t);
            }
        }
    }
}

static void read_categories(struct uda_draft *draft)
{
    const struct uda_key *key = uda_schema_find("categories.*");
    for (int64_t c = 0; c < draft->manifest->category_count; c++) {
        struct uda_manifest_category *category = &draft->manifest->category[c];
        struct target t = {.record = category, .key = key,
                           .path = path_of(draft, key, "categories", category->name)};
        if (t.path != NULL) {
            read_row(draft, &t);
        }
    }
}

static void report_kind(struct uda_draft *draft, const struct uda_yaml_node *node,
                        const struct uda_key *key, const struct uda_stage_draft *stage)
{
    struct uda_str kinds;
    uda_str_init(&kinds, draft->arena);
    for (int k = 0; k < UDA_STAGE_KINDS; k++) {
        if ((key->kinds >> k & 1u) != 0) {
            uda_str_add(&kinds, "%s%s", kinds.bytes == 0 ? "" : ", ",
                        uda_stage_kind_name((enum uda_stage_kind)k));
        }
    }
    const char *name = strchr(key->path, '*') != NULL ? strchr(key->path, '*') + 2 : key->path;
    uda_diag_add(draft->diag, node->place, "'%s' does not belong to a stage of kind %s: it is for %s",
                 name, uda_stage_kind_name(stage->spec.kind), kinds.text);
}

/* One row of one stage: the stage's own keys, and overrides of the recipe. */
static void read_stage_row(struct uda_draft *draft, struct uda_stage_draft *stage,
                           const struct uda_key *key, const char *owner)
{
    bool recipe = key->record == UDA_IN_RECIPE;
    struct target t = {.record = recipe ? (void *)&stage->spec.recipe : (void *)stage, .key = key,
                       .path = path_of(draft, key, "stages", stage->spec.name),
                       .parent = stage->place, .owner = owner};
    if (t.path == NULL) {
        return;
    }
    const struct uda_yaml_node *node = find_node(draft->tree, t.path);
    bool belongs = stage->bad || (key->kinds >> stage->spec.kind & 1u) != 0;
    if (node != NULL && !belongs) {
        report_kind(draft, node, key, stage);
    } else if (node != NULL) {
        read_given(draft, &t, node);
    } else if (!recipe && key->def != NULL) {
        read_default(draft, &t, belongs);
    } else if (!recipe && !stage->bad && (key->required >> stage->spec.kind & 1u) != 0) {
        report_missing(draft, &t);
    }
}

static void read_stages(struct uda_draft *draft)
{
    const struct uda_yaml_node *tree = uda_yaml_get(draft->tree, "stages");
    for (int64_t s = 0; s < draft->manifest->stage_count; s++) {
        struct uda_stage_draft *stage = &draft->stage[s];
        int64_t errors = draft->diag->count;
        stage->place = tree->key[s]->place;
        stage->spec.recipe = draft->manifest->recipe;
        const char *owner = uda_arena_printf(draft->arena, "stage '%s'", stage->spec.name);
        for (int64_t i = 0; i < uda_schema_count(); i++) {
            const struct uda_key *key = uda_schema_row(i);
            if (key->record == UDA_IN_STAGE) {
                read_stage_row(draft, stage, key, owner);
                /* `kind` is the first row of a stage. */
                stage->bad = stage->bad || (strcmp(key->path, "stages.*.kind") == 0 &&
                                            draft->diag->count > errors);
            }
        }
        for (int64_t i = 0; i < uda_schema_count(); i++) {
            const struct uda_key *key = uda_schema_row(i);
            if (key->record == UDA_IN_RECIPE) {
                read_stage_row(draft, stage, key, owner);
            }
        }
    }
}

/* Where a key of the top level that is missing should stand: its section, or the file. */
static struct uda_place section_place(const struct uda_draft *draft, const struct uda_key *key)
{
    char section[64];
    size_t length = strcspn(key->path, ".");
    struct uda_place top = {.source = draft->tree->place.source};
    if (key->path[length] == '\0' || length >= sizeof section) {
        return top;
    }
    memcpy(section, key->path, length);
    section[length] = '\0';
    const struct uda_yaml_node *node = uda_yaml_get(draft->tree, section);
    return node != NULL ? node->place : top;
}

static void read_all(struct uda_draft *draft)
{
    struct uda_manifest *m = draft->manifest;
    bool done[UDA_IN_STAGE + 1] = {false};
    for (int64_t i = 0; i < uda_schema_count() && !draft->failed; i++) {
        const struct uda_key *key = uda_schema_row(i);
        if (key->record == UDA_IN_MANIFEST || key->record == UDA_IN_RECIPE) {
            struct target t = {.key = key, .path = key->path, .parent = section_place(draft, key)};
            t.record = key->record == UDA_IN_RECIPE ? (void *)&m->recipe : (void *)m;
            read_row(draft, &t);
        } else if (!done[key->record]) {
            done[key->record] = true;
            if (key->record == UDA_IN_DATASET) {
                read_datasets(draft);
            } else if (key->record == UDA_IN_CATEGORY) {
                read_categories(draft);
            } else {
                read_stages(draft);
            }
        }
    }
}

/* Space for what the tree names, and the names. */
static bool count_parts(struct uda_draft *draft)
{
    struct uda_manifest *m = draft->manifest;
    const struct uda_yaml_node *datasets = uda_yaml_get(draft->tree, "datasets");
    const struct uda_yaml_node *categories = uda_yaml_get(draft->tree, "categories");
    const struct uda_yaml_node *stages = uda_yaml_get(draft->tree, "stages");
    m->dataset_count = datasets == NULL ? 0 : datasets->count;
    m->category_count = categories == NULL ? 0 : categories->count;
    m->stage_count = stages == NULL ? 0 : stages->count;
    m->dataset = uda_arena_calloc(draft->arena, (size_t)m->dataset_count * sizeof *m->dataset);
    m->category = uda_arena_calloc(draft->arena, (size_t)m->category_count * sizeof *m->category);
    draft->stage = uda_arena_calloc(draft->arena, (size_t)m->stage_count * sizeof *draft->stage);
    if (m->dataset == NULL || m->category == NULL || draft->stage == NULL) {
        return false;
    }
    for (int64_t i = 0; i < m->dataset_count; i++) {
        m->dataset[i].name = datasets->key[i]->text;
    }
    for (int64_t i = 0; i < m->category_count; i++) {
        m->category[i].name = categories->key[i]->text;
    }
    for (int64_t i = 0; i < m->stage_count; i++) {
        draft->stage[i].spec.name = stages->key[i]->text;
        draft->stage[i].spec.index = i;
        draft->stage[i].spec.from = draft->stage[i].spec.labels = -1;
    }
    return true;
}

static int fill(struct uda_draft *draft, struct uda_err *err)
{
    struct uda_manifest *m = draft->manifest;
    if (!uda_manifest_check_keys(draft)) {
        return 0; /* the shape is wrong: reading values would only repeat it */
    }
    if (!count_parts(draft)) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", m->path);
    }
    read_all(draft);
    if (!draft->failed && !draft->incomplete) {
        uda_manifest_check_meaning(draft);
    }
    m->stage = uda_arena_calloc(draft->arena, (size_t)m->stage_count * sizeof *m->stage);
    if (m->stage == NULL || draft->failed || draft->diag->failed) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", m->path);
    }
    for (int64_t i = 0; i < m->stage_count; i++) {
        m->stage[i] = draft->stage[i].spec;
    }
    return 0;
}

/* All problems on the report, how many in err. */
static int report_all(struct uda_str *report, struct uda_diag *diag, const char *name,
                      struct uda_err *err)
{
    uda_diag_print(report, diag);
    UDA_TRY(uda_str_status(report, err));
    return uda_fail(err, UDA_MANIFEST, "'%s': %" PRId64 " error%s in the manifest", name, diag->count,
                    diag->count == 1 ? "" : "s");
}

int uda_manifest_parse(struct uda_manifest **out, struct uda_arena *arena, const char *name,
                       const char *text, size_t bytes, const char *const *sets, int64_t set_count,
                       struct uda_str *report, struct uda_err *err)
{
    struct uda_manifest *m = uda_arena_calloc(arena, sizeof *m);
    char *path = uda_arena_strdup(arena, name);
    if (m == NULL || path == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", name);
    }
    m->path = path;
    m->text = text;
    m->text_bytes = bytes;
    struct uda_diag diag;
    uda_diag_init(&diag, arena);
    struct uda_sources sources = {.arena = arena, .diag = &diag};
    struct uda_yaml_node *tree = NULL;
    UDA_TRY(uda_sources_merge(&tree, &sources, path, text, bytes, sets, set_count, err));
    struct uda_draft draft = {.arena = arena, .diag = &diag, .tree = tree, .manifest = m,
                              .incomplete = sources.incomplete};
    if (tree != NULL) {
        UDA_TRY(fill(&draft, err));
    }
    if (diag.count > 0) {
        return report_all(report, &diag, path, err);
    }
    if (diag.failed || tree == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", name);
    }
    *out = m;
    return 0;
}

int uda_manifest_load(struct uda_manifest **out, struct uda_arena *arena, const char *path,
                      const char *const *sets, int64_t set_count, struct uda_str *report,
                      struct uda_err *err)
{
    unsigned char *text = NULL;
    size_t bytes = 0;
    struct uda_err local = {0};
    int rc = uda_fs_read(&text, &bytes, arena, path, UDA_YAML_MAX_BYTES, &local);
    if (rc == UDA_NOMEM) {
        return uda_fail(err, UDA_NOMEM, "%s", local.text);
    }
    if (rc != 0) {
        uda_str_add(report, "%s\n", local.text);
        return uda_fail(err, UDA_MANIFEST, "%s", local.text);
    }
    return uda_manifest_parse(out, arena, path, (const char *)text, bytes, sets, set_count, report,
                              err);
}

const char *uda_layout_name(enum uda_layout layout)
{
    static const char *const names[] = {"cityscapes", "kitti360", "urbansyn",
                                        "synscapes",  "synthia",  "coco"};
    return names[layout];
}

const char *uda_manifest_origin(const struct uda_manifest *manifest, const char *path)
{
    for (int64_t i = 0; i < manifest->value_count; i++) {
        if (strcmp(manifest->value[i].path, path) == 0) {
            return manifest->value[i].origin;
        }
    }
    return "";
}

const char *uda_stage_kind_name(enum uda_stage_kind kind)
{
    static const char *const names[] = {"train", "adapt", "label", "fuse", "evaluate"};
    return names[kind];
}
