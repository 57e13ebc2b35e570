/*
 * Images and labels as plain structs: axis order, dtypes and units, said once.
 *
 * Invariants: row-major, y down, x right, channels last, no padding between rows. Memory belongs to
 * the arena that the producer was given.
 */
#ifndef UDA_BASE_IMAGE_H
#define UDA_BASE_IMAGE_H

#include "src/base/compiler.h"

/* The eight Cityscapes instance classes in their fixed order; index = class of this program. */
enum uda_class {
    UDA_PERSON,
    UDA_RIDER,
    UDA_CAR,
    UDA_TRUCK,
    UDA_BUS,
    UDA_TRAIN,
    UDA_MOTORCYCLE,
    UDA_BICYCLE,
    UDA_CLASSES
};

/* RGB, 0..255. */
struct uda_image {
    uint8_t *rgb; /* [height, width, 3] */
    int64_t height, width;
};

/* 8-bit or 16-bit samples as stored in a PNG, for label files. */
struct uda_raster {
    uint16_t *sample; /* [height, width, channels] */
    int64_t height, width, channels;
    int bits; /* 8 or 16: the depth in the file */
};

/*
 * One labelled object of one image: its class and its mask, cut to its box.
 * Invariant: a mask has at least one pixel set, and its box is tight.
 */
struct uda_instance {
    int64_t id;         /* what the label file calls it; unique in the image, > 0; for messages */
    enum uda_class cls; /* one of the eight */
    bool crowd;         /* group or unassigned region: ignored in training, never a target */
    int64_t area_px;
    int64_t x0, y0, x1, y1; /* inclusive box, pixels */
    uint8_t *mask;          /* [y1-y0+1, x1-x0+1], 0 or 1 */
};

/* The labels of one image, in ascending id. Masks of the street formats are disjoint, COCO's may
 * overlap. */
struct uda_labels {
    int64_t height, width;
    struct uda_instance *instance; /* [count] */
    int64_t count;
};

#endif
