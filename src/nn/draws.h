/*
 * Where the random numbers of a training step come from: the key of every draw made by model and
 * loss.
 *
 * Invariant: a draw is a function of (seed, stage, step, image, ...), never of the shard or the
 * thread that makes it; image = first_image + position in the tensor.
 */
#ifndef UDA_NN_DRAWS_H
#define UDA_NN_DRAWS_H

#include "src/base/rng.h"

struct uda_draws {
    uint64_t seed;
    uint32_t stage, step;
    int64_t first_image; /* index of the tensor's first image in the step's whole batch */
};

#endif
