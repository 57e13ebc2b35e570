#include "src/cmd/inspect.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct pair {
    const struct uda_store *a, *b;
    int64_t differences;
};

/* Value i of a numeric array. */
static double value_at(const void *data, enum uda_store_type type, int64_t i)
{
    switch (type) {
    case UDA_STORE_F32: return (double)((const float *)data)[i];
    case UDA_STORE_F64: return ((const double *)data)[i];
    case UDA_STORE_I32: return (double)((const int32_t *)data)[i];
    case UDA_STORE_I64: return (double)((const int64_t *)data)[i];
    case UDA_STORE_U8: return (double)((const uint8_t *)data)[i];
    case UDA_STORE_U16: return (double)((const uint16_t *)data)[i];
    case UDA_STORE_U32: return (double)((const uint32_t *)data)[i];
    case UDA_STORE_TEXT:
    case UDA_STORE_TYPES: break;
    }
    return 0;
}

static void print_difference(const char *name, const struct uda_store_info *info, const void *a,
                             const void *b)
{
    size_t size = info->item_bytes;
    int64_t differing = 0, first = -1, worst = -1;
    double most = -1;
    for (int64_t i = 0; i < info->count; i++) {
        size_t at = (size_t)i * size;
        if (memcmp((const char *)a + at, (const char *)b + at, size) == 0) {
            continue;
        }
        double d = fabs(value_at(a, info->type, i) - value_at(b, info->type, i));
        if (worst < 0 || d > most || (isnan(d) && !isnan(most))) {
            most = d;
            worst = i;
        }
        first = first < 0 ? i : first;
        differing++;
    }
    if (info->type == UDA_STORE_TEXT) {
        const char *x = (const char *)a + (size_t)first * size;
        const char *y = (const char *)b + (size_t)first * size;
        int shown = size < 60 ? (int)size : 60;
        (void)printf("%s: %" PRId64 " of %" PRId64 " texts differ, first [%" PRId64
                     "]: \"%.*s\" against \"%.*s\"\n",
                     name, differing, info->count, first, shown, x, shown, y);
        return;
    }
    (void)printf("%s: %" PRId64 " of %" PRId64 " values differ, most by %.9g at [%" PRId64
                 "]: %.9g against %.9g\n",
                 name, differing, info->count, most, worst, value_at(a, info->type, worst),
                 value_at(b, info->type, worst));
}

static bool same_kind(const struct uda_store_info *a, const struct uda_store_info *b)
{
    bool same = a->type == b->type && a->ndim == b->ndim && a->item_bytes == b->item_bytes;
    for (int i = 0; same && i < a->ndim; i++) {
        same = a->dims[i] == b->dims[i];
    }
    return same;
}

static int compare_values(struct pair *p, const char *name, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_store_info info_a, info_b;
    void *a = NULL, *b = NULL;
    UDA_TRY(uda_store_info(&info_a, p->a, name, err));
    UDA_TRY(uda_store_info(&info_b, p->b, name, err));
    int rc = 0;
    if (!same_kind(&info_a, &info_b)) {
        p->differences++;
        (void)printf("%s: %s against %s\n", uda_inspect_clean(&arena, name),
                     uda_inspect_kind(&arena, &info_a), uda_inspect_kind(&arena, &info_b));
    } else {
        rc = uda_store_load(&a, NULL, p->a, name, info_a.type, &arena, err);
        if (rc == 0) {
            rc = uda_store_load(&b, NULL, p->b, name, info_a.type, &arena, err);
        }
        if (rc == 0 && memcmp(a, b, (size_t)info_a.count * info_a.item_bytes) != 0) {
            p->differences++;
            print_difference(uda_inspect_clean(&arena, name), &info_a, a, b);
        }
    }
    uda_arena_finish(&arena);
    return rc;
}

static void print_missing(struct pair *p, struct uda_arena *arena, const char *name,
                          const struct uda_store *owner)
{
    p->differences++;
    (void)printf("%s: only in '%s'\n", uda_inspect_clean(arena, name), uda_store_path(owner));
}

static int compare_datasets(struct pair *p, struct uda_arena *arena, struct uda_err *err)
{
    char **a = NULL, **b = NULL;
    int64_t count_a = 0, count_b = 0;
    UDA_TRY(uda_store_list(&a, &count_a, p->a, "", arena, err));
    UDA_TRY(uda_store_list(&b, &count_b, p->b, "", arena, err));
    for (int64_t i = 0, j = 0; i < count_a || j < count_b;) {
        int order = i == count_a ? 1 : j == count_b ? -1 : strcmp(a[i], b[j]);
        const char *name = order <= 0 ? a[i] : b[j];
        if (!uda_inspect_ignored(name)) {
            if (order == 0) {
                UDA_TRY(compare_values(p, name, err));
            } else {
                print_missing(p, arena, name, order < 0 ? p->a : p->b);
            }
        }
        i += order <= 0;
        j += order >= 0;
    }
    return 0;
}

static bool same_value(const struct uda_store_attr *a, const struct uda_store_attr *b)
{
    if (a->type != b->type) {
        return false;
    }
    return a->type == UDA_STORE_TEXT ? strcmp(a->text, b->text) == 0
                                     : a->i64 == b->i64 && memcmp(&a->f64, &b->f64, 8) == 0;
}

static int compare_attrs(struct pair *p, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_store_attr *a = NULL, *b = NULL;
    int64_t count_a = 0, count_b = 0;
    UDA_TRY(uda_store_list_attrs(&a, &count_a, p->a, arena, err));
    UDA_TRY(uda_store_list_attrs(&b, &count_b, p->b, arena, err));
    for (int64_t i = 0, j = 0; i < count_a || j < count_b;) {
        int order = i == count_a ? 1 : j == count_b ? -1 : strcmp(a[i].path, b[j].path);
        if (order == 0) {
            order = strcmp(a[i].name, b[j].name);
        }
        const struct uda_store_attr *attr = order <= 0 ? &a[i] : &b[j];
        const char *name = uda_arena_printf(arena, "%s@%s", attr->path, attr->name);
        if (name == NULL) {
            return uda_fail(err, UDA_NOMEM, "inspect: out of memory");
        }
        bool counts = !uda_inspect_ignored(attr->path);
        if (counts && order != 0) {
            print_missing(p, arena, name, order < 0 ? p->a : p->b);
        } else if (counts && !same_value(&a[i], &b[j])) {
            p->differences++;
            (void)printf("%s: %s against %s\n", uda_inspect_clean(arena, name),
                         uda_inspect_value(arena, &a[i]), uda_inspect_value(arena, &b[j]));
        }
        i += order <= 0;
        j += order >= 0;
    }
    return 0;
}

int uda_inspect_diff(int64_t *differences, const char *path_a, const char *path_b,
                     struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_store *a = NULL, *b = NULL;
    int rc = uda_store_open(&a, path_a, err);
    if (rc == 0) {
        rc = uda_store_open(&b, path_b, err);
    }
    struct pair p = {.a = a, .b = b};
    if (rc == 0) {
        rc = compare_datasets(&p, &arena, err);
    }
    if (rc == 0) {
        rc = compare_attrs(&p, &arena, err);
    }
    if (rc == 0) {
        *differences = p.differences;
    }
    uda_store_close(&a);
    uda_store_close(&b);
    uda_arena_finish(&arena);
    return rc;
}
