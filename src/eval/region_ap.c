/* Measured images to average precision. */
#include "src/eval/region.h"

#include <math.h>
#include <stdlib.h>

#define MIN_AREA_PX 100.0

/* A point of the precision-recall curve before it is sorted. */
struct entry {
    double score;
    bool hit;
};

/* One class at one overlap. */
struct curve {
    struct entry *entry; /* [count] */
    int64_t count;
    int64_t misses; /* objects that nothing matches */
    bool have_truth;
    double *best; /* scratch, the best score of each region of an image; -inf with hit[] false: none */
    bool *hit;
};

/* numpy.arange(0.5, 1, 0.05)[i], with its rounding. */
static double overlap_threshold(int64_t i) { return .5 + (double)i * (.55 - .5); }

static bool is_counted(const struct uda_region *region)
{
    return !region->group && region->area_px >= MIN_AREA_PX;
}

static void add_entry(struct curve *curve, double score, bool hit)
{
    curve->entry[curve->count++] = (struct entry){score, hit};
}

/* The share of a prediction that lies on void, on groups and on small regions. */
static double ignored_share(const struct uda_region_image *image,
                            const struct uda_region_found *found)
{
    double ignored = found->void_px;
    for (int64_t i = 0; i < found->overlaps; i++) {
        const struct uda_region *region = &image->region[found->overlap[i].region];
        ignored += region->group ? found->overlap[i].area_px : 0;
        ignored += region->area_px < MIN_AREA_PX ? found->overlap[i].area_px : 0;
    }
    return ignored / found->area_px;
}

/* A prediction against the regions of its class: a match, a false positive, or dropped. */
static void add_found(struct curve *curve, const struct uda_region_image *image,
                      const struct uda_region_found *found, double threshold)
{
    bool touches = false;
    for (int64_t i = 0; i < found->overlaps; i++) {
        int64_t r = found->overlap[i].region;
        const struct uda_region *region = &image->region[r];
        double both = found->overlap[i].area_px;
        if (!(both / (region->area_px + found->area_px - both) > threshold)) {
            continue;
        }
        touches = true;
        if (!is_counted(region)) {
            continue;
        }
        if (curve->hit[r]) {
            double worse = found->score < curve->best[r] ? found->score : curve->best[r];
            add_entry(curve, worse, false);
        }
        if (!curve->hit[r] || found->score > curve->best[r]) {
            curve->best[r] = found->score;
        }
        curve->hit[r] = true;
    }
    if (!touches && ignored_share(image, found) <= threshold) {
        add_entry(curve, found->score, false);
    }
}

static void add_image(struct curve *curve, const struct uda_region_image *image, int64_t cls,
                      double threshold)
{
    for (int64_t r = 0; r < image->regions; r++) {
        curve->hit[r] = false;
    }
    for (int64_t i = 0; i < image->founds; i++) {
        if (image->found[i].cls == cls) {
            add_found(curve, image, &image->found[i], threshold);
        }
    }
    for (int64_t r = 0; r < image->regions; r++) {
        if (image->region[r].cls != cls || !is_counted(&image->region[r])) {
            continue;
        }
        curve->have_truth = true;
        if (curve->hit[r]) {
            add_entry(curve, curve->best[r], true);
        } else {
            curve->misses++;
        }
    }
}

static int by_score(const void *a, const void *b)
{
    double x = ((const struct entry *)a)->score, y = ((const struct entry *)b)->score;
    return x < y ? -1 : x > y;
}

/*
 * Area under precision over recall, one point for each distinct score, widths by central
 * differences: sum_k p_k (r_{k-1} - r_{k+1}) / 2 with r_{-1} = r_0, r_{m+1} = 0 and the artificial
 * last point (0, 1).
 */
static double curve_area(struct curve *curve)
{
    if (!curve->have_truth) {
        return (double)NAN;
    }
    if (curve->count == 0) {
        return 0.0;
    }
    qsort(curve->entry, (size_t)curve->count, sizeof *curve->entry, by_score);
    int64_t hits = 0;
    for (int64_t i = 0; i < curve->count; i++) {
        hits += curve->entry[i].hit;
    }
    double objects = (double)(hits + curve->misses);
    double area = 0, before = -1, here = -1, precision = 0; /* recalls of k - 1 and k */
    int64_t below = 0;                                      /* hits under the current score */
    for (int64_t i = 0; i < curve->count;) {
        double next = (double)(hits - below) / objects;
        if (here >= 0) {
            area += precision * (before - next) / 2;
        }
        before = here >= 0 ? here : next;
        here = next;
        precision = (double)(hits - below) / (double)(curve->count - i);
        double score = curve->entry[i].score;
        for (; i < curve->count && curve->entry[i].score == score; i++) {
            below += curve->entry[i].hit;
        }
    }
    area += precision * before / 2;  /* the last real point: the next recall is 0 */
    return area + 1.0 * here / 2;    /* the artificial point */
}

static void class_figures(struct uda_ap_class *result, struct curve *curve,
                          const struct uda_region_image *const *image, int64_t images, int64_t cls)
{
    for (int64_t t = 0; t < UDA_AP_THRESHOLDS; t++) {
        curve->count = 0;
        curve->misses = 0;
        curve->have_truth = false;
        for (int64_t i = 0; i < images; i++) {
            add_image(curve, image[i], cls, overlap_threshold(t));
        }
        result->at[t] = curve_area(curve);
    }
    result->ap = uda_ap_mean(result->at, UDA_AP_THRESHOLDS);
    result->ap50 = result->at[0];
    for (int64_t i = 0; i < images; i++) {
        for (int64_t r = 0; r < image[i]->regions; r++) {
            result->truths += image[i]->region[r].cls == cls && is_counted(&image[i]->region[r]);
        }
        for (int64_t f = 0; f < image[i]->founds; f++) {
            result->guesses += image[i]->found[f].cls == cls;
        }
    }
}

/* Means over classes and overlaps, undefined ones left out. */
static int overall_figures(struct uda_ap *ap, struct uda_err *err)
{
    double *all = uda_alloc((size_t)(ap->classes * (UDA_AP_THRESHOLDS + 1)) * sizeof *all);
    if (all == NULL) {
        return uda_fail(err, UDA_NOMEM, "no memory for the figures of an evaluation");
    }
    double *half = all + ap->classes * UDA_AP_THRESHOLDS;
    for (int64_t c = 0; c < ap->classes; c++) {
        for (int64_t t = 0; t < UDA_AP_THRESHOLDS; t++) {
            all[c * UDA_AP_THRESHOLDS + t] = ap->cls[c].at[t];
        }
        half[c] = ap->cls[c].ap50;
    }
    ap->ap = uda_ap_mean(all, ap->classes * UDA_AP_THRESHOLDS);
    ap->ap50 = uda_ap_mean(half, ap->classes);
    uda_free(all);
    return 0;
}

int uda_region_ap(struct uda_ap *out, struct uda_arena *arena,
                  const struct uda_region_protocol *protocol,
                  const struct uda_region_image *const *image, int64_t images,
                  struct uda_err *err)
{
    int64_t founds = 0, overlaps = 0, regions = 1, most = 1;
    for (int64_t i = 0; i < images; i++) {
        founds += image[i]->founds;
        regions += image[i]->regions;
        most = image[i]->regions > most ? image[i]->regions : most;
        for (int64_t f = 0; f < image[i]->founds; f++) {
            overlaps += image[i]->found[f].overlaps;
        }
    }
    struct uda_ap ap = {.protocol = protocol->name,
                        .classes = protocol->classes,
                        .images = images,
                        .ap75 = (double)NAN,
                        .ap_small = (double)NAN,
                        .ap_medium = (double)NAN,
                        .ap_large = (double)NAN};
    ap.cls = uda_arena_calloc(arena, (size_t)ap.classes * sizeof *ap.cls);
    struct curve curve = {.best = uda_alloc((size_t)most * sizeof *curve.best),
                          .hit = uda_alloc((size_t)most * sizeof *curve.hit),
                          .entry = uda_alloc((size_t)(founds + overlaps + regions) *
                                             sizeof *curve.entry)};
    int rc = 0;
    if (ap.cls == NULL || curve.best == NULL || curve.hit == NULL || curve.entry == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "no memory for the figures of an evaluation");
        goto out;
    }
    for (int64_t c = 0; c < ap.classes; c++) {
        ap.cls[c] = (struct uda_ap_class){.name = protocol->cls[c],
                                          .ap75 = (double)NAN,
                                          .ap_small = (double)NAN,
                                          .ap_medium = (double)NAN,
                                          .ap_large = (double)NAN};
        class_figures(&ap.cls[c], &curve, image, images, c);
    }
    rc = overall_figures(&ap, err);
    if (rc == 0) {
        *out = ap;
    }
out:
    uda_free(curve.best);
    uda_free(curve.hit);
    uda_free(curve.entry);
    return rc;
}
