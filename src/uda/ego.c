#include "src/uda/ego.h"

#include "src/base/rle.h"

/* The polygon's instance in an image of height x width; area 0 if nothing of it is inside. */
static int draw(struct uda_instance *instance, const struct uda_ego *ego, int64_t height,
                int64_t width, struct uda_arena *arena, struct uda_err *err)
{
    if (ego->points < 3 || ego->height < 1 || ego->width < 1) {
        return uda_fail(err, UDA_FORMAT, "ego region of %lld points in %lld x %lld",
                        (long long)ego->points, (long long)ego->height, (long long)ego->width);
    }
    double *xy = uda_arena_alloc(arena, 2 * (size_t)ego->points * sizeof *xy);
    if (xy == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for the ego region");
    }
    for (int64_t i = 0; i < ego->points; i++) {
        xy[2 * i] = (double)ego->xy[2 * i] * (double)width / (double)ego->width;
        xy[2 * i + 1] = (double)ego->xy[2 * i + 1] * (double)height / (double)ego->height;
    }
    struct uda_rle rle;
    UDA_TRY(uda_rle_from_polygon(&rle, arena, xy, ego->points, height, width, err));
    struct uda_box box = uda_rle_box(&rle);
    *instance = (struct uda_instance){.id = 1, .area_px = uda_rle_area(&rle), .x0 = box.x0,
                                      .y0 = box.y0, .x1 = box.x1, .y1 = box.y1};
    if (instance->area_px > 0) {
        instance->mask =
            uda_arena_alloc(arena, (size_t)((box.x1 - box.x0 + 1) * (box.y1 - box.y0 + 1)));
        if (instance->mask == NULL) {
            return uda_fail(err, UDA_NOMEM, "out of memory for the ego region");
        }
        uda_rle_decode_box(instance->mask, box, &rle);
    }
    return 0;
}

int uda_ego_mark(struct uda_labelled_image *scene, const struct uda_ego *ego, enum uda_class cls,
                 struct uda_arena *arena, struct uda_err *err)
{
    struct uda_instance *instance = uda_arena_alloc(arena, sizeof *instance);
    if (instance == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the ego region", scene->name);
    }
    UDA_TRY(draw(instance, ego, scene->image.height, scene->image.width, arena, err));
    instance->cls = cls;
    scene->labels = (struct uda_labels){.height = scene->image.height, .width = scene->image.width,
                                        .instance = instance, .count = instance->area_px > 0};
    return 0;
}

const uint8_t *uda_ego_take(struct uda_sample *sample)
{
    const uint8_t *mask = sample->count > 0 ? sample->masks : NULL;
    sample->count = 0;
    return mask;
}
