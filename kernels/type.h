/* How a kernel's arrays are stored. Arithmetic and sums are in float whatever the storage. */
#ifndef UDA_KERNELS_TYPE_H
#define UDA_KERNELS_TYPE_H

#include "src/base/compiler.h"

/* A struct of arguments that names no type is all float: UDA_F32 is 0. */
enum uda_type {
    UDA_F32,
    UDA_BF16 /* the upper half of a float: 8 bits of precision, rounded to nearest even */
};

static inline size_t uda_type_bytes(enum uda_type type) { return type == UDA_BF16 ? 2 : 4; }

#endif
