"""Weights, images and targets of the golden cases, drawn from the program's own streams; tests/golden/values.c does the
same."""
import numpy as np

import streams
from streams import PURPOSE_TEST

WEIGHTS, IMAGE, TARGETS, SIGNS = 0, 1, 2, 3  # the `step` of the test stream


def parameter(index, shape, kind, seed):
    """float32 values of parameter `index`."""
    n = int(np.prod(shape))
    x = streams.normals(n, seed, PURPOSE_TEST, 0, WEIGHTS, index)
    fan_in = n // shape[0]
    scale, shift = {'gamma': (0.1, 1.0), 'beta': (0.1, 0.0), 'table': (0.5, 0.0), 'embedding': (1.0, 0.0),
                    'level': (1.0, 0.0), 'offset_weight': (0.02, 0.0), 'offset_bias': (1.0, 0.0),
                    'bias': (0.1, 0.0), 'frozen_gamma': (0.1, 1.0), 'frozen_beta': (0.1, 0.0), 'mean': (0.1, 0.0),
                    'var': (0.1, 1.0),
                    'weight': (np.float32(1.0) / np.sqrt(np.float32(fan_in)), 0.0)}[kind]
    return (np.float32(shift) + np.float32(scale) * x).astype(np.float32).reshape(shape)


def image(n, height, width, seed):
    """float32 [H, W, 3]."""
    return streams.normals(height * width * 3, seed, PURPOSE_TEST, 0, IMAGE, n).reshape(height, width, 3)


def targets(n, count, height, width, classes, seed):
    """Ellipses on integer grids: classes [M], masks u8 [M, H, W]."""
    u = streams.uniforms(5 * max(count, 1), seed, PURPOSE_TEST, 0, TARGETS, n).astype(np.float64)
    cls, masks = [], np.zeros((count, height, width), np.uint8)
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    for m in range(count):
        a = u[5 * m:5 * m + 5]
        cls.append(int(a[0] * classes))
        cx, cy = int(a[1] * width), int(a[2] * height)
        rx, ry = 4 + int(a[3] * width / 3), 4 + int(a[4] * height / 3)
        masks[m] = (x - cx) ** 2 * ry ** 2 + (y - cy) ** 2 * rx ** 2 <= rx ** 2 * ry ** 2
    return cls, masks


def digest(x, projections, samples, signs):
    """Norm, largest magnitude, +-1 projections and evenly spread samples of a tensor, in double.

    |x - y|^2 is estimated by the mean over k of (p_k(x) - p_k(y))^2, since E[(r . d)^2] = |d|^2 for random signs r.
    """
    x = np.asarray(x, np.float64).reshape(-1)
    bits = signs[:x.size]
    p = [float(np.dot(x, 1.0 - 2.0 * ((bits >> np.uint32(k)) & np.uint32(1)))) for k in range(projections)]
    s = min(samples, x.size)
    at = [(2 * j + 1) * x.size // (2 * s) for j in range(s)]
    number = lambda v: float(f'{v:.10g}')
    return [number(np.linalg.norm(x)), number(np.abs(x).max())] + [number(v) for v in p] + [number(x[i]) for i in at]
