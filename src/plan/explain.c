/* Why a stage must run again: the facts in which two plans differ. */
#include "src/plan/fingerprint.h"

#include <string.h>

static const struct uda_fact *find(const struct uda_facts *facts, const char *key)
{
    for (int64_t i = 0; i < facts->count; i++) {
        if (strcmp(facts->fact[i].key, key) == 0) {
            return &facts->fact[i];
        }
    }
    return NULL;
}

/* Facts of `a` that `b` has otherwise or not at all; forward: a is the new plan. */
static void put_differences(struct uda_str *out, const struct uda_facts *a,
                            const struct uda_facts *b, bool forward)
{
    for (int64_t i = 0; i < a->count; i++) {
        const struct uda_fact *x = &a->fact[i], *y = find(b, x->key);
        bool same = y != NULL && strcmp(x->text, y->text) == 0;
        if (same || (y != NULL && !forward)) {
            continue;
        }
        uda_str_add(out, "%s", out->bytes == 0 ? "" : "; ");
        if (x->input && y != NULL) {
            uda_str_add(out, "'%s' changes", x->shown);
        } else if (x->input) {
            uda_str_add(out, "%s '%s'", forward ? "now builds on" : "no longer builds on", x->shown);
        } else if (y != NULL) {
            uda_str_add(out, "%s: %s -> %s", x->shown, y->text, x->text);
        } else {
            uda_str_add(out, "%s: %s%s%s", x->shown, forward ? "(absent) -> " : "", x->text,
                        forward ? "" : " -> (absent)");
        }
    }
}

int uda_plan_explain(struct uda_str *out, const struct uda_plan *old_plan,
                     const struct uda_plan *new_plan, int64_t index, struct uda_arena *arena,
                     struct uda_err *err)
{
    const struct uda_plan_stage *stage = &new_plan->stage[index];
    int64_t old_index = uda_plan_find(old_plan, stage->name);
    if (old_index < 0) {
        uda_str_add(out, "a new stage");
        return uda_str_status(out, err);
    }
    struct uda_facts was = {.arena = arena}, is = {.arena = arena};
    UDA_TRY(uda_facts_collect(&was, old_plan, &old_plan->stage[old_index], err));
    UDA_TRY(uda_facts_collect(&is, new_plan, stage, err));
    struct uda_str text;
    uda_str_init(&text, arena);
    put_differences(&text, &is, &was, true);
    put_differences(&text, &was, &is, false);
    UDA_TRY(uda_str_status(&text, err));
    uda_str_add(out, "%s", text.text);
    return uda_str_status(out, err);
}
