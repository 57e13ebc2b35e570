#include "src/ops/ops.h"

#include <string.h>

struct deform_saved {
    struct uda_tensor *value, *offsets, *weights, *y;
    struct uda_deform_args args;
};

/* The kernel recomputes weights and locations from the inputs. */
static void deform_backward(struct uda_tape *t, void *saved)
{
    struct deform_saved *s = saved;
    struct uda_deform_args a = s->args;
    a.dy = s->y->grad;
    a.dvalue = uda_grad_take(t, s->value, &a.accumulate_value);
    a.doffsets = uda_grad_take(t, s->offsets, &a.accumulate_offsets);
    a.dweights = uda_grad_take(t, s->weights, &a.accumulate_weights);
    UDA_LAUNCH(t, deform_bwd, &a);
}

/* Is x [N, S, last]? */
static bool has_shape(const struct uda_tensor *x, int64_t N, int64_t S, int64_t last)
{
    return x->ndim == 3 && x->dim[0] == N && x->dim[1] == S && x->dim[2] == last;
}

struct uda_tensor *uda_deform_attention(struct uda_tape *t, struct uda_tensor *value,
                                        struct uda_tensor *offsets, struct uda_tensor *weights,
                                        int64_t heads, int64_t points,
                                        const int64_t height[UDA_LEVELS],
                                        const int64_t width[UDA_LEVELS])
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t N = value->dim[0], S = value->dim[1], left = S;
    bool fits = offsets->type == UDA_F32 && weights->type == UDA_F32 &&
                value->ndim == 3 && heads >= 1 && value->dim[2] % heads == 0 && points >= 1 &&
                points <= UDA_DEFORM_MAX_POINTS && S < INT32_MAX;
    for (int l = 0; fits && l < UDA_LEVELS; l++) {
        fits = height[l] >= 1 && width[l] >= 1 && height[l] <= left / width[l];
        left -= fits ? height[l] * width[l] : 0;
    }
    fits = fits && left == 0 && has_shape(offsets, N, S, heads * UDA_LEVELS * points * 2) &&
           has_shape(weights, N, S, heads * UDA_LEVELS * points);
    if (!fits) {
        char vs[96], os[96], ws[96];
        return uda_tape_fail(
            t, UDA_SHAPE, "deform_attention: value %s, offsets %s, weights %s do not fit %lld heads, "
            "%lld points (at most 8) and their levels", uda_tensor_shape(vs, sizeof vs, value),
            uda_tensor_shape(os, sizeof os, offsets), uda_tensor_shape(ws, sizeof ws, weights),
            (long long)heads, (long long)points);
    }
    struct uda_tensor *y = uda_tape_new_like(t, value);
    struct uda_deform_args a = {.type = value->type, .N = N, .S = S, .D = value->dim[2], .M = heads,
                                .P = points, .value = value->data, .offsets = offsets->data,
                                .weights = weights->data, .y = y->data};
    memcpy(a.height, height, sizeof a.height);
    memcpy(a.width, width, sizeof a.width);
    UDA_LAUNCH(t, deform_fwd, &a);
    bool needs = value->needs_grad || offsets->needs_grad || weights->needs_grad;
    struct deform_saved *s = uda_tape_record(t, needs, deform_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct deform_saved){.value = value, .offsets = offsets, .weights = weights, .y = y,
                                   .args = a};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}
