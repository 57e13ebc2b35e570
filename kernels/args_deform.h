/* Arguments of multi-scale deformable attention (Zhu et al. 2021, section 4.1). */
#ifndef UDA_KERNELS_ARGS_DEFORM_H
#define UDA_KERNELS_ARGS_DEFORM_H

#include "kernels/type.h"
#include "kernels/workspace.h"

#define UDA_DEFORM_LEVELS 3
#define UDA_DEFORM_MAX_POINTS 8

/*
 * value, y [N,S,D]; offsets [N,S,M,3,P,2] (x, y); weights [N,S,M,3,P]; level l has height[l] x
 * width[l] tokens, in order, S in all; P at most 8. a = softmax(weights) over (level, point). A
 * query token is the centre (c + 0.5) / width of its cell in its own level; it samples level l at
 * u = ref_x width[l] + off_x - 0.5, v likewise, bilinear, zeros outside; nothing where u <= -1,
 * u >= width, v <= -1 or v >= height (then its offset has no gradient either). fwd: y
 * [head m] = sum a sample bwd: dvalue, doffsets, dweights (+)= ...; each may be NULL. An image and
 * head is one task: no two add to one place. value, y, dy and dvalue are of `type`.
 */
struct uda_deform_args {
    struct uda_workspace ws;
    enum uda_type type;
    int64_t N, S, D, M, P;
    int64_t height[UDA_DEFORM_LEVELS], width[UDA_DEFORM_LEVELS];
    const void *value, *dy;
    void *y, *dvalue;
    const float *offsets, *weights;
    float *doffsets, *dweights;
    bool accumulate_value, accumulate_offsets, accumulate_weights;
};

#endif
