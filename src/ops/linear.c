#include "src/ops/ops.h"

#include <string.h>

struct linear_saved {
    struct uda_tensor *x, *w, *b, *y;
};

/* dx = dy w; dw += dy^T x; db += column sums of dy. */
static void linear_backward(struct uda_tape *t, void *saved)
{
    struct linear_saved *s = saved;
    int64_t rows = uda_tensor_rows(s->x), K = uda_tensor_last(s->x), O = s->w->dim[0];
    bool accumulate = false;
    float *dx = uda_grad_take(t, s->x, &accumulate);
    if (dx != NULL) {
        struct uda_gemm_args a = {.M = rows, .N = K, .K = O, .A = s->y->grad, .lda = O,
                                  .B = s->w->data, .ldb = K, .C = dx, .ldc = K,
                                  .accumulate = accumulate};
        UDA_LAUNCH(t, gemm, &a);
    }
    float *dw = uda_grad_take(t, s->w, &accumulate);
    if (dw != NULL) {
        struct uda_gemm_args a = {.M = O, .N = K, .K = rows, .A = s->y->grad, .lda = O,
                                  .transpose_a = true, .B = s->x->data, .ldb = K, .C = dw,
                                  .ldc = K, .accumulate = accumulate};
        UDA_LAUNCH(t, gemm, &a);
    }
    float *db = s->b != NULL ? uda_grad_take(t, s->b, &accumulate) : NULL;
    if (db != NULL) {
        struct uda_column_sum_args a = {.rows = rows, .columns = O, .ldx = O, .x = s->y->grad,
                                        .y = db, .accumulate = accumulate};
        UDA_LAUNCH(t, column_sum, &a);
    }
}

struct uda_tensor *uda_linear(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                              struct uda_tensor *b)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t K = uda_tensor_last(x), O = w->dim[0];
    if (x->ndim < 1 || w->count != O * K || (b != NULL && b->count != O)) {
        char xs[96], ws[96];
        return uda_tape_fail(t, UDA_SHAPE, "linear: x %s does not fit w %s",
                             uda_tensor_shape(xs, sizeof xs, x), uda_tensor_shape(ws, sizeof ws, w));
    }
    int64_t dim[UDA_DIMS];
    memcpy(dim, x->dim, sizeof dim);
    dim[x->ndim - 1] = O;
    struct uda_tensor *y = uda_tape_new(t, x->ndim, dim);
    struct uda_gemm_args a = {.M = uda_tensor_rows(x), .N = O, .K = K, .A = x->data, .lda = K,
                              .B = w->data, .ldb = K, .transpose_b = true, .C = y->data, .ldc = O,
                              .bias = b != NULL ? b->data : NULL};
    UDA_LAUNCH(t, gemm, &a);
    bool needs = x->needs_grad || w->needs_grad || (b != NULL && b->needs_grad);
    struct linear_saved *s = uda_tape_record(t, needs, linear_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct linear_saved){.x = x, .w = w, .b = b, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct conv_saved {
    struct uda_tensor *x, *w, *y;
};

static void conv3x3_backward(struct uda_tape *t, void *saved)
{
    struct conv_saved *s = saved;
    struct uda_conv3x3_args a = {.N = s->x->dim[0], .H = s->x->dim[1], .W = s->x->dim[2],
                                 .C = s->x->dim[3], .Co = s->w->dim[0], .x = s->x->data,
                                 .w = s->w->data, .dy = s->y->grad};
    a.dx = uda_grad_take(t, s->x, &a.accumulate);
    if (a.dx != NULL) {
        UDA_LAUNCH(t, conv3x3_bwd_input, &a);
    }
    a.dw = uda_grad_take(t, s->w, &a.accumulate);
    if (a.dw != NULL) {
        UDA_LAUNCH(t, conv3x3_bwd_weight, &a);
    }
}

struct uda_tensor *uda_conv3x3(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (x->ndim != 4 || w->ndim != 4 || w->dim[1] != x->dim[3] || w->dim[2] != 3 ||
        w->dim[3] != 3) {
        char xs[96], ws[96];
        return uda_tape_fail(t, UDA_SHAPE, "conv3x3: x %s does not fit w %s",
                             uda_tensor_shape(xs, sizeof xs, x), uda_tensor_shape(ws, sizeof ws, w));
    }
    int64_t dim[] = {x->dim[0], x->dim[1], x->dim[2], w->dim[0]};
    struct uda_tensor *y = uda_tape_new(t, 4, dim);
    struct uda_conv3x3_args a = {.N = dim[0], .H = dim[1], .W = dim[2], .C = x->dim[3],
                                 .Co = dim[3], .x = x->data, .w = w->data, .y = y->data};
    UDA_LAUNCH(t, conv3x3_fwd, &a);
    struct conv_saved *s = uda_tape_record(t, x->needs_grad || w->needs_grad, conv3x3_backward,
                                           sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct conv_saved){.x = x, .w = w, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}
