/* Exports: read back by our own evaluators they lose nothing; overlays colour what they should. */
#include "src/eval/export.h"
#include "src/eval/coco_ap.h"
#include "src/eval/labelset.h"
#include "src/eval/protocol.h"
#include "io/fs.h"
#include "io/json.h"
#include "io/png.h"
#include "src/base/classes.h"
#include "src/base/rng.h"
#include "tests/check.h"
#include "tests/scratch.h"

#define H 60
#define W 80
#define IMAGES 3

static void make_set(struct uda_detections *set, struct uda_arena *arena)
{
    static uint8_t mask[H * W];
    struct uda_err err = {0};
    struct uda_rng rng;
    int64_t producer = 0;
    uda_rng_init(&rng, 9, UDA_RNG_TEST, 0, 0, 0);
    uda_detections_init(set, arena);
    CHECK_OK(uda_detections_producer(set, &producer, "a \"quoted\" model", &err), &err);
    for (int64_t i = 0; i < IMAGES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "ulm_%06lld_000019", (long long)i);
        CHECK_OK(uda_detections_image(set, name, H, W, &err), &err);
        for (int64_t k = 0; k < 5; k++) {
            memset(mask, 0, sizeof mask);
            int64_t x0 = uda_rng_below(&rng, 45), y0 = uda_rng_below(&rng, 35);
            for (int64_t y = y0; y < y0 + 15 + k; y++) {
                memset(mask + y * W + x0, 1, (size_t)(20 + k));
            }
            double score = (double)uda_rng_uniform(&rng) / 3;
            CHECK_OK(uda_detections_add_mask(set, (enum uda_class)(k % 3), score, mask, producer, &err),
                     &err);
        }
    }
}

static char *as_json(const struct uda_ap *ap, struct uda_arena *arena)
{
    struct uda_str text;
    struct uda_err err = {0};
    uda_str_init(&text, arena);
    uda_ap_json(&text, ap);
    CHECK_OK(uda_str_status(&text, &err), &err);
    return text.text;
}

static void test_coco(const struct uda_detections *set, struct uda_arena *arena, const char *dir)
{
    char gt[SCRATCH_BYTES], dt[SCRATCH_BYTES], plain[SCRATCH_BYTES];
    struct uda_err err = {0};
    struct uda_ap ap = {0}, same = {0};
    struct uda_json *root = NULL;
    scratch_path(gt, dir, "gt.json");
    scratch_path(dt, dir, "dt.json");
    scratch_path(plain, dir, "plain.json");
    CHECK_OK(uda_export_coco(gt, set, &err), &err);
    CHECK_OK(uda_export_coco_results(dt, set, gt, &err), &err);
    CHECK_OK(uda_export_coco_results(plain, set, NULL, &err), &err);
    CHECK_OK(uda_coco_ap_files(&ap, arena, gt, dt, NULL, &err), &err);
    CHECK_CLOSE(ap.ap, 1, 1e-9);
    CHECK_OK(uda_coco_ap_files(&same, arena, gt, plain, NULL, &err), &err);
    CHECK_STR(as_json(&ap, arena), as_json(&same, arena));
    CHECK_OK(uda_json_read(&root, gt, &err), &err);
    const struct uda_json *list = uda_json_get(root, "annotations");
    CHECK(uda_json_count(list) == 5 * IMAGES);
    for (int64_t i = 0; i < uda_json_count(list); i++) {
        const struct uda_json *row = uda_json_at(list, i);
        const struct uda_detection *item = &set->image[i / 5].item[i % 5];
        CHECK(uda_json_number(uda_json_get(row, "score")) == item->score);
        CHECK_STR(uda_json_text(uda_json_get(row, "producer")), "a \"quoted\" model");
        CHECK(uda_json_integer(uda_json_at(uda_json_get(row, "bbox"), 2), 0) ==
              item->box.x1 - item->box.x0 + 1);
    }
    uda_json_destroy(&root);
    CHECK_OK(uda_fs_write(gt, "{\"images\": []}", 14, &err), &err);
    CHECK(uda_export_coco_results(dt, set, gt, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "has no image 'ulm_000000_000019'") != NULL);
}

/* Result folder and set must give the same figures on the exported instance ids. */
static void test_cityscapes(const struct uda_detections *set, struct uda_arena *arena,
                            const char *ids, const char *results)
{
    struct uda_err err = {0};
    struct uda_ap folder = {0}, memory = {0};
    CHECK_OK(uda_export_instance_ids(ids, set, &err), &err);
    CHECK_OK(uda_export_cityscapes(results, set, &err), &err);
    CHECK_OK(uda_cityscapes_ap(&folder, arena, ids, results, NULL, NULL, &err), &err);
    CHECK_OK(uda_cityscapes_ap(&memory, arena, ids, "set", set, NULL, &err), &err);
    CHECK_STR(as_json(&folder, arena), as_json(&memory, arena));
    CHECK(folder.ap > 0.3 && folder.cls[0].guesses == 2 * IMAGES);
}

static void test_ids(const struct uda_detections *set, struct uda_arena *arena, const char *ids)
{
    char path[SCRATCH_BYTES];
    static uint8_t mask[H * W];
    struct uda_err err = {0};
    struct uda_raster raster = {0};
    scratch_path(path, ids, "ulm_000001_000019_gtFine_instanceIds.png");
    CHECK_OK(uda_png_read_raster(&raster, arena, path, &err), &err);
    CHECK(raster.height == H && raster.width == W && raster.bits == 16 && raster.channels == 1);
    int64_t wrong = 0;
    for (int64_t p = 0; p < H * W; p++) {
        int best = -1;
        for (int k = 0; k < 5; k++) {
            const struct uda_detection *item = &set->image[1].item[k];
            uda_rle_decode(mask, &item->mask);
            if (mask[p] != 0 && (best < 0 || item->score > set->image[1].item[best].score)) {
                best = k;
            }
        }
        int label = best < 0 ? 0 : uda_classes[set->image[1].item[best].cls].label_id;
        wrong += raster.sample[p] / 1000 != label;
    }
    CHECK(wrong == 0);
}

static void test_overlay(const struct uda_detections *set, struct uda_arena *arena,
                         const char *images, const char *out)
{
    char path[SCRATCH_BYTES];
    static uint8_t gray[H * W * 3];
    struct uda_err err = {0};
    struct uda_image image = {0};
    memset(gray, 100, sizeof gray);
    CHECK_OK(uda_fs_mkdirs(images, &err), &err);
    for (int64_t i = 0; i < IMAGES; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "ulm_%06lld_000019_leftImg8bit.png", (long long)i);
        scratch_path(path, images, name);
        CHECK_OK(uda_png_write(path, gray, H, W, 3, 8, &err), &err);
    }
    CHECK_OK(uda_export_overlay(out, set, images, 0.0, &err), &err);
    scratch_path(path, out, "ulm_000002_000019.png");
    CHECK_OK(uda_png_read_rgb(&image, arena, path, &err), &err);
    int64_t touched = 0, covered = 0;
    struct uda_rle part[5], all;
    for (int k = 0; k < 5; k++) {
        part[k] = set->image[2].item[k].mask;
    }
    CHECK_OK(uda_rle_union(&all, arena, part, 5, &err), &err);
    covered = uda_rle_area(&all);
    for (int64_t p = 0; p < H * W; p++) {
        touched += memcmp(image.rgb + 3 * p, gray, 3) != 0;
    }
    CHECK(touched == covered);
    CHECK_OK(uda_export_overlay(out, set, images, 2.0, &err), &err);
    CHECK_OK(uda_png_read_rgb(&image, arena, path, &err), &err);
    CHECK(memcmp(image.rgb, gray, sizeof gray) == 0);
    scratch_path(path, images, "ulm_000002_000019.png");
    CHECK_OK(uda_png_write(path, gray, H, W, 3, 8, &err), &err);
    CHECK(uda_export_overlay(out, set, images, 0.0, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "could both be image") != NULL);
    uda_err_clear(&err);
    (void)scratch_entries(images, 1);
    CHECK(uda_export_overlay(out, set, images, 0.0, &err) == UDA_FORMAT);
}

static void test_names(struct uda_arena *arena, const char *dir)
{
    struct uda_err err = {0};
    struct uda_detections set;
    uda_detections_init(&set, arena);
    CHECK_OK(uda_detections_image(&set, "../up", 2, 2, &err), &err);
    CHECK(uda_export_instance_ids(dir, &set, &err) == UDA_FORMAT);
}

int main(int argc, char **argv)
{
    char dir[SCRATCH_BYTES], sub[5][SCRATCH_BYTES];
    static const char *const name[] = {"ids", "results", "images", "overlay", "results/pred_masks"};
    struct uda_arena arena = {0};
    struct uda_detections set;
    make_set(&set, &arena);
    if (argc == 2) { /* for a look with other tools: write the label set here */
        struct uda_err err = {0};
        CHECK_OK(uda_labelset_save(argv[1], &set, &(struct uda_labelset_facts){0}, &err), &err);
        return check_result();
    }
    scratch_make(dir);
    for (int i = 0; i < 5; i++) {
        scratch_path(sub[i], dir, name[i]);
    }
    test_coco(&set, &arena, dir);
    test_cityscapes(&set, &arena, sub[0], sub[1]);
    test_ids(&set, &arena, sub[0]);
    test_overlay(&set, &arena, sub[2], sub[3]);
    test_names(&arena, dir);
    for (int i = 4; i >= 0; i--) {
        scratch_remove(sub[i]);
    }
    scratch_remove(dir);
    uda_arena_finish(&arena);
    return check_result();
}
