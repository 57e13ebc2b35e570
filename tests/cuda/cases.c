#include "tests/cuda/cases.h"

static const struct trial_cases none = {NULL, 0};

const struct trial_cases *const cuda_case_tables[] = {
    &cuda_attention_cases,
    &cuda_conv_cases,
    &cuda_deform_cases,
    &cuda_elementwise_cases,
    &cuda_lab_cases,
    &cuda_layout_cases,
    &cuda_linear_cases,
    &cuda_loss_cases,
    &cuda_norm_cases,
    &cuda_optim_cases,
    &cuda_random_cases,
    &cuda_resample_cases,
    &cuda_window_cases,
    &none,
};
