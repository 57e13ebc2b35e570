/*
 * What stands in a scene, and how each kind is drawn.
 *
 * An item is a place, a heading and the number of a random stream for its looks; drawing it twice
 * gives the same shapes, so that ids can be drawn first to see what is visible.
 *
 * Invariants: dimensions are known before drawing (uda_item_shape), for spacing, shadows and depth.
 */
#ifndef UDA_SCENES_ITEMS_H
#define UDA_SCENES_ITEMS_H

#include "src/scenes/palette.h"
#include "src/scenes/space.h"

enum uda_item_kind {
    UDA_ITEM_PERSON,
    UDA_ITEM_RIDER_BICYCLE, /* the rider alone; the two-wheeler is an item of its own */
    UDA_ITEM_RIDER_MOTORCYCLE,
    UDA_ITEM_CAR,
    UDA_ITEM_TRUCK,
    UDA_ITEM_BUS,
    UDA_ITEM_TRAIN,
    UDA_ITEM_MOTORCYCLE,
    UDA_ITEM_BICYCLE,
    UDA_ITEM_TREE,
    UDA_ITEM_BUSH,
    UDA_ITEM_LAMP,
    UDA_ITEM_SIGNAL,
    UDA_ITEM_SIGN,
    UDA_ITEM_BOLLARD
};

struct uda_item {
    enum uda_item_kind kind;
    int cls;             /* enum uda_class, or -1 for things that are not labelled as objects */
    float x, z, heading; /* camera space, turns */
    float depth;         /* drawing order: far first */
    float length, width, height; /* m */
    int64_t partner;             /* index of rider / two-wheeler, or -1 */
    uint32_t look;               /* stream of the looks */
    bool walking, dropped;
};

/* What drawing needs beside the item. */
struct uda_brush {
    const struct uda_view *view;
    enum uda_scene_style style;
    struct uda_rng rng; /* the looks of the item */
};

/* Draws length, width and height (m) for the kind. */
void uda_item_shape(struct uda_item *item, enum uda_scene_style style, struct uda_rng *rng);
void uda_item_draw(struct uda_brush *brush, const struct uda_item *item);
/* A soft dark patch on the ground. */
void uda_item_shadow(const struct uda_view *view, const struct uda_item *item);

/* One function for each family; called by uda_item_draw. */
void uda_draw_car(struct uda_brush *brush, const struct uda_item *item);
void uda_draw_truck(struct uda_brush *brush, const struct uda_item *item);
void uda_draw_bus(struct uda_brush *brush, const struct uda_item *item);
void uda_draw_train(struct uda_brush *brush, const struct uda_item *item);
void uda_draw_bicycle(struct uda_brush *brush, const struct uda_item *item);
void uda_draw_motorcycle(struct uda_brush *brush, const struct uda_item *item);
void uda_draw_person(struct uda_brush *brush, const struct uda_item *item);
void uda_draw_rider(struct uda_brush *brush, const struct uda_item *item);
void uda_draw_furniture(struct uda_brush *brush, const struct uda_item *item);

/* A wheel of a car-like vehicle: the black body before the coachwork, the visible face after it. */
void uda_draw_wheel_back(const struct uda_view *view, const struct uda_frame *frame, float u,
                         float half_width, float radius);
void uda_draw_wheel_face(const struct uda_view *view, const struct uda_frame *frame,
                         const struct uda_prism *body, float u, float half_width, float radius,
                         struct uda_rgb rim);

#endif
