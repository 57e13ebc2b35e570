/* Frozen parameters: a ResNet has them, no gradient reaches them, no update and no average moves them. */
#include "src/model/mask2former.h"
#include "src/optim/adamw.h"
#include "src/optim/ema.h"
#include "tests/check.h"

#include <stdlib.h>

struct fixture {
    struct uda_params params;
    struct uda_device device;
    float *values, *grads, *m, *v, *teacher;
};

static float *flat(const struct uda_params *params)
{
    float *x = uda_calloc((size_t)params->total * sizeof *x);
    if (x == NULL) {
        abort();
    }
    return x;
}

/* frozen, trained, trained, frozen, frozen, trained, frozen; of 3 values each */
static const bool pattern[] = {true, false, false, true, true, false, true};

static void fixture_init(struct fixture *f)
{
    struct uda_err err = {0};
    uda_params_init(&f->params);
    for (int i = 0; i < UDA_LEN(pattern); i++) {
        struct uda_param like = {.ndim = 1, .dim = {3}, .frozen = pattern[i], .decay = UDA_DECAY_FULL};
        (void)uda_params_add(&f->params, &like, "p%d", i);
    }
    CHECK_OK(uda_params_status(&f->params, &err), &err);
    CHECK_OK(uda_device_init_cpu(&f->device, 2, NULL, &err), &err);
    f->values = flat(&f->params);
    f->grads = flat(&f->params);
    f->m = flat(&f->params);
    f->v = flat(&f->params);
    f->teacher = flat(&f->params);
    for (int64_t i = 0; i < f->params.total; i++) {
        f->values[i] = i % UDA_PARAM_ALIGN < 3 ? 1.5f + 0.1f * (float)i : 0.0f;
        f->grads[i] = i % UDA_PARAM_ALIGN < 3 ? 0.5f : 0.0f;
        f->teacher[i] = f->values[i];
    }
}

static void fixture_finish(struct fixture *f)
{
    uda_free(f->values);
    uda_free(f->grads);
    uda_free(f->m);
    uda_free(f->v);
    uda_free(f->teacher);
    uda_device_finish(&f->device);
    uda_params_finish(&f->params);
}

static void check_stretches(void)
{
    static const int64_t expected[][2] = {{16, 32}, {80, 16}};
    struct fixture f;
    int64_t offset = 0, count = 0, found = 0;
    fixture_init(&f);
    for (int next = 0; uda_params_trained(&f.params, &next, &offset, &count); found++) {
        CHECK(found < 2 && offset == expected[found % 2][0] && count == expected[found % 2][1]);
    }
    CHECK(found == 2);
    fixture_finish(&f);
}

/* Even if something had written a gradient there. 1.5 + 0.1 i is not the sum of its parts in float: an
 * average of equal values would move it. */
static void check_updates(void)
{
    struct fixture f;
    struct uda_err err = {0};
    fixture_init(&f);
    struct uda_adamw_config config = uda_adamw_defaults();
    const double squares = 1.0;
    float *before = flat(&f.params);
    memcpy(before, f.values, (size_t)f.params.total * sizeof *before);
    for (int64_t t = 1; t <= 3; t++) {
        CHECK_OK(uda_adamw_step(&f.device, &f.params, &config, 1e-2, t, 0.0, &squares, f.values, f.grads, f.m,
                                f.v, &err), &err);
        CHECK_OK(uda_ema_update(&f.device, &f.params, f.teacher, f.values, 0.9, &err), &err);
    }
    for (int64_t i = 0; i < f.params.total; i++) {
        bool frozen = pattern[i / UDA_PARAM_ALIGN] || i % UDA_PARAM_ALIGN >= 3;
        CHECK((f.values[i] == before[i]) == frozen);
        CHECK((f.teacher[i] == before[i]) == frozen);
        CHECK((f.m[i] == 0.0f) == frozen && (f.v[i] == 0.0f) == frozen);
    }
    uda_free(before);
    fixture_finish(&f);
}

/* The names of detectron2, which of them are frozen, and how a ResNet starts. */
static void check_model(void)
{
    struct uda_params params;
    struct uda_mask2former model;
    struct uda_model_config config;
    struct uda_err err = {0};
    CHECK_OK(uda_model_preset(&config, "resnet-demo", 8, &err), &err);
    uda_params_init(&params);
    uda_mask2former_build(&model, &params, &config);
    CHECK_OK(uda_params_status(&params, &err), &err);
    float *values = flat(&params);
    uda_params_initialise(&params, values, 3);
    int frozen = 0;
    for (int i = 0; i < params.count; i++) {
        const struct uda_param *p = &params.item[i];
        bool norm = p->backbone && strstr(p->name, ".norm.") != NULL;
        CHECK(p->frozen == norm);
        bool one = strstr(p->name, ".norm.weight") != NULL || strstr(p->name, ".running_var") != NULL;
        for (int64_t k = 0; norm && k < p->count; k++) {
            CHECK(values[p->offset + k] == (one ? 1.0f : 0.0f));
        }
        frozen += p->frozen;
    }
    CHECK(frozen == 4 * 20); /* the stem, 5 blocks of 3, 4 shortcuts */
    static const char *const names[] = {"backbone.stem.conv1.weight", "backbone.stem.conv1.norm.weight",
                                        "backbone.stem.conv1.norm.bias",
                                        "backbone.stem.conv1.norm.running_mean",
                                        "backbone.stem.conv1.norm.running_var",
                                        "backbone.res2.0.shortcut.weight"};
    for (int i = 0; i < UDA_LEN(names); i++) {
        CHECK(strcmp(params.item[i].name, names[i]) == 0);
    }
    CHECK(uda_params_find(&params, "backbone.res4.1.conv3.norm.running_var") > 0);
    CHECK(uda_params_find(&params, "backbone.res4.1.shortcut.weight") < 0);
    /* N(0, 2 / (O 9)): the mean square of n values is 2 / (9 O) within 5 sqrt(2 / n) of it */
    const struct uda_param *w = &params.item[uda_params_find(&params, "backbone.res5.0.conv2.weight")];
    double sum = 0.0, expected = 2.0 / (9.0 * (double)w->dim[0]);
    for (int64_t k = 0; k < w->count; k++) {
        sum += (double)values[w->offset + k] * (double)values[w->offset + k];
    }
    CHECK_CLOSE(sum / (double)w->count, expected, expected * 5.0 * sqrt(2.0 / (double)w->count));
    uda_free(values);
    uda_params_finish(&params);
}

/* A ResNet takes nothing of a Swin. */
static void check_config(void)
{
    struct uda_model_config config, changed;
    struct uda_err err = {0};
    CHECK_OK(uda_model_preset(&config, "resnet-50", 8, &err), &err);
    CHECK_OK(uda_model_config_check(&config, &err), &err);
    changed = config;
    changed.heads[2] = 4;
    CHECK(uda_model_config_check(&changed, &err) == UDA_MANIFEST);
    changed = config;
    changed.window = 7;
    CHECK(uda_model_config_check(&changed, &err) == UDA_MANIFEST);
    changed = config;
    changed.drop_path = 0.1f;
    CHECK(uda_model_config_check(&changed, &err) == UDA_MANIFEST);
    changed = config;
    changed.embed_dim = 66;
    CHECK(uda_model_config_check(&changed, &err) == UDA_MANIFEST);
}

int main(void)
{
    check_stretches();
    check_updates();
    check_model();
    check_config();
    return check_result();
}
