#include "src/scenes/scene.h"

#include "src/base/classes.h"
#include "src/scenes/lens.h"
#include "src/scenes/maths.h"
#include "src/scenes/place.h"

#include <string.h>

/* Streams of one scene; items take ITEM + their look. */
enum stream { STREAM_STREET, STREAM_CROWD, STREAM_HOUSES, STREAM_LENS, STREAM_ITEM };

/* A smaller share of itself than this and an object is hidden: it would only confuse. */
#define LEAST_SHARE 0.25f

const char *uda_scene_style_name(enum uda_scene_style style)
{
    return style == UDA_SCENE_REAL ? "real" : "synthetic";
}

int uda_scene_style_of(const char *name)
{
    for (int style = 0; style < UDA_SCENE_STYLES; style++) {
        if (strcmp(name, uda_scene_style_name((enum uda_scene_style)style)) == 0) {
            return style;
        }
    }
    return -1;
}

int64_t uda_scene_least_px(int64_t height, int64_t width)
{
    int64_t least = 60 * height * width / (96 * 192);
    return least < 4 ? 4 : least;
}

int uda_scene_label_id(const struct uda_drawing *drawing, uint16_t value)
{
    if (value >= UDA_SCENE_OBJECT) {
        int64_t i = value - UDA_SCENE_OBJECT;
        return i < drawing->objects ? uda_classes[drawing->object[i].cls].label_id : UDA_STUFF_VOID;
    }
    return value == UDA_STUFF_LANE ? UDA_STUFF_ROAD : value;
}

/* The drawing of one scene: everything on the way from the spec to the pixels. */
struct work {
    const struct uda_scene_spec *spec;
    uint32_t index;
    struct uda_canvas canvas;
    struct uda_view view;
    struct uda_street street;
    struct uda_crowd crowd;
    int64_t whole_px[UDA_SCENE_ITEMS], visible_px[UDA_SCENE_ITEMS];
};

static struct uda_rng stream_of(const struct work *work, uint32_t stream)
{
    struct uda_rng rng;
    uda_rng_init(&rng, work->spec->seed, UDA_RNG_SCENE, (uint32_t)work->spec->style, stream,
                 work->index);
    return rng;
}

static void set_camera(struct work *work, struct uda_rng *rng)
{
    float h = (float)work->spec->height, w = (float)work->spec->width;
    bool real = work->spec->style == UDA_SCENE_REAL;
    struct uda_view *view = &work->view;
    view->canvas = &work->canvas;
    view->horizon = h * uda_rng_range(rng, 0.38f, 0.46f);
    view->focal = h * (real ? uda_rng_range(rng, 1.6f, 2.0f) : uda_rng_range(rng, 1.5f, 1.8f));
    view->centre = w * 0.5f + h * uda_rng_range(rng, -0.3f, 0.3f);
    view->eye = real ? uda_rng_range(rng, 1.3f, 1.6f) : uda_rng_range(rng, 1.38f, 1.48f);
    float across = uda_rng_range(rng, -0.75f, 0.75f), up = uda_rng_range(rng, 0.5f, 0.75f);
    float ahead = -uda_rng_range(rng, 0.1f, 0.6f);
    float length = uda_sqrt(across * across + up * up + ahead * ahead);
    view->sun = (struct uda_vec){across / length, up / length, ahead / length};
    view->ambient = real ? uda_rng_range(rng, 0.62f, 0.75f) : 0.7f;
    view->diffuse = real ? uda_rng_range(rng, 0.2f, 0.45f) : 0.42f;
    view->haze_per_m =
        real ? uda_rng_range(rng, 0.003f, 0.012f) : uda_rng_range(rng, 0.002f, 0.005f);
    view->canvas->haze = (struct uda_rgb){214, 219, 224};
}

static void draw_item(struct work *work, int64_t i)
{
    struct uda_item *item = &work->crowd.item[i];
    struct uda_brush brush = {.view = &work->view, .style = work->spec->style};
    brush.rng = stream_of(work, STREAM_ITEM + (item->look >> 1));
    work->canvas.id = (uint16_t)(UDA_SCENE_OBJECT + i);
    work->canvas.fresh_px = 0;
    uda_item_draw(&brush, item);
    work->whole_px[i] = work->canvas.fresh_px;
}

static void draw_items(struct work *work)
{
    for (int64_t k = 0; k < work->crowd.count; k++) {
        int64_t i = work->crowd.order[k];
        if (!work->crowd.item[i].dropped) {
            draw_item(work, i);
        }
    }
}

static void count_visible(struct work *work)
{
    int64_t pixels = work->canvas.height * work->canvas.width;
    memset(work->visible_px, 0, sizeof work->visible_px);
    for (int64_t p = 0; p < pixels; p++) {
        if (work->canvas.map[p] >= UDA_SCENE_OBJECT) {
            work->visible_px[work->canvas.map[p] - UDA_SCENE_OBJECT]++;
        }
    }
}

/* Draws ids only, drops what is too small or hidden, and repeats until nothing has to go. */
static void drop_hidden(struct work *work)
{
    int64_t least = uda_scene_least_px(work->spec->height, work->spec->width);
    size_t bytes =
        (size_t)work->canvas.height * (size_t)work->canvas.width * sizeof *work->canvas.map;
    float *rgb = work->canvas.rgb;
    work->canvas.rgb = NULL;
    bool again = true;
    while (again) {
        again = false;
        memset(work->canvas.map, 0, bytes);
        draw_items(work);
        count_visible(work);
        for (int64_t i = 0; i < work->crowd.count; i++) {
            struct uda_item *item = &work->crowd.item[i];
            float share = (float)work->visible_px[i];
            bool bad =
                work->visible_px[i] < least || share < LEAST_SHARE * (float)work->whole_px[i];
            if (item->cls < 0 || item->dropped || !bad) {
                continue;
            }
            item->dropped = true;
            again = true;
            if (item->partner >= 0) {
                work->crowd.item[item->partner].dropped = true;
            }
        }
    }
    work->canvas.rgb = rgb;
    memset(work->canvas.map, 0, bytes);
}

/* Objects that are left get the numbers 0, 1, ... in the order of the crowd; the map is
 * renumbered. */
static void number_objects(struct uda_drawing *drawing, struct work *work)
{
    uint16_t to[UDA_SCENE_ITEMS];
    drawing->objects = 0;
    for (int64_t i = 0; i < work->crowd.count; i++) {
        const struct uda_item *item = &work->crowd.item[i];
        to[i] = UDA_STUFF_VOID;
        if (item->cls < 0 || item->dropped || drawing->objects == UDA_SCENE_OBJECTS) {
            continue;
        }
        to[i] = (uint16_t)(UDA_SCENE_OBJECT + drawing->objects);
        drawing->object[drawing->objects++] =
            (struct uda_scene_object){.cls = (enum uda_class)item->cls,
                                      .partner = item->partner,
                                      .whole_px = work->whole_px[i],
                                      .x0 = work->spec->width,
                                      .y0 = work->spec->height,
                                      .x1 = -1,
                                      .y1 = -1};
    }
    for (int64_t k = 0; k < drawing->objects; k++) {
        int64_t p = drawing->object[k].partner;
        drawing->object[k].partner = p >= 0 ? (int64_t)to[p] - UDA_SCENE_OBJECT : -1;
    }
    for (int64_t y = 0; y < work->spec->height; y++) {
        for (int64_t x = 0; x < work->spec->width; x++) {
            uint16_t *value = &work->canvas.map[y * work->spec->width + x];
            if (*value < UDA_SCENE_OBJECT) {
                continue;
            }
            *value = to[*value - UDA_SCENE_OBJECT];
            if (*value < UDA_SCENE_OBJECT) {
                continue;
            }
            struct uda_scene_object *o = &drawing->object[*value - UDA_SCENE_OBJECT];
            o->area_px++;
            o->x0 = x < o->x0 ? x : o->x0;
            o->x1 = x > o->x1 ? x : o->x1;
            o->y0 = y < o->y0 ? y : o->y0;
            o->y1 = y > o->y1 ? y : o->y1;
        }
    }
}

static void draw_all(struct work *work)
{
    struct uda_rng rng = stream_of(work, STREAM_STREET);
    set_camera(work, &rng);
    uda_street_plan(&work->street, work->spec->style, &rng);
    rng = stream_of(work, STREAM_CROWD);
    uda_place_all(&work->crowd, &work->street, &work->view, work->spec->style, &rng);
    drop_hidden(work);
    rng = stream_of(work, STREAM_HOUSES);
    uda_street_draw(&work->view, &work->street, work->spec->style, &rng);
    for (int64_t i = 0; i < work->crowd.count; i++) {
        if (!work->crowd.item[i].dropped) {
            uda_item_shadow(&work->view, &work->crowd.item[i]);
        }
    }
    draw_items(work);
    uda_lens_texture(&work->view, &work->street, work->spec);
}

int uda_scene_draw(struct uda_drawing *drawing, struct uda_arena *arena,
                   const struct uda_scene_spec *spec, int64_t index, struct uda_err *err)
{
    if (spec->height < UDA_SCENE_LEAST_SIDE || spec->width < UDA_SCENE_LEAST_SIDE ||
        spec->height > UDA_SCENE_MOST_SIDE || spec->width > UDA_SCENE_MOST_SIDE) {
        return uda_fail(err, UDA_SHAPE, "a scene of %lld x %lld pixels: sides are %d to %d",
                        (long long)spec->height, (long long)spec->width, UDA_SCENE_LEAST_SIDE,
                        UDA_SCENE_MOST_SIDE);
    }
    if (index < 0 || index > UINT32_MAX) {
        return uda_fail(err, UDA_SHAPE, "scene number %lld is outside 0..4294967295",
                        (long long)index);
    }
    size_t pixels = (size_t)spec->height * (size_t)spec->width;
    struct uda_drawing s = {.image = {.height = spec->height, .width = spec->width}};
    s.image.rgb = uda_arena_alloc(arena, pixels * 3);
    s.map = uda_arena_alloc(arena, pixels * sizeof *s.map);
    size_t mark = uda_arena_mark(arena);
    struct work *work = uda_arena_calloc(arena, sizeof *work);
    float *scratch = uda_arena_alloc(arena, pixels * 3 * sizeof *scratch);
    if (s.image.rgb == NULL || s.map == NULL || work == NULL || scratch == NULL) {
        return uda_fail(err, UDA_NOMEM, "scene %lld: out of memory", (long long)index);
    }
    work->spec = spec;
    work->index = (uint32_t)index;
    UDA_TRY(uda_canvas_init(&work->canvas, arena, spec->height, spec->width, true, err));
    draw_all(work);
    number_objects(&s, work);
    struct uda_rng rng = stream_of(work, STREAM_LENS);
    uda_lens_expose(s.image.rgb, scratch, &work->view, spec, &rng);
    memcpy(s.map, work->canvas.map, pixels * sizeof *s.map);
    s.focal_px = work->view.focal;
    s.centre_px = work->view.centre;
    s.horizon_px = work->view.horizon;
    s.eye_m = work->view.eye;
    uda_arena_reset(arena, mark);
    *drawing = s;
    return 0;
}

int uda_scene_labels(struct uda_labels *labels, struct uda_arena *arena,
                     const struct uda_drawing *drawing, struct uda_err *err)
{
    struct uda_labels l = {.height = drawing->image.height, .width = drawing->image.width};
    l.instance = uda_arena_calloc(arena, (size_t)(drawing->objects + 1) * sizeof *l.instance);
    if (l.instance == NULL) {
        return uda_fail(err, UDA_NOMEM, "labels of a scene: out of memory");
    }
    for (int64_t i = 0; i < drawing->objects; i++) {
        const struct uda_scene_object *o = &drawing->object[i];
        int64_t h = o->y1 - o->y0 + 1, w = o->x1 - o->x0 + 1;
        uint8_t *mask = uda_arena_alloc(arena, (size_t)h * (size_t)w);
        if (mask == NULL) {
            return uda_fail(err, UDA_NOMEM, "labels of a scene: out of memory");
        }
        for (int64_t y = 0; y < h; y++) {
            for (int64_t x = 0; x < w; x++) {
                mask[y * w + x] =
                    drawing->map[(o->y0 + y) * l.width + o->x0 + x] == UDA_SCENE_OBJECT + i;
            }
        }
        l.instance[l.count++] = (struct uda_instance){.id = i + 1,
                                                      .cls = o->cls,
                                                      .area_px = o->area_px,
                                                      .x0 = o->x0,
                                                      .y0 = o->y0,
                                                      .x1 = o->x1,
                                                      .y1 = o->y1,
                                                      .mask = mask};
    }
    *labels = l;
    return 0;
}
