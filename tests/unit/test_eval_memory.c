/* Evaluations in memory: labels give what instance files give, threads change nothing, label sets
 * come back. */
#include "src/eval/evaluation.h"
#include "src/eval/coco_ap.h"
#include "src/eval/labelset.h"
#include "io/fs.h"
#include "io/store.h"
#include "src/base/classes.h"
#include "src/base/rng.h"
#include "tests/check.h"
#include "tests/scratch.h"

#define IMAGES 7
#define SIDE 96

/* A drawn street: the same truth as instance ids and as labels, and detections near it. */
struct world {
    struct uda_arena arena;
    struct uda_raster ids[IMAGES];
    struct uda_labels labels[IMAGES];
    uint8_t *void_mask[IMAGES];
    struct uda_detections found;
};

static void draw_ids(struct world *w, int64_t i, struct uda_rng *rng)
{
    static const uint16_t odd[] = {0, 4, 7, 11, 30};
    int64_t height = 40 + uda_rng_below(rng, SIDE - 40), width = 40 + uda_rng_below(rng, SIDE - 40);
    struct uda_raster *r = &w->ids[i];
    *r = (struct uda_raster){.height = height, .width = width, .channels = 1, .bits = 16};
    r->sample = uda_arena_alloc(&w->arena, (size_t)(height * width) * sizeof *r->sample);
    for (int64_t p = 0; p < height * width; p++) {
        r->sample[p] = 7;
    }
    for (int64_t k = 0; k < 12; k++) {
        int64_t x0 = uda_rng_below(rng, width - 5), y0 = uda_rng_below(rng, height - 5);
        int64_t x1 = x0 + 3 + uda_rng_below(rng, 25), y1 = y0 + 3 + uda_rng_below(rng, 25);
        int label = uda_classes[uda_rng_below(rng, 3)].label_id;
        int64_t kind = uda_rng_below(rng, 10);
        int64_t value = kind == 0 ? label : kind < 3 ? odd[uda_rng_below(rng, 5)] : label * 1000 + k;
        for (int64_t y = y0; y <= y1 && y < height; y++) {
            for (int64_t x = x0; x <= x1 && x < width; x++) {
                r->sample[y * width + x] = (uint16_t)value;
            }
        }
    }
}

static void mask_of_value(struct uda_instance *in, struct world *w, const struct uda_raster *r,
                          int64_t value)
{
    in->x0 = r->width;
    in->y0 = r->height;
    in->x1 = in->y1 = -1;
    for (int64_t p = 0; p < r->height * r->width; p++) {
        if (r->sample[p] == value) {
            int64_t x = p % r->width, y = p / r->width;
            in->x0 = x < in->x0 ? x : in->x0;
            in->x1 = x > in->x1 ? x : in->x1;
            in->y0 = y < in->y0 ? y : in->y0;
            in->y1 = y > in->y1 ? y : in->y1;
            in->area_px++;
        }
    }
    int64_t columns = in->x1 - in->x0 + 1;
    in->mask = uda_arena_alloc(&w->arena, (size_t)(columns * (in->y1 - in->y0 + 1)));
    for (int64_t y = in->y0; y <= in->y1; y++) {
        for (int64_t x = in->x0; x <= in->x1; x++) {
            in->mask[(y - in->y0) * columns + x - in->x0] = r->sample[y * r->width + x] == value;
        }
    }
}

/* What a reader makes of the ids; a group is split in two crowds at random. */
static void read_labels(struct world *w, int64_t i)
{
    const struct uda_raster *r = &w->ids[i];
    struct uda_labels *labels = &w->labels[i];
    *labels = (struct uda_labels){.height = r->height, .width = r->width};
    labels->instance = uda_arena_calloc(&w->arena, 40 * sizeof *labels->instance);
    w->void_mask[i] = uda_arena_alloc(&w->arena, (size_t)(r->height * r->width));
    for (int64_t p = 0; p < r->height * r->width; p++) {
        uint16_t v = r->sample[p];
        w->void_mask[i][p] = v == 0 || v == 4 || v == 30;
    }
    for (int64_t value = 24; value < 34000; value++) {
        int cls = uda_class_of_label_id(value < 1000 ? value : value / 1000);
        const uint16_t *at = r->sample, *end = at + r->height * r->width;
        while (cls >= 0 && at < end && *at != value) {
            at++;
        }
        if (cls >= 0 && at < end) {
            struct uda_instance *in = &labels->instance[labels->count++];
            *in = (struct uda_instance){
                .id = value, .cls = (enum uda_class)cls, .crowd = value < 1000};
            mask_of_value(in, w, r, value);
        }
    }
}

static void draw_found(struct world *w, int64_t i, struct uda_rng *rng, int64_t producer)
{
    const struct uda_labels *labels = &w->labels[i];
    int64_t height = labels->height, width = labels->width;
    struct uda_err err = {0};
    char name[32];
    static uint8_t mask[SIDE * SIDE];
    (void)snprintf(name, sizeof name, "street_%06lld", (long long)i);
    CHECK_OK(uda_detections_image(&w->found, name, height, width, &err), &err);
    for (int64_t k = 0; k < 2 * labels->count; k++) {
        const struct uda_instance *in = &labels->instance[k / 2];
        int64_t dx = uda_rng_below(rng, 5) - 2, dy = uda_rng_below(rng, 5) - 2;
        memset(mask, 0, sizeof mask);
        for (int64_t y = in->y0 + dy; y <= in->y1 + dy; y++) {
            for (int64_t x = in->x0 + dx; x <= in->x1 + dx; x++) {
                if (x >= 0 && y >= 0 && x < width && y < height) {
                    mask[y * width + x] = 1;
                }
            }
        }
        double score = (double)uda_rng_below(rng, 20) / 20;
        CHECK_OK(uda_detections_add_mask(&w->found, in->cls, score, mask, producer, &err), &err);
    }
}

static void make_world(struct world *w)
{
    struct uda_err err = {0};
    int64_t producer[2];
    *w = (struct world){0};
    uda_detections_init(&w->found, &w->arena);
    CHECK_OK(uda_detections_producer(&w->found, &producer[0], "human_cycle/weights.h5", &err), &err);
    CHECK_OK(uda_detections_producer(&w->found, &producer[1], "vehicle/weights.h5", &err), &err);
    for (int64_t i = 0; i < IMAGES; i++) {
        struct uda_rng rng;
        uda_rng_init(&rng, 4, UDA_RNG_TEST, 0, 0, (uint32_t)i);
        draw_ids(w, i, &rng);
        read_labels(w, i);
        draw_found(w, i, &rng, producer[i % 2]);
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

/* Figures by one route as text; labels or ids, one by one or by a team. */
struct route {
    struct world *world;
    bool labels;
};

static int load(void *args, int64_t i, struct uda_arena *scratch, struct uda_eval_truth *truth,
                struct uda_image_detections *found, struct uda_err *err)
{
    const struct route *route = args;
    (void)scratch;
    (void)err;
    truth->name = "street";
    if (route->labels) {
        truth->labels = &route->world->labels[i];
        truth->void_mask = route->world->void_mask[i];
    } else {
        truth->ids = &route->world->ids[i];
    }
    *found = route->world->found.image[i];
    return 0;
}

static char *figures(struct world *w, enum uda_eval_protocol protocol, bool labels, int threads)
{
    struct uda_err err = {0};
    struct uda_evaluation *evaluation = NULL;
    struct uda_team *team = NULL;
    struct uda_ap ap = {0};
    struct route route = {w, labels};
    CHECK_OK(uda_evaluation_create(&evaluation, protocol, &err), &err);
    if (threads == 0) {
        for (int64_t i = 0; i < IMAGES; i++) {
            struct uda_eval_truth truth = {0};
            struct uda_image_detections found;
            CHECK(load(&route, i, NULL, &truth, &found, &err) == 0);
            CHECK_OK(uda_evaluation_add(evaluation, &truth, &found, &err), &err);
        }
    } else {
        CHECK_OK(uda_team_create(&team, threads, &err), &err);
        CHECK_OK(uda_evaluation_add_all(evaluation, team, IMAGES, load, &route, &err), &err);
        uda_team_destroy(&team);
    }
    CHECK_OK(uda_evaluation_finish(&ap, evaluation, &w->arena, &err), &err);
    CHECK(ap.images == IMAGES);
    uda_evaluation_destroy(&evaluation);
    return as_json(&ap, &w->arena);
}

static void test_routes(struct world *w)
{
    for (int p = UDA_EVAL_CITYSCAPES; p <= UDA_EVAL_COCO; p++) {
        char *first = figures(w, (enum uda_eval_protocol)p, true, 0);
        CHECK(strstr(first, "\"car\": {\"AP\": 0.") != NULL);
        for (int threads = 1; threads <= 3; threads++) {
            CHECK_STR(figures(w, (enum uda_eval_protocol)p, true, threads), first);
        }
        if (p == UDA_EVAL_CITYSCAPES) {
            CHECK_STR(figures(w, UDA_EVAL_CITYSCAPES, false, 2), first);
        }
    }
}

/* An image whose load fails: the lowest is reported, nothing is added. */
static int load_bad(void *args, int64_t i, struct uda_arena *scratch, struct uda_eval_truth *truth,
                    struct uda_image_detections *found, struct uda_err *err)
{
    if (i >= 3) {
        return uda_fail(err, UDA_IO, "image %lld", (long long)i);
    }
    return load(args, i, scratch, truth, found, err);
}

static void test_failures(struct world *w)
{
    struct uda_err err = {0};
    struct uda_evaluation *evaluation = NULL;
    struct uda_team *team = NULL;
    struct uda_ap ap = {0};
    struct route route = {w, true};
    CHECK_OK(uda_team_create(&team, 3, &err), &err);
    CHECK_OK(uda_evaluation_create(&evaluation, UDA_EVAL_CITYSCAPES, &err), &err);
    CHECK(uda_evaluation_add_all(evaluation, team, IMAGES, load_bad, &route, &err) == UDA_IO);
    CHECK_STR(err.text, "image 3");
    uda_err_clear(&err);
    struct uda_eval_truth truth = {.name = "street", .labels = &w->labels[0]};
    struct uda_image_detections other = w->found.image[0];
    struct uda_labels taller = w->labels[0];
    taller.height++;
    truth.labels = &taller;
    CHECK(uda_evaluation_add(evaluation, &truth, &other, &err) == UDA_SHAPE);
    uda_err_clear(&err);
    struct uda_raster ids = w->ids[0];
    uint16_t keep = ids.sample[0];
    ids.sample[0] = 34000;
    truth = (struct uda_eval_truth){.name = "street", .ids = &ids};
    CHECK(uda_evaluation_add(evaluation, &truth, &other, &err) == UDA_FORMAT);
    CHECK(strstr(err.text, "unknown label id 34") != NULL);
    ids.sample[0] = keep;
    uda_err_clear(&err);
    CHECK_OK(uda_evaluation_finish(&ap, evaluation, &w->arena, &err), &err);
    CHECK(ap.images == 0 && isnan(ap.ap));
    uda_evaluation_destroy(&evaluation);
    uda_team_destroy(&team);
}

static void put_mask(struct uda_str *text, struct uda_arena *arena, const struct uda_rle *mask)
{
    struct uda_err err = {0};
    char *counts = NULL;
    CHECK_OK(uda_rle_to_text(&counts, arena, mask, &err), &err);
    uda_str_add(text, "\"segmentation\": {\"size\": [%lld, %lld], \"counts\": ",
                (long long)mask->height, (long long)mask->width);
    uda_str_json(text, counts);
    uda_str_add(text, "}");
}

/* The truth as a COCO file. */
static void write_instances(struct world *w, const char *path)
{
    struct uda_str text;
    struct uda_err err = {0};
    int64_t id = 1;
    uda_str_init(&text, &w->arena);
    uda_str_add(&text, "{\"categories\": [");
    for (int c = 0; c < UDA_CLASSES; c++) {
        uda_str_add(&text, "%s{\"id\": %d, \"name\": \"%s\"}", c > 0 ? "," : "", 10 * c + 3,
                    uda_classes[c].name);
    }
    uda_str_add(&text, "], \"images\": [");
    for (int64_t i = 0; i < IMAGES; i++) {
        uda_str_add(&text,
                    "%s{\"id\": %lld, \"height\": %lld, \"width\": %lld, \"file_name\": "
                    "\"val/street_%06lld.png\"}",
                    i > 0 ? "," : "", (long long)i + 50, (long long)w->labels[i].height,
                    (long long)w->labels[i].width, (long long)i);
    }
    uda_str_add(&text, "], \"annotations\": [");
    for (int64_t i = 0; i < IMAGES; i++) {
        for (int64_t k = 0; k < w->labels[i].count; k++) {
            const struct uda_instance *in = &w->labels[i].instance[k];
            struct uda_box box = {in->x0, in->y0, in->x1, in->y1};
            struct uda_rle mask;
            CHECK_OK(uda_rle_encode_box(&mask, &w->arena, in->mask, box, w->labels[i].height,
                                        w->labels[i].width, &err),
                     &err);
            uda_str_add(&text,
                        "%s{\"id\": %lld, \"image_id\": %lld, \"category_id\": %d, \"area\": %lld, "
                        "\"iscrowd\": %d, ",
                        id > 1 ? "," : "", (long long)id, (long long)i + 50, 10 * in->cls + 3,
                        (long long)in->area_px, in->crowd);
            put_mask(&text, &w->arena, &mask);
            uda_str_add(&text, "}");
            id++;
        }
    }
    uda_str_add(&text, "]}");
    CHECK_OK(uda_str_status(&text, &err), &err);
    CHECK_OK(uda_fs_write(path, text.text, text.bytes, &err), &err);
}

static void write_results(struct world *w, const char *path)
{
    struct uda_str text;
    struct uda_err err = {0};
    bool first = true;
    uda_str_init(&text, &w->arena);
    for (int64_t i = 0; i < IMAGES; i++) {
        for (int64_t k = 0; k < w->found.image[i].count; k++) {
            const struct uda_detection *item = &w->found.image[i].item[k];
            uda_str_add(&text, "%s{\"image_id\": %lld, \"category_id\": %d, \"score\": %.17g, ",
                        first ? "[" : ",", (long long)i + 50, 10 * item->cls + 3, item->score);
            put_mask(&text, &w->arena, &item->mask);
            uda_str_add(&text, "}");
            first = false;
        }
    }
    uda_str_add(&text, "]");
    CHECK_OK(uda_str_status(&text, &err), &err);
    CHECK_OK(uda_fs_write(path, text.text, text.bytes, &err), &err);
}

/* COCO in memory, by files, and by a label set: the same bits. */
static void test_coco_files(struct world *w, const char *dir)
{
    char gt[SCRATCH_BYTES], dt[SCRATCH_BYTES];
    struct uda_err err = {0};
    struct uda_ap ap = {0};
    scratch_path(gt, dir, "gt.json");
    scratch_path(dt, dir, "dt.json");
    write_instances(w, gt);
    write_results(w, dt);
    char *first = figures(w, UDA_EVAL_COCO, true, 0);
    CHECK_OK(uda_coco_ap_files(&ap, &w->arena, gt, dt, NULL, &err), &err);
    CHECK_STR(as_json(&ap, &w->arena), first);
    CHECK_OK(uda_coco_ap_files(&ap, &w->arena, gt, "set", &w->found, &err), &err);
    CHECK_STR(as_json(&ap, &w->arena), first);
}

static void check_same_set(const struct uda_detections *a, const struct uda_detections *b)
{
    CHECK(a->count == b->count && a->producers == b->producers);
    CHECK_STR(a->producer[1], b->producer[1]);
    for (int64_t i = 0; i < a->count && i < b->count; i++) {
        const struct uda_image_detections *x = &a->image[i], *y = &b->image[i];
        CHECK_STR(x->name, y->name);
        CHECK(x->height == y->height && x->width == y->width && x->count == y->count);
        for (int64_t k = 0; k < x->count && k < y->count; k++) {
            const struct uda_detection *p = &x->item[k], *q = &y->item[k];
            CHECK(p->cls == q->cls && p->score == q->score && p->producer == q->producer);
            CHECK(p->area_px == q->area_px && memcmp(&p->box, &q->box, sizeof p->box) == 0);
            CHECK(p->mask.count == q->mask.count &&
                  memcmp(p->mask.counts, q->mask.counts, (size_t)p->mask.count * 4) == 0);
        }
    }
}

static void test_labelset(struct world *w, const char *dir)
{
    char first[SCRATCH_BYTES], second[SCRATCH_BYTES];
    const struct uda_labelset_threshold threshold[] = {{"score", .9}, {"mask", .5}};
    const struct uda_labelset_facts facts = {.threshold = threshold, .thresholds = 2};
    struct uda_err err = {0};
    struct uda_detections set = {0}, none;
    unsigned char *a = NULL, *b = NULL;
    size_t a_bytes = 0, b_bytes = 0;
    scratch_path(first, dir, "a.h5");
    scratch_path(second, dir, "b.h5");
    CHECK_OK(uda_labelset_save(first, &w->found, &facts, &err), &err);
    CHECK_OK(uda_labelset_load(&set, &w->arena, first, &err), &err);
    check_same_set(&set, &w->found);
    CHECK_OK(uda_labelset_save(second, &set, &facts, &err), &err);
    CHECK_OK(uda_fs_read(&a, &a_bytes, &w->arena, first, 1 << 26, &err), &err);
    CHECK_OK(uda_fs_read(&b, &b_bytes, &w->arena, second, 1 << 26, &err), &err);
    CHECK(a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0);
    uda_detections_init(&none, &w->arena);
    CHECK_OK(uda_labelset_save(first, &none, &(struct uda_labelset_facts){0}, &err), &err);
    CHECK_OK(uda_labelset_load(&set, &w->arena, first, &err), &err);
    CHECK(set.count == 0 && set.producers == 0);
}

/* A label set of one instance in a 2 x 2 image with one value wrong; which < 0: all right. */
static int damaged(const char *path, int which, struct uda_err *err)
{
    struct uda_store_writer *w = NULL;
    const char *name[] = {"a"};
    int64_t height = which == 0 ? 0 : 2, width = which == 1 ? INT64_MAX : 2;
    int64_t image = which == 2 ? 1 : which == 3 ? -1 : 0, area = which == 4 ? 2 : 1;
    int64_t box[4] = {0, which == 5 ? 0 : 1, 0, 1}, offset[2] = {0, which == 6 ? 4 : 3};
    int32_t cls = which == 7 ? 8 : 2, producer = which == 8 ? 1 : 0;
    double score = which == 9 ? (double)NAN : .5;
    uint32_t counts[3] = {1, 1, which == 10 ? 3 : 2};
    int64_t version = which == 11 ? 2 : 1, one[] = {1}, two[] = {2}, three[] = {3};
    int64_t boxes[] = {which == 12 ? 2 : 1, which == 12 ? 2 : 4};
    boxes[0] = which == 13 ? 0 : boxes[0];
    UDA_TRY(uda_store_begin(&w, 0, err));
    CHECK_OK(uda_store_put_attr_text(w, "", "kind", which == 14 ? "checkpoint" : "label set", err), err);
    CHECK_OK(uda_store_put_attr_i64(w, "", "version", version, err), err);
    CHECK_OK(uda_store_put_texts(w, "producers/name", name, 1, err), err);
    CHECK_OK(uda_store_put_texts(w, "images/name", name, 1, err), err);
    CHECK_OK(uda_store_put_i64(w, "images/height", &height, 1, one, err), err);
    CHECK_OK(uda_store_put_i64(w, "images/width", &width, 1, one, err), err);
    CHECK_OK(uda_store_put_i64(w, "instances/image_index", &image, 1, one, err), err);
    CHECK_OK(uda_store_put_i32(w, "instances/class", &cls, 1, one, err), err);
    CHECK_OK(uda_store_put_f64(w, "instances/score", &score, 1, one, err), err);
    CHECK_OK(uda_store_put_i32(w, "instances/producer", &producer, 1, one, err), err);
    CHECK_OK(uda_store_put_i64(w, "instances/area", &area, 1, one, err), err);
    CHECK_OK(uda_store_put_i64(w, "instances/box", box, 2, boxes, err), err);
    CHECK_OK(uda_store_put_i64(w, "instances/rle_offset", offset, 1, two, err), err);
    if (which != 15) {
        CHECK_OK(uda_store_put_u32(w, "rle/counts", counts, 1, three, err), err);
    }
    return uda_store_commit(&w, path, err);
}

static void test_hostile_labelset(const char *dir)
{
    char path[SCRATCH_BYTES];
    struct uda_arena arena = {0};
    scratch_path(path, dir, "bad.h5");
    for (int which = -1; which <= 15; which++) {
        struct uda_err err = {0};
        struct uda_detections set = {0};
        CHECK_OK(damaged(path, which, &err), &err);
        int rc = uda_labelset_load(&set, &arena, path, &err);
        /* 12: as many values as four, another shape */
        int expected = which == -1 || which == 12 ? 0 : which == 11 ? UDA_VERSION : UDA_FORMAT;
        if (rc != expected) {
            (void)fprintf(stderr, "damage %d: %d %s\n", which, rc, err.text);
        }
        CHECK(rc == expected && (rc == 0) == (set.count == 1));
        CHECK(rc == 0 || strstr(err.text, "bad.h5") != NULL);
    }
    uda_arena_finish(&arena);
}

int main(void)
{
    char dir[SCRATCH_BYTES];
    static struct world world;
    scratch_make(dir);
    make_world(&world);
    test_routes(&world);
    test_failures(&world);
    test_coco_files(&world, dir);
    test_labelset(&world, dir);
    test_hostile_labelset(dir);
    uda_arena_finish(&world.arena);
    scratch_remove(dir);
    return check_result();
}
