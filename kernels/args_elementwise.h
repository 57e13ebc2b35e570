/* Arguments of the elementwise kernels. */
#ifndef UDA_KERNELS_ARGS_ELEMENTWISE_H
#define UDA_KERNELS_ARGS_ELEMENTWISE_H

#include "src/base/compiler.h"

#endif
