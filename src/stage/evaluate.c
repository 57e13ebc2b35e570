#include "src/stage/stage.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/base/classes.h"
#include "src/base/log.h"
#include "src/eval/evaluation.h"
#include "src/eval/labelset.h"
#include "src/stage/fused.h"
#include "src/stage/picture.h"
#include "src/stage/predictor.h"
#include "src/stage/ranks_predict.h"
#include "src/stage/run_folder.h"
#include "src/stage/setup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Images whose predictions are in memory together. */
#define PART_IMAGES 256

struct evaluate {
    struct uda_stage_context *context;
    struct uda_dataset *dataset;
    struct uda_predictor *predictor; /* NULL: label set, or several models */
    struct uda_progress progress;
    struct uda_team *team;
    int64_t first;               /* image of the data set that found begins with */
    struct uda_detections found; /* of the part at hand, or the label set */
    struct uda_evaluation *evaluation;
    struct uda_ap ap;
};

/* The id file of image i, for the protocols that judge by it. */
static int load_ids(const struct evaluate *s, int64_t i, struct uda_arena *arena,
                    struct uda_eval_truth *truth, struct uda_err *err)
{
    const char *path = s->dataset->item[i].label_path;
    struct uda_raster *ids = uda_arena_alloc(arena, sizeof *ids);
    if (ids == NULL || path == NULL) {
        return uda_fail(err, ids == NULL ? UDA_NOMEM : UDA_FORMAT, "evaluate: '%s' has no id file",
                        s->dataset->item[i].name);
    }
    UDA_TRY(uda_png_read_raster(ids, arena, path, err));
    truth->ids = ids;
    return 0;
}

/* Truth of image k of the part: Cityscapes' own id file where the data set is Cityscapes (its void pixels
 * count), else the labels in memory. */
static int load_truth(void *args, int64_t k, struct uda_arena *scratch, struct uda_eval_truth *truth,
                      struct uda_image_detections *found, struct uda_err *err)
{
    const struct evaluate *s = args;
    const struct uda_manifest_stage *spec = s->context->stage->spec;
    int64_t i = s->first + k;
    *truth = (struct uda_eval_truth){.name = s->dataset->item[i].name};
    *found = s->found.image[k];
    if (spec->protocol == UDA_PROTOCOL_CITYSCAPES &&
        s->context->manifest->dataset[spec->data[0]].format == UDA_LAYOUT_CITYSCAPES) {
        return load_ids(s, i, scratch, truth, err);
    }
    struct uda_labels *labels = uda_arena_alloc(scratch, sizeof *labels);
    struct uda_arena inner = {0};
    if (labels == NULL) {
        return uda_fail(err, UDA_NOMEM, "evaluate: out of memory");
    }
    int rc = uda_dataset_load_labels(labels, s->dataset, i, scratch, &inner, err);
    uda_arena_finish(&inner);
    truth->labels = labels;
    return rc;
}

/* The labels of a label or fuse stage in the place of predictions. */
static int take_labels(struct evaluate *s, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    const char *file = c->plan->stage[c->stage->labels].label_file;
    const char *path = uda_stage_path(c, file);
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "evaluate: out of memory");
    }
    UDA_TRY(uda_labelset_load(&s->found, c->arena, path, err));
    for (int64_t i = 0; i < s->dataset->count || i < s->found.count; i++) {
        const struct uda_dataset_item *item = i < s->dataset->count ? &s->dataset->item[i] : NULL;
        const struct uda_image_detections *image = i < s->found.count ? &s->found.image[i] : NULL;
        if (item == NULL || image == NULL || strcmp(item->name, image->name) != 0) {
            return uda_fail(err, UDA_FORMAT,
                            "stage '%s': image %lld is '%s' in the data set and '%s' in '%s': measure the "
                            "images that were labelled",
                            c->stage->name, (long long)i, item == NULL ? "(none)" : item->name,
                            image == NULL ? "(none)" : image->name, file);
        }
        if (item->height != image->height || item->width != image->width) {
            return uda_fail(err, UDA_FORMAT, "'%s': image '%s' was labelled at another size", file,
                            image->name);
        }
    }
    return 0;
}

/* The first images. A model of some classes is not blamed for others; all pseudo-labels count. */
static int draw(const struct evaluate *s, struct uda_err *err)
{
    struct uda_class_map map;
    UDA_TRY(uda_setup_classes(&map, s->context->manifest, s->context->stage, err));
    const struct uda_picture_look look = {.min_score = s->context->stage->labels >= 0 ? 0.0 : 0.5,
                                          .compare = true, .class_mask = uda_class_map_mask(&map),
                                          .enlarge = true};
    return uda_pictures_write(s->context, s->dataset, &s->found, &look, err);
}

/* Measures what was found; draws the first images. */
static int measure(struct evaluate *s, struct uda_err *err)
{
    UDA_TRY(uda_evaluation_add_all(s->evaluation, s->team, s->found.count, load_truth, s, err));
    return s->first > 0 ? 0 : draw(s, err);
}

/* Predicts and measures images first .. last-1. */
static int one_part(struct evaluate *s, int64_t last, struct uda_err *err)
{
    struct uda_arena arena = {0};
    const int64_t from = s->context->stage->from;
    const struct uda_ranks_job job = {.context = s->context, .dataset = s->dataset,
                                      .from = from < 0 ? NULL : &s->context->plan->stage[from]};
    uda_detections_init(&s->found, &arena);
    int rc = s->predictor == NULL
                 ? uda_fused_predict(&s->found, s->context, s->dataset, s->first, last, err)
                 : uda_ranks_predict(&s->found, s->predictor, &job, s->first, last, &s->progress, err);
    if (rc == 0) {
        rc = measure(s, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

static int predict_and_measure(struct evaluate *s, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    int64_t count = s->dataset->count, last = 0;
    if (!c->stage->spec->fused) {
        UDA_TRY(uda_setup_predictor(&s->predictor, c, 0.0, err));
        uda_progress_start(&s->progress, c->stage->name, 0, count, 1);
    }
    for (; s->first < count; s->first = last) {
        last = s->first + PART_IMAGES < count ? s->first + PART_IMAGES : count;
        UDA_TRY(one_part(s, last, err));
    }
    return 0;
}

static int evaluate(struct evaluate *s, struct uda_err *err)
{
    static const enum uda_eval_protocol protocols[] = {
        [UDA_PROTOCOL_CITYSCAPES] = UDA_EVAL_CITYSCAPES,
        [UDA_PROTOCOL_KITTI360] = UDA_EVAL_KITTI360,
        [UDA_PROTOCOL_COCO] = UDA_EVAL_COCO};
    const struct uda_stage_context *c = s->context;
    UDA_TRY(uda_setup_dataset(&s->dataset, c, c->stage->spec->data[0], 0, false, err));
    UDA_TRY(uda_evaluation_create(&s->evaluation, protocols[c->stage->spec->protocol], err));
    UDA_TRY(uda_team_create(&s->team, (int)c->manifest->runtime.threads, err));
    if (c->stage->labels >= 0) {
        UDA_TRY(take_labels(s, err));
        UDA_TRY(measure(s, err));
    } else {
        UDA_TRY(predict_and_measure(s, err));
    }
    return uda_evaluation_finish(&s->ap, s->evaluation, c->arena, err);
}

/* The classes of the manifest decide the means; a class that is left out keeps its own figures. */
static void take_means(struct evaluate *s)
{
    double ap[UDA_CLASSES + 4], ap50[UDA_CLASSES + 4];
    int64_t n = 0;
    for (int64_t i = 0; i < s->ap.classes && n < UDA_LEN(ap); i++) {
        int cls = uda_class_of_name(s->ap.cls[i].name);
        if (cls >= 0 && s->context->stage->spec->classes[cls]) {
            ap[n] = s->ap.cls[i].ap;
            ap50[n++] = s->ap.cls[i].ap50;
        }
    }
    if (n > 0 && s->ap.protocol != NULL && strcmp(s->ap.protocol, "coco") != 0) {
        s->ap.ap = uda_ap_mean(ap, n);
        s->ap.ap50 = uda_ap_mean(ap50, n);
    }
}

static void say_expected(const char *what, double got, double expected, double tolerance)
{
    if (!isnan(expected)) {
        double percent = 100.0 * got;
        bool good = fabs(percent - expected) <= tolerance;
        uda_log(good ? UDA_LOG_INFO : UDA_LOG_WARN, "%s %.1f, expected %.1f +- %.1f: %s", what, percent,
                expected, tolerance, good ? "as expected" : "NOT as expected");
    }
}

static int write_results(struct evaluate *s, struct uda_err *err)
{
    const struct uda_stage_context *c = s->context;
    const struct uda_manifest_stage *spec = c->stage->spec;
    struct uda_str table, row;
    uda_str_init(&table, c->arena);
    uda_str_init(&row, c->arena);
    uda_ap_table(&table, &s->ap);
    uda_str_add(&row, "{\"stage\":\"%s\",", c->stage->name);
    struct uda_str json;
    uda_str_init(&json, c->arena);
    uda_ap_json(&json, &s->ap);
    UDA_TRY(uda_str_status(&table, err));
    UDA_TRY(uda_str_status(&json, err));
    const char *body = strchr(json.text, '{');
    uda_str_add(&row, "%s", body == NULL ? "}" : body + 1);
    UDA_TRY(uda_str_status(&row, err));
    for (char *at = row.text; *at != '\0'; at++) { /* one row, one line */
        *at = *at == '\n' ? ' ' : *at;
    }
    uda_str_add(&row, "\n");
    UDA_TRY(uda_str_status(&row, err));
    const char *ap_path = uda_fs_join(c->arena, c->dir, "ap.json");
    const char *table_path = uda_fs_join(c->arena, c->dir, "ap.txt");
    if (ap_path == NULL || table_path == NULL) {
        return uda_fail(err, UDA_NOMEM, "evaluate: out of memory");
    }
    UDA_TRY(uda_ap_write(ap_path, &s->ap, err));
    UDA_TRY(uda_fs_write(table_path, table.text, table.bytes, err));
    UDA_TRY(uda_fs_write(c->metrics_path, row.text, row.bytes, err));
    uda_log(UDA_LOG_INFO, "%s: AP %.2f, AP50 %.2f on %lld images", c->stage->name,
            100.0 * s->ap.ap, 100.0 * s->ap.ap50, (long long)s->dataset->count);
    say_expected("AP", s->ap.ap, spec->expect_ap, spec->expect_tolerance);
    say_expected("AP50", s->ap.ap50, spec->expect_ap50, spec->expect_tolerance);
    const char *const files[] = {"ap.json", "ap.txt", "metrics.jsonl"};
    return uda_run_folder_done(c->dir, c->stage, 0, files, UDA_LEN(files), err);
}

int uda_stage_evaluate(struct uda_stage_context *context, struct uda_err *err)
{
    struct evaluate s = {.context = context};
    int rc = evaluate(&s, err);
    if (rc == 0) {
        take_means(&s);
        rc = write_results(&s, err);
    }
    uda_team_destroy(&s.team);
    uda_evaluation_destroy(&s.evaluation);
    uda_predictor_destroy(&s.predictor);
    uda_dataset_destroy(&s.dataset);
    return rc;
}
