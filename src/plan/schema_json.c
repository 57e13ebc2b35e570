/* manifests/schema.json: the table of keys as JSON Schema, draft 2020-12. */
#include "src/plan/schema.h"

#include <stdio.h>
#include <string.h>

#define CHILDREN_ROOM 64
#define PATH_ROOM 160

static void put_enum(struct uda_str *out, const struct uda_key *key)
{
    const char *word;
    int64_t length;
    uda_str_add(out, "{\"enum\": [");
    for (int64_t i = 0; uda_key_word(&word, &length, key->allowed, i); i++) {
        uda_str_add(out, "%s\"%.*s\"", i == 0 ? "" : ", ", (int)length, word);
    }
    uda_str_add(out, "]}");
}

static void put_number(struct uda_str *out, const struct uda_key *key)
{
    bool whole = key->type == UDA_KEY_INT || key->type == UDA_KEY_INTS;
    uda_str_add(out, "{\"type\": \"%s\", \"%s\": %.17g, \"maximum\": %.17g}",
                whole ? "integer" : "number", key->above ? "exclusiveMinimum" : "minimum", key->low,
                key->high);
}

static void put_item(struct uda_str *out, const struct uda_key *key)
{
    switch (key->type) {
    case UDA_KEY_INT:
    case UDA_KEY_FLOAT:
    case UDA_KEY_INTS:
    case UDA_KEY_FLOATS: put_number(out, key); break;
    case UDA_KEY_BOOL: uda_str_add(out, "{\"type\": \"boolean\"}"); break;
    case UDA_KEY_ENUM:
    case UDA_KEY_SET: put_enum(out, key); break;
    case UDA_KEY_TEXT:
    case UDA_KEY_PATH:
    case UDA_KEY_REFS: uda_str_add(out, "{\"type\": \"string\"}"); break;
    }
}

/* The alternatives of one key: the value, a lone item of a list, a number with its unit, "none". */
static void put_value(struct uda_str *out, const struct uda_key *key)
{
    bool words = key->type == UDA_KEY_SET || key->type == UDA_KEY_REFS;
    bool list = words || key->type == UDA_KEY_INTS || key->type == UDA_KEY_FLOATS;
    bool unit = key->unit != NULL && (key->type == UDA_KEY_INT || key->type == UDA_KEY_FLOAT);
    uda_str_add(out, "\"anyOf\": [");
    if (list) {
        uda_str_add(out, "{\"type\": \"array\", \"minItems\": %lld, \"maxItems\": %lld, \"items\": ",
                    (long long)key->least, (long long)key->most);
        put_item(out, key);
        uda_str_add(out, "}");
    }
    if (!list || words) {
        uda_str_add(out, list ? ", " : "");
        put_item(out, key);
    }
    if (unit) {
        uda_str_add(out, ", {\"type\": \"string\", \"pattern\": \"^[-+0-9.eE]+ *%s$\"}", key->unit);
    }
    if (key->absent != NULL) {
        uda_str_add(out, ", {\"const\": \"%s\"}", key->absent);
    }
    uda_str_add(out, "]");
}

static void put_leaf(struct uda_str *out, const struct uda_key *key)
{
    uda_str_add(out, "{\"description\": ");
    uda_str_json(out, key->help);
    uda_str_add(out, ", ");
    if (key->def != NULL && key->def[0] != '@') {
        bool bare = key->type == UDA_KEY_BOOL ||
                    ((key->type == UDA_KEY_INT || key->type == UDA_KEY_FLOAT ||
                      key->type == UDA_KEY_INTS || key->type == UDA_KEY_FLOATS) &&
                     (key->absent == NULL || strcmp(key->def, key->absent) != 0));
        uda_str_add(out, "\"default\": ");
        if (bare) {
            uda_str_add(out, "%s", key->def);
        } else {
            uda_str_json(out, key->def);
        }
        uda_str_add(out, ", ");
    }
    put_value(out, key);
    uda_str_add(out, "}");
}

static void put_object(struct uda_str *out, const char *path, int depth);

static void put_child(struct uda_str *out, const char *path, const char *name, int depth)
{
    char next[PATH_ROOM];
    (void)snprintf(next, sizeof next, "%s%s%s", path, path[0] == '\0' ? "" : ".", name);
    const struct uda_key *key = uda_schema_find(next);
    if (key != NULL) {
        put_leaf(out, key);
    } else {
        put_object(out, next, depth + 1);
    }
}

static void put_object(struct uda_str *out, const char *path, int depth)
{
    char names[CHILDREN_ROOM][32];
    int64_t count = uda_schema_children(names, CHILDREN_ROOM, path);
    int pad = 2 * depth + 2;
    uda_str_add(out, "{\"type\": \"object\", ");
    if (count == 1 && strcmp(names[0], "*") == 0) {
        uda_str_add(out, "\"propertyNames\": {\"pattern\": \"^[A-Za-z0-9_-]{1,48}$\"},\n%*s"
                         "\"additionalProperties\": ", pad, "");
        put_child(out, path, "*", depth);
        uda_str_add(out, "}");
        return;
    }
    uda_str_add(out, "\"additionalProperties\": false, \"properties\": {\n");
    if (depth == 0) {
        uda_str_add(out, "%*s\"extends\": {\"description\": \"files to build on, relative to this one\", "
                         "\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"items\": "
                         "{\"type\": \"string\"}}]},\n", pad, "");
    }
    for (int64_t i = 0; i < count; i++) {
        uda_str_add(out, "%*s\"%s\": ", pad, "", names[i]);
        put_child(out, path, names[i], depth);
        uda_str_add(out, i + 1 < count ? ",\n" : "}}");
    }
}

void uda_schema_json(struct uda_str *out)
{
    struct uda_str body;
    uda_str_init(&body, out->arena);
    put_object(&body, "", 0);
    uda_str_add(out, "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", "
                     "\"title\": \"uda4inst manifest\",\n");
    uda_str_add(out, "%s\n", body.text + 1);
    out->failed = out->failed || body.failed;
}
