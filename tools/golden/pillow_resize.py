#!/usr/bin/env python3
"""Digests of Pillow's BILINEAR and NEAREST resizing for tests/unit/test_augment.c.

    pip install pillow==13.0.0 numpy && tools/golden/pillow_resize.py > tests/data/augment/pillow_resize.json

Pillow up to 12 always filters horizontally first, and so do we. Pillow 13 starts vertically where the height
shrinks clearly more than the width; such cases are not in the list, so that every version gives these digests.

Inputs are made by a formula that the test repeats; a digest is 64-bit FNV-1a of the output bytes
(NEAREST: of the source columns as little-endian int32), written as a decimal string.
"""
import json
import sys

import numpy as np
import PIL
from PIL import Image

# (height, width) -> (height, width), pattern: 0 pseudo-random bytes, 1 black-and-white checkerboard
BILINEAR = [
    (37, 53, 16, 23, 0), (37, 53, 100, 91, 0), (37, 53, 37, 53, 0), (37, 53, 37, 20, 0),
    (37, 53, 74, 53, 0), (37, 53, 1, 1, 0), (1, 1, 5, 7, 0), (5, 7, 1, 1, 1), (5, 7, 3, 2, 1),
    (3, 1000, 2, 3, 0), (1000, 3, 3, 4, 1), (64, 64, 64, 65, 1), (64, 64, 63, 64, 1), (64, 64, 65, 63, 0),
    (48, 96, 47, 94, 1), (96, 192, 115, 230, 0), (376, 1408, 188, 704, 0), (376, 1408, 512, 1917, 1),
    (720, 1280, 614, 1091, 0), (1024, 2048, 512, 1024, 0), (1024, 2048, 921, 1842, 1),
    (1024, 2048, 1126, 2252, 0), (2, 2, 255, 257, 1), (200, 300, 7, 11, 0),
]
NEAREST = [(37, 53), (53, 37), (1, 9), (9, 1), (2048, 1024), (2048, 1842), (2048, 2252), (1408, 1917),
           (1280, 1091), (1280, 1819), (1440, 2048), (100, 300), (99, 301), (1024, 1331), (7, 1000),
           (2048, 3277), (4096, 717)]


def pattern(height, width, kind):
    i = np.arange(height * width * 3, dtype=np.uint64)
    if kind == 0:
        return ((i * 2654435761 % 2**32) >> 24).astype(np.uint8).reshape(height, width, 3)
    p = i // 3
    board = ((p // width + p % width) % 2 * 255).astype(np.uint8)
    return board.reshape(height, width, 3)


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return str(h)


def main():
    bilinear, nearest = [], []
    for h, w, oh, ow, kind in BILINEAR:
        out = Image.fromarray(pattern(h, w, kind)).resize((ow, oh), Image.BILINEAR)
        bilinear.append([h, w, oh, ow, kind, fnv(np.asarray(out).tobytes())])
    for n, m in NEAREST:
        row = Image.fromarray(np.arange(n, dtype=np.int32)[None])
        out = np.asarray(row.resize((m, 1), Image.NEAREST))
        nearest.append([n, m, fnv(out.astype("<i4").tobytes())])
    text = json.dumps({"pillow": PIL.__version__, "bilinear": bilinear, "nearest": nearest})
    sys.stdout.write(text.replace("[[", "[\n [").replace("], [", "],\n [") + "\n")


if __name__ == "__main__":
    main()
