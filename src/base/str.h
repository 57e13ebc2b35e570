/*
 * A growing string over an arena. The first failure sticks; text is always NUL-terminated.
 *
 *     struct uda_str s;
 *     uda_str_init(&s, &arena);
 *     uda_str_add(&s, "%s = %d\n", key, value);
 *     UDA_TRY(uda_str_status(&s, err));  puts(s.text);
 */
#ifndef UDA_BASE_STR_H
#define UDA_BASE_STR_H

#include "src/base/arena.h"
#include "src/base/err.h"

struct uda_str {
    struct uda_arena *arena;
    char *text; /* never NULL */
    size_t bytes, room_bytes;
    bool failed;
};

/* An empty string in the arena. */
void uda_str_init(struct uda_str *str, struct uda_arena *arena);
/* Appends a formatted text; put appends bytes as they are. */
void uda_str_add(struct uda_str *str, const char *format, ...) UDA_PRINTF(2, 3);
void uda_str_put(struct uda_str *str, const char *data, size_t bytes);
/* A JSON string literal with its quotes. */
void uda_str_json(struct uda_str *str, const char *text);
/* 0, or UDA_NOMEM if an append has failed since init. */
int uda_str_status(const struct uda_str *str, struct uda_err *err) UDA_MUST_USE;

#endif
