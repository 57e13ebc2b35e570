/* Pseudo-labels: which of the teacher's instances count; the ego region. */
#include "src/plan/manifest.h"
#include "src/uda/ego.h"
#include "src/uda/pseudo.h"
#include "tests/unit/mix_images.h"

#include <stdlib.h>

/* Detections drawn like the labels of mix_drawn, one class digit and score each. */
static const struct uda_image_detections *found(struct uda_arena *arena, const char *art,
                                                const char *cls, const double *score)
{
    struct uda_err err = {0};
    struct uda_detections *set = uda_arena_alloc(arena, sizeof *set);
    struct uda_sample s = mix_drawn(arena, 0, art, cls);
    int64_t producer = 0;
    uda_detections_init(set, arena);
    CHECK_OK(uda_detections_producer(set, &producer, "teacher", &err), &err);
    CHECK_OK(uda_detections_image(set, "image", s.height, s.width, &err), &err);
    for (int64_t m = 0; m < s.count; m++) {
        CHECK_OK(uda_detections_add_mask(set, (enum uda_class)s.cls[m], score[m],
                                         s.masks + m * s.height * s.width, producer, &err), &err);
    }
    return &set->image[0];
}

#define ART                                                                                        \
    "000.11|"                                                                                      \
    "000.11|"                                                                                      \
    "22...3|"                                                                                      \
    "22.4..|"

static void test_choice(struct uda_arena *arena)
{
    struct uda_err err = {0};
    struct uda_arena scratch = {0};
    struct uda_class_map map;
    static const enum uda_class group[] = {UDA_BUS, UDA_CAR}; /* 4 -> 0, 2 -> 1 */
    CHECK_OK(uda_class_map_of(&map, group, 2, &err), &err);
    static const double score[] = {0.91, 0.9, 0.95, 0.99, 0.95};
    const struct uda_image_detections *d = found(arena, ART, "24224", score);
    struct uda_sample target = mix_blank(arena, 1, 4, 6, 0);
    struct uda_pseudo p;
    struct uda_pseudo_spec spec = {.confidence = 0.9, .max_iou = 1.0};
    /* Strictly above; surest first, equal ones as found. */
    CHECK_OK(uda_pseudo_label(&target, &p, &spec, &map, d, NULL, arena, &scratch, &err), &err);
    CHECK(p.found == 5 && p.count == 4 && p.unsure == 1 && target.count == 4);
    CHECK_STR(mix_labels(arena, &target), "333...|333...|11...0|11.2..|");
    CHECK_STR(mix_classes(arena, &target), "1101");
    CHECK(p.score[0] == 0.99 && p.score[1] == 0.95 && p.score[2] == 0.95 && p.score[3] == 0.91);
    /* Area. */
    spec.min_area_px = 5;
    CHECK_OK(uda_pseudo_label(&target, &p, &spec, &map, d, NULL, arena, &scratch, &err), &err);
    CHECK(p.count == 1 && p.small == 3 && p.unsure == 1);
    CHECK_STR(mix_labels(arena, &target), "000...|000...|......|......|");
    /* A class that the model's group lacks. */
    spec.min_area_px = 0;
    d = found(arena, ART, "04224", score);
    CHECK_OK(uda_pseudo_label(&target, &p, &spec, &map, d, NULL, arena, &scratch, &err), &err);
    CHECK(p.count == 3 && p.foreign == 1);
    /* Nothing sure enough: no labels, and that is no error. */
    spec.confidence = 0.99;
    CHECK_OK(uda_pseudo_label(&target, &p, &spec, &map, d, NULL, arena, &scratch, &err), &err);
    CHECK(p.count == 0 && target.count == 0 && p.unsure == 4);
    struct uda_sample wrong = mix_blank(arena, 1, 6, 4, 0);
    CHECK(uda_pseudo_label(&wrong, &p, &spec, &map, d, NULL, arena, &scratch, &err) == UDA_SHAPE);
    CHECK_STR(err.text, "'image': instances of 4 x 6 on an image of 6 x 4");
    CHECK(uda_arena_mark(&scratch) == 0);
    uda_arena_finish(&scratch);
}

/* Less than a fifth outside of the car: gone; a fifth or more: whole. */
static void test_ego_share(struct uda_arena *arena)
{
    struct uda_err err = {0};
    struct uda_arena scratch = {0};
    struct uda_class_map map = uda_class_map_all();
    static const double score[] = {0.95, 0.94, 0.93};
    const struct uda_image_detections *d =
        found(arena, "0.....|0.1.22|0.1.22|0.1...|0.1...|..1...|", "222", score);
    struct uda_sample target = mix_blank(arena, 1, 6, 6, 0);
    uint8_t ego[36] = {0};
    memset(ego + 6, 1, 30); /* all but the first row: 0 has 1 of 5 outside, 1 has 0 of 5 */
    struct uda_pseudo p;
    struct uda_pseudo_spec spec = {.confidence = 0.9, .max_iou = 1.0, .ego_keep = 0.2};
    CHECK_OK(uda_pseudo_label(&target, &p, &spec, &map, d, ego, arena, &scratch, &err), &err);
    CHECK(p.count == 1 && p.ego == 2);
    CHECK_STR(mix_labels(arena, &target), "0.....|0.....|0.....|0.....|0.....|......|");
    spec.ego_keep = 0.21;
    CHECK_OK(uda_pseudo_label(&target, &p, &spec, &map, d, ego, arena, &scratch, &err), &err);
    CHECK(p.count == 0 && p.ego == 3);
    spec.ego_keep = 0.0;
    CHECK_OK(uda_pseudo_label(&target, &p, &spec, &map, d, ego, arena, &scratch, &err), &err);
    CHECK(p.count == 3 && p.ego == 0);
    spec.ego_keep = 1.0;
    CHECK_OK(uda_pseudo_label(&target, &p, &spec, &map, d, NULL, arena, &scratch, &err), &err);
    CHECK(p.count == 3);
    uda_arena_finish(&scratch);
}

/* IoU of 0 and 1 is 3/5, of 2 and either 1/2: an IoU equal to the limit is not above it. */
static void test_duplicates(struct uda_arena *arena)
{
    struct uda_err err = {0};
    struct uda_arena scratch = {0};
    struct uda_class_map map = uda_class_map_all();
    struct uda_detections set;
    int64_t producer = 0;
    static const char *const art[] = {"0000....|", ".0000...|", ".00.....|"};
    static const double score[] = {0.8, 0.9, 0.7};
    uda_detections_init(&set, arena);
    CHECK_OK(uda_detections_producer(&set, &producer, "teacher", &err), &err);
    CHECK_OK(uda_detections_image(&set, "image", 1, 8, &err), &err);
    for (int i = 0; i < 3; i++) {
        struct uda_sample s = mix_drawn(arena, 0, art[i], "1");
        CHECK_OK(uda_detections_add_mask(&set, (enum uda_class)i, score[i], s.masks, producer,
                                         &err), &err);
    }
    struct uda_sample target = mix_blank(arena, 1, 1, 8, 0);
    struct uda_pseudo p;
    static const struct {
        double max_iou;
        const char *classes;
    } cases[] = {{1.0, "102"}, {0.6, "102"}, {0.59, "12"}, {0.5, "12"}, {0.49, "1"}};
    for (int64_t c = 0; c < UDA_LEN(cases); c++) {
        struct uda_pseudo_spec spec = {.confidence = 0.5, .max_iou = cases[c].max_iou};
        CHECK_OK(uda_pseudo_label(&target, &p, &spec, &map, &set.image[0], NULL, arena, &scratch,
                                  &err), &err);
        CHECK_STR(mix_classes(arena, &target), cases[c].classes);
        CHECK(p.count + p.duplicate == 3);
    }
    uda_arena_finish(&scratch);
}

/* ---- the ego region ---- */

/* Rows of the released template: the first black row of a column, per column. */
static int64_t first_row(int64_t x)
{
    static const double line[][2] = {{0, 947}, {500, 916}, {1000, 886}, {1009, 885}};
    static const double right[][2] = {{1399, 884}, {1700, 905}, {2047, 929}};
    if (x >= 1010 && x <= 1398) {
        return 765;
    }
    const double(*p)[2] = x < 1010 ? line : right;
    while ((double)x > p[1][0]) {
        p++;
    }
    return (int64_t)(p[0][1] + ((double)x - p[0][0]) * (p[1][1] - p[0][1]) / (p[1][0] - p[0][0]));
}

/* The polygon of manifests/parts/cityscapes.yaml, read as a run reads it. */
static struct uda_ego cityscapes_ego(struct uda_arena *arena)
{
    static const char text[] = "extends: parts/cityscapes.yaml\nname: ego\n"
                               "stages: {t: {kind: train, data: val, iterations: 1}}\n";
    struct uda_err err = {0};
    struct uda_manifest *m = NULL;
    struct uda_str report;
    uda_str_init(&report, arena);
    CHECK(setenv("CITYSCAPES", "/none", 1) == 0);
    CHECK_OK(uda_manifest_parse(&m, arena, TEST_DATA "/../../manifests/ego.yaml", text,
                                sizeof text - 1, NULL, 0, &report, &err), &err);
    const struct uda_manifest_dataset *d = &m->dataset[0];
    return (struct uda_ego){.height = d->ego.size[0], .width = d->ego.size[1],
                            .points = d->ego.polygon.count / 2, .xy = d->ego.polygon.value};
}

static void test_cityscapes(struct uda_arena *arena)
{
    struct uda_err err = {0};
    const struct uda_ego released = cityscapes_ego(arena);
    struct uda_labelled_image scene = {.image = {.height = 1024, .width = 2048}, .name = "street"};
    CHECK_OK(uda_ego_mark(&scene, &released, UDA_CAR, arena, &err), &err);
    CHECK(scene.labels.count == 1);
    const struct uda_instance *ego = &scene.labels.instance[0];
    CHECK(ego->x0 == 0 && ego->x1 == 2047 && ego->y0 == 765 && ego->y1 == 1023);
    /* 13.6 % of the image. */
    CHECK_CLOSE((double)ego->area_px / (2048.0 * 1024.0), 0.136, 0.0005);
    for (int64_t x = 0; x < 2048; x++) {
        int64_t y = ego->y0;
        while (ego->mask[(y - ego->y0) * 2048 + x] == 0) {
            y++;
        }
        /* A pixel of the outline belongs to the one side or the other. */
        CHECK_CLOSE((double)y, (double)first_row(x), 1.0);
        for (; y < 1024; y++) {
            CHECK(ego->mask[(y - ego->y0) * 2048 + x] == 1);
        }
    }
}

/* The region goes through the crop and the flip like the pixels. */
static void test_augmented(struct uda_arena *arena)
{
    struct uda_err err = {0};
    struct uda_arena scratch = {0};
    static const int64_t xy[] = {0, 6, 6, 6, 6, 8, 0, 8}; /* lower left of 8 x 12 */
    const struct uda_ego ego = {.height = 8, .width = 12, .points = 4, .xy = xy};
    struct uda_class_map map = uda_class_map_all();
    int64_t seen = 0;
    for (uint32_t i = 0; i < 40; i++) {
        struct uda_sample s = mix_blank(arena, 3, 8, 12, 0), crop;
        struct uda_labelled_image scene = {.image = {s.rgb, 8, 12}, .name = "street"};
        struct uda_augment_spec spec = {.crop_height_px = 5, .crop_width_px = 7, .flip = 0.5f};
        struct uda_rng rng;
        uda_rng_init(&rng, 2, UDA_RNG_AUGMENT, 0, 0, i);
        CHECK_OK(uda_ego_mark(&scene, &ego, map.cls[0], arena, &err), &err);
        CHECK_OK(uda_augment_apply(&crop, &spec, &map, &scene, &rng, arena, &scratch, &err), &err);
        const uint8_t *mask = uda_ego_take(&crop);
        CHECK(crop.count == 0);
        seen += mask != NULL;
        for (int64_t p = 0; p < crop.height * crop.width; p++) {
            bool inside = crop.rgb[3 * p + 1] >= 6 && crop.rgb[3 * p + 2] < 6; /* y, x it is from */
            CHECK((mask != NULL && mask[p] == 1) == inside);
        }
    }
    CHECK(seen > 5 && seen < 40);
    /* Outside of the image there is nothing. */
    static const int64_t far[] = {20, 20, 30, 20, 30, 30};
    struct uda_labelled_image scene = {.image = {.height = 8, .width = 12}, .name = "street"};
    CHECK_OK(uda_ego_mark(&scene, &(struct uda_ego){8, 12, 3, far}, UDA_CAR, arena, &err), &err);
    CHECK(scene.labels.count == 0);
    CHECK(uda_ego_mark(&scene, &(struct uda_ego){8, 12, 2, far}, UDA_CAR, arena, &err) == UDA_FORMAT);
    uda_arena_finish(&scratch);
}

int main(void)
{
    struct uda_arena arena = {0};
    test_choice(&arena);
    test_ego_share(&arena);
    test_duplicates(&arena);
    test_cityscapes(&arena);
    test_augmented(&arena);
    uda_arena_finish(&arena);
    return check_result();
}
