/*
 * What the readers of label PNGs share: a raster of the expected kind and size, messages, name
 * lists. For the files of src/data only.
 *
 *     const struct uda_label_png want = {.bits = 16, .channels_min = 1, .channels_max = 1,
 *                                        .height = h, .width = w, .what = "16-bit gray"};
 *     UDA_TRY(uda_label_png_read(&raster, item->label, &want, scratch, err));
 */
#ifndef UDA_DATA_LABEL_PNG_H
#define UDA_DATA_LABEL_PNG_H

#include "src/data/reader.h"
#include "src/data/segments.h"

struct uda_label_png {
    int bits;
    int64_t channels_min, channels_max;
    int64_t height, width; /* of the image */
    const char *what;      /* "16-bit gray", for the message */
};

/* UDA_IO; UDA_FORMAT: damaged, another depth, channel count or size than wanted. */
int uda_label_png_read(struct uda_raster *raster, const char *path, const struct uda_label_png *want,
                       struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* The raster as one key for each pixel, key [height, width] = c0 | c1 << 8 | c2 << 16 over the
 * first three channels. 16-bit channels: c0 << 16 | c1, the third is not used. Owns: arena.
 * Errors as above, UDA_NOMEM. */
int uda_label_png_keys(uint32_t **key, const char *path, const struct uda_label_png *want,
                       struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* The context of a describe function that needs the file's name only. */
struct uda_label_file {
    const char *path;
};

/*
 * The instances of a label PNG of the wanted kind: its keys by uda_label_png_keys, cut by
 * uda_segments_extract; describe gets a struct uda_label_file. Errors: those of both.
 */
int uda_label_png_instances(struct uda_labels *labels, const char *path,
                            const struct uda_label_png *want, uda_segment_describe *describe,
                            struct uda_arena *arena, struct uda_arena *scratch,
                            struct uda_err *err) UDA_MUST_USE;

/* UDA_FORMAT "'path': pixel (x,y) has the value v: what". */
int uda_label_png_bad(const char *path, uint32_t value, int64_t x, int64_t y, const char *what,
                      struct uda_err *err);

/* An empty list with room for so many items. Errors: UDA_NOMEM. */
int uda_reader_items(struct uda_reader_list *list, struct uda_arena *arena, int64_t room,
                     struct uda_err *err) UDA_MUST_USE;
/* A data set whose files have the same number in several folders. */
struct uda_reader_folder {
    const char *image_dir, *image_prefix; /* ROOT/image_dir/image_prefix NAME .png */
    const char *label_dir, *label_prefix; /* likewise */
    const char *extra_dir[2], *extra_suffix[2]; /* ROOT/extra_dir/NAME extra_suffix, or NULL */
};

/* Lists the images of such a data set. UDA_FORMAT: an image without one of its label files. */
int uda_reader_list_folder(struct uda_reader_list *list, struct uda_arena *arena,
                           const struct uda_reader_source *source,
                           const struct uda_reader_folder *folder,
                           struct uda_err *err) UDA_MUST_USE;
/* UDA_MANIFEST if a split is named for a format that has none. */
int uda_reader_no_split(const struct uda_reader_source *source, const char *format,
                        struct uda_err *err) UDA_MUST_USE;

/* Does name end in suffix, with something before it? */
bool uda_reader_ends(const char *name, const char *suffix);
/* name without suffix; NULL if it does not end in it, or out of memory. */
char *uda_reader_strip(struct uda_arena *arena, const char *name, const char *suffix) UDA_MUST_USE;

#endif
