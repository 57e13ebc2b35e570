#include "src/stage/status.h"
#include "src/cmd/cmd.h"
#include "src/cmd/options.h"

#include <stdio.h>

int uda_cmd_status(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest;
    bool help = false;
    const struct uda_usage usage = {.verb = "status", .arguments = "RUN",
                                    .summary = "What is done, what runs, time left, last losses, last AP.",
                                    .least = 1, .most = 1};
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    struct uda_arena arena = {0};
    struct uda_str out;
    uda_str_init(&out, &arena);
    int rc = uda_status_print(&out, rest.item[0], &arena, err);
    if (rc == 0) {
        (void)fputs(out.text, stdout);
    }
    uda_arena_finish(&arena);
    return rc;
}
