#include "src/ops/ops.h"

struct attention_saved {
    struct uda_tensor *q, *k, *v, *y, *lse;
    const uint32_t *mask;
    int64_t heads;
};

static struct uda_attention_args attention_args(const struct uda_tensor *q,
                                                const struct uda_tensor *k,
                                                const struct uda_tensor *v, int64_t heads,
                                                const uint32_t *mask)
{
    return (struct uda_attention_args){.type = q->type, .N = q->dim[0], .Q = q->dim[1], .L = k->dim[1],
                                       .D = q->dim[2], .M = heads, .q = q->data, .k = k->data,
                                       .v = v->data, .mask = mask};
}

/* dv = P^T dy; dP = dy v^T; dS = P (dP - rowsum(dy y)); dq = dS k / sqrt(D/M); dk = dS^T
 * q / sqrt(D/M). */
static void attention_backward(struct uda_tape *t, void *saved)
{
    struct attention_saved *s = saved;
    struct uda_attention_args a = attention_args(s->q, s->k, s->v, s->heads, s->mask);
    a.y = s->y->data;
    a.lse = s->lse->data;
    a.dy = s->y->grad;
    a.dk = uda_grad_take(t, s->k, &a.accumulate_k); /* the kernel's order: k, v, q */
    a.dv = uda_grad_take(t, s->v, &a.accumulate_v);
    a.dq = uda_grad_take(t, s->q, &a.accumulate_q);
    UDA_LAUNCH(t, attention_bwd, &a);
}

struct uda_tensor *uda_attention(struct uda_tape *t, struct uda_tensor *q, struct uda_tensor *k,
                                 struct uda_tensor *v, int64_t heads, const uint32_t *mask)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (k->type != q->type || v->type != q->type || q->ndim != 3 || k->ndim != 3 ||
        !uda_tensor_same_shape(k, v) || q->dim[0] != k->dim[0] ||
        q->dim[2] != k->dim[2] || heads < 1 || q->dim[2] % heads != 0) {
        char qs[96], ks[96], vs[96];
        return uda_tape_fail(t, UDA_SHAPE, "attention: q %s, k %s and v %s do not fit %lld heads",
                             uda_tensor_shape(qs, sizeof qs, q), uda_tensor_shape(ks, sizeof ks, k),
                             uda_tensor_shape(vs, sizeof vs, v), (long long)heads);
    }
    int64_t statistics[] = {q->dim[0], heads, q->dim[1]};
    struct uda_tensor *owned[] = {uda_tape_new_like(t, q), uda_tape_new(t, UDA_F32, 3, statistics)};
    struct uda_attention_args a = attention_args(q, k, v, heads, mask);
    a.y = owned[0]->data;
    a.lse = owned[1]->data;
    UDA_LAUNCH(t, attention_fwd, &a);
    struct attention_saved *s =
        uda_tape_record(t, q->needs_grad || k->needs_grad || v->needs_grad, attention_backward,
                        sizeof *s, owned, 2);
    if (s != NULL) {
        *s = (struct attention_saved){.q = q, .k = k, .v = v, .y = owned[0], .lse = owned[1],
                                      .mask = mask, .heads = heads};
    }
    return uda_tape_ok(t) ? owned[0] : &t->broken;
}

const uint32_t *uda_attention_mask(struct uda_tape *t, struct uda_tensor *e, struct uda_tensor *f)
{
    if (!uda_tape_ok(t)) {
        return NULL;
    }
    if (e->type != UDA_F32 || f->type != UDA_F32 || e->ndim != 3 || f->ndim != 3 ||
        e->dim[0] != f->dim[0] || e->dim[2] != f->dim[2]) {
        char es[96], fs[96];
        (void)uda_tape_fail(t, UDA_SHAPE, "attention_mask: e %s does not fit f %s",
                            uda_tensor_shape(es, sizeof es, e), uda_tensor_shape(fs, sizeof fs, f));
        return NULL;
    }
    struct uda_attention_mask_args a = {.N = e->dim[0], .Q = e->dim[1], .L = f->dim[1],
                                        .C = e->dim[2], .e = e->data, .f = f->data};
    a.bits = uda_tape_scratch(t, (size_t)(a.N * a.Q * UDA_MASK_WORDS(a.L)) * sizeof *a.bits);
    UDA_LAUNCH(t, attention_mask, &a);
    return uda_tape_ok(t) ? a.bits : NULL;
}
