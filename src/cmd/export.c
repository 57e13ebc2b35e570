#include "src/cmd/cmd.h"
#include "src/cmd/export_weights.h"
#include "src/cmd/options.h"
#include "src/eval/export.h"
#include "src/eval/labelset.h"

#include <stdio.h>
#include <string.h>

struct request {
    const char *to, *out, *images, *instances, *config, *weights;
    double least;
};

static int write_out(const struct request *r, const struct uda_detections *set,
                     struct uda_err *err)
{
    if (strcmp(r->to, "coco") == 0) {
        return uda_export_coco(r->out, set, err);
    }
    if (strcmp(r->to, "coco-results") == 0) {
        return uda_export_coco_results(r->out, set, r->instances, err);
    }
    if (strcmp(r->to, "cityscapes") == 0) {
        return uda_export_cityscapes(r->out, set, err);
    }
    if (strcmp(r->to, "instance-ids") == 0) {
        return uda_export_instance_ids(r->out, set, err);
    }
    return uda_export_overlay(r->out, set, r->images, r->least, err);
}

static int check(const struct request *r, struct uda_err *err)
{
    static const char *const formats[] = {"coco", "coco-results", "cityscapes", "instance-ids",
                                          "overlay", "safetensors"};
    bool known = false;
    if (r->to == NULL || r->out == NULL) {
        return uda_fail(err, UDA_MANIFEST, "export: %s is missing: see --help",
                        r->to == NULL ? "--to" : "--out");
    }
    for (int64_t i = 0; i < UDA_LEN(formats); i++) {
        known = known || strcmp(r->to, formats[i]) == 0;
    }
    if (!known) {
        return uda_fail(err, UDA_MANIFEST,
                        "export: unknown format '%s': expected coco, coco-results, cityscapes, "
                        "instance-ids or overlay for label sets, safetensors for weights",
                        r->to);
    }
    if (strcmp(r->weights, "student") != 0 && strcmp(r->weights, "teacher") != 0) {
        return uda_fail(err, UDA_MANIFEST, "export: --weights '%s': student or teacher", r->weights);
    }
    if (strcmp(r->to, "overlay") == 0 && r->images == NULL) {
        return uda_fail(err, UDA_MANIFEST, "export: --to overlay needs --images");
    }
    return 0;
}

static int export_labels(const struct request *r, const char *path, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_detections set;
    int64_t instances = 0;
    int rc = uda_labelset_load(&set, &arena, path, err);
    if (rc == 0) {
        rc = write_out(r, &set, err);
    }
    for (int64_t i = 0; rc == 0 && i < set.count; i++) {
        instances += set.image[i].count;
    }
    if (rc == 0) {
        (void)printf("%lld images, %lld instances in '%s'\n", (long long)set.count,
                     (long long)instances, r->out);
    }
    uda_arena_finish(&arena);
    return rc;
}

static int export_weights(const struct request *r, const char *path, struct uda_err *err)
{
    struct uda_weights_export what = {
        .out = r->out, .config = r->config, .teacher = strcmp(r->weights, "teacher") == 0};
    UDA_TRY(uda_export_weights(&what, path, err));
    (void)printf("%lld tensors, %lld values in '%s'\n", (long long)what.tensors,
                 (long long)what.values, r->out);
    return 0;
}

int uda_cmd_export(int argc, char **argv, struct uda_err *err)
{
    struct request request = {.least = 0.5, .weights = "student"};
    const struct uda_option table[] = {
        {"--to", UDA_OPTION_TEXT, &request.to, "FORMAT",
         "coco, coco-results, cityscapes, instance-ids, overlay; safetensors of weights"},
        {"--out", UDA_OPTION_TEXT, &request.out, "PATH",
         "file for coco, coco-results and safetensors, folder for the others"},
        {"--instances", UDA_OPTION_TEXT, &request.instances, "FILE",
         "coco-results: take image and category ids from this instances file"},
        {"--images", UDA_OPTION_TEXT, &request.images, "DIR", "overlay: folder of the images"},
        {"--score", UDA_OPTION_FLOAT, &request.least, "S",
         "overlay: draw instances of at least this score (default 0.5)"},
        {"--config", UDA_OPTION_TEXT, &request.config, "FILE",
         "safetensors: also write Hugging Face's config.json"},
        {"--weights", UDA_OPTION_TEXT, &request.weights, "WHOSE",
         "safetensors of a checkpoint: student (default) or teacher"}};
    const struct uda_usage usage = {.verb = "export",
                                    .arguments = "LABELS.h5|WEIGHTS.h5 --to FORMAT --out PATH",
                                    .summary = "A label set or weights in the format of another tool.",
                                    .option = table,
                                    .options = UDA_LEN(table),
                                    .least = 1,
                                    .most = 1};
    struct uda_option_list rest;
    bool help = false;
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    UDA_TRY(check(&request, err));
    return strcmp(request.to, "safetensors") == 0 ? export_weights(&request, rest.item[0], err)
                                                  : export_labels(&request, rest.item[0], err);
}
