#include "src/cmd/inspect.h"

#include "io/safetensors.h"
#include "src/base/log.h"
#include "src/base/str.h"
#include "src/cmd/cmd.h"
#include "src/cmd/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_TEXT_BYTES 60

const char *uda_inspect_clean(struct uda_arena *arena, const char *text)
{
    char *copy = uda_arena_strdup(arena, text);
    for (unsigned char *c = (unsigned char *)copy; c != NULL && *c != '\0'; c++) {
        if (*c < 32 || *c == 127) {
            *c = '?';
        }
    }
    return copy == NULL ? "?" : copy;
}

static const char *extents(struct uda_arena *arena, int ndim, const int64_t *dims)
{
    struct uda_str s;
    uda_str_init(&s, arena);
    for (int i = 0; i < ndim; i++) {
        uda_str_add(&s, "%s%" PRId64, i == 0 ? " [" : ",", dims[i]);
    }
    uda_str_add(&s, ndim > 0 ? "]" : "");
    return s.text;
}

const char *uda_inspect_kind(struct uda_arena *arena, const struct uda_store_info *info)
{
    const char *shape = extents(arena, info->ndim, info->dims);
    const char *name = uda_store_type_name(info->type);
    const char *text = info->type == UDA_STORE_TEXT
                           ? uda_arena_printf(arena, "%s(%zu)%s", name, info->item_bytes, shape)
                           : uda_arena_printf(arena, "%s%s", name, shape);
    return text == NULL ? "?" : text;
}

const char *uda_inspect_value(struct uda_arena *arena, const struct uda_store_attr *attr)
{
    const char *text = NULL;
    if (attr->type == UDA_STORE_I64) {
        text = uda_arena_printf(arena, "%" PRId64, attr->i64);
    } else if (attr->type == UDA_STORE_F64) {
        text = uda_arena_printf(arena, "%.17g", attr->f64);
    } else {
        text = uda_arena_printf(arena, "\"%s\"", uda_inspect_clean(arena, attr->text));
    }
    return text == NULL ? "?" : text;
}

bool uda_inspect_ignored(const char *path)
{
    static const char group[] = "provenance";
    return strncmp(path, group, sizeof group - 1) == 0 &&
           (path[sizeof group - 1] == '\0' || path[sizeof group - 1] == '/');
}

static int print_attrs(const struct uda_store *store, struct uda_arena *arena, struct uda_err *err)
{
    struct uda_store_attr *attrs = NULL;
    int64_t count = 0;
    UDA_TRY(uda_store_list_attrs(&attrs, &count, store, arena, err));
    for (int64_t i = 0; i < count; i++) {
        (void)printf("%s@%s = %s\n", uda_inspect_clean(arena, attrs[i].path),
                     uda_inspect_clean(arena, attrs[i].name), uda_inspect_value(arena, &attrs[i]));
    }
    return 0;
}

static int print_dataset(const struct uda_store *store, const char *name, int width,
                         struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_store_info info;
    void *data = NULL;
    char hex[UDA_DIGEST_TEXT_BYTES];
    UDA_TRY(uda_store_info(&info, store, name, err));
    int rc = uda_store_load(&data, NULL, store, name, info.type, &arena, err);
    if (rc == 0) {
        uda_digest_text(hex, uda_digest_of(data, (size_t)info.count * info.item_bytes));
        (void)printf("%-*s  %-24s %s", width, uda_inspect_clean(&arena, name),
                     uda_inspect_kind(&arena, &info), hex);
        if (info.type == UDA_STORE_TEXT && info.count == 1 && info.item_bytes <= SHOWN_TEXT_BYTES) {
            const char *text =
                uda_arena_printf(&arena, "%.*s", (int)info.item_bytes, (const char *)data);
            (void)printf("  \"%s\"", text == NULL ? "?" : uda_inspect_clean(&arena, text));
        }
        (void)printf("\n");
    }
    uda_arena_finish(&arena);
    return rc;
}

static int list_store(const struct uda_store *store, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_digest content;
    char whole_hex[UDA_DIGEST_TEXT_BYTES], content_hex[UDA_DIGEST_TEXT_BYTES];
    char **names = NULL;
    int64_t count = 0;
    size_t width = 8;
    int rc = uda_store_content_digest(&content, store, err);
    if (rc == 0) {
        rc = uda_store_list(&names, &count, store, "", &arena, err);
    }
    if (rc == 0) {
        uda_digest_text(whole_hex, uda_store_digest(store));
        uda_digest_text(content_hex, content);
        (void)printf("%s: %" PRId64 " datasets, %" PRId64 " bytes\ndigest  %s\ncontent %s (without "
                     "provenance)\n",
                     uda_inspect_clean(&arena, uda_store_path(store)), count,
                     uda_store_bytes(store), whole_hex, content_hex);
        rc = print_attrs(store, &arena, err);
    }
    for (int64_t i = 0; i < count && rc == 0; i++) {
        width = strlen(names[i]) > width && strlen(names[i]) < 80 ? strlen(names[i]) : width;
    }
    for (int64_t i = 0; i < count && rc == 0; i++) {
        rc = print_dataset(store, names[i], (int)width, err);
    }
    uda_arena_finish(&arena);
    return rc;
}

static int print_entry(const struct uda_safetensors *file, const struct uda_safetensors_entry *e,
                       struct uda_err *err)
{
    struct uda_arena arena = {0};
    char hex[UDA_DIGEST_TEXT_BYTES];
    void *data = uda_alloc((size_t)e->bytes);
    int rc = data != NULL ? uda_safetensors_get_bytes(data, file, e, 0, e->bytes, err)
                          : uda_fail(err, UDA_NOMEM, "no memory for tensor '%.200s'", e->name);
    if (rc == 0) {
        uda_digest_text(hex, uda_digest_of(data, (size_t)e->bytes));
        (void)printf("%-60s  %s%-20s %s\n", uda_inspect_clean(&arena, e->name), e->dtype,
                     extents(&arena, e->ndim, e->dims), hex);
    }
    uda_free(data);
    uda_arena_finish(&arena);
    return rc;
}

static int list_safetensors(const char *path, struct uda_err *err)
{
    struct uda_safetensors *file = NULL;
    UDA_TRY(uda_safetensors_open(&file, path, err));
    (void)printf("%s: %" PRId64 " tensors\n", path, uda_safetensors_count(file));
    int rc = 0;
    for (int64_t i = 0; i < uda_safetensors_count(file) && rc == 0; i++) {
        rc = print_entry(file, uda_safetensors_at(file, i), err);
    }
    uda_safetensors_close(&file);
    return rc;
}

static int verify(const char *path, struct uda_err *err)
{
    UDA_TRY(uda_store_verify(path, err));
    struct uda_store *store = NULL;
    UDA_TRY(uda_store_open(&store, path, err));
    char hex[UDA_DIGEST_TEXT_BYTES];
    uda_digest_text(hex, uda_store_digest(store));
    (void)printf("%s: whole, %" PRId64 " bytes, digest %s\n", path, uda_store_bytes(store), hex);
    uda_store_close(&store);
    return 0;
}

static int diff(const char *a, const char *b, struct uda_err *err)
{
    int64_t differences = 0;
    UDA_TRY(uda_inspect_diff(&differences, a, b, err));
    uda_log(UDA_LOG_INFO, "the group 'provenance' was ignored");
    if (differences > 0) {
        return uda_fail(err, UDA_FORMAT, "'%s' and '%s' differ in %" PRId64 " places", a, b,
                        differences);
    }
    return 0;
}

static bool ends_in(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

int uda_cmd_inspect(int argc, char **argv, struct uda_err *err)
{
    struct uda_option_list rest;
    bool help = false, verify_only = false;
    const char *other = NULL;
    const struct uda_option table[] = {
        {"--verify", UDA_OPTION_FLAG, &verify_only, NULL,
         "re-read every byte and every value; print one line"},
        {"--diff", UDA_OPTION_TEXT, &other, "OTHER.h5",
         "print what differs, exit code 1 if anything does; ignores 'provenance'"}};
    const struct uda_usage usage = {
        .verb = "inspect",
        .arguments = "FILE.h5|FILE.safetensors [--verify] [--diff OTHER.h5]",
        .summary = "Prints what is in a file: attributes, datasets with type, extents and the XXH3 "
                   "digest of the values.",
        .option = table,
        .options = UDA_LEN(table),
        .least = 1,
        .most = 1};
    UDA_TRY(uda_options_parse(&rest, &help, &usage, argc, argv, err));
    if (help) {
        return 0;
    }
    const char *path = rest.item[0];
    if (ends_in(path, ".safetensors")) {
        if (verify_only || other != NULL) {
            return uda_fail(err, UDA_MANIFEST,
                            "inspect: '%s' can only be listed: --verify and "
                            "--diff are for .h5 files",
                            path);
        }
        return list_safetensors(path, err);
    }
    if (verify_only) {
        UDA_TRY(verify(path, err));
    }
    if (other != NULL) {
        return diff(path, other, err);
    }
    if (verify_only) {
        return 0;
    }
    struct uda_store *store = NULL;
    UDA_TRY(uda_store_open(&store, path, err));
    int rc = list_store(store, err);
    uda_store_close(&store);
    return rc;
}
