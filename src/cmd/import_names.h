/*
 * Names of Mask2Former tensors in other programs' files, turned into ours, which are detectron2's.
 *
 * Understood: detectron2 (with `static_query` for `query_feat`, and with the pixel decoder's level
 * missing or doubled, as files of several ages have it), Hugging Face transformers in the spelling
 * of hub files and in that of version 5, and the Swin or ResNet of ImageNet files. Values are laid out alike
 * everywhere; only q, k and v are apart in Hugging Face files and one below the other, in this
 * order, in ours.
 *
 *     struct uda_import_name ours;
 *     if (uda_import_name(&ours, "class_predictor.bias") == UDA_IMPORT_TAKEN) {
 *         ... ours.name, ours.part ...
 *     }
 *     int parts = uda_export_name(theirs, ours.name, 0);   // and back, in the spelling of hub files
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

/*
 * The inverse: sets theirs to the name, as files of the Hugging Face hub spell it, of part `part` of
 * our tensor. Returns in how many tensors of equal size theirs is cut along the first extent: 1,
 * or 3 (q, k, v); 0 if the name is none of ours or has no such part.
 */
int uda_export_name(char theirs[UDA_IMPORT_NAME_BYTES], const char *ours, int part);

#endif
