#include "kernels/cuda/device.cuh"

#define THREADS 256

/* uda_philox (src/base/rng.c). */
static __device__ __forceinline__ void philox(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ k0;
        c[1] = (uint32_t)p1;
        c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* A thread draws one block of a row's stream: four numbers, of which the first and the last block of a row
 * may keep fewer. FOURS: rows begin and end with whole blocks, at addresses that four values may have. */
template <bool FOURS>
static __global__ void __launch_bounds__(THREADS)
    draw_blocks(const __grid_constant__ uda_uniform_args a, int64_t blocks)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, r = uda_divide(at, blocks), b = at - r * blocks;
    if (r >= (a.live != nullptr ? uda_least(a.rows, *a.live) : a.rows)) {
        return;
    }
    const uint32_t *counter = a.counter + 4 * r;
    uint32_t c[4] = {counter[0] + (uint32_t)(a.skip / 4 + b), counter[1], counter[2], counter[3]};
    philox(c, a.key[0], a.key[1]);
    uda_quad q;
    for (int i = 0; i < 4; i++) {
        q.v[i] = (float)(c[i] >> 8) * 0x1p-24f;
    }
    int64_t first = 4 * b - a.skip % 4;
    float *y = a.y + r * a.count;
    if (FOURS) {
        uda_store4(y + first, q);
    } else {
        for (int i = 0; i < 4; i++) {
            if (first + i >= 0 && first + i < a.count) {
                y[first + i] = q.v[i];
            }
        }
    }
}

int uda_cuda_uniform(struct uda_stream *stream, struct uda_uniform_args *a)
{
    int64_t blocks = a->count > 0 ? uda_ceil_div(a->skip % 4 + a->count, 4) : 0;
    dim3 grid = uda_blocks(a->rows * blocks, THREADS);
    if (a->skip % 4 == 0 && a->count % 4 == 0 && uda_fours(a->y)) {
        UDA_CUDA_LAUNCH(draw_blocks<true>, grid, THREADS, 0, stream, *a, blocks);
    } else {
        UDA_CUDA_LAUNCH(draw_blocks<false>, grid, THREADS, 0, stream, *a, blocks);
    }
    return uda_cuda_launched();
}
