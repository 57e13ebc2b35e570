#include "src/loss/criterion.h"

#include <string.h>

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

int64_t uda_criterion_room(int64_t targets)
{
    int64_t room = 8;
    while (room < targets) { /* 2^k to 3 2^(k-1) to 2^(k+1) */
        room += (room & (room - 1)) == 0 ? room / 2 : room / 3;
    }
    return targets == 0 ? 0 : room;
}

/* What kernels must know of a step's targets, in one block that goes up in one copy. Masks, most of it, come
 * last: what they leave of their room is not sent. */
struct facts {
    double *masks, *class_weight;         /* denominators */
    int64_t *first;                       /* [N + 1] targets of the images before */
    uint32_t *match_stream, *loss_stream; /* [predictions, N, 4], [predictions, room, 4]: their points */
    int32_t *cls;                         /* [room] */
    uint32_t *mask;                       /* [room, words] bits */
};

/* The criterion at work on predictions first..last-1 of a step. Pairs of all predictions and images:
 * uda_assign. */
struct work {
    const struct uda_criterion_config *config;
    const struct uda_predictions *predictions;
    const struct uda_draws *draws;
    const struct uda_normaliser *norm;
    const struct uda_targets *targets; /* [N] */
    int first, last;
    int64_t images, queries, total;    /* total: targets of all images */
    int64_t words;                     /* of a mask */
    int64_t candidates, important, random; /* points of a target's mask loss; random: free ones */
    struct facts facts;                /* device */
    struct uda_targets_sent sent;      /* places in facts; its room alone, not total, is a size of launches */
    int32_t *query, *target, *label;   /* device */
    struct uda_findings found;         /* device */
};

/* Where the points of one prediction of one image come from. */
static struct uda_rng point_stream(const struct work *w, enum uda_rng_purpose purpose, int64_t n,
                                   int prediction)
{
    const struct uda_draws *draws = w->draws;
    struct uda_rng rng;
    uint32_t sample = (uint32_t)((draws->first_image + n) * UDA_PREDICTIONS + prediction);
    uda_rng_init(&rng, draws->seed, purpose, draws->stage, draws->step, sample);
    return rng;
}

/* The blocks of a stream that one target's points take: candidates, then free ones. */
static int64_t target_blocks(const struct work *w) { return ((w->candidates + w->random) * 2 + 3) / 4; }

/* The parts of a block of facts, which is NULL to ask for what they take up to the masks. Their places are
 * those of the room. */
static size_t facts_place(struct facts *facts, const struct work *w, unsigned char *block)
{
    int64_t predictions = w->last - w->first;
    size_t first = 2 * sizeof *facts->masks;
    size_t match = first + (size_t)(w->images + 1) * sizeof *facts->first;
    size_t loss = match + (size_t)(predictions * w->images * 4) * sizeof *facts->match_stream;
    size_t cls = loss + (size_t)(predictions * w->sent.room * 4) * sizeof *facts->loss_stream;
    size_t mask = (cls + (size_t)w->sent.room * sizeof *facts->cls + 63) / 64 * 64;
    if (block != NULL) {
        double *denominator = (void *)block;
        *facts = (struct facts){.masks = denominator, .class_weight = denominator + 1,
                                .first = (void *)(block + first), .match_stream = (void *)(block + match),
                                .loss_stream = (void *)(block + loss), .cls = (void *)(block + cls),
                                .mask = (void *)(block + mask)};
    }
    return mask;
}

static void facts_fill(const struct facts *facts, const struct work *w)
{
    uint32_t *match = facts->match_stream;
    *facts->masks = w->norm->masks < 1.0 ? 1.0 : w->norm->masks;
    *facts->class_weight = w->norm->class_weight;
    facts->first[0] = 0;
    for (int64_t n = 0; n < w->images; n++) {
        const struct uda_targets *targets = &w->targets[n];
        facts->first[n + 1] = facts->first[n] + targets->count;
        for (int64_t m = 0; m < targets->count; m++) {
            facts->cls[facts->first[n] + m] = targets->cls[m];
        }
    }
    for (int prediction = w->first; prediction < w->last; prediction++) {
        uint32_t *loss = facts->loss_stream + (prediction - w->first) * w->sent.room * 4;
        for (int64_t n = 0; n < w->images; n++, match += 4) {
            struct uda_rng rng = point_stream(w, UDA_RNG_MATCH_POINTS, n, prediction);
            memcpy(match, rng.counter, sizeof rng.counter);
            rng = point_stream(w, UDA_RNG_LOSS_POINTS, n, prediction);
            for (int64_t m = 0; m < w->targets[n].count; m++, loss += 4) {
                uda_rng_seek(&rng, (uint32_t)(m * target_blocks(w)));
                memcpy(loss, rng.counter, sizeof rng.counter);
            }
        }
    }
}

struct packing {
    const struct work *w;
    const struct facts *facts;
};

/* The bits of target i of all images. */
static void pack_target(void *args, int64_t i)
{
    const struct packing *p = args;
    int64_t n = 0;
    while (i >= p->facts->first[n + 1]) {
        n++;
    }
    const struct uda_targets *targets = &p->w->targets[n];
    int64_t pixels = targets->height * targets->width;
    uda_mask_pack(p->facts->mask + i * p->w->words, targets->mask + (i - p->facts->first[n]) * pixels,
                  pixels);
}

/* Makes the facts and brings them to the device. */
static void send_facts(struct uda_tape *t, struct work *w)
{
    struct facts facts;
    size_t before = facts_place(&facts, w, NULL), mask = (size_t)w->words * sizeof *facts.mask;
    size_t room = before + (size_t)w->sent.room * mask;
    unsigned char *staged = uda_tape_stage(t, room);
    if (staged == NULL) {
        return;
    }
    (void)facts_place(&facts, w, staged);
    facts_fill(&facts, w);
    struct packing packing = {.w = w, .facts = &facts};
    uda_team_run(t->device->stream.team, w->total, pack_target, &packing);
    (void)facts_place(&w->facts, w, uda_tape_send(t, staged, before + (size_t)w->total * mask, room));
    w->sent.first = w->facts.first;
    w->sent.cls = w->facts.cls;
    w->sent.mask = w->facts.mask;
}

/* Mask and dice losses of one prediction. */
static void mask_losses(struct uda_tape *t, const struct work *w, int prediction)
{
    size_t pair = 2 * sizeof(float);
    int64_t room = w->sent.room, at = prediction * room;
    float *candidate = uda_tape_scratch(t, (size_t)(room * w->candidates) * pair);
    float *random = uda_tape_scratch(t, (size_t)(room * w->random) * pair);
    const struct uda_rng key = point_stream(w, UDA_RNG_LOSS_POINTS, 0, 0);
    const uint32_t *stream = w->facts.loss_stream + at * 4;
    const int64_t *live = w->facts.first + w->images;
    uda_uniform(t, candidate, room, w->candidates * 2, 0, &key, stream, live);
    uda_uniform(t, random, room, w->random * 2, w->candidates * 2, &key, stream, live);
    double *sum = w->found.sum + prediction;
    const struct uda_point_spec spec = {
        .points = w->config->points, .candidates = w->candidates, .important = w->important,
        .candidate = candidate, .random = random, .query = w->query + at, .target = w->target + at,
        .denominator = w->facts.masks, .mask_weight = w->config->mask_weight,
        .dice_weight = w->config->dice_weight};
    uda_mask_loss(t, &sum[1 * UDA_PREDICTIONS], &sum[2 * UDA_PREDICTIONS], w->predictions->embed[prediction],
                  w->predictions->mask_features, w->targets, &w->sent, &spec);
    uda_tape_scratch_put(t, random);
    uda_tape_scratch_put(t, candidate);
}

/* Losses of one prediction over all images. Without targets and a weight of queries that have none the class
 * loss is 0, and so may be its denominator. */
static void prediction_losses(struct uda_tape *t, const struct work *w, int prediction)
{
    if (w->sent.room > 0) {
        mask_losses(t, w, prediction);
    }
    if (w->sent.room > 0 || w->config->no_object > 0.0f) {
        uda_class_loss(t, w->found.sum + prediction, w->predictions->logits[prediction],
                       w->label + prediction * w->images * w->queries, w->config->no_object,
                       w->facts.class_weight, w->config->class_weight);
    }
}

/* The costs of all predictions and images, [Q room] of a prediction. */
static void match_costs(struct uda_tape *t, const struct work *w, float *cost)
{
    const struct uda_criterion_config *config = w->config;
    const struct uda_predictions *predictions = w->predictions;
    int64_t rows = (w->last - w->first) * w->images, numbers = config->points * 2;
    float *point = uda_tape_scratch(t, (size_t)(rows * numbers) * sizeof *point);
    const struct uda_rng key = point_stream(w, UDA_RNG_MATCH_POINTS, 0, 0);
    uda_uniform(t, point, rows, numbers, 0, &key, w->facts.match_stream, NULL);
    for (int64_t i = 0; i < rows && uda_tape_ok(t); i++) {
        int64_t p = i / w->images, n = i % w->images;
        const struct uda_match_spec spec = {.cls_weight = config->class_weight,
                                            .mask_weight = config->mask_weight,
                                            .dice_weight = config->dice_weight,
                                            .points = config->points, .point = point + i * numbers};
        uda_match_cost(t, cost + p * w->queries * w->sent.room, predictions->logits[w->first + p],
                       predictions->embed[w->first + p], predictions->mask_features, n, &w->targets[n],
                       &w->sent, &spec);
    }
    uda_tape_scratch_put(t, point);
}

/* Matches the predictions with all images' targets. Nothing waits. */
static void match(struct uda_tape *t, const struct work *w)
{
    int64_t count = w->last - w->first;
    float *cost = uda_tape_scratch(t, (size_t)(count * w->queries * w->sent.room) * sizeof *cost);
    if (w->sent.room > 0) {
        match_costs(t, w, cost);
    }
    const struct uda_assign_spec spec = {.predictions = count, .images = w->images, .queries = w->queries,
                                   .classes = w->predictions->logits[0]->dim[2] - 1, .cost = cost,
                                   .query = w->query, .target = w->target, .label = w->label,
                                   .wrong = w->found.wrong};
    uda_assign(t, w->targets, &w->sent, &spec);
    uda_tape_scratch_put(t, cost);
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

/* The sizes of a step, what kernels need to know of its targets, and room for the pairs; false on error. */
static bool prepare(struct uda_tape *t, struct work *w, const struct uda_targets *targets)
{
    const struct uda_criterion_config *config = w->config;
    const struct uda_tensor *logits = w->predictions->logits[0], *f = w->predictions->mask_features;
    int64_t predictions = w->last - w->first;
    w->images = logits->dim[0];
    w->queries = logits->dim[1];
    w->sent.height = 4 * f->dim[1];
    w->sent.width = 4 * f->dim[2];
    w->words = uda_mask_words(w->sent.height * w->sent.width);
    w->important = (int64_t)(config->importance * (double)config->points);
    w->candidates = (int64_t)((double)config->points * config->oversample);
    w->random = config->points - w->important;
    w->targets = targets;
    for (int64_t n = 0; n < w->images; n++) {
        w->total += targets[n].count;
    }
    w->sent.room = uda_criterion_room(w->total);
    send_facts(t, w);
    w->query = uda_tape_scratch(t, (size_t)(predictions * w->sent.room) * sizeof *w->query);
    w->target = uda_tape_scratch(t, (size_t)(predictions * w->sent.room) * sizeof *w->target);
    w->label = uda_tape_scratch(t, (size_t)(predictions * w->images * w->queries) * sizeof *w->label);
    return uda_tape_ok(t);
}

/* Findings in one block. */
static size_t findings_bytes(int64_t predictions, int64_t images)
{
    return sizeof(double) * 3 * UDA_PREDICTIONS + sizeof(int64_t) * (size_t)(predictions * images);
}

static struct uda_findings findings_at(void *block)
{
    double *sum = block;
    return (struct uda_findings){.sum = sum, .wrong = (void *)(sum + 3 * UDA_PREDICTIONS)};
}

int uda_findings_check(const struct uda_findings *found, int64_t predictions,
                       const struct uda_targets *targets, int64_t images, struct uda_err *err)
{
    for (int64_t i = 0; i < predictions * images; i++) {
        int64_t M = targets[i % images].count, at = found->wrong[i] - 1;
        if (at >= 0) {
            return uda_fail(err, UDA_NONFINITE,
                            "matching cost of query %lld and target %lld is not a number: training has "
                            "diverged: lower optimizer.lr", (long long)(at / M), (long long)(at % M));
        }
    }
    return 0;
}

struct uda_losses uda_findings_losses(const struct uda_findings *found,
                                      const struct uda_criterion_config *config, int predictions)
{
    struct uda_losses losses = {.predictions = predictions};
    for (int p = 0; p < predictions; p++) {
        losses.ce[p] = found->sum[p];
        losses.mask[p] = found->sum[UDA_PREDICTIONS + p];
        losses.dice[p] = found->sum[2 * UDA_PREDICTIONS + p];
        losses.total += (double)config->class_weight * losses.ce[p] +
                        (double)config->mask_weight * losses.mask[p] +
                        (double)config->dice_weight * losses.dice[p];
    }
    return losses;
}

void uda_criterion_queue(struct uda_tape *t, const struct uda_criterion_config *config,
                         const struct uda_predictions *predictions, const struct uda_targets *targets,
                         const struct uda_normaliser *norm, const struct uda_draws *draws,
                         const struct uda_findings *found)
{
    if (!uda_tape_ok(t) || !targets_fit(t, predictions, targets)) {
        return;
    }
    struct work w = {.config = config, .predictions = predictions, .draws = draws, .norm = norm,
                     .last = predictions->count, .found = *found};
    if (!prepare(t, &w, targets)) {
        return;
    }
    match(t, &w);
    for (int p = 0; p < predictions->count && uda_tape_ok(t); p++) {
        prediction_losses(t, &w, p);
    }
    if (!t->recording) { /* else backward reads what it needs of the facts */
        uda_tape_sent_put(t, w.facts.masks); /* the block */
    }
}

/* Device memory for findings, zeros; NULL on error. */
static void *new_findings(struct uda_tape *t, int64_t predictions, int64_t images)
{
    size_t bytes = findings_bytes(predictions, images);
    void *block = uda_tape_scratch(t, bytes);
    return block != NULL && uda_device_clear(t->device, block, bytes, &t->err) == 0 ? block : NULL;
}

/* Waits for findings and brings them to the host; NULL on error, also when a problem had no solution. Goes
 * back by uda_tape_host_scratch_put. */
static void *fetch(struct uda_tape *t, const void *there, int64_t predictions,
                   const struct uda_targets *targets, int64_t images)
{
    size_t bytes = findings_bytes(predictions, images);
    void *block = uda_tape_host_scratch(t, bytes);
    uda_tape_download(t, block, there, bytes);
    if (!uda_tape_ok(t)) {
        uda_tape_host_scratch_put(t, block);
        return NULL;
    }
    const struct uda_findings found = findings_at(block);
    if (uda_findings_check(&found, predictions, targets, images, &t->err) == 0) {
        return block;
    }
    uda_tape_host_scratch_put(t, block);
    return NULL;
}

void uda_criterion(struct uda_tape *t, const struct uda_criterion_config *config,
                   const struct uda_predictions *predictions, const struct uda_targets *targets,
                   const struct uda_normaliser *norm, const struct uda_draws *draws,
                   struct uda_losses *losses)
{
    *losses = (struct uda_losses){.predictions = predictions->count};
    int64_t images = uda_tape_ok(t) ? predictions->logits[0]->dim[0] : 0;
    void *there = new_findings(t, predictions->count, images);
    if (there == NULL) {
        return;
    }
    const struct uda_findings found = findings_at(there);
    uda_criterion_queue(t, config, predictions, targets, norm, draws, &found);
    void *block = fetch(t, there, predictions->count, targets, images);
    if (block != NULL) {
        const struct uda_findings here = findings_at(block);
        *losses = uda_findings_losses(&here, config, predictions->count);
    }
    uda_tape_host_scratch_put(t, block);
    uda_tape_scratch_put(t, there);
}

int64_t uda_criterion_match(struct uda_tape *t, const struct uda_criterion_config *config,
                            const struct uda_predictions *predictions, int prediction, int64_t n,
                            const struct uda_targets *targets, const struct uda_draws *draws,
                            int32_t *query, int32_t *target)
{
    const struct uda_normaliser none = {0};
    struct work w = {.config = config, .predictions = predictions, .draws = draws, .norm = &none,
                     .first = prediction, .last = prediction + 1};
    if (!uda_tape_ok(t) || targets[n].count == 0 || !targets_fit(t, predictions, targets) ||
        !prepare(t, &w, targets)) {
        return 0;
    }
    int64_t first = 0, pairs = targets[n].count < w.queries ? targets[n].count : w.queries;
    for (int64_t i = 0; i < n; i++) {
        first += targets[i].count;
    }
    void *there = new_findings(t, 1, w.images);
    if (there == NULL) {
        return 0;
    }
    w.found = findings_at(there);
    match(t, &w);
    uda_tape_sent_put(t, w.facts.masks); /* the block */
    uda_tape_host_scratch_put(t, fetch(t, there, 1, targets, w.images));
    uda_tape_scratch_put(t, there);
    uda_tape_download(t, query, w.query + first, (size_t)pairs * sizeof *query);
    uda_tape_download(t, target, w.target + first, (size_t)pairs * sizeof *target);
    return uda_tape_ok(t) ? pairs : 0;
}
