/* What all ranks know before a step: the frame, and how many targets each image has. */
#include "src/stage/trainer_parts.h"

static int64_t rank_images(const struct uda_trainer *trainer, int64_t rank, int64_t *first)
{
    const struct uda_trainer_spec *spec = &trainer->spec;
    int64_t each = trainer->share.shards;
    *first = uda_shard_image(spec->batch, spec->shards, rank * each);
    return uda_shard_image(spec->batch, spec->shards, (rank + 1) * each) - *first;
}

/* Facts of a rank: for each part height, width, and a count for each of its images. */
static int tell_facts(struct uda_trainer *trainer, struct uda_err *err)
{
    int64_t *fact = trainer->facts + trainer->dist.rank * trainer->facts_each;
    for (int p = 0; p < trainer->parts; p++) {
        const struct uda_batch *batch = trainer->part[p].batch;
        if (batch->images != trainer->share.images) {
            return uda_fail(err, UDA_SHAPE, "step %lld: a batch of %lld images, expected %lld",
                            (long long)trainer->t, (long long)batch->images,
                            (long long)trainer->share.images);
        }
        *fact++ = batch->height;
        *fact++ = batch->width;
        for (int64_t i = 0; i < batch->images; i++) {
            *fact++ = batch->target[i].count;
        }
    }
    return uda_dist_gather(&trainer->dist, trainer->facts,
                           (size_t)trainer->facts_each * sizeof *trainer->facts, err);
}

/* The counts of a part's targets over all ranks, and the largest frame. */
static void hear_facts(struct uda_trainer *trainer, int p, int64_t *height, int64_t *width)
{
    struct uda_targets *targets = trainer->targets + p * trainer->spec.batch;
    *height = *width = 0;
    for (int64_t r = 0; r < trainer->dist.ranks; r++) {
        int64_t first = 0, images = rank_images(trainer, r, &first);
        const int64_t *fact = trainer->facts + r * trainer->facts_each + p * (2 + images);
        *height = fact[0] > *height ? fact[0] : *height;
        *width = fact[1] > *width ? fact[1] : *width;
        for (int64_t i = 0; i < images; i++) {
            targets[first + i] = (struct uda_targets){.count = fact[2 + i]};
        }
    }
}

/* The denominators concern the whole batch, summed in its order whatever rank has which image. */
static int prepare_part(struct uda_trainer *trainer, int p, struct uda_err *err)
{
    const struct uda_batch *batch = trainer->part[p].batch;
    struct uda_batch *padded = &trainer->padded[p];
    struct uda_targets *targets = trainer->targets + p * trainer->spec.batch;
    int64_t height = 0, width = 0;
    hear_facts(trainer, p, &height, &width);
    *padded = *batch;
    if (height != batch->height || width != batch->width) {
        UDA_TRY(uda_batch_pad(padded, batch, height, width, &trainer->padding, err));
    }
    for (int64_t i = 0; i < batch->images; i++) {
        targets[trainer->share.first_image + i] =
            (struct uda_targets){.count = padded->target[i].count, .height = height, .width = width,
                                 .cls = padded->target[i].cls, .mask = padded->target[i].masks};
    }
    trainer->norm[p] = (struct uda_normaliser){0};
    uda_normaliser_add(&trainer->norm[p], &trainer->spec.criterion, trainer->spec.model.queries,
                       targets, trainer->spec.batch);
    return 0;
}

int uda_trainer_exchange(struct uda_trainer *trainer, struct uda_err *err)
{
    uda_arena_reset(&trainer->padding, 0);
    UDA_TRY(tell_facts(trainer, err));
    for (int p = 0; p < trainer->parts; p++) {
        UDA_TRY(prepare_part(trainer, p, err));
    }
    return 0;
}
