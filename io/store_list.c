#include "io/store_internal.h"

#include <stdlib.h>
#include <string.h>

/* Collected while libhdf5 walks the links; the first failure sticks. */
struct walk {
    const struct uda_store *store;
    struct uda_arena *arena;
    enum { DATASETS, OBJECTS } wanted;
    const char *group;
    char **names;
    size_t count, room;
    bool failed;
};

static bool in_group(const char *name, const char *group)
{
    size_t bytes = strlen(group);
    return bytes == 0 ||
           (strncmp(name, group, bytes) == 0 && (name[bytes] == '\0' || name[bytes] == '/'));
}

static herr_t collect(hid_t root, const char *name, const H5L_info_t *info, void *user)
{
    struct walk *w = user;
    (void)root;
    if (info->type != H5L_TYPE_HARD || !in_group(name, w->group)) {
        return 0;
    }
    hid_t object = uda_store_object(w->store, name);
    bool wanted = object >= 0 && (w->wanted == OBJECTS || H5Iget_type(object) == H5I_DATASET);
    if (object >= 0) {
        (void)H5Oclose(object);
    }
    if (!wanted) {
        return 0;
    }
    if (w->count == w->room) {
        size_t room = w->room == 0 ? 256 : 2 * w->room;
        char **names =
            uda_arena_grow(w->arena, w->names, w->room * sizeof *names, room * sizeof *names);
        if (names == NULL) {
            w->failed = true;
            return -1;
        }
        w->names = names;
        w->room = room;
    }
    char *copy = uda_arena_strdup(w->arena, name);
    if (copy == NULL) {
        w->failed = true;
        return -1;
    }
    w->names[w->count++] = copy;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int walk(struct walk *w, struct uda_err *err)
{
    if (H5Lvisit(w->store->file, H5_INDEX_NAME, H5_ITER_NATIVE, collect, w) < 0) {
        char why[UDA_STORE_WHY_BYTES];
        if (w->failed) {
            return uda_fail(err, UDA_NOMEM, "'%s': no memory for its names", w->store->path);
        }
        return uda_fail(err, UDA_FORMAT, "'%s': cannot be listed: %s", w->store->path,
                        uda_store_hdf5_why(why));
    }
    if (w->count > 1) {
        qsort(w->names, w->count, sizeof *w->names, by_bytes);
    }
    return 0;
}

int uda_store_list(char ***names, int64_t *count, const struct uda_store *store, const char *group,
                   struct uda_arena *arena, struct uda_err *err)
{
    struct walk w = {.store = store, .arena = arena, .wanted = DATASETS, .group = group};
    UDA_TRY(walk(&w, err));
    *names = w.names;
    *count = (int64_t)w.count;
    return 0;
}

struct attr_list {
    const struct uda_store *store;
    struct uda_arena *arena;
    struct uda_store_attr *items;
    size_t count, room;
};

static int add_attr(struct attr_list *list, const char *path, hid_t object, hsize_t index,
                    struct uda_err *err)
{
    char name[256];
    struct uda_store_attr item = {0};
    hid_t attr =
        H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_NATIVE, index, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = attr >= 0 && H5Aget_name(attr, sizeof name, name) > 0 &&
              uda_store_read_attr(&item, attr, list->arena);
    if (attr >= 0) {
        (void)H5Aclose(attr);
    }
    if (!ok) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': an attribute of '/%s' is of a kind this program "
                        "does not use",
                        list->store->path, path);
    }
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : 2 * list->room;
        struct uda_store_attr *items = uda_arena_grow(
            list->arena, list->items, list->room * sizeof *items, room * sizeof *items);
        if (items == NULL) {
            return uda_fail(err, UDA_NOMEM, "'%s': no memory for attributes", list->store->path);
        }
        list->items = items;
        list->room = room;
    }
    item.path = uda_arena_strdup(list->arena, path);
    item.name = uda_arena_strdup(list->arena, name);
    if (item.path == NULL || item.name == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': no memory for attributes", list->store->path);
    }
    list->items[list->count++] = item;
    return 0;
}

static int add_attrs_of(struct attr_list *list, const char *path, struct uda_err *err)
{
    H5O_info_t info;
    hid_t object = uda_store_object(list->store, path);
    if (object < 0 || H5Oget_info(object, &info) < 0) {
        return uda_fail(err, UDA_FORMAT, "'%s': '/%s' cannot be opened", list->store->path, path);
    }
    int rc = 0;
    for (hsize_t i = 0; i < info.num_attrs && rc == 0; i++) {
        rc = add_attr(list, path, object, i, err);
    }
    (void)H5Oclose(object);
    return rc;
}

static int by_path_and_name(const void *a, const void *b)
{
    const struct uda_store_attr *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order != 0 ? order : strcmp(x->name, y->name);
}

int uda_store_list_attrs(struct uda_store_attr **attrs, int64_t *count,
                         const struct uda_store *store, struct uda_arena *arena,
                         struct uda_err *err)
{
    struct walk w = {.store = store, .arena = arena, .wanted = OBJECTS, .group = ""};
    struct attr_list list = {.store = store, .arena = arena};
    UDA_TRY(walk(&w, err));
    UDA_TRY(add_attrs_of(&list, "", err));
    for (size_t i = 0; i < w.count; i++) {
        UDA_TRY(add_attrs_of(&list, w.names[i], err));
    }
    if (list.count > 1) {
        qsort(list.items, list.count, sizeof *list.items, by_path_and_name);
    }
    *attrs = list.items;
    *count = (int64_t)list.count;
    return 0;
}

/* ---- every value ---- */

static int hash_dataset(struct uda_hasher *hasher, const struct uda_store *store, const char *name,
                        struct uda_err *err)
{
    struct uda_store_info info;
    struct uda_arena arena = {0};
    void *data = NULL;
    UDA_TRY(uda_store_info(&info, store, name, err));
    int rc = uda_store_load(&data, NULL, store, name, info.type, &arena, err);
    if (rc == 0 && hasher != NULL) {
        uda_hasher_text(hasher, name);
        uda_hasher_text(hasher, uda_store_type_name(info.type));
        uda_hasher_i64(hasher, info.ndim);
        for (int i = 0; i < info.ndim; i++) {
            uda_hasher_i64(hasher, info.dims[i]);
        }
        uda_hasher_i64(hasher, (int64_t)info.item_bytes);
        uda_hasher_bytes(hasher, data, (size_t)info.count * info.item_bytes);
    }
    uda_arena_finish(&arena);
    return rc;
}

static void hash_attr(struct uda_hasher *hasher, const struct uda_store_attr *attr)
{
    uda_hasher_text(hasher, attr->path);
    uda_hasher_text(hasher, attr->name);
    uda_hasher_text(hasher, uda_store_type_name(attr->type));
    uda_hasher_text(hasher, attr->text);
    uda_hasher_i64(hasher, attr->i64);
    uda_hasher_f64(hasher, attr->f64);
}

/* Reads everything; with a hasher, feeds it all but "provenance". */
static int read_everything(struct uda_hasher *hasher, const struct uda_store *store,
                           struct uda_err *err)
{
    struct uda_arena arena = {0};
    char **names = NULL;
    int64_t count = 0, attr_count = 0;
    struct uda_store_attr *attrs = NULL;
    int rc = uda_store_list(&names, &count, store, "", &arena, err);
    for (int64_t i = 0; i < count && rc == 0; i++) {
        rc = hash_dataset(in_group(names[i], "provenance") ? NULL : hasher, store, names[i], err);
    }
    if (rc == 0) {
        rc = uda_store_list_attrs(&attrs, &attr_count, store, &arena, err);
    }
    for (int64_t i = 0; i < attr_count && rc == 0; i++) {
        if (hasher != NULL && !in_group(attrs[i].path, "provenance")) {
            hash_attr(hasher, &attrs[i]);
        }
    }
    uda_arena_finish(&arena);
    return rc;
}

int uda_store_content_digest(struct uda_digest *digest, const struct uda_store *store,
                             struct uda_err *err)
{
    struct uda_hasher *hasher = NULL;
    UDA_TRY(uda_hasher_create(&hasher, err));
    int rc = read_everything(hasher, store, err);
    if (rc == 0) {
        *digest = uda_hasher_digest(hasher);
    }
    uda_hasher_destroy(&hasher);
    return rc;
}

int uda_store_verify(const char *path, struct uda_err *err)
{
    struct uda_store *store = NULL;
    UDA_TRY(uda_store_open(&store, path, err));
    int rc = read_everything(NULL, store, err);
    uda_store_close(&store);
    return rc;
}
