#include "io/png.h"

#include "io/fs.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#define MAX_SIDE_PX 32768
#define MAX_FILE_BYTES ((size_t)1 << 30)

/* Bytes in memory, read from the front or appended at the end, and the first message of libpng. */
struct stream {
    struct uda_arena *arena;
    unsigned char *data;
    size_t bytes, at;
    char message[128];
    bool failed;
};

UDA_NORETURN static void on_error(png_structp png, png_const_charp message)
{
    struct stream *s = png_get_error_ptr(png);
    (void)snprintf(s->message, sizeof s->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep out, size_t bytes)
{
    struct stream *s = png_get_io_ptr(png);
    if (bytes > s->bytes - s->at) {
        png_error(png, "the file ends early");
    }
    memcpy(out, s->data + s->at, bytes);
    s->at += bytes;
}

static void on_write(png_structp png, png_bytep data, size_t bytes)
{
    struct stream *s = png_get_io_ptr(png);
    if (s->at + bytes > s->bytes) {
        size_t room = 2 * (s->at + bytes) + 65536;
        unsigned char *grown = uda_arena_grow(s->arena, s->data, s->bytes, room);
        if (grown == NULL) {
            png_error(png, "out of memory");
        }
        s->data = grown;
        s->bytes = room;
    }
    memcpy(s->data + s->at, data, bytes);
    s->at += bytes;
}

static void on_flush(png_structp png) { (void)png; }

/* What the reader is to do with the samples. */
enum mode { MODE_SIZE, MODE_RGB, MODE_RASTER };

/* Result of a read; rows are decoded into `pixels`, row_bytes each. */
struct picture {
    int64_t height, width;
    int channels, bits;
    size_t row_bytes;
    unsigned char *pixels;
};

static void set_transforms(png_structp png, png_infop info, enum mode mode)
{
    int type = png_get_color_type(png, info), bits = png_get_bit_depth(png, info);
    if (mode == MODE_RGB) {
        png_set_expand(png);
        if (bits == 16) {
            png_set_strip_16(png);
        }
        if ((type & PNG_COLOR_MASK_COLOR) == 0) {
            png_set_gray_to_rgb(png);
        }
        png_set_strip_alpha(png);
        return;
    }
    if (bits < 8) {
        png_set_packing(png);
    }
    if (bits == 16) {
        const uint16_t probe = 1;
        unsigned char low;
        memcpy(&low, &probe, 1);
        if (low == 1) {
            png_set_swap(png);
        }
    }
}

/* Everything that may longjmp; returns 0, 1 for a libpng error, 2 for out of memory. */
static int decode(struct picture *picture, struct stream *s, png_structp png, png_infop info,
                  enum mode mode, png_bytep **rows)
{
    if (setjmp(png_jmpbuf(png)) != 0) {
        return 1;
    }
    png_set_user_limits(png, MAX_SIDE_PX, MAX_SIDE_PX);
    png_set_read_fn(png, s, on_read);
    png_read_info(png, info);
    picture->height = (int64_t)png_get_image_height(png, info);
    picture->width = (int64_t)png_get_image_width(png, info);
    if (mode == MODE_SIZE) {
        return 0;
    }
    set_transforms(png, info, mode);
    (void)png_set_interlace_handling(png);
    png_read_update_info(png, info);
    picture->channels = png_get_channels(png, info);
    picture->bits = png_get_bit_depth(png, info);
    picture->row_bytes = png_get_rowbytes(png, info);
    size_t height = (size_t)picture->height;
    picture->pixels = uda_arena_alloc(s->arena, height * picture->row_bytes);
    *rows = uda_arena_alloc(s->arena, height * sizeof **rows);
    if (picture->pixels == NULL || *rows == NULL) {
        return 2;
    }
    for (size_t y = 0; y < height; y++) {
        (*rows)[y] = picture->pixels + y * picture->row_bytes;
    }
    png_read_image(png, *rows);
    png_read_end(png, NULL);
    return 0;
}

static int read_picture(struct picture *picture, struct uda_arena *arena, const char *path,
                        enum mode mode, struct uda_err *err)
{
    struct stream s = {.arena = arena};
    UDA_TRY(uda_fs_read(&s.data, &s.bytes, arena, path, MAX_FILE_BYTES, err));
    if (s.bytes < 8 || png_sig_cmp(s.data, 0, 8) != 0) {
        return uda_fail(err, UDA_FORMAT, "'%s' is not a PNG file", path);
    }
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning);
    png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
    png_bytep *rows = NULL;
    int outcome = info == NULL ? 2 : decode(picture, &s, png, info, mode, &rows);
    png_destroy_read_struct(&png, &info, NULL);
    if (outcome == 2) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    if (outcome == 1) {
        return uda_fail(err, UDA_FORMAT, "'%s' is a damaged PNG file: %s", path, s.message);
    }
    return 0;
}

int uda_png_read_rgb(struct uda_image *image, struct uda_arena *arena, const char *path,
                     struct uda_err *err)
{
    struct picture p = {0};
    UDA_TRY(read_picture(&p, arena, path, MODE_RGB, err));
    if (p.channels != 3 || p.bits != 8) {
        return uda_fail(err, UDA_FORMAT, "'%s': expected 8-bit RGB after expansion", path);
    }
    *image = (struct uda_image){.rgb = p.pixels, .height = p.height, .width = p.width};
    return 0;
}

int uda_png_read_raster(struct uda_raster *raster, struct uda_arena *arena, const char *path,
                        struct uda_err *err)
{
    struct picture p = {0};
    UDA_TRY(read_picture(&p, arena, path, MODE_RASTER, err));
    size_t samples = (size_t)p.height * (size_t)p.width * (size_t)p.channels;
    uint16_t *sample = uda_arena_alloc(arena, samples * sizeof *sample);
    if (sample == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    if (p.bits == 16) {
        memcpy(sample, p.pixels, samples * sizeof *sample);
    } else {
        for (size_t i = 0; i < samples; i++) {
            sample[i] = p.pixels[i];
        }
    }
    *raster = (struct uda_raster){.sample = sample,
                                  .height = p.height,
                                  .width = p.width,
                                  .channels = p.channels,
                                  .bits = p.bits};
    return 0;
}

int uda_png_size(int64_t *height, int64_t *width, const char *path, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct picture p = {0};
    int rc = read_picture(&p, &arena, path, MODE_SIZE, err);
    uda_arena_finish(&arena);
    if (rc == 0) {
        *height = p.height;
        *width = p.width;
    }
    return rc;
}

/* Everything that may longjmp; returns 0 or 1. */
static int encode(struct stream *s, png_structp png, png_infop info, const unsigned char *samples,
                  const struct picture *p)
{
    if (setjmp(png_jmpbuf(png)) != 0) {
        return 1;
    }
    int type = p->channels == 1   ? PNG_COLOR_TYPE_GRAY
               : p->channels == 3 ? PNG_COLOR_TYPE_RGB
                                  : PNG_COLOR_TYPE_RGB_ALPHA;
    png_set_write_fn(png, s, on_write, on_flush);
    png_set_IHDR(png, info, (png_uint_32)p->width, (png_uint_32)p->height, p->bits, type,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
    png_set_compression_level(png, 3);
    png_write_info(png, info);
    if (p->bits == 16) {
        png_set_swap(png);
    }
    for (int64_t y = 0; y < p->height; y++) {
        png_write_row(png, samples + (size_t)y * p->row_bytes);
    }
    png_write_end(png, info);
    return 0;
}

int uda_png_write(const char *path, const void *samples, int64_t height, int64_t width,
                  int channels, int bits, struct uda_err *err)
{
    if (height < 1 || width < 1 || height > MAX_SIDE_PX || width > MAX_SIDE_PX ||
        (channels != 1 && channels != 3 && channels != 4) || (bits != 8 && bits != 16)) {
        return uda_fail(err, UDA_SHAPE, "'%s': cannot write a %lld x %lld PNG of %d channels", path,
                        (long long)height, (long long)width, channels);
    }
    struct uda_arena arena = {0};
    struct stream s = {.arena = &arena};
    struct picture p = {.height = height, .width = width, .channels = channels, .bits = bits};
    p.row_bytes = (size_t)width * (size_t)channels * (size_t)(bits / 8);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning);
    png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
    int rc = 0;
    if (info == NULL || encode(&s, png, info, samples, &p) != 0) {
        rc = uda_fail(err, UDA_NOMEM, "'%s': cannot encode: %s", path, s.message);
    }
    png_destroy_write_struct(&png, &info);
    if (rc == 0) {
        rc = uda_fs_write(path, s.data, s.at, err);
    }
    uda_arena_finish(&arena);
    return rc;
}
