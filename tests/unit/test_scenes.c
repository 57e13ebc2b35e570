/* Scenes: the same bytes for the same spec, consistent labels, odd sizes. */
#include "src/base/hash.h"
#include "src/scenes/scene.h"

#include "tests/check.h"

static struct uda_scene_spec spec_of(enum uda_scene_style style, int64_t height, int64_t width)
{
    return (struct uda_scene_spec){
        .style = style, .seed = 5, .height = height, .width = width, .gap = 0.4f};
}

/* Digest of picture and map of one scene. */
static struct uda_digest digest_of(const struct uda_scene_spec *spec, int64_t index)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_drawing scene;
    struct uda_digest d[2] = {{0, 0}, {0, 0}};
    CHECK_OK(uda_scene_draw(&scene, &arena, spec, index, &err), &err);
    size_t pixels = (size_t)spec->height * (size_t)spec->width;
    d[0] = uda_digest_of(scene.image.rgb, 3 * pixels);
    d[1] = uda_digest_of(scene.map, pixels * sizeof *scene.map);
    uda_arena_finish(&arena);
    return uda_digest_of(d, sizeof d);
}

static void test_repeatable(void)
{
    for (int style = 0; style < UDA_SCENE_STYLES; style++) {
        struct uda_scene_spec spec = spec_of((enum uda_scene_style)style, 96, 192);
        struct uda_digest first = digest_of(&spec, 3);
        CHECK(uda_digest_equal(first, digest_of(&spec, 3)));
        CHECK(!uda_digest_equal(first, digest_of(&spec, 4)));
        spec.seed++;
        CHECK(!uda_digest_equal(first, digest_of(&spec, 3)));
    }
}

/*
 * What version 2 draws, whatever the compiler and the machine. A change of these numbers is a
 * change of UDA_SCENES_VERSION: folders drawn before are then refused instead of mixed.
 */
static void test_golden(void)
{
    static const char *const golden[UDA_SCENE_STYLES] = {"06f643fffb470314b7a1af22996ac652",
                                                         "209adfc79962a546f0b823d5c52dd0c5"};
    for (int style = 0; style < UDA_SCENE_STYLES; style++) {
        struct uda_scene_spec spec = spec_of((enum uda_scene_style)style, 64, 130);
        struct uda_digest all[24];
        char text[UDA_DIGEST_TEXT_BYTES];
        for (int64_t i = 0; i < UDA_LEN(all); i++) {
            all[i] = digest_of(&spec, i);
        }
        uda_digest_text(text, uda_digest_of(all, sizeof all));
        CHECK_STR(text, golden[style]);
        CHECK(UDA_SCENES_VERSION == 2);
    }
}

/* Recounts the map: areas, boxes, whole numbering, known stuff only. */
static void check_labels(const struct uda_drawing *scene, const struct uda_scene_spec *spec)
{
    int64_t area[UDA_SCENE_OBJECTS] = {0};
    for (int64_t p = 0; p < spec->height * spec->width; p++) {
        uint16_t value = scene->map[p];
        if (value >= UDA_SCENE_OBJECT) {
            CHECK(value - UDA_SCENE_OBJECT < scene->objects);
            area[value - UDA_SCENE_OBJECT]++;
        }
        int id = uda_scene_label_id(scene, value);
        CHECK(id >= UDA_STUFF_ROAD && id <= 33);
    }
    int64_t least = uda_scene_least_px(spec->height, spec->width);
    for (int64_t i = 0; i < scene->objects; i++) {
        const struct uda_scene_object *o = &scene->object[i];
        CHECK(area[i] == o->area_px && area[i] >= least);
        CHECK(o->whole_px >= o->area_px);
        CHECK(o->x0 >= 0 && o->x0 <= o->x1 && o->x1 < spec->width);
        CHECK(o->y0 >= 0 && o->y0 <= o->y1 && o->y1 < spec->height);
        CHECK((o->cls == UDA_RIDER) <= (o->partner >= 0));
        if (o->partner >= 0) {
            CHECK(scene->object[o->partner].partner == i);
        }
    }
}

static void test_labels(void)
{
    for (int style = 0; style < UDA_SCENE_STYLES; style++) {
        struct uda_scene_spec spec = spec_of((enum uda_scene_style)style, 96, 192);
        struct uda_arena arena = {0};
        struct uda_err err = {0};
        int64_t seen[UDA_CLASSES] = {0}, total = 0, scenes = 150;
        for (int64_t i = 0; i < scenes; i++) {
            struct uda_drawing scene;
            struct uda_labels labels;
            CHECK_OK(uda_scene_draw(&scene, &arena, &spec, i, &err), &err);
            check_labels(&scene, &spec);
            CHECK_OK(uda_scene_labels(&labels, &arena, &scene, &err), &err);
            CHECK(labels.count == scene.objects);
            for (int64_t k = 0; k < scene.objects; k++) {
                seen[scene.object[k].cls]++;
                total++;
            }
            uda_arena_reset(&arena, 0);
        }
        CHECK(total > 3 * scenes && total < 7 * scenes);
        for (int c = 0; c < UDA_CLASSES; c++) {
            CHECK(seen[c] * 100 > total); /* at least 1 % of each class */
        }
        CHECK(seen[UDA_CAR] > seen[UDA_TRAIN] && seen[UDA_PERSON] > seen[UDA_BUS]);
        uda_arena_finish(&arena);
    }
}

static void test_sizes(void)
{
    static const int64_t sizes[][2] = {{16, 16},  {17, 31},   {95, 193},
                                       {48, 300}, {188, 704}, {300, 100}};
    struct uda_arena arena = {0};
    for (int64_t i = 0; i < UDA_LEN(sizes); i++) {
        for (int64_t k = 0; k < 8; k++) {
            struct uda_scene_spec spec =
                spec_of((enum uda_scene_style)(k % UDA_SCENE_STYLES), sizes[i][0], sizes[i][1]);
            struct uda_drawing scene;
            struct uda_err err = {0};
            CHECK_OK(uda_scene_draw(&scene, &arena, &spec, k, &err), &err);
            check_labels(&scene, &spec);
            uda_arena_reset(&arena, 0);
        }
    }
    static const int64_t bad[][2] = {{0, 0}, {-4, 64}, {15, 64}, {64, 100000}};
    for (int64_t i = 0; i < UDA_LEN(bad); i++) {
        struct uda_scene_spec spec = spec_of(UDA_SCENE_REAL, bad[i][0], bad[i][1]);
        struct uda_drawing scene;
        struct uda_err err = {0};
        CHECK(uda_scene_draw(&scene, &arena, &spec, 0, &err) == UDA_SHAPE);
    }
    uda_arena_finish(&arena);
}

int main(void)
{
    test_repeatable();
    test_golden();
    test_labels();
    test_sizes();
    return check_result();
}
