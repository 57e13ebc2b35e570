/* The page of a mix: what is where, the outlines of pastes, and that drawing changes nothing. */
#include "tests/check.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/base/classes.h"
#include "src/stage/picture.h"
#include "src/stage/picture_mixed.h"
#include "tests/unit/mix_images.h"

#include <stdlib.h>
#include <unistd.h>

static struct uda_arena arena_of_test, scratch_of_test;
#define ARENA (&arena_of_test)
#define SCRATCH (&scratch_of_test)

/* A mixed sample by hand: origins as text, '.' = base. */
static struct uda_mixed mixed_of(struct uda_sample sample, const char *art)
{
    int64_t pixels = sample.height * sample.width;
    struct uda_mixed mixed = {.sample = sample};
    mixed.origin = uda_arena_calloc(ARENA, (size_t)pixels * sizeof *mixed.origin);
    mixed.from = uda_arena_calloc(ARENA, (size_t)(sample.count + 1) * sizeof *mixed.from);
    for (int64_t p = 0; p < pixels; p++) {
        char c = art[p / sample.width * (sample.width + 1) + p % sample.width];
        mixed.origin[p] = c == '.' ? 0 : (uint16_t)(c - '0');
    }
    return mixed;
}

static const uint8_t *at(const struct uda_image *page, int64_t y, int64_t x)
{
    return page->rgb + 3 * (y * page->width + x);
}

static bool is(const uint8_t *rgb, uint8_t r, uint8_t g, uint8_t b)
{
    return rgb[0] == r && rgb[1] == g && rgb[2] == b;
}

/* A panel as text: 'd' outline of a donor's paste, 'p' of a pool image's, '?' a pixel that is
 * neither that nor the one of the sample, '.' that one. */
static const char *outlines(const struct uda_image *page, int64_t top, int64_t left,
                            const struct uda_sample *s, int64_t scale)
{
    char *art = uda_arena_calloc(ARENA, (size_t)(s->height * scale * (s->width * scale + 1) + 1));
    char *out = art;
    for (int64_t y = 0; y < s->height * scale; y++, *out++ = '|') {
        for (int64_t x = 0; x < s->width * scale; x++, out++) {
            const uint8_t *rgb = at(page, top + y, left + x);
            const uint8_t *was = s->rgb + 3 * (y / scale * s->width + x / scale);
            *out = is(rgb, 255, 220, 0)  ? 'd'
                   : is(rgb, 255, 0, 255) ? 'p'
                                          : (memcmp(rgb, was, 3) == 0 ? '.' : '?');
        }
    }
    return art;
}

static struct uda_image draw(const char *path, const struct uda_mixed *mixed,
                             const struct uda_sample *source, const struct uda_sample *target)
{
    struct uda_class_map map = uda_class_map_all();
    struct uda_err err = {0};
    struct uda_image page = {0};
    size_t used = uda_arena_mark(SCRATCH);
    CHECK_OK(uda_picture_mixed(path, mixed, source, target, &map, SCRATCH, &err), &err);
    CHECK(uda_arena_mark(SCRATCH) == used);
    CHECK_OK(uda_png_read_rgb(&page, ARENA, path, &err), &err);
    return page;
}

/* 4 x 2 pixels, three times as large: a donor's paste on the right, a pool's in the corner. */
static void test_small(const char *path)
{
    struct uda_sample source = mix_drawn(ARENA, 1, "..00|..00|", "2");
    struct uda_sample target = mix_drawn(ARENA, 2, "....|....|", "");
    struct uda_sample sample = mix_drawn(ARENA, 3, "1.00|..00|", "25");
    struct uda_mixed mixed = mixed_of(sample, "2.11|..11|");
    struct uda_image page = draw(path, &mixed, &source, &target);
    CHECK(page.height == 2 * 6 + 4 && page.width == 2 * 12 + 4);
    CHECK_STR(outlines(&page, 10, 0, &sample, 3),
              "ppp...dddddd|ppp...dddddd|ppp...dd..dd|......dd..dd|......dddddd|......dddddd|");
    CHECK_STR(outlines(&page, 0, 16, &target, 3),
              "............|............|............|............|............|............|");
    /* The source's car: solid edge one eighth towards white, half transparent inside. */
    const uint8_t *car = uda_classes[UDA_CAR].rgb;
    uint8_t tone[3];
    for (int c = 0; c < 3; c++) {
        tone[c] = (uint8_t)(car[c] + (255 - car[c]) / 8);
    }
    CHECK(is(at(&page, 0, 6), tone[0], tone[1], tone[2]));
    CHECK(is(at(&page, 1, 7), (uint8_t)((1 + tone[0] + 1) / 2), (uint8_t)((tone[1] + 1) / 2),
             (uint8_t)((2 + tone[2] + 1) / 2)));
    CHECK(memcmp(at(&page, 0, 5), source.rgb + 3, 3) == 0);
    CHECK(is(at(&page, 6, 0), 48, 48, 48) && is(at(&page, 0, 12), 48, 48, 48));
}

/* Wide crops keep their size; frames differ; touching pastes of two pool images are told apart. */
static void test_wide(const char *path)
{
    struct uda_sample source = mix_blank(ARENA, 1, 3, 401, 0), target = mix_blank(ARENA, 2, 5, 8, 0);
    struct uda_sample sample = mix_blank(ARENA, 3, 5, 8, 0);
    struct uda_mixed mixed = mixed_of(sample, "........|.111233.|.111233.|.111233.|........|");
    struct uda_image page = draw(path, &mixed, &source, &target);
    CHECK(uda_picture_scale(199) == 3 && uda_picture_scale(200) == 2 && uda_picture_scale(399) == 2 &&
          uda_picture_scale(400) == 1);
    CHECK(page.height == 2 * 5 + 4 && page.width == 2 * 401 + 4);
    CHECK_STR(outlines(&page, 9, 0, &sample, 1),
              "........|.dddppp.|.d.dppp.|.dddppp.|........|");
    CHECK(memcmp(at(&page, 0, 0), source.rgb, 3 * 401) == 0);
    CHECK(memcmp(at(&page, 4, 405), target.rgb + 4 * 24, 24) == 0);
    CHECK(is(at(&page, 3, 0), 48, 48, 48) && is(at(&page, 0, 413), 48, 48, 48));
}

/* A class that the map lacks; every failing allocation. */
static void test_errors(const char *path)
{
    struct uda_class_map map = uda_class_map_all();
    struct uda_sample source = mix_drawn(ARENA, 1, "..00|..00|", "9");
    struct uda_mixed mixed = mixed_of(source, "....|....|");
    struct uda_err err = {0};
    CHECK(uda_picture_mixed(path, &mixed, &source, &source, &map, SCRATCH, &err) == UDA_SHAPE);
    CHECK_STR(err.text, "picture of mixing: class 9 of 8");
    source.cls[0] = 1;
    int64_t nth = 1;
    for (; nth < 500; nth++) {
        struct uda_arena scratch = {0};
        struct uda_err why = {0};
        uda_alloc_fail_after(nth);
        int rc = uda_picture_mixed(path, &mixed, &source, &source, &map, &scratch, &why);
        uda_alloc_fail_after(0);
        uda_arena_finish(&scratch);
        if (rc == 0) {
            break;
        }
        CHECK(rc == UDA_NOMEM || rc == UDA_IO);
    }
    CHECK(nth > 2 && nth < 500);
}

int main(void)
{
    char dir[] = "/tmp/uda-picture-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    const char *path = uda_fs_join(ARENA, dir, "mixed.png");
    test_small(path);
    test_wide(path);
    test_errors(path);
    CHECK(unlink(path) == 0 && rmdir(dir) == 0);
    uda_arena_finish(ARENA);
    uda_arena_finish(SCRATCH);
    return check_result();
}
