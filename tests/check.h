/*
 * The test harness: a failed check prints where and what and counts; the exit status is the
 * verdict.
 *
 *     int main(void) { CHECK(2 + 2 == 4); CHECK_CLOSE(x, 0.5, 1e-9); return check_result(); }
 */
#ifndef UDA_TESTS_CHECK_H
#define UDA_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHECK_SKIP 77

static int check_failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);    \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

/* The call must succeed; its err is printed if it does not. */
#define CHECK_OK(call, err)                                                                        \
    do {                                                                                           \
        if ((call) != 0) {                                                                         \
            (void)fprintf(stderr, "%s:%d: %s failed: %s\n", __FILE__, __LINE__, #call,             \
                          (err)->text);                                                            \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

/* |a - b| <= tolerance; NaN fails. */
#define CHECK_CLOSE(a, b, tolerance)                                                               \
    do {                                                                                           \
        double check_a = (double)(a), check_b = (double)(b);                                       \
        if (!(fabs(check_a - check_b) <= (tolerance))) {                                           \
            (void)fprintf(stderr, "%s:%d: %s = %.17g, expected %.17g within %g\n", __FILE__,       \
                          __LINE__, #a, check_a, check_b, (double)(tolerance));                    \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

#define CHECK_STR(a, b)                                                                            \
    do {                                                                                           \
        const char *check_a = (a), *check_b = (b);                                                 \
        if (strcmp(check_a, check_b) != 0) {                                                       \
            (void)fprintf(stderr, "%s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__,    \
                          #a, check_a, check_b);                                                   \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

static inline int check_result(void)
{
    if (check_failures > 0) {
        (void)fprintf(stderr, "%d checks failed\n", check_failures);
    }
    return check_failures > 0 ? 1 : 0;
}

#endif
