#include "io/fs.h"
#include "io/png.h"
#include "src/base/log.h"
#include "src/cmd/cmd.h"
#include "src/cmd/options.h"
#include "src/eval/labelset.h"
#include "src/stage/picture.h"
#include "src/stage/predictor.h"
#include "src/stage/stop.h"
#include "src/stage/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    const char *weights, *images, *out, *overlay;
    const char *device;
    int64_t short_side, max_long_side, detections, threads;
    double min_score;
    enum uda_type type;
    char **path; /* images, relative to the folder */
    char **name; /* what the label set calls them */
    int64_t count;
    int argc; /* for the provenance */
    char *const *argv;
};

static int load_image(void *args, int64_t i, struct uda_image *image, const char **name,
                      struct uda_arena *arena, struct uda_err *err)
{
    const struct request *r = args;
    const char *path = uda_fs_join(arena, r->images, r->path[i]);
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "predict: out of memory");
    }
    *name = r->name[i];
    return uda_png_read_rgb(image, arena, path, err);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool all_differ(char *const *name, int64_t count, char **sorted)
{
    for (int64_t i = 0; i < count; i++) {
        sorted[i] = name[i];
    }
    qsort(sorted, (size_t)count, sizeof *sorted, by_text);
    for (int64_t i = 1; i < count; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* A path without ".png" or, as evaluators and exports know an image, its last part without
 * "_leftImg8bit" too. */
static char *name_of(struct uda_arena *arena, const char *path, bool whole)
{
    const char *last = strrchr(path, '/'), *const city = "_leftImg8bit";
    char *name = uda_arena_strdup(arena, whole || last == NULL ? path : last + 1);
    if (name != NULL) {
        size_t length = strlen(name) - strlen(".png");
        name[length] = '\0';
        if (!whole && length > strlen(city) && strcmp(name + length - strlen(city), city) == 0) {
            name[length - strlen(city)] = '\0';
        }
    }
    return name;
}

/* Lists the images. They go by short names unless two would be the same. */
static int list_images(struct request *r, struct uda_arena *arena, struct uda_err *err)
{
    UDA_TRY(uda_fs_walk(&r->path, &r->count, arena, r->images, ".png", err));
    if (r->count == 0) {
        return uda_fail(err, UDA_IO, "'%s' holds no PNG files", r->images);
    }
    char **sorted = uda_arena_alloc(arena, (size_t)r->count * sizeof *sorted);
    r->name = uda_arena_alloc(arena, (size_t)r->count * sizeof *r->name);
    for (int whole = 0; whole < 2; whole++) {
        bool made = sorted != NULL && r->name != NULL;
        for (int64_t i = 0; i < r->count && made; i++) {
            r->name[i] = name_of(arena, r->path[i], whole == 1);
            made = r->name[i] != NULL;
        }
        if (!made) {
            return uda_fail(err, UDA_NOMEM, "predict: out of memory");
        }
        if (all_differ(r->name, r->count, sorted)) {
            break;
        }
    }
    return 0;
}

static int draw_all(const struct request *r, const struct uda_detections *set, struct uda_err *err)
{
    UDA_TRY(uda_fs_mkdirs(r->overlay, err));
    for (int64_t i = 0; i < set->count; i++) {
        struct uda_arena arena = {0};
        struct uda_labelled_image picture = {.name = set->image[i].name};
        const char *name = NULL;
        union {
            const struct request *from;
            void *to;
        } args = {.from = r};
        int rc = load_image(args.to, i, &picture.image, &name, &arena, err);
        if (rc == 0) {
            const struct uda_picture_look look = {.min_score = 0.5};
            rc = uda_picture_write(r->overlay, &picture, &set->image[i], &look, &arena, err);
        }
        uda_arena_finish(&arena);
        UDA_TRY(rc);
    }
    return 0;
}

static int predict(struct request *r, struct uda_arena *arena, struct uda_err *err)
{
    UDA_TRY(list_images(r, arena, err));
    struct uda_predictor_spec spec = {.weights = r->weights, .short_side = r->short_side,
                                      .max_long_side = r->max_long_side,
                                      .detections = r->detections, .min_score = r->min_score,
                                      .threads = (int)r->threads, .device = r->device,
                                      .type = r->type};
    UDA_TRY(uda_weights_describe(&spec.model, &spec.map, r->weights, err));
    struct uda_predictor *predictor = NULL;
    struct uda_detections set;
    uda_detections_init(&set, arena);
    UDA_TRY(uda_predictor_create(&predictor, &spec, err));
    struct uda_progress progress;
    uda_progress_start(&progress, "predict", 0, r->count, 1);
    int rc = uda_predictor_run(predictor, &set, 0, r->count, load_image, r, &progress, err);
    uda_predictor_destroy(&predictor);
    UDA_TRY(rc);
    if (r->overlay != NULL) {
        UDA_TRY(draw_all(r, &set, err));
    }
    int64_t masks = 0;
    for (int64_t i = 0; i < set.count; i++) {
        masks += set.image[i].count;
    }
    (void)printf("%lld images, %lld masks\n", (long long)set.count, (long long)masks);
    const struct uda_labelset_threshold threshold = {.name = "score", .value = r->min_score};
    const struct uda_labelset_facts facts = {.threshold = &threshold, .thresholds = 1,
                                             .program_version = UDA_PROGRAM_VERSION,
                                             .argc = r->argc, .argv = r->argv};
    return r->out == NULL ? 0 : uda_labelset_save(r->out, &set, &facts, err);
}

int uda_cmd_predict(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest;
    bool help = false;
    const char *precision = "fp32";
    struct request r = {.detections = 100, .max_long_side = 2048, .argc = argc, .argv = argv};
    const struct uda_option table[] = {
        {"--weights", UDA_OPTION_TEXT, &r.weights, "W.h5", "weights of a training stage"},
        {"--images", UDA_OPTION_TEXT, &r.images, "DIR", "folder of PNG images, searched to the bottom"},
        {"--out", UDA_OPTION_TEXT, &r.out, "P.h5", "where to write the label set"},
        {"--overlay", UDA_OPTION_TEXT, &r.overlay, "DIR", "draw the masks on the images"},
        {"--short-side", UDA_OPTION_INT, &r.short_side, "PX", "resize the shorter side (default: as it is)"},
        {"--max-long-side", UDA_OPTION_INT, &r.max_long_side, "PX",
         "bound of the longer side (default 2048)"},
        {"--detections", UDA_OPTION_INT, &r.detections, "N", "masks kept per image (default 100)"},
        {"--min-score", UDA_OPTION_FLOAT, &r.min_score, "S", "drop masks below this score (default 0)"},
        {"--device", UDA_OPTION_TEXT, &r.device, "NAME", "cpu (default), cuda or cuda:1"},
        {"--precision", UDA_OPTION_TEXT, &precision, "P", "fp32 (default), or bf16 on a GPU"},
        {"--threads", UDA_OPTION_INT, &r.threads, "N", "threads (default: all cores)"},
    };
    const struct uda_usage usage = {.verb = "predict",
                                    .arguments = "--weights W.h5 --images DIR --out P.h5 [options]",
                                    .summary = "Finds the instances in a folder of images.",
                                    .option = table, .options = UDA_LEN(table)};
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    if (r.weights == NULL || r.images == NULL || (r.out == NULL && r.overlay == NULL)) {
        return uda_fail(err, UDA_MANIFEST, "usage: uda4inst %s %s", usage.verb, usage.arguments);
    }
    if (strcmp(precision, "fp32") != 0 && strcmp(precision, "bf16") != 0) {
        return uda_fail(err, UDA_MANIFEST, "--precision '%s': fp32 or bf16", precision);
    }
    r.type = strcmp(precision, "bf16") == 0 ? UDA_BF16 : UDA_F32;
    uda_stop_install(0.0);
    struct uda_arena arena = {0};
    int rc = predict(&r, &arena, err);
    uda_arena_finish(&arena);
    return rc;
}
