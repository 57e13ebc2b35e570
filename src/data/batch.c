#include "src/data/batch.h"

#include <string.h>

/* Bytes beyond which a batch is surely a mistake. */
#define PIXEL_BYTES_MAX ((int64_t)1 << 40)

const float uda_batch_mean[3] = {123.675f, 116.280f, 103.530f};
const float uda_batch_std[3] = {58.395f, 57.120f, 57.375f};

int64_t uda_batch_round_up(int64_t n, int64_t align) { return (n + align - 1) / align * align; }

/* The 256 values a channel can take: division once for each, so that every pixel is exactly
 * (x - mean) / std. */
struct levels {
    float value[3][256];
};

static void make_levels(struct levels *levels)
{
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 256; i++) {
            levels->value[c][i] = ((float)i - uda_batch_mean[c]) / uda_batch_std[c];
        }
    }
}

void uda_batch_normalise(float *pixels, int64_t out_height, int64_t out_width, const uint8_t *rgb,
                         int64_t height, int64_t width)
{
    struct levels levels;
    make_levels(&levels);
    for (int64_t y = 0; y < height; y++) {
        float *to = pixels + y * out_width * 3;
        const uint8_t *from = rgb + y * width * 3;
        for (int64_t x = 0; x < width; x++) {
            to[3 * x] = levels.value[0][from[3 * x]];
            to[3 * x + 1] = levels.value[1][from[3 * x + 1]];
            to[3 * x + 2] = levels.value[2][from[3 * x + 2]];
        }
        memset(to + 3 * width, 0, (size_t)(out_width - width) * 3 * sizeof *to);
    }
    memset(pixels + height * out_width * 3, 0,
           (size_t)(out_height - height) * (size_t)out_width * 3 * sizeof *pixels);
}

/* planes of rows of bytes in a larger frame, 0 beyond. */
static void pad_planes(void *out, int64_t out_rows, int64_t out_row_bytes, const void *in, int64_t planes,
                       int64_t rows, int64_t row_bytes)
{
    for (int64_t m = 0; m < planes; m++) {
        const unsigned char *from = (const unsigned char *)in + m * rows * row_bytes;
        unsigned char *to = (unsigned char *)out + m * out_rows * out_row_bytes;
        for (int64_t y = 0; y < rows; y++) {
            memcpy(to + y * out_row_bytes, from + y * row_bytes, (size_t)row_bytes);
            memset(to + y * out_row_bytes + row_bytes, 0, (size_t)(out_row_bytes - row_bytes));
        }
        memset(to + rows * out_row_bytes, 0, (size_t)((out_rows - rows) * out_row_bytes));
    }
}

static int make_target(struct uda_target *target, const struct uda_batch *batch,
                       const struct uda_sample *s, struct uda_arena *arena, struct uda_err *err)
{
    *target = (struct uda_target){.count = s->count, .cls = s->cls, .masks = s->masks};
    if (s->height == batch->height && s->width == batch->width) {
        return 0;
    }
    uint8_t *masks = uda_arena_alloc(arena, (size_t)s->count * (size_t)batch->height *
                                                (size_t)batch->width);
    if (masks == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for %lld masks", s->name,
                        (long long)s->count);
    }
    pad_planes(masks, batch->height, batch->width, s->masks, s->count, s->height, s->width);
    target->masks = masks;
    return 0;
}

/* Pixels and targets of a batch whose sizes are set. */
static int make_room(struct uda_batch *out, struct uda_arena *arena, struct uda_err *err)
{
    int64_t pixel_bytes = 3 * (int64_t)sizeof(float);
    if (out->height < 1 || out->width < 1 ||
        out->height > PIXEL_BYTES_MAX / pixel_bytes / out->width ||
        out->images > PIXEL_BYTES_MAX / pixel_bytes / (out->height * out->width)) {
        return uda_fail(err, UDA_SHAPE, "a batch of %lld images of %lldx%lld pixels",
                        (long long)out->images, (long long)out->width, (long long)out->height);
    }
    size_t values = (size_t)(out->images * out->height * out->width * 3);
    out->pixels = uda_arena_alloc(arena, values * sizeof *out->pixels);
    out->target = uda_arena_alloc(arena, (size_t)out->images * sizeof *out->target);
    if (out->pixels == NULL || out->target == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a batch of %lld images of %lldx%lld",
                        (long long)out->images, (long long)out->width, (long long)out->height);
    }
    return 0;
}

int uda_batch_pad(struct uda_batch *padded, const struct uda_batch *batch, int64_t height, int64_t width,
                  struct uda_arena *arena, struct uda_err *err)
{
    struct uda_batch out = *batch;
    if (height < batch->height || width < batch->width) {
        return uda_fail(err, UDA_SHAPE, "a batch of %lldx%lld pixels does not fit into %lldx%lld",
                        (long long)batch->width, (long long)batch->height, (long long)width,
                        (long long)height);
    }
    out.height = height;
    out.width = width;
    UDA_TRY(make_room(&out, arena, err));
    int64_t pixel = 3 * (int64_t)sizeof(float);
    pad_planes(out.pixels, height, width * pixel, batch->pixels, batch->images, batch->height,
               batch->width * pixel);
    for (int64_t i = 0; i < batch->images; i++) {
        const struct uda_target *from = &batch->target[i];
        uint8_t *masks = uda_arena_alloc(arena, (size_t)(from->count * height * width));
        if (masks == NULL) {
            return uda_fail(err, UDA_NOMEM, "out of memory for %lld masks", (long long)from->count);
        }
        pad_planes(masks, height, width, from->masks, from->count, batch->height, batch->width);
        out.target[i] = (struct uda_target){.count = from->count, .cls = from->cls, .masks = masks};
    }
    *padded = out;
    return 0;
}

int uda_batch_make(struct uda_batch *batch, const struct uda_sample *sample, int64_t images,
                   int64_t align_px, struct uda_arena *arena, struct uda_err *err)
{
    int64_t align = align_px > 0 ? align_px : UDA_BATCH_ALIGN_PX;
    struct uda_batch out = {.images = images, .sample = sample};
    for (int64_t i = 0; i < images; i++) {
        out.height = sample[i].height > out.height ? sample[i].height : out.height;
        out.width = sample[i].width > out.width ? sample[i].width : out.width;
    }
    out.height = uda_batch_round_up(out.height, align);
    out.width = uda_batch_round_up(out.width, align);
    UDA_TRY(make_room(&out, arena, err));
    int64_t frame = out.height * out.width * 3;
    for (int64_t i = 0; i < images; i++) {
        uda_batch_normalise(out.pixels + i * frame, out.height, out.width, sample[i].rgb,
                            sample[i].height, sample[i].width);
        UDA_TRY(make_target(&out.target[i], &out, &sample[i], arena, err));
    }
    *batch = out;
    return 0;
}
