#include "src/dist/launch.h"

#include <limits.h>
#include <stdlib.h>

static const struct launcher {
    const char *ranks, *rank;
    bool mpi;
} launchers[] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", true},
    {"WORLD_SIZE", "RANK", false},
    {"PMI_SIZE", "PMI_RANK", true},
    {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", true},
};

const char *uda_launch_getenv(const char *name) { return getenv(name); }

static int number(int *value, const char *name, const char *text, struct uda_err *err)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 0 || n > INT_MAX) {
        return uda_fail(err, UDA_MANIFEST, "environment: %s is '%s', which is no number of ranks",
                        name, text);
    }
    *value = (int)n;
    return 0;
}

/* What one launcher's variables say; false when it did not start this process. */
static int ask(bool *found, struct uda_launch *launch, const struct launcher *by,
               uda_launch_lookup_fn *lookup, struct uda_err *err)
{
    const char *ranks = lookup(by->ranks), *rank = lookup(by->rank);
    *found = ranks != NULL && rank != NULL;
    if (!*found) {
        return 0;
    }
    *launch = (struct uda_launch){.by = by->ranks, .mpi = by->mpi};
    UDA_TRY(number(&launch->ranks, by->ranks, ranks, err));
    UDA_TRY(number(&launch->rank, by->rank, rank, err));
    if (launch->rank >= launch->ranks) {
        return uda_fail(err, UDA_MANIFEST, "environment: %s is %d and %s is %d: no such rank",
                        by->rank, launch->rank, by->ranks, launch->ranks);
    }
    return 0;
}

int uda_launch_detect(struct uda_launch *launch, uda_launch_lookup_fn *lookup, struct uda_err *err)
{
    struct uda_launch out = {.ranks = 1};
    for (int64_t i = 0; i < UDA_LEN(launchers); i++) {
        struct uda_launch said;
        bool found = false;
        UDA_TRY(ask(&found, &said, &launchers[i], lookup, err));
        if (!found) {
            continue;
        }
        if (out.by == NULL) {
            out = said;
        } else if (!out.mpi && said.mpi && said.rank == out.rank && said.ranks == out.ranks) {
            out = said;
        }
    }
    *launch = out;
    return 0;
}
