/* The kernel that draws random numbers: the bytes of uda_rng_fill, on every instruction set and any number of
 * threads. */
#include "src/base/rng.h"
#include "src/tensor/device.h"
#include "tests/check.h"

#define ROWS 3
#define MOST 40000

/* Row r is the stream of sample r from its block 2 r on. */
static void check(struct uda_device *device, int64_t count, int64_t skip)
{
    static float drawn[ROWS * MOST], expected[MOST + 100];
    uint32_t counter[ROWS][4];
    struct uda_rng rng;
    for (int r = 0; r < ROWS; r++) {
        uda_rng_init(&rng, 0x123456789abcdefu, UDA_RNG_TEST, 7, 8, (uint32_t)r);
        uda_rng_seek(&rng, (uint32_t)(2 * r));
        memcpy(counter[r], rng.counter, sizeof counter[r]);
    }
    struct uda_uniform_args a = {.rows = ROWS, .count = count, .skip = skip,
                                 .key = {rng.key[0], rng.key[1]}, .counter = counter[0], .y = drawn};
    CHECK(device->kernels->uniform(&device->stream, &a) == 0);
    for (int r = 0; r < ROWS; r++) {
        uda_rng_init(&rng, 0x123456789abcdefu, UDA_RNG_TEST, 7, 8, (uint32_t)r);
        for (int i = 0; i < 8 * r; i++) {
            (void)uda_rng_u32(&rng);
        }
        uda_rng_fill(&rng, expected, skip + count);
        CHECK(memcmp(drawn + r * count, expected + skip, (size_t)count * sizeof *drawn) == 0);
    }
    const int64_t live = 1; /* rows from it on stay as they are */
    memset(drawn, 0xff, sizeof drawn);
    a.live = &live;
    CHECK(device->kernels->uniform(&device->stream, &a) == 0);
    for (int64_t i = 0; i < ROWS * count; i++) {
        CHECK((i < count) == (drawn[i] >= 0.0f));
    }
}

int main(void)
{
    static const char *const isas[] = {"generic", "x86-64-v3", "x86-64-v4"};
    for (int i = 0; i < 6; i++) {
        struct uda_err err = {0};
        struct uda_device device;
        if (uda_kernels_cpu_named(isas[i / 2]) == NULL) {
            continue;
        }
        CHECK_OK(uda_device_init_cpu(&device, 1 + i % 2 * 2, isas[i / 2], &err), &err);
        check(&device, 0, 0);
        check(&device, 1, 0);
        check(&device, 3, 2);
        check(&device, 101, 7);
        check(&device, MOST, 0); /* several tasks */
        check(&device, MOST - 1, 98);
        uda_device_finish(&device);
    }
    return check_result();
}
