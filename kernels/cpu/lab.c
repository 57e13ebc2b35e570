#include "kernels/cpu/cpu.h"
#include "kernels/lab.h"

struct transfer {
    const struct uda_lab_transfer_args *args;
    double *lab;                   /* of the source */
    struct uda_lab_moment *moment; /* [blocks][3]: of the source, then of the target */
    int64_t source_blocks;
    struct uda_lab_stats from, to;
};

static void measure(double *lab, struct uda_lab_moment *moment, const uint8_t *rgb, int64_t pixels,
                    const struct uda_lab_levels *levels)
{
    for (int64_t p = 0; p < pixels; p++) {
        uda_lab_of_rgb(lab + 3 * p, rgb + 3 * p, levels);
    }
    for (int c = 0; c < 3; c++) {
        moment[c] = uda_lab_measure(lab + c, pixels);
    }
}

static void measure_block(void *args, int64_t i)
{
    const struct transfer *t = args;
    const struct uda_lab_transfer_args *a = t->args;
    int64_t block = i - t->source_blocks;
    if (block < 0) {
        int64_t first = 3 * UDA_LAB_BLOCK * i, pixels = uda_lab_block_pixels(i, a->source_pixels);
        measure(t->lab + first, t->moment + 3 * i, a->source + first, pixels, a->levels);
    } else {
        double lab[3 * UDA_LAB_BLOCK];
        measure(lab, t->moment + 3 * i, a->target + 3 * UDA_LAB_BLOCK * block,
                uda_lab_block_pixels(block, a->target_pixels), a->levels);
    }
}

static void join(struct uda_lab_stats *stats, const struct uda_lab_moment *moment, int64_t pixels)
{
    for (int c = 0; c < 3; c++) {
        uda_lab_join(&stats->mean[c], &stats->std[c], moment + c, pixels);
    }
}

static void move_block(void *args, int64_t i)
{
    const struct transfer *t = args;
    int64_t first = 3 * UDA_LAB_BLOCK * i, pixels = uda_lab_block_pixels(i, t->args->source_pixels);
    double *lab = t->lab + first;
    uint8_t *out = t->args->out + first;
    for (int64_t p = 0; p < pixels; p++) {
        uda_lab_shift(lab + 3 * p, &t->from, &t->to);
        uda_lab_to_rgb(out + 3 * p, lab + 3 * p, t->args->levels);
    }
}

int UDA_CPU(lab_transfer)(struct uda_stream *stream, struct uda_lab_transfer_args *a)
{
    int64_t source_blocks = uda_lab_blocks(a->source_pixels);
    int64_t target_blocks = uda_lab_blocks(a->target_pixels);
    if (a->ws.data == NULL) {
        a->ws.bytes = (size_t)a->source_pixels * 3 * sizeof(double) +
                      (size_t)(source_blocks + target_blocks) * 3 * sizeof(struct uda_lab_moment);
        return 0;
    }
    struct transfer t = {.args = a, .lab = a->ws.data, .source_blocks = source_blocks};
    t.moment = (void *)(t.lab + 3 * a->source_pixels);
    uda_team_run(stream->team, source_blocks + target_blocks, measure_block, &t);
    join(&t.from, t.moment, a->source_pixels);
    join(&t.to, t.moment + 3 * source_blocks, a->target_pixels);
    uda_team_run(stream->team, source_blocks, move_block, &t);
    return 0;
}
