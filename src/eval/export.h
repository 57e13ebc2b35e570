/*
 * Detection sets in the formats of other tools.
 *
 *     UDA_TRY(uda_export_coco("labels.json", &set, err));
 *     UDA_TRY(uda_export_cityscapes("results", &set, err));
 *
 * All write files atomically, folders are made. The same set gives the same bytes.
 */
#ifndef UDA_EVAL_EXPORT_H
#define UDA_EVAL_EXPORT_H

#include "src/base/detections.h"

/*
 * An instances file: images numbered from 1 with file_name NAME.png, the eight categories under
 * their Cityscapes label ids, annotations with compressed runs, area and box, and as further fields
 * score and producer. Nothing of the set is lost. Errors: NOMEM, IO.
 */
int uda_export_coco(const char *path, const struct uda_detections *set,
                    struct uda_err *err) UDA_MUST_USE;

/*
 * A results list. Ids are those of uda_export_coco, or, if instances_path is not NULL, those of
 * that instances file: images by file_name without folder and suffix, categories by name;
 * detections of a class that it lacks are left out. Errors: NOMEM, IO, FORMAT (image not in the
 * instances file).
 */
int uda_export_coco_results(const char *path, const struct uda_detections *set,
                            const char *instances_path, struct uda_err *err) UDA_MUST_USE;

/*
 * A results folder of the Cityscapes script: DIR/NAME_pred.txt and DIR/pred_masks/NAME_000.png,
 * scores with 17 digits. Lossless but for producers. Errors: NOMEM, IO.
 */
int uda_export_cityscapes(const char *dir, const struct uda_detections *set,
                          struct uda_err *err) UDA_MUST_USE;

/*
 * Instance id files: DIR/NAME_gtFine_instanceIds.png of 16 bits, label id * 1000 + number, 0 where
 * nothing is. A pixel belongs to the surest detection. Errors: NOMEM, IO, SHAPE (over 1000 of a
 * class).
 */
int uda_export_instance_ids(const char *dir, const struct uda_detections *set,
                            struct uda_err *err) UDA_MUST_USE;

/*
 * Overlays: DIR/NAME.png drawn on the PNG below images_dir that is called NAME.png or NAME_*.png;
 * detections with score >= least. Errors: NOMEM, IO, FORMAT (no such image, or two), SHAPE (its
 * size).
 */
int uda_export_overlay(const char *dir, const struct uda_detections *set, const char *images_dir,
                       double least, struct uda_err *err) UDA_MUST_USE;

#endif
