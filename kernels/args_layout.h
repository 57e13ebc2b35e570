/* Arguments of the layout kernels. */
#ifndef UDA_KERNELS_ARGS_LAYOUT_H
#define UDA_KERNELS_ARGS_LAYOUT_H

#include "src/base/compiler.h"

#endif
