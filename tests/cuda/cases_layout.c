#include "tests/cuda/cases.h"

#include <math.h>

/* Which arrays of a copy have the case's type; the others are float. */
enum typed { BOTH, ONLY_X, ONLY_Y };

/* size: N, count, stride_x, stride_y, scaled, accumulate, typed. Between the blocks of y nothing is written:
 * y starts as numbers then, and all of it is compared. A product and a sum: 2 roundings. */
static void copy_blocks(struct trial *t, const int64_t *s)
{
    struct uda_copy_blocks_args a = {.N = s[0], .count = s[1], .stride_x = s[2], .stride_y = s[3],
                                     .accumulate = s[5] != 0};
    bool none = s[0] == 0 || s[1] == 0;
    int64_t count_x = none ? 0 : (s[0] - 1) * s[2] + s[1], count_y = none ? 0 : (s[0] - 1) * s[3] + s[1];
    bool numbers = a.accumulate || s[3] != s[1];
    a.type = s[6] == ONLY_X ? UDA_F32 : t->type;
    a.type_x = s[6] == ONLY_Y ? UDA_F32 : t->type;
    a.x = s[6] == ONLY_Y ? trial_normals(t, count_x, 0.0f, 1.0f)
                         : trial_typed_normals(t, count_x, 0.0f, 1.0f);
    a.scale = s[4] != 0 ? trial_normals(t, s[0], 1.0f, 0.5f) : NULL;
    a.y = s[6] == ONLY_X ? trial_output(t, count_y, numbers, 2.0)
                         : trial_typed_output(t, count_y, numbers, 2.0);
    TRIAL_RUN(t, copy_blocks, &a);
}

static void fill(struct trial *t, const int64_t *s)
{
    struct uda_fill_args a = {.count = s[0], .value = -1.5f, .type = t->type};
    a.y = trial_typed_output(t, s[0], false, 1.0);
    TRIAL_RUN(t, fill, &a);
}

/* size: N, count, stride_x, accumulate. A sum of N. */
static void sum_blocks(struct trial *t, const int64_t *s)
{
    struct uda_sum_blocks_args a = {.N = s[0], .count = s[1], .stride_x = s[2], .accumulate = s[3] != 0,
                                    .type = t->type};
    a.x = trial_typed_normals(t, s[0] == 0 || s[1] == 0 ? 0 : (s[0] - 1) * s[2] + s[1], 0.0f, 1.0f);
    a.y = trial_output(t, s[1], a.accumulate, 1.0 + sqrt((double)s[0]));
    TRIAL_RUN(t, sum_blocks, &a);
}

/* size: N, H, W. */
static void patchify(struct trial *t, const int64_t *s)
{
    int64_t count = s[0] * s[1] * s[2] * 3;
    struct uda_patchify_args a = {.N = s[0], .H = s[1], .W = s[2], .type = t->type};
    a.x = trial_normals(t, count, 0.0f, 1.0f);
    a.y = trial_typed_output(t, count, false, 1.0);
    TRIAL_RUN(t, patchify, &a);
}

static int64_t merged(const int64_t *s) { return s[0] * ((s[1] + 1) / 2) * ((s[2] + 1) / 2) * 4 * s[3]; }

/* size: N, H, W, C, accumulate. */
static void patch_merge_fwd(struct trial *t, const int64_t *s)
{
    struct uda_patch_merge_args a = {.N = s[0], .H = s[1], .W = s[2], .C = s[3], .type = t->type};
    a.x = trial_typed_normals(t, s[0] * s[1] * s[2] * s[3], 0.0f, 1.0f);
    a.y = trial_typed_output(t, merged(s), false, 1.0);
    TRIAL_RUN(t, patch_merge_fwd, &a);
}

static void patch_merge_bwd(struct trial *t, const int64_t *s)
{
    struct uda_patch_merge_args a = {.N = s[0], .H = s[1], .W = s[2], .C = s[3], .accumulate = s[4] != 0,
                                     .type = t->type};
    a.dy = trial_typed_normals(t, merged(s), 0.0f, 1.0f);
    a.dx = trial_typed_output(t, s[0] * s[1] * s[2] * s[3], a.accumulate, 1.0);
    TRIAL_RUN(t, patch_merge_bwd, &a);
}

static const struct trial_case rows[] = {
    {"copy_blocks", copy_blocks, {0, 7, 7, 7}, .empty = true},
    {"copy_blocks", copy_blocks, {3, 0, 4, 4}, .empty = true},
    {"copy_blocks", copy_blocks, {1, 1, 1, 1}},
    {"copy_blocks", copy_blocks, {1, 1, 1, 1, 1, 1}},
    {"copy_blocks", copy_blocks, {1, 1023, 1023, 1023}},
    {"copy_blocks", copy_blocks, {1, 1023, 1023, 1023, 0, 1}, .unaligned = true},
    {"copy_blocks", copy_blocks, {3, 20, 20, 52}},           /* into a wider tensor */
    {"copy_blocks", copy_blocks, {3, 20, 52, 20, 0, 1}},
    {"copy_blocks", copy_blocks, {3, 21, 21, 53, 0, 1}},
    {"copy_blocks", copy_blocks, {5, 32, 0, 32}},            /* one block repeated */
    {"copy_blocks", copy_blocks, {5, 32, 32, 32, 1}},
    {"copy_blocks", copy_blocks, {5, 33, 33, 33, 1, 1}},
    {"copy_blocks", copy_blocks, {300, 3, 3, 3, 1, 1}},      /* many blocks */
    {"copy_blocks", copy_blocks, {2, 100000, 100000, 100000}},
    {"copy_blocks", copy_blocks, {3, 0, 4, 4}, .empty = true, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {1, 1023, 1023, 1023, 0, 1}, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {1, 1023, 1023, 1023}, .unaligned = true, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {3, 20, 52, 20, 0, 1}, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {5, 32, 32, 32, 1}, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {300, 3, 3, 3, 1, 1}, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {1, 1023, 1023, 1023, 0, 0, ONLY_Y}, .type = UDA_BF16}, /* conversions */
    {"copy_blocks", copy_blocks, {5, 33, 0, 33, 0, 0, ONLY_Y}, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {5, 33, 33, 33, 1, 1, ONLY_Y}, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {1, 1023, 1023, 1023, 0, 0, ONLY_X}, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {5, 32, 32, 32, 1, 1, ONLY_X}, .type = UDA_BF16},
    {"copy_blocks", copy_blocks, {5, 32, 32, 32, 0, 0, ONLY_X}, .unaligned = true, .type = UDA_BF16},
    {"fill", fill, {0}, .empty = true},
    {"fill", fill, {1}},
    {"fill", fill, {1025}},
    {"fill", fill, {100000}, .unaligned = true},
    {"fill", fill, {1025}, .type = UDA_BF16},
    {"sum_blocks", sum_blocks, {3, 0, 0}, .empty = true},
    {"sum_blocks", sum_blocks, {0, 5, 5}},
    {"sum_blocks", sum_blocks, {0, 5, 5, 1}},
    {"sum_blocks", sum_blocks, {1, 1, 1}},
    {"sum_blocks", sum_blocks, {3, 257, 300}},
    {"sum_blocks", sum_blocks, {7, 1000, 1000, 1}},
    {"sum_blocks", sum_blocks, {0, 5, 5}, .type = UDA_BF16},
    {"sum_blocks", sum_blocks, {7, 1000, 1000, 1}, .type = UDA_BF16},
    {"patchify", patchify, {0, 8, 8}, .empty = true},
    {"patchify", patchify, {1, 4, 4}},
    {"patchify", patchify, {2, 12, 20}},
    {"patchify", patchify, {1, 128, 64}},
    {"patchify", patchify, {2, 12, 20}, .type = UDA_BF16},
    {"patch_merge_fwd", patch_merge_fwd, {0, 4, 4, 8}, .empty = true},
    {"patch_merge_fwd", patch_merge_fwd, {1, 1, 1, 1}},
    {"patch_merge_fwd", patch_merge_fwd, {2, 5, 7, 3}},      /* zeros beyond the bottom and right */
    {"patch_merge_fwd", patch_merge_fwd, {2, 8, 6, 96}},
    {"patch_merge_fwd", patch_merge_fwd, {2, 5, 7, 3}, .type = UDA_BF16},
    {"patch_merge_bwd", patch_merge_bwd, {0, 4, 4, 8}, .empty = true},
    {"patch_merge_bwd", patch_merge_bwd, {1, 1, 1, 1}},
    {"patch_merge_bwd", patch_merge_bwd, {2, 5, 7, 3, 1}},
    {"patch_merge_bwd", patch_merge_bwd, {2, 8, 6, 96}},
    {"patch_merge_bwd", patch_merge_bwd, {2, 5, 7, 3, 1}, .type = UDA_BF16},
    {"patch_merge_bwd", patch_merge_bwd, {2, 8, 6, 96}, .type = UDA_BF16},
};

const struct trial_cases cuda_layout_cases = {rows, UDA_LEN(rows)};
