/* Weights out and in again: every name has an inverse, and import(export(w)) is w, bit for bit. */
#include "tests/check.h"

#include "io/fs.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "src/cmd/cmd.h"
#include "src/cmd/export_weights.h"
#include "src/cmd/import_names.h"
#include "src/eval/labelset.h"
#include "src/model/mask2former.h"
#include "src/stage/checkpoint.h"
#include "src/stage/weights.h"
#include "tests/scratch.h"

static struct uda_arena arena_of_test;
#define ARENA (&arena_of_test)

static char dir[SCRATCH_BYTES], weights[SCRATCH_BYTES], file[SCRATCH_BYTES], back[SCRATCH_BYTES];

/* Every parameter of the reference's largest model, as its list names them. */
static void test_names(void)
{
    struct uda_err err = {0};
    unsigned char *text = NULL;
    size_t bytes = 0;
    int64_t names = 0, parts = 0;
    CHECK_OK(uda_fs_read(&text, &bytes, ARENA, TEST_GOLDEN "/names_swin_l_k8.txt", 1 << 20, &err), &err);
    char *rest = NULL;
    for (char *line = strtok_r((char *)text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#') {
            continue;
        }
        char theirs[UDA_IMPORT_NAME_BYTES];
        *strchr(line, ' ') = '\0';
        int n = uda_export_name(theirs, line, 0);
        bool joined = strstr(line, ".attn.qkv.") != NULL || strstr(line, ".self_attn.in_proj_") != NULL;
        CHECK(n == (joined ? 3 : 1));
        for (int part = 0; part < n; part++, parts++) {
            struct uda_import_name ours;
            CHECK(uda_export_name(theirs, line, part) == n);
            CHECK(uda_import_name(&ours, theirs) == UDA_IMPORT_TAKEN);
            CHECK_STR(ours.name, line);
            CHECK(ours.part == (n == 1 ? -1 : part));
        }
        CHECK(uda_export_name(theirs, line, n) == 0 && uda_export_name(theirs, line, -1) == 0);
        names++;
    }
    CHECK(names > 500 && parts > names);
    char theirs[UDA_IMPORT_NAME_BYTES], longest[400];
    memset(longest, 'a', sizeof longest);
    longest[399] = '\0';
    CHECK(uda_export_name(theirs, "", 0) == 0 && uda_export_name(theirs, "backbone", 0) == 0);
    CHECK(uda_export_name(theirs, longest, 0) == 0);
}

static const struct uda_model_config small = {
    .embed_dim = 8, .depths = {1, 2, 1, 1}, .heads = {1, 2, 2, 4}, .window = 4, .drop_path = 0.1f,
    .hidden = 32, .mask_dim = 16, .encoder_layers = 1, .encoder_ffn = 16, .heads_n = 4, .points = 4,
    .groups = 32, .decoder_layers = 2, .decoder_ffn = 16, .queries = 3, .classes = 3};

static const struct uda_model_config resnet = {
    .resnet = true, .embed_dim = 8, .depths = {1, 2, 1, 1}, .hidden = 32, .mask_dim = 16,
    .encoder_layers = 1, .encoder_ffn = 16, .heads_n = 4, .points = 4, .groups = 32, .decoder_layers = 2,
    .decoder_ffn = 16, .queries = 3, .classes = 3};

/* Values of all kinds: signs of zero, the smallest, infinities, and NaN with a message. */
static float *make_values(struct uda_params *params, const struct uda_model_config *config)
{
    static const uint32_t odd[] = {0x80000000u, 0x00000001u, 0x7f800000u, 0xff800000u, 0x7fc12345u};
    struct uda_mask2former model;
    struct uda_err err = {0};
    uda_params_init(params);
    uda_mask2former_build(&model, params, config);
    CHECK_OK(uda_params_status(params, &err), &err);
    float *values = uda_arena_calloc(ARENA, (size_t)params->total * sizeof *values);
    uda_params_initialise(params, values, 7);
    for (int i = 0; i < params->count; i++) {
        memcpy(values + params->item[i].offset, &odd[i % UDA_LEN(odd)], sizeof odd[0]);
    }
    return values;
}

static struct uda_weights_about about_of(const struct uda_model_config *config)
{
    static const enum uda_class cls[] = {UDA_CAR, UDA_BUS, UDA_TRAIN};
    struct uda_weights_about about = {.model = *config, .fingerprint = "0123abcd", .version = "test"};
    struct uda_err err = {0};
    CHECK_OK(uda_class_map_of(&about.map, cls, 3, &err), &err);
    return about;
}

static int import_again(struct uda_err *err)
{
    char words[4][SCRATCH_BYTES] = {"import", "", "--out", ""};
    char *argv[] = {words[0], words[1], words[2], words[3], NULL};
    (void)snprintf(words[1], SCRATCH_BYTES, "%s", file);
    (void)snprintf(words[3], SCRATCH_BYTES, "%s", back);
    return uda_cmd_import(4, argv, err);
}

static struct uda_digest content(const char *path)
{
    struct uda_store *store = NULL;
    struct uda_digest digest = {0};
    struct uda_err err = {0};
    CHECK_OK(uda_store_open(&store, path, &err), &err);
    CHECK_OK(uda_store_content_digest(&digest, store, &err), &err);
    uda_store_close(&store);
    return digest;
}

static void test_round_trip(const struct uda_model_config *config)
{
    struct uda_err err = {0};
    struct uda_params params;
    const float *values = make_values(&params, config);
    const struct uda_weights_about about = about_of(config);
    struct uda_weights_export what = {.out = file};
    CHECK_OK(uda_weights_save(weights, &params, values, &about, &err), &err);
    CHECK_OK(uda_export_weights(&what, weights, &err), &err);
    CHECK(what.tensors > params.count);
    CHECK_OK(import_again(&err), &err);
    CHECK(uda_digest_equal(content(weights), content(back))); /* names, shapes, values, classes, sizes */

    struct uda_store *store = NULL;
    float *read = uda_arena_calloc(ARENA, (size_t)params.total * sizeof *read);
    CHECK_OK(uda_store_open(&store, back, &err), &err);
    CHECK_OK(uda_weights_get(read, store, "params", &params, &err), &err);
    CHECK(memcmp(read, values, (size_t)params.total * sizeof *read) == 0);
    uda_store_close(&store);
    uda_params_finish(&params);
}

/* A checkpoint has both models and says nothing of sizes. */
static void test_checkpoint(void)
{
    struct uda_err err = {0};
    struct uda_params params;
    float *values = make_values(&params, &small), *read = uda_arena_calloc(ARENA, (size_t)params.total * 4);
    float *teacher = uda_arena_calloc(ARENA, (size_t)params.total * 4);
    uda_params_initialise(&params, teacher, 8);
    const struct uda_checkpoint_rule rule = {.every = 1, .last = 1, .keep = 2};
    const struct uda_checkpoint_origin origin = {.version = "test"};
    struct uda_checkpoint c = {.step = 1, .params = &params, .values = values, .adam_m = values,
                               .adam_v = values, .teacher = teacher, .fingerprint = "f", .made_with = "test"};
    CHECK_OK(uda_checkpoint_save(&c, dir, &rule, &origin, &err), &err);
    char path[SCRATCH_BYTES];
    scratch_path(path, dir, "step-000000001.h5");
    for (int k = 0; k < 2; k++) {
        struct uda_weights_export what = {.out = file, .teacher = k == 1};
        struct uda_store *store = NULL;
        CHECK_OK(uda_export_weights(&what, path, &err), &err);
        CHECK_OK(import_again(&err), &err);
        CHECK_OK(uda_store_open(&store, back, &err), &err);
        CHECK_OK(uda_weights_get(read, store, "params", &params, &err), &err);
        CHECK(memcmp(read, k == 0 ? values : teacher, (size_t)params.total * sizeof *read) == 0);
        uda_store_close(&store);
    }
    struct uda_weights_export config = {.out = file, .config = back};
    CHECK(uda_export_weights(&config, path, &err) == UDA_UNSUPPORTED);
    CHECK(strstr(err.text, "does not say the sizes of its model") != NULL);
    uda_params_finish(&params);
}

static void test_config(void)
{
    struct uda_err err = {0};
    struct uda_json *root = NULL;
    char path[SCRATCH_BYTES];
    scratch_path(path, dir, "config.json");
    struct uda_weights_export what = {.out = file, .config = path};
    CHECK_OK(uda_export_weights(&what, weights, &err), &err);
    CHECK_OK(uda_json_read(&root, path, &err), &err);
    CHECK(uda_json_integer(uda_json_get(root, "decoder_layers"), 0) == 3);
    CHECK(uda_json_integer(uda_json_get(root, "num_queries"), 0) == 3);
    const struct uda_json *swin = uda_json_get(root, "backbone_config");
    CHECK(uda_json_integer(uda_json_at(uda_json_get(swin, "depths"), 1), 0) == 2);
    CHECK_STR(uda_json_text(uda_json_get(uda_json_get(root, "id2label"), "2")), "train");
    uda_json_destroy(&root);
}

/* Of the weights that test_round_trip left. */
static void test_resnet_config(void)
{
    struct uda_err err = {0};
    struct uda_json *root = NULL;
    char path[SCRATCH_BYTES];
    scratch_path(path, dir, "config.json");
    struct uda_weights_export what = {.out = file, .config = path};
    CHECK_OK(uda_export_weights(&what, weights, &err), &err);
    CHECK_OK(uda_json_read(&root, path, &err), &err);
    const struct uda_json *backbone = uda_json_get(root, "backbone_config");
    CHECK_STR(uda_json_text(uda_json_get(backbone, "model_type")), "resnet");
    CHECK(uda_json_integer(uda_json_get(backbone, "embedding_size"), 0) == 2);
    CHECK(uda_json_integer(uda_json_at(uda_json_get(backbone, "hidden_sizes"), 3), 0) == 64);
    CHECK(uda_json_integer(uda_json_at(uda_json_get(backbone, "depths"), 1), 0) == 2);
    uda_json_destroy(&root);
    struct uda_model_config config;
    struct uda_class_map map;
    CHECK_OK(uda_weights_describe(&config, &map, weights, &err), &err);
    CHECK(config.resnet && config.window == 0);
}

/* Files that are no weights, or no longer; nothing is written then. */
static void test_errors(void)
{
    struct uda_err err = {0};
    struct uda_detections set;
    char path[SCRATCH_BYTES];
    scratch_path(path, dir, "labels.h5");
    uda_detections_init(&set, ARENA);
    CHECK_OK(uda_labelset_save(path, &set, &(struct uda_labelset_facts){0}, &err), &err);
    (void)unlink(file);
    struct uda_weights_export what = {.out = file}, teacher = {.out = file, .teacher = true};
    CHECK(uda_export_weights(&what, path, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "is a label set, and has no weights: give weights.h5") != NULL);
    uda_err_clear(&err);
    CHECK(uda_export_weights(&teacher, weights, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "has no teacher") != NULL);
    uda_err_clear(&err);
    struct uda_store_writer *w = NULL;
    const float x = 1;
    CHECK_OK(uda_store_begin(&w, 0, &err), &err);
    CHECK_OK(uda_store_put_f32(w, "params/some.thing.weight", &x, 0, NULL, &err), &err);
    CHECK_OK(uda_store_commit(&w, path, &err), &err);
    CHECK(uda_export_weights(&what, path, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "'params/some.thing.weight' is no parameter") != NULL);
    CHECK(access(file, F_OK) != 0);
    /* Metadata that was tampered with. */
    static const char *const bad[] = {"", "[]", "{\"classes\": \"car\"}",
                                      "{\"classes\": \"plane\", \"model\": {}}"};
    for (int64_t i = 0; i < UDA_LEN(bad); i++) {
        const int64_t one = 4;
        const float b[4] = {0};
        const struct uda_safetensors_tensor t = {"class_predictor.bias", 1, &one, b};
        const char *const metadata[1][2] = {{"uda4inst", bad[i]}};
        uda_err_clear(&err);
        CHECK_OK(uda_safetensors_write(file, &t, 1, metadata, 1, &err), &err);
        (void)unlink(back);
        CHECK(import_again(&err) != 0 && strstr(err.text, file) != NULL);
        CHECK(access(back, F_OK) != 0);
    }
}

int main(void)
{
    scratch_make(dir);
    scratch_path(weights, dir, "weights.h5");
    scratch_path(file, dir, "model.safetensors");
    scratch_path(back, dir, "back.h5");
    test_names();
    test_round_trip(&resnet);
    test_resnet_config();
    test_round_trip(&small);
    test_checkpoint();
    test_config();
    test_errors();
    scratch_remove(dir);
    uda_arena_finish(ARENA);
    return check_result();
}
