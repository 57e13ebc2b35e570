#include "src/base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char empty_text[1];

void uda_str_init(struct uda_str *str, struct uda_arena *arena)
{
    *str = (struct uda_str){.arena = arena, .text = empty_text};
}

/* Makes room for `bytes` more and the NUL. */
static bool reserve(struct uda_str *str, size_t bytes)
{
    if (str->failed) {
        return false;
    }
    size_t need = str->bytes + bytes + 1;
    if (need <= str->room_bytes) {
        return true;
    }
    size_t room = str->room_bytes * 2 > need ? str->room_bytes * 2 : need + 256;
    char *text = uda_arena_grow(str->arena, str->room_bytes == 0 ? NULL : str->text,
                                str->room_bytes, room);
    if (text == NULL) {
        str->failed = true;
        return false;
    }
    if (str->room_bytes == 0) {
        text[0] = '\0';
    }
    str->text = text;
    str->room_bytes = room;
    return true;
}

void uda_str_put(struct uda_str *str, const char *data, size_t bytes)
{
    if (reserve(str, bytes)) {
        memcpy(str->text + str->bytes, data, bytes);
        str->bytes += bytes;
        str->text[str->bytes] = '\0';
    }
}

void uda_str_add(struct uda_str *str, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !reserve(str, (size_t)length)) {
        str->failed = true;
        return;
    }
    va_start(args, format);
    (void)vsnprintf(str->text + str->bytes, (size_t)length + 1, format, args);
    va_end(args);
    str->bytes += (size_t)length;
}

void uda_str_json(struct uda_str *str, const char *text)
{
    uda_str_put(str, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            uda_str_add(str, "\\%c", *c);
        } else if (*c < 0x20) {
            uda_str_add(str, "\\u%04x", *c);
        } else {
            uda_str_put(str, (const char *)c, 1);
        }
    }
    uda_str_put(str, "\"", 1);
}

int uda_str_status(const struct uda_str *str, struct uda_err *err)
{
    return str->failed ? uda_fail(err, UDA_NOMEM, "text: out of memory") : 0;
}
