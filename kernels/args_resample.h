/* Arguments of the resample kernels. */
#ifndef UDA_KERNELS_ARGS_RESAMPLE_H
#define UDA_KERNELS_ARGS_RESAMPLE_H

#include "src/base/compiler.h"

#endif
