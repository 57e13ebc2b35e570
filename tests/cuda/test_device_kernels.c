/*
 * The case table on a GPU: every kernel of the CUDA module against the CPU's, three times with the same
 * bytes. Skipped without a module or a device.
 *
 *     test_device_kernels [KERNEL]
 */
#include "src/tensor/device.h"
#include "tests/cuda/cases.h"

#include <stdio.h>
#include <string.h>

static bool thrice(int repeat) { return repeat > 0 && repeat < 3; }

static bool lacks(const struct uda_backend *backend, const char *kernel)
{
    for (int64_t i = 0; backend->missing(i) != NULL; i++) {
        if (strcmp(backend->missing(i), kernel) == 0) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct uda_err err = {0};
    const struct uda_backend *backend = NULL;
    struct target cpu = target_host("cpu", uda_kernels_cpu()), cuda;
    int rc = uda_device_cuda(&backend, &err);
    if (rc == 0) {
        rc = target_device(&cuda, backend, &err);
    }
    if (rc != 0) {
        (void)printf("%s\n", err.text);
        return rc == (int)UDA_UNSUPPORTED ? 77 : 1;
    }
    int64_t ran = 0, failed = 0;
    for (int64_t i = 0; cuda_case_tables[i]->count > 0; i++) {
        for (int64_t k = 0; k < cuda_case_tables[i]->count; k++) {
            const struct trial_case *c = &cuda_case_tables[i]->row[k];
            if ((argc < 2 || strcmp(c->kernel, argv[1]) == 0) && !lacks(backend, c->kernel)) {
                failed += trial_compare(c, &cpu, &cuda, thrice);
                ran++;
            }
        }
    }
    (void)printf("%lld cases on the device, %lld failures\n", (long long)ran, (long long)failed);
    target_finish(&cuda);
    return failed > 0 || ran == 0 ? 1 : 0;
}
