/*
 * The class table: names, Cityscapes label ids, train ids and display colours of the eight classes.
 */
#ifndef UDA_BASE_CLASSES_H
#define UDA_BASE_CLASSES_H

#include "src/base/image.h"

struct uda_class_info {
    const char *name;    /* Cityscapes spelling */
    int label_id;        /* Cityscapes regular id, 24..33 */
    int train_id;        /* 11..18 */
    uint8_t rgb[3];      /* Cityscapes palette */
};

extern const struct uda_class_info uda_classes[UDA_CLASSES];

/* Class of a name, a Cityscapes label id or a train id; -1 if it is none of the eight. */
int uda_class_of_name(const char *name);
int uda_class_of_label_id(int64_t label_id);
int uda_class_of_train_id(int64_t train_id);

#endif
