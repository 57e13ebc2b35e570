/* The KITTI-360 protocol: labels of kitti360Scripts' labels.py, folder layout of the data set. */
#include "src/eval/protocol.h"

#include "io/fs.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES "data_2d_semantics/train/2013_05_28_drive_val_frames.txt"
#define MAX_LIST_BYTES ((size_t)64 << 20)

const struct uda_region_protocol uda_protocol_kitti360 = {
    .name = "kitti360",
    .cls = {"building", "person", "rider", "car", "truck", "motorcycle", "bicycle"},
    .classes = 7,
    .labels = 45,
    .label_class = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0,  -1, -1, -1,
                    -1, -1, -1, -1, -1, -1, -1, -1, -1, 1,  2,  3,  4,  -1, -1,
                    -1, -1, 5,  6,  -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
    .truth_class = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0,  -1, -1, -1,
                    -1, -1, -1, -1, -1, -1, -1, -1, -1, 1,  2,  3,  4,  -1, -1,
                    -1, -1, 5,  6,  0,  -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
    .is_void = {[0] = true,  [1] = true,  [2] = true,  [3] = true,  [4] = true,  [5] = true,
                [6] = true,  [9] = true,  [10] = true, [14] = true, [15] = true, [16] = true,
                [17] = true, [18] = true, [19] = true, [20] = true, [29] = true, [30] = true,
                [34] = true, [35] = true, [36] = true, [37] = true, [38] = true, [39] = true,
                [40] = true, [41] = true, [42] = true, [43] = true, [44] = true}};

/* Number of up to ten digits at text; false if there is none. */
static bool read_digits(int64_t *number, const char *text)
{
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > 10) {
        return false;
    }
    *number = strtoll(text, NULL, 10);
    return true;
}

/* "<image> <semantic file>", both relative to gt, as a job. */
static int read_frame(struct uda_region_job *job, struct uda_arena *arena, const char *gt,
                      const char *list, int64_t number, const char *text, struct uda_err *err)
{
    const char *space = strchr(text, ' '), *semantic = space != NULL ? space + 1 : "";
    const char *drive = strstr(semantic, "_drive_"), *file = strrchr(semantic, '/');
    int64_t sequence = 0, frame = 0;
    if (drive == NULL || file == NULL || strchr(semantic, ' ') != NULL ||
        !read_digits(&sequence, drive + strlen("_drive_")) || !read_digits(&frame, file + 1)) {
        return uda_fail(err, UDA_FORMAT,
                        "%s:%lld: expected '<image> <semantic file>' with "
                        "'..._drive_<sequence>_sync/.../<frame>.png'",
                        list, (long long)number);
    }
    const char *folder = file;
    while (folder > semantic && folder[-1] != '/') {
        folder--;
    }
    int stem = (int)(folder - semantic);
    char *ids = uda_arena_printf(arena, "%.*sinstance%s", stem, semantic, file);
    char *confidence = uda_arena_printf(arena, "%.*sconfidence%s", stem, semantic, file);
    job->prefix = uda_arena_printf(arena, "%04lld_%010lld", (long long)sequence, (long long)frame);
    if (ids == NULL || confidence == NULL || job->prefix == NULL) {
        return uda_fail(err, UDA_NOMEM, "no memory to list '%s'", gt);
    }
    job->ids = uda_fs_join(arena, gt, ids);
    job->confidence = uda_fs_join(arena, gt, confidence);
    if (job->ids == NULL || job->confidence == NULL) {
        return uda_fail(err, UDA_NOMEM, "no memory to list '%s'", gt);
    }
    return 0;
}

static int list_jobs(struct uda_region_job **jobs, int64_t *count, struct uda_arena *arena,
                     const char *gt, struct uda_err *err)
{
    char *list = uda_fs_join(arena, gt, FRAMES);
    unsigned char *data = NULL;
    size_t bytes = 0;
    if (list == NULL) {
        return uda_fail(err, UDA_NOMEM, "no memory to list '%s'", gt);
    }
    UDA_TRY(uda_fs_read(&data, &bytes, arena, list, MAX_LIST_BYTES, err));
    int64_t room = 1, frames = 0;
    for (size_t i = 0; i < bytes; i++) {
        room += data[i] == '\n';
    }
    struct uda_region_job *job = uda_arena_calloc(arena, (size_t)room * sizeof *job);
    if (job == NULL) {
        return uda_fail(err, UDA_NOMEM, "no memory to list '%s'", gt);
    }
    for (char *text = (char *)data; *text != '\0'; frames++) {
        size_t length = strcspn(text, "\n");
        char *next = text + length + (text[length] == '\n');
        text[length] = '\0';
        if (length > 0 && text[length - 1] == '\r') {
            text[length - 1] = '\0';
        }
        UDA_TRY(read_frame(&job[frames], arena, gt, list, frames + 1, text, err));
        text = next;
    }
    if (frames == 0) {
        return uda_fail(err, UDA_FORMAT, "'%s' lists no frame", list);
    }
    *jobs = job;
    *count = frames;
    return 0;
}

int uda_kitti360_ap(struct uda_ap *ap, struct uda_arena *arena, const char *gt, const char *pred,
                    const struct uda_detections *set, struct uda_team *team, struct uda_err *err)
{
    struct uda_region_job *job = NULL;
    int64_t jobs = 0;
    UDA_TRY(list_jobs(&job, &jobs, arena, gt, err));
    return uda_region_folder_ap(ap, arena, &uda_protocol_kitti360, job, jobs, pred, set, team, err);
}
