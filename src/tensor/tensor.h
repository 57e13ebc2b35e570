/*
 * Tensors: contiguous row-major f32 or bf16 with a gradient of the same type, owned by the tape that made
 * them.
 *
 * Invariants: dim[0..ndim-1] > 0 unless the tensor is the tape's broken one; count is their
 * product. A view shares the data and the gradient of its base. A parameter is f32; its gradient lives
 * as long as the step and is only added to.
 */
#ifndef UDA_TENSOR_TENSOR_H
#define UDA_TENSOR_TENSOR_H

#include "kernels/type.h"

#define UDA_DIMS 5

struct uda_tensor {
    void *data;
    void *grad; /* NULL until the first contribution */
    enum uda_type type;
    int64_t dim[UDA_DIMS];
    int64_t count;
    int ndim;
    bool needs_grad; /* some parameter is upstream */
    bool grad_live;  /* grad holds a value: the next contribution adds */
    bool is_param;
    bool owns_data;          /* data goes back to the pool with this tensor */
    struct uda_tensor *base; /* of a view, else NULL */
};

/* The values of a float tensor, for those who read them themselves. */
static inline float *uda_floats(const struct uda_tensor *x) { return x->data; }
/* Rows when the tensor is seen as [rows, last dimension]; and that dimension. */
int64_t uda_tensor_rows(const struct uda_tensor *x);
int64_t uda_tensor_last(const struct uda_tensor *x);
bool uda_tensor_same_shape(const struct uda_tensor *a, const struct uda_tensor *b);
/* Value i of an array of a type. */
static inline void *uda_value(void *data, enum uda_type type, int64_t i)
{
    return (unsigned char *)data + i * (int64_t)uda_type_bytes(type);
}
/* "[2, 64, 96]", "[2, 64, 96] bf16" into text, for messages. Returns text. */
const char *uda_tensor_shape(char *text, size_t bytes, const struct uda_tensor *x);

#endif
