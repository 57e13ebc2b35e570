/* What people read: the lines of `check --keys` and manifests/README.md. */
#include "src/plan/draft.h"
#include "src/plan/schema.h"

#include <string.h>

static const char *const introductions[][2] = {
    {"datasets", "Named data sets. Folders are relative to the current directory unless absolute; in a "
                 "path, `${VAR}` and `${VAR:-default}` come from the environment."},
    {"categories", "Named groups of classes, each with its own model. A class is in one group at most."},
    {"model", "Mask2Former: a Swin backbone, a deformable-attention pixel decoder, a masked-attention "
              "decoder."},
    {"optimizer", "AdamW. The sections from here to `test` (and `batch`, `precision`) may also stand inside "
                  "a stage, where they override these for that stage: "
                  "`stages.final.optimizer.lr`."},
    {"schedule", "Learning rate over the iterations of a stage, counted from 0 in each stage."},
    {"augment", "Random resize, crop, colour and flip of a training image, in this order."},
    {"loss", "Weights of the losses, the same for every decoder layer."},
    {"points", "Where on a mask losses and matching costs are taken."},
    {"mixing", "Stages of kind adapt only."},
    {"test", "How stages of kind label and evaluate run the network."},
    {"stages", "Named stages, run in the order of their inputs. `from`, `labels` and `inputs` name other "
               "stages; a stage whose keys and inputs are unchanged is not run again."},
    {"parallel", "How a batch is split."},
    {"checkpoint", "Changes no result."},
    {"runtime", "Changes no result; `device` changes how they are rounded, and a checkpoint says on "
                "what it was made."},
};

/* "optimizer" of "optimizer.lr", "" of "batch". */
static size_t section_length(const char *path)
{
    const char *dot = strchr(path, '.');
    return dot == NULL ? 0 : (size_t)(dot - path);
}

static void put_kinds(struct uda_str *out, const struct uda_key *key)
{
    unsigned all = (1u << UDA_STAGE_KINDS) - 1;
    if (key->kinds == 0 || key->kinds == all) {
        uda_str_add(out, key->kinds == 0 ? "" : "all");
        return;
    }
    bool first = true;
    for (int k = 0; k < UDA_STAGE_KINDS; k++) {
        if ((key->kinds >> k & 1u) != 0) {
            uda_str_add(out, "%s%s", first ? "" : ", ", uda_stage_kind_name((enum uda_stage_kind)k));
            first = false;
        }
    }
}

static const char *default_text(const struct uda_key *key)
{
    if (key->def == NULL) {
        return "(must be given)";
    }
    return key->def[0] == '@' ? key->def + 1 : key->def;
}

void uda_schema_list(struct uda_str *out)
{
    for (int64_t i = 0; i < uda_schema_count(); i++) {
        const struct uda_key *key = uda_schema_row(i);
        struct uda_str type;
        uda_str_init(&type, out->arena);
        uda_key_type_text(&type, key);
        struct uda_str range;
        uda_str_init(&range, out->arena);
        uda_key_range_text(&range, key);
        uda_str_add(out, "%s\n    %s\n    %s%s%s; default: %s%s\n", key->path, key->help, type.text,
                    range.bytes > 0 ? "; " : "", range.text, default_text(key),
                    key->runtime ? "; changes no result" : "");
    }
}

static void put_cell(struct uda_str *out, const char *text)
{
    for (; *text != '\0'; text++) {
        uda_str_add(out, *text == '|' ? "\\%c" : "%c", *text);
    }
}

static void put_row(struct uda_str *out, const struct uda_key *key, const char *shown)
{
    uda_str_add(out, "| `%s` | ", shown);
    uda_key_type_text(out, key);
    uda_str_add(out, " | ");
    uda_key_range_text(out, key);
    bool computed = key->def != NULL && key->def[0] == '@';
    bool code = key->def != NULL && !computed;
    uda_str_add(out, " | %s%s%s%s | ", computed ? "by " : "", code ? "`" : "", default_text(key),
                code ? "`" : "");
    put_kinds(out, key);
    uda_str_add(out, " | ");
    put_cell(out, key->help);
    uda_str_add(out, " |\n");
}

static void put_section(struct uda_str *out, const char *path, size_t length)
{
    uda_str_add(out, length == 0 ? "\n## Top level\n\n" : "\n## %.*s\n\n", (int)length, path);
    for (int64_t i = 0; i < UDA_LEN(introductions); i++) {
        if (strlen(introductions[i][0]) == length &&
            strncmp(introductions[i][0], path, length) == 0) {
            uda_str_add(out, "%s\n\n", introductions[i][1]);
        }
    }
    uda_str_add(out, "| key | type, unit | range | default | matters to | what it is |\n"
                     "|---|---|---|---|---|---|\n");
}

void uda_schema_readme(struct uda_str *out)
{
    uda_str_add(out,
                "# Manifests\n\n"
                "A manifest is everything that determines a run, and nothing else. This page is printed by\n"
                "`uda4inst check --print-readme` from the table of keys in `src/plan/keys_*.c`; a test fails "
                "if it is stale.\n`schema.json` is printed by `uda4inst check --print-schema`; for an "
                "editor, start a manifest with\n`# yaml-language-server: $schema=schema.json`.\n\n"
                "* `extends: FILE` or a list of files, relative to the manifest: merged in order, mappings "
                "key by key,\n  anything else replaced; this file's own keys win.\n"
                "* `--set key=value` on the command line wins over every file: `--set optimizer.lr=1e-3`.\n"
                "* A number with a unit may be written with it: `1500 px`. `1e-4` is a number. `true` and "
                "`false` are the\n  only booleans; `012`, `1_000`, `1:30` and `.inf` are refused. Merge keys "
                "(`<<`) and tags are refused.\n"
                "* \"matters to\" lists the stage kinds whose results depend on a key: changing it re-does "
                "these stages and\n  what is built on them, nothing else.\n");
    const char *last = NULL;
    for (int64_t i = 0; i < uda_schema_count(); i++) {
        const struct uda_key *key = uda_schema_row(i);
        size_t length = section_length(key->path);
        bool same = last != NULL && section_length(last) == length &&
                    strncmp(last, key->path, length) == 0;
        if (!same) {
            put_section(out, key->path, length);
        }
        put_row(out, key, key->path);
        last = key->path;
    }
}
