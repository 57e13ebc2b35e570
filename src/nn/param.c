#include "src/nn/param.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/rng.h"

#define NAME_BYTES 192

void uda_params_init(struct uda_params *params) { *params = (struct uda_params){0}; }

void uda_params_finish(struct uda_params *params)
{
    uda_arena_finish(&params->arena);
    *params = (struct uda_params){0};
}

int uda_params_status(const struct uda_params *params, struct uda_err *err)
{
    if (params->err.code != UDA_OK && err != NULL && err->code == UDA_OK) {
        *err = params->err;
    }
    return (int)params->err.code;
}

int uda_params_find(const struct uda_params *params, const char *name)
{
    for (int i = 0; i < params->count; i++) {
        if (strcmp(params->item[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Room for one more item; false when out of memory. */
static bool grow(struct uda_params *params)
{
    if (params->count < params->room) {
        return true;
    }
    int room = params->room == 0 ? 128 : 2 * params->room;
    struct uda_param *item =
        uda_arena_grow(&params->arena, params->item, (size_t)params->room * sizeof *item,
                       (size_t)room * sizeof *item);
    if (item == NULL) {
        return false;
    }
    params->item = item;
    params->room = room;
    return true;
}

/* Product of the dimensions, 0 if one is not positive or it does not fit. */
static int64_t count_of(const struct uda_param *like)
{
    int64_t count = 1;
    for (int i = 0; i < like->ndim; i++) {
        if (like->dim[i] < 1 || count > INT64_MAX / 64 / like->dim[i]) {
            return 0;
        }
        count *= like->dim[i];
    }
    return like->ndim < 1 || like->ndim > UDA_PARAM_DIMS ? 0 : count;
}

int uda_params_add(struct uda_params *params, const struct uda_param *like, const char *format, ...)
{
    if (params->err.code != UDA_OK) {
        return 0;
    }
    char name[NAME_BYTES];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    int64_t count = count_of(like);
    if (length < 0 || length >= NAME_BYTES || count == 0) {
        (void)uda_fail(&params->err, UDA_SHAPE, "parameter '%s' has no valid size", name);
        return 0;
    }
    if (uda_params_find(params, name) >= 0) {
        (void)uda_fail(&params->err, UDA_SHAPE, "parameter '%s' is there twice", name);
        return 0;
    }
    char *kept = uda_arena_strdup(&params->arena, name);
    if (kept == NULL || !grow(params)) {
        (void)uda_fail(&params->err, UDA_NOMEM, "out of memory for parameter '%s'", name);
        return 0;
    }
    int index = params->count++;
    struct uda_param *p = &params->item[index];
    *p = *like;
    p->name = kept;
    p->offset = params->total;
    p->count = count;
    p->same_as = like->same_as > 0 ? like->same_as : index;
    p->backbone = strncmp(name, "backbone.", strlen("backbone.")) == 0;
    params->elements += count;
    params->total += (count + UDA_PARAM_ALIGN - 1) / UDA_PARAM_ALIGN * UDA_PARAM_ALIGN;
    return index;
}

struct uda_tensor *uda_param(struct uda_tape *tape, const struct uda_params *params, int index)
{
    const struct uda_param *p = &params->item[index];
    return p->frozen ? uda_tape_constant(tape, tape->param_values + p->offset, p->ndim, p->dim)
                     : uda_tape_param(tape, p->offset, p->ndim, p->dim);
}

/* Where parameter i begins, or the flat arrays end. */
static int64_t offset_of(const struct uda_params *params, int i)
{
    return i < params->count ? params->item[i].offset : params->total;
}

bool uda_params_trained(const struct uda_params *params, int *next, int64_t *offset, int64_t *count)
{
    int first = *next;
    while (first < params->count && params->item[first].frozen) {
        first++;
    }
    int last = first;
    while (last < params->count && !params->item[last].frozen) {
        last++;
    }
    *next = last;
    *offset = offset_of(params, first);
    *count = offset_of(params, last) - *offset;
    return first < last;
}

/* Direction m of `heads` on the unit square's edge, for point p of every level:
 * [heads, levels, points, 2]. */
static void compass(const struct uda_param *p, float *x)
{
    const int64_t levels = 3;
    int64_t points = p->count / (p->heads * levels * 2);
    for (int64_t m = 0; m < p->heads; m++) {
        double theta = 6.283185307179586 * (double)m / (double)p->heads;
        double dx = cos(theta), dy = sin(theta);
        double longest = fmax(fabs(dx), fabs(dy));
        for (int64_t i = 0; i < levels * points; i++) {
            float distance = (float)(i % points + 1);
            float *xy = &x[(m * levels * points + i) * 2];
            xy[0] = (float)(dx / longest) * distance;
            xy[1] = (float)(dy / longest) * distance;
        }
    }
}

void uda_params_initialise_one(const struct uda_params *params, int index, float *values,
                               uint64_t seed)
{
    const struct uda_param *p = &params->item[index];
    float *x = values + p->offset;
    struct uda_rng rng;
    uda_rng_init(&rng, seed, UDA_RNG_INIT, 0, 0, (uint32_t)p->same_as);
    if (p->init == UDA_INIT_COMPASS) {
        compass(p, x);
        return;
    }
    for (int64_t i = 0; i < p->count; i++) {
        switch (p->init) {
        case UDA_INIT_ONE:
            x[i] = 1.0f;
            break;
        case UDA_INIT_UNIFORM:
            x[i] = uda_rng_range(&rng, -p->scale, p->scale);
            break;
        case UDA_INIT_NORMAL:
            x[i] = p->scale * uda_rng_normal(&rng);
            break;
        case UDA_INIT_TRUNC_NORMAL:
            do {
                x[i] = p->scale * uda_rng_normal(&rng);
            } while (fabsf(x[i]) > 2.0f);
            break;
        default:
            x[i] = 0.0f;
            break;
        }
    }
}

void uda_params_initialise(const struct uda_params *params, float *values, uint64_t seed)
{
    memset(values, 0, (size_t)params->total * sizeof *values);
    for (int i = 0; i < params->count; i++) {
        uda_params_initialise_one(params, i, values, seed);
    }
}
