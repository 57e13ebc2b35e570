/*
 * What several keys say together, by subject. Private to src/plan.
 */
#ifndef UDA_PLAN_CHECK_PARTS_H
#define UDA_PLAN_CHECK_PARTS_H

#include "src/plan/draft.h"

/* References between stages, their kinds, cycles, categories: adds to the draft's messages. */
void uda_check_stages(struct uda_draft *draft);

#endif
