#include "src/stage/state.h"

#include "io/fs.h"
#include "io/store.h"
#include "src/base/log.h"

#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {"pending", "running", "done", "failed"};

const char *uda_stage_status_name(enum uda_stage_status status) { return status_names[status]; }

static enum uda_stage_status status_of(const char *name)
{
    for (int64_t i = 0; i < UDA_LEN(status_names); i++) {
        if (strcmp(name, status_names[i]) == 0) {
            return (enum uda_stage_status)i;
        }
    }
    return UDA_PENDING;
}

/* Columns of the file: one row for each stage instance. */
struct columns {
    char **name, **status, **fingerprint, **note;
    int64_t *step;
    int64_t count;
};

static int read_columns(struct columns *c, struct uda_arena *arena, const struct uda_store *store,
                        struct uda_err *err)
{
    int64_t n[4] = {0};
    UDA_TRY(uda_store_get_texts(&c->name, &n[0], store, "stages/name", arena, err));
    UDA_TRY(uda_store_get_texts(&c->status, &n[1], store, "stages/status", arena, err));
    UDA_TRY(uda_store_get_texts(&c->fingerprint, &n[2], store, "stages/fingerprint", arena, err));
    UDA_TRY(uda_store_get_texts(&c->note, &n[3], store, "stages/note", arena, err));
    struct uda_store_info info;
    UDA_TRY(uda_store_load_i64(&c->step, &info, store, "stages/step", arena, err));
    c->count = n[0];
    if (n[1] != n[0] || n[2] != n[0] || n[3] != n[0] || info.count != n[0]) {
        return uda_fail(err, UDA_FORMAT, "'%s': columns of different lengths",
                        uda_store_path(store));
    }
    return 0;
}

static void take_row(struct uda_stage_state *to, const struct columns *c, int64_t row)
{
    to->status = status_of(c->status[row]);
    to->step = c->step[row];
    (void)snprintf(to->fingerprint, sizeof to->fingerprint, "%s", c->fingerprint[row]);
    (void)snprintf(to->note, sizeof to->note, "%s", c->note[row]);
}

int uda_state_load(struct uda_state *state, struct uda_arena *arena, const char *path,
                   const struct uda_plan *plan, struct uda_err *err)
{
    state->stage = uda_arena_calloc(arena, (size_t)(plan->count + 1) * sizeof *state->stage);
    if (state->stage == NULL) {
        return uda_fail(err, UDA_NOMEM, "state: out of memory");
    }
    if (!uda_fs_exists(path)) {
        return 0;
    }
    struct uda_err why = {0};
    struct uda_store *store = NULL;
    struct columns c = {0};
    int rc = uda_store_open(&store, path, &why);
    if (rc == 0) {
        rc = read_columns(&c, arena, store, &why);
    }
    uda_store_close(&store);
    if (rc != 0) {
        uda_log(UDA_LOG_WARN, "%s: the state is rebuilt from the stages' own folders", why.text);
        return 0;
    }
    for (int64_t i = 0; i < plan->count; i++) {
        for (int64_t row = 0; row < c.count; row++) {
            if (strcmp(c.name[row], plan->stage[i].name) == 0) {
                take_row(&state->stage[i], &c, row);
            }
        }
    }
    return 0;
}

static int put_columns(struct uda_store_writer *w, struct uda_arena *arena,
                       const struct uda_state *state, const struct uda_plan *plan,
                       struct uda_err *err)
{
    size_t n = (size_t)plan->count;
    const char **name = uda_arena_alloc(arena, n * sizeof *name);
    const char **status = uda_arena_alloc(arena, n * sizeof *status);
    const char **fingerprint = uda_arena_alloc(arena, n * sizeof *fingerprint);
    const char **note = uda_arena_alloc(arena, n * sizeof *note);
    int64_t *step = uda_arena_alloc(arena, n * sizeof *step);
    if (name == NULL || status == NULL || fingerprint == NULL || note == NULL || step == NULL) {
        return uda_fail(err, UDA_NOMEM, "state: out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        name[i] = plan->stage[i].name;
        status[i] = status_names[state->stage[i].status];
        fingerprint[i] = state->stage[i].fingerprint;
        note[i] = state->stage[i].note;
        step[i] = state->stage[i].step;
    }
    UDA_TRY(uda_store_put_texts(w, "stages/name", name, plan->count, err));
    UDA_TRY(uda_store_put_texts(w, "stages/status", status, plan->count, err));
    UDA_TRY(uda_store_put_texts(w, "stages/fingerprint", fingerprint, plan->count, err));
    UDA_TRY(uda_store_put_texts(w, "stages/note", note, plan->count, err));
    UDA_TRY(uda_store_put_i64(w, "stages/step", step, 1, &plan->count, err));
    return uda_store_put_attr_text(w, "", "format", "uda4inst state 1", err);
}

int uda_state_save(const struct uda_state *state, const char *path, const struct uda_plan *plan,
                   struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_store_writer *w = NULL;
    int rc = uda_store_begin(&w, 0, err);
    if (rc == 0) {
        rc = put_columns(w, &arena, state, plan, err);
    }
    if (rc == 0) {
        rc = uda_store_commit(&w, path, err);
    }
    uda_store_abort(&w);
    uda_arena_finish(&arena);
    return rc;
}
