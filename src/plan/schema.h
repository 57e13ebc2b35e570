/*
 * The table of keys: every key of a manifest once, with its type, unit, range, default, the stage
 * kinds it matters to and one line of help. Parsing, checking, fingerprints, `check --keys`,
 * manifests/README.md and the JSON Schema are all read off it.
 *
 * Invariants: `*` in a path stands for a name that the manifest chooses. Recipe keys (optimizer.lr)
 * have one row and may stand at the top and inside a stage (stages.*.optimizer.lr). Rows with a
 * common beginning of the path are neighbours.
 *
 *     const struct uda_key *key = uda_schema_find("stages.*.optimizer.lr");
 */
#ifndef UDA_PLAN_SCHEMA_H
#define UDA_PLAN_SCHEMA_H

#include "src/base/str.h"

enum uda_key_type {
    UDA_KEY_INT,   /* int64_t */
    UDA_KEY_FLOAT, /* double */
    UDA_KEY_BOOL,  /* bool */
    UDA_KEY_TEXT,  /* const char * */
    UDA_KEY_PATH,  /* const char *, ${VAR} and ${VAR:-default} expanded */
    UDA_KEY_ENUM,  /* an enum whose values count from 0 in the order of `allowed` */
    UDA_KEY_SET,   /* list of words of `allowed`: bool [words]; one word may stand without brackets */
    UDA_KEY_INTS,  /* list: int64_t [most] when least == most, else struct uda_ints */
    UDA_KEY_FLOATS, /* list of a fixed length: double [most] */
    UDA_KEY_REFS   /* names of data sets or stages: struct uda_names; one may stand without brackets */
};

/* Which struct `offset` counts in. */
enum uda_key_record {
    UDA_IN_MANIFEST, /* struct uda_manifest */
    UDA_IN_DATASET,  /* struct uda_manifest_dataset */
    UDA_IN_CATEGORY, /* struct uda_manifest_category */
    UDA_IN_RECIPE,   /* struct uda_manifest_recipe */
    UDA_IN_STAGE     /* struct uda_stage_draft */
};

struct uda_key {
    const char *path;
    enum uda_key_type type;
    enum uda_key_record record;
    size_t offset;
    unsigned kinds;    /* bit k: matters to stages of enum uda_stage_kind k; stage keys: may stand there */
    unsigned required; /* stage keys: kinds that must have it */
    bool runtime;      /* changes no result: never in a fingerprint */
    bool younger;      /* than fingerprints: at its default, which is what was done before, it is in none */
    bool above;        /* low itself is not allowed */
    double low, high;  /* range of a number, or of each in a list */
    int64_t least, most; /* length of a list */
    const char *unit;    /* "px": may be written behind the number; NULL */
    const char *allowed; /* "a|b|c": ENUM, SET */
    const char *absent;  /* a word for "no value": INT, fixed INTS 0, FLOAT NaN, PATH NULL, SET, REFS empty */
    const char *def;     /* default as YAML; NULL: must be given; "@text": computed, text says from what */
    const char *help;    /* one line */
};

/* The rows, in the order in which a resolved manifest shows them. */
int64_t uda_schema_count(void);
const struct uda_key *uda_schema_row(int64_t i);

/* The row of a path with `*` for names, also for recipe keys inside a stage; NULL if there is
 * none. */
const struct uda_key *uda_schema_find(const char *path);

/* The next segments possible behind a path ("" = top) with `*` for names; how many, at most
 * room. */
int64_t uda_schema_children(char (*names)[32], int64_t room, const char *path);

/* Which section a misplaced last segment belongs under ("lr" -> "optimizer"), or NULL. Borrowed. */
const char *uda_schema_home(struct uda_arena *arena, const char *segment);

/* "whole number", "list of 2 whole numbers", "one of a, b", ... */
void uda_key_type_text(struct uda_str *out, const struct uda_key *key);
/* "1 .. 100", "> 0", "" when unbounded. */
void uda_key_range_text(struct uda_str *out, const struct uda_key *key);
/* Word i of "a|b|c": start and length; false past the end. */
bool uda_key_word(const char **word, int64_t *length, const char *words, int64_t i);

/* manifests/README.md, the JSON Schema (draft 2020-12), and the lines of `check --keys`. */
void uda_schema_readme(struct uda_str *out);
void uda_schema_json(struct uda_str *out);
void uda_schema_list(struct uda_str *out);

/* The sections of the table, for schema.c. */
struct uda_key_section {
    const struct uda_key *key;
    int64_t count;
};
extern const struct uda_key_section uda_keys_of_data;   /* top, datasets, categories */
extern const struct uda_key_section uda_keys_of_model;  /* model */
extern const struct uda_key_section uda_keys_of_recipe; /* optimizer ... test */
extern const struct uda_key_section uda_keys_of_stages; /* stages, parallel, checkpoint, runtime */

#endif
