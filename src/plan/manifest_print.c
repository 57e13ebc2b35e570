/* A manifest written back, and the difference of two. */
#include "src/plan/manifest.h"
#include "src/plan/schema.h"

#include <string.h>

/* How many bytes of whole segments, dots included, two paths begin with alike. */
static size_t common(const char *a, const char *b)
{
    size_t length = 0;
    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++) {
        if (a[i] == '.') {
            length = i + 1;
        }
    }
    return length;
}

static int dots(const char *text, size_t bytes)
{
    int count = 0;
    for (size_t i = 0; i < bytes; i++) {
        count += text[i] == '.' ? 1 : 0;
    }
    return count;
}

/* Opens the mappings of a path that the last path was not in, then writes the key. */
static void put_path(struct uda_str *out, const char *path, const char *last)
{
    size_t at = common(path, last);
    for (const char *dot; (dot = strchr(path + at, '.')) != NULL;) {
        size_t length = (size_t)(dot - path) - at;
        uda_str_add(out, "%*s%.*s:\n", 2 * dots(path, at), "", (int)length, path + at);
        at += length + 1;
    }
    uda_str_add(out, "%*s%s", 2 * dots(path, at), "", path + at);
}

void uda_manifest_resolved(struct uda_str *out, const struct uda_manifest *manifest)
{
    uda_str_add(out, "# Every key of '%s' with its value and where it came from.\n", manifest->path);
    const char *last = "";
    for (int64_t i = 0; i < manifest->value_count; i++) {
        const struct uda_manifest_value *v = &manifest->value[i];
        put_path(out, v->path, last);
        uda_str_add(out, ": %s  # %s\n", v->text, v->origin);
        last = v->path;
    }
}

static const struct uda_manifest_value *find(const struct uda_manifest *m, const char *path)
{
    for (int64_t i = 0; i < m->value_count; i++) {
        if (strcmp(m->value[i].path, path) == 0) {
            return &m->value[i];
        }
    }
    return NULL;
}

int64_t uda_manifest_diff(struct uda_str *out, const struct uda_manifest *old_manifest,
                          const struct uda_manifest *new_manifest, bool results_only)
{
    int64_t count = 0;
    for (int64_t i = 0; i < old_manifest->value_count; i++) {
        const struct uda_manifest_value *a = &old_manifest->value[i];
        const struct uda_manifest_value *b = find(new_manifest, a->path);
        if ((results_only && a->key->runtime) || (b != NULL && strcmp(a->text, b->text) == 0)) {
            continue;
        }
        uda_str_add(out, "%s: %s -> %s\n", a->path, a->text, b == NULL ? "(absent)" : b->text);
        count++;
    }
    for (int64_t i = 0; i < new_manifest->value_count; i++) {
        const struct uda_manifest_value *b = &new_manifest->value[i];
        if (!(results_only && b->key->runtime) && find(old_manifest, b->path) == NULL) {
            uda_str_add(out, "%s: (absent) -> %s\n", b->path, b->text);
            count++;
        }
    }
    return count;
}
