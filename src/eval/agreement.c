#include "src/eval/agreement.h"

#include "src/eval/overlay.h"

#include <string.h>

#define LEAST_IOU 0.5

const uint8_t uda_agreement_colors[UDA_AGREEMENTS][3] = {
    [UDA_AGREE_RIGHT] = {0, 220, 0},    [UDA_AGREE_FALSE] = {255, 0, 0},
    [UDA_AGREE_MISSED] = {40, 80, 255}, [UDA_AGREE_MIXED_UP] = {255, 220, 0}};

/* What is known of a pixel; several may hold. */
enum { RIGHT = 1, FALSE_ALARM = 2, MISSED = 4 };

struct map {
    uint8_t *seen;     /* [pixels] bits of the above */
    uint8_t *a, *b;    /* [pixels] masks at hand */
    int64_t pixels;
    const struct uda_image_detections *found, *truth;
    int64_t *order;    /* [found->count] by falling score */
    int64_t *match;    /* [truth->count] the detection that has it, or -1 */
};

/* The free instance that a detection takes, or -1. */
static int64_t best_match(const struct map *m, const struct uda_detection *d)
{
    int64_t best = -1;
    double most = LEAST_IOU;
    for (int64_t t = 0; t < m->truth->count; t++) {
        const struct uda_detection *other = &m->truth->item[t];
        if (m->match[t] < 0 && other->cls == d->cls) {
            double iou = uda_rle_iou(&d->mask, &other->mask, false);
            if (iou >= most && (best < 0 || iou > most)) {
                most = iou;
                best = t;
            }
        }
    }
    return best;
}

static struct uda_box around(struct uda_box a, struct uda_box b)
{
    return (struct uda_box){.x0 = a.x0 < b.x0 ? a.x0 : b.x0, .y0 = a.y0 < b.y0 ? a.y0 : b.y0,
                            .x1 = a.x1 > b.x1 ? a.x1 : b.x1, .y1 = a.y1 > b.y1 ? a.y1 : b.y1};
}

/* Marks the pixels of a detection and of the instance that it matches; either may be NULL. */
static void mark(struct map *m, const struct uda_detection *d, const struct uda_detection *t)
{
    struct uda_box box = d == NULL ? t->box : t == NULL ? d->box : around(d->box, t->box);
    int64_t columns = box.x1 - box.x0 + 1, pixels = (box.y1 - box.y0 + 1) * columns;
    memset(m->a, 0, (size_t)pixels);
    memset(m->b, 0, (size_t)pixels);
    if (d != NULL) {
        uda_rle_decode_box(m->a, box, &d->mask);
    }
    if (t != NULL) {
        uda_rle_decode_box(m->b, box, &t->mask);
    }
    for (int64_t p = 0; p < pixels; p++) {
        int bits = m->a[p] != 0 ? (m->b[p] != 0 ? RIGHT : FALSE_ALARM) : m->b[p] != 0 ? MISSED : 0;
        m->seen[(box.y0 + p / columns) * m->found->width + box.x0 + p % columns] |= (uint8_t)bits;
    }
}

static void mark_all(struct map *m, double least)
{
    uda_detections_by_score(m->order, m->found);
    for (int64_t t = 0; t < m->truth->count; t++) {
        m->match[t] = -1;
    }
    for (int64_t i = 0; i < m->found->count; i++) {
        const struct uda_detection *d = &m->found->item[m->order[i]];
        if (d->score >= least) {
            int64_t t = best_match(m, d);
            if (t >= 0) {
                m->match[t] = m->order[i];
            }
            mark(m, d, t >= 0 ? &m->truth->item[t] : NULL);
        }
    }
    for (int64_t t = 0; t < m->truth->count; t++) {
        if (m->match[t] < 0) {
            mark(m, NULL, &m->truth->item[t]);
        }
    }
}

static enum uda_agreement kind_of(uint8_t seen, bool ignored)
{
    if ((seen & RIGHT) != 0) {
        return UDA_AGREE_RIGHT;
    }
    if (seen == 0 || ignored) {
        return UDA_AGREE_NONE;
    }
    return seen == FALSE_ALARM ? UDA_AGREE_FALSE : seen == MISSED ? UDA_AGREE_MISSED : UDA_AGREE_MIXED_UP;
}

int uda_agreement_find(uint8_t *kind, const struct uda_image_detections *found,
                       const struct uda_image_detections *truth, const uint8_t *ignored,
                       double least, struct uda_err *err)
{
    struct map m = {.pixels = found->height * found->width, .found = found, .truth = truth};
    if (found->height != truth->height || found->width != truth->width) {
        return uda_fail(err, UDA_SHAPE, "'%s': detections of %lld x %lld, truth of %lld x %lld",
                        found->name, (long long)found->height, (long long)found->width,
                        (long long)truth->height, (long long)truth->width);
    }
    struct uda_arena arena = {0};
    m.seen = uda_arena_calloc(&arena, (size_t)m.pixels);
    m.a = uda_arena_alloc(&arena, (size_t)m.pixels);
    m.b = uda_arena_alloc(&arena, (size_t)m.pixels);
    m.order = uda_arena_alloc(&arena, (size_t)found->count * sizeof *m.order);
    m.match = uda_arena_alloc(&arena, (size_t)truth->count * sizeof *m.match);
    int rc = 0;
    if (m.seen == NULL || m.a == NULL || m.b == NULL || m.order == NULL || m.match == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "'%s': no memory for its error map", found->name);
    } else {
        mark_all(&m, least);
        for (int64_t p = 0; p < m.pixels; p++) {
            kind[p] = (uint8_t)kind_of(m.seen[p], ignored != NULL && ignored[p] != 0);
        }
    }
    uda_arena_finish(&arena);
    return rc;
}

void uda_agreement_draw(struct uda_image *image, const uint8_t *kind)
{
    for (int64_t p = 0; p < image->height * image->width; p++) {
        uint8_t *rgb = image->rgb + 3 * p;
        int grey = (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000; /* BT.601 luma */
        for (int c = 0; c < 3; c++) {
            int color = kind[p] == UDA_AGREE_NONE ? 0 : uda_agreement_colors[kind[p]][c];
            rgb[c] = (uint8_t)((grey + color) / 2);
        }
    }
}
