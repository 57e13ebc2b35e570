#include "io/fs.h"
#include "kernels/kernels.h"
#include "src/cmd/cmd.h"
#include "src/cmd/options.h"
#include "src/dist/dist.h"
#include "src/tensor/tape.h"
#include "src/ops/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) + 1e-9 * (double)(to->tv_nsec - from->tv_nsec);
}

static void say_processor(void)
{
    static const char *const isas[] = {"generic", "x86-64-v3", "x86-64-v4"};
    (void)printf("processor   %d cores for this process; kernels:", uda_cores());
    for (int64_t i = 0; i < UDA_LEN(isas); i++) {
        if (uda_kernels_cpu_named(isas[i]) != NULL) {
            (void)printf(" %s", isas[i]);
        }
    }
    (void)printf("; used: %s\n", uda_kernels_cpu()->name);
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    (void)printf("memory      %.1f GiB\n", (double)pages * (double)page / 1073741824.0);
}

/* Speed of one product of a Swin linear's shape. */
static int say_products(struct uda_err *err)
{
    struct uda_device device;
    UDA_TRY(uda_device_init_cpu(&device, 0, NULL, err));
    struct uda_tape tape;
    uda_tape_init(&tape, &device);
    struct timespec from, to;
    double best = 1e30;
    for (int repeat = 0; repeat < 4; repeat++) {
        uda_tape_begin(&tape, false);
        struct uda_tensor *x = uda_tape_new(&tape, UDA_F32, 2, (const int64_t[]){4096, 384});
        struct uda_tensor *w = uda_tape_new(&tape, UDA_F32, 2, (const int64_t[]){1536, 384});
        for (int64_t i = 0; uda_tape_ok(&tape) && i < x->count; i++) {
            uda_floats(x)[i] = 1.0f;
        }
        for (int64_t i = 0; uda_tape_ok(&tape) && i < w->count; i++) {
            uda_floats(w)[i] = 0.5f;
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &from);
        (void)uda_linear(&tape, x, w, NULL);
        (void)clock_gettime(CLOCK_MONOTONIC, &to);
        double took = seconds_between(&from, &to);
        best = took < best ? took : best;
    }
    int rc = uda_tape_status(&tape, err);
    if (rc == 0) {
        (void)printf("products    %.0f GFLOP/s in fp32 on all threads (4096 x 1536 x 384)\n",
                     2.0 * 4096.0 * 1536.0 * 384.0 / best / 1e9);
    }
    uda_tape_finish(&tape);
    uda_device_finish(&device);
    return rc;
}

static int say_disk(const char *dir, struct uda_err *err)
{
    struct uda_arena arena = {0};
    const size_t bytes = (size_t)32 << 20;
    int64_t space = 0;
    unsigned char *data = uda_arena_calloc(&arena, bytes);
    const char *path = uda_fs_join(&arena, dir, "uda4inst-doctor.tmp");
    int rc = data == NULL || path == NULL ? uda_fail(err, UDA_NOMEM, "doctor: out of memory")
                                          : uda_fs_free_bytes(&space, dir, err);
    struct timespec from, to;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    if (rc == 0) {
        rc = uda_fs_write(path, data, bytes, err);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    if (rc == 0) {
        (void)printf("disk        '%s': %.1f GiB free; durable writes at %.0f MiB/s\n", dir,
                     (double)space / 1073741824.0, 32.0 / seconds_between(&from, &to));
        rc = uda_fs_remove(path, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

static void say_ranks(void)
{
    char text[256];
    const char *mpi = uda_dist_mpi(text, sizeof text);
    (void)printf("ranks       %s%sTCP (docs/cluster.md)\n", mpi == NULL ? "no MPI in this build; " : mpi,
                 mpi == NULL ? "" : ", ");
}

/* What `precision` may be, and how steps are launched. */
static void say_precision(const struct uda_backend *backend, int devices)
{
    if (devices == 0) {
        (void)printf("precision   fp32; bf16 needs a GPU (docs/gpu.md)\n");
        return;
    }
    const char *setting = getenv("UDA_CUDA_GRAPHS");
    bool off = setting != NULL && strcmp(setting, "0") == 0;
    (void)printf("precision   fp32; on a GPU bf16 too; there %s\n",
                 backend->graphs == NULL ? "kernels are launched one by one"
                 : off ? "kernels are launched one by one: UDA_CUDA_GRAPHS is 0"
                       : "forward and backward of a shard are one graph");
}

/* The CUDA module, its devices, and what it cannot do yet. */
static void say_gpu(void)
{
    struct uda_err why = {0};
    const struct uda_backend *backend = NULL;
    if (uda_device_cuda(&backend, &why) != 0) {
        (void)printf("gpu         none: %s\n", why.text);
        say_precision(NULL, 0);
        return;
    }
    char text[256] = "";
    int devices = backend->count(text, sizeof text);
    (void)printf("gpu         module %s (%s)", backend->name, backend->kernels->libraries());
    int64_t missing = 0;
    while (backend->missing(missing) != NULL) {
        missing++;
    }
    if (missing > 0) {
        (void)printf(", lacks %lld kernels: training runs on the cpu", (long long)missing);
    }
    if (devices == 0) {
        (void)printf("; no device: %s", text);
    }
    (void)printf("\n");
    for (int i = 0; i < devices; i++) {
        if (backend->describe(text, sizeof text, i, &why) == 0) {
            (void)printf("            cuda:%d %s\n", i, text);
        } else {
            (void)printf("            cuda:%d %s\n", i, why.text);
            uda_err_clear(&why);
        }
    }
    if (backend->group == NULL) {
        (void)snprintf(text, sizeof text, "the module was built without NCCL");
    }
    bool there = backend->group != NULL && backend->group->library(text, sizeof text);
    (void)printf("            between ranks: %s%s\n",
                 there ? "" : "sums on the host, since there is no other way: ", text);
    say_precision(backend, devices);
}

int uda_cmd_doctor(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest;
    bool help = false;
    const char *dir = ".";
    const struct uda_option table[] = {
        {"--dir", UDA_OPTION_TEXT, &dir, "DIR", "where run folders will be (default: here)"}};
    const struct uda_usage usage = {.verb = "doctor", .arguments = "[options]",
                                    .summary = "What this machine offers, and what would slow or stop a run.",
                                    .option = table, .options = UDA_LEN(table)};
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    (void)printf("program     uda4inst %s\n", UDA_PROGRAM_VERSION);
    say_processor();
    UDA_TRY(say_products(err));
    UDA_TRY(say_disk(dir, err));
    say_ranks();
    say_gpu();
    if (getenv("OPENBLAS_CORETYPE") != NULL) {
        (void)printf("note        OPENBLAS_CORETYPE is set: it does not matter here, but slows peers\n");
    }
    return 0;
}
