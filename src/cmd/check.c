#include "src/cmd/check_data.h"
#include "src/cmd/cmd.h"
#include "src/cmd/manifest_option.h"
#include "src/plan/schema.h"

#include <inttypes.h>
#include <stdio.h>

static void print_summary(const struct uda_manifest *m)
{
    (void)printf("%s: ok: '%s', %" PRId64 " data sets, %" PRId64 " categories, %" PRId64
                 " stages\n",
                 m->path, m->name, m->dataset_count, m->category_count, m->stage_count);
}

static int check_one(const char *path, const struct uda_option_list *sets, bool data,
                     struct uda_arena *arena, struct uda_err *err)
{
    struct uda_manifest *manifest = NULL;
    UDA_TRY(uda_manifest_option_load(&manifest, arena, path, sets, err));
    UDA_TRY(uda_check_data(manifest, data, arena, err));
    print_summary(manifest);
    return 0;
}

/* One of the texts that are read off the table of keys. */
static int print_text(void (*text)(struct uda_str *), struct uda_arena *arena, struct uda_err *err)
{
    struct uda_str out;
    uda_str_init(&out, arena);
    text(&out);
    UDA_TRY(uda_str_status(&out, err));
    (void)fputs(out.text, stdout);
    return 0;
}

int uda_cmd_check(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest, sets = {.count = 0};
    bool data = false, keys = false, readme = false, schema = false, help = false;
    const struct uda_option table[] = {
        {"--set", UDA_OPTION_LIST, &sets, "KEY=VALUE", "override one key, as in optimizer.lr=1e-3"},
        {"--data", UDA_OPTION_FLAG, &data, NULL, "read the label files of every data set too"},
        {"--keys", UDA_OPTION_FLAG, &keys, NULL, "print every key with its type, range and default"},
        {"--print-readme", UDA_OPTION_FLAG, &readme, NULL, "print manifests/README.md"},
        {"--print-schema", UDA_OPTION_FLAG, &schema, NULL, "print the JSON Schema of manifests"}};
    const struct uda_usage usage = {
        "check", "[options] MANIFEST",
        "Parses and validates a manifest and looks at its data sets; prints every error at once.\n"
        "Folders in a manifest are relative to the current directory, 'extends' to its own file.",
        table, UDA_LEN(table), 0, 1};
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    struct uda_arena arena = {0};
    int rc;
    if (keys || readme || schema) {
        rc = print_text(keys     ? uda_schema_list
                        : readme ? uda_schema_readme
                                 : uda_schema_json,
                        &arena, err);
    } else if (rest.count == 0) {
        rc = uda_fail(err, UDA_MANIFEST, "usage: uda4inst check [options] MANIFEST");
    } else {
        rc = check_one(rest.item[0], &sets, data, &arena, err);
    }
    uda_arena_finish(&arena);
    return rc;
}
