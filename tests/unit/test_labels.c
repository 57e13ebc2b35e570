/* A label set as the labels of a data set: what is loaded, dropped and counted, and what does not fit. */
#include "tests/check.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/data/loader.h"
#include "src/stage/labels.h"

#include <stdlib.h>
#include <unistd.h>

static struct uda_arena arena_of_test;
#define ARENA (&arena_of_test)
#define TEXT(...) uda_arena_printf(ARENA, __VA_ARGS__)

enum { IMAGES = 4, HEIGHT = 6, WIDTH = 8 };

/* An UrbanSyn folder of images only: 0000 .. 0003; there are no label files to open. */
static const char *make_folder(const char *dir)
{
    struct uda_err err = {0};
    uint8_t rgb[HEIGHT * WIDTH * 3] = {0};
    CHECK_OK(uda_fs_mkdirs(TEXT("%s/rgb", dir), &err), &err);
    for (int i = 0; i < IMAGES; i++) {
        memset(rgb, 10 * i, sizeof rgb);
        CHECK_OK(uda_png_write(TEXT("%s/rgb/rgb_%04d.png", dir, i), rgb, HEIGHT, WIDTH, 3, 8, &err), &err);
    }
    return dir;
}

/* A box of ones as a detection of the last image. */
static void add(struct uda_detections *set, enum uda_class cls, int x0, int y0, int x1, int y1)
{
    struct uda_err err = {0};
    uint8_t mask[HEIGHT * WIDTH] = {0};
    int64_t producer = 0;
    for (int y = y0; y <= y1; y++) {
        memset(mask + y * WIDTH + x0, 1, (size_t)(x1 - x0 + 1));
    }
    CHECK_OK(uda_detections_producer(set, &producer, "w", &err), &err);
    CHECK_OK(uda_detections_add_mask(set, cls, 0.9, mask, producer, &err), &err);
}

static void image(struct uda_detections *set, const char *name, int64_t height, int64_t width)
{
    struct uda_err err = {0};
    CHECK_OK(uda_detections_image(set, name, height, width, &err), &err);
}

/* Images in another order than the data set's; 0001 has nothing, 0003 no car. */
static void fill(struct uda_detections *set)
{
    uda_detections_init(set, ARENA);
    image(set, "0003", HEIGHT, WIDTH);
    add(set, UDA_PERSON, 7, 5, 7, 5);
    image(set, "0000", HEIGHT, WIDTH);
    add(set, UDA_CAR, 1, 1, 3, 2);
    add(set, UDA_PERSON, 3, 2, 5, 4); /* overlaps: pseudo-labels may */
    image(set, "0001", HEIGHT, WIDTH);
    image(set, "0002", HEIGHT, WIDTH);
    add(set, UDA_CAR, 0, 0, 7, 5);
}

static struct uda_label_source source_of(const struct uda_detections *set)
{
    struct uda_err err = {0};
    struct uda_label_source source = {0};
    CHECK_OK(uda_labels_source(&source, set, "labels/fuse.h5", ARENA, &err), &err);
    return source;
}

static void test_load(const char *root)
{
    struct uda_err err = {0};
    struct uda_detections set;
    fill(&set);
    struct uda_label_source source = source_of(&set);
    struct uda_dataset_spec spec = {.format = "urbansyn", .root = root, .label_source = &source,
                                    .cache_path = TEXT("%s/index.json", root), .threads = 1};
    for (int round = 0; round < 2; round++) { /* without and with the cached index */
        struct uda_dataset *d = NULL;
        CHECK_OK(uda_dataset_create(&d, &spec, &err), &err);
        if (d == NULL) {
            return;
        }
        CHECK(d->count == 3 && d->dropped_count == 1 && !d->unlabelled);
        CHECK_STR(d->item[0].name, "0000");
        CHECK_STR(d->item[2].name, "0003");
        CHECK(d->instances[UDA_CAR] == 2 && d->instances[UDA_PERSON] == 2 && d->crowds == 0);
        CHECK(d->item[0].label_path == NULL);
        struct uda_labelled_image scene = {0};
        struct uda_arena scratch = {0};
        CHECK_OK(uda_dataset_load(&scene, d, 0, ARENA, &scratch, &err), &err);
        CHECK(scene.labels.count == 2 && scene.labels.height == HEIGHT && scene.labels.width == WIDTH);
        const struct uda_instance *car = &scene.labels.instance[0], *person = car + 1;
        CHECK(car->cls == UDA_CAR && car->id == 1 && !car->crowd && car->area_px == 6);
        CHECK(car->x0 == 1 && car->y0 == 1 && car->x1 == 3 && car->y1 == 2);
        CHECK(person->cls == UDA_PERSON && person->id == 2 && person->area_px == 9);
        for (int k = 0; k < 6; k++) {
            CHECK(car->mask[k] == 1);
        }
        CHECK(scene.image.rgb[0] == 0);
        uda_arena_finish(&scratch);
        uda_dataset_destroy(&d);
    }
    spec.class_mask = 1u << UDA_CAR;
    spec.cache_path = NULL;
    struct uda_dataset *cars = NULL;
    CHECK_OK(uda_dataset_create(&cars, &spec, &err), &err);
    CHECK(cars != NULL && cars->count == 2);
    uda_dataset_destroy(&cars);
}

/* The loader, with workers and its cache of scenes, delivers the labels as targets. */
static void test_loader(const char *root)
{
    struct uda_err err = {0};
    struct uda_detections set;
    fill(&set);
    struct uda_label_source source = source_of(&set);
    const struct uda_dataset_spec spec = {.format = "urbansyn", .root = root, .label_source = &source};
    struct uda_dataset *d = NULL;
    CHECK_OK(uda_dataset_create(&d, &spec, &err), &err);
    if (d == NULL) {
        return;
    }
    const struct uda_loader_spec how = {.batch = 3, .last_step = 2, .order = UDA_LOADER_SEQUENTIAL,
                                        .workers = 2, .cache_bytes = 1 << 20};
    struct uda_loader *loader = NULL;
    CHECK_OK(uda_loader_create(&loader, d, &how, &err), &err);
    for (int step = 0; loader != NULL && step < 2; step++) {
        const struct uda_batch *batch = NULL;
        CHECK_OK(uda_loader_next(loader, &batch, &err), &err);
        if (batch == NULL) {
            break;
        }
        const struct uda_target *t = batch->target;
        CHECK(batch->images == 3 && t[0].count == 2 && t[1].count == 1 && t[2].count == 1);
        CHECK(t[0].cls[0] == UDA_CAR && t[0].cls[1] == UDA_PERSON && t[2].cls[0] == UDA_PERSON);
        CHECK(t[2].masks[(HEIGHT - 1) * batch->width + WIDTH - 1] == 1);
    }
    uda_loader_destroy(&loader);
    uda_dataset_destroy(&d);
}

static void check_fails(const char *root, const struct uda_detections *set, const char *fragment)
{
    struct uda_err err = {0};
    struct uda_label_source source = source_of(set);
    const struct uda_dataset_spec spec = {.format = "urbansyn", .root = root, .label_source = &source};
    struct uda_dataset *d = NULL;
    CHECK(uda_dataset_create(&d, &spec, &err) == UDA_FORMAT);
    CHECK(d == NULL);
    if (strstr(err.text, fragment) == NULL) {
        (void)fprintf(stderr, "message '%s' lacks '%s'\n", err.text, fragment);
        check_failures++;
    }
    uda_dataset_destroy(&d);
}

static void test_errors(const char *root)
{
    struct uda_detections set;
    fill(&set);
    image(&set, "0002b", HEIGHT, WIDTH);
    check_fails(root, &set, "'labels/fuse.h5' has labels of image '0002b', which the data set lacks");
    fill(&set);
    image(&set, "9", HEIGHT, WIDTH);
    check_fails(root, &set, "has labels of image '9', which the data set lacks");
    fill(&set);
    image(&set, "0003", HEIGHT, WIDTH);
    check_fails(root, &set, "image '0003' is in it twice");
    fill(&set);
    set.count--;
    check_fails(root, &set, "has no labels of image '0002'");
    fill(&set);
    set.image[1].width = WIDTH + 1;
    check_fails(root, &set, "image '0000' was labelled at 9x6 pixels, but it has 8x6");
    fill(&set);
    for (int i = 0; i < IMAGES; i++) {
        set.image[i].count = 0;
    }
    check_fails(root, &set, "'labels/fuse.h5': no image is left");
}

/* Every failing allocation gives an error and no leak (sanitizers). */
static void test_no_memory(const char *root)
{
    struct uda_detections set;
    fill(&set);
    struct uda_label_source source = source_of(&set);
    const struct uda_dataset_spec spec = {
        .format = "urbansyn", .root = root, .label_source = &source, .threads = 1};
    int64_t nth = 1;
    for (; nth < 2000; nth++) {
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
    }
    CHECK(nth > 10 && nth < 1000);
}

int main(void)
{
    char dir[] = "/tmp/uda-labels-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    const char *root = make_folder(dir);
    test_load(root);
    test_loader(root);
    test_errors(root);
    test_no_memory(root);
    CHECK(system(TEXT("rm -rf '%s'", dir)) == 0);
    uda_arena_finish(ARENA);
    return check_result();
}
