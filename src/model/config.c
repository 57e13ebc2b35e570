#include "src/model/config.h"

#include <string.h>

#include "src/nn/predictions.h"

/* What the published models share; the rest is Swin-T's. */
static struct uda_model_config reference(int64_t classes)
{
    return (struct uda_model_config){.embed_dim = 96,
                                     .depths = {2, 2, 6, 2},
                                     .heads = {3, 6, 12, 24},
                                     .window = 7,
                                     .drop_path = 0.3f,
                                     .hidden = 256,
                                     .mask_dim = 256,
                                     .encoder_layers = 6,
                                     .encoder_ffn = 1024,
                                     .heads_n = 8,
                                     .points = 4,
                                     .groups = 32,
                                     .decoder_layers = 9,
                                     .decoder_ffn = 2048,
                                     .queries = 100,
                                     .classes = classes};
}

static struct uda_model_config demo(int64_t classes)
{
    return (struct uda_model_config){.embed_dim = 24,
                                     .depths = {1, 1, 2, 1},
                                     .heads = {3, 6, 12, 24},
                                     .window = 4,
                                     .drop_path = 0.0f,
                                     .hidden = 64,
                                     .mask_dim = 64,
                                     .encoder_layers = 2,
                                     .encoder_ffn = 256,
                                     .heads_n = 4,
                                     .points = 4,
                                     .groups = 16,
                                     .decoder_layers = 3,
                                     .decoder_ffn = 256,
                                     .queries = 20,
                                     .classes = classes};
}

/* Base and large differ from tiny in width, depth and window. */
static void widen(struct uda_model_config *c, int64_t embed_dim, int64_t heads)
{
    c->embed_dim = embed_dim;
    c->depths[2] = 18;
    c->window = 12;
    for (int i = 0; i < UDA_STAGES; i++) {
        c->heads[i] = heads << i;
    }
}

/* A ResNet has none of what makes a Swin. */
static void resnet(struct uda_model_config *c, int64_t embed_dim, int64_t blocks_of_res4)
{
    c->resnet = true;
    c->embed_dim = embed_dim;
    c->depths[2] = blocks_of_res4;
    memset(c->heads, 0, sizeof c->heads);
    c->window = 0;
    c->drop_path = 0.0f;
}

/* ResNet-50's and -101's other stages. */
static void deepen(struct uda_model_config *c)
{
    c->depths[0] = 3;
    c->depths[1] = 4;
    c->depths[3] = 3;
}

int uda_model_preset(struct uda_model_config *config, const char *name, int64_t classes,
                     struct uda_err *err)
{
    struct uda_model_config c = reference(classes);
    if (strcmp(name, "swin-s") == 0) {
        c.depths[2] = 18;
    } else if (strcmp(name, "swin-b") == 0) {
        widen(&c, 128, 4);
    } else if (strcmp(name, "swin-l") == 0) {
        widen(&c, 192, 6);
        c.queries = 200;
    } else if (strcmp(name, "resnet-50") == 0 || strcmp(name, "resnet-101") == 0) {
        resnet(&c, 256, strcmp(name, "resnet-50") == 0 ? 6 : 23);
        deepen(&c);
    } else if (strcmp(name, "swin-demo") == 0) {
        c = demo(classes);
    } else if (strcmp(name, "resnet-demo") == 0) {
        c = demo(classes);
        resnet(&c, 64, 2);
    } else if (strcmp(name, "swin-t") != 0) {
        return uda_fail(err, UDA_MANIFEST,
                        "there is no model '%s'; known are swin-t, swin-s, swin-b, swin-l, resnet-50, "
                        "resnet-101, swin-demo, resnet-demo", name);
    }
    *config = c;
    return 0;
}

/* A size of the model and the range it must lie in. */
struct range {
    const char *name;
    int64_t value, low, high;
};

static int check_ranges(const struct uda_model_config *c, struct uda_err *err)
{
    const struct range ranges[] = {
        {"embed_dim", c->embed_dim, 1, 4096},
        {"window", c->window, c->resnet ? 0 : 1, c->resnet ? 0 : 64},
        {"hidden", c->hidden, 4, 4096},
        {"mask_dim", c->mask_dim, 1, 4096},
        {"encoder_layers", c->encoder_layers, 1, 16},
        {"encoder_ffn", c->encoder_ffn, 1, 65536},
        {"heads_n", c->heads_n, 1, 256},
        {"points", c->points, 1, 64},
        {"groups", c->groups, 1, 4096},
        {"decoder_layers", c->decoder_layers, 1, UDA_PREDICTIONS - 1},
        {"decoder_ffn", c->decoder_ffn, 1, 65536},
        {"queries", c->queries, 1, 4096},
        {"classes", c->classes, 1, 4096},
    };
    for (int64_t i = 0; i < UDA_LEN(ranges); i++) {
        const struct range *r = &ranges[i];
        if (r->value < r->low || r->value > r->high) {
            return uda_fail(err, UDA_MANIFEST, "model: %s is %lld, must be %lld..%lld", r->name,
                            (long long)r->value, (long long)r->low, (long long)r->high);
        }
    }
    return 0;
}

int uda_model_config_check(const struct uda_model_config *config, struct uda_err *err)
{
    UDA_TRY(check_ranges(config, err));
    for (int i = 0; i < UDA_STAGES; i++) {
        int64_t width = config->embed_dim << i;
        if (config->depths[i] < 1 || config->depths[i] > 1000) {
            return uda_fail(err, UDA_MANIFEST, "model: depths[%d] is %lld, must be 1..1000", i,
                            (long long)config->depths[i]);
        }
        if (config->resnet && config->heads[i] != 0) {
            return uda_fail(err, UDA_MANIFEST, "model: heads[%d] is %lld, a ResNet has none", i,
                            (long long)config->heads[i]);
        }
        if (!config->resnet && (config->heads[i] < 1 || width % config->heads[i] != 0)) {
            return uda_fail(err, UDA_MANIFEST,
                            "model: width %lld of stage %d is no multiple of its %lld heads",
                            (long long)width, i, (long long)config->heads[i]);
        }
    }
    if (!(config->drop_path >= 0.0f && config->drop_path < 1.0f)) {
        return uda_fail(err, UDA_MANIFEST, "model: drop_path must be in 0..1, below 1");
    }
    if (config->resnet && (config->drop_path != 0.0f || config->embed_dim % 4 != 0)) {
        return uda_fail(err, UDA_MANIFEST,
                        "model: of a ResNet drop_path is 0 and embed_dim, %lld, a multiple of 4",
                        (long long)config->embed_dim);
    }
    if (config->hidden % 4 != 0 || config->hidden % config->heads_n != 0 ||
        config->hidden % config->groups != 0) {
        return uda_fail(err, UDA_MANIFEST,
                        "model: hidden %lld must be a multiple of 4, of heads_n %lld and of groups %lld",
                        (long long)config->hidden, (long long)config->heads_n,
                        (long long)config->groups);
    }
    return 0;
}
