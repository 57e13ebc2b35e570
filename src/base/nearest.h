/*
 * "Did you mean": the known word that a misspelt one is nearest to.
 *
 *     const char *near = uda_nearest("optimzer", keys, count);      // "optimizer"
 */
#ifndef UDA_BASE_NEAREST_H
#define UDA_BASE_NEAREST_H

#include "src/base/compiler.h"

/*
 * The candidate with the least edit distance (insert, delete, change, swap of neighbours; the first
 * of equals), or NULL if none is nearer than a third of the word
 * (rounded) plus one. Borrowed from candidate.
 */
const char *uda_nearest(const char *word, const char *const *candidate, int64_t count);

#endif
