#include "io/yaml_text.h"

#include <string.h>

/* Stand-ins for the characters of `hidden`: U+E000 + index, in UTF-8 EE 80 80+index. */
static const char hidden[] = "{}[],";
#define PRIVATE_FIRST 0xE000u

/* One code point at text[at]; its length, or 0 if the bytes are not UTF-8. */
static size_t decode(uint32_t *code, const unsigned char *text, size_t at, size_t bytes)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = text[at];
    size_t length = c < 0x80 ? 1 : (c & 0xE0) == 0xC0 ? 2 : (c & 0xF0) == 0xE0 ? 3
                                                         : (c & 0xF8) == 0xF0  ? 4
                                                                               : 0;
    if (length == 0 || at + length > bytes) {
        return 0;
    }
    uint32_t value = length == 1 ? c : c & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[at + i] & 0xC0) != 0x80) {
            return 0;
        }
        value = value << 6 | (text[at + i] & 0x3Fu);
    }
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return 0;
    }
    *code = value;
    return length;
}

static bool allowed(uint32_t code)
{
    if (code < 0x20) {
        return code == '\t' || code == '\n' || code == '\r';
    }
    return !(code >= 0x7F && code <= 0x9F) && code != 0x2028 && code != 0x2029 &&
           code != 0xFEFF && code != 0xFFFE && code != 0xFFFF &&
           !(code >= PRIVATE_FIRST && code < PRIVATE_FIRST + sizeof hidden - 1);
}

/* Checks every code point; reports the first that may not be there. */
static bool check_text(const struct uda_source *source, size_t start, struct uda_diag *diag)
{
    const unsigned char *text = (const unsigned char *)source->text;
    struct uda_place place = {.source = source, .line = 1, .column = 1};
    size_t length;
    for (size_t at = start; at < source->bytes; at += length) {
        uint32_t code = 0;
        length = decode(&code, text, at, source->bytes);
        if (length == 0) {
            place.column = place.column > 0 ? place.column : 1;
            uda_diag_add(diag, place, "byte 0x%02X is not UTF-8: save the file as UTF-8",
                         text[at]);
            return false;
        }
        if (code == '\r' && (at + 1 >= source->bytes || text[at + 1] != '\n')) {
            uda_diag_add(diag, place, "a carriage return without a line feed: save the file with "
                                      "LF or CRLF line ends");
            return false;
        }
        if (!allowed(code)) {
            uda_diag_add(diag, place, "character U+%04X is not allowed in a text file",
                         (unsigned)code);
            return false;
        }
        place.column++;
        if (code == '\n') {
            place.line++;
            place.column = 1;
        }
    }
    return true;
}

bool uda_yaml_clean(const char *text)
{
    size_t bytes = strlen(text), length;
    for (size_t at = 0; at < bytes; at += length) {
        uint32_t code = 0;
        length = decode(&code, (const unsigned char *)text, at, bytes);
        if (length == 0 || !allowed(code)) {
            return false;
        }
    }
    return true;
}

/* Length of the ${...} at text, 0 if it is none: no space, quote or line end inside. */
static size_t reference_length(const char *text)
{
    if (text[0] != '$' || text[1] != '{') {
        return 0;
    }
    size_t inside = strcspn(text + 2, "} \t\r\n\"'{");
    return text[2 + inside] == '}' ? inside + 3 : 0;
}

static size_t hide(char *to, const char *from, size_t length)
{
    size_t bytes = 0;
    for (size_t i = 0; i < length; i++) {
        const char *found = strchr(hidden, from[i]);
        if (found != NULL) {
            to[bytes++] = (char)0xEE;
            to[bytes++] = (char)0x80;
            to[bytes++] = (char)(0x80 + (found - hidden));
        } else {
            to[bytes++] = from[i];
        }
    }
    return bytes;
}

int uda_yaml_prepare(char **text, size_t *bytes, struct uda_arena *arena,
                     const struct uda_source *source, struct uda_diag *diag, struct uda_err *err)
{
    struct uda_place whole = {.source = source};
    if (source->bytes > UDA_YAML_MAX_BYTES) {
        uda_diag_add(diag, whole, "has %zu bytes, more than the %zu a manifest may have",
                     source->bytes, UDA_YAML_MAX_BYTES);
        return uda_fail(err, UDA_FORMAT, "'%s' is too large for a manifest", source->name);
    }
    size_t start = source->bytes >= 3 && memcmp(source->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    if (!check_text(source, start, diag)) {
        return uda_fail(err, UDA_FORMAT, "'%s' is not a text file in UTF-8", source->name);
    }
    char *copy = uda_arena_alloc(arena, 3 * source->bytes + 1);
    if (copy == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", source->name);
    }
    size_t used = 0;
    for (size_t at = start; at < source->bytes;) {
        size_t length = at < source->skip ? 0 : reference_length(source->text + at);
        used += length > 0 ? hide(copy + used, source->text + at, length) : 0;
        if (length == 0) {
            copy[used++] = at < source->skip ? ' ' : source->text[at];
            length = 1;
        }
        at += length;
    }
    copy[used] = '\0';
    *text = copy;
    *bytes = used;
    return 0;
}

char *uda_yaml_restore(struct uda_arena *arena, const char *text, size_t bytes)
{
    char *copy = uda_arena_alloc(arena, bytes + 1);
    if (copy == NULL) {
        return NULL;
    }
    size_t used = 0;
    for (size_t at = 0; at < bytes; at++) {
        unsigned char last = at + 2 < bytes ? (unsigned char)text[at + 2] : 0;
        if ((unsigned char)text[at] == 0xEE && (unsigned char)text[at + 1] == 0x80 &&
            last >= 0x80 && last < 0x80 + sizeof hidden - 1) {
            copy[used++] = hidden[last - 0x80];
            at += 2;
        } else {
            copy[used++] = text[at];
        }
    }
    copy[used] = '\0';
    return copy;
}
