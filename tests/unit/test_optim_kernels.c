/* The optimiser's kernels: ten steps of AdamW against PyTorch's numbers; sums, averages; bytes on
 * any thread count. */
#include "src/base/arena.h"
#include "src/base/rng.h"
#include "src/tensor/device.h"
#include "tests/check.h"

#include <stdlib.h>

#define EPS 0x1p-24
#define STEPS 10
#define COUNT 16

static void *checked(void *block)
{
    if (block == NULL) {
        abort();
    }
    return block;
}

static float *normals(struct uda_arena *arena, int64_t count, uint32_t sample)
{
    float *x = checked(uda_arena_alloc(arena, (size_t)(count + 1) * sizeof *x));
    struct uda_rng rng;
    uda_rng_init(&rng, 11, UDA_RNG_TEST, 0, 0, sample);
    for (int64_t i = 0; i < count; i++) {
        x[i] = uda_rng_normal(&rng);
    }
    return x;
}

/*
 * torch.optim.AdamW 2.13, three groups of 5, 3 and 8 values (lr, weight decay as in `segment`),
 * betas 0.9, 0.999, eps 1e-8; value i starts at ((29 i + 7) mod 50 - 25) / 8, its gradient at step
 * t is 0.37 times ((37 i + 11 t) mod 64 - 32) / 16 / 2^(i mod 5). After ten steps: values, exp_avg,
 * exp_avg_sq.
 */
static const float golden[3][COUNT] = {
    {-2.24329543f, 1.37057829f, -1.24491251f, 2.37149811f, -0.247083738f, -2.87498999f,
     0.749749243f, -1.87453723f, 1.60881615f, -0.769144237f, 2.60561872f, 0.154748291f,
     -2.49778533f, 1.04725552f, -1.37317812f, 2.07227659f},
    {-0.103999175f, 0.0210696254f, -0.0126209669f, -0.00140382198f, 0.000796358509f,
     -0.0442016162f, 0.00767992157f, -0.0147034358f, -0.00573441479f, -0.000331151736f,
     0.0339548476f, 0.0289635807f, 0.000245954434f, -0.00226349989f, -0.000851769233f,
     -0.071477823f},
    {0.00190017594f, 0.000495029904f, 9.39634992e-05f, 3.1949301e-05f, 6.08514756e-06f,
     0.00194762019f, 0.000481844065f, 0.000105612751f, 3.33323951e-05f, 5.49974084e-06f,
     0.00210826704f, 0.000394352333f, 0.000120118675f, 3.00777574e-05f, 6.15335239e-06f,
     0.00210913597f}};

static void check_adamw(struct uda_device *device)
{
    static const struct uda_adamw_segment segment[] = {
        {0, 5, 1e-3, 0.05}, {5, 3, 1e-4, 0.0}, {8, 8, 3e-2, 0.05}};
    float p[COUNT + 1], m[COUNT + 1] = {0}, v[COUNT + 1] = {0}, g[COUNT + 1] = {0};
    for (int i = 0; i < COUNT; i++) {
        p[i] = (float)((i * 29 + 7) % 50 - 25) / 8.0f;
    }
    p[COUNT] = 7.0f; /* outside the segments */
    for (int t = 0; t < STEPS; t++) {
        for (int i = 0; i < COUNT; i++) {
            g[i] = (float)((i * 37 + t * 11) % 64 - 32) / 16.0f / (float)(1 << i % 5);
        }
        const double squares = 1.0; /* a factor of 0.37 */
        struct uda_adamw_args a = {.segment = segment, .segments = 3, .t = t + 1, .beta1 = 0.9,
                                   .beta2 = 0.999, .eps = 1e-8, .max_norm = 0.37 * 1.000001,
                                   .squares = &squares, .value = p, .m = m, .v = v, .grad = g};
        CHECK(device->kernels->adamw(&device->stream, &a) == 0 && a.ws.bytes == 0);
    }
    for (int i = 0; i < COUNT; i++) {
        /* Each step rounds a value about four times; m and v are sums of terms up to 0.074 and
         * 5.5e-4. */
        CHECK_CLOSE(p[i], golden[0][i], STEPS * 4 * EPS * 3.0);
        CHECK_CLOSE(m[i], golden[1][i], STEPS * 4 * EPS * 0.25);
        CHECK_CLOSE(v[i], golden[2][i], STEPS * 4 * EPS * (double)golden[2][i]);
    }
    CHECK(p[COUNT] == 7.0f && m[COUNT] == 0.0f && v[COUNT] == 0.0f);
}

static double sum_of(struct uda_device *device, const float *x, int64_t count)
{
    double sum = -1.0;
    struct uda_sum_squares_args a = {.count = count, .x = x, .sum = &sum};
    CHECK(device->kernels->sum_squares(&device->stream, &a) == 0 && a.ws.bytes > 0 && sum == -1.0);
    a.ws.data = checked(uda_alloc(a.ws.bytes));
    CHECK(device->kernels->sum_squares(&device->stream, &a) == 0);
    uda_free(a.ws.data);
    return sum;
}

static void check_sums(struct uda_device *one, struct uda_device *three)
{
    static const int64_t counts[] = {0, 1, 7, 65536, 65537, 200003};
    struct uda_arena arena = {0};
    float *x = normals(&arena, 200003, 1);
    for (int i = 0; i < UDA_LEN(counts); i++) {
        double expected = 0.0, got = sum_of(one, x, counts[i]);
        for (int64_t k = 0; k < counts[i]; k++) {
            expected += (double)x[k] * (double)x[k];
        }
        CHECK_CLOSE(got, expected, 1e-12 * expected); /* both in double */
        CHECK(got == sum_of(three, x, counts[i]));
    }
    x[150000] = NAN;
    CHECK(isnan(sum_of(one, x, 200003)));
    uda_arena_finish(&arena);
}

/* One update over more than one chunk, a segment that begins inside a chunk, and the moving average
 * and sum. */
static void update_all(struct uda_device *device, float *p, float *m, float *v, float *teacher,
                       const float *grad, int64_t count)
{
    const struct uda_adamw_segment segment[] = {{0, 1000, 1e-2, 0.1}, {1008, count - 1008, 1e-3, 0.0}};
    double squares = NAN;
    struct uda_adamw_args a = {.segment = segment, .segments = 2, .t = 3, .beta1 = 0.9,
                               .beta2 = 0.999, .eps = 1e-8, .max_norm = 0.5 * 2.000001,
                               .squares = &squares, .value = p, .m = m, .v = v, .grad = grad};
    CHECK(device->kernels->adamw(&device->stream, &a) == 0); /* changes nothing */
    squares = 4.0; /* a factor of 0.5 */
    CHECK(device->kernels->adamw(&device->stream, &a) == 0);
    struct uda_ema_args ema = {.count = count, .alpha = 0.999, .teacher = teacher, .student = p};
    CHECK(device->kernels->ema(&device->stream, &ema) == 0);
    struct uda_scale_add_args add = {.count = count, .factor = -0.25f, .y = m, .x = grad};
    CHECK(device->kernels->scale_add(&device->stream, &add) == 0);
}

static void check_large(struct uda_device *one, struct uda_device *three)
{
    enum { LARGE = 140001 };
    struct uda_arena arena = {0};
    float *x[2][4], *grad = normals(&arena, LARGE, 9);
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            x[i][k] = normals(&arena, LARGE, k);
        }
        for (int64_t k = 0; k < LARGE; k++) {
            x[i][2][k] = fabsf(x[i][2][k]);
        }
    }
    const float *start = normals(&arena, LARGE, 0), *m0 = normals(&arena, LARGE, 1);
    const float *v0 = normals(&arena, LARGE, 2), *teacher0 = normals(&arena, LARGE, 3);
    update_all(one, x[0][0], x[0][1], x[0][2], x[0][3], grad, LARGE);
    update_all(three, x[1][0], x[1][1], x[1][2], x[1][3], grad, LARGE);
    for (int k = 0; k < 4; k++) {
        CHECK(memcmp(x[0][k], x[1][k], LARGE * sizeof(float)) == 0);
    }
    for (int64_t i = 0; i < LARGE; i++) {
        double p = (double)start[i], m = (double)m0[i], v = fabs((double)v0[i]);
        double g = 0.5 * (double)grad[i], lr = i < 1000 ? 1e-2 : 1e-3, decay = i < 1000 ? 0.1 : 0.0;
        if (i < 1000 || i >= 1008) {
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            p -= lr * decay * p;
            p -= lr / (1 - pow(0.9, 3)) * m / (sqrt(v) / sqrt(1 - pow(0.999, 3)) + 1e-8);
        }
        double teacher = 0.999 * (double)teacher0[i] + 0.001 * (double)x[0][0][i];
        double sum = m - 0.25 * (double)grad[i];
        /* Four roundings of values up to 6. */
        if (!(fabs((double)x[0][0][i] - p) <= 24 * EPS) || !(fabs((double)x[0][1][i] - sum) <= 24 * EPS) ||
            !(fabs((double)x[0][2][i] - v) <= 24 * EPS) ||
            !(fabs((double)x[0][3][i] - teacher) <= 24 * EPS)) {
            (void)fprintf(stderr, "element %lld differs\n", (long long)i);
            check_failures++;
            break;
        }
    }
    uda_arena_finish(&arena);
}

int main(void)
{
    static const char *const isas[] = {"generic", "x86-64-v3", "x86-64-v4"};
    for (int i = 0; i < 3; i++) {
        struct uda_err err = {0};
        struct uda_device one, three;
        if (uda_kernels_cpu_named(isas[i]) == NULL) {
            continue;
        }
        CHECK_OK(uda_device_init_cpu(&one, 1, isas[i], &err), &err);
        CHECK_OK(uda_device_init_cpu(&three, 3, isas[i], &err), &err);
        check_adamw(&one);
        check_sums(&one, &three);
        check_large(&one, &three);
        uda_device_finish(&one);
        uda_device_finish(&three);
    }
    return check_result();
}
