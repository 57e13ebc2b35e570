/*
 * The rare-class pool: recent source images with an object of a rare class, to be pasted on images
 * that have none.
 *
 * UDA4Inst (arXiv 2405.09682), rare-class balancing: first in, first out, N = 10 images; on an
 * image without a rare instance a part of the pool, drawn at random, is pasted (half of it, at
 * least one image). Of an image are kept its pasted rare instances: class, mask, and the pixels of
 * their box grown by the margin; and what else of the labels those boxes show, so that a box pasted
 * later brings its labels along.
 *
 * Invariants: what comes out at a pixel is what went in; a pool is a function of what was pushed,
 * in that order; save and load restore it byte by byte. Memory: one block an image, from the pool's
 * own slabs.
 *
 *     const struct uda_rare_pool_spec spec = {.images = 10, .share = 0.5, .rare = {[5] = true}};
 *     UDA_TRY(uda_rare_pool_create(&pool, &spec, err));
 *     ... uda_mix_s2t(..., pool, ...) pushes and draws ...
 *     UDA_TRY(uda_rare_pool_save(pool, writer, "pool", err));
 *     UDA_TRY(uda_rare_pool_load(pool, store, "pool", err));
 *     uda_rare_pool_destroy(&pool);
 */
#ifndef UDA_UDA_RARE_POOL_H
#define UDA_UDA_RARE_POOL_H

#include "io/store.h"
#include "src/data/augment.h"

struct uda_rare_pool_spec {
    int64_t images;          /* most that are kept, 1..1000 */
    double share;            /* part of the pool that is drawn, 0..1; 0: never */
    int64_t margin_px;       /* of uda_mix_spec */
    bool rare[UDA_CLASSES];  /* by the model's class index, as uda_sample.cls */
};

struct uda_rare_pool;

/* An empty pool. Errors: UDA_MANIFEST (a value out of range), UDA_NOMEM. Owns: the caller. */
int uda_rare_pool_create(struct uda_rare_pool **pool, const struct uda_rare_pool_spec *spec,
                         struct uda_err *err) UDA_MUST_USE;
void uda_rare_pool_destroy(struct uda_rare_pool **pool);

/* Images in the pool. */
int64_t uda_rare_pool_count(const struct uda_rare_pool *pool);
bool uda_rare_pool_wants(const struct uda_rare_pool *pool, int32_t cls);

/* Adds the instances of `image` that are picked [image.count] and rare; if there is none, nothing
 * happens. rgb is the image's pixels as they were pasted (blurred, perhaps). The oldest image goes
 * when there are too many. Errors: UDA_NOMEM; then nothing has changed. */
int uda_rare_pool_push(struct uda_rare_pool *pool, const uint8_t *rgb,
                       const struct uda_sample *image, const bool *picked,
                       struct uda_arena *scratch, struct uda_err *err) UDA_MUST_USE;

/* An image of the pool as it was, black where nothing is known. */
struct uda_rare_donor {
    struct uda_sample sample; /* labels: rare ones and what is seen of others; name "pool" */
    bool *picked;             /* [sample.count] the rare ones */
};

/* max(1, floor(share count)) different images in the order drawn; none if the pool is empty or the
 * share 0. Owns: the arena. Errors: UDA_NOMEM. */
int uda_rare_pool_draw(struct uda_rare_donor **donor, int64_t *donors,
                       const struct uda_rare_pool *pool, struct uda_rng *rng,
                       struct uda_arena *arena, struct uda_err *err) UDA_MUST_USE;

/* Writes the pool into the group: frames, patches, labels (i64 tables), pixels, bits (u8). */
int uda_rare_pool_save(const struct uda_rare_pool *pool, struct uda_store_writer *writer,
                       const char *group, struct uda_err *err) UDA_MUST_USE;

/* Replaces the pool by a saved one. Errors: UDA_FORMAT names file, group and what is wrong there
 * (sizes, boxes, classes, more images than fit, another margin); then nothing has changed. */
int uda_rare_pool_load(struct uda_rare_pool *pool, const struct uda_store *store, const char *group,
                       struct uda_err *err) UDA_MUST_USE;

#endif
