/*
 * Every CUDA kernel against the CPU's, under the host harness: the case table, with the threads in three
 * orders; every launch of every .cu file must have run.
 *
 *     test_host_kernels [--once] [KERNEL]   the cases (of one kernel): exit status 0 or 1. --once: in one
 *                                           order, for a look at what memory they touch
 *     test_host_kernels --coverage          what is missing: 0 nothing, 77 exactly what missing.txt lists,
 *                                           else 1
 */
#include "kernels/cuda/table.h"
#include "tests/cuda/cases.h"
#include "tests/cuda/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool next_order(int repeat)
{
    static const enum uda_grid_order order[] = {UDA_GRID_ASCENDING, UDA_GRID_DESCENDING, UDA_GRID_SHUFFLED};
    if (repeat >= (int)UDA_LEN(order)) {
        return false;
    }
    uda_grid_order(order[repeat]);
    return true;
}

static int run_case(const struct trial_case *c, struct target *cpu, struct target *cuda, bool once)
{
    int failed = trial_compare(c, cpu, cuda, once ? NULL : next_order);
    if (uda_grid_failure() != NULL) {
        (void)fprintf(stderr, "%s\n", uda_grid_failure());
        uda_grid_clear();
        failed = 1;
    }
    return failed;
}

/* The text of a file; NULL when it cannot be read. Owned by the caller. */
static char *read_text(const char *folder, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        (void)fprintf(stderr, "cannot read '%s'\n", path);
        return NULL;
    }
    const size_t room = 1 << 20;
    char *text = uda_calloc(room);
    if (text != NULL) {
        text[fread(text, 1, room - 1, file)] = '\0';
    }
    (void)fclose(file);
    return text;
}

/* The first argument of a launch at `from` into name: up to the comma outside parentheses and <>. */
static void first_argument(char *name, size_t bytes, const char *from)
{
    size_t at = 0;
    for (int depth = 0; *from != '\0' && at + 1 < bytes && (depth > 0 || *from != ','); from++) {
        depth += *from == '(' ? 1 : *from == ')' ? -1 : 0;
        if (*from != '\n') {
            name[at++] = *from;
        }
    }
    name[at] = '\0';
}

/* Launches of a .cu file that no case has made. */
static int unlaunched(const char *file)
{
    static const char call[] = "UDA_CUDA_LAUNCH(";
    char *text = read_text(CUDA_SOURCES, file);
    int count = text == NULL ? 1 : 0;
    for (const char *at = text; at != NULL && (at = strstr(at, call)) != NULL;) {
        char name[200];
        at += sizeof call - 1;
        first_argument(name, sizeof name, at);
        if (!uda_grid_has_run(file, name)) {
            (void)fprintf(stderr, "%s: no case launches %s\n", file, name);
            count++;
        }
    }
    uda_free(text);
    return count;
}

/* Has the table a row of this kernel? */
static bool has_case(const char *kernel)
{
    for (int64_t i = 0; cuda_case_tables[i]->count > 0; i++) {
        for (int64_t k = 0; k < cuda_case_tables[i]->count; k++) {
            if (strcmp(cuda_case_tables[i]->row[k].kernel, kernel) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool is_missing(const char *kernel)
{
    for (int64_t i = 0; uda_cuda_missing(i) != NULL; i++) {
        if (strcmp(uda_cuda_missing(i), kernel) == 0) {
            return true;
        }
    }
    return false;
}

/* missing.txt must hold the missing kernels in the order of kernels.def, one a line, and nothing else. */
static int coverage(void)
{
    static const char *const all[] = {
#define UDA_KERNEL(kernel, args) #kernel,
#include "kernels/kernels.def"
#undef UDA_KERNEL
    };
    char found[4096] = "";
    int missing = 0, failed = 0;
    for (int64_t i = 0; i < UDA_LEN(all); i++) {
        if (is_missing(all[i])) {
            size_t at = strlen(found);
            (void)snprintf(found + at, sizeof found - at, "%s\n", all[i]);
            (void)printf("missing: %s\n", all[i]);
            missing++;
        } else if (!has_case(all[i])) {
            (void)fprintf(stderr, "%s: a kernel without a case\n", all[i]);
            failed = 1;
        }
    }
    char *listed = read_text(CUDA_TESTS, "missing.txt");
    if (listed == NULL || strcmp(listed, found) != 0) {
        (void)fprintf(stderr, "tests/cuda/missing.txt is not the list above\n");
        failed = 1;
    }
    uda_free(listed);
    (void)printf("%d of %d kernels are missing\n", missing, (int)UDA_LEN(all));
    return failed != 0 ? 1 : missing > 0 ? 77 : 0;
}

int main(int argc, char **argv)
{
    static const char *const files[] = {CUDA_FILES};
    if (argc > 1 && strcmp(argv[1], "--coverage") == 0) {
        return coverage();
    }
    bool once = argc > 1 && strcmp(argv[1], "--once") == 0;
    const char *only = argc > (once ? 2 : 1) ? argv[once ? 2 : 1] : NULL;
    struct target cpu = target_host("cpu", uda_kernels_cpu()), cuda = target_host("cuda", &uda_cuda_table);
    int64_t ran = 0, failed = 0;
    for (int64_t i = 0; cuda_case_tables[i]->count > 0; i++) {
        for (int64_t k = 0; k < cuda_case_tables[i]->count; k++) {
            const struct trial_case *c = &cuda_case_tables[i]->row[k];
            if (only == NULL || strcmp(c->kernel, only) == 0) {
                failed += run_case(c, &cpu, &cuda, once);
                ran++;
            }
        }
    }
    for (int64_t i = 0; i < UDA_LEN(files) && only == NULL; i++) {
        failed += unlaunched(files[i]);
    }
    (void)printf("%lld cases in %s of threads, %lld grids, %lld failures\n", (long long)ran,
                 once ? "one order" : "three orders", (long long)uda_grid_count(), (long long)failed);
    uda_grid_finish();
    return failed > 0 || ran == 0 ? 1 : 0;
}
