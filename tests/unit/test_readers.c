/* Readers: exact decoding of every format, and clear errors for damaged files. */
#include "tests/check.h"

#include "io/fs.h"
#include "io/png.h"
#include "src/data/reader.h"

#include <stdlib.h>
#include <unistd.h>

static void test_cityscapes(struct uda_arena *arena, const char *dir)
{
    struct uda_err err = {0};
    uint16_t label[6 * 4] = {26000, 26000, 7, 7, 26, 26, /* a car, road, a group of cars */
                             26000, 26003, 7, 0, 26, 26, 24001, 24001, 29000, 33, 1, 2,
                             24001, 24001, 29000, 33, 1, 2};
    uint8_t rgb[6 * 4 * 3] = {0};
    const char *img = uda_fs_join(arena, dir, "leftImg8bit/train/aachen");
    const char *gt = uda_fs_join(arena, dir, "gtFine/train/aachen");
    CHECK_OK(uda_fs_mkdirs(img, &err), &err);
    CHECK_OK(uda_fs_mkdirs(gt, &err), &err);
    CHECK_OK(uda_png_write(uda_fs_join(arena, img, "aachen_000000_000019_leftImg8bit.png"), rgb, 4, 6,
                           3, 8, &err),
             &err);
    CHECK_OK(uda_png_write(uda_fs_join(arena, gt, "aachen_000000_000019_gtFine_instanceIds.png"),
                           label, 4, 6, 1, 16, &err),
             &err);
    const struct uda_reader *reader = uda_reader_find("cityscapes");
    struct uda_reader_list list = {0};
    struct uda_reader_source source = {.root = dir, .split = "train"};
    CHECK_OK(reader->list(&list, arena, &source, &err), &err);
    CHECK(list.count == 1);
    CHECK_STR(list.item[0].name, "aachen_000000_000019");
    struct uda_arena scratch = {0};
    struct uda_labels labels = {0};
    CHECK_OK(reader->labels(&labels, &list, 0, 4, 6, arena, &scratch, &err), &err);
    CHECK(labels.count == 5);
    static const int64_t ids[] = {26, 33, 24001, 26000, 26003};
    static const int64_t areas[] = {4, 2, 4, 3, 1};
    for (int64_t i = 0; i < labels.count && i < 5; i++) {
        CHECK(labels.instance[i].id == ids[i]);
        CHECK(labels.instance[i].area_px == areas[i]);
        CHECK(labels.instance[i].crowd == (ids[i] < 1000));
    }
    CHECK(labels.instance[3].cls == UDA_CAR && labels.instance[3].x1 == 1);
    CHECK(labels.instance[3].mask[0] == 1 && labels.instance[3].mask[3] == 0);
    CHECK(reader->labels(&labels, &list, 0, 5, 6, arena, &scratch, &err) == UDA_FORMAT);
    uda_reader_finish(reader, &list);
    uda_arena_finish(&scratch);
}

int main(void)
{
    struct uda_arena arena = {0};
    char dir[] = "/tmp/uda-readers-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    test_cityscapes(&arena, dir);
    uda_arena_finish(&arena);
    return check_result();
}
