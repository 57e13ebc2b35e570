#include "src/uda/pseudo.h"

#include <stdlib.h>

struct choice {
    const struct uda_detection *item;
    int64_t place; /* in the order found */
};

struct choosing {
    const struct uda_pseudo_spec *spec;
    const struct uda_class_map *map;
    const struct uda_rle *ego; /* NULL: none */
    struct choice *kept;       /* [count] */
    struct uda_pseudo result;
};

static int surer_first(const void *left, const void *right)
{
    const struct choice *a = left, *b = right;
    if (a->item->score != b->item->score) {
        return a->item->score > b->item->score ? -1 : 1;
    }
    return a->place < b->place ? -1 : a->place > b->place;
}

static bool on_ego(const struct choosing *c, const struct uda_detection *item)
{
    if (c->ego == NULL || c->spec->ego_keep <= 0.0) {
        return false;
    }
    int64_t outside = item->area_px - uda_rle_intersection(&item->mask, c->ego);
    return (double)outside < c->spec->ego_keep * (double)item->area_px;
}

static bool is_duplicate(const struct choosing *c, const struct uda_detection *item)
{
    for (int64_t k = 0; c->spec->max_iou < 1.0 && k < c->result.count; k++) {
        if (uda_rle_iou(&c->kept[k].item->mask, &item->mask, false) > c->spec->max_iou) {
            return true;
        }
    }
    return false;
}

/* Keeps one instance, or counts why not. Kept ones are written over the front of the list. */
static void consider(struct choosing *c, struct choice choice)
{
    const struct uda_detection *item = choice.item;
    struct uda_pseudo *r = &c->result;
    r->found++;
    if (c->map->index[item->cls] < 0) {
        r->foreign++;
    } else if (!(item->score > c->spec->confidence)) {
        r->unsure++;
    } else if (item->area_px < c->spec->min_area_px) {
        r->small++;
    } else if (on_ego(c, item)) {
        r->ego++;
    } else if (is_duplicate(c, item)) {
        r->duplicate++;
    } else {
        c->kept[r->count++] = choice;
    }
}

static int write_labels(struct uda_sample *target, struct choosing *c, struct uda_arena *arena,
                        struct uda_err *err)
{
    int64_t count = c->result.count, pixels = target->height * target->width;
    int32_t *cls = uda_arena_alloc(arena, (size_t)count * sizeof *cls);
    double *score = uda_arena_alloc(arena, (size_t)count * sizeof *score);
    uint8_t *masks = (size_t)count <= SIZE_MAX / (size_t)pixels
                         ? uda_arena_alloc(arena, (size_t)count * (size_t)pixels)
                         : NULL;
    if (cls == NULL || score == NULL || masks == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for %lld pseudo-labels",
                        target->name != NULL ? target->name : "", (long long)count);
    }
    for (int64_t k = 0; k < count; k++) {
        const struct uda_detection *item = c->kept[k].item;
        cls[k] = c->map->index[item->cls];
        score[k] = item->score;
        uda_rle_decode(masks + k * pixels, &item->mask);
    }
    c->result.score = score;
    target->count = count;
    target->cls = cls;
    target->masks = masks;
    return 0;
}

static int choose(struct uda_sample *target, struct choosing *c,
                  const struct uda_image_detections *found, const uint8_t *ego,
                  struct uda_arena *arena, struct uda_arena *scratch, struct uda_err *err)
{
    struct uda_rle ego_runs;
    if (ego != NULL) {
        UDA_TRY(uda_rle_encode(&ego_runs, scratch, ego, target->height, target->width, err));
        c->ego = &ego_runs;
    }
    c->kept = uda_arena_alloc(scratch, (size_t)found->count * sizeof *c->kept);
    if (c->kept == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for %lld instances",
                        target->name != NULL ? target->name : "", (long long)found->count);
    }
    for (int64_t i = 0; i < found->count; i++) {
        c->kept[i] = (struct choice){.item = &found->item[i], .place = i};
    }
    qsort(c->kept, (size_t)found->count, sizeof *c->kept, surer_first);
    for (int64_t i = 0; i < found->count; i++) {
        consider(c, c->kept[i]);
    }
    return write_labels(target, c, arena, err);
}

int uda_pseudo_label(struct uda_sample *target, struct uda_pseudo *pseudo,
                     const struct uda_pseudo_spec *spec, const struct uda_class_map *map,
                     const struct uda_image_detections *found, const uint8_t *ego,
                     struct uda_arena *arena, struct uda_arena *scratch, struct uda_err *err)
{
    if (found->height != target->height || found->width != target->width) {
        return uda_fail(err, UDA_SHAPE, "'%s': instances of %lld x %lld on an image of %lld x %lld",
                        target->name != NULL ? target->name : "", (long long)found->height,
                        (long long)found->width, (long long)target->height,
                        (long long)target->width);
    }
    UDA_TRY(uda_rle_check_size(target->height, target->width, err));
    size_t mark = uda_arena_mark(scratch);
    struct choosing c = {.spec = spec, .map = map};
    int rc = choose(target, &c, found, ego, arena, scratch, err);
    uda_arena_reset(scratch, mark);
    if (rc == 0) {
        *pseudo = c.result;
    }
    return rc;
}
