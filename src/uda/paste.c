#include "src/uda/paste.h"

#include <string.h>

void uda_paste_measure(struct uda_extent *extent, const uint8_t *mask, int64_t mask_width,
                       int64_t height, int64_t width)
{
    struct uda_box box = {0, 0, -1, -1};
    int64_t area = 0;
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *row = mask + y * mask_width;
        int64_t count = 0;
        for (int64_t x = 0; x < width; x++) {
            count += row[x];
        }
        if (count == 0) {
            continue;
        }
        int64_t first = 0, last = width - 1;
        while (row[first] == 0) {
            first++;
        }
        while (row[last] == 0) {
            last--;
        }
        if (area == 0) {
            box = (struct uda_box){first, y, last, y};
        }
        box.x0 = first < box.x0 ? first : box.x0;
        box.x1 = last > box.x1 ? last : box.x1;
        box.y1 = y;
        area += count;
    }
    *extent = (struct uda_extent){.area_px = area, .box = box};
}

bool uda_paste_by_mask(enum uda_paste_style style, int64_t area_px, int64_t instance_area_px)
{
    return style == UDA_PASTE_INSTANCE ||
           (style == UDA_PASTE_ADAPTIVE && area_px > instance_area_px);
}

struct uda_box uda_paste_grow(struct uda_box box, int64_t margin_px, int64_t height, int64_t width)
{
    /* Compared before adding: a margin may be as large as it likes. */
    return (struct uda_box){
        .x0 = box.x0 > margin_px ? box.x0 - margin_px : 0,
        .y0 = box.y0 > margin_px ? box.y0 - margin_px : 0,
        .x1 = width - 1 - box.x1 > margin_px ? box.x1 + margin_px : width - 1,
        .y1 = height - 1 - box.y1 > margin_px ? box.y1 + margin_px : height - 1};
}

static void paste_box(struct uda_canvas *canvas, const uint8_t *rgb, int64_t width,
                      const struct uda_box *box, uint16_t origin)
{
    int64_t count = box->x1 - box->x0 + 1;
    for (int64_t y = box->y0; y <= box->y1; y++) {
        memcpy(canvas->rgb + 3 * (y * canvas->width + box->x0), rgb + 3 * (y * width + box->x0),
               3 * (size_t)count);
        uint16_t *row = canvas->origin + y * canvas->width;
        for (int64_t x = box->x0; x <= box->x1; x++) {
            row[x] = origin;
        }
    }
}

void uda_paste_one(struct uda_canvas *canvas, const uint8_t *rgb, const uint8_t *mask,
                   int64_t width, const struct uda_extent *extent, const struct uda_box *box,
                   uint16_t origin)
{
    if (box != NULL) {
        paste_box(canvas, rgb, width, box, origin);
    }
    for (int64_t y = extent->box.y0; y <= extent->box.y1; y++) {
        for (int64_t x = extent->box.x0; x <= extent->box.x1; x++) {
            int64_t at = y * canvas->width + x, from = y * width + x;
            if (mask[from] == 0) {
                continue;
            }
            canvas->claimed[at] = origin;
            if (box == NULL) {
                canvas->origin[at] = origin;
                memcpy(canvas->rgb + 3 * at, rgb + 3 * from, 3);
            }
        }
    }
}

/* -2 .. n+1 brought into 0..n-1 by reflection about the first and the last element. */
static int64_t reflect(int64_t i, int64_t n)
{
    while (i < 0 || i >= n) {
        if (n == 1) {
            return 0;
        }
        i = i < 0 ? -i : 2 * (n - 1) - i;
    }
    return i;
}

static void blur_row(uint16_t *out, const uint8_t *rgb, int64_t width)
{
    static const unsigned weight[5] = {1, 4, 6, 4, 1};
    for (int64_t x = 0; x < width; x++) {
        for (int c = 0; c < 3; c++) {
            unsigned sum = 0;
            for (int k = 0; k < 5; k++) {
                sum += weight[k] * rgb[3 * reflect(x + k - 2, width) + c];
            }
            out[3 * x + c] = (uint16_t)sum;
        }
    }
}

void uda_paste_blur(uint8_t *out, const uint8_t *rgb, int64_t height, int64_t width, uint16_t *row)
{
    static const unsigned weight[5] = {1, 4, 6, 4, 1};
    for (int64_t y = 0; y < height; y++) {
        uint16_t *tap[5];
        for (int k = 0; k < 5; k++) {
            /* Rows y-2..y+1 are still there from before, in the slot of their number. */
            tap[k] = row + (y + k) % 5 * 3 * width;
            if (y == 0 || k == 4) {
                blur_row(tap[k], rgb + 3 * width * reflect(y + k - 2, height), width);
            }
        }
        for (int64_t i = 0; i < 3 * width; i++) {
            unsigned sum = 128;
            for (int k = 0; k < 5; k++) {
                sum += weight[k] * tap[k][i];
            }
            out[3 * width * y + i] = (uint8_t)(sum >> 8);
        }
    }
}
