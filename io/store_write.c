#include "io/store_internal.h"

#include "io/durable.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)4 << 20)
#define COMPACT_BYTES 512
/* Upper bounds of what libhdf5 adds around the values; memory reserved but not used costs
 * nothing. */
#define OBJECT_BYTES ((size_t)32 << 10)
#define PER_CHUNK_BYTES ((size_t)64)

struct uda_store_writer {
    hid_t file;
    struct uda_store_image image;
    size_t planned_bytes; /* upper bound of the image with all that was put */
    bool failed;
};

static int reserve(struct uda_store_writer *w, size_t more, struct uda_err *err)
{
    if (more > SIZE_MAX / 8 - w->planned_bytes) {
        return uda_fail(err, UDA_NOMEM, "hdf5 image: no memory for %zu bytes", more);
    }
    UDA_TRY(uda_store_image_reserve(&w->image, w->planned_bytes + more, err));
    w->planned_bytes += more;
    return 0;
}

int uda_store_begin(struct uda_store_writer **writer, size_t expected_bytes, struct uda_err *err)
{
    uda_store_hdf5_init();
    struct uda_store_writer *w = uda_calloc(sizeof *w);
    if (w == NULL) {
        return uda_fail(err, UDA_NOMEM, "hdf5: out of memory");
    }
    w->file = H5I_INVALID_HID;
    /* What libhdf5 adds around the values stays below this; else the image would be copied at its
     * end. */
    bool known = expected_bytes > 0 && expected_bytes < SIZE_MAX / 8;
    size_t around = known ? expected_bytes / 64 + ((size_t)16 << 20) : 0;
    int rc = uda_store_image_reserve(&w->image, expected_bytes + around, err);
    if (rc == 0) {
        rc = reserve(w, 2 * OBJECT_BYTES, err);
    }
    if (rc == 0 && (w->file = uda_store_image_create(&w->image)) < 0) {
        char why[UDA_STORE_WHY_BYTES];
        rc = uda_fail(err, UDA_NOMEM, "hdf5: cannot start a file in memory: %s",
                      uda_store_hdf5_why(why));
    }
    if (rc != 0) {
        uda_store_abort(&w);
        return rc;
    }
    *writer = w;
    return 0;
}

void uda_store_abort(struct uda_store_writer **writer)
{
    if (writer == NULL || *writer == NULL) {
        return;
    }
    struct uda_store_writer *w = *writer;
    *writer = NULL;
    if (w->file >= 0 && H5Fclose(w->file) < 0) {
        return; /* libhdf5 still refers to the block: better lost than freed under it */
    }
    uda_store_image_finish(&w->image);
    uda_free(w);
}

/* ---- objects ---- */

/* Marks the writer as failed and says why. */
static int broken(struct uda_store_writer *w, const char *name, struct uda_err *err)
{
    char why[UDA_STORE_WHY_BYTES];
    w->failed = true;
    return uda_fail(err, UDA_FORMAT, "hdf5: cannot put '%s': %s", name, uda_store_hdf5_why(why));
}

static int make_group(struct uda_store_writer *w, const char *name, struct uda_err *err)
{
    if (H5Lexists(w->file, name, H5P_DEFAULT) > 0) {
        return 0;
    }
    hid_t gcpl = H5Pcreate(H5P_GROUP_CREATE), group = H5I_INVALID_HID;
    UDA_TRY(reserve(w, OBJECT_BYTES, err));
    if (gcpl >= 0 && H5Pset_obj_track_times(gcpl, false) >= 0) {
        group = H5Gcreate2(w->file, name, H5P_DEFAULT, gcpl, H5P_DEFAULT);
    }
    (void)H5Pclose(gcpl);
    return group < 0 || H5Gclose(group) < 0 ? broken(w, name, err) : 0;
}

/* Makes the groups above `name` (and name itself if `whole`); checks the name. */
static int make_groups(struct uda_store_writer *w, const char *name, bool whole,
                       struct uda_err *err)
{
    char part[UDA_STORE_MAX_NAME + 1];
    if (!uda_store_name_ok(name)) {
        w->failed = true;
        return uda_fail(err, UDA_FORMAT, "hdf5: '%.100s' cannot be a name in a file", name);
    }
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (name[i] == '/') {
            memcpy(part, name, i);
            part[i] = '\0';
            UDA_TRY(make_group(w, part, err));
        }
    }
    return whole ? make_group(w, name, err) : 0;
}

struct array {
    hid_t disk_type, memory_type;
    size_t item_bytes, bytes;
    int ndim;
    hsize_t dims[UDA_STORE_MAX_DIMS];
    const void *data;
};

static int check_extents(struct array *array, const char *name, const int64_t *dims, int ndim,
                         struct uda_err *err)
{
    size_t bytes = array->item_bytes;
    if (ndim < 0 || ndim > UDA_STORE_MAX_DIMS) {
        return uda_fail(err, UDA_SHAPE, "hdf5: '%s': %d dimensions, 0..%d are possible", name, ndim,
                        UDA_STORE_MAX_DIMS);
    }
    for (int i = 0; i < ndim; i++) {
        if (dims[i] < 0 || (dims[i] > 0 && bytes > SIZE_MAX / 8 / (size_t)dims[i])) {
            return uda_fail(err, UDA_SHAPE, "hdf5: '%s': extent %lld of dimension %d is impossible",
                            name, (long long)dims[i], i);
        }
        bytes *= (size_t)dims[i];
        array->dims[i] = (hsize_t)dims[i];
    }
    array->ndim = ndim;
    array->bytes = bytes;
    return 0;
}

/* Cuts whole slow dimensions until a chunk has at most CHUNK_BYTES; returns how many chunks there
 * are. */
static size_t choose_chunk(hsize_t chunk[UDA_STORE_MAX_DIMS], const struct array *array)
{
    size_t bytes = array->bytes, count = 1;
    memcpy(chunk, array->dims, sizeof array->dims);
    for (int i = 0; i < array->ndim && bytes > CHUNK_BYTES; i++) {
        size_t extent = (size_t)array->dims[i], inner = bytes / extent;
        size_t rows = inner >= CHUNK_BYTES ? 1 : CHUNK_BYTES / inner;
        size_t pieces = (extent + rows - 1) / rows;
        rows = (extent + pieces - 1) / pieces; /* even pieces: little padding in the last one */
        chunk[i] = rows;
        count *= (extent + rows - 1) / rows;
        bytes = inner * rows;
    }
    return count;
}

static bool set_layout(hid_t dcpl, const struct array *array, const hsize_t *chunk)
{
    if (H5Pset_obj_track_times(dcpl, false) < 0) {
        return false;
    }
    if (array->bytes <= COMPACT_BYTES) {
        return H5Pset_layout(dcpl, H5D_COMPACT) >= 0;
    }
    if (array->ndim == 0) {
        return H5Pset_layout(dcpl, H5D_CONTIGUOUS) >= 0;
    }
    return H5Pset_chunk(dcpl, array->ndim, chunk) >= 0 && H5Pset_fletcher32(dcpl) >= 0;
}

static int put_array(struct uda_store_writer *w, const char *name, const struct array *array,
                     struct uda_err *err)
{
    hsize_t chunk[UDA_STORE_MAX_DIMS];
    UDA_TRY(make_groups(w, name, false, err));
    if (H5Lexists(w->file, name, H5P_DEFAULT) > 0) {
        w->failed = true;
        return uda_fail(err, UDA_FORMAT, "hdf5: '%s' is put twice", name);
    }
    size_t chunks = choose_chunk(chunk, array), padded = array->bytes;
    if (chunks > 1) {
        padded = array->item_bytes * chunks;
        for (int i = 0; i < array->ndim; i++) {
            padded *= (size_t)chunk[i];
        }
    }
    UDA_TRY(reserve(w, OBJECT_BYTES + padded + chunks * PER_CHUNK_BYTES, err));
    hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE), set = H5I_INVALID_HID;
    hid_t space =
        array->ndim == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(array->ndim, array->dims, NULL);
    bool ok = dcpl >= 0 && space >= 0 && set_layout(dcpl, array, chunk);
    if (ok) {
        set = H5Dcreate2(w->file, name, array->disk_type, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
        ok = set >= 0 && (array->bytes == 0 || H5Dwrite(set, array->memory_type, H5S_ALL, H5S_ALL,
                                                        H5P_DEFAULT, array->data) >= 0);
    }
    int rc = ok ? 0 : broken(w, name, err);
    if (set >= 0 && H5Dclose(set) < 0 && rc == 0) {
        rc = broken(w, name, err);
    }
    (void)H5Sclose(space);
    (void)H5Pclose(dcpl);
    return rc;
}

int uda_store_put(struct uda_store_writer *writer, const char *name, enum uda_store_type type,
                  const void *data, int ndim, const int64_t *dims, struct uda_err *err)
{
    struct array array = {.disk_type = uda_store_on_disk(type),
                          .memory_type = uda_store_native(type),
                          .item_bytes = uda_store_type_bytes(type),
                          .data = data};
    int rc = check_extents(&array, name, dims, ndim, err);
    if (rc == 0) {
        rc = put_array(writer, name, &array, err);
    }
    writer->failed = writer->failed || rc != 0;
    return rc;
}

/* Puts text items that already lie at their width. */
static int put_fixed(struct uda_store_writer *w, const char *name, const char *data, size_t width,
                     int ndim, int64_t count, struct uda_err *err)
{
    struct array array = {.item_bytes = width, .data = data};
    int rc = check_extents(&array, name, &count, ndim, err);
    array.disk_type = array.memory_type = uda_store_text_type(width);
    if (rc == 0) {
        rc = put_array(w, name, &array, err);
    }
    (void)H5Tclose(array.disk_type);
    w->failed = w->failed || rc != 0;
    return rc;
}

int uda_store_put_text(struct uda_store_writer *writer, const char *name, const char *text,
                       struct uda_err *err)
{
    size_t bytes = strlen(text);
    return put_fixed(writer, name, text, bytes == 0 ? 1 : bytes, 0, 1, err);
}

int uda_store_put_texts(struct uda_store_writer *writer, const char *name, const char *const *texts,
                        int64_t count, struct uda_err *err)
{
    size_t width = 1;
    for (int64_t i = 0; i < count; i++) {
        size_t bytes = strlen(texts[i]);
        width = bytes > width ? bytes : width;
    }
    char *block = NULL;
    if (count >= 0 && (size_t)count < SIZE_MAX / 8 / width) {
        block = uda_calloc((size_t)count * width);
    }
    if (block == NULL) {
        writer->failed = true;
        return uda_fail(err, UDA_NOMEM, "hdf5: '%s': no memory for %lld texts of %zu bytes", name,
                        (long long)count, width);
    }
    for (int64_t i = 0; i < count; i++) {
        memcpy(block + (size_t)i * width, texts[i], strlen(texts[i]));
    }
    int rc = put_fixed(writer, name, block, width, 1, count, err);
    uda_free(block);
    return rc;
}

/* ---- attributes ---- */

static int put_attr(struct uda_store_writer *w, const char *path, const char *name, hid_t disk_type,
                    hid_t memory_type, const void *value, size_t bytes, struct uda_err *err)
{
    int rc = reserve(w, OBJECT_BYTES + 2 * bytes, err);
    if (rc == 0 && path[0] != '\0') {
        rc = make_groups(w, path, true, err);
    }
    if (rc != 0) {
        w->failed = true;
        return rc;
    }
    hid_t object = H5Oopen(w->file, path[0] == '\0' ? "/" : path, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR), attr = H5I_INVALID_HID;
    if (object >= 0 && space >= 0) {
        attr = H5Acreate2(object, name, disk_type, space, H5P_DEFAULT, H5P_DEFAULT);
    }
    if (attr < 0 || H5Awrite(attr, memory_type, value) < 0) {
        rc = broken(w, name, err);
    }
    if (attr >= 0 && H5Aclose(attr) < 0 && rc == 0) {
        rc = broken(w, name, err);
    }
    (void)H5Sclose(space);
    (void)H5Oclose(object);
    return rc;
}

int uda_store_put_attr_text(struct uda_store_writer *writer, const char *path, const char *name,
                            const char *value, struct uda_err *err)
{
    size_t bytes = strlen(value);
    if (bytes > UDA_STORE_MAX_ATTR_TEXT) {
        writer->failed = true;
        return uda_fail(err, UDA_SHAPE,
                        "hdf5: attribute '%s' of '%s' has %zu bytes, at most %d are "
                        "possible: put a dataset",
                        name, path, bytes, UDA_STORE_MAX_ATTR_TEXT);
    }
    hid_t type = uda_store_text_type(bytes == 0 ? 1 : bytes);
    int rc = put_attr(writer, path, name, type, type, value, bytes, err);
    (void)H5Tclose(type);
    return rc;
}

int uda_store_put_attr_i64(struct uda_store_writer *writer, const char *path, const char *name,
                           int64_t value, struct uda_err *err)
{
    return put_attr(writer, path, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value, sizeof value, err);
}

int uda_store_put_attr_f64(struct uda_store_writer *writer, const char *path, const char *name,
                           double value, struct uda_err *err)
{
    return put_attr(writer, path, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value, sizeof value,
                    err);
}

int uda_store_put_provenance(struct uda_store_writer *writer, const char *program_version, int argc,
                             char *const *argv, struct uda_err *err)
{
    static const char group[] = "provenance";
    char date[32] = "unknown", host[256] = "unknown", library[32], line[4096] = "";
    unsigned major = 0, minor = 0, release = 0;
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc) != NULL) {
        (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
    (void)gethostname(host, sizeof host - 1);
    (void)H5get_libversion(&major, &minor, &release);
    (void)snprintf(library, sizeof library, "%u.%u.%u", major, minor, release);
    for (int i = 0, at = 0; i < argc && at >= 0 && (size_t)at < sizeof line; i++) {
        int n = snprintf(line + at, sizeof line - (size_t)at, "%s%s", i > 0 ? " " : "", argv[i]);
        at = n < 0 ? -1 : at + n;
    }
    UDA_TRY(uda_store_put_attr_text(writer, group, "date", date, err));
    UDA_TRY(uda_store_put_attr_text(writer, group, "host", host, err));
    UDA_TRY(uda_store_put_attr_i64(writer, group, "pid", (int64_t)getpid(), err));
    UDA_TRY(uda_store_put_attr_text(writer, group, "hdf5", library, err));
    UDA_TRY(uda_store_put_attr_text(writer, group, "program", program_version, err));
    return uda_store_put_attr_text(writer, group, "argv", line, err);
}

/* ---- commit ---- */

static int close_image(struct uda_store_writer *w, size_t *bytes, struct uda_err *err)
{
    char why[UDA_STORE_WHY_BYTES];
    if (w->failed) {
        return uda_fail(err, UDA_FORMAT, "hdf5: the file is incomplete: an earlier put failed");
    }
    if (H5Fclose(w->file) < 0) {
        return uda_fail(err, UDA_NOMEM, "hdf5: cannot finish the file in memory: %s",
                        uda_store_hdf5_why(why));
    }
    w->file = H5I_INVALID_HID;
    *bytes = uda_store_image_end(&w->image);
    if (*bytes == 0) {
        return uda_fail(err, UDA_FORMAT, "hdf5: the file in memory has no valid superblock");
    }
    return 0;
}

int uda_store_commit_memory(unsigned char **data, size_t *bytes, struct uda_store_writer **writer,
                            struct uda_arena *arena, struct uda_err *err)
{
    struct uda_store_writer *w = *writer;
    unsigned char *copy = NULL;
    size_t used = 0;
    int rc = close_image(w, &used, err);
    if (rc == 0 && (copy = uda_arena_alloc(arena, used)) == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "no memory for a copy of %zu bytes", used);
    }
    if (rc == 0) {
        memcpy(copy, w->image.data, used);
        *data = copy;
        *bytes = used;
    }
    uda_store_abort(writer);
    return rc;
}

int uda_store_commit(struct uda_store_writer **writer, const char *path, struct uda_err *err)
{
    struct uda_store_writer *w = *writer;
    struct uda_durable *file = NULL;
    unsigned char seal[UDA_STORE_SEAL_BYTES];
    size_t bytes = 0;
    int rc = close_image(w, &bytes, err);
    if (rc == 0) {
        uda_store_seal_make(seal, bytes, uda_digest_of(w->image.data, bytes));
        rc = uda_durable_begin(&file, path, (int64_t)(bytes + sizeof seal), err);
    }
    if (rc == 0) {
        rc = uda_durable_put(file, w->image.data, bytes, err);
    }
    if (rc == 0) {
        rc = uda_durable_put(file, seal, sizeof seal, err);
    }
    if (rc == 0) {
        rc = uda_durable_commit(&file, err);
    }
    uda_durable_abort(&file);
    uda_store_abort(writer);
    return rc;
}
