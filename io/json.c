#include "io/json.h"

#include "io/fs.h"

#include <jansson.h>
#include <math.h>

/* struct uda_json is jansson's json_t under our name; the casts are here alone. jansson's readers
 * take non-const pointers for historical reasons and do not write. */
static const json_t *inner(const struct uda_json *node) { return (const json_t *)(const void *)node; }

int uda_json_parse(struct uda_json **root, const char *text, size_t bytes, const char *name,
                   struct uda_err *err)
{
    json_error_t why;
    json_t *tree = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (tree == NULL) {
        return uda_fail(err, UDA_FORMAT, "%s:%d:%d: not valid JSON: %s", name, why.line, why.column,
                        why.text);
    }
    *root = (struct uda_json *)(void *)tree;
    return 0;
}

int uda_json_read(struct uda_json **root, const char *path, struct uda_err *err)
{
    struct uda_arena arena = {0};
    unsigned char *data = NULL;
    size_t bytes = 0;
    int rc = uda_fs_read(&data, &bytes, &arena, path, (size_t)2 << 30, err);
    if (rc == 0) {
        rc = uda_json_parse(root, (const char *)data, bytes, path, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

void uda_json_destroy(struct uda_json **root)
{
    if (*root != NULL) {
        json_decref((json_t *)(void *)*root);
        *root = NULL;
    }
}

enum uda_json_kind uda_json_kind(const struct uda_json *node)
{
    if (node == NULL) {
        return UDA_JSON_ABSENT;
    }
    switch (json_typeof(inner(node))) {
    case JSON_NULL: return UDA_JSON_NULL;
    case JSON_TRUE:
    case JSON_FALSE: return UDA_JSON_BOOL;
    case JSON_INTEGER:
    case JSON_REAL: return UDA_JSON_NUMBER;
    case JSON_STRING: return UDA_JSON_STRING;
    case JSON_ARRAY: return UDA_JSON_ARRAY;
    case JSON_OBJECT: return UDA_JSON_OBJECT;
    }
    return UDA_JSON_ABSENT;
}

int64_t uda_json_count(const struct uda_json *node)
{
    enum uda_json_kind kind = uda_json_kind(node);
    if (kind == UDA_JSON_ARRAY) {
        return (int64_t)json_array_size(inner(node));
    }
    return kind == UDA_JSON_OBJECT ? (int64_t)json_object_size(inner(node)) : 0;
}

const struct uda_json *uda_json_get(const struct uda_json *object, const char *key)
{
    if (uda_json_kind(object) != UDA_JSON_OBJECT) {
        return NULL;
    }
    return (const struct uda_json *)(const void *)json_object_get(inner(object), key);
}

const struct uda_json *uda_json_at(const struct uda_json *array, int64_t i)
{
    if (uda_json_kind(array) != UDA_JSON_ARRAY || i < 0) {
        return NULL;
    }
    return (const struct uda_json *)(const void *)json_array_get(inner(array), (size_t)i);
}

void *uda_json_next(const struct uda_json *object, void *iter, const char **key,
                    const struct uda_json **value)
{
    if (uda_json_kind(object) != UDA_JSON_OBJECT) {
        return NULL;
    }
    union {
        const struct uda_json *from;
        json_t *to;
    } tree = {.from = object};
    void *next = iter == NULL ? json_object_iter(tree.to) : json_object_iter_next(tree.to, iter);
    if (next != NULL) {
        *key = json_object_iter_key(next);
        *value = (const struct uda_json *)(const void *)json_object_iter_value(next);
    }
    return next;
}

double uda_json_number(const struct uda_json *node)
{
    return uda_json_kind(node) == UDA_JSON_NUMBER ? json_number_value(inner(node)) : (double)NAN;
}

int64_t uda_json_integer(const struct uda_json *node, int64_t otherwise)
{
    if (node == NULL || !json_is_integer(inner(node))) {
        return otherwise;
    }
    return (int64_t)json_integer_value(inner(node));
}

const char *uda_json_text(const struct uda_json *node)
{
    return uda_json_kind(node) == UDA_JSON_STRING ? json_string_value(inner(node)) : NULL;
}

bool uda_json_bool(const struct uda_json *node, bool otherwise)
{
    return uda_json_kind(node) == UDA_JSON_BOOL ? json_is_true(inner(node)) : otherwise;
}
