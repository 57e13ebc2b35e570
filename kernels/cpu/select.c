#include "kernels/kernels.h"

#include <string.h>

extern const struct uda_kernels uda_cpu_generic_table;
#ifdef UDA_X86
extern const struct uda_kernels uda_cpu_v3_table, uda_cpu_v4_table;

/* What the x86-64-v3 and v4 levels need beyond the baseline, as far as the compiler uses it. */
static bool has_v3(void)
{
    return UDA_CPU_HAS("avx2") && UDA_CPU_HAS("fma") && UDA_CPU_HAS("bmi2");
}

static bool has_v4(void)
{
    return has_v3() && UDA_CPU_HAS("avx512f") && UDA_CPU_HAS("avx512bw") &&
           UDA_CPU_HAS("avx512dq") && UDA_CPU_HAS("avx512vl") && UDA_CPU_HAS("avx512cd");
}
#endif

const struct uda_kernels *uda_kernels_cpu_named(const char *isa)
{
#ifdef UDA_X86
    if (strcmp(isa, "x86-64-v4") == 0) {
        return has_v4() ? &uda_cpu_v4_table : NULL;
    }
    if (strcmp(isa, "x86-64-v3") == 0) {
        return has_v3() ? &uda_cpu_v3_table : NULL;
    }
#endif
    return strcmp(isa, "generic") == 0 ? &uda_cpu_generic_table : NULL;
}

const struct uda_kernels *uda_kernels_cpu(void)
{
#ifdef UDA_X86
    if (has_v4()) {
        return &uda_cpu_v4_table;
    }
    if (has_v3()) {
        return &uda_cpu_v3_table;
    }
#endif
    return &uda_cpu_generic_table;
}
