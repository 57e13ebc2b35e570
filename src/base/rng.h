/*
 * Random numbers as a function: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", 2011) of (seed, purpose, stage, step, sample, index). There is no generator state to
 * save.
 *
 * Invariants: the same arguments give the same numbers on every machine; two different purposes
 * never share a stream. A `struct uda_rng` is a cursor over one stream, local to the function that
 * made it.
 *
 *     struct uda_rng rng;
 *     uda_rng_init(&rng, seed, UDA_RNG_CROP, stage, step, sample);
 *     int64_t x0 = uda_rng_below(&rng, width - crop + 1);
 */
#ifndef UDA_BASE_RNG_H
#define UDA_BASE_RNG_H

#include "src/base/compiler.h"

/* What the numbers are for. Never renumber: a purpose is part of every run's definition. */
enum uda_rng_purpose {
    UDA_RNG_INIT = 1,           /* weights; sample = parameter */
    UDA_RNG_SHUFFLE = 2,        /* order of the data set; sample = epoch */
    UDA_RNG_AUGMENT = 3,        /* resize, crop, colour, flip of one sample */
    UDA_RNG_DROP_PATH = 4,      /* sample = image in batch, index = block */
    UDA_RNG_MATCH_POINTS = 5,   /* matcher's points; sample = image */
    UDA_RNG_LOSS_POINTS = 6,    /* loss points; sample = image */
    UDA_RNG_SCENE = 7,          /* procedural scenes; sample = scene */
    UDA_RNG_SPLIT = 8,          /* held-out splits */
    UDA_RNG_MIX = 9,            /* mixing; sample = image */
    UDA_RNG_POOL = 10,          /* rare-class pool draws */
    UDA_RNG_PAIR = 11,          /* source-target pairing */
    UDA_RNG_TEST = 100          /* tests only */
};

struct uda_rng {
    uint32_t key[2];
    uint32_t counter[4]; /* index, sample, step, stage */
    uint32_t block[4];
    int left; /* unused words of block */
};

/* Philox4x32-10 of one counter and key. Pure. */
void uda_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* A stream's cursor at index 0. Pure in its arguments. */
void uda_rng_init(struct uda_rng *rng, uint64_t seed, enum uda_rng_purpose purpose, uint32_t stage,
                  uint32_t step, uint32_t sample);
/* The same stream from block `index` on (4 words a block), for parallel fills. */
void uda_rng_seek(struct uda_rng *rng, uint32_t index);

/* The next 32 random bits. */
uint32_t uda_rng_u32(struct uda_rng *rng);
/* Uniform in [0, 1), a multiple of 2^-24. */
float uda_rng_uniform(struct uda_rng *rng);
/* The next n numbers of uda_rng_uniform into out [n], several blocks at a time. */
void uda_rng_fill(struct uda_rng *rng, float *out, int64_t n);
/* Uniform in [low, high). */
float uda_rng_range(struct uda_rng *rng, float low, float high);
/* Uniform in 0..n-1 without bias; n in 1..2^31. */
int64_t uda_rng_below(struct uda_rng *rng, int64_t n);
/* Standard normal (Box-Muller, evaluated in double). */
float uda_rng_normal(struct uda_rng *rng);
/* Fisher-Yates: order [n] becomes a permutation of its elements. */
void uda_rng_shuffle(struct uda_rng *rng, int64_t *order, int64_t n);

#endif
