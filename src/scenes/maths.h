/*
 * Arithmetic of the scenes that gives the same bits everywhere: plain float operations, no library
 * functions (sqrt is exact by IEEE 754). The layer is compiled without contraction of a*b+c.
 */
#ifndef UDA_SCENES_MATHS_H
#define UDA_SCENES_MATHS_H

#include "src/scenes/canvas.h"

/* sqrt(x) for x >= 0, |x|, and x cut to low..high. */
float uda_sqrt(float x);
float uda_abs(float x);
float uda_clamp(float x, float low, float high);
/* Largest whole number <= x, for |x| < 2^31. */
int64_t uda_floor(float x);
/* sin and cos of 2 pi t; error below 1e-6. */
float uda_sin_turn(float t);
float uda_cos_turn(float t);
/* 2^x, x^y (x > 0) and e^-x; relative error below 1e-5. */
float uda_exp2(float x);
float uda_pow(float x, float y);
float uda_decay(float x);
/* (cos, sin) of k/64 of a turn; k >= 0. */
struct uda_point uda_circle(int64_t k);

/* A well-mixed 32-bit number of a place. */
uint32_t uda_hash2(uint32_t seed, int32_t x, int32_t y);
/* Value noise in -1..1 with cells of size 1, smooth in between. */
float uda_noise(uint32_t seed, float x, float y);
/* Roughly normal, mean 0, deviation 1, of one pixel. */
float uda_grain(uint32_t seed, int32_t x, int32_t y);

#endif
