#include "src/cmd/check_data.h"

#include "io/fs.h"
#include "src/data/dataset.h"
#include "src/data/reader.h"

#include <inttypes.h>
#include <stdio.h>

/* "file:12: text" on stderr, so that editors find the place. */
static void complain(const struct uda_manifest *m, struct uda_arena *arena, const char *name,
                     const char *key, const char *text)
{
    const char *path = uda_arena_printf(arena, "datasets.%s.%s", name, key);
    const char *origin = path == NULL ? "" : uda_manifest_origin(m, path);
    (void)fprintf(stderr, "%s: data set '%s': %s\n", origin, name, text);
}

/* Lists the images and checks that their label files exist. */
static int look(const struct uda_manifest_dataset *d, struct uda_arena *arena, struct uda_err *err)
{
    const struct uda_reader *reader = uda_reader_find(uda_layout_name(d->format));
    struct uda_reader_source source = {.root = d->root, .split = d->split,
                                       .annotations = d->annotations, .images = d->images,
                                       .unlabelled = d->labels == UDA_LABELS_NONE};
    struct uda_reader_list list = {0};
    if (reader == NULL) {
        return uda_fail(err, UDA_UNSUPPORTED, "no reader for format '%s' in this build",
                        uda_layout_name(d->format));
    }
    UDA_TRY(reader->list(&list, arena, &source, err));
    (void)printf("data set '%s': %" PRId64 " images in '%s'\n", d->name, list.count,
                 d->root != NULL ? d->root : d->annotations);
    uda_reader_finish(reader, &list);
    return 0;
}

/* Reads every label. */
static int look_deep(const struct uda_manifest_dataset *d, struct uda_arena *arena,
                     struct uda_err *err)
{
    struct uda_dataset_spec spec = {
        .format = uda_layout_name(d->format), .root = d->root, .split = d->split,
        .annotations = d->annotations, .images = d->images,
        .unlabelled = d->labels == UDA_LABELS_NONE, .hold_out_count = d->hold_out.count,
        .hold_out_seed = (uint64_t)d->hold_out.seed, .limit = d->limit, .keep_empty = true};
    if (d->hold_out.count > 0) {
        spec.hold = d->hold_out.part == UDA_PART_REST ? UDA_HOLD_REST : UDA_HOLD_HELD;
    }
    struct uda_dataset *dataset = NULL;
    UDA_TRY(uda_dataset_create(&dataset, &spec, err));
    const char *summary = uda_dataset_summary(dataset, arena);
    (void)printf("data set '%s': %s\n", d->name, summary != NULL ? summary : "");
    uda_dataset_destroy(&dataset);
    return 0;
}

int uda_check_data(const struct uda_manifest *manifest, bool deep, struct uda_arena *arena,
                   struct uda_err *err)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < manifest->dataset_count; i++) {
        const struct uda_manifest_dataset *d = &manifest->dataset[i];
        struct uda_err local = {0};
        if (d->scenes.count > 0 && !uda_fs_exists(d->root)) {
            (void)printf("data set '%s': %" PRId64 " scenes will be drawn into '%s'\n", d->name,
                         d->scenes.count, d->root);
            continue;
        }
        int rc = deep ? look_deep(d, arena, &local) : look(d, arena, &local);
        if (rc == UDA_NOMEM) {
            return uda_fail(err, UDA_NOMEM, "%s", local.text);
        }
        if (rc != 0) {
            complain(manifest, arena, d->name, d->root != NULL ? "root" : "annotations", local.text);
            wrong++;
        }
    }
    const char *init = manifest->model.init;
    if (init != NULL && !uda_fs_exists(init)) {
        (void)fprintf(stderr, "%s: model.init: there is no file '%s'\n",
                      uda_manifest_origin(manifest, "model.init"), init);
        wrong++;
    }
    if (wrong > 0) {
        return uda_fail(err, UDA_MANIFEST, "'%s': %" PRId64 " of its files %s not in place",
                        manifest->path, wrong, wrong == 1 ? "is" : "are");
    }
    return 0;
}
