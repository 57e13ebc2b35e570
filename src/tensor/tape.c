#include "src/tensor/tape.h"

#include <string.h>

#define OWNED_ROOM 6

struct uda_node {
    struct uda_node *previous;
    uda_backward_fn *backward;
    void *saved;
    struct uda_tensor *owned[OWNED_ROOM];
    int count;
    bool root;
};

void uda_tape_init(struct uda_tape *tape, struct uda_device *device)
{
    *tape = (struct uda_tape){.device = device};
}

void uda_tape_finish(struct uda_tape *tape)
{
    uda_arena_finish(&tape->arena);
    tape->last = NULL;
}

void uda_tape_begin(struct uda_tape *tape, bool recording)
{
    uda_arena_reset(&tape->arena, 0);
    uda_device_reset(tape->device);
    uda_err_clear(&tape->err);
    tape->last = NULL;
    tape->recording = recording;
    tape->broken = (struct uda_tensor){0};
}

bool uda_tape_ok(const struct uda_tape *tape) { return tape->err.code == UDA_OK; }

int uda_tape_status(const struct uda_tape *tape, struct uda_err *err)
{
    if (tape->err.code == UDA_OK) {
        return 0;
    }
    if (err != NULL && err->code == UDA_OK) {
        *err = tape->err;
    }
    return (int)tape->err.code;
}

/* A tensor struct with its dimensions and no data; NULL on error. */
static struct uda_tensor *new_header(struct uda_tape *tape, enum uda_type type, int ndim, const int64_t *dim)
{
    if (!uda_tape_ok(tape)) {
        return NULL;
    }
    struct uda_tensor *x = uda_arena_calloc(&tape->arena, sizeof *x);
    if (x == NULL) {
        (void)uda_tape_fail(tape, UDA_NOMEM, "tape: out of memory");
        return NULL;
    }
    x->type = type;
    x->ndim = ndim;
    x->count = 1;
    for (int i = 0; i < ndim; i++) {
        if (dim[i] <= 0 || x->count > INT64_MAX / 8 / dim[i]) {
            (void)uda_tape_fail(tape, UDA_SHAPE, "tape: a tensor has dimension %d of size %lld", i,
                                (long long)dim[i]);
            return NULL;
        }
        x->dim[i] = dim[i];
        x->count *= dim[i];
    }
    return x;
}

static size_t bytes_of(const struct uda_tensor *x) { return (size_t)x->count * uda_type_bytes(x->type); }

struct uda_tensor *uda_tape_new(struct uda_tape *tape, enum uda_type type, int ndim, const int64_t *dim)
{
    struct uda_tensor *x = new_header(tape, type, ndim, dim);
    if (x == NULL) {
        return &tape->broken;
    }
    x->data = uda_device_get(tape->device, bytes_of(x));
    if (x->data == NULL) {
        return uda_tape_fail(tape, UDA_NOMEM, "out of memory for a tensor of %lld values",
                             (long long)x->count);
    }
    x->owns_data = true;
    return x;
}

struct uda_tensor *uda_tape_new_like(struct uda_tape *tape, const struct uda_tensor *x)
{
    return uda_tape_new(tape, x->type, x->ndim, x->dim);
}

struct uda_tensor *uda_tape_constant(struct uda_tape *tape, const float *data, int ndim,
                                     const int64_t *dim)
{
    struct uda_tensor *x = new_header(tape, UDA_F32, ndim, dim);
    if (x == NULL) {
        return &tape->broken;
    }
    union {
        const float *from;
        float *to;
    } alias = {.from = data}; /* never written: needs_grad is false and ops do not write inputs */
    x->data = alias.to;
    return x;
}

/* Memory for what the host sends; NULL on error. */
static void *sent_memory(struct uda_tape *tape, size_t bytes)
{
    if (!uda_tape_ok(tape)) {
        return NULL;
    }
    void *data = uda_device_get_sent(tape->device, bytes);
    if (data == NULL) {
        (void)uda_tape_fail(tape, UDA_NOMEM, "out of memory for %zu bytes of step memory", bytes);
    }
    return data;
}

struct uda_tensor *uda_tape_input(struct uda_tape *tape, const float *host, int ndim,
                                  const int64_t *dim)
{
    if (uda_device_is_host(tape->device)) {
        return uda_tape_constant(tape, host, ndim, dim);
    }
    struct uda_tensor *x = new_header(tape, UDA_F32, ndim, dim);
    if (x == NULL) {
        return &tape->broken;
    }
    x->data = sent_memory(tape, bytes_of(x));
    if (x->data == NULL ||
        uda_device_send_copy(tape->device, x->data, host, bytes_of(x), &tape->err) != 0) {
        return &tape->broken;
    }
    return x;
}

struct uda_tensor *uda_tape_param(struct uda_tape *tape, int64_t offset, int ndim,
                                  const int64_t *dim)
{
    struct uda_tensor *x = new_header(tape, UDA_F32, ndim, dim);
    if (x == NULL) {
        return &tape->broken;
    }
    x->data = tape->param_values + offset;
    x->is_param = true;
    if (tape->param_grads != NULL && tape->recording) {
        x->grad = tape->param_grads + offset;
        x->needs_grad = true;
        x->grad_live = true;
    }
    return x;
}

struct uda_tensor *uda_reshape(struct uda_tape *tape, struct uda_tensor *x, int ndim,
                               const int64_t *dim)
{
    struct uda_tensor *view = new_header(tape, x->type, ndim, dim);
    if (view == NULL) {
        return &tape->broken;
    }
    if (view->count != x->count) {
        char from[96], to[96];
        return uda_tape_fail(tape, UDA_SHAPE, "reshape: %s does not fit %s",
                             uda_tensor_shape(from, sizeof from, x),
                             uda_tensor_shape(to, sizeof to, view));
    }
    view->data = x->data;
    view->needs_grad = x->needs_grad;
    view->base = x->base != NULL ? x->base : x;
    return view;
}

/* Elements of the flat arrays before a parameter. */
static int64_t param_offset(const struct uda_tape *tape, const struct uda_tensor *param)
{
    return (const float *)param->data - tape->param_values;
}

struct uda_tensor *uda_param_rows(struct uda_tape *tape, struct uda_tensor *param, int64_t first,
                                  int64_t rows)
{
    if (!uda_tape_ok(tape)) {
        return &tape->broken;
    }
    if (!param->is_param || first < 0 || rows < 1 || first + rows > param->dim[0]) {
        return uda_tape_fail(tape, UDA_SHAPE, "param_rows: rows %lld..%lld of %lld",
                             (long long)first, (long long)(first + rows),
                             (long long)param->dim[0]);
    }
    int64_t dim[UDA_DIMS];
    memcpy(dim, param->dim, sizeof dim);
    dim[0] = rows;
    int64_t offset = param_offset(tape, param) + first * (param->count / param->dim[0]);
    return uda_tape_param(tape, offset, param->ndim, dim);
}

const void *uda_tape_factor(const struct uda_tape *tape, const struct uda_tensor *param, enum uda_type type)
{
    if (type == param->type) {
        return param->data;
    }
    bool has = param->is_param && type == UDA_BF16 && tape->param_low != NULL;
    return has ? uda_value(tape->param_low, type, param_offset(tape, param)) : NULL;
}

static void give_back(struct uda_tape *tape, struct uda_tensor *x)
{
    if (x->owns_data && x->data != NULL) {
        uda_device_put(tape->device, x->data);
    }
    if (!x->is_param && x->base == NULL && x->grad != NULL) {
        uda_device_put(tape->device, x->grad);
    }
    x->data = NULL;
    x->grad = NULL;
    x->grad_live = false;
}

void uda_tape_release(struct uda_tape *tape, struct uda_tensor *x)
{
    if (!tape->recording && x->owns_data && x != &tape->broken) {
        give_back(tape, x);
    }
}

static void *record(struct uda_tape *tape, bool root, uda_backward_fn *backward, size_t bytes,
                    struct uda_tensor *const *owned, int count)
{
    struct uda_node *node = uda_arena_alloc(&tape->arena, sizeof *node);
    void *saved = uda_arena_calloc(&tape->arena, bytes);
    if (node == NULL || saved == NULL || count > OWNED_ROOM) {
        (void)uda_tape_fail(tape, UDA_NOMEM, "tape: out of memory");
        return NULL;
    }
    *node = (struct uda_node){.previous = tape->last,
                              .backward = backward,
                              .saved = saved,
                              .count = count,
                              .root = root};
    for (int i = 0; i < count; i++) {
        node->owned[i] = owned[i];
    }
    tape->last = node;
    return saved;
}

void *uda_tape_record(struct uda_tape *tape, bool needs, uda_backward_fn *backward, size_t bytes,
                      struct uda_tensor *const *owned, int count)
{
    if (!uda_tape_ok(tape)) {
        return NULL;
    }
    if (!needs || !tape->recording) {
        for (int i = 1; i < count; i++) {
            give_back(tape, owned[i]);
        }
        return NULL;
    }
    owned[0]->needs_grad = true;
    return record(tape, false, backward, bytes, owned, count);
}

void *uda_tape_record_root(struct uda_tape *tape, uda_backward_fn *backward, size_t bytes,
                           struct uda_tensor *const *owned, int count)
{
    if (!uda_tape_ok(tape)) {
        return NULL;
    }
    if (!tape->recording) {
        for (int i = 1; i < count; i++) {
            give_back(tape, owned[i]);
        }
        return NULL;
    }
    return record(tape, true, backward, bytes, owned, count);
}

void uda_tape_backward(struct uda_tape *tape)
{
    for (struct uda_node *node = tape->last; node != NULL; node = node->previous) {
        bool wanted = node->root;
        for (int i = 0; i < node->count; i++) {
            wanted = wanted || node->owned[i]->grad_live;
        }
        if (wanted && uda_tape_ok(tape)) {
            node->backward(tape, node->saved);
        }
        for (int i = 0; i < node->count; i++) {
            give_back(tape, node->owned[i]);
        }
    }
    tape->last = NULL;
}

void *uda_grad_take(struct uda_tape *tape, struct uda_tensor *x, bool *accumulate)
{
    *accumulate = false;
    if (!x->needs_grad || !uda_tape_ok(tape)) {
        return NULL;
    }
    struct uda_tensor *root = x->base != NULL ? x->base : x;
    if (root->grad == NULL) {
        root->grad = uda_tape_scratch(tape, bytes_of(root));
        root->grad_live = false;
    }
    *accumulate = root->grad_live;
    root->grad_live = true;
    return root->grad;
}

void *uda_tape_scratch(struct uda_tape *tape, size_t bytes)
{
    if (!uda_tape_ok(tape)) {
        return NULL;
    }
    void *scratch = uda_device_get(tape->device, bytes);
    if (scratch == NULL) {
        (void)uda_tape_fail(tape, UDA_NOMEM, "out of memory for %zu bytes of step memory", bytes);
    }
    return scratch;
}

void uda_tape_scratch_put(struct uda_tape *tape, void *scratch)
{
    uda_device_put(tape->device, scratch);
}

void *uda_tape_host_scratch(struct uda_tape *tape, size_t bytes)
{
    if (!uda_tape_ok(tape)) {
        return NULL;
    }
    void *scratch = uda_pool_get(&tape->device->pool, bytes);
    if (scratch == NULL) {
        (void)uda_tape_fail(tape, UDA_NOMEM, "out of memory for %zu bytes on the host", bytes);
    }
    return scratch;
}

void uda_tape_host_scratch_put(struct uda_tape *tape, void *scratch)
{
    if (scratch != NULL) {
        uda_pool_put(&tape->device->pool, scratch);
    }
}

/* Device memory with the bytes of `host`. */
static void *copy_up(struct uda_tape *tape, const void *host, size_t bytes)
{
    void *data = sent_memory(tape, bytes);
    return data != NULL && uda_device_upload(tape->device, data, host, bytes, &tape->err) == 0 ? data : NULL;
}

const void *uda_tape_lend(struct uda_tape *tape, const void *host, size_t bytes)
{
    return uda_device_is_host(tape->device) ? host : copy_up(tape, host, bytes);
}

void uda_tape_unlend(struct uda_tape *tape, const void *host, const void *lent)
{
    union {
        const void *from;
        void *to;
    } alias = {.from = lent};
    if (lent != NULL && lent != host) {
        uda_device_put_sent(tape->device, alias.to);
    }
}

void *uda_tape_stage(struct uda_tape *tape, size_t bytes)
{
    if (!uda_tape_ok(tape)) {
        return NULL;
    }
    void *staged = uda_device_stage(tape->device, bytes);
    if (staged == NULL) {
        (void)uda_tape_fail(tape, UDA_NOMEM, "out of memory for %zu bytes on the host", bytes);
    }
    return staged;
}

void *uda_tape_send(struct uda_tape *tape, void *staged, size_t bytes, size_t room)
{
    if (uda_device_is_host(tape->device)) {
        return staged;
    }
    void *data = sent_memory(tape, room);
    return data != NULL && uda_device_send(tape->device, data, staged, bytes, &tape->err) == 0 ? data : NULL;
}

void uda_tape_sent_put(struct uda_tape *tape, void *sent)
{
    if (sent != NULL) {
        uda_device_put_sent(tape->device, sent);
    }
}

void uda_tape_download(struct uda_tape *tape, void *host, const void *data, size_t bytes)
{
    if (uda_tape_ok(tape) && uda_device_download(tape->device, host, data, bytes, &tape->err) != 0) {
        return; /* kept in tape->err */
    }
}
