/*
 * One image of the rare-class pool, and how it becomes one. Private to src/uda/rare_pool*.c.
 *
 * Invariants: boxes are inclusive and inside the frame; pixels are those of the patches one after
 * the other, rows in order; bits are those of the labels' boxes, row by row, the lowest bit first,
 * each label starting a new byte.
 */
#ifndef UDA_UDA_RARE_POOL_ENTRY_H
#define UDA_UDA_RARE_POOL_ENTRY_H

#include "src/base/rle.h"
#include "src/uda/rare_pool.h"

struct uda_rare_label {
    int32_t cls;
    bool picked; /* rare and pasted; otherwise only seen in the patches */
    struct uda_box box;
    int64_t bits_at;
};

/* All in one block of the pool's memory. */
struct uda_rare_entry {
    int64_t height, width, index; /* of the image; index in its data set */
    int64_t patches, labels, pixel_bytes, bit_bytes;
    struct uda_box *patch;
    struct uda_rare_label *label;
    uint8_t *pixels, *bits;
};

struct uda_rare_pool {
    struct uda_rare_pool_spec spec;
    struct uda_rare_entry **entry; /* [spec.images], the oldest first */
    int64_t count;
    struct uda_pool memory;
};

/* Bytes of a patch and of a label's bits. */
int64_t uda_rare_patch_bytes(struct uda_box box);
int64_t uda_rare_label_bytes(struct uda_box box);

/* A copy of the sizes of `like` in a block of its own, arrays not filled. NULL: out of memory. */
struct uda_rare_entry *uda_rare_entry_new(struct uda_pool *memory,
                                          const struct uda_rare_entry *like) UDA_MUST_USE;

/* The entry as an image again. UDA_NOMEM. */
int uda_rare_entry_unpack(struct uda_rare_donor *donor, const struct uda_rare_entry *entry,
                          struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

#endif
