#include "src/dist/dist.h"
#include "src/dist/transport.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

#define TAG 4

static int fail_mpi(int code, const char *what, struct uda_err *err)
{
    char text[MPI_MAX_ERROR_STRING + 1] = "";
    int length = 0;
    (void)MPI_Error_string(code, text, &length);
    return uda_fail(err, UDA_COMM, "MPI: %s: %s", what, text);
}

/* Looks until both transfers are through. MPI's own waiting would neither sleep nor end when a rank
 * is dead. */
static int await(MPI_Request request[2], const struct uda_swap *s, struct uda_err *err)
{
    int done = 0;
    for (int64_t turn = 0;; turn++) {
        int code = MPI_Testall(2, request, &done, MPI_STATUSES_IGNORE);
        if (code != MPI_SUCCESS) {
            return fail_mpi(code, "a message between ranks", err);
        }
        if (done) {
            return 0;
        }
        UDA_TRY(s->pause(s->pause_args, turn, err));
    }
}

static int swap(void *self, const struct uda_swap *s, struct uda_err *err)
{
    (void)self;
    MPI_Request request[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    int code = MPI_SUCCESS;
    if (s->recv_bytes > 0) {
        code = MPI_Irecv(s->recv, (int)s->recv_bytes, MPI_BYTE, s->peer, TAG, MPI_COMM_WORLD,
                         &request[0]);
    }
    if (code == MPI_SUCCESS && s->send_bytes > 0) {
        code = MPI_Isend(s->send, (int)s->send_bytes, MPI_BYTE, s->peer, TAG, MPI_COMM_WORLD,
                         &request[1]);
    }
    if (code != MPI_SUCCESS) {
        return fail_mpi(code, "a message between ranks", err);
    }
    return await(request, s, err);
}

static void leave(void *self, bool orderly)
{
    (void)self;
    if (orderly) { /* otherwise it would wait for the dead */
        (void)MPI_Finalize();
    }
}

const char *uda_dist_mpi(char *text, size_t bytes)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING + 1] = "";
    int length = 0;
    (void)MPI_Get_library_version(version, &length);
    version[strcspn(version, ",\n")] = '\0'; /* what follows is who built it */
    (void)snprintf(text, bytes, "%s", version);
    return text;
}

int uda_transport_mpi(struct uda_transport *transport, int ranks, const char *by,
                      struct uda_err *err)
{
    int given = 0, rank = 0, size = 0;
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
    if (code != MPI_SUCCESS || given < MPI_THREAD_FUNNELED) {
        return uda_fail(err, UDA_COMM, "MPI: cannot start with threads in the program (level %d)",
                        given);
    }
    (void)MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    (void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    (void)MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size != ranks) {
        (void)MPI_Finalize();
        return uda_fail(
            err, UDA_COMM,
            "%s says %d ranks and MPI finds %d: start with mpirun of the MPI that this program was "
            "built with, or with srun --mpi=pmix",
            by, ranks, size);
    }
    *transport = (struct uda_transport){
        .rank = rank, .ranks = size, .name = "MPI", .swap = swap, .close = leave};
    return 0;
}
