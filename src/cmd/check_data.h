/*
 * The look that `check` takes at a manifest's files.
 */
#ifndef UDA_CMD_CHECK_DATA_H
#define UDA_CMD_CHECK_DATA_H

#include "src/plan/manifest.h"

/*
 * For every data set: are its folders, images and label files there? Prints one line each on
 * stdout, or one on stderr for what is wrong, with where the manifest says so; then looks at
 * model.init. deep: reads every label file and counts the instances. Scenes that are not drawn yet
 * are fine. Errors: UDA_MANIFEST if anything is wrong, after all has been looked at; UDA_NOMEM.
 */
int uda_check_data(const struct uda_manifest *manifest, bool deep, struct uda_arena *arena,
                   struct uda_err *err) UDA_MUST_USE;

#endif
