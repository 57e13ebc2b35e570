/* The table of keys: stages, and what changes no result. */
#include "src/plan/keys.h"

#define STAGE(field) .record = UDA_IN_STAGE, .offset = offsetof(struct uda_stage_draft, field)
#define SPEC(field) STAGE(spec.field)

static const struct uda_key stage_rows[] = {
    {.path = "stages.*.kind", SPEC(kind), .type = UDA_KEY_ENUM, .kinds = ALL_KINDS,
     .required = ALL_KINDS, .allowed = "train|adapt|label|fuse|evaluate",
     .help = "train: supervised; adapt: with a teacher and mixing; label: pseudo-labels; fuse: one "
             "set of several; evaluate: AP"},
    {.path = "stages.*.data", STAGE(data), .type = UDA_KEY_REFS, .kinds = READING,
     .required = READING, .least = 1, .most = 8,
     .help = "data sets by name; adapt: [source, target]"},
    {.path = "stages.*.labels", STAGE(labels), .type = UDA_KEY_REFS,
     .kinds = ON(TRAIN) | ON(EVALUATE), .least = 1, .most = 1, .absent = "none", .def = "none",
     .help = "label or fuse stage; train: its pseudo-labels replace the data set's own; evaluate: "
             "they are measured instead of a model"},
    {.path = "stages.*.from", STAGE(from), .type = UDA_KEY_REFS, .kinds = READING, .least = 1,
     .most = 1, .absent = "none", .def = "none",
     .help = "train or adapt stage whose weights it starts from or uses; none: model.init; an evaluate "
             "stage without for_each takes the models of all categories, fused by rule"},
    {.path = "stages.*.inputs", STAGE(inputs), .type = UDA_KEY_REFS, .kinds = ON(FUSE),
     .required = ON(FUSE), .least = 1, .most = 8, .help = "label stages to fuse"},
    {.path = "stages.*.for_each", STAGE(for_each), .type = UDA_KEY_ENUM, .kinds = READING,
     .allowed = "none|category", .def = "none",
     .help = "category: the stage runs once for each group of 'categories'"},
    {.path = "stages.*.iterations", SPEC(iterations), .type = UDA_KEY_INT, .kinds = TRAINING,
     .required = TRAINING, .low = 1, .high = 1e9, .unit = "iterations",
     .help = "optimiser steps"},
    {.path = "stages.*.weights", SPEC(weights), .type = UDA_KEY_ENUM, .kinds = TESTING,
     .allowed = "student|teacher", .def = "student",
     .help = "which model of an adapt stage is used"},
    {.path = "stages.*.score", SPEC(label_score), .type = UDA_KEY_FLOAT,
     .kinds = ON(LABEL) | ON(FUSE), .high = 1, .def = "0.85",
     .help = "pseudo-labels above this score are kept"},
    {.path = "stages.*.min_area", SPEC(label_min_area), .type = UDA_KEY_INT,
     .kinds = ON(LABEL) | ON(FUSE), .high = MANY, .unit = "px", .def = "0",
     .help = "smaller pseudo-labels are dropped"},
    {.path = "stages.*.min_left", SPEC(label_overlap), .type = UDA_KEY_FLOAT,
     .kinds = ON(FUSE) | ON(EVALUATE), .high = 1, .def = "0.5",
     .help = "an instance with less than this share of its pixels unclaimed is dropped"},
    {.path = "stages.*.rule", SPEC(fuse_rule), .type = UDA_KEY_ENUM,
     .kinds = ON(FUSE) | ON(EVALUATE), .allowed = "class|plain", .def = "class",
     .help = "class: each class from the model of its category, pixels to the surest; plain: one list "
             "behind the other, as the released code; evaluate: of a `from` with several models"},
    {.path = "stages.*.protocol", SPEC(protocol), .type = UDA_KEY_ENUM, .kinds = ON(EVALUATE),
     .allowed = "auto|cityscapes|kitti360|coco", .def = "auto",
     .help = "whose AP; auto: kitti360 and coco for their formats, cityscapes for the others"},
    {.path = "stages.*.classes", SPEC(classes), .type = UDA_KEY_SET, .kinds = ON(EVALUATE),
     .least = 1, .most = UDA_CLASSES, .allowed = UDA_CLASS_WORDS,
     .def = "[person, rider, car, truck, bus, train, motorcycle, bicycle]",
     .help = "classes that enter the mean"},
    {.path = "stages.*.expect.AP", SPEC(expect_ap), .type = UDA_KEY_FLOAT, .kinds = ON(EVALUATE),
     .runtime = true, .high = 100, .unit = "%", .absent = "none", .def = "none",
     .help = "the AP that evaluate and report compare with"},
    {.path = "stages.*.expect.AP50", SPEC(expect_ap50), .type = UDA_KEY_FLOAT,
     .kinds = ON(EVALUATE), .runtime = true, .high = 100, .unit = "%", .absent = "none",
     .def = "none", .help = "the AP at IoU 0.5 to compare with"},
    {.path = "stages.*.expect.tolerance", SPEC(expect_tolerance), .type = UDA_KEY_FLOAT,
     .kinds = ON(EVALUATE), .runtime = true, .high = 100, .unit = "%", .def = "1",
     .help = "largest difference that counts as reached"},

    {.path = "parallel.shards", IN_MANIFEST(shards), .type = UDA_KEY_INT, .kinds = TRAINING,
     .low = 1, .high = 1024, .def = "1",
     .help = "virtual shards of the batch, a power of two; fixes the order of sums for "
             "any number of processes"},
    {.path = "checkpoint.every", IN_MANIFEST(checkpoint.every), .type = UDA_KEY_INT,
     .runtime = true, .low = 1, .high = 1e9, .unit = "iterations", .def = "1000",
     .help = "between two checkpoints"},
    {.path = "checkpoint.keep", IN_MANIFEST(checkpoint.keep), .type = UDA_KEY_INT, .runtime = true,
     .low = 2, .high = 1e6, .def = "2", .help = "newest checkpoints that stay"},
    {.path = "runtime.threads", IN_MANIFEST(runtime.threads), .type = UDA_KEY_INT, .runtime = true,
     .low = 1, .high = 1024, .absent = "all", .def = "all", .help = "threads of the CPU kernels"},
    {.path = "runtime.workers", IN_MANIFEST(runtime.workers), .type = UDA_KEY_INT, .runtime = true,
     .high = 256, .def = "1", .help = "threads that load images; 0: the training thread loads"},
    {.path = "runtime.prefetch", IN_MANIFEST(runtime.prefetch), .type = UDA_KEY_INT,
     .runtime = true, .low = 1, .high = 256, .unit = "batches", .def = "2",
     .help = "batches loaded ahead"},
    {.path = "runtime.device", IN_MANIFEST(runtime.device), .type = UDA_KEY_TEXT, .runtime = true,
     .def = "auto",
     .help = "where models run: auto, cpu, cuda or cuda:N; auto is the cpu until the GPU has passed "
             "all its checks"},
    {.path = "runtime.log_every", IN_MANIFEST(runtime.log_every), .type = UDA_KEY_INT,
     .runtime = true, .low = 1, .high = 1e9, .unit = "iterations", .def = "20",
     .help = "between two rows of metrics.jsonl"},
};

const struct uda_key_section uda_keys_of_stages = {stage_rows, UDA_LEN(stage_rows)};
