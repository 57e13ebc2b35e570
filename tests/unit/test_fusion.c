/* Fusion of label sets on hand-made images: every pixel as expected. */
#include "tests/check.h"

#include "src/base/classes.h"
#include "src/eval/fusion.h"

#include <stdlib.h>

static struct uda_arena arena_of_test;
#define ARENA (&arena_of_test)

#define HEIGHT 3
#define WIDTH 6
#define PIXELS (HEIGHT * WIDTH)

/* "xx.... ...... ......": rows from top to bottom, x is the object. */
static void add(struct uda_detections *set, enum uda_class cls, double score, const char *rows,
                const char *producer)
{
    struct uda_err err = {0};
    uint8_t mask[PIXELS];
    int64_t index = 0, n = 0;
    for (const char *c = rows; *c != '\0' && n < PIXELS; c++) {
        if (*c != ' ') {
            mask[n++] = *c == 'x';
        }
    }
    CHECK(n == PIXELS);
    CHECK_OK(uda_detections_producer(set, &index, producer, &err), &err);
    CHECK_OK(uda_detections_add_mask(set, cls, score, mask, index, &err), &err);
}

static void start(struct uda_detections *set, const char *name)
{
    struct uda_err err = {0};
    CHECK_OK(uda_detections_image(set, name, HEIGHT, WIDTH, &err), &err);
}

/* Item k of image 0 has this class, score and mask; area and box belong to the mask. */
static void check_item(const struct uda_detections *set, int64_t k, enum uda_class cls,
                       double score, const char *rows)
{
    CHECK(set->count > 0 && k < set->image[0].count);
    if (set->count == 0 || k >= set->image[0].count) {
        return;
    }
    const struct uda_detection *item = &set->image[0].item[k];
    char got[PIXELS + HEIGHT];
    uint8_t mask[PIXELS];
    int64_t n = 0, area = 0;
    uda_rle_decode(mask, &item->mask);
    for (int64_t i = 0; i < PIXELS; i++) {
        if (i > 0 && i % WIDTH == 0) {
            got[n++] = ' ';
        }
        got[n++] = mask[i] ? 'x' : '.';
        area += mask[i];
    }
    got[n] = '\0';
    CHECK_STR(got, rows);
    CHECK(item->cls == cls && area == item->area_px);
    CHECK_CLOSE(item->score, score, 0.0);
    struct uda_box box = uda_rle_box(&item->mask);
    CHECK(memcmp(&box, &item->box, sizeof box) == 0);
}

static struct uda_fusion_input input_of(const struct uda_detections *set, unsigned classes)
{
    struct uda_fusion_input input = {.set = set, .name = "a set"};
    for (int c = 0; c < UDA_CLASSES; c++) {
        input.takes[c] = (classes >> c & 1u) != 0;
    }
    return input;
}

#define HUMANS (1u << UDA_PERSON | 1u << UDA_RIDER)
#define CARS (1u << UDA_CAR | 1u << UDA_BUS)

static const struct uda_fusion_rule usual = {.score = 0.5, .min_left = 0.5};

static struct uda_detections fused_of(const struct uda_fusion_input *input, int64_t inputs,
                                      const struct uda_fusion_rule *rule)
{
    struct uda_err err = {0};
    struct uda_detections fused;
    uda_detections_init(&fused, ARENA);
    CHECK_OK(uda_fuse(&fused, input, inputs, rule, &err), &err);
    return fused;
}

/* The surer instance keeps its pixels whoever made it; the other loses them. */
static void test_claims(void)
{
    struct uda_detections humans, cars;
    uda_detections_init(&humans, ARENA);
    uda_detections_init(&cars, ARENA);
    start(&humans, "a");
    start(&cars, "a");
    add(&humans, UDA_PERSON, 0.8, "..xx.. ..xx.. ..xx..", "humans.h5");
    add(&cars, UDA_CAR, 0.9, "...... .xxx.. .xxx..", "cars.h5");
    add(&cars, UDA_BUS, 0.7, "xxx... ...... ......", "cars.h5"); /* 2 of 3 left */
    const struct uda_fusion_input input[] = {input_of(&humans, HUMANS), input_of(&cars, CARS)};
    struct uda_fusion_rule rule = usual;
    rule.min_left = 1.0 / 3.0; /* the person keeps 2 of 6: exactly the share */
    struct uda_detections fused = fused_of(input, 2, &rule);
    CHECK(fused.count == 1 && fused.image[0].count == 3);
    CHECK_STR(fused.image[0].name, "a");
    check_item(&fused, 0, UDA_CAR, 0.9, "...... .xxx.. .xxx..");
    check_item(&fused, 1, UDA_PERSON, 0.8, "..xx.. ...... ......");
    check_item(&fused, 2, UDA_BUS, 0.7, "xx.... ...... ......");
    CHECK(fused.producers == 2);
    CHECK_STR(fused.producer[fused.image[0].item[0].producer], "cars.h5");
    CHECK_STR(fused.producer[fused.image[0].item[1].producer], "humans.h5");

    /* With half as the least share the person goes, and its pixels go to the next. */
    fused = fused_of(input, 2, &usual);
    CHECK(fused.image[0].count == 2);
    check_item(&fused, 0, UDA_CAR, 0.9, "...... .xxx.. .xxx..");
    check_item(&fused, 1, UDA_BUS, 0.7, "xxx... ...... ......");
}

/* A class is taken only from the set that owns it. */
static void test_classes(void)
{
    struct uda_detections humans, cars;
    uda_detections_init(&humans, ARENA);
    uda_detections_init(&cars, ARENA);
    start(&humans, "a");
    start(&cars, "a");
    add(&humans, UDA_CAR, 0.99, "xxxxxx xxxxxx xxxxxx", "humans.h5");
    add(&humans, UDA_RIDER, 0.6, "x..... x..... ......", "humans.h5");
    add(&cars, UDA_CAR, 0.6, "...... ...... xxxxxx", "cars.h5");
    add(&cars, UDA_PERSON, 0.98, "xxxxxx xxxxxx xxxxxx", "cars.h5");
    const struct uda_fusion_input input[] = {input_of(&humans, HUMANS), input_of(&cars, CARS)};
    struct uda_detections fused = fused_of(input, 2, &usual);
    CHECK(fused.image[0].count == 2);
    check_item(&fused, 0, UDA_RIDER, 0.6, "x..... x..... ......"); /* a tie: the earlier input */
    check_item(&fused, 1, UDA_CAR, 0.6, "...... ...... xxxxxx");
}

/* Thresholds: strictly above the score, at least the area, before and after the claims. */
static void test_thresholds(void)
{
    struct uda_detections set;
    uda_detections_init(&set, ARENA);
    start(&set, "a");
    add(&set, UDA_CAR, 0.5, "x..... x..... x.....", "w");  /* not above */
    add(&set, UDA_CAR, 0.9, ".....x ...... ......", "w");  /* too small */
    add(&set, UDA_CAR, 0.8, "xxx... ...... ......", "w");
    add(&set, UDA_CAR, 0.7, ".xxxx. ...... ......", "w");  /* 2 of 4 left: half, but under 3 px */
    add(&set, UDA_CAR, 0.6, "...xx. ...x.. ......", "w");  /* so these are free */
    add(&set, UDA_CAR, 0.55, "xxx... ...... ......", "w"); /* nothing left */
    const struct uda_fusion_input input[] = {input_of(&set, CARS)};
    struct uda_fusion_rule rule = usual;
    rule.min_area_px = 3;
    struct uda_detections fused = fused_of(input, 1, &rule);
    CHECK(fused.image[0].count == 2);
    check_item(&fused, 0, UDA_CAR, 0.8, "xxx... ...... ......");
    check_item(&fused, 1, UDA_CAR, 0.6, "...xx. ...x.. ......");

    rule = (struct uda_fusion_rule){.score = 0.5, .min_left = 0.0};
    fused = fused_of(input, 1, &rule); /* no share asked for: one pixel is enough, none is not */
    CHECK(fused.image[0].count == 4);
    check_item(&fused, 0, UDA_CAR, 0.9, ".....x ...... ......");
    check_item(&fused, 1, UDA_CAR, 0.8, "xxx... ...... ......");
    check_item(&fused, 2, UDA_CAR, 0.7, "...xx. ...... ......");
    check_item(&fused, 3, UDA_CAR, 0.6, "...... ...x.. ......");
}

/* Equal scores: the earlier item of the earlier input first, whatever the order of the rest. */
static void test_ties(void)
{
    struct uda_detections a, b;
    uda_detections_init(&a, ARENA);
    uda_detections_init(&b, ARENA);
    start(&a, "a");
    start(&b, "a");
    add(&a, UDA_CAR, 0.9, "xx.... ...... ......", "a");
    add(&a, UDA_BUS, 0.9, ".xxx.. ...... ......", "a");
    add(&b, UDA_CAR, 0.9, "...xxx x..... ......", "b");
    const struct uda_fusion_input one[] = {input_of(&a, CARS), input_of(&b, CARS)};
    struct uda_detections fused = fused_of(one, 2, &usual);
    CHECK(fused.image[0].count == 3);
    check_item(&fused, 0, UDA_CAR, 0.9, "xx.... ...... ......");
    check_item(&fused, 1, UDA_BUS, 0.9, "..xx.. ...... ......");
    check_item(&fused, 2, UDA_CAR, 0.9, "....xx x..... ......");
    const struct uda_fusion_input other[] = {input_of(&b, CARS), input_of(&a, CARS)};
    fused = fused_of(other, 2, &usual);
    CHECK(fused.image[0].count == 2); /* one of three pixels is left of the bus */
    check_item(&fused, 0, UDA_CAR, 0.9, "...xxx x..... ......");
    check_item(&fused, 1, UDA_CAR, 0.9, "xx.... ...... ......");
}

/* Plain: the lists one behind the other, overlaps and foreign classes included. */
static void test_plain(void)
{
    struct uda_detections humans, cars;
    uda_detections_init(&humans, ARENA);
    uda_detections_init(&cars, ARENA);
    start(&humans, "a");
    start(&cars, "a");
    add(&humans, UDA_CAR, 0.6, "xxxxxx xxxxxx xxxxxx", "humans.h5");
    add(&humans, UDA_PERSON, 0.4, "x..... ...... ......", "humans.h5");
    add(&cars, UDA_CAR, 0.9, "xxxxxx xxxxxx ......", "cars.h5");
    const struct uda_fusion_input input[] = {input_of(&humans, HUMANS), input_of(&cars, CARS)};
    struct uda_fusion_rule rule = usual;
    rule.plain = true;
    struct uda_detections fused = fused_of(input, 2, &rule);
    CHECK(fused.image[0].count == 2);
    check_item(&fused, 0, UDA_CAR, 0.6, "xxxxxx xxxxxx xxxxxx");
    check_item(&fused, 1, UDA_CAR, 0.9, "xxxxxx xxxxxx ......");
}

/* Many random images: disjoint, above the thresholds, inside their own mask, maximal. */
static void test_random(void)
{
    struct uda_detections a;
    uda_detections_init(&a, ARENA);
    uint32_t state = 12345; /* seed */
    for (int i = 0; i < 200; i++) {
        char name[16], rows[PIXELS + 1];
        (void)snprintf(name, sizeof name, "%03d", i);
        start(&a, name);
        for (int k = 0; k < i % 7; k++) {
            for (int p = 0; p < PIXELS; p++) {
                state = state * 1664525u + 1013904223u;
                rows[p] = (state >> 24) % 3 == 0 ? 'x' : '.';
            }
            rows[PIXELS] = '\0';
            add(&a, UDA_CAR, 0.5 + 0.1 * (double)(state >> 30), rows, "w");
        }
    }
    const struct uda_fusion_input input[] = {input_of(&a, CARS)};
    const struct uda_fusion_rule rule = {.score = 0.5, .min_area_px = 2, .min_left = 0.25};
    struct uda_detections fused = fused_of(input, 1, &rule);
    CHECK(fused.count == a.count);
    int64_t kept = 0;
    for (int64_t i = 0; i < fused.count; i++) {
        uint8_t seen[PIXELS] = {0}, mask[PIXELS];
        double last = 2.0;
        for (int64_t k = 0; k < fused.image[i].count; k++) {
            const struct uda_detection *item = &fused.image[i].item[k];
            uda_rle_decode(mask, &item->mask);
            for (int p = 0; p < PIXELS; p++) {
                CHECK(!(mask[p] && seen[p]));
                seen[p] |= mask[p];
            }
            CHECK(item->score > 0.5 && item->score <= last && item->area_px >= 2);
            last = item->score;
            kept++;
        }
    }
    CHECK(kept > 200);
}

static void test_errors(void)
{
    struct uda_detections a, b, fused;
    uda_detections_init(&a, ARENA);
    uda_detections_init(&b, ARENA);
    start(&a, "a");
    start(&b, "b");
    const struct uda_fusion_input input[] = {input_of(&a, CARS), input_of(&b, CARS)};
    struct uda_err err = {0};
    uda_detections_init(&fused, ARENA);
    CHECK(uda_fuse(&fused, input, 2, &usual, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "image 0 is 'a'") != NULL);
    start(&a, "c");
    uda_err_clear(&err);
    CHECK(uda_fuse(&fused, input, 2, &usual, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "fuse labels of one data set") != NULL);
    struct uda_detections wide;
    uda_detections_init(&wide, ARENA);
    uda_err_clear(&err);
    CHECK_OK(uda_detections_image(&wide, "b", HEIGHT, WIDTH + 1, &err), &err);
    const struct uda_fusion_input sizes[] = {input_of(&b, CARS), input_of(&wide, CARS)};
    CHECK(uda_fuse(&fused, sizes, 2, &usual, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "image 'b' is 6x3") != NULL);
    CHECK(fused.count == 0);
}

int main(void)
{
    test_claims();
    test_classes();
    test_thresholds();
    test_ties();
    test_plain();
    test_random();
    test_errors();
    uda_arena_finish(ARENA);
    return check_result();
}
