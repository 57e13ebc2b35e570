#include "src/stage/predictor.h"

#include "src/data/batch.h"
#include "src/data/resize.h"
#include "src/model/mask2former.h"
#include "src/model/postprocess.h"
#include "src/optim/low.h"
#include "src/stage/stop.h"
#include "src/stage/weights.h"

#include <stdio.h>
#include <string.h>

/* Up to this many pixels images are predicted side by side. */
#define SMALL_PX (512 * 512)
#define WORKERS_MOST 64
#define CHUNK 32 /* images between two looks at the clock */

struct worker {
    struct uda_device *device; /* own_device, or the spec's `on` */
    struct uda_device own_device;
    struct uda_tape tape;
    struct uda_arena scratch;
    bool ready;
};

/* One image of the chunk under way. */
struct slot {
    struct uda_arena arena; /* its detections */
    struct uda_detections found;
    struct uda_err err;
};

struct uda_predictor {
    struct uda_predictor_spec spec;
    struct uda_params params;
    struct uda_mask2former model;
    float *values;     /* of the device */
    float *own_values; /* on the host; NULL: borrowed */
    float *there;      /* a copy of them in the memory of a GPU */
    void *low;         /* the values in bf16, of the device; NULL in fp32 */
    void *own_low;     /* the same unless it is borrowed */
    struct uda_team *team; /* one thread for each small worker */
    struct worker wide;    /* all threads on one image */
    struct worker worker[WORKERS_MOST];
    int workers;
    /* The run under way. */
    uda_load_image_fn *load;
    void *args;
    int64_t first, count;
    struct slot slot[CHUNK];
    bool side_by_side;
};

/* on: a device to borrow; NULL: an own one of that name. */
static int worker_init(struct worker *worker, struct uda_device *on, const char *name, int threads,
                       struct uda_err *err)
{
    worker->device = on;
    if (on == NULL) {
        worker->device = &worker->own_device;
        UDA_TRY(uda_device_init(worker->device, name, threads, err));
    }
    uda_tape_init(&worker->tape, worker->device);
    worker->ready = true;
    return 0;
}

static void worker_finish(struct worker *worker)
{
    if (worker->ready) {
        uda_tape_finish(&worker->tape);
        uda_arena_finish(&worker->scratch);
    }
    if (worker->own_device.kernels != NULL) {
        uda_device_finish(&worker->own_device);
    }
}

static int read_values(struct uda_predictor *p, struct uda_err *err)
{
    p->own_values = uda_calloc((size_t)p->params.total * sizeof *p->own_values);
    p->values = p->own_values;
    if (p->values == NULL) {
        return uda_fail(err, UDA_NOMEM, "predictor: out of memory for the weights");
    }
    struct uda_store *store = NULL;
    UDA_TRY(uda_store_open(&store, p->spec.weights, err));
    int rc = uda_weights_get(p->values, store, "params", &p->params, err);
    uda_store_close(&store);
    return rc;
}

/* Own values go to the device. */
static int place_values(struct uda_predictor *p, struct uda_err *err)
{
    struct uda_device *device = p->wide.device;
    size_t bytes = (size_t)p->params.total * sizeof *p->values;
    p->low = p->spec.low;
    UDA_TRY(uda_device_complete(device, err));
    if (p->spec.type == UDA_BF16 && p->low == NULL) {
        UDA_TRY(uda_low_alloc(&p->own_low, device, &p->params, err));
        p->low = p->own_low;
    }
    if (!uda_device_is_host(device) && p->own_values != NULL) {
        void *there = NULL;
        UDA_TRY(uda_device_alloc(&there, device, bytes, err));
        p->there = p->values = there;
        UDA_TRY(uda_device_upload(device, there, p->own_values, bytes, err));
    }
    return p->own_low == NULL ? 0 : uda_low_refresh(device, &p->params, p->own_low, p->values, err);
}

static int build(struct uda_predictor *p, struct uda_err *err)
{
    uda_params_init(&p->params);
    uda_mask2former_build(&p->model, &p->params, &p->spec.model);
    UDA_TRY(uda_params_status(&p->params, err));
    p->values = p->spec.values;
    if (p->values == NULL) {
        UDA_TRY(read_values(p, err));
    }
    int threads = p->spec.threads > 0 ? p->spec.threads : uda_cores();
    UDA_TRY(worker_init(&p->wide, p->spec.on, p->spec.device != NULL ? p->spec.device : "cpu", threads, err));
    UDA_TRY(place_values(p, err));
    if (!uda_device_is_host(p->wide.device)) {
        return 0;
    }
    p->workers = threads < WORKERS_MOST ? threads : WORKERS_MOST;
    for (int w = 0; w < p->workers; w++) {
        UDA_TRY(worker_init(&p->worker[w], NULL, "cpu", 1, err));
    }
    return uda_team_create(&p->team, p->workers, err);
}

int uda_predictor_create(struct uda_predictor **out, const struct uda_predictor_spec *spec,
                         struct uda_err *err)
{
    struct uda_predictor *p = uda_calloc(sizeof *p);
    if (p == NULL) {
        return uda_fail(err, UDA_NOMEM, "predictor: out of memory");
    }
    p->spec = *spec;
    p->spec.producer = spec->producer != NULL ? spec->producer : spec->weights;
    int rc = build(p, err);
    if (rc != 0) {
        uda_predictor_destroy(&p);
        return rc;
    }
    *out = p;
    return 0;
}

void uda_predictor_destroy(struct uda_predictor **out)
{
    struct uda_predictor *p = *out;
    if (p == NULL) {
        return;
    }
    uda_team_destroy(&p->team);
    if (p->wide.device != NULL) {
        uda_device_free(p->wide.device, p->there);
        uda_device_free(p->wide.device, p->own_low);
    }
    worker_finish(&p->wide);
    for (int w = 0; w < WORKERS_MOST; w++) {
        worker_finish(&p->worker[w]);
    }
    for (int i = 0; i < CHUNK; i++) {
        uda_arena_finish(&p->slot[i].arena);
    }
    uda_params_finish(&p->params);
    uda_free(p->own_values);
    uda_free(p);
    *out = NULL;
}

/* The network's input for an image: resized, normalised, padded. */
struct input {
    float *pixels;
    int64_t height, width;               /* of the resized image */
    int64_t padded_height, padded_width;
};

static int make_input(struct input *input, const struct uda_predictor *p,
                      const struct uda_image *image, struct uda_arena *arena, struct uda_err *err)
{
    input->height = image->height;
    input->width = image->width;
    const uint8_t *rgb = image->rgb;
    if (p->spec.short_side > 0) {
        uda_resize_shortest_edge(&input->height, &input->width, image->height, image->width,
                                 p->spec.short_side, p->spec.max_long_side);
    }
    if (input->height != image->height || input->width != image->width) {
        uint8_t *resized = uda_arena_alloc(arena, (size_t)(input->height * input->width * 3));
        if (resized == NULL) {
            return uda_fail(err, UDA_NOMEM, "predictor: out of memory");
        }
        const struct uda_resize resize = {
            .height = input->height, .width = input->width,
            .window = {.height = input->height, .width = input->width}};
        UDA_TRY(uda_resize_image(resized, image, &resize, arena, err));
        rgb = resized;
    }
    input->padded_height = uda_batch_round_up(input->height, UDA_BATCH_ALIGN_PX);
    input->padded_width = uda_batch_round_up(input->width, UDA_BATCH_ALIGN_PX);
    size_t values = (size_t)(input->padded_height * input->padded_width * 3);
    input->pixels = uda_arena_alloc(arena, values * sizeof *input->pixels);
    if (input->pixels == NULL) {
        return uda_fail(err, UDA_NOMEM, "predictor: out of memory");
    }
    uda_batch_normalise(input->pixels, input->padded_height, input->padded_width, rgb,
                        input->height, input->width);
    return 0;
}

/* The same kernels' calls for every image of a size. */
static int forward(struct uda_predictor *p, struct uda_tape *tape, const struct input *input,
                   struct uda_predictions *predictions, struct uda_err *err)
{
    int64_t dim[] = {1, input->padded_height, input->padded_width, 3};
    UDA_TRY(uda_replay_begin(tape->device, (uint64_t)(dim[1] << 32 | dim[2]), err));
    uda_tape_begin(tape, false);
    uda_mask2former_forward(tape, &p->model, uda_tape_input(tape, input->pixels, 4, dim), NULL, predictions);
    if (!uda_tape_ok(tape)) {
        uda_replay_abandon(tape->device);
        return uda_tape_status(tape, err);
    }
    return uda_replay_end(tape->device, err);
}

static int predict_one(struct uda_predictor *p, struct worker *worker, struct slot *slot, int64_t i,
                       struct uda_err *err)
{
    struct uda_image image;
    struct input input;
    const char *name = NULL;
    int64_t producer = 0;
    uda_arena_reset(&worker->scratch, 0);
    uda_arena_reset(&slot->arena, 0);
    uda_detections_init(&slot->found, &slot->arena);
    UDA_TRY(p->load(p->args, i, &image, &name, &worker->scratch, err));
    UDA_TRY(make_input(&input, p, &image, &worker->scratch, err));
    UDA_TRY(uda_detections_producer(&slot->found, &producer, p->spec.producer, err));
    UDA_TRY(uda_detections_image(&slot->found, name, image.height, image.width, err));
    struct uda_tape *tape = &worker->tape;
    tape->type = p->spec.type;
    tape->param_values = p->values;
    tape->param_low = p->low;
    struct uda_predictions predictions;
    UDA_TRY(forward(p, tape, &input, &predictions, err));
    const struct uda_postprocess post = {
        .top = p->spec.detections, .min_score = p->spec.min_score, .classes = p->spec.map.cls,
        .padded_height = input.padded_height, .padded_width = input.padded_width,
        .image_height = input.height, .image_width = input.width, .height = image.height,
        .width = image.width};
    return uda_postprocess(&slot->found, producer, tape, &predictions, 0, &post, err);
}

/* Task of the team: worker w takes every workers-th image of the chunk. */
static void predict_share(void *args, int64_t w)
{
    struct uda_predictor *p = args;
    for (int64_t k = w; k < p->count; k += p->workers) {
        struct slot *slot = &p->slot[k];
        if (predict_one(p, &p->worker[w], slot, p->first + k, &slot->err) != 0) {
            return;
        }
    }
}

static int copy_found(struct uda_detections *set, const struct slot *slot, struct uda_err *err)
{
    const struct uda_image_detections *image = &slot->found.image[0];
    UDA_TRY(uda_detections_image(set, image->name, image->height, image->width, err));
    for (int64_t k = 0; k < image->count; k++) {
        const struct uda_detection *d = &image->item[k];
        int64_t producer = 0;
        UDA_TRY(uda_detections_producer(set, &producer, slot->found.producer[d->producer], err));
        UDA_TRY(uda_detections_add(set, d->cls, d->score, &d->mask, producer, err));
    }
    return 0;
}

static int run_chunk(struct uda_predictor *p, struct uda_detections *set, struct uda_err *err)
{
    for (int64_t k = 0; k < p->count; k++) {
        uda_err_clear(&p->slot[k].err);
    }
    if (p->side_by_side) {
        uda_team_run(p->team, p->workers, predict_share, p);
    } else {
        for (int64_t k = 0; k < p->count; k++) {
            struct slot *slot = &p->slot[k];
            if (predict_one(p, &p->wide, slot, p->first + k, &slot->err) != 0) {
                break;
            }
        }
    }
    for (int64_t k = 0; k < p->count; k++) {
        if (p->slot[k].err.code != UDA_OK) {
            *err = p->slot[k].err;
            return (int)err->code;
        }
    }
    for (int64_t k = 0; k < p->count; k++) {
        UDA_TRY(copy_found(set, &p->slot[k], err));
    }
    return 0;
}

/* Pixels that the first image has on its way through the network. */
static int look_at_size(struct uda_predictor *p, struct uda_err *err)
{
    struct uda_image image;
    const char *name = NULL;
    uda_arena_reset(&p->wide.scratch, 0);
    UDA_TRY(p->load(p->args, p->first, &image, &name, &p->wide.scratch, err));
    int64_t height = image.height, width = image.width;
    if (p->spec.short_side > 0) {
        uda_resize_shortest_edge(&height, &width, image.height, image.width, p->spec.short_side,
                                 p->spec.max_long_side);
    }
    p->side_by_side = p->workers > 0 && height * width <= SMALL_PX;
    return 0;
}

int uda_predictor_run(struct uda_predictor *p, struct uda_detections *set, int64_t first,
                      int64_t last, uda_load_image_fn *load, void *args,
                      struct uda_progress *progress, struct uda_err *err)
{
    p->load = load;
    p->args = args;
    p->first = first;
    if (first >= last) {
        return 0;
    }
    UDA_TRY(look_at_size(p, err));
    for (; p->first < last; p->first += p->count) {
        if (progress != NULL && uda_stop_wanted()) {
            char reason[128];
            return uda_fail(err, UDA_STOPPED, "%s: %s: run the same command to do it again",
                            progress->name,
                            uda_stop_reason(reason, sizeof reason));
        }
        int64_t chunk = p->side_by_side ? CHUNK : 1;
        p->count = last - p->first < chunk ? last - p->first : chunk;
        UDA_TRY(run_chunk(p, set, err));
        if (progress != NULL) {
            uda_progress_step(progress, p->first + p->count, "predicting");
        }
    }
    return 0;
}
