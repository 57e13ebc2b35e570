/* Arguments of the norm kernels. */
#ifndef UDA_KERNELS_ARGS_NORM_H
#define UDA_KERNELS_ARGS_NORM_H

#include "src/base/compiler.h"

#endif
