/*
 * The convolution as one matrix product for each tap. With stride s, padding p and q = (k - 1) / s, the
 * padded map is dealt out into planes: plane (a, b) has its pixels (s i + a, s j + b), at (i, j) of
 * [N, Ho + q, Wo + q, C]; with stride 1 there is one plane, the padded map. Taken as long lists of pixels
 * the planes then fit a frame of the same size round the output: tap (ky, kx) of output pixel number f is
 * pixel f + (ky / s) (Wo + q) + kx / s of plane (ky mod s, kx mod s), and a product runs over all pixels
 * from the first wanted one to the last. What it computes on the frame is dropped. Factors keep their type;
 * the sum over taps is in float, and rounded once.
 *
 * An image's few channels would make each of these products all traffic and no work. Its taps are laid out
 * side by side instead, [N Ho Wo, taps C], for one product; there is no frame then.
 */
#include "kernels/cuda/channels.cuh"
#include "kernels/cuda/gemm.h"

#define THREADS UDA_SPOT_THREADS
#define FEW 4 /* channels whose taps are laid out */

/* The frame; count pixels of it lie between the first output pixel and the last. A product takes `wide` taps:
 * one, or all of them laid out. */
struct frame {
    int64_t N, kernel, stride, taps, wide, planes, around, height, width, pixels, count;
};

static frame frame_of(const struct uda_conv_args *a, bool laid_out)
{
    int64_t Ho = uda_conv_side(a->H, a->stride), Wo = uda_conv_side(a->W, a->stride);
    frame f = {};
    f.N = a->N;
    f.kernel = a->kernel;
    f.stride = a->stride;
    f.taps = a->kernel * a->kernel;
    f.wide = laid_out ? f.taps : 1;
    f.planes = uda_least(a->kernel, a->stride); /* along each side: the others no tap reads */
    f.around = laid_out ? 0 : (a->kernel - 1) / a->stride;
    f.height = Ho + f.around;
    f.width = Wo + f.around;
    f.pixels = a->N * f.height * f.width;
    f.count = a->N * Ho * Wo > 0 ? ((a->N - 1) * f.height + Ho - 1) * f.width + Wo : 0;
    return f;
}

/* Where a tap reads: its plane, and how many pixels further. */
static int64_t plane_of(const frame &f, int64_t tap)
{
    return tap / f.kernel % f.stride * f.planes + tap % f.kernel % f.stride;
}

static int64_t shift_of(const frame &f, int64_t tap)
{
    return tap / f.kernel / f.stride * f.width + tap % f.kernel / f.stride;
}

/* ---- frames ---- */

/* How a map [N, H, W] lies in planes x planes planes of the frame: its pixel (y, x) is number
 * (y + before) / step, (x + before) / step of plane (y + before) mod step, (x + before) mod step. */
struct placement {
    int64_t H, W, planes, step, before, height, width, total; /* total: pixels of all planes, and beyond */
};

static placement placement_of(const frame &f, int64_t H, int64_t W, int64_t planes, int64_t step,
                              int64_t before)
{
    placement p = {H, W, planes, step, before, f.height, f.width, planes * planes * f.pixels};
    return p;
}

/* to [planes^2, N, height, width, C] = from [N, H, W, C] and zeros around it */
template <int N, typename T>
static __global__ void __launch_bounds__(THREADS)
    put_in(T *to, const T *from, int64_t images, placement p, int64_t C)
{
    uda_spot s = uda_spot_of<N>(p.width, C);
    int64_t image = uda_divide(s.row, p.height), plane = uda_divide(image, uda_most(images, 1));
    int64_t n = image - plane * images, a = uda_divide(plane, p.planes);
    int64_t y = (s.row - image * p.height) * p.step + a - p.before;
    int64_t x = s.column * p.step + plane - a * p.planes - p.before;
    if (s.pixel < p.total) {
        uda_channels<N> v = {};
        if (a < p.planes && y >= 0 && y < p.H && x >= 0 && x < p.W) {
            v = uda_take<N>(from + ((n * p.H + y) * p.W + x) * C + s.c);
        }
        uda_put<N>(to + s.pixel * C + s.c, v);
    }
}

/* to [N, H, W, C] (+)= what is in the planes; 0 where there is no plane */
template <int N, typename T>
static __global__ void __launch_bounds__(THREADS)
    take_out(T *to, const float *from, int64_t images, placement p, int64_t C, bool accumulate)
{
    uda_spot s = uda_spot_of<N>(p.W, C);
    int64_t n = uda_divide(s.row, p.H), y = s.row - n * p.H + p.before, x = s.column + p.before;
    int64_t i = uda_divide(y, p.step), j = uda_divide(x, p.step), a = y - i * p.step, b = x - j * p.step;
    if (n < images) {
        uda_channels<N> v = {};
        if (a < p.planes && b < p.planes) {
            int64_t image = (a * p.planes + b) * images + n;
            v = uda_take<N>(from + ((image * p.height + i) * p.width + j) * C + s.c);
        }
        T *place = to + s.pixel * C + s.c;
        if (accumulate) {
            uda_add<N>(&v, 1.0f, uda_take<N>(place));
        }
        uda_put<N>(place, v);
    }
}

template <typename T>
static void put_in_launch(struct uda_stream *stream, T *to, const T *from, int64_t images, const placement &p,
                          int64_t C)
{
    if (C % 4 == 0 && uda_fours(to) && uda_fours(from)) {
        UDA_CUDA_LAUNCH((put_in<4, T>), uda_spots(p.total, C, 4), THREADS, 0, stream, to, from, images, p, C);
    } else {
        UDA_CUDA_LAUNCH((put_in<1, T>), uda_spots(p.total, C, 1), THREADS, 0, stream, to, from, images, p, C);
    }
}

template <typename T>
static void take_out_launch(struct uda_stream *stream, T *to, const float *from, int64_t images,
                            const placement &p, int64_t C, bool accumulate)
{
    int64_t pixels = images * p.H * p.W;
    if (C % 4 == 0 && uda_fours(to) && uda_fours(from)) {
        UDA_CUDA_LAUNCH((take_out<4, T>), uda_spots(pixels, C, 4), THREADS, 0, stream, to, from, images, p, C,
                        accumulate);
    } else {
        UDA_CUDA_LAUNCH((take_out<1, T>), uda_spots(pixels, C, 1), THREADS, 0, stream, to, from, images, p, C,
                        accumulate);
    }
}

/* x or dx in planes; y or dy in one frame, `before` pixels from its top and left. */
static placement place_input(const frame &f, const struct uda_conv_args *a)
{
    return placement_of(f, a->H, a->W, f.planes, f.stride, f.kernel / 2);
}

static placement place_output(const frame &f, const struct uda_conv_args *a, int64_t before)
{
    return placement_of(f, uda_conv_side(a->H, a->stride), uda_conv_side(a->W, a->stride), 1, 1, before);
}

/* to [N, Ho, Wo, taps, C] = what each tap of a pixel reads of from [N, H, W, C] */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    lay_out(T *to, const T *from, frame f, int64_t H, int64_t W, int64_t C)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, i = uda_divide(at, C);
    int64_t pixel = uda_divide(i, f.taps), tap = i - pixel * f.taps, row = uda_divide(pixel, f.width);
    int64_t n = uda_divide(row, uda_most(f.height, 1)), down = uda_divide(tap, f.kernel);
    int64_t y = (row - n * f.height) * f.stride + down - f.kernel / 2;
    int64_t x = (pixel - row * f.width) * f.stride + tap - down * f.kernel - f.kernel / 2;
    if (pixel < f.pixels) {
        bool inside = y >= 0 && y < H && x >= 0 && x < W;
        uda_store(to + at, inside ? uda_load(from + ((n * H + y) * W + x) * C + at - i * C) : 0.0f);
    }
}

/* What products read: x in planes, or its taps laid out. */
template <typename T>
static void take_in(struct uda_stream *stream, T *to, const frame &f, const struct uda_conv_args *a)
{
    const T *x = static_cast<const T *>(a->x);
    if (f.wide > 1) {
        UDA_CUDA_LAUNCH(lay_out<T>, uda_blocks(f.pixels * f.taps * a->C, THREADS), THREADS, 0, stream, to, x,
                        f, a->H, a->W, a->C);
    } else {
        put_in_launch(stream, to, x, a->N, place_input(f, a), a->C);
    }
}

/* Values of that. */
static int64_t taken_in(const frame &f, const struct uda_conv_args *a)
{
    return f.wide > 1 ? f.pixels * f.taps * a->C : place_input(f, a).total * a->C;
}

/* Is it to be laid out? */
static bool is_laid_out(const struct uda_conv_args *a) { return a->C <= FEW && a->kernel > 1; }

/* ---- weights ---- */

/* packed [taps, C, Co] = w [Co, C, taps]; flip: [taps, Co, C] with the taps turned by 180 degrees. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    pack_weight(T *packed, const T *w, int64_t taps, int64_t Co, int64_t C, bool flip)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, tap = uda_divide(at, C * Co);
    int64_t i = at - tap * C * Co, o = flip ? uda_divide(i, C) : i % Co, c = flip ? i % C : uda_divide(i, Co);
    if (tap < taps) {
        packed[at] = w[(o * C + c) * taps + (flip ? taps - 1 - tap : tap)];
    }
}

/* dw [Co, C, taps] (+)= packed, whose taps and outputs are so many values apart */
static __global__ void __launch_bounds__(THREADS)
    unpack_weight(float *dw, const float *packed, int64_t taps, int64_t Co, int64_t C, int64_t apart_taps,
                  int64_t apart_outputs, bool accumulate)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, i = uda_divide(at, taps), tap = at - i * taps;
    int64_t o = uda_divide(i, C);
    if (o < Co) {
        float v = packed[tap * apart_taps + o * apart_outputs + i - o * C];
        dw[at] = accumulate ? dw[at] + v : v;
    }
}

/* ---- convolutions ---- */

/* Parts of a workspace, one behind the other, each aligned to 256 bytes. */
struct parts {
    unsigned char *data;
    size_t bytes;
};

static void *next_part(parts *p, size_t bytes)
{
    void *part = p->data != NULL ? p->data + p->bytes : NULL;
    p->bytes += (bytes + 255) / 256 * 256;
    return part;
}

template <typename T> static T *next_values(parts *p, int64_t count)
{
    return static_cast<T *>(next_part(p, (size_t)count * sizeof(T)));
}

/* y = the sum of the taps' products of x's planes and packed weights */
template <typename T> static int forward(struct uda_stream *stream, struct uda_conv_args *a)
{
    frame f = frame_of(a, is_laid_out(a));
    parts p = {static_cast<unsigned char *>(a->ws.data), 0};
    T *weights = next_values<T>(&p, f.taps * a->C * a->Co), *x = next_values<T>(&p, taken_in(f, a));
    float *out = next_values<float>(&p, f.pixels * a->Co);
    struct uda_gemm_args g = {};
    g.type = a->type;
    g.M = f.count;
    g.N = a->Co;
    g.K = f.wide * a->C;
    g.lda = g.K;
    g.ldb = a->Co;
    g.ldc = a->Co;
    g.C = out;
    g.ws.bytes = uda_cuda_gemm_bytes(stream, &g);
    g.ws.data = next_part(&p, g.ws.bytes);
    if (a->ws.data == NULL) {
        a->ws.bytes = p.bytes + 1;
        return 0;
    }
    UDA_CUDA_LAUNCH(pack_weight<T>, uda_blocks(f.taps * a->C * a->Co, THREADS), THREADS, 0, stream, weights,
                    static_cast<const T *>(a->w), f.taps, a->Co, a->C, false);
    take_in(stream, x, f, a);
    for (int64_t tap = 0; tap < f.taps; tap += f.wide) {
        g.A = x + (plane_of(f, tap) * f.pixels + shift_of(f, tap)) * a->C;
        g.B = weights + tap * a->C * a->Co;
        g.accumulate = tap > 0;
        UDA_TRY(uda_cuda_gemm_run(stream, &g));
    }
    take_out_launch(stream, static_cast<T *>(a->y), out, a->N, place_output(f, a, 0), a->Co, false);
    return uda_cuda_launched();
}

/* Pixels first..first+count-1 of a plane hold all those of the input. */
struct stretch {
    int64_t first, count;
};

static stretch stretch_of(const frame &f, const struct uda_conv_args *a, int64_t plane)
{
    int64_t s = f.stride, down = f.kernel / 2 - plane / f.planes, right = f.kernel / 2 - plane % f.planes;
    int64_t top = uda_ceil_div(down, s), bottom = (a->H - 1 + down) / s;
    int64_t left = uda_ceil_div(right, s), last = (a->W - 1 + right) / s;
    stretch r = {};
    if (a->N * a->H * a->W > 0 && top <= bottom && left <= last) {
        r.first = top * f.width + left;
        r.count = ((a->N - 1) * f.height + bottom) * f.width + last - r.first + 1;
    }
    return r;
}

/* dx = plane by plane the sum of its taps' products of dy and packed weights. dy lies `around` pixels into
 * its frame: a tap turned by 180 degrees reads as many pixels back as the tap does ahead. */
template <typename T> static int backward_input(struct uda_stream *stream, struct uda_conv_args *a)
{
    frame f = frame_of(a, false);
    placement input = place_input(f, a), output = place_output(f, a, f.around);
    int64_t beyond = shift_of(f, f.taps - 1); /* the last image's last pixels read zeros behind it */
    output.total += beyond;
    parts p = {static_cast<unsigned char *>(a->ws.data), 0};
    T *weights = next_values<T>(&p, f.taps * a->C * a->Co), *dy = next_values<T>(&p, output.total * a->Co);
    float *out = next_values<float>(&p, input.total * a->C);
    struct uda_gemm_args g = {};
    g.type = a->type;
    g.N = a->C;
    g.K = a->Co;
    g.lda = a->Co;
    g.ldb = a->C;
    g.ldc = a->C;
    for (int64_t plane = 0; plane < f.planes * f.planes; plane++) {
        g.M = stretch_of(f, a, plane).count;
        size_t bytes = uda_cuda_gemm_bytes(stream, &g);
        g.ws.bytes = bytes > g.ws.bytes ? bytes : g.ws.bytes;
    }
    g.ws.data = next_part(&p, g.ws.bytes);
    if (a->ws.data == NULL) {
        a->ws.bytes = p.bytes + 1;
        return 0;
    }
    UDA_CUDA_LAUNCH(pack_weight<T>, uda_blocks(f.taps * a->C * a->Co, THREADS), THREADS, 0, stream, weights,
                    static_cast<const T *>(a->w), f.taps, a->Co, a->C, true);
    put_in_launch(stream, dy, static_cast<const T *>(a->dy), a->N, output, a->Co);
    for (int64_t plane = 0; plane < f.planes * f.planes; plane++) {
        stretch r = stretch_of(f, a, plane);
        g.M = r.count;
        g.C = out + (plane * f.pixels + r.first) * a->C;
        g.accumulate = false;
        for (int64_t turned = 0; turned < f.taps; turned++) {
            int64_t tap = f.taps - 1 - turned;
            if (plane_of(f, tap) == plane) {
                g.A = dy + (r.first + beyond - shift_of(f, tap)) * a->Co;
                g.B = weights + turned * a->C * a->Co;
                UDA_TRY(uda_cuda_gemm_run(stream, &g));
                g.accumulate = true;
            }
        }
    }
    take_out_launch(stream, static_cast<T *>(a->dx), out, a->N, input, a->C, a->accumulate);
    return uda_cuda_launched();
}

/* dw of a tap = dy^T [Co, pixels] x [pixels, C], x some pixels further; the frame's dy are 0. */
template <typename T> static int backward_weight(struct uda_stream *stream, struct uda_conv_args *a)
{
    frame f = frame_of(a, is_laid_out(a));
    parts p = {static_cast<unsigned char *>(a->ws.data), 0};
    float *weights = next_values<float>(&p, f.taps * a->C * a->Co);
    T *x = next_values<T>(&p, taken_in(f, a)), *dy = next_values<T>(&p, f.pixels * a->Co);
    struct uda_gemm_args g = {};
    g.type = a->type;
    g.transpose_a = true;
    g.M = a->Co;
    g.N = f.wide * a->C;
    g.K = f.count;
    g.lda = a->Co;
    g.ldb = g.N;
    g.ldc = g.N;
    g.A = dy;
    g.ws.bytes = uda_cuda_gemm_bytes(stream, &g);
    g.ws.data = next_part(&p, g.ws.bytes);
    if (a->ws.data == NULL) {
        a->ws.bytes = p.bytes + 1;
        return 0;
    }
    take_in(stream, x, f, a);
    put_in_launch(stream, dy, static_cast<const T *>(a->dy), a->N, place_output(f, a, 0), a->Co);
    for (int64_t tap = 0; tap < f.taps; tap += f.wide) {
        g.B = x + (plane_of(f, tap) * f.pixels + shift_of(f, tap)) * a->C;
        g.C = weights + tap * a->C * a->Co;
        UDA_TRY(uda_cuda_gemm_run(stream, &g));
    }
    UDA_CUDA_LAUNCH(unpack_weight, uda_blocks(f.taps * a->C * a->Co, THREADS), THREADS, 0, stream, a->dw,
                    weights, f.taps, a->Co, a->C, f.wide > 1 ? a->C : a->C * a->Co, f.wide * a->C,
                    a->accumulate);
    return uda_cuda_launched();
}

int uda_cuda_conv_fwd(struct uda_stream *stream, struct uda_conv_args *a)
{
    return a->type == UDA_BF16 ? forward<uda_bf16>(stream, a) : forward<float>(stream, a);
}

int uda_cuda_conv_bwd_input(struct uda_stream *stream, struct uda_conv_args *a)
{
    return a->type == UDA_BF16 ? backward_input<uda_bf16>(stream, a) : backward_input<float>(stream, a);
}

int uda_cuda_conv_bwd_weight(struct uda_stream *stream, struct uda_conv_args *a)
{
    return a->type == UDA_BF16 ? backward_weight<uda_bf16>(stream, a) : backward_weight<float>(stream, a);
}
