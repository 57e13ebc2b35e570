/*
 * Errors in text files, all at once: each has a place, and is shown with its line and a caret.
 *
 *     struct uda_diag diag;
 *     uda_diag_init(&diag, &arena);
 *     uda_diag_add(&diag, node->place, "'%s' must be at least 1", key);
 *     uda_diag_print(&str, &diag);
 *
 *     a.yaml:3:8: 'queries' must be at least 1
 *         queries: 0
 *                  ^
 */
#ifndef UDA_IO_DIAG_H
#define UDA_IO_DIAG_H

#include "src/base/str.h"

/* A text that places refer to: a file, or the value of an option. */
struct uda_source {
    const char *name; /* "manifests/demo.yaml", "--set" */
    const char *text; /* [bytes] UTF-8, NUL behind it */
    size_t bytes;
    int64_t order; /* messages are sorted by this first */
    size_t skip;   /* bytes at the start that a parser takes for blanks: the 'key=' of an option */
};

/* line and column count from 1, columns in code points; line 0 means the whole source. */
struct uda_place {
    const struct uda_source *source; /* NULL: no place */
    int64_t line, column;
};

struct uda_diag_entry {
    struct uda_place place;
    const char *text;
    int64_t order; /* of arrival */
};

struct uda_diag {
    struct uda_arena *arena;
    struct uda_diag_entry *entry;
    int64_t count, room;
    bool failed; /* out of memory */
};

/* Only the first UDA_DIAG_SHOWN messages are printed, and how many more there are. */
#define UDA_DIAG_SHOWN 50

/* An empty list whose texts will live in the arena. */
void uda_diag_init(struct uda_diag *diag, struct uda_arena *arena);
/* Adds a message; running out of memory sets diag->failed. */
void uda_diag_add(struct uda_diag *diag, struct uda_place place, const char *format, ...)
    UDA_PRINTF(3, 4);

/* Sorts by source, line, column, arrival, drops repeated messages and appends one block each. */
void uda_diag_print(struct uda_str *out, struct uda_diag *diag);

/* "file:line:col", "file" or "" in the arena; never NULL. */
const char *uda_place_text(struct uda_arena *arena, struct uda_place place);

#endif
