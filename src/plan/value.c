#include "src/plan/value.h"

#include "src/base/nearest.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_ROOM 32

/* What one call works on; `name` is for messages. */
struct reader {
    struct uda_draft *draft;
    const struct uda_key *key;
    const char *name;
};

static void complain(const struct reader *r, const struct uda_yaml_node *node, const char *what,
                     const char *remedy)
{
    uda_diag_add(r->draft->diag, node->place, "'%s': %s%s%s", r->name, what,
                 remedy[0] == '\0' ? "" : ": ", remedy);
}

static const char *type_text(const struct reader *r)
{
    struct uda_str text;
    uda_str_init(&text, r->draft->arena);
    uda_key_type_text(&text, r->key);
    return text.text;
}

static const char *article(const struct uda_key *key)
{
    return key->type == UDA_KEY_BOOL || key->type == UDA_KEY_TEXT || key->type == UDA_KEY_ENUM ? ""
                                                                                              : "a ";
}

/* The text of a scalar without its unit (" px"); NULL when the node is no scalar or empty. */
static const char *scalar_text(const struct reader *r, const struct uda_yaml_node *node)
{
    struct uda_arena *arena = r->draft->arena;
    if (node->kind != UDA_YAML_SCALAR) {
        const char *what = uda_arena_printf(
            arena, "is a %s, needs %s%s", node->kind == UDA_YAML_SEQUENCE ? "list" : "mapping",
            article(r->key), type_text(r));
        complain(r, node, what != NULL ? what : "wrong type", "");
        return NULL;
    }
    if (uda_yaml_is_null(node)) {
        complain(r, node, "has no value", "write one or remove the key");
        return NULL;
    }
    size_t length = strlen(node->text), unit = r->key->unit != NULL ? strlen(r->key->unit) : 0;
    if (unit > 0 && length > unit && strcmp(node->text + length - unit, r->key->unit) == 0) {
        while (length > unit && node->text[length - unit - 1] == ' ') {
            length--;
        }
        return uda_arena_printf(arena, "%.*s", (int)(length - unit), node->text);
    }
    return node->text;
}

static bool all_digits(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* How a number of one dialect or another is written; "" when it is fine. */
static const char *number_trap(struct uda_arena *arena, const char *text, bool whole)
{
    const char *digits = text + (text[0] == '-' || text[0] == '+' ? 1 : 0);
    const char *answer = NULL;
    if (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') {
        answer = uda_arena_printf(arena, "is octal to some readers: write %s",
                                  digits + strspn(digits, "0"));
    } else if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'o' || digits[1] == 'b')) {
        answer = "is not decimal: write it in decimal";
    } else if (strchr(digits, '_') != NULL) {
        answer = "has underscores: write the digits without them";
    } else if (strchr(digits, ':') != NULL) {
        answer = "is a base-60 number to some readers: write it in decimal";
    } else if (digits[0] == '.' && (digits[1] == 'i' || digits[1] == 'n' || digits[1] == 'I' ||
                                    digits[1] == 'N')) {
        answer = "is not a finite number";
    } else if (whole && digits[strspn(digits, "0123456789.eE+-")] == '\0' && digits[0] != '\0') {
        answer = "is not a whole number: write the digits only";
    }
    return answer != NULL ? answer : "";
}

static bool check_range(const struct reader *r, const struct uda_yaml_node *node, double value,
                        const char *text)
{
    const struct uda_key *key = r->key;
    if (value >= key->low && value <= key->high && !(key->above && value <= key->low)) {
        return true;
    }
    struct uda_str range;
    uda_str_init(&range, r->draft->arena);
    uda_key_range_text(&range, key);
    uda_diag_add(r->draft->diag, node->place, "'%s': %s is out of range: %s%s%s", r->name, text,
                 range.text, key->unit != NULL ? " " : "", key->unit != NULL ? key->unit : "");
    return false;
}

/* A number in quotes, with a foreign unit, or of a foreign dialect. */
static void complain_number(const struct reader *r, const struct uda_yaml_node *node,
                            const char *text, bool whole)
{
    struct uda_arena *arena = r->draft->arena;
    const char *trap = number_trap(arena, text, whole);
    const char *what = NULL, *remedy = "";
    if (node->quoted) {
        what = uda_arena_printf(arena, "\"%s\" in quotes is text", text);
        remedy = "write the number without quotes";
    } else if (trap[0] != '\0') {
        what = uda_arena_printf(arena, "'%s' %s", text, trap);
    } else {
        what = uda_arena_printf(arena, "'%s' is not %s%s", text, article(r->key), type_text(r));
    }
    complain(r, node, what != NULL ? what : "wrong", remedy);
}

static bool read_int(int64_t *value, const char **text, const struct reader *r,
                     const struct uda_yaml_node *node)
{
    const char *s = scalar_text(r, node);
    if (s == NULL) {
        return false;
    }
    const char *digits = s + (s[0] == '-' || s[0] == '+' ? 1 : 0);
    bool leading_zero = digits[0] == '0' && digits[1] != '\0';
    if (node->quoted || leading_zero || !all_digits(digits) || strlen(digits) > 18) {
        if (!node->quoted && !leading_zero && all_digits(digits)) {
            complain(r, node, "the number is too large", "");
        } else {
            complain_number(r, node, s, true);
        }
        return false;
    }
    int64_t parsed = (int64_t)strtoll(s, NULL, 10);
    *text = uda_arena_printf(r->draft->arena, "%" PRId64, parsed);
    if (*text == NULL || !check_range(r, node, (double)parsed, *text)) {
        return false;
    }
    *value = parsed;
    return true;
}

/* digits[.digits][e[+-]digits], with a digit on one side of the point at least. */
static bool looks_like_float(const char *s)
{
    s += s[0] == '-' || s[0] == '+' ? 1 : 0;
    size_t before = strspn(s, "0123456789"), after = 0;
    if (before > 1 && s[0] == '0') {
        return false;
    }
    s += before;
    if (*s == '.') {
        after = strspn(s + 1, "0123456789");
        s += 1 + after;
    }
    if (before + after == 0) {
        return false;
    }
    if (*s == 'e' || *s == 'E') {
        s += s[1] == '-' || s[1] == '+' ? 2 : 1;
        size_t exponent = strspn(s, "0123456789");
        if (exponent == 0) {
            return false;
        }
        s += exponent;
    }
    return *s == '\0';
}

/* The shortest decimal that reads back as the same double. */
static const char *float_text(struct uda_arena *arena, double value)
{
    char buffer[40];
    for (int digits = 6; digits <= 17; digits++) {
        (void)snprintf(buffer, sizeof buffer, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value) {
            break;
        }
    }
    return uda_arena_strdup(arena, buffer);
}

static bool read_float(double *value, const char **text, const struct reader *r,
                       const struct uda_yaml_node *node)
{
    const char *s = scalar_text(r, node);
    if (s == NULL) {
        return false;
    }
    if (node->quoted || !looks_like_float(s)) {
        complain_number(r, node, s, false);
        return false;
    }
    double parsed = strtod(s, NULL);
    if (!isfinite(parsed)) {
        complain(r, node, "the number is too large", "");
        return false;
    }
    *text = float_text(r->draft->arena, parsed == 0.0 ? 0.0 : parsed);
    if (*text == NULL || !check_range(r, node, parsed, *text)) {
        return false;
    }
    *value = parsed == 0.0 ? 0.0 : parsed;
    return true;
}

static bool read_bool(bool *value, const char **text, const struct reader *r,
                      const struct uda_yaml_node *node)
{
    const char *s = scalar_text(r, node);
    if (s == NULL) {
        return false;
    }
    if (node->quoted || (strcmp(s, "true") != 0 && strcmp(s, "false") != 0)) {
        const char *what = uda_arena_printf(r->draft->arena, "'%s' is not a yes or no here", s);
        complain(r, node, what != NULL ? what : "wrong", "write true or false");
        return false;
    }
    *value = s[0] == 't';
    *text = s;
    return true;
}

/* Index of a word among key->allowed, or -1 after a complaint with the nearest word. */
static int64_t find_word(const struct reader *r, const struct uda_yaml_node *node, const char *s)
{
    const char *candidate[WORDS_ROOM], *word;
    int64_t length, count = 0;
    for (; count < WORDS_ROOM && uda_key_word(&word, &length, r->key->allowed, count); count++) {
        if ((int64_t)strlen(s) == length && strncmp(s, word, (size_t)length) == 0) {
            return count;
        }
        candidate[count] = uda_arena_printf(r->draft->arena, "%.*s", (int)length, word);
        if (candidate[count] == NULL) {
            r->draft->failed = true;
            return -1;
        }
    }
    const char *near = uda_nearest(s, candidate, count);
    if (near != NULL) {
        uda_diag_add(r->draft->diag, node->place, "'%s': unknown '%s': did you mean '%s'?",
                     r->name, s, near);
    } else {
        uda_diag_add(r->draft->diag, node->place, "'%s': unknown '%s': %s", r->name, s,
                     type_text(r));
    }
    return -1;
}

static bool read_enum(int *value, const char **text, const struct reader *r,
                      const struct uda_yaml_node *node)
{
    const char *s = scalar_text(r, node);
    int64_t index = s == NULL ? -1 : find_word(r, node, s);
    if (index < 0) {
        return false;
    }
    *value = (int)index;
    *text = s;
    return true;
}

static bool read_text(const char **value, const char **text, const struct reader *r,
                      const struct uda_yaml_node *node)
{
    const char *s = node->kind == UDA_YAML_SCALAR && node->quoted ? node->text
                                                                  : scalar_text(r, node);
    if (s == NULL) {
        return false;
    }
    struct uda_str canonical;
    uda_str_init(&canonical, r->draft->arena);
    uda_value_text(&canonical, s);
    if (r->key->type == UDA_KEY_PATH) {
        const char *problem = NULL;
        const char *expanded = uda_value_expand(&problem, r->draft->arena, s);
        if (problem != NULL || s[0] == '\0') {
            complain(r, node, problem != NULL ? problem : "the path is empty", "");
            return false;
        }
        s = expanded;
    }
    *value = s;
    *text = canonical.text;
    return s != NULL && !canonical.failed;
}

/* The items of a list; a lone scalar counts as a list of one where `lone` allows it. */
static bool list_items(struct uda_yaml_node *const **items, int64_t *count,
                       const struct reader *r, struct uda_yaml_node **node, bool lone)
{
    const struct uda_key *key = r->key;
    if ((*node)->kind == UDA_YAML_SCALAR && lone && !uda_yaml_is_null(*node)) {
        *items = node;
        *count = 1;
    } else if ((*node)->kind == UDA_YAML_SEQUENCE) {
        *items = (*node)->item;
        *count = (*node)->count;
    } else {
        const char *what = uda_arena_printf(r->draft->arena, "needs %s%s", article(r->key), type_text(r));
        complain(r, *node, what != NULL ? what : "needs a list", "write [ ] around the values");
        return false;
    }
    if (*count < key->least || *count > key->most) {
        const char *what =
            key->least == key->most
                ? uda_arena_printf(r->draft->arena, "has %" PRId64 " values, needs %" PRId64,
                                   *count, key->least)
                : uda_arena_printf(r->draft->arena,
                                   "has %" PRId64 " values, needs %" PRId64 " to %" PRId64, *count,
                                   key->least, key->most);
        complain(r, *node, what != NULL ? what : "wrong length", "");
        return false;
    }
    return true;
}

static bool read_numbers(void *at, struct uda_str *text, const struct reader *r,
                         struct uda_yaml_node *const *items, int64_t count)
{
    bool whole = r->key->type == UDA_KEY_INTS, fixed = r->key->least == r->key->most, good = true;
    int64_t *ints = whole && fixed ? at : NULL;
    if (whole && !fixed) {
        ints = uda_arena_calloc(r->draft->arena, (size_t)(count + 1) * sizeof *ints);
        if (ints == NULL) {
            r->draft->failed = true;
            return false;
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const char *one = "";
        good = (whole ? read_int(&ints[i], &one, r, items[i])
                      : read_float(&((double *)at)[i], &one, r, items[i])) && good;
        uda_str_add(text, "%s%s", i == 0 ? "[" : ", ", one);
    }
    uda_str_add(text, count == 0 ? "[]" : "]");
    if (whole && !fixed && good) {
        *(struct uda_ints *)at = (struct uda_ints){.value = ints, .count = count};
    }
    return good;
}

/* Words out of `allowed`, each once; canonical in the order of the table. */
static bool read_set(bool *at, struct uda_str *text, const struct reader *r,
                     struct uda_yaml_node *const *items, int64_t count)
{
    bool has[WORDS_ROOM] = {false}, good = true;
    for (int64_t i = 0; i < count; i++) {
        const char *s = scalar_text(r, items[i]);
        int64_t index = s == NULL ? -1 : find_word(r, items[i], s);
        if (index >= 0 && has[index]) {
            uda_diag_add(r->draft->diag, items[i]->place, "'%s': '%s' stands here twice", r->name,
                         s);
        }
        good = good && index >= 0 && !has[index];
        if (index >= 0) {
            has[index] = true;
        }
    }
    const char *word;
    int64_t length, shown = 0;
    uda_str_add(text, "[");
    for (int64_t i = 0; good && uda_key_word(&word, &length, r->key->allowed, i); i++) {
        at[i] = has[i];
        if (has[i]) {
            uda_str_add(text, "%s%.*s", shown++ == 0 ? "" : ", ", (int)length, word);
        }
    }
    uda_str_add(text, "]");
    return good;
}

static bool read_refs(struct uda_names *at, struct uda_str *text, const struct reader *r,
                      struct uda_yaml_node *const *items, int64_t count)
{
    struct uda_names names = {.count = count};
    names.name = uda_arena_calloc(r->draft->arena, (size_t)count * sizeof *names.name);
    names.place = uda_arena_calloc(r->draft->arena, (size_t)count * sizeof *names.place);
    if (names.name == NULL || names.place == NULL) {
        r->draft->failed = true;
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        names.name[i] = scalar_text(r, items[i]);
        names.place[i] = items[i]->place;
        if (names.name[i] == NULL) {
            return false;
        }
        uda_str_add(text, "%s", i == 0 ? "[" : ", ");
        uda_value_text(text, names.name[i]);
    }
    uda_str_add(text, "]");
    *at = names;
    return true;
}

static bool read_list(const char **text, const struct reader *r, void *at,
                      struct uda_yaml_node *node)
{
    struct uda_yaml_node *const *items = NULL;
    int64_t count = 0;
    bool words = r->key->type == UDA_KEY_SET || r->key->type == UDA_KEY_REFS;
    if (!list_items(&items, &count, r, &node, words)) {
        return false;
    }
    struct uda_str canonical;
    uda_str_init(&canonical, r->draft->arena);
    bool good = r->key->type == UDA_KEY_SET    ? read_set(at, &canonical, r, items, count)
                : r->key->type == UDA_KEY_REFS ? read_refs(at, &canonical, r, items, count)
                                               : read_numbers(at, &canonical, r, items, count);
    *text = canonical.text;
    r->draft->failed = r->draft->failed || canonical.failed;
    return good;
}

/* The word for "no value": INT 0, INTS of a fixed length zeros, FLOAT NaN, PATH NULL, SET and REFS empty. */
static void store_absent(void *at, const struct uda_key *key)
{
    switch (key->type) {
    case UDA_KEY_INT: *(int64_t *)at = 0; break;
    case UDA_KEY_INTS: memset(at, 0, (size_t)key->most * sizeof(int64_t)); break;
    case UDA_KEY_FLOAT: *(double *)at = (double)NAN; break;
    case UDA_KEY_PATH: *(const char **)at = NULL; break;
    case UDA_KEY_SET: memset(at, 0, (size_t)key->most * sizeof(bool)); break;
    case UDA_KEY_REFS: *(struct uda_names *)at = (struct uda_names){.count = 0}; break;
    default: break;
    }
}

bool uda_value_read(const char **text, struct uda_draft *draft, void *record,
                    const struct uda_key *key, const char *name, const struct uda_yaml_node *node)
{
    struct reader r = {.draft = draft, .key = key, .name = name};
    void *at = (char *)record + key->offset;
    if (key->absent != NULL && node->kind == UDA_YAML_SCALAR && !node->quoted &&
        strcmp(node->text, key->absent) == 0) {
        store_absent(at, key);
        *text = key->absent;
        return true;
    }
    switch (key->type) {
    case UDA_KEY_INT: return read_int(at, text, &r, node);
    case UDA_KEY_FLOAT: return read_float(at, text, &r, node);
    case UDA_KEY_BOOL: return read_bool(at, text, &r, node);
    case UDA_KEY_TEXT:
    case UDA_KEY_PATH: return read_text(at, text, &r, node);
    case UDA_KEY_ENUM: return read_enum(at, text, &r, node);
    default: break;
    }
    struct uda_yaml_node copy = *node;
    return read_list(text, &r, at, &copy);
}
