/* The device's seam: pool, copies, and ops on a tape whose device is the host harness, against the CPU. */
#include "src/ops/ops.h"
#include "tests/check.h"
#include "tests/cuda/grid.h"
#include "tests/cuda/host_backend.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 24
#define WIDTH 32
#define COUNT (2 * ROWS * WIDTH)  /* x [2, ROWS, WIDTH] */
#define TOTAL (COUNT + 4 * WIDTH) /* x, then gamma and beta of two norms */

static void check_pool(void)
{
    struct uda_err err = {0};
    struct uda_device device;
    CHECK_OK(uda_device_init_backend(&device, host_backend(), 0, 1, &err), &err);
    device.device_pool.slab_bytes = 4096;
    unsigned char *a = uda_device_get(&device, 1), *b = uda_device_get(&device, 1000);
    unsigned char *c = uda_device_get(&device, 256), *large = uda_device_get(&device, 10000);
    CHECK(a != NULL && b == a + 256 && c == b + 1024 && large != NULL);
    CHECK(device.device_pool.held_bytes == 4096 + 10240 && uda_device_used_bytes(&device) == 1536 + 10240);
    uda_device_put(&device, b);
    CHECK(uda_device_get(&device, 900) == b); /* best fit */
    uda_device_put(&device, a);
    uda_device_put(&device, b);
    CHECK(uda_device_get(&device, 1280) == a); /* joined */
    uda_device_put(&device, NULL);
    uda_device_reset(&device);
    CHECK(uda_device_used_bytes(&device) == 0 && uda_device_peak_bytes(&device) == 1536 + 10240);
    CHECK(uda_device_get(&device, 4096) == a);
    CHECK(uda_device_get(&device, (size_t)2 << 30) == NULL && uda_device_get(&device, SIZE_MAX) == NULL);
    CHECK(device.device_pool.held_bytes == 4096 + 10240);
    uda_device_finish(&device);
    struct uda_device none;
    CHECK(uda_device_init_backend(&none, host_backend(), 4, 1, &err) == (int)UDA_UNSUPPORTED);
}

/* A staged block is its user's until the device has been waited for, or until reset if it was not sent. */
static void check_staging(void)
{
    struct uda_err err = {0};
    struct uda_device device;
    CHECK_OK(uda_device_init_backend(&device, host_backend(), 0, 1, &err), &err);
    char *there = uda_device_get(&device, 100), back[3] = "";
    char *a = uda_device_stage(&device, 3), *b = uda_device_stage(&device, 100000);
    CHECK(there != NULL && a != NULL && b != NULL && a != b && device.staging.held_bytes == 65536 + 131072);
    memcpy(a, "it", 3);
    CHECK_OK(uda_device_send(&device, there, a, 3, &err), &err);
    uda_device_reset(&device);
    CHECK(uda_device_stage(&device, 70000) == b); /* not sent; a may still be read */
    char *c = uda_device_stage(&device, 3);
    CHECK(c != NULL && c != a && c != b);
    CHECK_OK(uda_device_download(&device, back, there, 3, &err), &err);
    CHECK(strcmp(back, "it") == 0 && uda_device_stage(&device, 65536) == a);
    CHECK_OK(uda_device_send(&device, there, a, 3, &err), &err);
    CHECK_OK(uda_device_synchronize(&device, &err), &err);
    CHECK(uda_device_stage(&device, 1) == a && device.staging.held_bytes == 2 * 65536 + 131072);
    CHECK(uda_device_stage(&device, SIZE_MAX) == NULL && uda_device_stage(&device, (size_t)2 << 30) == NULL);
    uda_device_finish(&device);
}

/* y = relu(norm(x + gelu(norm(x)))) and its gradients for dy = values of x's pattern. */
static void run(struct uda_device *device, const float *host, float *y_host, float *grads_host)
{
    struct uda_err err = {0};
    void *values = NULL, *grads = NULL;
    CHECK_OK(uda_device_alloc(&values, device, TOTAL * sizeof(float), &err), &err);
    CHECK_OK(uda_device_alloc(&grads, device, TOTAL * sizeof(float), &err), &err);
    CHECK_OK(uda_device_upload(device, values, host, TOTAL * sizeof(float), &err), &err);
    struct uda_tape tape;
    uda_tape_init(&tape, device);
    tape.param_values = values;
    tape.param_grads = grads;
    uda_tape_begin(&tape, true);
    struct uda_tensor *p[5];
    p[0] = uda_tape_param(&tape, 0, 3, (const int64_t[]){2, ROWS, WIDTH});
    for (int i = 0; i < 4; i++) {
        p[1 + i] = uda_tape_param(&tape, COUNT + i * WIDTH, 1, (const int64_t[]){WIDTH});
    }
    struct uda_tensor *inner = uda_gelu(&tape, uda_layernorm(&tape, p[0], p[1], p[2], 1e-5f));
    struct uda_tensor *y = uda_relu(&tape, uda_add_layernorm(&tape, p[0], inner, p[3], p[4], 1e-5f));
    CHECK_OK(uda_tape_status(&tape, &err), &err);
    bool accumulate = false;
    float *dy = uda_grad_take(&tape, y, &accumulate);
    CHECK_OK(uda_device_download(device, y_host, y->data, COUNT * sizeof(float), &err), &err);
    CHECK_OK(uda_device_upload(device, dy, host, COUNT * sizeof(float), &err), &err);
    uda_tape_backward(&tape);
    CHECK_OK(uda_tape_status(&tape, &err), &err);
    CHECK_OK(uda_device_download(device, grads_host, grads, TOTAL * sizeof(float), &err), &err);
    CHECK_OK(uda_device_synchronize(device, &err), &err);
    uda_tape_finish(&tape);
    uda_device_free(device, values);
    uda_device_free(device, grads);
}

static void check_ops(void)
{
    float host[TOTAL], y[2][COUNT], grads[2][TOTAL];
    for (int i = 0; i < TOTAL; i++) {
        host[i] = (float)((i * 7919 + 13) % 1000 - 500) / 250.0f;
    }
    struct uda_err err = {0};
    struct uda_device cpu, cuda;
    CHECK_OK(uda_device_init(&cpu, "cpu", 1, &err), &err);
    CHECK_OK(uda_device_init_backend(&cuda, host_backend(), 0, 1, &err), &err);
    CHECK(uda_device_is_host(&cpu) && !uda_device_is_host(&cuda));
    run(&cpu, host, y[0], grads[0]);
    run(&cuda, host, y[1], grads[1]);
    /* Values and slopes below 16, about ten roundings in a row and sums of 48 rows: 32 eps 16 10. */
    const double tolerance = 32.0 * 0x1p-24 * 16.0 * 10.0;
    for (int i = 0; i < TOTAL; i++) {
        CHECK_CLOSE(grads[1][i], grads[0][i], tolerance);
        CHECK_CLOSE(i < COUNT ? y[1][i] : 0.0f, i < COUNT ? y[0][i] : 0.0f, tolerance);
    }
    uda_device_finish(&cpu);
    uda_device_finish(&cuda);
}

/* To bf16 and back: values and slopes are rounded once, by at most 2^-8 of their size. */
static void check_cast(void)
{
    static float host[COUNT], y_host[COUNT], grads_host[COUNT];
    const int64_t dim[] = {COUNT};
    const size_t bytes = sizeof host;
    struct uda_err err = {0};
    struct uda_device device;
    void *values = NULL, *grads = NULL;
    for (int i = 0; i < COUNT; i++) {
        host[i] = (float)((i * 7919 + 13) % 1000 - 500) / 250.0f;
    }
    CHECK_OK(uda_device_init_backend(&device, host_backend(), 0, 1, &err), &err);
    CHECK_OK(uda_device_alloc(&values, &device, bytes, &err), &err);
    CHECK_OK(uda_device_alloc(&grads, &device, bytes, &err), &err);
    CHECK_OK(uda_device_upload(&device, values, host, bytes, &err), &err);
    struct uda_tape tape;
    uda_tape_init(&tape, &device);
    tape.param_values = values;
    tape.param_grads = grads;
    uda_tape_begin(&tape, true);
    struct uda_tensor *low = uda_cast(&tape, uda_tape_param(&tape, 0, 1, dim), UDA_BF16);
    struct uda_tensor *y = uda_cast(&tape, low, UDA_F32);
    bool accumulate = false;
    CHECK(low->type == UDA_BF16 && y->type == UDA_F32);
    CHECK_OK(uda_device_download(&device, y_host, y->data, bytes, &err), &err);
    CHECK_OK(uda_device_upload(&device, uda_grad_take(&tape, y, &accumulate), host, bytes, &err), &err);
    uda_tape_backward(&tape);
    CHECK_OK(uda_tape_status(&tape, &err), &err);
    CHECK_OK(uda_device_download(&device, grads_host, grads, bytes, &err), &err);
    int64_t rounded = 0;
    for (int i = 0; i < COUNT; i++) {
        CHECK_CLOSE(y_host[i], host[i], 0x1p-8 * fabs((double)host[i]));
        CHECK(grads_host[i] == y_host[i]);
        rounded += y_host[i] != host[i];
    }
    CHECK(rounded > COUNT / 2);
    uda_tape_finish(&tape);
    uda_device_free(&device, values);
    uda_device_free(&device, grads);
    uda_device_finish(&device);
}

/* An op that is given a tensor of a type it cannot take names it. */
static void expect_refused(struct uda_tape *tape, struct uda_tensor *y, const char *text)
{
    struct uda_err err = {0};
    CHECK(uda_tape_status(tape, &err) == (int)UDA_SHAPE && strstr(err.text, text) != NULL && y->count == 0);
    uda_tape_begin(tape, true);
}

static void check_types(void)
{
    static float host[2 * TOTAL];
    const int64_t dim[] = {2, ROWS, WIDTH}, square[] = {WIDTH, WIDTH}, row[] = {1, WIDTH};
    struct uda_err err = {0};
    struct uda_device device, cpu;
    CHECK_OK(uda_device_init_backend(&device, host_backend(), 0, 1, &err), &err);
    CHECK_OK(uda_device_init(&cpu, "cpu", 1, &err), &err);
    struct uda_tape tape;
    uda_tape_init(&tape, &device);
    tape.param_values = host;
    uda_tape_begin(&tape, true);
    struct uda_tensor *x = uda_tape_new(&tape, UDA_BF16, 3, dim);
    CHECK(uda_cast(&tape, x, UDA_BF16) == x && uda_tape_new_like(&tape, x)->type == UDA_BF16);
    expect_refused(&tape, uda_add(&tape, x, uda_tape_new(&tape, UDA_F32, 3, dim)),
                   "add: [2, 24, 32] bf16 and [2, 24, 32] differ");
    x = uda_tape_new(&tape, UDA_BF16, 3, dim); /* there is no copy of the parameters in bf16 */
    expect_refused(&tape, uda_linear(&tape, x, uda_tape_param(&tape, 0, 2, square), NULL),
                   "linear: x [2, 24, 32] bf16");
    struct uda_tensor *v = uda_tape_new(&tape, UDA_BF16, 2, row);
    expect_refused(&tape, uda_add_vector(&tape, uda_tape_new(&tape, UDA_F32, 3, dim), v), "v [1, 32] bf16");
    uda_tape_finish(&tape);
    uda_tape_init(&tape, &cpu); /* whose kernels are float alone */
    uda_tape_begin(&tape, true);
    (void)uda_gelu(&tape, uda_tape_new(&tape, UDA_BF16, 3, dim));
    CHECK(uda_tape_status(&tape, &err) == (int)UDA_UNSUPPORTED);
    uda_tape_finish(&tape);
    uda_device_finish(&device);
    uda_device_finish(&cpu);
}

static void check_names(void)
{
    struct uda_err err = {0};
    struct uda_device device;
    CHECK(uda_device_init(&device, "gpu", 1, &err) == (int)UDA_MANIFEST);
    uda_err_clear(&err);
    CHECK(uda_device_init(&device, "cuda:1x", 1, &err) == (int)UDA_MANIFEST);
}

int main(void)
{
    check_pool();
    check_staging();
    check_ops();
    check_cast();
    check_types();
    check_names();
    uda_grid_finish();
    return check_result();
}
