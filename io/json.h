/*
 * JSON trees, read only: annotations, evaluator cases, safetensors headers.
 *
 * Invariants: nodes are borrowed from their root. Every accessor takes NULL and answers as for an
 * absent node, so that a path can be walked without checks and judged once.
 *
 *     struct uda_json *root = NULL;
 *     UDA_TRY(uda_json_read(&root, path, err));
 *     double ap = uda_json_number(uda_json_get(root, "AP"));
 *     uda_json_destroy(&root);
 */
#ifndef UDA_IO_JSON_H
#define UDA_IO_JSON_H

#include "src/base/err.h"

struct uda_json;

enum uda_json_kind {
    UDA_JSON_ABSENT,
    UDA_JSON_NULL,
    UDA_JSON_BOOL,
    UDA_JSON_NUMBER,
    UDA_JSON_STRING,
    UDA_JSON_ARRAY,
    UDA_JSON_OBJECT
};

/* Errors: UDA_IO; UDA_FORMAT with line and column. Duplicate keys are an error. The caller destroys
 * root. */
int uda_json_read(struct uda_json **root, const char *path, struct uda_err *err) UDA_MUST_USE;
/* Parses bytes; name stands in for the path in messages. Errors: UDA_FORMAT, UDA_NOMEM. */
int uda_json_parse(struct uda_json **root, const char *text, size_t bytes, const char *name,
                   struct uda_err *err) UDA_MUST_USE;
void uda_json_destroy(struct uda_json **root);

enum uda_json_kind uda_json_kind(const struct uda_json *node);
/* Members of an object or elements of an array; 0 for anything else. */
int64_t uda_json_count(const struct uda_json *node);
/* NULL if absent or not an object / array. */
const struct uda_json *uda_json_get(const struct uda_json *object, const char *key);
const struct uda_json *uda_json_at(const struct uda_json *array, int64_t i);

/* Walk over the members of an object in file order: iter = NULL starts, NULL ends. */
void *uda_json_next(const struct uda_json *object, void *iter, const char **key,
                    const struct uda_json **value);

/* Value of a number, NaN for anything else. */
double uda_json_number(const struct uda_json *node);
/* Value of an integer number; `otherwise` for anything else. */
int64_t uda_json_integer(const struct uda_json *node, int64_t otherwise);
/* Text of a string, NULL for anything else. */
const char *uda_json_text(const struct uda_json *node);
bool uda_json_bool(const struct uda_json *node, bool otherwise);

#endif
