/* The table of keys: the model. */
#include "src/plan/keys.h"

#define MODEL(field) IN_MANIFEST(model.field)
#define PRESET "@the backbone"

static const struct uda_key rows[] = {
    {.path = "model.backbone", MODEL(backbone), .type = UDA_KEY_ENUM, .kinds = READING,
     .allowed = "swin-t|swin-s|swin-b|swin-l|custom|resnet-50|resnet-101|resnet-custom",
     .def = "swin-t",
     .help = "Swin transformer or ResNet by name; custom: a Swin whose embed_dim, depths, heads and "
             "window are given; resnet-custom: a ResNet whose embed_dim and depths are given"},
    {.path = "model.embed_dim", MODEL(embed_dim), .type = UDA_KEY_INT, .kinds = READING, .low = 4,
     .high = 1024, .def = PRESET,
     .help = "channels of the backbone's first stage; doubled at each of the next three"},
    {.path = "model.depths", MODEL(depths), .type = UDA_KEY_INTS, .kinds = READING, .low = 1,
     .high = 64, .least = 4, .most = 4, .def = PRESET, .help = "blocks of the backbone's four stages"},
    {.path = "model.heads", MODEL(heads), .type = UDA_KEY_INTS, .kinds = READING, .low = 1,
     .high = 128, .least = 4, .most = 4, .absent = "none", .def = PRESET,
     .help = "attention heads of the four Swin stages; none: a ResNet"},
    {.path = "model.window", MODEL(window), .type = UDA_KEY_INT, .kinds = READING, .low = 1,
     .high = 64, .absent = "none", .def = PRESET,
     .help = "side of a Swin's attention window, tokens; none: a ResNet"},
    {.path = "model.drop_path", MODEL(drop_path), .type = UDA_KEY_FLOAT, .kinds = TRAINING,
     .high = 0.9, .def = PRESET,
     .help = "largest stochastic depth rate, grows linearly over the blocks; Swin: 0.3, ResNet: 0"},
    {.path = "model.queries", MODEL(queries), .type = UDA_KEY_INT, .kinds = READING, .low = 1,
     .high = 2000, .def = "100", .help = "learnt queries: the most objects an image can have"},
    {.path = "model.hidden_dim", MODEL(hidden_dim), .type = UDA_KEY_INT, .kinds = READING, .low = 8,
     .high = 4096, .def = "256", .help = "channels of the pixel decoder and of the decoder"},
    {.path = "model.mask_dim", MODEL(mask_dim), .type = UDA_KEY_INT, .kinds = READING, .low = 8,
     .high = 4096, .def = "@hidden_dim", .help = "channels of the mask features"},
    {.path = "model.encoder_layers", MODEL(encoder_layers), .type = UDA_KEY_INT, .kinds = READING,
     .low = 1, .high = 16, .def = "6", .help = "deformable attention layers of the pixel decoder"},
    {.path = "model.decoder_layers", MODEL(decoder_layers), .type = UDA_KEY_INT, .kinds = READING,
     .low = 1, .high = 15, .def = "9",
     .help = "masked attention layers; they take 1/32, 1/16 and 1/8 in turn"},
    {.path = "model.attention_heads", MODEL(attention_heads), .type = UDA_KEY_INT,
     .kinds = READING, .low = 1, .high = 64, .def = "8",
     .help = "heads of the pixel decoder and of the decoder"},
    {.path = "model.sampling_points", MODEL(sampling_points), .type = UDA_KEY_INT,
     .kinds = READING, .low = 1, .high = 64, .def = "4",
     .help = "points a head samples on each level in deformable attention"},
    {.path = "model.encoder_ffn", MODEL(encoder_ffn), .type = UDA_KEY_INT, .kinds = READING,
     .low = 1, .high = 65536, .def = "1024", .help = "width of the FFN in the pixel decoder"},
    {.path = "model.decoder_ffn", MODEL(decoder_ffn), .type = UDA_KEY_INT, .kinds = READING,
     .low = 1, .high = 65536, .def = "2048", .help = "width of the FFN in the decoder"},
    {.path = "model.groups", MODEL(groups), .type = UDA_KEY_INT, .kinds = READING, .low = 1,
     .high = 4096, .def = "32", .help = "groups of the GroupNorm in the pixel decoder"},
    {.path = "model.init", MODEL(init), .type = UDA_KEY_PATH, .kinds = READING, .absent = "none",
     .def = "none",
     .help = "weights file that stages without 'from' start from; none: drawn as the reference draws them"},
};

const struct uda_key_section uda_keys_of_model = {rows, UDA_LEN(rows)};
