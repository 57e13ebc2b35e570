#include "src/ops/ops.h"

#include <string.h>

struct linear_saved {
    struct uda_tensor *x, *w, *b, *y;
};

/* y [rows, O] = x [rows, K] w^T (+ b, of y's type); w as x has it. */
static void multiply(struct uda_tape *t, const struct uda_tensor *y, const struct uda_tensor *x,
                     const struct uda_tensor *w, const void *b)
{
    int64_t K = uda_tensor_last(x), O = w->dim[0];
    struct uda_gemm_args a = {.type = x->type, .type_c = y->type, .M = uda_tensor_rows(x), .N = O, .K = K,
                              .A = x->data, .lda = K, .B = uda_tape_factor(t, w, x->type), .ldb = K,
                              .transpose_b = true, .C = y->data, .ldc = O, .bias = b};
    UDA_LAUNCH(t, gemm, &a);
}

/* dx = dy w; dw += dy^T x. dy has x's type. */
static void multiply_gradients(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                               const void *dy)
{
    int64_t rows = uda_tensor_rows(x), K = uda_tensor_last(x), O = w->dim[0];
    bool accumulate = false;
    void *dx = uda_grad_take(t, x, &accumulate);
    if (dx != NULL) {
        struct uda_gemm_args a = {.type = x->type, .type_c = x->type, .M = rows, .N = K, .K = O, .A = dy,
                                  .lda = O, .B = uda_tape_factor(t, w, x->type), .ldb = K, .C = dx,
                                  .ldc = K, .accumulate = accumulate};
        UDA_LAUNCH(t, gemm, &a);
    }
    float *dw = uda_grad_take(t, w, &accumulate);
    if (dw != NULL) {
        struct uda_gemm_args a = {.type = x->type, .M = O, .N = K, .K = rows, .A = dy, .lda = O,
                                  .transpose_a = true, .B = x->data, .ldb = K, .C = dw, .ldc = K,
                                  .accumulate = accumulate};
        UDA_LAUNCH(t, gemm, &a);
    }
}

/* Those above, with a copy of dy where the result is float and x is not; db += column sums of dy. */
static void linear_backward(struct uda_tape *t, void *saved)
{
    struct linear_saved *s = saved;
    if (s->y->type == s->x->type) {
        multiply_gradients(t, s->x, s->w, s->y->grad);
    } else {
        struct uda_copy_blocks_args a = {.type = s->x->type, .type_x = s->y->type, .N = 1,
                                         .count = s->y->count, .x = s->y->grad};
        a.y = uda_tape_scratch(t, (size_t)a.count * uda_type_bytes(a.type));
        UDA_LAUNCH(t, copy_blocks, &a);
        multiply_gradients(t, s->x, s->w, a.y);
        uda_tape_scratch_put(t, a.y);
    }
    bool accumulate = false;
    float *db = s->b != NULL ? uda_grad_take(t, s->b, &accumulate) : NULL;
    if (db != NULL) {
        int64_t O = s->w->dim[0];
        struct uda_column_sum_args a = {.type = s->y->type, .rows = uda_tensor_rows(s->x), .columns = O,
                                        .ldx = O, .x = s->y->grad, .y = db, .accumulate = accumulate};
        UDA_LAUNCH(t, column_sum, &a);
    }
}

static struct uda_tensor *linear(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                                 struct uda_tensor *b, enum uda_type type)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t K = uda_tensor_last(x), O = w->dim[0];
    const void *bias = b != NULL ? uda_tape_factor(t, b, type) : NULL;
    if (x->ndim < 1 || w->count != O * K || uda_tape_factor(t, w, x->type) == NULL ||
        (b != NULL && (b->count != O || bias == NULL))) {
        char xs[96], ws[96];
        return uda_tape_fail(t, UDA_SHAPE, "linear: x %s does not fit w %s",
                             uda_tensor_shape(xs, sizeof xs, x), uda_tensor_shape(ws, sizeof ws, w));
    }
    int64_t dim[UDA_DIMS];
    memcpy(dim, x->dim, sizeof dim);
    dim[x->ndim - 1] = O;
    struct uda_tensor *y = uda_tape_new(t, type, x->ndim, dim);
    multiply(t, y, x, w, bias);
    bool needs = x->needs_grad || w->needs_grad || (b != NULL && b->needs_grad);
    struct linear_saved *s = uda_tape_record(t, needs, linear_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct linear_saved){.x = x, .w = w, .b = b, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct uda_tensor *uda_linear(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                              struct uda_tensor *b)
{
    return linear(t, x, w, b, x->type);
}

struct uda_tensor *uda_linear_float(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                                    struct uda_tensor *b)
{
    return linear(t, x, w, b, UDA_F32);
}

static struct uda_conv_args conv_args(const struct uda_tape *t, const struct uda_tensor *x,
                                      const struct uda_tensor *w, int64_t stride)
{
    return (struct uda_conv_args){.type = x->type, .N = x->dim[0], .H = x->dim[1], .W = x->dim[2],
                                  .C = x->dim[3], .Co = w->dim[0], .kernel = w->dim[2],
                                  .stride = stride, .x = x->data, .w = uda_tape_factor(t, w, x->type)};
}

/* A convolution that is a linear layer of every pixel. */
static bool is_pointwise(const struct uda_tensor *w, int64_t stride) { return w->dim[2] == 1 && stride == 1; }

static void conv_gradients(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w, int64_t stride,
                           const void *dy)
{
    struct uda_conv_args a = conv_args(t, x, w, stride);
    a.dy = dy;
    if (is_pointwise(w, stride)) {
        multiply_gradients(t, x, w, dy);
        return;
    }
    a.dx = uda_grad_take(t, x, &a.accumulate);
    if (a.dx != NULL) {
        UDA_LAUNCH(t, conv_bwd_input, &a);
    }
    a.dw = uda_grad_take(t, w, &a.accumulate);
    if (a.dw != NULL) {
        UDA_LAUNCH(t, conv_bwd_weight, &a);
    }
}

/* The result of a convolution: a new tensor, computed; broken when the shapes do not fit. */
static struct uda_tensor *convolve(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                                   int64_t stride)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t k = w->dim[2];
    if (uda_tape_factor(t, w, x->type) == NULL || x->ndim != 4 || w->ndim != 4 ||
        w->dim[1] != x->dim[3] || w->dim[3] != k ||
        (k != 1 && k != 3 && k != 7) || (stride != 1 && stride != 2)) {
        char xs[96], ws[96];
        return uda_tape_fail(t, UDA_SHAPE, "conv: x %s does not fit w %s",
                             uda_tensor_shape(xs, sizeof xs, x), uda_tensor_shape(ws, sizeof ws, w));
    }
    int64_t dim[] = {x->dim[0], uda_conv_side(x->dim[1], stride), uda_conv_side(x->dim[2], stride),
                     w->dim[0]};
    struct uda_tensor *y = uda_tape_new(t, x->type, 4, dim);
    if (is_pointwise(w, stride)) {
        multiply(t, y, x, w, NULL);
    } else {
        struct uda_conv_args a = conv_args(t, x, w, stride);
        a.y = y->data;
        UDA_LAUNCH(t, conv_fwd, &a);
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct conv_saved {
    struct uda_tensor *x, *w, *y;
    int64_t stride;
};

static void conv_backward(struct uda_tape *t, void *saved)
{
    struct conv_saved *s = saved;
    conv_gradients(t, s->x, s->w, s->stride, s->y->grad);
}

struct uda_tensor *uda_conv(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w, int64_t stride)
{
    struct uda_tensor *y = convolve(t, x, w, stride);
    struct conv_saved *s =
        uda_tape_record(t, x->needs_grad || w->needs_grad, conv_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct conv_saved){.x = x, .w = w, .y = y, .stride = stride};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct conv_norm_saved {
    struct uda_tensor *x, *w, *add, *y;
    struct uda_frozen_norm norm;
    int64_t stride;
    bool relu;
};

static struct uda_frozen_norm_args norm_args(const struct uda_frozen_norm *norm, const struct uda_tensor *y,
                                             bool relu)
{
    return (struct uda_frozen_norm_args){.type = y->type, .rows = uda_tensor_rows(y),
                                         .C = uda_tensor_last(y), .eps = norm->eps, .relu = relu,
                                         .gamma = norm->gamma->data, .beta = norm->beta->data,
                                         .mean = norm->mean->data, .var = norm->var->data};
}

/* The gradient of what the norm was given lives in scratch memory as long as the convolution needs it. */
static void conv_norm_backward(struct uda_tape *t, void *saved)
{
    struct conv_norm_saved *s = saved;
    struct uda_frozen_norm_args a = norm_args(&s->norm, s->y, s->relu);
    bool inner = s->x->needs_grad || s->w->needs_grad;
    a.saved_y = s->y->data;
    a.dy = s->y->grad;
    a.dadd = s->add != NULL ? uda_grad_take(t, s->add, &a.add_dadd) : NULL;
    a.dx = inner ? uda_tape_scratch(t, (size_t)s->y->count * uda_type_bytes(s->y->type)) : NULL;
    UDA_LAUNCH(t, frozen_norm_bwd, &a);
    if (a.dx != NULL) {
        conv_gradients(t, s->x, s->w, s->stride, a.dx);
        uda_tape_scratch_put(t, a.dx);
    }
}

struct uda_tensor *uda_conv_norm(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                                 int64_t stride, const struct uda_frozen_norm *norm, struct uda_tensor *add,
                                 bool relu)
{
    struct uda_tensor *y = convolve(t, x, w, stride);
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t C = w->dim[0];
    if (norm->gamma->count != C || norm->beta->count != C || norm->mean->count != C ||
        norm->var->count != C ||
        (add != NULL && (!uda_tensor_same_shape(add, y) || add->type != y->type))) {
        char ys[96], as[96];
        return uda_tape_fail(t, UDA_SHAPE, "conv_norm: y %s does not fit a norm of %lld channels, plus %s",
                             uda_tensor_shape(ys, sizeof ys, y), (long long)norm->gamma->count,
                             add != NULL ? uda_tensor_shape(as, sizeof as, add) : "nothing");
    }
    struct uda_frozen_norm_args a = norm_args(norm, y, relu);
    a.x = a.y = y->data;
    a.add = add != NULL ? add->data : NULL;
    UDA_LAUNCH(t, frozen_norm_fwd, &a);
    bool needs = x->needs_grad || w->needs_grad || (add != NULL && add->needs_grad);
    struct conv_norm_saved *s = uda_tape_record(t, needs, conv_norm_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct conv_norm_saved){.x = x, .w = w, .add = add, .y = y, .norm = *norm, .stride = stride,
                                      .relu = relu};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}
