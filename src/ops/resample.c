#include "src/ops/ops.h"

struct resize_saved {
    struct uda_tensor *x, *add, *y;
};

static struct uda_resize_args resize_args(const struct uda_tensor *x, int64_t H, int64_t W)
{
    return (struct uda_resize_args){.type = x->type, .N = x->dim[0], .h = x->dim[1], .w = x->dim[2],
                                    .C = x->dim[3], .H = H, .W = W};
}

/* dx = transpose of the resize; dadd = dy. */
static void resize_backward(struct uda_tape *t, void *saved)
{
    struct resize_saved *s = saved;
    struct uda_resize_args a = resize_args(s->x, s->y->dim[1], s->y->dim[2]);
    a.dy = s->y->grad;
    a.dx = uda_grad_take(t, s->x, &a.accumulate_x);
    a.dadd = s->add != NULL ? uda_grad_take(t, s->add, &a.accumulate_add) : NULL;
    UDA_LAUNCH(t, resize_bwd, &a);
}

struct uda_tensor *uda_resize_bilinear(struct uda_tape *t, struct uda_tensor *x, int64_t H,
                                       int64_t W, struct uda_tensor *add)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t dim[] = {x->dim[0], H, W, x->dim[3]};
    bool fits = x->ndim == 4 && x->dim[1] <= INT32_MAX && x->dim[2] <= INT32_MAX &&
                (add == NULL || add->type == x->type);
    for (int i = 0; add != NULL && i < 4; i++) {
        fits = fits && add->ndim == 4 && add->dim[i] == dim[i];
    }
    if (!fits) {
        char xs[96], as[96];
        return uda_tape_fail(t, UDA_SHAPE, "resize: x %s to %lld x %lld does not fit the sum's %s",
                             uda_tensor_shape(xs, sizeof xs, x), (long long)H, (long long)W,
                             add != NULL ? uda_tensor_shape(as, sizeof as, add) : "(none)");
    }
    struct uda_tensor *y = uda_tape_new(t, x->type, 4, dim);
    struct uda_resize_args a = resize_args(x, H, W);
    a.x = x->data;
    a.add = add != NULL ? add->data : NULL;
    a.y = y->data;
    UDA_LAUNCH(t, resize_fwd, &a);
    bool needs = x->needs_grad || (add != NULL && add->needs_grad);
    struct resize_saved *s = uda_tape_record(t, needs, resize_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct resize_saved){.x = x, .add = add, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct uda_tensor *uda_centre_pool(struct uda_tape *t, struct uda_tensor *x, int64_t ratio)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (x->ndim != 4 || (ratio != 2 && ratio != 4 && ratio != 8) || x->dim[1] % ratio != 0 ||
        x->dim[2] % ratio != 0) {
        char xs[96];
        return uda_tape_fail(t, UDA_SHAPE, "centre_pool: %s does not divide by %lld",
                             uda_tensor_shape(xs, sizeof xs, x), (long long)ratio);
    }
    int64_t dim[] = {x->dim[0], x->dim[1] / ratio * (x->dim[2] / ratio), x->dim[3]};
    struct uda_tensor *y = uda_tape_new(t, x->type, 3, dim);
    struct uda_centre_pool_args a = {.type = x->type, .N = x->dim[0], .H = x->dim[1], .W = x->dim[2],
                                     .C = x->dim[3], .ratio = ratio, .x = x->data, .y = y->data};
    UDA_LAUNCH(t, centre_pool, &a);
    return uda_tape_ok(t) ? y : &t->broken;
}

struct pool_saved {
    struct uda_tensor *x, *y;
};

static void max_pool_backward(struct uda_tape *t, void *saved)
{
    struct pool_saved *s = saved;
    struct uda_max_pool_args a = {.type = s->x->type, .N = s->x->dim[0], .H = s->x->dim[1],
                                  .W = s->x->dim[2], .C = s->x->dim[3], .x = s->x->data,
                                  .saved_y = s->y->data, .dy = s->y->grad};
    a.dx = uda_grad_take(t, s->x, &a.accumulate);
    if (a.dx != NULL) {
        UDA_LAUNCH(t, max_pool_bwd, &a);
    }
}

struct uda_tensor *uda_max_pool(struct uda_tape *t, struct uda_tensor *x)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (x->ndim != 4) {
        char xs[96];
        return uda_tape_fail(t, UDA_SHAPE, "max_pool: x %s is no map", uda_tensor_shape(xs, sizeof xs, x));
    }
    int64_t dim[] = {x->dim[0], uda_max_pool_side(x->dim[1]), uda_max_pool_side(x->dim[2]), x->dim[3]};
    struct uda_tensor *y = uda_tape_new(t, x->type, 4, dim);
    struct uda_max_pool_args a = {.type = x->type, .N = x->dim[0], .H = x->dim[1], .W = x->dim[2],
                                  .C = x->dim[3], .x = x->data, .y = y->data};
    UDA_LAUNCH(t, max_pool_fwd, &a);
    struct pool_saved *s = uda_tape_record(t, x->needs_grad, max_pool_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct pool_saved){.x = x, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct uda_tensor *uda_sine_position(struct uda_tape *t, int64_t H, int64_t W, int64_t C)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (H < 1 || W < 1 || C < 4 || C % 4 != 0 || W > INT64_MAX / H) {
        return uda_tape_fail(t, UDA_SHAPE,
                             "sine_position: a %lld x %lld map of %lld channels (want a multiple of 4)",
                             (long long)H, (long long)W, (long long)C);
    }
    int64_t dim[] = {H * W, C};
    struct uda_tensor *y = uda_tape_new(t, UDA_F32, 2, dim);
    struct uda_sine_position_args a = {.H = H, .W = W, .C = C, .y = y->data};
    UDA_LAUNCH(t, sine_position, &a);
    return uda_tape_ok(t) ? y : &t->broken;
}
