#include "kernels/window_geometry.h"
#include "tests/check.h"

/* Sum of the index of all pairs of tokens, and single entries, as the original model builds
 * them. */
static void test_index(void)
{
    const struct {
        int64_t window, sum, entry[6][3]; /* i, j, index */
    } golden[] = {
        {7, 201684, {{0, 0, 84}, {0, 1, 83}, {0, 7, 71}, {1, 0, 85}, {0, 48, 0}, {48, 0, 168}}},
        {12, 5474304,
         {{0, 0, 264}, {0, 1, 263}, {0, 12, 241}, {1, 0, 265}, {0, 143, 0}, {143, 0, 528}}},
    };
    for (int g = 0; g < 2; g++) {
        int64_t window = golden[g].window, n = window * window, sum = 0;
        for (int64_t i = 0; i < n * n; i++) {
            sum += uda_window_index(window, i / n, i % n);
        }
        CHECK(sum == golden[g].sum);
        for (int e = 0; e < 6; e++) {
            const int64_t *entry = golden[g].entry[e];
            CHECK(uda_window_index(window, entry[0], entry[1]) == entry[2]);
        }
    }
}

static int64_t region(int64_t Hp, int64_t Wp, int64_t window, int64_t y, int64_t x)
{
    int64_t shift = window / 2;
    return 3 * uda_window_label(Hp, window, shift, y) + uda_window_label(Wp, window, shift, x);
}

/* Pairs of tokens of one window that lie in different regions. */
static int64_t masked_pairs(int64_t Hp, int64_t Wp, int64_t window, int64_t wy, int64_t wx)
{
    int64_t n = window * window, pairs = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t own = region(Hp, Wp, window, wy * window + i / window, wx * window + i % window);
        for (int64_t j = 0; j < n; j++) {
            pairs += region(Hp, Wp, window, wy * window + j / window, wx * window + j % window) != own;
        }
    }
    return pairs;
}

static int64_t all_masked_pairs(int64_t side, int64_t window)
{
    int64_t pairs = 0;
    for (int64_t w = 0; w < side / window * (side / window); w++) {
        pairs += masked_pairs(side, side, window, w / (side / window), w % (side / window));
    }
    return pairs;
}

static void test_regions(void)
{
    const int64_t seven[] = {0, 1176, 1176, 1776}, twelve[] = {0, 10368, 10368, 15552};
    for (int64_t w = 0; w < 4; w++) {
        CHECK(masked_pairs(14, 14, 7, w / 2, w % 2) == seven[w]);
        CHECK(masked_pairs(24, 24, 12, w / 2, w % 2) == twelve[w]);
    }
    CHECK(all_masked_pairs(36, 12) == 57024);
    CHECK(all_masked_pairs(7, 7) == 1776);
    CHECK(all_masked_pairs(12, 12) == 15552);
    CHECK(all_masked_pairs(264, 12) == 451008);
}

static void test_source(void)
{
    CHECK(uda_window_padded(128, 7) == 133);
    CHECK(uda_window_padded(14, 7) == 14);
    CHECK(uda_window_source(14, 3, 0) == 3);
    CHECK(uda_window_source(14, 3, 11) == 0);
    CHECK(uda_window_source(14, 0, 13) == 13);
}

int main(void)
{
    test_index();
    test_regions();
    test_source();
    return check_result();
}
