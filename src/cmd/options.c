#include "src/cmd/options.h"

#include "src/base/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_ROOM 64

static void print_help(const struct uda_usage *usage)
{
    (void)printf("usage: uda4inst %s %s\n\n%s\n", usage->verb, usage->arguments, usage->summary);
    if (usage->options > 0) {
        (void)printf("\n");
    }
    for (int64_t i = 0; i < usage->options; i++) {
        const struct uda_option *o = &usage->option[i];
        char left[80];
        (void)snprintf(left, sizeof left, "%s %s", o->name, o->unit == NULL ? "" : o->unit);
        (void)printf("  %-24s %s\n", left, o->help);
    }
    (void)printf("  %-24s %s\n", "--help", "this text");
}

static int set_value(const struct uda_option *o, const char *verb, const char *text,
                     struct uda_err *err)
{
    char *end = NULL;
    errno = 0;
    if (o->kind == UDA_OPTION_INT) {
        long long value = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || errno != 0) {
            return uda_fail(err, UDA_MANIFEST, "%s: %s: '%s' is not a whole number", verb, o->name,
                            text);
        }
        *(int64_t *)o->value = (int64_t)value;
    } else if (o->kind == UDA_OPTION_FLOAT) {
        double value = strtod(text, &end);
        if (end == text || *end != '\0' || errno != 0) {
            return uda_fail(err, UDA_MANIFEST, "%s: %s: '%s' is not a number", verb, o->name, text);
        }
        *(double *)o->value = value;
    } else if (o->kind == UDA_OPTION_TEXT) {
        *(const char **)o->value = text;
    } else {
        struct uda_option_list *list = o->value;
        if (list->count == UDA_OPTION_LIST_ROOM) {
            return uda_fail(err, UDA_MANIFEST, "%s: %s is given more than %d times", verb, o->name,
                            UDA_OPTION_LIST_ROOM);
        }
        list->item[list->count++] = text;
    }
    return 0;
}

static int unknown(const struct uda_usage *usage, const char *word, struct uda_err *err)
{
    const char *name[NAME_ROOM];
    int64_t count = usage->options < NAME_ROOM ? usage->options : NAME_ROOM;
    for (int64_t i = 0; i < count; i++) {
        name[i] = usage->option[i].name;
    }
    const char *near = uda_nearest(word, name, count);
    return uda_fail(err, UDA_MANIFEST, "%s: unknown option '%s'%s%s%s", usage->verb, word,
                    near == NULL ? ": see --help" : ": did you mean '", near == NULL ? "" : near,
                    near == NULL ? "" : "'?");
}

/* Handles the option at argv[*at]; moves *at over a value that stands apart. */
static int one_option(const struct uda_usage *usage, int argc, char **argv, int *at,
                      struct uda_err *err)
{
    const char *word = argv[*at];
    size_t length = strcspn(word, "=");
    for (int64_t i = 0; i < usage->options; i++) {
        const struct uda_option *o = &usage->option[i];
        if (strlen(o->name) != length || strncmp(o->name, word, length) != 0) {
            continue;
        }
        if (o->kind == UDA_OPTION_FLAG) {
            if (word[length] == '=') {
                return uda_fail(err, UDA_MANIFEST, "%s: %s takes no value", usage->verb, o->name);
            }
            *(bool *)o->value = true;
            return 0;
        }
        if (word[length] == '=') {
            return set_value(o, usage->verb, word + length + 1, err);
        }
        if (*at + 1 >= argc) {
            return uda_fail(err, UDA_MANIFEST, "%s: %s needs a value %s", usage->verb, o->name,
                            o->unit);
        }
        *at += 1;
        return set_value(o, usage->verb, argv[*at], err);
    }
    return unknown(usage, word, err);
}

int uda_options_parse(struct uda_option_list *rest, bool *help, const struct uda_usage *usage,
                      int argc, char **argv, struct uda_err *err)
{
    rest->count = 0;
    *help = false;
    bool only_arguments = false;
    for (int i = 1; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            print_help(usage);
            *help = true;
            return 0;
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1] == '-') {
            UDA_TRY(one_option(usage, argc, argv, &i, err));
        } else if (rest->count == UDA_OPTION_LIST_ROOM) {
            return uda_fail(err, UDA_MANIFEST, "%s: too many arguments", usage->verb);
        } else {
            rest->item[rest->count++] = argv[i];
        }
    }
    if (rest->count < usage->least || rest->count > usage->most) {
        return uda_fail(err, UDA_MANIFEST, "usage: uda4inst %s %s", usage->verb, usage->arguments);
    }
    return 0;
}
