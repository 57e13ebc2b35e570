#include "src/plan/fingerprint.h"

#include "src/plan/schema.h"

#include <string.h>

/* Raised when fingerprints of one manifest change from one version of the program to the next. */
#define FINGERPRINT_VERSION 1

/* The part of path behind "section.name.", or NULL. */
static const char *inside(const char *path, const char *section, const char *name)
{
    size_t a = strlen(section), b = strlen(name);
    bool there = strncmp(path, section, a) == 0 && path[a] == '.' &&
                 strncmp(path + a + 1, name, b) == 0 && path[a + 1 + b] == '.';
    return there ? path + a + b + 2 : NULL;
}

/* The stage's own value of a recipe key, else the manifest's. */
static const char *recipe_text(const struct uda_manifest *m, const struct uda_plan_stage *stage,
                               const struct uda_manifest_value *value)
{
    for (int64_t i = 0; i < m->value_count; i++) {
        const char *rest = inside(m->value[i].path, "stages", stage->spec->name);
        if (rest != NULL && strcmp(rest, value->path) == 0) {
            return m->value[i].text;
        }
    }
    return value->text;
}

static void put(struct uda_hasher *h, const char *key, const char *text)
{
    uda_hasher_text(h, key);
    uda_hasher_text(h, text);
}

/* One value of the manifest, if this stage's result depends on it. */
static void put_value(struct uda_hasher *h, const struct uda_manifest *m,
                      const struct uda_plan_stage *stage, const struct uda_manifest_value *value)
{
    const struct uda_key *key = value->key;
    if (key->runtime || (key->kinds >> stage->kind & 1u) == 0) {
        return;
    }
    bool recipe = key->record == UDA_IN_RECIPE;
    if (recipe && strcmp(value->path, key->path) == 0) {
        put(h, key->path, recipe_text(m, stage, value));
    } else if (key->record == UDA_IN_MANIFEST) {
        bool unused = strcmp(key->path, "model.init") == 0 && stage->from >= 0;
        if (!unused) {
            put(h, key->path, value->text);
        }
    } else if (key->record == UDA_IN_STAGE && key->type != UDA_KEY_REFS &&
               inside(value->path, "stages", stage->spec->name) != NULL) {
        put(h, key->path, value->text);
    }
}

/* The keys of data set number d of the stage. */
static void put_dataset(struct uda_hasher *h, const struct uda_manifest *m,
                        const struct uda_plan_stage *stage, int64_t d)
{
    const char *name = m->dataset[stage->spec->data[d]].name;
    uda_hasher_i64(h, d);
    for (int64_t i = 0; i < m->value_count; i++) {
        const struct uda_manifest_value *value = &m->value[i];
        if (value->key->record == UDA_IN_DATASET && !value->key->runtime &&
            inside(value->path, "datasets", name) != NULL) {
            put(h, value->key->path, value->text);
        }
    }
}

static void put_input(struct uda_hasher *h, const char *role, struct uda_digest digest)
{
    char text[UDA_DIGEST_TEXT_BYTES];
    uda_digest_text(text, digest);
    put(h, role, text);
}

int uda_fingerprint(struct uda_digest *digest, const struct uda_plan *plan,
                    const struct uda_plan_stage *stage, struct uda_err *err)
{
    const struct uda_manifest *m = plan->manifest;
    struct uda_hasher *h = NULL;
    UDA_TRY(uda_hasher_create(&h, err));
    uda_hasher_i64(h, FINGERPRINT_VERSION);
    put(h, stage->name, uda_stage_kind_name(stage->kind));
    for (int c = 0; c < UDA_CLASSES; c++) {
        uda_hasher_i64(h, stage->category < 0 || m->category[stage->category].has[c] ? 1 : 0);
    }
    /* Fusing takes each class from the model of its category. */
    for (int64_t k = 0; stage->kind == UDA_STAGE_FUSE && k < m->category_count; k++) {
        for (int c = 0; c < UDA_CLASSES; c++) {
            uda_hasher_i64(h, m->category[k].has[c] ? 1 : 0);
        }
    }
    for (int64_t i = 0; i < m->value_count; i++) {
        put_value(h, m, stage, &m->value[i]);
    }
    for (int64_t d = 0; d < stage->spec->data_count; d++) {
        put_dataset(h, m, stage, d);
    }
    for (int64_t i = 0; i < stage->input_count; i++) {
        const char *role = stage->input[i] == stage->from     ? "from"
                           : stage->input[i] == stage->labels ? "labels"
                                                              : "input";
        put_input(h, role, plan->stage[stage->input[i]].fingerprint);
    }
    *digest = uda_hasher_digest(h);
    uda_hasher_destroy(&h);
    return 0;
}
