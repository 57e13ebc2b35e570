/* The rows of the case table, one array for each file of src/ops. */
#ifndef UDA_TESTS_OPS_CASES_H
#define UDA_TESTS_OPS_CASES_H

#include "tests/ops/harness.h"

extern const struct op_case linear_cases[];
extern const int64_t linear_case_count;
extern const struct op_case norm_cases[];
extern const int64_t norm_case_count;
extern const struct op_case elementwise_cases[];
extern const int64_t elementwise_case_count;
extern const struct op_case layout_cases[];
extern const int64_t layout_case_count;
extern const struct op_case window_cases[];
extern const int64_t window_case_count;

extern const struct op_case attention_cases[], deform_cases[], resample_cases[];
extern const int64_t attention_case_count, deform_case_count, resample_case_count;

#endif
