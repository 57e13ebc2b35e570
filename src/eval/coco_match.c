/* Matching the objects of one image, for uda_coco_measure. */
#include "src/eval/coco_ap.h"

#include <stdlib.h>

#define MAX_FOUND 100

static const double range_low[UDA_COCO_RANGES] = {0, 0, 32 * 32, 96 * 96};
static const double range_high[UDA_COCO_RANGES] = {1e10, 32 * 32, 96 * 96, 1e10};

/* numpy.linspace(.5, .95, 10)[i], with its rounding. */
static double overlap_threshold(int64_t i)
{
    return i == UDA_AP_THRESHOLDS - 1 ? .95 : (double)i * ((.95 - .5) / 9) + .5;
}

/* An object of the image in the order of work: by class, predictions by falling score, then
 * input. */
struct ranked {
    int64_t cls, index;
    double score;
    const struct uda_rle *mask;
    struct uda_box box;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->cls != y->cls) {
        return x->cls < y->cls ? -1 : 1;
    }
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The objects of one class in one image. */
struct group {
    const struct ranked *guess, *truth;
    int64_t guesses, truths;
    const struct uda_coco_truth *truth_of; /* all of the image, by ranked.index */
    const struct uda_coco_guess *guess_of;
    double *iou;    /* [guesses, truths] */
    int64_t *order; /* [truths] ignored ones last */
    bool *ignore, *taken;
};

static void fill_ious(struct group *g)
{
    for (int64_t d = 0; d < g->guesses; d++) {
        for (int64_t t = 0; t < g->truths; t++) {
            const struct uda_box *a = &g->guess[d].box, *b = &g->truth[t].box;
            bool apart = a->x1 < b->x0 || b->x1 < a->x0 || a->y1 < b->y0 || b->y1 < a->y0;
            g->iou[d * g->truths + t] =
                apart ? 0
                      : uda_rle_iou(g->guess[d].mask, g->truth[t].mask,
                                    g->truth_of[g->truth[t].index].crowd);
        }
    }
}

/* ignore [truths] in this range, and their order: those that count first. Returns how many
 * count. */
static int32_t order_truths(struct group *g, int range)
{
    int64_t at = 0;
    int32_t counted = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t t = 0; t < g->truths; t++) {
            const struct uda_coco_truth *truth = &g->truth_of[g->truth[t].index];
            g->ignore[t] = truth->crowd || truth->area < range_low[range] ||
                           truth->area > range_high[range];
            if (g->ignore[t] == (pass == 1)) {
                g->order[at++] = t;
                counted += pass == 0;
            }
        }
    }
    return counted;
}

/* The object that prediction d takes at this overlap, -1 for none. Of equal overlaps the last one
 * wins. */
static int64_t best_truth(const struct group *g, int64_t d, double threshold)
{
    double least = threshold < 1 - 1e-10 ? threshold : 1 - 1e-10;
    int64_t best = -1;
    for (int64_t i = 0; i < g->truths; i++) {
        int64_t t = g->order[i];
        if (g->taken[t] && !g->truth_of[g->truth[t].index].crowd) {
            continue;
        }
        if (best >= 0 && !g->ignore[best] && g->ignore[t]) {
            break;
        }
        if (g->iou[d * g->truths + t] < least) {
            continue;
        }
        least = g->iou[d * g->truths + t];
        best = t;
    }
    return best;
}

static void match_range(struct uda_coco_found *found, struct group *g, int range)
{
    for (int64_t k = 0; k < UDA_AP_THRESHOLDS; k++) {
        uint16_t bit = (uint16_t)(1u << k);
        for (int64_t t = 0; t < g->truths; t++) {
            g->taken[t] = false;
        }
        for (int64_t d = 0; d < g->guesses; d++) {
            int64_t t = best_truth(g, d, overlap_threshold(k));
            bool matched = t >= 0 && !g->truth_of[g->truth[t].index].nameless;
            bool ignored = t >= 0 && g->ignore[t];
            double area = g->guess_of[g->guess[d].index].area;
            ignored = ignored ||
                      (!matched && (area < range_low[range] || area > range_high[range]));
            if (t >= 0) {
                g->taken[t] = true;
            }
            found[d].matched[range] |= matched ? bit : 0;
            found[d].ignored[range] |= ignored ? bit : 0;
        }
    }
}

/* One class: writes its predictions and its row of objects. */
static void match_group(struct uda_coco_image *image, struct group *g, int64_t cls)
{
    struct uda_coco_objects *objects = &image->objects[image->classes++];
    *objects = (struct uda_coco_objects){.cls = (int32_t)cls};
    for (int64_t t = 0; t < g->truths; t++) {
        objects->all += !g->truth_of[g->truth[t].index].crowd;
    }
    struct uda_coco_found *found = image->found + image->founds;
    for (int64_t d = 0; d < g->guesses; d++) {
        found[d] = (struct uda_coco_found){.score = g->guess[d].score, .cls = (int32_t)cls};
    }
    fill_ious(g);
    for (int range = 0; range < UDA_COCO_RANGES; range++) {
        objects->counted[range] = order_truths(g, range);
        match_range(found, g, range);
    }
    image->founds += g->guesses;
}

static int64_t same_class(const struct ranked *list, int64_t from, int64_t count, int64_t cls)
{
    int64_t end = from;
    while (end < count && list[end].cls == cls) {
        end++;
    }
    return end;
}

static int check_sizes(const struct uda_coco_truth *truth, int64_t truths,
                       const struct uda_coco_guess *guess, int64_t guesses, const char *name,
                       struct uda_err *err)
{
    const struct uda_rle *first = truths > 0 ? &truth[0].mask : guesses > 0 ? &guess[0].mask : NULL;
    for (int64_t i = 0; i < truths + guesses; i++) {
        const struct uda_rle *mask = i < truths ? &truth[i].mask : &guess[i - truths].mask;
        if (mask->height != first->height || mask->width != first->width) {
            return uda_fail(err, UDA_SHAPE, "'%s': masks of %lld x %lld and %lld x %lld", name,
                            (long long)first->height, (long long)first->width,
                            (long long)mask->height, (long long)mask->width);
        }
    }
    return 0;
}

/* Scratch of a measurement, freed as a whole. */
struct scratch {
    struct ranked *truth, *guess;
    double *iou;
    int64_t *order;
    bool *flags;
};

static void match_classes(struct uda_coco_image *image, const struct scratch *s,
                          const struct uda_coco_truth *truth, int64_t truths,
                          const struct uda_coco_guess *guess, int64_t guesses)
{
    int64_t t = 0, d = 0;
    while (t < truths || d < guesses) {
        int64_t cls = t < truths ? s->truth[t].cls : s->guess[d].cls;
        cls = d < guesses && s->guess[d].cls < cls ? s->guess[d].cls : cls;
        int64_t t_end = same_class(s->truth, t, truths, cls);
        int64_t d_end = same_class(s->guess, d, guesses, cls);
        struct group group = {.guess = s->guess + d,
                              .truth = s->truth + t,
                              .guesses = d_end - d < MAX_FOUND ? d_end - d : MAX_FOUND,
                              .truths = t_end - t,
                              .truth_of = truth,
                              .guess_of = guess,
                              .iou = s->iou,
                              .order = s->order,
                              .ignore = s->flags,
                              .taken = s->flags + truths};
        match_group(image, &group, cls);
        t = t_end;
        d = d_end;
    }
}

int uda_coco_measure(struct uda_coco_image *out, struct uda_arena *arena,
                     const struct uda_coco_truth *truth, int64_t truths,
                     const struct uda_coco_guess *guess, int64_t guesses, const char *name,
                     struct uda_err *err)
{
    UDA_TRY(check_sizes(truth, truths, guess, guesses, name, err));
    struct scratch s = {.truth = uda_alloc((size_t)truths * sizeof *s.truth),
                        .guess = uda_alloc((size_t)guesses * sizeof *s.guess),
                        .iou = uda_alloc((size_t)truths * MAX_FOUND * sizeof *s.iou),
                        .order = uda_alloc((size_t)truths * sizeof *s.order),
                        .flags = uda_alloc((size_t)truths * 2 * sizeof *s.flags)};
    struct uda_coco_image image = {
        .found = uda_arena_alloc(arena, (size_t)guesses * sizeof *image.found),
        .objects = uda_arena_alloc(arena, (size_t)(truths + guesses) * sizeof *image.objects)};
    int rc = 0;
    if (s.truth == NULL || s.guess == NULL || s.iou == NULL || s.order == NULL ||
        s.flags == NULL || image.found == NULL || image.objects == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "'%s': no memory to evaluate it", name);
        goto out;
    }
    for (int64_t i = 0; i < truths; i++) {
        s.truth[i] = (struct ranked){
            truth[i].cls, i, 0, &truth[i].mask, uda_rle_box(&truth[i].mask)};
    }
    for (int64_t i = 0; i < guesses; i++) {
        s.guess[i] = (struct ranked){
            guess[i].cls, i, guess[i].score, &guess[i].mask, uda_rle_box(&guess[i].mask)};
    }
    qsort(s.truth, (size_t)truths, sizeof *s.truth, by_rank);
    qsort(s.guess, (size_t)guesses, sizeof *s.guess, by_rank);
    match_classes(&image, &s, truth, truths, guess, guesses);
    *out = image;
out:
    uda_free(s.truth);
    uda_free(s.guess);
    uda_free(s.iou);
    uda_free(s.order);
    uda_free(s.flags);
    return rc;
}
