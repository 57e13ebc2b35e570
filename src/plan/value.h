/*
 * One value: a node and a row of the table -> a typed value in its struct and its canonical text.
 *
 * The types are the table's, never YAML's guess: `1e-4` is a number, `no` is text, `012`, `1_000`,
 * `1:30` and `.inf` are refused with what to write instead. Private to src/plan.
 */
#ifndef UDA_PLAN_VALUE_H
#define UDA_PLAN_VALUE_H

#include "src/plan/draft.h"
#include "src/plan/schema.h"

/*
 * Stores the node's value at record + key->offset and gives its canonical text (in the arena). On a
 * wrong value reports to draft->diag, stores nothing and returns false. name is the key as the user
 * wrote it.
 */
bool uda_value_read(const char **text, struct uda_draft *draft, void *record,
                    const struct uda_key *key, const char *name, const struct uda_yaml_node *node);

/* Text as YAML: plain where that reads back the same, else in double quotes. */
void uda_value_text(struct uda_str *out, const char *text);

/*
 * ${VAR} and ${VAR:-default} replaced from the environment; *problem says what is wrong, else is
 * NULL. An empty variable counts as unset. NULL when out of memory or on a problem.
 */
const char *uda_value_expand(const char **problem, struct uda_arena *arena, const char *text);

#endif
