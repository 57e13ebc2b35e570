/*
 * HDF5 files that are whole or refused. The only module that knows libhdf5.
 *
 * A file is built in memory (core driver), its bytes are followed by a 64-byte seal (magic,
 * version, size, XXH3-128 of the bytes) and written as io/durable.h does. Reading takes the whole
 * file into memory and checks seal and digest BEFORE libhdf5 sees a byte: any flipped bit, cut, or
 * foreign rewrite is UDA_FORMAT. h5py and other readers open the files as they are: bytes behind
 * the HDF5 end of file are ignored by them.
 *
 * Invariants: format bounds v110, no object times, little-endian types, arrays above 512 bytes
 * chunked with fletcher32, no compression. The same calls with the same values give the same bytes
 * in any process; the group "provenance" is where everything else goes (host, date, versions,
 * argv). Names are paths without a leading '/'; groups appear as needed. One thread at a time in
 * all stores together. Memory: writing holds the image once if `expected_bytes` was right (old and
 * new copy while it grows otherwise); reading holds the file once until close.
 *
 *     struct uda_store_writer *w = NULL;
 *     UDA_TRY(uda_store_begin(&w, bytes_of_all_parameters, err));
 *     UDA_GOTO(rc = uda_store_put_f32(w, "params/w", x, 2, (int64_t[]){8, 256}, err), out);
 *     UDA_GOTO(rc = uda_store_put_attr_i64(w, "", "step", step, err), out);
 *     rc = uda_store_commit(&w, path, err);
 * out: uda_store_abort(&w);                           // nothing to do after a commit
 */
#ifndef UDA_IO_STORE_H
#define UDA_IO_STORE_H

#include "src/base/arena.h"
#include "src/base/err.h"
#include "src/base/hash.h"

#define UDA_STORE_MAX_DIMS 8
#define UDA_STORE_MAX_NAME 1000
#define UDA_STORE_MAX_ATTR_TEXT 32768 /* longer text goes into a dataset */

enum uda_store_type {
    UDA_STORE_F32,
    UDA_STORE_F64,
    UDA_STORE_I32,
    UDA_STORE_I64,
    UDA_STORE_U8,
    UDA_STORE_U16,
    UDA_STORE_U32,
    UDA_STORE_TEXT, /* UTF-8, NUL-padded to a fixed width */
    UDA_STORE_TYPES
};

/* "f32", ... "text". Static. */
const char *uda_store_type_name(enum uda_store_type type);

struct uda_store_info {
    enum uda_store_type type;
    int ndim;                         /* 0: a single value */
    int64_t dims[UDA_STORE_MAX_DIMS];
    int64_t count;                    /* product of dims */
    size_t item_bytes;                /* of one value; for text its width */
};

/* ---- writing ---- */

struct uda_store_writer;

/* Starts an empty file in memory. expected_bytes: about what will be put (0: unknown). Owns: the
 * caller, until commit or abort. Errors: UDA_NOMEM. */
int uda_store_begin(struct uda_store_writer **writer, size_t expected_bytes,
                    struct uda_err *err) UDA_MUST_USE;

/* Adds an array; row-major, host byte order, ndim 0 for one value; an extent may be 0. Errors:
 * UDA_SHAPE (extents), UDA_FORMAT (bad name, or put twice), UDA_NOMEM. After a failure the writer
 * can only be aborted. The typed forms below are what callers use. */
int uda_store_put(struct uda_store_writer *writer, const char *name, enum uda_store_type type,
                  const void *data, int ndim, const int64_t *dims,
                  struct uda_err *err) UDA_MUST_USE;

/* Adds one text (any length; not covered by fletcher32 above 512 bytes, by the seal always). */
int uda_store_put_text(struct uda_store_writer *writer, const char *name, const char *text,
                       struct uda_err *err) UDA_MUST_USE;
/* Adds a list of texts [count], stored at the width of the longest. */
int uda_store_put_texts(struct uda_store_writer *writer, const char *name, const char *const *texts,
                        int64_t count, struct uda_err *err) UDA_MUST_USE;

/* Attributes of a dataset, or of a group (made if missing); path "" is the file itself. An
 * attribute is written once. Errors: as uda_store_put. */
int uda_store_put_attr_text(struct uda_store_writer *writer, const char *path, const char *name,
                            const char *value, struct uda_err *err) UDA_MUST_USE;
int uda_store_put_attr_i64(struct uda_store_writer *writer, const char *path, const char *name,
                           int64_t value, struct uda_err *err) UDA_MUST_USE;
int uda_store_put_attr_f64(struct uda_store_writer *writer, const char *path, const char *name,
                           double value, struct uda_err *err) UDA_MUST_USE;

/* What merely happened, as attributes of "provenance": date (UTC), host, pid, hdf5 and the given
 * program version and command line. Callers add theirs (git, device) with
 * uda_store_put_attr_text. */
int uda_store_put_provenance(struct uda_store_writer *writer, const char *program_version, int argc,
                             char *const *argv, struct uda_err *err) UDA_MUST_USE;

/* Writes the file durably and frees the writer, also on failure; then what was at path is
 * unchanged. Errors: UDA_IO (full disk is found before anything is written), UDA_NOMEM, UDA_FORMAT
 * (after a failed put). */
int uda_store_commit(struct uda_store_writer **writer, const char *path,
                     struct uda_err *err) UDA_MUST_USE;
/* The same into memory of the arena, without a seal, for another process that waits for it. */
int uda_store_commit_memory(unsigned char **data, size_t *bytes, struct uda_store_writer **writer,
                            struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;
/* Frees without writing; NULL and *writer == NULL are allowed. */
void uda_store_abort(struct uda_store_writer **writer);

/* ---- reading ---- */

struct uda_store;

/* Reads and checks the whole file. Errors: UDA_IO; UDA_FORMAT: empty, cut, damaged, or not ours;
 * UDA_VERSION: written by a newer program. Owns: the caller, until close. */
int uda_store_open(struct uda_store **store, const char *path, struct uda_err *err) UDA_MUST_USE;
/* The same of the bytes of uda_store_commit_memory, which are copied; name: for messages. */
int uda_store_open_memory(struct uda_store **store, const void *data, size_t bytes, const char *name,
                          struct uda_err *err) UDA_MUST_USE;
void uda_store_close(struct uda_store **store);

/* Borrowed from the store. */
const char *uda_store_path(const struct uda_store *store);
/* Size and digest of the HDF5 bytes, as sealed. */
int64_t uda_store_bytes(const struct uda_store *store);
struct uda_digest uda_store_digest(const struct uda_store *store);
/* Digest of names, types, extents, values and attributes, without "provenance". */
int uda_store_content_digest(struct uda_digest *digest, const struct uda_store *store,
                             struct uda_err *err) UDA_MUST_USE;

/* True if a dataset of this name is there. */
bool uda_store_has(const struct uda_store *store, const char *name);
/* Type and extents. Errors: UDA_FORMAT naming file and dataset if it is missing or of a foreign
 * type. */
int uda_store_info(struct uda_store_info *info, const struct uda_store *store, const char *name,
                   struct uda_err *err) UDA_MUST_USE;

/* All values of a dataset into dst [count]. Errors: UDA_FORMAT (missing, other type), UDA_SHAPE
 * (other count), both naming file and dataset. dst is undefined after a failure of libhdf5
 * itself. */
int uda_store_get(void *dst, const struct uda_store *store, const char *name,
                  enum uda_store_type type, int64_t count, struct uda_err *err) UDA_MUST_USE;
/* The same into arena memory of the size found; info may be NULL. */
int uda_store_load(void **data, struct uda_store_info *info, const struct uda_store *store,
                   const char *name, enum uda_store_type type, struct uda_arena *arena,
                   struct uda_err *err) UDA_MUST_USE;

/* One text, NUL-terminated, in the arena. */
int uda_store_get_text(char **text, const struct uda_store *store, const char *name,
                       struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;
/* A list of texts, NUL-terminated, in the arena. */
int uda_store_get_texts(char ***texts, int64_t *count, const struct uda_store *store,
                        const char *name, struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* False also when there is no such path. */
bool uda_store_has_attr(const struct uda_store *store, const char *path, const char *name);
/* Errors: UDA_FORMAT naming file, path and attribute if it is missing or of another type. */
int uda_store_get_attr_text(char **text, const struct uda_store *store, const char *path,
                            const char *name, struct uda_arena *arena,
                            struct uda_err *err) UDA_MUST_USE;
int uda_store_get_attr_i64(int64_t *value, const struct uda_store *store, const char *path,
                           const char *name, struct uda_err *err) UDA_MUST_USE;
int uda_store_get_attr_f64(double *value, const struct uda_store *store, const char *path,
                           const char *name, struct uda_err *err) UDA_MUST_USE;

/* Full names of the datasets in a group and below ("" = all), sorted by bytes, whatever the order
 * of writing. A missing group is an empty one. */
int uda_store_list(char ***names, int64_t *count, const struct uda_store *store, const char *group,
                   struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

struct uda_store_attr {
    char *path, *name;        /* path "" is the file itself */
    enum uda_store_type type; /* F64, I64 or TEXT */
    double f64;
    int64_t i64;
    char *text;
};

/* Every attribute of the file, sorted by path, then name. */
int uda_store_list_attrs(struct uda_store_attr **attrs, int64_t *count,
                         const struct uda_store *store, struct uda_arena *arena,
                         struct uda_err *err) UDA_MUST_USE;

/* Re-reads every byte of the file from disk and every value of every dataset. Errors: as open. */
int uda_store_verify(const char *path, struct uda_err *err) UDA_MUST_USE;

/* uda_store_put_f32(writer, name, data, ndim, dims, err), uda_store_get_f32(dst, store, name,
 * count, err), uda_store_load_f32(&data, &info, store, name, arena, err), and so for the other
 * types. */
#define UDA_STORE_TYPED(suffix, ctype, type)                                                       \
    UDA_MUST_USE static inline int uda_store_put_##suffix(                                         \
        struct uda_store_writer *writer, const char *name, const ctype *data, int ndim,            \
        const int64_t *dims, struct uda_err *err)                                                  \
    {                                                                                              \
        return uda_store_put(writer, name, type, data, ndim, dims, err);                           \
    }                                                                                              \
    UDA_MUST_USE static inline int uda_store_get_##suffix(                                         \
        ctype *dst, const struct uda_store *store, const char *name, int64_t count,                \
        struct uda_err *err)                                                                       \
    {                                                                                              \
        return uda_store_get(dst, store, name, type, count, err);                                  \
    }                                                                                              \
    UDA_MUST_USE static inline int uda_store_load_##suffix(                                        \
        ctype **data, struct uda_store_info *info, const struct uda_store *store,                  \
        const char *name, struct uda_arena *arena, struct uda_err *err)                            \
    {                                                                                              \
        void *block = NULL;                                                                        \
        int rc = uda_store_load(&block, info, store, name, type, arena, err);                      \
        if (rc == 0) {                                                                             \
            *data = block;                                                                         \
        }                                                                                          \
        return rc;                                                                                 \
    }

UDA_STORE_TYPED(f32, float, UDA_STORE_F32)
UDA_STORE_TYPED(f64, double, UDA_STORE_F64)
UDA_STORE_TYPED(i32, int32_t, UDA_STORE_I32)
UDA_STORE_TYPED(i64, int64_t, UDA_STORE_I64)
UDA_STORE_TYPED(u8, uint8_t, UDA_STORE_U8)
UDA_STORE_TYPED(u16, uint16_t, UDA_STORE_U16)
UDA_STORE_TYPED(u32, uint32_t, UDA_STORE_U32)

#endif
