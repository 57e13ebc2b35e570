#include "src/nn/nn.h"

static struct uda_tensor *mlp(struct uda_tape *t, const struct uda_params *params,
                              const struct uda_dense *fc1, const struct uda_dense *fc2,
                              struct uda_tensor *x,
                              struct uda_tensor *(*act)(struct uda_tape *, struct uda_tensor *))
{
    struct uda_tensor *wide = uda_dense(t, params, fc1, x);
    struct uda_tensor *active = act(t, wide);
    uda_tape_release(t, wide);
    struct uda_tensor *y = uda_dense(t, params, fc2, active);
    uda_tape_release(t, active);
    return y;
}

struct uda_tensor *uda_mlp_relu(struct uda_tape *t, const struct uda_params *params,
                                const struct uda_dense *fc1, const struct uda_dense *fc2,
                                struct uda_tensor *x)
{
    return mlp(t, params, fc1, fc2, x, uda_relu);
}

struct uda_tensor *uda_mlp_gelu(struct uda_tape *t, const struct uda_params *params,
                                const struct uda_dense *fc1, const struct uda_dense *fc2,
                                struct uda_tensor *x)
{
    return mlp(t, params, fc1, fc2, x, uda_gelu);
}
