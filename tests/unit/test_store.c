/* Store: round trip, same bytes, types and shapes, and that no damage of any single bit goes
 * unseen. */
#include "io/store.h"

#include "io/fs.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIG_ROWS 1500
#define BIG_COLUMNS 1000 /* 6 MB: several chunks */

static float *big(struct uda_arena *arena)
{
    float *x = uda_arena_alloc(arena, sizeof *x * BIG_ROWS * BIG_COLUMNS);
    for (int64_t i = 0; x != NULL && i < (int64_t)BIG_ROWS * BIG_COLUMNS; i++) {
        x[i] = (float)(i % 1009) * 0.25f - 7.0f;
    }
    return x;
}

/* Puts one of everything; `rows` of the big array. */
static int fill(struct uda_store_writer *w, const float *x, int64_t rows, struct uda_err *err)
{
    static const int64_t i64[3] = {INT64_MIN, 0, INT64_MAX};
    static const int32_t i32[2] = {INT32_MIN, INT32_MAX};
    static const uint8_t u8[600] = {1, [599] = 255};
    static const uint16_t u16[1] = {65535};
    static const uint32_t u32[1] = {4294967295u};
    static const double f64[2] = {-0.0, 1e300};
    static const char *texts[3] = {"", "ab", "Stra\xc3\x9fze"};
    char longer[2001];
    memset(longer, 'x', sizeof longer - 1);
    longer[2000] = '\0';
    UDA_TRY(uda_store_put_f32(w, "params/b/weight", x, 2, (int64_t[]){rows, BIG_COLUMNS}, err));
    UDA_TRY(uda_store_put_f32(w, "params/a", x, 3, (int64_t[]){2, 0, 5}, err));
    UDA_TRY(uda_store_put_f64(w, "z/f64", f64, 1, (int64_t[]){2}, err));
    UDA_TRY(uda_store_put_i64(w, "z/i64", i64, 1, (int64_t[]){3}, err));
    UDA_TRY(uda_store_put_i32(w, "z/i32", i32, 2, (int64_t[]){1, 2}, err));
    UDA_TRY(uda_store_put_u8(w, "z/u8", u8, 1, (int64_t[]){600}, err));
    UDA_TRY(uda_store_put_u16(w, "z/u16", u16, 0, NULL, err));
    UDA_TRY(uda_store_put_u32(w, "z/u32", u32, 0, NULL, err));
    UDA_TRY(uda_store_put_text(w, "text/manifest", longer, err));
    UDA_TRY(uda_store_put_text(w, "text/empty", "", err));
    UDA_TRY(uda_store_put_texts(w, "text/names", texts, 3, err));
    UDA_TRY(uda_store_put_texts(w, "text/none", NULL, 0, err));
    UDA_TRY(uda_store_put_attr_text(w, "", "kind", "checkpoint", err));
    UDA_TRY(uda_store_put_attr_i64(w, "", "step", -5, err));
    UDA_TRY(uda_store_put_attr_f64(w, "z/f64", "lr", 1e-4, err));
    UDA_TRY(uda_store_put_attr_text(w, "made/for/attributes", "empty", "", err));
    return 0;
}

static int write_file(const char *path, const float *x, int64_t rows, struct uda_err *err)
{
    struct uda_store_writer *w = NULL;
    UDA_TRY(uda_store_begin(&w, 0, err));
    int rc = fill(w, x, rows, err);
    if (rc == 0) {
        rc = uda_store_commit(&w, path, err);
    }
    uda_store_abort(&w);
    return rc;
}

static void check_numbers(const struct uda_store *s, const float *x, int64_t rows,
                          struct uda_arena *arena)
{
    struct uda_err err = {0};
    struct uda_store_info info;
    float *y = NULL;
    CHECK_OK(uda_store_load_f32(&y, &info, s, "params/b/weight", arena, &err), &err);
    CHECK(info.ndim == 2 && info.dims[0] == rows && info.dims[1] == BIG_COLUMNS);
    CHECK(y != NULL && memcmp(x, y, sizeof *x * (size_t)(rows * BIG_COLUMNS)) == 0);
    CHECK_OK(uda_store_info(&info, s, "params/a", &err), &err);
    CHECK(info.ndim == 3 && info.count == 0 && info.dims[1] == 0 && info.dims[2] == 5);
    CHECK_OK(uda_store_get_f32(NULL, s, "params/a", 0, &err), &err);
    int64_t i64[3] = {0};
    CHECK_OK(uda_store_get_i64(i64, s, "z/i64", 3, &err), &err);
    CHECK(i64[0] == INT64_MIN && i64[1] == 0 && i64[2] == INT64_MAX);
    int32_t i32[2] = {0};
    CHECK_OK(uda_store_get_i32(i32, s, "z/i32", 2, &err), &err);
    CHECK(i32[0] == INT32_MIN && i32[1] == INT32_MAX);
    uint8_t u8[600] = {0};
    CHECK_OK(uda_store_get_u8(u8, s, "z/u8", 600, &err), &err);
    CHECK(u8[0] == 1 && u8[599] == 255 && u8[300] == 0);
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    double f64[2] = {0};
    CHECK_OK(uda_store_get_u16(&u16, s, "z/u16", 1, &err), &err);
    CHECK_OK(uda_store_get_u32(&u32, s, "z/u32", 1, &err), &err);
    CHECK_OK(uda_store_get_f64(f64, s, "z/f64", 2, &err), &err);
    CHECK(u16 == 65535 && u32 == 4294967295u && signbit(f64[0]) && f64[1] == 1e300);
}

static void check_texts(const struct uda_store *s, struct uda_arena *arena)
{
    struct uda_err err = {0};
    char *text = NULL, **texts = NULL;
    int64_t count = 0, step = 0;
    double lr = 0;
    CHECK_OK(uda_store_get_text(&text, s, "text/manifest", arena, &err), &err);
    CHECK(text != NULL && strlen(text) == 2000 && text[1999] == 'x');
    CHECK_OK(uda_store_get_text(&text, s, "text/empty", arena, &err), &err);
    CHECK_STR(text, "");
    CHECK_OK(uda_store_get_texts(&texts, &count, s, "text/names", arena, &err), &err);
    CHECK(count == 3);
    CHECK_STR(texts[0], "");
    CHECK_STR(texts[1], "ab");
    CHECK_STR(texts[2], "Stra\xc3\x9fze");
    CHECK_OK(uda_store_get_texts(&texts, &count, s, "text/none", arena, &err), &err);
    CHECK(count == 0);
    CHECK_OK(uda_store_get_attr_text(&text, s, "", "kind", arena, &err), &err);
    CHECK_STR(text, "checkpoint");
    CHECK_OK(uda_store_get_attr_text(&text, s, "made/for/attributes", "empty", arena, &err), &err);
    CHECK_STR(text, "");
    CHECK_OK(uda_store_get_attr_i64(&step, s, "", "step", &err), &err);
    CHECK_OK(uda_store_get_attr_f64(&lr, s, "z/f64", "lr", &err), &err);
    CHECK(step == -5 && lr == 1e-4);
    CHECK(uda_store_has_attr(s, "", "kind") && !uda_store_has_attr(s, "", "kinds"));
    CHECK(!uda_store_has_attr(s, "nowhere", "kind"));
}

static void check_lists(const struct uda_store *s, struct uda_arena *arena)
{
    static const char *expected[] = {"params/a",   "params/b/weight", "text/empty", "text/manifest",
                                     "text/names", "text/none",       "z/f64",      "z/i32",
                                     "z/i64",      "z/u16",           "z/u32",      "z/u8"};
    struct uda_err err = {0};
    char **names = NULL;
    int64_t count = 0;
    struct uda_store_attr *attrs = NULL;
    CHECK_OK(uda_store_list(&names, &count, s, "", arena, &err), &err);
    CHECK(count == UDA_LEN(expected));
    for (int64_t i = 0; i < count && i < UDA_LEN(expected); i++) {
        CHECK_STR(names[i], expected[i]);
    }
    CHECK_OK(uda_store_list(&names, &count, s, "params", arena, &err), &err);
    CHECK(count == 2);
    CHECK_OK(uda_store_list(&names, &count, s, "param", arena, &err), &err);
    CHECK(count == 0);
    CHECK_OK(uda_store_list_attrs(&attrs, &count, s, arena, &err), &err);
    CHECK(count == 4);
    if (count == 4) {
        CHECK_STR(attrs[0].name, "kind");
        CHECK_STR(attrs[2].path, "made/for/attributes");
        CHECK(attrs[3].type == UDA_STORE_F64 && attrs[3].f64 == 1e-4);
    }
}

static void expect(int rc, int code, struct uda_err *err, const char *a, const char *b)
{
    CHECK(rc == code);
    CHECK(strstr(err->text, a) != NULL && strstr(err->text, b) != NULL);
    if (rc != code || strstr(err->text, a) == NULL || strstr(err->text, b) == NULL) {
        (void)fprintf(stderr, "  got %d: %s\n", rc, err->text);
    }
    uda_err_clear(err);
}

static void check_refusals(const struct uda_store *s, const char *path, struct uda_arena *arena)
{
    struct uda_err err = {0};
    float y[4];
    int64_t i = 0;
    double d = 0;
    char *text = NULL;
    expect(uda_store_get_f32(y, s, "z/none", 1, &err), UDA_FORMAT, &err, path, "z/none");
    expect(uda_store_get_f32(y, s, "z", 1, &err), UDA_FORMAT, &err, path, "'z'");
    expect(uda_store_get_f32(y, s, "", 1, &err), UDA_FORMAT, &err, path, "''");
    expect(uda_store_get_f32(y, s, "../z/f64", 1, &err), UDA_FORMAT, &err, path, "../z");
    expect(uda_store_get_f32(y, s, "z/f64", 2, &err), UDA_FORMAT, &err, path, "z/f64");
    expect(uda_store_get_i64(&i, s, "z/i64", 1, &err), UDA_SHAPE, &err, path, "z/i64");
    expect(uda_store_get_text(&text, s, "text/names", arena, &err), UDA_SHAPE, &err, path, "names");
    expect(uda_store_get_text(&text, s, "z/u8", arena, &err), UDA_FORMAT, &err, path, "z/u8");
    expect(uda_store_get_attr_i64(&i, s, "", "none", &err), UDA_FORMAT, &err, path, "none");
    expect(uda_store_get_attr_f64(&d, s, "", "step", &err), UDA_FORMAT, &err, path, "step");
}

static void test_round_trip(const char *dir, const float *x)
{
    char path[SCRATCH_BYTES];
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    struct uda_store *s = NULL, *again = NULL;
    scratch_path(path, dir, "a.h5");
    CHECK_OK(write_file(path, x, BIG_ROWS, &err), &err);
    CHECK_OK(uda_store_verify(path, &err), &err);
    CHECK_OK(uda_store_open(&s, path, &err), &err);
    CHECK_OK(uda_store_open(&again, path, &err), &err); /* twice at a time is fine */
    if (s != NULL && again != NULL) {
        check_numbers(s, x, BIG_ROWS, &arena);
        check_texts(again, &arena);
        check_lists(s, &arena);
        check_refusals(s, path, &arena);
        CHECK(uda_digest_equal(uda_store_digest(s), uda_store_digest(again)));
        CHECK_STR(uda_store_path(s), path);
    }
    uda_store_close(&s);
    uda_store_close(&again);
    uda_arena_finish(&arena);
}

/* Same calls, same bytes: again in this process, with a size hint, and in another process. */
static void test_same_bytes(const char *dir, const float *x)
{
    static const char *names[] = {"1.h5", "2.h5", "3.h5", "4.h5"};
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    unsigned char *data[4] = {NULL};
    size_t bytes[4] = {0};
    for (int i = 0; i < 4; i++) {
        char path[SCRATCH_BYTES];
        scratch_path(path, dir, names[i]);
        if (i == 2) {
            pid_t child = fork();
            if (child == 0) {
                (void)sleep(1); /* another second: object times would show */
                _exit(write_file(path, x, BIG_ROWS, &err) == 0 ? 0 : 1);
            }
            int status = 1;
            CHECK(waitpid(child, &status, 0) == child && status == 0);
        } else if (i == 3) {
            struct uda_store_writer *w = NULL;
            CHECK_OK(uda_store_begin(&w, (size_t)16 << 20, &err), &err);
            CHECK_OK(fill(w, x, BIG_ROWS, &err), &err);
            CHECK_OK(uda_store_commit(&w, path, &err), &err);
        } else {
            CHECK_OK(write_file(path, x, BIG_ROWS, &err), &err);
        }
        CHECK_OK(uda_fs_read(&data[i], &bytes[i], &arena, path, (size_t)1 << 30, &err), &err);
        CHECK(bytes[i] == bytes[0] && memcmp(data[i], data[0], bytes[0]) == 0);
    }
    uda_arena_finish(&arena);
}

static void write_raw(const char *path, const unsigned char *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL && fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0);
}

static bool refused(const char *path)
{
    struct uda_err err = {0};
    struct uda_store *s = NULL;
    int rc = uda_store_open(&s, path, &err);
    bool named = strstr(err.text, path) != NULL;
    uda_store_close(&s);
    return rc == UDA_FORMAT && named;
}

/* Every single bit, every length, and bytes added at the end. */
static void test_damage(const char *dir)
{
    char path[SCRATCH_BYTES], hurt[SCRATCH_BYTES];
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    struct uda_store_writer *w = NULL;
    unsigned char *data = NULL;
    size_t bytes = 0;
    scratch_path(path, dir, "small.h5");
    scratch_path(hurt, dir, "hurt.h5");
    CHECK_OK(uda_store_begin(&w, 0, &err), &err);
    CHECK_OK(uda_store_put_i64(w, "a/x", (int64_t[]){1, 2, 3}, 1, (int64_t[]){3}, &err), &err);
    CHECK_OK(uda_store_commit(&w, path, &err), &err);
    CHECK_OK(uda_fs_read(&data, &bytes, &arena, path, (size_t)1 << 20, &err), &err);
    int64_t missed = 0;
    write_raw(hurt, data, bytes);
    FILE *f = fopen(hurt, "r+b");
    for (size_t at = 0; at < bytes && f != NULL; at++) {
        for (int bit = 0; bit < 8; bit++) {
            (void)fseek(f, (long)at, SEEK_SET);
            (void)fputc(data[at] ^ (1 << bit), f);
            (void)fflush(f);
            missed += !refused(hurt);
        }
        (void)fseek(f, (long)at, SEEK_SET);
        (void)fputc(data[at], f);
        (void)fflush(f);
    }
    CHECK(f != NULL && fclose(f) == 0);
    CHECK_OK(uda_store_verify(hurt, &err), &err); /* every bit is back */
    for (size_t length = 0; length < bytes; length++) {
        CHECK(truncate(hurt, (off_t)(bytes - 1 - length)) == 0);
        missed += !refused(hurt);
    }
    write_raw(hurt, data, bytes);
    CHECK(truncate(hurt, (off_t)bytes + 1) == 0);
    missed += !refused(hurt);
    memset(data, 0x5a, bytes);
    write_raw(hurt, data, bytes);
    missed += !refused(hurt);
    CHECK(missed == 0);
    expect(uda_store_verify(dir, &err), UDA_FORMAT, &err, dir, "regular");
    scratch_path(hurt, dir, "absent.h5");
    expect(uda_store_verify(hurt, &err), UDA_IO, &err, hurt, "No such file");
    uda_arena_finish(&arena);
}

static void test_bad_calls(const char *dir)
{
    static const char *bad[] = {"", "/a", "a/", "a//b", ".", "a/../b", "a/./b"};
    char path[SCRATCH_BYTES];
    struct uda_err err = {0};
    float x[2] = {1, 2};
    scratch_path(path, dir, "bad.h5");
    for (int64_t i = 0; i < UDA_LEN(bad) + 4; i++) {
        struct uda_store_writer *w = NULL;
        int rc;
        CHECK_OK(uda_store_begin(&w, 0, &err), &err);
        CHECK_OK(uda_store_put_f32(w, "x", x, 1, (int64_t[]){2}, &err), &err);
        if (i < UDA_LEN(bad)) {
            rc = uda_store_put_f32(w, bad[i], x, 1, (int64_t[]){2}, &err);
        } else if (i == UDA_LEN(bad)) {
            rc = uda_store_put_f32(w, "x", x, 1, (int64_t[]){2}, &err);
        } else if (i == UDA_LEN(bad) + 1) {
            rc = uda_store_put_f32(w, "x/below/a/dataset", x, 1, (int64_t[]){2}, &err);
        } else if (i == UDA_LEN(bad) + 2) {
            rc = uda_store_put_f32(w, "y", x, 2, (int64_t[]){-1, 2}, &err);
        } else {
            rc = uda_store_put_f32(w, "y", x, 3, (int64_t[]){1 << 30, 1 << 30, 1 << 30}, &err);
        }
        CHECK(rc == (i < UDA_LEN(bad) + 2 ? UDA_FORMAT : UDA_SHAPE));
        uda_err_clear(&err);
        CHECK(uda_store_commit(&w, path, &err) == UDA_FORMAT && w == NULL && !uda_fs_exists(path));
        uda_err_clear(&err);
    }
}

/* Provenance differs, content does not. */
/* What another process gets is what a file would hold. */
static void test_memory(const char *dir, const float *x)
{
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    struct uda_store_writer *w = NULL;
    struct uda_store *file = NULL, *memory = NULL;
    unsigned char *data = NULL;
    size_t bytes = 0;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/memory.h5", dir);
    CHECK_OK(write_file(path, x, 20, &err), &err);
    CHECK_OK(uda_store_begin(&w, 0, &err), &err);
    CHECK_OK(fill(w, x, 20, &err), &err);
    CHECK_OK(uda_store_commit_memory(&data, &bytes, &w, &arena, &err), &err);
    CHECK(w == NULL);
    CHECK_OK(uda_store_open(&file, path, &err), &err);
    CHECK_OK(uda_store_open_memory(&memory, data, bytes, "memory", &err), &err);
    CHECK(uda_digest_equal(uda_store_digest(file), uda_store_digest(memory)));
    check_numbers(memory, x, 20, &arena);
    uda_store_close(&file);
    uda_store_close(&memory);
    CHECK(uda_store_open_memory(&memory, data, bytes / 2, "half", &err) == UDA_FORMAT);
    CHECK(uda_store_open_memory(&memory, data, 0, "nothing", NULL) == UDA_FORMAT);
    uda_arena_finish(&arena);
}

static void test_provenance(const char *dir, const float *x)
{
    char path[SCRATCH_BYTES];
    char *args[2][2] = {{"uda4inst", "run"}, {"uda4inst", "predict"}};
    struct uda_digest content[3] = {{0}}, whole[3] = {{0}};
    struct uda_err err = {0};
    for (int i = 0; i < 3; i++) {
        struct uda_store_writer *w = NULL;
        struct uda_store *s = NULL;
        scratch_path(path, dir, "p.h5");
        CHECK_OK(uda_store_begin(&w, 0, &err), &err);
        CHECK_OK(fill(w, x, i == 2 ? 1 : 2, &err), &err);
        CHECK_OK(uda_store_put_provenance(w, "1.2.3", 2, args[i % 2], &err), &err);
        CHECK_OK(uda_store_commit(&w, path, &err), &err);
        CHECK_OK(uda_store_open(&s, path, &err), &err);
        CHECK_OK(uda_store_content_digest(&content[i], s, &err), &err);
        whole[i] = uda_store_digest(s);
        uda_store_close(&s);
    }
    CHECK(uda_digest_equal(content[0], content[1]) && !uda_digest_equal(whole[0], whole[1]));
    CHECK(!uda_digest_equal(content[0], content[2]));
}

int main(void)
{
    char dir[SCRATCH_BYTES];
    struct uda_arena arena = {0};
    scratch_make(dir);
    float *x = big(&arena);
    CHECK(x != NULL);
    test_round_trip(dir, x);
    test_same_bytes(dir, x);
    test_damage(dir);
    test_bad_calls(dir);
    test_memory(dir, x);
    test_provenance(dir, x);
    uda_arena_finish(&arena);
    scratch_remove(dir);
    return check_result();
}
