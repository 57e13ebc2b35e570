#include "src/stage/run_folder.h"

#include "io/durable.h"
#include "io/fs.h"
#include "io/json.h"
#include "io/lock.h"
#include "io/store.h"
#include "src/base/log.h"
#include "src/stage/checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MANIFEST_BYTES ((size_t)16 << 20)

/* The keys in which the folder's manifest and this one differ, if results could. */
static int compare(const struct uda_manifest *manifest, const char *resolved, bool allow, const char *busy,
                   struct uda_arena *arena, struct uda_err *err)
{
    struct uda_manifest *old = NULL;
    struct uda_str report, diff;
    uda_str_init(&report, arena);
    uda_str_init(&diff, arena);
    struct uda_err why = {0};
    if (uda_manifest_load(&old, arena, resolved, NULL, 0, &report, &why) != 0) {
        if (allow) {
            uda_log(UDA_LOG_WARN, "'%s' cannot be read (%s): continuing as allowed", resolved, why.text);
            return 0;
        }
        return uda_fail(err, UDA_MANIFEST,
                        "'%s' cannot be read (%s): use another --run folder, or --allow-changed",
                        resolved, why.text);
    }
    int64_t changed = uda_manifest_diff(&diff, old, manifest, true);
    UDA_TRY(uda_str_status(&diff, err));
    if (changed == 0) {
        return 0;
    }
    uda_log(UDA_LOG_WARN, "the manifest has changed since this run began:\n%s", diff.text);
    if (allow && busy != NULL) {
        return uda_fail(err, UDA_MANIFEST, "the manifest cannot change while others work in the run folder: "
                                           "%s: stop it first", busy);
    }
    if (allow) {
        return 0;
    }
    return uda_fail(err, UDA_MANIFEST,
                    "%lld %s from what this run folder was made with: use another --run folder, "
                    "or --allow-changed to redo what depends on it", (long long)changed,
                    changed == 1 ? "key differs" : "keys differ");
}

int uda_run_folder_check(const struct uda_manifest *manifest, const char *run_dir, struct uda_err *err)
{
    struct uda_arena arena = {0};
    const char *resolved = uda_fs_join(&arena, run_dir, "resolved.yaml");
    int rc = resolved == NULL ? uda_fail(err, UDA_NOMEM, "run folder: out of memory")
                              : compare(manifest, resolved, false, NULL, &arena, err);
    uda_arena_finish(&arena);
    return rc;
}

int uda_run_folder_open(const struct uda_manifest *manifest, const struct uda_run_options *options,
                        const char *busy, struct uda_err *err)
{
    struct uda_arena arena = {0};
    const char *resolved = uda_fs_join(&arena, options->run_dir, "resolved.yaml");
    const char *verbatim = uda_fs_join(&arena, options->run_dir, "manifest.yaml");
    const char *stages = uda_fs_join(&arena, options->run_dir, "stages");
    struct uda_str text;
    uda_str_init(&text, &arena);
    int rc = 0;
    if (resolved == NULL || verbatim == NULL || stages == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "run folder: out of memory");
    }
    if (rc == 0 && uda_fs_exists(resolved)) {
        rc = compare(manifest, resolved, options->allow_changed, busy, &arena, err);
    }
    if (rc == 0) {
        rc = uda_fs_mkdirs(stages, err);
    }
    if (rc == 0) {
        rc = uda_fs_write(verbatim, manifest->text, manifest->text_bytes, err);
    }
    if (rc == 0) {
        uda_manifest_resolved(&text, manifest);
        rc = uda_str_status(&text, err);
    }
    if (rc == 0) {
        rc = uda_fs_write(resolved, text.text, text.bytes, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

/* Digest of what a file says: of an HDF5 file without its provenance, of any other file every
 * byte. */
static int file_digest(char hex[UDA_DIGEST_TEXT_BYTES], const char *path, struct uda_err *err)
{
    size_t length = strlen(path);
    struct uda_digest digest = {0};
    int rc = 0;
    if (length > 3 && strcmp(path + length - 3, ".h5") == 0) {
        struct uda_store *store = NULL;
        rc = uda_store_open(&store, path, err);
        if (rc == 0) {
            rc = uda_store_content_digest(&digest, store, err);
        }
        uda_store_close(&store);
    } else {
        struct uda_arena arena = {0};
        unsigned char *data = NULL;
        size_t bytes = 0;
        rc = uda_fs_read(&data, &bytes, &arena, path, (size_t)1 << 40, err);
        if (rc == 0) {
            digest = uda_digest_of(data, bytes);
        }
        uda_arena_finish(&arena);
    }
    uda_digest_text(hex, digest);
    return rc;
}

int uda_run_folder_done(const char *dir, const struct uda_plan_stage *stage, int64_t step,
                        const char *const *file, int64_t files, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_str text;
    uda_str_init(&text, &arena);
    char hex[UDA_DIGEST_TEXT_BYTES];
    uda_digest_text(hex, stage->fingerprint);
    uda_str_add(&text, "{\n  \"stage\": ");
    uda_str_json(&text, stage->name);
    uda_str_add(&text, ",\n  \"fingerprint\": \"%s\",\n  \"step\": %lld,\n  \"files\": {", hex,
                (long long)step);
    int rc = 0;
    for (int64_t i = 0; i < files && rc == 0; i++) {
        const char *path = uda_fs_join(&arena, dir, file[i]);
        rc = path == NULL ? uda_fail(err, UDA_NOMEM, "run folder: out of memory")
                          : file_digest(hex, path, err);
        uda_str_add(&text, "%s\n    ", i == 0 ? "" : ",");
        uda_str_json(&text, file[i]);
        uda_str_add(&text, ": \"%s\"", hex);
    }
    uda_str_add(&text, "\n  }\n}\n");
    const char *done = uda_fs_join(&arena, dir, "DONE");
    if (rc == 0) {
        rc = uda_str_status(&text, err);
    }
    if (rc == 0) {
        rc = done == NULL ? uda_fail(err, UDA_NOMEM, "run folder: out of memory")
                          : uda_fs_write(done, text.text, text.bytes, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

/* A network file system remembers for a while that a file was not there; opening its folder makes it ask. */
static void look_afresh(const char *run_dir, const struct uda_plan_stage *stage, struct uda_arena *arena)
{
    const char *const folders[] = {"stages", stage->dir, stage->label_file == NULL ? NULL : "labels"};
    for (int64_t i = 0; i < UDA_LEN(folders); i++) {
        const char *path = folders[i] == NULL ? NULL : uda_fs_join(arena, run_dir, folders[i]);
        int fd = path == NULL ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            (void)close(fd);
        }
    }
}

/* Reads dir/DONE: -1 none or damaged, 0 another fingerprint, 1 this one. */
static int read_done(int64_t *step, const char *dir, const char *fingerprint, enum uda_log_level level,
                     struct uda_arena *arena)
{
    const char *path = uda_fs_join(arena, dir, "DONE");
    if (path == NULL || !uda_fs_exists(path)) {
        return -1;
    }
    struct uda_err why = {0};
    struct uda_json *root = NULL;
    if (uda_json_read(&root, path, &why) != 0) {
        uda_log(level, "%s: the stage will be looked at again", why.text);
        return -1;
    }
    const char *text = uda_json_text(uda_json_get(root, "fingerprint"));
    int answer = text != NULL && strcmp(text, fingerprint) == 0 ? 1 : 0;
    *step = uda_json_integer(uda_json_get(root, "step"), 0);
    const struct uda_json *files = uda_json_get(root, "files"), *value = NULL;
    const char *name = NULL;
    for (void *i = uda_json_next(files, NULL, &name, &value); i != NULL && answer == 1;
         i = uda_json_next(files, i, &name, &value)) {
        const char *file = uda_fs_join(arena, dir, name);
        if (file == NULL || !uda_fs_exists(file)) {
            uda_log(level, "'%s/%s' is gone: the stage is not done", dir, name);
            answer = -1;
        }
    }
    uda_json_destroy(&root);
    return answer;
}

enum uda_plan_status uda_run_folder_look(int64_t *step, const char *run_dir,
                                         const struct uda_plan_stage *stage)
{
    struct uda_arena arena = {0};
    char fingerprint[UDA_DIGEST_TEXT_BYTES];
    uda_digest_text(fingerprint, stage->fingerprint);
    enum uda_plan_status status = UDA_PLAN_PENDING;
    const char *dir = uda_fs_join(&arena, run_dir, stage->dir);
    *step = 0;
    look_afresh(run_dir, stage, &arena);
    if (dir != NULL && uda_fs_is_dir(dir)) {
        int done = read_done(step, dir, fingerprint, UDA_LOG_WARN, &arena);
        if (done >= 0) {
            status = done == 1 ? UDA_PLAN_DONE : UDA_PLAN_STALE;
        } else {
            char found[UDA_DIGEST_TEXT_BYTES] = "";
            if (uda_checkpoint_newest_fingerprint(found, step, dir)) {
                status = strcmp(found, fingerprint) == 0 ? UDA_PLAN_PARTIAL : UDA_PLAN_STALE;
            }
        }
    }
    uda_arena_finish(&arena);
    return status;
}

bool uda_run_folder_is_done(int64_t *step, const char *run_dir, const struct uda_plan_stage *stage)
{
    struct uda_arena arena = {0};
    char fingerprint[UDA_DIGEST_TEXT_BYTES];
    uda_digest_text(fingerprint, stage->fingerprint);
    const char *dir = uda_fs_join(&arena, run_dir, stage->dir);
    look_afresh(run_dir, stage, &arena);
    bool done = dir != NULL && read_done(step, dir, fingerprint, UDA_LOG_DEBUG, &arena) == 1;
    uda_arena_finish(&arena);
    return done;
}

int uda_run_folder_sweep(const char *run_dir, const struct uda_plan_stage *stage, struct uda_err *err)
{
    struct uda_arena arena = {0};
    const char *dir = uda_fs_join(&arena, run_dir, stage->dir);
    const char *labels = uda_fs_join(&arena, run_dir, stage->label_file == NULL ? "" : stage->label_file);
    const char *folder = labels == NULL ? NULL : uda_fs_parent(&arena, labels);
    const char *pictures = uda_arena_printf(&arena, "%s/predictions/%s", run_dir, stage->name);
    int rc = dir == NULL || folder == NULL || pictures == NULL
                 ? uda_fail(err, UDA_NOMEM, "run folder: out of memory")
                 : uda_durable_sweep(NULL, dir, err);
    if (rc == 0) {
        rc = uda_durable_sweep(NULL, pictures, err);
    }
    if (rc == 0 && stage->label_file != NULL) {
        rc = uda_durable_sweep_file(folder, strrchr(labels, '/') + 1, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

/* A label set goes with the folder of its stage: the first move, so that a power cut between the two
 * leaves a stage that is still seen to be stale. */
static int move_labels(const char *run_dir, const struct uda_plan_stage *stage, const char *dir,
                       struct uda_arena *arena, struct uda_err *err)
{
    if (stage->label_file == NULL) {
        return 0;
    }
    const char *from = uda_fs_join(arena, run_dir, stage->label_file);
    const char *to = uda_fs_join(arena, dir, "labels.h5");
    if (from == NULL || to == NULL) {
        return uda_fail(err, UDA_NOMEM, "run folder: out of memory");
    }
    if (uda_fs_exists(from) && rename(from, to) != 0) {
        return uda_fail_errno(err, "cannot move '%s' to '%s'", from, to);
    }
    return 0;
}

int uda_run_folder_set_aside(const char *run_dir, const struct uda_plan_stage *stage,
                             struct uda_err *err)
{
    struct uda_arena arena = {0};
    const char *dir = uda_fs_join(&arena, run_dir, stage->dir);
    int rc = dir == NULL ? uda_fail(err, UDA_NOMEM, "run folder: out of memory")
                         : move_labels(run_dir, stage, dir, &arena, err);
    for (int n = 1; rc == 0; n++) {
        const char *aside = uda_arena_printf(&arena, "%s.old-%d", dir, n);
        if (aside == NULL) {
            rc = uda_fail(err, UDA_NOMEM, "run folder: out of memory");
        } else if (!uda_fs_exists(aside)) {
            if (rename(dir, aside) != 0) {
                rc = uda_fail_errno(err, "cannot move '%s' to '%s'", dir, aside);
            } else {
                uda_log(UDA_LOG_INFO, "%s: made under other settings, kept as '%s'", stage->name, aside);
            }
            break;
        }
    }
    uda_arena_finish(&arena);
    return rc;
}

static int join_files(const char *run_dir, const struct uda_plan *plan, const char *name, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_str all;
    uda_str_init(&all, &arena);
    int rc = 0;
    for (int64_t i = 0; i < plan->count && rc == 0; i++) {
        const char *relative = uda_fs_join(&arena, plan->stage[i].dir, name);
        const char *path = relative == NULL ? NULL : uda_fs_join(&arena, run_dir, relative);
        unsigned char *data = NULL;
        size_t bytes = 0;
        if (path == NULL) {
            rc = uda_fail(err, UDA_NOMEM, "run folder: out of memory");
        } else if (uda_fs_exists(path)) {
            rc = uda_fs_read(&data, &bytes, &arena, path, (size_t)1 << 40, err);
            if (rc == 0) {
                uda_str_put(&all, (const char *)data, bytes);
            }
        }
    }
    const char *joined = uda_fs_join(&arena, run_dir, name);
    if (rc == 0) {
        rc = uda_str_status(&all, err);
    }
    if (rc == 0) {
        rc = joined == NULL ? uda_fail(err, UDA_NOMEM, "run folder: out of memory")
                            : uda_fs_write(joined, all.text, all.bytes, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

int uda_run_folder_join(const char *run_dir, const struct uda_plan *plan, struct uda_err *err)
{
    UDA_TRY(join_files(run_dir, plan, "metrics.jsonl", err));
    return join_files(run_dir, plan, "timing.jsonl", err);
}

/* ---- the log ---- */

#define LOG_HEAD "uda4inst log of host "

/* A new log says on its first line whose it is. */
static int open_log(const char *path, const char *host)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) {
        return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    }
    char head[256];
    int n = snprintf(head, sizeof head, LOG_HEAD "%s\n", host);
    (void)!write(fd, head, (size_t)n);
    return fd;
}

static bool is_log_of(const char *path, const char *host)
{
    char head[256] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return true;
    }
    ssize_t n = read(fd, head, sizeof head - 1);
    (void)close(fd);
    head[n > 0 ? n : 0] = '\0';
    head[strcspn(head, "\n")] = '\0';
    return strncmp(head, LOG_HEAD, strlen(LOG_HEAD)) != 0 || strcmp(head + strlen(LOG_HEAD), host) == 0;
}

int uda_run_folder_log(const char *run_dir)
{
    struct uda_arena arena = {0};
    char host[UDA_LOCK_TEXT_BYTES];
    uda_lock_host(host);
    for (char *c = host; *c != '\0'; c++) {
        *c = *c == '/' ? '_' : *c;
    }
    const char *path = uda_fs_join(&arena, run_dir, "log.txt");
    if (path != NULL && !is_log_of(path, host)) {
        path = uda_arena_printf(&arena, "%s/log.%s.txt", run_dir, host);
    }
    int fd = path == NULL ? -1 : open_log(path, host);
    uda_arena_finish(&arena);
    return fd;
}
