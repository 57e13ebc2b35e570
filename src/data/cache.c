#include "src/data/cache.h"

#include <pthread.h>
#include <string.h>

struct uda_cache {
    pthread_mutex_t mutex;
    struct uda_labelled_image **scene; /* [count], NULL = not kept; one block each */
    int64_t count;
    size_t used_bytes, max_bytes;
};

int uda_cache_create(struct uda_cache **cache, int64_t count, size_t bytes_max, struct uda_err *err)
{
    struct uda_cache *c = uda_calloc(sizeof *c);
    struct uda_labelled_image **scene = uda_calloc((size_t)count * sizeof *scene);
    if (c == NULL || scene == NULL || pthread_mutex_init(&c->mutex, NULL) != 0) {
        uda_free(scene);
        uda_free(c);
        return uda_fail(err, UDA_NOMEM, "out of memory for a cache of %lld images",
                        (long long)count);
    }
    c->scene = scene;
    c->count = count;
    c->max_bytes = bytes_max;
    *cache = c;
    return 0;
}

void uda_cache_destroy(struct uda_cache **cache)
{
    struct uda_cache *c = *cache;
    if (c == NULL) {
        return;
    }
    for (int64_t i = 0; i < c->count; i++) {
        uda_free(c->scene[i]);
    }
    (void)pthread_mutex_destroy(&c->mutex);
    uda_free(c->scene);
    uda_free(c);
    *cache = NULL;
}

const struct uda_labelled_image *uda_cache_get(struct uda_cache *cache, int64_t i)
{
    if (cache == NULL) {
        return NULL;
    }
    (void)pthread_mutex_lock(&cache->mutex);
    const struct uda_labelled_image *scene = cache->scene[i];
    (void)pthread_mutex_unlock(&cache->mutex);
    return scene;
}

static size_t mask_bytes(const struct uda_instance *n)
{
    return (size_t)(n->x1 - n->x0 + 1) * (size_t)(n->y1 - n->y0 + 1);
}

/* Header, then instances, then pixels and masks, in one block. */
static size_t scene_bytes(const struct uda_labelled_image *scene)
{
    size_t bytes = sizeof *scene + (size_t)scene->labels.count * sizeof(struct uda_instance) +
                   (size_t)scene->image.height * (size_t)scene->image.width * 3;
    for (int64_t k = 0; k < scene->labels.count; k++) {
        bytes += mask_bytes(&scene->labels.instance[k]);
    }
    return bytes;
}

static struct uda_labelled_image *copy_scene(const struct uda_labelled_image *scene, size_t bytes)
{
    struct uda_labelled_image *copy = uda_alloc(bytes);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *scene;
    struct uda_instance *instance = (struct uda_instance *)(void *)(copy + 1);
    uint8_t *at = (uint8_t *)(void *)(instance + scene->labels.count);
    size_t rgb_bytes = (size_t)scene->image.height * (size_t)scene->image.width * 3;
    memcpy(at, scene->image.rgb, rgb_bytes);
    copy->image.rgb = at;
    at += rgb_bytes;
    for (int64_t k = 0; k < scene->labels.count; k++) {
        instance[k] = scene->labels.instance[k];
        memcpy(at, instance[k].mask, mask_bytes(&instance[k]));
        instance[k].mask = at;
        at += mask_bytes(&instance[k]);
    }
    copy->labels.instance = instance;
    return copy;
}

void uda_cache_put(struct uda_cache *cache, int64_t i, const struct uda_labelled_image *scene)
{
    if (cache == NULL) {
        return;
    }
    size_t bytes = scene_bytes(scene);
    (void)pthread_mutex_lock(&cache->mutex);
    bool room = cache->scene[i] == NULL && bytes <= cache->max_bytes - cache->used_bytes;
    cache->used_bytes += room ? bytes : 0;
    (void)pthread_mutex_unlock(&cache->mutex);
    struct uda_labelled_image *copy = room ? copy_scene(scene, bytes) : NULL;
    if (!room) {
        return;
    }
    (void)pthread_mutex_lock(&cache->mutex);
    if (copy == NULL || cache->scene[i] != NULL) {
        cache->used_bytes -= bytes;
    } else {
        cache->scene[i] = copy;
        copy = NULL;
    }
    (void)pthread_mutex_unlock(&cache->mutex);
    uda_free(copy);
}
