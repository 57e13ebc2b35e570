/*
 * Folders of drawn scenes in the layout of a data set: cityscapes, kitti360, urbansyn, synscapes,
 * synthia, coco.
 *
 * README.txt says what the folder holds (it is written first) and DONE that it is complete (written
 * last). An interrupted drawing is continued by the same call; a folder that holds something else
 * is refused.
 *
 * Invariants: the files are a function of the spec: the same bytes on any number of threads,
 * interrupted or not.
 *
 *     struct uda_scenes_spec spec = {.format = "urbansyn", .dir = "scenes/a", .count = 1500,
 *                                    .scene = {.seed = 1, .height = 96, .width = 192}};
 *     UDA_TRY(uda_scenes_write(&spec, team, err));     // nothing to do when it is complete
 */
#ifndef UDA_SCENES_SCENES_H
#define UDA_SCENES_SCENES_H

#include "src/base/team.h"
#include "src/scenes/scene.h"

#define UDA_SCENES_MOST 10000000 /* in one folder */

struct uda_scenes_spec {
    const char *format;
    const char *dir;
    const char *split; /* NULL or "": the layout's default; must be so for layouts without splits */
    struct uda_scene_spec scene;
    int64_t count, first; /* scenes first..first+count-1 of the seed */
};

/* Formats that can be written, in the table's order; NULL from the end on. */
const char *uda_scenes_format(int64_t i);

/* *done = whether the folder is complete and holds just this. Errors: UDA_MANIFEST for a bad spec
 * and for a folder that holds other scenes or other files; UDA_IO. */
int uda_scenes_check(bool *done, const struct uda_scenes_spec *spec,
                     struct uda_err *err) UDA_MUST_USE;

/* Draws what is missing, with progress on the log. team NULL: on this thread. Errors as above,
 * UDA_NOMEM. */
int uda_scenes_write(const struct uda_scenes_spec *spec, struct uda_team *team,
                     struct uda_err *err) UDA_MUST_USE;

#endif
