#include "src/cmd/import_names.h"

#include <stdio.h>
#include <string.h>

#define ROOM UDA_IMPORT_NAME_BYTES
#define CAPTURES 4

/* In a pattern '#' stands for a number, '$' for "weight" or "bias", '%' for those or "running_mean",
 * "running_var"; all are carried over in order. */
struct rule {
    const char *theirs, *ours;
    int part;
};

#define BLOCK "pixel_level_module.encoder.encoder.layers.#.blocks.#."
#define MERGE "pixel_level_module.encoder.encoder.layers.#.downsample."
#define EMBED "pixel_level_module.encoder.embeddings."
#define NORMS "pixel_level_module.encoder.hidden_states_norms."
#define PIXEL "pixel_level_module.decoder."
#define MSDA "pixel_level_module.decoder.encoder.layers.#."
#define STEM "pixel_level_module.encoder.embedder.embedder."
#define STAGE(s) "pixel_level_module.encoder.encoder.stages." s ".layers.#."
#define MODULE "transformer_module."
#define LAYER "transformer_module.decoder.layers.#."

#define OUR_BLOCK "backbone.layers.#.blocks.#."
#define OUR_PIXEL "sem_seg_head.pixel_decoder."
#define OUR_MSDA "sem_seg_head.pixel_decoder.transformer.encoder.layers.#."
#define OUR_HEAD "sem_seg_head.predictor."
#define OUR_SELF "sem_seg_head.predictor.transformer_self_attention_layers.#."
#define OUR_CROSS "sem_seg_head.predictor.transformer_cross_attention_layers.#."
#define OUR_FFN "sem_seg_head.predictor.transformer_ffn_layers.#."

/* Stage number s of theirs is res<r> of ours. */
#define RESNET_CONV(s, r, conv, ours)                                                              \
    {STAGE(s) conv ".convolution.weight", "backbone.res" r ".#." ours ".weight", -1},              \
        {STAGE(s) conv ".normalization.%", "backbone.res" r ".#." ours ".norm.%", -1}
#define RESNET_STAGE(s, r)                                                                         \
    RESNET_CONV(s, r, "shortcut", "shortcut"), RESNET_CONV(s, r, "layer.0", "conv1"),              \
        RESNET_CONV(s, r, "layer.1", "conv2"), RESNET_CONV(s, r, "layer.2", "conv3")

static const struct rule rules[] = {
    {STEM "convolution.weight", "backbone.stem.conv1.weight", -1},
    {STEM "normalization.%", "backbone.stem.conv1.norm.%", -1},
    RESNET_STAGE("0", "2"),
    RESNET_STAGE("1", "3"),
    RESNET_STAGE("2", "4"),
    RESNET_STAGE("3", "5"),
    {EMBED "patch_embeddings.projection.$", "backbone.patch_embed.proj.$", -1},
    {EMBED "norm.$", "backbone.patch_embed.norm.$", -1},
    {BLOCK "layernorm_before.$", OUR_BLOCK "norm1.$", -1},
    {BLOCK "layernorm_after.$", OUR_BLOCK "norm2.$", -1},
    {BLOCK "attention.self.relative_position_bias_table",
     OUR_BLOCK "attn.relative_position_bias_table", -1},
    {BLOCK "attention.relative_position_bias.relative_position_bias_table",
     OUR_BLOCK "attn.relative_position_bias_table", -1},
    {BLOCK "attention.self.query.$", OUR_BLOCK "attn.qkv.$", 0},
    {BLOCK "attention.self.key.$", OUR_BLOCK "attn.qkv.$", 1},
    {BLOCK "attention.self.value.$", OUR_BLOCK "attn.qkv.$", 2},
    {BLOCK "attention.q_proj.$", OUR_BLOCK "attn.qkv.$", 0},
    {BLOCK "attention.k_proj.$", OUR_BLOCK "attn.qkv.$", 1},
    {BLOCK "attention.v_proj.$", OUR_BLOCK "attn.qkv.$", 2},
    {BLOCK "attention.output.dense.$", OUR_BLOCK "attn.proj.$", -1},
    {BLOCK "attention.o_proj.$", OUR_BLOCK "attn.proj.$", -1},
    {BLOCK "intermediate.dense.$", OUR_BLOCK "mlp.fc1.$", -1},
    {BLOCK "output.dense.$", OUR_BLOCK "mlp.fc2.$", -1},
    {BLOCK "mlp.fc1.$", OUR_BLOCK "mlp.fc1.$", -1},
    {BLOCK "mlp.fc2.$", OUR_BLOCK "mlp.fc2.$", -1},
    {MERGE "reduction.weight", "backbone.layers.#.downsample.reduction.weight", -1},
    {MERGE "norm.$", "backbone.layers.#.downsample.norm.$", -1},
    {NORMS "stage1.$", "backbone.norm0.$", -1},
    {NORMS "stage2.$", "backbone.norm1.$", -1},
    {NORMS "stage3.$", "backbone.norm2.$", -1},
    {NORMS "stage4.$", "backbone.norm3.$", -1},
    {PIXEL "input_projections.#.0.$", OUR_PIXEL "input_proj.#.0.$", -1},
    {PIXEL "input_projections.#.1.$", OUR_PIXEL "input_proj.#.1.$", -1},
    {PIXEL "level_embed", OUR_PIXEL "transformer.level_embed", -1},
    {MSDA "self_attn.sampling_offsets.$", OUR_MSDA "self_attn.sampling_offsets.$", -1},
    {MSDA "self_attn.attention_weights.$", OUR_MSDA "self_attn.attention_weights.$", -1},
    {MSDA "self_attn.value_proj.$", OUR_MSDA "self_attn.value_proj.$", -1},
    {MSDA "self_attn.output_proj.$", OUR_MSDA "self_attn.output_proj.$", -1},
    {MSDA "self_attn_layer_norm.$", OUR_MSDA "norm1.$", -1},
    {MSDA "fc1.$", OUR_MSDA "linear1.$", -1},
    {MSDA "fc2.$", OUR_MSDA "linear2.$", -1},
    {MSDA "final_layer_norm.$", OUR_MSDA "norm2.$", -1},
    {PIXEL "mask_projection.$", OUR_PIXEL "mask_features.$", -1},
    {PIXEL "adapter_1.0.weight", OUR_PIXEL "adapter_1.weight", -1},
    {PIXEL "adapter_1.1.$", OUR_PIXEL "adapter_1.norm.$", -1},
    {PIXEL "layer_1.0.weight", OUR_PIXEL "layer_1.weight", -1},
    {PIXEL "layer_1.1.$", OUR_PIXEL "layer_1.norm.$", -1},
    {LAYER "self_attn.q_proj.$", OUR_SELF "self_attn.in_proj_$", 0},
    {LAYER "self_attn.k_proj.$", OUR_SELF "self_attn.in_proj_$", 1},
    {LAYER "self_attn.v_proj.$", OUR_SELF "self_attn.in_proj_$", 2},
    {LAYER "self_attn.out_proj.$", OUR_SELF "self_attn.out_proj.$", -1},
    {LAYER "self_attn_layer_norm.$", OUR_SELF "norm.$", -1},
    {LAYER "cross_attn.in_proj_$", OUR_CROSS "multihead_attn.in_proj_$", -1},
    {LAYER "cross_attn.out_proj.$", OUR_CROSS "multihead_attn.out_proj.$", -1},
    {LAYER "cross_attn_layer_norm.$", OUR_CROSS "norm.$", -1},
    {LAYER "fc1.$", OUR_FFN "linear1.$", -1},
    {LAYER "fc2.$", OUR_FFN "linear2.$", -1},
    {LAYER "final_layer_norm.$", OUR_FFN "norm.$", -1},
    {MODULE "decoder.layernorm.$", OUR_HEAD "decoder_norm.$", -1},
    {MODULE "decoder.mask_predictor.mask_embedder.#.0.$", OUR_HEAD "mask_embed.layers.#.$", -1},
    {MODULE "queries_features.weight", OUR_HEAD "query_feat.weight", -1},
    {MODULE "queries_embedder.weight", OUR_HEAD "query_embed.weight", -1},
    {MODULE "level_embed.weight", OUR_HEAD "level_embed.weight", -1},
    {"class_predictor.$", OUR_HEAD "class_embed.$", -1},
};

struct capture {
    const char *text;
    size_t bytes;
};

static bool is_wildcard(char c) { return c == '#' || c == '$' || c == '%'; }

/* Length of the text at `name` that the wildcard stands for; 0 if none. */
static size_t wildcard(char kind, const char *name)
{
    if (kind == '#') {
        size_t digits = strspn(name, "0123456789");
        return digits <= 3 ? digits : 0;
    }
    static const char *const leaves[] = {"weight", "bias", "running_mean", "running_var"};
    for (int64_t i = 0; i < (kind == '%' ? UDA_LEN(leaves) : 2); i++) {
        size_t bytes = strlen(leaves[i]);
        if (strncmp(name, leaves[i], bytes) == 0) {
            return bytes;
        }
    }
    return 0;
}

static bool matches(struct capture captures[CAPTURES], const char *pattern, const char *name)
{
    int count = 0;
    for (; *pattern != '\0'; pattern++) {
        size_t bytes = 1;
        if (is_wildcard(*pattern)) {
            bytes = wildcard(*pattern, name);
            if (bytes == 0 || count == CAPTURES) {
                return false;
            }
            captures[count++] = (struct capture){.text = name, .bytes = bytes};
        } else if (*name != *pattern) {
            return false;
        }
        name += bytes;
    }
    return *name == '\0';
}

static void expand(char out[ROOM], const char *pattern, const struct capture captures[CAPTURES])
{
    size_t at = 0;
    for (int count = 0; *pattern != '\0' && at + 8 < ROOM; pattern++) {
        if (is_wildcard(*pattern)) {
            memcpy(out + at, captures[count].text, captures[count].bytes);
            at += captures[count++].bytes;
        } else {
            out[at++] = *pattern;
        }
    }
    out[at] = '\0';
}

static bool starts(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* `head` and then what follows the first `skip` bytes of name. */
static void replace_head(char name[ROOM], const char *head, size_t skip)
{
    char rest[ROOM];
    memcpy(rest, name + skip, strlen(name + skip) + 1);
    (void)snprintf(name, ROOM, "%s%s", head, rest);
}

/* Undoes wrappers and the spellings of other ages; the name then has one of two forms, theirs or
 * ours. */
static void normalise(char name[ROOM])
{
    static const char pixel[] = "sem_seg_head.pixel_decoder.", head[] = "sem_seg_head.";
    static const char old_query[] = "sem_seg_head.predictor.static_query.";
    static const char v5[] = "pixel_level_module.encoder.swin.";
    if (starts(name, "model.")) {
        replace_head(name, "", strlen("model."));
    }
    if (starts(name, v5)) {
        replace_head(name, "pixel_level_module.encoder.", strlen(v5));
    }
    if (starts(name, "layers.") || starts(name, "patch_embed.") || starts(name, "stem.") ||
        starts(name, "res2.") || starts(name, "res3.") || starts(name, "res4.") || starts(name, "res5.")) {
        replace_head(name, "backbone.", 0);
    }
    if (starts(name, head) && !starts(name, pixel) && !starts(name, "sem_seg_head.predictor.")) {
        replace_head(name, pixel, strlen(head));
    }
    while (starts(name, pixel) && starts(name + strlen(pixel), "pixel_decoder.")) {
        replace_head(name, pixel, strlen(pixel) + strlen("pixel_decoder."));
    }
    if (starts(name, old_query)) {
        replace_head(name, "sem_seg_head.predictor.query_feat.", strlen(old_query));
    }
}

static bool not_needed(const char *name)
{
    static const char *ends[] = {".relative_position_index", ".attn_mask", ".num_batches_tracked"};
    static const char *heads[] = {"criterion.", "head.", "norm.",
                                  "pixel_level_module.encoder.layernorm."};
    size_t bytes = strlen(name);
    for (int64_t i = 0; i < UDA_LEN(ends); i++) {
        size_t n = strlen(ends[i]);
        if (bytes > n && strcmp(name + bytes - n, ends[i]) == 0) {
            return true;
        }
    }
    for (int64_t i = 0; i < UDA_LEN(heads); i++) {
        if (starts(name, heads[i])) {
            return true;
        }
    }
    return false;
}

enum uda_import_verdict uda_import_name(struct uda_import_name *ours, const char *theirs)
{
    char name[ROOM];
    struct capture captures[CAPTURES];
    if (strlen(theirs) + 64 > ROOM) {
        return UDA_IMPORT_UNKNOWN; /* ours have at most 100 bytes */
    }
    (void)snprintf(name, ROOM, "%s", theirs);
    normalise(name);
    if (not_needed(name)) {
        return UDA_IMPORT_NOT_NEEDED;
    }
    for (int64_t i = 0; i < UDA_LEN(rules); i++) {
        if (matches(captures, rules[i].theirs, name)) {
            expand(ours->name, rules[i].ours, captures);
            ours->part = rules[i].part;
            return UDA_IMPORT_TAKEN;
        }
        if (matches(captures, rules[i].ours, name)) {
            (void)snprintf(ours->name, ROOM, "%s", name);
            ours->part = -1;
            return UDA_IMPORT_TAKEN;
        }
    }
    return UDA_IMPORT_UNKNOWN;
}

int uda_export_name(char theirs[ROOM], const char *ours, int part)
{
    struct capture captures[CAPTURES];
    char name[ROOM];
    if (part < 0 || strlen(ours) + 64 > ROOM) {
        return 0;
    }
    for (int64_t i = 0; i < UDA_LEN(rules); i++) {
        bool whole = rules[i].part < 0 && part == 0;
        if ((whole || rules[i].part == part) && matches(captures, rules[i].ours, ours)) {
            expand(name, rules[i].theirs, captures);
            (void)snprintf(theirs, ROOM, "%s%s", starts(name, "class_predictor.") ? "" : "model.", name);
            return whole ? 1 : 3;
        }
    }
    return 0;
}
