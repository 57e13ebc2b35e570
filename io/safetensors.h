/*
 * safetensors files: weights of other programs in, ours out. No code runs from such a file.
 *
 * Layout (format 0.4): header length u64 little-endian, JSON header {name: {dtype, shape,
 * data_offsets}}, then the values without a gap. Everything in the header is checked on opening,
 * against the size of the file too: after that no tensor can point outside of it, overlap another
 * or have another size than its shape says.
 *
 * Invariants: entries are sorted by name. Values are read from disk when asked for.
 *
 *     struct uda_safetensors *file = NULL;
 *     UDA_TRY(uda_safetensors_open(&file, path, err));
 *     const struct uda_safetensors_entry *e = uda_safetensors_find(file, "head.weight");
 *     if (e != NULL) { rc = uda_safetensors_get_f32(x, file, e, err); }    // x [e->count]
 *     uda_safetensors_close(&file);
 */
#ifndef UDA_IO_SAFETENSORS_H
#define UDA_IO_SAFETENSORS_H

#include "src/base/err.h"

#define UDA_SAFETENSORS_MAX_DIMS 8

struct uda_safetensors;

struct uda_safetensors_entry {
    const char *name;  /* borrowed from the file */
    const char *dtype; /* "F32", "BF16", ... static */
    int ndim;
    int64_t dims[UDA_SAFETENSORS_MAX_DIMS];
    int64_t count;         /* product of dims */
    int64_t offset, bytes; /* within the file */
};

/* Reads and checks the header. Owns: the caller, until close. Errors: UDA_IO; UDA_FORMAT naming the
 * file and the tensor; UDA_NOMEM. */
int uda_safetensors_open(struct uda_safetensors **file, const char *path,
                         struct uda_err *err) UDA_MUST_USE;
void uda_safetensors_close(struct uda_safetensors **file);

/* Borrowed from the file; at: NULL outside 0..count-1; find: NULL if there is none. */
int64_t uda_safetensors_count(const struct uda_safetensors *file);
const struct uda_safetensors_entry *uda_safetensors_at(const struct uda_safetensors *file,
                                                       int64_t i);
const struct uda_safetensors_entry *uda_safetensors_find(const struct uda_safetensors *file,
                                                         const char *name);
/* A text of the header's __metadata__, NULL if there is none. */
const char *uda_safetensors_metadata(const struct uda_safetensors *file, const char *key);

/* True if get_f32 can read it: F64, F32, F16, BF16. */
bool uda_safetensors_is_float(const struct uda_safetensors_entry *entry);

/* Values as f32 into dst [entry->count]: exact from F32, F16, BF16, rounded to nearest from F64.
 * Errors: UDA_FORMAT (not a float), UDA_IO. dst is undefined after UDA_IO. */
int uda_safetensors_get_f32(float *dst, const struct uda_safetensors *file,
                            const struct uda_safetensors_entry *entry,
                            struct uda_err *err) UDA_MUST_USE;
/* Values of an I64, I32, I16, I8, U32, U16, U8 or BOOL tensor into dst [entry->count]. Errors:
 * UDA_FORMAT (another type), UDA_IO. */
int uda_safetensors_get_i64(int64_t *dst, const struct uda_safetensors *file,
                            const struct uda_safetensors_entry *entry,
                            struct uda_err *err) UDA_MUST_USE;
/* `bytes` stored bytes of a tensor from `from` on, as they are. Errors: UDA_SHAPE (beyond its
 * end), UDA_IO. */
int uda_safetensors_get_bytes(void *dst, const struct uda_safetensors *file,
                              const struct uda_safetensors_entry *entry, int64_t from,
                              int64_t bytes, struct uda_err *err) UDA_MUST_USE;

struct uda_safetensors_tensor {
    const char *name;
    int ndim;
    const int64_t *dims;
    const float *data; /* [product of dims] */
};

/* Writes F32 tensors in the order given, durably (io/durable.h); metadata: pairs of key and value,
 * may be NULL with pairs 0. The same arguments give the same bytes. Errors: UDA_FORMAT (name twice
 * or reserved), UDA_SHAPE, UDA_IO, UDA_NOMEM. */
int uda_safetensors_write(const char *path, const struct uda_safetensors_tensor *tensors,
                          int64_t count, const char *const (*metadata)[2], int64_t pairs,
                          struct uda_err *err) UDA_MUST_USE;

#endif
