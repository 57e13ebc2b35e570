#include "src/cmd/export_weights.h"

#include "io/fs.h"
#include "io/safetensors.h"
#include "src/base/classes.h"
#include "src/cmd/import_names.h"
#include "src/stage/weights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct export {
    struct uda_weights_export *what;
    const struct uda_store *store;
    const char *path;
    struct uda_safetensors_tensor *tensor; /* [count] */
    int64_t count;
    struct uda_weights_about about;
    bool described; /* about is filled */
    struct uda_arena arena;
};

static int no_memory(const struct export *e, struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "'%s': out of memory", e->path);
}

/* Adds one of our parameters as one tensor or three. */
static int add_parameter(struct export *e, const char *dataset, const char *name, struct uda_err *err)
{
    struct uda_store_info info;
    float *values = NULL;
    UDA_TRY(uda_store_load_f32(&values, &info, e->store, dataset, &e->arena, err));
    char theirs[UDA_IMPORT_NAME_BYTES];
    int parts = uda_export_name(theirs, name, 0);
    if (parts == 0 || (parts > 1 && (info.ndim == 0 || info.dims[0] % parts != 0))) {
        return uda_fail(err, UDA_FORMAT, "'%s': '%s' is no parameter that Hugging Face's Mask2Former has",
                        e->path, dataset);
    }
    int64_t *dims = uda_arena_alloc(&e->arena, UDA_STORE_MAX_DIMS * sizeof *dims);
    if (dims == NULL) {
        return no_memory(e, err);
    }
    memcpy(dims, info.dims, sizeof info.dims);
    dims[0] = info.ndim > 0 ? dims[0] / parts : 0;
    for (int p = 0; p < parts; p++) {
        (void)uda_export_name(theirs, name, p);
        char *copy = uda_arena_strdup(&e->arena, theirs);
        if (copy == NULL) {
            return no_memory(e, err);
        }
        e->tensor[e->count++] = (struct uda_safetensors_tensor){
            .name = copy, .ndim = info.ndim, .dims = dims, .data = values + p * (info.count / parts)};
    }
    e->what->values += info.count;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct uda_safetensors_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int collect(struct export *e, struct uda_err *err)
{
    const char *group = e->what->teacher ? "teacher" : "params";
    char **names = NULL, *kind = NULL;
    int64_t count = 0;
    UDA_TRY(uda_store_list(&names, &count, e->store, group, &e->arena, err));
    if (count == 0 && uda_store_has_attr(e->store, "", "kind")) {
        UDA_TRY(uda_store_get_attr_text(&kind, e->store, "", "kind", &e->arena, err));
    }
    if (count == 0 && strcmp(group, "teacher") == 0) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s' has no teacher beside the student: checkpoints of adapt stages have; a "
                        "teacher.h5 is exported as it is", e->path);
    }
    if (count == 0) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s' is %s%s, and has no weights: give weights.h5, teacher.h5 or a checkpoint",
                        e->path, kind == NULL ? "of another kind" : "a ", kind == NULL ? "" : kind);
    }
    e->tensor = uda_arena_alloc(&e->arena, 3 * (size_t)count * sizeof *e->tensor);
    if (e->tensor == NULL) {
        return no_memory(e, err);
    }
    for (int64_t i = 0; i < count; i++) {
        UDA_TRY(add_parameter(e, names[i], names[i] + strlen(group) + 1, err));
    }
    qsort(e->tensor, (size_t)e->count, sizeof *e->tensor, by_name);
    e->what->tensors = e->count;
    return 0;
}

/* ---- config.json ---- */

static void put_list(struct uda_str *out, const char *key, const int64_t *value)
{
    uda_str_add(out, "\"%s\": [%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "], ", key, value[0],
                value[1], value[2], value[3]);
}

static void put_swin(struct uda_str *out, const struct uda_model_config *m)
{
    uda_str_add(out, "\"model_type\": \"swin\", \"patch_size\": 4, \"num_channels\": 3, \"mlp_ratio\": 4.0, "
                     "\"layer_norm_eps\": 1e-05, \"embed_dim\": %" PRId64 ", ", m->embed_dim);
    put_list(out, "depths", m->depths);
    put_list(out, "num_heads", m->heads);
    uda_str_add(out, "\"window_size\": %" PRId64 ", \"drop_path_rate\": %.9g, ", m->window,
                (double)m->drop_path);
}

static void put_resnet(struct uda_str *out, const struct uda_model_config *m)
{
    int64_t E = m->embed_dim;
    const int64_t sizes[4] = {E, 2 * E, 4 * E, 8 * E};
    uda_str_add(out, "\"model_type\": \"resnet\", \"num_channels\": 3, \"layer_type\": \"bottleneck\", "
                     "\"hidden_act\": \"relu\", \"downsample_in_first_stage\": false, "
                     "\"downsample_in_bottleneck\": false, \"embedding_size\": %" PRId64 ", ", E / 4);
    put_list(out, "hidden_sizes", sizes);
    put_list(out, "depths", m->depths);
}

static void put_config(struct uda_str *out, const struct uda_weights_about *about)
{
    const struct uda_model_config *m = &about->model;
    uda_str_add(out, "{\n \"architectures\": [\"Mask2FormerForUniversalSegmentation\"],\n"
                     " \"model_type\": \"mask2former\",\n \"backbone_config\": {");
    if (m->resnet) {
        put_resnet(out, m);
    } else {
        put_swin(out, m);
    }
    uda_str_add(out, "\"out_features\": [\"stage1\", \"stage2\", \"stage3\", \"stage4\"]},\n");
    uda_str_add(out, " \"feature_size\": %" PRId64 ", \"hidden_dim\": %" PRId64 ", \"mask_feature_size\": %"
                     PRId64 ",\n \"encoder_layers\": %" PRId64 ", \"encoder_feedforward_dim\": %" PRId64
                     ", \"num_attention_heads\": %" PRId64 ",\n", m->hidden, m->hidden, m->mask_dim,
                m->encoder_layers, m->encoder_ffn, m->heads_n);
    /* Hugging Face counts the prediction before the first layer as a layer. */
    uda_str_add(out, " \"decoder_layers\": %" PRId64 ", \"dim_feedforward\": %" PRId64 ", \"num_queries\": %"
                     PRId64 ", \"dropout\": 0.0, \"pre_norm\": false,\n", m->decoder_layers + 1,
                m->decoder_ffn, m->queries);
    uda_str_add(out, " \"common_stride\": 4, \"feature_strides\": [4, 8, 16, 32], \"id2label\": {");
    for (int i = 0; i < about->map.count; i++) {
        uda_str_add(out, "%s\"%d\": \"%s\"", i == 0 ? "" : ", ", i, uda_classes[about->map.cls[i]].name);
    }
    uda_str_add(out, "}, \"label2id\": {");
    for (int i = 0; i < about->map.count; i++) {
        uda_str_add(out, "%s\"%s\": %d", i == 0 ? "" : ", ", uda_classes[about->map.cls[i]].name, i);
    }
    uda_str_add(out, "}\n}\n");
}

static int write_config(struct export *e, struct uda_err *err)
{
    const struct uda_model_config *m = &e->about.model;
    struct uda_str text;
    if (!e->described) {
        return uda_fail(err, UDA_UNSUPPORTED, "'%s' does not say the sizes of its model: --config needs "
                                              "weights.h5 or teacher.h5", e->path);
    }
    if (m->points != 4 || m->groups != 32) {
        return uda_fail(err, UDA_UNSUPPORTED,
                        "'%s': Hugging Face's Mask2Former has 4 sampling points and 32 groups, this model "
                        "%" PRId64 " and %" PRId64 ": no config.json can say it",
                        e->path, m->points, m->groups);
    }
    uda_str_init(&text, &e->arena);
    put_config(&text, &e->about);
    UDA_TRY(uda_str_status(&text, err));
    return uda_fs_write(e->what->config, text.text, text.bytes, err);
}

/* ---- the file ---- */

static int write_tensors(struct export *e, struct uda_err *err)
{
    struct uda_str about;
    uda_str_init(&about, &e->arena);
    if (e->described) {
        uda_weights_about_json(&about, &e->about);
        UDA_TRY(uda_str_status(&about, err));
    }
    const char *const metadata[2][2] = {{"format", "pt"}, {"uda4inst", about.text}};
    return uda_safetensors_write(e->what->out, e->tensor, e->count, metadata, e->described ? 2 : 1, err);
}

static int export(struct export *e, struct uda_err *err)
{
    if (uda_store_has_attr(e->store, "model", "classes")) {
        UDA_TRY(uda_weights_get_about(&e->about, e->store, &e->arena, err));
        e->described = true;
    }
    UDA_TRY(collect(e, err));
    if (e->what->config != NULL) {
        UDA_TRY(write_config(e, err));
    }
    return write_tensors(e, err);
}

int uda_export_weights(struct uda_weights_export *what, const char *path, struct uda_err *err)
{
    struct uda_store *store = NULL;
    what->tensors = what->values = 0;
    UDA_TRY(uda_store_open(&store, path, err));
    struct export e = {.what = what, .store = store, .path = path};
    int rc = export(&e, err);
    uda_arena_finish(&e.arena);
    uda_store_close(&store);
    return rc;
}
