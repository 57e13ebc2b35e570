/*
 * Which of how many ranks is this process? Told by the variables that launchers set.
 *
 *     struct uda_launch launch;
 *     UDA_TRY(uda_launch_detect(&launch, uda_launch_getenv, err));
 *     if (launch.ranks > 1) { ... }
 */
#ifndef UDA_DIST_LAUNCH_H
#define UDA_DIST_LAUNCH_H

#include "src/base/err.h"

struct uda_launch {
    int rank, ranks; /* 0 and 1 when nobody launched several */
    const char *by;  /* the variable that says how many; NULL: none. Static */
    bool mpi;        /* MPI can join what this launcher started; otherwise TCP */
};

/* Value of a variable, or NULL. */
typedef const char *uda_launch_lookup_fn(const char *name);

/*
 * The innermost launcher wins: mpirun (OMPI_COMM_WORLD_*), torchrun and those like it (WORLD_SIZE, RANK),
 * PMI (PMI_SIZE, PMI_RANK), srun (SLURM_STEP_NUM_TASKS, SLURM_PROCID). SLURM_NTASKS is not asked: a batch
 * script has it too, and a program that it starts directly is alone. When torchrun's variables say the
 * same as an MPI launcher's, MPI is used. Errors: UDA_MANIFEST: a variable that is no number, or a rank
 * that does not exist.
 */
int uda_launch_detect(struct uda_launch *launch, uda_launch_lookup_fn *lookup,
                      struct uda_err *err) UDA_MUST_USE;

/* The environment of this process. */
const char *uda_launch_getenv(const char *name);

#endif
