/* The loader: the same bytes for any workers, prefetch, cache and first step; errors at their
 * step. */
#include "tests/check.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/data/loader.h"

#include <stdlib.h>
#include <unistd.h>

static struct uda_arena arena_of_test;
#define ARENA (&arena_of_test)
#define TEXT(...) uda_arena_printf(ARENA, __VA_ARGS__)

#define IMAGES 7
#define STEPS 20

/* Images of different sizes, each with a car block and a bicycle block. */
static void write_image(const char *dir, int i)
{
    struct uda_err err = {0};
    int64_t h = 50 + 3 * i, w = 90 + 5 * i;
    uint8_t *rgb = uda_arena_alloc(ARENA, (size_t)(h * w * 3));
    uint8_t *panoptic = uda_arena_calloc(ARENA, (size_t)(h * w * 3));
    for (int64_t p = 0; p < h * w; p++) {
        bool car = p / w > 10 && p / w < 30 && p % w > 5 + i && p % w < 60;
        bool bicycle = p / w > 35 && p % w > 40;
        for (int c = 0; c < 3; c++) {
            rgb[3 * p + c] = (uint8_t)((uint32_t)((p * 3 + c + i * 777) * 2654435761) >> 24);
        }
        panoptic[3 * p] = car || bicycle ? 1 : 0;
        panoptic[3 * p + 2] = car ? 13 : bicycle ? 18 : 0;
    }
    CHECK_OK(uda_png_write(TEXT("%s/rgb/rgb_%04d.png", dir, i), rgb, h, w, 3, 8, &err), &err);
    CHECK_OK(
        uda_png_write(TEXT("%s/panoptic/panoptic_%04d.png", dir, i), panoptic, h, w, 3, 8, &err),
        &err);
}

static const struct uda_augment_spec augment = {.edge_px = {40, 64, 90}, .edges = 3,
                                                .crop_height_px = 48, .crop_width_px = 64,
                                                .color = 1.0f, .flip = 0.5f};

static const struct uda_loader_spec base_spec = {
    .batch = 3, .seed = 11, .stage = 5, .last_step = STEPS, .augment = &augment};

static struct uda_loader *create(const struct uda_dataset *d, const struct uda_loader_spec *spec)
{
    struct uda_err err = {0};
    struct uda_loader *l = NULL;
    CHECK_OK(uda_loader_create(&l, d, spec, &err), &err);
    if (l == NULL) {
        exit(1);
    }
    return l;
}

static struct uda_digest digest_of(const struct uda_batch *b)
{
    struct uda_err err = {0};
    struct uda_hasher *h = NULL;
    CHECK_OK(uda_hasher_create(&h, &err), &err);
    size_t frame = (size_t)(b->height * b->width);
    uda_hasher_i64(h, b->step);
    uda_hasher_bytes(h, b->pixels, (size_t)b->images * frame * 3 * sizeof *b->pixels);
    for (int64_t i = 0; i < b->images; i++) {
        const struct uda_target *t = &b->target[i];
        uda_hasher_i64(h, b->sample[i].index);
        uda_hasher_bytes(h, t->cls, (size_t)t->count * sizeof *t->cls);
        uda_hasher_bytes(h, t->masks, (size_t)t->count * frame);
    }
    struct uda_digest d = uda_hasher_digest(h);
    uda_hasher_destroy(&h);
    return d;
}

/* Digests of steps first..STEPS-1 into out; then the end. */
static void run(struct uda_digest out[STEPS], const struct uda_dataset *d,
                const struct uda_loader_spec *spec)
{
    struct uda_loader *l = create(d, spec);
    const struct uda_batch *b = NULL;
    for (int64_t s = spec->first_step; s < STEPS; s++) {
        struct uda_err err = {0};
        CHECK_OK(uda_loader_next(l, &b, &err), &err);
        CHECK(b != NULL && b->step == s && b->images == spec->batch);
        out[s] = digest_of(b);
    }
    CHECK(uda_loader_next(l, &b, NULL) == 0 && b == NULL);
    uda_loader_destroy(&l);
    CHECK(l == NULL);
}

static void test_same_bytes(const struct uda_dataset *d)
{
    struct uda_digest want[STEPS], got[STEPS];
    run(want, d, &base_spec);
    for (int64_t s = 1; s < STEPS; s++) {
        CHECK(!uda_digest_equal(want[s - 1], want[s]));
    }
    static const int workers[] = {0, 1, 3, 8};
    for (int64_t k = 0; k < UDA_LEN(workers); k++) {
        for (int variant = 0; variant < 4; variant++) {
            struct uda_loader_spec spec = base_spec;
            spec.workers = workers[k];
            spec.prefetch = variant == 1 ? 1 : variant == 2 ? 9 : 0;
            spec.cache_bytes = variant == 2 ? 1 << 30 : variant == 3 ? 40000 : 0;
            spec.first_step = variant == 3 ? 13 : 0;
            run(got, d, &spec);
            for (int64_t s = spec.first_step; s < STEPS; s++) {
                CHECK(uda_digest_equal(got[s], want[s]));
            }
        }
    }
    struct uda_loader_spec spec = base_spec;
    spec.seed = 12;
    run(got, d, &spec);
    CHECK(!uda_digest_equal(got[0], want[0]));
    spec = base_spec;
    spec.stage = 6;
    run(got, d, &spec);
    CHECK(!uda_digest_equal(got[0], want[0]));
}

/* Image i of a part is image first + i of the whole, in a frame that is larger than both. */
static bool equal_parts(const struct uda_batch *all, const struct uda_batch *part, struct uda_arena *arena)
{
    struct uda_err err = {0};
    struct uda_batch b, padded, *whole = &padded;
    CHECK_OK(uda_batch_pad(&padded, all, all->height + 32, all->width + 64, arena, &err), &err);
    CHECK_OK(uda_batch_pad(&b, part, whole->height, whole->width, arena, &err), &err);
    CHECK(uda_batch_pad(&b, whole, all->height, all->width, arena, NULL) == UDA_SHAPE);
    CHECK(whole->pixels[(all->height + 31) * whole->width * 3] == 0.0f);
    CHECK(memcmp(whole->pixels, all->pixels, (size_t)all->width * 3 * sizeof *all->pixels) == 0);
    size_t frame = (size_t)(whole->height * whole->width);
    bool equal = b.height == whole->height && b.width == whole->width;
    for (int64_t i = 0; i < b.images && equal; i++) {
        const struct uda_target *x = &b.target[i], *y = &whole->target[b.first + i];
        equal = memcmp(b.pixels + (size_t)i * frame * 3, whole->pixels + (size_t)(b.first + i) * frame * 3,
                       frame * 3 * sizeof *b.pixels) == 0 &&
                x->count == y->count &&
                memcmp(x->cls, y->cls, (size_t)x->count * sizeof *x->cls) == 0 &&
                memcmp(x->masks, y->masks, (size_t)x->count * frame) == 0;
    }
    return equal;
}

/* Ranks that load parts of a batch get what one process would. */
static void test_parts(const struct uda_dataset *d)
{
    static const int64_t cut[][2] = {{0, 1}, {1, 2}, {2, 1}, {1, 0}};
    struct uda_arena arena = {0};
    for (int64_t k = 0; k < UDA_LEN(cut); k++) {
        struct uda_loader_spec spec = base_spec;
        struct uda_loader *whole = create(d, &spec);
        spec.first_image = cut[k][0];
        spec.images = cut[k][1];
        spec.workers = (int)k;
        struct uda_loader *part = create(d, &spec);
        for (int64_t s = 0; s < STEPS; s++) {
            const struct uda_batch *a = NULL, *b = NULL;
            CHECK(uda_loader_next(whole, &a, NULL) == 0 && uda_loader_next(part, &b, NULL) == 0);
            CHECK(b->first == cut[k][0] && b->images == (cut[k][1] > 0 ? cut[k][1] : 2));
            CHECK(equal_parts(a, b, &arena));
        }
        uda_loader_destroy(&whole);
        uda_loader_destroy(&part);
    }
    uda_arena_finish(&arena);
}

/* An epoch visits every image once; the order differs between epochs; sequential is in order. */
static void test_order(const struct uda_dataset *d)
{
    for (int sequential = 0; sequential < 2; sequential++) {
        struct uda_loader_spec spec = base_spec;
        struct uda_err err = {0};
        int64_t order[STEPS * 3], n = 0;
        spec.order = sequential ? UDA_LOADER_SEQUENTIAL : UDA_LOADER_SHUFFLE;
        spec.workers = 2;
        struct uda_loader *l = create(d, &spec);
        for (int64_t s = 0; s < STEPS; s++) {
            const struct uda_batch *b = NULL;
            CHECK_OK(uda_loader_next(l, &b, &err), &err);
            for (int64_t i = 0; i < 3; i++) {
                order[n++] = b->sample[i].index;
            }
        }
        bool differs = false;
        for (int64_t e = 0; (e + 1) * IMAGES <= n; e++) {
            uint32_t seen = 0;
            for (int64_t i = 0; i < IMAGES; i++) {
                seen |= 1u << order[e * IMAGES + i];
                differs = differs || order[e * IMAGES + i] != order[i];
                CHECK(!sequential || order[e * IMAGES + i] == i);
            }
            CHECK(seen == (1u << IMAGES) - 1);
        }
        CHECK(differs == !sequential);
        uda_loader_destroy(&l);
    }
}

/* Without augmentation the batch holds the images as they are. */
static void test_plain(const struct uda_dataset *d)
{
    struct uda_err err = {0};
    struct uda_loader_spec spec = {.batch = 1, .last_step = 1, .order = UDA_LOADER_SEQUENTIAL};
    struct uda_class_map map = {0};
    CHECK_OK(uda_class_map_of(&map, (enum uda_class[]){UDA_BICYCLE}, 1, &err), &err);
    spec.map = &map;
    struct uda_loader *l = create(d, &spec);
    struct uda_arena arena = {0}, scratch = {0};
    struct uda_labelled_image scene = {0};
    const struct uda_batch *b = NULL;
    CHECK_OK(uda_loader_next(l, &b, &err), &err);
    CHECK_OK(uda_dataset_load(&scene, d, 0, &arena, &scratch, &err), &err);
    CHECK(b->height == 64 && b->width == 96 && b->sample[0].height == 50);
    CHECK(memcmp(b->sample[0].rgb, scene.image.rgb, 50 * 90 * 3) == 0);
    CHECK(b->target[0].count == 1 && b->target[0].cls[0] == 0);
    uda_loader_destroy(&l);
    uda_arena_finish(&arena);
    uda_arena_finish(&scratch);
}

/* Once every slot has seen its largest step, no step asks the system for memory. */
static void test_steady(const struct uda_dataset *d)
{
    struct uda_err err = {0};
    struct uda_loader_spec spec = base_spec;
    const struct uda_batch *b = NULL;
    spec.last_step = 400;
    struct uda_loader *l = create(d, &spec);
    int64_t before = 0;
    for (int64_t s = 0; s < 400; s++) {
        before = s == 300 ? uda_alloc_count() : before;
        CHECK_OK(uda_loader_next(l, &b, &err), &err);
    }
    CHECK(UDA_SEPARATE_BLOCKS || uda_alloc_count() == before);
    uda_loader_destroy(&l);
}

/* A file that goes bad after indexing: every number of workers stops at the same step with the same
 * line. */
static void test_error(const struct uda_dataset *d, const char *dir)
{
    struct uda_err err = {0};
    CHECK_OK(uda_fs_write(TEXT("%s/rgb/rgb_0004.png", dir), "x", 1, &err), &err);
    int64_t step[4] = {-1, -1, -1, -1};
    static const int workers[4] = {0, 1, 3, 8};
    for (int k = 0; k < 4; k++) {
        struct uda_loader_spec spec = base_spec;
        spec.workers = workers[k];
        struct uda_loader *l = create(d, &spec);
        const struct uda_batch *b = NULL;
        err = (struct uda_err){0};
        int rc = 0;
        while (rc == 0) {
            step[k]++;
            rc = uda_loader_next(l, &b, &err);
        }
        CHECK(rc == UDA_FORMAT && strstr(err.text, "rgb_0004.png") != NULL);
        CHECK(step[k] == step[0] && step[k] < 3);
        CHECK(uda_loader_next(l, &b, NULL) == UDA_FORMAT);
        uda_loader_destroy(&l);
    }
}

static void test_spec(const struct uda_dataset *d)
{
    struct uda_loader *l = NULL;
    struct uda_augment_spec bad_augment = {.flip = 2.0f};
    struct uda_loader_spec bad[] = {
        {.batch = 0},
        {.batch = 1, .first_step = 2, .last_step = 1},
        {.batch = 1, .last_step = (int64_t)1 << 33},
        {.batch = 1, .workers = -1},
        {.batch = 1, .workers = 1000},
        {.batch = 1, .augment = &bad_augment},
        {.batch = 2, .first_image = 1, .images = 2},
        {.batch = 2, .first_image = -1},
        {.batch = 2, .first_image = 2},
    };
    for (int64_t i = 0; i < UDA_LEN(bad); i++) {
        CHECK(uda_loader_create(&l, d, &bad[i], NULL) == UDA_MANIFEST && l == NULL);
    }
    struct uda_loader_spec empty = {.batch = 1, .workers = 2};
    const struct uda_batch *b = NULL;
    l = create(d, &empty);
    CHECK(uda_loader_next(l, &b, NULL) == 0 && b == NULL);
    uda_loader_destroy(&l);
    for (int i = 0; i < 20; i++) { /* gone before, while and after the workers begin */
        struct uda_loader_spec spec = base_spec;
        spec.workers = 3;
        l = create(d, &spec);
        for (int k = 0; k < i % 3; k++) {
            CHECK(uda_loader_next(l, &b, NULL) == 0);
        }
        uda_loader_destroy(&l);
    }
    uda_loader_destroy(&l);
}

static void test_no_memory(const struct uda_dataset *d)
{
    int64_t failures = 0;
    for (int64_t nth = 1; nth < 500; nth++) {
        struct uda_loader_spec spec = base_spec;
        struct uda_loader *l = NULL;
        const struct uda_batch *b = NULL;
        spec.last_step = 1;
        spec.cache_bytes = 1 << 20;
        uda_alloc_fail_after(nth);
        int rc = uda_loader_create(&l, d, &spec, NULL);
        rc = rc == 0 ? uda_loader_next(l, &b, NULL) : rc;
        uda_alloc_fail_after(0);
        uda_loader_destroy(&l);
        CHECK(rc == 0 || rc == UDA_NOMEM || rc == UDA_IO);
        failures += rc != 0;
    }
    CHECK(failures > 10);
}

int main(void)
{
    char dir[] = "/tmp/uda-loader-XXXXXX";
    struct uda_err err = {0};
    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(uda_fs_mkdirs(TEXT("%s/rgb", dir), &err), &err);
    CHECK_OK(uda_fs_mkdirs(TEXT("%s/panoptic", dir), &err), &err);
    for (int i = 0; i < IMAGES; i++) {
        write_image(dir, i);
    }
    struct uda_dataset_spec spec = {.format = "urbansyn", .root = dir, .threads = 1};
    struct uda_dataset *d = NULL;
    CHECK_OK(uda_dataset_create(&d, &spec, &err), &err);
    if (d != NULL) {
        test_same_bytes(d);
        test_parts(d);
        test_order(d);
        test_plain(d);
        test_steady(d);
        test_spec(d);
        test_no_memory(d);
        test_error(d, dir);
    }
    uda_dataset_destroy(&d);
    CHECK(system(TEXT("rm -rf '%s'", dir)) == 0);
    uda_arena_finish(ARENA);
    return check_result();
}
