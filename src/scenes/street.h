/*
 * The street itself: sky, ground, markings and the rows of buildings, drawn before everything that
 * stands on it.
 *
 * Invariants: after uda_street_draw every pixel of the map holds a stuff value.
 */
#ifndef UDA_SCENES_STREET_H
#define UDA_SCENES_STREET_H

#include "src/scenes/palette.h"
#include "src/scenes/space.h"

/* The plan of the street in camera space, metres. The road runs along z between left and right. */
struct uda_street {
    float left, right;                   /* kerbs; left < 0 < right */
    float lane;                          /* width of one lane */
    float pavement_left, pavement_right; /* widths */
    bool verge_left, verge_right;        /* a strip of grass behind the pavement, no building */
    float rails; /* x of the middle of the tram track along the road, when has_rails */
    bool has_rails;
    float rails_across; /* z of a track across the road, 0 for none */
    float junction[4];  /* z of side streets: vehicles cross there */
    int64_t junctions;
    float crossing; /* z of a zebra crossing, 0 for none */
    struct uda_rgb asphalt, slabs, kerb, grass, sky_top, sky_low;
    float cloud;      /* 0..1 cover */
    uint32_t texture; /* seed of the noises */
};

/* Draws a street at random; then its picture. */
void uda_street_plan(struct uda_street *street, enum uda_scene_style style, struct uda_rng *rng);
void uda_street_draw(const struct uda_view *view, const struct uda_street *street,
                     enum uda_scene_style style, struct uda_rng *rng);

#endif
