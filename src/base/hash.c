#include "src/base/hash.h"

#include "src/base/arena.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

struct uda_digest uda_digest_of(const void *data, size_t bytes)
{
    XXH128_hash_t h = XXH3_128bits(data, bytes);
    return (struct uda_digest){.high = h.high64, .low = h.low64};
}

bool uda_digest_equal(struct uda_digest a, struct uda_digest b)
{
    return a.high == b.high && a.low == b.low;
}

void uda_digest_text(char text[UDA_DIGEST_TEXT_BYTES], struct uda_digest digest)
{
    (void)snprintf(text, UDA_DIGEST_TEXT_BYTES, "%016" PRIx64 "%016" PRIx64, digest.high,
                   digest.low);
}

bool uda_digest_parse(struct uda_digest *digest, const char *text)
{
    uint64_t word[2] = {0, 0};
    for (int i = 0; i < 32; i++) {
        char c = text[i];
        uint64_t value;
        if (c >= '0' && c <= '9') {
            value = (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = (uint64_t)(c - 'a') + 10;
        } else {
            return false;
        }
        word[i / 16] = word[i / 16] << 4 | value;
    }
    if (text[32] != '\0') {
        return false;
    }
    *digest = (struct uda_digest){.high = word[0], .low = word[1]};
    return true;
}

struct uda_hasher {
    XXH3_state_t *state;
};

int uda_hasher_create(struct uda_hasher **hasher, struct uda_err *err)
{
    struct uda_hasher *h = uda_calloc(sizeof *h);
    if (h == NULL) {
        return uda_fail(err, UDA_NOMEM, "hash: out of memory");
    }
    h->state = XXH3_createState();
    if (h->state == NULL || XXH3_128bits_reset(h->state) != XXH_OK) {
        uda_hasher_destroy(&h);
        return uda_fail(err, UDA_NOMEM, "hash: out of memory");
    }
    *hasher = h;
    return 0;
}

void uda_hasher_destroy(struct uda_hasher **hasher)
{
    if (*hasher != NULL) {
        (void)XXH3_freeState((*hasher)->state);
        uda_free(*hasher);
        *hasher = NULL;
    }
}

void uda_hasher_bytes(struct uda_hasher *hasher, const void *data, size_t bytes)
{
    (void)XXH3_128bits_update(hasher->state, data, bytes);
}

void uda_hasher_i64(struct uda_hasher *hasher, int64_t value)
{
    unsigned char word[8];
    for (int i = 0; i < 8; i++) {
        word[i] = (unsigned char)((uint64_t)value >> (8 * i));
    }
    uda_hasher_bytes(hasher, word, sizeof word);
}

void uda_hasher_f64(struct uda_hasher *hasher, double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uda_hasher_i64(hasher, bits);
}

void uda_hasher_text(struct uda_hasher *hasher, const char *text)
{
    if (text == NULL) {
        uda_hasher_i64(hasher, -1);
        return;
    }
    size_t bytes = strlen(text);
    uda_hasher_i64(hasher, (int64_t)bytes);
    uda_hasher_bytes(hasher, text, bytes);
}

struct uda_digest uda_hasher_digest(const struct uda_hasher *hasher)
{
    XXH128_hash_t h = XXH3_128bits_digest(hasher->state);
    return (struct uda_digest){.high = h.high64, .low = h.low64};
}
