#include "kernels/window_geometry.h"
#include "src/ops/ops.h"

struct window_saved {
    struct uda_tensor *qkv, *bias, *table, *y, *log_sums;
    struct uda_window_attention_args sizes;
};

static void window_backward(struct uda_tape *t, void *saved)
{
    struct window_saved *s = saved;
    struct uda_window_attention_args k = s->sizes;
    k.saved_log_sums = s->log_sums->data;
    k.dy = s->y->grad;
    k.dqkv = uda_grad_take(t, s->qkv, &k.add_dqkv);
    k.dbias = uda_grad_take(t, s->bias, &k.add_dbias);
    k.dtable = uda_grad_take(t, s->table, &k.add_dtable);
    UDA_LAUNCH(t, window_attention_bwd, &k);
}

static bool window_fits(const struct uda_tensor *qkv, const struct uda_tensor *bias,
                        const struct uda_tensor *table, int64_t heads, int64_t window, int64_t shift)
{
    if (bias->type != UDA_F32 || table->type != UDA_F32 || qkv->ndim != 4 ||
        heads < 1 || window < 1 || window > 1024 || shift < 0 ||
        shift >= window || qkv->dim[3] % (3 * heads) != 0 || bias->count != qkv->dim[3]) {
        return false;
    }
    int64_t side = 2 * window - 1;
    return table->ndim == 2 && table->dim[0] == side * side && table->dim[1] == heads;
}

struct uda_tensor *uda_window_attention(struct uda_tape *t, struct uda_tensor *qkv,
                                        struct uda_tensor *qkv_bias, struct uda_tensor *table,
                                        int64_t heads, int64_t window, int64_t shift)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    if (!window_fits(qkv, qkv_bias, table, heads, window, shift)) {
        char xs[96], bs[96], ts[96];
        return uda_tape_fail(t, UDA_SHAPE,
                             "window_attention: qkv %s, bias %s and table %s do not fit %lld heads, "
                             "window %lld, shift %lld",
                             uda_tensor_shape(xs, sizeof xs, qkv),
                             uda_tensor_shape(bs, sizeof bs, qkv_bias),
                             uda_tensor_shape(ts, sizeof ts, table), (long long)heads,
                             (long long)window, (long long)shift);
    }
    int64_t N = qkv->dim[0], H = qkv->dim[1], W = qkv->dim[2], D = qkv->dim[3] / 3;
    int64_t dim[] = {N, H, W, D};
    int64_t rows = uda_window_padded(H, window) * uda_window_padded(W, window);
    int64_t sums_dim[] = {N, heads, rows};
    struct uda_tensor *owned[] = {uda_tape_new(t, qkv->type, 4, dim),
                                  uda_tape_new(t, UDA_F32, 3, sums_dim)};
    struct uda_window_attention_args k = {.type = qkv->type, .N = N, .H = H, .W = W, .D = D, .heads = heads,
                                          .window = window, .shift = shift, .qkv = qkv->data,
                                          .qkv_bias = qkv_bias->data, .table = table->data,
                                          .y = owned[0]->data, .log_sums = owned[1]->data};
    struct uda_window_attention_args sizes = k;
    UDA_LAUNCH(t, window_attention_fwd, &k);
    bool needs = qkv->needs_grad || qkv_bias->needs_grad || table->needs_grad;
    struct window_saved *s = uda_tape_record(t, needs, window_backward, sizeof *s, owned, 2);
    if (s != NULL) {
        *s = (struct window_saved){.qkv = qkv, .bias = qkv_bias, .table = table, .y = owned[0],
                                   .log_sums = owned[1], .sizes = sizes};
    }
    return uda_tape_ok(t) ? owned[0] : &t->broken;
}
