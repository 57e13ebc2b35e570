#include "src/scenes/scenes.h"

#include "src/cmd/cmd.h"
#include "src/cmd/options.h"

#include <stdio.h>

struct options {
    const char *format, *style, *out, *split;
    int64_t count, seed, height, width, first, threads;
    double gap;
};

static int parse(struct options *o, bool *help, int argc, char **argv, struct uda_err *err)
{
    const struct uda_option table[] = {
        {"--format", UDA_OPTION_TEXT, &o->format, "F",
         "cityscapes, kitti360, urbansyn, synscapes, synthia or coco"},
        {"--style", UDA_OPTION_TEXT, &o->style, "S", "synthetic or real (default synthetic)"},
        {"--count", UDA_OPTION_INT, &o->count, "N", "how many scenes"},
        {"--seed", UDA_OPTION_INT, &o->seed, "K", "seed (default 1)"},
        {"--out", UDA_OPTION_TEXT, &o->out, "DIR", "folder, new or interrupted before"},
        {"--height", UDA_OPTION_INT, &o->height, "PX", "height of the images (default 96)"},
        {"--width", UDA_OPTION_INT, &o->width, "PX", "width of the images (default 192)"},
        {"--split", UDA_OPTION_TEXT, &o->split, "NAME",
         "cityscapes, kitti360, coco (default train)"},
        {"--first", UDA_OPTION_INT, &o->first, "I", "number of the first scene (default 0)"},
        {"--gap", UDA_OPTION_FLOAT, &o->gap, "G",
         "strength of the real style's optics, 0 to 1 (default 0.4)"},
        {"--threads", UDA_OPTION_INT, &o->threads, "N", "0 = one per core (default)"}};
    const struct uda_usage usage = {
        .verb = "scenes",
        .arguments = "--format F --style S --count N --seed K --out DIR [options]",
        .summary =
            "Draws labelled street scenes in the layout of a data set. The same options give "
            "the same bytes.",
        .option = table,
        .options = UDA_LEN(table)};
    struct uda_option_list rest;
    return uda_options_parse(&rest, help, &usage, argc, argv, err);
}

static int check(int *style, const struct options *o, struct uda_err *err)
{
    if (o->format == NULL || o->out == NULL || o->count < 1) {
        return uda_fail(err, UDA_MANIFEST, "scenes needs --format, --count and --out: see --help");
    }
    *style = uda_scene_style_of(o->style);
    if (*style < 0) {
        return uda_fail(err, UDA_MANIFEST, "scenes: unknown style '%s': use synthetic or real",
                        o->style);
    }
    if (o->threads < 0 || o->threads > 1024) {
        return uda_fail(err, UDA_MANIFEST, "scenes: --threads %lld: 0 to 1024",
                        (long long)o->threads);
    }
    return 0;
}

int uda_cmd_scenes(int argc, char **argv, struct uda_err *err)
{
    struct options o = {.style = "synthetic", .seed = 1, .height = 96, .width = 192, .gap = 0.4};
    bool help = false, done = false;
    int style = -1;
    UDA_TRY(parse(&o, &help, argc, argv, err));
    if (help) {
        return 0;
    }
    UDA_TRY(check(&style, &o, err));
    struct uda_scenes_spec spec = {.format = o.format,
                                   .dir = o.out,
                                   .split = o.split,
                                   .count = o.count,
                                   .first = o.first,
                                   .scene = {.style = (enum uda_scene_style)style,
                                             .seed = (uint64_t)o.seed,
                                             .height = o.height,
                                             .width = o.width,
                                             .gap = (float)o.gap}};
    UDA_TRY(uda_scenes_check(&done, &spec, err));
    if (!done) {
        struct uda_team *team = NULL;
        UDA_TRY(uda_team_create(&team, (int)o.threads, err));
        int rc = uda_scenes_write(&spec, team, err);
        uda_team_destroy(&team);
        UDA_TRY(rc);
    }
    (void)printf("%lld scenes in %s%s\n", (long long)o.count, o.out,
                 done ? " (already there)" : "");
    return 0;
}
