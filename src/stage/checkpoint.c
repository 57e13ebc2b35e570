#include "src/stage/checkpoint.h"

#include "io/fs.h"
#include "io/store.h"
#include "src/base/log.h"
#include "src/stage/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "uda4inst checkpoint 1"

/* The step in "step-000040000.h5", or -1. */
static int64_t step_of_name(const char *name)
{
    char *end = NULL;
    if (strncmp(name, "step-", 5) != 0) {
        return -1;
    }
    long long step = strtoll(name + 5, &end, 10);
    return end == name + 14 && strcmp(end, ".h5") == 0 ? (int64_t)step : -1;
}

static void name_file(char *path, size_t bytes, const char *dir, int64_t step)
{
    (void)snprintf(path, bytes, "%s/step-%09lld.h5", dir, (long long)step);
}

/* Checkpoint files of dir, oldest first (names sort by step). */
static int list_files(char ***names, int64_t *count, struct uda_arena *arena, const char *dir,
                      struct uda_err *err)
{
    char **all = NULL;
    int64_t n = 0, kept = 0;
    UDA_TRY(uda_fs_list(&all, &n, arena, dir, err));
    for (int64_t i = 0; i < n; i++) {
        if (step_of_name(all[i]) >= 0) {
            all[kept++] = all[i];
        }
    }
    *names = all;
    *count = kept;
    return 0;
}

/* ---- the list: put and get side by side ---- */

static int put_list(struct uda_store_writer *w, const struct uda_checkpoint *c, struct uda_err *err)
{
    const int64_t figures = UDA_FIGURES;
    UDA_TRY(uda_store_put_attr_text(w, "", "format", FORMAT, err));
    UDA_TRY(uda_store_put_attr_text(w, "", "fingerprint", c->fingerprint, err));
    UDA_TRY(uda_store_put_attr_text(w, "", "made_with", c->made_with, err));
    UDA_TRY(uda_store_put_attr_i64(w, "", "step", c->step, err));
    UDA_TRY(uda_store_put_attr_i64(w, "", "metrics_bytes", c->metrics_bytes, err));
    UDA_TRY(uda_store_put_attr_i64(w, "", "figure_count", c->figure_count, err));
    UDA_TRY(uda_store_put_f64(w, "figures", c->figure, 1, &figures, err));
    UDA_TRY(uda_weights_put(w, "params", c->params, c->values, err));
    UDA_TRY(uda_weights_put(w, "adam_m", c->params, c->adam_m, err));
    UDA_TRY(uda_weights_put(w, "adam_v", c->params, c->adam_v, err));
    if (c->teacher != NULL) {
        UDA_TRY(uda_weights_put(w, "teacher", c->params, c->teacher, err));
    }
    return c->save_more == NULL ? 0 : c->save_more(c->self, w, err);
}

static int get_list(struct uda_checkpoint *c, const struct uda_store *s, struct uda_err *err)
{
    UDA_TRY(uda_store_get_attr_i64(&c->step, s, "", "step", err));
    UDA_TRY(uda_store_get_attr_i64(&c->metrics_bytes, s, "", "metrics_bytes", err));
    UDA_TRY(uda_store_get_attr_i64(&c->figure_count, s, "", "figure_count", err));
    UDA_TRY(uda_store_get_f64(c->figure, s, "figures", UDA_FIGURES, err));
    UDA_TRY(uda_weights_get(c->values, s, "params", c->params, err));
    UDA_TRY(uda_weights_get(c->adam_m, s, "adam_m", c->params, err));
    UDA_TRY(uda_weights_get(c->adam_v, s, "adam_v", c->params, err));
    if (c->teacher != NULL) {
        UDA_TRY(uda_weights_get(c->teacher, s, "teacher", c->params, err));
    }
    return c->load_more == NULL ? 0 : c->load_more(c->self, s, err);
}

/* ---- files ---- */

static int remove_old(const char *dir, const struct uda_checkpoint_rule *rule, struct uda_err *err)
{
    struct uda_arena arena = {0};
    char **names = NULL;
    int64_t count = 0, regular = 0, keep = rule->keep < 2 ? 2 : rule->keep;
    int rc = list_files(&names, &count, &arena, dir, err);
    for (int64_t i = count - 1; rc == 0 && i >= 0; i--) {
        int64_t step = step_of_name(names[i]);
        bool is_regular = step % rule->every == 0 || step == rule->last;
        regular += is_regular;
        if (is_regular ? regular > keep : i != count - 1) {
            const char *path = uda_fs_join(&arena, dir, names[i]);
            rc = path == NULL ? uda_fail(err, UDA_NOMEM, "checkpoint: out of memory")
                              : uda_fs_remove(path, err);
        }
    }
    uda_arena_finish(&arena);
    return rc;
}

int uda_checkpoint_save(const struct uda_checkpoint *c, const char *dir,
                        const struct uda_checkpoint_rule *rule,
                        const struct uda_checkpoint_origin *origin, struct uda_err *err)
{
    char path[4096];
    name_file(path, sizeof path, dir, c->step);
    size_t copies = c->teacher == NULL ? 3 : 4;
    struct uda_store_writer *w = NULL;
    UDA_TRY(uda_store_begin(&w, copies * (size_t)c->params->total * sizeof(float) + (1 << 20), err));
    int rc = put_list(w, c, err);
    if (rc == 0) {
        rc = uda_store_put_provenance(w, origin->version, origin->argc, origin->argv, err);
    }
    if (rc == 0 && c->summed != NULL && c->summed[0] != '\0') { /* no byte of the rest depends on it */
        rc = uda_store_put_attr_text(w, "provenance", "gradients_summed", c->summed, err);
    }
    if (rc == 0) {
        rc = uda_store_commit(&w, path, err);
    }
    uda_store_abort(&w);
    return rc == 0 ? remove_old(dir, rule, err) : rc;
}

/* Opens a file and looks whether it belongs to the stage: 1 yes, 0 another fingerprint, negative:
 * an error. */
static int open_matching(struct uda_store **store, const char *path, const char *fingerprint,
                         struct uda_arena *arena, struct uda_err *err)
{
    char *text = NULL;
    UDA_TRY(uda_store_open(store, path, err));
    UDA_TRY(uda_store_get_attr_text(&text, *store, "", "format", arena, err));
    if (strcmp(text, FORMAT) != 0) {
        return uda_fail(err, UDA_VERSION, "'%s' is a '%s', expected '%s'", path, text, FORMAT);
    }
    UDA_TRY(uda_store_get_attr_text(&text, *store, "", "fingerprint", arena, err));
    return strcmp(text, fingerprint) == 0 ? 1 : 0;
}

static void say_made_with(const struct uda_store *store, const struct uda_checkpoint *c,
                          struct uda_arena *arena)
{
    struct uda_err why = {0};
    char *text = NULL;
    if (uda_store_get_attr_text(&text, store, "", "made_with", arena, &why) == 0 &&
        strcmp(text, c->made_with) != 0) {
        uda_log(UDA_LOG_WARN, "'%s' was made with %s; continuing with %s: later bytes may differ from an "
                              "uninterrupted run", uda_store_path(store), text, c->made_with);
    }
}

/* A file that cannot be used steps aside, so that it is neither read again nor counted. */
static void set_aside(const char *path, const struct uda_err *why)
{
    char aside[4200];
    (void)snprintf(aside, sizeof aside, "%s.damaged", path);
    uda_log(UDA_LOG_WARN, "%s: kept as '%s', going back to the checkpoint before", why->text, aside);
    (void)rename(path, aside);
}

int uda_checkpoint_load(bool *found, struct uda_checkpoint *c, const char *dir, struct uda_err *err)
{
    struct uda_arena arena = {0};
    char **names = NULL;
    int64_t count = 0;
    *found = false;
    int rc = list_files(&names, &count, &arena, dir, err);
    for (int64_t i = count - 1; rc == 0 && i >= 0 && !*found; i--) {
        struct uda_err why = {0};
        struct uda_store *store = NULL;
        const char *path = uda_fs_join(&arena, dir, names[i]);
        int match = path == NULL ? UDA_NOMEM
                                 : open_matching(&store, path, c->fingerprint, &arena, &why);
        if (match == 1) {
            say_made_with(store, c, &arena);
            match = get_list(c, store, &why);
            *found = match == 0;
        }
        uda_store_close(&store);
        if (match == UDA_FORMAT || match == UDA_SHAPE || match == UDA_VERSION) {
            set_aside(path, &why);
        } else if (match < 0) {
            *err = why;
            rc = match;
        }
    }
    uda_arena_finish(&arena);
    return rc;
}

int uda_checkpoint_load_step(struct uda_checkpoint *c, const char *dir, int64_t step, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_store *store = NULL;
    char path[4096];
    name_file(path, sizeof path, dir, step);
    int match = open_matching(&store, path, c->fingerprint, &arena, err);
    if (match == 0) {
        match = uda_fail(err, UDA_FORMAT, "'%s' belongs to another stage", path);
    }
    int rc = match == 1 ? get_list(c, store, err) : match;
    uda_store_close(&store);
    uda_arena_finish(&arena);
    return rc;
}

bool uda_checkpoint_newest_fingerprint(char fingerprint[UDA_DIGEST_TEXT_BYTES], int64_t *step,
                                       const char *dir)
{
    struct uda_arena arena = {0};
    struct uda_err why = {0};
    char **names = NULL, *text = NULL;
    int64_t count = 0;
    bool found = false;
    if (list_files(&names, &count, &arena, dir, &why) != 0) {
        count = 0;
    }
    for (int64_t i = count - 1; i >= 0 && !found; i--) {
        struct uda_store *store = NULL;
        const char *path = uda_fs_join(&arena, dir, names[i]);
        uda_err_clear(&why);
        if (path != NULL && uda_store_open(&store, path, &why) == 0 &&
            uda_store_get_attr_text(&text, store, "", "fingerprint", &arena, &why) == 0 &&
            uda_store_get_attr_i64(step, store, "", "step", &why) == 0) {
            (void)snprintf(fingerprint, UDA_DIGEST_TEXT_BYTES, "%s", text);
            found = true;
        }
        uda_store_close(&store);
    }
    uda_arena_finish(&arena);
    return found;
}
