/* Readers: exact decoding of every format, and clear errors for damaged files. UDA_SHARED adds real
 * samples. */
#include "tests/check.h"

#include "io/fs.h"
#include "io/json.h"
#include "io/png.h"
#include "src/base/classes.h"
#include "src/base/rng.h"
#include "src/data/coco.h"
#include "src/data/reader.h"
#include "src/data/segments.h"

#include <stdlib.h>
#include <unistd.h>

/* The call must fail with this code and a message that contains this text. */
#define CHECK_FAILS(call, code, fragment)                                                          \
    do {                                                                                           \
        struct uda_err check_err = {0};                                                            \
        struct uda_err *why = &check_err;                                                          \
        CHECK((call) == (code));                                                                   \
        if (strstr(check_err.text, (fragment)) == NULL) {                                          \
            (void)fprintf(stderr, "%s:%d: message '%s' lacks '%s'\n", __FILE__, __LINE__,          \
                          check_err.text, (fragment));                                             \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

static struct uda_arena arena_of_test;
#define ARENA (&arena_of_test)
#define TEXT(...) uda_arena_printf(ARENA, __VA_ARGS__)

static const char *data_dir(void)
{
    const char *dir = getenv("UDA_TEST_DATA");
    return dir != NULL ? dir : "tests/data";
}

static void write_file(const char *path, const void *data, size_t bytes)
{
    struct uda_err err = {0};
    CHECK_OK(uda_fs_mkdirs(uda_fs_parent(ARENA, path), &err), &err);
    FILE *file = fopen(path, "wb"); /* not uda_fs_write: no need to wait for the disk */
    CHECK(file != NULL);
    if (file != NULL) {
        CHECK(fwrite(data, 1, bytes, file) == bytes);
        CHECK(fclose(file) == 0);
    }
}

static void write_text(const char *path, const char *text) { write_file(path, text, strlen(text)); }

static void write_png(const char *path, const void *samples, int64_t height, int64_t width,
                      int channels, int bits)
{
    struct uda_err err = {0};
    CHECK_OK(uda_fs_mkdirs(uda_fs_parent(ARENA, path), &err), &err);
    CHECK_OK(uda_png_write(path, samples, height, width, channels, bits, &err), &err);
}

/* List and labels of the first image, as one call that can fail. */
static int read_first(const char *format, const char *root, const char *split, int64_t height,
                      int64_t width, struct uda_labels *labels, struct uda_err *err)
{
    const struct uda_reader *reader = uda_reader_find(format);
    struct uda_reader_list list = {0};
    struct uda_arena scratch = {0};
    struct uda_reader_source source = {.root = root, .split = split};
    int rc = reader->list(&list, ARENA, &source, err);
    if (rc == 0) {
        rc = reader->labels(labels, &list, 0, height, width, ARENA, &scratch, err);
    }
    uda_reader_finish(reader, &list);
    uda_arena_finish(&scratch);
    return rc;
}

static void check_mask(const struct uda_instance *n)
{
    int64_t w = n->x1 - n->x0 + 1, h = n->y1 - n->y0 + 1, area = 0;
    int64_t left = 0, right = 0, top = 0, bottom = 0;
    for (int64_t y = 0; y < h; y++) {
        for (int64_t x = 0; x < w; x++) {
            uint8_t bit = n->mask[y * w + x];
            CHECK(bit <= 1);
            area += bit;
            left += x == 0 && bit;
            right += x == w - 1 && bit;
            top += y == 0 && bit;
            bottom += y == h - 1 && bit;
        }
    }
    CHECK(area == n->area_px && left > 0 && right > 0 && top > 0 && bottom > 0);
}

static bool matches(const struct uda_instance *n, const struct uda_json *want)
{
    const struct uda_json *box = uda_json_get(want, "bbox_xyxy_inclusive");
    const int64_t corner[4] = {n->x0, n->y0, n->x1, n->y1};
    for (int64_t k = 0; k < 4; k++) {
        if (uda_json_integer(uda_json_at(box, k), -1) != corner[k]) {
            return false;
        }
    }
    return uda_json_integer(uda_json_get(want, "cityscapes_id"), -1) == uda_classes[n->cls].label_id &&
           uda_json_integer(uda_json_get(want, "area"), -1) == n->area_px;
}

/* Every expected object exactly once; crowds as many pixels as `crowd_px`. */
static void check_labels(const struct uda_labels *labels, const struct uda_json *image,
                         int64_t crowd_px, const char *name)
{
    const struct uda_json *want = uda_json_get(image, "instances");
    int64_t objects = 0, crowds = 0;
    for (int64_t i = 0; i < labels->count; i++) {
        const struct uda_instance *n = &labels->instance[i];
        check_mask(n);
        CHECK(n->id > 0 && (i == 0 || labels->instance[i - 1].id < n->id));
        objects += !n->crowd;
        crowds += n->crowd ? n->area_px : 0;
    }
    CHECK(objects == uda_json_count(want) && objects > 0);
    CHECK(crowds == crowd_px);
    for (int64_t k = 0; k < uda_json_count(want); k++) {
        int64_t found = 0;
        for (int64_t i = 0; i < labels->count; i++) {
            const struct uda_instance *n = &labels->instance[i];
            found += !n->crowd && matches(n, uda_json_at(want, k));
        }
        if (found != 1) {
            (void)fprintf(stderr, "%s: expected object %lld found %lld times\n", name, (long long)k,
                          (long long)found);
            check_failures++;
        }
    }
}

/* A whole fixture folder; key_of gives the name of an image in expected_decode.json. */
static void check_fixture(const char *format, const char *root, const char *split,
                          const char *expected, const char *(*key_of)(const char *name),
                          int64_t images, int64_t crowd_px)
{
    struct uda_err err = {0};
    struct uda_json *json = NULL;
    const struct uda_reader *reader = uda_reader_find(format);
    struct uda_reader_list list = {0};
    struct uda_reader_source source = {.root = root, .split = split};
    CHECK_OK(uda_json_read(&json, expected, &err), &err);
    CHECK_OK(reader->list(&list, ARENA, &source, &err), &err);
    CHECK(list.count == images);
    for (int64_t i = 0; i < list.count; i++) {
        struct uda_labels labels = {0};
        struct uda_arena scratch = {0};
        int64_t height = 0, width = 0;
        CHECK_OK(uda_png_size(&height, &width, list.item[i].image, &err), &err);
        CHECK_OK(reader->labels(&labels, &list, i, height, width, ARENA, &scratch, &err), &err);
        const char *key = key_of(list.item[i].name);
        CHECK(uda_json_get(json, key) != NULL);
        check_labels(&labels, uda_json_get(json, key), crowd_px, key);
        uda_arena_finish(&scratch);
    }
    uda_reader_finish(reader, &list);
    uda_json_destroy(&json);
}

static const char *key_same(const char *name) { return name; }
static const char *key_png(const char *name) { return TEXT("%s.png", name); }
static const char *key_panoptic(const char *name) { return TEXT("panoptic_%s.png", name); }
static const char *key_kitti(const char *name)
{
    return TEXT("2013_05_28_drive_%.4s_sync/%s.png", name, name + 5);
}

static void test_fixtures(void)
{
    const char *d = TEXT("%s/fixtures", data_dir());
    const char *kitti = TEXT("%s/kitti360", d), *synscapes = TEXT("%s/synscapes", d);
    const char *synthia = TEXT("%s/synthia", d), *urbansyn = TEXT("%s/urbansyn", d);
    const char *kitti_json = TEXT("%s/expected_decode.json", kitti);
    check_fixture("kitti360", kitti, "train", kitti_json, key_kitti, 2, 100);
    check_fixture("kitti360", kitti, "val", kitti_json, key_kitti, 1, 100);
    check_fixture("synscapes", synscapes, "rgb", TEXT("%s/expected_decode.json", synscapes), key_png,
                  2, 0);
    check_fixture("synthia", synthia, NULL,
                  TEXT("%s/RAND_CITYSCAPES/expected_decode.json", synthia), key_png, 2, 40);
    check_fixture("synthia", TEXT("%s/RAND_CITYSCAPES", synthia), "",
                  TEXT("%s/RAND_CITYSCAPES/expected_decode.json", synthia), key_png, 2, 40);
    check_fixture("urbansyn", urbansyn, "", TEXT("%s/expected_decode.json", urbansyn), key_same, 2,
                  0);
}

/* Labels follow rgb-2k by nearest neighbour: twice the size, four times the area. */
static void test_synscapes_large(void)
{
    struct uda_err err = {0};
    struct uda_labels small = {0}, large = {0};
    const char *root = TEXT("%s/fixtures/synscapes", data_dir());
    CHECK_OK(read_first("synscapes", root, "rgb", 48, 96, &small, &err), &err);
    CHECK_OK(read_first("synscapes", root, "rgb-2k", 96, 192, &large, &err), &err);
    CHECK(small.count == large.count);
    for (int64_t i = 0; i < small.count && i < large.count; i++) {
        check_mask(&large.instance[i]);
        CHECK(large.instance[i].area_px == 4 * small.instance[i].area_px);
        CHECK(large.instance[i].x0 == 2 * small.instance[i].x0);
        CHECK(large.instance[i].y1 == 2 * small.instance[i].y1 + 1);
    }
    CHECK_FAILS(read_first("synscapes", root, "rgb", 48, 95, &small, why), UDA_FORMAT, "proportion");
    CHECK_FAILS(read_first("synscapes", root, "train", 48, 96, &small, why), UDA_MANIFEST, "rgb-2k");
}

/* Real label maps of UrbanSyn, without images. */
static void test_urbansyn_panoptic(const char *dir, const char *const *names, int64_t count)
{
    struct uda_err err = {0};
    struct uda_json *json = NULL;
    CHECK_OK(uda_json_read(&json, TEXT("%s/expected_decode.json", dir), &err), &err);
    for (int64_t i = 0; i < count; i++) {
        struct uda_labels labels = {0};
        struct uda_arena scratch = {0};
        struct uda_reader_item item = {.label = TEXT("%s/panoptic/%s", dir, names[i])};
        struct uda_reader_list list = {.item = &item, .count = 1};
        CHECK_OK(uda_reader_urbansyn.labels(&labels, &list, 0, 1024, 2048, ARENA, &scratch, &err),
                 &err);
        check_labels(&labels, uda_json_get(json, names[i]), 0, names[i]);
        uda_arena_finish(&scratch);
    }
    uda_json_destroy(&json);
}

/* ---- Cityscapes ---- */

static void cityscapes_file(const char *dir, const uint16_t *label, int64_t h, int64_t w,
                            int channels, int bits)
{
    static const uint8_t rgb[6 * 4 * 3];
    write_png(TEXT("%s/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png", dir), rgb, 4,
              6, 3, 8);
    write_png(TEXT("%s/gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png", dir), label,
              h, w, channels, bits);
}

static void test_cityscapes(const char *dir)
{
    struct uda_err err = {0};
    struct uda_labels labels = {0};
    /* a car (26000), road, a group of cars (26), a person, a caravan, a bicycle group */
    uint16_t label[6 * 4] = {26000, 26000, 7,     7,  26, 26, 26000, 26003, 7,     0,  26, 26,
                             24001, 24001, 29000, 33, 1,  2,  24001, 24001, 29000, 33, 1,  2};
    cityscapes_file(dir, label, 4, 6, 1, 16);
    CHECK_OK(read_first("cityscapes", dir, "train", 4, 6, &labels, &err), &err);
    CHECK(labels.count == 5);
    static const int64_t ids[] = {26, 33, 24001, 26000, 26003}, areas[] = {4, 2, 4, 3, 1};
    for (int64_t i = 0; i < labels.count && i < 5; i++) {
        CHECK(labels.instance[i].id == ids[i] && labels.instance[i].area_px == areas[i]);
        CHECK(labels.instance[i].crowd == (ids[i] < 1000));
        check_mask(&labels.instance[i]);
    }
    CHECK(labels.instance[3].cls == UDA_CAR && labels.instance[1].cls == UDA_BICYCLE);
    CHECK(labels.instance[3].mask[3] == 0);
    CHECK_FAILS(read_first("cityscapes", dir, "train", 5, 6, &labels, why), UDA_FORMAT, "6x4");
    CHECK_FAILS(read_first("cityscapes", dir, "val", 4, 6, &labels, why), UDA_IO, "val");
    label[13] = 34000;
    cityscapes_file(dir, label, 4, 6, 1, 16);
    CHECK_FAILS(read_first("cityscapes", dir, "train", 4, 6, &labels, why), UDA_FORMAT,
                "pixel (1,2) has the value 34000");
    label[13] = 5000;
    cityscapes_file(dir, label, 4, 6, 1, 16);
    CHECK_FAILS(read_first("cityscapes", dir, "train", 4, 6, &labels, why), UDA_FORMAT, "5000");
    cityscapes_file(dir, label, 4, 6, 1, 8);
    CHECK_FAILS(read_first("cityscapes", dir, "train", 4, 6, &labels, why), UDA_FORMAT,
                "16-bit gray");
    cityscapes_file(dir, label, 2, 4, 3, 8);
    CHECK_FAILS(read_first("cityscapes", dir, "train", 2, 4, &labels, why), UDA_FORMAT,
                "3 channels");
    const char *gt = TEXT("%s/gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png", dir);
    unsigned char *whole = NULL;
    size_t bytes = 0;
    CHECK_OK(uda_fs_read(&whole, &bytes, ARENA, gt, 1 << 20, &err), &err);
    write_file(gt, whole, bytes - 20);
    CHECK_FAILS(read_first("cityscapes", dir, "train", 2, 4, &labels, why), UDA_FORMAT, "damaged");
    write_text(gt, "not a png");
    CHECK_FAILS(read_first("cityscapes", dir, "train", 4, 6, &labels, why), UDA_FORMAT, "not a PNG");
    CHECK_OK(uda_fs_remove(gt, &err), &err);
    CHECK_FAILS(read_first("cityscapes", dir, "train", 4, 6, &labels, why), UDA_FORMAT,
                "no label file");
}

/* ---- the other folders ---- */

static const unsigned char palette_png[] = {
    137, 80,  78,  71,  13,  10,  26,  10, 0,   0,  0,   13,  73, 72,  68,  82, 0,   0,
    0,   2,   0,   0,   0,   2,   8,   3,  0,   0,  0,   69,  104, 253, 22, 0,  0,   0,
    6,   80,  76,  84,  69,  0,   0,   0,  10,  20, 13,  248, 239, 151, 241, 0, 0,   0,
    12,  73,  68,  65,  84,  120, 156, 99, 96,  96, 4,   66,  0,  0,   12,  0,  3,   43,
    99,  203, 80,  0,   0,   0,   0,   73, 69,  78, 68,  174, 66, 96,  130};

static void test_urbansyn_bad(const char *dir)
{
    struct uda_labels labels = {0};
    static const uint8_t rgb[12];
    const uint8_t bad[12] = {0, 0, 0, 1, 2, 13, 0, 0, 0, 7, 8, 5};
    const char *panoptic = TEXT("%s/panoptic/panoptic_0001.png", dir);
    CHECK_FAILS(read_first("urbansyn", dir, NULL, 2, 2, &labels, why), UDA_IO, "rgb");
    write_text(TEXT("%s/rgb/readme.txt", dir), "");
    CHECK_FAILS(read_first("urbansyn", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "no images");
    write_png(TEXT("%s/rgb/rgb_0001.png", dir), rgb, 2, 2, 3, 8);
    CHECK_FAILS(read_first("urbansyn", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "panoptic_0001");
    write_png(panoptic, bad, 2, 2, 3, 8);
    CHECK_FAILS(read_first("urbansyn", dir, NULL, 2, 2, &labels, why), UDA_FORMAT,
                "pixel (1,1) is (7,8,5)");
    CHECK_FAILS(read_first("urbansyn", dir, "train", 2, 2, &labels, why), UDA_MANIFEST, "hold_out");
    write_file(panoptic, palette_png, sizeof palette_png);
    CHECK_FAILS(read_first("urbansyn", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "8-bit RGB");
}

static void test_synthia_bad(const char *dir)
{
    struct uda_labels labels = {0};
    static const uint8_t rgb[12];
    const uint16_t bad[12] = {0, 0, 0, 8, 1, 0, 0, 0, 0, 23, 8, 5};
    write_png(TEXT("%s/RGB/0000000.png", dir), rgb, 2, 2, 3, 8);
    write_png(TEXT("%s/GT/LABELS/0000000.png", dir), bad, 2, 2, 3, 16);
    CHECK_FAILS(read_first("synthia", dir, NULL, 2, 2, &labels, why), UDA_FORMAT,
                "pixel (1,1) has the value 23");
    write_png(TEXT("%s/GT/LABELS/0000000.png", dir), rgb, 2, 2, 3, 8);
    CHECK_FAILS(read_first("synthia", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "16-bit RGB");
}

static void test_kitti_bad(const char *dir)
{
    struct uda_labels labels = {0};
    const char *list = TEXT("%s/data_2d_semantics/train/2013_05_28_drive_train_frames.txt", dir);
    const char *image = "data_2d_raw/2013_05_28_drive_0000_sync/image_00/data_rect/0000000001.png";
    const char *semantic =
        "data_2d_semantics/train/2013_05_28_drive_0000_sync/image_00/semantic/0000000001.png";
    const char *instance =
        "data_2d_semantics/train/2013_05_28_drive_0000_sync/image_00/instance/0000000001.png";
    static const uint8_t rgb[12];
    const uint16_t ids[4] = {45000, 0, 0, 0}, good[4] = {7000, 11001, 26001, 26000};
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_IO, "frames.txt");
    write_text(list, TEXT("%s\n", image));
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "frames.txt:1:");
    write_text(list, TEXT("\n/etc/passwd %s\n", semantic));
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "frames.txt:2:");
    write_text(list, TEXT("../%s %s\n", image, semantic));
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "frames.txt:1:");
    write_text(list, TEXT("%s %s\n", image, instance));
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "'semantic'");
    write_text(list, TEXT("%s %s", image, semantic));
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "no such file");
    write_png(TEXT("%s/%s", dir, image), rgb, 2, 2, 3, 8);
    write_png(TEXT("%s/%s", dir, instance), ids, 2, 2, 1, 16);
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "45000");
    write_text(list, TEXT("%s %s\r\n%s %s\r\n", image, semantic, image, semantic));
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_FORMAT,
                "two images are called '0000_0000000001'");
    write_file(list, "\0\0", 2);
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "text file");
    write_text(list, "");
    CHECK_FAILS(read_first("kitti360", dir, NULL, 2, 2, &labels, why), UDA_FORMAT, "no images");
    write_text(list, TEXT("%s %s\r\n", image, semantic));
    write_png(TEXT("%s/%s", dir, instance), good, 2, 2, 1, 16);
    struct uda_err err = {0};
    CHECK_OK(read_first("kitti360", dir, NULL, 2, 2, &labels, &err), &err);
    CHECK(labels.count == 2 && labels.instance[0].crowd && labels.instance[1].id == 26001);
}

/* A bicyclist is a rider and a bicycle; an id that meta does not list takes the class of its
 * pixels. */
static void test_synscapes_split(const char *dir)
{
    struct uda_err err = {0};
    struct uda_labels labels = {0};
    static const uint8_t rgb[4 * 2 * 3];
    const uint8_t ids[4 * 2 * 3] = {5, 0, 0, 5, 0, 0, 9, 0, 0, 0, 0, 0,
                                    5, 0, 0, 5, 0, 0, 9, 0, 0, 7, 0, 0};
    uint8_t cls[4 * 2] = {25, 25, 26, 7, 33, 23, 26, 20};
    const char *meta = TEXT("%s/meta/1.json", dir);
    write_png(TEXT("%s/img/rgb/1.png", dir), rgb, 2, 4, 3, 8);
    write_png(TEXT("%s/img/instance/1.png", dir), ids, 2, 4, 3, 8);
    CHECK_FAILS(read_first("synscapes", dir, NULL, 2, 4, &labels, why), UDA_FORMAT, "img/class/1.png");
    write_png(TEXT("%s/img/class/1.png", dir), cls, 2, 4, 1, 8);
    CHECK_FAILS(read_first("synscapes", dir, NULL, 2, 4, &labels, why), UDA_FORMAT, "meta/1.json");
    write_text(meta, "{\"instance\": {\"class\": {\"5\": 33}}}");
    CHECK_OK(read_first("synscapes", dir, NULL, 2, 4, &labels, &err), &err);
    CHECK(labels.count == 3);
    if (labels.count == 3) {
        CHECK(labels.instance[0].id == 5 && labels.instance[0].cls == UDA_BICYCLE);
        CHECK(labels.instance[0].area_px == 2 && labels.instance[0].y0 == 1);
        CHECK(labels.instance[1].id == 9 && labels.instance[1].cls == UDA_CAR);
        CHECK(labels.instance[2].id == (5 | 25 << 24) && labels.instance[2].cls == UDA_RIDER);
        CHECK(labels.instance[2].area_px == 2 && labels.instance[2].y1 == 0);
    }
    write_text(meta, "{\"instance\": {\"class\": {\"5\": \"bicycle\"}}}");
    CHECK_FAILS(read_first("synscapes", dir, NULL, 2, 4, &labels, why), UDA_FORMAT, "class.5");
    write_text(meta, "{\"instance\": []}");
    CHECK_FAILS(read_first("synscapes", dir, NULL, 2, 4, &labels, why), UDA_FORMAT,
                "not an object");
    write_text(meta, "{\"instance\": {");
    CHECK_FAILS(read_first("synscapes", dir, NULL, 2, 4, &labels, why), UDA_FORMAT, "not valid JSON");
    write_text(meta, "{\"instance\": {\"class\": {}}}");
    cls[0] = 99;
    write_png(TEXT("%s/img/class/1.png", dir), cls, 2, 4, 1, 8);
    CHECK_FAILS(read_first("synscapes", dir, NULL, 2, 4, &labels, why), UDA_FORMAT,
                "pixel (0,0) has the value 99");
}

/* ---- COCO ---- */

static const struct uda_json *find_by_id(const struct uda_json *array, const char *key, int64_t id)
{
    for (int64_t i = 0; i < uda_json_count(array); i++) {
        if (uda_json_integer(uda_json_get(uda_json_at(array, i), key), -1) == id) {
            return uda_json_at(array, i);
        }
    }
    return NULL;
}

/* Every segmentation of a file against pycocotools' masks; returns how many were compared. */
static int64_t check_coco_masks(const char *json_path, const char *expected_path)
{
    struct uda_err err = {0};
    struct uda_json *json = NULL, *expected = NULL;
    CHECK_OK(uda_json_read(&json, json_path, &err), &err);
    CHECK_OK(uda_json_read(&expected, expected_path, &err), &err);
    int64_t compared = 0;
    for (int64_t i = 0; i < uda_json_count(expected); i++) {
        const struct uda_json *want = uda_json_at(expected, i);
        const struct uda_json *size = uda_json_get(want, "size");
        int64_t id = uda_json_integer(uda_json_get(want, "id"), -1);
        const struct uda_json *node = find_by_id(uda_json_get(json, "annotations"), "id", id);
        struct uda_rle rle = {0};
        bool any = false;
        char *text = NULL;
        CHECK_OK(uda_coco_segmentation(&rle, &any, uda_json_get(node, "segmentation"),
                                       uda_json_integer(uda_json_at(size, 0), 0),
                                       uda_json_integer(uda_json_at(size, 1), 0), "test", ARENA,
                                       &err),
                 &err);
        CHECK(any);
        if (any) {
            CHECK_OK(uda_rle_to_text(&text, ARENA, &rle, &err), &err);
            CHECK_STR(text, uda_json_text(uda_json_get(want, "rle_compressed")));
            CHECK(uda_rle_area(&rle) == uda_json_integer(uda_json_get(want, "mask_area"), -1));
            compared++;
        }
    }
    uda_json_destroy(&expected);
    uda_json_destroy(&json);
    return compared;
}

static int read_coco(const char *path, int64_t i, int64_t height, int64_t width,
                     struct uda_labels *labels, struct uda_err *err)
{
    struct uda_reader_list list = {0};
    struct uda_arena scratch = {0};
    struct uda_reader_source source = {.annotations = path, .images = "/nowhere"};
    int rc = uda_reader_coco.list(&list, ARENA, &source, err);
    if (rc == 0 && i >= list.count) {
        rc = uda_fail(err, UDA_FORMAT, "too few images");
    }
    if (rc == 0) {
        rc = uda_reader_coco.labels(labels, &list, i, height, width, ARENA, &scratch, err);
    }
    uda_reader_finish(&uda_reader_coco, &list);
    uda_arena_finish(&scratch);
    return rc;
}

#define IMAGES "\"images\": [{\"id\": 7, \"file_name\": \"b.png\", \"height\": 4, \"width\": 5}, "      \
               "{\"id\": 3, \"file_name\": \"a/x.png\", \"height\": 2, \"width\": 3}]"
#define CATEGORIES                                                                                 \
    "\"categories\": [{\"id\": 9, \"name\": \"car\"}, {\"id\": 2, \"name\": \"cat\"}]"
#define COCO(annotations) "{" IMAGES ", " CATEGORIES ", \"annotations\": [" annotations "]}"
#define NOTE(image, category, rest)                                                                \
    "{\"id\": 1, \"image_id\": " image ", \"category_id\": " category ", " rest "}"

static void test_coco_reader(const char *dir)
{
    struct uda_err err = {0};
    struct uda_labels labels = {0};
    const char *path = TEXT("%s/gt.json", dir);
    write_text(path,
               COCO(NOTE("7", "9", "\"segmentation\": {\"size\": [4, 5], \"counts\": [4, 4, 12]}")
                    ", " NOTE("7", "2", "\"segmentation\": \"ignored: not a class\"")
                    ", " NOTE("3", "9", "\"segmentation\": [], \"iscrowd\": 0")
                    ", " NOTE("7", "9", "\"segmentation\": [[0, 0, 2, 0, 2, 2, 0, 2]], \"iscrowd\": 1")
                    ", " NOTE("7", "9", "\"bbox\": [0, 0, 1, 1]")));
    CHECK_OK(read_coco(path, 1, 4, 5, &labels, &err), &err);
    CHECK(labels.count == 2);
    if (labels.count == 2) {
        CHECK(labels.instance[0].cls == UDA_CAR && labels.instance[0].area_px == 4);
        CHECK(labels.instance[0].x0 == 1 && labels.instance[0].x1 == 1);
        CHECK(labels.instance[1].crowd && labels.instance[1].id == 4);
        check_mask(&labels.instance[0]);
        check_mask(&labels.instance[1]);
    }
    CHECK_OK(read_coco(path, 0, 2, 3, &labels, &err), &err);
    CHECK(labels.count == 0);
    CHECK_FAILS(read_coco(path, 0, 3, 3, &labels, why), UDA_FORMAT, "says 3x2");
}

static void check_coco_bad(const char *dir, const char *text, const char *fragment)
{
    struct uda_labels labels = {0};
    const char *path = TEXT("%s/bad.json", dir);
    write_text(path, text);
    CHECK_FAILS(read_coco(path, 1, 4, 5, &labels, why), UDA_FORMAT, fragment);
}

#define RUNS(counts) NOTE("7", "9", "\"segmentation\": {\"size\": [4, 5], \"counts\": " counts "}")
#define POLYGON(xy) NOTE("7", "9", "\"segmentation\": [" xy "]")

static void test_coco_bad(const char *dir)
{
    struct uda_labels labels = {0};
    CHECK_FAILS(read_coco(TEXT("%s/none.json", dir), 0, 4, 5, &labels, why), UDA_IO, "none.json");
    write_text(TEXT("%s/jpg.json", dir), "{\"images\": [{\"id\": 1, \"file_name\": \"a.jpg\", "
                                          "\"height\": 1, \"width\": 1}]}");
    CHECK_FAILS(read_coco(TEXT("%s/jpg.json", dir), 0, 1, 1, &labels, why), UDA_UNSUPPORTED, "PNG");
    check_coco_bad(dir, "{\"images\": [", "not valid JSON");
    check_coco_bad(dir, "[]", "'images' is not an array");
    check_coco_bad(dir, "{" IMAGES "}", "'annotations' is not an array");
    check_coco_bad(dir, "{" IMAGES ", \"annotations\": []}", "'categories' is not an array");
    check_coco_bad(dir, "{\"images\": [{\"id\": 1}]}", "images[0]");
    check_coco_bad(dir,
                   "{\"images\": [{\"id\": 1, \"file_name\": \"a.png\", \"height\": 99999, "
                   "\"width\": 1}]}",
                   "images[0]");
    check_coco_bad(dir, COCO(NOTE("8", "9", "\"iscrowd\": 0")), "annotations[0] has an unknown image_id");
    check_coco_bad(dir, COCO(NOTE("7", "1", "\"iscrowd\": 0")), "unknown category_id");
    check_coco_bad(dir, COCO("3"), "annotations[0]");
    check_coco_bad(dir, COCO(NOTE("7", "9", "\"segmentation\": 5")), "neither polygons");
    check_coco_bad(dir, COCO(POLYGON("[0, 0, 1, 1]")), "6 or more");
    check_coco_bad(dir, COCO(POLYGON("[0, 0, 1, 1, 2, 2, 3]")), "even number");
    check_coco_bad(dir, COCO(POLYGON("[0, 0, 1, 1e30, 2, 2]")), "annotations[0]");
    check_coco_bad(dir, COCO(POLYGON("[0, 0, 1, \"x\", 2, 2]")), "annotations[0]");
    check_coco_bad(dir, COCO(RUNS("[4, 4, 11]")), "annotations[0]");
    check_coco_bad(dir, COCO(RUNS("[4, -4, 20]")), "annotations[0]");
    check_coco_bad(dir, COCO(RUNS("[9223372036854775807, 9223372036854775807, 22]")),
                   "annotations[0]");
    check_coco_bad(dir, COCO(RUNS("7")), "neither an array nor a string");
    check_coco_bad(dir, COCO(RUNS("\"ooooooooooooooooooooo\"")), "annotations[0]");
    check_coco_bad(dir, COCO(NOTE("7", "9", "\"segmentation\": {\"size\": [5, 4], \"counts\": [20]}")),
                   "[4, 5]");
}

/* Noise instead of labels, and labels of nothing but full-size boxes, stop before the memory
 * does. */
static void test_noise(const char *dir)
{
    enum { SIDE = 200 };
    struct uda_labels labels = {0};
    uint8_t *rgb = uda_arena_calloc(ARENA, SIDE * SIDE * 3);
    write_png(TEXT("%s/rgb/rgb_1.png", dir), rgb, SIDE, SIDE, 3, 8);
    for (int i = 0; i < SIDE * SIDE; i++) {
        rgb[3 * i] = (uint8_t)i;
        rgb[3 * i + 1] = (uint8_t)(i >> 8);
        rgb[3 * i + 2] = 13;
    }
    write_png(TEXT("%s/panoptic/panoptic_1.png", dir), rgb, SIDE, SIDE, 3, 8);
    CHECK_FAILS(read_first("urbansyn", dir, NULL, SIDE, SIDE, &labels, why), UDA_FORMAT,
                "too many objects");
    CHECK(uda_segments_check("x", 1, (int64_t)2 << 30, NULL) == UDA_FORMAT);
}

/* Text with one to three changed bytes either reads or is an error: never a crash (sanitizers). */
static void test_mutations(const char *dir)
{
    struct uda_err err = {0};
    const char *from = TEXT("%s/coco/polygons/instances_excerpt.json", data_dir());
    const char *path = TEXT("%s/mutated.json", dir);
    unsigned char *text = NULL;
    size_t bytes = 0;
    CHECK_OK(uda_fs_read(&text, &bytes, ARENA, from, 1 << 20, &err), &err);
    for (size_t i = 0; i + 3 < bytes; i++) {
        if (memcmp(text + i, "jpg\"", 4) == 0) {
            (void)memcpy(text + i, "png", 3);
        }
    }
    int64_t good = 0, bad = 0;
    for (uint32_t seed = 0; seed < 300; seed++) {
        struct uda_arena scratch = {0};
        struct uda_rng rng;
        unsigned char *copy = uda_arena_alloc(&scratch, bytes);
        memcpy(copy, text, bytes);
        uda_rng_init(&rng, seed, UDA_RNG_TEST, 0, 0, 0);
        for (int64_t k = uda_rng_below(&rng, 4); k > 0; k--) {
            static const char alphabet[] = "0123456789-.e[]{},:\"ax";
            copy[uda_rng_below(&rng, (int64_t)bytes)] =
                (unsigned char)alphabet[uda_rng_below(&rng, (int64_t)sizeof alphabet - 1)];
        }
        write_file(path, copy, bytes);
        struct uda_labels labels = {0};
        int rc = read_coco(path, 1, 427, 640, &labels, NULL);
        CHECK(rc == 0 || rc == UDA_FORMAT);
        good += rc == 0;
        bad += rc != 0;
        uda_arena_finish(&scratch);
    }
    CHECK(good > 10 && bad > 10);
}

/* ---- what needs the shared samples ---- */

static void test_shared(const char *shared)
{
    static const char *const panoptic[] = {"panoptic_0001.png", "panoptic_0006.png",
                                           "panoptic_0014.png", "panoptic_0024.png",
                                           "panoptic_0086.png"};
    const char *real = TEXT("%s/data/urbansyn_real", shared);
    test_urbansyn_panoptic(real, panoptic, UDA_LEN(panoptic));
    check_fixture("urbansyn", real, NULL, TEXT("%s/expected_decode.json", real), key_panoptic, 5, 0);
    const char *coco = TEXT("%s/data/coco", shared);
    CHECK(check_coco_masks(TEXT("%s/persons/test_coco.json", coco),
                           TEXT("%s/persons/expected_masks.json", coco)) == 14);
    CHECK(check_coco_masks(TEXT("%s/rle/panoptic_coco_detection_format.json", coco),
                           TEXT("%s/rle/expected_masks.json", coco)) == 50);
}

int main(void)
{
    char dir[] = "/tmp/uda-readers-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    static const char *const panoptic[] = {"panoptic_0001.png", "panoptic_0024.png"};
    test_fixtures();
    test_synscapes_large();
    test_urbansyn_panoptic(TEXT("%s/urbansyn", data_dir()), panoptic, UDA_LEN(panoptic));
    test_cityscapes(TEXT("%s/cityscapes", dir));
    test_urbansyn_bad(TEXT("%s/urbansyn", dir));
    test_synthia_bad(TEXT("%s/synthia", dir));
    test_kitti_bad(TEXT("%s/kitti", dir));
    test_synscapes_split(TEXT("%s/synscapes", dir));
    CHECK(check_coco_masks(TEXT("%s/coco/polygons/instances_excerpt.json", data_dir()),
                           TEXT("%s/coco/polygons/expected_masks.json", data_dir())) == 4);
    CHECK(check_coco_masks(TEXT("%s/coco/uncompressed/instances_val.json", data_dir()),
                           TEXT("%s/coco/uncompressed/expected_masks.json", data_dir())) == 2);
    test_coco_reader(dir);
    test_coco_bad(dir);
    test_noise(TEXT("%s/noise", dir));
    test_mutations(dir);
    CHECK(uda_reader_find("voc") == NULL && uda_reader_find(NULL) == NULL);
    CHECK(uda_reader_at(5) == &uda_reader_coco && uda_reader_at(6) == NULL);
    if (getenv("UDA_SHARED") != NULL) {
        test_shared(getenv("UDA_SHARED"));
    }
    CHECK(system(TEXT("rm -rf '%s'", dir)) == 0);
    uda_arena_finish(ARENA);
    return check_result();
}
