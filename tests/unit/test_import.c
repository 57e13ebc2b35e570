/* import: every spelling of a name, and files whose parts do not fit. */
#include "io/safetensors.h"
#include "io/store.h"
#include "src/cmd/cmd.h"
#include "src/cmd/import_names.h"
#include "tests/check.h"
#include "tests/scratch.h"

#define E "model.pixel_level_module.encoder."
#define B E "encoder.layers.1.blocks.17."
#define V E "swin.encoder.layers.1.blocks.17."
#define OUR "backbone.layers.1.blocks.17."
#define D "model.pixel_level_module.decoder."
#define OUR_D "sem_seg_head.pixel_decoder."
#define T "model.transformer_module."
#define OUR_T "sem_seg_head.predictor."

static char in[SCRATCH_BYTES], out[SCRATCH_BYTES];

static void test_names(void)
{
    static const struct {
        const char *theirs, *ours;
        int part;
    } cases[] = {
        {E "embeddings.patch_embeddings.projection.bias", "backbone.patch_embed.proj.bias", -1},
        {E "swin.embeddings.norm.weight", "backbone.patch_embed.norm.weight", -1},
        {B "attention.self.key.weight", OUR "attn.qkv.weight", 1},
        {V "attention.v_proj.bias", OUR "attn.qkv.bias", 2},
        {B "attention.output.dense.bias", OUR "attn.proj.bias", -1},
        {V "attention.o_proj.bias", OUR "attn.proj.bias", -1},
        {V "attention.relative_position_bias.relative_position_bias_table",
         OUR "attn.relative_position_bias_table", -1},
        {B "output.dense.weight", OUR "mlp.fc2.weight", -1},
        {V "mlp.fc1.bias", OUR "mlp.fc1.bias", -1},
        {E "hidden_states_norms.stage4.weight", "backbone.norm3.weight", -1},
        {D "adapter_1.0.weight", OUR_D "adapter_1.weight", -1},
        {D "layer_1.1.bias", OUR_D "layer_1.norm.bias", -1},
        {D "level_embed", OUR_D "transformer.level_embed", -1},
        {D "encoder.layers.5.self_attn_layer_norm.bias",
         OUR_D "transformer.encoder.layers.5.norm1.bias", -1},
        {T "decoder.layers.8.self_attn.q_proj.bias",
         OUR_T "transformer_self_attention_layers.8.self_attn.in_proj_bias", 0},
        {T "decoder.layers.0.cross_attn.in_proj_weight",
         OUR_T "transformer_cross_attention_layers.0.multihead_attn.in_proj_weight", -1},
        {T "decoder.mask_predictor.mask_embedder.2.0.weight", OUR_T "mask_embed.layers.2.weight",
         -1},
        {"class_predictor.weight", OUR_T "class_embed.weight", -1},
        {E "embedder.embedder.convolution.weight", "backbone.stem.conv1.weight", -1},
        {E "embedder.embedder.normalization.running_var", "backbone.stem.conv1.norm.running_var", -1},
        {E "encoder.stages.0.layers.0.shortcut.convolution.weight", "backbone.res2.0.shortcut.weight", -1},
        {E "encoder.stages.2.layers.22.layer.1.normalization.running_mean",
         "backbone.res4.22.conv2.norm.running_mean", -1},
        {E "encoder.stages.3.layers.1.layer.2.normalization.bias", "backbone.res5.1.conv3.norm.bias", -1},
        {"backbone.res3.0.shortcut.norm.weight", "backbone.res3.0.shortcut.norm.weight", -1},
        {"stem.conv1.norm.running_mean", "backbone.stem.conv1.norm.running_mean", -1},
        {"res5.2.conv1.weight", "backbone.res5.2.conv1.weight", -1},
        {OUR "attn.qkv.weight", OUR "attn.qkv.weight", -1},
        {"model." OUR "attn.qkv.weight", OUR "attn.qkv.weight", -1},
        {"layers.1.blocks.17.attn.qkv.weight", OUR "attn.qkv.weight", -1},
        {"sem_seg_head.predictor.static_query.weight", OUR_T "query_feat.weight", -1},
        {"sem_seg_head.mask_features.bias", OUR_D "mask_features.bias", -1},
        {OUR_D "pixel_decoder.pixel_decoder.mask_features.bias", OUR_D "mask_features.bias", -1},
    };
    struct uda_import_name ours;
    for (int64_t i = 0; i < UDA_LEN(cases); i++) {
        memset(&ours, 0, sizeof ours);
        CHECK(uda_import_name(&ours, cases[i].theirs) == UDA_IMPORT_TAKEN);
        CHECK_STR(ours.name, cases[i].ours);
        CHECK(ours.part == cases[i].part);
    }
}

static void test_other_names(void)
{
    static const char *not_needed[] = {OUR "attn.relative_position_index", "criterion.empty_weight",
                                       "head.weight", "norm.bias", E "swin.layernorm.bias",
                                       E "embedder.embedder.normalization.num_batches_tracked",
                                       "backbone.stem.conv1.norm.num_batches_tracked"};
    static const char *unknown[] = {"",
                                    ".",
                                    "model.",
                                    "backbone.layers.x.blocks.0.norm1.weight",
                                    "backbone.layers.1000.blocks.0.norm1.weight",
                                    OUR "norm1",
                                    OUR "norm1.weight.",
                                    "#",
                                    "$",
                                    "sem_seg_head.",
                                    E "encoder.stages.4.layers.0.shortcut.convolution.weight",
                                    E "encoder.stages.0.layers.0.layer.3.convolution.weight",
                                    "backbone.res2.0.conv1.bias",
                                    "backbone.res2.0.conv1.norm.running_",
                                    "backbone."};
    struct uda_import_name ours;
    for (int64_t i = 0; i < UDA_LEN(not_needed); i++) {
        CHECK(uda_import_name(&ours, not_needed[i]) == UDA_IMPORT_NOT_NEEDED);
    }
    for (int64_t i = 0; i < UDA_LEN(unknown); i++) {
        CHECK(uda_import_name(&ours, unknown[i]) == UDA_IMPORT_UNKNOWN);
    }
    char longest[1000]; /* any length is taken without harm */
    for (size_t n = 100; n < sizeof longest; n++) {
        memset(longest, '1', n);
        memcpy(longest, OUR_D, strlen(OUR_D));
        longest[n] = '\0';
        CHECK(uda_import_name(&ours, longest) == UDA_IMPORT_UNKNOWN);
    }
}

static int import(struct uda_err *err, const struct uda_safetensors_tensor *tensors, int64_t count)
{
    char words[4][SCRATCH_BYTES] = {"import", "", "--out", ""};
    char *argv[] = {words[0], words[1], words[2], words[3], NULL};
    (void)snprintf(words[1], SCRATCH_BYTES, "%s", in);
    (void)snprintf(words[3], SCRATCH_BYTES, "%s", out);
    CHECK_OK(uda_safetensors_write(in, tensors, count, NULL, 0, err), err);
    (void)unlink(out);
    return uda_cmd_import(4, argv, err);
}

static void test_joining(void)
{
    const float q[4] = {1, 2, 3, 4}, k[4] = {5, 6, 7, 8}, v[4] = {9, 10, 11, 12}, b[2] = {-1, -2};
    const int64_t square[] = {2, 2}, flat[] = {2};
    struct uda_safetensors_tensor t[] = {{B "attention.self.value.weight", 2, square, v},
                                         {B "attention.self.query.weight", 2, square, q},
                                         {B "attention.self.key.weight", 2, square, k},
                                         {"class_predictor.bias", 1, flat, b},
                                         {"some.thing.else", 1, flat, b}};
    struct uda_err err = {0};
    struct uda_store *s = NULL;
    struct uda_store_info info;
    float joined[12] = {0}, bias[2] = {0};
    CHECK_OK(import(&err, t, 5), &err);
    CHECK_OK(uda_store_open(&s, out, &err), &err);
    if (s != NULL) {
        CHECK_OK(uda_store_info(&info, s, "params/" OUR "attn.qkv.weight", &err), &err);
        CHECK(info.ndim == 2 && info.dims[0] == 6 && info.dims[1] == 2);
        CHECK_OK(uda_store_get_f32(joined, s, "params/" OUR "attn.qkv.weight", 12, &err), &err);
        for (int i = 0; i < 12; i++) {
            CHECK(joined[i] == (float)(i + 1));
        }
        CHECK_OK(
            uda_store_get_f32(bias, s, "params/sem_seg_head.predictor.class_embed.bias", 2, &err),
            &err);
        CHECK(bias[0] == -1 && bias[1] == -2);
    }
    uda_store_close(&s);
    CHECK(import(&err, t, 2) == UDA_FORMAT && strstr(err.text, "qkv") != NULL); /* no key */
    uda_err_clear(&err);
    t[1].dims = flat;
    t[1].ndim = 1;
    CHECK(import(&err, t, 3) == UDA_SHAPE && strstr(err.text, "query") != NULL);
    uda_err_clear(&err);
    t[1].name = V "attention.v_proj.weight"; /* value in both spellings, no query */
    CHECK(import(&err, t, 3) == UDA_FORMAT || import(&err, t, 3) == UDA_SHAPE);
    uda_err_clear(&err);
    t[1].name = "sem_seg_head.predictor.class_embed.bias"; /* the same parameter twice */
    t[2] = t[3];
    CHECK(import(&err, t + 1, 2) == UDA_FORMAT && strstr(err.text, "class_embed") != NULL);
    uda_err_clear(&err);
    CHECK(import(&err, t + 4, 1) == UDA_FORMAT && strstr(err.text, in) != NULL);
    uda_err_clear(&err);
    CHECK(access(out, F_OK) != 0); /* nothing is written on failure */
}

int main(void)
{
    char dir[SCRATCH_BYTES];
    scratch_make(dir);
    scratch_path(in, dir, "in.safetensors");
    scratch_path(out, dir, "out.h5");
    test_names();
    test_other_names();
    test_joining();
    scratch_remove(dir);
    return check_result();
}
