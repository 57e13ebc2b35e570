/*
 * Ranks over TCP, for launchers that MPI cannot join: torchrun and what sets the same variables.
 * Rank 0 listens where MASTER_ADDR and MASTER_PORT say, everybody tells it where they can be
 * called, and then every rank has a connection to every other one.
 */
#include "src/base/arena.h"
#include "src/base/hash.h"
#include "src/dist/net.h"
#include "src/dist/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL_S 60
#define TABLE_MS 60000
/* When a connection breaks, the watch may know why: it is given so many looks, about two seconds. */
#define PATIENCE 3000

struct tcp {
    int rank, ranks, listening;
    int *fd;                     /* [ranks]; -1: none */
    struct uda_net_place *place; /* [ranks] */
};

/* ---- meeting ---- */

/* Where rank 0 is. The token tells jobs apart; it is no secret. */
static int find_master(struct uda_net_place *master, const struct uda_launch *launch,
                       uda_launch_lookup_fn *lookup, struct uda_err *err)
{
    const char *host = lookup("MASTER_ADDR"), *port = lookup("MASTER_PORT"),
               *id = lookup("TORCHELASTIC_RUN_ID");
    const char *agent = lookup("TORCHELASTIC_USE_AGENT_STORE");
    char text[512];
    if (host == NULL || port == NULL) {
        return uda_fail(err, UDA_MANIFEST,
                        "%s is %d, but MASTER_ADDR and MASTER_PORT do not say where rank 0 is",
                        launch->by, launch->ranks);
    }
    char *end = NULL;
    long number = strtol(port, &end, 10);
    /* torchrun keeps the port for itself. */
    number += agent != NULL && strcmp(agent, "True") == 0 ? 1 : 0;
    if (*port == '\0' || *end != '\0' || number < 1 || number > 65535) {
        return uda_fail(err, UDA_MANIFEST, "environment: MASTER_PORT is '%s', which is no port",
                        port);
    }
    (void)snprintf(text, sizeof text, "uda4inst %s %ld %d %s", host, number, launch->ranks,
                   id == NULL ? "" : id);
    struct uda_digest digest = uda_digest_of(text, strlen(text));
    memset(master, 0, sizeof *master);
    memcpy(master->token, &digest, sizeof master->token);
    master->port = (int32_t)number;
    return uda_net_resolve(master, host, err);
}

static int fail_table(int rank, struct uda_err *err)
{
    return uda_fail(err, UDA_COMM, "ranks: rank %d was lost while the ranks met", rank);
}

/* Rank 0 hears where all can be called, and tells all. */
static int meet_all(struct tcp *t, const struct uda_net_place *master, int listening,
                    struct uda_err *err)
{
    for (int n = 1; n < t->ranks; n++) {
        int fd = -1, rank = 0;
        UDA_TRY(uda_net_accept(&fd, &rank, listening, master->token, CALL_S, err));
        if (rank < 1 || rank >= t->ranks || t->fd[rank] >= 0) {
            (void)close(fd);
            return uda_fail(err, UDA_COMM, "ranks: two processes say they are rank %d", rank);
        }
        t->fd[rank] = fd;
        if (!uda_net_transfer(fd, &t->place[rank], sizeof t->place[rank], false, TABLE_MS)) {
            return fail_table(rank, err);
        }
    }
    for (int r = 1; r < t->ranks; r++) {
        if (!uda_net_transfer(t->fd[r], t->place, (size_t)t->ranks * sizeof *t->place, true,
                              TABLE_MS)) {
            return fail_table(r, err);
        }
    }
    return 0;
}

/* The others call those with a lower number, and wait for those with a higher one. */
static int meet_others(struct tcp *t, const struct uda_net_place *master, struct uda_err *err)
{
    UDA_TRY(uda_net_call(&t->fd[0], master, t->rank, CALL_S, err));
    if (!uda_net_transfer(t->fd[0], &t->place[t->rank], sizeof *t->place, true, TABLE_MS) ||
        !uda_net_transfer(t->fd[0], t->place, (size_t)t->ranks * sizeof *t->place, false,
                          TABLE_MS)) {
        return fail_table(0, err);
    }
    for (int r = 1; r < t->rank; r++) {
        UDA_TRY(uda_net_call(&t->fd[r], &t->place[r], t->rank, CALL_S, err));
    }
    for (int n = t->rank + 1; n < t->ranks; n++) {
        int fd = -1, rank = 0;
        UDA_TRY(uda_net_accept(&fd, &rank, t->listening, t->place[t->rank].token, CALL_S, err));
        if (rank <= t->rank || rank >= t->ranks || t->fd[rank] >= 0) {
            (void)close(fd);
            return uda_fail(err, UDA_COMM, "ranks: two processes say they are rank %d", rank);
        }
        t->fd[rank] = fd;
    }
    return 0;
}

static int meet(struct tcp *t, const struct uda_net_place *master, struct uda_err *err)
{
    if (t->rank != 0) {
        UDA_TRY(uda_net_listen(&t->listening, &t->place[t->rank], err));
        return meet_others(t, master, err);
    }
    int listening = -1;
    UDA_TRY(uda_net_listen_at(&listening, master, err));
    int rc = meet_all(t, master, listening, err);
    (void)close(listening);
    return rc;
}

/* ---- carrying ---- */

static bool is_over(ssize_t n) { return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR); }

/* The connection broke: waits for the watch to say why. */
static int broken(const struct uda_swap *s, struct uda_err *err)
{
    for (int64_t turn = 0; turn < PATIENCE; turn++) {
        UDA_TRY(s->pause(s->pause_args, turn, err));
    }
    return uda_fail(err, UDA_COMM, "ranks: the connection to rank %d broke", s->peer);
}

static int swap(void *self, const struct uda_swap *s, struct uda_err *err)
{
    const struct tcp *t = self;
    const unsigned char *from = s->send;
    unsigned char *to = s->recv;
    size_t sent = 0, received = 0;
    int64_t turn = 0;
    while (sent < s->send_bytes || received < s->recv_bytes) {
        bool moved = false;
        if (sent < s->send_bytes) {
            ssize_t n = send(t->fd[s->peer], from + sent, s->send_bytes - sent, MSG_NOSIGNAL);
            if (is_over(n)) {
                return broken(s, err);
            }
            sent += n > 0 ? (size_t)n : 0;
            moved = n > 0;
        }
        if (received < s->recv_bytes) {
            ssize_t n = recv(t->fd[s->peer], to + received, s->recv_bytes - received, 0);
            if (is_over(n)) {
                return broken(s, err);
            }
            received += n > 0 ? (size_t)n : 0;
            moved = moved || n > 0;
        }
        turn = moved ? 0 : turn + 1;
        if (!moved) {
            UDA_TRY(s->pause(s->pause_args, turn - 1, err));
        }
    }
    return 0;
}

/* ---- life ---- */

static void destroy(struct tcp *t)
{
    for (int r = 0; t->fd != NULL && r < t->ranks; r++) {
        if (t->fd[r] >= 0) {
            (void)close(t->fd[r]);
        }
    }
    if (t->listening >= 0) {
        (void)close(t->listening);
    }
    uda_free(t->fd);
    uda_free(t->place);
    uda_free(t);
}

static void leave(void *self, bool orderly)
{
    (void)orderly;
    destroy(self);
}

int uda_transport_tcp(struct uda_transport *transport, const struct uda_launch *launch,
                      uda_launch_lookup_fn *lookup, struct uda_err *err)
{
    struct uda_net_place master;
    UDA_TRY(find_master(&master, launch, lookup, err));
    struct tcp *t = uda_calloc(sizeof *t);
    if (t == NULL) {
        return uda_fail(err, UDA_NOMEM, "ranks: out of memory");
    }
    *t = (struct tcp){.rank = launch->rank, .ranks = launch->ranks, .listening = -1};
    t->fd = uda_alloc((size_t)t->ranks * sizeof *t->fd);
    t->place = uda_calloc((size_t)t->ranks * sizeof *t->place);
    int rc =
        t->fd == NULL || t->place == NULL ? uda_fail(err, UDA_NOMEM, "ranks: out of memory") : 0;
    for (int r = 0; r < t->ranks && t->fd != NULL; r++) {
        t->fd[r] = -1;
    }
    if (rc == 0) {
        rc = meet(t, &master, err);
    }
    if (rc != 0) {
        destroy(t);
        return rc;
    }
    *transport = (struct uda_transport){
        .rank = t->rank, .ranks = t->ranks, .self = t, .name = "TCP", .swap = swap, .close = leave};
    return 0;
}
