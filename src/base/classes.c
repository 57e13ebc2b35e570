#include "src/base/classes.h"

#include <string.h>

const struct uda_class_info uda_classes[UDA_CLASSES] = {
    {"person", 24, 11, {220, 20, 60}},     {"rider", 25, 12, {255, 0, 0}},
    {"car", 26, 13, {0, 0, 142}},          {"truck", 27, 14, {0, 0, 70}},
    {"bus", 28, 15, {0, 60, 100}},         {"train", 31, 16, {0, 80, 100}},
    {"motorcycle", 32, 17, {0, 0, 230}},   {"bicycle", 33, 18, {119, 11, 32}},
};

int uda_class_of_name(const char *name)
{
    for (int i = 0; i < UDA_CLASSES; i++) {
        if (strcmp(uda_classes[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int uda_class_of_label_id(int64_t label_id)
{
    for (int i = 0; i < UDA_CLASSES; i++) {
        if (uda_classes[i].label_id == label_id) {
            return i;
        }
    }
    return -1;
}

int uda_class_of_train_id(int64_t train_id)
{
    for (int i = 0; i < UDA_CLASSES; i++) {
        if (uda_classes[i].train_id == train_id) {
            return i;
        }
    }
    return -1;
}
