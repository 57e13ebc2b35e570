/*
 * A list of kernel calls with their arguments, byte by byte.
 *
 * Invariants: arguments begin at multiples of 16 bytes. All zero is valid and empty; the memory of a list
 * that was cut is kept, so that a list that comes again asks the system for nothing. One thread.
 *
 *     if (uda_call_list_find(&list, at, kernel, args, bytes) == NULL) {
 *         uda_call_list_cut(&list, at);
 *         ok = uda_call_list_add(&list, kernel, args, bytes);
 *     }
 *     uda_call_list_finish(&list);
 */
#ifndef UDA_TENSOR_REPLAY_LIST_H
#define UDA_TENSOR_REPLAY_LIST_H

#include "src/base/compiler.h"

struct uda_call {
    int kernel;
    size_t args_at, args_bytes; /* in the list's args */
    size_t asked_bytes;         /* a question for workspace, and its answer; 0: a run */
};

struct uda_call_list {
    uint64_t key;
    bool whole;   /* all calls between a begin and its end */
    int64_t used; /* when, by a clock of the owner */
    void *graph;  /* of a backend, the owner's; NULL: not made yet */
    struct uda_call *call;
    int64_t calls, call_room;
    unsigned char *args;
    size_t args_bytes, args_room;
};

/* Call number `at` if it is this one, else NULL. */
const struct uda_call *uda_call_list_find(const struct uda_call_list *list, int64_t at, int kernel,
                                          const void *args, size_t bytes);
/* Puts a call at the end; false when out of memory. */
bool uda_call_list_add(struct uda_call_list *list, int kernel, const void *args, size_t bytes) UDA_MUST_USE;
/* Keeps the first `calls`. */
void uda_call_list_cut(struct uda_call_list *list, int64_t calls);
/* The graph must be gone. */
void uda_call_list_finish(struct uda_call_list *list);

#endif
