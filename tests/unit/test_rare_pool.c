/* The rare-class pool: what goes in comes out, first in first out, and survives a file. */
#include "tests/scratch.h"
#include "tests/unit/mix_images.h"

/* Object 0 (rare class 5): 5 px; 1: next to it, half inside its box; 2: elsewhere; 3: rare but not
 * picked. */
#define ART                                                                                        \
    "..00....|"                                                                                    \
    "..00111.|"                                                                                    \
    "....0..2|"                                                                                    \
    "33.....2|"

static struct uda_rare_pool *new_pool(int64_t images, double share, int64_t margin_px)
{
    struct uda_err err = {0};
    struct uda_rare_pool *pool = NULL;
    const struct uda_rare_pool_spec spec = {
        .images = images, .share = share, .margin_px = margin_px, .rare = {[5] = true}};
    CHECK_OK(uda_rare_pool_create(&pool, &spec, &err), &err);
    return pool;
}

static void push(struct uda_rare_pool *pool, const struct uda_sample *image, const char *picks)
{
    struct uda_err err = {0};
    struct uda_arena scratch = {0};
    bool picked[8] = {false};
    for (int64_t m = 0; m < image->count; m++) {
        picked[m] = picks[m] == 'x';
    }
    CHECK_OK(uda_rare_pool_push(pool, image->rgb, image, picked, &scratch, &err), &err);
    CHECK(uda_arena_mark(&scratch) == 0);
    uda_arena_finish(&scratch);
}

static int64_t draw(struct uda_rare_donor **donor, struct uda_arena *arena,
                    const struct uda_rare_pool *pool, uint32_t step)
{
    struct uda_err err = {0};
    struct uda_rng rng;
    int64_t count = -1;
    uda_rng_init(&rng, 5, UDA_RNG_POOL, 0, step, 0);
    CHECK_OK(uda_rare_pool_draw(donor, &count, pool, &rng, arena, &err), &err);
    return count;
}

/* Every pixel of what comes out: known inside box (x0 y0 x1 y1), black elsewhere. */
static void check_pixels(const struct uda_rare_donor *d, int64_t id, struct uda_box box)
{
    const struct uda_sample *s = &d->sample;
    for (int64_t y = 0; y < s->height; y++) {
        for (int64_t x = 0; x < s->width; x++) {
            uint8_t want[3] = {0, 0, 0};
            if (y >= box.y0 && y <= box.y1 && x >= box.x0 && x <= box.x1) {
                mix_color(want, id, y, x);
            }
            CHECK(memcmp(want, s->rgb + 3 * (y * s->width + x), 3) == 0);
        }
    }
}

static void test_content(struct uda_arena *arena)
{
    struct uda_sample image = mix_drawn(arena, 9, ART, "5235");
    struct uda_rare_donor *d;
    struct uda_rare_pool *pool = new_pool(10, 0.5, 0);
    CHECK(draw(&d, arena, pool, 0) == 0); /* empty */
    push(pool, &image, ".xx.");           /* nothing rare among the picks */
    CHECK(uda_rare_pool_count(pool) == 0);
    push(pool, &image, "xxx.");
    CHECK(draw(&d, arena, pool, 0) == 1); /* half of one is one */
    CHECK_STR(mix_labels(arena, &d->sample), "..00....|..001...|....0...|........|");
    CHECK_STR(mix_classes(arena, &d->sample), "52");
    CHECK(d->picked[0] && !d->picked[1] && d->sample.index == 9);
    check_pixels(d, 9, (struct uda_box){2, 0, 4, 2});
    uda_rare_pool_destroy(&pool);
    /* A margin brings more of the neighbours; at the edge it is cut. */
    pool = new_pool(10, 0.5, 3);
    push(pool, &image, "x...");
    CHECK(draw(&d, arena, pool, 0) == 1);
    CHECK_STR(mix_labels(arena, &d->sample), "..00....|..00111.|....0..2|33.....2|");
    CHECK(d->picked[0] && !d->picked[1] && !d->picked[2] && !d->picked[3]);
    check_pixels(d, 9, (struct uda_box){0, 0, 7, 3});
    uda_rare_pool_destroy(&pool);
    /* Two rare picks of one image are one entry. */
    pool = new_pool(10, 0.5, 0);
    push(pool, &image, "x..x");
    CHECK(uda_rare_pool_count(pool) == 1 && draw(&d, arena, pool, 0) == 1);
    CHECK_STR(mix_labels(arena, &d->sample), "..00....|..001...|....0...|22......|");
    CHECK_STR(mix_classes(arena, &d->sample), "525");
    CHECK(d->picked[0] && !d->picked[1] && d->picked[2]);
    uda_rare_pool_destroy(&pool);
    /* A neighbour is kept inside the two boxes, not between them. */
    pool = new_pool(10, 0.5, 0);
    image = mix_drawn(arena, 9, "002222|022222|222222|222211|222221|", "552");
    push(pool, &image, "xx.");
    CHECK(draw(&d, arena, pool, 0) == 1);
    CHECK_STR(mix_labels(arena, &d->sample), "00....|02....|......|....11|....21|");
    uda_rare_pool_destroy(&pool);
    uda_rare_pool_destroy(&pool); /* NULL is allowed */
}

/* Ids in the pool, by drawing all of it; order says whether the draw is in another order. */
static void test_order(struct uda_arena *arena)
{
    struct uda_rare_pool *pool = new_pool(4, 1.0, 0);
    struct uda_rare_donor *d;
    for (int64_t id = 0; id < 11; id++) {
        struct uda_sample image = mix_drawn(arena, id, "0.|", "5");
        push(pool, &image, "x");
        int64_t count = draw(&d, arena, pool, (uint32_t)id), sum = 0, want = 0;
        CHECK(count == (id < 4 ? id + 1 : 4) && count == uda_rare_pool_count(pool));
        for (int64_t i = 0; i < count; i++) {
            sum += 1 << d[i].sample.index;
            want += 1 << (id - i); /* the newest `count` */
        }
        CHECK(sum == want);
    }
    uda_rare_pool_destroy(&pool);
}

/* Half of ten: five different ones, each image equally often, the same for the same stream. */
static void test_share(struct uda_arena *arena)
{
    static const struct {
        double share;
        int64_t images, drawn;
    } cases[] = {{0.5, 1, 1}, {0.5, 3, 1}, {0.5, 4, 2}, {0.5, 10, 5}, {0.7, 10, 7},
                 {1.0, 10, 10}, {0.0, 10, 0}, {0.01, 10, 1}};
    struct uda_rare_donor *d, *again;
    for (int64_t c = 0; c < UDA_LEN(cases); c++) {
        struct uda_rare_pool *pool = new_pool(10, cases[c].share, 0);
        for (int64_t id = 0; id < cases[c].images; id++) {
            struct uda_sample image = mix_drawn(arena, id, "0.|", "5");
            push(pool, &image, "x");
        }
        int64_t times[10] = {0};
        for (uint32_t step = 0; step < 400; step++) {
            size_t mark = uda_arena_mark(arena);
            int64_t count = draw(&d, arena, pool, step), seen = 0;
            CHECK(count == cases[c].drawn && draw(&again, arena, pool, step) == count);
            for (int64_t i = 0; i < count; i++) {
                CHECK(d[i].sample.index == again[i].sample.index);
                seen |= 1 << d[i].sample.index;
                times[d[i].sample.index]++;
            }
            int64_t different = 0;
            for (int64_t id = 0; id < 10; id++) {
                different += seen >> id & 1;
            }
            CHECK(different == count);
            uda_arena_reset(arena, mark);
        }
        for (int64_t id = 0; id < cases[c].images; id++) {
            /* Binomial with p = drawn / images: five deviations of at most sqrt(400)/2 = 10. */
            double want = 400.0 * (double)cases[c].drawn / (double)cases[c].images;
            CHECK_CLOSE((double)times[id], want, 50.0);
        }
        uda_rare_pool_destroy(&pool);
    }
}

/* ---- files ---- */

static void save(const struct uda_rare_pool *pool, const char *path)
{
    struct uda_err err = {0};
    struct uda_store_writer *writer = NULL;
    CHECK_OK(uda_store_begin(&writer, 0, &err), &err);
    CHECK_OK(uda_rare_pool_save(pool, writer, "pool/rare", &err), &err);
    CHECK_OK(uda_store_commit(&writer, path, &err), &err);
}

static int load(struct uda_rare_pool *pool, const char *path, struct uda_err *err)
{
    struct uda_store *store = NULL;
    *err = (struct uda_err){0};
    CHECK_OK(uda_store_open(&store, path, err), err);
    int rc = uda_rare_pool_load(pool, store, "pool/rare", err);
    uda_store_close(&store);
    return rc;
}

static struct uda_digest digest(const char *path)
{
    struct uda_err err = {0};
    struct uda_store *store = NULL;
    CHECK_OK(uda_store_open(&store, path, &err), &err);
    struct uda_digest d = uda_store_digest(store);
    uda_store_close(&store);
    return d;
}

static void check_same_pools(struct uda_arena *arena, const struct uda_rare_pool *a,
                             const struct uda_rare_pool *b)
{
    struct uda_rare_donor *x, *y;
    int64_t count = draw(&x, arena, a, 3);
    CHECK(draw(&y, arena, b, 3) == count);
    for (int64_t i = 0; i < count; i++) {
        const struct uda_sample *s = &x[i].sample, *t = &y[i].sample;
        size_t pixels = (size_t)(s->height * s->width), labels = (size_t)s->count;
        CHECK(s->height == t->height && s->width == t->width && s->count == t->count);
        CHECK(s->index == t->index && memcmp(s->rgb, t->rgb, 3 * pixels) == 0);
        CHECK(memcmp(s->masks, t->masks, labels * pixels) == 0);
        CHECK(memcmp(s->cls, t->cls, labels * sizeof *s->cls) == 0);
        CHECK(memcmp(x[i].picked, y[i].picked, labels) == 0);
    }
}

static void test_file(struct uda_arena *arena, const char *dir)
{
    struct uda_err err = {0};
    char first[SCRATCH_BYTES], second[SCRATCH_BYTES];
    scratch_path(first, dir, "first.h5");
    scratch_path(second, dir, "second.h5");
    struct uda_rare_pool *pool = new_pool(8, 1.0, 1), *other = new_pool(8, 1.0, 1);
    save(pool, first); /* an empty pool is a pool */
    CHECK_OK(load(other, first, &err), &err);
    CHECK(uda_rare_pool_count(other) == 0);
    for (int64_t id = 0; id < 20; id++) {
        struct uda_rng rng;
        uda_rng_init(&rng, 8, UDA_RNG_TEST, 0, 0, (uint32_t)id);
        struct uda_sample image = mix_random(arena, id, &rng, false);
        for (int64_t m = 0; m < image.count; m++) {
            image.cls[m] += 2; /* 5 is the rare one */
        }
        push(pool, &image, "xx.x.");
        save(pool, first);
        CHECK_OK(load(other, first, &err), &err);
        check_same_pools(arena, pool, other);
        save(other, second);
        CHECK(uda_digest_equal(digest(first), digest(second)));
    }
    CHECK(uda_rare_pool_count(pool) > 4);
    /* Both go on alike. */
    struct uda_sample image = mix_drawn(arena, 21, ART, "5235");
    push(pool, &image, "xxx.");
    push(other, &image, "xxx.");
    check_same_pools(arena, pool, other);
    /* A file that does not fit changes nothing. */
    struct uda_rare_pool *narrow = new_pool(2, 1.0, 1), *margin = new_pool(8, 1.0, 0);
    push(margin, &image, "xxx.");
    CHECK(load(narrow, first, &err) == UDA_FORMAT && uda_rare_pool_count(narrow) == 0);
    CHECK(strstr(err.text, "more images than the pool holds") != NULL);
    CHECK(load(margin, first, &err) == UDA_FORMAT && uda_rare_pool_count(margin) == 1);
    CHECK(strstr(err.text, "another margin") != NULL);
    uda_rare_pool_destroy(&narrow);
    uda_rare_pool_destroy(&margin);
    uda_rare_pool_destroy(&pool);
    uda_rare_pool_destroy(&other);
}

/* One frame of 4 x 6 with one patch and one label, one number of it replaced each time. */
static void test_bad_file(const char *dir)
{
    static const struct {
        int table, at; /* 0 frames, 1 patches, 2 labels, 3 pixels, 4 bits (at = size) */
        int64_t value;
        const char *says; /* NULL: this one is good */
    } cases[] = {{0, 2, 77, NULL},
                 {0, 0, 0, "size is out of range"},
                 {0, 0, 1, "a patch is outside"},
                 {0, 1, INT64_MAX, "size is out of range"},
                 {0, 3, 2, "more patches or labels"},
                 {0, 3, -1, "more patches or labels"},
                 {0, 4, 2, "more patches or labels"},
                 {0, 3, 0, "more than its images need"},
                 {1, 0, -1, "a patch is outside"},
                 {1, 2, 6, "a patch is outside"},
                 {1, 2, 0, "a patch is outside"},
                 {1, 3, INT64_MAX, "a patch is outside"},
                 {2, 0, 8, "a label is out of range"},
                 {2, 0, -1, "a label is out of range"},
                 {2, 1, 2, "a label is out of range"},
                 {2, 4, 6, "a label is out of range"},
                 {2, 5, -1, "a label is out of range"},
                 {3, 17, 0, "too few pixels"},
                 {3, 19, 0, "more than its images need"},
                 {4, 0, 0, "too few mask bits"},
                 {4, 2, 0, "more than its images need"}};
    struct uda_err err = {0};
    char path[SCRATCH_BYTES];
    scratch_path(path, dir, "bad.h5");
    struct uda_rare_pool *pool = new_pool(3, 1.0, 0);
    for (int64_t c = 0; c < UDA_LEN(cases); c++) {
        int64_t frame[5] = {4, 6, 3, 1, 1}, patch[4] = {1, 1, 3, 2}, label[6] = {5, 1, 1, 1, 3, 2};
        uint8_t pixels[24] = {0}, bits[8] = {0x3f};
        int64_t sizes[2] = {18, 1}, *const table[3] = {frame, patch, label};
        if (cases[c].table < 3) {
            table[cases[c].table][cases[c].at] = cases[c].value;
        } else {
            sizes[cases[c].table - 3] = cases[c].at;
        }
        struct uda_store_writer *w = NULL;
        CHECK_OK(uda_store_begin(&w, 0, &err), &err);
        CHECK_OK(uda_store_put_i64(w, "pool/rare/frames", frame, 2, (int64_t[]){1, 5}, &err), &err);
        CHECK_OK(uda_store_put_i64(w, "pool/rare/patches", patch, 2, (int64_t[]){1, 4}, &err), &err);
        CHECK_OK(uda_store_put_i64(w, "pool/rare/labels", label, 2, (int64_t[]){1, 6}, &err), &err);
        CHECK_OK(uda_store_put_u8(w, "pool/rare/pixels", pixels, 1, &sizes[0], &err), &err);
        CHECK_OK(uda_store_put_u8(w, "pool/rare/bits", bits, 1, &sizes[1], &err), &err);
        CHECK_OK(uda_store_put_attr_i64(w, "pool/rare", "margin_px", 0, &err), &err);
        CHECK_OK(uda_store_commit(&w, path, &err), &err);
        int rc = load(pool, path, &err);
        if (cases[c].says == NULL) {
            CHECK_OK(rc, &err);
        } else {
            CHECK(rc == UDA_FORMAT);
            if (strstr(err.text, cases[c].says) == NULL) {
                CHECK_STR(err.text, cases[c].says);
            }
        }
        CHECK(uda_rare_pool_count(pool) == 1); /* the good one, from the first file */
        uda_err_clear(&err);
    }
    uda_rare_pool_destroy(&pool);
}

static void test_spec(void)
{
    static const struct uda_rare_pool_spec bad[] = {
        {.images = 0}, {.images = 1001}, {.images = 1, .share = -0.1}, {.images = 1, .share = 1.1},
        {.images = 1, .share = (double)NAN}, {.images = 1, .margin_px = -1}};
    for (int64_t i = 0; i < UDA_LEN(bad); i++) {
        struct uda_err err = {0};
        struct uda_rare_pool *pool = NULL;
        CHECK(uda_rare_pool_create(&pool, &bad[i], &err) == UDA_MANIFEST && pool == NULL);
    }
}

int main(void)
{
    char dir[SCRATCH_BYTES];
    scratch_make(dir);
    struct uda_arena arena = {0};
    test_spec();
    test_content(&arena);
    test_order(&arena);
    test_share(&arena);
    test_file(&arena, dir);
    test_bad_file(dir);
    scratch_remove(dir);
    uda_arena_finish(&arena);
    return check_result();
}
