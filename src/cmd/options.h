/*
 * Command-line options: one table parses and prints --help.
 *
 *     struct { const char *out; int64_t seed; bool verify; } o = {.seed = 1};
 *     const struct uda_option table[] = {
 *         {"--out", UDA_OPTION_TEXT, &o.out, "DIR", "where to write"},
 *         {"--seed", UDA_OPTION_INT, &o.seed, "N", "seed of the scenes (default 1)"},
 *         {"--verify", UDA_OPTION_FLAG, &o.verify, NULL, "re-read every byte"}};
 *     struct uda_usage usage = {"scenes", "[options]", "draws scenes", table, UDA_LEN(table)};
 *     UDA_TRY(uda_options_parse(&rest, &usage, argc, argv, err));
 */
#ifndef UDA_CMD_OPTIONS_H
#define UDA_CMD_OPTIONS_H

#include "src/base/arena.h"
#include "src/base/err.h"

enum uda_option_kind {
    UDA_OPTION_FLAG,  /* bool *        --verify */
    UDA_OPTION_INT,   /* int64_t *     --seed 3 or --seed=3 */
    UDA_OPTION_FLOAT, /* double * */
    UDA_OPTION_TEXT,  /* const char ** borrowed from argv */
    UDA_OPTION_LIST   /* struct uda_option_list *, may be given several times */
};

#define UDA_OPTION_LIST_ROOM 64

struct uda_option_list {
    const char *item[UDA_OPTION_LIST_ROOM];
    int64_t count;
};

struct uda_option {
    const char *name; /* "--seed" */
    enum uda_option_kind kind;
    void *value;
    const char *unit; /* what stands behind it in --help; NULL for flags */
    const char *help; /* one line */
};

struct uda_usage {
    const char *verb, *arguments, *summary;
    const struct uda_option *option;
    int64_t options;
    int64_t least, most; /* how many positional arguments; most 0 with least 0: none */
};

/*
 * Fills the values and collects the positional arguments in `rest` (borrowed from argv). argv[0] is
 * the verb. --help prints the table on stdout and sets *help; the caller then returns 0.
 * Errors: UDA_MANIFEST (exit code 2): unknown option with a suggestion, missing or bad value, wrong
 * count.
 */
int uda_options_parse(struct uda_option_list *rest, bool *help, const struct uda_usage *usage,
                      int argc, char **argv, struct uda_err *err) UDA_MUST_USE;

#endif
