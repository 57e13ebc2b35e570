#include "io/fs.h"
#include "io/json.h"
#include "io/png.h"
#include "tests/check.h"

#include <stdlib.h>
#include <unistd.h>

static void test_fs(const char *dir, struct uda_arena *arena)
{
    struct uda_err err = {0};
    char *sub = uda_fs_join(arena, dir, "a/b/c");
    CHECK_OK(uda_fs_mkdirs(sub, &err), &err);
    CHECK(uda_fs_is_dir(sub));
    CHECK_OK(uda_fs_write(uda_fs_join(arena, sub, "z.txt"), "hello", 5, &err), &err);
    CHECK_OK(uda_fs_write(uda_fs_join(arena, dir, "a/B.txt"), "x", 1, &err), &err);
    unsigned char *data = NULL;
    size_t bytes = 0;
    char *file = uda_fs_join(arena, sub, "z.txt");
    CHECK_OK(uda_fs_read(&data, &bytes, arena, file, 100, &err), &err);
    CHECK(bytes == 5 && strcmp((char *)data, "hello") == 0);
    CHECK(uda_fs_read(&data, &bytes, arena, file, 4, &err) == UDA_FORMAT);
    uda_err_clear(&err);
    CHECK(uda_fs_read(&data, &bytes, arena, "/nowhere/x", 4, &err) == UDA_IO);
    CHECK_STR(err.text, "cannot open '/nowhere/x': No such file or directory");
    uda_err_clear(&err);
    char **paths = NULL;
    int64_t count = 0;
    CHECK_OK(uda_fs_walk(&paths, &count, arena, dir, ".txt", &err), &err);
    CHECK(count == 2);
    CHECK_STR(paths[0], "a/B.txt");
    CHECK_STR(paths[1], "a/b/c/z.txt");
    CHECK(uda_fs_mkdirs(file, &err) == UDA_IO);
    uda_err_clear(&err);
    CHECK_STR(uda_fs_parent(arena, "a/b"), "a");
    CHECK_STR(uda_fs_parent(arena, "b"), ".");
    CHECK_STR(uda_fs_join(arena, "a", "/b"), "/b");
    int64_t space = 0;
    CHECK_OK(uda_fs_free_bytes(&space, dir, &err), &err);
    CHECK(space > 0);
}

static void test_png(const char *dir, struct uda_arena *arena)
{
    struct uda_err err = {0};
    char *path = uda_fs_join(arena, dir, "x.png");
    uint16_t deep[2][3][3];
    for (int i = 0; i < 18; i++) {
        (&deep[0][0][0])[i] = (uint16_t)(i * 3511);
    }
    CHECK_OK(uda_png_write(path, deep, 2, 3, 3, 16, &err), &err);
    struct uda_raster raster;
    CHECK_OK(uda_png_read_raster(&raster, arena, path, &err), &err);
    CHECK(raster.bits == 16 && raster.channels == 3 && raster.height == 2 && raster.width == 3);
    CHECK(memcmp(raster.sample, deep, sizeof deep) == 0);
    uint8_t gray[4] = {0, 7, 255, 26};
    CHECK_OK(uda_png_write(path, gray, 2, 2, 1, 8, &err), &err);
    struct uda_image image;
    CHECK_OK(uda_png_read_rgb(&image, arena, path, &err), &err);
    CHECK(image.rgb[3] == 7 && image.rgb[5] == 7 && image.rgb[11] == 26);
    int64_t h = 0, w = 0;
    CHECK_OK(uda_png_size(&h, &w, path, &err), &err);
    CHECK(h == 2 && w == 2);
    unsigned char *data = NULL;
    size_t bytes = 0;
    CHECK_OK(uda_fs_read(&data, &bytes, arena, path, 1 << 20, &err), &err);
    for (size_t cut = 0; cut < bytes; cut++) { /* every truncation is an error, none a crash */
        CHECK_OK(uda_fs_write(path, data, cut, &err), &err);
        bool tail_only = cut + 12 >= bytes; /* the closing chunk carries no pixel */
        int rc = uda_png_read_rgb(&image, arena, path, &err);
        CHECK(rc == UDA_FORMAT || (tail_only && rc == 0));
        uda_err_clear(&err);
    }
}

static void test_json(void)
{
    struct uda_err err = {0};
    struct uda_json *root = NULL;
    const char *text = "{\"a\": [1, 2.5, \"x\", null, true], \"b\": {\"c\": -7}}";
    CHECK_OK(uda_json_parse(&root, text, strlen(text), "t", &err), &err);
    const struct uda_json *a = uda_json_get(root, "a");
    CHECK(uda_json_count(a) == 5 && uda_json_number(uda_json_at(a, 1)) == 2.5);
    CHECK_STR(uda_json_text(uda_json_at(a, 2)), "x");
    CHECK(uda_json_kind(uda_json_at(a, 3)) == UDA_JSON_NULL && uda_json_bool(uda_json_at(a, 4), false));
    CHECK(uda_json_integer(uda_json_get(uda_json_get(root, "b"), "c"), 0) == -7);
    CHECK(uda_json_kind(uda_json_get(root, "z")) == UDA_JSON_ABSENT);
    CHECK(isnan(uda_json_number(uda_json_get(root, "z"))));
    const char *key = NULL;
    const struct uda_json *value = NULL;
    void *iter = uda_json_next(root, NULL, &key, &value);
    CHECK_STR(key, "a");
    CHECK(uda_json_next(root, uda_json_next(root, iter, &key, &value), &key, &value) == NULL);
    uda_json_destroy(&root);
    CHECK(uda_json_parse(&root, "{\n \"a\": }", 9, "f.json", &err) == UDA_FORMAT);
    CHECK(strncmp(err.text, "f.json:2:", 9) == 0);
}

int main(void)
{
    char dir[] = "/tmp/uda-test-io-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    struct uda_arena arena = {0};
    test_fs(dir, &arena);
    test_png(dir, &arena);
    test_json();
    uda_arena_finish(&arena);
    return check_result();
}
