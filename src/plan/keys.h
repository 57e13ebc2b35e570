/*
 * Shorthand of the files that hold the table of keys. Private to src/plan/keys_*.c.
 */
#ifndef UDA_PLAN_KEYS_H
#define UDA_PLAN_KEYS_H

#include "src/plan/draft.h"
#include "src/plan/schema.h"

#define ON(kind) (1u << UDA_STAGE_##kind)
#define TRAINING (ON(TRAIN) | ON(ADAPT))
#define TESTING (ON(LABEL) | ON(EVALUATE))
#define READING (TRAINING | TESTING) /* has data and a model */
#define ALL_KINDS (READING | ON(FUSE))
#define MANY 1e12

#define IN_MANIFEST(field) .record = UDA_IN_MANIFEST, .offset = offsetof(struct uda_manifest, field)

#define UDA_CLASS_WORDS "person|rider|car|truck|bus|train|motorcycle|bicycle"

#endif
