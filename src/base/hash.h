/*
 * 128-bit digests (XXH3) for fingerprints of manifests and splits and for the contents of files.
 *
 * They detect damage and change, not malice.
 *
 *     struct uda_hasher *h = NULL;
 *     UDA_TRY(uda_hasher_create(&h, err));
 *     uda_hasher_text(h, "model.queries"); uda_hasher_i64(h, 100);
 *     struct uda_digest d = uda_hasher_digest(h);
 *     uda_hasher_destroy(&h);
 */
#ifndef UDA_BASE_HASH_H
#define UDA_BASE_HASH_H

#include "src/base/err.h"

struct uda_digest {
    uint64_t high, low;
};

#define UDA_DIGEST_TEXT_BYTES 33 /* 32 hexadecimal digits and NUL */

/* Digest of some bytes. */
struct uda_digest uda_digest_of(const void *data, size_t bytes);
bool uda_digest_equal(struct uda_digest a, struct uda_digest b);
/* Lower-case hexadecimal, high word first. */
void uda_digest_text(char text[UDA_DIGEST_TEXT_BYTES], struct uda_digest digest);
/* Parses what uda_digest_text wrote; false if the text is something else. */
bool uda_digest_parse(struct uda_digest *digest, const char *text);

struct uda_hasher;

/* A digest that is fed piece by piece; the order of the pieces counts. Errors: UDA_NOMEM. */
int uda_hasher_create(struct uda_hasher **hasher, struct uda_err *err) UDA_MUST_USE;
void uda_hasher_destroy(struct uda_hasher **hasher);
void uda_hasher_bytes(struct uda_hasher *hasher, const void *data, size_t bytes);
/* Length first, so that ("ab","c") and ("a","bc") differ. NULL counts as its own value. */
void uda_hasher_text(struct uda_hasher *hasher, const char *text);
void uda_hasher_i64(struct uda_hasher *hasher, int64_t value);
void uda_hasher_f64(struct uda_hasher *hasher, double value);
struct uda_digest uda_hasher_digest(const struct uda_hasher *hasher);

#endif
