/*
 * One COCO `segmentation` as a mask: polygons, run lengths, or a compressed string of run lengths.
 *
 *     UDA_TRY(uda_coco_segmentation(&rle, &any, uda_json_get(annotation, "segmentation"), h, w,
 *                                   "'gt.json': annotation 7", &arena, err));
 */
#ifndef UDA_DATA_COCO_H
#define UDA_DATA_COCO_H

#include "io/json.h"
#include "src/base/rle.h"

/*
 * The mask that pycocotools' annToRLE gives: (a) a list of polygons [x0,y0,x1,y1,...], their union;
 * (b) {size: [h,w], counts: [runs]}; (c) {size, counts: "string"}. *any = false for a missing, null
 * or empty segmentation. `where` names the file and annotation in messages. UDA_FORMAT: anything
 * else, or a size that is not height x width. Owns: rle in arena.
 */
int uda_coco_segmentation(struct uda_rle *rle, bool *any, const struct uda_json *node,
                          int64_t height, int64_t width, const char *where,
                          struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

#endif
