#include "src/eval/fusion.h"

#include <stdlib.h>
#include <string.h>

/* An instance that may be taken. */
struct candidate {
    const struct uda_detection *item;
    int64_t input, place; /* where it stood, for ties */
};

struct fusion {
    struct uda_detections *fused;
    const struct uda_fusion_input *input;
    int64_t inputs;
    const struct uda_fusion_rule *rule;
    struct uda_arena scratch; /* of one image */
    uint8_t *claimed;         /* [width, height]: column by column, like the runs */
    struct candidate *candidate;
    int64_t candidates;
};

static int no_memory(struct uda_err *err) { return uda_fail(err, UDA_NOMEM, "fusion: out of memory"); }

static int check_images(const struct fusion *f, struct uda_err *err)
{
    const struct uda_detections *a = f->input[0].set;
    for (int64_t k = 1; k < f->inputs; k++) {
        const struct uda_detections *b = f->input[k].set;
        if (a->count != b->count) {
            return uda_fail(err, UDA_FORMAT,
                            "'%s' has %lld images and '%s' has %lld: fuse labels of one data set",
                            f->input[0].name, (long long)a->count, f->input[k].name,
                            (long long)b->count);
        }
        for (int64_t i = 0; i < a->count; i++) {
            const struct uda_image_detections *x = &a->image[i], *y = &b->image[i];
            if (strcmp(x->name, y->name) != 0) {
                return uda_fail(err, UDA_FORMAT,
                                "image %lld is '%s' in '%s' and '%s' in '%s': fuse labels of one data set",
                                (long long)i, x->name, f->input[0].name, y->name, f->input[k].name);
            }
            if (x->height != y->height || x->width != y->width) {
                return uda_fail(err, UDA_FORMAT, "image '%s' is %lldx%lld in '%s' and %lldx%lld in '%s'",
                                x->name, (long long)x->width, (long long)x->height, f->input[0].name,
                                (long long)y->width, (long long)y->height, f->input[k].name);
            }
        }
    }
    return 0;
}

/* Surest first; then by input, then by place: no two compare equal. */
static int compare(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->item->score != b->item->score) {
        return a->item->score > b->item->score ? -1 : 1;
    }
    if (a->input != b->input) {
        return a->input < b->input ? -1 : 1;
    }
    return a->place < b->place ? -1 : a->place > b->place;
}

/* The instances of image i that may be taken, in the order in which they are. */
static int gather(struct fusion *f, int64_t i, struct uda_err *err)
{
    int64_t room = 0;
    for (int64_t k = 0; k < f->inputs; k++) {
        room += f->input[k].set->image[i].count;
    }
    f->candidates = 0;
    f->candidate = uda_arena_alloc(&f->scratch, (size_t)room * sizeof *f->candidate);
    if (f->candidate == NULL) {
        return no_memory(err);
    }
    for (int64_t k = 0; k < f->inputs; k++) {
        const struct uda_image_detections *image = &f->input[k].set->image[i];
        for (int64_t place = 0; place < image->count; place++) {
            const struct uda_detection *item = &image->item[place];
            if (item->score > f->rule->score && item->area_px >= f->rule->min_area_px &&
                (f->rule->plain || f->input[k].takes[item->cls])) {
                f->candidate[f->candidates++] =
                    (struct candidate){.item = item, .input = k, .place = place};
            }
        }
    }
    if (!f->rule->plain && f->candidates > 1) {
        qsort(f->candidate, (size_t)f->candidates, sizeof *f->candidate, compare);
    }
    return 0;
}

/* Appends `length` pixels of a value to runs that alternate from 0. */
static void add_run(struct uda_rle *rle, uint32_t value, uint32_t length)
{
    if (length == 0) {
        return;
    }
    if (((uint32_t)rle->count - 1) % 2 != value) {
        rle->counts[rle->count++] = 0;
    }
    rle->counts[rle->count - 1] += length;
}

/* left = the pixels of mask that nobody has claimed; counts has room. Returns how many. */
static int64_t cut(struct uda_rle *left, const struct uda_rle *mask, const uint8_t *claimed)
{
    int64_t at = 0, area = 0;
    left->count = 1;
    left->counts[0] = 0;
    for (int64_t r = 0; r < mask->count; r++) {
        int64_t end = at + mask->counts[r];
        if (r % 2 == 0) {
            add_run(left, 0, mask->counts[r]);
            at = end;
        }
        for (; at < end; at++) {
            add_run(left, claimed[at] == 0, 1);
            area += claimed[at] == 0;
        }
    }
    return area;
}

static void claim(uint8_t *claimed, const struct uda_rle *mask)
{
    int64_t at = 0;
    for (int64_t r = 0; r < mask->count; r++) {
        if (r % 2 == 1) {
            memset(claimed + at, 1, mask->counts[r]);
        }
        at += mask->counts[r];
    }
}

static int take(struct fusion *f, const struct candidate *c, const struct uda_rle *mask,
                struct uda_err *err)
{
    const struct uda_detections *from = f->input[c->input].set;
    int64_t producer = 0;
    UDA_TRY(uda_detections_producer(f->fused, &producer, from->producer[c->item->producer], err));
    return uda_detections_add(f->fused, c->item->cls, c->item->score, mask, producer, err);
}

static int fuse_image(struct fusion *f, int64_t i, struct uda_err *err)
{
    const struct uda_image_detections *image = &f->input[0].set->image[i];
    size_t pixels = (size_t)image->height * (size_t)image->width;
    struct uda_rle left = {.height = image->height, .width = image->width};
    uda_arena_reset(&f->scratch, 0);
    UDA_TRY(uda_detections_image(f->fused, image->name, image->height, image->width, err));
    UDA_TRY(gather(f, i, err));
    f->claimed = uda_arena_calloc(&f->scratch, pixels);
    left.counts = uda_arena_alloc(&f->scratch, (pixels + 2) * sizeof *left.counts);
    if (f->claimed == NULL || left.counts == NULL) {
        return no_memory(err);
    }
    for (int64_t k = 0; k < f->candidates; k++) {
        const struct candidate *c = &f->candidate[k];
        if (f->rule->plain) {
            UDA_TRY(take(f, c, &c->item->mask, err));
            continue;
        }
        int64_t area = cut(&left, &c->item->mask, f->claimed);
        if (area > 0 && area >= f->rule->min_area_px &&
            (double)area >= f->rule->min_left * (double)c->item->area_px) {
            UDA_TRY(take(f, c, &left, err));
            claim(f->claimed, &left);
        }
    }
    return 0;
}

int uda_fuse(struct uda_detections *fused, const struct uda_fusion_input *input, int64_t inputs,
             const struct uda_fusion_rule *rule, struct uda_err *err)
{
    struct fusion f = {.fused = fused, .input = input, .inputs = inputs, .rule = rule};
    if (inputs == 0) {
        return 0;
    }
    UDA_TRY(check_images(&f, err));
    int rc = 0;
    for (int64_t k = 0; k < inputs && rc == 0; k++) {
        for (int64_t p = 0; p < input[k].set->producers && rc == 0; p++) {
            int64_t unused = 0;
            rc = uda_detections_producer(fused, &unused, input[k].set->producer[p], err);
        }
    }
    for (int64_t i = 0; i < input[0].set->count && rc == 0; i++) {
        rc = fuse_image(&f, i, err);
    }
    uda_arena_finish(&f.scratch);
    return rc;
}
