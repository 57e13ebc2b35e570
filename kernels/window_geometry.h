/*
 * Where the tokens of a shifted window are: closed forms, shared by the kernels of all backends.
 *
 * A map of H x W tokens is padded at the bottom and right to multiples of `window`, rolled
 * by -shift on both axes and cut into windows, row-major; token i of a window is (i / window, i %
 * window).
 */
#ifndef UDA_KERNELS_WINDOW_GEOMETRY_H
#define UDA_KERNELS_WINDOW_GEOMETRY_H

#include "src/base/compiler.h"

#if defined(__CUDACC__)
#define UDA_WINDOW_FUNCTION static inline __host__ __device__
#else
#define UDA_WINDOW_FUNCTION static inline
#endif

/* Length of a side after padding. */
UDA_WINDOW_FUNCTION int64_t uda_window_padded(int64_t side, int64_t window)
{
    return (side + window - 1) / window * window;
}

/* Row of the bias table for query token i and key token j. */
UDA_WINDOW_FUNCTION int64_t uda_window_index(int64_t window, int64_t i, int64_t j)
{
    int64_t dy = i / window - j / window + window - 1, dx = i % window - j % window + window - 1;
    return dy * (2 * window - 1) + dx;
}

/* Label 0..2 of a coordinate of the rolled grid: tokens that were not neighbours before rolling
 * differ. */
UDA_WINDOW_FUNCTION int64_t uda_window_label(int64_t padded, int64_t window, int64_t shift, int64_t at)
{
    return at < padded - window ? 0 : at < padded - shift ? 1 : 2;
}

/* Coordinate on the padded map of coordinate `at` of the rolled grid. */
UDA_WINDOW_FUNCTION int64_t uda_window_source(int64_t padded, int64_t shift, int64_t at)
{
    return at + shift < padded ? at + shift : at + shift - padded;
}

#endif
