#include "src/stage/labels.h"

#include "io/fs.h"
#include "src/base/classes.h"
#include "src/base/log.h"
#include "src/stage/picture.h"
#include "src/stage/run_folder.h"

static int no_memory(const struct uda_stage_context *c, struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "stage '%s': out of memory", c->stage->name);
}

/* Counts as one row of metrics.jsonl and as one line of talk. */
static int write_counts(const struct uda_stage_context *c, const struct uda_detections *set,
                        struct uda_err *err)
{
    int64_t total = 0, filled = 0, of_class[UDA_CLASSES] = {0};
    for (int64_t i = 0; i < set->count; i++) {
        filled += set->image[i].count > 0;
        total += set->image[i].count;
        for (int64_t k = 0; k < set->image[i].count; k++) {
            of_class[set->image[i].item[k].cls]++;
        }
    }
    struct uda_str row, talk;
    uda_str_init(&row, c->arena);
    uda_str_init(&talk, c->arena);
    uda_str_add(&row, "{\"stage\":\"%s\",\"images\":%lld,\"labelled_images\":%lld,\"instances\":%lld",
                c->stage->name, (long long)set->count, (long long)filled, (long long)total);
    for (int k = 0; k < UDA_CLASSES; k++) {
        uda_str_add(&row, ",\"%s\":%lld", uda_classes[k].name, (long long)of_class[k]);
        if (of_class[k] > 0) {
            uda_str_add(&talk, ", %lld %s", (long long)of_class[k], uda_classes[k].name);
        }
    }
    uda_str_add(&row, "}\n");
    uda_str_add(&talk, "%s", "");
    UDA_TRY(uda_str_status(&row, err));
    UDA_TRY(uda_str_status(&talk, err));
    uda_log(UDA_LOG_INFO, "%s: %lld instances on %lld of %lld images%s", c->stage->name,
            (long long)total, (long long)filled, (long long)set->count, talk.text);
    if (total == 0) {
        uda_log(UDA_LOG_WARN,
                "%s: no instance passed: lower stages.%s.score (%g) or train the model longer",
                c->stage->name, c->stage->spec->name, c->stage->spec->label_score);
    }
    return uda_fs_write(c->metrics_path, row.text, row.bytes, err);
}

int uda_labels_write(const struct uda_stage_context *context, const struct uda_detections *set,
                     const struct uda_dataset *dataset,
                     const struct uda_labelset_threshold *threshold, int64_t thresholds,
                     struct uda_err *err)
{
    const struct uda_run_options *o = context->options;
    const char *path = uda_stage_path(context, context->stage->label_file);
    const char *folder = uda_stage_path(context, "labels");
    /* DONE names files relative to the stage's folder, stages/<stage>. */
    const char *file = uda_fs_join(context->arena, "../..", context->stage->label_file);
    if (path == NULL || folder == NULL || file == NULL) {
        return no_memory(context, err);
    }
    const struct uda_labelset_facts facts = {.threshold = threshold, .thresholds = thresholds,
                                             .program_version = o->program_version, .argc = o->argc,
                                             .argv = o->argv};
    UDA_TRY(uda_fs_mkdirs(folder, err));
    UDA_TRY(uda_labelset_save(path, set, &facts, err));
    UDA_TRY(write_counts(context, set, err));
    const struct uda_picture_look look = {.enlarge = true};
    UDA_TRY(uda_pictures_write(context, dataset, set, &look, err));
    const char *const files[] = {file, "metrics.jsonl"};
    return uda_run_folder_done(context->dir, context->stage, set->count, files, UDA_LEN(files), err);
}

/* uda_label_source.load over a struct uda_detections. */
static int load(struct uda_labels *labels, const struct uda_label_source *source, int64_t k,
                int64_t height, int64_t width, struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_detections *set = source->args;
    const struct uda_image_detections *image = &set->image[k];
    if (image->height != height || image->width != width) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': image '%s' was labelled at %lldx%lld pixels, but it has %lldx%lld: label "
                        "it again", source->name, image->name, (long long)image->width,
                        (long long)image->height, (long long)width, (long long)height);
    }
    struct uda_labels out = {.height = height, .width = width, .count = image->count};
    out.instance = uda_arena_alloc(arena, (size_t)image->count * sizeof *out.instance);
    for (int64_t n = 0; n < image->count && out.instance != NULL; n++) {
        const struct uda_detection *d = &image->item[n];
        size_t pixels = (size_t)(d->box.x1 - d->box.x0 + 1) * (size_t)(d->box.y1 - d->box.y0 + 1);
        out.instance[n] = (struct uda_instance){.id = n + 1, .cls = d->cls, .area_px = d->area_px,
                                                .x0 = d->box.x0, .y0 = d->box.y0, .x1 = d->box.x1,
                                                .y1 = d->box.y1,
                                                .mask = uda_arena_alloc(arena, pixels)};
        if (out.instance[n].mask == NULL) {
            return uda_fail(err, UDA_NOMEM, "'%s': out of memory", source->name);
        }
        uda_rle_decode_box(out.instance[n].mask, d->box, &d->mask);
    }
    if (out.instance == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", source->name);
    }
    *labels = out;
    return 0;
}

int uda_labels_source(struct uda_label_source *source, const struct uda_detections *set,
                      const char *name, struct uda_arena *arena, struct uda_err *err)
{
    const char **image = uda_arena_alloc(arena, (size_t)set->count * sizeof *image);
    if (image == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", name);
    }
    for (int64_t i = 0; i < set->count; i++) {
        image[i] = set->image[i].name;
    }
    *source = (struct uda_label_source){
        .name = name, .image = image, .count = set->count, .load = load, .args = set};
    return 0;
}

int uda_labels_open(struct uda_labels_file *labels, const struct uda_stage_context *context,
                    const struct uda_plan_stage *from, struct uda_err *err)
{
    const char *path = uda_stage_path(context, from->label_file);
    if (path == NULL) {
        return no_memory(context, err);
    }
    UDA_TRY(uda_labelset_load(&labels->set, context->arena, path, err));
    return uda_labels_source(&labels->source, &labels->set, from->label_file, context->arena, err);
}
