#include "src/base/detections.h"

#include <math.h>
#include <string.h>

void uda_detections_init(struct uda_detections *set, struct uda_arena *arena)
{
    *set = (struct uda_detections){.arena = arena};
}

static int no_memory(struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "no memory for detections");
}

/* Room for one more element; NULL when out of memory. Doubles, so that adding n costs O(n). */
static void *grown(struct uda_arena *arena, void *array, int64_t count, int64_t *room,
                   size_t element_bytes)
{
    if (count < *room) {
        return array;
    }
    int64_t next = *room == 0 ? 8 : 2 * *room;
    void *larger = uda_arena_grow(arena, array, (size_t)count * element_bytes,
                                  (size_t)next * element_bytes);
    if (larger != NULL) {
        *room = next;
    }
    return larger;
}

int uda_detections_producer(struct uda_detections *set, int64_t *index, const char *name,
                            struct uda_err *err)
{
    for (int64_t i = 0; i < set->producers; i++) {
        if (strcmp(set->producer[i], name) == 0) {
            *index = i;
            return 0;
        }
    }
    char *copy = uda_arena_strdup(set->arena, name);
    const char **names = grown(set->arena, set->producer, set->producers, &set->producer_room,
                               sizeof *set->producer);
    if (copy == NULL || names == NULL) {
        return no_memory(err);
    }
    set->producer = names;
    *index = set->producers;
    set->producer[set->producers++] = copy;
    return 0;
}

int uda_detections_image(struct uda_detections *set, const char *name, int64_t height,
                         int64_t width, struct uda_err *err)
{
    UDA_TRY(uda_rle_check_size(height, width, err));
    char *copy = uda_arena_strdup(set->arena, name);
    struct uda_image_detections *images =
        grown(set->arena, set->image, set->count, &set->room, sizeof *set->image);
    if (copy == NULL || images == NULL) {
        return no_memory(err);
    }
    set->image = images;
    set->image[set->count++] =
        (struct uda_image_detections){.name = copy, .height = height, .width = width};
    return 0;
}

/* Checks and appends; `mask` already lives in the set's arena. */
static int append(struct uda_detections *set, struct uda_detection item, struct uda_err *err)
{
    struct uda_image_detections *image = &set->image[set->count - 1];
    struct uda_detection *items =
        grown(set->arena, image->item, image->count, &image->room, sizeof *items);
    if (items == NULL) {
        return no_memory(err);
    }
    image->item = items;
    image->item[image->count++] = item;
    return 0;
}

static int check_item(const struct uda_detections *set, double score, struct uda_err *err)
{
    if (set->count == 0) {
        return uda_fail(err, UDA_SHAPE, "a detection was added before an image");
    }
    if (!isfinite(score)) {
        return uda_fail(err, UDA_NONFINITE, "image '%s': a detection's score is not a number",
                        set->image[set->count - 1].name);
    }
    return 0;
}

int uda_detections_add(struct uda_detections *set, enum uda_class cls, double score,
                       const struct uda_rle *mask, int64_t producer, struct uda_err *err)
{
    UDA_TRY(check_item(set, score, err));
    const struct uda_image_detections *image = &set->image[set->count - 1];
    if (mask->height != image->height || mask->width != image->width) {
        return uda_fail(err, UDA_SHAPE, "image '%s' is %lld x %lld but a mask of it %lld x %lld",
                        image->name, (long long)image->height, (long long)image->width,
                        (long long)mask->height, (long long)mask->width);
    }
    int64_t area = uda_rle_area(mask);
    if (area == 0) {
        return 0;
    }
    struct uda_rle copy = *mask;
    copy.counts = uda_arena_alloc(set->arena, (size_t)mask->count * sizeof *copy.counts);
    if (copy.counts == NULL) {
        return no_memory(err);
    }
    memcpy(copy.counts, mask->counts, (size_t)mask->count * sizeof *copy.counts);
    return append(set,
                  (struct uda_detection){.cls = cls,
                                         .score = score,
                                         .mask = copy,
                                         .area_px = area,
                                         .box = uda_rle_box(&copy),
                                         .producer = producer},
                  err);
}

int uda_detections_add_mask(struct uda_detections *set, enum uda_class cls, double score,
                            const uint8_t *mask, int64_t producer, struct uda_err *err)
{
    UDA_TRY(check_item(set, score, err));
    const struct uda_image_detections *image = &set->image[set->count - 1];
    struct uda_rle rle;
    UDA_TRY(uda_rle_encode(&rle, set->arena, mask, image->height, image->width, err));
    int64_t area = uda_rle_area(&rle);
    if (area == 0) {
        return 0;
    }
    return append(set,
                  (struct uda_detection){.cls = cls,
                                         .score = score,
                                         .mask = rle,
                                         .area_px = area,
                                         .box = uda_rle_box(&rle),
                                         .producer = producer},
                  err);
}

const struct uda_image_detections *uda_detections_find(const struct uda_detections *set,
                                                       const char *name)
{
    for (int64_t i = 0; i < set->count; i++) {
        if (strcmp(set->image[i].name, name) == 0) {
            return &set->image[i];
        }
    }
    return NULL;
}
