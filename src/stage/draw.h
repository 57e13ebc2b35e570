/* Scenes of a manifest's data set, drawn when its root is missing. */
#ifndef UDA_STAGE_DRAW_H
#define UDA_STAGE_DRAW_H

#include "src/plan/manifest.h"

/* Draws d->scenes into d->root unless they are there already. Processes that want the same root draw it once:
 * the others wait. Errors: UDA_STOPPED while waiting; UDA_IO, UDA_NOMEM, UDA_FORMAT
 * if the root holds scenes of another specification. */
int uda_draw_scenes(const struct uda_manifest_dataset *d, const char *format, int threads,
                    struct uda_err *err) UDA_MUST_USE;

#endif
