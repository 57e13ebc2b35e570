/*
 * The verbs. Each parses its own arguments (argv[0] is the verb), prints results on stdout and
 * returns a code that main turns into the exit status.
 */
#ifndef UDA_CMD_CMD_H
#define UDA_CMD_CMD_H

#include "src/base/err.h"

struct uda_verb {
    const char *name, *summary;
    int (*run)(int argc, char **argv, struct uda_err *err);
};

/* Verbs live in one file each; src/cmd/verbs.c lists them. */
extern const struct uda_verb uda_verbs[];
extern const int64_t uda_verb_count;

/* One for each verb; what it does is its summary in verbs.c. Errors: UDA_MANIFEST for wrong
 * arguments, UDA_UNSUPPORTED, UDA_STOPPED, or whatever the work ended in. */
int uda_cmd_check(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_evaluate(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_export(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_scenes(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_import(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_inspect(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_plan(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_doctor(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_predict(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_run(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_status(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;
int uda_cmd_version(int argc, char **argv, struct uda_err *err) UDA_MUST_USE;

#endif
