/*
 * Defaults that follow from another key. Private to src/plan.
 */
#ifndef UDA_PLAN_PRESET_H
#define UDA_PLAN_PRESET_H

#include "src/plan/draft.h"
#include "src/plan/schema.h"

/*
 * The default of a row whose def begins with '@', as YAML in the arena, and what it follows from
 * ("default of swin-t"). record is the one the row is read into; keys above it in the table are
 * already there. NULL: there is none, the key must be given.
 */
const char *uda_preset_default(const char **origin, struct uda_arena *arena,
                               const struct uda_manifest *manifest, const void *record,
                               const struct uda_key *key);

/* Reports sizes that contradict the named backbone. */
void uda_preset_check(struct uda_draft *draft);

#endif
