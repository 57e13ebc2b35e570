/*
 * What several keys say together, by subject. Private to src/plan.
 */
#ifndef UDA_PLAN_CHECK_PARTS_H
#define UDA_PLAN_CHECK_PARTS_H

#include "src/plan/draft.h"

void uda_check_stages(struct uda_draft *draft);

#endif
