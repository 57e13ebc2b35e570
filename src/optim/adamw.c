#include "src/optim/adamw.h"

#include "src/optim/launch.h"

struct uda_adamw_config uda_adamw_defaults(void)
{
    return (struct uda_adamw_config){.beta1 = 0.9,
                                     .beta2 = 0.999,
                                     .eps = 1e-8,
                                     .weight_decay = 0.05,
                                     .backbone_factor = 0.1};
}

int uda_grad_squares(double *squares, struct uda_device *device, const struct uda_params *params,
                     const float *grads, struct uda_err *err)
{
    struct uda_sum_squares_args a = {.count = params->total, .x = grads, .sum = squares};
    return UDA_OPTIM_RUN(device, sum_squares, &a, err);
}

/* Runs of trained parameters with one learning rate and decay; gaps between them hold zeros, which an
 * update leaves alone. */
static int64_t make_segments(struct uda_adamw_segment *segment, const struct uda_params *params,
                             const struct uda_adamw_config *config, double lr)
{
    int64_t count = 0;
    bool joined = false; /* the parameter before is in the last segment */
    for (int i = 0; i < params->count; i++) {
        const struct uda_param *p = &params->item[i];
        if (p->frozen) {
            joined = false;
            continue;
        }
        double rate = lr * (p->backbone ? config->backbone_factor : 1.0);
        double decay = p->decay == UDA_DECAY_FULL ? config->weight_decay : 0.0;
        struct uda_adamw_segment *last = joined ? &segment[count - 1] : NULL;
        joined = true;
        if (last != NULL && last->lr == rate && last->weight_decay == decay) {
            last->count = p->offset + p->count - last->offset;
        } else {
            segment[count++] = (struct uda_adamw_segment){
                .offset = p->offset, .count = p->count, .lr = rate, .weight_decay = decay};
        }
    }
    return count;
}

int uda_adamw_step(struct uda_device *device, const struct uda_params *params,
                   const struct uda_adamw_config *config, double lr, int64_t t, double max_norm,
                   const double *squares, float *values, const float *grads, float *m, float *v,
                   struct uda_err *err)
{
    size_t bytes = (size_t)params->count * sizeof(struct uda_adamw_segment);
    struct uda_adamw_segment *segment = uda_pool_get(&device->pool, bytes);
    if (segment == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for the optimiser's groups");
    }
    struct uda_adamw_args a = {.segment = segment,
                               .segments = make_segments(segment, params, config, lr),
                               .t = t,
                               .beta1 = config->beta1,
                               .beta2 = config->beta2,
                               .eps = config->eps,
                               .max_norm = max_norm,
                               .squares = squares,
                               .value = values,
                               .m = m,
                               .v = v,
                               .grad = grads};
    int rc = UDA_OPTIM_RUN(device, adamw, &a, err);
    uda_pool_put(&device->pool, segment);
    return rc;
}
