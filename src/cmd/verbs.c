#include "src/cmd/cmd.h"

const struct uda_verb uda_verbs[] = {
    {"check", "parse and validate a manifest, and look at its data sets", uda_cmd_check},
    {"plan", "the stages in order, what they read and write, and what is done", uda_cmd_plan},
    {"run", "start a run, or continue it where it was", uda_cmd_run},
    {"status", "what is done, what runs, time left, last losses and AP", uda_cmd_status},
    {"predict", "find the instances in a folder of images", uda_cmd_predict},
    {"evaluate", "average precision of predictions by a benchmark's rules", uda_cmd_evaluate},
    {"export", "a label set in the format of another tool", uda_cmd_export},
    {"scenes", "labelled procedural street scenes in a data set's own layout", uda_cmd_scenes},
    {"import", "weights of other programs into a file for model.init", uda_cmd_import},
    {"inspect", "what is in a file; verify it; compare two", uda_cmd_inspect},
    {"doctor", "what this machine offers, and what would slow or stop a run", uda_cmd_doctor},
    {"version", "version and build of this program", uda_cmd_version},
};

const int64_t uda_verb_count = UDA_LEN(uda_verbs);
