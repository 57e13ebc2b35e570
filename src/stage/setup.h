/*
 * From the manifest's words to the structs of model, data, loss and optimiser; no defaults of its
 * own.
 */
#ifndef UDA_STAGE_SETUP_H
#define UDA_STAGE_SETUP_H

#include "src/data/loader.h"
#include "src/loss/criterion.h"
#include "src/model/config.h"
#include "src/optim/adamw.h"
#include "src/optim/schedule.h"
#include "src/stage/predictor.h"
#include "src/stage/stage.h"

/* Classes of a plan instance: its category's in the fixed order, or all eight. Errors:
 * UDA_MANIFEST. */
int uda_setup_classes(struct uda_class_map *map, const struct uda_manifest *manifest,
                      const struct uda_plan_stage *stage, struct uda_err *err) UDA_MUST_USE;
/* Where models run: "cpu", "cuda" or "cuda:1", from runtime.device; `auto` is the CPU until the GPU has
 * passed its checks. Borrowed. */
const char *uda_setup_device(const struct uda_manifest *manifest);
/*
 * Collective. When several ranks on a machine say `cuda`, each takes the device of its number there, counted
 * round when there are fewer: rank k of a machine gets cuda:k. A launcher that shows each rank a GPU of its
 * own has done so already. Changes the manifest of all but the first of a machine. Errors: UDA_COMM,
 * UDA_NOMEM, UDA_UNSUPPORTED (no module).
 */
int uda_setup_spread_ranks(struct uda_manifest *manifest, struct uda_arena *arena,
                           const struct uda_dist *dist, struct uda_err *err) UDA_MUST_USE;
/* How a stage's activations are stored: from `precision`. */
enum uda_type uda_setup_type(const struct uda_manifest_recipe *recipe);
/* Is that device there, with every kernel, and can it do the precision of the stages (of `only` alone unless
 * NULL)? Errors: UDA_UNSUPPORTED. */
int uda_setup_check_device(const struct uda_manifest *manifest, const char *only,
                           struct uda_err *err) UDA_MUST_USE;
/* Sizes of the model with so many classes. Errors: UDA_MANIFEST if they do not fit together. */
int uda_setup_model(struct uda_model_config *config, const struct uda_manifest_model *model,
                    int64_t classes, struct uda_err *err) UDA_MUST_USE;
/* Weights of the losses, constants of the optimiser: as in the recipe. */
struct uda_criterion_config uda_setup_criterion(const struct uda_manifest_recipe *recipe);
struct uda_adamw_config uda_setup_adamw(const struct uda_manifest_recipe *recipe);
/* Errors: UDA_MANIFEST when the schedule has more steps than fit. */
int uda_setup_schedule(struct uda_schedule *schedule, const struct uda_manifest_recipe *recipe,
                       int64_t iterations, struct uda_err *err) UDA_MUST_USE;
/* Errors: UDA_MANIFEST when there are more sizes than fit. */
int uda_setup_augment(struct uda_augment_spec *spec, const struct uda_manifest_recipe *recipe,
                      struct uda_err *err) UDA_MUST_USE;

/*
 * Opens a data set of the manifest for training (images without an instance of the classes are
 * dropped) or evaluation (kept), drawing its scenes first when it has some and its root is missing.
 * The index is cached in the run folder. Owns: *dataset, by the caller. Errors: those of
 * uda_dataset_create and of drawing scenes.
 */
int uda_setup_dataset(struct uda_dataset **dataset, const struct uda_stage_context *context,
                      int64_t index, uint32_t class_mask, bool training,
                      struct uda_err *err) UDA_MUST_USE;

/* The same for its images alone: all of them, labels are never opened. */
int uda_setup_images(struct uda_dataset **dataset, const struct uda_stage_context *context,
                     int64_t index, struct uda_err *err) UDA_MUST_USE;

/* The same for training on other labels than the data set's own, which are never opened. */
int uda_setup_pseudo_labelled(struct uda_dataset **dataset, const struct uda_stage_context *context,
                              int64_t index, uint32_t class_mask,
                              const struct uda_label_source *labels,
                              struct uda_err *err) UDA_MUST_USE;

/*
 * The model that a label or evaluate stage uses: the weights.h5 of its `from`, the teacher.h5
 * beside it when `weights: teacher`, or model.init; tested as the stage's recipe says. Detections
 * below least_score or test.score_threshold are dropped. Errors: UDA_MANIFEST without weights; those
 * of uda_predictor_create.
 */
int uda_setup_predictor(struct uda_predictor **predictor, const struct uda_stage_context *context,
                        double least_score, struct uda_err *err) UDA_MUST_USE;

/* The same with the model of the train or adapt stage `from`, one of several that the stage uses;
 * NULL: model.init. */
int uda_setup_predictor_of(struct uda_predictor **predictor, const struct uda_stage_context *context,
                           const struct uda_plan_stage *from, double least_score,
                           struct uda_err *err) UDA_MUST_USE;

/* A uda_load_image_fn over a struct uda_dataset. */
int uda_setup_load_image(void *args, int64_t i, struct uda_image *image, const char **name,
                         struct uda_arena *arena, struct uda_err *err);

#endif
