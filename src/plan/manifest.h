/*
 * The manifest: everything that determines a run, typed and checked, and nothing else.
 *
 * YAML text (with `extends`, `--set`, ${VAR}) -> tree -> the table of keys (src/plan/schema.h) ->
 * struct uda_manifest. No default is left implicit and no YAML type lives above this file.
 *
 * Invariants of a loaded manifest: every value has passed its type and range; every name that
 * refers to a data set, a stage or a class has been resolved to an index; stages have no cycle;
 * each stage carries its own complete recipe (the manifest's sections, overridden by the stage's
 * own). Everything belongs to the arena that was passed in, and nothing in it is ever changed
 * afterwards.
 *
 *     struct uda_manifest *manifest;
 *     struct uda_str report;                    // every error at once, ready to print on stderr
 *     uda_str_init(&report, &arena);
 *     int rc = uda_manifest_load(&manifest, &arena, "manifests/demo.yaml", sets, set_count,
 *                                &report, err);
 *     if (rc != 0) { fputs(report.text, stderr); return rc; }
 */
#ifndef UDA_PLAN_MANIFEST_H
#define UDA_PLAN_MANIFEST_H

#include "src/base/hash.h"
#include "src/base/image.h"
#include "src/base/str.h"

enum uda_stage_kind {
    UDA_STAGE_TRAIN,    /* supervised */
    UDA_STAGE_ADAPT,    /* source and target, teacher and mixing */
    UDA_STAGE_LABEL,    /* pseudo-labels of a data set */
    UDA_STAGE_FUSE,     /* several pseudo-label sets become one */
    UDA_STAGE_EVALUATE, /* average precision */
    UDA_STAGE_KINDS
};

/* How a data set lies on disk. */
enum uda_layout {
    UDA_LAYOUT_CITYSCAPES,
    UDA_LAYOUT_KITTI360,
    UDA_LAYOUT_URBANSYN,
    UDA_LAYOUT_SYNSCAPES,
    UDA_LAYOUT_SYNTHIA,
    UDA_LAYOUT_COCO
};

enum uda_backbone {
    UDA_SWIN_TINY,
    UDA_SWIN_SMALL,
    UDA_SWIN_BASE,
    UDA_SWIN_LARGE,
    UDA_SWIN_CUSTOM,
    UDA_RESNET_50,
    UDA_RESNET_101,
    UDA_RESNET_CUSTOM
};
/* Is it a ResNet, and not a Swin? */
bool uda_backbone_is_resnet(enum uda_backbone backbone);
enum uda_label_use { UDA_LABELS_NONE, UDA_LABELS_FILE };
enum uda_hold_out_part { UDA_PART_REST, UDA_PART_HELD_OUT };
enum uda_scene_look { UDA_LOOK_SYNTHETIC, UDA_LOOK_REAL };
enum uda_lr_kind { UDA_LR_POLY, UDA_LR_LINEAR, UDA_LR_CONSTANT, UDA_LR_MULTISTEP };
enum uda_color_kind { UDA_COLOR_NONE, UDA_COLOR_SSD };
enum uda_protocol {
    UDA_PROTOCOL_AUTO, /* only in a file: a loaded manifest has one of the others */
    UDA_PROTOCOL_CITYSCAPES,
    UDA_PROTOCOL_KITTI360,
    UDA_PROTOCOL_COCO
};
enum uda_weights_of { UDA_OF_STUDENT, UDA_OF_TEACHER };
enum uda_precision { UDA_PRECISION_FP32, UDA_PRECISION_BF16 };
enum uda_direction { UDA_S2T, UDA_T2S, UDA_DIRECTIONS };
enum uda_mix_style { UDA_MIX_ADAPTIVE, UDA_MIX_INSTANCE, UDA_MIX_PATCH };
enum uda_mix_color { UDA_TRANSFER_LAB, UDA_TRANSFER_LAB_TRUNCATE, UDA_TRANSFER_NONE };
enum uda_mix_blur { UDA_BLUR_NONE, UDA_BLUR_ALL, UDA_BLUR_RELEASED };
enum uda_mix_pairing { UDA_PAIR_RANDOM, UDA_PAIR_FIXED };
enum uda_mix_label_rule { UDA_LABELS_BY_PIXELS, UDA_LABELS_BY_MASKS };
enum uda_target_labels { UDA_TARGET_PSEUDO, UDA_TARGET_TRUE };
enum uda_teacher_view { UDA_VIEW_STUDENT, UDA_VIEW_WEAK };
enum uda_no_pseudo { UDA_NO_PSEUDO_TRAIN_SOURCE, UDA_NO_PSEUDO_SKIP, UDA_NO_PSEUDO_MIX };
enum uda_fuse_rule { UDA_FUSE_CLASS, UDA_FUSE_PLAIN };
enum uda_loss_combine { UDA_COMBINE_WEIGHTED, UDA_COMBINE_BATCH };

struct uda_ints {
    int64_t *value; /* [count] */
    int64_t count;
};

struct uda_key; /* src/plan/schema.h */

/* datasets.<name> */
struct uda_manifest_dataset {
    const char *name;
    enum uda_layout format;
    const char *root;      /* folder; relative to the current directory unless absolute; coco: may be NULL */
    const char *images;    /* coco: folder of images; NULL: root/split */
    const char *annotations; /* coco: instances JSON; NULL: root/annotations/instances_SPLIT.json */
    const char *split;     /* "train", "val", ... ; "" where the format has no split */
    enum uda_label_use labels; /* none: label files are never opened */
    int64_t limit;         /* first `limit` images after the split and the hold-out; 0: all */
    struct {
        int64_t count; /* images held out by a seeded draw; 0: no hold-out */
        int64_t seed;
        enum uda_hold_out_part part; /* which side this data set is */
    } hold_out;
    struct {
        struct uda_ints polygon; /* the camera's own car: x0, y0, x1, y1, ... px; empty: none */
        int64_t size[2];         /* height, width of the image the polygon is drawn on; 0: no polygon */
    } ego;
    struct {
        int64_t count; /* scenes to draw when the root is missing; 0: never draw */
        int64_t seed, height, width;
        enum uda_scene_look style;
        double gap; /* strength of the real style's gap, 0..1 */
    } scenes;
};

/* categories.<name>: a group of classes with its own model. Groups do not overlap. */
struct uda_manifest_category {
    const char *name;
    bool has[UDA_CLASSES];
};

struct uda_manifest_model {
    enum uda_backbone backbone;
    int64_t embed_dim, depths[4];
    int64_t heads[4], window; /* of a Swin, else 0; heads: per stage; head dim = embed_dim / heads[0] */
    double drop_path;         /* largest rate; grows linearly over the blocks */
    int64_t queries;
    int64_t hidden_dim, mask_dim;           /* channels of pixel decoder and decoder; of mask features */
    int64_t encoder_layers, decoder_layers; /* MSDeformAttn layers; masked-attention layers */
    int64_t attention_heads, sampling_points;
    int64_t encoder_ffn, decoder_ffn, groups; /* FFN widths; groups of the GroupNorm */
    const char *init;                         /* weights.h5 to start from, or NULL: reference init */
};

/* What a stage trains and tests with. The manifest has one, each stage has its own copy with its
 * overrides. */
struct uda_manifest_recipe {
    int64_t batch; /* images a step, over all shards */
    enum uda_precision precision; /* of activations */
    struct {
        double lr, backbone_lr_factor, weight_decay, norm_weight_decay, embedding_weight_decay;
        double betas[2], eps;
        double clip; /* largest global L2 norm of the gradient; 0: no clipping */
    } optimizer;
    struct {
        enum uda_lr_kind kind;
        double power; /* poly */
        int64_t warmup_iterations;
        double warmup_factor;
        struct uda_ints steps; /* multistep: iterations where lr is multiplied by gamma */
        double gamma;
    } schedule;
    struct {
        struct uda_ints short_side; /* one is drawn, px; empty: no resize */
        int64_t max_long_side;
        int64_t crop[2]; /* height, width, px */
        enum uda_color_kind color;
        double flip;     /* probability */
        bool keep_empty; /* instances whose mask is empty after the crop stay targets */
    } augment;
    struct {
        double cls, mask, dice, no_object;
        enum uda_loss_combine combine;
        double source, s2t, t2s;
    } loss;
    struct {
        int64_t train;    /* sampled points a mask */
        double oversample; /* candidates = oversample x train */
        double importance; /* share of the most uncertain */
    } points;
    struct {
        bool directions[UDA_DIRECTIONS];
        enum uda_mix_style style;
        int64_t min_area, instance_area, patch_margin; /* px */
        double confidence;                             /* keep a teacher instance above this score */
        double max_iou; /* drop one with a larger IoU to a surer one; 1: off */
        enum uda_mix_color color;
        enum uda_mix_blur blur;
        enum uda_mix_pairing pairing;
        enum uda_no_pseudo no_pseudo;
        enum uda_mix_label_rule labels;       /* of mixed images */
        enum uda_target_labels target_labels; /* what counts as the target's instances */
        enum uda_teacher_view teacher_view;
        double ema;      /* largest decay of the teacher */
        double ego_keep; /* drop an instance with less than this share outside the target's ego; 0: off */
        struct {
            bool classes[UDA_CLASSES]; /* none set: computed from the source index */
            int64_t pool;             /* images kept, FIFO; 0: no balancing */
            double share;             /* part of the pool pasted on an image without a rare class */
        } rare;
    } mixing;
    struct {
        int64_t short_side, max_long_side; /* px; short_side 0: the image's own size */
        int64_t detections;                /* kept per image */
        double score_threshold;
    } test;
};

/* stages.<name> */
struct uda_manifest_stage {
    const char *name;
    enum uda_stage_kind kind;
    int64_t index;          /* own place in uda_manifest.stage */
    int64_t data[8];        /* indices of data sets; adapt: source, target */
    int64_t data_count;
    int64_t labels;         /* index of the stage whose labels train learns or evaluate measures; -1: none */
    int64_t from;           /* index of the stage whose weights it starts from or uses; -1: model.init */
    bool fused;             /* evaluate: `from` has a model for each category; what they find is fused */
    int64_t inputs[8];      /* fuse: indices of label stages */
    int64_t input_count;
    bool for_each_category; /* one instance for each category */
    int64_t iterations;     /* train, adapt */
    enum uda_weights_of weights;  /* of an adapt stage: which model label and evaluate use */
    enum uda_protocol protocol;   /* evaluate */
    bool classes[UDA_CLASSES];    /* evaluate: classes of the mean */
    double label_score;           /* label, fuse: keep an instance above this score */
    int64_t label_min_area;       /* label, fuse: px */
    enum uda_fuse_rule fuse_rule; /* fuse, evaluate with fused */
    double label_overlap;         /* the same: drop an instance with less than this share left unclaimed */
    double expect_ap, expect_ap50, expect_tolerance; /* evaluate, per cent; NaN: nothing expected */
    struct uda_manifest_recipe recipe;
};

/* One resolved key: its canonical text and where it came from. */
struct uda_manifest_value {
    const char *path;          /* "stages.source.iterations" */
    const char *text;          /* canonical YAML; paths as written, before ${VAR} */
    const char *origin;        /* "manifests/demo.yaml:12", "--set", "default", "default of swin-t" */
    const struct uda_key *key; /* its row in the table */
    bool given;                /* false: a default */
};

struct uda_manifest {
    const char *path; /* as given to load */
    const char *text; /* the file verbatim, NUL-terminated; its `extends` are not expanded */
    size_t text_bytes;
    const char *name;
    uint64_t seed;
    struct uda_manifest_dataset *dataset;
    int64_t dataset_count;
    struct uda_manifest_category *category;
    int64_t category_count;
    struct uda_manifest_stage *stage; /* in the order of the file; uda_plan orders them */
    int64_t stage_count;
    struct uda_manifest_model model;
    struct uda_manifest_recipe recipe; /* the manifest's own; use a stage's copy for work */
    int64_t shards;                    /* virtual shards of the batch, a power of two */
    /* What merely happens: never in a fingerprint. */
    struct {
        int64_t every, keep; /* iterations between checkpoints; how many stay */
    } checkpoint;
    struct {
        int64_t threads;  /* 0: as many as the machine has */
        int64_t workers;  /* loader threads; 0: the training thread loads */
        int64_t prefetch; /* batches loaded ahead */
        const char *device; /* "auto", "cpu", "cuda", "cuda:1" */
        int64_t log_every; /* iterations between rows of metrics.jsonl and lines of talk */
    } runtime;
    struct uda_manifest_value *value; /* every key, in the order of the table */
    int64_t value_count;
};

/*
 * Reads path, merges what it extends and the `key=value` texts in sets, checks everything.
 * report receives one block for each problem ("file:line:col: message", the line, a caret) and
 * stays empty on success; err->text says how many there are. Reads YAML files and
 * environment variables only, never data sets.
 * Errors: UDA_MANIFEST; UDA_NOMEM.
 */
int uda_manifest_load(struct uda_manifest **out, struct uda_arena *arena, const char *path,
                      const char *const *sets, int64_t set_count, struct uda_str *report,
                      struct uda_err *err) UDA_MUST_USE;

/* The same from text in memory; `extends` is relative to the folder of name. */
int uda_manifest_parse(struct uda_manifest **out, struct uda_arena *arena, const char *name,
                       const char *text, size_t bytes, const char *const *sets, int64_t set_count,
                       struct uda_str *report, struct uda_err *err) UDA_MUST_USE;

/* Every key with its value, and as a comment where it came from. Loading it gives the same plan. */
void uda_manifest_resolved(struct uda_str *out, const struct uda_manifest *manifest);

/*
 * One line for each key that differs, "key: old -> new" ("(absent)" for a missing one), in the
 * order of the table. results_only leaves out the keys that no fingerprint contains. Returns how
 * many differ.
 */
int64_t uda_manifest_diff(struct uda_str *out, const struct uda_manifest *old_manifest,
                          const struct uda_manifest *new_manifest, bool results_only);

/* "train", "adapt", "label", "fuse", "evaluate". Borrowed, static. */
const char *uda_stage_kind_name(enum uda_stage_kind kind);
/* "cityscapes", ..., "coco": what readers and scenes call the format. Borrowed, static. */
const char *uda_layout_name(enum uda_layout layout);
/* Where a key was written ("file:12", "--set", "default"); "" for an unknown path. Borrowed. */
const char *uda_manifest_origin(const struct uda_manifest *manifest, const char *path);

#endif
