/*
 * Colour transfer. Three stages: blocks of pixels are measured, by one thread a channel in the order of the
 * pixels; one thread for each image and channel joins its blocks; every pixel is moved. Compiled with
 * -fmad=false: with the same operations in the same order the bytes are the CPU's (kernels/lab.h).
 */
#include "kernels/cuda/device.cuh"
#include "kernels/lab.h"

#define THREADS 256

/* Block i of the grid: block i of the source, or i - source_blocks of the target. moment [blocks][3]. */
static __global__ void __launch_bounds__(THREADS)
    lab_measure(struct uda_lab_moment *moment, const uint8_t *source, const uint8_t *target,
                int64_t source_pixels, int64_t target_pixels, const struct uda_lab_levels *levels)
{
    UDA_SHARED(double, lab, [3 * UDA_LAB_BLOCK]);
    int64_t source_blocks = uda_lab_blocks(source_pixels), block = blockIdx.x;
    bool of_source = block < source_blocks;
    block -= of_source ? 0 : source_blocks;
    int64_t pixels = uda_lab_block_pixels(block, of_source ? source_pixels : target_pixels);
    const uint8_t *rgb = (of_source ? source : target) + 3 * UDA_LAB_BLOCK * block;
    for (int64_t p = threadIdx.x; p < pixels; p += THREADS) {
        uda_lab_of_rgb(lab + 3 * p, rgb + 3 * p, levels);
    }
    __syncthreads();
    if (threadIdx.x < 3) {
        moment[3 * (int64_t)blockIdx.x + threadIdx.x] = uda_lab_measure(lab + threadIdx.x, pixels);
    }
}

/* stats: of the source, then of the target. */
static __global__ void __launch_bounds__(UDA_WARP)
    lab_join(struct uda_lab_stats *stats, const struct uda_lab_moment *moment, int64_t source_pixels,
             int64_t target_pixels)
{
    int image = (int)threadIdx.x / 3, c = (int)threadIdx.x % 3;
    if (image < 2) {
        const struct uda_lab_moment *first = moment + (image == 0 ? 0 : 3 * uda_lab_blocks(source_pixels));
        uda_lab_join(&stats[image].mean[c], &stats[image].std[c], first + c,
                     image == 0 ? source_pixels : target_pixels);
    }
}

/* out may be source: a thread reads its pixel and writes it. */
static __global__ void __launch_bounds__(THREADS)
    lab_move(uint8_t *out, const uint8_t *source, int64_t pixels, const struct uda_lab_stats *stats,
             const struct uda_lab_levels *levels)
{
    int64_t p = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (p < pixels) {
        double lab[3];
        uda_lab_of_rgb(lab, source + 3 * p, levels);
        uda_lab_shift(lab, &stats[0], &stats[1]);
        uda_lab_to_rgb(out + 3 * p, lab, levels);
    }
}

int uda_cuda_lab_transfer(struct uda_stream *stream, struct uda_lab_transfer_args *a)
{
    int64_t blocks = uda_lab_blocks(a->source_pixels) + uda_lab_blocks(a->target_pixels);
    if (a->ws.data == NULL) {
        a->ws.bytes = 2 * sizeof(struct uda_lab_stats) + (size_t)blocks * 3 * sizeof(struct uda_lab_moment);
        return 0;
    }
    struct uda_lab_stats *stats = (struct uda_lab_stats *)a->ws.data;
    struct uda_lab_moment *moment = (struct uda_lab_moment *)(stats + 2);
    UDA_CUDA_LAUNCH(lab_measure, uda_blocks(blocks, 1), THREADS, 0, stream, moment, a->source, a->target,
                    a->source_pixels, a->target_pixels, a->levels);
    UDA_CUDA_LAUNCH(lab_join, 1, UDA_WARP, 0, stream, stats, moment, a->source_pixels, a->target_pixels);
    UDA_CUDA_LAUNCH(lab_move, uda_blocks(a->source_pixels, THREADS), THREADS, 0, stream, a->out, a->source,
                    a->source_pixels, stats, a->levels);
    return uda_cuda_launched();
}
