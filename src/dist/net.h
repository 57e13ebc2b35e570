/*
 * TCP between ranks: who listens, who calls, and the first words. IPv4.
 *
 * Invariants: descriptors are close-on-exec and, once a connection is made, non-blocking and
 * without delay. The caller of a connection proves with a token that it belongs to the job.
 *
 *     UDA_TRY(uda_net_listen(&fd, &place, err));              // the place goes to the others
 *     UDA_TRY(uda_net_accept(&peer, &rank, fd, place.token, 30, err));
 *     UDA_TRY(uda_net_call(&fd, &place, rank, 30, err));      // elsewhere
 */
#ifndef UDA_DIST_NET_H
#define UDA_DIST_NET_H

#include "src/base/err.h"

#define UDA_NET_ADDRESSES 16

/* Where a rank can be reached; goes to the others as it is. */
struct uda_net_place {
    unsigned char token[16];
    int32_t port, addresses;
    uint32_t address[UDA_NET_ADDRESSES]; /* network order */
};

/* Listens on a port that the system chooses, on every address of this machine. Owns: *fd, by the caller.
 * Errors: UDA_COMM. */
int uda_net_listen(int *fd, struct uda_net_place *place, struct uda_err *err) UDA_MUST_USE;
/* The same on the port and with the token that place holds; its addresses stay as they are. */
int uda_net_listen_at(int *fd, const struct uda_net_place *place, struct uda_err *err) UDA_MUST_USE;
/* Addresses of a machine by its name, into place. Errors: UDA_COMM. */
int uda_net_resolve(struct uda_net_place *place, const char *host, struct uda_err *err) UDA_MUST_USE;
/* The next caller that knows the token, and its rank. Strangers are sent away. Errors: UDA_COMM, also when
 * nobody called for `seconds`. */
int uda_net_accept(int *peer, int *rank, int fd, const unsigned char token[16], int seconds,
                   struct uda_err *err) UDA_MUST_USE;
/* Calls one of the place's addresses and says who calls. Errors: UDA_COMM after `seconds`. */
int uda_net_call(int *fd, const struct uda_net_place *place, int rank, int seconds,
                 struct uda_err *err) UDA_MUST_USE;

/* All of the bytes over a connection, in one direction; false when they did not pass within the time. */
bool uda_net_transfer(int fd, void *data, size_t bytes, bool out, int ms);

/* Seconds of a clock that only goes forward. */
double uda_net_now(void);

#endif
