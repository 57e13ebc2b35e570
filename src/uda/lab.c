#include "src/uda/lab.h"

#include "kernels/kernels.h"

#include <math.h>

static double linear_of_srgb(double v)
{
    return v > 0.04045 ? pow((v + 0.055) / 1.055, 2.4) : v / 12.92;
}

static double srgb_of_linear(double v)
{
    return v > 0.0031308 ? 1.055 * pow(v, 1.0 / 2.4) - 0.055 : 12.92 * v;
}

static uint8_t byte_of(double value, enum uda_lab_bytes bytes)
{
    if (!(value > 0.0)) {
        return 0;
    }
    double scaled = (value < 1.0 ? value : 1.0) * 255.0;
    return (uint8_t)(bytes == UDA_LAB_ROUND ? scaled + 0.5 : scaled);
}

/* The least double of 0..1 that becomes the byte or more: bisection over all that lie between. */
static double edge_of(int byte, enum uda_lab_bytes bytes)
{
    double low = 0.0, high = 1.0; /* low is below the edge, high is not: 0 is byte 0, 1 is byte 255 */
    for (double middle = 0.5; middle > low && middle < high; middle = 0.5 * (low + high)) {
        if (byte_of(srgb_of_linear(middle), bytes) >= byte) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}

void uda_lab_levels_init(struct uda_lab_levels *levels, enum uda_lab_bytes bytes)
{
    for (int v = 0; v < 256; v++) {
        levels->linear[v] = linear_of_srgb((double)v / 255.0);
        levels->edge[v] = v == 0 ? 0.0 : edge_of(v, bytes);
    }
    for (int i = 0; i <= UDA_LAB_CELLS; i++) {
        levels->first[i] = byte_of(srgb_of_linear((double)i / UDA_LAB_CELLS), bytes);
    }
}

int uda_lab_check(int64_t source_pixels, int64_t target_pixels, struct uda_err *err)
{
    int64_t most = source_pixels > target_pixels ? source_pixels : target_pixels;
    bool good = source_pixels > 0 && target_pixels > 0 && (uint64_t)most <= SIZE_MAX / (6 * sizeof(double));
    return good ? 0
                : uda_fail(err, UDA_SHAPE, "colour transfer from %lld to %lld pixels",
                           (long long)source_pixels, (long long)target_pixels);
}

int uda_lab_transfer(uint8_t *out, const uint8_t *source, int64_t source_pixels,
                     const uint8_t *target, int64_t target_pixels, const struct uda_lab_levels *levels,
                     struct uda_team *team, struct uda_arena *scratch, struct uda_err *err)
{
    UDA_TRY(uda_lab_check(source_pixels, target_pixels, err));
    const struct uda_kernels *kernels = uda_kernels_cpu();
    struct uda_stream stream = {.team = team};
    struct uda_lab_transfer_args a = {.source_pixels = source_pixels, .target_pixels = target_pixels,
                                      .levels = levels, .source = source, .target = target, .out = out};
    size_t mark = uda_arena_mark(scratch);
    int rc = kernels->lab_transfer(&stream, &a);
    a.ws.data = uda_arena_alloc(scratch, a.ws.bytes);
    if (rc == 0 && a.ws.data == NULL) {
        rc = uda_fail(err, UDA_NOMEM, "out of memory for the colours of %lld pixels",
                      (long long)source_pixels);
    } else if (rc == 0) {
        rc = kernels->lab_transfer(&stream, &a);
    }
    uda_arena_reset(scratch, mark);
    return rc;
}
