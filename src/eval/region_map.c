/* Ground truth of an image as a column-major index of regions, and predictions measured on it. */
#include "src/eval/region.h"

#include "src/base/classes.h"

#include <string.h>

#define FIRST_REGION 2
#define MAX_REGIONS (UINT16_MAX + 1 - FIRST_REGION)
#define FULL_WEIGHT 65535.0
#define TILE 32

static int no_memory(const char *name, struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "'%s': no memory to evaluate it", name);
}

/* to [width, height] = transpose of from [height, width], tile by tile for the cache. */
static void transpose(uint16_t *to, const uint16_t *from, int64_t height, int64_t width)
{
    for (int64_t y0 = 0; y0 < height; y0 += TILE) {
        int64_t y1 = y0 + TILE < height ? y0 + TILE : height;
        for (int64_t x0 = 0; x0 < width; x0 += TILE) {
            int64_t x1 = x0 + TILE < width ? x0 + TILE : width;
            for (int64_t x = x0; x < x1; x++) {
                for (int64_t y = y0; y < y1; y++) {
                    to[x * height + y] = from[y * width + x];
                }
            }
        }
    }
}

static double as_area(uint64_t sum, const struct uda_region_map *map)
{
    return map->weight != NULL ? (double)sum / FULL_WEIGHT : (double)sum;
}

/* sums [2 + regions] += the weights of the pixels start .. start + run - 1, by region index. */
static void add_pixels(uint64_t *sums, const struct uda_region_map *map, int64_t start,
                       int64_t run)
{
    const uint16_t *index = map->index + start;
    if (map->weight == NULL) {
        for (int64_t i = 0; i < run; i++) {
            sums[index[i]]++;
        }
        return;
    }
    for (int64_t i = 0; i < run; i++) {
        sums[index[i]] += map->weight[start + i];
    }
}

static int fill_areas(struct uda_region_map *map, const char *name, struct uda_err *err)
{
    uint64_t *sums = uda_calloc((size_t)(map->regions + FIRST_REGION) * sizeof *sums);
    if (sums == NULL) {
        return no_memory(name, err);
    }
    add_pixels(sums, map, 0, map->height * map->width);
    for (int64_t r = 0; r < map->regions; r++) {
        map->region[r].area_px = as_area(sums[FIRST_REGION + r], map);
    }
    uda_free(sums);
    return 0;
}

static int check_raster(const struct uda_raster *raster, const struct uda_raster *ids,
                        const char *what, const char *name, struct uda_err *err)
{
    if (raster->channels != 1) {
        return uda_fail(err, UDA_FORMAT, "'%s': %s must have one channel, not %lld", name, what,
                        (long long)raster->channels);
    }
    if (raster->height != ids->height || raster->width != ids->width) {
        return uda_fail(err, UDA_FORMAT, "'%s': %s is %lld x %lld but the instances %lld x %lld",
                        name, what, (long long)raster->height, (long long)raster->width,
                        (long long)ids->height, (long long)ids->width);
    }
    return 0;
}

/* Region index of every value that occurs; table [65536] holds 1 where a value occurs, 0
 * elsewhere. */
static int number_values(struct uda_region_map *map, uint16_t *table,
                         const struct uda_region_protocol *protocol, const char *name,
                         struct uda_err *err)
{
    for (int64_t value = 0; value <= UINT16_MAX; value++) {
        if (table[value] == 0) {
            continue;
        }
        int64_t label = value < 1000 ? value : value / 1000;
        if (label >= protocol->labels) {
            return uda_fail(err, UDA_FORMAT, "'%s': value %lld has the unknown label id %lld", name,
                            (long long)value, (long long)label);
        }
        table[value] = 0;
        if (protocol->truth_class[label] >= 0) {
            table[value] = (uint16_t)(FIRST_REGION + map->regions);
            map->region[map->regions++] = (struct uda_region){
                .cls = protocol->truth_class[label], .group = value < 1000};
        } else if (value < 1000 && protocol->is_void[label]) {
            table[value] = 1;
        }
    }
    return 0;
}

int uda_region_map_of_ids(struct uda_region_map *out, struct uda_arena *arena,
                          const struct uda_region_protocol *protocol,
                          const struct uda_raster *ids, const struct uda_raster *weights,
                          const char *name, struct uda_err *err)
{
    UDA_TRY(check_raster(ids, ids, "the instance file", name, err));
    if (weights != NULL) {
        UDA_TRY(check_raster(weights, ids, "the confidence file", name, err));
    }
    int64_t pixels = ids->height * ids->width, values = 0;
    uint16_t *table = uda_arena_calloc(arena, ((size_t)UINT16_MAX + 1) * sizeof *table);
    struct uda_region_map map = {.height = ids->height, .width = ids->width};
    map.index = uda_arena_alloc(arena, (size_t)pixels * sizeof *map.index);
    if (weights != NULL) {
        map.weight = uda_arena_alloc(arena, (size_t)pixels * sizeof *map.weight);
    }
    if (table == NULL || map.index == NULL || (weights != NULL && map.weight == NULL)) {
        return no_memory(name, err);
    }
    for (int64_t i = 0; i < pixels; i++) {
        values += table[ids->sample[i]] == 0;
        table[ids->sample[i]] = 1;
    }
    map.region = uda_arena_alloc(arena, (size_t)values * sizeof *map.region);
    if (map.region == NULL) {
        return no_memory(name, err);
    }
    UDA_TRY(number_values(&map, table, protocol, name, err));
    transpose(map.index, ids->sample, ids->height, ids->width);
    for (int64_t i = 0; i < pixels; i++) {
        map.index[i] = table[map.index[i]];
    }
    if (weights != NULL) {
        transpose(map.weight, weights->sample, ids->height, ids->width);
    }
    UDA_TRY(fill_areas(&map, name, err));
    *out = map;
    return 0;
}

/* Region of an instance; the crowds of a class share one. */
static int64_t region_of_instance(struct uda_region_map *map, int64_t *groups, int64_t cls,
                                  bool crowd)
{
    if (crowd && groups[cls] >= 0) {
        return groups[cls];
    }
    map->region[map->regions] = (struct uda_region){.cls = cls, .group = crowd};
    if (crowd) {
        groups[cls] = map->regions;
    }
    return map->regions++;
}

static void draw_instance(struct uda_region_map *map, const struct uda_instance *instance,
                          uint16_t index)
{
    int64_t columns = instance->x1 - instance->x0 + 1;
    for (int64_t y = instance->y0; y <= instance->y1; y++) {
        const uint8_t *row = instance->mask + (y - instance->y0) * columns;
        for (int64_t x = instance->x0; x <= instance->x1; x++) {
            if (row[x - instance->x0] != 0) {
                map->index[x * map->height + y] = index;
            }
        }
    }
}

int uda_region_map_of_labels(struct uda_region_map *out, struct uda_arena *arena,
                             const struct uda_region_protocol *protocol,
                             const struct uda_labels *labels, const uint8_t *void_mask,
                             const char *name, struct uda_err *err)
{
    UDA_TRY(uda_rle_check_size(labels->height, labels->width, err));
    if (labels->count > MAX_REGIONS) {
        return uda_fail(err, UDA_FORMAT, "'%s': %lld instances are too many to evaluate", name,
                        (long long)labels->count);
    }
    int64_t groups[UDA_REGION_CLASSES];
    struct uda_region_map map = {.height = labels->height, .width = labels->width};
    map.index = uda_arena_calloc(arena, (size_t)(map.height * map.width) * sizeof *map.index);
    map.region = uda_arena_alloc(arena, (size_t)labels->count * sizeof *map.region);
    if (map.index == NULL || map.region == NULL) {
        return no_memory(name, err);
    }
    for (int64_t y = 0; void_mask != NULL && y < map.height; y++) {
        for (int64_t x = 0; x < map.width; x++) {
            map.index[x * map.height + y] = void_mask[y * map.width + x] != 0;
        }
    }
    for (int64_t c = 0; c < UDA_REGION_CLASSES; c++) {
        groups[c] = -1;
    }
    for (int64_t i = 0; i < labels->count; i++) {
        const struct uda_instance *instance = &labels->instance[i];
        int64_t cls = protocol->truth_class[uda_classes[instance->cls].label_id];
        if (cls >= 0) {
            int64_t region = region_of_instance(&map, groups, cls, instance->crowd);
            draw_instance(&map, instance, (uint16_t)(FIRST_REGION + region));
        } else {
            draw_instance(&map, instance, 0);
        }
    }
    UDA_TRY(fill_areas(&map, name, err));
    *out = map;
    return 0;
}

/* One prediction from its sums; false when out of memory. */
static bool found_of_sums(struct uda_region_found *found, struct uda_arena *arena,
                          const struct uda_region_map *map, const uint64_t *sums)
{
    uint64_t area = 0;
    int64_t overlaps = 0;
    for (int64_t i = 0; i < map->regions + FIRST_REGION; i++) {
        area += sums[i];
        overlaps += i >= FIRST_REGION && sums[i] > 0 &&
                    map->region[i - FIRST_REGION].cls == found->cls;
    }
    found->area_px = as_area(area, map);
    found->void_px = as_area(sums[1], map);
    found->overlap = uda_arena_alloc(arena, (size_t)overlaps * sizeof *found->overlap);
    if (found->overlap == NULL) {
        return false;
    }
    for (int64_t r = 0; r < map->regions; r++) {
        uint64_t sum = sums[FIRST_REGION + r];
        if (sum > 0 && map->region[r].cls == found->cls) {
            found->overlap[found->overlaps++] =
                (struct uda_region_overlap){.region = r, .area_px = as_area(sum, map)};
        }
    }
    return true;
}

static int measure(struct uda_region_image *image, struct uda_arena *arena, uint64_t *sums,
                   const struct uda_region_map *map, const struct uda_region_guess *guess,
                   int64_t guesses, const char *name, struct uda_err *err)
{
    for (int64_t g = 0; g < guesses; g++) {
        const struct uda_rle *mask = &guess[g].mask;
        if (mask->height != map->height || mask->width != map->width) {
            return uda_fail(err, UDA_SHAPE, "'%s' is %lld x %lld but a predicted mask %lld x %lld",
                            name, (long long)map->height, (long long)map->width,
                            (long long)mask->height, (long long)mask->width);
        }
        memset(sums, 0, (size_t)(map->regions + FIRST_REGION) * sizeof *sums);
        int64_t at = 0;
        for (int64_t i = 0; i < mask->count; i++) {
            if (i % 2 == 1) {
                add_pixels(sums, map, at, mask->counts[i]);
            }
            at += mask->counts[i];
        }
        struct uda_region_found found = {.cls = guess[g].cls, .score = guess[g].score};
        if (!found_of_sums(&found, arena, map, sums)) {
            return no_memory(name, err);
        }
        if (found.area_px > 0) {
            image->found[image->founds++] = found;
        }
    }
    return 0;
}

int uda_region_measure(struct uda_region_image *out, struct uda_arena *arena,
                       const struct uda_region_map *map, const struct uda_region_guess *guess,
                       int64_t guesses, const char *name, struct uda_err *err)
{
    struct uda_region_image image = {.regions = map->regions};
    image.region = uda_arena_alloc(arena, (size_t)map->regions * sizeof *image.region);
    image.found = uda_arena_alloc(arena, (size_t)guesses * sizeof *image.found);
    uint64_t *sums = uda_alloc((size_t)(map->regions + FIRST_REGION) * sizeof *sums);
    int rc = image.region == NULL || image.found == NULL || sums == NULL ? no_memory(name, err) : 0;
    if (rc == 0) {
        if (map->regions > 0) {
            memcpy(image.region, map->region, (size_t)map->regions * sizeof *image.region);
        }
        rc = measure(&image, arena, sums, map, guess, guesses, name, err);
    }
    uda_free(sums);
    if (rc == 0) {
        *out = image;
    }
    return rc;
}
