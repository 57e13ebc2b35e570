/* Text values: how they are written back, and the environment in paths. */
#include "src/plan/value.h"

#include <stdlib.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

void uda_value_text(struct uda_str *out, const char *text)
{
    static const char *const special[] = {"null", "none", "auto", "all", "native"};
    bool plain = text[0] != '\0' && strchr(LETTERS "/.$_", text[0]) != NULL &&
                 strspn(text, LETTERS DIGITS "_./-${}:") == strlen(text);
    /* "a:" would be a key, and '${' without its end has no meaning in flow style. */
    plain = plain && text[strlen(text) - 1] != ':' && strstr(text, "{}") == NULL;
    for (int64_t i = 0; i < UDA_LEN(special); i++) {
        plain = plain && strcmp(text, special[i]) != 0;
    }
    if (plain) {
        uda_str_add(out, "%s", text);
    } else {
        uda_str_json(out, text);
    }
}

static bool is_name(const char *text, size_t length)
{
    return length > 0 && strspn(text, LETTERS DIGITS "_") >= length &&
           strchr(DIGITS, text[0]) == NULL;
}

/* Appends the value of the reference at text ("${...}"); its length, 0 on a problem. */
static size_t expand_one(struct uda_str *out, const char **problem, struct uda_arena *arena,
                         const char *text)
{
    const char *end = strchr(text, '}');
    if (end == NULL) {
        *problem = "'${' has no '}'";
        return 0;
    }
    const char *name = text + 2, *minus = strstr(name, ":-");
    size_t length = (size_t)((minus != NULL && minus < end ? minus : end) - name);
    char *variable = uda_arena_printf(arena, "%.*s", (int)length, name);
    if (variable == NULL || !is_name(name, length)) {
        *problem = "a reference is ${NAME} or ${NAME:-default}, NAME of letters, digits and _";
        return 0;
    }
    const char *value = getenv(variable);
    if (value != NULL && value[0] != '\0') {
        uda_str_add(out, "%s", value);
    } else if (minus != NULL && minus < end) {
        uda_str_put(out, minus + 2, (size_t)(end - minus - 2));
    } else {
        *problem = uda_arena_printf(arena,
                                    "the environment variable %s is not set: run 'export %s=...' "
                                    "or write ${%s:-default}",
                                    variable, variable, variable);
        return 0;
    }
    return (size_t)(end - text) + 1;
}

const char *uda_value_expand(const char **problem, struct uda_arena *arena, const char *text)
{
    struct uda_str out;
    uda_str_init(&out, arena);
    *problem = NULL;
    while (*text != '\0') {
        if (text[0] == '$' && text[1] == '{') {
            size_t length = expand_one(&out, problem, arena, text);
            if (length == 0) {
                return NULL;
            }
            text += length;
        } else {
            uda_str_put(&out, text, 1);
            text++;
        }
    }
    return out.failed ? NULL : out.text;
}
