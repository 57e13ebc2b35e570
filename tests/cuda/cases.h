/* The case table of the CUDA kernels: one array of rows for each family. */
#ifndef UDA_TESTS_CUDA_CASES_H
#define UDA_TESTS_CUDA_CASES_H

#include "tests/cuda/trial.h"

extern const struct trial_cases cuda_attention_cases;
extern const struct trial_cases cuda_conv_cases;
extern const struct trial_cases cuda_deform_cases;
extern const struct trial_cases cuda_elementwise_cases;
extern const struct trial_cases cuda_lab_cases;
extern const struct trial_cases cuda_layout_cases;
extern const struct trial_cases cuda_linear_cases;
extern const struct trial_cases cuda_loss_cases;
extern const struct trial_cases cuda_norm_cases;
extern const struct trial_cases cuda_optim_cases;
extern const struct trial_cases cuda_random_cases;
extern const struct trial_cases cuda_resample_cases;
extern const struct trial_cases cuda_window_cases;

/* All of them; the last one has no rows. */
extern const struct trial_cases *const cuda_case_tables[];

#endif
