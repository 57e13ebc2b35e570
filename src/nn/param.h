/*
 * The registry of parameters: what there is, where it lies, how it starts, how it decays.
 *
 * Invariants: names are detectron2's ("backbone.layers.0.blocks.1.attn.qkv.weight"), the order is
 * that of the reference's state dict, every offset is a multiple of UDA_PARAM_ALIGN elements. One
 * layout serves values, gradients, both Adam moments and the teacher: flat f32 arrays of
 * params->total elements whose gaps hold 0. The registry keeps the first error of a series of adds,
 * so that a model's builder needs no checks.
 *
 *     struct uda_params params;
 *     uda_params_init(&params);
 *     uda_mask2former_build(&model, &params, &config);
 *     UDA_TRY(uda_params_status(&params, err));
 *     float *values = uda_calloc((size_t)params.total * sizeof *values);
 *     uda_params_initialise(&params, values, seed);
 *     ...
 *     uda_params_finish(&params);
 */
#ifndef UDA_NN_PARAM_H
#define UDA_NN_PARAM_H

#include "src/tensor/tape.h"

#define UDA_PARAM_ALIGN 16
#define UDA_PARAM_DIMS 4

/* How a parameter starts. */
enum uda_init {
    UDA_INIT_ZERO,
    UDA_INIT_ONE,
    UDA_INIT_UNIFORM,      /* U(-scale, scale) */
    UDA_INIT_NORMAL,       /* N(0, scale^2) */
    UDA_INIT_TRUNC_NORMAL, /* N(0, scale^2) cut at -2 and 2 */
    UDA_INIT_COMPASS       /* sampling offsets: head m looks in direction m, point p at distance p + 1 */
};

/* Weight decay: which kinds the reference exempts (spec of the optimiser in optim/adamw.h). */
enum uda_decay {
    UDA_DECAY_FULL,      /* weights, biases, bare parameters */
    UDA_DECAY_NORM,      /* gamma and beta of a normalisation: 0 */
    UDA_DECAY_EMBEDDING, /* embedding tables: 0 */
    UDA_DECAY_TABLE      /* relative position bias tables: 0 */
};

struct uda_param {
    const char *name; /* borrowed from the registry */
    int64_t offset;   /* elements */
    int64_t count;    /* product of dim */
    int ndim;
    int64_t dim[UDA_PARAM_DIMS];
    enum uda_init init;
    float scale;   /* of init */
    int64_t heads; /* of UDA_INIT_COMPASS */
    int same_as;   /* starts with the values of this earlier parameter; its own index otherwise */
    enum uda_decay decay;
    bool backbone; /* takes the backbone's learning rate factor */
    bool frozen;   /* a constant of the model: no gradient, no update; a teacher has the student's */
};

struct uda_params {
    struct uda_param *item; /* [count] */
    int count, room;
    int64_t total;    /* elements of a flat array */
    int64_t elements; /* the same without gaps: the number of parameters */
    struct uda_arena arena;
    struct uda_err err;
};

/* An empty registry. */
void uda_params_init(struct uda_params *params);
/* Frees the registry (not the flat arrays). */
void uda_params_finish(struct uda_params *params);

/*
 * Adds a parameter whose name is printed from `format`; of `like` the fields ndim, dim, init,
 * scale, heads, decay, frozen count, and same_as if positive. backbone is true for names that start with
 * "backbone.". Returns its index; after an error 0.
 */
int uda_params_add(struct uda_params *params, const struct uda_param *like, const char *format, ...)
    UDA_PRINTF(3, 4);
/* Index of a name, -1 if there is none. */
int uda_params_find(const struct uda_params *params, const char *name);
/* 0, or the first error of the adds: UDA_NOMEM; UDA_SHAPE (a size below 1 or too large, a name
 * twice). */
int uda_params_status(const struct uda_params *params, struct uda_err *err) UDA_MUST_USE;

/* Sets *offset and *count to the next stretch of the flat arrays without a frozen parameter, gaps between the
 * others included; *next counts parameters, from 0 on. False: there is none. */
bool uda_params_trained(const struct uda_params *params, int *next, int64_t *offset, int64_t *count);

/* The parameter as a tensor of the tape's flat arrays; a frozen one is a constant of the tape. */
struct uda_tensor *uda_param(struct uda_tape *tape, const struct uda_params *params, int index);

/*
 * Writes the starting values into values [total], gaps 0. Pure in (registry, seed): parameter i
 * draws from the stream (seed, UDA_RNG_INIT, 0, 0, i).
 */
void uda_params_initialise(const struct uda_params *params, float *values, uint64_t seed);
/* The same for one parameter, for a head that could not be taken from a file. */
void uda_params_initialise_one(const struct uda_params *params, int index, float *values,
                               uint64_t seed);

#endif
