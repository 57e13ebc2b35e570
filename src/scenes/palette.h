/*
 * Colours of the two styles. Synthetic: flat and saturated, every hue. Real: mostly grey, white and
 * black vehicles, muted clothes, brownish walls.
 */
#ifndef UDA_SCENES_PALETTE_H
#define UDA_SCENES_PALETTE_H

#include "src/base/rng.h"
#include "src/scenes/canvas.h"
#include "src/scenes/scene.h"

/* hue in turns, saturation and value 0..1. */
struct uda_rgb uda_rgb_hsv(float hue, float saturation, float value);
struct uda_rgb uda_palette_grey(float value);

/* A colour drawn for one thing of its kind. */
struct uda_rgb uda_palette_vehicle(struct uda_rng *rng, enum uda_scene_style style);
struct uda_rgb uda_palette_cloth(struct uda_rng *rng, enum uda_scene_style style);
struct uda_rgb uda_palette_skin(struct uda_rng *rng);
struct uda_rgb uda_palette_hair(struct uda_rng *rng);
struct uda_rgb uda_palette_wall(struct uda_rng *rng, enum uda_scene_style style);
struct uda_rgb uda_palette_leaf(struct uda_rng *rng, enum uda_scene_style style);
/* Window glass as seen from outside. */
struct uda_rgb uda_palette_glass(struct uda_rng *rng, enum uda_scene_style style);

#endif
