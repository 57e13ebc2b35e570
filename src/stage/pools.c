#include "src/stage/pools.h"

#include <stdio.h>

int uda_pools_create(struct uda_pools *pools, const struct uda_rare_pool_spec *rules, int64_t shards,
                     struct uda_share share, const struct uda_dist *dist, struct uda_err *err)
{
    *pools = (struct uda_pools){.shards = shards, .share = share, .dist = *dist};
    pools->pool = uda_calloc((size_t)shards * sizeof *pools->pool);
    if (pools->pool == NULL) {
        return uda_fail(err, UDA_NOMEM, "adapt: out of memory for the pools of rare classes");
    }
    for (int64_t s = 0; s < shards; s++) {
        UDA_TRY(uda_rare_pool_create(&pools->pool[s], rules, err));
    }
    return 0;
}

void uda_pools_destroy(struct uda_pools *pools)
{
    for (int64_t s = 0; pools->pool != NULL && s < pools->shards; s++) {
        uda_rare_pool_destroy(&pools->pool[s]);
    }
    uda_free(pools->pool);
    *pools = (struct uda_pools){0};
}

static void group_name(char name[32], int64_t shard)
{
    (void)snprintf(name, 32, "pool-%lld", (long long)shard);
}

static int save(const struct uda_pools *pools, struct uda_store_writer *writer, int64_t first, int64_t count,
                struct uda_err *err)
{
    for (int64_t s = first; pools->pool != NULL && s < first + count; s++) {
        char name[32];
        group_name(name, s);
        UDA_TRY(uda_rare_pool_save(pools->pool[s], writer, name, err));
    }
    return 0;
}

static int load(struct uda_pools *pools, const struct uda_store *store, int64_t first, int64_t count,
                struct uda_err *err)
{
    for (int64_t s = first; pools->pool != NULL && s < first + count; s++) {
        char name[32];
        group_name(name, s);
        UDA_TRY(uda_rare_pool_load(pools->pool[s], store, name, err));
    }
    return 0;
}

int uda_pools_save(const struct uda_pools *pools, struct uda_store_writer *writer, struct uda_err *err)
{
    return save(pools, writer, 0, pools->shards, err);
}

int uda_pools_load(struct uda_pools *pools, const struct uda_store *store, struct uda_err *err)
{
    return load(pools, store, pools->share.first_shard, pools->share.shards, err);
}

/* The pools of this rank, as a file in memory. */
static int pack(unsigned char **data, size_t *bytes, const struct uda_pools *pools, struct uda_arena *arena,
                struct uda_err *err)
{
    struct uda_store_writer *writer = NULL;
    UDA_TRY(uda_store_begin(&writer, 0, err));
    int rc = save(pools, writer, pools->share.first_shard, pools->share.shards, err);
    if (rc == 0) {
        rc = uda_store_commit_memory(data, bytes, &writer, arena, err);
    }
    uda_store_abort(&writer);
    return rc;
}

/* Rank 0 takes the pools of another one; every rank has as many shards. */
static int unpack(struct uda_pools *pools, int rank, const unsigned char *data, size_t bytes,
                  struct uda_err *err)
{
    struct uda_store *store = NULL;
    UDA_TRY(uda_store_open_memory(&store, data, bytes, "pools of a rank", err));
    int rc = load(pools, store, rank * pools->share.shards, pools->share.shards, err);
    uda_store_close(&store);
    return rc;
}

int uda_pools_gather(struct uda_pools *pools, struct uda_err *err)
{
    struct uda_arena arena = {0};
    unsigned char *all[UDA_DIST_RANKS], *mine = NULL;
    size_t bytes[UDA_DIST_RANKS], mine_bytes = 0;
    if (pools->dist.ranks == 1 || pools->pool == NULL) {
        return 0;
    }
    int rc = pools->dist.rank == 0 ? 0 : pack(&mine, &mine_bytes, pools, &arena, err);
    if (rc == 0) {
        rc = uda_dist_collect(&pools->dist, all, bytes, &arena, mine, mine_bytes, err);
    }
    for (int r = 1; r < pools->dist.ranks && rc == 0 && pools->dist.rank == 0; r++) {
        rc = unpack(pools, r, all[r], bytes[r], err);
    }
    uda_arena_finish(&arena);
    return rc;
}
