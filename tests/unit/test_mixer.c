/* Mixing: every pixel and every mask of hand-made images, and what must hold for any. */
#include "tests/unit/mix_images.h"

static const struct uda_mix_spec small_spec = {.min_area_px = 2, .instance_area_px = 4};

/* A base with two objects; a donor with a large (5 px), a small (3 px) and a tiny (1 px) one. */
#define BASE                                                                                       \
    "00......|"                                                                                    \
    "00..11..|"                                                                                    \
    "....11..|"                                                                                    \
    "........|"
#define DONOR                                                                                      \
    "......11|"                                                                                    \
    "...00.1.|"                                                                                    \
    "...000..|"                                                                                    \
    ".2......|"

struct expected {
    const char *origins, *labels, *classes;
    int64_t pasted, carried, erased;
};

static void check_mix(struct uda_arena *arena, const struct uda_mix_spec *spec, const char *base,
                      const char *base_classes, const char *donor, const char *donor_classes,
                      const struct expected *want)
{
    struct uda_err err = {0};
    struct uda_arena scratch = {0};
    const int64_t id[] = {300, 7};
    struct uda_sample b = mix_drawn(arena, id[0], base, base_classes);
    struct uda_sample d = mix_drawn(arena, id[1], donor, donor_classes);
    for (int t2s = 0; t2s < 2; t2s++) { /* the two directions differ in names only */
        struct uda_mixed mixed = {0};
        if (t2s) {
            CHECK_OK(uda_mix_t2s(&mixed, spec, &b, &d, arena, &scratch, &err), &err);
        } else {
            CHECK_OK(uda_mix_s2t(&mixed, spec, &d, &b, NULL, NULL, arena, &scratch, &err), &err);
        }
        CHECK_STR(mix_origins(arena, &mixed, id), want->origins);
        CHECK_STR(mix_labels(arena, &mixed.sample), want->labels);
        CHECK_STR(mix_classes(arena, &mixed.sample), want->classes);
        CHECK(mixed.pasted == want->pasted && mixed.carried == want->carried);
        CHECK(mixed.erased == want->erased && mixed.pooled == 0);
        CHECK(mixed.sample.index == id[0] && mixed.sample.name == b.name);
        CHECK(uda_arena_mark(&scratch) == 0);
    }
    uda_arena_finish(&scratch);
}

static void test_styles(struct uda_arena *arena)
{
    struct uda_mix_spec spec = small_spec;
    check_mix(arena, &spec, BASE, "45", DONOR, "670",
              &(struct expected){"......11|...11.11|...111..|........|",
                                 "00....33|00.2213.|...222..|........|", "4567", 2, 0, 0});
    spec.style = UDA_PASTE_INSTANCE;
    check_mix(arena, &spec, BASE, "45", DONOR, "670",
              &(struct expected){"......11|...11.1.|...111..|........|",
                                 "00....33|00.2213.|...222..|........|", "4567", 2, 0, 0});
    spec.style = UDA_PASTE_PATCH; /* the box takes the last pixel of base object 1 */
    check_mix(arena, &spec, BASE, "45", DONOR, "670",
              &(struct expected){"......11|...11111|...111..|........|",
                                 "00....22|00.11.2.|...111..|........|", "467", 2, 0, 1});
    spec.keep_empty = true;
    check_mix(arena, &spec, BASE, "45", DONOR, "670",
              &(struct expected){"......11|...11111|...111..|........|",
                                 "00....33|00.22.3.|...222..|........|", "4567", 2, 0, 1});
    spec.labels = UDA_MIX_BY_MASKS; /* released: the box leaves the label below */
    check_mix(arena, &spec, BASE, "45", DONOR, "670",
              &(struct expected){"......11|...11111|...111..|........|",
                                 "00....33|00.2213.|...222..|........|", "4567", 2, 0, 0});
}

/* The limits: an area equal to min_area is pasted, one equal to instance_area by box. */
static void test_limits(struct uda_arena *arena)
{
    struct uda_mix_spec spec = {.min_area_px = 3, .instance_area_px = 5};
    check_mix(arena, &spec, BASE, "45", DONOR, "670",
              &(struct expected){"......11|...11111|...111..|........|",
                                 "00....22|00.11.2.|...111..|........|", "467", 2, 0, 1});
    spec.min_area_px = 4;
    check_mix(arena, &spec, BASE, "45", DONOR, "670",
              &(struct expected){"........|...111..|...111..|........|",
                                 "00......|00.11...|...111..|........|", "46", 1, 0, 1});
    spec.min_area_px = 0; /* an area of 0 is never pasted */
    check_mix(arena, &spec, BASE, "45", "........|........|........|........|", "6",
              &(struct expected){"........|........|........|........|",
                                 "00......|00..11..|....11..|........|", "45", 0, 0, 0});
    spec = small_spec;
    spec.margin_px = 1; /* grown by one pixel, cut at the edges of the image */
    check_mix(arena, &spec, BASE, "45", "0.......|0.......|........|........|", "6",
              &(struct expected){"11......|11......|11......|........|",
                                 "1.......|1...00..|....00..|........|", "56", 1, 0, 1});
    spec.margin_px = INT64_MAX;
    check_mix(arena, &spec, BASE, "45", "........|..0.....|..0.....|........|", "6",
              &(struct expected){"11111111|11111111|11111111|11111111|",
                                 "........|..0.....|..0.....|........|", "6", 1, 0, 2});
}

/* Labels travel with the pixels of a box: a tiny object, or the piece of one, inside it. */
static void test_carried(struct uda_arena *arena)
{
    static const char donor[] = "..01....|..0011..|........|222.....|";
    struct uda_mix_spec spec = {.min_area_px = 3, .instance_area_px = 9};
    /* Objects 0 (3 px), 2 (3 px) are pasted by box; 1 (3 px, two parts) too. */
    check_mix(arena, &spec, "........|........|........|........|", "", donor, "123",
              &(struct expected){"..1111..|..1111..|........|111.....|",
                                 "..01....|..0011..|........|222.....|", "123", 3, 0, 0});
    static const char piece[] = "..01....|..001...|........|........|";
    check_mix(arena, &spec, "........|....0...|........|........|", "5", piece, "12",
              &(struct expected){"..11....|..11....|........|........|",
                                 "..12....|..110...|........|........|", "512", 1, 1, 0});
    spec.labels = UDA_MIX_BY_MASKS;
    check_mix(arena, &spec, "........|....0...|........|........|", "5", piece, "12",
              &(struct expected){"..11....|..11....|........|........|",
                                 "..1.....|..110...|........|........|", "51", 1, 0, 0});
}

/* Only what both frames have is pasted, and measured. */
static void test_sizes(struct uda_arena *arena)
{
    struct uda_mix_spec spec = small_spec;
    check_mix(arena, &spec, "..0|..0|", "4", ".0000|.0111|....1|", "56",
              &(struct expected){".11|.11|", ".00|.01|", "56", 1, 1, 1});
    check_mix(arena, &spec, "....|.0..|.00.|....|", "4", "..|00|00|", "5",
              &(struct expected){"....|11..|11..|....|", "....|11..|110.|....|", "45", 1, 0, 0});
    struct uda_err err = {0};
    struct uda_sample empty = {.name = "none"}, one = mix_drawn(arena, 1, "0|", "1");
    struct uda_mixed mixed = {.pasted = 99};
    struct uda_arena scratch = {0};
    CHECK(uda_mix_t2s(&mixed, &spec, &empty, &one, arena, &scratch, &err) == UDA_SHAPE);
    CHECK_STR(err.text, "'none': cannot mix an image of 0 x 0 with 0 labels");
    CHECK(mixed.pasted == 99);
    uda_arena_finish(&scratch);
}

/* ---- blur ---- */

static int reflected(int i, int n)
{
    for (; i < 0 || i >= n;) {
        i = n == 1 ? 0 : i < 0 ? -i : 2 * n - 2 - i;
    }
    return i;
}

/* All 25 taps at once. */
static int blurred(const struct uda_sample *s, int y, int x, int c)
{
    static const int k[5] = {1, 4, 6, 4, 1};
    int sum = 0;
    for (int i = 0; i < 25; i++) {
        int yy = reflected(y + i / 5 - 2, (int)s->height), xx = reflected(x + i % 5 - 2, (int)s->width);
        sum += k[i / 5] * k[i % 5] * s->rgb[3 * (yy * s->width + xx) + c];
    }
    return (int)floor((double)sum / 256.0 + 0.5);
}

static void test_blur(struct uda_arena *arena)
{
    struct uda_err err = {0};
    struct uda_arena scratch = {0};
    struct uda_sample target = mix_drawn(arena, 1, BASE, "45"), source = mix_drawn(arena, 2, DONOR, "670");
    struct uda_rng rng;
    uda_rng_init(&rng, 3, UDA_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < 3 * source.height * source.width; i++) {
        source.rgb[i] = (uint8_t)uda_rng_below(&rng, 256);
    }
    static const enum uda_paste_blur kinds[] = {UDA_PASTE_SHARP, UDA_PASTE_BLUR_ALL,
                                                UDA_PASTE_BLUR_RELEASED, UDA_PASTE_BLUR_RELEASED};
    for (int k = 0; k < 4; k++) {
        struct uda_mix_spec spec = small_spec;
        spec.blur = kinds[k];
        if (k == 3) { /* instance 0 too small: the released code then blurs nothing */
            memset(source.masks, 0, (size_t)(source.height * source.width));
        }
        struct uda_mixed mixed;
        CHECK_OK(uda_mix_s2t(&mixed, &spec, &source, &target, NULL, NULL, arena, &scratch, &err), &err);
        for (int p = 0; p < 32; p++) {
            int y = p / 8, x = p % 8;
            bool second = x >= 6; /* instance 1 */
            for (int c = 0; c < 3; c++) {
                int want = target.rgb[3 * p + c];
                if (mixed.origin[p] == 1) {
                    bool blur = k == 1 || (k == 2 && second);
                    want = blur ? blurred(&source, y, x, c) : source.rgb[3 * p + c];
                }
                CHECK(mixed.sample.rgb[3 * p + c] == want);
            }
        }
        CHECK(mixed.pasted == (k == 3 ? 1 : 2));
    }
    /* One row, one column: the border is reflected as often as it takes. */
    uint16_t row[5 * 3 * 2];
    struct uda_sample thin = mix_blank(arena, 5, 1, 2, 0), point = mix_blank(arena, 9, 1, 1, 0);
    uint8_t out[6];
    uda_paste_blur(out, thin.rgb, 1, 2, row);
    for (int i = 0; i < 6; i++) {
        CHECK(out[i] == blurred(&thin, 0, i / 3, i % 3));
    }
    uda_paste_blur(out, point.rgb, 1, 1, row);
    CHECK(memcmp(out, point.rgb, 3) == 0);
    uda_arena_finish(&scratch);
}

/* ---- the pool ---- */

static void test_balancing(struct uda_arena *arena)
{
    struct uda_err err = {0};
    struct uda_arena scratch = {0};
    struct uda_rare_pool *pool = NULL;
    const struct uda_rare_pool_spec pool_spec = {.images = 2, .share = 0.5, .rare = {[6] = true}};
    const struct uda_mix_spec spec = small_spec;
    CHECK_OK(uda_rare_pool_create(&pool, &pool_spec, &err), &err);
    struct uda_rng rng;
    struct uda_sample target = mix_drawn(arena, 1, BASE, "45");
    struct uda_sample plain = mix_drawn(arena, 2, "........|...0000.|....0000|........|", "3");
    struct uda_sample rare = mix_drawn(arena, 3, "........|.11.....|.10.....|.0000...|", "65");
    struct uda_mixed mixed;
    uda_rng_init(&rng, 1, UDA_RNG_POOL, 0, 0, 0);
    /* Nothing in the pool yet; then an image with a rare object goes in and nothing comes out. */
    CHECK_OK(uda_mix_s2t(&mixed, &spec, &plain, &target, pool, &rng, arena, &scratch, &err), &err);
    CHECK(mixed.pooled == 0 && uda_rare_pool_count(pool) == 0);
    CHECK_OK(uda_mix_s2t(&mixed, &spec, &rare, &target, pool, &rng, arena, &scratch, &err), &err);
    CHECK(mixed.pooled == 0 && uda_rare_pool_count(pool) == 1);
    /* The rare object (5 px, by mask) lies on top of all; the other object of its image stays where
     * it was. */
    const int64_t id[] = {1, 2, 3};
    CHECK_OK(uda_mix_s2t(&mixed, &spec, &plain, &target, pool, &rng, arena, &scratch, &err), &err);
    CHECK(mixed.pooled == 1 && mixed.pasted == 1 && uda_rare_pool_count(pool) == 1);
    CHECK_STR(mix_origins(arena, &mixed, id), "........|...1111.|..2.1111|.2222...|");
    CHECK_STR(mix_labels(arena, &mixed.sample), "00......|00.1111.|..2.1111|.2222...|");
    CHECK_STR(mix_classes(arena, &mixed.sample), "436");
    CHECK(mixed.erased == 1 && mixed.from[0] == 0 && mixed.from[1] == 1 && mixed.from[2] == 2);
    /* By box, its neighbour comes along. */
    struct uda_mix_spec patch = spec;
    patch.style = UDA_PASTE_PATCH;
    CHECK_OK(uda_mix_s2t(&mixed, &patch, &plain, &target, pool, &rng, arena, &scratch, &err), &err);
    CHECK_STR(mix_origins(arena, &mixed, id), "........|...11111|.2222111|.2222...|");
    CHECK_STR(mix_labels(arena, &mixed.sample), "00......|00.1111.|.32..111|.2222...|");
    CHECK_STR(mix_classes(arena, &mixed.sample), "4365");
    CHECK(mixed.carried == 1);
    /* Target on source never balances; a rare object too small to be pasted does not count. */
    CHECK_OK(uda_mix_t2s(&mixed, &spec, &plain, &target, arena, &scratch, &err), &err);
    CHECK(mixed.pooled == 0);
    struct uda_sample tiny = mix_drawn(arena, 4, "0.......|........|........|........|", "6");
    CHECK_OK(uda_mix_s2t(&mixed, &spec, &tiny, &target, pool, &rng, arena, &scratch, &err), &err);
    CHECK(mixed.pasted == 0 && mixed.pooled == 1 && uda_rare_pool_count(pool) == 1);
    uda_rare_pool_destroy(&pool);
    uda_arena_finish(&scratch);
}

/* ---- any images ---- */

#define IMAGES 500

struct world {
    struct uda_sample image[2 * IMAGES]; /* by id */
    bool disjoint;
};

/* Does image `id` have an object of class cls at pixel (y, x)? */
static bool has(const struct world *world, int64_t id, int32_t cls, int64_t y, int64_t x)
{
    const struct uda_sample *s = &world->image[id];
    for (int64_t m = 0; m < s->count; m++) {
        if (s->cls[m] == cls && s->masks[(m * s->height + y) * s->width + x] != 0) {
            return true;
        }
    }
    return false;
}

/* The labels at one pixel are those of the image it shows: all of them, and no others. */
static bool pixel_is_right(const struct world *world, const struct uda_mixed *mixed, int64_t y,
                           int64_t x, int64_t id)
{
    const struct uda_sample *s = &mixed->sample;
    int64_t at = y * s->width + x, labels = 0;
    bool labelled[UDA_CLASSES] = {false};
    for (int64_t m = 0; m < s->count; m++) {
        if (s->masks[m * s->height * s->width + at] == 0) {
            continue;
        }
        if (mixed->from[m] != mixed->origin[at] || !has(world, id, s->cls[m], y, x)) {
            return false;
        }
        labelled[s->cls[m]] = true;
        labels++;
    }
    for (int32_t c = 0; c < UDA_CLASSES; c++) {
        if (has(world, id, c, y, x) && !labelled[c]) {
            return false;
        }
    }
    return !world->disjoint || labels <= 1;
}

static void check_any(const struct world *world, const struct uda_mixed *mixed,
                      const struct uda_mix_spec *spec)
{
    const struct uda_sample *s = &mixed->sample;
    int64_t id_of[64];
    memset(id_of, -1, sizeof id_of);
    int wrong = 0;
    for (int64_t y = 0; y < s->height; y++) {
        for (int64_t x = 0; x < s->width; x++) {
            const uint8_t *rgb = s->rgb + 3 * (y * s->width + x);
            int64_t id = rgb[0] + 256 * (rgb[1] / 64), *known = &id_of[mixed->origin[y * s->width + x]];
            wrong += rgb[1] % 64 != y || rgb[2] != x || (*known >= 0 && *known != id);
            *known = id;
            wrong += spec->labels == UDA_MIX_BY_PIXELS && !pixel_is_right(world, mixed, y, x, id);
        }
    }
    CHECK(wrong == 0);
    for (int64_t m = 0; m < s->count; m++) {
        const uint8_t *mask = s->masks + m * s->height * s->width;
        CHECK(spec->keep_empty || memchr(mask, 1, (size_t)(s->height * s->width)) != NULL);
    }
}

static void check_same(const struct uda_mixed *a, const struct uda_mixed *b)
{
    size_t pixels = (size_t)(a->sample.height * a->sample.width), count = (size_t)a->sample.count;
    CHECK(a->sample.count == b->sample.count && a->pooled == b->pooled);
    CHECK(memcmp(a->sample.rgb, b->sample.rgb, 3 * pixels) == 0);
    CHECK(memcmp(a->origin, b->origin, pixels * sizeof *a->origin) == 0);
    CHECK(memcmp(a->sample.masks, b->sample.masks, count * pixels) == 0);
    CHECK(memcmp(a->sample.cls, b->sample.cls, count * sizeof *a->sample.cls) == 0);
    CHECK(memcmp(a->from, b->from, count * sizeof *a->from) == 0);
}

static struct uda_mix_spec random_spec(struct uda_rng *rng, int64_t margin_px)
{
    return (struct uda_mix_spec){.style = (enum uda_paste_style)uda_rng_below(rng, 3),
                                 .min_area_px = uda_rng_below(rng, 8),
                                 .instance_area_px = uda_rng_below(rng, 40),
                                 .margin_px = margin_px,
                                 .labels = uda_rng_below(rng, 4) == 0 ? UDA_MIX_BY_MASKS
                                                                      : UDA_MIX_BY_PIXELS,
                                 .keep_empty = uda_rng_below(rng, 4) == 0};
}

/* 500 pairs, each mixed both ways, and all of it twice with two pools. */
static void test_any(struct uda_arena *arena, bool disjoint)
{
    struct uda_err err = {0};
    struct uda_arena scratch = {0};
    struct world *world = uda_arena_calloc(arena, sizeof *world);
    world->disjoint = disjoint;
    struct uda_rare_pool *pool[2] = {NULL, NULL};
    const struct uda_rare_pool_spec pool_spec = {
        .images = 6, .share = 0.5, .margin_px = disjoint ? 0 : 2, .rare = {[3] = true}};
    for (int i = 0; i < 2; i++) {
        CHECK_OK(uda_rare_pool_create(&pool[i], &pool_spec, &err), &err);
    }
    int64_t pooled = 0, carried = 0, erased = 0;
    for (int64_t i = 0; i < IMAGES; i++) {
        struct uda_rng rng;
        uda_rng_init(&rng, 11, UDA_RNG_TEST, disjoint, (uint32_t)i, 0);
        struct uda_mix_spec spec = random_spec(&rng, pool_spec.margin_px);
        struct uda_sample *source = &world->image[2 * i], *target = &world->image[2 * i + 1];
        *source = mix_random(arena, 2 * i, &rng, disjoint);
        *target = mix_random(arena, 2 * i + 1, &rng, disjoint);
        struct uda_mixed s2t[2], t2s[2];
        for (int k = 0; k < 2; k++) {
            struct uda_rng draw;
            uda_rng_init(&draw, 11, UDA_RNG_POOL, 0, (uint32_t)i, 0);
            CHECK_OK(uda_mix_s2t(&s2t[k], &spec, source, target, pool[k], &draw, arena, &scratch,
                                 &err), &err);
            CHECK_OK(uda_mix_t2s(&t2s[k], &spec, source, target, arena, &scratch, &err), &err);
        }
        check_any(world, &s2t[0], &spec);
        check_any(world, &t2s[0], &spec);
        check_same(&s2t[0], &s2t[1]);
        check_same(&t2s[0], &t2s[1]);
        CHECK(t2s[0].pooled == 0 && uda_arena_mark(&scratch) == 0);
        pooled += s2t[0].pooled;
        carried += s2t[0].carried + t2s[0].carried;
        erased += s2t[0].erased + t2s[0].erased;
    }
    CHECK(pooled > 100 && carried > 50 && erased > 100); /* the cases did occur */
    uda_rare_pool_destroy(&pool[0]);
    uda_rare_pool_destroy(&pool[1]);
    uda_arena_finish(&scratch);
}

/* Each allocation fails in turn: an error, no crash, *mixed as it was, the pool usable. */
static void test_memory(struct uda_arena *arena)
{
    struct uda_rare_pool *pool = NULL;
    struct uda_err err = {0};
    const struct uda_rare_pool_spec pool_spec = {.images = 2, .share = 1.0, .rare = {[6] = true}};
    CHECK_OK(uda_rare_pool_create(&pool, &pool_spec, &err), &err);
    struct uda_sample target = mix_drawn(arena, 1, BASE, "45"), source = mix_drawn(arena, 2, DONOR, "670");
    struct uda_rng rng;
    uda_rng_init(&rng, 1, UDA_RNG_POOL, 0, 0, 0);
    int rc = UDA_NOMEM;
    for (int64_t n = 1; rc != 0 && n < 2000; n++) {
        struct uda_arena fresh = {0}, scratch = {0};
        struct uda_mixed mixed = {.pasted = 77};
        uda_err_clear(&err);
        uda_alloc_fail_after(n);
        rc = uda_mix_s2t(&mixed, &small_spec, &source, &target, pool, &rng, &fresh, &scratch, &err);
        uda_alloc_fail_after(0);
        CHECK(rc == 0 || (rc == UDA_NOMEM && mixed.pasted == 77));
        uda_arena_finish(&fresh);
        uda_arena_finish(&scratch);
    }
    CHECK(rc == 0 && uda_rare_pool_count(pool) == 1);
    uda_rare_pool_destroy(&pool);
}

int main(void)
{
    struct uda_arena arena = {0};
    test_styles(&arena);
    test_limits(&arena);
    test_carried(&arena);
    test_sizes(&arena);
    test_blur(&arena);
    test_balancing(&arena);
    test_memory(&arena);
    uda_arena_finish(&arena);
    test_any(&arena, true);
    uda_arena_finish(&arena);
    test_any(&arena, false);
    uda_arena_finish(&arena);
    return check_result();
}
