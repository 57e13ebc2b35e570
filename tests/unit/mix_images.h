/*
 * Small images for the tests of mixing: a pixel says which image and place it is from, labels are
 * drawn as text.
 */
#ifndef UDA_TESTS_MIX_IMAGES_H
#define UDA_TESTS_MIX_IMAGES_H

#include "src/base/rng.h"
#include "src/uda/mixer.h"
#include "tests/check.h"

/* rgb of image id (< 1024) at (y, x), both < 64. */
static inline void mix_color(uint8_t rgb[3], int64_t id, int64_t y, int64_t x)
{
    rgb[0] = (uint8_t)(id & 255);
    rgb[1] = (uint8_t)(y + 64 * (id >> 8));
    rgb[2] = (uint8_t)x;
}

static inline struct uda_sample mix_blank(struct uda_arena *arena, int64_t id, int64_t height,
                                          int64_t width, int64_t count)
{
    struct uda_sample s = {.height = height, .width = width, .count = count, .name = "image",
                           .index = id};
    s.rgb = uda_arena_alloc(arena, (size_t)(3 * height * width));
    s.cls = uda_arena_calloc(arena, (size_t)count * sizeof *s.cls);
    s.masks = uda_arena_calloc(arena, (size_t)(count * height * width));
    for (int64_t y = 0; y < height; y++) {
        for (int64_t x = 0; x < width; x++) {
            mix_color(s.rgb + 3 * (y * width + x), id, y, x);
        }
    }
    return s;
}

/* An image from rows of text, '0'.. = pixels of that instance; rows end with '|'. cls [count] as
 * digits. */
static inline struct uda_sample mix_drawn(struct uda_arena *arena, int64_t id, const char *art,
                                          const char *cls)
{
    int64_t width = strchr(art, '|') - art, height = (int64_t)strlen(art) / (width + 1);
    struct uda_sample s = mix_blank(arena, id, height, width, (int64_t)strlen(cls));
    for (int64_t m = 0; m < s.count; m++) {
        s.cls[m] = cls[m] - '0';
        for (int64_t p = 0; p < height * width; p++) {
            s.masks[m * height * width + p] = art[p / width * (width + 1) + p % width] == '0' + m;
        }
    }
    return s;
}

/* The labels of a sample as such text; '#' where two overlap. */
static inline const char *mix_labels(struct uda_arena *arena, const struct uda_sample *s)
{
    char *art = uda_arena_calloc(arena, (size_t)(s->height * (s->width + 1) + 1)), *out = art;
    for (int64_t y = 0; y < s->height; y++, *out++ = '|') {
        for (int64_t x = 0; x < s->width; x++, out++) {
            *out = '.';
            for (int64_t m = 0; m < s->count; m++) {
                if (s->masks[(m * s->height + y) * s->width + x] != 0) {
                    *out = *out == '.' ? (char)('0' + m) : '#';
                }
            }
        }
    }
    return art;
}

/* Which image each pixel is from, in the same form; '.' = the base, and '?' where the bytes are not
 * those of image id[origin]. */
static inline const char *mix_origins(struct uda_arena *arena, const struct uda_mixed *mixed,
                                      const int64_t *id)
{
    const struct uda_sample *s = &mixed->sample;
    char *art = uda_arena_calloc(arena, (size_t)(s->height * (s->width + 1) + 1)), *out = art;
    for (int64_t y = 0; y < s->height; y++, *out++ = '|') {
        for (int64_t x = 0; x < s->width; x++, out++) {
            int64_t at = y * s->width + x;
            uint8_t rgb[3];
            mix_color(rgb, id[mixed->origin[at]], y, x);
            *out = mixed->origin[at] == 0 ? '.' : (char)('0' + mixed->origin[at]);
            *out = memcmp(rgb, s->rgb + 3 * at, 3) == 0 ? *out : '?';
        }
    }
    return art;
}

static inline const char *mix_classes(struct uda_arena *arena, const struct uda_sample *s)
{
    char *text = uda_arena_calloc(arena, (size_t)s->count + 1);
    for (int64_t m = 0; m < s->count; m++) {
        text[m] = (char)('0' + s->cls[m]);
    }
    return text;
}

/* A random image of at most 24 x 24 with up to five boxes or speckled boxes; disjoint: a later one
 * takes nothing from an earlier one. */
static inline struct uda_sample mix_random(struct uda_arena *arena, int64_t id,
                                           struct uda_rng *rng, bool disjoint)
{
    int64_t height = 1 + uda_rng_below(rng, 24), width = 1 + uda_rng_below(rng, 24);
    struct uda_sample s = mix_blank(arena, id, height, width, uda_rng_below(rng, 6));
    for (int64_t m = 0; m < s.count; m++) {
        int64_t y0 = uda_rng_below(rng, height), x0 = uda_rng_below(rng, width);
        int64_t y1 = y0 + uda_rng_below(rng, 10), x1 = x0 + uda_rng_below(rng, 10);
        bool speckled = uda_rng_below(rng, 2) == 0;
        s.cls[m] = (int32_t)uda_rng_below(rng, 4);
        for (int64_t y = y0; y <= y1 && y < height; y++) {
            for (int64_t x = x0; x <= x1 && x < width; x++) {
                bool set = !speckled || uda_rng_below(rng, 2) == 0;
                for (int64_t k = 0; disjoint && k < m; k++) {
                    set = set && s.masks[(k * height + y) * width + x] == 0;
                }
                s.masks[(m * height + y) * width + x] = set;
            }
        }
    }
    return s;
}

#endif
