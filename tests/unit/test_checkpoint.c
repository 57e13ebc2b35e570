#include "src/stage/checkpoint.h"
#include "io/fs.h"
#include "src/stage/stop.h"
#include "tests/check.h"

#include <stdlib.h>

/* Names of the checkpoints in dir, joined by spaces. */
static const char *files_of(const char *dir, struct uda_arena *arena)
{
    struct uda_err err = {0};
    char **names = NULL, *all = uda_arena_strdup(arena, "");
    int64_t count = 0;
    CHECK_OK(uda_fs_list(&names, &count, arena, dir, &err), &err);
    for (int64_t i = 0; i < count; i++) {
        all = uda_arena_printf(arena, "%s%s%.9s", all, i == 0 ? "" : " ", names[i] + 5);
    }
    return all;
}

static struct uda_checkpoint state_of(const struct uda_params *params, float *arrays[3],
                                      int64_t step)
{
    struct uda_checkpoint c = {.step = step, .params = params, .values = arrays[0],
                               .adam_m = arrays[1], .adam_v = arrays[2], .figure = {1.5, 2.5},
                               .figure_count = 3, .metrics_bytes = 77, .fingerprint = "f",
                               .made_with = "test"};
    return c;
}

static void test_rule_and_load(const char *dir, struct uda_arena *arena)
{
    struct uda_err err = {0};
    struct uda_params params;
    uda_params_init(&params);
    const struct uda_param like = {.ndim = 2, .dim = {3, 5}, .init = UDA_INIT_NORMAL, .scale = 1.0f};
    (void)uda_params_add(&params, &like, "head.weight");
    CHECK_OK(uda_params_status(&params, &err), &err);
    float *arrays[3], *read[3];
    for (int i = 0; i < 3; i++) {
        arrays[i] = uda_arena_calloc(arena, (size_t)params.total * sizeof(float));
        read[i] = uda_arena_calloc(arena, (size_t)params.total * sizeof(float));
        uda_params_initialise(&params, arrays[i], (uint64_t)i + 1);
    }
    const struct uda_checkpoint_rule rule = {.every = 4, .last = 18, .keep = 2};
    const struct uda_checkpoint_origin origin = {.version = "test"};
    static const struct {
        int64_t step;
        const char *left;
    } saves[] = {{4, "000000004"},
                 {6, "000000004 000000006"},
                 {7, "000000004 000000007"},
                 {8, "000000004 000000008"},
                 {12, "000000008 000000012"},
                 {13, "000000008 000000012 000000013"},
                 {16, "000000012 000000016"},
                 {18, "000000016 000000018"}};
    for (int64_t i = 0; i < UDA_LEN(saves); i++) {
        struct uda_checkpoint c = state_of(&params, arrays, saves[i].step);
        CHECK_OK(uda_checkpoint_save(&c, dir, &rule, &origin, &err), &err);
        CHECK_STR(files_of(dir, arena), saves[i].left);
    }
    bool found = false;
    struct uda_checkpoint c = state_of(&params, read, 0);
    c.figure_count = 0;
    CHECK_OK(uda_checkpoint_load(&found, &c, dir, &err), &err);
    CHECK(found && c.step == 18 && c.figure_count == 3 && c.metrics_bytes == 77);
    CHECK(c.figure[0] == 1.5 && c.figure[1] == 2.5);
    for (int i = 0; i < 3; i++) {
        CHECK(memcmp(arrays[i], read[i], (size_t)params.total * sizeof(float)) == 0);
    }
    /* Another fingerprint is not this stage's; a damaged newest file gives way to the one
     * before. */
    (void)snprintf(c.fingerprint, sizeof c.fingerprint, "other");
    CHECK_OK(uda_checkpoint_load(&found, &c, dir, &err), &err);
    CHECK(!found);
    char path[512];
    (void)snprintf(path, sizeof path, "%s/step-000000018.h5", dir);
    CHECK_OK(uda_fs_write(path, "garbage", 7, &err), &err);
    c = state_of(&params, read, 0);
    CHECK_OK(uda_checkpoint_load(&found, &c, dir, &err), &err);
    CHECK(found && c.step == 16);
    uda_params_finish(&params);
}

static void test_time(void)
{
    struct uda_err err = {0};
    double seconds = 0.0;
    CHECK_OK(uda_stop_parse_time(&seconds, "90", &err), &err);
    CHECK(seconds == 90.0);
    CHECK_OK(uda_stop_parse_time(&seconds, "1.5h", &err), &err);
    CHECK(seconds == 5400.0);
    CHECK_OK(uda_stop_parse_time(&seconds, "15m", &err), &err);
    CHECK(seconds == 900.0);
    static const char *const bad[] = {"", "x", "-3", "5d", "0"};
    for (int64_t i = 0; i < UDA_LEN(bad); i++) {
        uda_err_clear(&err);
        CHECK(uda_stop_parse_time(&seconds, bad[i], &err) == UDA_MANIFEST);
    }
}

int main(void)
{
    char dir[] = "/tmp/uda-test-checkpoint-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    struct uda_arena arena = {0};
    test_rule_and_load(dir, &arena);
    test_time();
    uda_arena_finish(&arena);
    return check_result();
}
