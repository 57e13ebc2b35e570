/*
 * A group (kernels/group.h) of processes of this machine through memory that they share: what NCCL is to the
 * CUDA module, to the modules of the tests. Like NCCL it begins and does not wait, and waits for a dead
 * member for ever. UDA_GROUP=none: it cannot be used; UDA_GROUP=refuses:2: rank 2 cannot join.
 *
 *     static const struct uda_backend_group group = {GROUP_OVER_MEMORY, .place = place, .swap = group_swap,
 *                                                    .look = look};
 */
#ifndef UDA_TESTS_CUDA_GROUP_H
#define UDA_TESTS_CUDA_GROUP_H

#include "kernels/group.h"

/* Copies of `bytes` where one side is the device's memory. */
typedef void group_copy_fn(void *to, const void *from, size_t bytes);

bool group_library(char *text, size_t bytes);
int group_invite(unsigned char id[UDA_GROUP_ID_BYTES], struct uda_err *err);
int group_join(void **member, void *stream, const unsigned char id[UDA_GROUP_ID_BYTES], int rank, int ranks,
               struct uda_err *err);
int group_swap(void *member, const struct uda_group_part *part, struct uda_err *err);
int group_ranks(const void *member);
void group_leave(void **member, bool orderly);
/* The backend's look calls it with its way of copying. */
int group_look(void *member, enum uda_group_state *state, group_copy_fn *copy, struct uda_err *err);

#define GROUP_OVER_MEMORY                                                                          \
    .library = group_library, .invite = group_invite, .join = group_join, .leave = group_leave

#endif
