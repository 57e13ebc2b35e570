#include "io/store_internal.h"

#include <stdio.h>
#include <string.h>

#define INCREMENT_BYTES ((size_t)64 << 10) /* step in which libhdf5 asks for more */

int uda_store_image_reserve(struct uda_store_image *image, size_t bytes, struct uda_err *err)
{
    size_t have = image->room > image->pending_room ? image->room : image->pending_room;
    if (bytes > SIZE_MAX / 4) {
        return uda_fail(err, UDA_NOMEM, "hdf5 image: no memory for %zu bytes", bytes);
    }
    size_t need = (bytes / INCREMENT_BYTES + 2) * INCREMENT_BYTES;
    if (need > have) {
        size_t want = need > 2 * have ? need : 2 * have;
        unsigned char *block = uda_alloc(want);
        if (block == NULL) {
            return uda_fail(err, UDA_NOMEM, "hdf5 image: no memory for %zu bytes", want);
        }
        uda_free(image->pending);
        image->pending = block;
        image->pending_room = want;
    }
    return 0;
}

void uda_store_image_finish(struct uda_store_image *image)
{
    uda_free(image->data);
    uda_free(image->pending);
    *image = (struct uda_store_image){0};
}

size_t uda_store_image_end(const struct uda_store_image *image)
{
    const unsigned char *data = image->data;
    uint64_t end = 0;
    if (image->bytes < 48 || memcmp(data, "\x89HDF\r\n\x1a\n", 8) != 0 || data[8] < 2 ||
        data[9] != 8) {
        return 0;
    }
    for (int i = 7; i >= 0; i--) {
        end = end << 8 | data[28 + i];
    }
    return end <= image->bytes ? (size_t)end : 0;
}

/* ---- callbacks: libhdf5 works in our block and leaves it behind when it closes ---- */

static void *resize(void *block, size_t bytes, H5FD_file_image_op_t op, void *user)
{
    struct uda_store_image *image = user;
    (void)block;
    (void)op;
    if (image->fixed) {
        return bytes <= image->bytes ? image->data : NULL;
    }
    if (bytes > image->room) {
        if (bytes > image->pending_room) { /* the reserve was too small: never seen, still right */
            uda_free(image->pending);
            image->pending = uda_alloc(bytes);
            image->pending_room = image->pending == NULL ? 0 : bytes;
        }
        if (image->pending == NULL) {
            return NULL;
        }
        if (image->data != NULL) {
            memcpy(image->pending, image->data, image->bytes);
        }
        uda_free(image->data);
        image->data = image->pending;
        image->room = image->pending_room;
        image->pending = NULL;
        image->pending_room = 0;
    }
    image->bytes = bytes;
    return image->data;
}

static void *allocate(size_t bytes, H5FD_file_image_op_t op, void *user)
{
    return resize(NULL, bytes, op, user);
}

static void *copy(void *to, const void *from, size_t bytes, H5FD_file_image_op_t op, void *user)
{
    (void)op;
    (void)user;
    return to == from ? to : memcpy(to, from, bytes);
}

static herr_t release(void *block, H5FD_file_image_op_t op, void *user)
{
    (void)block;
    (void)op;
    (void)user;
    return 0;
}

static void *user_copy(void *user)
{
    return user;
}

static herr_t user_free(void *user)
{
    (void)user;
    return 0;
}

static bool set_access(hid_t fapl, struct uda_store_image *image)
{
    H5FD_file_image_callbacks_t callbacks = {.image_malloc = allocate,
                                             .image_memcpy = copy,
                                             .image_realloc = resize,
                                             .image_free = release,
                                             .udata_copy = user_copy,
                                             .udata_free = user_free,
                                             .udata = image};
    return fapl >= 0 && H5Pset_fapl_core(fapl, INCREMENT_BYTES, false) >= 0 &&
           H5Pset_libver_bounds(fapl, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 &&
           H5Pset_file_image_callbacks(fapl, &callbacks) >= 0;
}

/* Never on disk; libhdf5 tells open files apart by it. */
static void name_of(char name[64], const struct uda_store_image *image)
{
    (void)snprintf(name, 64, "/nonexistent/uda4inst/%p", (const void *)image);
}

hid_t uda_store_image_create(struct uda_store_image *image)
{
    char name[64];
    hid_t file = H5I_INVALID_HID, fcpl = H5Pcreate(H5P_FILE_CREATE);
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    name_of(name, image);
    if (fcpl >= 0 && H5Pset_obj_track_times(fcpl, false) >= 0 && set_access(fapl, image)) {
        file = H5Fcreate(name, H5F_ACC_TRUNC, fcpl, fapl);
    }
    (void)H5Pclose(fapl);
    (void)H5Pclose(fcpl);
    return file;
}

hid_t uda_store_image_open(struct uda_store_image *image)
{
    char name[64];
    hid_t file = H5I_INVALID_HID, fapl = H5Pcreate(H5P_FILE_ACCESS);
    name_of(name, image);
    image->fixed = true;
    if (set_access(fapl, image) && H5Pset_file_image(fapl, image->data, image->bytes) >= 0) {
        file = H5Fopen(name, H5F_ACC_RDONLY, fapl);
    }
    (void)H5Pclose(fapl);
    return file;
}
