/* Arguments of the deform kernels. */
#ifndef UDA_KERNELS_ARGS_DEFORM_H
#define UDA_KERNELS_ARGS_DEFORM_H

#include "src/base/compiler.h"

#endif
