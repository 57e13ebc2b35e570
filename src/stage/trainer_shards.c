/* Shards on their workers, and the sums of their gradients in a tree. */
#include "src/optim/launch.h"
#include "src/stage/trainer_parts.h"

/* ---- workers ---- */

int64_t uda_power_below(int64_t n)
{
    int64_t p = 1;
    while (2 * p <= n) {
        p *= 2;
    }
    return p;
}

int uda_trainer_create_workers(struct uda_trainer *trainer, int threads, struct uda_err *err)
{
    int64_t shards = trainer->share.shards;
    bool on_host = uda_device_is_host(&trainer->device);
    int64_t workers = on_host ? uda_power_below(threads < shards ? threads : shards) : 1;
    int levels = 1;
    while ((int64_t)1 << (levels - 1) < shards / workers) {
        levels++;
    }
    trainer->workers = (int)(workers < UDA_WORKERS_MOST ? workers : UDA_WORKERS_MOST);
    UDA_TRY(uda_team_create(&trainer->shard_team, trainer->workers, err));
    for (int w = 0; w < trainer->workers; w++) {
        struct uda_worker *worker = &trainer->worker[w];
        worker->device = &trainer->device;
        if (on_host) {
            worker->device = &worker->own_device;
            UDA_TRY(uda_device_init_cpu(worker->device, threads / trainer->workers, NULL, err));
        }
        uda_tape_init(&worker->tape, worker->device);
        worker->tape.type = trainer->spec.type;
        worker->tape.param_low = trainer->arrays.low;
        worker->ready = true;
        for (int level = 0; level < levels; level++) {
            UDA_TRY(uda_arrays_new_on(&worker->sum[level], &trainer->params, &trainer->device, err));
        }
    }
    return 0;
}

void uda_trainer_destroy_workers(struct uda_trainer *trainer)
{
    uda_team_destroy(&trainer->shard_team);
    for (int w = 0; w < UDA_WORKERS_MOST; w++) {
        struct uda_worker *worker = &trainer->worker[w];
        for (int level = 0; level < UDA_TREE_DEPTH; level++) {
            uda_device_free(&trainer->device, worker->sum[level]);
        }
        if (worker->ready) {
            uda_tape_finish(&worker->tape);
        }
        if (worker->own_device.kernels != NULL) {
            uda_device_finish(&worker->own_device);
        }
    }
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

/* y += x; both of the device. */
static int add_into(struct uda_device *device, float *y, const float *x, int64_t count,
                    struct uda_err *err)
{
    if (!uda_device_is_host(device)) {
        struct uda_scale_add_args a = {.count = count, .factor = 1.0f, .y = y, .x = x};
        return UDA_OPTIM_RUN(device, scale_add, &a, err);
    }
    struct add_job job = {.y = y, .x = x, .count = count};
    uda_team_run(device->stream.team, (count + ADD_CHUNK - 1) / ADD_CHUNK, add_chunk, &job);
    return 0;
}

/* After shard number `done` (from 1) of this worker: as long as two neighbours are complete, add
 * the right one to the left one. A binary counter: the sums are those of a balanced tree. */
static void close_pairs(struct uda_trainer *trainer, struct uda_worker *worker, int64_t done)
{
    for (int64_t n = done; n % 2 == 0; n /= 2) {
        if (add_into(worker->device, worker->sum[worker->open - 2], worker->sum[worker->open - 1],
                     trainer->params.total, &worker->err) != 0) {
            return; /* kept in worker->err */
        }
        worker->open--;
    }
}

/* ---- one shard ---- */

/* Images first.. of this rank's part of a batch. */
static struct uda_tensor *input(struct uda_trainer *trainer, struct uda_tape *tape,
                                const struct uda_batch *batch, int64_t first, int64_t images)
{
    int64_t dim[] = {images, batch->height, batch->width, 3}, at = first * batch->height * batch->width * 3;
    return batch->pixels == trainer->sent ? uda_tape_constant(tape, trainer->ahead + at, 4, dim)
                                          : uda_tape_input(tape, batch->pixels + at, 4, dim);
}

/* Room for the targets of a part of a shard: what its calls depend on. */
static int64_t shard_room(const struct uda_trainer *trainer, int64_t shard, int p)
{
    const struct uda_trainer_spec *spec = &trainer->spec;
    int64_t targets = 0;
    for (int64_t i = uda_shard_image(spec->batch, spec->shards, shard);
         i < uda_shard_image(spec->batch, spec->shards, shard + 1); i++) {
        targets += trainer->targets[p * spec->batch + i].count;
    }
    return uda_criterion_room(targets);
}

static uint64_t mix(uint64_t key, int64_t fact) { return (key ^ (uint64_t)fact) * 0x100000001b3u; }

/* What changes the kernels' calls of a part of a shard from step to step, as far as it is known before. */
static uint64_t list_key(const struct uda_trainer *trainer, int64_t shard, int p)
{
    const struct uda_batch *batch = &trainer->padded[p];
    uint64_t key = mix(mix(mix(0, shard), p), shard_room(trainer, shard, p));
    return mix(mix(mix(key, batch->height), batch->width), batch->pixels == trainer->sent);
}

/* Forward, losses and backward of one part's share of a shard. Errors are kept in the tape. */
static void queue_part(struct uda_trainer *trainer, struct uda_worker *worker, int64_t shard, int p)
{
    const struct uda_batch *batch = &trainer->padded[p];
    const struct uda_trainer_spec *spec = &trainer->spec;
    int64_t first = uda_shard_image(spec->batch, spec->shards, shard);
    int64_t images = uda_shard_image(spec->batch, spec->shards, shard + 1) - first;
    int64_t here = first - trainer->share.first_image; /* in this rank's batch */
    const struct uda_criterion_config criterion = uda_trainer_part_criterion(trainer, p);
    const struct uda_findings found = uda_found_there(&trainer->found, shard, p);
    struct uda_tape *tape = &worker->tape;
    const struct uda_draws draws = {.seed = spec->seed, .stage = spec->stage,
                                    .step = (uint32_t)trainer->t,
                                    .first_image = p * spec->batch + first};
    struct uda_predictions predictions;
    uda_tape_begin(tape, true);
    struct uda_tensor *image = input(trainer, tape, batch, here, images);
    uda_mask2former_forward(tape, &trainer->model, image, &draws, &predictions);
    uda_criterion_queue(tape, &criterion, &predictions, trainer->targets + p * spec->batch + first,
                        &trainer->norm[p], &draws, &found);
    trainer->shard_losses[shard * UDA_STEP_PARTS + p].predictions = predictions.count;
    uda_tape_backward(tape);
}

/* Adds the gradients of one part's share of a shard. On a device the calls are a list that comes again from
 * step to step. Errors are kept in worker->err. */
static void run_part(struct uda_trainer *trainer, struct uda_worker *worker, int64_t shard, int p)
{
    struct uda_err *err = &worker->err;
    if (uda_replay_begin(worker->device, list_key(trainer, shard, p), err) != 0) {
        return;
    }
    queue_part(trainer, worker, shard, p);
    if (uda_tape_status(&worker->tape, err) != 0) {
        uda_replay_abandon(worker->device);
    } else if (uda_replay_end(worker->device, err) != 0) {
        return;
    }
}

static void run_shard(struct uda_trainer *trainer, struct uda_worker *worker, int64_t shard)
{
    float *grads = worker->sum[worker->open++];
    if (uda_device_clear(worker->device, grads, uda_array_bytes(&trainer->params), &worker->err) != 0) {
        return; /* kept in worker->err */
    }
    worker->tape.param_values = trainer->arrays.live.values;
    worker->tape.param_grads = grads;
    for (int p = 0; p < trainer->parts && worker->err.code == UDA_OK; p++) {
        run_part(trainer, worker, shard, p);
    }
}

static void run_worker(void *args, int64_t w)
{
    struct uda_trainer *trainer = args;
    struct uda_worker *worker = &trainer->worker[w];
    int64_t each = trainer->share.shards / trainer->workers;
    worker->open = 0;
    for (int64_t i = 0; i < each && worker->err.code == UDA_OK; i++) {
        run_shard(trainer, worker, trainer->share.first_shard + w * each + i);
        close_pairs(trainer, worker, i + 1);
    }
}

int uda_trainer_run_shards(struct uda_trainer *trainer, struct uda_err *err)
{
    uda_team_run(trainer->shard_team, trainer->workers, run_worker, trainer);
    for (int w = 0; w < trainer->workers; w++) {
        if (trainer->worker[w].err.code != UDA_OK) {
            *err = trainer->worker[w].err;
            uda_err_clear(&trainer->worker[w].err);
            return (int)err->code;
        }
    }
    return 0;
}

int uda_trainer_sum(struct uda_trainer *trainer, struct uda_err *err)
{
    for (int step = 1; step < trainer->workers; step *= 2) {
        for (int w = 0; w < trainer->workers; w += 2 * step) {
            UDA_TRY(add_into(&trainer->device, trainer->worker[w].sum[0],
                             trainer->worker[w + step].sum[0], trainer->params.total, err));
        }
    }
    float *grads = uda_trainer_grads(trainer);
    if (trainer->device_sum != NULL) {
        return uda_device_sum_run(trainer->device_sum, grads, trainer->params.total, err);
    }
    if (trainer->staged == NULL) {
        return uda_dist_sum(&trainer->dist, grads, trainer->params.total, err);
    }
    size_t bytes = uda_array_bytes(&trainer->params);
    UDA_TRY(uda_device_download(&trainer->device, trainer->staged, grads, bytes, err));
    UDA_TRY(uda_dist_sum(&trainer->dist, trainer->staged, trainer->params.total, err));
    return uda_device_upload(&trainer->device, grads, trainer->staged, bytes, err);
}
