#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS */
#include "tests/cuda/fiber.h"

#include "src/base/arena.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#define STACK_BYTES ((size_t)256 << 10)
#define GUARD_BYTES ((size_t)4096)

#if UDA_SEPARATE_BLOCKS /* the address sanitizer */
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(save, bottom, bytes) ((void)(save), (void)(bottom), (void)(bytes))
#define __sanitizer_finish_switch_fiber(save, bottom, bytes) ((void)(save), (void)(bottom), (void)(bytes))
#define __asan_unpoison_memory_region(start, bytes) ((void)(start), (void)(bytes))
#endif

struct uda_fiber {
    unsigned char *stack; /* above its guard page */
    void (*body)(void *args);
    void *args;
    void *fake_stack; /* of the sanitizer, while the fiber waits */
    bool idle;        /* its last body has returned */
#if defined(__x86_64__)
    void *sp;
#else
    ucontext_t context;
#endif
};

/* Who runs and who entered it: a switch concerns the whole thread, so these are global. */
static struct {
    struct uda_fiber *fiber;
    void *fake_stack;
    const void *bottom;
    size_t bytes;
#if defined(__x86_64__)
    void *sp;
#else
    ucontext_t context;
#endif
} now;

#if defined(__x86_64__)
/* Keeps the callee-saved registers on the stack, its top in *from, and goes on at `to`. */
void uda_fiber_swap(void **from, void *to);
__asm__(".text\n"
        ".globl uda_fiber_swap\n"
        ".type uda_fiber_swap, @function\n"
        "uda_fiber_swap:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n"
        ".size uda_fiber_swap, .-uda_fiber_swap\n");
#endif

static void first_frame(void)
{
    __sanitizer_finish_switch_fiber(NULL, &now.bottom, &now.bytes);
    for (;;) {
        now.fiber->body(now.fiber->args);
        now.fiber->idle = true;
        uda_fiber_leave();
    }
}

struct uda_fiber *uda_fiber_create(void)
{
    struct uda_fiber *fiber = uda_calloc(sizeof *fiber);
    if (fiber == NULL) {
        return NULL;
    }
    unsigned char *pages = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages, GUARD_BYTES, PROT_NONE) != 0) {
        uda_free(fiber);
        return NULL;
    }
    fiber->stack = pages + GUARD_BYTES;
    return fiber;
}

void uda_fiber_destroy(struct uda_fiber **fiber)
{
    if (*fiber != NULL) {
        __asan_unpoison_memory_region((*fiber)->stack, STACK_BYTES);
        (void)munmap((*fiber)->stack - GUARD_BYTES, GUARD_BYTES + STACK_BYTES);
        uda_free(*fiber);
        *fiber = NULL;
    }
}

void uda_fiber_start(struct uda_fiber *fiber, void (*body)(void *args), void *args)
{
    fiber->body = body;
    fiber->args = args;
    if (fiber->idle) { /* first_frame's loop goes on */
        fiber->idle = false;
        return;
    }
    fiber->fake_stack = NULL;
    __asan_unpoison_memory_region(fiber->stack, STACK_BYTES);
#if defined(__x86_64__)
    /* Six registers, the address to go to, and a return address that is never used: at the first
     * instruction of first_frame the stack pointer is 8 below a multiple of 16, as after a call. */
    void (*entry)(void) = first_frame;
    unsigned char *top = fiber->stack + STACK_BYTES;
    memset(top - 128, 0, 128);
    memcpy(top - 16, &entry, sizeof entry);
    fiber->sp = top - 16 - 6 * 8;
#else
    (void)getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, first_frame, 0);
#endif
}

void uda_fiber_enter(struct uda_fiber *fiber)
{
    now.fiber = fiber;
    __sanitizer_start_switch_fiber(&now.fake_stack, fiber->stack, STACK_BYTES);
#if defined(__x86_64__)
    uda_fiber_swap(&now.sp, fiber->sp);
#else
    (void)swapcontext(&now.context, &fiber->context);
#endif
    __sanitizer_finish_switch_fiber(now.fake_stack, NULL, NULL);
}

void uda_fiber_leave(void)
{
    struct uda_fiber *fiber = now.fiber;
    __sanitizer_start_switch_fiber(&fiber->fake_stack, now.bottom, now.bytes);
#if defined(__x86_64__)
    uda_fiber_swap(&fiber->sp, now.sp);
#else
    (void)swapcontext(&fiber->context, &now.context);
#endif
    __sanitizer_finish_switch_fiber(fiber->fake_stack, &now.bottom, &now.bytes);
}
