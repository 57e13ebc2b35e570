/*
 * Shared by the two files of `inspect`.
 */
#ifndef UDA_CMD_INSPECT_H
#define UDA_CMD_INSPECT_H

#include "io/store.h"

/* A name for a terminal: control characters become '?'. In the arena; never NULL. */
const char *uda_inspect_clean(struct uda_arena *arena, const char *text);
/* "f32 [2,3]", "i64", "text(7) [10]". In the arena; never NULL. */
const char *uda_inspect_kind(struct uda_arena *arena, const struct uda_store_info *info);
/* `= value` of an attribute, text quoted. In the arena; never NULL. */
const char *uda_inspect_value(struct uda_arena *arena, const struct uda_store_attr *attr);
/* True for what --diff ignores. */
bool uda_inspect_ignored(const char *path);

/* Prints how the files differ, one line each, without "provenance"; *differences is how many.
 * Errors: those of uda_store_open, UDA_NOMEM. */
int uda_inspect_diff(int64_t *differences, const char *path_a, const char *path_b,
                     struct uda_err *err) UDA_MUST_USE;

#endif
