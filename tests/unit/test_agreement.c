/* Error maps of hand-made detections: every pixel as expected. */
#include "tests/check.h"

#include "src/eval/agreement.h"

static struct uda_arena arena_of_test;
#define ARENA (&arena_of_test)

#define WIDTH 8
#define HEIGHT 2
#define PIXELS (HEIGHT * WIDTH)

/* "xx...... ........": rows from top to bottom, x is the object. */
static void add(struct uda_detections *set, enum uda_class cls, double score, const char *rows)
{
    struct uda_err err = {0};
    uint8_t mask[PIXELS];
    for (int64_t p = 0; p < PIXELS; p++) {
        mask[p] = rows[p + p / WIDTH] == 'x';
    }
    CHECK_OK(uda_detections_add_mask(set, cls, score, mask, 0, &err), &err);
}

static void start(struct uda_detections *set)
{
    struct uda_err err = {0};
    int64_t producer = 0;
    uda_detections_init(set, ARENA);
    CHECK_OK(uda_detections_producer(set, &producer, "test", &err), &err);
    CHECK_OK(uda_detections_image(set, "image", HEIGHT, WIDTH, &err), &err);
}

/* r right, f false, m missed, x mixed up. */
static void check_map(const struct uda_detections *found, const struct uda_detections *truth,
                      const char *ignored, const char *expected)
{
    struct uda_err err = {0};
    uint8_t kind[PIXELS], skip[PIXELS];
    char got[PIXELS + HEIGHT] = "";
    memset(kind, 99, sizeof kind);
    for (int64_t p = 0; p < PIXELS; p++) {
        skip[p] = ignored != NULL && ignored[p + p / WIDTH] == 'x';
    }
    CHECK_OK(uda_agreement_find(kind, &found->image[0], &truth->image[0], ignored == NULL ? NULL : skip,
                                0.5, &err), &err);
    for (int64_t p = 0; p < PIXELS; p++) {
        got[p + p / WIDTH] = kind[p] < UDA_AGREEMENTS ? ".rfmx"[kind[p]] : '?';
    }
    got[WIDTH] = ' ';
    CHECK_STR(got, expected);
}

static void test_matches(void)
{
    struct uda_detections found, truth;
    start(&found);
    start(&truth);
    check_map(&found, &truth, NULL, "........ ........");
    add(&truth, UDA_CAR, 1.0, ".xxx.... ........");
    check_map(&found, &truth, NULL, ".mmm.... ........");
    add(&found, UDA_CAR, 0.5, "..xxx... ........"); /* IoU 2 / 4: just enough */
    check_map(&found, &truth, NULL, ".mrrf... ........");
    add(&found, UDA_CAR, 0.49, "......xx ........"); /* not shown */
    check_map(&found, &truth, NULL, ".mrrf... ........");
    add(&found, UDA_CAR, 0.6, ".....x.. ........");
    check_map(&found, &truth, NULL, ".mrrff.. ........");
    check_map(&found, &truth, "xxxx.x.. ........", "..rrf... ........"); /* crowds: neither miss nor alarm */
}

static void test_wrong(void)
{
    struct uda_detections found, truth;
    start(&found);
    start(&truth);
    add(&truth, UDA_CAR, 1.0, "xxxx.... ........");
    add(&found, UDA_TRUCK, 0.9, "xxxxx... ........"); /* another class */
    check_map(&found, &truth, NULL, "xxxxf... ........");
    add(&found, UDA_CAR, 0.8, "x....... ........"); /* too small */
    check_map(&found, &truth, NULL, "xxxxf... ........");
    add(&found, UDA_CAR, 0.7, "xxx..... ........"); /* right goes before the truck */
    check_map(&found, &truth, NULL, "rrrxf... ........");
    add(&found, UDA_CAR, 0.95, "..xx.... ........"); /* surer: takes the truth, the other is one too many */
    check_map(&found, &truth, NULL, "xxrrf... ........");
}

/* Of two true instances the better one is taken, and each once. */
static void test_pairs(void)
{
    struct uda_detections found, truth;
    start(&found);
    start(&truth);
    add(&truth, UDA_PERSON, 1.0, "xx...... xxx.....");
    add(&truth, UDA_PERSON, 1.0, "xxx..... xxx.....");
    add(&truth, UDA_PERSON, 1.0, "......xx ........");
    add(&found, UDA_PERSON, 0.9, "xxx..... xxx.....");
    check_map(&found, &truth, NULL, "rrr...mm rrr.....");
    add(&found, UDA_PERSON, 0.8, "xxx..... xxxx....");
    check_map(&found, &truth, NULL, "rrr...mm rrrf....");
}

static void test_draw(void)
{
    uint8_t rgb[] = {100, 100, 100, 200, 0, 0, 0, 0, 0, 255, 255, 255, 10, 20, 30};
    const uint8_t kind[] = {0, 1, 2, 3, 4};
    const uint8_t expected[] = {50, 50, 50, 30, 140, 30, 127, 0, 0, 147, 167, 255, 136, 119, 9};
    struct uda_image image = {.rgb = rgb, .height = 1, .width = 5};
    uda_agreement_draw(&image, kind);
    for (int i = 0; i < 15; i++) {
        CHECK(rgb[i] == expected[i]);
    }
}

static void test_errors(void)
{
    struct uda_detections found, truth;
    struct uda_err err = {0};
    uint8_t kind[PIXELS];
    start(&found);
    start(&truth);
    add(&found, UDA_CAR, 0.9, "xxxxx... ........");
    for (int64_t nth = 1; nth < 5; nth++) {
        err.code = UDA_OK;
        uda_alloc_fail_after(nth);
        int rc = uda_agreement_find(kind, &found.image[0], &truth.image[0], NULL, 0.5, &err);
        uda_alloc_fail_after(0);
        if (rc == 0) {
            break;
        }
        CHECK(rc == UDA_NOMEM);
    }
    uda_err_clear(&err);
    truth.image[0].width++;
    CHECK(uda_agreement_find(kind, &found.image[0], &truth.image[0], NULL, 0.5, &err) == UDA_SHAPE);
    CHECK_STR(err.text, "'image': detections of 2 x 8, truth of 2 x 9");
}

int main(void)
{
    test_matches();
    test_wrong();
    test_pairs();
    test_draw();
    test_errors();
    uda_arena_finish(ARENA);
    return check_result();
}
