/* Arguments of the window kernels. */
#ifndef UDA_KERNELS_ARGS_WINDOW_H
#define UDA_KERNELS_ARGS_WINDOW_H

#include "src/base/compiler.h"

#endif
