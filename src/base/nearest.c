#include "src/base/nearest.h"

#include <string.h>

#define NAME_ROOM 64

static int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }

/* Optimal string alignment distance; words beyond NAME_ROOM letters count as far away. */
static int64_t edit_distance(const char *a, const char *b)
{
    int64_t row[3][NAME_ROOM + 1];
    int64_t n = (int64_t)strlen(a), m = (int64_t)strlen(b);
    if (n > NAME_ROOM || m > NAME_ROOM) {
        return n + m;
    }
    for (int64_t j = 0; j <= m; j++) {
        row[0][j] = j;
    }
    for (int64_t i = 1; i <= n; i++) {
        int64_t *now = row[i % 3];
        const int64_t *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int64_t j = 1; j <= m; j++) {
            now[j] = least_of(last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1),
                              least_of(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = least_of(now[j], before[j - 2] + 1);
            }
        }
    }
    return row[n % 3][m];
}

const char *uda_nearest(const char *word, const char *const *candidate, int64_t count)
{
    const char *best = NULL;
    int64_t least = ((int64_t)strlen(word) + 1) / 3 + 1;
    for (int64_t i = 0; i < count; i++) {
        int64_t distance = edit_distance(word, candidate[i]);
        if (distance < least) {
            least = distance;
            best = candidate[i];
        }
    }
    return best;
}
