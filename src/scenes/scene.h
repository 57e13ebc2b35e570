/*
 * A procedural street scene with its labels: road, pavement, buildings, trees, street furniture and
 * the eight classes, in two styles whose gap is in colour, texture, noise, blur, exposure and
 * object statistics.
 *
 * A scene is a pure function of (style, gap, seed, height, width, index): the same bytes on any
 * thread and machine. Geometry is in metres seen by a pinhole camera scaled to the image height, so
 * any size shows the same kind of street.
 *
 * Invariants: every pixel has a valid map value; every labelled object has at least
 * uda_scene_least_px visible pixels (smaller ones are not drawn at all); a rider and the
 * two-wheeler below are two objects.
 *
 *     struct uda_scene_spec spec = {.style = UDA_SCENE_SYNTHETIC, .seed = 1,
 *                                    .height = 96, .width = 192, .gap = 0.4f};
 *     struct uda_drawing d;
 *     UDA_TRY(uda_scene_draw(&d, &arena, &spec, 17, err));
 *     d.image.rgb ...  uda_scene_label_id(&d, d.map[y * width + x])
 */
#ifndef UDA_SCENES_SCENE_H
#define UDA_SCENES_SCENE_H

#include "src/base/arena.h"
#include "src/base/err.h"
#include "src/base/image.h"

/* Raised whenever the same spec would give other pixels; part of what a drawn folder says about
 * itself. */
#define UDA_SCENES_VERSION 2

/* Map values below this are stuff (a Cityscapes label id, or UDA_STUFF_LANE); object i is
 * UDA_SCENE_OBJECT + i. */
#define UDA_SCENE_OBJECT 256
#define UDA_SCENE_OBJECTS 48 /* at most, in one scene */

/* Cityscapes label ids of the stuff that is drawn; lane markings are road (7) everywhere but in
 * SYNTHIA. */
enum uda_stuff {
    UDA_STUFF_VOID = 0,
    UDA_STUFF_ROAD = 7,
    UDA_STUFF_PAVEMENT = 8,
    UDA_STUFF_RAILS = 10,
    UDA_STUFF_BUILDING = 11,
    UDA_STUFF_WALL = 12,
    UDA_STUFF_POLE = 17,
    UDA_STUFF_LIGHT = 19,
    UDA_STUFF_SIGN = 20,
    UDA_STUFF_VEGETATION = 21,
    UDA_STUFF_TERRAIN = 22,
    UDA_STUFF_SKY = 23,
    UDA_STUFF_LANE = 200
};

enum uda_scene_style { UDA_SCENE_SYNTHETIC, UDA_SCENE_REAL, UDA_SCENE_STYLES };

struct uda_scene_spec {
    enum uda_scene_style style;
    uint64_t seed;
    int64_t height, width; /* UDA_SCENE_LEAST_SIDE..UDA_SCENE_MOST_SIDE px */
    float gap; /* 0..1, strength of the real style's texture, blur, noise and light; 0.4 is usual */
};

#define UDA_SCENE_LEAST_SIDE 16
#define UDA_SCENE_MOST_SIDE 8192

struct uda_scene_object {
    enum uda_class cls;
    int64_t partner;        /* index of the rider's two-wheeler or the two-wheeler's rider, or -1 */
    int64_t area_px;        /* visible */
    int64_t whole_px;       /* inside the image, without what hides it */
    int64_t x0, y0, x1, y1; /* inclusive box of the visible part */
};

struct uda_drawing {
    struct uda_image image;
    uint16_t *map; /* [height, width] */
    struct uda_scene_object object[UDA_SCENE_OBJECTS];
    int64_t objects;
    float focal_px, centre_px, horizon_px, eye_m; /* the camera */
};

/* "synthetic", "real". */
const char *uda_scene_style_name(enum uda_scene_style style);
/* The style of a name, or -1. */
int uda_scene_style_of(const char *name);

/* Smallest visible area of a labelled object: 60 px at 96 x 192, in proportion to the image. */
int64_t uda_scene_least_px(int64_t height, int64_t width);

/*
 * Draws scene `index` (0..2^32-1). The memory of image and map belongs to the arena; scratch memory
 * is given back. Errors: UDA_SHAPE for sizes out of range, UDA_NOMEM.
 */
int uda_scene_draw(struct uda_drawing *drawing, struct uda_arena *arena,
                   const struct uda_scene_spec *spec, int64_t index,
                   struct uda_err *err) UDA_MUST_USE;

/* Cityscapes label id of a map value: 0..33. */
int uda_scene_label_id(const struct uda_drawing *drawing, uint16_t value);

/* The objects as labels with cut masks; ids are 1 + object index. Memory: arena. Errors:
 * UDA_NOMEM. */
int uda_scene_labels(struct uda_labels *labels, struct uda_arena *arena,
                     const struct uda_drawing *drawing, struct uda_err *err) UDA_MUST_USE;

#endif
