/*
 * Which pointers of a kernel's arguments must be the device's: expect_ARGS(kernel, args) for each struct.
 * What the host reads is left out. guard.c, which includes this once, has guard_expect().
 */
#ifndef UDA_TESTS_CUDA_GUARD_POINTERS_H
#define UDA_TESTS_CUDA_GUARD_POINTERS_H

#include "kernels/kernels.h"

/* Ends the program if one of the pointers is the host's. */
void guard_expect(const char *kernel, const void *const *pointer, int count);

#define POINTERS(type, ...)                                                                        \
    static inline void expect_##type(const char *kernel, const struct type *a)                     \
    {                                                                                              \
        const void *const pointer[] = {a->ws.data, __VA_ARGS__};                                   \
        guard_expect(kernel, pointer, (int)UDA_LEN(pointer));                                            \
    }
POINTERS(uda_gemm_args, a->A, a->B, a->bias, a->C)
POINTERS(uda_column_sum_args, a->x, a->y)
POINTERS(uda_conv_args, a->x, a->w, a->dy, a->y, a->dx, a->dw)
POINTERS(uda_layernorm_args, a->a, a->b, a->sum, a->y, a->stats, a->x, a->saved_stats, a->dy, a->gamma,
         a->beta, a->dx, a->dx2, a->dgamma, a->dbeta)
POINTERS(uda_groupnorm_args, a->x, a->gamma, a->beta, a->y, a->stats, a->saved_stats, a->dy, a->dx,
         a->dgamma, a->dbeta)
POINTERS(uda_frozen_norm_args, a->x, a->add, a->gamma, a->beta, a->mean, a->var, a->y, a->saved_y, a->dy,
         a->dx, a->dadd)
POINTERS(uda_add_args, a->a, a->b, a->scale, a->y)
POINTERS(uda_unary_args, a->x, a->dy, a->y, a->dx)
POINTERS(uda_copy_blocks_args, a->x, a->scale, a->y)
POINTERS(uda_fill_args, a->y)
POINTERS(uda_sum_blocks_args, a->x, a->y)
POINTERS(uda_patchify_args, a->x, a->y)
POINTERS(uda_patch_merge_args, a->x, a->dy, a->y, a->dx)
POINTERS(uda_window_attention_args, a->qkv, a->qkv_bias, a->table, a->y, a->log_sums, a->saved_log_sums,
         a->dy, a->dqkv, a->dbias, a->dtable)
POINTERS(uda_attention_args, a->q, a->k, a->v, a->dy, a->mask, a->y, a->lse, a->dq, a->dk, a->dv)
POINTERS(uda_attention_mask_args, a->e, a->f, a->bits)
POINTERS(uda_resize_args, a->x, a->add, a->dy, a->y, a->dx, a->dadd)
POINTERS(uda_centre_pool_args, a->x, a->y)
POINTERS(uda_max_pool_args, a->x, a->saved_y, a->dy, a->y, a->dx)
POINTERS(uda_sine_position_args, a->y)
POINTERS(uda_deform_args, a->value, a->offsets, a->weights, a->dy, a->y, a->dvalue, a->doffsets,
         a->dweights)
POINTERS(uda_match_cost_args, a->logits, a->e, a->f, a->point, a->first, a->cls, a->mask, a->cost)
POINTERS(uda_assign_args, a->first, a->cls, a->cost, a->query, a->target, a->label, a->wrong)
POINTERS(uda_class_loss_args, a->denominator, a->logits, a->target, a->loss, a->dlogits)
POINTERS(uda_mask_loss_args, a->denominator, a->e, a->f, a->candidate, a->random, a->first, a->query,
         a->target, a->mask, a->point, a->dlogit, a->loss_mask, a->loss_dice)
POINTERS(uda_mask_grad_args, a->e, a->f, a->point, a->dlogit, a->first, a->query, a->de, a->df)
POINTERS(uda_lab_transfer_args, a->levels, a->source, a->target, a->out)
POINTERS(uda_uniform_args, a->counter, a->live, a->y)
POINTERS(uda_sum_squares_args, a->x, a->sum)
POINTERS(uda_spoil_args, a->value, a->fault, a->x)
POINTERS(uda_adamw_args, a->squares, a->value, a->m, a->v, a->grad)
POINTERS(uda_ema_args, a->teacher, a->student)
POINTERS(uda_scale_add_args, a->y, a->x)

#endif
