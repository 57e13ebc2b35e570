#include "src/optim/ema.h"
#include "src/stage/trainer_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* How gradients come from rank to rank. */
static int join_devices(struct uda_trainer *trainer, struct uda_err *err)
{
    if (trainer->dist.ranks == 1) {
        return 0;
    }
    UDA_TRY(uda_device_sum_create(&trainer->device_sum, trainer->summed, &trainer->dist, &trainer->device,
                                  UDA_DEVICE_SUM_BUCKET, err));
    return trainer->device_sum != NULL ? 0 : uda_arrays_new(&trainer->staged, &trainer->params, err);
}

/* The device, and its side of the arrays. */
static int open_device(struct uda_trainer *trainer, int threads, struct uda_err *err)
{
    const char *name = trainer->spec.device != NULL ? trainer->spec.device : "cpu";
    UDA_TRY(uda_device_init(&trainer->device, name, threads, err));
    UDA_TRY(uda_device_complete(&trainer->device, err));
    UDA_TRY(uda_arrays_place(&trainer->arrays, &trainer->device, trainer->spec.type, err));
    if (uda_device_is_host(&trainer->device)) {
        return 0;
    }
    return join_devices(trainer, err);
}

static void close_device(struct uda_trainer *trainer)
{
    uda_device_sum_destroy(&trainer->device_sum);
    uda_device_free(&trainer->device, trainer->ahead);
    uda_found_finish(&trainer->found, &trainer->device);
    uda_arrays_finish(&trainer->arrays, &trainer->device);
    if (trainer->device.kernels != NULL) {
        uda_device_finish(&trainer->device);
    }
    uda_free(trainer->staged);
}

int uda_trainer_upload(struct uda_trainer *trainer, struct uda_err *err)
{
    return uda_arrays_upload(&trainer->arrays, &trainer->device, err);
}

int uda_trainer_download(struct uda_trainer *trainer, struct uda_err *err)
{
    return uda_arrays_download(&trainer->arrays, &trainer->device, err);
}

int64_t uda_shard_image(int64_t batch, int64_t shards, int64_t shard) { return batch * shard / shards; }

/* Contiguous shards for each rank, so that a rank's sum is a whole branch of the tree. */
static int take_share(struct uda_trainer *trainer, struct uda_err *err)
{
    const struct uda_trainer_spec *spec = &trainer->spec;
    trainer->dist = spec->dist != NULL ? *spec->dist : uda_dist_alone();
    int64_t ranks = trainer->dist.ranks, each = spec->shards / ranks;
    if (each < 1) {
        return uda_fail(err, UDA_MANIFEST,
                        "parallel.shards is %lld and %lld ranks were started: each rank works on whole "
                        "shards, so start at most %lld", (long long)spec->shards, (long long)ranks,
                        (long long)spec->shards);
    }
    struct uda_share *share = &trainer->share;
    share->first_shard = each * trainer->dist.rank;
    share->shards = each;
    share->first_image = uda_shard_image(spec->batch, spec->shards, share->first_shard);
    share->images =
        uda_shard_image(spec->batch, spec->shards, share->first_shard + each) - share->first_image;
    trainer->facts_each = UDA_STEP_PARTS * (2 + (spec->batch + ranks - 1) / ranks);
    trainer->facts = uda_calloc((size_t)(ranks * trainer->facts_each) * sizeof *trainer->facts);
    return trainer->facts != NULL ? 0 : uda_fail(err, UDA_NOMEM, "trainer: out of memory");
}

/* Room for what a step finds out. */
static int open_found(struct uda_trainer *trainer, struct uda_err *err)
{
    const struct uda_trainer_spec *spec = &trainer->spec;
    return uda_found_init(&trainer->found, &trainer->device, trainer->share.first_shard,
                          trainer->share.shards, UDA_STEP_PARTS,
                          (spec->batch + spec->shards - 1) / spec->shards, err);
}

static int build(struct uda_trainer *trainer, struct uda_err *err)
{
    const struct uda_trainer_spec *spec = &trainer->spec;
    uda_params_init(&trainer->params);
    uda_mask2former_build(&trainer->model, &trainer->params, &spec->model);
    UDA_TRY(uda_params_status(&trainer->params, err));
    UDA_TRY(uda_criterion_check(&spec->criterion, err));
    if (spec->shards < 1 || uda_power_below(spec->shards) != spec->shards || spec->shards > spec->batch) {
        return uda_fail(err, UDA_MANIFEST,
                        "parallel.shards is %lld: a power of two, at most the batch (%lld)",
                        (long long)spec->shards, (long long)spec->batch);
    }
    UDA_TRY(take_share(trainer, err));
    UDA_TRY(uda_arrays_init(&trainer->arrays, &trainer->params, spec->teacher, err));
    trainer->shard_losses =
        uda_calloc((size_t)(UDA_STEP_PARTS * spec->shards) * sizeof *trainer->shard_losses);
    trainer->targets = uda_calloc((size_t)(UDA_STEP_PARTS * spec->batch) * sizeof *trainer->targets);
    if (trainer->shard_losses == NULL || trainer->targets == NULL) {
        return uda_fail(err, UDA_NOMEM, "trainer: out of memory");
    }
    uda_params_initialise(&trainer->params, trainer->arrays.host.values, spec->seed);
    int threads = spec->threads > 0 ? spec->threads : uda_cores();
    UDA_TRY(open_device(trainer, threads, err));
    UDA_TRY(open_found(trainer, err));
    return uda_trainer_create_workers(trainer, threads, err);
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
    uda_trainer_destroy_workers(trainer);
    close_device(trainer);
    uda_params_finish(&trainer->params);
    uda_free(trainer->shard_losses);
    uda_free(trainer->targets);
    uda_free(trainer->facts);
    uda_arena_finish(&trainer->padding);
    uda_free(trainer);
    *out = NULL;
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
    trainer->sent = trainer->ahead_of;
    trainer->ahead_of = NULL;
    trainer->t = t;
    memset(trainer->shard_losses, 0,
           (size_t)(UDA_STEP_PARTS * trainer->spec.shards) * sizeof *trainer->shard_losses);
    return uda_trainer_exchange(trainer, err);
}

struct uda_criterion_config uda_trainer_part_criterion(const struct uda_trainer *trainer, int p)
{
    struct uda_criterion_config criterion = trainer->spec.criterion;
    criterion.class_weight *= trainer->part[p].weight;
    criterion.mask_weight *= trainer->part[p].weight;
    criterion.dice_weight *= trainer->part[p].weight;
    return criterion;
}

/* Of one rank's shards. */
static size_t losses_bytes(const struct uda_trainer *trainer)
{
    return (size_t)(trainer->share.shards * UDA_STEP_PARTS) * sizeof *trainer->shard_losses;
}

/* The parts' weighted losses, summed over shards. The totals carry their weights already. */
static void add_losses(const struct uda_trainer *trainer, struct uda_losses *sum)
{
    for (int p = 0; p < trainer->parts; p++) {
        double weight = (double)trainer->part[p].weight;
        for (int64_t shard = 0; shard < trainer->spec.shards; shard++) {
            struct uda_losses losses = trainer->shard_losses[shard * UDA_STEP_PARTS + p];
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

/* Queues what follows the gradients of this rank's shards. A loss or cost that is no number makes this
 * rank's gradient none, hence the norm on every rank, and then the update changes nothing: no host has to
 * look before it. */
static int queue_update(struct uda_trainer *trainer, double lr, struct uda_err *err)
{
    const struct uda_trainer_spec *spec = &trainer->spec;
    const struct uda_array_set *live = &trainer->arrays.live;
    float *grads = uda_trainer_grads(trainer);
    UDA_TRY(uda_found_spoil(&trainer->found, &trainer->device, grads, err));
    UDA_TRY(uda_trainer_sum(trainer, err));
    UDA_TRY(uda_grad_squares(trainer->found.squares, &trainer->device, &trainer->params, grads, err));
    UDA_TRY(uda_adamw_step(&trainer->device, &trainer->params, &spec->adamw, lr, trainer->t + 1, spec->clip,
                           trainer->found.squares, live->values, grads, live->adam_m, live->adam_v, err));
    return uda_arrays_refresh(&trainer->arrays, &trainer->device, err);
}

/* The losses of this rank's shards from what has come to the host; the first wrong cost is an error. */
static int read_found(struct uda_trainer *trainer, struct uda_err *err)
{
    const struct uda_trainer_spec *spec = &trainer->spec;
    int rc = 0;
    for (int64_t i = 0; i < trainer->share.shards * trainer->parts; i++) {
        int64_t shard = trainer->share.first_shard + i / trainer->parts;
        int p = (int)(i % trainer->parts);
        int64_t first = uda_shard_image(spec->batch, spec->shards, shard);
        struct uda_losses *losses = &trainer->shard_losses[shard * UDA_STEP_PARTS + p];
        const struct uda_findings found = uda_found_here(&trainer->found, shard, p);
        const struct uda_criterion_config criterion = uda_trainer_part_criterion(trainer, p);
        *losses = uda_findings_losses(&found, &criterion, losses->predictions);
        if (rc == 0) {
            rc = uda_findings_check(&found, losses->predictions, trainer->targets + p * spec->batch + first,
                                    uda_shard_image(spec->batch, spec->shards, shard + 1) - first, err);
        }
    }
    return rc;
}

/* Waits for the step, and says what it did; every rank comes to the same end. */
static int report_step(struct uda_trainer *trainer, struct uda_step_report *report, struct uda_err *err)
{
    struct uda_err found = {0};
    UDA_TRY(uda_found_fetch(&trainer->found, &trainer->device, err));
    int rc = read_found(trainer, &found);
    UDA_TRY(uda_dist_gather(&trainer->dist, trainer->shard_losses, losses_bytes(trainer), err));
    if (rc != 0) {
        *err = found;
        return rc;
    }
    add_losses(trainer, &report->losses);
    if (!isfinite(report->losses.total)) {
        return uda_fail(err, UDA_NONFINITE,
                        "the loss is not a number: lower optimizer.lr, or look at the data of this step");
    }
    if (!isfinite(*trainer->found.squares_here)) {
        return uda_fail(err, UDA_NONFINITE,
                        "the gradient is not finite: training has diverged: lower optimizer.lr");
    }
    report->grad_norm = sqrt(*trainer->found.squares_here);
    return 0;
}

int uda_trainer_begin(struct uda_trainer *trainer, const struct uda_step_part *part, int parts, int64_t t,
                      struct uda_err *err)
{
    UDA_TRY(prepare(trainer, part, parts, t, err));
    UDA_TRY(uda_found_clear(&trainer->found, &trainer->device, err));
    if (uda_trainer_run_shards(trainer, err) != 0) {
        return fail_at_step(t, err);
    }
    return queue_update(trainer, uda_trainer_lr(trainer, t), err);
}

int uda_trainer_ahead(struct uda_trainer *trainer, const struct uda_batch *batch, struct uda_err *err)
{
    int64_t count = batch->images * batch->height * batch->width * 3;
    if (uda_device_is_host(&trainer->device)) {
        return 0;
    }
    if (count > trainer->ahead_room) {
        void *data = NULL;
        UDA_TRY(uda_device_alloc(&data, &trainer->device, (size_t)count * sizeof *trainer->ahead, err));
        uda_device_free(&trainer->device, trainer->ahead);
        trainer->ahead = data;
        trainer->ahead_room = count;
    }
    UDA_TRY(uda_device_send_copy(&trainer->device, trainer->ahead, batch->pixels,
                                 (size_t)count * sizeof *trainer->ahead, err));
    trainer->ahead_of = batch->pixels;
    return 0;
}

int uda_trainer_end(struct uda_trainer *trainer, struct uda_step_report *report, struct uda_err *err)
{
    *report = (struct uda_step_report){.lr = uda_trainer_lr(trainer, trainer->t)};
    return report_step(trainer, report, err) == 0 ? 0 : fail_at_step(trainer->t, err);
}

int uda_trainer_step(struct uda_trainer *trainer, const struct uda_step_part *part, int parts,
                     int64_t t, struct uda_step_report *report, struct uda_err *err)
{
    UDA_TRY(uda_trainer_begin(trainer, part, parts, t, err));
    return uda_trainer_end(trainer, report, err);
}

struct uda_share uda_trainer_share(const struct uda_trainer *trainer) { return trainer->share; }

const struct uda_params *uda_trainer_params(const struct uda_trainer *trainer)
{
    return &trainer->params;
}

float *uda_trainer_values(struct uda_trainer *trainer) { return trainer->arrays.host.values; }
float *uda_trainer_adam_m(struct uda_trainer *trainer) { return trainer->arrays.host.adam_m; }
float *uda_trainer_adam_v(struct uda_trainer *trainer) { return trainer->arrays.host.adam_v; }
float *uda_trainer_teacher(struct uda_trainer *trainer) { return trainer->arrays.host.teacher; }
float *uda_trainer_teacher_there(struct uda_trainer *trainer) { return trainer->arrays.live.teacher; }
void *uda_trainer_teacher_low(struct uda_trainer *trainer) { return trainer->arrays.teacher_low; }

int uda_trainer_average(struct uda_trainer *trainer, double alpha, struct uda_err *err)
{
    const struct uda_array_set *live = &trainer->arrays.live;
    UDA_TRY(uda_ema_update(&trainer->device, &trainer->params, live->teacher, live->values, alpha, err));
    return uda_arrays_refresh_teacher(&trainer->arrays, &trainer->device, err);
}

struct uda_device *uda_trainer_device(struct uda_trainer *trainer) { return &trainer->device; }

double uda_trainer_lr(const struct uda_trainer *trainer, int64_t t)
{
    return uda_schedule_lr(&trainer->spec.schedule, t);
}

void uda_trainer_made_with(const struct uda_trainer *trainer, char *text, size_t bytes)
{
    (void)uda_device_made_with(text, bytes, &trainer->device);
}

const char *uda_trainer_summed(const struct uda_trainer *trainer) { return trainer->summed; }

size_t uda_trainer_peak_bytes(const struct uda_trainer *trainer)
{
    size_t peak = 0;
    for (int w = 0; w < trainer->workers; w++) {
        peak += uda_device_peak_bytes(trainer->worker[w].device);
    }
    return peak;
}
