/*
 * The manifest argument that check, plan and run share.
 */
#ifndef UDA_CMD_MANIFEST_OPTION_H
#define UDA_CMD_MANIFEST_OPTION_H

#include "src/cmd/options.h"
#include "src/plan/manifest.h"

/*
 * uda_manifest_load with the values of --set. On a manifest error every problem goes to stderr,
 * each as "file:line:col: message", its line and a caret, and err says how many there are.
 */
int uda_manifest_option_load(struct uda_manifest **out, struct uda_arena *arena, const char *path,
                             const struct uda_option_list *sets, struct uda_err *err) UDA_MUST_USE;

#endif
