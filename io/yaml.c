#include "io/yaml.h"

#include "io/yaml_text.h"

#include <string.h>
#include <yaml.h>

struct anchor {
    const char *name;
    struct uda_yaml_node *node;
    bool complete; /* false while the node is being read: an alias would contain itself */
    struct anchor *next;
};

struct builder {
    yaml_parser_t parser;
    yaml_event_t event; /* the one being looked at */
    bool has_event;
    struct uda_arena *arena;
    const struct uda_source *source;
    struct uda_diag *diag;
    struct uda_err *err;
    struct anchor *anchors;
    int64_t nodes; /* aliases count with everything they stand for */
};

static struct uda_place place_of(const struct builder *b, yaml_mark_t mark)
{
    return (struct uda_place){
        .source = b->source, .line = (int64_t)mark.line + 1, .column = (int64_t)mark.column + 1};
}

static int no_memory(struct builder *b)
{
    return uda_fail(b->err, UDA_NOMEM, "'%s': out of memory", b->source->name);
}

static int no_tree(struct builder *b)
{
    return uda_fail(b->err, UDA_FORMAT, "'%s' is not a manifest", b->source->name);
}

/* A place behind the last line (libyaml's end of the text) becomes the end of the last line. */
static struct uda_place inside(const struct uda_source *source, struct uda_place place)
{
    int64_t line = 1, column = 1;
    for (size_t i = 0; i < source->bytes; i++) {
        if (source->text[i] == '\n' && i + 1 < source->bytes) {
            line++;
            column = 1;
        } else {
            column += ((unsigned char)source->text[i] & 0xC0) != 0x80 ? 1 : 0;
        }
    }
    if (place.line > line) {
        place.line = line;
        place.column = column;
    }
    return place;
}

/* The character at a place of the original text, or 0. */
static char char_at(const struct uda_source *source, struct uda_place place)
{
    const char *at = source->text;
    for (int64_t line = 1; line < place.line; line++) {
        const char *newline = strchr(at, '\n');
        if (newline == NULL) {
            return 0;
        }
        at = newline + 1;
    }
    for (int64_t column = 1; column < place.column && *at != '\0'; at++) {
        column += ((unsigned char)at[1] & 0xC0) != 0x80 ? 1 : 0;
    }
    return *at;
}

/* libyaml's words, and what to do about the usual causes. */
static void report_syntax(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem != NULL ? p->problem : "unreadable";
    struct uda_place place = inside(b->source, place_of(b, p->problem_mark));
    const char *remedy = "";
    if (char_at(b->source, place) == '\t') {
        problem = "a tab cannot indent or separate";
        remedy = ": use spaces";
    } else if (strstr(problem, "cannot start any token") != NULL) {
        remedy = ": put the value in quotes";
    } else if (strstr(problem, "mapping values are not allowed") != NULL) {
        remedy = ": is a line indented too far, or a text with ': ' not in quotes?";
    } else if (strstr(problem, "expected ',' or") != NULL) {
        remedy = ": is a comma or a closing bracket missing?";
    } else if (strstr(problem, "expected <block end>") != NULL ||
               strstr(problem, "could not find expected ':'") != NULL) {
        remedy = ": are the lines of this block indented alike, each 'key: value'?";
    }
    if (p->context != NULL && p->context_mark.line != p->problem_mark.line) {
        uda_diag_add(b->diag, place, "not YAML: %s (%s that starts on line %zu)%s", problem,
                     p->context, p->context_mark.line + 1, remedy);
    } else {
        uda_diag_add(b->diag, place, "not YAML: %s%s", problem, remedy);
    }
}

/* Moves to the next event. */
static int advance(struct builder *b)
{
    if (b->has_event) {
        yaml_event_delete(&b->event);
        b->has_event = false;
    }
    if (!yaml_parser_parse(&b->parser, &b->event)) {
        if (b->parser.error == YAML_MEMORY_ERROR) {
            return no_memory(b);
        }
        report_syntax(b);
        return no_tree(b);
    }
    b->has_event = true;
    return 0;
}

static int count_nodes(struct builder *b, int64_t weight, struct uda_place place)
{
    b->nodes += weight;
    if (b->nodes > UDA_YAML_MAX_NODES) {
        uda_diag_add(b->diag, place,
                     "more than %d values here, aliases counted with all that they repeat",
                     UDA_YAML_MAX_NODES);
        return no_tree(b);
    }
    return 0;
}

static int new_node(struct uda_yaml_node **out, struct builder *b, enum uda_yaml_kind kind,
                    struct uda_place place)
{
    UDA_TRY(count_nodes(b, 1, place));
    struct uda_yaml_node *node = uda_arena_calloc(b->arena, sizeof *node);
    if (node == NULL) {
        return no_memory(b);
    }
    node->kind = kind;
    node->place = place;
    node->weight = 1;
    *out = node;
    return 0;
}

static int add_anchor(struct anchor **out, struct builder *b, const yaml_char_t *name)
{
    *out = NULL;
    if (name == NULL) {
        return 0;
    }
    struct anchor *anchor = uda_arena_calloc(b->arena, sizeof *anchor);
    char *copy = uda_arena_strdup(b->arena, (const char *)name);
    if (anchor == NULL || copy == NULL) {
        return no_memory(b);
    }
    anchor->name = copy;
    anchor->next = b->anchors;
    b->anchors = anchor;
    *out = anchor;
    return 0;
}

static int read_alias(struct uda_yaml_node **out, struct builder *b, struct uda_place place)
{
    const char *name = (const char *)b->event.data.alias.anchor;
    for (const struct anchor *a = b->anchors; a != NULL; a = a->next) {
        if (strcmp(a->name, name) == 0) {
            if (!a->complete) {
                uda_diag_add(b->diag, place, "alias '*%s' stands inside what it repeats", name);
                return no_tree(b);
            }
            UDA_TRY(count_nodes(b, a->node->weight, place));
            *out = a->node;
            return 0;
        }
    }
    uda_diag_add(b->diag, place, "alias '*%s' has no anchor '&%s' before it", name, name);
    return no_tree(b);
}

static int check_tag(struct builder *b, const yaml_char_t *tag, struct uda_place place)
{
    if (tag == NULL || strcmp((const char *)tag, "!") == 0) {
        return 0;
    }
    static const char core[] = "tag:yaml.org,2002:";
    const char *name = (const char *)tag;
    bool short_form = strncmp(name, core, sizeof core - 1) == 0;
    uda_diag_add(b->diag, place,
                 "tag '%s%s': tags are not used, and a tag cannot run code here: remove it",
                 short_form ? "!!" : "", short_form ? name + sizeof core - 1 : name);
    return no_tree(b);
}

/* Room for one more in both arrays of a collection; *room is doubled from 8. */
static int reserve(struct builder *b, struct uda_yaml_node *node, int64_t *room)
{
    if (node->count < *room) {
        return 0;
    }
    int64_t more = *room == 0 ? 8 : 2 * *room;
    size_t old_bytes = (size_t)*room * sizeof *node->item;
    size_t new_bytes = (size_t)more * sizeof *node->item;
    node->item = uda_arena_grow(b->arena, node->item, old_bytes, new_bytes);
    node->key = node->kind == UDA_YAML_MAPPING && node->item != NULL
                    ? uda_arena_grow(b->arena, node->key, old_bytes, new_bytes)
                    : NULL;
    if (node->item == NULL || (node->kind == UDA_YAML_MAPPING && node->key == NULL)) {
        node->count = 0;
        return no_memory(b);
    }
    *room = more;
    return 0;
}

static int read_node(struct uda_yaml_node **out, struct builder *b, int64_t depth);

static int read_sequence(struct uda_yaml_node *node, struct builder *b, int64_t depth)
{
    int64_t room = 0;
    UDA_TRY(advance(b));
    while (b->event.type != YAML_SEQUENCE_END_EVENT) {
        struct uda_yaml_node *item = NULL;
        UDA_TRY(read_node(&item, b, depth + 1));
        UDA_TRY(reserve(b, node, &room));
        node->item[node->count++] = item;
        node->weight += item->weight;
        UDA_TRY(advance(b));
    }
    return 0;
}

/* A key must be text, and new in this mapping; *keep is false for one that must be passed over. */
static int check_key(bool *keep, struct builder *b, const struct uda_yaml_node *node,
                     const struct uda_yaml_node *key)
{
    *keep = false;
    if (key->kind != UDA_YAML_SCALAR) {
        uda_diag_add(b->diag, key->place, "a key must be text, not a list or a mapping");
        return no_tree(b);
    }
    if (!key->quoted && strcmp(key->text, "<<") == 0) {
        uda_diag_add(b->diag, key->place,
                     "merge keys ('<<') are not supported: use 'extends', or repeat the lines");
        return 0;
    }
    for (int64_t i = 0; i < node->count; i++) {
        if (strcmp(node->key[i]->text, key->text) == 0) {
            uda_diag_add(b->diag, key->place, "duplicate key '%s': first at %s", key->text,
                         uda_place_text(b->arena, node->key[i]->place));
            return 0;
        }
    }
    *keep = true;
    return 0;
}

static int read_mapping(struct uda_yaml_node *node, struct builder *b, int64_t depth)
{
    int64_t room = 0;
    UDA_TRY(advance(b));
    while (b->event.type != YAML_MAPPING_END_EVENT) {
        struct uda_yaml_node *key = NULL, *item = NULL;
        bool keep;
        UDA_TRY(read_node(&key, b, depth + 1));
        UDA_TRY(check_key(&keep, b, node, key));
        UDA_TRY(advance(b));
        UDA_TRY(read_node(&item, b, depth + 1));
        UDA_TRY(advance(b));
        if (keep) {
            UDA_TRY(reserve(b, node, &room));
            node->key[node->count] = key;
            node->item[node->count++] = item;
            node->weight += key->weight + item->weight;
        }
    }
    return 0;
}

static int read_scalar(struct uda_yaml_node *node, struct builder *b)
{
    node->text = uda_yaml_restore(b->arena, (const char *)b->event.data.scalar.value,
                                  b->event.data.scalar.length);
    node->quoted = b->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (node->text == NULL) {
        return no_memory(b);
    }
    if (strlen(node->text) < b->event.data.scalar.length &&
        memchr(b->event.data.scalar.value, 0, b->event.data.scalar.length) != NULL) {
        uda_diag_add(b->diag, node->place, "a NUL character is not allowed in a text");
        return no_tree(b);
    }
    if (!uda_yaml_clean(node->text)) {
        uda_diag_add(b->diag, node->place,
                     "an escape in this text stands for a character that is not allowed");
        return no_tree(b);
    }
    return 0;
}

/* The node that starts at the current event; on return the current event is its last. */
static int read_node(struct uda_yaml_node **out, struct builder *b, int64_t depth)
{
    struct uda_place place = place_of(b, b->event.start_mark);
    struct uda_yaml_node *node = NULL;
    struct anchor *anchor = NULL;
    if (depth > UDA_YAML_MAX_DEPTH) {
        uda_diag_add(b->diag, place, "nested more than %d deep", UDA_YAML_MAX_DEPTH);
        return no_tree(b);
    }
    switch (b->event.type) {
    case YAML_ALIAS_EVENT:
        return read_alias(out, b, place);
    case YAML_SCALAR_EVENT:
        UDA_TRY(check_tag(b, b->event.data.scalar.tag, place));
        UDA_TRY(new_node(&node, b, UDA_YAML_SCALAR, place));
        UDA_TRY(add_anchor(&anchor, b, b->event.data.scalar.anchor));
        UDA_TRY(read_scalar(node, b));
        break;
    case YAML_SEQUENCE_START_EVENT:
        UDA_TRY(check_tag(b, b->event.data.sequence_start.tag, place));
        UDA_TRY(new_node(&node, b, UDA_YAML_SEQUENCE, place));
        UDA_TRY(add_anchor(&anchor, b, b->event.data.sequence_start.anchor));
        UDA_TRY(read_sequence(node, b, depth));
        break;
    case YAML_MAPPING_START_EVENT:
        UDA_TRY(check_tag(b, b->event.data.mapping_start.tag, place));
        UDA_TRY(new_node(&node, b, UDA_YAML_MAPPING, place));
        UDA_TRY(add_anchor(&anchor, b, b->event.data.mapping_start.anchor));
        UDA_TRY(read_mapping(node, b, depth));
        break;
    default:
        uda_diag_add(b->diag, place, "not YAML: unexpected structure");
        return no_tree(b);
    }
    if (anchor != NULL) {
        anchor->node = node;
        anchor->complete = true;
    }
    *out = node;
    return 0;
}

static int read_document(struct uda_yaml_node **out, struct builder *b)
{
    UDA_TRY(advance(b)); /* stream start */
    UDA_TRY(advance(b));
    struct uda_place start = {.source = b->source};
    if (b->event.type == YAML_STREAM_END_EVENT) {
        uda_diag_add(b->diag, start, "the file is empty: a manifest needs at least name, datasets "
                                     "and stages");
        return no_tree(b);
    }
    UDA_TRY(advance(b));
    UDA_TRY(read_node(out, b, 0));
    UDA_TRY(advance(b)); /* document end */
    UDA_TRY(advance(b));
    if (b->event.type != YAML_STREAM_END_EVENT) {
        uda_diag_add(b->diag, place_of(b, b->event.start_mark),
                     "a second document starts here: a manifest is one document");
        return no_tree(b);
    }
    return 0;
}

int uda_yaml_parse(struct uda_yaml_node **root, struct uda_arena *arena,
                   const struct uda_source *source, struct uda_diag *diag, struct uda_err *err)
{
    char *text = NULL;
    size_t bytes = 0;
    UDA_TRY(uda_yaml_prepare(&text, &bytes, arena, source, diag, err));
    struct builder b = {.arena = arena, .source = source, .diag = diag, .err = err};
    if (!yaml_parser_initialize(&b.parser)) {
        return no_memory(&b);
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, bytes);
    struct uda_yaml_node *node = NULL;
    int rc = read_document(&node, &b);
    if (b.has_event) {
        yaml_event_delete(&b.event);
    }
    yaml_parser_delete(&b.parser);
    if (rc == 0) {
        *root = node;
    }
    return rc;
}

struct uda_yaml_node *uda_yaml_get(const struct uda_yaml_node *mapping, const char *key)
{
    if (mapping == NULL || mapping->kind != UDA_YAML_MAPPING) {
        return NULL;
    }
    for (int64_t i = 0; i < mapping->count; i++) {
        if (strcmp(mapping->key[i]->text, key) == 0) {
            return mapping->item[i];
        }
    }
    return NULL;
}

bool uda_yaml_is_null(const struct uda_yaml_node *node)
{
    return node->kind == UDA_YAML_SCALAR && !node->quoted &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
            strcmp(node->text, "null") == 0);
}
