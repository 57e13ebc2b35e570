/*
 * Multi-scale deformable attention. A group of lanes, as many as a head has channels (or fours of them),
 * deals with one query and head; softmax and places are computed in front of the samples.
 *
 * The values' gradient is gathered: the samples of each image and head are sorted by the cell between
 * whose corners they fall (a counting sort: integer atomics give the slots), and each token of a level
 * sums what the four cells around it hold. Slots come in any order, so the sum is one of integers:
 * terms are rounded to 2^-30 of the largest |dy| and added in 64 bits. A dy that is not finite makes
 * all of dvalue NaN.
 */
#include "kernels/cuda/device.cuh"

#define WARPS 8
#define THREADS (WARPS * UDA_WARP)
#define LEVELS UDA_DEFORM_LEVELS
#define TAPS 4
#define SHARED_BYTES ((size_t)48 << 10)
#define MAX_BLOCKS 1024

/* One sample: what four tokens (top left, top right, bottom left, bottom right; -1: outside) give. */
struct alignas(16) sample {
    int token[TAPS];
    float part_x, part_y, a;
    int key; /* number of the cell with these corners, -1: none */
};

/* Of the samples of a query and head, backward: slopes by the weight and the two offsets. */
struct slopes {
    float a, x, y;
};

/* A sample in its cell's list. */
struct alignas(16) entry {
    int token; /* the query */
    float a, part_x, part_y;
};

template <typename T> struct deform {
    const T *value, *dy;
    const float *offsets, *weights;
    T *y, *dvalue;
    float *doffsets, *dweights;
    bool add_value, add_offsets, add_weights;
    int64_t N, S, M, d, P, samples;
    int height[LEVELS], width[LEVELS], first[LEVELS], first_key[LEVELS];
    int keys;         /* cells of all levels: (height + 1) (width + 1) each, as corners may be outside */
    int lanes, warps; /* lanes of a query and head; warps of a block */
    unsigned *cursor; /* [N, M, keys]: entries, then their first place, then their end */
    unsigned *top;    /* bits of the largest |dy| */
    entry *entries;   /* [N, M, S samples] */
};

static inline __host__ __device__ int64_t pairs_of_warp(int lanes) { return UDA_WARP / lanes; }

/* A pair of query and head: pair (n S + token) M + m. Lists are of an image and head. */
struct query {
    int64_t n, list;
    int token, m;
};

template <typename T> static __device__ __forceinline__ query query_of(const deform<T> &f, int64_t pair)
{
    int64_t row = uda_divide(pair, f.M), n = uda_divide(row, f.S), m = pair - row * f.M;
    return {n, n * f.M + m, (int)(row - n * f.S), (int)m};
}

/* ---- places ---- */

/* Where sample j of the query falls; a is not set. The product is fused with the difference, as it is on
 * a CPU that can: at integer offsets, where training starts, the side of a token that a sample is on decides
 * its slope. */
template <typename T>
static __device__ __forceinline__ sample place(const deform<T> &f, int token, int j, float off_x, float off_y)
{
    int own = token < f.first[1] ? 0 : token < f.first[2] ? 1 : 2, level = j / (int)f.P;
    int cell = token - f.first[own], row = cell / f.width[own], column = cell - row * f.width[own];
    int W = f.width[level], H = f.height[level];
    float u = fmaf(((float)column + 0.5f) / (float)f.width[own], (float)W, -0.5f) + off_x;
    float v = fmaf(((float)row + 0.5f) / (float)f.height[own], (float)H, -0.5f) + off_y;
    sample s = {{-1, -1, -1, -1}, 0.0f, 0.0f, 0.0f, -1};
    if (u > -1.0f && u < (float)W && v > -1.0f && v < (float)H) {
        int x = (int)floorf(u), y = (int)floorf(v), at = f.first[level] + y * W + x;
        s.part_x = u - (float)x;
        s.part_y = v - (float)y;
        bool left = x >= 0, right = x < W - 1, above = y >= 0, below = y < H - 1;
        s.token[0] = above && left ? at : -1;
        s.token[1] = above && right ? at + 1 : -1;
        s.token[2] = below && left ? at + W : -1;
        s.token[3] = below && right ? at + W + 1 : -1;
        s.key = f.first_key[level] + (y + 1) * (W + 1) + x + 1;
    }
    return s;
}

static __device__ __forceinline__ void tap_weights(float (&w)[TAPS], float part_x, float part_y)
{
    w[0] = (1.0f - part_y) * (1.0f - part_x);
    w[1] = (1.0f - part_y) * part_x;
    w[2] = part_y * (1.0f - part_x);
    w[3] = part_y * part_x;
}

static __device__ __forceinline__ float group_max(float x, int lanes)
{
    for (int d = lanes / 2; d > 0; d /= 2) {
        x = fmaxf(x, __shfl_xor_sync(UDA_ALL_LANES, x, d));
    }
    return x;
}

static __device__ __forceinline__ float group_sum(float x, int lanes)
{
    for (int d = lanes / 2; d > 0; d /= 2) {
        x += __shfl_xor_sync(UDA_ALL_LANES, x, d);
    }
    return x;
}

/* The samples of a query and head with their attention weights, by the lanes of its group; all lanes of
 * the warp call, `live`: there is such a pair. */
template <typename T>
static __device__ __forceinline__ void place_pair(const deform<T> &f, sample *samples, int64_t pair,
                                                  bool live)
{
    int lane = (int)threadIdx.x % f.lanes, count = live ? (int)f.samples : 0;
    const float *logits = f.weights + pair * f.samples, *offsets = f.offsets + pair * f.samples * 2;
    float top = -1e30f, sum = 0.0f;
    int token = query_of(f, pair).token;
    for (int j = lane; j < count; j += f.lanes) {
        top = fmaxf(top, logits[j]);
    }
    top = group_max(top, f.lanes);
    for (int j = lane; j < count; j += f.lanes) {
        sample s = place(f, token, j, offsets[2 * j], offsets[2 * j + 1]);
        s.a = expf(logits[j] - top);
        sum += s.a;
        samples[j] = s;
    }
    float inverse = 1.0f / group_sum(sum, f.lanes);
    for (int j = lane; j < count; j += f.lanes) {
        samples[j].a *= inverse;
    }
    __syncwarp();
}

/* ---- forward ---- */

/* V neighbouring channels at p. */
template <int V, typename T> static __device__ __forceinline__ void read(float (&x)[V], const T *p)
{
    if constexpr (V == 4) {
        uda_quad q = uda_load4(p);
        UDA_UNROLL
        for (int i = 0; i < 4; i++) {
            x[i] = q.v[i];
        }
    } else {
        x[0] = uda_load(p);
    }
}

template <int V, typename T> static __device__ __forceinline__ void write(T *p, const float (&x)[V], bool add)
{
    if constexpr (V == 4) {
        uda_quad q = {};
        if (add) {
            q = uda_load4(p);
        }
        UDA_UNROLL
        for (int i = 0; i < 4; i++) {
            q.v[i] = add ? q.v[i] + x[i] : x[i];
        }
        uda_store4(p, q);
    } else {
        uda_store(p, add ? uda_load(p) + x[0] : x[0]);
    }
}

template <typename T, int V> static __global__ void __launch_bounds__(THREADS) gather_samples(deform<T> f)
{
    UDA_SHARED_DYNAMIC(sample, all); /* [warps, pairs of a warp, samples] */
    int64_t slot = (int)threadIdx.x / f.lanes, block_pairs = f.warps * pairs_of_warp(f.lanes);
    int64_t pair = blockIdx.x * block_pairs + slot;
    bool live = pair < f.N * f.S * f.M;
    sample *samples = all + slot * f.samples;
    place_pair(f, samples, pair, live);
    if (!live) {
        return;
    }
    query q = query_of(f, pair);
    int64_t D = f.M * f.d;
    const T *value = f.value + q.n * f.S * D + q.m * f.d;
    for (int64_t c = (int)threadIdx.x % f.lanes * V; c < f.d; c += f.lanes * V) {
        float sum[V] = {};
        for (int j = 0; j < (int)f.samples; j++) {
            sample s = samples[j];
            float w[TAPS], x[V];
            tap_weights(w, s.part_x, s.part_y);
            UDA_UNROLL
            for (int tap = 0; tap < TAPS; tap++) {
                if (s.token[tap] >= 0) {
                    read<V>(x, value + s.token[tap] * D + c);
                    UDA_UNROLL
                    for (int i = 0; i < V; i++) {
                        sum[i] += w[tap] * s.a * x[i];
                    }
                }
            }
        }
        write<V>(f.y + pair * f.d + c, sum, false);
    }
}

/* ---- backward: offsets and weights, and the list of each cell ---- */

static __global__ void __launch_bounds__(THREADS) clear_words(unsigned *words, int64_t count)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at < count) {
        words[at] = 0;
    }
}

/* Bits of floats that are not negative are in the order of the floats; NaN is above all. */
template <typename T>
static __global__ void __launch_bounds__(THREADS) find_largest(unsigned *top, const T *x, int64_t count)
{
    unsigned most = 0;
    int64_t stride = (int64_t)gridDim.x * THREADS;
    for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += stride) {
        unsigned bits = __float_as_uint(uda_load(x + i)) & 0x7fffffffu;
        most = bits > most ? bits : most;
    }
    for (int d = UDA_WARP / 2; d > 0; d /= 2) {
        unsigned other = __shfl_xor_sync(UDA_ALL_LANES, most, d);
        most = other > most ? other : most;
    }
    if (threadIdx.x % UDA_WARP == 0) {
        atomicMax(top, most);
    }
}

/* A thread for each sample. */
template <typename T> static __global__ void __launch_bounds__(THREADS) count_samples(deform<T> f)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, pair = uda_divide(at, f.samples);
    if (pair >= f.N * f.S * f.M) {
        return;
    }
    query q = query_of(f, pair);
    sample s = place(f, q.token, (int)(at - pair * f.samples), f.offsets[2 * at], f.offsets[2 * at + 1]);
    if (s.key >= 0) {
        atomicAdd(f.cursor + q.list * f.keys + s.key, 1u);
    }
}

/* Numbers into sums of those before; a block for each image and head. */
static __global__ void __launch_bounds__(THREADS) scan_cells(unsigned *cursor, int keys)
{
    UDA_SHARED(unsigned, totals, [WARPS]);
    unsigned *counts = cursor + (int64_t)blockIdx.x * keys, before = 0;
    int lane = (int)threadIdx.x % UDA_WARP, warp = (int)threadIdx.x / UDA_WARP;
    for (int base = 0; base < keys; base += THREADS) {
        int at = base + (int)threadIdx.x;
        unsigned count = at < keys ? counts[at] : 0, sum = count;
        for (int d = 1; d < UDA_WARP; d *= 2) {
            unsigned other = __shfl_up_sync(UDA_ALL_LANES, sum, (unsigned)d);
            sum += lane >= d ? other : 0;
        }
        if (lane == UDA_WARP - 1) {
            totals[warp] = sum;
        }
        __syncthreads();
        unsigned all = 0;
        for (int w = 0; w < WARPS; w++) {
            sum += w < warp ? totals[w] : 0;
            all += totals[w];
        }
        if (at < keys) {
            counts[at] = before + sum - count;
        }
        before += all;
        __syncthreads();
    }
}

/* Slopes of a sample by its weight and offsets from this lane's channels. */
template <typename T, int V>
static __device__ __forceinline__ slopes sample_slopes(const deform<T> &f, const sample &s, const T *value,
                                                       const T *dy)
{
    float dot[TAPS] = {}, w[TAPS];
    for (int64_t c = (int)threadIdx.x % f.lanes * V; c < f.d; c += f.lanes * V) {
        float g[V], x[V];
        read<V>(g, dy + c);
        UDA_UNROLL
        for (int tap = 0; tap < TAPS; tap++) {
            if (s.token[tap] >= 0) {
                read<V>(x, value + s.token[tap] * f.M * f.d + c);
                UDA_UNROLL
                for (int i = 0; i < V; i++) {
                    dot[tap] += g[i] * x[i];
                }
            }
        }
    }
    tap_weights(w, s.part_x, s.part_y);
    return {w[0] * dot[0] + w[1] * dot[1] + w[2] * dot[2] + w[3] * dot[3],
            (1.0f - s.part_y) * (dot[1] - dot[0]) + s.part_y * (dot[3] - dot[2]),
            (1.0f - s.part_x) * (dot[2] - dot[0]) + s.part_x * (dot[3] - dot[1])};
}

/* Gradients of a pair's offsets and logits from its samples' slopes. */
template <typename T>
static __device__ __forceinline__ void write_slopes(const deform<T> &f, const sample *samples,
                                                    const slopes *found, int64_t pair, bool live)
{
    int lane = (int)threadIdx.x % f.lanes, count = live ? (int)f.samples : 0;
    float mean = 0.0f;
    for (int j = lane; j < count; j += f.lanes) {
        mean += samples[j].a * found[j].a;
    }
    mean = group_sum(mean, f.lanes);
    for (int j = lane; j < count; j += f.lanes) {
        int64_t at = pair * f.samples + j;
        float a = samples[j].a;
        if (f.dweights != nullptr) {
            float slope = a * (found[j].a - mean);
            f.dweights[at] = f.add_weights ? f.dweights[at] + slope : slope;
        }
        if (f.doffsets != nullptr) {
            float x = a * found[j].x, y = a * found[j].y;
            f.doffsets[2 * at] = f.add_offsets ? f.doffsets[2 * at] + x : x;
            f.doffsets[2 * at + 1] = f.add_offsets ? f.doffsets[2 * at + 1] + y : y;
        }
    }
}

template <typename T>
static __device__ __forceinline__ void list_samples(const deform<T> &f, const sample *samples, int64_t pair)
{
    query q = query_of(f, pair);
    for (int j = (int)threadIdx.x % f.lanes; j < (int)f.samples; j += f.lanes) {
        sample s = samples[j];
        if (s.key >= 0) {
            unsigned slot = atomicAdd(f.cursor + q.list * f.keys + s.key, 1u);
            f.entries[q.list * f.S * f.samples + slot] = {q.token, s.a, s.part_x, s.part_y};
        }
    }
}

template <typename T, int V> static __global__ void __launch_bounds__(THREADS) slopes_of_samples(deform<T> f)
{
    UDA_SHARED_DYNAMIC(sample, all); /* [warps, pairs of a warp, samples], then as many slopes */
    int64_t slot = (int)threadIdx.x / f.lanes, block_pairs = f.warps * pairs_of_warp(f.lanes);
    int64_t pair = blockIdx.x * block_pairs + slot;
    bool live = pair < f.N * f.S * f.M;
    sample *samples = all + slot * f.samples;
    slopes *found = reinterpret_cast<slopes *>(all + block_pairs * f.samples) + slot * f.samples;
    place_pair(f, samples, pair, live);
    if (live && f.dvalue != nullptr) {
        list_samples(f, samples, pair);
    }
    if (f.doffsets == nullptr && f.dweights == nullptr) {
        return; /* the whole grid */
    }
    query q = query_of(f, live ? pair : 0);
    const T *value = f.value + q.n * f.S * f.M * f.d + q.m * f.d;
    for (int j = 0; j < (int)f.samples; j++) {
        slopes s = {};
        if (live) {
            s = sample_slopes<T, V>(f, samples[j], value, f.dy + pair * f.d);
        }
        s = {group_sum(s.a, f.lanes), group_sum(s.x, f.lanes), group_sum(s.y, f.lanes)};
        if (live && threadIdx.x % (unsigned)f.lanes == 0) {
            found[j] = s;
        }
    }
    __syncwarp();
    write_slopes(f, samples, found, pair, live);
}

/* ---- backward: values ---- */

/* Power of two that takes numbers up to `top` below 2^30; and its inverse, which is NaN when the
 * numbers are not finite. */
static __device__ __forceinline__ float fixed_scale(unsigned top, double *inverse)
{
    int exponent = (int)(top >> 23); /* top < 2^(exponent - 126) */
    if (exponent == 255) {
        *inverse = (double)__uint_as_float(0x7fc00000u);
        return 0.0f;
    }
    int shift = min(156 - exponent, 126); /* of tiny numbers fewer bits are kept */
    *inverse = (double)__uint_as_float((unsigned)(127 - shift) << 23);
    return __uint_as_float((unsigned)(127 + shift) << 23);
}

/* Adds the entries of two cells next to each other in x; w_y: what a sample's part_y weighs. */
template <typename T, int V>
static __device__ __forceinline__ void add_entries(const deform<T> &f, long long (&sum)[V], int64_t list,
                                                   int key, bool below, const T *dy, float scale)
{
    const unsigned *end = f.cursor + list * f.keys + key;
    unsigned first = key > 0 ? end[-1] : 0, middle = end[0], last = end[1];
    const entry *entries = f.entries + list * f.S * f.samples;
    unsigned turn = threadIdx.x % UDA_WARP / (unsigned)f.lanes;
    for (unsigned i = first + turn; i < last; i += (unsigned)pairs_of_warp(f.lanes)) {
        entry e = entries[i];
        float x = i < middle ? e.part_x : 1.0f - e.part_x, y = below ? e.part_y : 1.0f - e.part_y;
        float w = y * x * e.a * scale, g[V];
        read<V>(g, dy + (int64_t)e.token * f.M * f.d);
        UDA_UNROLL
        for (int k = 0; k < V; k++) {
            sum[k] += __float2int_rn(w * g[k]);
        }
    }
}

/* A warp for each token of an image's head: groups of lanes take turns at the entries. */
template <typename T, int V> static __global__ void __launch_bounds__(THREADS) gather_values(deform<T> f)
{
    int64_t at = (int64_t)blockIdx.x * WARPS + threadIdx.x / UDA_WARP;
    if (at >= f.N * f.M * f.S) {
        return; /* a whole warp */
    }
    int64_t list = uda_divide(at, f.S), n = uda_divide(list, f.M), m = list - n * f.M;
    int token = (int)(at - list * f.S), own = token < f.first[1] ? 0 : token < f.first[2] ? 1 : 2;
    int cell = token - f.first[own], row = cell / f.width[own], column = cell - row * f.width[own];
    int key = f.first_key[own] + row * (f.width[own] + 1) + column;
    double inverse;
    float scale = fixed_scale(*f.top, &inverse);
    int lane = (int)threadIdx.x % f.lanes;
    for (int64_t base = 0; base < f.d; base += f.lanes * V) {
        int64_t c = base + lane * V;
        long long sum[V] = {};
        if (c < f.d) {
            const T *dy = f.dy + n * f.S * f.M * f.d + m * f.d + c;
            add_entries<T, V>(f, sum, list, key, true, dy, scale);
            add_entries<T, V>(f, sum, list, key + f.width[own] + 1, false, dy, scale);
        }
        float slope[V];
        UDA_UNROLL
        for (int k = 0; k < V; k++) {
            for (int d = f.lanes; d < UDA_WARP; d *= 2) {
                sum[k] += __shfl_xor_sync(UDA_ALL_LANES, sum[k], d);
            }
            slope[k] = (float)((double)sum[k] * inverse);
        }
        if (c < f.d && (int)threadIdx.x % UDA_WARP < f.lanes) {
            write<V>(f.dvalue + ((n * f.S + token) * f.M + m) * f.d + c, slope, f.add_value);
        }
    }
}

/* ---- launches ---- */

/* fours: of channels at a time. */
template <typename T> static deform<T> prepare(const struct uda_deform_args *a, bool *fours)
{
    deform<T> f = {};
    f.value = static_cast<const T *>(a->value);
    f.dy = static_cast<const T *>(a->dy);
    f.offsets = a->offsets;
    f.weights = a->weights;
    f.y = static_cast<T *>(a->y);
    f.dvalue = static_cast<T *>(a->dvalue);
    f.doffsets = a->doffsets;
    f.dweights = a->dweights;
    f.add_value = a->accumulate_value;
    f.add_offsets = a->accumulate_offsets;
    f.add_weights = a->accumulate_weights;
    f.N = a->N;
    f.S = a->S;
    f.M = a->M;
    f.d = a->D / a->M;
    f.P = a->P;
    f.samples = LEVELS * a->P;
    f.lanes = 1;
    f.warps = WARPS;
    *fours = f.d % 4 == 0 && uda_fours(f.value) && uda_fours(f.y) && uda_fours(f.dy) && uda_fours(f.dvalue);
    int first = 0;
    for (int l = 0; l < LEVELS; l++) {
        f.height[l] = (int)a->height[l];
        f.width[l] = (int)a->width[l];
        f.first[l] = first;
        f.first_key[l] = f.keys;
        first += f.height[l] * f.width[l];
        f.keys += (f.height[l] + 1) * (f.width[l] + 1);
    }
    while (f.lanes < UDA_WARP && f.lanes * (*fours ? 4 : 1) < f.d) {
        f.lanes *= 2;
    }
    return f;
}

/* Blocks, and the shared memory of one: as many warps as it serves. */
template <typename T> static dim3 pair_blocks(deform<T> *f, size_t *shared, size_t sample_bytes)
{
    size_t warp_bytes = (size_t)(pairs_of_warp(f->lanes) * f->samples) * sample_bytes;
    while ((size_t)f->warps * warp_bytes > SHARED_BYTES) {
        f->warps /= 2;
    }
    *shared = (size_t)f->warps * warp_bytes;
    return uda_blocks(f->N * f->S * f->M, f->warps * pairs_of_warp(f->lanes));
}

template <typename T> static int sample_forward(struct uda_stream *stream, const struct uda_deform_args *a)
{
    bool fours;
    size_t shared;
    deform<T> f = prepare<T>(a, &fours);
    dim3 blocks = pair_blocks(&f, &shared, sizeof(sample));
    if (fours) {
        UDA_CUDA_LAUNCH((gather_samples<T, 4>), blocks, f.warps * UDA_WARP, shared, stream, f);
    } else {
        UDA_CUDA_LAUNCH((gather_samples<T, 1>), blocks, f.warps * UDA_WARP, shared, stream, f);
    }
    return uda_cuda_launched();
}

int uda_cuda_deform_fwd(struct uda_stream *stream, struct uda_deform_args *a)
{
    return a->type == UDA_BF16 ? sample_forward<uda_bf16>(stream, a) : sample_forward<float>(stream, a);
}

/* The workspace: entries, the cells' numbers, the largest |dy|. */
template <typename T> static size_t lay_out(deform<T> *f, void *data)
{
    int64_t entries = f->N * f->M * f->S * f->samples, words = f->N * f->M * f->keys;
    f->entries = static_cast<entry *>(data);
    f->cursor = reinterpret_cast<unsigned *>(f->entries + entries);
    f->top = f->cursor + words;
    return (size_t)entries * sizeof(entry) + (size_t)(words + 1) * sizeof(unsigned);
}

template <typename T> static int sample_backward(struct uda_stream *stream, struct uda_deform_args *a)
{
    bool fours;
    deform<T> f = prepare<T>(a, &fours);
    if (a->ws.data == NULL) {
        deform<T> sized = f;
        a->ws.bytes = lay_out(&sized, NULL);
        return 0;
    }
    (void)lay_out(&f, a->ws.data);
    int64_t pairs = f.N * f.S * f.M, words = f.N * f.M * f.keys;
    if (a->dvalue != NULL && pairs > 0) {
        UDA_CUDA_LAUNCH(clear_words, uda_blocks(words + 1, THREADS), THREADS, 0, stream, f.cursor, words + 1);
        dim3 some = uda_blocks(uda_least(pairs * f.d, MAX_BLOCKS * THREADS), THREADS);
        UDA_CUDA_LAUNCH(find_largest<T>, some, THREADS, 0, stream, f.top, f.dy, pairs * f.d);
        UDA_CUDA_LAUNCH(count_samples<T>, uda_blocks(pairs * f.samples, THREADS), THREADS, 0, stream, f);
        UDA_CUDA_LAUNCH(scan_cells, uda_blocks(f.N * f.M, 1), THREADS, 0, stream, f.cursor, f.keys);
    }
    size_t shared;
    dim3 blocks = pair_blocks(&f, &shared, sizeof(sample) + sizeof(slopes));
    dim3 tokens = uda_blocks(a->dvalue != NULL ? pairs : 0, WARPS);
    if (fours) {
        UDA_CUDA_LAUNCH((slopes_of_samples<T, 4>), blocks, f.warps * UDA_WARP, shared, stream, f);
        UDA_CUDA_LAUNCH((gather_values<T, 4>), tokens, THREADS, 0, stream, f);
    } else {
        UDA_CUDA_LAUNCH((slopes_of_samples<T, 1>), blocks, f.warps * UDA_WARP, shared, stream, f);
        UDA_CUDA_LAUNCH((gather_values<T, 1>), tokens, THREADS, 0, stream, f);
    }
    return uda_cuda_launched();
}

int uda_cuda_deform_bwd(struct uda_stream *stream, struct uda_deform_args *a)
{
    return a->type == UDA_BF16 ? sample_backward<uda_bf16>(stream, a) : sample_backward<float>(stream, a);
}
