#include "io/safetensors.h"
#include "io/store.h"
#include "src/base/log.h"
#include "src/cmd/cmd.h"
#include "src/cmd/import_names.h"
#include "src/cmd/options.h"
#include "src/stage/weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAGES 4

/* One tensor of the file and where it goes. */
struct item {
    const struct uda_safetensors_entry *entry;
    struct uda_import_name ours;
};

struct import {
    const struct uda_safetensors *file;
    const char *path;
    struct item *items; /* sorted by our name, then part */
    int64_t count, not_needed, unknown;
    int64_t parameters, elements;
    struct uda_weights_about about; /* of a file that this program exported */
};

static int by_name_and_part(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = strcmp(x->ours.name, y->ours.name);
    return order != 0 ? order : x->ours.part - y->ours.part;
}

static int collect(struct import *im, struct uda_arena *arena, struct uda_err *err)
{
    int64_t total = uda_safetensors_count(im->file);
    im->items = uda_arena_alloc(arena, (size_t)total * sizeof *im->items);
    if (im->items == NULL) {
        return uda_fail(err, UDA_NOMEM, "import: out of memory");
    }
    for (int64_t i = 0; i < total; i++) {
        struct item *item = &im->items[im->count];
        item->entry = uda_safetensors_at(im->file, i);
        switch (uda_import_name(&item->ours, item->entry->name)) {
        case UDA_IMPORT_TAKEN: im->count++; break;
        case UDA_IMPORT_NOT_NEEDED: im->not_needed++; break;
        case UDA_IMPORT_UNKNOWN:
            im->unknown++;
            uda_log(UDA_LOG_WARN, "'%s': tensor '%.200s' is no part of this model: left out",
                    im->path, item->entry->name);
            break;
        }
    }
    if (im->count == 0) {
        return uda_fail(err, UDA_FORMAT,
                        "'%s': none of its %" PRId64
                        " tensors belongs to Mask2Former with a Swin or ResNet backbone",
                        im->path, total);
    }
    qsort(im->items, (size_t)im->count, sizeof *im->items, by_name_and_part);
    return 0;
}

/* Checks the items [from, from + n) that make one parameter: a whole one, or q, k, v of one
 * shape. */
static int check_parts(const struct import *im, int64_t from, int64_t n, struct uda_err *err)
{
    const struct item *first = &im->items[from];
    if (first->ours.part < 0 ? n != 1 : n != 3 || im->items[from + 2].ours.part != 2) {
        return uda_fail(err, UDA_FORMAT, "'%s': '%s' is made of %" PRId64 " tensors, %s%.200s%s",
                        im->path, first->ours.name, n,
                        first->ours.part < 0 ? "one is expected: see '"
                                             : "q, k and v are expected: "
                                               "see '",
                        first->entry->name, "'");
    }
    for (int64_t i = 1; i < n; i++) {
        const struct uda_safetensors_entry *a = first->entry, *b = im->items[from + i].entry;
        bool same = a->ndim == b->ndim && im->items[from + i].ours.part == (int)i;
        for (int d = 0; same && d < a->ndim; d++) {
            same = a->dims[d] == b->dims[d];
        }
        if (!same) {
            return uda_fail(err, UDA_SHAPE, "'%s': '%.200s' and '%.200s' do not fit together",
                            im->path, a->name, b->name);
        }
    }
    if (n > 1 && first->entry->ndim == 0) {
        return uda_fail(err, UDA_SHAPE, "'%s': '%.200s' is a single value", im->path,
                        first->entry->name);
    }
    return 0;
}

/* Puts one parameter made of n tensors. */
static int put_parameter(struct uda_store_writer *w, struct import *im, int64_t from, int64_t n,
                         struct uda_err *err)
{
    const struct uda_safetensors_entry *first = im->items[from].entry;
    char name[UDA_IMPORT_NAME_BYTES + 8];
    int64_t dims[UDA_STORE_MAX_DIMS] = {0};
    UDA_TRY(check_parts(im, from, n, err));
    memcpy(dims, first->dims, (size_t)first->ndim * sizeof *dims);
    dims[0] = first->ndim > 0 ? dims[0] * n : 0;
    float *values = first->count <= INT64_MAX / 16
                        ? uda_alloc((size_t)(first->count * n) * sizeof *values)
                        : NULL;
    if (values == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': no memory for '%.200s'", im->path, first->name);
    }
    int rc = 0;
    for (int64_t i = 0; i < n && rc == 0; i++) {
        rc = uda_safetensors_get_f32(values + i * first->count, im->file, im->items[from + i].entry,
                                     err);
    }
    if (rc == 0) {
        (void)snprintf(name, sizeof name, "params/%s", im->items[from].ours.name);
        rc = uda_store_put_f32(w, name, values, first->ndim, dims, err);
    }
    uda_free(values);
    im->parameters++;
    im->elements += first->count * n;
    return rc;
}

static int put_all(struct uda_store_writer *w, struct import *im, struct uda_arena *arena,
                   struct uda_err *err)
{
    const char *about = uda_safetensors_metadata(im->file, "uda4inst");
    if (about != NULL) { /* exported by this program */
        UDA_TRY(uda_weights_about_parse(&im->about, about, im->path, arena, err));
        UDA_TRY(uda_weights_put_about(w, &im->about, err));
    } else {
        UDA_TRY(uda_store_put_attr_text(w, "", "format", "uda4inst weights 1", err));
    }
    for (int64_t i = 0, n = 0; i < im->count; i += n) {
        for (n = 1; i + n < im->count &&
                    strcmp(im->items[i].ours.name, im->items[i + n].ours.name) == 0;) {
            n++;
        }
        UDA_TRY(put_parameter(w, im, i, n, err));
    }
    return 0;
}

static const struct uda_safetensors_entry *find(const struct import *im, const char *name)
{
    for (int64_t i = 0; i < im->count; i++) {
        if (strcmp(im->items[i].ours.name, name) == 0) {
            return im->items[i].entry;
        }
    }
    return NULL;
}

/* First extent of a parameter, or 0. */
static int64_t rows(const struct import *im, const char *name)
{
    const struct uda_safetensors_entry *e = find(im, name);
    return e != NULL && e->ndim > 0 ? e->dims[0] : 0;
}

/* Blocks of each stage, by a tensor that every block has. */
static void count_blocks(int64_t depths[STAGES], const struct import *im, bool resnet)
{
    char name[UDA_IMPORT_NAME_BYTES];
    for (int s = 0; s < STAGES; s++) {
        depths[s] = 0;
        do {
            (void)snprintf(name, sizeof name,
                           resnet ? "backbone.res%d.%" PRId64 ".conv1.weight"
                                  : "backbone.layers.%d.blocks.%" PRId64 ".norm1.weight",
                           resnet ? s + 2 : s, depths[s]);
        } while (find(im, name) != NULL && ++depths[s] > 0);
    }
}

/* Tells what model the file is of, and what a run will have to do without. */
static void describe(const struct import *im)
{
    bool resnet = find(im, "backbone.stem.conv1.weight") != NULL;
    const char *needed[] = {resnet ? "backbone.res2.0.conv3.weight" : "backbone.patch_embed.proj.weight",
                            resnet ? "backbone.res5.0.conv3.norm.running_var" : "backbone.norm3.weight",
                            "sem_seg_head.pixel_decoder.mask_features.weight",
                            "sem_seg_head.predictor.query_feat.weight",
                            "sem_seg_head.predictor.mask_embed.layers.2.weight",
                            "sem_seg_head.predictor.class_embed.weight"};
    int64_t depths[STAGES];
    count_blocks(depths, im, resnet);
    (void)printf("%" PRId64 " parameters, %" PRId64 " values; %" PRId64
                 " buffers not needed, %" PRId64 " tensors unknown\n",
                 im->parameters, im->elements, im->not_needed, im->unknown);
    (void)printf("backbone: %s, width %" PRId64 ", blocks %" PRId64 " %" PRId64 " %" PRId64
                 " %" PRId64 "\n",
                 resnet ? "resnet" : "swin", rows(im, needed[0]), depths[0], depths[1], depths[2], depths[3]);
    (void)printf("queries: %" PRId64 "\n", rows(im, needed[3]));
    (void)printf("class head: %" PRId64 " classes and no-object (a run with another number of "
                 "classes starts this head anew and says so)\n",
                 rows(im, needed[5]) > 0 ? rows(im, needed[5]) - 1 : 0);
    for (int64_t i = 0; i < UDA_LEN(needed); i++) {
        if (find(im, needed[i]) == NULL) {
            uda_log(UDA_LOG_WARN, "'%s' has no '%s': only a part of a model", im->path, needed[i]);
        }
    }
}

static int import_file(struct import *im, const char *out, int argc, char **argv,
                       struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_store_writer *w = NULL;
    size_t bytes = 0;
    int rc = collect(im, &arena, err);
    for (int64_t i = 0; i < im->count && rc == 0; i++) {
        bytes += (size_t)im->items[i].entry->bytes;
    }
    if (rc == 0) {
        rc = uda_store_begin(&w, bytes, err);
    }
    if (rc == 0) {
        rc = put_all(w, im, &arena, err);
    }
    if (rc == 0) {
        rc = uda_store_put_provenance(w, UDA_PROGRAM_VERSION, argc, argv, err);
    }
    if (rc == 0) {
        rc = uda_store_commit(&w, out, err);
    }
    if (rc == 0) {
        describe(im);
    }
    uda_store_abort(&w);
    uda_arena_finish(&arena);
    return rc;
}

int uda_cmd_import(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest;
    struct uda_safetensors *file = NULL;
    bool help = false;
    const char *out = NULL;
    const struct uda_option table[] = {
        {"--out", UDA_OPTION_TEXT, &out, "W.h5", "where to write the weights"}};
    const struct uda_usage usage = {
        .verb = "import",
        .arguments = "WEIGHTS.safetensors --out W.h5",
        .summary =
            "Turns Mask2Former weights of Hugging Face transformers or with detectron2 names "
            "into a file that 'model.init' takes.",
        .option = table,
        .options = UDA_LEN(table),
        .least = 1,
        .most = 1};
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    if (out == NULL) {
        return uda_fail(err, UDA_MANIFEST, "import: --out W.h5 is missing");
    }
    UDA_TRY(uda_safetensors_open(&file, rest.item[0], err));
    struct import im = {.file = file, .path = rest.item[0]};
    int rc = import_file(&im, out, argc, argv, err);
    uda_safetensors_close(&file);
    return rc;
}
