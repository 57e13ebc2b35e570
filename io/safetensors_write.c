#include "io/safetensors.h"

#include "io/durable.h"
#include "src/base/arena.h"
#include "src/base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 8
#define METADATA "__metadata__"

static int tensor_bytes(int64_t *bytes, const struct uda_safetensors_tensor *t, const char *path,
                        struct uda_err *err)
{
    int64_t n = (int64_t)sizeof(float);
    if (t->ndim < 0 || t->ndim > UDA_SAFETENSORS_MAX_DIMS) {
        return uda_fail(err, UDA_SHAPE, "'%s': tensor '%s' has %d dimensions", path, t->name,
                        t->ndim);
    }
    for (int i = 0; i < t->ndim; i++) {
        if (t->dims[i] < 0 || (t->dims[i] > 0 && n > INT64_MAX / 2 / t->dims[i])) {
            return uda_fail(err, UDA_SHAPE, "'%s': tensor '%s' has an impossible extent", path,
                            t->name);
        }
        n *= t->dims[i];
    }
    *bytes = n;
    return 0;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_names(const struct uda_safetensors_tensor *tensors, int64_t count,
                       struct uda_arena *arena, const char *path, struct uda_err *err)
{
    const char **names = uda_arena_alloc(arena, (size_t)count * sizeof *names);
    if (names == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': no memory for its header", path);
    }
    for (int64_t i = 0; i < count; i++) {
        names[i] = tensors[i].name;
    }
    if (count > 1) {
        qsort(names, (size_t)count, sizeof *names, compare_text);
    }
    for (int64_t i = 0; i < count; i++) {
        if (strcmp(names[i], METADATA) == 0 || (i > 0 && strcmp(names[i], names[i - 1]) == 0)) {
            return uda_fail(err, UDA_FORMAT, "'%s': tensor name '%s' is reserved or used twice",
                            path, names[i]);
        }
    }
    return 0;
}

/* The header text, padded with spaces so that the values start at a multiple of 8. */
static int make_header(struct uda_str *text, int64_t *total,
                       const struct uda_safetensors_tensor *tensors, int64_t count,
                       const char *const (*metadata)[2], int64_t pairs, const char *path,
                       struct uda_err *err)
{
    int64_t at = 0;
    uda_str_add(text, "{");
    for (int64_t i = 0; i < pairs; i++) {
        uda_str_add(text, i == 0 ? "\"" METADATA "\":{" : ",");
        uda_str_json(text, metadata[i][0]);
        uda_str_add(text, ":");
        uda_str_json(text, metadata[i][1]);
    }
    uda_str_add(text, pairs > 0 ? "}" : "");
    for (int64_t i = 0; i < count; i++) {
        int64_t bytes = 0;
        UDA_TRY(tensor_bytes(&bytes, &tensors[i], path, err));
        if (at > INT64_MAX / 2 - bytes) {
            return uda_fail(err, UDA_SHAPE, "'%s': is too large", path);
        }
        uda_str_add(text, i > 0 || pairs > 0 ? "," : "");
        uda_str_json(text, tensors[i].name);
        uda_str_add(text, ":{\"dtype\":\"F32\",\"shape\":[");
        for (int d = 0; d < tensors[i].ndim; d++) {
            uda_str_add(text, "%s%" PRId64, d > 0 ? "," : "", tensors[i].dims[d]);
        }
        uda_str_add(text, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", at, at + bytes);
        at += bytes;
    }
    uda_str_add(text, "}");
    while (text->bytes % 8 != 0 && !text->failed) {
        uda_str_add(text, " ");
    }
    *total = at;
    return uda_str_status(text, err);
}

int uda_safetensors_write(const char *path, const struct uda_safetensors_tensor *tensors,
                          int64_t count, const char *const (*metadata)[2], int64_t pairs,
                          struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_str header;
    struct uda_durable *file = NULL;
    unsigned char length[LENGTH_BYTES];
    int64_t total = 0;
    uda_str_init(&header, &arena);
    int rc = check_names(tensors, count, &arena, path, err);
    if (rc == 0) {
        rc = make_header(&header, &total, tensors, count, metadata, pairs, path, err);
    }
    if (rc == 0) {
        rc = uda_durable_begin(&file, path, total + (int64_t)header.bytes + LENGTH_BYTES, err);
    }
    for (int i = 0; i < LENGTH_BYTES; i++) {
        length[i] = (unsigned char)((uint64_t)header.bytes >> (8 * i));
    }
    if (rc == 0) {
        rc = uda_durable_put(file, length, sizeof length, err);
    }
    if (rc == 0) {
        rc = uda_durable_put(file, header.text, header.bytes, err);
    }
    for (int64_t i = 0; i < count && rc == 0; i++) {
        int64_t bytes = 0;
        rc = tensor_bytes(&bytes, &tensors[i], path, err);
        if (rc == 0) {
            rc = uda_durable_put(file, tensors[i].data, (size_t)bytes, err);
        }
    }
    if (rc == 0) {
        rc = uda_durable_commit(&file, err);
    }
    uda_durable_abort(&file);
    uda_arena_finish(&arena);
    return rc;
}
