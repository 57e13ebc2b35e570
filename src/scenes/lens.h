/*
 * From flat colours to a photograph: the texture of surfaces, then what optics, light and the
 * sensor do to it.
 *
 * Both styles have clouds and grain of the ground; the real style adds strong texture, blur, a warm
 * or cold cast, gamma, exposure, a light gradient, vignetting, haze near the horizon and noise, all
 * scaled by gap.
 */
#ifndef UDA_SCENES_LENS_H
#define UDA_SCENES_LENS_H

#include "src/scenes/scene.h"
#include "src/scenes/space.h"
#include "src/scenes/street.h"

/* Works on view->canvas->rgb in place. */
void uda_lens_texture(const struct uda_view *view, const struct uda_street *street,
                      const struct uda_scene_spec *spec);
/* rgb [height, width, 3] receives the picture; scratch [height, width, 3] f32 is overwritten. */
void uda_lens_expose(uint8_t *rgb, float *scratch, const struct uda_view *view,
                     const struct uda_scene_spec *spec, struct uda_rng *rng);

#endif
