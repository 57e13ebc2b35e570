#include "src/eval/overlay.h"

#include "src/base/classes.h"

#define TONES 5

void uda_detections_by_score(int64_t *order, const struct uda_image_detections *found)
{
    for (int64_t i = 0; i < found->count; i++) {
        int64_t at = i;
        for (; at > 0 && found->item[order[at - 1]].score < found->item[i].score; at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}

/* Colour of the k-th instance of a class: the palette's, in TONES steps towards white. */
static void tone(uint8_t rgb[3], enum uda_class cls, int64_t k)
{
    for (int c = 0; c < 3; c++) {
        int base = uda_classes[cls].rgb[c];
        rgb[c] = (uint8_t)(base + (255 - base) * (1 + (int)(k % TONES)) / (TONES + 3));
    }
}

static bool inside(const uint8_t *mask, int64_t rows, int64_t columns, int64_t y, int64_t x)
{
    return y >= 0 && x >= 0 && y < rows && x < columns && mask[y * columns + x] != 0;
}

/* mask [y1-y0+1, x1-x0+1]; pixels with a neighbour outside get the solid colour. */
static void draw_mask(struct uda_image *image, const uint8_t *mask, struct uda_box box,
                      const uint8_t rgb[3])
{
    int64_t rows = box.y1 - box.y0 + 1, columns = box.x1 - box.x0 + 1;
    for (int64_t y = 0; y < rows; y++) {
        for (int64_t x = 0; x < columns; x++) {
            if (mask[y * columns + x] == 0) {
                continue;
            }
            bool inner = inside(mask, rows, columns, y - 1, x) &&
                         inside(mask, rows, columns, y + 1, x) &&
                         inside(mask, rows, columns, y, x - 1) &&
                         inside(mask, rows, columns, y, x + 1);
            uint8_t *pixel = image->rgb + 3 * ((box.y0 + y) * image->width + box.x0 + x);
            for (int c = 0; c < 3; c++) {
                pixel[c] = inner ? (uint8_t)((pixel[c] + rgb[c] + 1) / 2) : rgb[c];
            }
        }
    }
}

int uda_overlay_draw(struct uda_image *image, const struct uda_image_detections *found,
                     double least, struct uda_err *err)
{
    if (image->height != found->height || image->width != found->width) {
        return uda_fail(err, UDA_SHAPE, "'%s': image of %lld x %lld, detections of %lld x %lld",
                        found->name, (long long)image->height, (long long)image->width,
                        (long long)found->height, (long long)found->width);
    }
    int64_t drawn[UDA_CLASSES] = {0};
    int64_t *order = uda_alloc((size_t)found->count * sizeof *order);
    uint8_t *mask = uda_alloc((size_t)(found->height * found->width));
    int rc = 0;
    if (order == NULL || mask == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "'%s': no memory to draw its detections", found->name);
        goto out;
    }
    uda_detections_by_score(order, found);
    for (int64_t i = found->count - 1; i >= 0; i--) {
        const struct uda_detection *item = &found->item[order[i]];
        uint8_t rgb[3];
        if (item->score >= least) {
            tone(rgb, item->cls, drawn[item->cls]++);
            uda_rle_decode_box(mask, item->box, &item->mask);
            draw_mask(image, mask, item->box, rgb);
        }
    }
out:
    uda_free(order);
    uda_free(mask);
    return rc;
}
