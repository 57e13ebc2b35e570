/*
 * Which objects a scene has and where they stand.
 *
 * Class shares, distances and numbers follow the style: the real one has more people and bicycles,
 * fewer trams, and more far objects. Objects never share ground; a two-wheeler with a rider gives
 * two items at one place.
 */
#ifndef UDA_SCENES_PLACE_H
#define UDA_SCENES_PLACE_H

#include "src/scenes/items.h"
#include "src/scenes/street.h"

#define UDA_SCENE_ITEMS 96

struct uda_crowd {
    struct uda_item item[UDA_SCENE_ITEMS];
    int64_t count;
    int64_t order[UDA_SCENE_ITEMS]; /* far to near */
};

/* Fills the crowd: furniture first, then objects; may set street->rails_across and has_rails for
 * a tram. */
void uda_place_all(struct uda_crowd *crowd, struct uda_street *street, const struct uda_view *view,
                   enum uda_scene_style style, struct uda_rng *rng);

#endif
