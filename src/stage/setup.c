#include "src/stage/setup.h"

#include "io/fs.h"
#include "src/base/log.h"
#include "src/stage/draw.h"

#include <string.h>

int uda_setup_classes(struct uda_class_map *map, const struct uda_manifest *manifest,
                      const struct uda_plan_stage *stage, struct uda_err *err)
{
    if (stage->category < 0) {
        *map = uda_class_map_all();
        return 0;
    }
    enum uda_class cls[UDA_CLASSES];
    int64_t count = 0;
    for (int i = 0; i < UDA_CLASSES; i++) {
        if (manifest->category[stage->category].has[i]) {
            cls[count++] = (enum uda_class)i;
        }
    }
    return uda_class_map_of(map, cls, count, err);
}

const char *uda_setup_device(const struct uda_manifest *manifest)
{
    return strcmp(manifest->runtime.device, "auto") == 0 ? "cpu" : manifest->runtime.device;
}

int uda_setup_spread_ranks(struct uda_manifest *manifest, struct uda_arena *arena,
                           const struct uda_dist *dist, struct uda_err *err)
{
    const struct uda_backend *backend = NULL;
    char text[256];
    int number = 0;
    if (dist->ranks == 1 || strcmp(manifest->runtime.device, "cuda") != 0) {
        return 0;
    }
    UDA_TRY(uda_dist_local(dist, &number, err));
    UDA_TRY(uda_device_cuda(&backend, err));
    int devices = backend->count(text, sizeof text);
    number = devices > 0 ? number % devices : 0;
    if (number > 0) {
        manifest->runtime.device = uda_arena_printf(arena, "cuda:%d", number);
    }
    return manifest->runtime.device != NULL ? 0 : uda_fail(err, UDA_NOMEM, "run: out of memory");
}

enum uda_type uda_setup_type(const struct uda_manifest_recipe *recipe)
{
    return recipe->precision == UDA_PRECISION_BF16 ? UDA_BF16 : UDA_F32;
}

/* May a run of the stage `only` (NULL: all) come to this stage? `only` names it or one of its categories. */
static bool may_run(const struct uda_manifest_stage *stage, const char *only)
{
    size_t length = strlen(stage->name);
    return only == NULL || (strncmp(only, stage->name, length) == 0 &&
                            (only[length] == '\0' || only[length] == '.'));
}

/* The CPU computes in fp32. */
static int check_cpu(const struct uda_manifest *manifest, const char *only, struct uda_err *err)
{
    for (int64_t i = 0; i < manifest->stage_count; i++) {
        const struct uda_manifest_stage *stage = &manifest->stage[i];
        if (stage->kind != UDA_STAGE_FUSE && uda_setup_type(&stage->recipe) == UDA_BF16 &&
            may_run(stage, only)) {
            return uda_fail(err, UDA_UNSUPPORTED,
                            "stage '%s': precision is bf16, which needs a GPU, and runtime.device is '%s', "
                            "the CPU: choose cuda, or precision: fp32", stage->name,
                            manifest->runtime.device);
        }
    }
    return 0;
}

int uda_setup_check_device(const struct uda_manifest *manifest, const char *only, struct uda_err *err)
{
    const char *name = uda_setup_device(manifest);
    if (strcmp(name, "cpu") == 0) {
        return check_cpu(manifest, only, err);
    }
    struct uda_device device;
    UDA_TRY(uda_device_init(&device, name, 1, err));
    char text[320] = "";
    int rc = uda_device_complete(&device, err);
    if (rc == 0) {
        uda_log(UDA_LOG_INFO, "models run on '%s': %s", name,
                uda_device_made_with(text, sizeof text, &device));
    }
    uda_device_finish(&device);
    return rc;
}

int uda_setup_model(struct uda_model_config *config, const struct uda_manifest_model *model,
                    int64_t classes, struct uda_err *err)
{
    *config = (struct uda_model_config){
        .resnet = uda_backbone_is_resnet(model->backbone), .embed_dim = model->embed_dim,
        .window = model->window, .drop_path = (float)model->drop_path,
        .hidden = model->hidden_dim, .mask_dim = model->mask_dim,
        .encoder_layers = model->encoder_layers, .encoder_ffn = model->encoder_ffn,
        .heads_n = model->attention_heads, .points = model->sampling_points,
        .groups = model->groups, .decoder_layers = model->decoder_layers,
        .decoder_ffn = model->decoder_ffn, .queries = model->queries, .classes = classes};
    for (int i = 0; i < UDA_STAGES; i++) {
        config->depths[i] = model->depths[i];
        config->heads[i] = model->heads[i];
    }
    return uda_model_config_check(config, err);
}

struct uda_criterion_config uda_setup_criterion(const struct uda_manifest_recipe *recipe)
{
    return (struct uda_criterion_config){.class_weight = (float)recipe->loss.cls,
                                         .mask_weight = (float)recipe->loss.mask,
                                         .dice_weight = (float)recipe->loss.dice,
                                         .no_object = (float)recipe->loss.no_object,
                                         .points = recipe->points.train,
                                         .oversample = (float)recipe->points.oversample,
                                         .importance = (float)recipe->points.importance};
}

struct uda_adamw_config uda_setup_adamw(const struct uda_manifest_recipe *recipe)
{
    return (struct uda_adamw_config){.beta1 = recipe->optimizer.betas[0],
                                     .beta2 = recipe->optimizer.betas[1],
                                     .eps = recipe->optimizer.eps,
                                     .weight_decay = recipe->optimizer.weight_decay,
                                     .backbone_factor = recipe->optimizer.backbone_lr_factor};
}

int uda_setup_schedule(struct uda_schedule *schedule, const struct uda_manifest_recipe *recipe,
                       int64_t iterations, struct uda_err *err)
{
    static const enum uda_schedule_kind kinds[] = {
        [UDA_LR_POLY] = UDA_SCHEDULE_POLY, [UDA_LR_LINEAR] = UDA_SCHEDULE_LINEAR,
        [UDA_LR_CONSTANT] = UDA_SCHEDULE_CONSTANT, [UDA_LR_MULTISTEP] = UDA_SCHEDULE_MULTISTEP};
    *schedule = (struct uda_schedule){
        .kind = kinds[recipe->schedule.kind], .base = recipe->optimizer.lr, .total = iterations,
        .warmup = recipe->schedule.warmup_iterations, .factor = recipe->schedule.warmup_factor,
        .power = recipe->schedule.power, .gamma = recipe->schedule.gamma};
    if (recipe->schedule.steps.count > UDA_SCHEDULE_STEPS) {
        return uda_fail(err, UDA_MANIFEST, "schedule.steps: %lld steps, at most %d",
                        (long long)recipe->schedule.steps.count, UDA_SCHEDULE_STEPS);
    }
    schedule->steps = (int)recipe->schedule.steps.count;
    for (int i = 0; i < schedule->steps; i++) {
        schedule->step[i] = recipe->schedule.steps.value[i];
    }
    return 0;
}

int uda_setup_augment(struct uda_augment_spec *spec, const struct uda_manifest_recipe *recipe,
                      struct uda_err *err)
{
    const struct uda_ints *edges = &recipe->augment.short_side;
    if (edges->count > UDA_AUGMENT_EDGES) {
        return uda_fail(err, UDA_MANIFEST, "augment.short_side: %lld sizes, at most %d",
                        (long long)edges->count, UDA_AUGMENT_EDGES);
    }
    *spec = (struct uda_augment_spec){
        .edges = edges->count, .edge_max_px = recipe->augment.max_long_side,
        .crop_height_px = recipe->augment.crop[0], .crop_width_px = recipe->augment.crop[1],
        .color = recipe->augment.color == UDA_COLOR_SSD ? 1.0f : 0.0f,
        .flip = (float)recipe->augment.flip, .keep_empty = recipe->augment.keep_empty};
    for (int64_t i = 0; i < edges->count; i++) {
        spec->edge_px[i] = edges->value[i];
    }
    return uda_augment_check(spec, err);
}

/* What a stage wants of a data set. */
struct wish {
    int64_t index; /* in the manifest */
    uint32_t class_mask;
    bool training;    /* images without an instance of the classes are dropped */
    bool images_only; /* labels are never opened */
    const struct uda_label_source *labels;
};

static int open_dataset(struct uda_dataset **dataset, const struct uda_stage_context *context,
                        const struct wish *wish, struct uda_err *err)
{
    static const char *const formats[] = {
        [UDA_LAYOUT_CITYSCAPES] = "cityscapes", [UDA_LAYOUT_KITTI360] = "kitti360",
        [UDA_LAYOUT_URBANSYN] = "urbansyn",     [UDA_LAYOUT_SYNSCAPES] = "synscapes",
        [UDA_LAYOUT_SYNTHIA] = "synthia",       [UDA_LAYOUT_COCO] = "coco"};
    const struct uda_manifest_dataset *d = &context->manifest->dataset[wish->index];
    if (d->scenes.count > 0) {
        UDA_TRY(uda_draw_scenes(d, formats[d->format], (int)context->manifest->runtime.threads, err));
    }
    /* An index with counts and one of images alone are different files. */
    bool unlabelled = wish->images_only || d->labels == UDA_LABELS_NONE;
    const char *relative = uda_arena_printf(context->arena, "index/%s%s.json", d->name,
                                            unlabelled || wish->labels != NULL ? ".images" : "");
    const char *cache = relative == NULL ? NULL : uda_stage_path(context, relative);
    const char *folder = uda_stage_path(context, "index");
    if (cache == NULL || folder == NULL) {
        return uda_fail(err, UDA_NOMEM, "data set '%s': out of memory", d->name);
    }
    UDA_TRY(uda_fs_mkdirs(folder, err));
    const struct uda_dataset_spec spec = {
        .format = formats[d->format], .root = d->root, .split = d->split,
        .annotations = d->annotations, .images = d->images, .unlabelled = unlabelled,
        .label_source = wish->labels, .hold_out_count = d->hold_out.count,
        .hold_out_seed = (uint64_t)d->hold_out.seed,
        .hold = d->hold_out.count == 0               ? UDA_HOLD_NONE
                : d->hold_out.part == UDA_PART_REST ? UDA_HOLD_REST
                                                    : UDA_HOLD_HELD,
        .limit = d->limit, .class_mask = wish->class_mask, .keep_empty = !wish->training,
        .cache_path = cache, .threads = (int)context->manifest->runtime.threads};
    UDA_TRY(uda_dataset_create(dataset, &spec, err));
    uda_log(UDA_LOG_INFO, "%s: data set '%s'%s%s: %s", context->stage->name, d->name,
            wish->labels != NULL ? " with the labels of " : "",
            wish->labels != NULL ? wish->labels->name : "",
            uda_dataset_summary(*dataset, context->arena));
    return 0;
}

int uda_setup_dataset(struct uda_dataset **dataset, const struct uda_stage_context *context,
                      int64_t index, uint32_t class_mask, bool training, struct uda_err *err)
{
    const struct wish wish = {.index = index, .class_mask = class_mask, .training = training};
    return open_dataset(dataset, context, &wish, err);
}

int uda_setup_images(struct uda_dataset **dataset, const struct uda_stage_context *context,
                     int64_t index, struct uda_err *err)
{
    const struct wish wish = {.index = index, .images_only = true};
    return open_dataset(dataset, context, &wish, err);
}

int uda_setup_pseudo_labelled(struct uda_dataset **dataset, const struct uda_stage_context *context,
                              int64_t index, uint32_t class_mask,
                              const struct uda_label_source *labels, struct uda_err *err)
{
    const struct wish wish = {
        .index = index, .class_mask = class_mask, .training = true, .labels = labels};
    return open_dataset(dataset, context, &wish, err);
}

int uda_setup_predictor(struct uda_predictor **predictor, const struct uda_stage_context *context,
                        double least_score, struct uda_err *err)
{
    int64_t from = context->stage->from;
    return uda_setup_predictor_of(predictor, context, from >= 0 ? &context->plan->stage[from] : NULL,
                                  least_score, err);
}

int uda_setup_predictor_of(struct uda_predictor **predictor, const struct uda_stage_context *context,
                           const struct uda_plan_stage *from, double least_score, struct uda_err *err)
{
    const struct uda_manifest_recipe *recipe = &context->stage->spec->recipe;
    const struct uda_manifest *manifest = context->manifest;
    struct uda_predictor_spec spec = {.weights = manifest->model.init, .producer = manifest->model.init,
                                      .short_side = recipe->test.short_side,
                                      .max_long_side = recipe->test.max_long_side,
                                      .detections = recipe->test.detections,
                                      .min_score = recipe->test.score_threshold > least_score
                                                       ? recipe->test.score_threshold
                                                       : least_score,
                                      .threads = (int)manifest->runtime.threads,
                                      .device = uda_setup_device(manifest),
                                      .type = uda_setup_type(recipe)};
    if (from != NULL) {
        bool teacher = context->stage->spec->weights == UDA_OF_TEACHER;
        spec.producer = teacher ? uda_fs_join(context->arena, from->dir, "teacher.h5") : from->weights;
        spec.weights = spec.producer == NULL ? NULL : uda_stage_path(context, spec.producer);
        if (spec.weights == NULL) {
            return uda_fail(err, UDA_NOMEM, "stage '%s': out of memory", context->stage->name);
        }
    } else if (spec.weights == NULL) {
        return uda_fail(err, UDA_MANIFEST,
                        "stage '%s': no weights: name a stage in 'from', or a file in model.init",
                        context->stage->name);
    }
    UDA_TRY(uda_setup_classes(&spec.map, manifest, from != NULL ? from : context->stage, err));
    UDA_TRY(uda_setup_model(&spec.model, &manifest->model, spec.map.count, err));
    return uda_predictor_create(predictor, &spec, err);
}

int uda_setup_load_image(void *args, int64_t i, struct uda_image *image, const char **name,
                         struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_dataset *dataset = args;
    UDA_TRY(uda_dataset_load_image(image, dataset, i, arena, err));
    *name = dataset->item[i].name;
    return 0;
}
