/* Augmentation: Pillow's bytes, crops and flips of images and masks, colour, batches. */
#include "tests/check.h"

#include "io/json.h"
#include "src/data/batch.h"
#include "src/data/resize.h"

#include <inttypes.h>
#include <stdlib.h>

static struct uda_arena arena_of_test, scratch_of_test;
#define ARENA (&arena_of_test)
#define SCRATCH (&scratch_of_test)

static uint64_t fnv(uint64_t h, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i++) {
        h = (h ^ p[i]) * 0x100000001B3u;
    }
    return h;
}

#define FNV_START 0xCBF29CE484222325u

/* The inputs of tools/golden/pillow_resize.py. */
static struct uda_image make_image(int64_t height, int64_t width, int64_t kind)
{
    struct uda_image image = {.height = height, .width = width};
    image.rgb = uda_arena_alloc(ARENA, (size_t)(height * width * 3));
    for (int64_t i = 0; i < height * width * 3; i++) {
        int64_t p = i / 3;
        image.rgb[i] = kind == 0 ? (uint8_t)((uint32_t)(i * 2654435761) >> 24)
                                 : (uint8_t)((p / width + p % width) % 2 * 255);
    }
    return image;
}

static void check_bilinear(const struct uda_json *row)
{
    int64_t v[5];
    struct uda_err err = {0};
    for (int64_t k = 0; k < 5; k++) {
        v[k] = uda_json_integer(uda_json_at(row, k), -1);
    }
    struct uda_image image = make_image(v[0], v[1], v[4]);
    struct uda_resize r = {.height = v[2], .width = v[3], .window = {0, 0, v[2], v[3]}};
    size_t bytes = (size_t)(v[2] * v[3] * 3);
    uint8_t *out = uda_arena_alloc(ARENA, bytes);
    CHECK_OK(uda_resize_image(out, &image, &r, SCRATCH, &err), &err);
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, fnv(FNV_START, out, bytes));
    CHECK_STR(text, uda_json_text(uda_json_at(row, 5)));

    /* A window has the bytes of the whole. */
    struct uda_window w = {v[2] / 3, v[3] / 4, (v[2] + 1) / 2, (v[3] + 1) / 2};
    r.window = w;
    uint8_t *part = uda_arena_alloc(ARENA, (size_t)(w.height * w.width * 3));
    CHECK_OK(uda_resize_image(part, &image, &r, SCRATCH, &err), &err);
    for (int64_t y = 0; y < w.height; y++) {
        CHECK(memcmp(part + y * w.width * 3, out + ((w.y0 + y) * v[3] + w.x0) * 3,
                     (size_t)w.width * 3) == 0);
    }
}

static void check_nearest(const struct uda_json *row)
{
    int64_t in = uda_json_integer(uda_json_at(row, 0), -1);
    int64_t out = uda_json_integer(uda_json_at(row, 1), -1);
    int32_t *source = uda_arena_alloc(ARENA, (size_t)out * sizeof *source), some[3] = {0};
    uda_resize_nearest(source, in, out, 0, out);
    uint64_t h = FNV_START;
    for (int64_t i = 0; i < out; i++) {
        for (int b = 0; b < 4; b++) {
            uint8_t byte = (uint8_t)(source[i] >> (8 * b));
            h = fnv(h, &byte, 1);
        }
    }
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, h);
    CHECK_STR(text, uda_json_text(uda_json_at(row, 2)));
    int64_t count = out < 3 ? out : 3;
    uda_resize_nearest(some, in, out, out - count, count);
    CHECK(memcmp(some, source + out - count, (size_t)count * sizeof *some) == 0);
}

static void test_pillow(void)
{
    struct uda_err err = {0};
    struct uda_json *json = NULL;
    const char *dir = getenv("UDA_TEST_DATA");
    const char *path = uda_arena_printf(ARENA, "%s/augment/pillow_resize.json",
                                        dir != NULL ? dir : "tests/data");
    CHECK_OK(uda_json_read(&json, path, &err), &err);
    const struct uda_json *rows = uda_json_get(json, "bilinear");
    CHECK(uda_json_count(rows) > 20);
    for (int64_t i = 0; i < uda_json_count(rows); i++) {
        check_bilinear(uda_json_at(rows, i));
    }
    rows = uda_json_get(json, "nearest");
    CHECK(uda_json_count(rows) > 10);
    for (int64_t i = 0; i < uda_json_count(rows); i++) {
        check_nearest(uda_json_at(rows, i));
    }
    uda_json_destroy(&json);
    uda_arena_finish(ARENA);
}

static void test_resize_bad(void)
{
    struct uda_image image = make_image(4, 4, 0);
    uint8_t out[64];
    struct uda_resize r[] = {{0, 4, {0, 0, 0, 4}},
                             {4, 40000, {0, 0, 1, 1}},
                             {4, 4, {0, 1, 4, 4}},
                             {4, 4, {-1, 0, 4, 4}},
                             {4, 4, {0, 0, 4, 0}}};
    for (int64_t i = 0; i < UDA_LEN(r); i++) {
        struct uda_err err = {0};
        CHECK(uda_resize_image(out, &image, &r[i], SCRATCH, &err) == UDA_SHAPE);
    }
}

/* detectron2 augmentation_impl.py ResizeShortestEdge.get_output_shape, values worked out by
 * hand. */
static void test_shortest_edge(void)
{
    static const int64_t cases[][6] = {
        {1024, 2048, 512, 4096, 512, 1024},  {1024, 2048, 921, 4096, 921, 1842},
        {1024, 2048, 2048, 4096, 2048, 4096}, {376, 1408, 512, 4096, 512, 1917},
        {1408, 376, 512, 0, 1917, 512},       {760, 1280, 614, 0, 614, 1034},
        {100, 1000, 512, 1024, 102, 1024},    {300, 300, 7, 0, 7, 7}};
    for (int64_t i = 0; i < UDA_LEN(cases); i++) {
        int64_t h = 0, w = 0;
        uda_resize_shortest_edge(&h, &w, cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
        CHECK(h == cases[i][4] && w == cases[i][5]);
    }
}

#define H 48
#define W 80

/* A scene of four instances: each a box with holes; the mask of one is everywhere, one is a
 * crowd. */
static struct uda_labelled_image make_scene(void)
{
    struct uda_labelled_image scene = {.image = make_image(H, W, 0), .name = "scene", .index = 3};
    static const int64_t box[4][4] = {
        {0, 0, W - 1, H - 1}, {10, 5, 40, 20}, {50, 30, 50, 30}, {60, 2, 79, 47}};
    static const enum uda_class cls[4] = {UDA_CAR, UDA_PERSON, UDA_TRUCK, UDA_BUS};
    scene.labels = (struct uda_labels){.height = H, .width = W, .count = 4};
    scene.labels.instance = uda_arena_calloc(ARENA, 4 * sizeof *scene.labels.instance);
    for (int64_t i = 0; i < 4; i++) {
        struct uda_instance *n = &scene.labels.instance[i];
        int64_t h = box[i][3] - box[i][1] + 1, w = box[i][2] - box[i][0] + 1;
        *n = (struct uda_instance){.id = i + 1, .cls = cls[i], .crowd = i == 3, .x0 = box[i][0],
                                   .y0 = box[i][1], .x1 = box[i][2], .y1 = box[i][3]};
        n->mask = uda_arena_alloc(ARENA, (size_t)(h * w));
        for (int64_t p = 0; p < h * w; p++) {
            n->mask[p] = i == 0 || p % 7 != 3;
        }
    }
    return scene;
}

static uint8_t mask_at(const struct uda_instance *n, int64_t y, int64_t x)
{
    if (y < n->y0 || y > n->y1 || x < n->x0 || x > n->x1) {
        return 0;
    }
    return n->mask[(y - n->y0) * (n->x1 - n->x0 + 1) + x - n->x0];
}

/* The definition, step by step on whole images, with the same draws. */
static void check_reference(uint32_t seed, bool keep_empty)
{
    struct uda_err err = {0};
    struct uda_labelled_image scene = make_scene();
    struct uda_augment_spec spec = {.edge_px = {31, 48, 70}, .edges = 3, .edge_max_px = 110,
                                    .crop_height_px = 20, .crop_width_px = 33, .flip = 0.5f,
                                    .keep_empty = keep_empty};
    struct uda_class_map map = {0};
    CHECK_OK(uda_class_map_of(&map, (enum uda_class[]){UDA_TRUCK, UDA_PERSON, UDA_CAR}, 3, &err),
             &err);
    struct uda_sample s = {0};
    struct uda_rng rng;
    uda_rng_init(&rng, seed, UDA_RNG_AUGMENT, 1, 2, 3);
    CHECK_OK(uda_augment_apply(&s, &spec, &map, &scene, &rng, ARENA, SCRATCH, &err), &err);
    CHECK(s.height == 20 && s.width == 33 && s.index == 3);

    uda_rng_init(&rng, seed, UDA_RNG_AUGMENT, 1, 2, 3);
    int64_t h = 0, w = 0;
    uda_resize_shortest_edge(&h, &w, H, W, spec.edge_px[uda_rng_below(&rng, 3)], 110);
    int64_t y0 = uda_rng_below(&rng, h - 20 + 1), x0 = uda_rng_below(&rng, w - 33 + 1);
    bool flip = uda_rng_uniform(&rng) < 0.5f;
    struct uda_resize r = {.height = h, .width = w, .window = {0, 0, h, w}};
    uint8_t *whole = uda_arena_alloc(ARENA, (size_t)(h * w * 3));
    int32_t *rows = uda_arena_alloc(ARENA, (size_t)h * sizeof *rows);
    int32_t *columns = uda_arena_alloc(ARENA, (size_t)w * sizeof *columns);
    CHECK_OK(uda_resize_image(whole, &scene.image, &r, SCRATCH, &err), &err);
    uda_resize_nearest(rows, H, h, 0, h);
    uda_resize_nearest(columns, W, w, 0, w);
    int64_t m = 0;
    for (int c = 0; c < 4; c++) {
        static const int order[4] = {2, 1, 0, -1}; /* car, person, truck; the crowd is left out */
        const struct uda_instance *n = &scene.labels.instance[c];
        uint8_t want[20 * 33], any = 0;
        for (int64_t i = 0; i < 20 * 33; i++) {
            int64_t y = i / 33, x = flip ? 32 - i % 33 : i % 33;
            want[i] = mask_at(n, rows[y0 + y], columns[x0 + x]);
            any |= want[i];
            CHECK(c > 0 || memcmp(s.rgb + 3 * i, whole + 3 * ((y0 + y) * w + x0 + x), 3) == 0);
        }
        if (order[c] < 0 || (any == 0 && !keep_empty)) {
            continue;
        }
        CHECK(m < s.count);
        if (m < s.count) {
            CHECK(s.cls[m] == order[c]);
            CHECK(memcmp(s.masks + m * 20 * 33, want, sizeof want) == 0);
        }
        m++;
    }
    CHECK(m == s.count);
    uda_arena_reset(ARENA, 0);
}

/* Large-scale jitter by its definition: flip, resize, crop, pad, each on the whole image. */
static void check_lsj(uint32_t seed)
{
    struct uda_err err = {0};
    struct uda_labelled_image scene = make_scene();
    struct uda_augment_spec spec = {.lsj = true, .scale_min = 0.3f, .scale_max = 2.0f,
                                    .crop_height_px = 64, .crop_width_px = 64, .flip = 0.5f};
    struct uda_class_map map = uda_class_map_all();
    struct uda_sample s = {0};
    struct uda_rng rng;
    uda_rng_init(&rng, seed, UDA_RNG_AUGMENT, 0, 0, 0);
    CHECK_OK(uda_augment_apply(&s, &spec, &map, &scene, &rng, ARENA, SCRATCH, &err), &err);
    CHECK(s.height == 64 && s.width == 64 && s.count >= 1 && s.cls[0] == UDA_CAR);

    uda_rng_init(&rng, seed, UDA_RNG_AUGMENT, 0, 0, 0);
    bool flip = uda_rng_uniform(&rng) < 0.5f;
    double scale = (double)uda_rng_range(&rng, 0.3f, 2.0f), place = (double)uda_rng_uniform(&rng);
    double ratio = fmin(64.0 * scale / H, 64.0 * scale / W);
    int64_t h = (int64_t)rint(H * ratio), w = (int64_t)rint(W * ratio);
    int64_t y0 = h > 64 ? (int64_t)rint((double)(h - 64) * place) : 0;
    int64_t x0 = w > 64 ? (int64_t)rint((double)(w - 64) * place) : 0;
    struct uda_image image = make_image(H, W, 0);
    for (int64_t i = 0; flip && i < H * W; i++) {
        memcpy(image.rgb + 3 * i, scene.image.rgb + 3 * (i / W * W + W - 1 - i % W), 3);
    }
    struct uda_resize r = {.height = h, .width = w, .window = {0, 0, h, w}};
    uint8_t *whole = uda_arena_alloc(ARENA, (size_t)(h * w * 3));
    CHECK_OK(uda_resize_image(whole, &image, &r, SCRATCH, &err), &err);
    static const uint8_t grey[3] = {128, 128, 128};
    for (int64_t i = 0; i < 64 * 64; i++) {
        bool in = i / 64 < h && i % 64 < w; /* the car covers the image */
        const uint8_t *want = in ? whole + 3 * ((y0 + i / 64) * w + x0 + i % 64) : grey;
        CHECK(s.masks[i] == in && memcmp(s.rgb + 3 * i, want, 3) == 0);
    }
    int32_t rows[200], columns[200];
    CHECK(h <= 200 && w <= 200);
    uda_resize_nearest(rows, H, h, 0, h);
    uda_resize_nearest(columns, W, w, 0, w);
    for (int64_t m = 1; m < s.count; m++) {
        const struct uda_instance *n = &scene.labels.instance[s.cls[m] == UDA_PERSON ? 1 : 2];
        for (int64_t i = 0; i < 64 * 64; i++) {
            bool in = i / 64 < h && i % 64 < w;
            int64_t x = in ? columns[x0 + i % 64] : 0;
            uint8_t want = in ? mask_at(n, rows[y0 + i / 64], flip ? W - 1 - x : x) : 0;
            CHECK(s.masks[m * 64 * 64 + i] == want);
        }
    }
    uda_arena_reset(ARENA, 0);
}

static void test_color(void)
{
    enum { PIXELS = 64 };
    int64_t changed = 0;
    for (uint32_t seed = 0; seed < 200; seed++) {
        uint8_t grey[PIXELS * 3], random[PIXELS * 3], same[PIXELS * 3], again[PIXELS * 3];
        struct uda_rng rng;
        for (int i = 0; i < PIXELS * 3; i++) {
            grey[i] = (uint8_t)(i / 3 * 4);
            random[i] = same[i] = again[i] = (uint8_t)((uint32_t)(i * 2654435761u) >> 24);
        }
        uda_rng_init(&rng, seed, UDA_RNG_TEST, 0, 0, 0);
        uda_augment_color(grey, PIXELS, 1.0f, &rng);
        uda_rng_init(&rng, seed, UDA_RNG_TEST, 0, 0, 0);
        uda_augment_color(again, PIXELS, 1.0f, &rng);
        changed += memcmp(again, random, sizeof again) != 0;
        uda_rng_init(&rng, seed, UDA_RNG_TEST, 0, 0, 0);
        uda_augment_color(same, PIXELS, 0.0f, &rng);
        for (int i = 0; i < PIXELS; i++) {
            CHECK(grey[3 * i] == grey[3 * i + 1] && grey[3 * i] == grey[3 * i + 2]);
        }
        /* At strength 0 only the way through 8-bit HSV and back remains, at most twice: hue is off
         * by at most 1 degree = 255 / 60 levels, saturation by 0.5, rounding by 0.5. */
        for (int i = 0; i < PIXELS * 3; i++) {
            CHECK(abs(same[i] - random[i]) <= 11);
        }
    }
    /* Nothing happens when four coins fail: 1/16 of 200 seeds is 12.5, sigma 3.4. */
    CHECK(changed >= 170 && changed <= 200);
}

/* Hue turns by the drawn angle: pure red at +-k half-degrees is known in closed form. */
static void test_hue(void)
{
    bool seen_red_to_yellow = false;
    for (uint32_t seed = 0; seed < 400; seed++) {
        uint8_t red[3] = {255, 0, 0};
        struct uda_rng rng;
        uda_rng_init(&rng, seed, UDA_RNG_TEST, 1, 0, 0);
        uda_augment_color(red, 1, 1.0f, &rng);
        /* 18 half-degrees are 36 degrees: at most 0.6 of the way from red to yellow or magenta. */
        CHECK(red[0] >= red[1] && red[0] >= red[2]);
        seen_red_to_yellow = seen_red_to_yellow || (red[1] > 100 && red[2] < 40);
    }
    CHECK(seen_red_to_yellow);
}

static void test_class_map(void)
{
    struct uda_err err = {0};
    struct uda_class_map map = {0};
    CHECK_OK(uda_class_map_of(&map, (enum uda_class[]){UDA_BICYCLE, UDA_PERSON}, 2, &err), &err);
    CHECK(map.index[UDA_BICYCLE] == 0 && map.index[UDA_PERSON] == 1 && map.index[UDA_CAR] == -1);
    CHECK(uda_class_map_mask(&map) == (1u << UDA_BICYCLE | 1u << UDA_PERSON));
    CHECK(uda_class_map_of(&map, (enum uda_class[]){UDA_CAR, UDA_CAR}, 2, &err) == UDA_MANIFEST);
    CHECK(strstr(err.text, "'car' twice") != NULL);
    CHECK(uda_class_map_of(&map, NULL, 0, NULL) == UDA_MANIFEST);
}

static void test_spec_check(void)
{
    const struct uda_augment_spec bad[] = {
        {.edges = 65},
        {.edges = 1},
        {.edges = 1, .edge_px = {40000}},
        {.crop_height_px = 5},
        {.lsj = true, .scale_min = 1, .scale_max = 2},
        {.lsj = true, .scale_min = 0, .scale_max = 2, .crop_height_px = 8, .crop_width_px = 8},
        {.flip = 1.5f},
        {.color = -1.0f},
        {.flip = NAN},
    };
    for (int64_t i = 0; i < UDA_LEN(bad); i++) {
        CHECK(uda_augment_check(&bad[i], NULL) == UDA_MANIFEST);
    }
    const struct uda_augment_spec none = {0};
    CHECK(uda_augment_check(&none, NULL) == 0);
}

/* Two samples of different size: padding, masks, and the exact value of every pixel. */
static void test_batch(void)
{
    struct uda_err err = {0};
    uint8_t rgb[2][40 * 30 * 3], masks[40 * 30];
    int32_t cls[1] = {5};
    for (int i = 0; i < 40 * 30 * 3; i++) {
        rgb[0][i] = rgb[1][i] = (uint8_t)(i % 251);
    }
    memset(masks, 1, sizeof masks);
    struct uda_sample sample[2] = {
        {.rgb = rgb[0], .height = 40, .width = 30, .count = 1, .cls = cls, .masks = masks},
        {.rgb = rgb[1], .height = 20, .width = 60}};
    struct uda_batch b = {0};
    CHECK_OK(uda_batch_make(&b, sample, 2, 0, ARENA, &err), &err);
    CHECK(b.images == 2 && b.height == 64 && b.width == 64);
    for (int64_t n = 0; n < 2; n++) {
        for (int64_t i = 0; i < 64 * 64 * 3; i++) {
            int64_t c = i % 3, x = i / 3 % 64, y = i / 3 / 64;
            bool in = y < sample[n].height && x < sample[n].width;
            float v = (float)rgb[n][in ? (y * sample[n].width + x) * 3 + c : 0];
            float want = in ? (v - uda_batch_mean[c]) / uda_batch_std[c] : 0.0f;
            CHECK(b.pixels[n * 64 * 64 * 3 + i] == want);
        }
    }
    CHECK(b.target[0].count == 1 && b.target[0].cls[0] == 5 && b.target[1].count == 0);
    for (int64_t i = 0; i < 64 * 64; i++) {
        CHECK(b.target[0].masks[i] == (i / 64 < 40 && i % 64 < 30));
    }
    CHECK(uda_batch_make(&b, sample, 0, 0, ARENA, NULL) == UDA_SHAPE);
    CHECK(uda_batch_round_up(0, 32) == 0 && uda_batch_round_up(33, 32) == 64);
}

int main(void)
{
    test_pillow();
    test_resize_bad();
    test_shortest_edge();
    for (uint32_t seed = 0; seed < 40; seed++) {
        check_reference(seed, seed % 4 == 0);
        check_lsj(seed);
    }
    test_color();
    test_hue();
    test_class_map();
    test_spec_check();
    test_batch();
    uda_arena_finish(ARENA);
    uda_arena_finish(SCRATCH);
    return check_result();
}
