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

/* out [M, height, width] from masks [M, s->height, s->width], 0 beyond. */
static void pad_masks(uint8_t *out, int64_t height, int64_t width, const struct uda_sample *s)
{
    for (int64_t m = 0; m < s->count; m++) {
        const uint8_t *from = s->masks + m * s->height * s->width;
        uint8_t *to = out + m * height * width;
        for (int64_t y = 0; y < s->height; y++) {
            memcpy(to + y * width, from + y * s->width, (size_t)s->width);
            memset(to + y * width + s->width, 0, (size_t)(width - s->width));
        }
        memset(to + s->height * width, 0, (size_t)((height - s->height) * width));
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
    pad_masks(masks, batch->height, batch->width, s);
    target->masks = masks;
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
    int64_t pixel_bytes = 3 * (int64_t)sizeof(float);
    if (out.height < 1 || out.width < 1 || out.height > PIXEL_BYTES_MAX / pixel_bytes / out.width ||
        images > PIXEL_BYTES_MAX / pixel_bytes / (out.height * out.width)) {
        return uda_fail(err, UDA_SHAPE, "a batch of %lld images of %lldx%lld pixels",
                        (long long)images, (long long)out.width, (long long)out.height);
    }
    int64_t frame = out.height * out.width * 3;
    out.pixels = uda_arena_alloc(arena, (size_t)(images * frame) * sizeof *out.pixels);
    out.target = uda_arena_alloc(arena, (size_t)images * sizeof *out.target);
    if (out.pixels == NULL || out.target == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a batch of %lld images of %lldx%lld",
                        (long long)images, (long long)out.width, (long long)out.height);
    }
    for (int64_t i = 0; i < images; i++) {
        uda_batch_normalise(out.pixels + i * frame, out.height, out.width, sample[i].rgb,
                            sample[i].height, sample[i].width);
        UDA_TRY(make_target(&out.target[i], &out, &sample[i], arena, err));
    }
    *batch = out;
    return 0;
}
