/*
 * Weights in the form of Hugging Face transformers: a safetensors file with the names of hub files,
 * float32, and the config.json that goes with it. The inverse of `import`, which gives back every
 * bit.
 *
 *     struct uda_weights_export what = {.out = "model.safetensors", .config = "config.json"};
 *     UDA_TRY(uda_export_weights(&what, "RUN/stages/final/weights.h5", err));
 */
#ifndef UDA_CMD_EXPORT_WEIGHTS_H
#define UDA_CMD_EXPORT_WEIGHTS_H

#include "src/base/err.h"

struct uda_weights_export {
    const char *out;    /* the safetensors file */
    const char *config; /* config.json beside it, or NULL */
    bool teacher;       /* of a checkpoint of an adapt stage; otherwise what it trains */
    int64_t tensors, values; /* what was written */
};

/*
 * Exports weights.h5, teacher.h5 or a checkpoint. The metadata `uda4inst` carries classes, sizes and
 * fingerprint where the file has them, so that an import is complete. Errors: UDA_IO; UDA_FORMAT (a
 * label set or another file without parameters; a parameter that Hugging Face has no name for; no
 * teacher); UDA_UNSUPPORTED (config: Hugging Face's model cannot have these sizes; or a checkpoint,
 * which does not say its own); UDA_NOMEM. What was at the paths then stays.
 */
int uda_export_weights(struct uda_weights_export *what, const char *path, struct uda_err *err) UDA_MUST_USE;

#endif
