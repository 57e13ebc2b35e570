#include "kernels/cpu/cpu.h"

#include "src/base/rng.h"

/* Numbers of one task. */
#define PIECE 16384

static void uniform_task(void *args, int64_t i)
{
    const struct uda_uniform_args *a = args;
    int64_t pieces = ceil_div(a->count, PIECE), r = i / pieces, first = i % pieces * PIECE;
    const uint32_t *c = a->counter + 4 * r;
    int64_t from = a->skip + first;
    struct uda_rng rng = {.key = {a->key[0], a->key[1]},
                          .counter = {c[0] + (uint32_t)(from / 4), c[1], c[2], c[3]}};
    for (int64_t k = 0; k < from % 4; k++) {
        (void)uda_rng_u32(&rng);
    }
    uda_rng_fill(&rng, a->y + r * a->count + first, min_i64(PIECE, a->count - first));
}

int UDA_CPU(uniform)(struct uda_stream *stream, struct uda_uniform_args *a)
{
    int64_t rows = a->live != NULL ? min_i64(a->rows, *a->live) : a->rows;
    uda_team_run(stream->team, rows * ceil_div(a->count, PIECE), uniform_task, a);
    return 0;
}
