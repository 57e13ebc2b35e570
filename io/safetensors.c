#include "io/safetensors.h"

#include "io/json.h"
#include "src/base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH_BYTES 8
#define MAX_HEADER_BYTES ((uint64_t)100000000) /* as the reference reader */
#define BUFFER_BYTES 32768
#define METADATA "__metadata__"

struct uda_safetensors {
    int fd;
    int64_t data_at, data_bytes;
    struct uda_json *header;
    struct uda_arena arena;
    struct uda_safetensors_entry *entries;
    int64_t count;
    const char *path;
};

static const struct {
    const char *name;
    int64_t bytes;
} dtypes[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8},     {"I64", 8},
              {"I32", 4}, {"I16", 2}, {"I8", 1},   {"U64", 8},     {"U32", 4},
              {"U16", 2}, {"U8", 1},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};

static uint64_t get_le(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) {
        value = value << 8 | at[i];
    }
    return value;
}

static int read_at(const struct uda_safetensors *f, void *dst, size_t bytes, int64_t offset,
                   struct uda_err *err)
{
    unsigned char *at = dst;
    while (bytes > 0) {
        ssize_t n =
            pread(f->fd, at, bytes < ((size_t)1 << 30) ? bytes : (size_t)1 << 30, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return uda_fail_errno(err, "'%s': reading failed", f->path);
        }
        if (n == 0) {
            return uda_fail(err, UDA_IO, "'%s': became shorter while it was read", f->path);
        }
        at += n;
        offset += n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* ---- header ---- */

/* Sets dtype, ndim, dims, count; the bytes that follow from them are in *bytes. */
static int read_shape(struct uda_safetensors_entry *e, int64_t *bytes,
                      const struct uda_safetensors *f, const struct uda_json *node,
                      struct uda_err *err)
{
    const char *dtype = uda_json_text(uda_json_get(node, "dtype"));
    const struct uda_json *shape = uda_json_get(node, "shape");
    if (dtype == NULL || uda_json_kind(shape) != UDA_JSON_ARRAY) {
        return uda_fail(err, UDA_FORMAT, "'%s': tensor '%.200s' lacks a dtype or a shape", f->path,
                        e->name);
    }
    for (int64_t i = 0; i < UDA_LEN(dtypes); i++) {
        if (strcmp(dtype, dtypes[i].name) == 0) {
            e->dtype = dtypes[i].name;
            *bytes = dtypes[i].bytes;
        }
    }
    if (e->dtype == NULL) {
        return uda_fail(err, UDA_FORMAT, "'%s': tensor '%.200s' has unknown dtype '%.40s'", f->path,
                        e->name, dtype);
    }
    int64_t ndim = uda_json_count(shape);
    if (ndim > UDA_SAFETENSORS_MAX_DIMS) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': tensor '%.200s' has %" PRId64 " dimensions, more than %d", f->path,
                        e->name, ndim, UDA_SAFETENSORS_MAX_DIMS);
    }
    e->ndim = (int)ndim;
    e->count = 1;
    int64_t product = *bytes; /* without zero extents, so that 0 x huge does not pass as 0 */
    for (int i = 0; i < e->ndim; i++) {
        int64_t extent = uda_json_integer(uda_json_at(shape, i), -1);
        if (extent < 0 || (extent > 0 && product > INT64_MAX / extent)) {
            return uda_fail(err, UDA_FORMAT, "'%s': extent %d of tensor '%.200s' is impossible",
                            f->path, i, e->name);
        }
        product *= extent > 0 ? extent : 1;
        e->dims[i] = extent;
        e->count *= extent;
    }
    *bytes *= e->count;
    return 0;
}

static int read_entry(struct uda_safetensors_entry *e, const struct uda_safetensors *f,
                      const struct uda_json *node, struct uda_err *err)
{
    int64_t bytes = 0;
    UDA_TRY(read_shape(e, &bytes, f, node, err));
    const struct uda_json *offsets = uda_json_get(node, "data_offsets");
    int64_t begin = uda_json_integer(uda_json_at(offsets, 0), -1);
    int64_t end = uda_json_integer(uda_json_at(offsets, 1), -1);
    if (uda_json_count(offsets) != 2 || begin < 0 || end < begin || end > f->data_bytes) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': data_offsets of tensor '%.200s' are outside of the file (%" PRId64
                        " bytes of values): damaged or cut off",
                        f->path, e->name, f->data_bytes);
    }
    if (end - begin != bytes) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': tensor '%.200s' takes %" PRId64
                        " bytes but its shape and dtype make %" PRId64,
                        f->path, e->name, end - begin, bytes);
    }
    e->offset = f->data_at + begin;
    e->bytes = bytes;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct uda_safetensors_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int by_offset(const void *a, const void *b)
{
    const struct uda_safetensors_entry *x = a, *y = b;
    if (x->offset != y->offset) {
        return x->offset < y->offset ? -1 : 1;
    }
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* The values must fill the rest of the file: no gap, no overlap. */
static int check_layout(struct uda_safetensors *f, struct uda_err *err)
{
    int64_t at = f->data_at;
    if (f->count > 1) {
        qsort(f->entries, (size_t)f->count, sizeof *f->entries, by_offset);
    }
    for (int64_t i = 0; i < f->count; i++) {
        const struct uda_safetensors_entry *e = &f->entries[i];
        if (e->offset != at) {
            return uda_fail(err, UDA_FORMAT, "'%s': tensor '%.200s' %s", f->path, e->name,
                            e->offset < at ? "overlaps another" : "has a gap in front of it");
        }
        at += e->bytes;
    }
    if (at != f->data_at + f->data_bytes) {
        return uda_fail(err, UDA_FORMAT, "'%s': %" PRId64 " bytes at its end belong to no tensor",
                        f->path, f->data_at + f->data_bytes - at);
    }
    if (f->count > 1) {
        qsort(f->entries, (size_t)f->count, sizeof *f->entries, by_name);
    }
    return 0;
}

static int read_entries(struct uda_safetensors *f, struct uda_err *err)
{
    if (uda_json_kind(f->header) != UDA_JSON_OBJECT) {
        return uda_fail(err, UDA_FORMAT, "'%s': its header is not a JSON object", f->path);
    }
    int64_t members = uda_json_count(f->header);
    f->entries = uda_arena_calloc(&f->arena, (size_t)members * sizeof *f->entries);
    if (f->entries == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': no memory for its header", f->path);
    }
    const char *key = NULL;
    const struct uda_json *value = NULL;
    for (void *i = uda_json_next(f->header, NULL, &key, &value); i != NULL;
         i = uda_json_next(f->header, i, &key, &value)) {
        if (strcmp(key, METADATA) == 0) {
            continue;
        }
        struct uda_safetensors_entry *e = &f->entries[f->count];
        e->name = key;
        UDA_TRY(read_entry(e, f, value, err));
        f->count++;
    }
    return check_layout(f, err);
}

static int read_header(struct uda_safetensors *f, struct uda_err *err)
{
    struct stat info;
    unsigned char length[LENGTH_BYTES];
    if (fstat(f->fd, &info) != 0) {
        return uda_fail_errno(err, "'%s': cannot be looked at", f->path);
    }
    if (!S_ISREG(info.st_mode) || info.st_size < LENGTH_BYTES + 2) {
        return uda_fail(err, UDA_FORMAT, "'%s': is too short for a safetensors file", f->path);
    }
    UDA_TRY(read_at(f, length, sizeof length, 0, err));
    uint64_t bytes = get_le(length, LENGTH_BYTES);
    if (bytes > MAX_HEADER_BYTES || bytes > (uint64_t)info.st_size - LENGTH_BYTES) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': its header would have %" PRIu64
                        " bytes: not a safetensors file, damaged, or cut off",
                        f->path, bytes);
    }
    f->data_at = LENGTH_BYTES + (int64_t)bytes;
    f->data_bytes = (int64_t)info.st_size - f->data_at;
    char *text = uda_alloc((size_t)bytes + 1);
    if (text == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': no memory for its header", f->path);
    }
    int rc = read_at(f, text, (size_t)bytes, LENGTH_BYTES, err);
    if (rc == 0) {
        rc = uda_json_parse(&f->header, text, (size_t)bytes, f->path, err);
    }
    uda_free(text);
    return rc == 0 ? read_entries(f, err) : rc;
}

int uda_safetensors_open(struct uda_safetensors **file, const char *path, struct uda_err *err)
{
    struct uda_safetensors *f = uda_calloc(sizeof *f);
    if (f == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    f->path = uda_arena_strdup(&f->arena, path);
    int rc = 0;
    if (f->fd < 0) {
        rc = uda_fail_errno(err, "'%s': cannot be opened", path);
    } else if (f->path == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    } else {
        rc = read_header(f, err);
    }
    if (rc != 0) {
        uda_safetensors_close(&f);
        return rc;
    }
    *file = f;
    return 0;
}

void uda_safetensors_close(struct uda_safetensors **file)
{
    if (file == NULL || *file == NULL) {
        return;
    }
    struct uda_safetensors *f = *file;
    if (f->fd >= 0) {
        (void)close(f->fd);
    }
    uda_json_destroy(&f->header);
    uda_arena_finish(&f->arena);
    uda_free(f);
    *file = NULL;
}

int64_t uda_safetensors_count(const struct uda_safetensors *file)
{
    return file->count;
}

const struct uda_safetensors_entry *uda_safetensors_at(const struct uda_safetensors *file,
                                                       int64_t i)
{
    return i >= 0 && i < file->count ? &file->entries[i] : NULL;
}

const struct uda_safetensors_entry *uda_safetensors_find(const struct uda_safetensors *file,
                                                         const char *name)
{
    const struct uda_safetensors_entry key = {.name = name};
    if (file->count == 0) {
        return NULL;
    }
    return bsearch(&key, file->entries, (size_t)file->count, sizeof key, by_name);
}

const char *uda_safetensors_metadata(const struct uda_safetensors *file, const char *key)
{
    return uda_json_text(uda_json_get(uda_json_get(file->header, METADATA), key));
}

/* ---- values ---- */

bool uda_safetensors_is_float(const struct uda_safetensors_entry *entry)
{
    return strcmp(entry->dtype, "F32") == 0 || strcmp(entry->dtype, "F16") == 0 ||
           strcmp(entry->dtype, "BF16") == 0 || strcmp(entry->dtype, "F64") == 0;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE binary16: sign 1, exponent 5 (bias 15), fraction 10. */
static float float_of_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31) {
        return float_of_bits(sign | 0x7f800000 | fraction << 13);
    }
    if (exponent == 0) {
        float magnitude = (float)fraction * 0x1p-24f; /* exact: 10 bits */
        return sign != 0 ? -magnitude : magnitude;
    }
    return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static void to_f32(float *dst, const unsigned char *src, int64_t count, const char *dtype)
{
    bool half = strcmp(dtype, "F16") == 0, brain = strcmp(dtype, "BF16") == 0;
    bool wide = strcmp(dtype, "F64") == 0;
    for (int64_t i = 0; i < count; i++) {
        if (half) {
            dst[i] = float_of_half((uint32_t)get_le(src + 2 * i, 2));
        } else if (brain) {
            dst[i] = float_of_bits((uint32_t)get_le(src + 2 * i, 2) << 16);
        } else if (wide) {
            uint64_t bits = get_le(src + 8 * i, 8);
            double value;
            memcpy(&value, &bits, sizeof value);
            dst[i] = (float)value;
        } else {
            dst[i] = float_of_bits((uint32_t)get_le(src + 4 * i, 4));
        }
    }
}

int uda_safetensors_get_bytes(void *dst, const struct uda_safetensors *file,
                              const struct uda_safetensors_entry *entry, int64_t from,
                              int64_t bytes, struct uda_err *err)
{
    if (from < 0 || bytes < 0 || from > entry->bytes || bytes > entry->bytes - from) {
        return uda_fail(err, UDA_SHAPE, "'%s': tensor '%.200s' has no such bytes", file->path,
                        entry->name);
    }
    return read_at(file, dst, (size_t)bytes, entry->offset + from, err);
}

int uda_safetensors_get_f32(float *dst, const struct uda_safetensors *file,
                            const struct uda_safetensors_entry *entry, struct uda_err *err)
{
    unsigned char buffer[BUFFER_BYTES];
    if (!uda_safetensors_is_float(entry)) {
        return uda_fail(err, UDA_FORMAT, "'%s': tensor '%.200s' is %s, expected floating point",
                        file->path, entry->name, entry->dtype);
    }
    int64_t size = entry->count > 0 ? entry->bytes / entry->count : 1;
    int64_t step = BUFFER_BYTES / size;
    for (int64_t i = 0; i < entry->count; i += step) {
        int64_t n = entry->count - i < step ? entry->count - i : step;
        UDA_TRY(uda_safetensors_get_bytes(buffer, file, entry, i * size, n * size, err));
        to_f32(dst + i, buffer, n, entry->dtype);
    }
    return 0;
}

int uda_safetensors_get_i64(int64_t *dst, const struct uda_safetensors *file,
                            const struct uda_safetensors_entry *entry, struct uda_err *err)
{
    unsigned char buffer[BUFFER_BYTES];
    bool is_signed = entry->dtype[0] == 'I';
    if (!is_signed && (entry->dtype[0] == 'F' || strcmp(entry->dtype, "BF16") == 0 ||
                       strcmp(entry->dtype, "U64") == 0)) {
        return uda_fail(err, UDA_FORMAT, "'%s': tensor '%.200s' is %s, expected integers",
                        file->path, entry->name, entry->dtype);
    }
    int64_t size = entry->count > 0 ? entry->bytes / entry->count : 1;
    int64_t step = BUFFER_BYTES / size;
    for (int64_t i = 0; i < entry->count; i += step) {
        int64_t n = entry->count - i < step ? entry->count - i : step;
        UDA_TRY(uda_safetensors_get_bytes(buffer, file, entry, i * size, n * size, err));
        for (int64_t j = 0; j < n; j++) {
            uint64_t bits = get_le(buffer + j * size, (int)size);
            uint64_t sign = (uint64_t)1 << (8 * size - 1);
            /* two's complement of any width: (x ^ sign) - sign */
            bits = is_signed ? (bits ^ sign) - sign : bits;
            memcpy(&dst[i + j], &bits, sizeof bits);
        }
    }
    return 0;
}
