#include "src/data/index.h"

#include "io/fs.h"
#include "io/json.h"
#include "io/png.h"
#include "src/base/log.h"
#include "src/base/str.h"
#include "src/base/team.h"

#include <stdatomic.h>
#include <string.h>

/* Changes whenever the same files could give another index. */
#define INDEX_VERSION 1
/* Images between two looks at the progress line. */
#define CHUNK 128
#define ANNOTATION_BYTES_MAX ((size_t)4 << 30)

struct scan {
    const struct uda_reader *reader;
    const struct uda_reader_list *list;
    struct uda_dataset_item *item; /* [count] */
    int64_t count;
    bool unlabelled;
    int64_t base;          /* first item of the chunk */
    _Atomic int64_t failed; /* lowest item that failed so far, INT64_MAX = none */
};

/* Size and counts of one image, with arenas of its own. */
static int scan_item(struct scan *s, int64_t i, struct uda_err *err)
{
    struct uda_dataset_item *item = &s->item[i];
    UDA_TRY(uda_png_size(&item->height, &item->width, item->image_path, err));
    if (s->unlabelled) {
        return 0;
    }
    struct uda_arena arena = {0}, scratch = {0};
    struct uda_labels labels = {0};
    int rc = s->reader->labels(&labels, s->list, item->source, item->height, item->width, &arena,
                               &scratch, err);
    for (int64_t k = 0; rc == 0 && k < labels.count; k++) {
        const struct uda_instance *n = &labels.instance[k];
        if (n->crowd) {
            item->crowds++;
        } else {
            item->instances[n->cls]++;
        }
    }
    uda_arena_finish(&scratch);
    uda_arena_finish(&arena);
    return rc;
}

/* A failure is only noted here: its message comes from the first failing item, alone,
 * afterwards. */
static void scan_task(void *args, int64_t task)
{
    struct scan *s = args;
    int64_t i = s->base + task;
    if (i > atomic_load(&s->failed) || scan_item(s, i, NULL) == 0) {
        return;
    }
    int64_t lowest = atomic_load(&s->failed);
    while (i < lowest && !atomic_compare_exchange_weak(&s->failed, &lowest, i)) {
    }
}

static int scan_all(struct scan *s, int threads, struct uda_err *err)
{
    struct uda_team *team = NULL;
    int64_t count = s->count;
    UDA_TRY(uda_team_create(&team, threads, err));
    for (s->base = 0; s->base < count && atomic_load(&s->failed) == INT64_MAX; s->base += CHUNK) {
        int64_t left = count - s->base;
        uda_team_run(team, left < CHUNK ? left : CHUNK, scan_task, s);
        if (count > 4 * (int64_t)CHUNK) {
            int64_t done = left < CHUNK ? count : s->base + CHUNK;
            uda_log_progress(done == count, "index of %s: %lld/%lld images", s->reader->format,
                             (long long)done, (long long)count);
        }
    }
    uda_team_destroy(&team);
    int64_t failed = atomic_load(&s->failed);
    if (failed == INT64_MAX) {
        return 0;
    }
    memset(s->item[failed].instances, 0, sizeof s->item[failed].instances);
    int rc = scan_item(s, failed, err);
    return rc != 0 ? rc
                   : uda_fail(err, UDA_IO, "'%s' could not be read at first: try again",
                              s->item[failed].image_path);
}

static int add_file(struct uda_hasher *h, const char *path, struct uda_err *err)
{
    int64_t bytes = -1;
    if (path != NULL) {
        UDA_TRY(uda_fs_size(&bytes, path, err));
    }
    uda_hasher_i64(h, bytes);
    return 0;
}

static int hash_files(struct uda_hasher *h, const struct uda_reader *reader,
                      const struct uda_reader_list *list, const struct uda_dataset_item *chosen,
                      int64_t count, bool unlabelled, struct uda_err *err)
{
    uda_hasher_i64(h, INDEX_VERSION);
    uda_hasher_text(h, reader->format);
    uda_hasher_i64(h, unlabelled);
    uda_hasher_i64(h, count);
    for (int64_t i = 0; i < count; i++) {
        const struct uda_reader_item *item = &list->item[chosen[i].source];
        uda_hasher_text(h, item->name);
        uda_hasher_i64(h, item->id);
        UDA_TRY(add_file(h, item->image, err));
        UDA_TRY(add_file(h, item->label, err));
        UDA_TRY(add_file(h, item->extra[0], err));
        UDA_TRY(add_file(h, item->extra[1], err));
    }
    if (list->annotations != NULL) {
        struct uda_arena arena = {0};
        unsigned char *data = NULL;
        size_t bytes = 0;
        int rc = uda_fs_read(&data, &bytes, &arena, list->annotations, ANNOTATION_BYTES_MAX, err);
        if (rc == 0) {
            uda_hasher_bytes(h, data, bytes);
        }
        uda_arena_finish(&arena);
        return rc;
    }
    return 0;
}

/* key = digest of everything that the index is made from, as far as it can be seen without
 * decoding. */
static int key_of_files(char key[UDA_DIGEST_TEXT_BYTES], const struct uda_reader *reader,
                        const struct uda_reader_list *list, const struct uda_dataset_item *chosen,
                        int64_t count, bool unlabelled, struct uda_err *err)
{
    struct uda_hasher *h = NULL;
    UDA_TRY(uda_hasher_create(&h, err));
    int rc = hash_files(h, reader, list, chosen, count, unlabelled, err);
    if (rc == 0) {
        uda_digest_text(key, uda_hasher_digest(h));
    }
    uda_hasher_destroy(&h);
    return rc;
}

/* One image of the cache file: [name, height, width, crowds, person, ..., bicycle]. */
static bool cached_item(struct uda_dataset_item *item, const struct uda_json *row)
{
    const char *name = uda_json_text(uda_json_at(row, 0));
    int64_t value[3 + UDA_CLASSES];
    if (name == NULL || strcmp(name, item->name) != 0 ||
        uda_json_count(row) != 1 + UDA_LEN(value)) {
        return false;
    }
    for (int64_t k = 0; k < UDA_LEN(value); k++) {
        value[k] = uda_json_integer(uda_json_at(row, k + 1), -1);
        if (value[k] < 0 || value[k] > INT32_MAX || (k < 2 && value[k] < 1)) {
            return false;
        }
    }
    item->height = value[0];
    item->width = value[1];
    item->crowds = (int32_t)value[2];
    for (int c = 0; c < UDA_CLASSES; c++) {
        item->instances[c] = (int32_t)value[3 + c];
    }
    return true;
}

/* Digest of what the file says about the images, so that a changed digit is noticed. */
static int digest_of_rows(char text[UDA_DIGEST_TEXT_BYTES], const struct uda_dataset_item *item,
                          int64_t count, struct uda_err *err)
{
    struct uda_hasher *h = NULL;
    UDA_TRY(uda_hasher_create(&h, err));
    for (int64_t i = 0; i < count; i++) {
        uda_hasher_text(h, item[i].name);
        uda_hasher_i64(h, item[i].height);
        uda_hasher_i64(h, item[i].width);
        uda_hasher_i64(h, item[i].crowds);
        for (int c = 0; c < UDA_CLASSES; c++) {
            uda_hasher_i64(h, item[i].instances[c]);
        }
    }
    uda_digest_text(text, uda_hasher_digest(h));
    uda_hasher_destroy(&h);
    return 0;
}

/* True if the file holds the index of exactly these files. */
static bool read_cache(struct uda_dataset_item *item, int64_t count, const char *path,
                       const char *key)
{
    struct uda_err ignored = {0};
    struct uda_json *root = NULL;
    if (!uda_fs_exists(path)) {
        return false;
    }
    if (uda_json_read(&root, path, &ignored) != 0) {
        uda_log(UDA_LOG_WARN, "index '%s' is damaged (%s): made again", path, ignored.text);
        return false;
    }
    const char *found = uda_json_text(uda_json_get(root, "key"));
    const struct uda_json *rows = uda_json_get(root, "images");
    bool good = found != NULL && strcmp(found, key) == 0 && uda_json_count(rows) == count;
    if (!good) {
        uda_log(UDA_LOG_INFO, "index '%s' is of other files: made again", path);
    }
    bool whole = true;
    for (int64_t i = 0; good && whole && i < count; i++) {
        whole = cached_item(&item[i], uda_json_at(rows, i));
    }
    char digest[UDA_DIGEST_TEXT_BYTES] = "";
    const char *written = uda_json_text(uda_json_get(root, "digest"));
    if (good && (!whole || written == NULL || digest_of_rows(digest, item, count, &ignored) != 0 ||
                 strcmp(written, digest) != 0)) {
        uda_log(UDA_LOG_WARN, "index '%s' is damaged: made again", path);
        good = false;
    }
    uda_json_destroy(&root);
    return good;
}

static int write_cache(const struct uda_dataset_item *item, int64_t count, const char *path,
                       const char *key, const char *format, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_str s;
    char digest[UDA_DIGEST_TEXT_BYTES] = "";
    UDA_TRY(digest_of_rows(digest, item, count, err));
    uda_str_init(&s, &arena);
    uda_str_add(&s, "{\"format\": \"%s\", \"key\": \"%s\", \"digest\": \"%s\",\n "
                    "\"columns\": [\"name\", \"height\", \"width\", \"crowds\", \"person\", "
                    "\"rider\", \"car\", \"truck\", \"bus\", \"train\", \"motorcycle\", "
                    "\"bicycle\"],\n \"images\": [\n",
                format, key, digest);
    for (int64_t i = 0; i < count; i++) {
        uda_str_add(&s, "[");
        uda_str_json(&s, item[i].name);
        uda_str_add(&s, ",%lld,%lld,%d", (long long)item[i].height, (long long)item[i].width,
                    item[i].crowds);
        for (int c = 0; c < UDA_CLASSES; c++) {
            uda_str_add(&s, ",%d", item[i].instances[c]);
        }
        uda_str_add(&s, i + 1 < count ? "],\n" : "]\n");
    }
    uda_str_add(&s, "]}\n");
    int rc = uda_str_status(&s, err);
    if (rc == 0) {
        const char *parent = uda_fs_parent(&arena, path);
        rc = parent == NULL ? uda_fail(err, UDA_NOMEM, "'%s': out of memory", path)
                            : uda_fs_mkdirs(parent, err);
    }
    if (rc == 0) {
        rc = uda_fs_write(path, s.text, s.bytes, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

/* Counts of a half-read cache are forgotten before the scan. */
static void clear_counts(struct uda_dataset_item *item, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        memset(item[i].instances, 0, sizeof item[i].instances);
        item[i].crowds = 0;
    }
}

int uda_index_make(struct uda_dataset_item **items, const struct uda_reader *reader,
                   const struct uda_reader_list *list, const int64_t *source, int64_t count,
                   const struct uda_index_options *options, struct uda_arena *arena,
                   struct uda_err *err)
{
    struct uda_dataset_item *item = uda_arena_calloc(arena, (size_t)count * sizeof *item);
    if (item == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for an index of %lld images",
                        (long long)count);
    }
    for (int64_t i = 0; i < count; i++) {
        const struct uda_reader_item *from = &list->item[source[i]];
        item[i] = (struct uda_dataset_item){.name = from->name,
                                            .id = from->id,
                                            .image_path = from->image,
                                            .label_path = from->label,
                                            .source = source[i]};
    }
    char key[UDA_DIGEST_TEXT_BYTES] = "";
    if (options->cache_path != NULL) {
        UDA_TRY(key_of_files(key, reader, list, item, count, options->unlabelled, err));
        if (read_cache(item, count, options->cache_path, key)) {
            *items = item;
            return 0;
        }
        clear_counts(item, count);
    }
    struct scan scan = {.reader = reader,
                        .list = list,
                        .item = item,
                        .count = count,
                        .unlabelled = options->unlabelled,
                        .failed = INT64_MAX};
    UDA_TRY(scan_all(&scan, options->threads, err));
    if (options->cache_path != NULL) {
        UDA_TRY(write_cache(item, count, options->cache_path, key, reader->format, err));
    }
    *items = item;
    return 0;
}
