/* Arguments of the optim kernels. */
#ifndef UDA_KERNELS_ARGS_OPTIM_H
#define UDA_KERNELS_ARGS_OPTIM_H

#include "src/base/compiler.h"

#endif
