#include "src/plan/schema.h"

#include "src/plan/keys.h"

#include <string.h>

/* In the order of a resolved manifest. */
static const struct uda_key_section *const sections[] = {
    &uda_keys_of_data, &uda_keys_of_model, &uda_keys_of_recipe, &uda_keys_of_stages};

#define STAGE_PREFIX "stages.*."

int64_t uda_schema_count(void)
{
    int64_t count = 0;
    for (int64_t s = 0; s < UDA_LEN(sections); s++) {
        count += sections[s]->count;
    }
    return count;
}

const struct uda_key *uda_schema_row(int64_t i)
{
    for (int64_t s = 0; i >= 0 && s < UDA_LEN(sections); s++) {
        if (i < sections[s]->count) {
            return &sections[s]->key[i];
        }
        i -= sections[s]->count;
    }
    return NULL;
}

/* The part of a path that a recipe row answers to, or NULL when the path is not inside a stage. */
static const char *inside_stage(const char *path)
{
    size_t length = sizeof STAGE_PREFIX - 1;
    return strncmp(path, STAGE_PREFIX, length) == 0 ? path + length : NULL;
}

const struct uda_key *uda_schema_find(const char *path)
{
    const char *inside = inside_stage(path);
    for (int64_t i = 0; i < uda_schema_count(); i++) {
        const struct uda_key *key = uda_schema_row(i);
        if (strcmp(key->path, path) == 0 ||
            (inside != NULL && key->record == UDA_IN_RECIPE && strcmp(key->path, inside) == 0)) {
            return key;
        }
    }
    return NULL;
}

/* The segment of `path` behind `beginning` and a dot; its length, 0 if path does not continue
 * it. */
static size_t next_segment(const char **segment, const char *path, const char *beginning)
{
    size_t length = strlen(beginning);
    if (length > 0) {
        if (strncmp(path, beginning, length) != 0 || path[length] != '.') {
            return 0;
        }
        path += length + 1;
    }
    *segment = path;
    return strcspn(path, ".");
}

static int64_t add_name(char (*names)[32], int64_t count, int64_t room, const char *segment,
                        size_t length)
{
    if (length == 0 || length >= sizeof names[0] || count >= room) {
        return count;
    }
    for (int64_t i = 0; i < count; i++) {
        if (strlen(names[i]) == length && strncmp(names[i], segment, length) == 0) {
            return count;
        }
    }
    memcpy(names[count], segment, length);
    names[count][length] = '\0';
    return count + 1;
}

int64_t uda_schema_children(char (*names)[32], int64_t room, const char *path)
{
    int64_t count = 0;
    bool in_stage = strcmp(path, "stages.*") == 0;
    const char *inside = in_stage ? "" : inside_stage(path);
    for (int64_t i = 0; i < uda_schema_count(); i++) {
        const struct uda_key *key = uda_schema_row(i);
        const char *segment = NULL;
        size_t length = next_segment(&segment, key->path, path);
        if (length == 0 && inside != NULL && key->record == UDA_IN_RECIPE) {
            length = next_segment(&segment, key->path, inside);
        }
        count = add_name(names, count, room, segment, length);
    }
    return count;
}

const char *uda_schema_home(struct uda_arena *arena, const char *segment)
{
    for (int64_t i = 0; i < uda_schema_count(); i++) {
        const char *path = uda_schema_row(i)->path;
        const char *last = strrchr(path, '.');
        if (last != NULL && strcmp(last + 1, segment) == 0) {
            return uda_arena_printf(arena, "%.*s", (int)(last - path), path);
        }
    }
    return NULL;
}

bool uda_key_word(const char **word, int64_t *length, const char *words, int64_t i)
{
    for (; i > 0 && words != NULL; i--) {
        words = strchr(words, '|');
        words = words == NULL ? NULL : words + 1;
    }
    if (words == NULL) {
        return false;
    }
    *word = words;
    *length = (int64_t)strcspn(words, "|");
    return true;
}

/* "a, b, c" */
static void put_words(struct uda_str *out, const char *words)
{
    const char *word;
    int64_t length;
    for (int64_t i = 0; uda_key_word(&word, &length, words, i); i++) {
        uda_str_add(out, "%s%.*s", i == 0 ? "" : ", ", (int)length, word);
    }
}

static void put_list(struct uda_str *out, const struct uda_key *key, const char *what)
{
    if (key->least == key->most) {
        uda_str_add(out, "list of %lld %s", (long long)key->least, what);
    } else {
        uda_str_add(out, "list of %s", what);
    }
}

void uda_key_type_text(struct uda_str *out, const struct uda_key *key)
{
    switch (key->type) {
    case UDA_KEY_INT: uda_str_add(out, "whole number"); break;
    case UDA_KEY_FLOAT: uda_str_add(out, "number"); break;
    case UDA_KEY_BOOL: uda_str_add(out, "true or false"); break;
    case UDA_KEY_TEXT: uda_str_add(out, "text"); break;
    case UDA_KEY_PATH: uda_str_add(out, "path"); break;
    case UDA_KEY_ENUM: uda_str_add(out, "one of "); put_words(out, key->allowed); break;
    case UDA_KEY_SET: uda_str_add(out, "list out of "); put_words(out, key->allowed); break;
    case UDA_KEY_INTS: put_list(out, key, "whole numbers"); break;
    case UDA_KEY_FLOATS: put_list(out, key, "numbers"); break;
    case UDA_KEY_REFS: uda_str_add(out, key->most == 1 ? "name" : "name or list of names"); break;
    }
    if (key->unit != NULL) {
        uda_str_add(out, " (%s)", key->unit);
    }
    if (key->absent != NULL) {
        uda_str_add(out, ", or %s", key->absent);
    }
}

void uda_key_range_text(struct uda_str *out, const struct uda_key *key)
{
    bool number = key->type == UDA_KEY_INT || key->type == UDA_KEY_FLOAT ||
                  key->type == UDA_KEY_INTS || key->type == UDA_KEY_FLOATS;
    if (!number) {
        return;
    }
    if (key->above) {
        uda_str_add(out, "above %.10g, at most %.10g", key->low, key->high);
    } else if (key->high >= 1e9) {
        uda_str_add(out, "at least %.10g", key->low);
    } else {
        uda_str_add(out, "%.10g to %.10g", key->low, key->high);
    }
}
