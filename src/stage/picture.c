#include "src/stage/picture.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/eval/agreement.h"
#include "src/eval/overlay.h"

#include <string.h>

#define PICTURES 12 /* images whose detections are drawn */

/* A picture in the making; everything is enlarged already. */
struct picture {
    const struct uda_picture_look *look;
    int64_t scale, height, width; /* of a panel */
    uint8_t *image;               /* [height, width, 3] */
    struct uda_detections found, truth; /* one image each */
    uint8_t *ignored;             /* [height, width] crowds */
    uint8_t *page;                /* [panels height, width, 3] */
    struct uda_arena *arena;
};

int64_t uda_picture_scale(int64_t width)
{
    return width < 200 ? 3 : width < 400 ? 2 : 1;
}

void uda_picture_enlarge(uint8_t *big, const uint8_t *small, int64_t height, int64_t width,
                         int64_t bytes, int64_t scale)
{
    for (int64_t y = 0; y < height * scale; y++) {
        const uint8_t *from = small + y / scale * width * bytes;
        for (int64_t x = 0; x < width * scale; x++) {
            memcpy(big + (y * width * scale + x) * bytes, from + x / scale * bytes, (size_t)bytes);
        }
    }
}

static int no_memory(struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "picture: out of memory");
}

static int start(struct uda_detections *set, const struct picture *p, const char *name,
                 struct uda_err *err)
{
    int64_t producer = 0;
    uda_detections_init(set, p->arena);
    UDA_TRY(uda_detections_producer(set, &producer, "picture", err));
    return uda_detections_image(set, name, p->height, p->width, err);
}

/* Takes the detections, enlarged. */
static int take_found(struct picture *p, const struct uda_image_detections *found, struct uda_err *err)
{
    uint8_t *small = uda_arena_alloc(p->arena, (size_t)(found->height * found->width));
    uint8_t *big = uda_arena_alloc(p->arena, (size_t)(p->height * p->width));
    if (small == NULL || big == NULL) {
        return no_memory(err);
    }
    UDA_TRY(start(&p->found, p, found->name, err));
    for (int64_t k = 0; k < found->count; k++) {
        const struct uda_detection *d = &found->item[k];
        if (d->score < p->look->min_score) {
            continue;
        }
        const struct uda_rle *mask = &d->mask;
        struct uda_rle larger;
        if (p->scale > 1) {
            uda_rle_decode(small, mask);
            uda_picture_enlarge(big, small, found->height, found->width, 1, p->scale);
            UDA_TRY(uda_rle_encode(&larger, p->arena, big, p->height, p->width, err));
            mask = &larger;
        }
        UDA_TRY(uda_detections_add(&p->found, d->cls, d->score, mask, 0, err));
    }
    return 0;
}

/* Takes the labels, enlarged; crowds are ignored. */
static int take_truth(struct picture *p, const struct uda_labels *labels, const char *name,
                      struct uda_err *err)
{
    UDA_TRY(start(&p->truth, p, name, err));
    for (int64_t k = 0; k < labels->count; k++) {
        const struct uda_instance *i = &labels->instance[k];
        int64_t rows = (i->y1 - i->y0 + 1) * p->scale, columns = (i->x1 - i->x0 + 1) * p->scale;
        const struct uda_box box = {.x0 = i->x0 * p->scale, .y0 = i->y0 * p->scale,
                                    .x1 = i->x0 * p->scale + columns - 1,
                                    .y1 = i->y0 * p->scale + rows - 1};
        uint8_t *mask = uda_arena_alloc(p->arena, (size_t)(rows * columns));
        struct uda_rle rle;
        if (mask == NULL) {
            return no_memory(err);
        }
        uda_picture_enlarge(mask, i->mask, i->y1 - i->y0 + 1, i->x1 - i->x0 + 1, 1, p->scale);
        if (!i->crowd && (p->look->class_mask == 0 || (p->look->class_mask >> i->cls & 1u) != 0)) {
            UDA_TRY(uda_rle_encode_box(&rle, p->arena, mask, box, p->height, p->width, err));
            UDA_TRY(uda_detections_add(&p->truth, i->cls, 1.0, &rle, 0, err));
        }
        for (int64_t n = 0; i->crowd && n < rows * columns; n++) {
            p->ignored[(box.y0 + n / columns) * p->width + box.x0 + n % columns] |= mask[n];
        }
    }
    return 0;
}

/* The image as panel number n of the page. */
static struct uda_image panel(const struct picture *p, int n)
{
    size_t bytes = (size_t)(p->height * p->width * 3);
    struct uda_image image = {.rgb = p->page + (size_t)n * bytes, .height = p->height, .width = p->width};
    memcpy(image.rgb, p->image, bytes);
    return image;
}

static int draw(struct picture *p, struct uda_err *err)
{
    struct uda_image image = panel(p, 0);
    UDA_TRY(uda_overlay_draw(&image, &p->found.image[0], p->look->min_score, err));
    if (p->look->compare) {
        uint8_t *kind = uda_arena_alloc(p->arena, (size_t)(p->height * p->width));
        if (kind == NULL) {
            return no_memory(err);
        }
        image = panel(p, 1);
        UDA_TRY(uda_overlay_draw(&image, &p->truth.image[0], 0.0, err));
        image = panel(p, 2);
        UDA_TRY(uda_agreement_find(kind, &p->found.image[0], &p->truth.image[0], p->ignored,
                                   p->look->min_score, err));
        uda_agreement_draw(&image, kind);
    }
    return 0;
}

int uda_picture_write(const char *dir, const struct uda_labelled_image *image,
                      const struct uda_image_detections *found, const struct uda_picture_look *look,
                      struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_image *given = &image->image;
    int64_t scale = look->enlarge ? uda_picture_scale(given->width) : 1, panels = look->compare ? 3 : 1;
    struct picture p = {.look = look, .scale = scale, .height = given->height * scale,
                        .width = given->width * scale, .arena = arena};
    size_t pixels = (size_t)(p.height * p.width);
    char *file = uda_arena_printf(arena, "%s.png", image->name);
    p.image = uda_arena_alloc(arena, 3 * pixels);
    p.page = uda_arena_alloc(arena, 3 * pixels * (size_t)panels);
    p.ignored = uda_arena_calloc(arena, pixels);
    if (file == NULL || p.image == NULL || p.page == NULL || p.ignored == NULL) {
        return no_memory(err);
    }
    if (found->height != given->height || found->width != given->width) {
        return uda_fail(err, UDA_SHAPE, "'%s': image of %lld x %lld, detections of %lld x %lld",
                        image->name, (long long)given->height, (long long)given->width,
                        (long long)found->height, (long long)found->width);
    }
    uda_picture_enlarge(p.image, given->rgb, given->height, given->width, 3, scale);
    UDA_TRY(take_found(&p, found, err));
    if (look->compare) {
        UDA_TRY(take_truth(&p, &image->labels, image->name, err));
    }
    UDA_TRY(draw(&p, err));
    for (char *c = file; *c != '\0'; c++) {
        *c = *c == '/' ? '_' : *c;
    }
    const char *path = uda_fs_join(arena, dir, file);
    return path == NULL ? no_memory(err)
                        : uda_png_write(path, p.page, p.height * panels, p.width, 3, 8, err);
}

int uda_pictures_write(const struct uda_stage_context *context, const struct uda_dataset *dataset,
                       const struct uda_detections *found, const struct uda_picture_look *look,
                       struct uda_err *err)
{
    const char *relative = uda_arena_printf(context->arena, "predictions/%s", context->stage->name);
    const char *dir = relative == NULL ? NULL : uda_stage_path(context, relative);
    if (dir == NULL) {
        return no_memory(err);
    }
    UDA_TRY(uda_fs_mkdirs(dir, err));
    for (int64_t i = 0; i < dataset->count && i < found->count && i < PICTURES; i++) {
        struct uda_labelled_image scene;
        struct uda_arena arena = {0}, scratch = {0};
        int rc = uda_dataset_load(&scene, dataset, i, &arena, &scratch, err);
        if (rc == 0) {
            rc = uda_picture_write(dir, &scene, &found->image[i], look, &arena, err);
        }
        uda_arena_finish(&scratch);
        uda_arena_finish(&arena);
        UDA_TRY(rc);
    }
    return 0;
}
