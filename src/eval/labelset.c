#include "src/eval/labelset.h"

#include "io/store.h"
#include "src/base/classes.h"
#include "src/base/str.h"

#include <math.h>
#include <string.h>

#define KIND "label set"
#define VERSION 1

/* The set as columns. */
struct columns {
    int64_t images, instances, runs;
    const char **name; /* [images] */
    int64_t *height, *width;
    int64_t *image_index; /* [instances] */
    int32_t *cls, *producer;
    double *score;
    int64_t *box; /* [instances, 4] */
    int64_t *area;
    int64_t *offset; /* [instances + 1] */
    uint32_t *counts; /* [runs] */
};

static int no_memory(const char *path, struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "'%s': no memory for a label set", path);
}

static void *column(struct uda_arena *arena, int64_t rows, size_t element_bytes, bool *failed)
{
    void *block = uda_arena_alloc(arena, (size_t)rows * element_bytes);
    *failed = *failed || block == NULL;
    return block;
}

static bool allocate(struct columns *c, struct uda_arena *arena)
{
    bool failed = false;
    c->name = column(arena, c->images, sizeof *c->name, &failed);
    c->height = column(arena, c->images, sizeof *c->height, &failed);
    c->width = column(arena, c->images, sizeof *c->width, &failed);
    c->image_index = column(arena, c->instances, sizeof *c->image_index, &failed);
    c->cls = column(arena, c->instances, sizeof *c->cls, &failed);
    c->producer = column(arena, c->instances, sizeof *c->producer, &failed);
    c->score = column(arena, c->instances, sizeof *c->score, &failed);
    c->box = column(arena, c->instances, 4 * sizeof *c->box, &failed);
    c->area = column(arena, c->instances, sizeof *c->area, &failed);
    c->offset = column(arena, c->instances + 1, sizeof *c->offset, &failed);
    c->counts = column(arena, c->runs, sizeof *c->counts, &failed);
    return !failed;
}

static void fill_instance(struct columns *c, int64_t row, int64_t image,
                          const struct uda_detection *item)
{
    c->image_index[row] = image;
    c->cls[row] = (int32_t)item->cls;
    c->producer[row] = (int32_t)item->producer;
    c->score[row] = item->score;
    c->area[row] = item->area_px;
    c->box[4 * row] = item->box.x0;
    c->box[4 * row + 1] = item->box.y0;
    c->box[4 * row + 2] = item->box.x1;
    c->box[4 * row + 3] = item->box.y1;
    memcpy(c->counts + c->offset[row], item->mask.counts,
           (size_t)item->mask.count * sizeof *c->counts);
    c->offset[row + 1] = c->offset[row] + item->mask.count;
}

static bool fill(struct columns *c, struct uda_arena *arena, const struct uda_detections *set)
{
    c->images = set->count;
    for (int64_t i = 0; i < set->count; i++) {
        c->instances += set->image[i].count;
        for (int64_t k = 0; k < set->image[i].count; k++) {
            c->runs += set->image[i].item[k].mask.count;
        }
    }
    if (!allocate(c, arena)) {
        return false;
    }
    c->offset[0] = 0;
    for (int64_t i = 0, row = 0; i < set->count; i++) {
        c->name[i] = set->image[i].name;
        c->height[i] = set->image[i].height;
        c->width[i] = set->image[i].width;
        for (int64_t k = 0; k < set->image[i].count; k++) {
            fill_instance(c, row++, i, &set->image[i].item[k]);
        }
    }
    return true;
}

static int put_classes(struct uda_store_writer *w, struct uda_arena *arena, struct uda_err *err)
{
    const char *name[UDA_CLASSES];
    int32_t label_id[UDA_CLASSES], train_id[UDA_CLASSES];
    struct uda_str all;
    uda_str_init(&all, arena);
    for (int i = 0; i < UDA_CLASSES; i++) {
        name[i] = uda_classes[i].name;
        label_id[i] = uda_classes[i].label_id;
        train_id[i] = uda_classes[i].train_id;
        uda_str_add(&all, "%s%s", i > 0 ? "," : "", name[i]);
    }
    UDA_TRY(uda_str_status(&all, err));
    UDA_TRY(uda_store_put_attr_text(w, "", "classes", all.text, err));
    UDA_TRY(uda_store_put_texts(w, "classes/name", name, UDA_CLASSES, err));
    UDA_TRY(uda_store_put_i32(w, "classes/label_id", label_id, 1, (int64_t[]){UDA_CLASSES}, err));
    return uda_store_put_i32(w, "classes/train_id", train_id, 1, (int64_t[]){UDA_CLASSES}, err);
}

static int put_columns(struct uda_store_writer *w, const struct columns *c, struct uda_err *err)
{
    const int64_t n[] = {c->images}, m[] = {c->instances}, m4[] = {c->instances, 4};
    const int64_t m1[] = {c->instances + 1}, runs[] = {c->runs};
    UDA_TRY(uda_store_put_texts(w, "images/name", c->name, c->images, err));
    UDA_TRY(uda_store_put_i64(w, "images/height", c->height, 1, n, err));
    UDA_TRY(uda_store_put_i64(w, "images/width", c->width, 1, n, err));
    UDA_TRY(uda_store_put_i64(w, "instances/image_index", c->image_index, 1, m, err));
    UDA_TRY(uda_store_put_i32(w, "instances/class", c->cls, 1, m, err));
    UDA_TRY(uda_store_put_f64(w, "instances/score", c->score, 1, m, err));
    UDA_TRY(uda_store_put_i32(w, "instances/producer", c->producer, 1, m, err));
    UDA_TRY(uda_store_put_i64(w, "instances/area", c->area, 1, m, err));
    UDA_TRY(uda_store_put_i64(w, "instances/box", c->box, 2, m4, err));
    UDA_TRY(uda_store_put_attr_text(w, "instances/box", "columns", "x0,y0,x1,y1 inclusive", err));
    UDA_TRY(uda_store_put_i64(w, "instances/rle_offset", c->offset, 1, m1, err));
    return uda_store_put_u32(w, "rle/counts", c->counts, 1, runs, err);
}

static int put_all(struct uda_store_writer *w, struct uda_arena *arena, const struct columns *c,
                   const struct uda_detections *set, const struct uda_labelset_facts *facts,
                   struct uda_err *err)
{
    UDA_TRY(uda_store_put_attr_text(w, "", "kind", KIND, err));
    UDA_TRY(uda_store_put_attr_i64(w, "", "version", VERSION, err));
    UDA_TRY(put_classes(w, arena, err));
    UDA_TRY(uda_store_put_texts(w, "producers/name", set->producer, set->producers, err));
    UDA_TRY(put_columns(w, c, err));
    for (int64_t i = 0; i < facts->thresholds; i++) {
        UDA_TRY(uda_store_put_attr_f64(w, "thresholds", facts->threshold[i].name,
                                       facts->threshold[i].value, err));
    }
    if (facts->program_version != NULL) {
        UDA_TRY(uda_store_put_provenance(w, facts->program_version, facts->argc, facts->argv, err));
    }
    return 0;
}

/* The whole set into a new file in memory. */
static int to_store(struct uda_store_writer **w, const char *path, const struct uda_detections *set,
                 const struct uda_labelset_facts *facts, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct columns c = {0};
    int rc = 0;
    if (!fill(&c, &arena, set)) {
        rc = no_memory(path, err);
        goto out;
    }
    if (set->producers > INT32_MAX) {
        rc = uda_fail(err, UDA_SHAPE, "'%s': too many producers for a label set", path);
        goto out;
    }
    size_t bytes = (size_t)c.runs * 4 + (size_t)c.instances * 80 + (size_t)c.images * 80 + 65536;
    UDA_GOTO(rc = uda_store_begin(w, bytes, err), out);
    rc = put_all(*w, &arena, &c, set, facts, err);
out:
    uda_arena_finish(&arena);
    return rc;
}

int uda_labelset_save(const char *path, const struct uda_detections *set,
                      const struct uda_labelset_facts *facts, struct uda_err *err)
{
    struct uda_store_writer *w = NULL;
    int rc = to_store(&w, path, set, facts, err);
    if (rc == 0) {
        rc = uda_store_commit(&w, path, err);
    }
    uda_store_abort(&w);
    return rc;
}

int uda_labelset_pack(unsigned char **data, size_t *bytes, struct uda_arena *arena,
                      const struct uda_detections *set, struct uda_err *err)
{
    const struct uda_labelset_facts none = {0};
    struct uda_store_writer *w = NULL;
    int rc = to_store(&w, "label set in memory", set, &none, err);
    if (rc == 0) {
        rc = uda_store_commit_memory(data, bytes, &w, arena, err);
    }
    uda_store_abort(&w);
    return rc;
}

static int check_kind(const struct uda_store *store, struct uda_arena *arena, struct uda_err *err)
{
    char *kind = NULL;
    int64_t version = 0;
    const char *path = uda_store_path(store);
    if (!uda_store_has_attr(store, "", "kind")) {
        return uda_fail(err, UDA_FORMAT, "'%s' is not a label set", path);
    }
    UDA_TRY(uda_store_get_attr_text(&kind, store, "", "kind", arena, err));
    if (strcmp(kind, KIND) != 0) {
        return uda_fail(err, UDA_FORMAT, "'%s' is a %s, not a label set", path, kind);
    }
    UDA_TRY(uda_store_get_attr_i64(&version, store, "", "version", err));
    if (version != VERSION) {
        return uda_fail(err, UDA_VERSION, "'%s': label set version %lld, this program reads %d",
                        path, (long long)version, VERSION);
    }
    return 0;
}

/* Loads a column of `rows` values; -1 takes what is there. */
static int load_column(void **data, int64_t *rows, const struct uda_store *store, const char *name,
                       enum uda_store_type type, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_store_info info;
    UDA_TRY(uda_store_load(data, &info, store, name, type, arena, err));
    if (*rows >= 0 && info.count != *rows) {
        return uda_fail(err, UDA_FORMAT, "'%s': '%s' has %lld values, expected %lld",
                        uda_store_path(store), name, (long long)info.count, (long long)*rows);
    }
    *rows = info.count;
    return 0;
}

static int load_columns(struct columns *c, const struct uda_store *store, struct uda_arena *arena,
                        struct uda_err *err)
{
    void *p[10] = {0};
    char **names = NULL;
    UDA_TRY(uda_store_get_texts(&names, &c->images, store, "images/name", arena, err));
    c->instances = c->runs = -1;
    UDA_TRY(load_column(&p[0], &c->images, store, "images/height", UDA_STORE_I64, arena, err));
    UDA_TRY(load_column(&p[1], &c->images, store, "images/width", UDA_STORE_I64, arena, err));
    UDA_TRY(load_column(&p[2], &c->instances, store, "instances/image_index", UDA_STORE_I64, arena,
                        err));
    int64_t boxes = 4 * c->instances, ends = c->instances + 1;
    UDA_TRY(load_column(&p[3], &c->instances, store, "instances/class", UDA_STORE_I32, arena, err));
    UDA_TRY(load_column(&p[4], &c->instances, store, "instances/score", UDA_STORE_F64, arena, err));
    UDA_TRY(load_column(&p[5], &c->instances, store, "instances/producer", UDA_STORE_I32, arena,
                        err));
    UDA_TRY(load_column(&p[6], &c->instances, store, "instances/area", UDA_STORE_I64, arena, err));
    UDA_TRY(load_column(&p[7], &boxes, store, "instances/box", UDA_STORE_I64, arena, err));
    UDA_TRY(load_column(&p[8], &ends, store, "instances/rle_offset", UDA_STORE_I64, arena, err));
    UDA_TRY(load_column(&p[9], &c->runs, store, "rle/counts", UDA_STORE_U32, arena, err));
    const char **name = uda_arena_alloc(arena, (size_t)c->images * sizeof *name);
    if (name == NULL) {
        return no_memory(uda_store_path(store), err);
    }
    for (int64_t i = 0; i < c->images; i++) {
        name[i] = names[i];
    }
    c->name = name;
    c->height = p[0];
    c->width = p[1];
    c->image_index = p[2];
    c->cls = p[3];
    c->score = p[4];
    c->producer = p[5];
    c->area = p[6];
    c->box = p[7];
    c->offset = p[8];
    c->counts = p[9];
    return 0;
}

static int bad_row(const char *path, int64_t row, const char *why, struct uda_err *err)
{
    return uda_fail(err, UDA_FORMAT, "'%s': instance %lld: %s", path, (long long)row, why);
}

/* The mask of a row, checked against its image and its own area and box. */
static int row_mask(struct uda_rle *mask, const struct columns *c, int64_t row, const char *path,
                    struct uda_err *err)
{
    int64_t image = c->image_index[row], from = c->offset[row], to = c->offset[row + 1];
    if (from < 0 || to < from || to > c->runs) {
        return bad_row(path, row, "its runs are out of range", err);
    }
    *mask = (struct uda_rle){.height = c->height[image],
                             .width = c->width[image],
                             .counts = c->counts + from,
                             .count = to - from};
    int64_t left = mask->height * mask->width;
    for (int64_t i = 0; i < mask->count && left >= 0; i++) {
        left -= mask->counts[i];
    }
    if (left != 0) {
        return bad_row(path, row, "its runs do not cover its image", err);
    }
    struct uda_box box = uda_rle_box(mask);
    const int64_t *b = c->box + 4 * row;
    if (uda_rle_area(mask) != c->area[row] || c->area[row] < 1 || b[0] != box.x0 ||
        b[1] != box.y0 || b[2] != box.x1 || b[3] != box.y1) {
        return bad_row(path, row, "area or box differ from the mask", err);
    }
    return 0;
}

static int add_row(struct uda_detections *set, const struct columns *c, int64_t row,
                   int64_t producers, const char *path, struct uda_err *err)
{
    struct uda_rle mask;
    if (c->cls[row] < 0 || c->cls[row] >= UDA_CLASSES) {
        return bad_row(path, row, "unknown class", err);
    }
    if (c->producer[row] < 0 || c->producer[row] >= producers) {
        return bad_row(path, row, "unknown producer", err);
    }
    if (!isfinite(c->score[row])) {
        return bad_row(path, row, "its score is not a number", err);
    }
    UDA_TRY(row_mask(&mask, c, row, path, err));
    return uda_detections_add(set, (enum uda_class)c->cls[row], c->score[row], &mask,
                              c->producer[row], err);
}

static int build(struct uda_detections *set, const struct columns *c, const char *path,
                 struct uda_err *err)
{
    int64_t row = 0;
    for (int64_t i = 0; i < c->images; i++) {
        if (c->height[i] < 1 || c->width[i] < 1 || c->height[i] > INT32_MAX / c->width[i]) {
            return uda_fail(err, UDA_FORMAT, "'%s': image '%s' has an impossible size", path,
                            c->name[i]);
        }
        UDA_TRY(uda_detections_image(set, c->name[i], c->height[i], c->width[i], err));
        for (; row < c->instances && c->image_index[row] == i; row++) {
            UDA_TRY(add_row(set, c, row, set->producers, path, err));
        }
    }
    return row == c->instances ? 0 : bad_row(path, row, "its image is unknown or out of order", err);
}

static int load(struct uda_detections *set, struct uda_arena *scratch,
                const struct uda_store *store, struct uda_err *err)
{
    struct columns c = {0};
    char **producer = NULL;
    int64_t producers = 0, index = 0;
    UDA_TRY(check_kind(store, scratch, err));
    UDA_TRY(load_columns(&c, store, scratch, err));
    UDA_TRY(uda_store_get_texts(&producer, &producers, store, "producers/name", scratch, err));
    for (int64_t i = 0; i < producers; i++) {
        UDA_TRY(uda_detections_producer(set, &index, producer[i], err));
        if (index != i) {
            return uda_fail(err, UDA_FORMAT, "'%s': producer '%s' is listed twice",
                            uda_store_path(store), producer[i]);
        }
    }
    return build(set, &c, uda_store_path(store), err);
}

int uda_labelset_load(struct uda_detections *set, struct uda_arena *arena, const char *path,
                      struct uda_err *err)
{
    struct uda_store *store = NULL;
    struct uda_arena scratch = {0};
    struct uda_detections loaded;
    uda_detections_init(&loaded, arena);
    UDA_TRY(uda_store_open(&store, path, err));
    int rc = load(&loaded, &scratch, store, err);
    uda_store_close(&store);
    uda_arena_finish(&scratch);
    if (rc == 0) {
        *set = loaded;
    }
    return rc;
}

static int add_image(struct uda_detections *set, const struct uda_detections *from, int64_t k,
                     struct uda_err *err)
{
    const struct uda_image_detections *image = &from->image[k];
    int64_t producer = 0;
    UDA_TRY(uda_detections_image(set, image->name, image->height, image->width, err));
    for (int64_t n = 0; n < image->count; n++) {
        const struct uda_detection *d = &image->item[n];
        UDA_TRY(uda_detections_producer(set, &producer, from->producer[d->producer], err));
        UDA_TRY(uda_detections_add(set, d->cls, d->score, &d->mask, producer, err));
    }
    return 0;
}

int uda_labelset_unpack(struct uda_detections *set, const unsigned char *data, size_t bytes,
                        const char *name, struct uda_err *err)
{
    struct uda_store *store = NULL;
    struct uda_arena arena = {0};
    struct uda_detections part;
    uda_detections_init(&part, &arena);
    UDA_TRY(uda_store_open_memory(&store, data, bytes, name, err));
    struct uda_arena scratch = {0};
    int rc = load(&part, &scratch, store, err);
    uda_store_close(&store);
    uda_arena_finish(&scratch);
    for (int64_t k = 0; k < part.count && rc == 0; k++) {
        rc = add_image(set, &part, k, err);
    }
    uda_arena_finish(&arena);
    return rc;
}
