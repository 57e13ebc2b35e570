#include "src/dist/dist.h"
#include "src/dist/transport.h"

const char *uda_dist_mpi(char *text, size_t bytes)
{
    (void)text;
    (void)bytes;
    return NULL;
}

int uda_transport_mpi(struct uda_transport *transport, int ranks, const char *by,
                      struct uda_err *err)
{
    (void)transport;
    return uda_fail(err, UDA_UNSUPPORTED,
                    "%s asks for %d ranks, and this build is without MPI: install libopenmpi-dev "
                    "and build with "
                    "-Dmpi=enabled, or start one process",
                    by, ranks);
}
