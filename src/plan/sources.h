/*
 * From files to one tree: `extends` merged in order, then the file itself, then `--set`.
 *
 * Invariants: mappings are merged key by key, anything else is replaced by the later value; a node
 * keeps the place where it was written. Private to src/plan.
 */
#ifndef UDA_PLAN_SOURCES_H
#define UDA_PLAN_SOURCES_H

#include "io/yaml.h"

struct uda_sources {
    struct uda_arena *arena;
    struct uda_diag *diag;
    int64_t count;   /* sources so far: their order in messages */
    bool incomplete; /* a file in `extends` gave nothing */
};

/*
 * The merged tree of a manifest given as text. root is NULL when there is no usable tree; diag says
 * why. Errors: UDA_NOMEM only; everything wrong with the text is in diag.
 */
int uda_sources_merge(struct uda_yaml_node **root, struct uda_sources *sources, const char *name,
                      const char *text, size_t bytes, const char *const *sets, int64_t set_count,
                      struct uda_err *err) UDA_MUST_USE;

#endif
