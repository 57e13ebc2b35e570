#include "src/plan/sources.h"

#include "io/fs.h"

#include <string.h>

#define MAX_CHAIN 16

/* The files being read, from the manifest down: for circles. */
struct chain {
    const struct chain *above;
    const char *path; /* as written, for messages */
    const char *flat; /* without "." and "x/..", for comparison */
    int64_t depth;
};

static int no_memory(struct uda_err *err, const char *name)
{
    return uda_fail(err, UDA_NOMEM, "'%s': out of memory", name);
}

/* path without "./" and "x/../"; NULL when out of memory. */
static char *flatten(struct uda_arena *arena, const char *path)
{
    char *out = uda_arena_alloc(arena, strlen(path) + 1);
    if (out == NULL) {
        return NULL;
    }
    size_t used = 0;
    for (const char *at = path; *at != '\0';) {
        size_t length = strcspn(at, "/");
        size_t step = length + (at[length] == '/' ? 1 : 0);
        size_t last = used;
        while (last > 1 && out[last - 2] != '/') {
            last--;
        }
        last = last > 0 ? last - 1 : 0;
        bool can_leave = used > 1 && !(used - last == 3 && strncmp(out + last, "../", 3) == 0);
        bool stays = length == 1 && at[0] == '.';
        if (length == 2 && strncmp(at, "..", 2) == 0 && can_leave) {
            used = last;
        } else if (!stays && (length > 0 || used == 0)) {
            memcpy(out + used, at, step);
            used += step;
        }
        at += step;
    }
    out[used] = '\0';
    return out;
}

static struct uda_yaml_node *new_mapping(struct uda_arena *arena, struct uda_place place,
                                         int64_t room)
{
    struct uda_yaml_node *node = uda_arena_calloc(arena, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    node->kind = UDA_YAML_MAPPING;
    node->place = place;
    node->key = uda_arena_calloc(arena, (size_t)(room + 1) * sizeof *node->key);
    node->item = uda_arena_calloc(arena, (size_t)(room + 1) * sizeof *node->item);
    return node->key == NULL || node->item == NULL ? NULL : node;
}

/* A tree with everything of a, overlaid by everything of b; the two stay as they are. NULL: no
 * memory. */
static struct uda_yaml_node *merge(struct uda_arena *arena, struct uda_yaml_node *a,
                                   struct uda_yaml_node *b)
{
    if (a == NULL || b == NULL || a->kind != UDA_YAML_MAPPING || b->kind != UDA_YAML_MAPPING) {
        return b != NULL ? b : a;
    }
    struct uda_yaml_node *both = new_mapping(arena, b->place, a->count + b->count);
    if (both == NULL) {
        return NULL;
    }
    for (int64_t i = 0; i < a->count; i++) {
        struct uda_yaml_node *over = uda_yaml_get(b, a->key[i]->text);
        both->key[i] = a->key[i];
        both->item[i] = over == NULL ? a->item[i] : merge(arena, a->item[i], over);
        if (both->item[i] == NULL) {
            return NULL;
        }
        if (over != NULL) {
            for (int64_t j = 0; j < b->count; j++) {
                both->key[i] = b->item[j] == over ? b->key[j] : both->key[i];
            }
        }
    }
    both->count = a->count;
    for (int64_t i = 0; i < b->count; i++) {
        if (uda_yaml_get(a, b->key[i]->text) == NULL) {
            both->key[both->count] = b->key[i];
            both->item[both->count++] = b->item[i];
        }
    }
    return both;
}

static int read_text(struct uda_yaml_node **root, struct uda_sources *s, const struct chain *chain,
                     const char *text, size_t bytes, struct uda_err *err);

/* Reads the file that `node` names, relative to the folder of the file it stands in. */
static int read_extended(struct uda_yaml_node **root, struct uda_sources *s,
                         const struct chain *above, const struct uda_yaml_node *node,
                         struct uda_err *err)
{
    *root = NULL;
    if (node->kind != UDA_YAML_SCALAR || node->text[0] == '\0') {
        uda_diag_add(s->diag, node->place, "'extends' needs a file name or a list of file names");
        return 0;
    }
    char *folder = uda_fs_parent(s->arena, above->path);
    bool here = folder != NULL && strcmp(folder, ".") == 0;
    char *path = folder == NULL ? NULL : uda_fs_join(s->arena, here ? "" : folder, node->text);
    char *flat = path == NULL ? NULL : flatten(s->arena, path);
    if (flat == NULL) {
        return no_memory(err, node->text);
    }
    struct chain chain = {.above = above, .path = flat, .flat = flat, .depth = above->depth + 1};
    const char *circle = flat;
    for (const struct chain *c = above; c != NULL; c = c->above) {
        circle = uda_arena_printf(s->arena, "%s -> %s", c->path, circle);
        if (circle == NULL) {
            return no_memory(err, flat);
        }
        if (strcmp(c->flat, flat) == 0) {
            uda_diag_add(s->diag, node->place, "'extends' goes in a circle: %s", circle);
            return 0;
        }
    }
    if (chain.depth > MAX_CHAIN) {
        uda_diag_add(s->diag, node->place, "'extends' is more than %d files deep", MAX_CHAIN);
        return 0;
    }
    unsigned char *text = NULL;
    size_t bytes = 0;
    struct uda_err local = {0};
    int rc = uda_fs_read(&text, &bytes, s->arena, flat, UDA_YAML_MAX_BYTES, &local);
    if (rc == UDA_NOMEM) {
        return no_memory(err, flat);
    }
    if (rc != 0) {
        uda_diag_add(s->diag, node->place, "%s (paths in 'extends' are relative to the file)",
                     local.text);
        return 0;
    }
    return read_text(root, s, &chain, (const char *)text, bytes, err);
}

/* Overlays what `extends` names, in order, by the tree that names it. */
static int apply_extends(struct uda_yaml_node **root, struct uda_sources *s,
                         const struct chain *chain, struct uda_err *err)
{
    struct uda_yaml_node *own = *root, *extends = uda_yaml_get(own, "extends");
    if (extends == NULL) {
        return 0;
    }
    struct uda_yaml_node *base = NULL;
    bool list = extends->kind == UDA_YAML_SEQUENCE;
    int64_t count = list ? extends->count : 1;
    for (int64_t i = 0; i < count; i++) {
        struct uda_yaml_node *one = NULL;
        UDA_TRY(read_extended(&one, s, chain, list ? extends->item[i] : extends, err));
        s->incomplete = s->incomplete || one == NULL;
        if (one != NULL) {
            base = merge(s->arena, base, one);
            if (base == NULL) {
                return no_memory(err, chain->path);
            }
        }
    }
    *root = merge(s->arena, base, own);
    return *root == NULL ? no_memory(err, chain->path) : 0;
}

static int read_text(struct uda_yaml_node **root, struct uda_sources *s, const struct chain *chain,
                     const char *text, size_t bytes, struct uda_err *err)
{
    struct uda_source *source = uda_arena_calloc(s->arena, sizeof *source);
    if (source == NULL) {
        return no_memory(err, chain->path);
    }
    *source = (struct uda_source){
        .name = chain->path, .text = text, .bytes = bytes, .order = s->count++};
    struct uda_err local = {0};
    *root = NULL;
    int rc = uda_yaml_parse(root, s->arena, source, s->diag, &local);
    if (rc == UDA_NOMEM) {
        return no_memory(err, chain->path);
    }
    if (rc != 0) {
        return 0;
    }
    if ((*root)->kind != UDA_YAML_MAPPING) {
        uda_diag_add(s->diag, (*root)->place, "a manifest is a mapping of 'key: value' lines");
        *root = NULL;
        return 0;
    }
    return apply_extends(root, s, chain, err);
}

/* One "a.b=value" as a tree. */
static int read_set(struct uda_yaml_node **root, struct uda_sources *s, const char *set,
                    struct uda_err *err)
{
    struct uda_source *source = uda_arena_calloc(s->arena, sizeof *source);
    if (source == NULL) {
        return no_memory(err, "--set");
    }
    *source = (struct uda_source){
        .name = "--set", .text = set, .bytes = strlen(set), .order = s->count++};
    struct uda_place place = {.source = source, .line = 1, .column = 1};
    const char *equals = strchr(set, '=');
    *root = NULL;
    if (equals == NULL || equals == set || equals[1] == '\0') {
        uda_diag_add(s->diag, place, "'%s' is not of the form key=value, as in optimizer.lr=1e-3",
                     set);
        return 0;
    }
    source->skip = (size_t)(equals - set) + 1;
    struct uda_err local = {0};
    struct uda_yaml_node *node = NULL;
    int rc = uda_yaml_parse(&node, s->arena, source, s->diag, &local);
    if (rc != 0) {
        return rc == UDA_NOMEM ? no_memory(err, "--set") : 0;
    }
    for (const char *end = equals; end > set;) {
        const char *start = end;
        while (start > set && start[-1] != '.') {
            start--;
        }
        struct uda_yaml_node *key = uda_arena_calloc(s->arena, sizeof *key);
        place.column = (int64_t)(start - set) + 1;
        struct uda_yaml_node *mapping = new_mapping(s->arena, place, 1);
        if (key == NULL || mapping == NULL) {
            return no_memory(err, "--set");
        }
        *key = (struct uda_yaml_node){.kind = UDA_YAML_SCALAR, .place = place, .weight = 1};
        key->text = uda_arena_printf(s->arena, "%.*s", (int)(end - start), start);
        if (key->text == NULL) {
            return no_memory(err, "--set");
        }
        mapping->key[0] = key;
        mapping->item[0] = node;
        mapping->count = 1;
        node = mapping;
        end = start > set ? start - 1 : set;
    }
    *root = node;
    return 0;
}

int uda_sources_merge(struct uda_yaml_node **root, struct uda_sources *sources, const char *name,
                      const char *text, size_t bytes, const char *const *sets, int64_t set_count,
                      struct uda_err *err)
{
    char *flat = flatten(sources->arena, name);
    if (flat == NULL) {
        return no_memory(err, name);
    }
    struct chain chain = {.path = name, .flat = flat};
    struct uda_yaml_node *tree = NULL;
    UDA_TRY(read_text(&tree, sources, &chain, text, bytes, err));
    for (int64_t i = 0; i < set_count; i++) {
        struct uda_yaml_node *one = NULL;
        UDA_TRY(read_set(&one, sources, sets[i], err));
        if (one != NULL && tree != NULL) {
            tree = merge(sources->arena, tree, one);
            if (tree == NULL) {
                return no_memory(err, name);
            }
        }
    }
    *root = tree;
    return 0;
}
