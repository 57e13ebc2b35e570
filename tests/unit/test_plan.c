/* The plan: order, inputs, names of files, what moves a fingerprint and what does not, sizes. */
#include "src/plan/plan.h"
#include "src/plan/schema.h"
#include "tests/check.h"

#include <stdlib.h>
#include <unistd.h>

static struct uda_plan make(struct uda_arena *arena, const char *path, const char *const *sets,
                            int64_t count)
{
    struct uda_err err = {0};
    struct uda_manifest *manifest = NULL;
    struct uda_plan plan = {.count = 0};
    struct uda_str report;
    uda_str_init(&report, arena);
    int rc = uda_manifest_load(&manifest, arena, path, sets, count, &report, &err);
    if (rc != 0) {
        (void)fprintf(stderr, "%s", report.text);
    }
    CHECK_OK(rc, &err);
    CHECK_OK(rc == 0 ? uda_plan_init(&plan, arena, manifest, &err) : rc, &err);
    return plan;
}

static void test_order(void)
{
    static const char *const expected[] = {
        "source.human_cycle", "source.vehicle", "mix.human_cycle", "mix.vehicle", "label.human_cycle",
        "label.vehicle", "fuse", "final", "evaluate", "people.human_cycle", "people.vehicle"};
    struct uda_arena arena = {0};
    struct uda_plan plan = make(&arena, "good/full.yaml", NULL, 0);
    CHECK(plan.count == UDA_LEN(expected));
    for (int64_t i = 0; i < plan.count && i < UDA_LEN(expected); i++) {
        const struct uda_plan_stage *s = &plan.stage[i];
        CHECK_STR(s->name, expected[i]);
        CHECK(s->index == i && uda_plan_find(&plan, expected[i]) == i);
        for (int64_t k = 0; k < s->input_count; k++) {
            CHECK(s->input[k] < i && (k == 0 || s->input[k - 1] < s->input[k]));
        }
        for (int64_t j = 0; j < i; j++) {
            CHECK(s->rng_stage != plan.stage[j].rng_stage);
            CHECK(!uda_digest_equal(s->fingerprint, plan.stage[j].fingerprint));
        }
    }
    CHECK(plan.stage[3].from == 1 && plan.stage[3].category == 1 && plan.stage[4].from == 2);
    CHECK(plan.stage[6].input_count == 2 && plan.stage[7].labels == 6 && plan.stage[7].from == -1);
    CHECK_STR(plan.stage[3].weights, "stages/mix.vehicle/weights.h5");
    CHECK_STR(plan.stage[5].label_file, "labels/label.vehicle.h5");
    CHECK_STR(plan.stage[8].dir, "stages/evaluate");
    CHECK(plan.stage[8].weights == NULL && plan.stage[8].label_file == NULL);
    CHECK(uda_plan_find(&plan, "source") == -1);
    uda_arena_finish(&arena);
}

/* Which instances change their fingerprint under a change: bit i = plan.stage[i]. */
static unsigned moved(const char *set)
{
    struct uda_arena arena = {0};
    struct uda_plan a = make(&arena, "good/full.yaml", NULL, 0);
    struct uda_plan b = make(&arena, "good/full.yaml", &set, 1);
    unsigned bits = 0;
    CHECK(a.count == b.count);
    for (int64_t i = 0; i < a.count && i < b.count; i++) {
        CHECK(a.stage[i].rng_stage == b.stage[i].rng_stage);
        bits |= uda_digest_equal(a.stage[i].fingerprint, b.stage[i].fingerprint) ? 0u : 1u << i;
    }
    uda_arena_finish(&arena);
    return bits;
}

static void test_fingerprints(void)
{
    const unsigned all = 0x7FF, mix_on = 0x1FC, final_on = 0x180, evaluate = 0x100, people = 0x600;
    CHECK(moved("optimizer.lr=1e-4") == 0);       /* the same value */
    CHECK(moved("name=other") == 0);
    CHECK(moved("checkpoint.every=7") == 0);
    CHECK(moved("runtime.workers=3") == 0);
    CHECK(moved("stages.evaluate.expect.AP=1") == 0);
    CHECK(moved("precision=fp32") == 0);          /* a key that is younger, at its default */
    CHECK(moved("precision=bf16") == all);
    CHECK(moved("stages.evaluate.precision=bf16") == evaluate);
    CHECK(moved("seed=2") == all);                /* all train or follow from training */
    CHECK(moved("optimizer.eps=1e-6") == all);
    CHECK(moved("optimizer.lr=2e-4") == all);     /* mix has its own lr, but starts from source */
    CHECK(moved("stages.mix.optimizer.lr=6e-5") == mix_on);
    CHECK(moved("mixing.confidence=0.8") == mix_on);
    CHECK(moved("stages.fuse.score=0.7") == (final_on | 1u << 6));
    CHECK(moved("stages.final.iterations=201") == final_on);
    CHECK(moved("test.score_threshold=0.1") == (evaluate | people));
    CHECK(moved("stages.evaluate.classes=[car]") == evaluate);
    CHECK(moved("datasets.val.limit=10") == (evaluate | people));
    CHECK(moved("datasets.drawn.limit=10") == 0); /* nobody reads it */
    CHECK(moved("datasets.target.limit=10") == mix_on);
    CHECK(moved("datasets.target.ego.polygon=[0, 90, 191, 90, 96, 61]") == mix_on);
    CHECK(moved("mixing.labels=pixels") == mix_on);
    CHECK(moved("categories.vehicle=[car, truck, bus]") == (all & ~(1u | 1u << 9 | 1u << 2 | 1u << 4)));
    /* model.init matters to stages without `from` alone, and to what follows from them: here to
     * all. */
    CHECK(moved("model.init=none") == all);
    CHECK(moved("stages.evaluate.weights=student") == 0);
}

/* A path counts as it is written: the same ${VAR} elsewhere is the same run. */
static void test_moved_data(void)
{
    struct uda_arena arena = {0};
    struct uda_plan a = make(&arena, "good/full.yaml", NULL, 0);
    CHECK(setenv("UDA_TEST_ROOT", "/elsewhere", 1) == 0);
    struct uda_plan b = make(&arena, "good/full.yaml", NULL, 0);
    CHECK(unsetenv("UDA_TEST_ROOT") == 0);
    CHECK(uda_digest_equal(a.stage[0].fingerprint, b.stage[0].fingerprint));
    uda_arena_finish(&arena);
}

/* The random streams of a stage are part of what its name promises: this number never changes. */
static void test_stable(void)
{
    struct uda_arena arena = {0};
    struct uda_plan plan = make(&arena, "good/base.yaml", NULL, 0);
    CHECK(plan.count == 2 && plan.stage[0].rng_stage == 591744458u);
    uda_arena_finish(&arena);
}

/* Counts of the reference's models with eight classes (Mask2Former's zoo; state dictionaries
 * summed). */
static void test_parameters(void)
{
    static const struct { const char *sets[2]; int64_t count; } cases[] = {
        {{"model.backbone=swin-t", "model.queries=100"}, 47403139},
        {{"model.backbone=swin-s", "model.queries=100"}, 68721043},
        {{"model.backbone=swin-b", "model.queries=100"}, 106885697},
        {{"model.backbone=swin-l", "model.queries=200"}, 215503485},
        {{"model.backbone=resnet-50", "model.queries=100"}, 44057993},
        {{"model.backbone=resnet-101", "model.queries=100"}, 63102345}};
    for (int64_t i = 0; i < UDA_LEN(cases); i++) {
        struct uda_arena arena = {0};
        struct uda_plan plan = make(&arena, "good/base.yaml", cases[i].sets, 2);
        CHECK(uda_plan_parameters(&plan.manifest->model) == cases[i].count);
        CHECK(uda_plan_checkpoint_bytes(plan.manifest, UDA_STAGE_TRAIN) == 12 * cases[i].count);
        CHECK(uda_plan_checkpoint_bytes(plan.manifest, UDA_STAGE_ADAPT) == 16 * cases[i].count);
        CHECK(uda_plan_checkpoint_bytes(plan.manifest, UDA_STAGE_EVALUATE) == 0);
        uda_arena_finish(&arena);
    }
}

static void test_page(void)
{
    struct uda_arena arena = {0};
    struct uda_plan plan = make(&arena, "good/base.yaml", NULL, 0);
    struct uda_plan_progress progress[2] = {{.status = UDA_PLAN_PARTIAL, .step = 40},
                                            {.status = UDA_PLAN_STALE, .reason = "batch: 3 -> 4"}};
    struct uda_str page;
    uda_str_init(&page, &arena);
    uda_plan_print(&page, &plan, progress);
    CHECK(strstr(page.text, "source (train): started, continues at iteration 40 of 100\n") != NULL);
    CHECK(strstr(page.text, "evaluate (evaluate): to re-do: batch: 3 -> 4\n") != NULL);
    CHECK(strstr(page.text, "reads   stages/source/weights.h5\n") != NULL);
    uda_arena_finish(&arena);
}

/* Every default passes its own row; every row can be found; no two rows share a path. */
static void test_table(void)
{
    for (int64_t i = 0; i < uda_schema_count(); i++) {
        const struct uda_key *key = uda_schema_row(i);
        CHECK(uda_schema_find(key->path) == key);
        CHECK(key->help != NULL && key->help[0] != '\0' && key->low <= key->high);
        CHECK(key->runtime || key->kinds != 0);
        bool counted = key->type == UDA_KEY_INT || key->type == UDA_KEY_FLOAT ||
                       key->type == UDA_KEY_INTS || key->type == UDA_KEY_FLOATS;
        CHECK(!counted || key->high > 0);
        CHECK((key->type == UDA_KEY_ENUM || key->type == UDA_KEY_SET) == (key->allowed != NULL));
    }
    CHECK(uda_schema_find("stages.*.optimizer.lr") == uda_schema_find("optimizer.lr"));
    CHECK(uda_schema_find("stages.*.seed") == NULL && uda_schema_row(-1) == NULL);
    CHECK(uda_schema_row(uda_schema_count()) == NULL);
}

static const char *explain(struct uda_arena *arena, const char *const *sets, int64_t count,
                           const char *stage)
{
    struct uda_err err = {0};
    struct uda_plan a = make(arena, "good/full.yaml", NULL, 0);
    struct uda_plan b = make(arena, "good/full.yaml", sets, count);
    struct uda_str out;
    uda_str_init(&out, arena);
    CHECK_OK(uda_plan_explain(&out, &a, &b, uda_plan_find(&b, stage), arena, &err), &err);
    return out.text;
}

/* An evaluation of the models of all categories: what it reads, and what moves its fingerprint. */
static void test_fused(void)
{
    static const struct { const char *set; const char *why; } cases[] = {
        {"stages.both.rule=class", ""},
        {"stages.both.rule=plain", "stages.both.rule: class -> plain"},
        {"stages.both.min_left=0.25", "stages.both.min_left: 0.5 -> 0.25"},
        {"model.init=none", "'source.human_cycle' changes; 'source.vehicle' changes"},
        {"categories.vehicle=[car, truck, bus]",
         "categories.vehicle: car, truck, bus, train -> car, truck, bus; 'source.vehicle' changes"}};
    const char *sets[] = {"stages.both={kind: evaluate, data: val, from: source}", NULL};
    struct uda_arena arena = {0};
    struct uda_plan plan = make(&arena, "good/full.yaml", sets, 1);
    const struct uda_plan_stage *both = &plan.stage[uda_plan_find(&plan, "both")];
    CHECK(both->spec->fused && both->from == -1 && both->category == -1 && both->input_count == 2);
    CHECK_STR(plan.stage[both->input[0]].name, "source.human_cycle");
    CHECK_STR(plan.stage[both->input[1]].name, "source.vehicle");
    CHECK(!plan.stage[uda_plan_find(&plan, "people.vehicle")].spec->fused);
    struct uda_str page;
    uda_str_init(&page, &arena);
    uda_plan_print(&page, &plan, NULL);
    CHECK(strstr(page.text, "      reads   stages/source.vehicle/weights.h5\n"
                            "      writes  stages/both/ (average precision of all models together, each "
                            "for its classes)\n") != NULL);
    for (int64_t i = 0; i < UDA_LEN(cases); i++) {
        struct uda_err err = {0};
        struct uda_str why;
        uda_str_init(&why, &arena);
        sets[1] = cases[i].set;
        struct uda_plan other = make(&arena, "good/full.yaml", sets, 2);
        CHECK_OK(uda_plan_explain(&why, &plan, &other, uda_plan_find(&other, "both"), &arena, &err), &err);
        CHECK_STR(why.text, cases[i].why);
    }
    uda_arena_finish(&arena);
}

static void test_explain(void)
{
    const char *const sets[] = {"optimizer.lr=1e-3", "stages.mix.batch=6", "datasets.val.limit=9",
                                "stages.final.labels=none", "stages.final.data=source",
                                "stages.again={kind: evaluate, data: val, from: final}"};
    struct uda_arena arena = {0};
    CHECK_STR(explain(&arena, NULL, 0, "fuse"), "");
    CHECK_STR(explain(&arena, sets, 1, "source.vehicle"), "optimizer.lr: 0.0001 -> 0.001");
    CHECK_STR(explain(&arena, sets, 2, "mix.vehicle"),
              "stages.mix.batch: 3 -> 6; 'source.vehicle' changes");
    CHECK_STR(explain(&arena, sets, 3, "evaluate"), "datasets.val.limit: all -> 9; 'final' changes");
    CHECK_STR(explain(&arena, sets, 6, "again"), "a new stage");
    const char *final = explain(&arena, sets, 6, "final");
    CHECK(strstr(final, "datasets.source.format: cityscapes -> urbansyn; ") != NULL);
    CHECK(strstr(final, "; no longer builds on 'fuse'") != NULL);
    uda_arena_finish(&arena);
}

int main(void)
{
    if (chdir(TEST_DATA "/manifests") != 0) {
        return 1;
    }
    test_order();
    test_fingerprints();
    test_moved_data();
    test_stable();
    test_parameters();
    test_page();
    test_explain();
    test_fused();
    test_table();
    return check_result();
}
