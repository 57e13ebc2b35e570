/* Broken result folders and COCO files: the right message, never a crash. */
#include "src/eval/coco_ap.h"
#include "src/eval/protocol.h"
#include "io/fs.h"
#include "io/png.h"
#include "tests/check.h"
#include "tests/scratch.h"

#define H 12
#define W 16

/* A folder with one image, "a_000000_000001"; results and truth lie side by side. */
struct place {
    char dir[SCRATCH_BYTES];
};

static void put(const struct place *p, const char *name, const char *text)
{
    char path[SCRATCH_BYTES];
    struct uda_err err = {0};
    scratch_path(path, p->dir, name);
    CHECK_OK(uda_fs_write(path, text, strlen(text), &err), &err);
}

static void put_png(const struct place *p, const char *name, int64_t height, int64_t width,
                    uint16_t value)
{
    char path[SCRATCH_BYTES];
    struct uda_err err = {0};
    uint16_t sample[2 * H * W];
    for (int64_t i = 0; i < height * width; i++) {
        sample[i] = value;
    }
    scratch_path(path, p->dir, name);
    CHECK_OK(uda_png_write(path, sample, height, width, 1, 16, &err), &err);
}

static void make_place(struct place *p)
{
    scratch_make(p->dir);
    put_png(p, "a_000000_000001_gtFine_instanceIds.png", H, W, 26001);
    put_png(p, "mask.png", H, W, 255);
    put_png(p, "tall.png", 2 * H, W, 255);
    put(p, "not.png", "\x89PNG\r\n\x1a\nno");
}

/* Evaluates one prediction file; NULL: it must succeed with this AP. */
static void try_text(const struct place *p, const char *text, const char *message, double ap_value)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_ap ap = {0};
    put(p, "a_000000_000001_pred.txt", text);
    int rc = uda_cityscapes_ap(&ap, &arena, p->dir, p->dir, NULL, NULL, &err);
    if (message == NULL) {
        CHECK_OK(rc, &err);
        CHECK_CLOSE(ap.cls[2].ap, ap_value, 0);
    } else {
        CHECK(rc == UDA_FORMAT && strstr(err.text, message) != NULL);
        if (rc != UDA_FORMAT || strstr(err.text, message) == NULL) {
            (void)fprintf(stderr, "\"%s\" gave %d \"%s\"\n", text, rc, err.text);
        }
    }
    uda_arena_finish(&arena);
}

static void test_lines(const struct place *p)
{
    try_text(p, "mask.png 26 0.5\n", NULL, 1);
    try_text(p, "mask.png 26.9 5e-1\r\n", NULL, 1);
    try_text(p, "./x/../mask.png 026 inf", NULL, 1);
    try_text(p, "mask.png 25 0.5\nmask.png 26 -1\n", NULL, 1); /* the later line counts */
    try_text(p, "mask.png 7 0.5\nno.png 29 1\nmask.png -1 1\n", NULL, 0); /* known, not evaluated */
    try_text(p, "", NULL, 0);
    try_text(p, "mask.png 26 0.5\n\nmask.png 26 0.5\n", "_pred.txt:2: empty line", 0);
    try_text(p, "mask.png  26 0.5\n", "_pred.txt:1: not three fields", 0);
    try_text(p, "mask.png 26\n", "not three fields", 0);
    try_text(p, "mask.png 26 0.5 \n", "not three fields", 0);
    try_text(p, "mask.png car 0.5\n", "label 'car' is not a number", 0);
    try_text(p, "mask.png 1e300 0.5\n", "label '1e300' is not a number", 0);
    try_text(p, "mask.png 26 high\n", "score 'high' is not a number", 0);
    try_text(p, "mask.png 26 nan\n", "score 'nan' is not a number", 0);
    try_text(p, "mask.png 26 0x1p3\n", "is not a number", 0);
    try_text(p, "mask.png 34 0.5\n", "unknown label id 34", 0);
    try_text(p, "mask.png -2 0.5\n", "unknown label id -2", 0);
    try_text(p, "../mask.png 26 0.5\n", "leaves the results folder", 0);
    try_text(p, "a/../../mask.png 26 0.5\n", "leaves the results folder", 0);
    try_text(p, "/mask.png 26 0.5\n", "must be relative", 0);
    try_text(p, " 26 0.5\n", "must be relative", 0);
    try_text(p, "gone.png 26 0.5\n", "mask '", 0);
    try_text(p, "tall.png 26 0.5\n", "is 24 x 16 but the image 12 x 16", 0);
    try_text(p, "not.png 26 0.5\n", "not.png", 0);
    try_text(p, "a_000000_000001_pred.txt 26 0.5\n", "_pred.txt", 0);
}

static void test_folders(const struct place *p)
{
    char path[SCRATCH_BYTES];
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_ap ap = {0};
    put(p, "a_000000_000001_pred.txt", "mask.png 26 0.5\n");
    put(p, "a_000000_000001_again.txt", "mask.png 26 0.5\n");
    CHECK(uda_cityscapes_ap(&ap, &arena, p->dir, p->dir, NULL, NULL, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "two prediction files 'a_000000_000001_again.txt' and "
                           "'a_000000_000001_pred.txt'") != NULL);
    uda_err_clear(&err);
    scratch_path(path, p->dir, "a_000000_000001_again.txt");
    (void)unlink(path);
    scratch_path(path, p->dir, "a_000000_000001_pred.txt");
    (void)unlink(path);
    CHECK(uda_cityscapes_ap(&ap, &arena, p->dir, p->dir, NULL, NULL, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "no prediction file 'a_000000_000001*.txt'") != NULL);
    uda_err_clear(&err);
    scratch_path(path, p->dir, "none");
    CHECK(uda_cityscapes_ap(&ap, &arena, path, p->dir, NULL, NULL, &err) == UDA_IO);
    uda_err_clear(&err);
    CHECK(uda_cityscapes_ap(&ap, &arena, p->dir, path, NULL, NULL, &err) == UDA_IO);
    uda_err_clear(&err);
    CHECK(uda_kitti360_ap(&ap, &arena, p->dir, p->dir, NULL, NULL, &err) == UDA_IO);
    uda_err_clear(&err);
    put(p, "a_000000_000001_pred.txt", "mask.png 26 0.5\n");
    put_png(p, "a_000000_000001_gtFine_instanceIds.png", H, W, 34);
    CHECK(uda_cityscapes_ap(&ap, &arena, p->dir, p->dir, NULL, NULL, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "value 34 has the unknown label id 34") != NULL);
    uda_arena_finish(&arena);
}

/* JSON in single quotes, for reading. */
static void put_json(const struct place *p, const char *name, const char *text)
{
    char copy[2048];
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *c = copy; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    put(p, name, copy);
}

#define TABLES "'images':[{'id':1,'height':4,'width':5}],'categories':[{'id':3,'name':'car'}]"
#define TRUTH(fields) "{" TABLES ",'annotations':[{'id':1,'image_id':1,'category_id':3," fields "}]}"
#define GOOD_GT TRUTH("'area':20,'iscrowd':0,'segmentation':{'size':[4,5],'counts':[0,20]}")
#define FOUND(fields) "[{'image_id':1,'category_id':3," fields "}]"
#define GOOD_DT FOUND("'score':1,'segmentation':{'size':[4,5],'counts':'0d0'}")

static void try_coco(const struct place *p, const char *gt, const char *dt, const char *message)
{
    char gt_path[SCRATCH_BYTES], dt_path[SCRATCH_BYTES];
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_ap ap = {0};
    scratch_path(gt_path, p->dir, "gt.json");
    scratch_path(dt_path, p->dir, "dt.json");
    put_json(p, "gt.json", gt);
    put_json(p, "dt.json", dt);
    int rc = uda_coco_ap_files(&ap, &arena, gt_path, dt_path, NULL, &err);
    bool right = message == NULL ? rc == 0 && fabs(ap.cls[0].ap - 1) < 1e-9
                                 : rc == UDA_FORMAT && strstr(err.text, message) != NULL;
    if (!right) {
        (void)fprintf(stderr, "%s | %s gave %d \"%s\"\n", gt, dt, rc, err.text);
    }
    CHECK(right);
    uda_arena_finish(&arena);
}

static void test_coco(const struct place *p)
{
    try_coco(p, GOOD_GT, GOOD_DT, NULL);
    try_coco(p, TRUTH("'area':20,'segmentation':[[0,0,5,0,5,4,0,4]]"), GOOD_DT, NULL);
    try_coco(p, "[]", GOOD_DT, "images must be an array");
    try_coco(p, "{" TABLES "}", GOOD_DT, "annotations must be an array");
    try_coco(p, "{'images':[{'id':'x'}],'categories':[],'annotations':[]}", GOOD_DT, "images[0]: 'id'");
    try_coco(p, "{'images':[{'id':1}],'categories':[],'annotations':[]}", GOOD_DT, "'height'");
    try_coco(p, "{'images':[],'categories':[{'id':1}],'annotations':[]}", "[]", "categories[0]: 'name'");
    try_coco(p, "{'images':[],'categories':[{'id':1,'name':'a'},{'id':1,'name':'b'}],'annotations':[]}",
             "[]", "have the id 1");
    try_coco(p, TRUTH("'segmentation':[[0,0,5,0,5,4]]"), GOOD_DT, "annotations[0]: 'area'");
    try_coco(p, TRUTH("'area':1,'segmentation':[[0,0,5,0,5]]"), GOOD_DT, "segmentation[0] must be");
    try_coco(p, TRUTH("'area':1,'segmentation':[[0,0,5,0]]"), GOOD_DT, "polygon has 2 points");
    try_coco(p, TRUTH("'area':1,'segmentation':[[0,0,5,0,'x',1]]"), GOOD_DT, "out of range");
    try_coco(p, TRUTH("'area':1,'segmentation':[[0,0,5,0,1e30,1]]"), GOOD_DT, "out of range");
    try_coco(p, TRUTH("'area':1,'segmentation':{'size':[4,5],'counts':[3]}"), GOOD_DT, "cover 3 of 20");
    try_coco(p, TRUTH("'area':1,'segmentation':{'size':[4,5],'counts':[-1,21]}"), GOOD_DT, "negative");
    try_coco(p, TRUTH("'area':1,'segmentation':{'size':[5,4],'counts':[20]}"), GOOD_DT, "differs");
    try_coco(p, TRUTH("'area':1,'segmentation':{'counts':[20]}"), GOOD_DT, "differs");
    try_coco(p, TRUTH("'area':1,'segmentation':{'size':[4,5],'counts':5}"), GOOD_DT, "'counts' must be");
    try_coco(p, GOOD_GT, "{}", "the results must be an array");
    try_coco(p, GOOD_GT, "[1]", "results[0]: 'image_id'");
    try_coco(p, GOOD_GT, "[{'image_id':2,'category_id':3}]", "image id 2 is not in");
    try_coco(p, GOOD_GT, FOUND("'segmentation':{'size':[4,5],'counts':'0d0'}"), "results[0]: 'score'");
    try_coco(p, GOOD_GT, FOUND("'score':1"), "'segmentation' must be");
    try_coco(p, GOOD_GT, FOUND("'score':1,'segmentation':{'size':[4,5],'counts':'0'}"), "cover 0 of 20");
    try_coco(p, GOOD_GT, FOUND("'score':1,'segmentation':{'size':[4,5],'counts':'oo'}"), "cut short");
    try_coco(p, GOOD_GT, FOUND("'bbox':[1],'score':1,'segmentation':{'size':[4,5],'counts':'0d0'}"),
             "'bbox' must be four");
    try_coco(p, GOOD_GT, "[{", "dt.json");
}

/* Every allocation fails once: an error that says so, and nothing leaks (the sanitizer build
 * looks). */
static void test_memory(const struct place *p)
{
    char gt[SCRATCH_BYTES], dt[SCRATCH_BYTES];
    scratch_path(gt, p->dir, "gt.json");
    scratch_path(dt, p->dir, "dt.json");
    put(p, "a_000000_000001_pred.txt", "mask.png 26 0.5\n");
    put_png(p, "a_000000_000001_gtFine_instanceIds.png", H, W, 26001);
    put_json(p, "gt.json", GOOD_GT);
    put_json(p, "dt.json", GOOD_DT);
    for (int which = 0; which < 2; which++) {
        int rc = UDA_NOMEM;
        for (int64_t nth = 1; rc != 0 && nth < 200; nth++) {
            struct uda_arena arena = {0};
            struct uda_err err = {0};
            struct uda_ap ap = {0};
            uda_alloc_fail_after(nth);
            rc = which == 0 ? uda_cityscapes_ap(&ap, &arena, p->dir, p->dir, NULL, NULL, &err)
                            : uda_coco_ap_files(&ap, &arena, gt, dt, NULL, &err);
            uda_alloc_fail_after(0);
            CHECK(rc == 0 || (rc == UDA_NOMEM && err.text[0] != '\0'));
            uda_arena_finish(&arena);
        }
        CHECK(rc == 0);
    }
}

int main(void)
{
    struct place place;
    make_place(&place);
    test_memory(&place);
    test_lines(&place);
    test_folders(&place);
    test_coco(&place);
    scratch_remove(place.dir);
    return check_result();
}
