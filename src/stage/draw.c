#include "src/stage/draw.h"

#include "io/fs.h"
#include "src/base/arena.h"
#include "src/scenes/scenes.h"
#include "src/stage/claim.h"

#include <string.h>

static int draw(const struct uda_scenes_spec *spec, int threads, struct uda_err *err)
{
    bool done = false;
    UDA_TRY(uda_scenes_check(&done, spec, err));
    if (done) {
        return 0;
    }
    struct uda_team *team = NULL;
    UDA_TRY(uda_team_create(&team, threads, err));
    int rc = uda_scenes_write(spec, team, err);
    uda_team_destroy(&team);
    return rc;
}

/* Beside the root: other processes, of this run or of another, may want the same scenes now. */
static int draw_locked(const struct uda_scenes_spec *spec, int threads, struct uda_arena *arena,
                       struct uda_err *err)
{
    size_t bytes = strlen(spec->dir);
    while (bytes > 1 && spec->dir[bytes - 1] == '/') {
        bytes--;
    }
    const char *root = uda_arena_printf(arena, "%.*s", (int)bytes, spec->dir);
    const char *path = root == NULL ? NULL : uda_arena_printf(arena, "%s.lock", root);
    const char *parent = root == NULL ? NULL : uda_fs_parent(arena, root);
    const char *what = uda_arena_printf(arena, "the scenes of '%s'", spec->dir);
    struct uda_lock *lock = NULL;
    if (path == NULL || parent == NULL || what == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", spec->dir);
    }
    UDA_TRY(uda_fs_mkdirs(parent, err));
    UDA_TRY(uda_claims_wait(&lock, path, what, 0.0, err));
    int rc = draw(spec, threads, err);
    uda_lock_release(&lock);
    return rc;
}

int uda_draw_scenes(const struct uda_manifest_dataset *d, const char *format, int threads,
                    struct uda_err *err)
{
    const struct uda_scenes_spec spec = {
        .format = format, .dir = d->root, .split = d->split, .count = d->scenes.count,
        .scene = {.style = d->scenes.style == UDA_LOOK_REAL ? UDA_SCENE_REAL : UDA_SCENE_SYNTHETIC,
                  .seed = (uint64_t)d->scenes.seed, .height = d->scenes.height,
                  .width = d->scenes.width, .gap = (float)d->scenes.gap}};
    struct uda_arena arena = {0};
    const char *mark = uda_fs_join(&arena, d->root, "DONE");
    int rc = 0;
    if (mark == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "'%s': out of memory", d->root);
    } else if (uda_fs_exists(mark)) {
        bool done = false;
        rc = uda_scenes_check(&done, &spec, err); /* the scenes asked for? */
    } else {
        rc = draw_locked(&spec, threads, &arena, err);
    }
    uda_arena_finish(&arena);
    return rc;
}
