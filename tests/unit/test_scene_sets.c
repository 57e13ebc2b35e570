/* Folders of drawn scenes: each layout read back, threads, continuation, refusals. */
#include "tests/check.h"

#include "io/fs.h"
#include "src/base/hash.h"
#include "src/data/reader.h"
#include "src/scenes/scenes.h"

#include <stdlib.h>
#include <unistd.h>

static struct uda_arena arena_of_test;
#define ARENA (&arena_of_test)

static char *work_dir;

static char *sub_dir(const char *name)
{
    return uda_arena_printf(ARENA, "%s/%s", work_dir, name);
}

/* Removes a folder with everything below: files, then folders from the deepest up. */
static void remove_tree(const char *root)
{
    char **paths = NULL;
    int64_t count = 0;
    struct uda_err err = {0};
    CHECK_OK(uda_fs_walk(&paths, &count, ARENA, root, "", &err), &err);
    for (int64_t i = 0; i < count; i++) {
        char *path = uda_arena_printf(ARENA, "%s/%s", root, paths[i]);
        CHECK(unlink(path) == 0);
        for (char *slash = strrchr(path, '/'); slash != NULL && slash > path + strlen(root);
             slash = strrchr(path, '/')) {
            *slash = '\0';
            if (rmdir(path) != 0) {
                break;
            }
        }
    }
    CHECK(rmdir(root) == 0);
}

/* Digest of names and contents of all files below. */
static struct uda_digest tree_digest(const char *root, int64_t *files)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    char **paths = NULL;
    struct uda_hasher *h = NULL;
    CHECK_OK(uda_fs_walk(&paths, files, &arena, root, "", &err), &err);
    CHECK_OK(uda_hasher_create(&h, &err), &err);
    for (int64_t i = 0; i < *files; i++) {
        unsigned char *data = NULL;
        size_t bytes = 0;
        CHECK_OK(uda_fs_read(&data, &bytes, &arena, uda_fs_join(&arena, root, paths[i]),
                             (size_t)1 << 24, &err),
                 &err);
        uda_hasher_text(h, paths[i]);
        uda_hasher_i64(h, (int64_t)bytes);
        uda_hasher_bytes(h, data, bytes);
    }
    struct uda_digest d = uda_hasher_digest(h);
    uda_hasher_destroy(&h);
    uda_arena_finish(&arena);
    return d;
}

static struct uda_scenes_spec spec_of(const char *format, const char *dir)
{
    return (struct uda_scenes_spec){
        .format = format,
        .dir = dir,
        .count = 19,
        .first = 5,
        .scene = {.style = UDA_SCENE_SYNTHETIC, .seed = 9, .height = 48, .width = 97, .gap = 0.4f}};
}

static bool same_instance(const struct uda_instance *a, const struct uda_instance *b)
{
    size_t bytes = (size_t)((a->x1 - a->x0 + 1) * (a->y1 - a->y0 + 1));
    return a->cls == b->cls && !a->crowd && !b->crowd && a->area_px == b->area_px &&
           a->x0 == b->x0 && a->x1 == b->x1 && a->y0 == b->y0 && a->y1 == b->y1 &&
           memcmp(a->mask, b->mask, bytes) == 0;
}

/* What the reader of the layout finds is what was drawn, mask by mask. */
static void check_read_back(const struct uda_scenes_spec *spec)
{
    const struct uda_reader *reader = uda_reader_find(spec->format);
    struct uda_reader_source source = {.root = spec->dir};
    struct uda_reader_list list = {0};
    struct uda_err err = {0};
    CHECK(reader != NULL);
    if (reader == NULL) {
        return;
    }
    CHECK_OK(reader->list(&list, ARENA, &source, &err), &err);
    CHECK(list.count == spec->count);
    int64_t objects = 0;
    bool seen[64] = {false};
    for (int64_t i = 0; i < list.count; i++) {
        struct uda_arena arena = {0};
        struct uda_labels read = {0}, drawn = {0};
        struct uda_drawing d;
        /* the number stands in the name; Synscapes' order by name is not the order of numbers */
        const char *digits = list.item[i].name + strcspn(list.item[i].name, "0123456789");
        if (strcmp(spec->format, "kitti360") == 0) {
            digits = strchr(digits, '_') + 1;
        }
        int64_t number = strtoll(digits, NULL, 10);
        bool from_one = strcmp(spec->format, "urbansyn") == 0 ||
                        strcmp(spec->format, "synscapes") == 0 || strcmp(spec->format, "coco") == 0;
        number -= from_one ? 1 : 0;
        CHECK(number >= 0 && number < spec->count && !seen[number]);
        seen[number & 63] = true;
        CHECK_OK(reader->labels(&read, &list, i, spec->scene.height, spec->scene.width, &arena,
                                &arena, &err),
                 &err);
        CHECK_OK(uda_scene_draw(&d, &arena, &spec->scene, spec->first + number, &err), &err);
        CHECK_OK(uda_scene_labels(&drawn, &arena, &d, &err), &err);
        CHECK(read.count == drawn.count);
        for (int64_t k = 0; k < drawn.count; k++) {
            int64_t found = 0;
            for (int64_t r = 0; r < read.count; r++) {
                found += same_instance(&drawn.instance[k], &read.instance[r]);
            }
            CHECK(found == 1);
            objects++;
        }
        uda_arena_finish(&arena);
    }
    CHECK(objects > spec->count);
    uda_reader_finish(reader, &list);
}

static void test_layouts(void)
{
    const char *format = NULL;
    for (int64_t i = 0; (format = uda_scenes_format(i)) != NULL; i++) {
        struct uda_scenes_spec spec = spec_of(format, sub_dir(format));
        struct uda_err err = {0};
        bool done = true;
        CHECK_OK(uda_scenes_check(&done, &spec, &err), &err);
        CHECK(!done);
        CHECK_OK(uda_scenes_write(&spec, NULL, &err), &err);
        CHECK_OK(uda_scenes_check(&done, &spec, &err), &err);
        CHECK(done);
        check_read_back(&spec);
        remove_tree(spec.dir);
    }
}

/* One thread, four threads, and a folder that was interrupted: the same files. */
static void test_same_bytes(void)
{
    static const char *const formats[] = {"cityscapes", "kitti360", "coco"};
    struct uda_err err = {0};
    struct uda_team *team = NULL;
    CHECK_OK(uda_team_create(&team, 4, &err), &err);
    for (int64_t i = 0; i < UDA_LEN(formats); i++) {
        struct uda_scenes_spec one = spec_of(formats[i], sub_dir("one"));
        struct uda_scenes_spec many = spec_of(formats[i], sub_dir("many"));
        one.scene.style = many.scene.style = UDA_SCENE_REAL;
        int64_t files = 0, files_many = 0;
        CHECK_OK(uda_scenes_write(&one, NULL, &err), &err);
        CHECK_OK(uda_scenes_write(&many, team, &err), &err);
        struct uda_digest digest = tree_digest(one.dir, &files);
        CHECK(uda_digest_equal(digest, tree_digest(many.dir, &files_many)));
        CHECK(files == files_many && files > one.count);
        char **images = NULL;
        int64_t count = 0;
        CHECK_OK(uda_fs_walk(&images, &count, ARENA, many.dir, ".png", &err), &err);
        for (int64_t k = 0; k < count; k += 7) {
            /* a scene whose image is missing is drawn again with its labels; others are kept */
            if (strstr(images[k], "gtFine") == NULL && strstr(images[k], "semantics") == NULL) {
                CHECK_OK(uda_fs_remove(uda_fs_join(ARENA, many.dir, images[k]), &err), &err);
            }
        }
        CHECK_OK(uda_fs_remove(uda_fs_join(ARENA, many.dir, "DONE"), &err), &err);
        char *half = uda_arena_printf(ARENA, "%s/README.txt.tmp-1", many.dir);
        CHECK_OK(uda_fs_write(half, "x", 1, &err), &err); /* as a killed writer leaves it */
        CHECK_OK(uda_scenes_write(&many, team, &err), &err);
        CHECK(uda_digest_equal(digest, tree_digest(many.dir, &files_many)));
        remove_tree(one.dir);
        remove_tree(many.dir);
    }
    uda_team_destroy(&team);
}

static void check_refused(struct uda_scenes_spec spec, const char *fragment)
{
    struct uda_err err = {0};
    CHECK(uda_scenes_write(&spec, NULL, &err) == UDA_MANIFEST);
    if (strstr(err.text, fragment) == NULL) {
        (void)fprintf(stderr, "message '%s' lacks '%s'\n", err.text, fragment);
        check_failures++;
    }
}

static void test_refusals(void)
{
    struct uda_err err = {0};
    struct uda_scenes_spec good = spec_of("synthia", sub_dir("good")), bad = good;
    good.count = bad.count = 2;
    CHECK_OK(uda_scenes_write(&good, NULL, &err), &err);
    bad.scene.seed++;
    check_refused(bad, "holds other scenes");
    bad = good;
    bad.dir = work_dir; /* not empty, without README.txt */
    check_refused(bad, "not empty");
    bad = good;
    bad.split = "val";
    check_refused(bad, "has no splits");
    bad.format = "cityscapes";
    bad.split = "../up";
    check_refused(bad, "split");
    bad.format = "nuscenes";
    check_refused(bad, "unknown format");
    bad = good;
    bad.count = 0;
    check_refused(bad, "count");
    bad = good;
    bad.scene.height = 4;
    check_refused(bad, "sides");
    bad = good;
    bad.scene.gap = 2.0f;
    check_refused(bad, "gap");
    remove_tree(good.dir);
}

int main(void)
{
    const char *parent = getenv("TMPDIR");
    work_dir = uda_arena_printf(ARENA, "%s/uda-scenes-XXXXXX", parent != NULL ? parent : "/tmp");
    CHECK(work_dir != NULL && mkdtemp(work_dir) != NULL);
    test_layouts();
    test_same_bytes();
    test_refusals();
    CHECK(rmdir(work_dir) == 0);
    uda_arena_finish(ARENA);
    return check_result();
}
