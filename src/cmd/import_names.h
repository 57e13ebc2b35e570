/*
 * Names of Mask2Former tensors in other programs' files, turned into ours, which are detectron2's.
 *
 * Understood: detectron2 (with `static_query` for `query_feat`, and with the pixel decoder's level
 * missing or doubled, as files of several ages have it), Hugging Face transformers in the spelling
 * of hub files and in that of version 5, and the Swin of ImageNet files. Values are laid out alike
 * everywhere; only q, k and v are apart in Hugging Face files and one below the other, in this
 * order, in ours.
 *
 *     struct uda_import_name ours;
 *     if (uda_import_name(&ours, "class_predictor.bias") == UDA_IMPORT_TAKEN) {
 *         ... ours.name, ours.part ...
 *     }
 */
#ifndef UDA_CMD_IMPORT_NAMES_H
#define UDA_CMD_IMPORT_NAMES_H

#include "src/base/compiler.h"

#define UDA_IMPORT_NAME_BYTES 256

struct uda_import_name {
    char name[UDA_IMPORT_NAME_BYTES];
    int part; /* 0, 1, 2: these rows of three; -1: the whole tensor */
};

enum uda_import_verdict {
    UDA_IMPORT_TAKEN,
    UDA_IMPORT_NOT_NEEDED, /* buffers that follow from the configuration, heads of other tasks */
    UDA_IMPORT_UNKNOWN
};

/* Sets ours when the verdict is UDA_IMPORT_TAKEN. */
enum uda_import_verdict uda_import_name(struct uda_import_name *ours, const char *theirs);

#endif
