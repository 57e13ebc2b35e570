/*
 * PNG files: images as 8-bit RGB, label files as stored samples, and a writer with reproducible
 * bytes.
 *
 * Invariants: libpng's longjmp stays inside; a damaged file is UDA_FORMAT and names the path; sizes
 * are limited to 32768 on a side.
 */
#ifndef UDA_IO_PNG_H
#define UDA_IO_PNG_H

#include "src/base/arena.h"
#include "src/base/err.h"
#include "src/base/image.h"

/* Any PNG as 8-bit RGB: gray and palette expanded, 16 bits cut to 8, alpha dropped. image->rgb:
 * arena. */
int uda_png_read_rgb(struct uda_image *image, struct uda_arena *arena, const char *path,
                     struct uda_err *err) UDA_MUST_USE;

/*
 * The samples as stored: [height, width, channels] of 8 or 16 bits in host order, 1..4 channels; 1,
 * 2 and 4 bit gray are unpacked to values, not scaled. A palette image gives its indices (channels
 * 1).
 */
int uda_png_read_raster(struct uda_raster *raster, struct uda_arena *arena, const char *path,
                        struct uda_err *err) UDA_MUST_USE;

/* Size in pixels from the header. */
int uda_png_size(int64_t *height, int64_t *width, const char *path,
                 struct uda_err *err) UDA_MUST_USE;

/*
 * Writes samples [height, width, channels], u8 (bits 8) or host-order u16 (bits 16), channels 1, 3
 * or 4, by uda_fs_write. The same samples give the same bytes.
 */
int uda_png_write(const char *path, const void *samples, int64_t height, int64_t width,
                  int channels, int bits, struct uda_err *err) UDA_MUST_USE;

#endif
