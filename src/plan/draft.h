/*
 * A manifest while it is being read: the typed structs plus the names that are not yet indices, and
 * where they stood. The table's offsets of stage keys count from struct uda_stage_draft.
 * Private to src/plan.
 */
#ifndef UDA_PLAN_DRAFT_H
#define UDA_PLAN_DRAFT_H

#include "io/yaml.h"
#include "src/plan/manifest.h"

struct uda_names {
    const char **name; /* [count] */
    struct uda_place *place;
    int64_t count;
};

struct uda_stage_draft {
    struct uda_manifest_stage spec;
    bool bad;              /* its kind is unknown: nothing else can be said about it */
    struct uda_place place; /* of its name */
    struct uda_names data, labels, from, inputs; /* labels, from: at most one name */
    int for_each;                                /* 0 none, 1 category */
};

struct uda_draft {
    struct uda_arena *arena;
    struct uda_diag *diag;
    const struct uda_yaml_node *tree; /* merged */
    struct uda_manifest *manifest;
    struct uda_stage_draft *stage; /* [manifest->stage_count] */
    int64_t value_room;
    bool incomplete; /* a file in 'extends' could not be read: what is missing may stand there */
    bool failed;     /* out of memory */
};

#endif
