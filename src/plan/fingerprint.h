/*
 * What a stage's result depends on, as a digest. Private to src/plan.
 *
 * Covered: the instance's name, its kind and the classes of its category; of the manifest every key that
 * is not runtime-only and whose row names the kind (the recipe with the stage's overrides, the data
 * sets it reads, by content and not by name); the fingerprints of its inputs and what they serve as.
 * Paths count as they are written, before ${VAR}: a run may move to a machine where data lies elsewhere.
 */
#ifndef UDA_PLAN_FINGERPRINT_H
#define UDA_PLAN_FINGERPRINT_H

#include "src/plan/plan.h"

/* plan holds every input of the stage already. Errors: UDA_NOMEM. */
int uda_fingerprint(struct uda_digest *digest, const struct uda_plan *plan,
                    const struct uda_plan_stage *stage, struct uda_err *err) UDA_MUST_USE;

#endif
