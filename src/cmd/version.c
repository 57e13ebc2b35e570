#include "src/cmd/cmd.h"
#include "src/cmd/options.h"

#include <stdio.h>

int uda_cmd_version(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest;
    bool help = false;
    struct uda_usage usage = {.verb = "version", .arguments = "", .summary = "Prints the version."};
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (!help) {
        (void)printf("uda4inst %s\n", UDA_PROGRAM_VERSION);
    }
    return 0;
}
