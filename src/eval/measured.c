#include "src/eval/measured.h"

#include <pthread.h>
#include <string.h>

struct run {
    struct uda_measured *image;
    struct uda_arena *arena;
    uda_measure_job *job;
    void *args;
    pthread_mutex_t lock; /* of all that follows and of arena */
    int64_t failed;       /* lowest image that failed, INT64_MAX: none */
    int rc;
    struct uda_err err;
};

static void *copy(struct uda_arena *arena, const void *data, int64_t count, size_t element_bytes)
{
    void *to = uda_arena_alloc(arena, (size_t)count * element_bytes);
    if (to != NULL && count > 0) {
        memcpy(to, data, (size_t)count * element_bytes);
    }
    return to;
}

static int keep(struct uda_measured *to, struct uda_arena *arena, const struct uda_measured *from,
                struct uda_err *err)
{
    struct uda_measured m = *from;
    const struct uda_region_image *r = &from->region;
    const struct uda_coco_image *c = &from->coco;
    m.region.region = copy(arena, r->region, r->regions, sizeof *r->region);
    m.region.found = copy(arena, r->found, r->founds, sizeof *r->found);
    m.coco.found = copy(arena, c->found, c->founds, sizeof *c->found);
    m.coco.objects = copy(arena, c->objects, c->classes, sizeof *c->objects);
    int64_t overlaps = 0;
    for (int64_t i = 0; i < r->founds; i++) {
        overlaps += r->found[i].overlaps;
    }
    struct uda_region_overlap *all = uda_arena_alloc(arena, (size_t)overlaps * sizeof *all);
    if (m.region.region == NULL || m.region.found == NULL || m.coco.found == NULL ||
        m.coco.objects == NULL || all == NULL) {
        return uda_fail(err, UDA_NOMEM, "no memory to evaluate more images");
    }
    for (int64_t i = 0; i < r->founds; i++) {
        struct uda_region_found *found = &m.region.found[i];
        for (int64_t k = 0; k < found->overlaps; k++) {
            all[k] = r->found[i].overlap[k];
        }
        found->overlap = all;
        all += found->overlaps;
    }
    *to = m;
    return 0;
}

static void measure_one(void *args, int64_t i)
{
    struct run *run = args;
    (void)pthread_mutex_lock(&run->lock);
    bool needless = run->failed < i;
    (void)pthread_mutex_unlock(&run->lock);
    if (needless) {
        return;
    }
    struct uda_arena scratch = {0};
    struct uda_measured measured = {0};
    struct uda_err err = {0};
    int rc = run->job(run->args, i, &scratch, &measured, &err);
    (void)pthread_mutex_lock(&run->lock);
    if (rc == 0) {
        rc = keep(&run->image[i], run->arena, &measured, &err);
    }
    if (rc != 0 && i < run->failed) {
        run->failed = i;
        run->rc = rc;
        run->err = err;
    }
    (void)pthread_mutex_unlock(&run->lock);
    uda_arena_finish(&scratch);
}

int uda_measure_all(struct uda_measured *image, struct uda_arena *arena, struct uda_team *team,
                    int64_t images, uda_measure_job *job, void *args, struct uda_err *err)
{
    struct run run = {
        .image = image, .arena = arena, .job = job, .args = args, .failed = INT64_MAX};
    if (pthread_mutex_init(&run.lock, NULL) != 0) {
        return uda_fail(err, UDA_NOMEM, "no memory for a lock");
    }
    uda_team_run(team, images, measure_one, &run);
    (void)pthread_mutex_destroy(&run.lock);
    if (run.rc != 0 && err != NULL && err->code == UDA_OK) {
        *err = run.err;
    }
    return run.rc;
}
