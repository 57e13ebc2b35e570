#include "src/tensor/tensor.h"

#include <inttypes.h>
#include <stdio.h>

int64_t uda_tensor_last(const struct uda_tensor *x)
{
    return x->ndim > 0 ? x->dim[x->ndim - 1] : 0;
}

int64_t uda_tensor_rows(const struct uda_tensor *x)
{
    int64_t last = uda_tensor_last(x);
    return last > 0 ? x->count / last : 0;
}

bool uda_tensor_same_shape(const struct uda_tensor *a, const struct uda_tensor *b)
{
    if (a->ndim != b->ndim) {
        return false;
    }
    for (int i = 0; i < a->ndim; i++) {
        if (a->dim[i] != b->dim[i]) {
            return false;
        }
    }
    return true;
}

const char *uda_tensor_shape(char *text, size_t bytes, const struct uda_tensor *x)
{
    size_t at = (size_t)snprintf(text, bytes, "[");
    for (int i = 0; i < x->ndim && at < bytes; i++) {
        at += (size_t)snprintf(text + at, bytes - at, "%s%" PRId64, i == 0 ? "" : ", ", x->dim[i]);
    }
    if (at < bytes) {
        (void)snprintf(text + at, bytes - at, "]%s", x->type == UDA_BF16 ? " bf16" : "");
    }
    return text;
}
