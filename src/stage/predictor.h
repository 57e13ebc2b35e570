/*
 * A trained model at work: images in, scored masks out, as the reference tests (mask2former.md:
 * inference).
 *
 * Images are resized like the reference (shorter edge, Pillow's bilinear), padded to a multiple of
 * 32, and predictions come back at the image's own size. Small images are predicted side by side,
 * one thread each; large ones one after the other on all threads. The result is the same. On a GPU
 * they follow each other.
 *
 *     UDA_TRY(uda_predictor_create(&predictor, &spec, err));
 *     UDA_TRY(uda_predictor_run(predictor, &set, 0, images, load, args, &progress, err));
 *     uda_predictor_destroy(&predictor);
 */
#ifndef UDA_STAGE_PREDICTOR_H
#define UDA_STAGE_PREDICTOR_H

#include "src/base/detections.h"
#include "src/data/augment.h"
#include "src/model/config.h"
#include "src/stage/progress.h"
#include "src/tensor/device.h"

struct uda_predictor_spec {
    struct uda_model_config model;
    struct uda_class_map map;
    const char *weights;  /* path of weights.h5 */
    const char *producer; /* what detections say made them; NULL: the path */
    float *values;        /* NULL: read from `weights`; else a flat array of the model's layout, borrowed */
    const char *device;   /* "cpu" (NULL), "cuda", "cuda:1" */
    enum uda_type type;   /* of activations; UDA_BF16 on a GPU alone */
    struct uda_device *on; /* a GPU in use that has `values` (and `low`), borrowed; NULL: one of `device` */
    void *low; /* with `on` and UDA_BF16: the values in bf16, kept up to date by the caller */
    int64_t short_side, max_long_side; /* px; short_side 0: the image's own size */
    int64_t detections; /* kept per image */
    double min_score;
    int threads; /* 0: all cores */
};

struct uda_predictor;

/* Errors: UDA_IO, UDA_FORMAT (weights), UDA_NOMEM, UDA_UNSUPPORTED (no such device, or it lacks kernels).
 * Owns: the caller. */
int uda_predictor_create(struct uda_predictor **predictor, const struct uda_predictor_spec *spec,
                         struct uda_err *err) UDA_MUST_USE;
void uda_predictor_destroy(struct uda_predictor **predictor);

/* Gives image i and its name, in memory of the arena. Called from several threads, each i once. */
typedef int uda_load_image_fn(void *args, int64_t i, struct uda_image *image, const char **name,
                              struct uda_arena *arena, struct uda_err *err);

/*
 * Adds images first..last-1 to the set, in order. progress: told how many images of the whole are
 * done; NULL for silence, and then a
 * wish to stop is left to the caller. The failure of the lowest image is reported. Errors: UDA_STOPPED when a
 * stop is wanted (the set is then incomplete).
 */
int uda_predictor_run(struct uda_predictor *predictor, struct uda_detections *set, int64_t first,
                      int64_t last, uda_load_image_fn *load, void *args,
                      struct uda_progress *progress, struct uda_err *err) UDA_MUST_USE;

#endif
