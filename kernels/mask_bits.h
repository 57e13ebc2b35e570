/*
 * Masks as bits: an eighth of the bytes, on the way to a device and in its caches.
 *
 * Pixel i is bit i % 32 of word i / 32; a mask takes uda_mask_words words, of which those behind its pixels
 * are 0.
 */
#ifndef UDA_KERNELS_MASK_BITS_H
#define UDA_KERNELS_MASK_BITS_H

#include "src/base/compiler.h"

#include <string.h>

#if defined(__CUDACC__)
#define UDA_MASK_FUNCTION static inline __host__ __device__
#else
#define UDA_MASK_FUNCTION static inline
#endif

/* A multiple of 16: every mask begins at a cache line when the first does. */
UDA_MASK_FUNCTION int64_t uda_mask_words(int64_t pixels) { return (pixels + 511) / 512 * 16; }

/* bits [uda_mask_words(pixels)] from mask [pixels] of 0 and 1. */
static inline void uda_mask_pack(uint32_t *UDA_RESTRICT bits, const uint8_t *mask, int64_t pixels)
{
    uint8_t last[32] = {0};
    int64_t whole = pixels / 32;
    memset(bits + whole, 0, (size_t)(uda_mask_words(pixels) - whole) * sizeof *bits);
    memcpy(last, mask + whole * 32, (size_t)(pixels % 32));
    for (int64_t i = 0; i < whole + (pixels % 32 != 0); i++) {
        const uint8_t *from = i < whole ? mask + i * 32 : last;
        uint32_t word = 0;
        for (int k = 0; k < 4; k++) {
            uint64_t eight = 0;
            for (int j = 0; j < 8; j++) {
                eight |= (uint64_t)from[8 * k + j] << (8 * j);
            }
            /* Bit 8 j moves to bit 56 + j; no two meet. */
            word |= (uint32_t)((eight & 0x0101010101010101u) * 0x0102040810204080u >> 56) << (8 * k);
        }
        bits[i] = word;
    }
}

#endif
