/*
 * The loader: batches of consecutive steps, prefetched by worker threads.
 *
 * Invariants: the batch of step s is a pure function of (data set, seed, stage, s) and the spec,
 * whatever the number of workers, the prefetch depth, the cache or the first step. Sample i of step
 * s is at position s * batch + i of an endless walk through epochs; epoch e visits the data set in
 * the order UDA_RNG_SHUFFLE(seed, stage, step = stream, sample e), or in its own order when
 * sequential; its augmentation draws from UDA_RNG_AUGMENT(seed, stage, step s, sample
 * i + 65536 stream). Starting at any step costs the same. A loader of a part of the batch gives the
 * same samples as one of the whole. A loader that follows another data set walks through that one,
 * and takes image k modulo its own count where the other's is number k of its split: pairs that
 * never change.
 *
 *     struct uda_loader_spec spec = {.batch = 2, .seed = 1, .first_step = 0, .last_step = 1000,
 *                                    .workers = 2, .augment = &augment, .map = &map};
 *     UDA_GOTO(uda_loader_create(&loader, dataset, &spec, err), out);
 *     while (step < 1000) { UDA_GOTO(uda_loader_next(loader, &batch, err), out); ... }
 *     uda_loader_destroy(&loader);
 */
#ifndef UDA_DATA_LOADER_H
#define UDA_DATA_LOADER_H

#include "src/data/batch.h"

enum uda_loader_order { UDA_LOADER_SHUFFLE, UDA_LOADER_SEQUENTIAL };

struct uda_loader_spec {
    int64_t batch;  /* images in a step, >= 1 */
    int64_t first_image, images; /* of them, those that this rank makes; 0, 0 = all */
    uint64_t seed;
    uint32_t stage;
    uint32_t stream; /* of the stage's loaders: each its own order and augmentation; below 65536 */
    const struct uda_dataset *follow; /* NULL: none; borrowed */
    /* Changes what a scene's labels are before the augmentation; NULL: nothing. Memory: arena. Pure;
     * called by several threads. */
    int (*edit)(struct uda_labelled_image *scene, const void *args, struct uda_arena *arena,
                struct uda_err *err);
    const void *edit_args;
    int64_t first_step, last_step; /* steps first_step .. last_step-1; 0 <= first <= last <= 2^32-1 */
    enum uda_loader_order order;
    const struct uda_augment_spec *augment; /* copied; NULL = the image as it is */
    const struct uda_class_map *map;        /* copied; NULL = all eight */
    int workers;         /* threads that prefetch; 0 = in uda_loader_next itself */
    int prefetch;        /* batches ready ahead, 0 = workers + 1 */
    size_t cache_bytes;  /* decoded scenes kept in memory, at most so many bytes; 0 = none */
};

struct uda_loader;

/* The data set is borrowed and must outlive the loader. UDA_MANIFEST: a wrong spec; UDA_NOMEM. */
int uda_loader_create(struct uda_loader **loader, const struct uda_dataset *dataset,
                      const struct uda_loader_spec *spec, struct uda_err *err) UDA_MUST_USE;
void uda_loader_destroy(struct uda_loader **loader);

/* The batch of the next step, valid until the next call or destroy; NULL after last_step-1. An
 * image that cannot be read is reported at its own step, then at every later call. Errors: those of
 * uda_dataset_load. Threads: one caller. */
int uda_loader_next(struct uda_loader *loader, const struct uda_batch **batch,
                    struct uda_err *err) UDA_MUST_USE;

#endif
