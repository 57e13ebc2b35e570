/*
 * The sizes that make a Mask2Former: the published models by name, and any other.
 *
 *     struct uda_model_config config;
 *     UDA_TRY(uda_model_preset(&config, "swin-t", classes, err));
 *     config.queries = 50;
 *     UDA_TRY(uda_model_config_check(&config, err));
 */
#ifndef UDA_MODEL_CONFIG_H
#define UDA_MODEL_CONFIG_H

#include "src/base/err.h"

#define UDA_STAGES 4

struct uda_model_config {
    /* backbone */
    bool resnet;                /* bottleneck blocks, norms frozen; else Swin */
    int64_t embed_dim;          /* channels of the first stage's map; double each stage */
    int64_t depths[UDA_STAGES]; /* blocks */
    /* Swin only; 0 for a ResNet */
    int64_t heads[UDA_STAGES];
    int64_t window;
    float drop_path; /* rate of the last block; the others rise linearly from 0 */
    /* pixel decoder */
    int64_t hidden; /* width of pixel and mask decoder */
    int64_t mask_dim;
    int64_t encoder_layers, encoder_ffn;
    int64_t heads_n; /* attention heads of pixel and mask decoder */
    int64_t points;  /* sampling points per head and level */
    int64_t groups;  /* of the group normalisations */
    /* mask decoder */
    int64_t decoder_layers; /* 9 in the reference, whose configuration says 10 */
    int64_t decoder_ffn;
    int64_t queries;
    int64_t classes; /* K, without "no object" */
};

/* name: "swin-t", "swin-s", "swin-b", "swin-l", "resnet-50", "resnet-101" (Cheng et al. 2022, table of
 * backbones), "swin-demo", the small model of the demonstration, or "resnet-demo", the same with a small
 * ResNet. UDA_MANIFEST for another name. */
int uda_model_preset(struct uda_model_config *config, const char *name, int64_t classes,
                     struct uda_err *err) UDA_MUST_USE;

/* Do the sizes fit together? UDA_MANIFEST names the one that does not. */
int uda_model_config_check(const struct uda_model_config *config, struct uda_err *err) UDA_MUST_USE;

#endif
