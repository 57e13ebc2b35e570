/*
 * Contexts that hand the processor to each other: the threads of a block on the host.
 *
 * Invariants: one operating-system thread uses them. A fiber runs only between a switch to it and
 * its next switch away; the address sanitizer is told of every switch. The page below a stack is
 * not accessible, so an overflow faults. A fiber that is never resumed may be started again.
 *
 *     static void body(void *args) { ...; uda_fiber_leave(); ... }    // ends: the fiber leaves too
 *     uda_fiber_start(fiber, body, args);
 *     while (...) { uda_fiber_enter(fiber); }
 */
#ifndef UDA_TESTS_CUDA_FIBER_H
#define UDA_TESTS_CUDA_FIBER_H

#include "src/base/compiler.h"

struct uda_fiber;

/* A fiber with a stack of its own; NULL when out of memory. */
struct uda_fiber *uda_fiber_create(void);
void uda_fiber_destroy(struct uda_fiber **fiber);

/* The next enter begins body(args) on an empty stack, whatever the fiber did before. */
void uda_fiber_start(struct uda_fiber *fiber, void (*body)(void *args), void *args);
/* Runs the fiber until it leaves. Not from inside a fiber. */
void uda_fiber_enter(struct uda_fiber *fiber);
/* From inside a fiber: back to who entered it. */
void uda_fiber_leave(void);

#endif
