#include "io/diag.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 4096
#define MAX_TEXT 600     /* bytes of a message */
#define VIEW_COLUMNS 100 /* of a long source line */

void uda_diag_init(struct uda_diag *diag, struct uda_arena *arena)
{
    *diag = (struct uda_diag){.arena = arena};
}

/* Length of the printable UTF-8 character at text, 0 if there is none: control codes, broken
 * bytes. */
static size_t printable(const char *text, size_t bytes)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t length = c[0] < 0x80 ? 1 : c[0] >= 0xF0 ? 4 : c[0] >= 0xE0 ? 3 : c[0] >= 0xC2 ? 2 : 0;
    if (length > bytes || c[0] < 0x20 || c[0] == 0x7F || c[0] > 0xF4 ||
        (c[0] == 0xC2 && bytes > 1 && c[1] < 0xA0)) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((c[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* Makes a message fit for a terminal: control codes become '?', and it ends after MAX_TEXT
 * bytes. */
static void tame(char *text)
{
    size_t bytes = strlen(text), step;
    for (size_t at = 0; at < bytes; at += step) {
        step = printable(text + at, bytes - at);
        if (step == 0) {
            text[at] = '?';
            step = 1;
        }
        if (at + step > MAX_TEXT && bytes > MAX_TEXT + 3) {
            memcpy(text + at, "...", 4);
            return;
        }
    }
}

/* The formatted text, or NULL when out of memory. */
static char *format_text(struct uda_arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : uda_arena_alloc(arena, (size_t)length + 1);
    if (text != NULL) {
        (void)vsnprintf(text, (size_t)length + 1, format, args);
        tame(text);
    }
    return text;
}

void uda_diag_add(struct uda_diag *diag, struct uda_place place, const char *format, ...)
{
    if (diag->count == diag->room && diag->room < MAX_ENTRIES) {
        int64_t room = diag->room == 0 ? 16 : 2 * diag->room;
        struct uda_diag_entry *entry =
            uda_arena_grow(diag->arena, diag->entry, (size_t)diag->room * sizeof *entry,
                           (size_t)room * sizeof *entry);
        if (entry == NULL) {
            diag->failed = true;
            return;
        }
        diag->entry = entry;
        diag->room = room;
    }
    if (diag->count == diag->room) {
        return; /* nobody reads so many */
    }
    va_list args;
    va_start(args, format);
    char *text = format_text(diag->arena, format, args);
    va_end(args);
    if (text == NULL) {
        diag->failed = true;
        return;
    }
    diag->entry[diag->count] =
        (struct uda_diag_entry){.place = place, .text = text, .order = diag->count};
    diag->count++;
}

static int compare_i64(int64_t a, int64_t b) { return a < b ? -1 : a > b; }

static int compare_entries(const void *left, const void *right)
{
    const struct uda_diag_entry *a = left, *b = right;
    int64_t source_a = a->place.source == NULL ? -1 : a->place.source->order;
    int64_t source_b = b->place.source == NULL ? -1 : b->place.source->order;
    int by = compare_i64(source_a, source_b);
    by = by != 0 ? by : compare_i64(a->place.line, b->place.line);
    by = by != 0 ? by : compare_i64(a->place.column, b->place.column);
    return by != 0 ? by : compare_i64(a->order, b->order);
}

const char *uda_place_text(struct uda_arena *arena, struct uda_place place)
{
    const char *text = NULL;
    if (place.source == NULL) {
        return "";
    }
    if (place.line > 0) {
        text = uda_arena_printf(arena, "%s:%" PRId64 ":%" PRId64, place.source->name, place.line,
                                place.column);
    }
    return text != NULL ? text : place.source->name;
}

/* Start and length in bytes of line `line`, without its end; false if there is no such line. */
static bool find_line(const char **start, size_t *length, const struct uda_source *source,
                      int64_t line)
{
    const char *at = source->text, *end = source->text + source->bytes;
    for (int64_t i = 1; i < line; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL) {
            return false;
        }
        at = newline + 1;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    *start = at;
    *length = (size_t)((newline != NULL ? newline : end) - at);
    if (*length > 0 && at[*length - 1] == '\r') {
        *length -= 1;
    }
    return line > 0;
}

/* The source line, cut to VIEW_COLUMNS around the column, and the caret under it. */
static void print_line(struct uda_str *out, struct uda_place place)
{
    const char *line = NULL;
    size_t length = 0;
    if (place.source->text == NULL || !find_line(&line, &length, place.source, place.line)) {
        return;
    }
    int64_t first = place.column > VIEW_COLUMNS - 20 ? place.column - VIEW_COLUMNS / 2 : 1;
    int64_t column = 1;
    uda_str_add(out, "    ");
    for (size_t i = 0; i < length && column < first + VIEW_COLUMNS; column++) {
        size_t step = printable(line + i, length - i);
        const char *shown = step > 0 ? line + i : line[i] == '\t' ? " " : "?";
        if (column >= first) {
            uda_str_put(out, shown, step > 0 ? step : 1);
        }
        i += step > 0 ? step : 1;
    }
    uda_str_add(out, "\n    %*s^\n", (int)(place.column - first), "");
}

void uda_diag_print(struct uda_str *out, struct uda_diag *diag)
{
    if (diag->count > 0) {
        qsort(diag->entry, (size_t)diag->count, sizeof *diag->entry, compare_entries);
    }
    int64_t shown = 0, left = 0;
    const struct uda_diag_entry *last = NULL;
    for (int64_t i = 0; i < diag->count; i++) {
        const struct uda_diag_entry *e = &diag->entry[i];
        bool repeated = last != NULL && e->place.source == last->place.source &&
                        e->place.line == last->place.line &&
                        e->place.column == last->place.column && strcmp(e->text, last->text) == 0;
        last = e;
        if (repeated) {
            continue;
        }
        if (shown == UDA_DIAG_SHOWN) {
            left++;
            continue;
        }
        shown++;
        const char *place = uda_place_text(diag->arena, e->place);
        uda_str_add(out, "%s%s%s\n", place, place[0] == '\0' ? "" : ": ", e->text);
        if (e->place.source != NULL && e->place.line > 0) {
            print_line(out, e->place);
        }
    }
    if (left > 0) {
        uda_str_add(out, "... and %" PRId64 " more\n", left);
    }
}
