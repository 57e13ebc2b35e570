#include "src/nn/param.h"

#include "io/fs.h"
#include "src/model/mask2former.h"
#include "tests/check.h"

struct built {
    struct uda_params params;
    struct uda_mask2former model;
};

static void build(struct built *b, const char *preset, int64_t classes)
{
    struct uda_model_config config;
    struct uda_err err = {0};
    CHECK_OK(uda_model_preset(&config, preset, classes, &err), &err);
    uda_params_init(&b->params);
    uda_mask2former_build(&b->model, &b->params, &config);
    CHECK_OK(uda_params_status(&b->params, &err), &err);
}

static int64_t elements_of(const struct uda_params *params, const char *prefix)
{
    int64_t sum = 0;
    for (int i = 0; i < params->count; i++) {
        bool inside = strncmp(params->item[i].name, prefix, strlen(prefix)) == 0;
        sum += inside ? params->item[i].count : 0;
    }
    return sum;
}

/* Tensors and elements of the published models. */
static void check_counts(void)
{
    static const struct {
        const char *preset;
        int tensors;
        int64_t k8, k80, backbone, pixel_decoder, predictor;
    } rows[] = {
        {"swin-t", 469, 47403139, 47421643, 27520698, 5421504, 14460937},
        {"swin-s", 625, 68721043, 68739547, 48838602, 5421504, 14460937},
        {"swin-b", 625, 106885697, 106904201, 86880376, 5544384, 14460937},
        {"swin-l", 625, 215503485, 215521989, 195201204, 5790144, 14512137},
    };
    for (int64_t i = 0; i < UDA_LEN(rows); i++) {
        struct built b;
        build(&b, rows[i].preset, 8);
        CHECK(b.params.count == rows[i].tensors);
        CHECK(b.params.elements == rows[i].k8);
        CHECK(elements_of(&b.params, "backbone.") == rows[i].backbone);
        CHECK(elements_of(&b.params, "sem_seg_head.pixel_decoder.") == rows[i].pixel_decoder);
        CHECK(elements_of(&b.params, "sem_seg_head.predictor.") == rows[i].predictor);
        uda_params_finish(&b.params);
        build(&b, rows[i].preset, 80);
        CHECK(b.params.elements == rows[i].k80);
        uda_params_finish(&b.params);
    }
}

/* Names, order and shapes against a list of the reference's state dict. */
static void check_names(const char *preset, const char *path)
{
    struct built b;
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    unsigned char *text = NULL;
    size_t bytes = 0;
    build(&b, preset, 8);
    CHECK_OK(uda_fs_read(&text, &bytes, &arena, path, 1 << 20, &err), &err);
    int index = 0, wrong = 0;
    char *line = text != NULL ? strchr((char *)text, '\n') : NULL; /* the first line is a comment */
    while (line != NULL && line[1] != '\0' && index < b.params.count) {
        char expected[256];
        const struct uda_param *p = &b.params.item[index++];
        int at = snprintf(expected, sizeof expected, "\n%s ", p->name);
        for (int d = 0; d < p->ndim; d++) {
            at += snprintf(expected + at, sizeof expected - (size_t)at, "%s%lld", d > 0 ? "x" : "",
                           (long long)p->dim[d]);
        }
        (void)snprintf(expected + at, sizeof expected - (size_t)at, "\n");
        if (strncmp(line, expected, strlen(expected)) != 0 && wrong++ == 0) {
            (void)fprintf(stderr, "first difference: expected %.100s, is %.100s\n", line, expected);
        }
        line = strchr(line + 1, '\n');
    }
    CHECK(wrong == 0);
    CHECK(index == b.params.count && line != NULL && line[1] == '\0');
    uda_arena_finish(&arena);
    uda_params_finish(&b.params);
}

static const struct uda_param *find(const struct uda_params *params, const char *name)
{
    int index = uda_params_find(params, name);
    CHECK(index >= 0);
    return &params->item[index >= 0 ? index : 0];
}

/* Everything within +-bound, and near it somewhere; mean of squares bound^2 / 3 within five
 * deviations. */
static void check_uniform(const struct uda_params *params, const float *values, const char *name,
                          double bound)
{
    const struct uda_param *p = find(params, name);
    double largest = 0.0, squares = 0.0;
    for (int64_t i = 0; i < p->count; i++) {
        double x = (double)values[p->offset + i];
        largest = fmax(largest, fabs(x));
        squares += x * x;
    }
    double n = (double)p->count;
    CHECK(largest <= bound * (1.0 + 1e-6) && largest > bound * (1.0 - 20.0 / n));
    /* var(x^2) = bound^4 (1/5 - 1/9) */
    CHECK_CLOSE(squares / n / (bound * bound), 1.0 / 3.0, 5.0 * sqrt((1.0 / 5.0 - 1.0 / 9.0) / n));
}

#define PD "sem_seg_head.pixel_decoder."
#define TP "sem_seg_head.predictor."

static void check_compass(const struct uda_params *params, const float *values)
{
    static const float direction[8][2] = {{1, 0},  {1, 1},   {0, 1},  {-1, 1},
                                          {-1, 0}, {-1, -1}, {0, -1}, {1, -1}};
    const struct uda_param *p =
        find(params, PD "transformer.encoder.layers.3.self_attn.sampling_offsets.bias");
    const float *x = values + p->offset;
    for (int64_t i = 0; i < 8 * 3 * 4; i++) {
        int64_t head = i / 12;
        float distance = (float)(i % 4 + 1);
        CHECK_CLOSE(x[2 * i], direction[head][0] * distance, 2e-6);
        CHECK_CLOSE(x[2 * i + 1], direction[head][1] * distance, 2e-6);
    }
}

static void check_start(void)
{
    struct built b;
    build(&b, "swin-t", 8);
    float *values = uda_alloc((size_t)b.params.total * sizeof *values);
    uda_params_initialise(&b.params, values, 5);
    check_uniform(&b.params, values, PD "transformer.encoder.layers.2.self_attn.value_proj.weight",
                  0.108253);
    check_uniform(&b.params, values, PD "transformer.encoder.layers.0.linear1.weight", 0.0684653);
    check_uniform(&b.params, values, PD "adapter_1.weight", 0.176777);
    check_uniform(&b.params, values, PD "layer_1.weight", 0.0360844);
    check_uniform(&b.params, values, PD "mask_features.weight", 0.108253);
    check_uniform(&b.params, values, PD "input_proj.0.0.weight", sqrt(6.0 / (768 + 256)));
    check_uniform(&b.params, values,
                  TP "transformer_cross_attention_layers.8.multihead_attn.in_proj_weight",
                  0.0765466);
    check_uniform(&b.params, values, TP "transformer_ffn_layers.0.linear1.weight", 0.0510310);
    check_uniform(&b.params, values, TP "transformer_ffn_layers.0.linear2.bias", 1.0 / sqrt(2048));
    check_uniform(&b.params, values, TP "class_embed.weight", 1.0 / 16);
    check_uniform(&b.params, values, "backbone.layers.1.blocks.0.mlp.fc2.bias", 1.0 / sqrt(768));
    check_compass(&b.params, values);
    const struct uda_param *first = find(&b.params, PD "transformer.encoder.layers.0.linear2.bias");
    const struct uda_param *last = find(&b.params, PD "transformer.encoder.layers.5.linear2.bias");
    CHECK(memcmp(values + first->offset, values + last->offset,
                 (size_t)first->count * sizeof *values) == 0);
    const struct uda_param *w0 = find(&b.params, PD "transformer.encoder.layers.0.linear2.weight");
    const struct uda_param *w5 = find(&b.params, PD "transformer.encoder.layers.5.linear2.weight");
    CHECK(memcmp(values + w0->offset, values + w5->offset, (size_t)w0->count * sizeof *values) != 0);
    CHECK_CLOSE(values[find(&b.params, "backbone.norm3.weight")->offset], 1.0, 0.0);
    CHECK_CLOSE(values[find(&b.params, TP "decoder_norm.bias")->offset], 0.0, 0.0);
    CHECK_CLOSE(values[find(&b.params, PD "input_proj.1.0.bias")->offset], 0.0, 0.0);
    float *again = uda_alloc((size_t)b.params.total * sizeof *again);
    uda_params_initialise(&b.params, again, 5);
    CHECK(memcmp(values, again, (size_t)b.params.total * sizeof *values) == 0);
    uda_free(again);
    uda_free(values);
    uda_params_finish(&b.params);
}

/* Which tensors decay, as the reference's optimiser groups them. */
static void check_groups(void)
{
    struct built b;
    build(&b, "swin-t", 8);
    int full = 0, norm = 0, embedding = 0, table = 0;
    for (int i = 0; i < b.params.count; i++) {
        const struct uda_param *p = &b.params.item[i];
        full += p->decay == UDA_DECAY_FULL;
        norm += p->decay == UDA_DECAY_NORM;
        embedding += p->decay == UDA_DECAY_EMBEDDING;
        table += p->decay == UDA_DECAY_TABLE;
        CHECK(p->offset % UDA_PARAM_ALIGN == 0);
        CHECK(p->backbone == (strncmp(p->name, "backbone.", 9) == 0));
    }
    CHECK(table == 12 && embedding == 3);
    /* 2 x (1 patch + 24 block + 3 merge + 4 out + 3 input + 12 encoder + 2 pyramid + 27
     * decoder + 1) */
    CHECK(norm == 2 * 77);
    CHECK(full == b.params.count - norm - embedding - table);
    CHECK(find(&b.params, PD "transformer.level_embed")->decay == UDA_DECAY_FULL);
    CHECK(find(&b.params, TP "level_embed.weight")->decay == UDA_DECAY_EMBEDDING);
    uda_params_finish(&b.params);
}

static void check_errors(void)
{
    struct uda_params params;
    struct uda_err err = {0};
    struct uda_param like = {.ndim = 1, .dim = {3}};
    uda_params_init(&params);
    CHECK(uda_params_add(&params, &like, "a") == 0);
    CHECK(uda_params_add(&params, &like, "b.%d", 1) == 1);
    CHECK(params.item[1].offset == 16 && params.total == 32 && params.elements == 6);
    (void)uda_params_add(&params, &like, "a");
    CHECK(uda_params_status(&params, &err) == UDA_SHAPE);
    CHECK(strstr(err.text, "'a'") != NULL);
    uda_params_finish(&params);
    struct uda_model_config config;
    err = (struct uda_err){0};
    CHECK(uda_model_preset(&config, "swin-x", 8, &err) == UDA_MANIFEST);
    err = (struct uda_err){0};
    CHECK_OK(uda_model_preset(&config, "swin-demo", 8, &err), &err);
    CHECK_OK(uda_model_config_check(&config, &err), &err);
    config.groups = 7;
    CHECK(uda_model_config_check(&config, &err) == UDA_MANIFEST);
}

int main(void)
{
    check_errors();
    check_counts();
    check_names("swin-t", TEST_GOLDEN "/names_swin_t_k8.txt");
    check_names("swin-l", TEST_GOLDEN "/names_swin_l_k8.txt");
    check_groups();
    check_start();
    return check_result();
}
