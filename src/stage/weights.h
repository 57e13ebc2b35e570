/*
 * Named parameters in HDF5: one dataset for each parameter, group/<name>.
 */
#ifndef UDA_STAGE_WEIGHTS_H
#define UDA_STAGE_WEIGHTS_H

#include "io/store.h"
#include "src/base/str.h"
#include "src/data/augment.h"
#include "src/model/config.h"
#include "src/nn/param.h"

/* Writes every parameter of a flat array as group/<name>. Errors: those of the writer. */
int uda_weights_put(struct uda_store_writer *writer, const char *group,
                    const struct uda_params *params, const float *values,
                    struct uda_err *err) UDA_MUST_USE;
/* Reads them all; a missing one or another shape is an error. Gaps of values are not touched. */
int uda_weights_get(float *values, const struct uda_store *store, const char *group,
                    const struct uda_params *params, struct uda_err *err) UDA_MUST_USE;

/* What a result file says about itself, besides the parameters. */
struct uda_weights_about {
    struct uda_model_config model;
    struct uda_class_map map; /* class k of the model is map.cls[k] */
    const char *fingerprint;
    const char *version; /* of the program, for the provenance; likewise argc, argv */
    int argc;
    char *const *argv;
};

/* What a store says about itself, without version and argv; fingerprint "" if it has none. Memory:
 * arena. Errors: UDA_FORMAT if it does not say. */
int uda_weights_get_about(struct uda_weights_about *about, const struct uda_store *store,
                          struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;
/* Writes it as attributes. Errors: those of the writer. */
int uda_weights_put_about(struct uda_store_writer *writer, const struct uda_weights_about *about,
                          struct uda_err *err) UDA_MUST_USE;

/* The same as a line of JSON, which files of other formats can carry, and back from there. path: of
 * the file, for messages. Errors: UDA_NOMEM; UDA_FORMAT. */
void uda_weights_about_json(struct uda_str *out, const struct uda_weights_about *about);
int uda_weights_about_parse(struct uda_weights_about *about, const char *text, const char *path,
                            struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* A result file: params/<name>, and the model's sizes and classes as attributes. Errors: UDA_IO,
 * UDA_NOMEM; the old file then stays. */
int uda_weights_save(const char *path, const struct uda_params *params, const float *values,
                     const struct uda_weights_about *about, struct uda_err *err) UDA_MUST_USE;

/* Sizes and classes of the model in a result file. Errors: UDA_IO; UDA_FORMAT if it does not
 * say. */
int uda_weights_describe(struct uda_model_config *config, struct uda_class_map *map,
                         const char *path, struct uda_err *err) UDA_MUST_USE;

/*
 * Starting weights from a file: what has the right name and shape is taken; a class head of another
 * size keeps its reference initialisation, and the log says so. Errors: UDA_FORMAT if anything else
 * is missing.
 */
int uda_weights_load_init(float *values, const char *path, const struct uda_params *params,
                          struct uda_err *err) UDA_MUST_USE;

#endif
