#include "src/uda/rare_pool.h"

#include <math.h>
#include <string.h>

#include "src/uda/paste.h"
#include "src/uda/rare_pool_entry.h"

#define MOST_IMAGES 1000
#define SLAB_BYTES ((size_t)1 << 20)

int uda_rare_pool_create(struct uda_rare_pool **out, const struct uda_rare_pool_spec *spec,
                         struct uda_err *err)
{
    if (spec->images < 1 || spec->images > MOST_IMAGES || !(spec->share >= 0.0) ||
        spec->share > 1.0 || spec->margin_px < 0) {
        return uda_fail(err, UDA_MANIFEST,
                        "rare-class pool of %lld images, share %g, margin %lld px: expected 1..%d, "
                        "0..1 and at least 0", (long long)spec->images, spec->share,
                        (long long)spec->margin_px, MOST_IMAGES);
    }
    struct uda_rare_pool *pool = uda_calloc(sizeof *pool);
    if (pool != NULL) {
        pool->spec = *spec;
        pool->memory.slab_bytes = SLAB_BYTES;
        pool->entry = uda_calloc((size_t)spec->images * sizeof(struct uda_rare_entry *));
    }
    if (pool == NULL || pool->entry == NULL) {
        uda_rare_pool_destroy(&pool);
        return uda_fail(err, UDA_NOMEM, "out of memory for a rare-class pool");
    }
    *out = pool;
    return 0;
}

void uda_rare_pool_destroy(struct uda_rare_pool **pool)
{
    if (*pool != NULL) {
        uda_pool_finish(&(*pool)->memory);
        uda_free((*pool)->entry);
        uda_free(*pool);
        *pool = NULL;
    }
}

int64_t uda_rare_pool_count(const struct uda_rare_pool *pool) { return pool->count; }

bool uda_rare_pool_wants(const struct uda_rare_pool *pool, int32_t cls)
{
    return cls >= 0 && cls < UDA_CLASSES && pool->spec.rare[cls];
}

/* ---- one image ---- */

static int64_t box_area(struct uda_box b) { return (b.x1 - b.x0 + 1) * (b.y1 - b.y0 + 1); }
int64_t uda_rare_patch_bytes(struct uda_box box) { return 3 * box_area(box); }
int64_t uda_rare_label_bytes(struct uda_box box) { return (box_area(box) + 7) / 8; }

static size_t aligned(size_t bytes)
{
    return (bytes + UDA_ALIGN_BYTES - 1) & ~(size_t)(UDA_ALIGN_BYTES - 1);
}

struct uda_rare_entry *uda_rare_entry_new(struct uda_pool *memory, const struct uda_rare_entry *like)
{
    size_t patch_at = aligned(sizeof *like);
    size_t label_at = patch_at + aligned((size_t)like->patches * sizeof *like->patch);
    size_t pixels_at = label_at + aligned((size_t)like->labels * sizeof *like->label);
    size_t bits_at = pixels_at + aligned((size_t)like->pixel_bytes);
    unsigned char *block = uda_pool_get(memory, bits_at + (size_t)like->bit_bytes);
    if (block == NULL) {
        return NULL;
    }
    struct uda_rare_entry *entry = (struct uda_rare_entry *)(void *)block;
    *entry = *like;
    entry->patch = (struct uda_box *)(void *)(block + patch_at);
    entry->label = (struct uda_rare_label *)(void *)(block + label_at);
    entry->pixels = block + pixels_at;
    entry->bits = block + bits_at;
    return entry;
}

/* What goes into the pool, found out before memory is taken. */
struct packing {
    const struct uda_sample *image;
    uint8_t *seen; /* [height, width] inside some patch */
    struct uda_rare_entry plan;
};

static void plan_patch(struct packing *packing, struct uda_box box)
{
    struct uda_rare_entry *plan = &packing->plan;
    plan->patch[plan->patches++] = box;
    plan->pixel_bytes += uda_rare_patch_bytes(box);
    for (int64_t y = box.y0; y <= box.y1; y++) {
        memset(packing->seen + y * plan->width + box.x0, 1, (size_t)(box.x1 - box.x0 + 1));
    }
}

static void plan_label(struct packing *packing, int32_t cls, bool picked, struct uda_box box)
{
    struct uda_rare_entry *plan = &packing->plan;
    plan->label[plan->labels++] = (struct uda_rare_label){
        .cls = cls, .picked = picked, .box = box, .bits_at = plan->bit_bytes};
    plan->bit_bytes += uda_rare_label_bytes(box);
}

/* Fills the plan: a patch for each rare pick, a label for all that the patches show. The index of
 * each label's mask goes to mask_of, with the part that is seen in work [height, width]. */
static void plan_entry(struct packing *packing, const struct uda_rare_pool *pool,
                       const bool *picked, int64_t *mask_of, uint8_t *work)
{
    const struct uda_sample *image = packing->image;
    int64_t pixels = image->height * image->width;
    struct uda_extent extent;
    for (int64_t m = 0; m < image->count; m++) {
        if (picked[m] && uda_rare_pool_wants(pool, image->cls[m])) {
            uda_paste_measure(&extent, image->masks + m * pixels, image->width, image->height,
                              image->width);
            if (extent.area_px > 0) {
                plan_patch(packing, uda_paste_grow(extent.box, pool->spec.margin_px, image->height,
                                                   image->width));
            }
        }
    }
    for (int64_t m = 0; m < image->count; m++) {
        const uint8_t *mask = image->masks + m * pixels;
        for (int64_t p = 0; p < pixels; p++) {
            work[p] = mask[p] & packing->seen[p];
        }
        uda_paste_measure(&extent, work, image->width, image->height, image->width);
        if (extent.area_px > 0) {
            mask_of[packing->plan.labels] = m;
            plan_label(packing, image->cls[m],
                       picked[m] && uda_rare_pool_wants(pool, image->cls[m]), extent.box);
        }
    }
}

static void fill_entry(struct uda_rare_entry *entry, const struct packing *packing,
                       const uint8_t *rgb, const int64_t *mask_of)
{
    const struct uda_rare_entry *plan = &packing->plan;
    memcpy(entry->patch, plan->patch, (size_t)plan->patches * sizeof *plan->patch);
    memcpy(entry->label, plan->label, (size_t)plan->labels * sizeof *plan->label);
    uint8_t *out = entry->pixels;
    for (int64_t i = 0; i < entry->patches; i++) {
        struct uda_box box = entry->patch[i];
        size_t bytes = 3 * (size_t)(box.x1 - box.x0 + 1);
        for (int64_t y = box.y0; y <= box.y1; y++, out += bytes) {
            memcpy(out, rgb + 3 * (y * entry->width + box.x0), bytes);
        }
    }
    memset(entry->bits, 0, (size_t)entry->bit_bytes);
    for (int64_t i = 0; i < entry->labels; i++) {
        struct uda_box box = entry->label[i].box;
        const uint8_t *mask = packing->image->masks + mask_of[i] * entry->height * entry->width;
        uint8_t *bits = entry->bits + entry->label[i].bits_at;
        int64_t bit = 0;
        for (int64_t y = box.y0; y <= box.y1; y++) {
            for (int64_t x = box.x0; x <= box.x1; x++, bit++) {
                int64_t p = y * entry->width + x;
                bits[bit / 8] |= (uint8_t)((mask[p] & packing->seen[p]) << (bit % 8));
            }
        }
    }
}

static void append(struct uda_rare_pool *pool, struct uda_rare_entry *entry)
{
    if (pool->count == pool->spec.images) {
        uda_pool_put(&pool->memory, pool->entry[0]);
        pool->count--;
        memmove(pool->entry, pool->entry + 1, (size_t)pool->count * sizeof *pool->entry);
    }
    pool->entry[pool->count++] = entry;
}

int uda_rare_pool_push(struct uda_rare_pool *pool, const uint8_t *rgb,
                       const struct uda_sample *image, const bool *picked,
                       struct uda_arena *scratch, struct uda_err *err)
{
    size_t mark = uda_arena_mark(scratch), count = (size_t)image->count;
    size_t pixels = (size_t)(image->height * image->width);
    struct packing packing = {.image = image};
    packing.plan = (struct uda_rare_entry){
        .height = image->height, .width = image->width, .index = image->index};
    packing.plan.patch = uda_arena_alloc(scratch, count * sizeof *packing.plan.patch);
    packing.plan.label = uda_arena_alloc(scratch, count * sizeof *packing.plan.label);
    packing.seen = uda_arena_calloc(scratch, pixels);
    uint8_t *work = uda_arena_alloc(scratch, pixels);
    int64_t *mask_of = uda_arena_alloc(scratch, count * sizeof *mask_of);
    struct uda_rare_entry *entry = NULL;
    bool nothing = false;
    if (packing.plan.patch != NULL && packing.plan.label != NULL && packing.seen != NULL &&
        work != NULL && mask_of != NULL) {
        plan_entry(&packing, pool, picked, mask_of, work);
        nothing = packing.plan.patches == 0;
        entry = nothing ? NULL : uda_rare_entry_new(&pool->memory, &packing.plan);
    }
    if (entry != NULL) {
        fill_entry(entry, &packing, rgb, mask_of);
        append(pool, entry);
    }
    uda_arena_reset(scratch, mark);
    if (entry == NULL && !nothing) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory for the rare-class pool",
                        image->name != NULL ? image->name : "");
    }
    return 0;
}

/* ---- drawing ---- */

static void unpack_label(uint8_t *mask, const struct uda_rare_entry *entry,
                         const struct uda_rare_label *label)
{
    const uint8_t *bits = entry->bits + label->bits_at;
    int64_t bit = 0;
    for (int64_t y = label->box.y0; y <= label->box.y1; y++) {
        for (int64_t x = label->box.x0; x <= label->box.x1; x++, bit++) {
            mask[y * entry->width + x] = bits[bit / 8] >> (bit % 8) & 1;
        }
    }
}

int uda_rare_entry_unpack(struct uda_rare_donor *donor, const struct uda_rare_entry *entry,
                          struct uda_arena *arena, struct uda_err *err)
{
    int64_t pixels = entry->height * entry->width;
    struct uda_sample sample = {.height = entry->height, .width = entry->width,
                                .count = entry->labels, .name = "pool", .index = entry->index};
    sample.rgb = uda_arena_calloc(arena, 3 * (size_t)pixels);
    sample.masks = uda_arena_calloc(arena, (size_t)entry->labels * (size_t)pixels);
    sample.cls = uda_arena_alloc(arena, (size_t)entry->labels * sizeof *sample.cls);
    bool *picked = uda_arena_alloc(arena, (size_t)entry->labels * sizeof *picked);
    if (sample.rgb == NULL || sample.masks == NULL || sample.cls == NULL || picked == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for an image of the rare-class pool");
    }
    const uint8_t *in = entry->pixels;
    for (int64_t i = 0; i < entry->patches; i++) {
        struct uda_box box = entry->patch[i];
        size_t bytes = 3 * (size_t)(box.x1 - box.x0 + 1);
        for (int64_t y = box.y0; y <= box.y1; y++, in += bytes) {
            memcpy(sample.rgb + 3 * (y * entry->width + box.x0), in, bytes);
        }
    }
    for (int64_t i = 0; i < entry->labels; i++) {
        unpack_label(sample.masks + i * pixels, entry, &entry->label[i]);
        sample.cls[i] = entry->label[i].cls;
        picked[i] = entry->label[i].picked;
    }
    *donor = (struct uda_rare_donor){.sample = sample, .picked = picked};
    return 0;
}

int uda_rare_pool_draw(struct uda_rare_donor **out, int64_t *donors,
                       const struct uda_rare_pool *pool, struct uda_rng *rng,
                       struct uda_arena *arena, struct uda_err *err)
{
    /* The guard takes 0.7 x 10 for 7 whatever its last bit. */
    int64_t wanted = (int64_t)floor(pool->spec.share * (double)pool->count + 1e-9);
    wanted = wanted < 1 ? 1 : wanted;
    if (pool->count == 0 || pool->spec.share <= 0.0) {
        *out = NULL;
        *donors = 0;
        return 0;
    }
    int64_t order[MOST_IMAGES];
    for (int64_t i = 0; i < pool->count; i++) {
        order[i] = i;
    }
    uda_rng_shuffle(rng, order, pool->count);
    struct uda_rare_donor *donor = uda_arena_alloc(arena, (size_t)wanted * sizeof *donor);
    if (donor == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for the rare-class pool");
    }
    for (int64_t i = 0; i < wanted; i++) {
        UDA_TRY(uda_rare_entry_unpack(&donor[i], pool->entry[order[i]], arena, err));
    }
    *out = donor;
    *donors = wanted;
    return 0;
}
