/*
 * The two protocols with regions, and evaluations of folders in their layouts.
 *
 *     UDA_TRY(uda_cityscapes_ap(&ap, &arena, "cityscapes", "results", NULL, team, err));
 */
#ifndef UDA_EVAL_PROTOCOL_H
#define UDA_EVAL_PROTOCOL_H

#include "src/base/team.h"
#include "src/eval/region.h"

/*
 * Cityscapes: the eight classes. Void are the raw values of labels that cityscapesScripts ignores;
 * caravans and trailers with an instance number are not void.
 */
extern const struct uda_region_protocol uda_protocol_cityscapes;

/*
 * KITTI-360: building, person, rider, car, truck, motorcycle, bicycle. Garages are buildings in the
 * ground truth; a predicted garage is not evaluated. Areas are weighted by confidence.
 */
extern const struct uda_region_protocol uda_protocol_kitti360;

/*
 * Cityscapes' script on folders. gt: the folder that holds gtFine, or any folder above
 * *_gtFine_instanceIds.png; all of them are evaluated. Predictions: a results folder (results.h)
 * with one <city>_<seq>_<frame>*.txt for each image, or, if `set` is given, detections under the
 * name <city>_<seq>_<frame> (pred is then only a name). Images by a team or NULL.
 * Errors: IO, FORMAT (message names file and line), NOMEM.
 */
int uda_cityscapes_ap(struct uda_ap *ap, struct uda_arena *arena, const char *gt, const char *pred,
                      const struct uda_detections *set, struct uda_team *team,
                      struct uda_err *err) UDA_MUST_USE;

/*
 * KITTI-360's script on folders. gt: the folder that holds data_2d_semantics with
 * train/2013_05_28_drive_val_frames.txt; predictions: <seq>_<frame>*.txt with 4 and 10 digits, or a
 * set with those names. Errors and the rest as above.
 */
int uda_kitti360_ap(struct uda_ap *ap, struct uda_arena *arena, const char *gt, const char *pred,
                    const struct uda_detections *set, struct uda_team *team,
                    struct uda_err *err) UDA_MUST_USE;

/* One image of a folder; what both scripts reduce to. */
struct uda_region_job {
    const char *ids;        /* path of the instance file */
    const char *confidence; /* path or NULL */
    const char *prefix;     /* of the name of its prediction file; name in a set */
};

/* Evaluates jobs; errors and the rest as uda_cityscapes_ap. */
int uda_region_folder_ap(struct uda_ap *ap, struct uda_arena *arena,
                         const struct uda_region_protocol *protocol,
                         const struct uda_region_job *job, int64_t jobs, const char *pred,
                         const struct uda_detections *set, struct uda_team *team,
                         struct uda_err *err) UDA_MUST_USE;

/* Detections as guesses of a protocol; those of classes it leaves out are dropped. Errors:
 * NOMEM. */
int uda_region_guesses(struct uda_region_guess **guess, int64_t *guesses, struct uda_arena *arena,
                       const struct uda_region_protocol *protocol,
                       const struct uda_image_detections *found,
                       struct uda_err *err) UDA_MUST_USE;

#endif
