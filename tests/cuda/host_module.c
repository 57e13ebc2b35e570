/*
 * The CUDA kernels under the host harness as a module that the program opens like the CUDA one: whole
 * models run through them without a GPU, very slowly. UDA_GRID=descending or shuffled changes the order in
 * which blocks and threads run: results that follow it are a race.
 *
 *     UDA_CUDA_MODULE=host_cuda.so test_golden --device cuda points.json
 */
#include "tests/cuda/grid.h"
#include "tests/cuda/host_backend.h"

#include <stdlib.h>
#include <string.h>

UDA_EXPORT const struct uda_backend *uda_backend_module(void);

const struct uda_backend *uda_backend_module(void)
{
    const char *order = getenv("UDA_GRID");
    if (order != NULL && strcmp(order, "descending") == 0) {
        uda_grid_order(UDA_GRID_DESCENDING);
    } else if (order != NULL && strcmp(order, "shuffled") == 0) {
        uda_grid_order(UDA_GRID_SHUFFLED);
    }
    return host_backend();
}
