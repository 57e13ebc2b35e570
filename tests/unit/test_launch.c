#include "src/dist/launch.h"
#include "tests/check.h"

/* The environment of a case: pairs of name and value. */
static const char *const *environment;

static const char *lookup(const char *name)
{
    for (const char *const *at = environment; *at != NULL; at += 2) {
        if (strcmp(at[0], name) == 0) {
            return at[1];
        }
    }
    return NULL;
}

static void expect(const char *const *pairs, int rank, int ranks, bool mpi, const char *by)
{
    struct uda_err err = {0};
    struct uda_launch launch;
    environment = pairs;
    CHECK_OK(uda_launch_detect(&launch, lookup, &err), &err);
    CHECK(launch.rank == rank && launch.ranks == ranks && launch.mpi == mpi);
    CHECK_STR(launch.by == NULL ? "" : launch.by, by);
}

static void refuse(const char *const *pairs, const char *words)
{
    struct uda_err err = {0};
    struct uda_launch launch;
    environment = pairs;
    CHECK(uda_launch_detect(&launch, lookup, &err) == UDA_MANIFEST);
    CHECK(strstr(err.text, words) != NULL);
}

#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})

int main(void)
{
    expect((const char *const[]){NULL}, 0, 1, false, "");
    expect(ENV("OMPI_COMM_WORLD_SIZE", "4", "OMPI_COMM_WORLD_RANK", "3"), 3, 4, true,
           "OMPI_COMM_WORLD_SIZE");
    expect(ENV("PMI_SIZE", "2", "PMI_RANK", "1"), 1, 2, true, "PMI_SIZE");
    expect(ENV("WORLD_SIZE", "8", "RANK", "7"), 7, 8, false, "WORLD_SIZE");
    expect(ENV("SLURM_STEP_NUM_TASKS", "2", "SLURM_PROCID", "1"), 1, 2, true,
           "SLURM_STEP_NUM_TASKS");
    /* A batch script of several tasks that starts the program directly. */
    expect(ENV("SLURM_NTASKS", "4", "SLURM_PROCID", "0"), 0, 1, false, "");
    /* mpirun inside a Slurm step; torchrun on each of two nodes; torch's names set by hand in a step. */
    expect(ENV("SLURM_STEP_NUM_TASKS", "2", "SLURM_PROCID", "1", "OMPI_COMM_WORLD_SIZE", "8",
               "OMPI_COMM_WORLD_RANK", "5"),
           5, 8, true, "OMPI_COMM_WORLD_SIZE");
    expect(ENV("SLURM_STEP_NUM_TASKS", "2", "SLURM_PROCID", "1", "WORLD_SIZE", "16", "RANK", "9"),
           9, 16, false, "WORLD_SIZE");
    expect(ENV("SLURM_STEP_NUM_TASKS", "2", "SLURM_PROCID", "1", "WORLD_SIZE", "2", "RANK", "1"), 1,
           2, true, "SLURM_STEP_NUM_TASKS");
    refuse(ENV("OMPI_COMM_WORLD_SIZE", "four", "OMPI_COMM_WORLD_RANK", "3"),
           "OMPI_COMM_WORLD_SIZE is 'four'");
    refuse(ENV("OMPI_COMM_WORLD_SIZE", "4", "OMPI_COMM_WORLD_RANK", "4"), "no such rank");
    refuse(ENV("PMI_SIZE", "-2", "PMI_RANK", "0"), "PMI_SIZE");
    refuse(ENV("PMI_SIZE", "99999999999", "PMI_RANK", "0"), "PMI_SIZE");
    return check_result();
}
