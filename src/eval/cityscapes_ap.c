/* The Cityscapes protocol: labels of cityscapesScripts' labels.py, folder layout of the
 * benchmark. */
#include "src/eval/protocol.h"

#include "io/fs.h"

#include <string.h>

#define SUFFIX "_gtFine_instanceIds.png"

/* -1 first, then the evaluated classes. */
#define CLASSES_OF_LABELS                                                                          \
    {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,                           \
     -1, -1, -1, -1, -1, -1, -1, 0,  1,  2,  3,  4,  -1, -1, 5,  6,  7}

const struct uda_region_protocol uda_protocol_cityscapes = {
    .name = "cityscapes",
    .cls = {"person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"},
    .classes = 8,
    .labels = 34,
    .label_class = CLASSES_OF_LABELS,
    .truth_class = CLASSES_OF_LABELS,
    .is_void = {[0] = true, [1] = true, [2] = true, [3] = true, [4] = true, [5] = true, [6] = true,
                [9] = true, [10] = true, [14] = true, [15] = true, [16] = true, [18] = true,
                [29] = true, [30] = true}};

/* The instance files below a folder as jobs. */
static int list_jobs(struct uda_region_job **jobs, int64_t *count, struct uda_arena *arena,
                     const char *gt, struct uda_err *err)
{
    char *fine = uda_fs_join(arena, gt, "gtFine"), **paths = NULL;
    if (fine == NULL) {
        return uda_fail(err, UDA_NOMEM, "no memory to list '%s'", gt);
    }
    if (!uda_fs_is_dir(gt)) {
        return uda_fail(err, UDA_IO, "'%s' is not a folder of ground truth", gt);
    }
    const char *root = uda_fs_is_dir(fine) ? fine : gt;
    UDA_TRY(uda_fs_walk(&paths, count, arena, root, SUFFIX, err));
    if (*count == 0) {
        return uda_fail(err, UDA_FORMAT, "'%s': no file '*%s' below it", root, SUFFIX);
    }
    struct uda_region_job *job = uda_arena_calloc(arena, (size_t)*count * sizeof *job);
    for (int64_t i = 0; job != NULL && i < *count; i++) {
        const char *slash = strrchr(paths[i], '/'), *name = slash != NULL ? slash + 1 : paths[i];
        job[i].ids = uda_fs_join(arena, root, paths[i]);
        job[i].prefix = uda_arena_printf(arena, "%.*s", (int)(strlen(name) - strlen(SUFFIX)), name);
        job = job[i].ids != NULL && job[i].prefix != NULL ? job : NULL;
    }
    if (job == NULL) {
        return uda_fail(err, UDA_NOMEM, "no memory to list '%s'", gt);
    }
    *jobs = job;
    return 0;
}

int uda_cityscapes_ap(struct uda_ap *ap, struct uda_arena *arena, const char *gt, const char *pred,
                      const struct uda_detections *set, struct uda_team *team, struct uda_err *err)
{
    struct uda_region_job *job = NULL;
    int64_t jobs = 0;
    UDA_TRY(list_jobs(&job, &jobs, arena, gt, err));
    return uda_region_folder_ap(ap, arena, &uda_protocol_cityscapes, job, jobs, pred, set, team,
                                err);
}
