/*
 * The readers: one for each data set format, behind one table.
 *
 * A reader lists the images of a split and decodes the labels of one image; pixels of images are
 * read by src/data/dataset.c alike for all. Encodings are those of the data sets' own tools; each
 * reader's file names its source.
 *
 * Invariants: a list is sorted by name (strcmp) and names are unique; labels() is safe from several
 * threads over one list (it only reads it); instances come in ascending id.
 *
 *     const struct uda_reader *reader = uda_reader_find("urbansyn");
 *     struct uda_reader_list list = {0};
 *     UDA_GOTO(reader->list(&list, &arena, &source, err), out);
 *     UDA_GOTO(reader->labels(&labels, &list, i, height, width, &arena, &scratch, err), out);
 *     uda_reader_finish(reader, &list);
 */
#ifndef UDA_DATA_READER_H
#define UDA_DATA_READER_H

#include "src/base/arena.h"
#include "src/base/err.h"
#include "src/base/image.h"

/* Where a data set lies. */
struct uda_reader_source {
    const char *root;
    const char *split;       /* format's own word (train, val, ...); NULL or "" = its default */
    const char *annotations; /* coco: the JSON file; NULL = ROOT/annotations/instances_SPLIT.json */
    const char *images;      /* coco: folder of the images; NULL = see src/data/coco.c */
    bool unlabelled;         /* labels are not looked for */
};

struct uda_reader_item {
    const char *name;  /* unique in the split, without folder and suffix: what evaluators call it */
    int64_t id;        /* COCO image id; other formats: 1 + position in the list */
    const char *image; /* path */
    const char *label; /* path of the main label file; NULL if unlabelled or inside one JSON */
    const char *extra[2];  /* further label files or NULL (synscapes: class PNG, meta JSON) */
    int64_t height, width; /* as the JSON says; 0 = only the image file knows */
};

struct uda_reader_list {
    struct uda_reader_item *item; /* [count], of the arena given to list() */
    int64_t count;
    const char *annotations; /* coco: the one file with all labels; NULL elsewhere */
    void *state;             /* the reader's own, freed by finish */
};

struct uda_reader {
    const char *format; /* as in a manifest */
    const char *layout; /* one line for help: where files are expected below the root */
    /* Lists a split. UDA_IO: a folder is missing; UDA_FORMAT: a list or JSON is damaged, or a file
     * that must be there is not, or the split is empty. */
    int (*list)(struct uda_reader_list *list, struct uda_arena *arena,
                const struct uda_reader_source *source, struct uda_err *err);
    /* Labels of item i, of an image of height x width, into `arena`; temporaries stay in `scratch`
     * for the caller to reset. Not called for an unlabelled list.
     * UDA_FORMAT: wrong size, depth, channels or class, with the pixel. */
    int (*labels)(struct uda_labels *labels, const struct uda_reader_list *list, int64_t i,
                  int64_t height, int64_t width, struct uda_arena *arena,
                  struct uda_arena *scratch, struct uda_err *err);
    void (*finish)(struct uda_reader_list *list); /* NULL: nothing to free */
};

extern const struct uda_reader uda_reader_cityscapes;
extern const struct uda_reader uda_reader_kitti360;
extern const struct uda_reader uda_reader_urbansyn;
extern const struct uda_reader uda_reader_synscapes;
extern const struct uda_reader uda_reader_synthia;
extern const struct uda_reader uda_reader_coco;

/* The reader of a format; NULL if there is none of that name. Borrowed, static. */
const struct uda_reader *uda_reader_find(const char *format);
/* The readers in the table's order; NULL from the end on. */
const struct uda_reader *uda_reader_at(int64_t i);
/* Frees the reader's state in a list; the items belong to the arena. */
void uda_reader_finish(const struct uda_reader *reader, struct uda_reader_list *list);

/* Sorts by name and refuses duplicates (UDA_FORMAT) and an empty list; gives ids 1.. if
 * `number`. */
int uda_reader_sort(struct uda_reader_list *list, bool number, const char *where,
                    struct uda_err *err) UDA_MUST_USE;

#endif
