#include "src/base/rng.h"

#include <math.h>

void uda_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void uda_rng_init(struct uda_rng *rng, uint64_t seed, enum uda_rng_purpose purpose, uint32_t stage,
                  uint32_t step, uint32_t sample)
{
    *rng = (struct uda_rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32) ^ ((uint32_t)purpose * 0x9E3779B9u)},
        .counter = {0, sample, step, stage}};
}

void uda_rng_seek(struct uda_rng *rng, uint32_t index)
{
    rng->counter[0] = index;
    rng->left = 0;
}

uint32_t uda_rng_u32(struct uda_rng *rng)
{
    if (rng->left == 0) {
        uda_philox(rng->block, rng->counter, rng->key);
        rng->counter[0]++;
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

float uda_rng_uniform(struct uda_rng *rng)
{
    return (float)(uda_rng_u32(rng) >> 8) * 0x1p-24f;
}

#define LANES 16

/* Philox of LANES counters that follow each other: out[word][lane]. Loops over lanes become vector
 * code. */
static void philox_lanes(uint32_t out[4][LANES], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t *c0 = out[0], *c1 = out[1], *c2 = out[2], *c3 = out[3];
    for (uint32_t i = 0; i < LANES; i++) {
        c0[i] = counter[0] + i;
        c1[i] = counter[1];
        c2[i] = counter[2];
        c3[i] = counter[3];
    }
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < LANES; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[i];
            uint64_t p1 = (uint64_t)0xCD9E8D57u * c2[i];
            uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
            c0[i] = n0;
            c2[i] = n2;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

void uda_rng_fill(struct uda_rng *rng, float *out, int64_t n)
{
    int64_t i = 0;
    while (i < n && rng->left > 0) {
        out[i++] = uda_rng_uniform(rng);
    }
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        uint32_t words[4][LANES];
        philox_lanes(words, rng->counter, rng->key);
        rng->counter[0] += LANES;
        for (int lane = 0; lane < LANES; lane++) {
            for (int word = 0; word < 4; word++) {
                out[i + 4 * lane + word] = (float)(words[word][lane] >> 8) * 0x1p-24f;
            }
        }
    }
    while (i < n) {
        out[i++] = uda_rng_uniform(rng);
    }
}

float uda_rng_range(struct uda_rng *rng, float low, float high)
{
    return low + (high - low) * uda_rng_uniform(rng);
}

int64_t uda_rng_below(struct uda_rng *rng, int64_t n)
{
    uint32_t bound = (uint32_t)n;
    uint32_t reject_below = (uint32_t)(-bound) % bound;
    for (;;) {
        uint64_t product = (uint64_t)uda_rng_u32(rng) * bound;
        if ((uint32_t)product >= reject_below) {
            return (int64_t)(product >> 32);
        }
    }
}

float uda_rng_normal(struct uda_rng *rng)
{
    double u = ((double)uda_rng_u32(rng) + 0.5) * 0x1p-32;
    double v = ((double)uda_rng_u32(rng) + 0.5) * 0x1p-32;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

void uda_rng_shuffle(struct uda_rng *rng, int64_t *order, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = uda_rng_below(rng, i + 1);
        int64_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}
