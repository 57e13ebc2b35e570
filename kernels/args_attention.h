/* Arguments of the attention kernels. */
#ifndef UDA_KERNELS_ARGS_ATTENTION_H
#define UDA_KERNELS_ARGS_ATTENTION_H

#include "src/base/compiler.h"

#endif
