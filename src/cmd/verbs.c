#include "src/cmd/cmd.h"

const struct uda_verb uda_verbs[] = {
    {"version", "version and build of this program", uda_cmd_version},
};

const int64_t uda_verb_count = UDA_LEN(uda_verbs);
