#include "src/stage/picture.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/eval/overlay.h"

#include <string.h>

#define PICTURES 12 /* images whose detections are drawn */

/* The labels as a set of one image, so that truth is drawn like predictions. */
static int labels_as_found(struct uda_detections *set, const struct uda_labelled_image *image,
                           struct uda_arena *arena, struct uda_err *err)
{
    int64_t producer = 0;
    uda_detections_init(set, arena);
    UDA_TRY(uda_detections_producer(set, &producer, "labels", err));
    UDA_TRY(uda_detections_image(set, image->name, image->image.height, image->image.width, err));
    for (int64_t k = 0; k < image->labels.count; k++) {
        const struct uda_instance *i = &image->labels.instance[k];
        struct uda_rle mask;
        const struct uda_box box = {.x0 = i->x0, .y0 = i->y0, .x1 = i->x1, .y1 = i->y1};
        if (!i->crowd) {
            UDA_TRY(uda_rle_encode_box(&mask, arena, i->mask, box, image->image.height,
                                       image->image.width, err));
            UDA_TRY(uda_detections_add(set, i->cls, 1.0, &mask, producer, err));
        }
    }
    return 0;
}

int uda_picture_write(const char *dir, struct uda_labelled_image *image,
                      const struct uda_image_detections *found, double min_score,
                      struct uda_arena *arena, struct uda_err *err)
{
    struct uda_image above = image->image;
    size_t bytes = (size_t)(above.height * above.width * 3);
    bool labelled = image->labels.count > 0;
    struct uda_image both = {.height = above.height * (labelled ? 2 : 1), .width = above.width};
    char *file = uda_arena_printf(arena, "%s.png", image->name);
    both.rgb = uda_arena_alloc(arena, bytes * (labelled ? 2 : 1));
    if (file == NULL || both.rgb == NULL) {
        return uda_fail(err, UDA_NOMEM, "picture: out of memory");
    }
    if (labelled) {
        struct uda_detections truth;
        struct uda_image below = above;
        below.rgb = both.rgb + bytes;
        memcpy(below.rgb, image->image.rgb, bytes);
        UDA_TRY(labels_as_found(&truth, image, arena, err));
        UDA_TRY(uda_overlay_draw(&below, &truth.image[0], 0.0, err));
    }
    memcpy(both.rgb, image->image.rgb, bytes);
    above.rgb = both.rgb;
    UDA_TRY(uda_overlay_draw(&above, found, min_score, err));
    for (char *c = file; *c != '\0'; c++) {
        *c = *c == '/' ? '_' : *c;
    }
    const char *path = uda_fs_join(arena, dir, file);
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "picture: out of memory");
    }
    return uda_png_write(path, both.rgb, both.height, both.width, 3, 8, err);
}

int uda_pictures_write(const struct uda_stage_context *context, const struct uda_dataset *dataset,
                       const struct uda_detections *found, double min_score, struct uda_err *err)
{
    const char *relative = uda_arena_printf(context->arena, "predictions/%s", context->stage->name);
    const char *dir = relative == NULL ? NULL : uda_stage_path(context, relative);
    if (dir == NULL) {
        return uda_fail(err, UDA_NOMEM, "picture: out of memory");
    }
    UDA_TRY(uda_fs_mkdirs(dir, err));
    for (int64_t i = 0; i < dataset->count && i < found->count && i < PICTURES; i++) {
        struct uda_labelled_image scene;
        struct uda_arena arena = {0}, scratch = {0};
        int rc = uda_dataset_load(&scene, dataset, i, &arena, &scratch, err);
        if (rc == 0) {
            rc = uda_picture_write(dir, &scene, &found->image[i], min_score, &arena, err);
        }
        uda_arena_finish(&scratch);
        uda_arena_finish(&arena);
        UDA_TRY(rc);
    }
    return 0;
}
