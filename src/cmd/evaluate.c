#include "src/cmd/cmd.h"
#include "src/cmd/options.h"
#include "src/eval/coco_ap.h"
#include "src/eval/evaluation.h"
#include "src/eval/labelset.h"
#include "src/eval/protocol.h"

#include <stdio.h>
#include <string.h>

struct request {
    const char *protocol, *gt, *pred, *json;
    int64_t threads;
};

static int missing(const char *option, struct uda_err *err)
{
    return uda_fail(err, UDA_MANIFEST, "evaluate: %s is missing: see --help", option);
}

static bool is_label_set(const char *path)
{
    size_t length = strlen(path);
    return length > 3 && strcmp(path + length - 3, ".h5") == 0;
}

static int evaluate(struct uda_ap *ap, struct uda_arena *arena, enum uda_eval_protocol protocol,
                    const struct request *request, struct uda_err *err)
{
    struct uda_team *team = NULL;
    struct uda_detections loaded;
    const struct uda_detections *set = NULL;
    if (is_label_set(request->pred)) {
        UDA_TRY(uda_labelset_load(&loaded, arena, request->pred, err));
        set = &loaded;
    }
    if (protocol == UDA_EVAL_COCO) {
        return uda_coco_ap_files(ap, arena, request->gt, request->pred, set, err);
    }
    UDA_TRY(uda_team_create(&team, (int)request->threads, err));
    int rc = protocol == UDA_EVAL_KITTI360
                 ? uda_kitti360_ap(ap, arena, request->gt, request->pred, set, team, err)
                 : uda_cityscapes_ap(ap, arena, request->gt, request->pred, set, team, err);
    uda_team_destroy(&team);
    return rc;
}

static int run(enum uda_eval_protocol protocol, const struct request *request, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_ap ap;
    struct uda_str text;
    int rc = 0;
    UDA_GOTO(rc = evaluate(&ap, &arena, protocol, request, err), out);
    uda_str_init(&text, &arena);
    uda_ap_table(&text, &ap);
    UDA_GOTO(rc = uda_str_status(&text, err), out);
    if (request->json != NULL) {
        UDA_GOTO(rc = uda_ap_write(request->json, &ap, err), out);
    }
    (void)fputs(text.text, stdout);
out:
    uda_arena_finish(&arena);
    return rc;
}

int uda_cmd_evaluate(int argc, char **argv, struct uda_err *err)
{
    struct request request = {0};
    const struct uda_option table[] = {
        {"--protocol", UDA_OPTION_TEXT, &request.protocol, "NAME", "cityscapes, kitti360 or coco"},
        {"--gt", UDA_OPTION_TEXT, &request.gt, "PATH",
         "ground truth: folder that holds gtFine; that holds data_2d_semantics; instances.json"},
        {"--pred", UDA_OPTION_TEXT, &request.pred, "PATH",
         "predictions: results folder, results.json for coco, or label set (.h5)"},
        {"--json", UDA_OPTION_TEXT, &request.json, "FILE", "also write the figures here"},
        {"--threads", UDA_OPTION_INT, &request.threads, "N", "0 (default): one for each core"}};
    const struct uda_usage usage = {
        .verb = "evaluate",
        .arguments = "--protocol NAME --gt PATH --pred PATH [--json FILE]",
        .summary = "Average precision of instance masks by a benchmark's own rules.",
        .option = table,
        .options = UDA_LEN(table)};
    struct uda_option_list rest;
    bool help = false;
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    if (request.protocol == NULL || request.gt == NULL || request.pred == NULL) {
        return missing(request.protocol == NULL ? "--protocol"
                       : request.gt == NULL     ? "--gt"
                                                : "--pred",
                       err);
    }
    int protocol = uda_eval_protocol_of_name(request.protocol);
    if (protocol < 0) {
        return uda_fail(err, UDA_MANIFEST,
                        "evaluate: unknown protocol '%s': expected cityscapes, kitti360 or coco",
                        request.protocol);
    }
    if (request.threads < 0 || request.threads > 1024) {
        return uda_fail(err, UDA_MANIFEST, "evaluate: --threads must be 0 to 1024");
    }
    return run((enum uda_eval_protocol)protocol, &request, err);
}
