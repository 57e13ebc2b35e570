/* Arguments of the loss kernels. */
#ifndef UDA_KERNELS_ARGS_LOSS_H
#define UDA_KERNELS_ARGS_LOSS_H

#include "src/base/compiler.h"

#endif
