#include "src/plan/preset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Mask2Former's configurations of Swin, in the order of enum uda_backbone. */
static const struct {
    const char *name;
    int64_t embed_dim, depths[4], heads[4], window;
} presets[] = {
    [UDA_SWIN_TINY] = {"swin-t", 96, {2, 2, 6, 2}, {3, 6, 12, 24}, 7},
    [UDA_SWIN_SMALL] = {"swin-s", 96, {2, 2, 18, 2}, {3, 6, 12, 24}, 7},
    [UDA_SWIN_BASE] = {"swin-b", 128, {2, 2, 18, 2}, {4, 8, 16, 32}, 12},
    [UDA_SWIN_LARGE] = {"swin-l", 192, {2, 2, 18, 2}, {6, 12, 24, 48}, 12},
};

static const char *four(struct uda_arena *arena, const int64_t v[4])
{
    return uda_arena_printf(arena, "[%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "]", v[0],
                            v[1], v[2], v[3]);
}

static const char *preset_text(struct uda_arena *arena, enum uda_backbone backbone,
                               const char *leaf)
{
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
    if (manifest->model.backbone == UDA_SWIN_CUSTOM) {
        return NULL;
    }
    *origin = uda_arena_printf(arena, "default of %s", presets[manifest->model.backbone].name);
    return *origin == NULL ? NULL : preset_text(arena, manifest->model.backbone, leaf);
}

static void check_one(struct uda_draft *draft, const char *leaf, bool same)
{
    const struct uda_yaml_node *node = uda_yaml_get(uda_yaml_get(draft->tree, "model"), leaf);
    enum uda_backbone backbone = draft->manifest->model.backbone;
    if (node != NULL && !same) {
        uda_diag_add(draft->diag, node->place,
                     "'model.%s': %s has %s: write backbone: custom to choose your own", leaf,
                     presets[backbone].name, preset_text(draft->arena, backbone, leaf));
    }
}

void uda_preset_check(struct uda_draft *draft)
{
    const struct uda_manifest_model *m = &draft->manifest->model;
    if (m->backbone == UDA_SWIN_CUSTOM) {
        return;
    }
    check_one(draft, "embed_dim", m->embed_dim == presets[m->backbone].embed_dim);
    check_one(draft, "depths", memcmp(m->depths, presets[m->backbone].depths, sizeof m->depths) == 0);
    check_one(draft, "heads", memcmp(m->heads, presets[m->backbone].heads, sizeof m->heads) == 0);
    check_one(draft, "window", m->window == presets[m->backbone].window);
}
