#include "src/stage/found.h"

#include "src/optim/launch.h"

#define SUMS ((int64_t)3 * UDA_PREDICTIONS) /* of one part of a shard */

/* The squared norm, then all sums, then all wrong costs. */
static int64_t sums(const struct uda_found *found) { return found->shards * found->parts * SUMS; }

static int64_t wrong_each(const struct uda_found *found) { return UDA_PREDICTIONS * found->images; }

static int64_t wrongs(const struct uda_found *found)
{
    return found->shards * found->parts * wrong_each(found);
}

static size_t bytes_of(const struct uda_found *found)
{
    return (size_t)(1 + sums(found)) * sizeof(double) + (size_t)wrongs(found) * sizeof(int64_t);
}

int uda_found_init(struct uda_found *found, struct uda_device *device, int64_t first_shard, int64_t shards,
                   int64_t parts, int64_t images, struct uda_err *err)
{
    void *data = NULL;
    *found = (struct uda_found){.first_shard = first_shard, .shards = shards, .parts = parts,
                                .images = images};
    UDA_TRY(uda_device_alloc(&data, device, bytes_of(found), err));
    found->squares = data;
    found->squares_here = uda_calloc(bytes_of(found));
    return found->squares_here != NULL ? 0 : uda_fail(err, UDA_NOMEM, "trainer: out of memory");
}

void uda_found_finish(struct uda_found *found, struct uda_device *device)
{
    uda_device_free(device, found->squares);
    uda_free(found->squares_here);
    found->squares = found->squares_here = NULL;
}

int uda_found_clear(struct uda_found *found, struct uda_device *device, struct uda_err *err)
{
    return uda_device_clear(device, found->squares, bytes_of(found), err);
}

static struct uda_findings part_of(const struct uda_found *found, double *block, int64_t shard, int64_t part)
{
    int64_t i = (shard - found->first_shard) * found->parts + part;
    int64_t *wrong = (void *)(block + 1 + sums(found));
    return (struct uda_findings){.sum = block + 1 + i * SUMS, .wrong = wrong + i * wrong_each(found)};
}

struct uda_findings uda_found_there(const struct uda_found *found, int64_t shard, int64_t part)
{
    return part_of(found, found->squares, shard, part);
}

struct uda_findings uda_found_here(const struct uda_found *found, int64_t shard, int64_t part)
{
    return part_of(found, found->squares_here, shard, part);
}

int uda_found_spoil(const struct uda_found *found, struct uda_device *device, float *grads,
                    struct uda_err *err)
{
    const struct uda_findings all = part_of(found, found->squares, found->first_shard, 0);
    struct uda_spoil_args a = {.values = sums(found), .faults = wrongs(found), .value = all.sum,
                               .fault = all.wrong, .x = grads};
    return UDA_OPTIM_RUN(device, spoil, &a, err);
}

int uda_found_fetch(struct uda_found *found, struct uda_device *device, struct uda_err *err)
{
    return uda_device_download(device, found->squares_here, found->squares, bytes_of(found), err);
}
