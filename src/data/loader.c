#include "src/data/loader.h"

#include "src/data/cache.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define WORKERS_MAX 256
#define BATCH_MAX 65536
/* Samples of a stream's random numbers: streams never share a draw. */
#define STREAM_SAMPLES ((uint32_t)BATCH_MAX)
#define STREAMS 65536

enum slot_state { SLOT_EMPTY, SLOT_BUSY, SLOT_READY };

/* One step under way. A slot belongs to whoever made it BUSY, then to the consumer; state is under
 * the mutex. */
struct slot {
    enum slot_state state;
    int64_t step;
    struct uda_steady result, scene, scratch;
    struct uda_batch batch;
    int rc;
    struct uda_err err;
};

/* Where a thread is in the walk through epochs. */
struct walk {
    int64_t epoch; /* whose order is in `order`; -1 = none */
    int64_t *order; /* [dataset->count] */
};

struct worker {
    struct uda_loader *loader;
    pthread_t thread;
    struct walk walk;
};

struct uda_loader {
    const struct uda_dataset *dataset;
    struct uda_loader_spec spec;
    struct uda_augment_spec augment;
    struct uda_class_map map;
    struct uda_cache *cache;
    struct slot *slot;
    int64_t slots;
    struct worker *worker; /* [max(workers, 1)]; the first serves the consumer when there are no workers */
    int started;
    pthread_mutex_t mutex;
    pthread_cond_t emptied, filled;
    bool mutex_ready, quit;
    int64_t next_claim; /* under the mutex */
    int64_t next_deliver;
    struct slot *given; /* the consumer's, until its next call */
    struct slot *failed;
};

/* The data set that the loader walks through: its own, or the one that it follows. */
static const struct uda_dataset *walked(const struct uda_loader *l)
{
    return l->spec.follow != NULL ? l->spec.follow : l->dataset;
}

/* Index of the sample at a position of the walk, in the data set walked through. */
static int64_t place_at(struct walk *walk, const struct uda_loader *l, int64_t position)
{
    int64_t n = walked(l)->count, epoch = position / n, place = position % n;
    if (l->spec.order == UDA_LOADER_SEQUENTIAL) {
        return place;
    }
    if (walk->epoch != epoch) {
        struct uda_rng rng;
        for (int64_t i = 0; i < n; i++) {
            walk->order[i] = i;
        }
        uda_rng_init(&rng, l->spec.seed, UDA_RNG_SHUFFLE, l->spec.stage,
                     l->spec.follow != NULL ? 0 : l->spec.stream, (uint32_t)epoch);
        uda_rng_shuffle(&rng, walk->order, n);
        walk->epoch = epoch;
    }
    return walk->order[place];
}

static int64_t index_at(struct walk *walk, const struct uda_loader *l, int64_t position)
{
    int64_t place = place_at(walk, l, position);
    return l->spec.follow != NULL ? l->spec.follow->item[place].source % l->dataset->count : place;
}

static int make_sample(struct uda_sample *sample, struct uda_loader *l, struct slot *slot,
                       struct walk *walk, int64_t i, struct uda_err *err)
{
    int64_t index = index_at(walk, l, slot->step * l->spec.batch + i);
    struct uda_labelled_image decoded = {0};
    struct uda_rng rng;
    const struct uda_labelled_image *scene = uda_cache_get(l->cache, index);
    uda_steady_reset(&slot->scene);
    if (scene == NULL) {
        UDA_TRY(uda_dataset_load(&decoded, l->dataset, index, &slot->scene.arena,
                                 &slot->scratch.arena, err));
        uda_cache_put(l->cache, index, &decoded);
        scene = &decoded;
    }
    if (l->spec.edit != NULL) {
        decoded = *scene;
        scene = &decoded;
        UDA_TRY(l->spec.edit(&decoded, l->spec.edit_args, &slot->scene.arena, err));
    }
    uda_rng_init(&rng, l->spec.seed, UDA_RNG_AUGMENT, l->spec.stage, (uint32_t)slot->step,
                 (uint32_t)i + l->spec.stream * STREAM_SAMPLES);
    return uda_augment_apply(sample, &l->augment, &l->map, scene, &rng, &slot->result.arena,
                             &slot->scratch.arena, err);
}

static int make_batch(struct uda_loader *l, struct slot *slot, struct walk *walk,
                      struct uda_err *err)
{
    uda_steady_reset(&slot->result);
    uda_steady_reset(&slot->scratch);
    struct uda_sample *sample =
        uda_arena_calloc(&slot->result.arena, (size_t)l->spec.images * sizeof *sample);
    if (sample == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a batch of %lld images",
                        (long long)l->spec.images);
    }
    for (int64_t i = 0; i < l->spec.images; i++) {
        UDA_TRY(make_sample(&sample[i], l, slot, walk, l->spec.first_image + i, err));
    }
    UDA_TRY(uda_batch_make(&slot->batch, sample, l->spec.images, 0, &slot->result.arena, err));
    slot->batch.step = slot->step;
    slot->batch.first = l->spec.first_image;
    return 0;
}

static void fill_slot(struct uda_loader *l, struct slot *slot, struct walk *walk)
{
    slot->err = (struct uda_err){0};
    slot->rc = make_batch(l, slot, walk, &slot->err);
}

static void *work(void *args)
{
    struct worker *w = args;
    struct uda_loader *l = w->loader;
    (void)pthread_mutex_lock(&l->mutex);
    while (!l->quit) {
        struct slot *slot = &l->slot[l->next_claim % l->slots];
        if (l->next_claim >= l->spec.last_step || slot->state != SLOT_EMPTY) {
            (void)pthread_cond_wait(&l->emptied, &l->mutex);
            continue;
        }
        slot->step = l->next_claim++;
        slot->state = SLOT_BUSY;
        (void)pthread_mutex_unlock(&l->mutex);
        fill_slot(l, slot, &w->walk);
        (void)pthread_mutex_lock(&l->mutex);
        slot->state = SLOT_READY;
        (void)pthread_cond_signal(&l->filled);
    }
    (void)pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static int check_spec(const struct uda_loader_spec *spec, const struct uda_dataset *dataset,
                      struct uda_err *err)
{
    if (spec->batch < 1 || spec->batch > BATCH_MAX || spec->stream >= STREAMS || spec->workers < 0 ||
        spec->workers > WORKERS_MAX || spec->prefetch < 0 || spec->prefetch > 1024) {
        return uda_fail(err, UDA_MANIFEST,
                        "loader: batch %lld, workers %d or prefetch %d is out of range",
                        (long long)spec->batch, spec->workers, spec->prefetch);
    }
    if (spec->first_image < 0 || spec->images < 0 || spec->first_image > spec->batch - spec->images ||
        spec->first_image >= spec->batch) {
        return uda_fail(err, UDA_MANIFEST, "loader: images %lld..%lld of a batch of %lld",
                        (long long)spec->first_image, (long long)(spec->first_image + spec->images),
                        (long long)spec->batch);
    }
    if (spec->first_step < 0 || spec->last_step < spec->first_step ||
        spec->last_step > (int64_t)UINT32_MAX ||
        spec->last_step * spec->batch / dataset->count > (int64_t)UINT32_MAX ||
        (spec->follow != NULL && spec->last_step * spec->batch / spec->follow->count > (int64_t)UINT32_MAX)) {
        return uda_fail(err, UDA_MANIFEST, "loader: steps %lld..%lld are out of range",
                        (long long)spec->first_step, (long long)spec->last_step);
    }
    return spec->augment != NULL ? uda_augment_check(spec->augment, err) : 0;
}

static int start_workers(struct uda_loader *l, struct uda_err *err)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    /* Signals are for the main thread. */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = 0;
    while (rc == 0 && l->started < l->spec.workers) {
        rc = pthread_create(&l->worker[l->started].thread, NULL, work, &l->worker[l->started]);
        l->started += rc == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return uda_fail(err, UDA_NOMEM, "loader: cannot start worker %d of %d", l->started + 1,
                        l->spec.workers);
    }
    return 0;
}

static int init_threads(struct uda_loader *l, struct uda_err *err)
{
    if (pthread_mutex_init(&l->mutex, NULL) != 0) {
        return uda_fail(err, UDA_NOMEM, "loader: cannot make a mutex");
    }
    (void)pthread_cond_init(&l->emptied, NULL);
    (void)pthread_cond_init(&l->filled, NULL);
    l->mutex_ready = true;
    return 0;
}

static int build(struct uda_loader *l, struct uda_err *err)
{
    int prefetch = l->spec.prefetch > 0 ? l->spec.prefetch : l->spec.workers + 1;
    int threads = l->spec.workers > 0 ? l->spec.workers : 1;
    l->slots = l->spec.workers > 0 ? prefetch + 1 : 1;
    UDA_TRY(init_threads(l, err));
    l->slot = uda_calloc((size_t)l->slots * sizeof *l->slot);
    l->worker = uda_calloc((size_t)threads * sizeof *l->worker);
    if (l->slot == NULL || l->worker == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a loader");
    }
    for (int i = 0; i < threads; i++) {
        struct walk *walk = &l->worker[i].walk;
        l->worker[i].loader = l;
        walk->epoch = -1;
        walk->order = uda_alloc((size_t)walked(l)->count * sizeof *walk->order);
        if (walk->order == NULL) {
            return uda_fail(err, UDA_NOMEM, "out of memory for a loader");
        }
    }
    if (l->spec.cache_bytes > 0) {
        UDA_TRY(uda_cache_create(&l->cache, l->dataset->count, l->spec.cache_bytes, err));
    }
    return start_workers(l, err);
}

int uda_loader_create(struct uda_loader **loader, const struct uda_dataset *dataset,
                      const struct uda_loader_spec *spec, struct uda_err *err)
{
    UDA_TRY(check_spec(spec, dataset, err));
    struct uda_loader *l = uda_calloc(sizeof *l);
    if (l == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory for a loader");
    }
    l->dataset = dataset;
    l->spec = *spec;
    l->spec.images = spec->images > 0 ? spec->images : spec->batch - spec->first_image;
    l->map = spec->map != NULL ? *spec->map : uda_class_map_all();
    if (spec->augment != NULL) {
        l->augment = *spec->augment;
    }
    l->spec.augment = NULL;
    l->spec.map = NULL;
    l->next_claim = l->next_deliver = spec->first_step;
    int rc = build(l, err);
    if (rc != 0) {
        uda_loader_destroy(&l);
        return rc;
    }
    *loader = l;
    return 0;
}

void uda_loader_destroy(struct uda_loader **loader)
{
    struct uda_loader *l = *loader;
    if (l == NULL) {
        return;
    }
    if (l->mutex_ready) {
        (void)pthread_mutex_lock(&l->mutex);
        l->quit = true;
        (void)pthread_cond_broadcast(&l->emptied);
        (void)pthread_mutex_unlock(&l->mutex);
    }
    for (int i = 0; i < l->started; i++) {
        (void)pthread_join(l->worker[i].thread, NULL);
    }
    int threads = l->spec.workers > 0 ? l->spec.workers : 1;
    for (int i = 0; l->worker != NULL && i < threads; i++) {
        uda_free(l->worker[i].walk.order);
    }
    for (int64_t i = 0; l->slot != NULL && i < l->slots; i++) {
        uda_arena_finish(&l->slot[i].result.arena);
        uda_arena_finish(&l->slot[i].scene.arena);
        uda_arena_finish(&l->slot[i].scratch.arena);
    }
    if (l->mutex_ready) {
        (void)pthread_cond_destroy(&l->emptied);
        (void)pthread_cond_destroy(&l->filled);
        (void)pthread_mutex_destroy(&l->mutex);
    }
    uda_cache_destroy(&l->cache);
    uda_free(l->worker);
    uda_free(l->slot);
    uda_free(l);
    *loader = NULL;
}

/* The slot of the next step, filled: by the workers, or here and now. */
static struct slot *await(struct uda_loader *l)
{
    struct slot *slot = &l->slot[l->next_deliver % l->slots];
    if (l->spec.workers == 0) {
        slot->step = l->next_deliver;
        fill_slot(l, slot, &l->worker[0].walk);
        return slot;
    }
    (void)pthread_mutex_lock(&l->mutex);
    if (l->given != NULL) {
        l->given->state = SLOT_EMPTY;
        (void)pthread_cond_broadcast(&l->emptied);
    }
    while (slot->state != SLOT_READY || slot->step != l->next_deliver) {
        (void)pthread_cond_wait(&l->filled, &l->mutex);
    }
    (void)pthread_mutex_unlock(&l->mutex);
    return slot;
}

int uda_loader_next(struct uda_loader *l, const struct uda_batch **batch, struct uda_err *err)
{
    if (l->failed == NULL && l->next_deliver >= l->spec.last_step) {
        *batch = NULL;
        return 0;
    }
    struct slot *slot = l->failed != NULL ? l->failed : await(l);
    if (slot->rc != 0) {
        l->failed = slot;
        if (err != NULL && err->code == UDA_OK) {
            *err = slot->err;
        }
        return slot->rc;
    }
    l->given = slot;
    l->next_deliver++;
    *batch = &slot->batch;
    return 0;
}
