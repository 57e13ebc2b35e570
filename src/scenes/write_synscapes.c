/*
 * Synscapes: instance PNG with id = R + 256 G + 65536 B, class PNG with Cityscapes label ids, meta
 * JSON with class and box of each id. As in the data set, a ridden bicycle or motorcycle and its
 * rider are one instance with the vehicle's class; only the class PNG tells the rider's pixels
 * apart.
 */
#include "src/scenes/sheet.h"

#include "io/fs.h"
#include "src/base/classes.h"

/* The vehicle that an object is part of. */
static int64_t owner_of(const struct uda_drawing *drawing, int64_t i)
{
    const struct uda_scene_object *o = &drawing->object[i];
    return o->cls == UDA_RIDER && o->partner >= 0 ? o->partner : i;
}

static char *path_of(const struct uda_sheet *sheet, const char *folder, const char *suffix)
{
    return uda_arena_printf(sheet->arena, "%s/%s/%lld.%s", sheet->root, folder,
                            (long long)sheet->number + 1, suffix);
}

static char *image_path(const struct uda_sheet *sheet)
{
    return path_of(sheet, "img/rgb", "png");
}

static void instance(uint16_t sample[3], const struct uda_drawing *drawing, uint16_t map)
{
    int64_t i = (int64_t)map - UDA_SCENE_OBJECT;
    if (i >= 0 && i < drawing->objects) {
        sample[0] = (uint16_t)(owner_of(drawing, i) + 1);
    }
}

/* Box, pixels and whole pixels of an instance with its rider. */
static struct uda_scene_object joined(const struct uda_drawing *drawing, int64_t i)
{
    struct uda_scene_object o = drawing->object[i];
    if (o.partner >= 0) {
        const struct uda_scene_object *p = &drawing->object[o.partner];
        o.x0 = p->x0 < o.x0 ? p->x0 : o.x0;
        o.y0 = p->y0 < o.y0 ? p->y0 : o.y0;
        o.x1 = p->x1 > o.x1 ? p->x1 : o.x1;
        o.y1 = p->y1 > o.y1 ? p->y1 : o.y1;
    }
    return o;
}

/* A share of the image with six decimals, in whole numbers so that the text is the same
 * everywhere. */
static void add_share(struct uda_str *text, const char *key, int64_t part, int64_t whole,
                      const char *after)
{
    int64_t millionths = (1000000 * part + whole / 2) / whole;
    uda_str_add(text, "\"%s\": %lld.%06lld%s", key, (long long)(millionths / 1000000),
                (long long)(millionths % 1000000), after);
}

static void add_box(struct uda_str *text, const struct uda_drawing *d, int64_t i)
{
    struct uda_scene_object o = joined(d, i);
    uda_str_add(text, "\"%lld\": {", (long long)i + 1);
    add_share(text, "xmin", o.x0, d->image.width, ", ");
    add_share(text, "xmax", o.x1 + 1, d->image.width, ", ");
    add_share(text, "ymin", o.y0, d->image.height, ", ");
    add_share(text, "ymax", o.y1 + 1, d->image.height, "}");
}

static void add_hidden(struct uda_str *text, const struct uda_drawing *d, int64_t i)
{
    const struct uda_scene_object *o = &d->object[i];
    int64_t hidden = o->whole_px - o->area_px;
    int64_t millionths = (1000000 * hidden + o->whole_px / 2) / o->whole_px;
    uda_str_add(text, "\"%lld\": %lld.%06lld", (long long)i + 1, (long long)(millionths / 1000000),
                (long long)(millionths % 1000000));
}

static void add_class(struct uda_str *text, const struct uda_drawing *d, int64_t i)
{
    uda_str_add(text, "\"%lld\": %d", (long long)i + 1, uda_classes[d->object[i].cls].label_id);
}

/* "name": {"id": value, ...} over the instances. */
static void add_map(struct uda_str *text, const struct uda_drawing *d, const char *name,
                    void (*add)(struct uda_str *text, const struct uda_drawing *d, int64_t i),
                    const char *after)
{
    bool first = true;
    uda_str_add(text, "    \"%s\": {", name);
    for (int64_t i = 0; i < d->objects; i++) {
        if (owner_of(d, i) == i) {
            uda_str_add(text, "%s", first ? "" : ", ");
            add(text, d, i);
            first = false;
        }
    }
    uda_str_add(text, "}%s\n", after);
}

static int write_meta(const struct uda_sheet *sheet, struct uda_err *err)
{
    const struct uda_drawing *d = sheet->drawing;
    struct uda_str text;
    uda_str_init(&text, sheet->arena);
    uda_str_add(
        &text,
        "{\n  \"camera\": {\n    \"extrinsic\": {\"pitch\": 0, \"roll\": 0, \"x\": 0, \"y\": "
        "0, \"yaw\": 0, \"z\": %.4f},\n    \"intrinsic\": {\"fx\": %.4f, \"fy\": %.4f, "
        "\"resx\": %lld, \"resy\": %lld, \"u0\": %.4f, \"v0\": %.4f}\n  },\n  \"instance\": {\n",
        (double)d->eye_m, (double)d->focal_px, (double)d->focal_px, (long long)d->image.width,
        (long long)d->image.height, (double)d->centre_px, (double)d->horizon_px);
    add_map(&text, d, "bbox2d", add_box, ",");
    add_map(&text, d, "class", add_class, ",");
    add_map(&text, d, "occluded", add_hidden, "");
    uda_str_add(&text, "  }\n}\n");
    UDA_TRY(uda_str_status(&text, err));
    char *path = path_of(sheet, "meta", "json");
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", sheet->root);
    }
    return uda_fs_write(path, text.text, text.bytes, err);
}

static int write_scene(const struct uda_sheet *sheet, struct uda_err *err)
{
    UDA_TRY(uda_sheet_gray(sheet, path_of(sheet, "img/class", "png"), 8, uda_sheet_label_id, err));
    UDA_TRY(write_meta(sheet, err));
    return uda_sheet_colour(sheet, path_of(sheet, "img/instance", "png"), 8, instance, err);
}

const struct uda_scene_writer uda_scene_synscapes = {
    .format = "synscapes",
    .note = "img/rgb/N.png, img/instance/N.png, img/class/N.png, meta/N.json, from 1",
    .folder = {"img/rgb", "img/instance", "img/class", "meta"},
    .image = image_path,
    .write = write_scene,
};
