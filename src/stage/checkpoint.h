/*
 * What survives a kill: the one list of everything a training stage's future depends on.
 *
 * Invariants: the future of a stage is a function of the manifest, this list and the step; there is
 * no generator state. Files are stages/<stage>/step-NNNNNNNNN.h5, replaced whole; at least two are
 * kept. A damaged one is set aside and the one before is used, with a warning.
 */
#ifndef UDA_STAGE_CHECKPOINT_H
#define UDA_STAGE_CHECKPOINT_H

#include "io/store.h"
#include "src/base/hash.h"
#include "src/nn/param.h"

/* Sums of the figures that the next row of metrics.jsonl averages. */
#define UDA_FIGURES 10

struct uda_checkpoint {
    int64_t step;                     /* steps done */
    const struct uda_params *params;  /* layout of the flat arrays */
    float *values, *adam_m, *adam_v;
    float *teacher;                   /* NULL: this kind of stage has none */
    double figure[UDA_FIGURES];
    int64_t figure_count;
    int64_t metrics_bytes;            /* length of the stage's metrics.jsonl */
    char fingerprint[UDA_DIGEST_TEXT_BYTES];
    /* What the kind of stage adds (the rare-class pool): written and read with `self`; NULL: nothing. */
    int (*save_more)(void *self, struct uda_store_writer *writer, struct uda_err *err);
    int (*load_more)(void *self, const struct uda_store *store, struct uda_err *err);
    void *self;
    char made_with[320];              /* kernels and libraries that determine the bytes */
    const char *summed; /* how gradients came from rank to rank, for the provenance; NULL or "": not said */
};

struct uda_checkpoint_origin { /* for the provenance */
    const char *version;
    int argc;
    char *const *argv;
};

/*
 * Which checkpoints stay: the newest max(keep, 2) of those at a multiple of `every` or at step
 * `last`, and the newest of all. So one written because of a stop goes once the next regular one is
 * there, and a stage leaves the same files behind however often it was stopped.
 */
struct uda_checkpoint_rule {
    int64_t every, last, keep;
};

/* Writes dir/step-NNNNNNNNN.h5, then removes what the rule does not keep. Errors: UDA_IO,
 * UDA_NOMEM. */
int uda_checkpoint_save(const struct uda_checkpoint *checkpoint, const char *dir,
                        const struct uda_checkpoint_rule *rule,
                        const struct uda_checkpoint_origin *origin,
                        struct uda_err *err) UDA_MUST_USE;

/*
 * Loads the newest good checkpoint of dir with checkpoint->fingerprint into the arrays; *found says
 * whether there was one. Damaged files are renamed to *.damaged and reported. A file made with
 * other kernels or libraries is used, and the difference is said. Errors: UDA_IO, UDA_NOMEM.
 */
int uda_checkpoint_load(bool *found, struct uda_checkpoint *checkpoint, const char *dir,
                        struct uda_err *err) UDA_MUST_USE;

/* Loads the checkpoint of one step, which uda_checkpoint_load has found on another rank. Errors:
 * UDA_IO when it is not there (the folder must be shared), UDA_FORMAT, UDA_NOMEM. */
int uda_checkpoint_load_step(struct uda_checkpoint *checkpoint, const char *dir, int64_t step,
                             struct uda_err *err) UDA_MUST_USE;

/* Fingerprint and step of the newest readable checkpoint in dir; false if there is none. */
bool uda_checkpoint_newest_fingerprint(char fingerprint[UDA_DIGEST_TEXT_BYTES], int64_t *step,
                                       const char *dir);

#endif
