#include "src/ops/ops.h"

struct layernorm_saved {
    struct uda_tensor *a, *b, *sum, *gamma, *beta, *y, *stats; /* b NULL: sum is a */
};

static void layernorm_backward(struct uda_tape *t, void *saved)
{
    struct layernorm_saved *s = saved;
    struct uda_layernorm_args k = {.type = s->sum->type, .rows = uda_tensor_rows(s->sum),
                                   .C = uda_tensor_last(s->sum), .x = s->sum->data,
                                   .saved_stats = s->stats->data, .dy = s->y->grad, .gamma = s->gamma->data};
    k.dx = uda_grad_take(t, s->a, &k.add_dx);
    k.dx2 = s->b != NULL ? uda_grad_take(t, s->b, &k.add_dx2) : NULL;
    k.dgamma = uda_grad_take(t, s->gamma, &k.add_dgamma);
    k.dbeta = uda_grad_take(t, s->beta, &k.add_dbeta);
    UDA_LAUNCH(t, layernorm_bwd, &k);
}

/* b may be NULL. */
static struct uda_tensor *layernorm(struct uda_tape *t, struct uda_tensor *a, struct uda_tensor *b,
                                    struct uda_tensor *gamma, struct uda_tensor *beta, float eps)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t C = uda_tensor_last(a);
    if (a->ndim < 1 || gamma->count != C || beta->count != C ||
        gamma->type != UDA_F32 ||
        beta->type != UDA_F32 ||
        (b != NULL && (!uda_tensor_same_shape(a, b) || a->type != b->type))) {
        char xs[96], bs[96], gs[96];
        return uda_tape_fail(t, UDA_SHAPE, "layernorm: x %s, addend %s and gamma %s do not fit",
                             uda_tensor_shape(xs, sizeof xs, a),
                             b != NULL ? uda_tensor_shape(bs, sizeof bs, b) : "none",
                             uda_tensor_shape(gs, sizeof gs, gamma));
    }
    int64_t stats_dim[] = {uda_tensor_rows(a), 2};
    struct uda_tensor *owned[] = {uda_tape_new_like(t, a), uda_tape_new(t, UDA_F32, 2, stats_dim),
                                  b != NULL ? uda_tape_new_like(t, a) : NULL};
    struct uda_tensor *sum = b != NULL ? owned[2] : a;
    struct uda_layernorm_args k = {.type = a->type, .rows = stats_dim[0], .C = C, .eps = eps, .a = a->data,
                                   .b = b != NULL ? b->data : NULL,
                                   .sum = b != NULL ? sum->data : NULL, .y = owned[0]->data,
                                   .stats = owned[1]->data, .gamma = gamma->data,
                                   .beta = beta->data};
    UDA_LAUNCH(t, layernorm_fwd, &k);
    bool needs = a->needs_grad || (b != NULL && b->needs_grad) || gamma->needs_grad ||
                 beta->needs_grad;
    struct layernorm_saved *s = uda_tape_record(t, needs, layernorm_backward, sizeof *s, owned,
                                                b != NULL ? 3 : 2);
    if (s != NULL) {
        *s = (struct layernorm_saved){.a = a, .b = b, .sum = sum, .gamma = gamma, .beta = beta,
                                      .y = owned[0], .stats = owned[1]};
    }
    return uda_tape_ok(t) ? owned[0] : &t->broken;
}

struct uda_tensor *uda_layernorm(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *gamma,
                                 struct uda_tensor *beta, float eps)
{
    return layernorm(t, x, NULL, gamma, beta, eps);
}

struct uda_tensor *uda_add_layernorm(struct uda_tape *t, struct uda_tensor *a, struct uda_tensor *b,
                                     struct uda_tensor *gamma, struct uda_tensor *beta, float eps)
{
    return layernorm(t, a, b, gamma, beta, eps);
}

struct groupnorm_saved {
    struct uda_tensor *x, *gamma, *beta, *y, *stats;
    int64_t groups;
    bool relu;
};

static void groupnorm_backward(struct uda_tape *t, void *saved)
{
    struct groupnorm_saved *s = saved;
    struct uda_groupnorm_args k = {.type = s->x->type, .N = s->x->dim[0], .T = s->x->dim[1],
                                   .C = s->x->dim[2], .groups = s->groups, .relu = s->relu, .x = s->x->data,
                                   .gamma = s->gamma->data, .beta = s->beta->data,
                                   .saved_stats = s->stats->data, .dy = s->y->grad};
    k.dx = uda_grad_take(t, s->x, &k.add_dx);
    k.dgamma = uda_grad_take(t, s->gamma, &k.add_dgamma);
    k.dbeta = uda_grad_take(t, s->beta, &k.add_dbeta);
    UDA_LAUNCH(t, groupnorm_bwd, &k);
}

struct uda_tensor *uda_groupnorm(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *gamma,
                                 struct uda_tensor *beta, int64_t groups, float eps, bool relu)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (x->ndim != 3 || groups < 1 || x->dim[2] % groups != 0 || gamma->count != x->dim[2] ||
        beta->count != x->dim[2] || gamma->type != UDA_F32 || beta->type != UDA_F32) {
        char xs[96], gs[96];
        return uda_tape_fail(t, UDA_SHAPE, "groupnorm: x %s, gamma %s and %lld groups do not fit",
                             uda_tensor_shape(xs, sizeof xs, x),
                             uda_tensor_shape(gs, sizeof gs, gamma), (long long)groups);
    }
    int64_t stats_dim[] = {x->dim[0], groups, 2};
    struct uda_tensor *owned[] = {uda_tape_new_like(t, x), uda_tape_new(t, UDA_F32, 3, stats_dim)};
    struct uda_groupnorm_args k = {.type = x->type, .N = x->dim[0], .T = x->dim[1], .C = x->dim[2],
                                   .groups = groups, .eps = eps, .relu = relu, .x = x->data,
                                   .gamma = gamma->data, .beta = beta->data, .y = owned[0]->data,
                                   .stats = owned[1]->data};
    UDA_LAUNCH(t, groupnorm_fwd, &k);
    bool needs = x->needs_grad || gamma->needs_grad || beta->needs_grad;
    struct groupnorm_saved *s = uda_tape_record(t, needs, groupnorm_backward, sizeof *s, owned, 2);
    if (s != NULL) {
        *s = (struct groupnorm_saved){.x = x, .gamma = gamma, .beta = beta, .y = owned[0],
                                      .stats = owned[1], .groups = groups, .relu = relu};
    }
    return uda_tape_ok(t) ? owned[0] : &t->broken;
}
