/* Run-length masks against byte masks, known COCO strings and hostile input. */
#include "src/base/detections.h"
#include "src/base/rle.h"
#include "src/base/rng.h"
#include "tests/check.h"

#include <stdlib.h>

enum { MAX_SIDE = 150 };

static void random_mask(uint8_t *mask, int64_t pixels, struct uda_rng *rng)
{
    int64_t density = uda_rng_below(rng, 5);
    bool value = uda_rng_below(rng, 2) == 1;
    for (int64_t i = 0; i < pixels; i++) {
        bool flip = uda_rng_below(rng, density == 0 ? 1000000 : 1 + 3 * density * density) == 0;
        value = flip ? !value : value;
        mask[i] = value ? (uint8_t)(1 + uda_rng_below(rng, 255)) : 0;
    }
}

/* Column-major runs by the definition. */
static void check_counts(const struct uda_rle *rle, const uint8_t *mask)
{
    int64_t at = 0, wrong = 0;
    for (int64_t i = 0; i < rle->count; i++) {
        wrong += i > 0 && rle->counts[i] == 0;
        for (uint32_t k = 0; k < rle->counts[i]; k++, at++) {
            int64_t x = at / rle->height, y = at % rle->height;
            wrong += (mask[y * rle->width + x] != 0) != (i % 2 == 1);
        }
    }
    CHECK(wrong == 0);
    CHECK(at == rle->height * rle->width);
}

static void check_facts(const struct uda_rle *rle, const uint8_t *mask)
{
    int64_t area = 0;
    struct uda_box box = {rle->width, rle->height, -1, -1};
    for (int64_t y = 0; y < rle->height; y++) {
        for (int64_t x = 0; x < rle->width; x++) {
            if (mask[y * rle->width + x] != 0) {
                area++;
                box.x0 = x < box.x0 ? x : box.x0;
                box.x1 = x > box.x1 ? x : box.x1;
                box.y0 = y < box.y0 ? y : box.y0;
                box.y1 = y > box.y1 ? y : box.y1;
            }
        }
    }
    box = area == 0 ? (struct uda_box){0, 0, -1, -1} : box;
    struct uda_box got = uda_rle_box(rle);
    CHECK(uda_rle_area(rle) == area);
    CHECK(got.x0 == box.x0 && got.x1 == box.x1 && got.y0 == box.y0 && got.y1 == box.y1);
}

static void check_pair(struct uda_arena *arena, const struct uda_rle *a, const struct uda_rle *b,
                       const uint8_t *ma, const uint8_t *mb, uint8_t *scratch)
{
    struct uda_err err = {0};
    int64_t both = 0, any = 0, pixels = a->height * a->width;
    for (int64_t i = 0; i < pixels; i++) {
        both += ma[i] != 0 && mb[i] != 0;
        any += ma[i] != 0 || mb[i] != 0;
    }
    CHECK(uda_rle_intersection(a, b) == both);
    CHECK(uda_rle_iou(a, b, false) == (any == 0 ? 0.0 : (double)both / (double)any));
    CHECK(uda_rle_iou(a, b, true) == (both == 0 ? 0.0 : (double)both / (double)uda_rle_area(a)));
    struct uda_rle part[2] = {*a, *b}, sum;
    CHECK_OK(uda_rle_union(&sum, arena, part, 2, &err), &err);
    for (int64_t i = 0; i < pixels; i++) {
        scratch[i] = ma[i] != 0 || mb[i] != 0;
    }
    check_counts(&sum, scratch);
}

static void check_cut(struct uda_arena *arena, const struct uda_rle *rle, const uint8_t *mask,
                      uint8_t *scratch, struct uda_rng *rng)
{
    struct uda_err err = {0};
    int64_t x0 = uda_rng_below(rng, rle->width), y0 = uda_rng_below(rng, rle->height);
    struct uda_box box = {x0, y0, x0 + uda_rng_below(rng, rle->width - x0),
                          y0 + uda_rng_below(rng, rle->height - y0)};
    uda_rle_decode_box(scratch, box, rle);
    int64_t columns = box.x1 - box.x0 + 1, wrong = 0;
    for (int64_t y = box.y0; y <= box.y1; y++) {
        for (int64_t x = box.x0; x <= box.x1; x++) {
            wrong += scratch[(y - y0) * columns + x - x0] != (mask[y * rle->width + x] != 0);
        }
    }
    CHECK(wrong == 0);
    struct uda_rle cut, all;
    CHECK_OK(uda_rle_encode_box(&cut, arena, scratch, box, rle->height, rle->width, &err), &err);
    CHECK(uda_rle_intersection(&cut, rle) == uda_rle_area(&cut));
    /* The tight box loses nothing. */
    struct uda_box tight = uda_rle_box(rle);
    uda_rle_decode_box(scratch, tight, rle);
    CHECK_OK(uda_rle_encode_box(&all, arena, scratch, tight, rle->height, rle->width, &err), &err);
    CHECK(all.count == rle->count &&
          memcmp(all.counts, rle->counts, (size_t)all.count * sizeof *all.counts) == 0);
}

static void test_random(void)
{
    static uint8_t ma[MAX_SIDE * MAX_SIDE], mb[MAX_SIDE * MAX_SIDE], scratch[MAX_SIDE * MAX_SIDE];
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    for (uint32_t seed = 0; seed < 300; seed++) {
        struct uda_rng rng;
        uda_rng_init(&rng, 1, UDA_RNG_TEST, 0, 0, seed);
        int64_t h = 1 + uda_rng_below(&rng, MAX_SIDE), w = 1 + uda_rng_below(&rng, MAX_SIDE);
        random_mask(ma, h * w, &rng);
        random_mask(mb, h * w, &rng);
        struct uda_rle a, b, c;
        char *text = NULL;
        CHECK_OK(uda_rle_encode(&a, &arena, ma, h, w, &err), &err);
        CHECK_OK(uda_rle_encode(&b, &arena, mb, h, w, &err), &err);
        check_counts(&a, ma);
        check_facts(&a, ma);
        check_pair(&arena, &a, &b, ma, mb, scratch);
        check_cut(&arena, &a, ma, scratch, &rng);
        uda_rle_decode(scratch, &a);
        for (int64_t i = 0; i < h * w; i++) {
            ma[i] = ma[i] != 0;
        }
        CHECK(memcmp(scratch, ma, (size_t)(h * w)) == 0);
        CHECK_OK(uda_rle_to_text(&text, &arena, &a, &err), &err);
        CHECK_OK(uda_rle_from_text(&c, &arena, text, h, w, &err), &err);
        CHECK(c.count == a.count && memcmp(c.counts, a.counts, (size_t)a.count * 4) == 0);
        uda_arena_reset(&arena, 0);
    }
    uda_arena_finish(&arena);
}

/* Strings and runs that pycocotools 2.0.11 gives for annotation 403418 of COCO (CC BY 4.0). */
static void test_known_text(void)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    const char *known = "_Vm2e0f<0000000000000000000001O0000000000>BagU5";
    struct uda_rle rle;
    char *text = NULL;
    CHECK_OK(uda_rle_from_text(&rle, &arena, known, 427, 640, &err), &err);
    CHECK(uda_rle_area(&rle) == 378);
    CHECK(rle.count == 39 && rle.counts[0] == 95439 && rle.counts[1] == 21 &&
          rle.counts[38] == 170134);
    struct uda_box box = uda_rle_box(&rle);
    CHECK(box.x0 == 223 && box.y0 == 218 && box.x1 == 241 && box.y1 == 238);
    CHECK_OK(uda_rle_to_text(&text, &arena, &rle, &err), &err);
    CHECK_STR(text, known);
    uda_arena_finish(&arena);
}

/* Runs that pycocotools 2.0.11 gives for a few small polygons. */
static void test_polygons(void)
{
    static const struct {
        int64_t height, width, points;
        double xy[12];
        int64_t count;
        uint32_t counts[16];
    } cases[] = {
#include "tests/unit/rle_polygons.inc"
    };
    for (int64_t i = 0; i < UDA_LEN(cases); i++) {
        struct uda_arena arena = {0};
        struct uda_err err = {0};
        struct uda_rle rle = {0};
        CHECK_OK(uda_rle_from_polygon(&rle, &arena, cases[i].xy, cases[i].points, cases[i].height,
                                      cases[i].width, &err),
                 &err);
        CHECK(rle.count == cases[i].count &&
              memcmp(rle.counts, cases[i].counts, (size_t)rle.count * 4) == 0);
        uda_arena_finish(&arena);
    }
}

static void bad_text(const char *text, int64_t height, int64_t width)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_rle rle = {0};
    CHECK(uda_rle_from_text(&rle, &arena, text, height, width, &err) == UDA_FORMAT);
    CHECK(rle.counts == NULL);
    uda_arena_finish(&arena);
}

static void bad_polygon(const double *xy, int64_t points, int64_t height, int64_t width)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_rle rle = {0};
    CHECK(uda_rle_from_polygon(&rle, &arena, xy, points, height, width, &err) == UDA_FORMAT);
    uda_arena_finish(&arena);
}

static void test_hostile(void)
{
    bad_text("", 4, 4);
    bad_text("P", 4, 4);          /* a continuation with nothing behind */
    bad_text("0 0", 4, 4);        /* bad character */
    bad_text("0\xff", 4, 4);      /* above the alphabet */
    bad_text("11", 4, 4);         /* too few pixels */
    bad_text("PPPPPPPPPPPP0", 4, 4); /* endless number */
    bad_text("oooooo7", 4, 4);    /* beyond 2^31 */
    bad_text("O", 4, 4);          /* negative */
    bad_text("`0`0", 4, 4);
    bad_text("0", 0, 4);
    bad_text("0", -4, 4);
    bad_text("0", INT64_MAX, INT64_MAX);
    bad_text("0", 1 << 20, 1 << 20);
    static const int64_t over[] = {8, 9}, negative[] = {8, -1, 9}, huge[] = {INT64_MAX, INT64_MAX};
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_rle rle = {0};
    CHECK(uda_rle_from_counts(&rle, &arena, over, 2, 4, 4, &err) == UDA_FORMAT);
    CHECK(uda_rle_from_counts(&rle, &arena, over, 1, 4, 4, &err) == UDA_FORMAT);
    CHECK(uda_rle_from_counts(&rle, &arena, over, 0, 4, 4, &err) == UDA_FORMAT);
    CHECK(uda_rle_from_counts(&rle, &arena, negative, 3, 4, 4, &err) == UDA_FORMAT);
    CHECK(uda_rle_from_counts(&rle, &arena, huge, 2, 4, 4, &err) == UDA_FORMAT);
    uint8_t mask[4] = {1, 1, 1, 1};
    struct uda_box outside = {0, 0, 1, 4};
    CHECK(uda_rle_encode_box(&rle, &arena, mask, outside, 4, 4, &err) == UDA_SHAPE);
    CHECK(uda_rle_encode(&rle, &arena, mask, 0, 4, &err) == UDA_SHAPE);
    uda_arena_finish(&arena);
    static const double nan_xy[] = {0, 0, NAN, 5, 5, 5}, inf_xy[] = {0, 0, INFINITY, 5, 5, 5},
                        far_xy[] = {0, 0, 1e300, 5, 5, 5},
                        long_xy[] = {-1e8, 0, 1e8, 0, -1e8, 1, 1e8, 1}, ok[] = {0, 0, 2, 0, 2, 2};
    bad_polygon(nan_xy, 3, 8, 8);
    bad_polygon(inf_xy, 3, 8, 8);
    bad_polygon(far_xy, 3, 8, 8);
    bad_polygon(long_xy, 4, 8, 8);
    bad_polygon(ok, 2, 8, 8);
    bad_polygon(ok, 3, 1 << 20, 1 << 20);
}

static void test_detections(void)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_detections set;
    uint8_t mask[12] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, empty[12] = {0};
    int64_t a = -1, b = -1;
    uda_detections_init(&set, &arena);
    CHECK_OK(uda_detections_producer(&set, &a, "one", &err), &err);
    CHECK_OK(uda_detections_producer(&set, &b, "two", &err), &err);
    CHECK_OK(uda_detections_producer(&set, &b, "one", &err), &err);
    CHECK(a == 0 && b == 0 && set.producers == 2);
    CHECK(uda_detections_add_mask(&set, UDA_CAR, 1.0, mask, a, &err) == UDA_SHAPE);
    uda_err_clear(&err);
    for (int i = 0; i < 20; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "i%d", i);
        CHECK_OK(uda_detections_image(&set, name, 3, 4, &err), &err);
        for (int k = 0; k < i; k++) {
            CHECK_OK(uda_detections_add_mask(&set, UDA_CAR, k / 20.0, mask, a, &err), &err);
        }
        CHECK_OK(uda_detections_add_mask(&set, UDA_CAR, 1, empty, a, &err), &err);
    }
    CHECK(uda_detections_add_mask(&set, UDA_CAR, NAN, mask, a, &err) == UDA_NONFINITE);
    uda_err_clear(&err);
    const struct uda_image_detections *image = uda_detections_find(&set, "i19");
    CHECK(image != NULL && image->count == 19 && image->item[18].score == 18 / 20.0);
    CHECK(image != NULL && image->item[3].area_px == 3 && image->item[3].box.x0 == 1 &&
          image->item[3].box.y1 == 1);
    CHECK(uda_detections_find(&set, "i20") == NULL);
    CHECK_OK(uda_detections_image(&set, "other", 4, 4, &err), &err);
    CHECK(uda_detections_add(&set, UDA_CAR, 1, &set.image[19].item[0].mask, a, &err) == UDA_SHAPE);
    uda_arena_finish(&arena);
}

int main(void)
{
    test_random();
    test_known_text();
    test_polygons();
    test_hostile();
    test_detections();
    return check_result();
}
