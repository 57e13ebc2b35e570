#include "src/plan/fingerprint.h"

#include "src/base/classes.h"
#include "src/plan/schema.h"

#include <inttypes.h>
#include <string.h>

/* Raised when fingerprints of one manifest change from one version of the program to the next. */
#define FINGERPRINT_VERSION 1

static void add(struct uda_facts *f, const char *key, const char *text, const char *shown)
{
    if (f->count == f->room) {
        int64_t room = f->room == 0 ? 128 : 2 * f->room;
        f->fact = uda_arena_grow(f->arena, f->fact, (size_t)f->room * sizeof *f->fact,
                                 (size_t)room * sizeof *f->fact);
        f->room = f->fact == NULL ? 0 : room;
        f->count = f->fact == NULL ? 0 : f->count;
    }
    if (f->fact == NULL || key == NULL || text == NULL || shown == NULL) {
        f->failed = true;
        return;
    }
    f->fact[f->count++] = (struct uda_fact){.key = key, .text = text, .shown = shown};
}

/* The part of path behind "section.name.", or NULL. */
static const char *inside(const char *path, const char *section, const char *name)
{
    size_t a = strlen(section), b = strlen(name);
    bool there = strncmp(path, section, a) == 0 && path[a] == '.' &&
                 strncmp(path + a + 1, name, b) == 0 && path[a + 1 + b] == '.';
    return there ? path + a + b + 2 : NULL;
}

/* The stage's own value of a recipe key, else the manifest's. */
static const struct uda_manifest_value *recipe_value(const struct uda_manifest *m,
                                                     const struct uda_plan_stage *stage,
                                                     const struct uda_manifest_value *value)
{
    for (int64_t i = 0; i < m->value_count; i++) {
        const char *rest = inside(m->value[i].path, "stages", stage->spec->name);
        if (rest != NULL && strcmp(rest, value->path) == 0) {
            return &m->value[i];
        }
    }
    return value;
}

/* Does the key say how the findings of several models become one set? */
static bool joins(const struct uda_key *key)
{
    return strcmp(key->path, "stages.*.rule") == 0 || strcmp(key->path, "stages.*.min_left") == 0;
}

/* One value of the manifest, if this stage's result depends on it. */
static void add_value(struct uda_facts *f, const struct uda_manifest *m,
                      const struct uda_plan_stage *stage, const struct uda_manifest_value *value)
{
    const struct uda_key *key = value->key;
    if (key->runtime || (key->kinds >> stage->kind & 1u) == 0) {
        return;
    }
    if (stage->kind == UDA_STAGE_EVALUATE && !stage->spec->fused && joins(key)) {
        return;
    }
    bool top = strcmp(value->path, key->path) == 0;
    if (key->record == UDA_IN_RECIPE && top) {
        const struct uda_manifest_value *own = recipe_value(m, stage, value);
        if (!key->younger || strcmp(own->text, key->def) != 0) {
            add(f, key->path, own->text, own->path);
        }
    } else if (key->record == UDA_IN_MANIFEST) {
        bool unused = strcmp(key->path, "model.init") == 0 && stage->spec->from >= 0;
        if (!unused) {
            add(f, key->path, value->text, value->path);
        }
    } else if (key->record == UDA_IN_STAGE && key->type != UDA_KEY_REFS &&
               inside(value->path, "stages", stage->spec->name) != NULL) {
        add(f, key->path, value->text, value->path);
    }
}

/* The keys of data set number d of the stage. */
static void add_dataset(struct uda_facts *f, const struct uda_manifest *m,
                        const struct uda_plan_stage *stage, int64_t d)
{
    const char *name = m->dataset[stage->spec->data[d]].name;
    for (int64_t i = 0; i < m->value_count; i++) {
        const struct uda_manifest_value *value = &m->value[i];
        const char *rest = inside(value->path, "datasets", name);
        bool matters = !value->key->runtime && (value->key->kinds >> stage->kind & 1u) != 0;
        if (value->key->record == UDA_IN_DATASET && matters && rest != NULL) {
            add(f, uda_arena_printf(f->arena, "data %" PRId64 " %s", d, rest), value->text,
                value->path);
        }
    }
}

/* The classes of a category, or of all. */
static void add_classes(struct uda_facts *f, const struct uda_manifest *m, int64_t category,
                        const char *key)
{
    struct uda_str text;
    uda_str_init(&text, f->arena);
    for (int c = 0; c < UDA_CLASSES; c++) {
        if (category < 0 || m->category[category].has[c]) {
            uda_str_add(&text, "%s%s", text.bytes == 0 ? "" : ", ", uda_classes[c].name);
        }
    }
    f->failed = f->failed || text.failed;
    add(f, key, text.text,
        category < 0 ? "classes" : uda_arena_printf(f->arena, "categories.%s",
                                                    m->category[category].name));
}

static void add_input(struct uda_facts *f, const struct uda_plan *plan,
                      const struct uda_plan_stage *stage, int64_t input)
{
    const char *role = input == stage->from ? "from" : input == stage->labels ? "labels" : "input";
    char digest[UDA_DIGEST_TEXT_BYTES];
    uda_digest_text(digest, plan->stage[input].fingerprint);
    add(f, uda_arena_printf(f->arena, "%s %s", role, plan->stage[input].name),
        uda_arena_strdup(f->arena, digest), plan->stage[input].name);
    if (!f->failed) {
        f->fact[f->count - 1].input = true;
    }
}

int uda_facts_collect(struct uda_facts *facts, const struct uda_plan *plan,
                      const struct uda_plan_stage *stage, struct uda_err *err)
{
    const struct uda_manifest *m = plan->manifest;
    add(facts, "name", stage->name, "name");
    add(facts, "kind", uda_stage_kind_name(stage->kind), "kind");
    add_classes(facts, m, stage->category, "classes");
    /* Fusing takes each class from the model of its category. */
    bool fuses = stage->kind == UDA_STAGE_FUSE || stage->spec->fused;
    for (int64_t k = 0; fuses && k < m->category_count; k++) {
        add_classes(facts, m, k, uda_arena_printf(facts->arena, "category %s", m->category[k].name));
    }
    for (int64_t i = 0; i < m->value_count; i++) {
        add_value(facts, m, stage, &m->value[i]);
    }
    for (int64_t d = 0; d < stage->spec->data_count; d++) {
        add_dataset(facts, m, stage, d);
    }
    for (int64_t i = 0; i < stage->input_count; i++) {
        add_input(facts, plan, stage, stage->input[i]);
    }
    return facts->failed ? uda_fail(err, UDA_NOMEM, "'%s': out of memory", m->path) : 0;
}

int uda_facts_digest(struct uda_digest *digest, const struct uda_facts *facts, struct uda_err *err)
{
    struct uda_hasher *h = NULL;
    UDA_TRY(uda_hasher_create(&h, err));
    uda_hasher_i64(h, FINGERPRINT_VERSION);
    for (int64_t i = 0; i < facts->count; i++) {
        uda_hasher_text(h, facts->fact[i].key);
        uda_hasher_text(h, facts->fact[i].text);
    }
    *digest = uda_hasher_digest(h);
    uda_hasher_destroy(&h);
    return 0;
}
