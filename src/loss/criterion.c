#include "src/loss/criterion.h"

#include "src/loss/assign.h"

struct uda_criterion_config uda_criterion_defaults(void)
{
    return (struct uda_criterion_config){.class_weight = 2.0f,
                                         .mask_weight = 5.0f,
                                         .dice_weight = 5.0f,
                                         .no_object = 0.1f,
                                         .points = 12544,
                                         .oversample = 3.0,
                                         .importance = 0.75};
}

int uda_criterion_check(const struct uda_criterion_config *c, struct uda_err *err)
{
    if (!(c->class_weight >= 0.0f && c->mask_weight >= 0.0f && c->dice_weight >= 0.0f &&
          c->no_object >= 0.0f)) {
        return uda_fail(err, UDA_MANIFEST, "loss: a weight is negative");
    }
    if (c->points < 1 || c->points > (1 << 24)) {
        return uda_fail(err, UDA_MANIFEST, "loss: points is %lld, must be 1..%d",
                        (long long)c->points, 1 << 24);
    }
    if (!(c->oversample >= 1.0 && c->oversample <= 64.0)) {
        return uda_fail(err, UDA_MANIFEST, "loss: oversample is %g, must be 1..64", c->oversample);
    }
    if (!(c->importance >= 0.0 && c->importance <= 1.0)) {
        return uda_fail(err, UDA_MANIFEST, "loss: importance is %g, must be 0..1", c->importance);
    }
    return 0;
}

void uda_normaliser_add(struct uda_normaliser *norm, const struct uda_criterion_config *config,
                        int64_t queries, const struct uda_targets *targets, int64_t images)
{
    for (int64_t n = 0; n < images; n++) {
        int64_t matched = targets[n].count < queries ? targets[n].count : queries;
        norm->masks += (double)targets[n].count;
        norm->class_weight +=
            (double)matched + (double)(queries - matched) * (double)config->no_object;
    }
}

void uda_losses_add(struct uda_losses *sum, const struct uda_losses *part)
{
    sum->predictions = part->predictions;
    for (int p = 0; p < part->predictions; p++) {
        sum->ce[p] += part->ce[p];
        sum->mask[p] += part->mask[p];
        sum->dice[p] += part->dice[p];
    }
    sum->total += part->total;
}

/* Stream of the points of one prediction of one image. */
static struct uda_rng point_stream(const struct uda_draws *draws, enum uda_rng_purpose purpose,
                                   int64_t n, int prediction)
{
    struct uda_rng rng;
    uint32_t sample = (uint32_t)((draws->first_image + n) * UDA_PREDICTIONS + prediction);
    uda_rng_init(&rng, draws->seed, purpose, draws->stage, draws->step, sample);
    return rng;
}

int64_t uda_criterion_match(struct uda_tape *t, const struct uda_criterion_config *config,
                            const struct uda_predictions *predictions, int prediction, int64_t n,
                            const struct uda_targets *targets, const struct uda_draws *draws,
                            int32_t *query, int32_t *target)
{
    if (!uda_tape_ok(t) || targets->count == 0) {
        return 0;
    }
    int64_t Q = predictions->logits[prediction]->dim[1], M = targets->count;
    size_t point_bytes = (size_t)config->points * 2 * sizeof(float);
    float *point = uda_tape_scratch(t, point_bytes);
    float *cost = uda_tape_scratch(t, (size_t)(Q * M) * sizeof *cost);
    void *work = uda_tape_scratch(t, uda_assign_bytes(Q, M));
    if (uda_tape_ok(t)) {
        struct uda_rng rng = point_stream(draws, UDA_RNG_MATCH_POINTS, n, prediction);
        uda_rng_fill(&rng, point, config->points * 2);
        struct uda_match_spec spec = {.cls_weight = config->class_weight,
                                      .mask_weight = config->mask_weight,
                                      .dice_weight = config->dice_weight,
                                      .points = config->points,
                                      .point = point};
        uda_match_cost(t, cost, predictions->logits[prediction], predictions->embed[prediction],
                       predictions->mask_features, n, targets, &spec);
    }
    int64_t pairs = 0;
    if (uda_tape_ok(t) && uda_assign(query, target, cost, Q, M, work, &t->err) == 0) {
        pairs = Q < M ? Q : M;
    }
    if (work != NULL) {
        uda_tape_scratch_put(t, work);
    }
    if (cost != NULL) {
        uda_tape_scratch_put(t, cost);
    }
    if (point != NULL) {
        uda_tape_scratch_put(t, point);
    }
    return pairs;
}

/* The candidates and the free points of every matched mask; a mask's points depend on its target,
 * not on its row. */
struct point_fill {
    struct uda_rng stream;
    const int32_t *target;
    int64_t candidates, random;
    float *candidate, *free;
};

static void fill_row(void *args, int64_t r)
{
    const struct point_fill *f = args;
    struct uda_rng rng = f->stream;
    int64_t blocks = ((f->candidates + f->random) * 2 + 3) / 4;
    uda_rng_seek(&rng, (uint32_t)(f->target[r] * blocks));
    uda_rng_fill(&rng, f->candidate + r * f->candidates * 2, f->candidates * 2);
    uda_rng_fill(&rng, f->free + r * f->random * 2, f->random * 2);
}

/* Mask and dice loss of one image in one prediction. */
static void mask_losses(struct uda_tape *t, const struct uda_criterion_config *config,
                        const struct uda_predictions *predictions, int prediction, int64_t n,
                        const struct uda_targets *targets, const struct uda_matches *matches,
                        const struct uda_normaliser *norm, const struct uda_draws *draws,
                        struct uda_losses *losses)
{
    int64_t important = (int64_t)(config->importance * (double)config->points);
    struct point_fill fill = {
        .stream = point_stream(draws, UDA_RNG_LOSS_POINTS, n, prediction),
        .target = matches->target,
        .candidates = (int64_t)((double)config->points * config->oversample),
        .random = config->points - important};
    size_t pair = 2 * sizeof(float);
    fill.candidate = uda_tape_scratch(t, (size_t)(matches->count * fill.candidates) * pair);
    fill.free = uda_tape_scratch(t, (size_t)(matches->count * fill.random) * pair);
    if (uda_tape_ok(t)) {
        uda_team_run(t->device->stream.team, matches->count, fill_row, &fill);
        struct uda_point_spec spec = {.points = config->points,
                                      .candidates = fill.candidates,
                                      .important = important,
                                      .candidate = fill.candidate,
                                      .random = fill.free,
                                      .denominator = norm->masks < 1.0 ? 1.0 : norm->masks,
                                      .mask_weight = config->mask_weight,
                                      .dice_weight = config->dice_weight};
        uda_mask_loss(t, &losses->mask[prediction], &losses->dice[prediction],
                      predictions->embed[prediction], predictions->mask_features, n, targets,
                      matches, &spec);
    }
    if (fill.free != NULL) {
        uda_tape_scratch_put(t, fill.free);
    }
    if (fill.candidate != NULL) {
        uda_tape_scratch_put(t, fill.candidate);
    }
}

/* Matches and losses of one prediction over all images. target [N Q] is scratch of the caller. */
static void prediction_losses(struct uda_tape *t, const struct uda_criterion_config *config,
                              const struct uda_predictions *predictions, int prediction,
                              const struct uda_targets *targets, const struct uda_normaliser *norm,
                              const struct uda_draws *draws, int32_t *target,
                              struct uda_losses *losses)
{
    const struct uda_tensor *logits = predictions->logits[prediction];
    int64_t N = logits->dim[0], Q = logits->dim[1], K = logits->dim[2] - 1;
    for (int64_t i = 0; i < N * Q; i++) {
        target[i] = (int32_t)K;
    }
    for (int64_t n = 0; n < N && uda_tape_ok(t); n++) {
        int64_t room = targets[n].count < Q ? targets[n].count : Q;
        int32_t *pair = uda_arena_alloc(&t->arena, (size_t)(2 * room) * sizeof *pair);
        if (pair == NULL) {
            (void)uda_tape_fail(t, UDA_NOMEM, "criterion: out of memory");
            return;
        }
        struct uda_matches matches = {.query = pair, .target = pair + room};
        matches.count = uda_criterion_match(t, config, predictions, prediction, n, &targets[n],
                                            draws, pair, pair + room);
        for (int64_t r = 0; r < matches.count; r++) {
            target[n * Q + matches.query[r]] = targets[n].cls[matches.target[r]];
        }
        if (matches.count > 0) {
            mask_losses(t, config, predictions, prediction, n, &targets[n], &matches, norm, draws,
                        losses);
        }
    }
    if (norm->class_weight > 0.0) { /* 0 only if nothing is matched and no_object is 0 */
        uda_class_loss(t, &losses->ce[prediction], predictions->logits[prediction], target,
                       config->no_object, norm->class_weight, config->class_weight);
    }
}

/* Classes in 0..K-1 and masks of the padded input size, which is four times the mask features. */
static bool targets_fit(struct uda_tape *t, const struct uda_predictions *predictions,
                        const struct uda_targets *targets)
{
    const struct uda_tensor *logits = predictions->logits[0], *f = predictions->mask_features;
    for (int64_t n = 0; n < logits->dim[0]; n++) {
        const struct uda_targets *image = &targets[n];
        bool fits = image->count == 0 ||
                    (image->height == 4 * f->dim[1] && image->width == 4 * f->dim[2]);
        for (int64_t m = 0; m < image->count; m++) {
            fits = fits && image->cls[m] >= 0 && image->cls[m] < logits->dim[2] - 1;
        }
        if (!fits) {
            (void)uda_tape_fail(t, UDA_SHAPE,
                                "criterion: targets of image %lld do not fit a model of %lld classes "
                                "at %lld x %lld",
                                (long long)n, (long long)(logits->dim[2] - 1),
                                (long long)(4 * f->dim[1]), (long long)(4 * f->dim[2]));
            return false;
        }
    }
    return true;
}

void uda_criterion(struct uda_tape *t, const struct uda_criterion_config *config,
                   const struct uda_predictions *predictions, const struct uda_targets *targets,
                   const struct uda_normaliser *norm, const struct uda_draws *draws,
                   struct uda_losses *losses)
{
    *losses = (struct uda_losses){.predictions = predictions->count};
    if (!uda_tape_ok(t) || !targets_fit(t, predictions, targets)) {
        return;
    }
    const struct uda_tensor *logits = predictions->logits[0];
    size_t bytes = (size_t)(logits->dim[0] * logits->dim[1]) * sizeof(int32_t);
    int32_t *target = uda_tape_scratch(t, bytes);
    if (target == NULL) {
        return;
    }
    for (int p = 0; p < predictions->count; p++) {
        prediction_losses(t, config, predictions, p, targets, norm, draws, target, losses);
        losses->total += (double)config->class_weight * losses->ce[p] +
                         (double)config->mask_weight * losses->mask[p] +
                         (double)config->dice_weight * losses->dice[p];
    }
    uda_tape_scratch_put(t, target);
}
