/*
 * A data set: one split of one format as a sorted, counted, fingerprinted list of images.
 *
 * Invariants: items are in ascending name (strcmp). Everything here is a function of the spec and
 * the files' contents: directory order, threads and the cache file change nothing. The order of
 * selection is: list the split, hold out, limit, drop images without an instance of the classes.
 * A created data set is read-only and may be shared by threads.
 *
 *     struct uda_dataset_spec spec = {.format = "cityscapes", .root = root, .split = "train"};
 *     UDA_GOTO(uda_dataset_create(&dataset, &spec, err), out);
 *     UDA_GOTO(uda_dataset_load(&scene, dataset, 0, &arena, &scratch, err), out);
 *     uda_dataset_destroy(&dataset);
 */
#ifndef UDA_DATA_DATASET_H
#define UDA_DATA_DATASET_H

#include "src/base/arena.h"
#include "src/base/err.h"
#include "src/base/hash.h"
#include "src/base/image.h"

/* Which part of a split with held-out images: the whole, what is left, what was drawn. */
enum uda_hold { UDA_HOLD_NONE, UDA_HOLD_REST, UDA_HOLD_HELD };

/*
 * Labels that do not lie beside the images: pseudo-labels. They replace the label files, which are
 * then never opened. Borrowed; it must outlive the data set.
 */
struct uda_label_source {
    const char *name;         /* for messages: the file they come from */
    const char *const *image; /* [count] the images that it labels, in any order */
    int64_t count;
    /* Labels of image[k], which has height x width pixels in the data set, into `arena`. Called
     * from several threads. Errors: UDA_FORMAT when the labels are of another size. */
    int (*load)(struct uda_labels *labels, const struct uda_label_source *source, int64_t k,
                int64_t height, int64_t width, struct uda_arena *arena, struct uda_err *err);
    const void *args;
};

struct uda_dataset_spec {
    const char *format;      /* name of a reader, see src/data/reader.h */
    const char *root;        /* folder of the data set */
    const char *split;       /* NULL or "" = the format's default */
    const char *annotations; /* coco only: JSON file, or NULL */
    const char *images;      /* coco only: image folder, or NULL */
    bool unlabelled;         /* labels: none; counts are 0 and nothing is dropped */
    const struct uda_label_source *label_source; /* NULL: the format's own label files */
    int64_t hold_out_count;  /* images drawn by UDA_RNG_SPLIT from hold_out_seed; 0 = none */
    uint64_t hold_out_seed;
    enum uda_hold hold;      /* NONE: the whole split */
    int64_t limit;           /* first so many images of the part; 0 = all */
    uint32_t class_mask;     /* bit (1 << enum uda_class): what counts as an instance; 0 = all eight */
    bool keep_empty;         /* evaluation: keep images without an instance of the classes */
    const char *cache_path;  /* index as JSON, NULL = none; rebuilt when stale. One for each root, split, part
                              * and limit; class_mask and keep_empty may differ */
    int threads;             /* for counting; 0 = one per core */
};

struct uda_dataset_item {
    const char *name;        /* unique; what evaluators and result files call the image */
    int64_t id;              /* COCO image id, else 1 + position in the whole split */
    const char *image_path;
    const char *label_path;  /* NULL if unlabelled or inside a COCO JSON */
    int64_t height, width;   /* pixels */
    int32_t instances[UDA_CLASSES]; /* non-crowd, all eight classes whatever class_mask */
    int32_t crowds;
    int64_t source; /* position in the reader's list */
};

struct uda_dataset_state;

struct uda_dataset {
    const struct uda_dataset_item *item; /* [count] */
    int64_t count;
    int64_t split_count;            /* images in the split before any selection */
    int64_t dropped_count;          /* images dropped because nothing of the classes is on them */
    int64_t instances[UDA_CLASSES]; /* totals over item */
    int64_t images[UDA_CLASSES];    /* images with at least one */
    int64_t crowds;
    uint32_t class_mask;            /* never 0 */
    bool unlabelled;
    struct uda_digest fingerprint;  /* of names, sizes and counts of item, and class_mask */
    struct uda_dataset_state *state; /* private */
};

/* One image as stored, with its labels. */
struct uda_labelled_image {
    struct uda_image image;
    struct uda_labels labels; /* all eight classes and crowds; count 0 if unlabelled */
    const char *name;         /* borrowed from the data set */
    int64_t index;            /* in the data set */
};

/* Lists, counts and selects. Reads every label once, or the cache if names and sizes in bytes of
 * all files still agree. A label source must label exactly the images of the part. UDA_FORMAT names
 * the first bad file in name order; UDA_MANIFEST: unknown format, or a hold_out larger than the
 * split; UDA_FORMAT: no image is left, or an image that only one of data set and label source has.
 * Owns: *dataset, by the caller. */
int uda_dataset_create(struct uda_dataset **dataset, const struct uda_dataset_spec *spec,
                       struct uda_err *err) UDA_MUST_USE;
void uda_dataset_destroy(struct uda_dataset **dataset);

/* Decodes image i and its labels into `arena`; `scratch` is left as found. Errors: UDA_IO, UDA_FORMAT
 * naming the file, UDA_NOMEM. Threads: safe with arenas of the caller's own. */
int uda_dataset_load(struct uda_labelled_image *scene, const struct uda_dataset *dataset, int64_t i,
                     struct uda_arena *arena, struct uda_arena *scratch,
                     struct uda_err *err) UDA_MUST_USE;
/* Only the image, without looking at labels. Errors and threads as above. */
int uda_dataset_load_image(struct uda_image *image, const struct uda_dataset *dataset, int64_t i,
                           struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;
/* Only the labels, without decoding the image. Errors and threads as above. */
int uda_dataset_load_labels(struct uda_labels *labels, const struct uda_dataset *dataset, int64_t i,
                            struct uda_arena *arena, struct uda_arena *scratch,
                            struct uda_err *err) UDA_MUST_USE;

/* The rare class of a category: the class of class_mask with the fewest instances but at least one;
 * the first of equals; -1 if there is none at all. */
int uda_dataset_rare_class(const struct uda_dataset *dataset, uint32_t class_mask);

/* One line for the log: "2975 images (18 without an instance left out), 17919 person, ...". */
const char *uda_dataset_summary(const struct uda_dataset *dataset, struct uda_arena *arena);

#endif
