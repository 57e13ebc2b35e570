/* Do the keys of a manifest exist? */
#include "src/base/nearest.h"
#include "src/plan/manifest_parts.h"
#include "src/plan/schema.h"

#include <stdio.h>
#include <string.h>

#define CHILDREN_ROOM 64
#define PATH_ROOM 160
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static void report_unknown(struct uda_draft *draft, const struct uda_yaml_node *key,
                           const char *path, char (*names)[32], int64_t count)
{
    const char *candidate[CHILDREN_ROOM];
    for (int64_t i = 0; i < count; i++) {
        candidate[i] = names[i];
    }
    const char *near = uda_nearest(key->text, candidate, count);
    const char *home = uda_schema_home(draft->arena, key->text);
    const char *dot = path[0] == '\0' ? "" : ".";
    if (near != NULL) {
        uda_diag_add(draft->diag, key->place, "unknown key '%s%s%s': did you mean '%s'?", path,
                     dot, key->text, near);
    } else if (home != NULL) {
        uda_diag_add(draft->diag, key->place, "unknown key '%s%s%s': '%s' belongs under '%s'",
                     path, dot, key->text, key->text, home);
    } else {
        uda_diag_add(draft->diag, key->place, "unknown key '%s%s%s': 'uda4inst check --keys' lists all",
                     path, dot, key->text);
    }
}

/* A name becomes part of file names and of dotted paths. */
static bool good_name(struct uda_draft *draft, const struct uda_yaml_node *key)
{
    size_t length = strlen(key->text);
    if (length == 0 || length > 48 || strspn(key->text, NAME_LETTERS) != length) {
        uda_diag_add(draft->diag, key->place,
                     "'%s' is not a name: up to 48 letters, digits, '_' and '-'", key->text);
        return false;
    }
    if (strcmp(key->text, "none") == 0) {
        uda_diag_add(draft->diag, key->place, "'none' is not a name: it stands for nothing");
        return false;
    }
    return true;
}

static bool is_child(char (*names)[32], int64_t count, const char *name)
{
    for (int64_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Walks a mapping; pattern has '*' for names, path is as written. Returns whether the shape
 * holds. */
static bool walk(struct uda_draft *draft, const struct uda_yaml_node *node, const char *pattern,
                 const char *path, int64_t depth)
{
    char names[CHILDREN_ROOM][32];
    int64_t count = uda_schema_children(names, CHILDREN_ROOM, pattern);
    if (count == 0) {
        return true; /* a value */
    }
    if (node->kind != UDA_YAML_MAPPING) {
        uda_diag_add(draft->diag, node->place, "'%s' needs a mapping of 'key: value' lines", path);
        return false;
    }
    bool named = is_child(names, count, "*"), good = true;
    for (int64_t i = 0; i < node->count; i++) {
        const struct uda_yaml_node *key = node->key[i];
        char next[PATH_ROOM], written[PATH_ROOM];
        const char *dot = pattern[0] == '\0' ? "" : ".";
        if (depth == 0 && strcmp(key->text, "extends") == 0) {
            continue;
        }
        if (named ? !good_name(draft, key) : !is_child(names, count, key->text)) {
            if (!named) {
                report_unknown(draft, key, path, names, count);
            }
            good = good && !named;
            continue;
        }
        (void)snprintf(next, sizeof next, "%s%s%s", pattern, dot, named ? "*" : key->text);
        (void)snprintf(written, sizeof written, "%s%s%s", path, dot, key->text);
        good = walk(draft, node->item[i], next, written, depth + 1) && good;
    }
    return good;
}

static bool has_entries(struct uda_draft *draft, const char *section, const char *example)
{
    const struct uda_yaml_node *node = uda_yaml_get(draft->tree, section);
    bool filled = node != NULL && (node->kind != UDA_YAML_MAPPING || node->count > 0);
    if (filled || (node == NULL && draft->incomplete)) {
        return true;
    }
    struct uda_place place = {.source = draft->tree->place.source};
    uda_diag_add(draft->diag, node != NULL ? node->place : place,
                 "'%s' is %s: write at least one, as in '%s'", section,
                 node != NULL ? "empty" : "missing", example);
    return true;
}

static bool few_enough(struct uda_draft *draft, const char *section, int64_t most)
{
    const struct uda_yaml_node *node = uda_yaml_get(draft->tree, section);
    if (node == NULL || node->count <= most) {
        return true;
    }
    uda_diag_add(draft->diag, node->place, "'%s' has %lld entries, at most %lld are possible",
                 section, (long long)node->count, (long long)most);
    return false;
}

bool uda_manifest_check_keys(struct uda_draft *draft)
{
    bool good = walk(draft, draft->tree, "", "", 0);
    good = has_entries(draft, "datasets", "train: {format: urbansyn, root: ${URBANSYN}}") && good;
    good = has_entries(draft, "stages", "train: {kind: train, data: train, iterations: 1000}") && good;
    good = few_enough(draft, "datasets", 64) && good;
    good = few_enough(draft, "categories", 8) && good;
    return few_enough(draft, "stages", 64) && good;
}
