#include "src/stage/mixing.h"

#include "src/stage/colours.h"
#include "src/stage/picture_mixed.h"
#include "src/stage/pools.h"
#include "src/uda/ego.h"

#include <stdio.h>
#include <string.h>

/* What an image of the step is made of. The order of the parts, and of turns in a joint batch. */
enum kind { PLAIN, S2T, T2S, KINDS };

struct image {
    struct uda_steady result, scratch;
    struct uda_sample source, target;
    const uint8_t *ego; /* NULL: the crop does not show it */
    bool makes[KINDS];
    int64_t pseudo; /* labels of the target */
    bool mixes;     /* S2T happens */
    struct uda_mixed mixed[KINDS];
    struct uda_err err;
};

struct uda_mixing {
    struct uda_mixing_spec spec;
    struct uda_class_map map;
    struct uda_mix_spec mix;
    struct uda_pseudo_spec pseudo;
    float weight[KINDS]; /* of a part; 0: there is none */
    struct image *image; /* [images] */
    struct uda_dist dist;
    struct uda_pools pools;
    struct uda_team *team;
    struct uda_colours *colours;  /* NULL: mixing.color is none */
    struct uda_colour_pair *pair; /* [images] */
    struct uda_steady step; /* samples and batches */
    struct uda_sample *sample[KINDS]; /* [images], in the step's memory */
    struct uda_batch batch[KINDS];
    int64_t t;
};

static bool truth_is_given(const struct uda_mixing *m)
{
    return m->spec.recipe->mixing.target_labels == UDA_TARGET_TRUE;
}

static bool joint(const struct uda_mixing *m)
{
    return m->spec.recipe->loss.combine == UDA_COMBINE_BATCH;
}

/* ---- create ---- */

static void set_rules(struct uda_mixing *m)
{
    static const enum uda_paste_style style[] = {[UDA_MIX_ADAPTIVE] = UDA_PASTE_ADAPTIVE,
                                                 [UDA_MIX_INSTANCE] = UDA_PASTE_INSTANCE,
                                                 [UDA_MIX_PATCH] = UDA_PASTE_PATCH};
    static const enum uda_paste_blur blur[] = {[UDA_BLUR_NONE] = UDA_PASTE_SHARP,
                                               [UDA_BLUR_ALL] = UDA_PASTE_BLUR_ALL,
                                               [UDA_BLUR_RELEASED] = UDA_PASTE_BLUR_RELEASED};
    const struct uda_manifest_recipe *r = m->spec.recipe;
    m->mix = (struct uda_mix_spec){.style = style[r->mixing.style], .min_area_px = r->mixing.min_area,
                                   .instance_area_px = r->mixing.instance_area,
                                   .margin_px = r->mixing.patch_margin, .blur = blur[r->mixing.blur],
                                   .labels = r->mixing.labels == UDA_LABELS_BY_MASKS
                                                 ? UDA_MIX_BY_MASKS
                                                 : UDA_MIX_BY_PIXELS,
                                   .keep_empty = r->augment.keep_empty};
    m->pseudo = (struct uda_pseudo_spec){.confidence = r->mixing.confidence,
                                         .ego_keep = r->mixing.ego_keep,
                                         .max_iou = r->mixing.max_iou};
    const bool *direction = r->mixing.directions;
    m->weight[PLAIN] = joint(m) ? 1.0f : (float)r->loss.source;
    m->weight[S2T] = !direction[UDA_S2T] ? 0.0f : joint(m) ? 1.0f : (float)r->loss.s2t;
    m->weight[T2S] = !direction[UDA_T2S] ? 0.0f : joint(m) ? 1.0f : (float)r->loss.t2s;
}

/* Which kinds each image is made into. */
static int set_kinds(struct uda_mixing *m, struct uda_err *err)
{
    enum kind turn[KINDS];
    int turns = 0;
    for (int k = 0; k < KINDS; k++) {
        if (m->weight[k] > 0.0f) {
            turn[turns++] = (enum kind)k;
        }
    }
    if (turns == 0) {
        return uda_fail(err, UDA_MANIFEST,
                        "adapt: nothing to learn from: mixing.directions, loss.s2t, loss.t2s and "
                        "loss.source leave no kind of image");
    }
    for (int64_t i = 0; i < m->spec.share.images; i++) {
        for (int k = 0; k < turns; k++) {
            m->image[i].makes[turn[k]] = !joint(m) || (m->spec.share.first_image + i) % turns == k;
        }
    }
    return 0;
}

static int create_pools(struct uda_mixing *m, struct uda_err *err)
{
    const struct uda_manifest_recipe *r = m->spec.recipe;
    struct uda_rare_pool_spec spec = {.images = r->mixing.rare.pool, .share = r->mixing.rare.share,
                                      .margin_px = r->mixing.patch_margin};
    bool any = false;
    for (int c = 0; c < UDA_CLASSES; c++) {
        if (m->spec.rare[c] && m->map.index[c] >= 0) {
            spec.rare[m->map.index[c]] = true;
            any = true;
        }
    }
    if (!any || spec.images == 0 || m->weight[S2T] <= 0.0f) {
        return 0;
    }
    return uda_pools_create(&m->pools, &spec, m->spec.shards, m->spec.share, &m->dist, err);
}

static int create_colours(struct uda_mixing *m, struct uda_err *err)
{
    enum uda_mix_color color = m->spec.recipe->mixing.color;
    enum uda_lab_bytes bytes = color == UDA_TRANSFER_LAB_TRUNCATE ? UDA_LAB_TRUNCATE : UDA_LAB_ROUND;
    return color == UDA_TRANSFER_NONE
               ? 0
               : uda_colours_create(&m->colours, bytes, m->spec.device, m->team, err);
}

int uda_mixing_create(struct uda_mixing **out, const struct uda_mixing_spec *spec,
                      struct uda_err *err)
{
    struct uda_mixing *m = uda_calloc(sizeof *m);
    if (m == NULL) {
        return uda_fail(err, UDA_NOMEM, "adapt: out of memory");
    }
    m->spec = *spec;
    m->map = *spec->map;
    m->spec.map = &m->map;
    m->dist = spec->dist != NULL ? *spec->dist : uda_dist_alone();
    m->image = uda_calloc((size_t)spec->share.images * sizeof *m->image);
    m->pair = uda_calloc((size_t)spec->share.images * sizeof *m->pair);
    int rc = m->image == NULL || m->pair == NULL ? uda_fail(err, UDA_NOMEM, "adapt: out of memory") : 0;
    if (rc == 0) {
        set_rules(m);
        rc = set_kinds(m, err);
    }
    if (rc == 0) {
        rc = create_pools(m, err);
    }
    if (rc == 0) {
        rc = uda_team_create(&m->team, spec->threads, err);
    }
    if (rc == 0) {
        rc = create_colours(m, err);
    }
    if (rc != 0) {
        uda_mixing_destroy(&m);
        return rc;
    }
    *out = m;
    return 0;
}

void uda_mixing_destroy(struct uda_mixing **out)
{
    struct uda_mixing *m = *out;
    if (m == NULL) {
        return;
    }
    uda_colours_destroy(&m->colours);
    uda_team_destroy(&m->team);
    uda_pools_destroy(&m->pools);
    for (int64_t i = 0; m->image != NULL && i < m->spec.share.images; i++) {
        uda_arena_finish(&m->image[i].result.arena);
        uda_arena_finish(&m->image[i].scratch.arena);
    }
    uda_arena_finish(&m->step.arena);
    uda_free(m->image);
    uda_free(m->pair);
    uda_free(m);
    *out = NULL;
}

/* ---- begin: pairs and colours ---- */

/* The lowest image's failure, if any. */
static int first_failure(struct uda_mixing *m, struct uda_err *err)
{
    for (int64_t i = 0; i < m->spec.share.images; i++) {
        if (m->image[i].err.code != UDA_OK) {
            *err = m->image[i].err;
            return (int)err->code;
        }
    }
    return 0;
}

/* Room for the source's new colours, and the pair that fills it. */
static int make_pair(struct uda_colour_pair *pair, struct image *image, struct uda_err *err)
{
    struct uda_sample *source = &image->source, *target = &image->target;
    *pair = (struct uda_colour_pair){.source = source->rgb, .source_pixels = source->height * source->width,
                                     .target = target->rgb, .target_pixels = target->height * target->width};
    pair->out = uda_arena_alloc(&image->result.arena, (size_t)pair->source_pixels * 3);
    if (pair->out == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for its colours", source->name);
    }
    source->rgb = pair->out;
    return 0;
}

int uda_mixing_begin(struct uda_mixing *m, const struct uda_batch *source,
                     const struct uda_batch *target, struct uda_err *err)
{
    if (source->images != m->spec.share.images || target->images != m->spec.share.images) {
        return uda_fail(err, UDA_SHAPE, "adapt: %lld source and %lld target images, expected %lld",
                        (long long)source->images, (long long)target->images,
                        (long long)m->spec.share.images);
    }
    for (int64_t i = 0; i < m->spec.share.images; i++) {
        struct image *image = &m->image[i];
        uda_steady_reset(&image->result);
        uda_steady_reset(&image->scratch);
        uda_err_clear(&image->err);
        image->source = source->sample[i];
        image->target = target->sample[i];
        image->ego = truth_is_given(m) ? NULL : uda_ego_take(&image->target);
        image->pseudo = 0;
        image->mixes = false;
        if (m->colours != NULL) {
            UDA_TRY(make_pair(&m->pair[i], image, err));
        }
    }
    return m->colours == NULL ? 0 : uda_colours_move(m->colours, m->pair, m->spec.share.images, err);
}

/* ---- labels ---- */

bool uda_mixing_asks(const struct uda_mixing *m, int64_t i)
{
    return !truth_is_given(m) && (m->image[i].makes[S2T] || m->image[i].makes[T2S]);
}

struct uda_image uda_mixing_view(const struct uda_mixing *m, int64_t i)
{
    const struct uda_sample *target = &m->image[i].target;
    bool weak = m->spec.recipe->mixing.teacher_view == UDA_VIEW_WEAK;
    return (struct uda_image){.rgb = weak && target->plain != NULL ? target->plain : target->rgb,
                              .height = target->height, .width = target->width};
}

struct label_job {
    struct uda_mixing *m;
    const struct uda_detections *found;
};

static void label_task(void *args, int64_t i)
{
    struct label_job *job = args;
    struct uda_mixing *m = job->m;
    struct image *image = &m->image[i];
    int64_t k = 0;
    if (truth_is_given(m)) {
        image->pseudo = image->target.count;
        return;
    }
    if (!uda_mixing_asks(m, i)) {
        return;
    }
    for (int64_t j = 0; j < i; j++) {
        k += uda_mixing_asks(m, j) ? 1 : 0;
    }
    struct uda_pseudo pseudo;
    if (uda_pseudo_label(&image->target, &pseudo, &m->pseudo, &m->map, &job->found->image[k],
                         image->ego, &image->result.arena, &image->scratch.arena, &image->err) == 0) {
        image->pseudo = pseudo.count;
    }
}

int uda_mixing_label(struct uda_mixing *m, const struct uda_detections *found, struct uda_err *err)
{
    int64_t asked = 0;
    for (int64_t i = 0; i < m->spec.share.images; i++) {
        asked += uda_mixing_asks(m, i) ? 1 : 0;
    }
    if (asked > 0 && found->count != asked) {
        return uda_fail(err, UDA_SHAPE, "adapt: the teacher answered for %lld of %lld images",
                        (long long)found->count, (long long)asked);
    }
    struct label_job job = {.m = m, .found = found};
    uda_team_run(m->team, m->spec.share.images, label_task, &job);
    return first_failure(m, err);
}

/* ---- mixes ---- */

static void t2s_task(void *args, int64_t i)
{
    struct uda_mixing *m = args;
    struct image *image = &m->image[i];
    if (image->makes[T2S] &&
        uda_mix_t2s(&image->mixed[T2S], &m->mix, &image->source, &image->target,
                    &image->result.arena, &image->scratch.arena, &image->err) != 0) {
        return; /* kept in the image's err */
    }
}

/* The images of a shard one after the other: each may change the pool. */
static void s2t_task(void *args, int64_t shard)
{
    struct uda_mixing *m = args;
    const struct uda_mixing_spec *spec = &m->spec;
    int64_t all = spec->share.first_shard + shard, from = spec->share.first_image;
    int64_t first = uda_shard_image(spec->batch, spec->shards, all) - from;
    int64_t last = uda_shard_image(spec->batch, spec->shards, all + 1) - from;
    bool always = m->spec.recipe->mixing.no_pseudo == UDA_NO_PSEUDO_MIX;
    for (int64_t i = first; i < last; i++) {
        struct image *image = &m->image[i];
        struct uda_rng rng;
        image->mixes = image->makes[S2T] && (always || image->pseudo > 0);
        if (!image->mixes) {
            continue;
        }
        uda_rng_init(&rng, m->spec.seed, UDA_RNG_POOL, m->spec.stage, (uint32_t)m->t,
                     (uint32_t)(m->spec.share.first_image + i));
        if (uda_mix_s2t(&image->mixed[S2T], &m->mix, &image->source, &image->target,
                        m->pools.pool == NULL ? NULL : m->pools.pool[all], &rng, &image->result.arena,
                        &image->scratch.arena, &image->err) != 0) {
            return;
        }
    }
}

static void add_report(struct uda_mixing_report *r, const struct image *image)
{
    bool wanted = image->makes[S2T] || image->makes[T2S];
    r->targets += wanted ? 1 : 0;
    r->pseudo += wanted ? image->pseudo : 0;
    r->unlabelled += wanted && image->pseudo == 0 ? 1 : 0;
    for (int k = S2T; k <= T2S; k++) {
        if (image->makes[k] && (k == T2S || image->mixes)) {
            r->mixed++;
            r->pasted += image->mixed[k].pasted;
            r->pooled += image->mixed[k].pooled;
        }
    }
}

/* The sums over all ranks. */
static int add_ranks(const struct uda_mixing *m, struct uda_mixing_report *report, struct uda_err *err)
{
    struct uda_mixing_report of[UDA_DIST_RANKS];
    of[m->dist.rank] = *report;
    UDA_TRY(uda_dist_gather(&m->dist, of, sizeof *of, err));
    *report = (struct uda_mixing_report){0};
    for (int r = 0; r < m->dist.ranks; r++) {
        report->targets += of[r].targets;
        report->pseudo += of[r].pseudo;
        report->unlabelled += of[r].unlabelled;
        report->mixed += of[r].mixed;
        report->pasted += of[r].pasted;
        report->pooled += of[r].pooled;
    }
    return 0;
}

/* What image i looks like as one of a kind. */
static struct uda_sample look(const struct image *image, enum kind kind)
{
    bool mixed = kind == T2S || (kind == S2T && image->mixes);
    return mixed ? image->mixed[kind].sample : image->source;
}

static int make_part(struct uda_mixing *m, struct uda_step_part *part, enum kind kind,
                     struct uda_err *err)
{
    struct uda_sample *sample =
        uda_arena_alloc(&m->step.arena, (size_t)m->spec.share.images * sizeof *sample);
    if (sample == NULL) {
        return uda_fail(err, UDA_NOMEM, "adapt: out of memory for a batch");
    }
    for (int64_t i = 0; i < m->spec.share.images; i++) {
        const struct image *image = &m->image[i];
        enum kind of = kind;
        if (joint(m)) {
            of = image->makes[S2T] ? S2T : image->makes[T2S] ? T2S : PLAIN;
        }
        sample[i] = look(image, of);
    }
    UDA_TRY(uda_batch_make(&m->batch[kind], sample, m->spec.share.images, 0, &m->step.arena, err));
    m->batch[kind].step = m->t;
    *part = (struct uda_step_part){.batch = &m->batch[kind], .weight = m->weight[kind]};
    return 0;
}

int uda_mixing_finish(struct uda_mixing *m, int64_t t, struct uda_step_part *part, int *parts,
                      struct uda_mixing_report *report, struct uda_err *err)
{
    m->t = t;
    uda_team_run(m->team, m->spec.share.shards, s2t_task, m);
    uda_team_run(m->team, m->spec.share.images, t2s_task, m);
    UDA_TRY(first_failure(m, err));
    *report = (struct uda_mixing_report){0};
    for (int64_t i = 0; i < m->spec.share.images; i++) {
        add_report(report, &m->image[i]);
    }
    UDA_TRY(add_ranks(m, report, err));
    report->skipped = m->spec.recipe->mixing.no_pseudo == UDA_NO_PSEUDO_SKIP &&
                      report->targets > 0 && report->unlabelled == report->targets;
    *parts = 0;
    uda_steady_reset(&m->step);
    for (int k = 0; k < KINDS && !report->skipped; k++) {
        if (m->weight[k] > 0.0f && !(joint(m) && *parts == 1)) {
            UDA_TRY(make_part(m, &part[*parts], (enum kind)k, err));
            (*parts)++;
        }
    }
    return 0;
}

/* ---- pictures and checkpoints ---- */

int uda_mixing_picture(struct uda_mixing *m, const char *prefix, struct uda_err *err)
{
    static const char *const suffix[KINDS] = {[S2T] = "s2t", [T2S] = "t2s"};
    for (int k = S2T; k <= T2S; k++) {
        int64_t i = 0;
        while (i < m->spec.share.images && !(m->image[i].makes[k] && (k == T2S || m->image[i].mixes))) {
            i++;
        }
        if (i == m->spec.share.images) {
            continue;
        }
        struct image *image = &m->image[i];
        char path[4096];
        if (snprintf(path, sizeof path, "%s-%s.png", prefix, suffix[k]) >= (int)sizeof path) {
            return uda_fail(err, UDA_IO, "'%s': the path is too long", prefix);
        }
        UDA_TRY(uda_picture_mixed(path, &image->mixed[k], &image->source, &image->target, &m->map,
                                  &image->scratch.arena, err));
    }
    return 0;
}

int uda_mixing_gather(struct uda_mixing *m, struct uda_err *err) { return uda_pools_gather(&m->pools, err); }

int uda_mixing_save(const struct uda_mixing *m, struct uda_store_writer *writer, struct uda_err *err)
{
    return uda_pools_save(&m->pools, writer, err);
}

int uda_mixing_load(struct uda_mixing *m, const struct uda_store *store, struct uda_err *err)
{
    return uda_pools_load(&m->pools, store, err);
}
