#include "src/ops/ops.h"

/* x's gradient (+)= dy, of the same type. */
static void pass_gradient(struct uda_tape *t, struct uda_tensor *x, const void *dy)
{
    struct uda_copy_blocks_args k = {.type = x->type, .type_x = x->type, .N = 1, .count = x->count, .x = dy};
    k.y = uda_grad_take(t, x, &k.accumulate);
    if (k.y != NULL) {
        UDA_LAUNCH(t, copy_blocks, &k);
    }
}

struct add_saved {
    struct uda_tensor *a, *b, *y;
    const float *scale; /* [N], borrowed, or NULL */
};

static void add_backward(struct uda_tape *t, void *saved)
{
    struct add_saved *s = saved;
    pass_gradient(t, s->a, s->y->grad);
    int64_t N = s->scale != NULL ? s->y->dim[0] : 1, count = s->y->count / N;
    struct uda_copy_blocks_args k = {.type = s->b->type, .type_x = s->y->type, .N = N, .count = count,
                                     .stride_x = count, .stride_y = count, .x = s->y->grad,
                                     .scale = s->scale};
    k.y = uda_grad_take(t, s->b, &k.accumulate);
    if (k.y != NULL) {
        UDA_LAUNCH(t, copy_blocks, &k);
    }
}

struct uda_tensor *uda_add(struct uda_tape *t, struct uda_tensor *a, struct uda_tensor *b)
{
    return uda_add_scaled(t, a, b, NULL);
}

struct uda_tensor *uda_add_scaled(struct uda_tape *t, struct uda_tensor *shortcut,
                                  struct uda_tensor *branch, const float *scale)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (!uda_tensor_same_shape(shortcut, branch) || shortcut->type != branch->type) {
        char as[96], bs[96];
        return uda_tape_fail(t, UDA_SHAPE, "add: %s and %s differ",
                             uda_tensor_shape(as, sizeof as, shortcut),
                             uda_tensor_shape(bs, sizeof bs, branch));
    }
    int64_t N = scale != NULL ? shortcut->dim[0] : 1, count = shortcut->count / N;
    struct uda_tensor *y = uda_tape_new_like(t, shortcut);
    struct uda_add_args k = {.type = y->type, .type_b = y->type, .N = N, .count = count,
                             .stride_b = count, .a = shortcut->data, .b = branch->data,
                             .scale = scale, .y = y->data};
    UDA_LAUNCH(t, add, &k);
    bool needs = shortcut->needs_grad || branch->needs_grad;
    struct add_saved *s = uda_tape_record(t, needs, add_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct add_saved){.a = shortcut, .b = branch, .y = y, .scale = scale};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct unary_saved {
    struct uda_tensor *x, *y;
};

static void gelu_backward(struct uda_tape *t, void *saved)
{
    struct unary_saved *s = saved;
    struct uda_unary_args k = {.type = s->x->type, .count = s->x->count, .x = s->x->data, .dy = s->y->grad};
    k.dx = uda_grad_take(t, s->x, &k.accumulate);
    if (k.dx != NULL) {
        UDA_LAUNCH(t, gelu_bwd, &k);
    }
}

/* Reads y, which is positive where x is, so that x may be gone. */
static void relu_backward(struct uda_tape *t, void *saved)
{
    struct unary_saved *s = saved;
    struct uda_unary_args k = {.type = s->x->type, .count = s->x->count, .x = s->y->data, .dy = s->y->grad};
    k.dx = uda_grad_take(t, s->x, &k.accumulate);
    if (k.dx != NULL) {
        UDA_LAUNCH(t, relu_bwd, &k);
    }
}

static struct uda_tensor *unary_result(struct uda_tape *t, struct uda_tensor *x,
                                       struct uda_tensor *y, uda_backward_fn *backward)
{
    struct unary_saved *s = uda_tape_record(t, x->needs_grad, backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct unary_saved){.x = x, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct uda_tensor *uda_gelu(struct uda_tape *t, struct uda_tensor *x)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    struct uda_tensor *y = uda_tape_new_like(t, x);
    struct uda_unary_args k = {.type = x->type, .count = x->count, .x = x->data, .y = y->data};
    UDA_LAUNCH(t, gelu_fwd, &k);
    return unary_result(t, x, y, gelu_backward);
}

struct uda_tensor *uda_relu(struct uda_tape *t, struct uda_tensor *x)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    struct uda_tensor *y = uda_tape_new_like(t, x);
    struct uda_unary_args k = {.type = x->type, .count = x->count, .x = x->data, .y = y->data};
    UDA_LAUNCH(t, relu_fwd, &k);
    return unary_result(t, x, y, relu_backward);
}

/* y = x + one float block for all: rows of an image, or one vector. */
struct broadcast_saved {
    struct uda_tensor *x, *block, *y;
};

static void add_rows_backward(struct uda_tape *t, void *saved)
{
    struct broadcast_saved *s = saved;
    pass_gradient(t, s->x, s->y->grad);
    struct uda_sum_blocks_args k = {.type = s->y->type, .N = s->y->count / s->block->count,
                                    .count = s->block->count, .stride_x = s->block->count, .x = s->y->grad};
    k.y = uda_grad_take(t, s->block, &k.accumulate);
    if (k.y != NULL) {
        UDA_LAUNCH(t, sum_blocks, &k);
    }
}

static void add_vector_backward(struct uda_tape *t, void *saved)
{
    struct broadcast_saved *s = saved;
    pass_gradient(t, s->x, s->y->grad);
    int64_t C = s->block->count;
    struct uda_column_sum_args k = {.type = s->y->type, .rows = s->y->count / C, .columns = C, .ldx = C,
                                    .x = s->y->grad};
    k.y = uda_grad_take(t, s->block, &k.accumulate);
    if (k.y != NULL) {
        UDA_LAUNCH(t, column_sum, &k);
    }
}

static struct uda_tensor *broadcast(struct uda_tape *t, struct uda_tensor *x,
                                    struct uda_tensor *block, uda_backward_fn *backward)
{
    struct uda_tensor *y = uda_tape_new_like(t, x);
    struct uda_add_args k = {.type = x->type, .N = x->count / block->count, .count = block->count,
                             .a = x->data, .b = block->data, .y = y->data};
    UDA_LAUNCH(t, add, &k);
    bool needs = x->needs_grad || block->needs_grad;
    struct broadcast_saved *s = uda_tape_record(t, needs, backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct broadcast_saved){.x = x, .block = block, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct uda_tensor *uda_add_rows(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *rows)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (rows->type != UDA_F32 || x->ndim != 3 || rows->ndim != 2 || rows->dim[0] != x->dim[1] ||
        rows->dim[1] != x->dim[2]) {
        char xs[96], rs[96];
        return uda_tape_fail(t, UDA_SHAPE, "add_rows: x %s does not fit rows %s",
                             uda_tensor_shape(xs, sizeof xs, x), uda_tensor_shape(rs, sizeof rs, rows));
    }
    return broadcast(t, x, rows, add_rows_backward);
}

struct uda_tensor *uda_add_vector(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *v)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (v->type != UDA_F32 || x->ndim < 1 || v->count != uda_tensor_last(x)) {
        char xs[96], vs[96];
        return uda_tape_fail(t, UDA_SHAPE, "add_vector: x %s does not fit v %s",
                             uda_tensor_shape(xs, sizeof xs, x), uda_tensor_shape(vs, sizeof vs, v));
    }
    return broadcast(t, x, v, add_vector_backward);
}
