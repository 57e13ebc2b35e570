/* Detection sets as folders of PNG and text files. */
#include "src/eval/export.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/base/classes.h"
#include "src/base/str.h"
#include "src/eval/overlay.h"

#include <string.h>

#define MASKS "pred_masks"

static int no_memory(const char *dir, struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "'%s': no memory to write it", dir);
}

/* Writes one image's files; memory of scratch. */
typedef int write_image(void *args, const char *dir, const struct uda_image_detections *image,
                        struct uda_arena *scratch, struct uda_err *err);

static int for_each_image(const char *dir, const struct uda_detections *set, write_image *write,
                          void *args, struct uda_err *err)
{
    struct uda_arena scratch = {0};
    int rc = uda_fs_mkdirs(dir, err);
    for (int64_t i = 0; i < set->count && rc == 0; i++) {
        const char *name = set->image[i].name;
        if (name[0] == '\0' || strchr(name, '/') != NULL || strchr(name, ' ') != NULL) {
            rc = uda_fail(err, UDA_FORMAT, "image name '%s' cannot name a file", name);
            break;
        }
        rc = write(args, dir, &set->image[i], &scratch, err);
        uda_arena_reset(&scratch, 0);
    }
    uda_arena_finish(&scratch);
    return rc;
}

static int write_masks(void *args, const char *dir, const struct uda_image_detections *image,
                       struct uda_arena *scratch, struct uda_err *err)
{
    int64_t pixels = image->height * image->width;
    uint8_t *mask = uda_arena_alloc(scratch, (size_t)pixels);
    struct uda_str text;
    (void)args;
    uda_str_init(&text, scratch);
    if (mask == NULL) {
        return no_memory(dir, err);
    }
    for (int64_t k = 0; k < image->count; k++) {
        const struct uda_detection *item = &image->item[k];
        char *name = uda_arena_printf(scratch, MASKS "/%s_%03lld.png", image->name, (long long)k);
        char *path = name != NULL ? uda_fs_join(scratch, dir, name) : NULL;
        if (path == NULL) {
            return no_memory(dir, err);
        }
        uda_rle_decode(mask, &item->mask);
        for (int64_t p = 0; p < pixels; p++) {
            mask[p] = mask[p] != 0 ? 255 : 0;
        }
        UDA_TRY(uda_png_write(path, mask, image->height, image->width, 1, 8, err));
        uda_str_add(&text, "%s %d %.17g\n", name, uda_classes[item->cls].label_id, item->score);
    }
    UDA_TRY(uda_str_status(&text, err));
    char *path = uda_arena_printf(scratch, "%s/%s_pred.txt", dir, image->name);
    return path == NULL ? no_memory(dir, err) : uda_fs_write(path, text.text, text.bytes, err);
}

int uda_export_cityscapes(const char *dir, const struct uda_detections *set, struct uda_err *err)
{
    struct uda_arena arena = {0};
    char *masks = uda_fs_join(&arena, dir, MASKS);
    int rc = masks == NULL ? no_memory(dir, err) : uda_fs_mkdirs(masks, err);
    uda_arena_finish(&arena);
    return rc != 0 ? rc : for_each_image(dir, set, write_masks, NULL, err);
}

static int write_ids(void *args, const char *dir, const struct uda_image_detections *image,
                     struct uda_arena *scratch, struct uda_err *err)
{
    int64_t number[UDA_CLASSES] = {0};
    int64_t *order = uda_arena_alloc(scratch, (size_t)image->count * sizeof *order);
    uint16_t *ids = uda_arena_calloc(scratch, (size_t)(image->height * image->width) * sizeof *ids);
    uint8_t *mask = uda_arena_alloc(scratch, (size_t)(image->height * image->width));
    char *path = uda_arena_printf(scratch, "%s/%s_gtFine_instanceIds.png", dir, image->name);
    (void)args;
    if (order == NULL || ids == NULL || mask == NULL || path == NULL) {
        return no_memory(dir, err);
    }
    uda_detections_by_score(order, image);
    for (int64_t i = 0; i < image->count; i++) {
        const struct uda_detection *item = &image->item[order[i]];
        if (number[item->cls] == 1000) {
            return uda_fail(err, UDA_SHAPE, "image '%s' has more than 1000 of class %s: their ids "
                                            "do not fit the format",
                            image->name, uda_classes[item->cls].name);
        }
        int64_t id = uda_classes[item->cls].label_id * 1000 + number[item->cls]++;
        uda_rle_decode_box(mask, item->box, &item->mask);
        const uint8_t *bit = mask;
        for (int64_t y = item->box.y0; y <= item->box.y1; y++) {
            for (int64_t x = item->box.x0; x <= item->box.x1; x++, bit++) {
                uint16_t *pixel = &ids[y * image->width + x];
                *pixel = *bit != 0 && *pixel == 0 ? (uint16_t)id : *pixel;
            }
        }
    }
    return uda_png_write(path, ids, image->height, image->width, 1, 16, err);
}

int uda_export_instance_ids(const char *dir, const struct uda_detections *set, struct uda_err *err)
{
    return for_each_image(dir, set, write_ids, NULL, err);
}

/* The images that overlays are drawn on. */
struct album {
    const char *root;
    char **path; /* [count] relative, sorted */
    int64_t count;
    double least;
};

/* True if the file is NAME.png or NAME_something.png. */
static bool is_picture_of(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/'), *file = slash != NULL ? slash + 1 : path;
    size_t length = strlen(name);
    return strncmp(file, name, length) == 0 && (file[length] == '_' || file[length] == '.');
}

static int write_overlay(void *args, const char *dir, const struct uda_image_detections *image,
                         struct uda_arena *scratch, struct uda_err *err)
{
    const struct album *album = args;
    const char *found = NULL;
    for (int64_t i = 0; i < album->count; i++) {
        if (is_picture_of(album->path[i], image->name)) {
            if (found != NULL) {
                return uda_fail(err, UDA_FORMAT, "'%s': '%s' and '%s' could both be image '%s'",
                                album->root, found, album->path[i], image->name);
            }
            found = album->path[i];
        }
    }
    if (found == NULL) {
        return uda_fail(err, UDA_FORMAT, "'%s': no '%s.png' or '%s_*.png' below it", album->root,
                        image->name, image->name);
    }
    struct uda_image picture;
    char *from = uda_fs_join(scratch, album->root, found);
    char *to = uda_arena_printf(scratch, "%s/%s.png", dir, image->name);
    if (from == NULL || to == NULL) {
        return no_memory(dir, err);
    }
    UDA_TRY(uda_png_read_rgb(&picture, scratch, from, err));
    UDA_TRY(uda_overlay_draw(&picture, image, album->least, err));
    return uda_png_write(to, picture.rgb, picture.height, picture.width, 3, 8, err);
}

int uda_export_overlay(const char *dir, const struct uda_detections *set, const char *images_dir,
                       double least, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct album album = {.root = images_dir, .least = least};
    int rc = uda_fs_walk(&album.path, &album.count, &arena, images_dir, ".png", err);
    if (rc == 0) {
        rc = for_each_image(dir, set, write_overlay, &album, err);
    }
    uda_arena_finish(&arena);
    return rc;
}
