#include "kernels/cuda/channels.cuh"

#define THREADS UDA_SPOT_THREADS

/* The window of output row or column i: low..high of 0..side-1. */
struct window {
    int64_t low, high;
};

static __device__ __forceinline__ window window_of(int64_t i, int64_t side)
{
    window w = {uda_most(2 * i - 1, 0), uda_least(2 * i + 1, side - 1)};
    return w;
}

template <int N, typename T>
static __global__ void __launch_bounds__(THREADS)
    forward(T *y, const T *x, int64_t images, int64_t H, int64_t W, int64_t Ho, int64_t Wo, int64_t C)
{
    uda_spot s = uda_spot_of<N>(Wo, C);
    int64_t n = uda_divide(s.row, Ho);
    if (n < images) {
        window down = window_of(s.row - n * Ho, H), right = window_of(s.column, W);
        const T *image = x + n * H * W * C + s.c;
        uda_channels<N> most;
        for (int i = 0; i < N; i++) {
            most.v[i] = -INFINITY;
        }
        for (int64_t r = down.low; r <= down.high; r++) {
            for (int64_t k = right.low; k <= right.high; k++) {
                uda_channels<N> v = uda_take<N>(image + (r * W + k) * C);
                for (int i = 0; i < N; i++) {
                    most.v[i] = v.v[i] <= most.v[i] || most.v[i] != most.v[i] ? most.v[i] : v.v[i];
                }
            }
        }
        uda_put<N>(y + s.pixel * C + s.c, most);
    }
}

/* Is pixel (r, k) the first of its window with the value y? `image` is that of the channel. */
template <typename T>
static __device__ bool is_first(const T *image, float y, int64_t r, int64_t k, int64_t W, int64_t C,
                                window down, window right)
{
    if (uda_load(image + (r * W + k) * C) != y) {
        return false;
    }
    for (int64_t rr = down.low; rr <= r; rr++) {
        for (int64_t kk = right.low; kk <= (rr < r ? right.high : k - 1); kk++) {
            if (uda_load(image + (rr * W + kk) * C) == y) {
                return false;
            }
        }
    }
    return true;
}

/* One value of x: what the windows it lies in give it, in order. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    backward(T *dx, const T *x, const T *y, const T *dy, int64_t images, int64_t H, int64_t W, int64_t Ho,
             int64_t Wo, int64_t C, bool accumulate)
{
    uda_spot s = uda_spot_of<1>(W, C);
    int64_t n = uda_divide(s.row, H), r = s.row - n * H, k = s.column;
    if (n < images) {
        const T *image = x + n * H * W * C + s.c;
        float sum = 0.0f;
        for (int64_t i = r / 2; i <= (r + 1) / 2 && i < Ho; i++) {
            for (int64_t j = k / 2; j <= (k + 1) / 2 && j < Wo; j++) {
                int64_t at = ((n * Ho + i) * Wo + j) * C + s.c;
                bool first = is_first(image, uda_load(y + at), r, k, W, C, window_of(i, H), window_of(j, W));
                sum += first ? uda_load(dy + at) : 0.0f;
            }
        }
        T *place = dx + s.pixel * C + s.c;
        uda_store(place, accumulate ? uda_load(place) + sum : sum);
    }
}

template <typename T> static int run_forward(struct uda_stream *stream, const struct uda_max_pool_args *a)
{
    int64_t Ho = uda_max_pool_side(a->H), Wo = uda_max_pool_side(a->W), pixels = a->N * Ho * Wo;
    const T *x = static_cast<const T *>(a->x);
    T *y = static_cast<T *>(a->y);
    if (a->C % 4 == 0 && uda_fours(x) && uda_fours(y)) {
        UDA_CUDA_LAUNCH((forward<4, T>), uda_spots(pixels, a->C, 4), THREADS, 0, stream, y, x, a->N, a->H,
                        a->W, Ho, Wo, a->C);
    } else {
        UDA_CUDA_LAUNCH((forward<1, T>), uda_spots(pixels, a->C, 1), THREADS, 0, stream, y, x, a->N, a->H,
                        a->W, Ho, Wo, a->C);
    }
    return uda_cuda_launched();
}

int uda_cuda_max_pool_fwd(struct uda_stream *stream, struct uda_max_pool_args *a)
{
    return a->type == UDA_BF16 ? run_forward<uda_bf16>(stream, a) : run_forward<float>(stream, a);
}

template <typename T> static int run_backward(struct uda_stream *stream, const struct uda_max_pool_args *a)
{
    UDA_CUDA_LAUNCH(backward<T>, uda_spots(a->N * a->H * a->W, a->C, 1), THREADS, 0, stream,
                    static_cast<T *>(a->dx), static_cast<const T *>(a->x), static_cast<const T *>(a->saved_y),
                    static_cast<const T *>(a->dy), a->N, a->H, a->W, uda_max_pool_side(a->H),
                    uda_max_pool_side(a->W), a->C, a->accumulate);
    return uda_cuda_launched();
}

int uda_cuda_max_pool_bwd(struct uda_stream *stream, struct uda_max_pool_args *a)
{
    return a->type == UDA_BF16 ? run_backward<uda_bf16>(stream, a) : run_backward<float>(stream, a);
}
