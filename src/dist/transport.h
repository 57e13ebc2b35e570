/*
 * What carries bytes between ranks: one operation, swap, on which dist.c builds all others.
 *
 * Invariants: both ranks of a pair call swap with matching sizes, in the same order. Bytes arrive
 * as sent. A swap that cannot go on asks `pause` between two looks and ends when pause says so.
 * Another carrier is another struct uda_transport; arrays of devices go their own way (device_sum.h).
 */
#ifndef UDA_DIST_TRANSPORT_H
#define UDA_DIST_TRANSPORT_H

#include "src/dist/launch.h"

/* Most bytes in one direction of one swap. */
#define UDA_SWAP_BYTES ((size_t)1 << 26)

/* Called between two looks at a transfer under way, `turn` counts from 0: sleeps a little, or
 * returns a code to give up. */
typedef int uda_pause_fn(void *args, int64_t turn, struct uda_err *err);

struct uda_swap {
    int peer;
    const void *send;
    void *recv;
    size_t send_bytes, recv_bytes; /* 0: nothing in that direction; at most UDA_SWAP_BYTES */
    uda_pause_fn *pause;
    void *pause_args;
};

struct uda_transport {
    int rank, ranks;
    void *self;
    const char *name; /* "MPI" */
    /* Returns when both directions are complete. Errors: UDA_COMM, and what pause returns. */
    int (*swap)(void *self, const struct uda_swap *swap, struct uda_err *err);
    /* orderly: all ranks are here. Otherwise lets go without waiting for anybody. */
    void (*close)(void *self, bool orderly);
};

/* MPI (src/dist/mpi.c, or mpi_none.c in a build without): joins the ranks that the launcher started. Signals
 * must be blocked already. Errors: UDA_UNSUPPORTED without MPI in this build; UDA_COMM. */
int uda_transport_mpi(struct uda_transport *transport, int ranks, const char *by,
                      struct uda_err *err) UDA_MUST_USE;

/* TCP (src/dist/tcp.c): rank 0 is at MASTER_ADDR and MASTER_PORT. Errors: UDA_MANIFEST: these
 * variables; UDA_COMM: the ranks do not find each other within a minute. */
int uda_transport_tcp(struct uda_transport *transport, const struct uda_launch *launch,
                      uda_launch_lookup_fn *lookup, struct uda_err *err) UDA_MUST_USE;

#endif
