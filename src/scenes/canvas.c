#include "src/scenes/canvas.h"

#include "src/scenes/maths.h"

#define UNIT 256       /* fixed point: parts of a pixel */
#define MAX_POINTS 72  /* of one polygon */
#define FAR_PX 4194304 /* coordinates are clamped to this, so that products fit in 64 bits */

int uda_canvas_init(struct uda_canvas *canvas, struct uda_arena *arena, int64_t height,
                    int64_t width, bool coloured, struct uda_err *err)
{
    size_t pixels = (size_t)height * (size_t)width;
    struct uda_canvas c = {.height = height, .width = width};
    c.map = uda_arena_calloc(arena, pixels * sizeof *c.map);
    c.low = uda_arena_calloc(arena, (size_t)height * 4 * sizeof *c.low);
    c.high = uda_arena_calloc(arena, (size_t)height * 4 * sizeof *c.high);
    if (coloured) {
        c.rgb = uda_arena_calloc(arena, pixels * 3 * sizeof *c.rgb);
    }
    if (c.map == NULL || c.low == NULL || c.high == NULL || (coloured && c.rgb == NULL)) {
        return uda_fail(err, UDA_NOMEM, "scene of %lld x %lld pixels: out of memory",
                        (long long)height, (long long)width);
    }
    *canvas = c;
    return 0;
}

struct uda_rgb uda_rgb_scale(struct uda_rgb rgb, float factor)
{
    return (struct uda_rgb){rgb.r * factor, rgb.g * factor, rgb.b * factor};
}

struct uda_rgb uda_rgb_mix(struct uda_rgb a, struct uda_rgb b, float t)
{
    return (struct uda_rgb){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

struct uda_paint uda_paint_flat(struct uda_rgb rgb)
{
    return (struct uda_paint){.rgb = rgb, .end = rgb, .alpha = 1.0f};
}

struct uda_paint uda_paint_gradient(struct uda_rgb rgb, struct uda_rgb end, struct uda_point a,
                                    struct uda_point b)
{
    float x = b.x - a.x, y = b.y - a.y;
    float square = x * x + y * y;
    float scale = square > 1e-6f ? 1.0f / square : 0.0f;
    return (struct uda_paint){
        .rgb = rgb, .end = end, .from = a, .dx = x * scale, .dy = y * scale, .alpha = 1.0f};
}

/* Pixels to fixed point. */
static int32_t fixed(float px)
{
    float clamped = px < -FAR_PX ? -FAR_PX : px > FAR_PX ? FAR_PX : px;
    float scaled = clamped * UNIT + 0.5f;
    int32_t whole = (int32_t)scaled;
    return (float)whole > scaled ? whole - 1 : whole;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b > a ? q - 1 : q;
}

/* A polygon in fixed point. */
struct outline {
    int32_t x[MAX_POINTS], y[MAX_POINTS];
    int64_t n;
    int32_t top, bottom;
};

/*
 * Spans of the lines y = offset + step * s for s in first..last-1: low[s - first] and high[s -
 * first]. An edge covers the lines with top <= y < bottom, so that shapes that share an edge
 * neither overlap nor leave a gap.
 */
static void walk(struct uda_canvas *canvas, const struct outline *o, int64_t offset, int64_t step,
                 int64_t first, int64_t last)
{
    for (int64_t s = 0; s < last - first; s++) {
        canvas->low[s] = INT32_MAX;
        canvas->high[s] = INT32_MIN;
    }
    for (int64_t i = 0; i < o->n; i++) {
        int64_t j = i + 1 == o->n ? 0 : i + 1;
        bool down = o->y[i] < o->y[j];
        int64_t ax = o->x[down ? i : j], ay = o->y[down ? i : j];
        int64_t bx = o->x[down ? j : i], by = o->y[down ? j : i];
        int64_t from = floor_div(ay - offset + step - 1, step);
        int64_t to = floor_div(by - offset + step - 1, step);
        from = from < first ? first : from;
        to = to > last ? last : to;
        for (int64_t s = from; s < to; s++) {
            int64_t y = offset + step * s;
            int32_t x = (int32_t)(ax + (bx - ax) * (y - ay) / (by - ay));
            if (x < canvas->low[s - first]) {
                canvas->low[s - first] = x;
            }
            if (x > canvas->high[s - first]) {
                canvas->high[s - first] = x;
            }
        }
    }
}

static int32_t clamp_x(const struct uda_canvas *canvas, int32_t x)
{
    int32_t right = (int32_t)(canvas->width * UNIT);
    return x < 0 ? 0 : x > right ? right : x;
}

/* One pixel: coverage 0..4*UNIT mixes the paint in. */
static void blend(float *rgb, const struct uda_paint *paint, float t, float coverage)
{
    float k = coverage * paint->alpha;
    rgb[0] += (paint->rgb.r + (paint->end.r - paint->rgb.r) * t - rgb[0]) * k;
    rgb[1] += (paint->rgb.g + (paint->end.g - paint->rgb.g) * t - rgb[1]) * k;
    rgb[2] += (paint->rgb.b + (paint->end.b - paint->rgb.b) * t - rgb[2]) * k;
}

/* Coverage of pixel x by the four spans, in 1/(4*UNIT). */
static int32_t covered(const int32_t *low, const int32_t *high, int32_t x)
{
    int32_t left = x * UNIT, right = left + UNIT, sum = 0;
    for (int k = 0; k < 4; k++) {
        int32_t a = low[k] > left ? low[k] : left, b = high[k] < right ? high[k] : right;
        sum += b > a ? b - a : 0;
    }
    return sum;
}

static void colour_row(struct uda_canvas *canvas, int64_t y, const int32_t *sub_low,
                       const int32_t *sub_high, const struct uda_paint *paint)
{
    int32_t low[4], high[4], first = INT32_MAX, last = 0, inner_first = 0, inner_last = INT32_MAX;
    for (int k = 0; k < 4; k++) {
        bool empty = sub_low[k] > sub_high[k];
        low[k] = empty ? 0 : clamp_x(canvas, sub_low[k]);
        high[k] = empty ? 0 : clamp_x(canvas, sub_high[k]);
        if (high[k] > low[k]) {
            first = low[k] < first ? low[k] : first;
            last = high[k] > last ? high[k] : last;
        }
        inner_first = low[k] > inner_first ? low[k] : inner_first;
        inner_last = high[k] < inner_last ? high[k] : inner_last;
    }
    inner_first = (inner_first + UNIT - 1) / UNIT;
    inner_last /= UNIT;
    bool gradient = paint->dx < 0 || paint->dx > 0 || paint->dy < 0 || paint->dy > 0;
    float base = ((float)y + 0.5f - paint->from.y) * paint->dy + (0.5f - paint->from.x) * paint->dx;
    for (int32_t x = first / UNIT; x * UNIT < last; x++) {
        bool inside = x >= inner_first && x < inner_last;
        float coverage = inside ? 1.0f : (float)covered(low, high, x) * (1.0f / (4 * UNIT));
        float t = gradient ? uda_clamp(base + (float)x * paint->dx, 0.0f, 1.0f) : 0.0f;
        blend(canvas->rgb + 3 * (y * canvas->width + x), paint, t, coverage);
    }
}

static void label_row(struct uda_canvas *canvas, int64_t y, int32_t low, int32_t high)
{
    if (low > high) {
        return;
    }
    int32_t first = (clamp_x(canvas, low) + UNIT / 2 - 1) / UNIT;
    int32_t last = (clamp_x(canvas, high) + UNIT / 2 - 1) / UNIT;
    uint16_t *row = canvas->map + y * canvas->width;
    for (int32_t x = first; x < last; x++) {
        canvas->fresh_px += row[x] != canvas->id;
        row[x] = canvas->id;
    }
}

void uda_canvas_convex(struct uda_canvas *canvas, const struct uda_point *point, int64_t n,
                       const struct uda_paint *paint)
{
    struct outline o = {
        .n = n < MAX_POINTS ? n : MAX_POINTS, .top = INT32_MAX, .bottom = INT32_MIN};
    for (int64_t i = 0; i < o.n; i++) {
        o.x[i] = fixed(point[i].x);
        o.y[i] = fixed(point[i].y);
        o.top = o.y[i] < o.top ? o.y[i] : o.top;
        o.bottom = o.y[i] > o.bottom ? o.y[i] : o.bottom;
    }
    int64_t first = floor_div(o.top, UNIT), last = floor_div((int64_t)o.bottom - 1, UNIT) + 1;
    first = first < 0 ? 0 : first;
    last = last > canvas->height ? canvas->height : last;
    if (first >= last) {
        return;
    }
    if (canvas->rgb != NULL) {
        struct uda_paint hazed = *paint;
        hazed.rgb = uda_rgb_mix(paint->rgb, canvas->haze, canvas->haze_share);
        hazed.end = uda_rgb_mix(paint->end, canvas->haze, canvas->haze_share);
        walk(canvas, &o, UNIT / 8, UNIT / 4, 4 * first, 4 * last);
        for (int64_t y = first; y < last; y++) {
            colour_row(canvas, y, canvas->low + 4 * (y - first), canvas->high + 4 * (y - first),
                       &hazed);
        }
    }
    if (!paint->silent) {
        walk(canvas, &o, UNIT / 2, UNIT, first, last);
        for (int64_t y = first; y < last; y++) {
            label_row(canvas, y, canvas->low[y - first], canvas->high[y - first]);
        }
    }
}

/* How many corners a circle of this radius needs to look round: 8, 16, 32 or 64. */
static int64_t corners(float radius_px)
{
    return radius_px < 1.5f ? 8 : radius_px < 6.0f ? 16 : radius_px < 40.0f ? 32 : 64;
}

void uda_canvas_ellipse(struct uda_canvas *canvas, struct uda_point centre, float rx, float ry,
                        const struct uda_paint *paint)
{
    struct uda_point point[64];
    int64_t n = corners(rx > ry ? rx : ry);
    for (int64_t i = 0; i < n; i++) {
        struct uda_point unit = uda_circle(i * (64 / n));
        point[i] = (struct uda_point){centre.x + rx * unit.x, centre.y + ry * unit.y};
    }
    uda_canvas_convex(canvas, point, n, paint);
}

void uda_canvas_limb(struct uda_canvas *canvas, struct uda_point a, float ra, struct uda_point b,
                     float rb, const struct uda_paint *paint)
{
    float x = b.x - a.x, y = b.y - a.y;
    float length = uda_sqrt(x * x + y * y);
    if (length <= uda_abs(ra - rb) + 1e-3f) {
        bool first = ra >= rb;
        uda_canvas_ellipse(canvas, first ? a : b, first ? ra : rb, first ? ra : rb, paint);
        return;
    }
    x /= length;
    y /= length;
    float tangent =
        (ra - rb) / length; /* cosine of the direction in which the hull leaves the discs */
    struct uda_point point[64];
    int64_t n = corners(ra > rb ? ra : rb);
    for (int64_t i = 0; i < n; i++) {
        struct uda_point unit = uda_circle(i * (64 / n));
        float dx = unit.x * x - unit.y * y, dy = unit.x * y + unit.y * x;
        bool far = unit.x > tangent;
        point[i] = (struct uda_point){far ? b.x + rb * dx : a.x + ra * dx,
                                      far ? b.y + rb * dy : a.y + ra * dy};
    }
    uda_canvas_convex(canvas, point, n, paint);
}
