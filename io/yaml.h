/*
 * YAML text -> a tree of nodes that know their place. No meaning yet: plain and quoted text are
 * told apart, types come from the reader's table of keys. The only user of libyaml.
 *
 * Invariants: a tree cannot run code (tags are refused), cannot grow beyond the limits below
 * (aliases count with everything they stand for), has no mapping with a key twice and no key that
 * is not text. ${...} is text everywhere, in flow style too: {root: ${DATA}/x} needs no quotes.
 *
 *     struct uda_yaml_node *root;
 *     UDA_TRY(uda_yaml_parse(&root, &arena, &source, &diag, err));
 *     const struct uda_yaml_node *seed = uda_yaml_get(root, "seed");
 */
#ifndef UDA_IO_YAML_H
#define UDA_IO_YAML_H

#include "io/diag.h"

#define UDA_YAML_MAX_BYTES ((size_t)1 << 20)
#define UDA_YAML_MAX_DEPTH 32
#define UDA_YAML_MAX_NODES 10000

enum uda_yaml_kind { UDA_YAML_SCALAR, UDA_YAML_SEQUENCE, UDA_YAML_MAPPING };

/* A node may be reached by several ways (aliases): never change one that came from parse. */
struct uda_yaml_node {
    enum uda_yaml_kind kind;
    struct uda_place place;
    const char *text; /* scalar: NUL-terminated UTF-8 */
    bool quoted;      /* scalar: quotes or a block, so it is text whatever it looks like */
    struct uda_yaml_node **key;  /* mapping: [count] scalars */
    struct uda_yaml_node **item; /* sequence, mapping: [count] */
    int64_t count;
    int64_t weight; /* nodes in this tree, itself included */
};

/*
 * Parses one document. Every problem goes to diag with its place; a duplicate key is reported and
 * the later one ignored, so that reading can go on. An empty file is an error.
 * Errors: UDA_FORMAT when there is no usable tree (diag says why); UDA_NOMEM.
 */
int uda_yaml_parse(struct uda_yaml_node **root, struct uda_arena *arena,
                   const struct uda_source *source, struct uda_diag *diag,
                   struct uda_err *err) UDA_MUST_USE;

/* Value of a key of a mapping, or NULL (also for a NULL or other node). */
struct uda_yaml_node *uda_yaml_get(const struct uda_yaml_node *mapping, const char *key);

/* A plain empty, "~" or "null" scalar: YAML's way of saying that there is no value. */
bool uda_yaml_is_null(const struct uda_yaml_node *node);

#endif
