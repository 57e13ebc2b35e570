/*
 * What the devices of several processes do together, one process a device: bytes from each to each, over
 * whatever joins the devices. A backend that has it points to this table; src/dist/device_sum.c makes sums
 * of it.
 *
 * Invariants: all members call the same functions in the same order, with sizes that match. Nothing here
 * waits for another process but leave, and that for a few seconds at most: join and swap begin, look says
 * how far it has come. So whoever waits can hear that a member is dead, and let go.
 *
 *     group->join(&member, stream, id, rank, ranks, &err);
 *     do { group->look(member, &state, &err); } while (state == UDA_GROUP_BEGINNING);
 *     group->swap(member, part, &err);          // then the same, before anything else is enqueued
 *     group->leave(&member, true);
 */
#ifndef UDA_KERNELS_GROUP_H
#define UDA_KERNELS_GROUP_H

#include "src/base/err.h"

#define UDA_GROUP_ID_BYTES 128

/* What a member sends to another one and gets from it; counts of floats, 0: nothing. The member itself is
 * one of them. Device memory; parts overlap nowhere, but what is sent may be sent to several. */
struct uda_group_part {
    const float *send;
    float *recv;
    int64_t send_count, recv_count;
};

enum uda_group_state {
    UDA_GROUP_BEGINNING, /* not yet enqueued: nothing more may be enqueued on the stream */
    UDA_GROUP_RUNNING,   /* enqueued: kernels may follow on the stream */
    UDA_GROUP_IDLE       /* the stream has done everything */
};

struct uda_backend_group {
    /* Can it be used? text: "NCCL 2.28.9", or the reason why not. Needs no device. */
    bool (*library)(char *text, size_t bytes);
    /* Which device of its machine the stream is on: "0000:17:00.0". */
    int (*place)(char *text, size_t bytes, void *stream, struct uda_err *err);
    /* One member makes the id of a new group, for all. Errors: UDA_UNSUPPORTED, UDA_COMM. */
    int (*invite)(unsigned char id[UDA_GROUP_ID_BYTES], struct uda_err *err);
    /* Begins to join; nothing may be swapped while look says BEGINNING. Owns: *member, by the caller; it is
     * left before the stream is closed. Errors: UDA_UNSUPPORTED, UDA_COMM, UDA_NOMEM. */
    int (*join)(void **member, void *stream, const unsigned char id[UDA_GROUP_ID_BYTES], int rank, int ranks,
                struct uda_err *err);
    /* Begins a swap with every member, part [ranks], in the order of the stream. part is read before it
     * returns. Errors: UDA_COMM. */
    int (*swap)(void *member, const struct uda_group_part *part, struct uda_err *err);
    /* How far the last of these has come. Errors: UDA_COMM, UDA_DEVICE: nothing will come of it. */
    int (*look)(void *member, enum uda_group_state *state, struct uda_err *err);
    /* orderly: all is done and all members leave. Otherwise work under way is given up, and the stream
     * becomes idle whatever the others do. */
    void (*leave)(void **member, bool orderly);
};

#endif
