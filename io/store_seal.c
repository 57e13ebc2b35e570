#include "io/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 1
#define OWN_DIGEST_AT 48

static const unsigned char magic[16] = "uda4inst\r\nseal\x1a";

static void put_le(unsigned char *at, int bytes, uint64_t value)
{
    for (int i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static uint64_t get_le(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) {
        value = value << 8 | at[i];
    }
    return value;
}

static void put_digest(unsigned char *at, struct uda_digest digest)
{
    put_le(at, 8, digest.high);
    put_le(at + 8, 8, digest.low);
}

static struct uda_digest get_digest(const unsigned char *at)
{
    return (struct uda_digest){.high = get_le(at, 8), .low = get_le(at + 8, 8)};
}

void uda_store_seal_make(unsigned char seal[UDA_STORE_SEAL_BYTES], size_t image_bytes,
                         struct uda_digest digest)
{
    memcpy(seal, magic, sizeof magic);
    put_le(seal + 16, 4, VERSION);
    put_le(seal + 20, 4, 0);
    put_le(seal + 24, 8, image_bytes);
    put_digest(seal + 32, digest);
    put_digest(seal + OWN_DIGEST_AT, uda_digest_of(seal, OWN_DIGEST_AT));
}

/* Reads exactly `bytes` at `offset`. */
static int read_at(int fd, unsigned char *data, size_t bytes, off_t offset, const char *path,
                   struct uda_err *err)
{
    while (bytes > 0) {
        ssize_t n = pread(fd, data, bytes < ((size_t)1 << 30) ? bytes : (size_t)1 << 30, offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return uda_fail_errno(err, "'%s': reading failed", path);
        }
        if (n == 0) {
            return uda_fail(err, UDA_FORMAT, "'%s': became shorter while it was read", path);
        }
        data += n;
        bytes -= (size_t)n;
        offset += n;
    }
    return 0;
}

/* A file without a seal: says which kind of wrong it is. */
static int unsealed(int fd, int64_t bytes, const char *path, struct uda_err *err)
{
    unsigned char head[8] = {0};
    if (bytes == 0) {
        return uda_fail(err, UDA_FORMAT, "'%s': is empty: use another copy", path);
    }
    if (bytes >= (int64_t)sizeof head) {
        UDA_TRY(read_at(fd, head, sizeof head, 0, path, err));
    }
    if (memcmp(head, "\x89HDF\r\n\x1a\n", sizeof head) == 0) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': the seal at its end is missing or damaged: the file was cut off, "
                        "damaged, or rewritten by another tool: use another copy",
                        path);
    }
    return uda_fail(err, UDA_FORMAT, "'%s': is damaged or was not written by this program", path);
}

static int check_seal(const unsigned char *seal, int fd, int64_t bytes, const char *path,
                      struct uda_err *err)
{
    if (memcmp(seal, magic, sizeof magic) != 0 ||
        !uda_digest_equal(get_digest(seal + OWN_DIGEST_AT), uda_digest_of(seal, OWN_DIGEST_AT))) {
        return unsealed(fd, bytes, path, err);
    }
    uint64_t version = get_le(seal + 16, 4), sealed = get_le(seal + 24, 8);
    if (version != VERSION || get_le(seal + 20, 4) != 0) {
        return uda_fail(err, UDA_VERSION,
                        "'%s': has format version %" PRIu64
                        ", this program reads version %d: use a "
                        "newer program",
                        path, version, VERSION);
    }
    if (sealed != (uint64_t)bytes - UDA_STORE_SEAL_BYTES) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': has %" PRId64 " bytes but was sealed with %" PRIu64
                        ": it was cut or added to: use another copy",
                        path, bytes, sealed + UDA_STORE_SEAL_BYTES);
    }
    return 0;
}

static int read_sealed(unsigned char **image, size_t *image_bytes, struct uda_digest *digest,
                       int fd, const char *path, struct uda_err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return uda_fail_errno(err, "'%s': cannot be looked at", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return uda_fail(err, UDA_FORMAT, "'%s': is not a regular file", path);
    }
    if (info.st_size < UDA_STORE_SEAL_BYTES) {
        return unsealed(fd, info.st_size, path, err);
    }
    unsigned char seal[UDA_STORE_SEAL_BYTES];
    UDA_TRY(read_at(fd, seal, sizeof seal, info.st_size - UDA_STORE_SEAL_BYTES, path, err));
    UDA_TRY(check_seal(seal, fd, info.st_size, path, err));
    size_t bytes = (size_t)info.st_size - UDA_STORE_SEAL_BYTES;
    unsigned char *data = uda_alloc(bytes);
    if (data == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': no memory for its %zu bytes", path, bytes);
    }
    int rc = read_at(fd, data, bytes, 0, path, err);
    struct uda_digest sealed = get_digest(seal + 32);
    if (rc == 0 && !uda_digest_equal(uda_digest_of(data, bytes), sealed)) {
        rc =
            uda_fail(err, UDA_FORMAT,
                     "'%s': is damaged: its bytes do not match the digest in its seal: use another "
                     "copy",
                     path);
    }
    if (rc != 0) {
        uda_free(data);
        return rc;
    }
    *image = data;
    *image_bytes = bytes;
    *digest = sealed;
    return 0;
}

int uda_store_seal_read(unsigned char **image, size_t *image_bytes, struct uda_digest *digest,
                        const char *path, struct uda_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return uda_fail_errno(err, "'%s': cannot be opened", path);
    }
    int rc = read_sealed(image, image_bytes, digest, fd, path, err);
    (void)close(fd);
    return rc;
}
