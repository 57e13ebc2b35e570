#include "src/stage/draw.h"

#include "src/scenes/scenes.h"

int uda_draw_scenes(const struct uda_manifest_dataset *d, const char *format, int threads,
                    struct uda_err *err)
{
    const struct uda_scenes_spec spec = {
        .format = format, .dir = d->root, .split = d->split, .count = d->scenes.count,
        .scene = {.style = d->scenes.style == UDA_LOOK_REAL ? UDA_SCENE_REAL : UDA_SCENE_SYNTHETIC,
                  .seed = (uint64_t)d->scenes.seed, .height = d->scenes.height,
                  .width = d->scenes.width, .gap = 0.4f}};
    bool done = false;
    UDA_TRY(uda_scenes_check(&done, &spec, err));
    if (done) {
        return 0;
    }
    struct uda_team *team = NULL;
    UDA_TRY(uda_team_create(&team, threads, err));
    int rc = uda_scenes_write(&spec, team, err);
    uda_team_destroy(&team);
    return rc;
}
