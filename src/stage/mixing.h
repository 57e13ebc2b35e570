/*
 * The images of one adaptation step: from source and target crops and the teacher's instances to
 * the batches that the student learns from.
 *
 * UDA4Inst (arXiv 2405.09682): source crops take their target's colours (src/stage/colours.h);
 * sure teacher instances become the target's labels (src/uda/pseudo.h); S2T and T2S mixes are made of
 * each pair (src/uda/mixer.h) with the rare-class pool (src/uda/rare_pool.h).
 *
 * With loss.combine `weighted` every pair gives an image of each kind whose weight is above 0, and
 * the kinds are parts of the step with losses of their own (Eq. 3). With `batch` image i of the step
 * is of one kind, by turns: plain source, then the directions; there is one part (released code).
 * Where the target has no pseudo-label, S2T leaves the source crop as it is, unless mixing.no_pseudo
 * is `mix`; T2S has then nothing to paste.
 *
 * Invariants: what comes out is a function of the arguments, the pools and (seed, stage, step, image
 * number in the whole batch), whatever the number of threads or ranks. Every virtual shard has a pool
 * of its own and adds to it in the order of its images; so shards do not wait for each other. Memory
 * of a step is valid until the next begin.
 *
 *     UDA_TRY(uda_mixing_begin(mixing, source_batch, target_batch, err));
 *     ... the teacher predicts the targets i with uda_mixing_asks(mixing, i) into `found` ...
 *     UDA_TRY(uda_mixing_label(mixing, &found, err));
 *     UDA_TRY(uda_mixing_finish(mixing, t, part, &parts, &report, err));     // parts 0: skip
 */
#ifndef UDA_STAGE_MIXING_H
#define UDA_STAGE_MIXING_H

#include "src/data/batch.h"
#include "src/plan/manifest.h"
#include "src/stage/trainer.h"
#include "src/uda/mixer.h"
#include "src/uda/pseudo.h"

struct uda_mixing_spec {
    const struct uda_manifest_recipe *recipe; /* borrowed */
    const struct uda_class_map *map;          /* copied */
    bool rare[UDA_CLASSES];                   /* by class of the program */
    int64_t batch, shards;                    /* of a step, over all ranks */
    struct uda_share share;                   /* of them, what is mixed here */
    const struct uda_dist *dist;              /* the ranks, borrowed; NULL: one */
    uint64_t seed;
    uint32_t stage;
    int threads; /* 0: all cores */
    const char *device; /* where colours are moved: "cuda:1"; NULL: the CPU. Borrowed until create returns */
};

/* Sums over the images of a step, of all ranks. */
struct uda_mixing_report {
    int64_t targets;    /* targets that were asked for labels */
    int64_t pseudo;     /* their pseudo-labels */
    int64_t unlabelled; /* targets without any */
    int64_t mixed;      /* mixed images */
    int64_t pasted, pooled; /* instances pasted on them: of the other image, of the pool */
    bool skipped;       /* mixing.no_pseudo: skip, and no target had a label */
};

struct uda_mixing;

/* Errors: UDA_MANIFEST (nothing to learn from), UDA_NOMEM; those of uda_colours_create. Owns: the caller. */
int uda_mixing_create(struct uda_mixing **mixing, const struct uda_mixing_spec *spec,
                      struct uda_err *err) UDA_MUST_USE;
void uda_mixing_destroy(struct uda_mixing **mixing);

/* Takes the pairs (source i, target i), moves the colours. The batches stay borrowed until a trainer has
 * begun with the parts that finish makes of them; then the next begin may come. A target's labels are its ego
 * region if it has one (src/uda/ego.h), or the truth when mixing.target_labels is `true`. Errors: UDA_SHAPE,
 * UDA_NOMEM, UDA_DEVICE; then it may be tried again. */
int uda_mixing_begin(struct uda_mixing *mixing, const struct uda_batch *source,
                     const struct uda_batch *target, struct uda_err *err) UDA_MUST_USE;

/* Is the teacher asked about target i? And what it is shown: [height, width, 3], borrowed. */
bool uda_mixing_asks(const struct uda_mixing *mixing, int64_t i);
struct uda_image uda_mixing_view(const struct uda_mixing *mixing, int64_t i);

/* The teacher's instances: image k of `found` is the k-th target that was asked. NULL with true
 * labels. Errors: UDA_SHAPE, UDA_NOMEM. */
int uda_mixing_label(struct uda_mixing *mixing, const struct uda_detections *found,
                     struct uda_err *err) UDA_MUST_USE;

/* Mixes for step t; *parts is 0 when the step is skipped. The pools change here. Errors: UDA_SHAPE,
 * UDA_NOMEM; then the pools may have changed, and the step must not be tried again without loading
 * them. UDA_COMM. */
int uda_mixing_finish(struct uda_mixing *mixing, int64_t t, struct uda_step_part *part, int *parts,
                      struct uda_mixing_report *report, struct uda_err *err) UDA_MUST_USE;

/* Writes pictures of the first S2T and the first T2S image of the step to PREFIX-s2t.png and
 * PREFIX-t2s.png; valid after finish. Errors: UDA_IO, UDA_NOMEM. */
int uda_mixing_picture(struct uda_mixing *mixing, const char *prefix, struct uda_err *err) UDA_MUST_USE;

/* Brings the pools of all ranks' shards to rank 0, which saves them. Errors: UDA_COMM, UDA_NOMEM. */
int uda_mixing_gather(struct uda_mixing *mixing, struct uda_err *err) UDA_MUST_USE;
/* The pools, as groups pool-0, pool-1, ... of a checkpoint. A rank loads those of its shards. */
int uda_mixing_save(const struct uda_mixing *mixing, struct uda_store_writer *writer,
                    struct uda_err *err) UDA_MUST_USE;
int uda_mixing_load(struct uda_mixing *mixing, const struct uda_store *store,
                    struct uda_err *err) UDA_MUST_USE;

#endif
