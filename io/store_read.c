#include "io/store_internal.h"

#include <string.h>

static int new_store(struct uda_store **store, const char *path, struct uda_err *err)
{
    uda_store_hdf5_init();
    size_t path_bytes = strlen(path) + 1;
    struct uda_store *s = uda_calloc(sizeof *s + path_bytes);
    if (s == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    s->file = H5I_INVALID_HID;
    s->path = (char *)(s + 1);
    memcpy(s->path, path, path_bytes);
    *store = s;
    return 0;
}

/* Opens the image, or frees the store. */
static int open_image(struct uda_store **store, struct uda_store *s, int rc, struct uda_err *err)
{
    if (rc == 0 && (s->file = uda_store_image_open(&s->image)) < 0) {
        char why[UDA_STORE_WHY_BYTES];
        rc = uda_fail(err, UDA_FORMAT, "'%s': libhdf5 cannot open it: %s", s->path,
                      uda_store_hdf5_why(why));
    }
    if (rc != 0) {
        uda_store_close(&s);
        return rc;
    }
    *store = s;
    return 0;
}

int uda_store_open(struct uda_store **store, const char *path, struct uda_err *err)
{
    struct uda_store *s = NULL;
    UDA_TRY(new_store(&s, path, err));
    int rc = uda_store_seal_read(&s->image.data, &s->image.bytes, &s->digest, path, err);
    return open_image(store, s, rc, err);
}

int uda_store_open_memory(struct uda_store **store, const void *data, size_t bytes, const char *name,
                          struct uda_err *err)
{
    struct uda_store *s = NULL;
    UDA_TRY(new_store(&s, name, err));
    int rc = 0;
    s->image.data = uda_alloc(bytes);
    if (s->image.data == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "'%s': no memory for its %zu bytes", name, bytes);
    } else {
        memcpy(s->image.data, data, bytes);
        s->image.bytes = bytes;
        s->digest = uda_digest_of(data, bytes);
    }
    return open_image(store, s, rc, err);
}

void uda_store_close(struct uda_store **store)
{
    if (store == NULL || *store == NULL) {
        return;
    }
    struct uda_store *s = *store;
    *store = NULL;
    if (s->file >= 0 && H5Fclose(s->file) < 0) {
        return; /* libhdf5 still refers to the block */
    }
    uda_store_image_finish(&s->image);
    uda_free(s);
}

const char *uda_store_path(const struct uda_store *store)
{
    return store->path;
}

int64_t uda_store_bytes(const struct uda_store *store)
{
    return (int64_t)store->image.bytes;
}

struct uda_digest uda_store_digest(const struct uda_store *store)
{
    return store->digest;
}

/* True if every part of the name is a hard link: soft and external links are never followed. */
static bool linked(const struct uda_store *s, const char *name)
{
    char part[UDA_STORE_MAX_NAME + 1];
    if (!uda_store_name_ok(name)) {
        return false;
    }
    for (size_t i = 1;; i++) {
        if (name[i] == '/' || name[i] == '\0') {
            H5L_info_t info;
            memcpy(part, name, i);
            part[i] = '\0';
            if (H5Lexists(s->file, part, H5P_DEFAULT) <= 0 ||
                H5Lget_info(s->file, part, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD) {
                return false;
            }
        }
        if (name[i] == '\0') {
            return true;
        }
    }
}

hid_t uda_store_object(const struct uda_store *store, const char *path)
{
    if (path[0] != '\0' && !linked(store, path)) {
        return H5I_INVALID_HID;
    }
    return H5Oopen(store->file, path[0] == '\0' ? "/" : path, H5P_DEFAULT);
}

/* An open dataset with its type and extents. */
struct found {
    hid_t set, type;
    struct uda_store_info info;
};

static void found_close(struct found *f)
{
    if (f->type >= 0) {
        (void)H5Tclose(f->type);
    }
    if (f->set >= 0) {
        (void)H5Oclose(f->set);
    }
}

/* Fills f->info from the open dataset. */
static int describe(struct found *f, const struct uda_store *s, const char *name,
                    struct uda_err *err)
{
    hsize_t dims[UDA_STORE_MAX_DIMS];
    hid_t space = H5Dget_space(f->set);
    int ndim = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    bool known = ndim >= 0 && ndim <= UDA_STORE_MAX_DIMS &&
                 H5Sget_simple_extent_type(space) != H5S_NULL &&
                 H5Sget_simple_extent_dims(space, dims, NULL) == ndim;
    (void)H5Sclose(space);
    f->type = H5Dget_type(f->set);
    struct uda_store_info info = {.type = uda_store_classify(f->type), .count = 1};
    info.item_bytes = f->type < 0 ? 0 : H5Tget_size(f->type);
    if (!known || info.type == UDA_STORE_TYPES || info.item_bytes == 0) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': dataset '%s' is of a kind this program does not use", s->path, name);
    }
    info.ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        if (dims[i] > (hsize_t)INT64_MAX ||
            (dims[i] > 0 && (hsize_t)info.count > SIZE_MAX / 8 / info.item_bytes / dims[i])) {
            return uda_fail(err, UDA_FORMAT, "'%s': dataset '%s' has impossible extents", s->path,
                            name);
        }
        info.dims[i] = (int64_t)dims[i];
        info.count *= info.dims[i];
    }
    f->info = info;
    return 0;
}

static int find(struct found *f, const struct uda_store *s, const char *name, struct uda_err *err)
{
    *f = (struct found){.set = uda_store_object(s, name), .type = H5I_INVALID_HID};
    if (f->set < 0 || H5Iget_type(f->set) != H5I_DATASET) {
        return uda_fail(err, UDA_FORMAT, "'%s': there is no dataset '%s'", s->path, name);
    }
    return describe(f, s, name, err);
}

bool uda_store_has(const struct uda_store *store, const char *name)
{
    hid_t object = uda_store_object(store, name);
    bool yes = object >= 0 && H5Iget_type(object) == H5I_DATASET;
    if (object >= 0) {
        (void)H5Oclose(object);
    }
    return yes;
}

int uda_store_info(struct uda_store_info *info, const struct uda_store *store, const char *name,
                   struct uda_err *err)
{
    struct found f;
    int rc = find(&f, store, name, err);
    if (rc == 0) {
        *info = f.info;
    }
    found_close(&f);
    return rc;
}

static int check_type(const struct found *f, const struct uda_store *s, const char *name,
                      enum uda_store_type type, struct uda_err *err)
{
    if (f->info.type == type) {
        return 0;
    }
    return uda_fail(err, UDA_FORMAT, "'%s': dataset '%s' is %s, expected %s", s->path, name,
                    uda_store_type_name(f->info.type), uda_store_type_name(type));
}

/* All values, text at its width, into dst. */
static int read_all(void *dst, const struct found *f, const struct uda_store *s, const char *name,
                    struct uda_err *err)
{
    hid_t memory = f->info.type == UDA_STORE_TEXT ? f->type : uda_store_native(f->info.type);
    if (f->info.count > 0 && H5Dread(f->set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, dst) < 0) {
        char why[UDA_STORE_WHY_BYTES];
        return uda_fail(err, UDA_FORMAT, "'%s': dataset '%s' cannot be read: %s", s->path, name,
                        uda_store_hdf5_why(why));
    }
    return 0;
}

int uda_store_get(void *dst, const struct uda_store *store, const char *name,
                  enum uda_store_type type, int64_t count, struct uda_err *err)
{
    struct found f;
    int rc = find(&f, store, name, err);
    if (rc == 0) {
        rc = check_type(&f, store, name, type, err);
    }
    if (rc == 0 && f.info.count != count) {
        rc = uda_fail(err, UDA_SHAPE, "'%s': dataset '%s' has %lld values, expected %lld",
                      store->path, name, (long long)f.info.count, (long long)count);
    }
    if (rc == 0) {
        rc = read_all(dst, &f, store, name, err);
    }
    found_close(&f);
    return rc;
}

int uda_store_load(void **data, struct uda_store_info *info, const struct uda_store *store,
                   const char *name, enum uda_store_type type, struct uda_arena *arena,
                   struct uda_err *err)
{
    struct found f;
    void *block = NULL;
    int rc = find(&f, store, name, err);
    if (rc == 0) {
        rc = check_type(&f, store, name, type, err);
    }
    if (rc == 0) {
        size_t bytes = (size_t)f.info.count * f.info.item_bytes;
        block = uda_arena_alloc(arena, bytes);
        rc = block != NULL ? 0
                           : uda_fail(err, UDA_NOMEM,
                                      "'%s': no memory for dataset '%s' of %zu "
                                      "bytes",
                                      store->path, name, bytes);
    }
    if (rc == 0) {
        rc = read_all(block, &f, store, name, err);
    }
    if (rc == 0) {
        *data = block;
        if (info != NULL) {
            *info = f.info;
        }
    }
    found_close(&f);
    return rc;
}

int uda_store_get_text(char **text, const struct uda_store *store, const char *name,
                       struct uda_arena *arena, struct uda_err *err)
{
    char **texts = NULL;
    int64_t count = 0;
    UDA_TRY(uda_store_get_texts(&texts, &count, store, name, arena, err));
    if (count != 1) {
        return uda_fail(err, UDA_SHAPE, "'%s': dataset '%s' has %lld texts, expected one",
                        store->path, name, (long long)count);
    }
    *text = texts[0];
    return 0;
}

int uda_store_get_texts(char ***texts, int64_t *count, const struct uda_store *store,
                        const char *name, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_store_info info;
    void *data = NULL;
    UDA_TRY(uda_store_load(&data, &info, store, name, UDA_STORE_TEXT, arena, err));
    size_t width = info.item_bytes, n = (size_t)info.count;
    char *copy = NULL, **list = NULL;
    if (n <= SIZE_MAX / 8 / (width + 1)) {
        copy = uda_arena_alloc(arena, n * (width + 1));
        list = uda_arena_alloc(arena, n * sizeof *list);
    }
    if (copy == NULL || list == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': no memory for the texts of '%s'", store->path, name);
    }
    for (size_t i = 0; i < n; i++) {
        list[i] = copy + i * (width + 1);
        memcpy(list[i], (const char *)data + i * width, width);
        list[i][width] = '\0';
    }
    *texts = list;
    *count = info.count;
    return 0;
}

/* ---- attributes ---- */

/* Value of an open attribute into `item`, whose path and name are set; false if it is not one of
 * ours. */
bool uda_store_read_attr(struct uda_store_attr *item, hid_t attr, struct uda_arena *arena)
{
    hid_t type = H5Aget_type(attr), space = H5Aget_space(attr);
    bool ok = type >= 0 && space >= 0 && H5Sget_simple_extent_type(space) == H5S_SCALAR;
    if (ok) {
        item->type = uda_store_classify(type);
        size_t bytes = H5Tget_size(type);
        if (item->type == UDA_STORE_TEXT && bytes <= 2 * UDA_STORE_MAX_ATTR_TEXT) {
            item->text = uda_arena_calloc(arena, bytes + 1);
            ok = item->text != NULL && H5Aread(attr, type, item->text) >= 0;
        } else if (item->type == UDA_STORE_I64) {
            ok = H5Aread(attr, H5T_NATIVE_INT64, &item->i64) >= 0;
        } else {
            ok = item->type == UDA_STORE_F64 && H5Aread(attr, H5T_NATIVE_DOUBLE, &item->f64) >= 0;
        }
    }
    (void)H5Tclose(type);
    (void)H5Sclose(space);
    return ok;
}

bool uda_store_has_attr(const struct uda_store *store, const char *path, const char *name)
{
    hid_t object = uda_store_object(store, path);
    bool yes = object >= 0 && H5Aexists(object, name) > 0;
    if (object >= 0) {
        (void)H5Oclose(object);
    }
    return yes;
}

static int find_attr(struct uda_store_attr *item, const struct uda_store *s, const char *path,
                     const char *name, enum uda_store_type type, struct uda_arena *arena,
                     struct uda_err *err)
{
    if (!uda_store_has_attr(s, path, name)) {
        return uda_fail(err, UDA_FORMAT, "'%s': '/%s' has no attribute '%s'", s->path, path, name);
    }
    hid_t object = uda_store_object(s, path), attr = H5Aopen(object, name, H5P_DEFAULT);
    bool ok = attr >= 0 && uda_store_read_attr(item, attr, arena) && item->type == type;
    if (attr >= 0) {
        (void)H5Aclose(attr);
    }
    (void)H5Oclose(object);
    if (!ok) {
        return uda_fail(err, UDA_FORMAT, "'%s': attribute '%s' of '/%s' is not one %s value",
                        s->path, name, path, uda_store_type_name(type));
    }
    return 0;
}

int uda_store_get_attr_text(char **text, const struct uda_store *store, const char *path,
                            const char *name, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_store_attr item = {0};
    UDA_TRY(find_attr(&item, store, path, name, UDA_STORE_TEXT, arena, err));
    *text = item.text;
    return 0;
}

int uda_store_get_attr_i64(int64_t *value, const struct uda_store *store, const char *path,
                           const char *name, struct uda_err *err)
{
    struct uda_store_attr item = {0};
    struct uda_arena arena = {0};
    int rc = find_attr(&item, store, path, name, UDA_STORE_I64, &arena, err);
    uda_arena_finish(&arena);
    if (rc == 0) {
        *value = item.i64;
    }
    return rc;
}

int uda_store_get_attr_f64(double *value, const struct uda_store *store, const char *path,
                           const char *name, struct uda_err *err)
{
    struct uda_store_attr item = {0};
    struct uda_arena arena = {0};
    int rc = find_attr(&item, store, path, name, UDA_STORE_F64, &arena, err);
    uda_arena_finish(&arena);
    if (rc == 0) {
        *value = item.f64;
    }
    return rc;
}
