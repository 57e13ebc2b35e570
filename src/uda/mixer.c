#include "src/uda/mixer.h"

#include <string.h>

/* One image that takes part: the base (0), the donor (1), images of the pool. */
struct layer {
    const struct uda_sample *image;
    const uint8_t *blurred;    /* its pixels blurred; NULL: nothing is */
    struct uda_extent *extent; /* [count] what the base's frame holds of each mask */
    bool *picked;              /* [count] pasted; all false for the base */
    int64_t *shown;            /* [count] pixels left for the label; -1: no label */
};

struct mix {
    const struct uda_mix_spec *spec;
    struct uda_canvas canvas;
    struct layer *layer; /* [layers] */
    int64_t layers;
    struct uda_mixed result;
    struct uda_arena *arena, *scratch;
};

static int out_of_memory(const struct uda_sample *base, struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "'%s': out of memory for a mixed image of %lld x %lld",
                    base->name != NULL ? base->name : "", (long long)base->height,
                    (long long)base->width);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Measures the instances of an image in the base's frame. */
static int add_layer(struct mix *mix, const struct uda_sample *image, struct uda_err *err)
{
    struct layer *layer = &mix->layer[mix->layers];
    size_t count = (size_t)image->count;
    *layer = (struct layer){.image = image};
    layer->extent = uda_arena_alloc(mix->scratch, count * sizeof *layer->extent);
    layer->picked = uda_arena_calloc(mix->scratch, count * sizeof *layer->picked);
    layer->shown = uda_arena_alloc(mix->scratch, count * sizeof *layer->shown);
    if (layer->extent == NULL || layer->picked == NULL || layer->shown == NULL) {
        return out_of_memory(image, err);
    }
    for (int64_t m = 0; m < image->count; m++) {
        uda_paste_measure(&layer->extent[m], image->masks + m * image->height * image->width,
                          image->width, least(image->height, mix->canvas.height),
                          least(image->width, mix->canvas.width));
    }
    mix->layers++;
    return 0;
}

/* Pastes the instances of the last layer that are large enough (and among `allowed`). */
static int64_t paste_layer(struct mix *mix, const bool *allowed)
{
    const struct uda_mix_spec *spec = mix->spec;
    const struct layer *layer = &mix->layer[mix->layers - 1];
    const struct uda_sample *image = layer->image;
    int64_t height = least(image->height, mix->canvas.height);
    int64_t width = least(image->width, mix->canvas.width), pasted = 0;
    const uint8_t *rgb = image->rgb;
    for (int64_t m = 0; m < image->count; m++) {
        const struct uda_extent *extent = &layer->extent[m];
        if (extent->area_px < spec->min_area_px || extent->area_px == 0 ||
            (allowed != NULL && !allowed[m])) {
            continue;
        }
        if (layer->blurred != NULL && (spec->blur == UDA_PASTE_BLUR_ALL ||
                                       (m > 0 && layer->picked[0]))) {
            rgb = layer->blurred;
        }
        struct uda_box box = uda_paste_grow(extent->box, spec->margin_px, height, width);
        bool by_mask = uda_paste_by_mask(spec->style, extent->area_px, spec->instance_area_px);
        uda_paste_one(&mix->canvas, rgb, image->masks + m * image->height * image->width,
                      image->width, extent, by_mask ? NULL : &box, (uint16_t)(mix->layers - 1));
        layer->picked[m] = true;
        pasted++;
    }
    return pasted;
}

static int blur_layer(struct mix *mix, struct uda_err *err)
{
    struct layer *layer = &mix->layer[mix->layers - 1];
    const struct uda_sample *image = layer->image;
    uint8_t *blurred =
        uda_arena_alloc(mix->scratch, 3 * (size_t)image->height * (size_t)image->width);
    uint16_t *row = uda_arena_alloc(mix->scratch, 15 * (size_t)image->width * sizeof *row);
    if (blurred == NULL || row == NULL) {
        return out_of_memory(image, err);
    }
    uda_paste_blur(blurred, image->rgb, image->height, image->width, row);
    layer->blurred = blurred;
    return 0;
}

/* ---- rare classes ---- */

/* The pixels of the donor that its pool entry gets: the released code keeps the blurred frame from
 * instance 0 on. */
static const uint8_t *pasted_pixels(const struct mix *mix, const struct layer *layer)
{
    bool blurred = layer->blurred != NULL &&
                   (mix->spec->blur == UDA_PASTE_BLUR_ALL || layer->picked[0]);
    return blurred ? layer->blurred : layer->image->rgb;
}

/* Is a pasted instance of the donor, the newest layer, of a rare class? */
static bool donor_is_rare(const struct mix *mix, const struct uda_rare_pool *pool)
{
    const struct layer *donor = &mix->layer[mix->layers - 1];
    for (int64_t m = 0; m < donor->image->count; m++) {
        if (donor->picked[m] && uda_rare_pool_wants(pool, donor->image->cls[m])) {
            return true;
        }
    }
    return false;
}

static int paste_pool(struct mix *mix, const struct uda_rare_pool *pool, struct uda_rng *rng,
                      struct uda_err *err)
{
    struct uda_rare_donor *drawn = NULL;
    int64_t count = 0;
    UDA_TRY(uda_rare_pool_draw(&drawn, &count, pool, rng, mix->scratch, err));
    for (int64_t i = 0; i < count; i++) {
        UDA_TRY(add_layer(mix, &drawn[i].sample, err));
        mix->result.pooled += paste_layer(mix, drawn[i].picked);
    }
    return 0;
}

/* ---- labels ---- */

/* Counts the pixels of an instance that show its own image; writes them to mask unless NULL. */
static int64_t visible(const struct mix *mix, int64_t l, int64_t m, uint8_t *mask)
{
    const struct uda_sample *image = mix->layer[l].image;
    const struct uda_box *box = &mix->layer[l].extent[m].box;
    const uint16_t *owner =
        mix->spec->labels == UDA_MIX_BY_PIXELS ? mix->canvas.origin : mix->canvas.claimed;
    const uint8_t *own = image->masks + m * image->height * image->width;
    int64_t count = 0;
    for (int64_t y = box->y0; y <= box->y1; y++) {
        const uint8_t *in = own + y * image->width;
        const uint16_t *owner_row = owner + y * mix->canvas.width;
        for (int64_t x = box->x0; x <= box->x1; x++) {
            uint8_t set = in[x] != 0 && owner_row[x] == l;
            count += set;
            if (mask != NULL) {
                mask[y * mix->canvas.width + x] = set;
            }
        }
    }
    return count;
}

/* Decides which labels stay; returns how many. */
static int64_t choose_labels(struct mix *mix)
{
    int64_t kept = 0;
    for (int64_t l = 0; l < mix->layers; l++) {
        const struct layer *layer = &mix->layer[l];
        for (int64_t m = 0; m < layer->image->count; m++) {
            int64_t shown = visible(mix, l, m, NULL);
            bool own = l == 0 || layer->picked[m];
            bool comes_along = !own && shown > 0 && mix->spec->labels == UDA_MIX_BY_PIXELS;
            bool stays = own ? shown > 0 || mix->spec->keep_empty : comes_along;
            mix->result.carried += comes_along;
            mix->result.erased += own && shown == 0 && layer->extent[m].area_px > 0;
            layer->shown[m] = stays ? shown : -1;
            kept += stays;
        }
    }
    return kept;
}

static int write_labels(struct mix *mix, struct uda_err *err)
{
    struct uda_sample *sample = &mix->result.sample;
    size_t pixels = (size_t)(sample->height * sample->width);
    sample->count = choose_labels(mix);
    sample->cls = uda_arena_alloc(mix->arena, (size_t)sample->count * sizeof *sample->cls);
    mix->result.from = uda_arena_alloc(mix->arena, (size_t)sample->count * sizeof *mix->result.from);
    if ((size_t)sample->count <= SIZE_MAX / pixels) {
        sample->masks = uda_arena_calloc(mix->arena, (size_t)sample->count * pixels);
    }
    if (sample->cls == NULL || mix->result.from == NULL || sample->masks == NULL) {
        return out_of_memory(sample, err);
    }
    int64_t at = 0;
    for (int64_t l = 0; l < mix->layers; l++) {
        const struct layer *layer = &mix->layer[l];
        for (int64_t m = 0; m < layer->image->count; m++) {
            if (layer->shown[m] < 0) {
                continue;
            }
            (void)visible(mix, l, m, sample->masks + (size_t)at * pixels);
            sample->cls[at] = layer->image->cls[m];
            mix->result.from[at++] = (uint16_t)l;
        }
    }
    return 0;
}

/* ---- both directions ---- */

static int check_size(const struct uda_sample *sample, struct uda_err *err)
{
    if (uda_rle_check_size(sample->height, sample->width, NULL) != 0 || sample->count < 0) {
        return uda_fail(err, UDA_SHAPE, "'%s': cannot mix an image of %lld x %lld with %lld labels",
                        sample->name != NULL ? sample->name : "", (long long)sample->height,
                        (long long)sample->width, (long long)sample->count);
    }
    return 0;
}

static int start(struct mix *mix, const struct uda_sample *base, int64_t most_layers,
                 struct uda_err *err)
{
    size_t pixels = (size_t)(base->height * base->width);
    struct uda_canvas *canvas = &mix->canvas;
    *canvas = (struct uda_canvas){.height = base->height, .width = base->width};
    canvas->rgb = uda_arena_alloc(mix->arena, 3 * pixels);
    canvas->origin = uda_arena_calloc(mix->arena, pixels * sizeof *canvas->origin);
    canvas->claimed = mix->spec->labels == UDA_MIX_BY_PIXELS
                          ? canvas->origin
                          : uda_arena_calloc(mix->scratch, pixels * sizeof *canvas->claimed);
    mix->layer = uda_arena_alloc(mix->scratch, (size_t)most_layers * sizeof *mix->layer);
    if (canvas->rgb == NULL || canvas->origin == NULL || canvas->claimed == NULL ||
        mix->layer == NULL) {
        return out_of_memory(base, err);
    }
    memcpy(canvas->rgb, base->rgb, 3 * pixels);
    mix->result.sample = (struct uda_sample){.rgb = canvas->rgb, .height = base->height,
                                             .width = base->width, .name = base->name,
                                             .index = base->index};
    mix->result.origin = canvas->origin;
    return add_layer(mix, base, err);
}

static int mix_both(struct mix *mix, const struct uda_sample *base, const struct uda_sample *donor,
                    struct uda_rare_pool *pool, struct uda_rng *rng, struct uda_err *err)
{
    int64_t most = 2 + (pool != NULL ? uda_rare_pool_count(pool) : 0);
    UDA_TRY(start(mix, base, most, err));
    UDA_TRY(add_layer(mix, donor, err));
    if (mix->spec->blur != UDA_PASTE_SHARP) {
        UDA_TRY(blur_layer(mix, err));
    }
    mix->result.pasted = paste_layer(mix, NULL);
    bool rare = pool != NULL && donor_is_rare(mix, pool);
    if (pool != NULL && !rare) {
        UDA_TRY(paste_pool(mix, pool, rng, err));
    }
    UDA_TRY(write_labels(mix, err));
    if (rare) { /* last: nothing fails once the pool has changed */
        const struct layer *layer = &mix->layer[mix->layers - 1];
        return uda_rare_pool_push(pool, pasted_pixels(mix, layer), donor, layer->picked,
                                  mix->scratch, err);
    }
    return 0;
}

static int mix_checked(struct uda_mixed *mixed, const struct uda_mix_spec *spec,
                       const struct uda_sample *base, const struct uda_sample *donor,
                       struct uda_rare_pool *pool, struct uda_rng *rng, struct uda_arena *arena,
                       struct uda_arena *scratch, struct uda_err *err)
{
    UDA_TRY(check_size(base, err));
    UDA_TRY(check_size(donor, err));
    size_t mark = uda_arena_mark(scratch);
    struct mix mix = {.spec = spec, .arena = arena, .scratch = scratch};
    int rc = mix_both(&mix, base, donor, pool, rng, err);
    uda_arena_reset(scratch, mark);
    if (rc == 0) {
        *mixed = mix.result;
    }
    return rc;
}

int uda_mix_s2t(struct uda_mixed *mixed, const struct uda_mix_spec *spec,
                const struct uda_sample *source, const struct uda_sample *target,
                struct uda_rare_pool *pool, struct uda_rng *rng, struct uda_arena *arena,
                struct uda_arena *scratch, struct uda_err *err)
{
    return mix_checked(mixed, spec, target, source, pool, rng, arena, scratch, err);
}

int uda_mix_t2s(struct uda_mixed *mixed, const struct uda_mix_spec *spec,
                const struct uda_sample *source, const struct uda_sample *target,
                struct uda_arena *arena, struct uda_arena *scratch, struct uda_err *err)
{
    struct uda_mix_spec sharp = *spec;
    sharp.blur = UDA_PASTE_SHARP;
    return mix_checked(mixed, &sharp, source, target, NULL, NULL, arena, scratch, err);
}
