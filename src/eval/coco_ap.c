/* Matched images to average precision. */
#include "src/eval/coco_ap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define RECALLS 101

/* A prediction of the class under work; order is its place before sorting. */
struct entry {
    const struct uda_coco_found *found;
    int64_t order;
};

static int by_score(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->found->score != y->found->score) {
        return x->found->score > y->found->score ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

/* numpy.linspace(0, 1, 101)[i] */
static double recall_level(int64_t i) { return i == RECALLS - 1 ? 1.0 : (double)i * .01; }

/* Precision made monotone from the right, sampled at 101 recalls, averaged; NaN without objects. */
static double interpolated(const struct entry *entry, int64_t entries, int64_t objects, int range,
                           int64_t threshold, double *recall, double *precision)
{
    if (objects == 0) {
        return (double)NAN;
    }
    double hits = 0, misses = 0;
    for (int64_t i = 0; i < entries; i++) {
        bool ignored = (entry[i].found->ignored[range] >> threshold & 1) != 0;
        bool matched = (entry[i].found->matched[range] >> threshold & 1) != 0;
        hits += matched && !ignored;
        misses += !matched && !ignored;
        recall[i] = hits / (double)objects;
        precision[i] = hits / (misses + hits + DBL_EPSILON);
    }
    for (int64_t i = entries - 1; i > 0; i--) {
        precision[i - 1] = precision[i] > precision[i - 1] ? precision[i] : precision[i - 1];
    }
    double sum = 0;
    for (int64_t level = 0, i = 0; level < RECALLS; level++) {
        while (i < entries && recall[i] < recall_level(level)) {
            i++;
        }
        sum += i < entries ? precision[i] : 0;
    }
    return sum / RECALLS;
}

/* Mean over the overlaps of one class in one range. */
static double range_mean(double at[UDA_AP_THRESHOLDS], const struct entry *entry, int64_t entries,
                         int64_t objects, int range, double *scratch)
{
    for (int64_t t = 0; t < UDA_AP_THRESHOLDS; t++) {
        at[t] = interpolated(entry, entries, objects, range, t, scratch, scratch + entries);
    }
    return uda_ap_mean(at, UDA_AP_THRESHOLDS);
}

static void class_figures(struct uda_ap_class *result, int64_t cls, struct entry *entry,
                          double *scratch, const struct uda_coco_image *const *image,
                          int64_t images)
{
    int64_t entries = 0, objects[UDA_COCO_RANGES] = {0};
    for (int64_t i = 0; i < images; i++) {
        for (int64_t f = 0; f < image[i]->founds; f++) {
            if (image[i]->found[f].cls == cls) {
                entry[entries] = (struct entry){&image[i]->found[f], entries};
                entries++;
            }
        }
        for (int64_t k = 0; k < image[i]->classes; k++) {
            if (image[i]->objects[k].cls == cls) {
                result->truths += image[i]->objects[k].all;
                for (int range = 0; range < UDA_COCO_RANGES; range++) {
                    objects[range] += image[i]->objects[k].counted[range];
                }
            }
        }
    }
    qsort(entry, (size_t)entries, sizeof *entry, by_score);
    double at[UDA_AP_THRESHOLDS];
    result->guesses = entries;
    result->ap = range_mean(result->at, entry, entries, objects[0], 0, scratch);
    result->ap_small = range_mean(at, entry, entries, objects[1], 1, scratch);
    result->ap_medium = range_mean(at, entry, entries, objects[2], 2, scratch);
    result->ap_large = range_mean(at, entry, entries, objects[3], 3, scratch);
    result->ap50 = result->at[0];
    result->ap75 = result->at[5];
}

/* Mean over classes of one figure; every class that has it has it at all overlaps and recalls. */
static double mean_figure(const struct uda_ap *ap, size_t offset)
{
    double sum = 0;
    int64_t defined = 0;
    for (int64_t c = 0; c < ap->classes; c++) {
        double value = *(const double *)(const void *)((const char *)&ap->cls[c] + offset);
        if (!isnan(value)) {
            sum += value;
            defined++;
        }
    }
    return defined > 0 ? sum / (double)defined : (double)NAN;
}

int uda_coco_ap(struct uda_ap *out, struct uda_arena *arena, const char *const *cls_name,
                int64_t classes, const struct uda_coco_image *const *image, int64_t images,
                struct uda_err *err)
{
    int64_t founds = 0;
    for (int64_t i = 0; i < images; i++) {
        founds += image[i]->founds;
    }
    struct uda_ap ap = {
        .protocol = "coco", .has_sizes = true, .classes = classes, .images = images};
    ap.cls = uda_arena_calloc(arena, (size_t)classes * sizeof *ap.cls);
    struct entry *entry = uda_alloc((size_t)founds * sizeof *entry);
    double *scratch = uda_alloc((size_t)founds * 2 * sizeof *scratch);
    int rc = 0;
    if (ap.cls == NULL || entry == NULL || scratch == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "no memory for the figures of an evaluation");
        goto out;
    }
    for (int64_t c = 0; c < classes; c++) {
        ap.cls[c].name = cls_name[c];
        class_figures(&ap.cls[c], c, entry, scratch, image, images);
    }
    ap.ap = mean_figure(&ap, offsetof(struct uda_ap_class, ap));
    ap.ap50 = mean_figure(&ap, offsetof(struct uda_ap_class, ap50));
    ap.ap75 = mean_figure(&ap, offsetof(struct uda_ap_class, ap75));
    ap.ap_small = mean_figure(&ap, offsetof(struct uda_ap_class, ap_small));
    ap.ap_medium = mean_figure(&ap, offsetof(struct uda_ap_class, ap_medium));
    ap.ap_large = mean_figure(&ap, offsetof(struct uda_ap_class, ap_large));
    *out = ap;
out:
    uda_free(entry);
    uda_free(scratch);
    return rc;
}
