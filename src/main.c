#include "src/base/log.h"
#include "src/base/nearest.h"
#include "src/cmd/cmd.h"
#include "src/cmd/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_verbs(FILE *to)
{
    (void)fprintf(to, "usage: uda4inst VERB ...        uda4inst VERB --help explains a verb\n\n");
    for (int64_t i = 0; i < uda_verb_count; i++) {
        (void)fprintf(to, "  %-10s %s\n", uda_verbs[i].name, uda_verbs[i].summary);
    }
    (void)fprintf(to, "\nexit codes: 0 done, 1 failed, 2 usage or manifest error, 75 stopped early and "
                      "resumable, 77 not supported in this build\n");
}

static int unknown_verb(const char *word)
{
    const char *name[64];
    for (int64_t i = 0; i < uda_verb_count && i < UDA_LEN(name); i++) {
        name[i] = uda_verbs[i].name;
    }
    const char *near = uda_nearest(word, name, uda_verb_count);
    if (near != NULL) {
        uda_log(UDA_LOG_ERROR, "unknown verb '%s': did you mean '%s'?", word, near);
    } else {
        uda_log(UDA_LOG_ERROR, "unknown verb '%s'", word);
        print_verbs(stderr);
    }
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_verbs(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_verbs(stdout);
        return 0;
    }
    for (int64_t i = 0; i < uda_verb_count; i++) {
        if (strcmp(argv[1], uda_verbs[i].name) == 0) {
            struct uda_err err = {0};
            int rc = uda_verbs[i].run(argc - 1, argv + 1, &err);
            if (rc != 0 && err.text[0] != '\0') {
                uda_log(rc == UDA_STOPPED ? UDA_LOG_INFO : UDA_LOG_ERROR, "%s", err.text);
            }
            if (fflush(stdout) != 0 && rc == 0) {
                uda_log(UDA_LOG_ERROR, "cannot write the results to stdout");
                return 1;
            }
            return rc == 0 ? 0 : uda_code_exit((enum uda_code)rc);
        }
    }
    return unknown_verb(argv[1]);
}
