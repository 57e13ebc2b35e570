/*
 * Mixing: objects of one image pasted on another, with labels that say what the pixels show.
 *
 * UDA4Inst (arXiv 2405.09682), bidirectional mixing: S2T pastes source instances on the target
 * crop, T2S the teacher's target instances on the source crop, at the same pixel coordinates. By
 * style an instance is pasted by its mask (instance-wise), by the box around it (patch-wise), or by
 * area: more than instance_area_px by mask, otherwise by box (adaptive). An area below min_area_px
 * is not pasted. Areas and boxes are those of the part of a mask inside both frames; boxes are
 * tight, inclusive, grown by margin_px on each side, cut to the frames.
 *
 * Priority is the order of pasting: base < donor < images of the rare-class pool. Labels are in the
 * same order: base, donor, pool, each in its image's order.
 *
 * Invariants, with UDA_MIX_BY_PIXELS (ours):
 *  - every pixel set in a mask shows the image that the label came from: what is pasted, by mask or
 *    by box, takes its pixels from all labels of other images below;
 *  - and the other way round: an object of the donor that was not pasted itself (too small) keeps
 *    its label where a pasted box shows it;
 *  - masks of different images are disjoint, masks of one image as disjoint as they came;
 *  - no mask is empty unless keep_empty, which keeps what was erased as an all-zero mask.
 * With UDA_MIX_BY_MASKS (released code) only pasted masks erase labels, boxes do not, and objects
 * that are not pasted themselves have no label. Its other half is keep_empty.
 * Pure: inputs are not changed (the pool apart); the result depends on arguments and rng only.
 *
 *     uda_rng_init(&rng, seed, UDA_RNG_POOL, stage, step, image);
 *     UDA_TRY(uda_mix_s2t(&mixed, &spec, &source, &target, pool, &rng, &arena, &scratch, err));
 *     UDA_TRY(uda_mix_t2s(&mixed, &spec, &source, &target, &arena, &scratch, err));
 *     batch of mixed.sample ...
 */
#ifndef UDA_UDA_MIXER_H
#define UDA_UDA_MIXER_H

#include "src/uda/paste.h"
#include "src/uda/rare_pool.h"

enum uda_mix_labels {
    UDA_MIX_BY_PIXELS,
    UDA_MIX_BY_MASKS
};

struct uda_mix_spec {
    enum uda_paste_style style;
    int64_t min_area_px, instance_area_px, margin_px; /* of the paper's code: 300, 1500, 0 */
    enum uda_paste_blur blur;                         /* S2T only; never of pasted target pixels */
    enum uda_mix_labels labels;
    bool keep_empty;
};

/* A mixed image. Memory belongs to the arena given. */
struct uda_mixed {
    struct uda_sample sample; /* size, name and index of the base */
    uint16_t *origin;         /* [height, width] image a pixel shows: 0 base, 1 donor, 2.. pool */
    uint16_t *from;           /* [sample.count] image a label came from, likewise */
    int64_t pasted;           /* instances of the donor that were pasted */
    int64_t pooled;           /* instances of the pool that were pasted */
    int64_t carried;          /* labels that came along inside a pasted box */
    int64_t erased;           /* labels whose last pixel was pasted over */
};

/*
 * Source on target. target holds the pseudo-instances as its labels. pool (NULL: no balancing): if
 * a pasted instance is of a rare class, the source joins the pool; otherwise a part of the pool is
 * pasted too (rare-class balancing), drawn by rng. arena and scratch are different
 * arenas; scratch is left as found. Errors: UDA_NOMEM; UDA_SHAPE (a sample of no or too large
 * size). Then *mixed is untouched.
 */
int uda_mix_s2t(struct uda_mixed *mixed, const struct uda_mix_spec *spec,
                const struct uda_sample *source, const struct uda_sample *target,
                struct uda_rare_pool *pool, struct uda_rng *rng, struct uda_arena *arena,
                struct uda_arena *scratch, struct uda_err *err) UDA_MUST_USE;

/* Target on source; no balancing, no blur. The rest is as above. */
int uda_mix_t2s(struct uda_mixed *mixed, const struct uda_mix_spec *spec,
                const struct uda_sample *source, const struct uda_sample *target,
                struct uda_arena *arena, struct uda_arena *scratch,
                struct uda_err *err) UDA_MUST_USE;

#endif
