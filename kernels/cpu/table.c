#include "kernels/cpu/cpu.h"

extern const struct uda_kernels UDA_CPU(table);

#define UDA_TEXT2(x) #x
#define UDA_TEXT(x) UDA_TEXT2(x)

const struct uda_kernels UDA_CPU(table) = {
    .name = "cpu " UDA_TEXT(UDA_ISA),
    .libraries = UDA_CPU(libraries),
#define UDA_KERNEL(kernel, args) .kernel = UDA_CPU(kernel),
#include "kernels/kernels.def"
#undef UDA_KERNEL
};
