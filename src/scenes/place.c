#include "src/scenes/place.h"

#include "src/scenes/maths.h"

/* Share of each thing among the objects to place; a rider comes with its two-wheeler. {synthetic,
 * real} */
struct share {
    enum uda_item_kind kind;
    float weight[2];
};

static const struct share shares[] = {
    {UDA_ITEM_PERSON, {0.24f, 0.28f}},
    {UDA_ITEM_CAR, {0.31f, 0.27f}},
    {UDA_ITEM_BICYCLE, {0.10f, 0.11f}},
    {UDA_ITEM_RIDER_BICYCLE, {0.085f, 0.115f}},
    {UDA_ITEM_TRUCK, {0.06f, 0.055f}},
    {UDA_ITEM_BUS, {0.06f, 0.055f}},
    {UDA_ITEM_TRAIN, {0.045f, 0.025f}},
    {UDA_ITEM_MOTORCYCLE, {0.035f, 0.03f}},
    {UDA_ITEM_RIDER_MOTORCYCLE, {0.035f, 0.03f}},
};

static int class_of(enum uda_item_kind kind)
{
    switch (kind) {
    case UDA_ITEM_PERSON: return UDA_PERSON;
    case UDA_ITEM_RIDER_BICYCLE:
    case UDA_ITEM_RIDER_MOTORCYCLE: return UDA_RIDER;
    case UDA_ITEM_CAR: return UDA_CAR;
    case UDA_ITEM_TRUCK: return UDA_TRUCK;
    case UDA_ITEM_BUS: return UDA_BUS;
    case UDA_ITEM_TRAIN: return UDA_TRAIN;
    case UDA_ITEM_MOTORCYCLE: return UDA_MOTORCYCLE;
    case UDA_ITEM_BICYCLE: return UDA_BICYCLE;
    default: return -1;
    }
}

static enum uda_item_kind pick_kind(enum uda_scene_style style, struct uda_rng *rng)
{
    float total = 0.0f;
    for (int64_t i = 0; i < UDA_LEN(shares); i++) {
        total += shares[i].weight[style];
    }
    float at = uda_rng_uniform(rng) * total;
    for (int64_t i = 0; i < UDA_LEN(shares); i++) {
        at -= shares[i].weight[style];
        if (at < 0.0f) {
            return shares[i].kind;
        }
    }
    return UDA_ITEM_PERSON;
}

/* Half of what the item covers along z and along x. */
static float half_z(const struct uda_item *item)
{
    return 0.5f * (uda_abs(uda_cos_turn(item->heading)) * item->length +
                   uda_abs(uda_sin_turn(item->heading)) * item->width);
}

static float half_x(const struct uda_item *item)
{
    return 0.5f * (uda_abs(uda_sin_turn(item->heading)) * item->length +
                   uda_abs(uda_cos_turn(item->heading)) * item->width);
}

static bool collides(const struct uda_crowd *crowd, const struct uda_item *item)
{
    for (int64_t i = 0; i < crowd->count; i++) {
        const struct uda_item *other = &crowd->item[i];
        if (uda_abs(other->x - item->x) < half_x(other) + half_x(item) + 0.25f &&
            uda_abs(other->z - item->z) < half_z(other) + half_z(item) + 0.3f) {
            return true;
        }
    }
    return false;
}

/* A column of the image as a place at depth z. */
static float column(const struct uda_view *view, float z, struct uda_rng *rng)
{
    float px = (float)view->canvas->width * uda_rng_range(rng, 0.04f, 0.96f);
    return (px - view->centre) * z / view->focal;
}

static float turn_by(struct uda_rng *rng, float heading, float spread)
{
    return heading + uda_rng_range(rng, -spread, spread);
}

/* Vehicles drive in a lane, stand at the kerb, cross, or turn. */
static void place_vehicle(struct uda_item *item, const struct uda_street *street,
                          const struct uda_view *view, float z, struct uda_rng *rng)
{
    float how = uda_rng_uniform(rng), which = uda_rng_uniform(rng);
    bool ours = which < 0.45f, car = item->kind == UDA_ITEM_CAR;
    float lane = street->lane;
    if (how < (car ? 0.34f : 0.45f)) {
        item->x = ours ? street->right - 0.5f * lane : street->right - 1.5f * lane;
        item->x += uda_rng_range(rng, -0.25f, 0.25f);
        item->heading = turn_by(rng, ours ? 0.0f : 0.5f, 0.008f);
    } else if (car && how < 0.56f) {
        bool right = uda_rng_uniform(rng) < 0.5f;
        item->x = right ? street->right - 0.3f : street->left + 1.0f;
        item->heading = turn_by(rng, uda_rng_uniform(rng) < 0.5f ? 0.0f : 0.5f, 0.006f);
    } else if (how < 0.88f) {
        item->x = column(view, z, rng);
        item->heading = turn_by(rng, which < 0.5f ? 0.25f : 0.75f, 0.03f);
    } else {
        item->x = column(view, z, rng);
        item->heading = which;
    }
}

static void place_tram(struct uda_item *item, struct uda_street *street,
                       const struct uda_view *view, float z, struct uda_rng *rng)
{
    bool along = uda_rng_uniform(rng) < 0.4f;
    if (along) {
        item->x = street->rails;
        item->heading = uda_rng_uniform(rng) < 0.5f ? 0.0f : 0.5f;
    } else {
        item->x = column(view, z, rng);
        item->heading = uda_rng_uniform(rng) < 0.5f ? 0.25f : 0.75f;
    }
}

/* People and two-wheelers: anywhere; on the road mostly across it, on the pavement in any
 * direction. */
static void place_light(struct uda_item *item, const struct uda_street *street,
                        const struct uda_view *view, float z, struct uda_rng *rng)
{
    item->x = column(view, z, rng);
    bool on_road = item->x > street->left && item->x < street->right;
    float how = uda_rng_uniform(rng), side = uda_rng_uniform(rng) < 0.5f ? 0.25f : 0.75f;
    bool person = item->kind == UDA_ITEM_PERSON;
    float across = person ? (on_road ? 0.75f : 0.35f) : 0.66f;
    item->walking = person && uda_rng_uniform(rng) < 0.75f;
    if (how < across) {
        item->heading = turn_by(rng, side, 0.05f);
    } else if (how < 0.9f) {
        item->heading = turn_by(rng, uda_rng_uniform(rng) < 0.5f ? 0.0f : 0.5f, 0.04f);
    } else {
        item->heading = uda_rng_uniform(rng);
    }
}

static bool inside(const struct uda_view *view, const struct uda_item *item)
{
    struct uda_vec middle = {item->x, 0.0f, item->z};
    float x = uda_view_project(view, middle).x;
    float margin = item->kind == UDA_ITEM_TRAIN || item->kind == UDA_ITEM_BUS ? 0.1f : 0.0f;
    float w = (float)view->canvas->width;
    return x > w * (0.02f - margin) && x < w * (0.98f + margin);
}

/* One try to place an object of the kind; false if there is no room. */
static bool try_place(struct uda_crowd *crowd, struct uda_street *street,
                      const struct uda_view *view, enum uda_scene_style style,
                      enum uda_item_kind kind, struct uda_rng *rng)
{
    struct uda_item item = {.kind = kind, .cls = class_of(kind), .partner = -1};
    float below = (float)view->canvas->height - view->horizon;
    float t = uda_rng_uniform(rng);
    t = style == UDA_SCENE_REAL ? t * (0.55f + 0.45f * t)
                                : t; /* the real style has more far objects */
    uda_item_shape(&item, style, rng);
    float near_y = below * (style == UDA_SCENE_REAL ? 0.27f + 0.68f * t : 0.4f + 0.55f * t);
    float most_y = 0.62f * (float)view->canvas->height * view->eye / item.height;
    if (item.height > 2.5f && near_y > most_y) {
        near_y = most_y * (0.6f + 0.4f * t);
    }
    float z = uda_view_depth(view, view->horizon + near_y);
    item.look = uda_rng_u32(rng);
    if (kind == UDA_ITEM_TRAIN) {
        place_tram(&item, street, view, z, rng);
    } else if (kind == UDA_ITEM_CAR || kind == UDA_ITEM_TRUCK || kind == UDA_ITEM_BUS) {
        place_vehicle(&item, street, view, z, rng);
    } else {
        place_light(&item, street, view, z, rng);
    }
    item.z = z + half_z(&item);
    item.depth = item.z;
    if (!inside(view, &item) || collides(crowd, &item) || crowd->count + 2 > UDA_SCENE_ITEMS) {
        return false;
    }
    bool rider = item.cls == UDA_RIDER;
    bool vehicle = kind == UDA_ITEM_CAR || kind == UDA_ITEM_TRUCK || kind == UDA_ITEM_BUS ||
                   kind == UDA_ITEM_TRAIN;
    bool across = uda_abs(uda_sin_turn(item.heading)) > 0.6f;
    if (vehicle && across && street->junctions < UDA_LEN(street->junction)) {
        street->junction[street->junctions++] = item.z;
    }
    if (kind == UDA_ITEM_TRAIN && uda_abs(uda_cos_turn(item.heading)) > 0.9f) {
        street->has_rails = true;
    } else if (kind == UDA_ITEM_TRAIN) {
        street->rails_across = item.z;
    }
    if (rider) {
        /* seen from ahead the handlebars cover the rider, else the rider covers the vehicle */
        bool facing = uda_cos_turn(item.heading) < -0.55f;
        struct uda_item wheels = item;
        wheels.kind = kind == UDA_ITEM_RIDER_BICYCLE ? UDA_ITEM_BICYCLE : UDA_ITEM_MOTORCYCLE;
        wheels.cls = class_of(wheels.kind);
        uda_item_shape(&wheels, style, rng);
        wheels.look = uda_rng_u32(rng);
        item.depth = item.z + (facing ? 0.01f : -0.01f);
        item.partner = crowd->count + 1;
        wheels.partner = crowd->count;
        crowd->item[crowd->count++] = item;
        crowd->item[crowd->count++] = wheels;
    } else {
        crowd->item[crowd->count++] = item;
    }
    return true;
}

static void add_furniture(struct uda_crowd *crowd, enum uda_item_kind kind,
                          enum uda_scene_style style, float x, float z, struct uda_rng *rng)
{
    struct uda_item item = {.kind = kind, .cls = -1, .x = x, .z = z, .depth = z, .partner = -1};
    uda_item_shape(&item, style, rng);
    item.look = uda_rng_u32(rng);
    if (crowd->count < UDA_SCENE_ITEMS / 2) {
        crowd->item[crowd->count++] = item;
    }
}

static void line_of_furniture(struct uda_crowd *crowd, const struct uda_street *street,
                              enum uda_scene_style style, bool right, struct uda_rng *rng)
{
    float kerb = right ? street->right + 0.55f : street->left - 0.55f;
    float wide = right ? street->pavement_right : -street->pavement_left;
    bool verge = right ? street->verge_right : street->verge_left;
    bool avenue = uda_rng_uniform(rng) < 0.45f;
    float lamp_at = uda_rng_range(rng, 9.0f, 22.0f), gap = uda_rng_range(rng, 9.0f, 16.0f);
    for (float z = lamp_at; z < 75.0f; z += 24.0f) {
        add_furniture(crowd, UDA_ITEM_LAMP, style, kerb, z, rng);
    }
    if (avenue || verge) {
        float x = verge ? kerb + wide + (right ? 2.0f : -2.0f) : kerb;
        for (float z = uda_rng_range(rng, 9.0f, 20.0f); z < 80.0f; z += gap) {
            add_furniture(crowd, UDA_ITEM_TREE, style, x, z + uda_rng_range(rng, -1.5f, 1.5f), rng);
        }
    }
    if (verge) {
        for (float z = uda_rng_range(rng, 10.0f, 20.0f); z < 50.0f; z += 9.0f) {
            add_furniture(crowd, UDA_ITEM_BUSH, style, kerb + wide + (right ? 3.5f : -3.5f), z,
                          rng);
        }
    }
    if (uda_rng_uniform(rng) < 0.3f) {
        add_furniture(crowd, UDA_ITEM_SIGNAL, style, kerb, uda_rng_range(rng, 8.0f, 26.0f), rng);
    }
    if (uda_rng_uniform(rng) < 0.5f) {
        add_furniture(crowd, UDA_ITEM_SIGN, style, kerb, uda_rng_range(rng, 7.0f, 24.0f), rng);
    }
    if (uda_rng_uniform(rng) < 0.15f) {
        for (float z = 8.0f; z < 20.0f; z += 2.0f) {
            add_furniture(crowd, UDA_ITEM_BOLLARD, style, kerb - (right ? 0.2f : -0.2f), z, rng);
        }
    }
}

static void sort_by_depth(struct uda_crowd *crowd)
{
    for (int64_t i = 0; i < crowd->count; i++) {
        int64_t at = i;
        while (at > 0 && crowd->item[crowd->order[at - 1]].depth < crowd->item[i].depth) {
            crowd->order[at] = crowd->order[at - 1];
            at--;
        }
        crowd->order[at] = i;
    }
}

void uda_place_all(struct uda_crowd *crowd, struct uda_street *street, const struct uda_view *view,
                   enum uda_scene_style style, struct uda_rng *rng)
{
    crowd->count = 0;
    line_of_furniture(crowd, street, style, false, rng);
    line_of_furniture(crowd, street, style, true, rng);
    float aspect = (float)view->canvas->width / (2.0f * (float)view->canvas->height);
    float wanted = (float)(3 + uda_rng_below(rng, 5)) * uda_clamp(aspect, 0.5f, 2.0f);
    int64_t target = uda_floor(wanted + 0.5f);
    for (int64_t i = 0; i < target; i++) {
        enum uda_item_kind kind = pick_kind(style, rng);
        for (int attempt = 0; attempt < 24; attempt++) {
            if (try_place(crowd, street, view, style, kind, rng)) {
                break;
            }
        }
    }
    sort_by_depth(crowd);
}
