/*
 * Every broken manifest of tests/data/manifests/bad gives exactly the text beside it; good ones
 * give the values they state. UDA_UPDATE=1 rewrites the texts (then read the difference).
 */
#include "io/fs.h"
#include "src/plan/manifest.h"
#include "src/plan/schema.h"
#include "tests/check.h"

#include <stdlib.h>
#include <unistd.h>

/* Arguments of "# set: key=value" lines at the top of a manifest. */
static int64_t sets_of(const char **sets, struct uda_arena *arena, const char *text)
{
    int64_t count = 0;
    while (strncmp(text, "# set: ", 7) == 0 && count < 8) {
        size_t length = strcspn(text + 7, "\n");
        sets[count++] = uda_arena_printf(arena, "%.*s", (int)length, text + 7);
        text += 7 + length + 1;
    }
    return count;
}

static void test_bad_file(const char *name)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0}, file_err = {0};
    struct uda_manifest *manifest = NULL;
    struct uda_str report;
    unsigned char *text = NULL, *expected = NULL;
    size_t bytes = 0, expected_bytes = 0;
    uda_str_init(&report, &arena);
    char *path = uda_arena_printf(&arena, "bad/%s", name);
    char *golden = uda_arena_printf(&arena, "%.*s.expected", (int)strlen(path) - 5, path);
    CHECK_OK(uda_fs_read(&text, &bytes, &arena, path, 1 << 20, &file_err), &file_err);
    const char *sets[8];
    int64_t set_count = sets_of(sets, &arena, (const char *)text);
    int rc = uda_manifest_load(&manifest, &arena, path, sets, set_count, &report, &err);
    CHECK(rc == UDA_MANIFEST && uda_code_exit((enum uda_code)rc) == 2);
    CHECK(manifest == NULL && err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
    if (getenv("UDA_UPDATE") != NULL) {
        CHECK_OK(uda_fs_write(golden, report.text, report.bytes, &file_err), &file_err);
    }
    CHECK_OK(uda_fs_read(&expected, &expected_bytes, &arena, golden, 1 << 20, &file_err), &file_err);
    if (expected != NULL && strcmp((const char *)expected, report.text) != 0) {
        (void)fprintf(stderr, "%s: expected\n%sgot\n%s", path, (const char *)expected, report.text);
        check_failures++;
    }
    uda_arena_finish(&arena);
}

static void test_bad_files(void)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    char **names = NULL;
    int64_t count = 0, tested = 0;
    CHECK_OK(uda_fs_list(&names, &count, &arena, "bad", &err), &err);
    for (int64_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (length > 5 && strcmp(names[i] + length - 5, ".yaml") == 0) {
            test_bad_file(names[i]);
            tested++;
        }
    }
    CHECK(tested >= 90);
    uda_arena_finish(&arena);
}

/* A file of 100 MB (sparse) is refused by its size, before it is read. */
static void test_huge(void)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_manifest *manifest = NULL;
    struct uda_str report;
    uda_str_init(&report, &arena);
    char path[] = "/tmp/uda-test-manifest-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && ftruncate(fd, 100000000) == 0);
    CHECK(uda_manifest_load(&manifest, &arena, path, NULL, 0, &report, &err) == UDA_MANIFEST);
    CHECK(strstr(report.text, "has 100000000 bytes, more than the 1048576 allowed here") != NULL);
    CHECK(arena.peak_bytes < 1000000);
    CHECK(close(fd) == 0 && unlink(path) == 0);
    uda_err_clear(&err);
    CHECK(uda_manifest_load(&manifest, &arena, "no/such.yaml", NULL, 0, &report, &err) == UDA_MANIFEST);
    CHECK_STR(err.text, "cannot open 'no/such.yaml': No such file or directory");
    uda_arena_finish(&arena);
}

static struct uda_manifest *load(struct uda_arena *arena, const char *path, const char *const *sets,
                                 int64_t count)
{
    struct uda_err err = {0};
    struct uda_manifest *manifest = NULL;
    struct uda_str report;
    uda_str_init(&report, arena);
    int rc = uda_manifest_load(&manifest, arena, path, sets, count, &report, &err);
    if (rc != 0) {
        (void)fprintf(stderr, "%s%s\n", report.text, err.text);
        check_failures++;
    }
    return manifest;
}

static void test_values(void)
{
    struct uda_arena arena = {0};
    const char *const sets[] = {"optimizer.betas=[0.8, 0.99]", "stages.final.iterations=250",
                                "datasets.drawn.root=${UDA_TEST_ROOT:-here}/k", "runtime.threads=all"};
    const struct uda_manifest *m = load(&arena, "good/full.yaml", sets, UDA_LEN(sets));
    if (m == NULL) {
        return;
    }
    CHECK_STR(m->name, "full run, with a comma");
    CHECK(m->seed == 12345678901u && m->dataset_count == 5 && m->category_count == 2);
    CHECK_STR(m->dataset[0].root, "a, b/urbansyn");
    CHECK(m->dataset[0].limit == 40 && m->dataset[0].hold_out.count == 5);
    CHECK(m->dataset[1].labels == UDA_LABELS_NONE && m->dataset[2].labels == UDA_LABELS_FILE);
    CHECK_STR(m->dataset[1].split, "train");
    CHECK_STR(m->dataset[0].split, "");
    CHECK_STR(m->dataset[3].root, "here/k");
    CHECK(m->dataset[3].scenes.height == 64 && m->dataset[3].scenes.style == UDA_LOOK_REAL);
    CHECK(m->dataset[4].format == UDA_LAYOUT_COCO && m->dataset[4].root == NULL);
    CHECK(m->category[0].has[UDA_RIDER] && !m->category[0].has[UDA_CAR]);
    CHECK(m->model.embed_dim == 192 && m->model.depths[2] == 18 && m->model.heads[3] == 48);
    CHECK(m->model.mask_dim == 256 && m->model.window == 12);
    CHECK(m->recipe.optimizer.lr == 1e-4 && m->recipe.optimizer.eps == .5e-7);
    CHECK(m->recipe.optimizer.betas[0] == 0.8 && m->recipe.optimizer.betas[1] == 0.99);
    CHECK(m->stage_count == 7 && m->stage[2].kind == UDA_STAGE_ADAPT);
    CHECK(m->stage[2].recipe.optimizer.lr == 5e-5 && m->stage[2].recipe.optimizer.eps == .5e-7);
    CHECK(m->stage[2].recipe.augment.crop[1] == 672 && m->stage[0].recipe.augment.crop[1] == 1024);
    CHECK(m->stage[2].data[0] == 0 && m->stage[2].data[1] == 1 && m->stage[2].from == 0);
    CHECK(m->stage[4].input_count == 1 && m->stage[4].inputs[0] == 3);
    CHECK(m->stage[5].labels == 4 && m->stage[5].iterations == 250);
    CHECK(m->stage[5].recipe.schedule.steps.count == 2 && m->stage[5].recipe.schedule.steps.value[1] == 150);
    CHECK(m->stage[1].protocol == UDA_PROTOCOL_CITYSCAPES && m->stage[1].expect_ap == 37.5);
    CHECK(m->stage[1].classes[UDA_PERSON] && !m->stage[1].classes[UDA_BUS]);
    CHECK(isnan(m->stage[6].expect_ap) && m->stage[6].classes[UDA_BUS]);
    CHECK(m->recipe.mixing.directions[UDA_S2T] && m->recipe.mixing.directions[UDA_T2S]);
    CHECK(m->recipe.mixing.rare.classes[UDA_TRAIN] && !m->recipe.mixing.rare.classes[UDA_BUS]);
    CHECK(m->dataset[1].ego.polygon.count == 6 && m->dataset[1].ego.polygon.value[2] == 191);
    CHECK(m->dataset[1].ego.size[1] == 192 && m->dataset[0].ego.polygon.count == 0);
    CHECK(m->recipe.mixing.color == UDA_TRANSFER_LAB_TRUNCATE && m->recipe.mixing.max_iou == 0.7);
    CHECK(m->recipe.mixing.labels == UDA_LABELS_BY_MASKS);
    CHECK(m->recipe.mixing.target_labels == UDA_TARGET_PSEUDO);
    CHECK(m->recipe.mixing.teacher_view == UDA_VIEW_WEAK);
    CHECK(m->checkpoint.every == 50 && m->runtime.threads == 0);
    uda_arena_finish(&arena);
}

/* A resolved manifest, read back, has the same values; a second writing gives the same text. */
static void test_resolved(void)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    const struct uda_manifest *first = load(&arena, "good/full.yaml", NULL, 0);
    struct uda_manifest *second = NULL;
    struct uda_str text, report, diff;
    uda_str_init(&text, &arena);
    uda_str_init(&report, &arena);
    uda_str_init(&diff, &arena);
    uda_manifest_resolved(&text, first);
    CHECK_OK(uda_manifest_parse(&second, &arena, "resolved.yaml", text.text, text.bytes, NULL, 0,
                                &report, &err), &err);
    CHECK_STR(report.text, "");
    if (second != NULL) {
        CHECK(uda_manifest_diff(&diff, first, second, false) == 0);
        CHECK_STR(diff.text, "");
        CHECK(first->value_count == second->value_count);
    }
    uda_arena_finish(&arena);
}

static void test_diff(void)
{
    struct uda_arena arena = {0};
    const char *const sets[] = {"optimizer.lr=0.001", "checkpoint.every=7", "stages.mix.batch=4",
                                "stages.extra={kind: evaluate, data: val, from: final}"};
    const struct uda_manifest *a = load(&arena, "good/full.yaml", NULL, 0);
    const struct uda_manifest *b = load(&arena, "good/full.yaml", sets, 3);
    const struct uda_manifest *c = load(&arena, "good/full.yaml", sets, 4);
    struct uda_str diff;
    uda_str_init(&diff, &arena);
    CHECK(uda_manifest_diff(&diff, a, b, true) == 2);
    CHECK_STR(diff.text, "optimizer.lr: 0.0001 -> 0.001\nstages.mix.batch: 3 -> 4\n");
    uda_str_init(&diff, &arena);
    CHECK(uda_manifest_diff(&diff, a, b, false) == 3);
    uda_str_init(&diff, &arena);
    CHECK(uda_manifest_diff(&diff, b, c, true) > 0);
    CHECK(strstr(diff.text, "stages.extra.from: (absent) -> [final]\n") != NULL);
    uda_arena_finish(&arena);
}

static void test_environment(void)
{
    struct uda_arena arena = {0};
    CHECK(setenv("UDA_TEST_ROOT", "/data: with #{}", 1) == 0);
    const struct uda_manifest *m = load(&arena, "good/full.yaml", NULL, 0);
    CHECK(m != NULL && strcmp(m->dataset[0].root, "/data: with #{}/urbansyn") == 0);
    CHECK(m != NULL && strcmp(m->dataset[3].root, "/data: with #{}/k") == 0);
    CHECK(unsetenv("UDA_TEST_ROOT") == 0);
    uda_arena_finish(&arena);
}

/* Out of memory at any allocation: an error, no crash, nothing half-made. */
static void test_memory(void)
{
    for (int64_t nth = 1; nth < 12; nth++) {
        struct uda_arena arena = {0};
        struct uda_err err = {0};
        struct uda_manifest *manifest = NULL;
        struct uda_str report;
        uda_str_init(&report, &arena);
        uda_alloc_fail_after(nth);
        int rc = uda_manifest_load(&manifest, &arena, "good/full.yaml", NULL, 0, &report, &err);
        uda_alloc_fail_after(0);
        CHECK(rc == 0 ? manifest != NULL : rc == UDA_NOMEM && manifest == NULL);
        uda_arena_finish(&arena);
    }
}

/* The committed page and schema are what the table prints. */
static void test_printed(void (*print)(struct uda_str *), const char *path)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    unsigned char *text = NULL;
    size_t bytes = 0;
    struct uda_str fresh;
    uda_str_init(&fresh, &arena);
    print(&fresh);
    if (getenv("UDA_UPDATE") != NULL) {
        CHECK_OK(uda_fs_write(path, fresh.text, fresh.bytes, &err), &err);
    }
    CHECK_OK(uda_fs_read(&text, &bytes, &arena, path, 1 << 20, &err), &err);
    if (text != NULL && strcmp((const char *)text, fresh.text) != 0) {
        (void)fprintf(stderr, "'%s' is stale: print it again with 'uda4inst check --print-readme' "
                              "or '--print-schema'\n", path);
        check_failures++;
    }
    uda_arena_finish(&arena);
}

int main(void)
{
    if (chdir(TEST_DATA "/manifests") != 0) {
        return 1;
    }
    test_bad_files();
    test_huge();
    test_values();
    test_resolved();
    test_diff();
    test_environment();
    test_memory();
    test_printed(uda_schema_readme, "../../../manifests/README.md");
    test_printed(uda_schema_json, "../../../manifests/schema.json");
    return check_result();
}
