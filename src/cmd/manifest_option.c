#include "src/cmd/manifest_option.h"

#include <stdio.h>

int uda_manifest_option_load(struct uda_manifest **out, struct uda_arena *arena, const char *path,
                             const struct uda_option_list *sets, struct uda_err *err)
{
    struct uda_str report;
    uda_str_init(&report, arena);
    int rc = uda_manifest_load(out, arena, path, sets->item, sets->count, &report, err);
    if (rc != 0) {
        /* Without the prefix of the log, so that editors find "file:line:col" at the line's
         * start. */
        (void)fputs(report.text, stderr);
    }
    return rc;
}
