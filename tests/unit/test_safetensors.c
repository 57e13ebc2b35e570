/*
 * safetensors: a file of the reference writer with every kind of number, our writer read back,
 * hostile headers. tests/data/io/kinds.safetensors was written by safetensors 0.x for PyTorch.
 */
#include "io/safetensors.h"

#include "io/fs.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <stdint.h>

static char dir[SCRATCH_BYTES], path[SCRATCH_BYTES], kinds[SCRATCH_BYTES];

static void check_floats(const struct uda_safetensors *f, const char *name, const float *expected,
                         int64_t count)
{
    struct uda_err err = {0};
    float got[16] = {0};
    const struct uda_safetensors_entry *e = uda_safetensors_find(f, name);
    CHECK(e != NULL && e->count == count && count <= 16);
    if (e != NULL && e->count == count) {
        CHECK_OK(uda_safetensors_get_f32(got, f, e, &err), &err);
        CHECK(memcmp(got, expected, (size_t)count * sizeof *got) == 0); /* bits: -0.0 too */
    }
}

static void check_integers(const struct uda_safetensors *f, const char *name,
                           const int64_t *expected, int64_t count)
{
    struct uda_err err = {0};
    int64_t got[16] = {0};
    const struct uda_safetensors_entry *e = uda_safetensors_find(f, name);
    CHECK(e != NULL && e->count == count);
    if (e != NULL && e->count == count) {
        CHECK_OK(uda_safetensors_get_i64(got, f, e, &err), &err);
        CHECK(memcmp(got, expected, (size_t)count * sizeof *got) == 0);
    }
}

static void test_reference_file(void)
{
    static const float f32[] = {1.5f, -0.0f, INFINITY, 0x1p-149f, 3.4e38f, -2.0f};
    static const float f16[] = {1.0f,      -2.5f,    65504.0f, 0x1p-24f,
                                -INFINITY, 0x1p-14f, 0.0f,     0x1.554p-2f};
    static const float bf16[] = {1.0f, -3.140625f, 0x1.2cp+126f};
    static const float f64[] = {0.1f};
    static const int64_t i64[] = {-1, (int64_t)1 << 62, 0}, u8[] = {0, 255}, i16[] = {-32768, 7};
    struct uda_err err = {0};
    struct uda_safetensors *f = NULL;
    float x[16];
    int64_t n[16];
    CHECK_OK(uda_safetensors_open(&f, kinds, &err), &err);
    if (f == NULL) {
        return;
    }
    CHECK(uda_safetensors_count(f) == 8);
    CHECK_STR(uda_safetensors_at(f, 0)->name, "a.f32");
    CHECK(uda_safetensors_at(f, 8) == NULL && uda_safetensors_at(f, -1) == NULL);
    CHECK_STR(uda_safetensors_metadata(f, "format"), "pt");
    CHECK(uda_safetensors_metadata(f, "none") == NULL);
    check_floats(f, "a.f32", f32, 6);
    check_floats(f, "b.f16", f16, 8);
    check_floats(f, "c.bf16", bf16, 3);
    check_floats(f, "h.f64", f64, 1);
    check_floats(f, "g.empty", f64, 0);
    check_integers(f, "d.i64", i64, 3);
    check_integers(f, "e.u8", u8, 2);
    check_integers(f, "f.i16", i16, 2);
    CHECK(uda_safetensors_find(f, "a.f32")->dims[1] == 3 && uda_safetensors_find(f, "a") == NULL);
    CHECK(uda_safetensors_get_f32(x, f, uda_safetensors_find(f, "d.i64"), &err) == UDA_FORMAT);
    uda_err_clear(&err);
    CHECK(uda_safetensors_get_i64(n, f, uda_safetensors_find(f, "a.f32"), &err) == UDA_FORMAT);
    uda_safetensors_close(&f);
}

static void test_written(void)
{
    struct uda_err err = {0};
    float a[6] = {1, 2, 3, 4, 5, 6}, b[1] = {-0.0f};
    const int64_t dims[] = {2, 3};
    const struct uda_safetensors_tensor tensors[] = {{"z \"quoted\" \xc3\xa9", 2, dims, a},
                                                     {"a", 0, NULL, b},
                                                     {"none", 1, (int64_t[]){0}, NULL}};
    const char *const metadata[][2] = {{"format", "pt"}, {"by", "a\nb"}};
    struct uda_safetensors *f = NULL;
    CHECK_OK(uda_safetensors_write(path, tensors, 3, metadata, 2, &err), &err);
    CHECK_OK(uda_safetensors_open(&f, path, &err), &err);
    if (f != NULL) {
        CHECK(uda_safetensors_count(f) == 3);
        check_floats(f, "z \"quoted\" \xc3\xa9", a, 6);
        check_floats(f, "a", b, 1);
        check_floats(f, "none", b, 0);
        CHECK_STR(uda_safetensors_metadata(f, "by"), "a\nb");
        CHECK(uda_safetensors_at(f, 1)->offset % 4 == 0);
    }
    uda_safetensors_close(&f);
    CHECK_OK(uda_safetensors_write(path, NULL, 0, NULL, 0, &err), &err);
    CHECK_OK(uda_safetensors_open(&f, path, &err), &err);
    CHECK(f != NULL && uda_safetensors_count(f) == 0);
    uda_safetensors_close(&f);
    const struct uda_safetensors_tensor twice[] = {{"a", 0, NULL, b}, {"a", 0, NULL, b}};
    CHECK(uda_safetensors_write(path, twice, 2, NULL, 0, &err) == UDA_FORMAT);
}

/* Writes length, header and `values` zero bytes; length < 0: the true one. */
static void write_raw(int64_t length, const char *header, size_t header_bytes, int64_t values)
{
    FILE *f = fopen(path, "wb");
    uint64_t n = length < 0 ? (uint64_t)header_bytes : (uint64_t)length;
    CHECK(f != NULL);
    for (int i = 0; f != NULL && i < 8; i++) {
        (void)fputc((int)(n >> (8 * i) & 255), f);
    }
    CHECK(f != NULL && fwrite(header, 1, header_bytes, f) == header_bytes);
    for (int64_t i = 0; f != NULL && i < values; i++) {
        (void)fputc(0, f);
    }
    CHECK(f != NULL && fclose(f) == 0);
}

static void expect_refusal(const char *what, const char *word)
{
    struct uda_err err = {0};
    struct uda_safetensors *f = NULL;
    int rc = uda_safetensors_open(&f, path, &err);
    bool named = strstr(err.text, path) != NULL && strstr(err.text, word) != NULL;
    CHECK(rc == UDA_FORMAT && f == NULL && named);
    if (rc != UDA_FORMAT || !named) {
        (void)fprintf(stderr, "  for %s: %d %s\n", what, rc, err.text);
    }
    uda_safetensors_close(&f);
}

#define T(dtype, shape, offsets)                                                                   \
    "{\"t\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}}"

static void test_hostile(void)
{
    static const struct {
        const char *header, *word;
        int64_t values;
    } cases[] = {
        {T("F32", "2", "0,8"), "outside", 7},
        {T("F32", "2", "-8,0"), "outside", 8},
        {T("F32", "2", "8,0"), "outside", 8},
        {T("F32", "2", "0,8"), "no tensor", 9},
        {T("F32", "3", "0,8"), "shape", 8},
        {T("F32", "2", "4,12"), "gap", 12},
        {T("F16", "2", "0,8"), "shape", 8},
        {T("F33", "2", "0,8"), "F33", 8},
        {T("F32", "-2", "0,8"), "impossible", 8},
        {T("F32", "2.0", "0,8"), "impossible", 8},
        {T("F32", "\"2\"", "0,8"), "impossible", 8},
        {T("F32", "0,4611686018427387904", "0,0"), "impossible", 0},
        {T("F32", "4611686018427387904,4", "0,0"), "impossible", 0},
        {T("F32", "9223372036854775808", "0,0"), "JSON", 0},
        {T("F32", "1,1,1,1,1,1,1,1,1", "0,4"), "dimensions", 4},
        {T("F32", "2", "0"), "outside", 8},
        {T("F32", "2", "0,8,8"), "outside", 8},
        {T("F32", "2", "0.0,8.0"), "outside", 8},
        {"{\"t\":{\"shape\":[1],\"data_offsets\":[0,4]}}", "dtype", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":{},\"data_offsets\":[0,4]}}", "shape", 4},
        {"{\"t\":7}", "dtype", 4},
        {"[1,2]", "object", 0},
        {"{\"t\":", "JSON", 0},
        {"{\"\xff\xfe\":{}}", "JSON", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         "overlaps", 12},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
         "JSON", 2},
        {"", "too short", 1},
    };
    for (int64_t i = 0; i < UDA_LEN(cases); i++) {
        write_raw(-1, cases[i].header, strlen(cases[i].header), cases[i].values);
        expect_refusal(cases[i].header, cases[i].word);
    }
    write_raw(INT64_MAX, "{}", 2, 0);
    expect_refusal("huge length", "header");
    write_raw(1000, "{}", 2, 0);
    expect_refusal("length beyond the file", "header");
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    write_raw(-1, deep, sizeof deep, 0);
    expect_refusal("deep nesting", "JSON");
}

/* Every length of a good file but the full one is refused. */
static void test_cut(void)
{
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    unsigned char *data = NULL;
    size_t bytes = 0;
    int64_t accepted = 0;
    CHECK_OK(uda_fs_read(&data, &bytes, &arena, kinds, 1 << 20, &err), &err);
    for (size_t n = 0; data != NULL && n < bytes; n++) {
        struct uda_safetensors *f = NULL;
        FILE *out = fopen(path, "wb");
        CHECK(out != NULL && fwrite(data, 1, n, out) == n && fclose(out) == 0);
        accepted += uda_safetensors_open(&f, path, &err) == 0;
        uda_safetensors_close(&f);
        uda_err_clear(&err);
    }
    CHECK(data != NULL && accepted == 0);
    uda_arena_finish(&arena);
}

int main(void)
{
    scratch_make(dir);
    scratch_path(path, dir, "x.safetensors");
    scratch_data(kinds, "io/kinds.safetensors");
    test_reference_file();
    test_written();
    test_hostile();
    test_cut();
    scratch_remove(dir);
    return check_result();
}
