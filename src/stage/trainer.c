#include "src/stage/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TREE_DEPTH 16
#define WORKERS_MOST 64

/* What one shard at a time needs; workers run side by side. */
struct worker {
    struct uda_device device;
    struct uda_tape tape;
    bool ready; /* device and tape are initialised */
    /* Partial sums of gradients, one for each level of the tree that is open: sum[0..open-1]. */
    float *sum[TREE_DEPTH];
    int open;
    struct uda_err err;
};

struct uda_trainer {
    struct uda_trainer_spec spec;
    struct uda_params params;
    struct uda_mask2former model;
    float *values, *adam_m, *adam_v;
    struct uda_device device;  /* all threads: optimiser */
    struct uda_team *shard_team; /* one thread for each worker */
    struct worker worker[WORKERS_MOST];
    int workers;
    struct uda_losses *shard_losses; /* [UDA_STEP_PARTS, shards] */
    struct uda_targets *targets;     /* [UDA_STEP_PARTS, batch] */
    /* The step under way, for the workers. */
    const struct uda_step_part *part;
    int parts;
    struct uda_normaliser norm[UDA_STEP_PARTS];
    int64_t t;
};

/* Largest power of two <= n. */
static int64_t power_below(int64_t n)
{
    int64_t p = 1;
    while (2 * p <= n) {
        p *= 2;
    }
    return p;
}

static float *new_array(const struct uda_trainer *trainer, struct uda_err *err)
{
    float *array = uda_calloc((size_t)trainer->params.total * sizeof *array);
    if (array == NULL) {
        (void)uda_fail(err, UDA_NOMEM, "model: out of memory for %lld parameters",
                       (long long)trainer->params.elements);
    }
    return array;
}

static int create_workers(struct uda_trainer *trainer, int threads, struct uda_err *err)
{
    int64_t shards = trainer->spec.shards;
    int64_t workers = power_below(threads < shards ? threads : shards);
    int levels = 1;
    while ((int64_t)1 << (levels - 1) < shards / workers) {
        levels++;
    }
    trainer->workers = (int)(workers < WORKERS_MOST ? workers : WORKERS_MOST);
    UDA_TRY(uda_team_create(&trainer->shard_team, trainer->workers, err));
    for (int w = 0; w < trainer->workers; w++) {
        struct worker *worker = &trainer->worker[w];
        UDA_TRY(uda_device_init_cpu(&worker->device, threads / trainer->workers, NULL, err));
        uda_tape_init(&worker->tape, &worker->device);
        worker->ready = true;
        for (int level = 0; level < levels; level++) {
            worker->sum[level] = new_array(trainer, err);
            if (worker->sum[level] == NULL) {
                return UDA_NOMEM;
            }
        }
    }
    return 0;
}

static int build(struct uda_trainer *trainer, struct uda_err *err)
{
    const struct uda_trainer_spec *spec = &trainer->spec;
    uda_params_init(&trainer->params);
    uda_mask2former_build(&trainer->model, &trainer->params, &spec->model);
    UDA_TRY(uda_params_status(&trainer->params, err));
    UDA_TRY(uda_criterion_check(&spec->criterion, err));
    if (spec->shards < 1 || power_below(spec->shards) != spec->shards || spec->shards > spec->batch) {
        return uda_fail(err, UDA_MANIFEST,
                        "parallel.shards is %lld: a power of two, at most the batch (%lld)",
                        (long long)spec->shards, (long long)spec->batch);
    }
    trainer->values = new_array(trainer, err);
    trainer->adam_m = new_array(trainer, err);
    trainer->adam_v = new_array(trainer, err);
    trainer->shard_losses =
        uda_calloc((size_t)(UDA_STEP_PARTS * spec->shards) * sizeof *trainer->shard_losses);
    trainer->targets = uda_calloc((size_t)(UDA_STEP_PARTS * spec->batch) * sizeof *trainer->targets);
    if (trainer->values == NULL || trainer->adam_m == NULL || trainer->adam_v == NULL ||
        trainer->shard_losses == NULL || trainer->targets == NULL) {
        return uda_fail(err, UDA_NOMEM, "trainer: out of memory");
    }
    uda_params_initialise(&trainer->params, trainer->values, spec->seed);
    int threads = spec->threads > 0 ? spec->threads : uda_cores();
    UDA_TRY(uda_device_init_cpu(&trainer->device, threads, NULL, err));
    return create_workers(trainer, threads, err);
}

int uda_trainer_create(struct uda_trainer **out, const struct uda_trainer_spec *spec,
                       struct uda_err *err)
{
    struct uda_trainer *trainer = uda_calloc(sizeof *trainer);
    if (trainer == NULL) {
        return uda_fail(err, UDA_NOMEM, "trainer: out of memory");
    }
    trainer->spec = *spec;
    int rc = build(trainer, err);
    if (rc != 0) {
        uda_trainer_destroy(&trainer);
        return rc;
    }
    *out = trainer;
    return 0;
}

void uda_trainer_destroy(struct uda_trainer **out)
{
    struct uda_trainer *trainer = *out;
    if (trainer == NULL) {
        return;
    }
    uda_team_destroy(&trainer->shard_team);
    for (int w = 0; w < WORKERS_MOST; w++) {
        struct worker *worker = &trainer->worker[w];
        if (worker->ready) {
            uda_tape_finish(&worker->tape);
            uda_device_finish(&worker->device);
        }
        for (int level = 0; level < TREE_DEPTH; level++) {
            uda_free(worker->sum[level]);
        }
    }
    uda_device_finish(&trainer->device);
    uda_params_finish(&trainer->params);
    uda_free(trainer->values);
    uda_free(trainer->adam_m);
    uda_free(trainer->adam_v);
    uda_free(trainer->shard_losses);
    uda_free(trainer->targets);
    uda_free(trainer);
    *out = NULL;
}

/* ---- sums ---- */

struct add_job {
    float *y;
    const float *x;
    int64_t count;
};

#define ADD_CHUNK 16384

static void add_chunk(void *args, int64_t i)
{
    const struct add_job *job = args;
    int64_t last = (i + 1) * ADD_CHUNK < job->count ? (i + 1) * ADD_CHUNK : job->count;
    for (int64_t k = i * ADD_CHUNK; k < last; k++) {
        job->y[k] += job->x[k];
    }
}

static void add_into(struct uda_team *team, float *y, const float *x, int64_t count)
{
    struct add_job job = {.y = y, .x = x, .count = count};
    uda_team_run(team, (count + ADD_CHUNK - 1) / ADD_CHUNK, add_chunk, &job);
}

/* After shard number `done` (from 1) of this worker: as long as two neighbours are complete, add
 * the right one to the left one. A binary counter: the sums are those of a balanced tree. */
static void close_pairs(struct uda_trainer *trainer, struct worker *worker, int64_t done)
{
    for (int64_t n = done; n % 2 == 0; n /= 2) {
        add_into(worker->device.stream.team, worker->sum[worker->open - 2],
                 worker->sum[worker->open - 1], trainer->params.total);
        worker->open--;
    }
}

/* ---- one shard ---- */

/* Adds the gradients of one part's share of a shard. */
static void run_part(struct uda_trainer *trainer, struct worker *worker, int64_t shard, int p)
{
    const struct uda_batch *batch = trainer->part[p].batch;
    const struct uda_trainer_spec *spec = &trainer->spec;
    int64_t first = batch->images * shard / spec->shards;
    int64_t images = batch->images * (shard + 1) / spec->shards - first;
    struct uda_criterion_config criterion = spec->criterion;
    criterion.class_weight *= trainer->part[p].weight;
    criterion.mask_weight *= trainer->part[p].weight;
    criterion.dice_weight *= trainer->part[p].weight;
    struct uda_tape *tape = &worker->tape;
    const struct uda_draws draws = {.seed = spec->seed, .stage = spec->stage,
                                    .step = (uint32_t)trainer->t,
                                    .first_image = p * spec->batch + first};
    int64_t dim[] = {images, batch->height, batch->width, 3};
    struct uda_predictions predictions;
    uda_tape_begin(tape, true);
    struct uda_tensor *image = uda_tape_constant(
        tape, batch->pixels + first * batch->height * batch->width * 3, 4, dim);
    uda_mask2former_forward(tape, &trainer->model, image, &draws, &predictions);
    uda_criterion(tape, &criterion, &predictions, trainer->targets + p * spec->batch + first,
                  &trainer->norm[p], &draws, &trainer->shard_losses[p * spec->shards + shard]);
    uda_tape_backward(tape);
    if (uda_tape_status(tape, &worker->err) != 0) {
        return; /* kept in worker->err */
    }
}

static void run_shard(struct uda_trainer *trainer, struct worker *worker, int64_t shard)
{
    float *grads = worker->sum[worker->open++];
    memset(grads, 0, (size_t)trainer->params.total * sizeof *grads);
    worker->tape.param_values = trainer->values;
    worker->tape.param_grads = grads;
    for (int p = 0; p < trainer->parts && worker->err.code == UDA_OK; p++) {
        run_part(trainer, worker, shard, p);
    }
}

static void run_worker(void *args, int64_t w)
{
    struct uda_trainer *trainer = args;
    struct worker *worker = &trainer->worker[w];
    int64_t each = trainer->spec.shards / trainer->workers;
    worker->open = 0;
    for (int64_t i = 0; i < each && worker->err.code == UDA_OK; i++) {
        run_shard(trainer, worker, w * each + i);
        close_pairs(trainer, worker, i + 1);
    }
}

/* Sums over workers in the upper levels of the tree; the result is in worker 0's sum[0]. */
static void join_workers(struct uda_trainer *trainer)
{
    for (int step = 1; step < trainer->workers; step *= 2) {
        for (int w = 0; w < trainer->workers; w += 2 * step) {
            add_into(trainer->device.stream.team, trainer->worker[w].sum[0],
                     trainer->worker[w + step].sum[0], trainer->params.total);
        }
    }
}

static int prepare_part(struct uda_trainer *trainer, int p, struct uda_err *err)
{
    const struct uda_batch *batch = trainer->part[p].batch;
    struct uda_targets *targets = trainer->targets + p * trainer->spec.batch;
    if (batch->images != trainer->spec.batch) {
        return uda_fail(err, UDA_SHAPE, "step %lld: a batch of %lld images, expected %lld",
                        (long long)trainer->t, (long long)batch->images,
                        (long long)trainer->spec.batch);
    }
    for (int64_t i = 0; i < batch->images; i++) {
        targets[i] = (struct uda_targets){.count = batch->target[i].count,
                                          .height = batch->height, .width = batch->width,
                                          .cls = batch->target[i].cls,
                                          .mask = batch->target[i].masks};
    }
    trainer->norm[p] = (struct uda_normaliser){0};
    uda_normaliser_add(&trainer->norm[p], &trainer->spec.criterion, trainer->spec.model.queries,
                       targets, batch->images);
    return 0;
}

static int prepare(struct uda_trainer *trainer, const struct uda_step_part *part, int parts,
                   int64_t t, struct uda_err *err)
{
    if (parts < 1 || parts > UDA_STEP_PARTS) {
        return uda_fail(err, UDA_SHAPE, "step %lld: %d parts, 1 to %d", (long long)t, parts,
                        UDA_STEP_PARTS);
    }
    trainer->part = part;
    trainer->parts = parts;
    trainer->t = t;
    memset(trainer->shard_losses, 0,
           (size_t)(UDA_STEP_PARTS * trainer->spec.shards) * sizeof *trainer->shard_losses);
    for (int p = 0; p < parts; p++) {
        UDA_TRY(prepare_part(trainer, p, err));
    }
    return 0;
}

/* The parts' weighted losses, summed over shards. The totals carry their weights already. */
static void add_losses(const struct uda_trainer *trainer, struct uda_losses *sum)
{
    for (int p = 0; p < trainer->parts; p++) {
        double weight = (double)trainer->part[p].weight;
        for (int64_t shard = 0; shard < trainer->spec.shards; shard++) {
            struct uda_losses losses = trainer->shard_losses[p * trainer->spec.shards + shard];
            for (int i = 0; i < losses.predictions; i++) {
                losses.ce[i] *= weight;
                losses.mask[i] *= weight;
                losses.dice[i] *= weight;
            }
            uda_losses_add(sum, &losses);
        }
    }
}

/* Puts the step in front of an error's text: a diverged run is looked into from its step. */
static int fail_at_step(int64_t t, struct uda_err *err)
{
    char text[UDA_ERR_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "step %lld: %s", (long long)t, err->text);
    memcpy(err->text, text, sizeof err->text);
    return (int)err->code;
}

int uda_trainer_step(struct uda_trainer *trainer, const struct uda_step_part *part, int parts,
                     int64_t t, struct uda_step_report *report, struct uda_err *err)
{
    const struct uda_trainer_spec *spec = &trainer->spec;
    UDA_TRY(prepare(trainer, part, parts, t, err));
    uda_team_run(trainer->shard_team, trainer->workers, run_worker, trainer);
    for (int w = 0; w < trainer->workers; w++) {
        if (trainer->worker[w].err.code != UDA_OK) {
            *err = trainer->worker[w].err;
            uda_err_clear(&trainer->worker[w].err);
            return fail_at_step(t, err);
        }
    }
    join_workers(trainer);
    *report = (struct uda_step_report){.lr = uda_schedule_lr(&spec->schedule, t)};
    add_losses(trainer, &report->losses);
    float *grads = trainer->worker[0].sum[0];
    if (!isfinite(report->losses.total)) {
        return uda_fail(err, UDA_NONFINITE,
                        "step %lld: the loss is not a number: lower optimizer.lr, or look at the "
                        "data of this step", (long long)t);
    }
    if (uda_grad_norm(&report->grad_norm, &trainer->device, &trainer->params, grads, err) != 0) {
        return fail_at_step(t, err);
    }
    return uda_adamw_step(&trainer->device, &trainer->params, &spec->adamw, report->lr, t + 1,
                          uda_clip_factor(report->grad_norm, spec->clip), trainer->values, grads,
                          trainer->adam_m, trainer->adam_v, err);
}

const struct uda_params *uda_trainer_params(const struct uda_trainer *trainer)
{
    return &trainer->params;
}

float *uda_trainer_values(struct uda_trainer *trainer) { return trainer->values; }
float *uda_trainer_adam_m(struct uda_trainer *trainer) { return trainer->adam_m; }
float *uda_trainer_adam_v(struct uda_trainer *trainer) { return trainer->adam_v; }

void uda_trainer_made_with(const struct uda_trainer *trainer, char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "kernels '%s', matrix products '%s'", trainer->device.kernels->name,
                   trainer->device.kernels->libraries());
}

size_t uda_trainer_peak_bytes(const struct uda_trainer *trainer)
{
    size_t peak = 0;
    for (int w = 0; w < trainer->workers; w++) {
        peak += trainer->worker[w].device.pool.peak_bytes;
    }
    return peak;
}
