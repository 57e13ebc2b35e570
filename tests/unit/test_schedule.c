#include "src/optim/schedule.h"

#include "tests/check.h"

/* UDA4Inst's published configuration: 40000 iterations, warm-up of 1500 from a half, power 3. */
static void check_poly(void)
{
    struct uda_schedule s = {.kind = UDA_SCHEDULE_POLY, .base = 1e-4, .total = 40000,
                             .warmup = 1500, .factor = 0.5, .power = 3.0};
    CHECK_CLOSE(uda_schedule_lr(&s, 0), 5.0e-5, 1e-12);
    CHECK_CLOSE(uda_schedule_lr(&s, 750), 7.086e-5, 5e-9);
    CHECK_CLOSE(uda_schedule_lr(&s, 1500), 8.917e-5, 5e-9);
    CHECK_CLOSE(uda_schedule_lr(&s, 10000), 4.219e-5, 5e-9);
    CHECK_CLOSE(uda_schedule_lr(&s, 39999), 1.6e-18, 5e-20);
    CHECK_CLOSE(uda_schedule_lr(&s, 40000), 0.0, 0.0);
}

/* Mask2Former's Cityscapes configuration: no warm-up, power 0.9. */
static void check_reference(void)
{
    struct uda_schedule s = {.kind = UDA_SCHEDULE_POLY, .base = 1e-4, .total = 90000, .power = 0.9};
    CHECK_CLOSE(uda_schedule_lr(&s, 0), 1e-4, 0.0);
    CHECK_CLOSE(uda_schedule_lr(&s, 45000), 1e-4 * pow(0.5, 0.9), 1e-18);
}

static void check_multistep(void)
{
    struct uda_schedule s = {.kind = UDA_SCHEDULE_MULTISTEP, .base = 1e-4, .total = 368750,
                             .warmup = 10, .factor = 1.0, .gamma = 0.1,
                             .step = {327778, 355092}, .steps = 2};
    CHECK_CLOSE(uda_schedule_lr(&s, 0), 1e-4, 1e-19);
    CHECK_CLOSE(uda_schedule_lr(&s, 5), 1e-4, 1e-19);
    CHECK_CLOSE(uda_schedule_lr(&s, 327777), 1e-4, 1e-19);
    CHECK_CLOSE(uda_schedule_lr(&s, 327778), 1e-5, 1e-19);
    CHECK_CLOSE(uda_schedule_lr(&s, 355092), 1e-6, 1e-19);
}

static void check_others(void)
{
    struct uda_schedule s = {.kind = UDA_SCHEDULE_LINEAR, .base = 1e-3, .total = 100, .warmup = 4,
                             .factor = 0.0};
    CHECK_CLOSE(uda_schedule_lr(&s, 0), 0.0, 0.0);
    CHECK_CLOSE(uda_schedule_lr(&s, 2), 1e-3 * 0.5 * 0.98, 1e-18);
    CHECK_CLOSE(uda_schedule_lr(&s, 50), 0.5e-3, 1e-18);
    s.kind = UDA_SCHEDULE_CONSTANT;
    CHECK_CLOSE(uda_schedule_lr(&s, 1), 0.25e-3, 1e-18);
    CHECK_CLOSE(uda_schedule_lr(&s, 99), 1e-3, 1e-18);
}

static void check_names(void)
{
    struct uda_err err = {0};
    enum uda_schedule_kind kind = UDA_SCHEDULE_CONSTANT;
    CHECK_OK(uda_schedule_kind(&kind, "multistep", &err), &err);
    CHECK(kind == UDA_SCHEDULE_MULTISTEP);
    CHECK(uda_schedule_kind(&kind, "cosine", &err) == UDA_MANIFEST);
    CHECK(strstr(err.text, "'cosine'") != NULL);
}

int main(void)
{
    check_poly();
    check_reference();
    check_multistep();
    check_others();
    check_names();
    return check_result();
}
