/*
 * From a map of pixel keys to the instances of an image: what all label rasters have in common.
 *
 * Invariants: pixels of one key are one instance, connected or not; a key is described once, at its
 * first pixel in row order; boxes are tight.
 *
 *     UDA_TRY(uda_segments_extract(&labels, key, height, width, path, describe, &ctx, arena,
 *                                  scratch, err));
 */
#ifndef UDA_DATA_SEGMENTS_H
#define UDA_DATA_SEGMENTS_H

#include "src/base/arena.h"
#include "src/base/err.h"
#include "src/base/image.h"

/* Beyond this a label file is taken for damaged: noise would otherwise ask for all memory there
 * is. */
#define UDA_SEGMENTS_MAX 4096                      /* objects in an image */
#define UDA_SEGMENTS_BYTES_MAX ((int64_t)1 << 30) /* their masks */

/* What a key means, decided at its first pixel (x, y). */
struct uda_segment {
    bool keep; /* false: not an object */
    bool crowd;
    enum uda_class cls;
};

typedef int uda_segment_describe(struct uda_segment *segment, void *ctx, uint32_t key, int64_t x,
                                 int64_t y, struct uda_err *err);

/* key [height, width]; instances in ascending key, id = key. Key 0 is never an object. Passes on
 * what describe returns; UDA_FORMAT: too many objects, with `path`; UDA_NOMEM. Owns: masks in
 * arena; temporaries stay in scratch for the caller to reset. */
int uda_segments_extract(struct uda_labels *labels, const uint32_t *key, int64_t height,
                         int64_t width, const char *path, uda_segment_describe *describe,
                         void *ctx, struct uda_arena *arena, struct uda_arena *scratch,
                         struct uda_err *err) UDA_MUST_USE;

/* UDA_FORMAT if an image has more objects or mask bytes than the bounds above. */
int uda_segments_check(const char *path, int64_t objects, int64_t mask_bytes,
                       struct uda_err *err) UDA_MUST_USE;

#endif
