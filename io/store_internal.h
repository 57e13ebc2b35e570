/*
 * Shared by the store_*.c files: the seal, and small services over libhdf5.
 *
 * Seal, 64 bytes behind the HDF5 bytes, integers little-endian: magic [16], version u32, zero u32,
 * HDF5 bytes u64, XXH3-128 of them (high u64, low u64), XXH3-128 of the first 48 bytes (high, low).
 */
#ifndef UDA_IO_STORE_INTERNAL_H
#define UDA_IO_STORE_INTERNAL_H

#include "io/store.h"

#include <hdf5.h>

#define UDA_STORE_SEAL_BYTES 64

/* ---- store_seal.c (no libhdf5 in it) ---- */

/* The seal of an image of so many bytes with this digest. */
void uda_store_seal_make(unsigned char seal[UDA_STORE_SEAL_BYTES], size_t image_bytes,
                         struct uda_digest digest);
/* Reads a sealed file and checks it. Owns: the caller frees *image with uda_free. Errors: UDA_IO;
 * UDA_FORMAT, UDA_VERSION; UDA_NOMEM. */
int uda_store_seal_read(unsigned char **image, size_t *image_bytes, struct uda_digest *digest,
                        const char *path, struct uda_err *err) UDA_MUST_USE;

/* ---- store_image.c ---- */

/*
 * The bytes of a file in memory, of which libhdf5 never holds a copy. While writing, room is
 * reserved before libhdf5 is called: a larger block waits in `pending` until libhdf5 asks to grow,
 * so that memory runs out outside of it. The struct must not move while a file is open in it. All
 * zero is empty.
 */
struct uda_store_image {
    unsigned char *data, *pending;
    size_t bytes; /* used, as libhdf5 last asked for */
    size_t room, pending_room;
    bool fixed; /* reading: bytes is the file's size */
};

/* Makes sure that the image can grow to `bytes` bytes. Memory that is not used costs nothing.
 * Errors: UDA_NOMEM. */
int uda_store_image_reserve(struct uda_store_image *image, size_t bytes,
                            struct uda_err *err) UDA_MUST_USE;
/* A new file, or the file whose bytes are in data; negative on failure. The caller closes it. */
hid_t uda_store_image_create(struct uda_store_image *image);
hid_t uda_store_image_open(struct uda_store_image *image);
/* After the file is closed: its length as recorded in the superblock; 0 if that is not valid. */
size_t uda_store_image_end(const struct uda_store_image *image);
void uda_store_image_finish(struct uda_store_image *image);

/* ---- store_hdf5.c ---- */

/* Silences libhdf5's own printing and its work at exit; call before anything else, any number of
 * times. */
void uda_store_hdf5_init(void);
/* The innermost reason libhdf5 gives for its last failure. */
#define UDA_STORE_WHY_BYTES 160
const char *uda_store_hdf5_why(char why[UDA_STORE_WHY_BYTES]);

/* In-memory type of a numeric enum value, and the type it has in the file. Borrowed. */
hid_t uda_store_native(enum uda_store_type type);
hid_t uda_store_on_disk(enum uda_store_type type);
size_t uda_store_type_bytes(enum uda_store_type type);
/* A fixed-width UTF-8 type; the caller closes it. Negative on failure. */
hid_t uda_store_text_type(size_t width);
/* The enum value of a file type, UDA_STORE_TYPES if it is none of ours. */
enum uda_store_type uda_store_classify(hid_t type);

/* "a/b/c": no empty part, no "." or "..", not too long. */
bool uda_store_name_ok(const char *name);

struct uda_store {
    hid_t file;
    struct uda_store_image image;
    struct uda_digest digest;
    char *path;
};

/* ---- store_read.c ---- */

/* Opens a group or dataset reached by hard links alone; negative if there is none. path "" is the
 * file. */
hid_t uda_store_object(const struct uda_store *store, const char *path);
/* The value of an open attribute into item (path and name are left alone); false if not of our
 * kinds. */
bool uda_store_read_attr(struct uda_store_attr *item, hid_t attr, struct uda_arena *arena);

#endif
