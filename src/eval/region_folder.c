/* Folders of instance files against result folders or detection sets. */
#include "src/eval/protocol.h"

#include "io/png.h"
#include "src/base/classes.h"
#include "src/eval/measured.h"
#include "src/eval/results.h"

struct work {
    const struct uda_region_protocol *protocol;
    const struct uda_region_job *job;
    const struct uda_results *results; /* NULL: set */
    const struct uda_detections *set;
    const char *pred;
};

static int no_memory(struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "no memory to evaluate a folder");
}

int uda_region_guesses(struct uda_region_guess **out, int64_t *guesses, struct uda_arena *arena,
                       const struct uda_region_protocol *protocol,
                       const struct uda_image_detections *found, struct uda_err *err)
{
    struct uda_region_guess *guess = uda_arena_alloc(arena, (size_t)found->count * sizeof *guess);
    if (guess == NULL) {
        return no_memory(err);
    }
    int64_t count = 0;
    for (int64_t i = 0; i < found->count; i++) {
        const struct uda_detection *item = &found->item[i];
        int64_t cls = protocol->label_class[uda_classes[item->cls].label_id];
        if (cls >= 0) {
            guess[count++] = (struct uda_region_guess){cls, item->score, item->mask};
        }
    }
    *out = guess;
    *guesses = count;
    return 0;
}

/* The predictions of a text file. */
static int read_guesses(struct uda_region_guess **out, int64_t *guesses, const struct work *work,
                        const struct uda_region_job *job, struct uda_arena *scratch,
                        int64_t height, int64_t width, struct uda_err *err)
{
    const char *path = NULL;
    struct uda_results_line *line = NULL;
    int64_t lines = 0, count = 0;
    UDA_TRY(uda_results_find(&path, scratch, work->results, job->prefix, job->ids, err));
    UDA_TRY(uda_results_read(&line, &lines, scratch, work->results, path, err));
    struct uda_region_guess *guess = uda_arena_alloc(scratch, (size_t)lines * sizeof *guess);
    if (guess == NULL) {
        return no_memory(err);
    }
    struct uda_arena pixels = {0};
    int rc = 0;
    for (int64_t i = 0; i < lines && rc == 0; i++) {
        int64_t label = line[i].label;
        if (label < -1 || label >= work->protocol->labels) {
            rc = uda_fail(err, UDA_FORMAT, "%s: unknown label id %lld", line[i].where,
                          (long long)label);
            break;
        }
        if (label < 0 || work->protocol->label_class[label] < 0) {
            continue;
        }
        guess[count].cls = work->protocol->label_class[label];
        guess[count].score = line[i].score;
        rc = uda_results_mask(&guess[count++].mask, scratch, &pixels, &line[i], height, width, err);
        uda_arena_reset(&pixels, 0);
    }
    uda_arena_finish(&pixels);
    *out = guess;
    *guesses = count;
    return rc;
}

static int find_guesses(struct uda_region_guess **out, int64_t *guesses, const struct work *work,
                        const struct uda_region_job *job, struct uda_arena *scratch,
                        struct uda_err *err)
{
    const struct uda_image_detections *found = uda_detections_find(work->set, job->prefix);
    if (found == NULL) {
        return uda_fail(err, UDA_FORMAT, "'%s': no image '%s' in '%s'", job->ids, job->prefix,
                        work->pred);
    }
    return uda_region_guesses(out, guesses, scratch, work->protocol, found, err);
}

static int measure_job(void *args, int64_t i, struct uda_arena *scratch,
                       struct uda_measured *measured, struct uda_err *err)
{
    const struct work *work = args;
    const struct uda_region_job *job = &work->job[i];
    struct uda_raster ids, confidence;
    struct uda_region_map map;
    struct uda_region_guess *guess = NULL;
    int64_t guesses = 0;
    UDA_TRY(uda_png_read_raster(&ids, scratch, job->ids, err));
    if (job->confidence != NULL) {
        UDA_TRY(uda_png_read_raster(&confidence, scratch, job->confidence, err));
    }
    UDA_TRY(uda_region_map_of_ids(&map, scratch, work->protocol, &ids,
                                  job->confidence != NULL ? &confidence : NULL, job->ids, err));
    if (work->set != NULL) {
        UDA_TRY(find_guesses(&guess, &guesses, work, job, scratch, err));
    } else {
        UDA_TRY(read_guesses(&guess, &guesses, work, job, scratch, ids.height, ids.width, err));
    }
    return uda_region_measure(&measured->region, scratch, &map, guess, guesses, job->ids, err);
}

int uda_region_folder_ap(struct uda_ap *ap, struct uda_arena *arena,
                         const struct uda_region_protocol *protocol,
                         const struct uda_region_job *job, int64_t jobs, const char *pred,
                         const struct uda_detections *set, struct uda_team *team,
                         struct uda_err *err)
{
    struct uda_results results;
    struct work work = {.protocol = protocol, .job = job, .set = set, .pred = pred};
    if (set == NULL) {
        UDA_TRY(uda_results_open(&results, arena, pred, err));
        work.results = &results;
    }
    struct uda_measured *image = uda_arena_calloc(arena, (size_t)jobs * sizeof *image);
    const struct uda_region_image **region = uda_arena_alloc(arena, (size_t)jobs * sizeof *region);
    if (image == NULL || region == NULL) {
        return no_memory(err);
    }
    UDA_TRY(uda_measure_all(image, arena, team, jobs, measure_job, &work, err));
    for (int64_t i = 0; i < jobs; i++) {
        region[i] = &image[i].region;
    }
    return uda_region_ap(ap, arena, protocol, region, jobs, err);
}
