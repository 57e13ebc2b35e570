#include "src/ops/ops.h"

#include <string.h>

#define CONCAT_MOST 4
#define LEVELS_MOST 8

struct cast_saved {
    struct uda_tensor *x, *y;
};

static void cast_backward(struct uda_tape *t, void *saved)
{
    struct cast_saved *s = saved;
    struct uda_copy_blocks_args k = {.type = s->x->type, .type_x = s->y->type, .N = 1,
                                     .count = s->x->count, .x = s->y->grad};
    k.y = uda_grad_take(t, s->x, &k.accumulate);
    if (k.y != NULL) {
        UDA_LAUNCH(t, copy_blocks, &k);
    }
}

struct uda_tensor *uda_cast(struct uda_tape *t, struct uda_tensor *x, enum uda_type type)
{
    if (!uda_tape_ok(t) || x->type == type) {
        return x;
    }
    struct uda_tensor *y = uda_tape_new(t, type, x->ndim, x->dim);
    struct uda_copy_blocks_args k = {.type = type, .type_x = x->type, .N = 1, .count = x->count,
                                     .x = x->data, .y = y->data};
    UDA_LAUNCH(t, copy_blocks, &k);
    struct cast_saved *s = uda_tape_record(t, x->needs_grad, cast_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct cast_saved){.x = x, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct uda_tensor *uda_patchify(struct uda_tape *t, struct uda_tensor *image)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (image->type != UDA_F32 || image->ndim != 4 || image->dim[1] % 4 != 0 ||
        image->dim[2] % 4 != 0 || image->dim[3] != 3 || image->needs_grad) {
        char xs[96];
        return uda_tape_fail(t, UDA_SHAPE, "patchify: %s is not an image [N, 4h, 4w, 3] without gradient",
                             uda_tensor_shape(xs, sizeof xs, image));
    }
    int64_t dim[] = {image->dim[0], image->dim[1] / 4, image->dim[2] / 4, 48};
    struct uda_tensor *y = uda_tape_new(t, t->type, 4, dim);
    struct uda_patchify_args k = {.type = y->type, .N = dim[0], .H = image->dim[1],
                                  .W = image->dim[2], .x = image->data, .y = y->data};
    UDA_LAUNCH(t, patchify, &k);
    (void)uda_tape_record(t, false, NULL, 0, &y, 1);
    return uda_tape_ok(t) ? y : &t->broken;
}

struct merge_saved {
    struct uda_tensor *x, *y;
};

static void merge_backward(struct uda_tape *t, void *saved)
{
    struct merge_saved *s = saved;
    struct uda_patch_merge_args k = {.type = s->x->type, .N = s->x->dim[0], .H = s->x->dim[1],
                                     .W = s->x->dim[2], .C = s->x->dim[3], .dy = s->y->grad};
    k.dx = uda_grad_take(t, s->x, &k.accumulate);
    if (k.dx != NULL) {
        UDA_LAUNCH(t, patch_merge_bwd, &k);
    }
}

struct uda_tensor *uda_patch_merge(struct uda_tape *t, struct uda_tensor *x)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (x->ndim != 4) {
        char xs[96];
        return uda_tape_fail(t, UDA_SHAPE, "patch_merge: x %s is not [N, H, W, C]",
                             uda_tensor_shape(xs, sizeof xs, x));
    }
    int64_t dim[] = {x->dim[0], (x->dim[1] + 1) / 2, (x->dim[2] + 1) / 2, 4 * x->dim[3]};
    struct uda_tensor *y = uda_tape_new(t, x->type, 4, dim);
    struct uda_patch_merge_args k = {.type = x->type, .N = dim[0], .H = x->dim[1], .W = x->dim[2],
                                     .C = x->dim[3], .x = x->data, .y = y->data};
    UDA_LAUNCH(t, patch_merge_fwd, &k);
    struct merge_saved *s = uda_tape_record(t, x->needs_grad, merge_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct merge_saved){.x = x, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct concat_saved {
    struct uda_tensor *x[CONCAT_MOST], *y;
    int count;
};

static void concat_backward(struct uda_tape *t, void *saved)
{
    struct concat_saved *s = saved;
    int64_t N = s->y->dim[0], total = s->y->count / N, first = 0;
    for (int i = 0; i < s->count; i++) {
        int64_t count = s->x[i]->count / N;
        struct uda_copy_blocks_args k = {.type = s->y->type, .type_x = s->y->type, .N = N,
                                         .count = count, .stride_x = total, .stride_y = count};
        k.x = uda_value(s->y->grad, s->y->type, first);
        k.y = uda_grad_take(t, s->x[i], &k.accumulate);
        if (k.y != NULL) {
            UDA_LAUNCH(t, copy_blocks, &k);
        }
        first += count;
    }
}

/* Tokens of all x together, or 0 when they do not fit. */
static int64_t concat_tokens(struct uda_tensor *const *x, int count)
{
    int64_t tokens = 0;
    for (int i = 0; i < count; i++) {
        if (x[i]->ndim != 3 || x[i]->dim[0] != x[0]->dim[0] || x[i]->dim[2] != x[0]->dim[2] ||
            x[i]->type != x[0]->type) {
            return 0;
        }
        tokens += x[i]->dim[1];
    }
    return tokens;
}

struct uda_tensor *uda_concat_tokens(struct uda_tape *t, struct uda_tensor *const *x, int count)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t tokens = count >= 1 && count <= CONCAT_MOST ? concat_tokens(x, count) : 0;
    if (tokens == 0) {
        return uda_tape_fail(t, UDA_SHAPE,
                             "concat_tokens: %d tensors are not 1 to %d of [N, T, C] and one type", count,
                             CONCAT_MOST);
    }
    int64_t dim[] = {x[0]->dim[0], tokens, x[0]->dim[2]}, first = 0;
    struct uda_tensor *y = uda_tape_new(t, x[0]->type, 3, dim);
    bool needs = false;
    for (int i = 0; i < count && uda_tape_ok(t); i++) {
        int64_t block = x[i]->dim[1] * dim[2];
        struct uda_copy_blocks_args k = {.type = y->type, .type_x = y->type, .N = dim[0],
                                         .count = block, .stride_x = block,
                                         .stride_y = tokens * dim[2], .x = x[i]->data,
                                         .y = uda_value(y->data, y->type, first)};
        UDA_LAUNCH(t, copy_blocks, &k);
        needs = needs || x[i]->needs_grad;
        first += block;
    }
    struct concat_saved *s = uda_tape_record(t, needs, concat_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct concat_saved){.y = y, .count = count};
        memcpy(s->x, x, (size_t)count * sizeof *x);
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct slice_saved {
    struct uda_tensor *x, *y;
    int64_t first;
};

/* Other slices of x add to other tokens: the first contribution clears the rest. */
static void slice_backward(struct uda_tape *t, void *saved)
{
    struct slice_saved *s = saved;
    int64_t N = s->x->dim[0], C = s->x->dim[2], tokens = s->x->dim[1], count = s->y->count / N;
    enum uda_type type = s->x->type;
    bool accumulate = false;
    void *dx = uda_grad_take(t, s->x, &accumulate);
    if (dx == NULL) {
        return;
    }
    if (!accumulate) {
        struct uda_fill_args clear = {.type = type, .count = s->x->count, .y = dx};
        UDA_LAUNCH(t, fill, &clear);
    }
    struct uda_copy_blocks_args k = {.type = type, .type_x = type, .N = N, .count = count,
                                     .stride_x = count, .stride_y = tokens * C, .x = s->y->grad,
                                     .y = uda_value(dx, type, s->first * C), .accumulate = true};
    UDA_LAUNCH(t, copy_blocks, &k);
}

struct uda_tensor *uda_slice_tokens(struct uda_tape *t, struct uda_tensor *x, int64_t first,
                                    int64_t tokens)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (x->ndim != 3 || first < 0 || tokens < 1 || first > x->dim[1] - tokens) {
        char xs[96];
        return uda_tape_fail(t, UDA_SHAPE, "slice_tokens: %lld tokens from %lld on are not in %s",
                             (long long)tokens, (long long)first, uda_tensor_shape(xs, sizeof xs, x));
    }
    int64_t dim[] = {x->dim[0], tokens, x->dim[2]}, count = tokens * dim[2];
    struct uda_tensor *y = uda_tape_new(t, x->type, 3, dim);
    struct uda_copy_blocks_args k = {.type = x->type, .type_x = x->type, .N = dim[0], .count = count,
                                     .stride_x = x->dim[1] * dim[2], .stride_y = count,
                                     .x = uda_value(x->data, x->type, first * dim[2]), .y = y->data};
    UDA_LAUNCH(t, copy_blocks, &k);
    struct slice_saved *s = uda_tape_record(t, x->needs_grad, slice_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct slice_saved){.x = x, .y = y, .first = first};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct expand_saved {
    struct uda_tensor *rows, *y;
};

static void expand_backward(struct uda_tape *t, void *saved)
{
    struct expand_saved *s = saved;
    struct uda_sum_blocks_args k = {.type = s->y->type, .N = s->y->dim[0], .count = s->rows->count,
                                    .stride_x = s->rows->count, .x = s->y->grad};
    k.y = uda_grad_take(t, s->rows, &k.accumulate);
    if (k.y != NULL) {
        UDA_LAUNCH(t, sum_blocks, &k);
    }
}

struct uda_tensor *uda_expand(struct uda_tape *t, struct uda_tensor *rows, int64_t N)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (rows->type != UDA_F32 || rows->ndim != 2 || N < 1) {
        char rs[96];
        return uda_tape_fail(t, UDA_SHAPE, "expand: rows %s cannot be repeated %lld times",
                             uda_tensor_shape(rs, sizeof rs, rows), (long long)N);
    }
    int64_t dim[] = {N, rows->dim[0], rows->dim[1]};
    struct uda_tensor *y = uda_tape_new(t, t->type, 3, dim);
    struct uda_copy_blocks_args k = {.type = y->type, .N = N, .count = rows->count, .stride_y = rows->count,
                                     .x = rows->data, .y = y->data};
    UDA_LAUNCH(t, copy_blocks, &k);
    struct expand_saved *s = uda_tape_record(t, rows->needs_grad, expand_backward, sizeof *s, &y, 1);
    if (s != NULL) {
        *s = (struct expand_saved){.rows = rows, .y = y};
    }
    return uda_tape_ok(t) ? y : &t->broken;
}

struct level_saved {
    struct uda_tensor *embed, *y;
    int64_t tokens[LEVELS_MOST], L;
};

static void level_rows_backward(struct uda_tape *t, void *saved)
{
    struct level_saved *s = saved;
    int64_t C = s->y->dim[1], first = 0;
    bool accumulate = false;
    float *dembed = uda_grad_take(t, s->embed, &accumulate);
    for (int64_t l = 0; l < s->L && dembed != NULL; l++) {
        struct uda_column_sum_args k = {.rows = s->tokens[l], .columns = C, .ldx = C,
                                        .x = (const float *)s->y->grad + first * C, .y = dembed + l * C,
                                        .accumulate = accumulate};
        UDA_LAUNCH(t, column_sum, &k);
        first += s->tokens[l];
    }
}

static bool levels_fit(const struct uda_tensor *sine, const struct uda_tensor *embed,
                       const int64_t *tokens, int64_t L)
{
    if (sine->type != UDA_F32 || embed->type != UDA_F32 || L < 1 || L > LEVELS_MOST ||
        sine->ndim != 2 || embed->ndim != 2 || embed->dim[0] != L || embed->dim[1] != sine->dim[1]) {
        return false;
    }
    int64_t left = sine->dim[0];
    for (int64_t l = 0; l < L; l++) {
        if (tokens[l] < 1 || tokens[l] > left) {
            return false;
        }
        left -= tokens[l];
    }
    return left == 0;
}

struct uda_tensor *uda_level_rows(struct uda_tape *t, struct uda_tensor *sine,
                                  struct uda_tensor *embed, const int64_t *tokens, int64_t L)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (!levels_fit(sine, embed, tokens, L)) {
        char xs[96], es[96];
        return uda_tape_fail(t, UDA_SHAPE, "level_rows: sine %s, embed %s and %lld levels do not fit",
                             uda_tensor_shape(xs, sizeof xs, sine),
                             uda_tensor_shape(es, sizeof es, embed), (long long)L);
    }
    int64_t C = sine->dim[1], first = 0;
    struct uda_tensor *y = uda_tape_new_like(t, sine);
    for (int64_t l = 0; l < L && uda_tape_ok(t); l++) {
        struct uda_add_args k = {.N = tokens[l], .count = C, .a = uda_floats(sine) + first * C,
                                 .b = uda_floats(embed) + l * C, .y = uda_floats(y) + first * C};
        UDA_LAUNCH(t, add, &k);
        first += tokens[l];
    }
    struct level_saved *s = uda_tape_record(t, embed->needs_grad, level_rows_backward, sizeof *s,
                                            &y, 1);
    if (s != NULL) {
        *s = (struct level_saved){.embed = embed, .y = y, .L = L};
        memcpy(s->tokens, tokens, (size_t)L * sizeof *tokens);
    }
    return uda_tape_ok(t) ? y : &t->broken;
}
