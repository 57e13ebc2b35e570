#include "src/stage/picture_mixed.h"

#include "io/png.h"
#include "src/eval/overlay.h"
#include "src/stage/picture.h"

#include <string.h>

struct page {
    struct uda_image image;
    int64_t scale;
    int64_t rows, columns; /* of a cell, enlarged */
    const struct uda_class_map *map;
    struct uda_arena *scratch;
};

static int no_memory(struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "picture of mixing: out of memory");
}

/* The labels of a sample, enlarged, on its enlarged image. */
static int draw_labels(struct uda_image *image, const struct page *page,
                       const struct uda_sample *sample, struct uda_err *err)
{
    struct uda_detections set;
    int64_t producer = 0, pixels = sample->height * sample->width;
    uint8_t *mask = uda_arena_alloc(page->scratch, (size_t)(image->height * image->width));
    if (mask == NULL) {
        return no_memory(err);
    }
    uda_detections_init(&set, page->scratch);
    UDA_TRY(uda_detections_producer(&set, &producer, "labels", err));
    UDA_TRY(uda_detections_image(&set, "sample", image->height, image->width, err));
    for (int64_t m = 0; m < sample->count; m++) {
        int32_t cls = sample->cls[m];
        if (cls < 0 || cls >= page->map->count) {
            return uda_fail(err, UDA_SHAPE, "picture of mixing: class %d of %d", (int)cls,
                            (int)page->map->count);
        }
        uda_picture_enlarge(mask, sample->masks + m * pixels, sample->height, sample->width, 1, page->scale);
        UDA_TRY(uda_detections_add_mask(&set, page->map->cls[cls], 1.0, mask, producer, err));
    }
    return uda_overlay_draw(image, &set.image[0], 0.0, err);
}

/* Image that the pixel of the enlarged frame shows; 0 outside. */
static uint16_t origin_at(const struct uda_mixed *mixed, int64_t scale, int64_t y, int64_t x)
{
    int64_t height = mixed->sample.height, width = mixed->sample.width;
    bool inside = y >= 0 && x >= 0 && y < height * scale && x < width * scale;
    return inside ? mixed->origin[y / scale * width + x / scale] : 0;
}

static void draw_outlines(struct uda_image *image, const struct uda_mixed *mixed, int64_t scale)
{
    static const uint8_t color[2][3] = {UDA_PICTURE_DONOR, UDA_PICTURE_POOL};
    int64_t thick = (scale + 1) / 2;
    for (int64_t y = 0; y < image->height; y++) {
        for (int64_t x = 0; x < image->width; x++) {
            uint16_t o = origin_at(mixed, scale, y, x);
            bool edge = origin_at(mixed, scale, y - thick, x) != o ||
                        origin_at(mixed, scale, y + thick, x) != o ||
                        origin_at(mixed, scale, y, x - thick) != o ||
                        origin_at(mixed, scale, y, x + thick) != o;
            if (o != 0 && edge) {
                memcpy(image->rgb + 3 * (y * image->width + x), color[o > 1], 3);
            }
        }
    }
}

/* Puts a sample into cell (row, column): with its labels, or with the outlines of `mixed`. */
static int put(struct page *page, int row, int column, const struct uda_sample *sample,
               const struct uda_mixed *mixed, struct uda_err *err)
{
    size_t mark = uda_arena_mark(page->scratch);
    struct uda_image panel = {.height = sample->height * page->scale,
                              .width = sample->width * page->scale};
    int64_t top = row * (page->rows + UDA_PICTURE_GAP), left = column * (page->columns + UDA_PICTURE_GAP);
    panel.rgb = uda_arena_alloc(page->scratch, (size_t)(panel.height * panel.width * 3));
    if (panel.rgb == NULL) {
        return no_memory(err);
    }
    uda_picture_enlarge(panel.rgb, sample->rgb, sample->height, sample->width, 3, page->scale);
    if (mixed != NULL) {
        draw_outlines(&panel, mixed, page->scale);
    } else {
        UDA_TRY(draw_labels(&panel, page, sample, err));
    }
    for (int64_t y = 0; y < panel.height; y++) {
        memcpy(page->image.rgb + 3 * ((top + y) * page->image.width + left),
               panel.rgb + 3 * y * panel.width, (size_t)(3 * panel.width));
    }
    uda_arena_reset(page->scratch, mark);
    return 0;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static int draw(struct page *page, const struct uda_mixed *mixed, const struct uda_sample *source,
                const struct uda_sample *target, struct uda_err *err)
{
    int64_t rows = larger(mixed->sample.height, larger(source->height, target->height));
    int64_t columns = larger(mixed->sample.width, larger(source->width, target->width));
    page->scale = uda_picture_scale(columns);
    page->rows = rows * page->scale;
    page->columns = columns * page->scale;
    page->image = (struct uda_image){.height = 2 * page->rows + UDA_PICTURE_GAP,
                                     .width = 2 * page->columns + UDA_PICTURE_GAP};
    size_t bytes = (size_t)(page->image.height * page->image.width * 3);
    page->image.rgb = uda_arena_alloc(page->scratch, bytes);
    if (page->image.rgb == NULL) {
        return no_memory(err);
    }
    memset(page->image.rgb, UDA_PICTURE_PAPER, bytes);
    UDA_TRY(put(page, 0, 0, source, NULL, err));
    UDA_TRY(put(page, 0, 1, target, NULL, err));
    UDA_TRY(put(page, 1, 0, &mixed->sample, mixed, err));
    return put(page, 1, 1, &mixed->sample, NULL, err);
}

int uda_picture_mixed(const char *path, const struct uda_mixed *mixed,
                      const struct uda_sample *source, const struct uda_sample *target,
                      const struct uda_class_map *map, struct uda_arena *scratch,
                      struct uda_err *err)
{
    struct page page = {.map = map, .scratch = scratch};
    size_t mark = uda_arena_mark(scratch);
    int rc = draw(&page, mixed, source, target, err);
    if (rc == 0) {
        rc = uda_png_write(path, page.image.rgb, page.image.height, page.image.width, 3, 8, err);
    }
    uda_arena_reset(scratch, mark);
    return rc;
}
