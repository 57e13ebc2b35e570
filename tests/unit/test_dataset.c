/* The data set index: counts, selection, hold-out, cache, errors. */
#include "tests/check.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/base/str.h"
#include "src/data/dataset.h"

#include <stdlib.h>
#include <unistd.h>

static struct uda_arena arena_of_test;
#define ARENA (&arena_of_test)
#define TEXT(...) uda_arena_printf(ARENA, __VA_ARGS__)

#define IMAGES 23

/* Image i of an UrbanSyn folder: i % 3 cars, and a person on every fifth; no instance when
 * neither. */
static void write_image(const char *dir, int i)
{
    struct uda_err err = {0};
    enum { SIDE = 12 };
    uint8_t rgb[SIDE * SIDE * 3] = {0}, panoptic[SIDE * SIDE * 3] = {0};
    for (int k = 0; k < i % 3; k++) {
        panoptic[(k * SIDE + 3) * 3] = (uint8_t)(k + 1);
        panoptic[(k * SIDE + 3) * 3 + 2] = 13;
    }
    if (i % 5 == 0) {
        panoptic[(5 * SIDE + 5) * 3 + 2] = 11;
    }
    CHECK_OK(uda_png_write(TEXT("%s/rgb/rgb_%04d.png", dir, i), rgb, SIDE, SIDE, 3, 8, &err), &err);
    CHECK_OK(uda_png_write(TEXT("%s/panoptic/panoptic_%04d.png", dir, i), panoptic, SIDE, SIDE, 3, 8,
                           &err),
             &err);
}

static const char *make_folder(const char *parent, const char *name)
{
    struct uda_err err = {0};
    const char *dir = TEXT("%s/%s", parent, name);
    CHECK_OK(uda_fs_mkdirs(TEXT("%s/rgb", dir), &err), &err);
    CHECK_OK(uda_fs_mkdirs(TEXT("%s/panoptic", dir), &err), &err);
    for (int i = IMAGES - 1; i >= 0; i--) {
        write_image(dir, i);
    }
    return dir;
}

static struct uda_dataset *create(const struct uda_dataset_spec *spec)
{
    struct uda_err err = {0};
    struct uda_dataset *d = NULL;
    CHECK_OK(uda_dataset_create(&d, spec, &err), &err);
    if (d == NULL) {
        exit(1);
    }
    return d;
}

static void test_counts(const char *root)
{
    struct uda_dataset_spec spec = {.format = "urbansyn", .root = root, .threads = 1};
    struct uda_dataset *d = create(&spec);
    int64_t cars = 0, car_images = 0, persons = 0, empty = 0;
    for (int i = 0; i < IMAGES; i++) {
        cars += i % 3;
        car_images += i % 3 > 0;
        persons += i % 5 == 0;
        empty += i % 3 == 0 && i % 5 != 0;
    }
    CHECK(d->split_count == IMAGES && d->count == IMAGES - empty && d->dropped_count == empty);
    CHECK(d->instances[UDA_CAR] == cars && d->images[UDA_CAR] == car_images);
    CHECK(d->instances[UDA_PERSON] == persons && d->instances[UDA_BUS] == 0);
    for (int64_t i = 1; i < d->count; i++) {
        CHECK(strcmp(d->item[i - 1].name, d->item[i].name) < 0);
    }
    CHECK_STR(d->item[0].name, "0000");
    CHECK(d->item[0].height == 12 && d->item[0].width == 12 && d->item[1].id == 2);
    CHECK(uda_dataset_rare_class(d, 1u << UDA_CAR | 1u << UDA_PERSON | 1u << UDA_BUS) == UDA_PERSON);
    CHECK(uda_dataset_rare_class(d, 1u << UDA_BUS) == -1);
    CHECK_STR(uda_dataset_summary(d, ARENA),
              "17 images (6 without an instance left out), 5 person, 0 rider, 22 car, 0 truck, 0 bus, "
              "0 train, 0 motorcycle, 0 bicycle");
    struct uda_digest fingerprint = d->fingerprint;
    uda_dataset_destroy(&d);
    CHECK(d == NULL);
    spec.threads = 3;
    d = create(&spec);
    CHECK(uda_digest_equal(d->fingerprint, fingerprint));
    uda_dataset_destroy(&d);
    spec.class_mask = 1u << UDA_PERSON;
    d = create(&spec);
    CHECK(d->count == persons && !uda_digest_equal(d->fingerprint, fingerprint));
    uda_dataset_destroy(&d);
    spec.keep_empty = true;
    d = create(&spec);
    CHECK(d->count == IMAGES && d->dropped_count == 0);
    uda_dataset_destroy(&d);
    spec = (struct uda_dataset_spec){.format = "urbansyn", .root = root, .unlabelled = true};
    d = create(&spec);
    CHECK(d->count == IMAGES && d->instances[UDA_CAR] == 0);
    uda_dataset_destroy(&d);
}

static void test_hold_out(const char *root)
{
    struct uda_dataset_spec spec = {.format = "urbansyn", .root = root, .keep_empty = true,
                                    .hold_out_count = 7, .hold_out_seed = 4};
    spec.hold = UDA_HOLD_HELD;
    struct uda_dataset *held = create(&spec), *again = create(&spec);
    spec.hold = UDA_HOLD_REST;
    struct uda_dataset *rest = create(&spec);
    spec.hold = UDA_HOLD_HELD;
    spec.hold_out_seed = 5;
    struct uda_dataset *other = create(&spec);
    CHECK(held->count == 7 && rest->count == IMAGES - 7);
    CHECK(uda_digest_equal(held->fingerprint, again->fingerprint));
    CHECK(!uda_digest_equal(held->fingerprint, other->fingerprint));
    int64_t a = 0, b = 0;
    for (int64_t i = 0; i < IMAGES; i++) { /* the two parts are disjoint, sorted, and all there is */
        const char *name = TEXT("%04d", (int)i);
        bool in_held = a < held->count && strcmp(held->item[a].name, name) == 0;
        bool in_rest = b < rest->count && strcmp(rest->item[b].name, name) == 0;
        CHECK(in_held != in_rest);
        a += in_held;
        b += in_rest;
    }
    uda_dataset_destroy(&other);
    uda_dataset_destroy(&again);
    spec = (struct uda_dataset_spec){.format = "urbansyn", .root = root, .limit = 5};
    struct uda_dataset *five = create(&spec); /* the limit comes before images are dropped: 0..4 less 3 */
    CHECK(five->count == 4 && five->dropped_count == 1);
    uda_dataset_destroy(&five);
    uda_dataset_destroy(&rest);
    uda_dataset_destroy(&held);
}

static void test_cache(const char *root, const char *dir)
{
    struct uda_err err = {0};
    unsigned char *first = NULL, *second = NULL;
    size_t first_bytes = 0, second_bytes = 0;
    const char *path = TEXT("%s/run/index.json", dir);
    struct uda_dataset_spec spec = {.format = "urbansyn", .root = root, .cache_path = path};
    struct uda_dataset *d = create(&spec);
    struct uda_digest fingerprint = d->fingerprint;
    uda_dataset_destroy(&d);
    CHECK_OK(uda_fs_read(&first, &first_bytes, ARENA, path, 1 << 20, &err), &err);

    /* It is used: labels that are unreadable, but of the same size in bytes, are not looked at. */
    const char *label = TEXT("%s/panoptic/panoptic_0001.png", root);
    unsigned char *png = NULL;
    size_t png_bytes = 0;
    CHECK_OK(uda_fs_read(&png, &png_bytes, ARENA, label, 1 << 20, &err), &err);
    CHECK_OK(uda_fs_write(label, memset(uda_arena_alloc(ARENA, png_bytes), 'x', png_bytes),
                          png_bytes, &err),
             &err);
    d = create(&spec);
    CHECK(uda_digest_equal(d->fingerprint, fingerprint));
    uda_dataset_destroy(&d);
    CHECK_OK(uda_fs_write(label, png, png_bytes, &err), &err);

    /* A changed digit is noticed. */
    char *row = strstr((char *)first, "[\"0001\",12,12,0,0,0,1,");
    CHECK(row != NULL);
    if (row != NULL) {
        row[strlen("[\"0001\",12,12,0,0,0,")] = '9';
    }
    CHECK_OK(uda_fs_write(path, first, first_bytes, &err), &err);
    d = create(&spec);
    CHECK(uda_digest_equal(d->fingerprint, fingerprint));
    uda_dataset_destroy(&d);

    /* Damaged or of other files: made again, the same bytes. */
    CHECK_OK(uda_fs_write(path, first, first_bytes / 2, &err), &err);
    d = create(&spec);
    CHECK(uda_digest_equal(d->fingerprint, fingerprint));
    uda_dataset_destroy(&d);
    CHECK_OK(uda_fs_read(&second, &second_bytes, ARENA, path, 1 << 20, &err), &err);
    if (row != NULL) {
        row[strlen("[\"0001\",12,12,0,0,0,")] = '1';
    }
    CHECK(second_bytes == first_bytes && memcmp(first, second, first_bytes) == 0);
    write_image(root, IMAGES + 1);
    d = create(&spec);
    CHECK(d->split_count == IMAGES + 1);
    uda_dataset_destroy(&d);
}

/* COCO in its own layout; the cache follows the contents of the JSON even when its size stays. */
static void test_coco(const char *dir)
{
    struct uda_err err = {0};
    const uint8_t rgb[4 * 5 * 3] = {0};
    const char *path = TEXT("%s/coco/annotations/instances_val.json", dir);
    char text[] = "{\"images\": [{\"id\": 40, \"file_name\": \"b.png\", \"height\": 4, \"width\": 5},"
                  "{\"id\": 70, \"file_name\": \"a.png\", \"height\": 4, \"width\": 5}],"
                  "\"categories\": [{\"id\": 1, \"name\": \"car\"}, {\"id\": 2, \"name\": \"bus\"}],"
                  "\"annotations\": [{\"id\": 1, \"image_id\": 40, \"category_id\": 1,"
                  "\"segmentation\": [[0, 0, 3, 0, 3, 3, 0, 3]]}]}";
    CHECK_OK(uda_fs_mkdirs(TEXT("%s/coco/annotations", dir), &err), &err);
    CHECK_OK(uda_fs_mkdirs(TEXT("%s/coco/val", dir), &err), &err);
    CHECK_OK(uda_png_write(TEXT("%s/coco/val/a.png", dir), rgb, 4, 5, 3, 8, &err), &err);
    CHECK_OK(uda_png_write(TEXT("%s/coco/val/b.png", dir), rgb, 4, 5, 3, 8, &err), &err);
    CHECK_OK(uda_fs_write(path, text, strlen(text), &err), &err);
    struct uda_dataset_spec spec = {.format = "coco", .root = TEXT("%s/coco", dir), .split = "val",
                                    .keep_empty = true, .cache_path = TEXT("%s/coco.json", dir)};
    struct uda_dataset *d = create(&spec);
    CHECK(d->count == 2 && d->item[0].id == 70 && d->item[1].id == 40);
    CHECK(d->item[1].instances[UDA_CAR] == 1 && d->item[1].label_path == NULL);
    uda_dataset_destroy(&d);
    *(strstr(text, "\"category_id\": 1") + strlen("\"category_id\": ")) = '2';
    CHECK_OK(uda_fs_write(path, text, strlen(text), &err), &err);
    d = create(&spec);
    CHECK(d->instances[UDA_CAR] == 0 && d->instances[UDA_BUS] == 1);
    uda_dataset_destroy(&d);
}

static void test_load(const char *root)
{
    struct uda_err err = {0};
    struct uda_arena arena = {0}, scratch = {0};
    struct uda_dataset_spec spec = {.format = "urbansyn", .root = root};
    struct uda_dataset *d = create(&spec);
    struct uda_labelled_image scene = {0};
    CHECK_OK(uda_dataset_load(&scene, d, 2, &arena, &scratch, &err), &err);
    CHECK(scene.image.height == 12 && scene.image.width == 12 && scene.labels.count == 2);
    CHECK_STR(scene.name, "0002");
    CHECK(scene.index == 2 && scratch.used_bytes == 0);
    uint8_t rgb[3 * 4 * 5] = {0};
    CHECK_OK(uda_png_write(d->item[2].image_path, rgb, 4, 5, 3, 8, &err), &err);
    CHECK(uda_dataset_load(&scene, d, 2, &arena, &scratch, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "when it was indexed") != NULL);
    uda_dataset_destroy(&d);
    uda_arena_finish(&arena);
    uda_arena_finish(&scratch);
}

static void check_fails(const struct uda_dataset_spec *spec, int code, const char *fragment)
{
    struct uda_err err = {0};
    struct uda_dataset *d = NULL;
    CHECK(uda_dataset_create(&d, spec, &err) == code);
    CHECK(d == NULL);
    if (strstr(err.text, fragment) == NULL) {
        (void)fprintf(stderr, "message '%s' lacks '%s'\n", err.text, fragment);
        check_failures++;
    }
    uda_dataset_destroy(&d);
}

static void test_errors(const char *root)
{
    struct uda_err err = {0};
    struct uda_dataset_spec spec = {.format = "voc", .root = root};
    check_fails(&spec, UDA_MANIFEST, "'voc'");
    spec = (struct uda_dataset_spec){.format = "urbansyn"};
    check_fails(&spec, UDA_MANIFEST, "root");
    spec = (struct uda_dataset_spec){.format = "coco"};
    check_fails(&spec, UDA_MANIFEST, "annotations");
    spec = (struct uda_dataset_spec){.format = "urbansyn", .root = "/nonexistent"};
    check_fails(&spec, UDA_IO, "/nonexistent/rgb");
    spec = (struct uda_dataset_spec){.format = "urbansyn", .root = root, .class_mask = 1u << UDA_BUS};
    check_fails(&spec, UDA_FORMAT, "no image is left");
    spec = (struct uda_dataset_spec){.format = "urbansyn", .root = root, .class_mask = 1u << 9};
    check_fails(&spec, UDA_MANIFEST, "out of range");
    spec = (struct uda_dataset_spec){
        .format = "urbansyn", .root = root, .hold = UDA_HOLD_REST, .hold_out_count = IMAGES + 1};
    check_fails(&spec, UDA_MANIFEST, "hold out 24 of 23");
    /* Of several bad files the first in name order is named, whatever the threads. */
    for (int i = 19; i > 10; i -= 4) {
        CHECK_OK(uda_fs_write(TEXT("%s/panoptic/panoptic_%04d.png", root, i), "x", 1, &err), &err);
    }
    for (int threads = 1; threads < 5; threads++) {
        spec = (struct uda_dataset_spec){.format = "urbansyn", .root = root, .threads = threads};
        check_fails(&spec, UDA_FORMAT, "panoptic_0011.png' is not a PNG");
    }
}

/* Every failing allocation gives an error and no leak (sanitizers) instead of a crash. */
static void test_no_memory(const char *root)
{
    struct uda_dataset_spec spec = {.format = "urbansyn", .root = root, .limit = 3, .threads = 1};
    int64_t failures = 0;
    for (int64_t nth = 1; nth < 2000; nth++) {
        struct uda_dataset *d = NULL;
        struct uda_err err = {0};
        uda_alloc_fail_after(nth);
        int rc = uda_dataset_create(&d, &spec, &err);
        uda_alloc_fail_after(0);
        uda_dataset_destroy(&d);
        if (rc == 0) {
            break;
        }
        CHECK(rc == UDA_NOMEM || rc == UDA_IO);
        failures++;
    }
    CHECK(failures > 10 && failures < 1000);
}

int main(void)
{
    char dir[] = "/tmp/uda-dataset-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    test_counts(make_folder(dir, "a"));
    test_hold_out(TEXT("%s/a", dir));
    test_no_memory(TEXT("%s/a", dir));
    test_cache(make_folder(dir, "b"), dir);
    test_coco(dir);
    test_load(TEXT("%s/b", dir));
    test_errors(make_folder(dir, "c"));
    CHECK(system(TEXT("rm -rf '%s'", dir)) == 0);
    uda_arena_finish(ARENA);
    return check_result();
}
