/*
 * The rare-class pools of a stage: one for each virtual shard, so that shards do not wait for each other.
 *
 * Invariants: a rank uses and loads the pools of its own shards; rank 0 has those of all ranks after gather,
 * and saves them. What is in them depends on the shards, never on how many ranks share these.
 *
 *     UDA_TRY(uda_pools_create(&pools, &rules, shards, share, dist, err));
 *     ... pools.pool[shard] ...
 *     UDA_TRY(uda_pools_gather(&pools, err));        // every rank
 *     UDA_TRY(uda_pools_save(&pools, writer, err));  // rank 0
 *     uda_pools_destroy(&pools);
 */
#ifndef UDA_STAGE_POOLS_H
#define UDA_STAGE_POOLS_H

#include "src/dist/dist.h"
#include "src/stage/trainer.h"
#include "src/uda/rare_pool.h"

/* All zero: no balancing; every function then does nothing. */
struct uda_pools {
    struct uda_rare_pool **pool; /* [shards] of all ranks; NULL: no balancing */
    int64_t shards;
    struct uda_share share;
    struct uda_dist dist;
};

/* Empty pools. Errors: UDA_NOMEM; what was made is then the caller's to destroy. Owns: the caller. */
int uda_pools_create(struct uda_pools *pools, const struct uda_rare_pool_spec *rules, int64_t shards,
                     struct uda_share share, const struct uda_dist *dist, struct uda_err *err) UDA_MUST_USE;
void uda_pools_destroy(struct uda_pools *pools);

/* Brings the pools of all ranks' shards to rank 0. Errors: UDA_COMM, UDA_NOMEM. */
int uda_pools_gather(struct uda_pools *pools, struct uda_err *err) UDA_MUST_USE;
/* As groups pool-0, pool-1, ... of a checkpoint; load takes those of this rank's shards. */
int uda_pools_save(const struct uda_pools *pools, struct uda_store_writer *writer,
                   struct uda_err *err) UDA_MUST_USE;
int uda_pools_load(struct uda_pools *pools, const struct uda_store *store, struct uda_err *err) UDA_MUST_USE;

#endif
