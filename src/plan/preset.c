#include "src/plan/preset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Mask2Former's configurations of backbones, in the order of enum uda_backbone; heads and window are 0 for a
 * ResNet. The custom ones have a name only. */
static const struct {
    const char *name;
    int64_t embed_dim, depths[4], heads[4], window;
} presets[] = {
    [UDA_SWIN_TINY] = {"swin-t", 96, {2, 2, 6, 2}, {3, 6, 12, 24}, 7},
    [UDA_SWIN_SMALL] = {"swin-s", 96, {2, 2, 18, 2}, {3, 6, 12, 24}, 7},
    [UDA_SWIN_BASE] = {"swin-b", 128, {2, 2, 18, 2}, {4, 8, 16, 32}, 12},
    [UDA_SWIN_LARGE] = {"swin-l", 192, {2, 2, 18, 2}, {6, 12, 24, 48}, 12},
    [UDA_SWIN_CUSTOM] = {"custom", 0, {0}, {0}, 0},
    [UDA_RESNET_50] = {"resnet-50", 256, {3, 4, 6, 3}, {0}, 0},
    [UDA_RESNET_101] = {"resnet-101", 256, {3, 4, 23, 3}, {0}, 0},
    [UDA_RESNET_CUSTOM] = {"resnet-custom", 0, {0}, {0}, 0},
};

bool uda_backbone_is_resnet(enum uda_backbone backbone) { return backbone >= UDA_RESNET_50; }

static bool is_custom(enum uda_backbone backbone) { return presets[backbone].embed_dim == 0; }

static const char *four(struct uda_arena *arena, const int64_t v[4])
{
    return uda_arena_printf(arena, "[%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "]", v[0],
                            v[1], v[2], v[3]);
}

/* What a backbone has of a key; NULL: it must be given. */
static const char *preset_text(struct uda_arena *arena, enum uda_backbone backbone,
                               const char *leaf)
{
    bool resnet = uda_backbone_is_resnet(backbone);
    if (strcmp(leaf, "drop_path") == 0) {
        return resnet ? "0" : "0.3";
    }
    if (resnet && (strcmp(leaf, "heads") == 0 || strcmp(leaf, "window") == 0)) {
        return "none";
    }
    if (is_custom(backbone)) {
        return NULL;
    }
    if (strcmp(leaf, "embed_dim") == 0) {
        return uda_arena_printf(arena, "%" PRId64, presets[backbone].embed_dim);
    }
    if (strcmp(leaf, "window") == 0) {
        return uda_arena_printf(arena, "%" PRId64, presets[backbone].window);
    }
    return four(arena, strcmp(leaf, "depths") == 0 ? presets[backbone].depths
                                                   : presets[backbone].heads);
}

const char *uda_preset_default(const char **origin, struct uda_arena *arena,
                               const struct uda_manifest *manifest, const void *record,
                               const struct uda_key *key)
{
    *origin = "default";
    if (key->record == UDA_IN_DATASET) {
        const struct uda_manifest_dataset *dataset = record;
        bool split = dataset->format == UDA_LAYOUT_CITYSCAPES ||
                     dataset->format == UDA_LAYOUT_KITTI360 || dataset->format == UDA_LAYOUT_COCO;
        return split ? "train" : "";
    }
    const char *leaf = strrchr(key->path, '.') + 1;
    if (strcmp(leaf, "mask_dim") == 0) {
        *origin = "default: hidden_dim";
        return uda_arena_printf(arena, "%" PRId64, manifest->model.hidden_dim);
    }
    *origin = uda_arena_printf(arena, "default of %s", presets[manifest->model.backbone].name);
    return *origin == NULL ? NULL : preset_text(arena, manifest->model.backbone, leaf);
}

static void check_one(struct uda_draft *draft, const char *leaf, bool same)
{
    const struct uda_yaml_node *node = uda_yaml_get(uda_yaml_get(draft->tree, "model"), leaf);
    enum uda_backbone backbone = draft->manifest->model.backbone;
    bool resnet = uda_backbone_is_resnet(backbone);
    const char *has = preset_text(draft->arena, backbone, leaf);
    if (node == NULL || same) {
        return;
    }
    if (has == NULL) { /* of a custom Swin */
        uda_diag_add(draft->diag, node->place, "'model.%s': a Swin has some: %s is a ResNet's", leaf,
                     node->text);
    } else if (is_custom(backbone) || strcmp(has, "none") == 0 || strcmp(leaf, "drop_path") == 0) {
        uda_diag_add(draft->diag, node->place, "'model.%s': %s has %s: only a Swin has some", leaf,
                     presets[backbone].name, strcmp(has, "none") == 0 ? "none" : "no drop path");
    } else {
        uda_diag_add(draft->diag, node->place,
                     "'model.%s': %s has %s: write backbone: %s to choose your own", leaf,
                     presets[backbone].name, has, resnet ? "resnet-custom" : "custom");
    }
}

void uda_preset_check(struct uda_draft *draft)
{
    const struct uda_manifest_model *m = &draft->manifest->model;
    bool swin = !uda_backbone_is_resnet(m->backbone);
    bool same_heads = memcmp(m->heads, presets[m->backbone].heads, sizeof m->heads) == 0;
    bool same_window = m->window == presets[m->backbone].window;
    if (!is_custom(m->backbone)) {
        check_one(draft, "embed_dim", m->embed_dim == presets[m->backbone].embed_dim);
        check_one(draft, "depths", memcmp(m->depths, presets[m->backbone].depths, sizeof m->depths) == 0);
    }
    bool chosen = m->backbone == UDA_SWIN_CUSTOM; /* then anything but the zeros of "none" */
    check_one(draft, "heads", same_heads != chosen);
    check_one(draft, "window", same_window != chosen);
    check_one(draft, "drop_path", swin || m->drop_path == 0.0);
}
