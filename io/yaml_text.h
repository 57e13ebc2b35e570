/*
 * What a text must be before libyaml sees it: UTF-8, printable, line ends that everybody counts
 * alike. Private to io/yaml.c.
 */
#ifndef UDA_IO_YAML_TEXT_H
#define UDA_IO_YAML_TEXT_H

#include "io/yaml.h"

/*
 * A copy of the source without byte order mark, in which the characters { } [ ] , inside ${...} are
 * replaced by private code points, one for one, so that columns stay. Errors: UDA_FORMAT with the
 * reason in diag; UDA_NOMEM.
 */
int uda_yaml_prepare(char **text, size_t *bytes, struct uda_arena *arena,
                     const struct uda_source *source, struct uda_diag *diag,
                     struct uda_err *err) UDA_MUST_USE;

/* Are all code points of a scalar allowed in a text? Escapes in quotes can say any. */
bool uda_yaml_clean(const char *text);

/* A scalar with the private code points turned back; NULL when out of memory. */
char *uda_yaml_restore(struct uda_arena *arena, const char *text, size_t bytes);

#endif
