#include "tests/cuda/cases.h"

/* size: rows, count, skip, 1 + live rows (0: all). The same bytes, also where nothing is drawn. Counters of
 * any value: an index may wrap round. */
static void uniform(struct trial *t, const int64_t *s)
{
    struct uda_uniform_args a = {.rows = s[0], .count = s[1], .skip = s[2],
                                 .key = {0x89abcdefu, 0x7654321fu}};
    const int64_t live = s[3] - 1;
    a.live = s[3] > 0 ? trial_data(t, &live, sizeof live) : NULL;
    a.counter = (uint32_t *)trial_integers(t, 4 * a.rows, INT32_MIN / 2, INT32_MAX / 2);
    a.y = trial_output(t, a.rows * a.count, false, 0.0);
    TRIAL_RUN(t, uniform, &a);
}

static const struct trial_case rows[] = {
    {"uniform", uniform, {0, 8}, .empty = true},
    {"uniform", uniform, {3, 0}, .empty = true},
    {"uniform", uniform, {1, 1}},
    {"uniform", uniform, {2, 3, 2}},            /* parts of two blocks */
    {"uniform", uniform, {3, 101}},
    {"uniform", uniform, {3, 100, 7}},
    {"uniform", uniform, {5, 100, 8}},          /* four at a time */
    {"uniform", uniform, {2, 40000, 75264}},    /* several tasks and blocks */
    {"uniform", uniform, {2, 40000, 75264}, .unaligned = true},
    {"uniform", uniform, {2, 33001, 75265}},
    {"uniform", uniform, {5, 100, 8, 4}},       /* three of five rows */
    {"uniform", uniform, {5, 100, 7, 4}},
    {"uniform", uniform, {3, 2000, 0, 1}},      /* none */
    {"uniform", uniform, {3, 10, 0, 9}},        /* more than there are */
};

const struct trial_cases cuda_random_cases = {rows, UDA_LEN(rows)};
