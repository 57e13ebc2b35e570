/*
 * What a stage's result depends on: a list of facts, and their digest.
 *
 * Covered: the instance's name, its kind and the classes of its category; of the manifest every key
 * that is not runtime-only and whose row names the kind (the recipe with the stage's overrides, the
 * data sets it reads, by content and not by name); the fingerprints of its inputs and what they
 * serve as. Paths count as they are written, before ${VAR}: a run may move to a machine where data
 * lies elsewhere. Private to src/plan.
 */
#ifndef UDA_PLAN_FINGERPRINT_H
#define UDA_PLAN_FINGERPRINT_H

#include "src/plan/plan.h"

struct uda_fact {
    const char *key;   /* unique in the list; what the digest covers */
    const char *text;
    const char *shown; /* the key as a person knows it: "datasets.val.limit" for key "data 0 limit" */
    bool input;        /* text is the fingerprint of the stage `shown` */
};

struct uda_facts {
    struct uda_arena *arena;
    struct uda_fact *fact;
    int64_t count, room;
    bool failed; /* out of memory */
};

/* plan holds every input of the stage already. Memory: facts->arena. Errors: UDA_NOMEM. */
int uda_facts_collect(struct uda_facts *facts, const struct uda_plan *plan,
                      const struct uda_plan_stage *stage, struct uda_err *err) UDA_MUST_USE;

/* The digest of the list, in its order. Errors: UDA_NOMEM. */
int uda_facts_digest(struct uda_digest *digest, const struct uda_facts *facts,
                     struct uda_err *err) UDA_MUST_USE;

#endif
