#include "src/ops/ops.h"

#include "src/base/rng.h"

void uda_uniform(struct uda_tape *t, float *y, int64_t rows, int64_t count, int64_t skip,
                 const struct uda_rng *key, const uint32_t *counter, const int64_t *live)
{
    struct uda_uniform_args a = {.rows = rows, .count = count, .skip = skip,
                                 .key = {key->key[0], key->key[1]}, .counter = counter, .live = live, .y = y};
    UDA_LAUNCH(t, uniform, &a);
}

/* Is x a float tensor of so many dimensions with image n? */
static bool has_image(const struct uda_tensor *x, int ndim, int64_t n)
{
    return x->type == UDA_F32 && x->ndim == ndim && n >= 0 && n < x->dim[0];
}

/* Image n of x. */
static const float *image_of(const struct uda_tensor *x, int64_t n)
{
    return uda_floats(x) + n * (x->count / x->dim[0]);
}

/* Do e [N,Q,C] and f [N,H,W,C] belong together, and may a point address their pixels and the
 * targets'? */
static bool check_maps(struct uda_tape *t, const char *op, const struct uda_tensor *e,
                       const struct uda_tensor *f, int64_t n, const struct uda_targets_sent *sent)
{
    if (!has_image(e, 3, n) || !has_image(f, 4, n) || e->dim[0] != f->dim[0] ||
        e->dim[2] != f->dim[3] || f->dim[1] > INT32_MAX / f->dim[2]) {
        char es[96], fs[96];
        (void)uda_tape_fail(t, UDA_SHAPE, "%s: image %lld of e %s and f %s", op, (long long)n,
                            uda_tensor_shape(es, sizeof es, e), uda_tensor_shape(fs, sizeof fs, f));
        return false;
    }
    if (sent->height < 1 || sent->width < 1 || sent->height > INT32_MAX / sent->width) {
        (void)uda_tape_fail(t, UDA_SHAPE, "%s: targets of %lld x %lld pixels", op, (long long)sent->height,
                            (long long)sent->width);
        return false;
    }
    return true;
}

/* Is there room for so many images' targets, and are their masks as large as said? */
static bool check_sent(struct uda_tape *t, const char *op, const struct uda_targets *targets, int64_t images,
                       const struct uda_targets_sent *sent)
{
    int64_t left = sent->room;
    for (int64_t n = 0; n < images; n++) {
        const struct uda_targets *image = &targets[n];
        bool same = image->height == sent->height && image->width == sent->width;
        if (image->count < 0 || image->count > left || (image->count > 0 && !same)) {
            (void)uda_tape_fail(t, UDA_SHAPE,
                                "%s: image %lld has %lld targets of %lld x %lld pixels, room is for %lld "
                                "of %lld x %lld", op, (long long)n, (long long)image->count,
                                (long long)image->height, (long long)image->width, (long long)left,
                                (long long)sent->height, (long long)sent->width);
            return false;
        }
        left -= image->count;
    }
    return true;
}

/* The first of count values outside low..high-1, or -1. */
static int64_t first_outside(const int32_t *value, int64_t count, int64_t high)
{
    for (int64_t i = 0; i < count; i++) {
        if (value[i] < 0 || value[i] >= high) {
            return i;
        }
    }
    return -1;
}

void uda_match_cost(struct uda_tape *t, float *cost, struct uda_tensor *logits,
                    struct uda_tensor *e, struct uda_tensor *f, int64_t n,
                    const struct uda_targets *targets, const struct uda_targets_sent *sent,
                    const struct uda_match_spec *spec)
{
    if (!uda_tape_ok(t) || !check_maps(t, "match_cost", e, f, n, sent) ||
        !check_sent(t, "match_cost", targets, 1, sent) || sent->room == 0) {
        return;
    }
    if (!has_image(logits, 3, n) || logits->dim[1] != e->dim[1] || logits->dim[2] < 2 ||
        spec->points < 1) {
        char ls[96], es[96];
        (void)uda_tape_fail(t, UDA_SHAPE, "match_cost: logits %s, e %s, %lld points",
                            uda_tensor_shape(ls, sizeof ls, logits),
                            uda_tensor_shape(es, sizeof es, e), (long long)spec->points);
        return;
    }
    int64_t K = logits->dim[2], wrong = first_outside(targets->cls, targets->count, K - 1);
    if (wrong >= 0) {
        (void)uda_tape_fail(t, UDA_SHAPE, "match_cost: target %lld has class %d of %lld",
                            (long long)wrong, targets->cls[wrong], (long long)(K - 1));
        return;
    }
    struct uda_match_cost_args a = {
        .Q = e->dim[1], .K = K, .C = e->dim[2], .H = f->dim[1], .W = f->dim[2], .most = sent->room,
        .height = sent->height, .width = sent->width, .P = spec->points, .cls_weight = spec->cls_weight,
        .mask_weight = spec->mask_weight, .dice_weight = spec->dice_weight,
        .logits = image_of(logits, n), .e = image_of(e, n), .f = image_of(f, n), .point = spec->point,
        .first = sent->first + n, .cls = sent->cls, .mask = sent->mask, .cost = cost};
    UDA_LAUNCH(t, match_cost, &a);
}

/* ---- assignment ---- */

void uda_assign(struct uda_tape *t, const struct uda_targets *targets, const struct uda_targets_sent *sent,
                const struct uda_assign_spec *spec)
{
    struct uda_assign_args a = {.P = spec->predictions, .N = spec->images, .Q = spec->queries,
                                .K = spec->classes, .T = sent->room, .most = sent->room,
                                .first = sent->first, .cls = sent->cls, .cost = spec->cost,
                                .query = spec->query, .target = spec->target, .label = spec->label,
                                .wrong = spec->wrong};
    if (!uda_tape_ok(t) || !check_sent(t, "assign", targets, a.N, sent)) {
        return;
    }
    for (int64_t n = 0; n < a.N && uda_tape_ok(t); n++) {
        int64_t wrong = first_outside(targets[n].cls, targets[n].count, a.K);
        if (wrong >= 0) {
            (void)uda_tape_fail(t, UDA_SHAPE, "assign: target %lld has class %d of %lld", (long long)wrong,
                                targets[n].cls[wrong], (long long)a.K);
        }
    }
    UDA_LAUNCH(t, assign, &a);
}

/* ---- class loss ---- */

struct class_saved {
    struct uda_tensor *logits;
    struct uda_class_loss_args args;
};

static void class_backward(struct uda_tape *t, void *saved)
{
    struct class_saved *s = saved;
    struct uda_class_loss_args a = s->args;
    a.dlogits = uda_grad_take(t, s->logits, &a.accumulate);
    if (a.dlogits != NULL) {
        UDA_LAUNCH(t, class_loss_bwd, &a);
    }
}

void uda_class_loss(struct uda_tape *t, double *loss, struct uda_tensor *logits,
                    const int32_t *target, float no_object, const double *denominator, float weight)
{
    if (!uda_tape_ok(t)) {
        return;
    }
    int64_t rows = uda_tensor_rows(logits), K = uda_tensor_last(logits);
    if (logits->type != UDA_F32) {
        char ls[96];
        (void)uda_tape_fail(t, UDA_SHAPE, "class_loss: logits %s", uda_tensor_shape(ls, sizeof ls, logits));
        return;
    }
    struct uda_class_loss_args a = {.rows = rows, .K = K, .no_object = no_object, .weight = weight,
                                    .denominator = denominator, .logits = logits->data,
                                    .target = target, .loss = loss};
    UDA_LAUNCH(t, class_loss_fwd, &a);
    if (!logits->needs_grad) {
        return;
    }
    struct class_saved *s = uda_tape_record_root(t, class_backward, sizeof *s, NULL, 0);
    if (s != NULL) {
        *s = (struct class_saved){.logits = logits, .args = a};
    }
}

/* ---- mask losses ---- */

struct mask_saved {
    struct uda_tensor *e, *f, *point, *dlogit;
    int64_t room;
    const int64_t *first;
    const int32_t *query;
};

/* From the last image to the first: as if each were an op of its own. */
static void mask_backward(struct uda_tape *t, void *saved)
{
    struct mask_saved *s = saved;
    struct uda_mask_grad_args a = {
        .N = s->e->dim[0], .Q = s->e->dim[1], .C = s->e->dim[2], .H = s->f->dim[1],
        .W = s->f->dim[2], .most = s->room, .P = s->dlogit->dim[1], .e = s->e->data, .f = s->f->data,
        .point = s->point->data, .dlogit = s->dlogit->data, .query = s->query};
    for (a.n = a.N - 1; a.n >= 0; a.n--) {
        a.first = s->first + a.n;
        a.de = uda_grad_take(t, s->e, &a.accumulate_e);
        a.df = uda_grad_take(t, s->f, &a.accumulate_f);
        UDA_LAUNCH(t, mask_loss_bwd, &a);
    }
}

/* Do the numbers of points fit? */
static bool check_points(struct uda_tape *t, const struct uda_point_spec *spec)
{
    if (spec->points < 1 || spec->important < 0 || spec->important > spec->points ||
        spec->important > spec->candidates) {
        (void)uda_tape_fail(t, UDA_SHAPE, "mask_loss: %lld of %lld candidates among %lld points",
                            (long long)spec->important, (long long)spec->candidates,
                            (long long)spec->points);
        return false;
    }
    return true;
}

void uda_mask_loss(struct uda_tape *t, double *loss_mask, double *loss_dice, struct uda_tensor *e,
                   struct uda_tensor *f, const struct uda_targets *targets,
                   const struct uda_targets_sent *sent, const struct uda_point_spec *spec)
{
    if (!uda_tape_ok(t) || !check_maps(t, "mask_loss", e, f, 0, sent) ||
        !check_sent(t, "mask_loss", targets, e->dim[0], sent) || !check_points(t, spec) || sent->room == 0) {
        return;
    }
    bool record = t->recording && (e->needs_grad || f->needs_grad);
    struct uda_tensor *owned[2] = {NULL, NULL};
    struct uda_mask_loss_args a = {
        .Q = e->dim[1], .C = e->dim[2], .H = f->dim[1], .W = f->dim[2], .most = sent->room,
        .height = sent->height, .width = sent->width, .P = spec->points, .candidates = spec->candidates,
        .important = spec->important, .denominator = spec->denominator, .mask_weight = spec->mask_weight,
        .dice_weight = spec->dice_weight, .candidate = spec->candidate, .random = spec->random,
        .query = spec->query, .target = spec->target, .mask = sent->mask, .loss_mask = loss_mask,
        .loss_dice = loss_dice};
    if (record) {
        owned[0] = uda_tape_new(t, UDA_F32, 3, (int64_t[]){sent->room, a.P, 2});
        owned[1] = uda_tape_new(t, UDA_F32, 2, (int64_t[]){sent->room, a.P});
        a.point = owned[0]->data;
        a.dlogit = owned[1]->data;
    }
    for (int64_t n = 0; n < e->dim[0]; n++) {
        a.first = sent->first + n;
        a.e = image_of(e, n);
        a.f = image_of(f, n);
        UDA_LAUNCH(t, mask_loss_fwd, &a);
    }
    struct mask_saved *s =
        record ? uda_tape_record_root(t, mask_backward, sizeof *s, owned, 2) : NULL;
    if (s != NULL) {
        *s = (struct mask_saved){.e = e, .f = f, .point = owned[0], .dlogit = owned[1], .room = sent->room,
                                 .first = sent->first, .query = spec->query};
    }
}
