/* The folder evaluators against the figures of the official scripts, and COCO masks against
 * pycocotools. */
#include "src/eval/coco_ap.h"
#include "src/eval/protocol.h"
#include "io/fs.h"
#include "io/json.h"
#include "tests/check.h"
#include "tests/scratch.h"

#define CASES TEST_DATA "/evalcases/"
/* Sums of some hundred terms of order one in another order than numpy's: far below 1e-9. */
#define TOLERANCE 1e-9

static void check_figure(double got, const struct uda_json *expected, const char *what)
{
    double value = uda_json_number(expected);
    bool same = isnan(value) || value < 0 ? isnan(got) : fabs(got - value) <= TOLERANCE;
    if (!same) {
        (void)fprintf(stderr, "%s: %.17g, expected %.17g\n", what, got, value);
    }
    CHECK(same);
}

static void check_classes(const struct uda_ap *ap, const struct uda_json *root)
{
    const struct uda_json *classes = uda_json_get(root, "classes");
    const struct uda_json *matrix = uda_json_get(root, "apMatrix");
    check_figure(ap->ap, uda_json_get(root, "AP"), "AP");
    check_figure(ap->ap50, uda_json_get(root, "AP50"), "AP50");
    CHECK(uda_json_count(classes) == ap->classes && uda_json_count(matrix) == ap->classes);
    for (int64_t c = 0; c < ap->classes; c++) {
        const struct uda_json *expected = uda_json_get(classes, ap->cls[c].name);
        check_figure(ap->cls[c].ap, uda_json_get(expected, "AP"), ap->cls[c].name);
        check_figure(ap->cls[c].ap50, uda_json_get(expected, "AP50"), ap->cls[c].name);
        for (int64_t t = 0; t < UDA_AP_THRESHOLDS; t++) {
            check_figure(ap->cls[c].at[t], uda_json_at(uda_json_at(matrix, c), t),
                         ap->cls[c].name);
        }
    }
}

/* The figures as text, so that doubles are compared bit by bit. */
static char *as_json(const struct uda_ap *ap, struct uda_arena *arena)
{
    struct uda_str text;
    struct uda_err err = {0};
    uda_str_init(&text, arena);
    uda_ap_json(&text, ap);
    CHECK_OK(uda_str_status(&text, &err), &err);
    return text.text;
}

typedef int folder_ap(struct uda_ap *ap, struct uda_arena *arena, const char *gt, const char *pred,
                      const struct uda_detections *set, struct uda_team *team, struct uda_err *err);

/* One case with 1 to 3 threads; the first against expected.json, the others against the first. */
static void check_folder(folder_ap *evaluate, const char *name)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_json *root = NULL;
    char *gt = uda_arena_printf(&arena, CASES "%s", name), *first = NULL;
    char *pred = uda_arena_printf(&arena, CASES "%s/results", name);
    char *expected = uda_arena_printf(&arena, CASES "%s/expected.json", name);
    CHECK_OK(uda_json_read(&root, expected, &err), &err);
    for (int threads = 0; threads <= 3; threads++) {
        struct uda_team *team = NULL;
        struct uda_ap ap = {0};
        if (threads > 0) {
            CHECK_OK(uda_team_create(&team, threads, &err), &err);
        }
        CHECK_OK(evaluate(&ap, &arena, gt, pred, NULL, team, &err), &err);
        uda_team_destroy(&team);
        if (first == NULL) {
            first = as_json(&ap, &arena);
            const struct uda_json *suggested = uda_json_get(root, "suggested");
            if (suggested != NULL) { /* the script stops on this input */
                check_figure(ap.ap, uda_json_get(suggested, "AP"), "AP");
                check_figure(ap.ap50, uda_json_get(suggested, "AP50"), "AP50");
                check_figure(ap.cls[2].ap, uda_json_get(uda_json_get(suggested, "car"), "AP"), "car");
            } else {
                check_classes(&ap, root);
            }
        } else {
            CHECK_STR(as_json(&ap, &arena), first);
        }
    }
    uda_json_destroy(&root);
    uda_arena_finish(&arena);
}

static void check_coco(const char *name)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_json *root = NULL;
    struct uda_ap ap = {0};
    char *gt = uda_arena_printf(&arena, CASES "%s/gt.json", name);
    char *dt = uda_arena_printf(&arena, CASES "%s/dt.json", name);
    CHECK_OK(uda_json_read(&root, uda_arena_printf(&arena, CASES "%s/expected.json", name), &err),
             &err);
    CHECK_OK(uda_coco_ap_files(&ap, &arena, gt, dt, NULL, &err), &err);
    const struct uda_json *stats = uda_json_get(root, "stats");
    check_figure(ap.ap, uda_json_get(stats, "AP"), "AP");
    check_figure(ap.ap50, uda_json_get(stats, "AP50"), "AP50");
    check_figure(ap.ap75, uda_json_get(stats, "AP75"), "AP75");
    check_figure(ap.ap_small, uda_json_get(stats, "APsmall"), "APs");
    check_figure(ap.ap_medium, uda_json_get(stats, "APmedium"), "APm");
    check_figure(ap.ap_large, uda_json_get(stats, "APlarge"), "APl");
    for (int64_t c = 0; c < ap.classes; c++) {
        const struct uda_ap_class *cls = &ap.cls[c];
        const struct uda_json *row = uda_json_get(uda_json_get(root, "per_class"), cls->name);
        check_figure(cls->ap, uda_json_get(row, "AP"), cls->name);
        check_figure(cls->ap50, uda_json_get(row, "AP50"), cls->name);
        check_figure(cls->ap75, uda_json_get(row, "AP75"), cls->name);
        check_figure(cls->ap_small, uda_json_get(row, "APs"), cls->name);
        check_figure(cls->ap_medium, uda_json_get(row, "APm"), cls->name);
        check_figure(cls->ap_large, uda_json_get(row, "APl"), cls->name);
    }
    uda_json_destroy(&root);
    uda_arena_finish(&arena);
}

/* A segmentation of polygons or a compressed string. */
static int mask_of(struct uda_rle *mask, struct uda_arena *arena, const struct uda_json *node,
                   int64_t height, int64_t width, struct uda_err *err)
{
    const char *text = uda_json_text(uda_json_get(node, "counts"));
    if (text != NULL) {
        return uda_rle_from_text(mask, arena, text, height, width, err);
    }
    int64_t parts = uda_json_count(node);
    struct uda_rle *part = uda_arena_alloc(arena, (size_t)parts * sizeof *part);
    for (int64_t i = 0; i < parts; i++) {
        const struct uda_json *polygon = uda_json_at(node, i);
        int64_t numbers = uda_json_count(polygon);
        double *xy = uda_arena_alloc(arena, (size_t)numbers * sizeof *xy);
        for (int64_t k = 0; k < numbers; k++) {
            xy[k] = uda_json_number(uda_json_at(polygon, k));
        }
        UDA_TRY(uda_rle_from_polygon(&part[i], arena, xy, numbers / 2, height, width, err));
    }
    return uda_rle_union(mask, arena, part, parts, err);
}

static void check_masks(void)
{
    struct uda_json *root = NULL;
    struct uda_err err = {0};
    CHECK_OK(uda_json_read(&root, TEST_DATA "/coco/masks.json", &err), &err);
    CHECK(uda_json_count(root) == 30);
    for (int64_t i = 0; i < uda_json_count(root); i++) {
        const struct uda_json *row = uda_json_at(root, i), *size = uda_json_get(row, "size");
        const struct uda_json *box = uda_json_get(row, "box");
        struct uda_arena arena = {0};
        struct uda_rle mask, again;
        char *text = NULL;
        int64_t height = uda_json_integer(uda_json_at(size, 0), 0);
        int64_t width = uda_json_integer(uda_json_at(size, 1), 0);
        CHECK_OK(mask_of(&mask, &arena, uda_json_get(row, "segmentation"), height, width, &err),
                 &err);
        CHECK_OK(uda_rle_to_text(&text, &arena, &mask, &err), &err);
        CHECK_STR(text, uda_json_text(uda_json_get(row, "counts")));
        CHECK(uda_rle_area(&mask) == uda_json_integer(uda_json_get(row, "area"), -1));
        struct uda_box got = uda_rle_box(&mask);
        CHECK(got.x0 == uda_json_integer(uda_json_at(box, 0), -1) &&
              got.y0 == uda_json_integer(uda_json_at(box, 1), -1) &&
              got.x1 == uda_json_integer(uda_json_at(box, 2), -1) &&
              got.y1 == uda_json_integer(uda_json_at(box, 3), -1));
        uint8_t *pixels = uda_arena_alloc(&arena, (size_t)(height * width));
        uda_rle_decode(pixels, &mask);
        CHECK_OK(uda_rle_encode(&again, &arena, pixels, height, width, &err), &err);
        CHECK(again.count == mask.count && memcmp(again.counts, mask.counts,
                                                  (size_t)again.count * sizeof *again.counts) == 0);
        uda_arena_finish(&arena);
    }
    uda_json_destroy(&root);
}

/* The file that users read: the doubles come back, undefined ones are null. */
static void check_output(void)
{
    char dir[SCRATCH_BYTES], path[SCRATCH_BYTES];
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_ap ap = {0};
    struct uda_json *root = NULL;
    struct uda_str text;
    scratch_make(dir);
    scratch_path(path, dir, "ap.json");
    CHECK_OK(uda_cityscapes_ap(&ap, &arena, CASES "case1_basic/gtFine", CASES "case1_basic/results",
                               NULL, NULL, &err),
             &err);
    CHECK_OK(uda_ap_write(path, &ap, &err), &err);
    CHECK_OK(uda_json_read(&root, path, &err), &err);
    CHECK(uda_json_number(uda_json_get(root, "AP")) == ap.ap);
    const struct uda_json *classes = uda_json_get(root, "classes");
    CHECK(uda_json_kind(uda_json_get(uda_json_get(classes, "truck"), "AP")) == UDA_JSON_NULL);
    CHECK(uda_json_number(uda_json_get(uda_json_get(classes, "car"), "AP")) == ap.cls[2].ap);
    uda_str_init(&text, &arena);
    uda_ap_table(&text, &ap);
    CHECK(strstr(text.text, "person       45.00  100.00  ███") != NULL);
    CHECK(strstr(text.text, "truck            -       -\n") != NULL);
    CHECK(strstr(text.text, "3 images\n") != NULL);
    uda_json_destroy(&root);
    uda_arena_finish(&arena);
    scratch_remove(dir);
}

int main(void)
{
    check_folder(uda_cityscapes_ap, "case0_reference_crashes");
    check_folder(uda_cityscapes_ap, "case1_basic");
    check_folder(uda_cityscapes_ap, "case2_ignore");
    check_folder(uda_cityscapes_ap, "case3_edges");
    check_folder(uda_cityscapes_ap, "case4_random");
    check_folder(uda_kitti360_ap, "kitti360_case1");
    check_coco("coco_case1_handmade");
    check_coco("coco_case2_random");
    check_masks();
    check_output();
    return check_result();
}
