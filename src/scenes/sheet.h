/*
 * One drawn scene on its way to files, and the table of layouts.
 *
 * A writer puts the files of one scene under a root exactly as the data set of that name has them
 * on disk, the image last: where the image is, the scene is complete. Scenes are numbered 0, 1, ...
 * in the folder, whatever their index.
 *
 * Invariants: write() is safe from several threads for different scenes; begin() and end() run on
 * one.
 */
#ifndef UDA_SCENES_SHEET_H
#define UDA_SCENES_SHEET_H

#include "src/base/str.h"
#include "src/scenes/scene.h"

struct uda_sheet {
    const struct uda_drawing *drawing; /* NULL when only paths are asked for */
    const char *root, *split;
    int64_t number;          /* in the folder */
    struct uda_arena *arena; /* for paths and samples; reset by the caller */
    char **record;           /* where write() may leave text for end(); uda_alloc'd */
};

struct uda_scene_writer {
    const char *format;
    const char *split;     /* default; NULL: the layout has no splits */
    const char *note;      /* one line for README.txt */
    const char *folder[8]; /* below the root; "%s" stands for the split; NULL from the end on */
    /* Path of the image file; NULL when out of memory. */
    char *(*image)(const struct uda_sheet *sheet);
    /* Label files of the scene; the caller writes the image afterwards. */
    int (*write)(const struct uda_sheet *sheet, struct uda_err *err);
    /* Lists of the whole folder, from sheets numbered 0..count-1; NULL: none. */
    int (*end)(const struct uda_sheet *sheet, int64_t count, char *const *records,
               struct uda_err *err);
    bool records; /* needs every scene's record: nothing is skipped when a folder is continued */
};

extern const struct uda_scene_writer uda_scene_cityscapes, uda_scene_kitti360, uda_scene_urbansyn,
    uda_scene_synscapes, uda_scene_synthia, uda_scene_coco;

/* The writer of a format, or NULL. */
const struct uda_scene_writer *uda_scene_writer_find(const char *format);
const struct uda_scene_writer *uda_scene_writer_at(int64_t i);

/* value(drawing, map value) of every pixel as a gray PNG of 8 or 16 bits. Errors: UDA_IO,
 * UDA_NOMEM. */
int uda_sheet_gray(const struct uda_sheet *sheet, const char *path, int bits,
                   uint16_t (*value)(const struct uda_drawing *drawing, uint16_t map),
                   struct uda_err *err) UDA_MUST_USE;
/* The same with three samples. Errors as above. */
int uda_sheet_colour(const struct uda_sheet *sheet, const char *path, int bits,
                     void (*value)(uint16_t sample[3], const struct uda_drawing *drawing,
                                   uint16_t map),
                     struct uda_err *err) UDA_MUST_USE;
/* Cityscapes label id of a map value. */
uint16_t uda_sheet_label_id(const struct uda_drawing *drawing, uint16_t map);

#endif
