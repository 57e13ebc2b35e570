/* The ops without a gradient: mask bits, centre pooling, position embedding; against plain double
 * loops. And the largest of equal pixels, where a gradient is a convention. */
#include "src/base/rng.h"
#include "src/ops/ops.h"
#include "tests/check.h"

#include <stdlib.h>

struct fixture {
    struct uda_device device;
    struct uda_tape tape;
    struct uda_arena arena;
};

static void fixture_init(struct fixture *f, int threads, const char *isa)
{
    struct uda_err err = {0};
    *f = (struct fixture){0};
    CHECK_OK(uda_device_init_cpu(&f->device, threads, isa, &err), &err);
    f->device.pool.slab_bytes = 1 << 20;
    uda_tape_init(&f->tape, &f->device);
    uda_tape_begin(&f->tape, false);
}

static void fixture_finish(struct fixture *f)
{
    struct uda_err err = {0};
    CHECK_OK(uda_tape_status(&f->tape, &err), &err);
    uda_tape_finish(&f->tape);
    uda_arena_finish(&f->arena);
    uda_device_finish(&f->device);
}

static float *normals(struct fixture *f, int64_t count, uint32_t sample)
{
    float *x = uda_arena_alloc(&f->arena, (size_t)count * sizeof *x);
    if (x == NULL) {
        abort();
    }
    struct uda_rng rng;
    uda_rng_init(&rng, 3, UDA_RNG_TEST, 0, 0, sample);
    for (int64_t i = 0; i < count; i++) {
        x[i] = uda_rng_normal(&rng);
    }
    return x;
}

/* Bits against double dot products; a product within rounding of 0 may fall on either side. */
static void check_mask(const char *isa, int64_t N, int64_t Q, int64_t L, int64_t C)
{
    struct fixture s;
    fixture_init(&s, 3, isa);
    float *e = normals(&s, N * Q * C, 1), *f = normals(&s, N * L * C, 2);
    for (int64_t i = 0; i < N * L; i++) {
        f[i * C] = 3.0f; /* so that a query with e = (-1, 0, ..) may look nowhere */
    }
    for (int64_t c = 0; c < C; c++) {
        e[c] = c == 0 ? -1.0f : 0.0f;
    }
    struct uda_tensor *et = uda_tape_constant(&s.tape, e, 3, (int64_t[]){N, Q, C});
    struct uda_tensor *ft = uda_tape_constant(&s.tape, f, 3, (int64_t[]){N, L, C});
    const uint32_t *bits = uda_attention_mask(&s.tape, et, ft);
    for (int64_t i = 0; bits != NULL && i < N * Q * UDA_MASK_WORDS(L) * 32; i++) {
        int64_t row = i / (UDA_MASK_WORDS(L) * 32), l = i % (UDA_MASK_WORDS(L) * 32);
        bool set = (bits[i / 32] >> (i % 32) & 1) != 0;
        double dot = 0.0, size = 0.0;
        for (int64_t c = 0; c < C && l < L; c++) {
            double product = (double)e[row * C + c] * (double)f[(row / Q * L + l) * C + c];
            dot += product;
            size += fabs(product);
        }
        bool expected = row > 0 && l < L && dot < 0.0;
        bool opened = L == 1 && !set; /* its only key was forbidden */
        if (set != expected && !opened &&
            !(row > 0 && l < L && fabs(dot) < 0x1p-24 * (double)C * size)) {
            (void)fprintf(stderr, "mask bit %lld of row %lld is %d\n", (long long)l, (long long)row, set);
            check_failures++;
            break;
        }
    }
    fixture_finish(&s);
}

static void check_pool(const char *isa, int64_t ratio)
{
    enum { N = 2, H = 16, W = 24, C = 5 };
    struct fixture s;
    fixture_init(&s, 2, isa);
    const float *x = normals(&s, (int64_t)N * H * W * C, 3);
    struct uda_tensor *xt = uda_tape_constant(&s.tape, x, 4, (int64_t[]){N, H, W, C});
    struct uda_tensor *y = uda_centre_pool(&s.tape, xt, ratio);
    struct uda_tensor *z = uda_resize_bilinear(&s.tape, xt, H / ratio, W / ratio, NULL);
    CHECK(y->count == z->count && y->dim[1] == H / ratio * (W / ratio));
    for (int64_t i = 0; i < y->count; i++) {
        CHECK_CLOSE(uda_floats(y)[i], uda_floats(z)[i], 8 * 0x1p-24 * 4); /* four terms of size below 8 */
    }
    fixture_finish(&s);
}

/* Values of the reference implementation for a 2 x 3 map of 256 channels: angles and periods
 * rounded to float. */
static void check_sine(const char *isa)
{
    struct fixture s;
    fixture_init(&s, 1, isa);
    struct uda_tensor *y = uda_sine_position(&s.tape, 2, 3, 256);
    const double first[] = {1.34e-6, -1.0, 0.4087522, -0.9126454};
    const double column[] = {0.8660257, -0.4999994, 0.9706507, -0.2404939};
    double sum = 0.0;
    for (int i = 0; i < 4 && y->count > 0; i++) {
        CHECK_CLOSE(uda_floats(y)[i], first[i], 4e-7); /* an angle up to 2 pi to 2^-22 */
        CHECK_CLOSE(uda_floats(y)[128 + i], column[i], 4e-7);
    }
    for (int64_t i = 0; i < y->count; i++) {
        sum += (double)uda_floats(y)[i];
    }
    CHECK(y->count == 2 * 3 * 256);
    CHECK_CLOSE(sum, 734.8466, 1e-3);
    if (y->count > 0) {
        CHECK_CLOSE(uda_floats(y)[5 * 256 + 2], -0.7460917, 4e-7);
        CHECK_CLOSE(uda_floats(y)[5 * 256 + 3], 0.6658432, 4e-7);
    }
    fixture_finish(&s);
}

/* Few values, so that most windows have several largest pixels: the first one takes the gradient. */
static void check_pool_ties(const char *isa)
{
    enum { N = 2, H = 7, W = 10, C = 3, h = 4, w = 5 };
    float x[N * H * W * C], dx[N * H * W * C], expected[N * H * W * C] = {0};
    float y[N * h * w * C], dy[N * h * w * C];
    struct fixture s;
    fixture_init(&s, 2, isa);
    for (int i = 0; i < UDA_LEN(x); i++) {
        x[i] = (float)((uint32_t)i * 2654435761u >> 30);
    }
    for (int i = 0; i < UDA_LEN(dy); i++) {
        dy[i] = (float)(1 << i % 7); /* whole numbers: sums are exact */
        int c = i % C, j = i / C % w, row = i / C / w % h, n = i / C / w / h, at = -1;
        for (int tap = 0; tap < 9; tap++) {
            int r = 2 * row + tap / 3 - 1, k = 2 * j + tap % 3 - 1, from = ((n * H + r) * W + k) * C + c;
            if (r >= 0 && r < H && k >= 0 && k < W && (at < 0 || x[from] > x[at])) {
                at = from;
            }
        }
        expected[at] += dy[i];
    }
    struct uda_max_pool_args a = {.N = N, .H = H, .W = W, .C = C, .x = x, .y = y, .saved_y = y, .dy = dy,
                                  .dx = dx};
    CHECK(s.device.kernels->max_pool_fwd(&s.device.stream, &a) == 0);
    CHECK(s.device.kernels->max_pool_bwd(&s.device.stream, &a) == 0);
    CHECK(memcmp(dx, expected, sizeof dx) == 0);
    fixture_finish(&s);
}

static void check_errors(void)
{
    struct uda_err err = {0};
    struct fixture s;
    fixture_init(&s, 1, NULL);
    const float x[24] = {0};
    struct uda_tensor *q = uda_tape_constant(&s.tape, x, 3, (int64_t[]){1, 3, 8});
    struct uda_tensor *k = uda_tape_constant(&s.tape, x, 3, (int64_t[]){1, 6, 4});
    CHECK(uda_attention(&s.tape, q, k, k, 2, NULL)->count == 0);
    CHECK(uda_tape_status(&s.tape, &err) == UDA_SHAPE);
    CHECK(strstr(err.text, "attention: q [1, 3, 8]") != NULL);
    uda_tape_begin(&s.tape, false);
    CHECK(uda_sine_position(&s.tape, 2, 2, 6)->count == 0);
    CHECK(uda_tape_status(&s.tape, NULL) == UDA_SHAPE);
    uda_tape_begin(&s.tape, false);
    fixture_finish(&s);
}

/* What the losses are told of targets on the host is checked before anything is launched. */
static void check_targets(void)
{
    struct uda_err err = {0};
    struct fixture s;
    fixture_init(&s, 1, NULL);
    const int32_t cls[2] = {0, 2};
    const struct uda_targets targets = {.count = 2, .height = 8, .width = 8, .cls = cls};
    struct uda_targets_sent sent = {.room = 2, .height = 8, .width = 8};
    const struct uda_assign_spec spec = {.predictions = 1, .images = 1, .queries = 4, .classes = 2};
    uda_assign(&s.tape, &targets, &sent, &spec);
    CHECK(uda_tape_status(&s.tape, &err) == UDA_SHAPE);
    CHECK(strstr(err.text, "target 1 has class 2 of 2") != NULL);
    uda_err_clear(&err);
    uda_tape_begin(&s.tape, false);
    sent.room = 1;
    uda_assign(&s.tape, &targets, &sent, &spec);
    CHECK(uda_tape_status(&s.tape, &err) == UDA_SHAPE);
    CHECK(strstr(err.text, "image 0 has 2 targets") != NULL);
    uda_err_clear(&err);
    uda_tape_begin(&s.tape, false);
    sent = (struct uda_targets_sent){.room = 2, .height = 8, .width = 12};
    struct uda_tensor *e = uda_tape_new(&s.tape, UDA_F32, 3, (int64_t[]){1, 4, 3});
    struct uda_tensor *f = uda_tape_new(&s.tape, UDA_F32, 4, (int64_t[]){1, 2, 2, 3});
    uda_mask_loss(&s.tape, NULL, NULL, e, f, &targets, &sent, &(struct uda_point_spec){.points = 1});
    CHECK(uda_tape_status(&s.tape, &err) == UDA_SHAPE);
    CHECK(strstr(err.text, "room is for 2 of 8 x 12") != NULL);
    uda_tape_begin(&s.tape, false);
    fixture_finish(&s);
}

int main(void)
{
    static const char *const isas[] = {"generic", "x86-64-v3", "x86-64-v4"};
    for (int i = 0; i < 3; i++) {
        if (uda_kernels_cpu_named(isas[i]) == NULL) {
            continue;
        }
        check_mask(isas[i], 2, 5, 70, 12);
        check_mask(isas[i], 1, 3, 1, 4);
        check_mask(isas[i], 1, 7, 1200, 32);
        check_mask(isas[i], 1, 2, 64, 3);
        check_pool(isas[i], 2);
        check_pool(isas[i], 4);
        check_pool(isas[i], 8);
        check_sine(isas[i]);
        check_pool_ties(isas[i]);
    }
    check_errors();
    check_targets();
    return check_result();
}
