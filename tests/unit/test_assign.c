#include "kernels/kernels.h"
#include "src/base/arena.h"
#include "src/base/rng.h"
#include "tests/check.h"

#define SIDE 8

/* One problem by the kernel: its pairs, and the first cost that is not finite or -1. */
static int64_t assign(int32_t *query, int32_t *target, const float *cost, int64_t Q, int64_t M)
{
    enum { MOST = 256 };
    const int64_t first[2] = {0, M};
    int32_t cls[MOST], label[MOST];
    int64_t wrong = -1;
    struct uda_stream stream = {0};
    struct uda_err err = {0};
    struct uda_assign_args a = {.P = 1, .N = 1, .Q = Q, .K = M, .T = M, .most = M, .first = first, .cls = cls,
                                .cost = cost, .query = query, .target = target, .label = label,
                                .wrong = &wrong};
    for (int64_t m = 0; m < M; m++) {
        cls[m] = (int32_t)m;
    }
    CHECK(Q <= MOST && M <= MOST);
    CHECK_OK(uda_team_create(&stream.team, 1, &err), &err);
    CHECK(uda_kernels_cpu()->assign(&stream, &a) == 0);
    a.ws.data = uda_alloc(a.ws.bytes);
    CHECK(a.ws.data != NULL && uda_kernels_cpu()->assign(&stream, &a) == 0);
    int64_t pair = 0;
    for (int64_t q = 0; q < Q; q++) {
        bool matched = pair < (Q < M ? Q : M) && query[pair] == q;
        CHECK(label[q] == (matched ? target[pair] : (int32_t)M));
        pair += matched;
    }
    uda_free(a.ws.data);
    uda_team_destroy(&stream.team);
    return wrong - 1;
}

static double pair_cost(const float *cost, int64_t M, const int32_t *query, const int32_t *target,
                        int64_t pairs)
{
    double sum = 0.0;
    for (int64_t i = 0; i < pairs; i++) {
        sum += (double)cost[query[i] * M + target[i]];
    }
    return sum;
}

/* Cheapest way to give `left` more of the shorter side a partner, by trying all. */
static double brute(const float *cost, int64_t rows, int64_t columns, int64_t row_stride,
                    int64_t column_stride, int64_t row, unsigned taken)
{
    if (row == rows) {
        return 0.0;
    }
    double best = INFINITY;
    for (int64_t j = 0; j < columns; j++) {
        if ((taken & (1u << j)) == 0) {
            double rest = brute(cost, rows, columns, row_stride, column_stride, row + 1,
                                taken | (1u << j));
            best = fmin(best, rest + (double)cost[row * row_stride + j * column_stride]);
        }
    }
    return best;
}

static void check_valid(const int32_t *query, const int32_t *target, int64_t pairs, int64_t Q,
                        int64_t M)
{
    unsigned used = 0;
    for (int64_t i = 0; i < pairs; i++) {
        CHECK(query[i] >= 0 && query[i] < Q && target[i] >= 0 && target[i] < M);
        CHECK(i == 0 || query[i] > query[i - 1]);
        CHECK((used & (1u << target[i])) == 0);
        used |= 1u << target[i];
    }
}

/* Every shape up to 6 x 6; real costs, and few distinct ones for ties. */
static void check_brute(void)
{
    float cost[SIDE * SIDE];
    int32_t query[SIDE], target[SIDE];
    for (int64_t round = 0; round < 400; round++) {
        struct uda_rng rng;
        uda_rng_init(&rng, 7, UDA_RNG_TEST, 0, 0, (uint32_t)round);
        int64_t Q = uda_rng_below(&rng, 7), M = uda_rng_below(&rng, 7);
        for (int64_t i = 0; i < Q * M; i++) {
            cost[i] = round % 2 == 0 ? uda_rng_range(&rng, -3.0f, 5.0f)
                                     : (float)uda_rng_below(&rng, 3);
        }
        CHECK(assign(query, target, cost, Q, M) == -1);
        int64_t pairs = Q < M ? Q : M;
        check_valid(query, target, pairs, Q, M);
        double best = Q <= M ? brute(cost, Q, M, M, 1, 0, 0) : brute(cost, M, Q, 1, M, 0, 0);
        /* sums of at most 6 terms below 8 in double: 6 * 8 * 2^-52 */
        CHECK_CLOSE(pair_cost(cost, M, query, target, pairs), best, 1e-14);
    }
}

/*
 * What scipy.optimize.linear_sum_assignment 1.17.1 answers for cost[q][m] =
 * ((q * q * 37 + m * m * 101 + q * m * 13) % 997) / 8; the optimum is unique.
 */
static void check_scipy(void)
{
    static const int32_t wide_query[] = {0, 1, 2, 3, 4}, wide_target[] = {0, 7, 3, 11, 2};
    static const int32_t tall_query[] = {0, 4, 7, 9, 10}, tall_target[] = {0, 2, 1, 4, 3};
    float cost[12 * 12];
    int32_t query[12], target[12];
    for (int64_t q = 0; q < 12; q++) {
        for (int64_t m = 0; m < 12; m++) {
            cost[q * 12 + m] = (float)((q * q * 37 + m * m * 101 + q * m * 13) % 997) / 8.0f;
        }
    }
    CHECK(assign(query, target, cost, 5, 12) == -1);
    CHECK(memcmp(query, wide_query, sizeof wide_query) == 0);
    CHECK(memcmp(target, wide_target, sizeof wide_target) == 0);
    for (int64_t q = 0; q < 12; q++) {
        for (int64_t m = 0; m < 5; m++) {
            cost[q * 5 + m] = (float)((q * q * 37 + m * m * 101 + q * m * 13) % 997) / 8.0f;
        }
    }
    CHECK(assign(query, target, cost, 12, 5) == -1);
    CHECK(memcmp(query, tall_query, sizeof tall_query) == 0);
    CHECK(memcmp(target, tall_target, sizeof tall_target) == 0);
}

static void check_broken(void)
{
    float cost[6] = {1, 2, NAN, 4, 5, -INFINITY};
    int32_t query[3], target[3];
    CHECK(assign(query, target, cost, 2, 3) == 2);
    CHECK(query[0] == 0 && target[0] == 0 && query[1] == 1 && target[1] == 1);
    cost[2] = 3;
    CHECK(assign(query, target, cost, 3, 2) == 5);
    CHECK(assign(query, target, cost, 0, 3) == -1);
    CHECK(assign(query, target, cost, 3, 0) == -1);
}

/* 200 queries, 60 targets: optimal by duality, checked as 'no pair of partners gains by
 * swapping'. */
static void check_large(void)
{
    enum { Q = 200, M = 60 };
    static float cost[Q * M];
    int32_t query[M], target[M];
    struct uda_rng rng;
    uda_rng_init(&rng, 9, UDA_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < Q * M; i++) {
        cost[i] = uda_rng_normal(&rng);
    }
    CHECK(assign(query, target, cost, Q, M) == -1);
    for (int i = 0; i < M; i++) {
        for (int j = 0; j < i; j++) {
            double now = (double)cost[query[i] * M + target[i]] +
                         (double)cost[query[j] * M + target[j]];
            double swapped = (double)cost[query[i] * M + target[j]] +
                             (double)cost[query[j] * M + target[i]];
            CHECK(now <= swapped + 1e-12);
        }
    }
}

int main(void)
{
    check_brute();
    check_scipy();
    check_broken();
    check_large();
    return check_result();
}
