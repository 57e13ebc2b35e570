#include "src/stage/stage.h"

#include "io/fs.h"
#include "src/base/log.h"
#include "src/stage/labels.h"
#include "src/stage/predictor.h"
#include "src/stage/ranks_predict.h"
#include "src/stage/setup.h"
#include "src/stage/stop.h"

#include <stdio.h>
#include <string.h>

/* At most so many images are lost when the machine goes down. */
#define PART_IMAGES 64
#define KEY_LETTERS 16

/*
 * A stage of kind label at work. The images are labelled in parts, each kept as a label set of its
 * own in the stage's folder until all are there; so an interrupted stage repeats one part. A part's
 * name has the stage's fingerprint and its images in it: a part of other settings is never taken.
 */
struct label {
    struct uda_stage_context *context;
    struct uda_dataset *dataset;
    struct uda_predictor *predictor; /* made when the first part is missing */
    struct uda_detections set;       /* the parts so far */
    struct uda_progress progress;
};

static char *part_path(const struct label *s, int64_t first, int64_t last)
{
    char key[UDA_DIGEST_TEXT_BYTES];
    uda_digest_text(key, s->context->stage->fingerprint);
    return uda_arena_printf(s->context->arena, "%s/part-%.*s-%09lld-%09lld.h5", s->context->dir,
                            KEY_LETTERS, key, (long long)first, (long long)last);
}

/* Adds image k of `from` to the set with those of its instances that a label stage keeps. */
static int add_image(struct uda_detections *set, const struct uda_detections *from, int64_t k,
                     const struct uda_manifest_stage *rule, struct uda_err *err)
{
    const struct uda_image_detections *image = &from->image[k];
    int64_t producer = 0;
    UDA_TRY(uda_detections_image(set, image->name, image->height, image->width, err));
    for (int64_t n = 0; n < image->count; n++) {
        const struct uda_detection *d = &image->item[n];
        UDA_TRY(uda_detections_producer(set, &producer, from->producer[d->producer], err));
        if (d->score > rule->label_score && d->area_px >= rule->label_min_area) {
            UDA_TRY(uda_detections_add(set, d->cls, d->score, &d->mask, producer, err));
        }
    }
    return 0;
}

/* A part that an earlier start has finished; false when there is none that can be used. */
static bool read_part(struct uda_detections *part, const struct label *s, const char *path,
                      int64_t first, int64_t last, struct uda_arena *arena)
{
    struct uda_err why = {0};
    if (!uda_fs_exists(path)) {
        return false;
    }
    bool good = uda_labelset_load(part, arena, path, &why) == 0 && part->count == last - first;
    for (int64_t i = first; i < last && good; i++) {
        good = strcmp(part->image[i - first].name, s->dataset->item[i].name) == 0;
    }
    if (!good) {
        uda_log(UDA_LOG_WARN, "%s: these images are labelled again",
                why.code != UDA_OK ? why.text : "a part is of other images");
    }
    return good;
}

static int make_part(struct uda_detections *part, struct label *s, const char *path, int64_t first,
                     int64_t last, struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_manifest_stage *spec = s->context->stage->spec;
    const struct uda_labelset_facts no_facts = {0};
    struct uda_detections found;
    if (s->predictor == NULL) {
        UDA_TRY(uda_setup_predictor(&s->predictor, s->context, spec->label_score, err));
        uda_progress_start(&s->progress, s->context->stage->name, first, s->dataset->count, 1);
    }
    uda_detections_init(&found, arena);
    const int64_t from = s->context->stage->from;
    const struct uda_ranks_job job = {.context = s->context, .least_score = spec->label_score,
                                      .from = from < 0 ? NULL : &s->context->plan->stage[from],
                                      .dataset = s->dataset};
    UDA_TRY(uda_ranks_predict(&found, s->predictor, &job, first, last, &s->progress, err));
    uda_detections_init(part, arena);
    for (int64_t k = 0; k < found.count; k++) {
        UDA_TRY(add_image(part, &found, k, spec, err));
    }
    return uda_labelset_save(path, part, &no_facts, err);
}

static int one_part(struct label *s, int64_t first, int64_t last, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_detections part;
    const char *path = part_path(s, first, last);
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "stage '%s': out of memory", s->context->stage->name);
    }
    int rc = 0;
    if (!read_part(&part, s, path, first, last, &arena)) {
        rc = make_part(&part, s, path, first, last, &arena, err);
    }
    for (int64_t k = 0; rc == 0 && k < part.count; k++) {
        rc = add_image(&s->set, &part, k, s->context->stage->spec, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

/* Images in a part: a checkpoint's worth, bounded. Changes no result. */
static int64_t part_images(const struct label *s)
{
    int64_t every = s->context->manifest->checkpoint.every;
    return every < PART_IMAGES ? every : PART_IMAGES;
}

static int stopped(const struct label *s, int64_t done, struct uda_err *err)
{
    char reason[128];
    uda_err_clear(err);
    return uda_fail(err, UDA_STOPPED,
                    "%s: %s: stopped at image %lld of %lld: run the same command to continue",
                    s->context->stage->name, uda_stop_reason(reason, sizeof reason),
                    (long long)done, (long long)s->dataset->count);
}

static int label_all(struct label *s, struct uda_err *err)
{
    int64_t count = s->dataset->count, step = part_images(s), last = 0;
    int64_t stop_after = s->context->options->stop_after_step;
    uda_detections_init(&s->set, s->context->arena);
    for (int64_t first = 0; first < count; first = last) {
        last = first + step < count ? first + step : count;
        int rc = one_part(s, first, last, err);
        if (rc == UDA_STOPPED) {
            return stopped(s, first, err);
        }
        UDA_TRY(rc);
        s->context->state->step = last;
        bool asked = stop_after > first && stop_after <= last;
        if (last < count && (asked || uda_stop_wanted())) {
            return stopped(s, last, err);
        }
    }
    return 0;
}

static int write_result(struct label *s, struct uda_err *err)
{
    const struct uda_manifest_stage *spec = s->context->stage->spec;
    const struct uda_labelset_threshold threshold[] = {
        {.name = "score", .value = spec->label_score},
        {.name = "min_area", .value = (double)spec->label_min_area}};
    UDA_TRY(uda_labels_write(s->context, &s->set, s->dataset, threshold, UDA_LEN(threshold), err));
    int64_t count = s->dataset->count, step = part_images(s);
    for (int64_t first = 0; first < count; first += step) {
        const char *path = part_path(s, first, first + step < count ? first + step : count);
        struct uda_err ignored = {0}; /* a part that stays does no harm */
        if (path != NULL && uda_fs_exists(path) && uda_fs_remove(path, &ignored) != 0) {
            uda_log(UDA_LOG_WARN, "%s", ignored.text);
        }
    }
    return 0;
}

int uda_stage_label(struct uda_stage_context *context, struct uda_err *err)
{
    struct label s = {.context = context};
    int rc = uda_setup_images(&s.dataset, context, context->stage->spec->data[0], err);
    if (rc == 0) {
        rc = label_all(&s, err);
    }
    if (rc == 0) {
        rc = write_result(&s, err);
    }
    uda_predictor_destroy(&s.predictor);
    uda_dataset_destroy(&s.dataset);
    return rc;
}
