/*
 * The two checks of a manifest: do its keys exist, and does it make sense. Private to src/plan.
 */
#ifndef UDA_PLAN_MANIFEST_PARTS_H
#define UDA_PLAN_MANIFEST_PARTS_H

#include "src/plan/draft.h"

/*
 * Unknown keys (with the nearest known one), names that are none, mappings where values belong.
 * False when the shape of datasets, categories or stages is so wrong that values cannot be read.
 */
bool uda_manifest_check_keys(struct uda_draft *draft);

/* Resolves names to indices and checks what several keys say together. */
void uda_manifest_check_meaning(struct uda_draft *draft);

#endif
