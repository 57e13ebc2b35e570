/*
 * Compiler attributes. The only place where GNU attributes are named.
 */
#ifndef UDA_BASE_COMPILER_H
#define UDA_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDA_MUST_USE __attribute__((warn_unused_result))
#define UDA_PRINTF(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))
#define UDA_UNUSED __attribute__((unused))
#define UDA_NORETURN __attribute__((noreturn))
#define UDA_ALIGNED(n) __attribute__((aligned(n)))
#define UDA_RESTRICT __restrict__
#define UDA_ALWAYS_INLINE inline __attribute__((always_inline))
#define UDA_NOINLINE __attribute__((noinline))
/* A SIMD vector of `bytes` bytes: `typedef float vf UDA_VECTOR(64);` */
#define UDA_VECTOR(bytes) __attribute__((vector_size(bytes)))
/* Lanes of two such vectors one after the other, chosen by constants. gcc 12, clang. */
#define UDA_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

/* Seen outside a module that hides the rest. */
#define UDA_EXPORT __attribute__((visibility("default")))
/* A function that another file may define instead; until then it is `target`, of this file. */
#define UDA_WEAK_ALIAS(target) __attribute__((weak, alias(#target)))

/* Does this processor have an instruction-set extension ("avx2")? x86 only. */
#define UDA_CPU_HAS(name) __builtin_cpu_supports(name)

/* Zeroes the padding of the struct that p points to, where the compiler can (gcc). */
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define UDA_CLEAR_PADDING(p) __builtin_clear_padding(p)
#endif
#endif
#if !defined(UDA_CLEAR_PADDING)
#define UDA_CLEAR_PADDING(p) ((void)(p))
#endif

#define UDA_LEN(array) ((int64_t)(sizeof(array) / sizeof((array)[0])))

#endif
