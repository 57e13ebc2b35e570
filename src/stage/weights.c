#include "src/stage/weights.h"

#include "io/json.h"
#include "src/base/classes.h"
#include "src/base/log.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 512

static void name_in_group(char name[NAME_BYTES], const char *group, const struct uda_param *param)
{
    (void)snprintf(name, NAME_BYTES, "%s/%s", group, param->name);
}

int uda_weights_put(struct uda_store_writer *writer, const char *group,
                    const struct uda_params *params, const float *values, struct uda_err *err)
{
    for (int i = 0; i < params->count; i++) {
        const struct uda_param *p = &params->item[i];
        char name[NAME_BYTES];
        name_in_group(name, group, p);
        UDA_TRY(uda_store_put_f32(writer, name, values + p->offset, p->ndim, p->dim, err));
    }
    return 0;
}

int uda_weights_get(float *values, const struct uda_store *store, const char *group,
                    const struct uda_params *params, struct uda_err *err)
{
    for (int i = 0; i < params->count; i++) {
        const struct uda_param *p = &params->item[i];
        char name[NAME_BYTES];
        name_in_group(name, group, p);
        UDA_TRY(uda_store_get_f32(values + p->offset, store, name, p->count, err));
    }
    return 0;
}

/* The model's sizes as attributes of group "model": name and place in the struct. */
struct size_field {
    const char *name;
    size_t offset;
};

#define FIELD(member) {#member, offsetof(struct uda_model_config, member)}
static const struct size_field size_fields[] = {
    FIELD(embed_dim), FIELD(depths[0]), FIELD(depths[1]), FIELD(depths[2]), FIELD(depths[3]),
    FIELD(heads[0]), FIELD(heads[1]), FIELD(heads[2]), FIELD(heads[3]), FIELD(window),
    FIELD(hidden), FIELD(mask_dim), FIELD(encoder_layers), FIELD(encoder_ffn), FIELD(heads_n),
    FIELD(points), FIELD(groups), FIELD(decoder_layers), FIELD(decoder_ffn), FIELD(queries),
    FIELD(classes)};
#undef FIELD

/* "person,rider" */
static const char *class_list(char text[256], const struct uda_class_map *map)
{
    text[0] = '\0';
    for (int i = 0; i < map->count; i++) {
        size_t n = strlen(text);
        (void)snprintf(text + n, 256 - n, "%s%s", i == 0 ? "" : ",", uda_classes[map->cls[i]].name);
    }
    return text;
}

static int64_t size_of(const struct uda_model_config *model, int64_t i)
{
    int64_t value;
    memcpy(&value, (const char *)model + size_fields[i].offset, sizeof value);
    return value;
}

int uda_weights_put_about(struct uda_store_writer *writer, const struct uda_weights_about *about,
                          struct uda_err *err)
{
    char classes[256];
    UDA_TRY(uda_store_put_attr_text(writer, "", "format", "uda4inst weights 1", err));
    UDA_TRY(uda_store_put_attr_text(writer, "", "classes", class_list(classes, &about->map), err));
    UDA_TRY(uda_store_put_attr_text(writer, "", "fingerprint", about->fingerprint, err));
    for (int64_t i = 0; i < UDA_LEN(size_fields); i++) {
        UDA_TRY(uda_store_put_attr_i64(writer, "model", size_fields[i].name, size_of(&about->model, i),
                                       err));
    }
    if (about->model.resnet) { /* a Swin says nothing: files from before there were others do not either */
        UDA_TRY(uda_store_put_attr_i64(writer, "model", "resnet", 1, err));
    }
    return uda_store_put_attr_f64(writer, "model", "drop_path", (double)about->model.drop_path, err);
}

void uda_weights_about_json(struct uda_str *out, const struct uda_weights_about *about)
{
    char classes[256];
    uda_str_add(out, "{\"classes\": ");
    uda_str_json(out, class_list(classes, &about->map));
    uda_str_add(out, ", \"fingerprint\": ");
    uda_str_json(out, about->fingerprint);
    uda_str_add(out, ", \"model\": {");
    for (int64_t i = 0; i < UDA_LEN(size_fields); i++) {
        uda_str_add(out, "\"%s\": %lld, ", size_fields[i].name, (long long)size_of(&about->model, i));
    }
    uda_str_add(out, "%s\"drop_path\": %.17g}}", about->model.resnet ? "\"resnet\": 1, " : "",
                (double)about->model.drop_path);
}

int uda_weights_save(const char *path, const struct uda_params *params, const float *values,
                     const struct uda_weights_about *about, struct uda_err *err)
{
    struct uda_store_writer *writer = NULL;
    UDA_TRY(uda_store_begin(&writer, (size_t)params->total * sizeof *values + (1 << 20), err));
    int rc = uda_weights_put_about(writer, about, err);
    if (rc == 0) {
        rc = uda_weights_put(writer, "params", params, values, err);
    }
    if (rc == 0) {
        rc = uda_store_put_provenance(writer, about->version, about->argc, about->argv, err);
    }
    if (rc == 0) {
        rc = uda_store_commit(&writer, path, err);
    }
    uda_store_abort(&writer);
    return rc;
}

/* "person,rider" -> class map. */
static int parse_classes(struct uda_class_map *map, char *text, const char *path,
                         struct uda_err *err)
{
    enum uda_class cls[UDA_CLASSES];
    int64_t count = 0;
    char *rest = NULL;
    for (char *name = strtok_r(text, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        int found = uda_class_of_name(name);
        if (found < 0 || count == UDA_CLASSES) {
            return uda_fail(err, UDA_FORMAT, "'%s': '%s' is not a class of this program", path, name);
        }
        cls[count++] = (enum uda_class)found;
    }
    return uda_class_map_of(map, cls, count, err);
}

/* Do sizes and classes fit together? */
static int check_about(const struct uda_weights_about *about, const char *path, struct uda_err *err)
{
    UDA_TRY(uda_model_config_check(&about->model, err));
    if (about->model.classes != about->map.count) {
        return uda_fail(err, UDA_FORMAT, "'%s': a head of %lld classes and %d names", path,
                        (long long)about->model.classes, about->map.count);
    }
    return 0;
}

int uda_weights_get_about(struct uda_weights_about *about, const struct uda_store *store,
                          struct uda_arena *arena, struct uda_err *err)
{
    struct uda_weights_about read = {.fingerprint = ""};
    char *text = NULL;
    double drop_path = 0.0;
    UDA_TRY(uda_store_get_attr_text(&text, store, "", "classes", arena, err));
    UDA_TRY(parse_classes(&read.map, text, uda_store_path(store), err));
    for (int64_t i = 0; i < UDA_LEN(size_fields); i++) {
        int64_t value = 0;
        UDA_TRY(uda_store_get_attr_i64(&value, store, "model", size_fields[i].name, err));
        memcpy((char *)&read.model + size_fields[i].offset, &value, sizeof value);
    }
    if (uda_store_has_attr(store, "model", "resnet")) {
        int64_t resnet = 0;
        UDA_TRY(uda_store_get_attr_i64(&resnet, store, "model", "resnet", err));
        read.model.resnet = resnet != 0;
    }
    UDA_TRY(uda_store_get_attr_f64(&drop_path, store, "model", "drop_path", err));
    read.model.drop_path = (float)drop_path;
    if (uda_store_has_attr(store, "", "fingerprint")) {
        UDA_TRY(uda_store_get_attr_text(&text, store, "", "fingerprint", arena, err));
        read.fingerprint = text;
    }
    UDA_TRY(check_about(&read, uda_store_path(store), err));
    *about = read;
    return 0;
}

static int parse_about(struct uda_weights_about *about, const struct uda_json *root, const char *path,
                       struct uda_arena *arena, struct uda_err *err)
{
    struct uda_weights_about read = {.fingerprint = ""};
    const struct uda_json *model = uda_json_get(root, "model");
    const char *classes = uda_json_text(uda_json_get(root, "classes"));
    const char *fingerprint = uda_json_text(uda_json_get(root, "fingerprint"));
    if (classes == NULL || classes[0] == '\0') {
        return uda_fail(err, UDA_FORMAT, "'%s': its metadata does not say the model's classes", path);
    }
    char *list = uda_arena_strdup(arena, classes);
    read.fingerprint = uda_arena_strdup(arena, fingerprint == NULL ? "" : fingerprint);
    if (list == NULL || read.fingerprint == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", path);
    }
    UDA_TRY(parse_classes(&read.map, list, path, err));
    for (int64_t i = 0; i < UDA_LEN(size_fields); i++) {
        int64_t value = uda_json_integer(uda_json_get(model, size_fields[i].name), INT64_MIN);
        if (value == INT64_MIN) {
            return uda_fail(err, UDA_FORMAT, "'%s': its metadata does not say the model's %s", path,
                            size_fields[i].name);
        }
        memcpy((char *)&read.model + size_fields[i].offset, &value, sizeof value);
    }
    read.model.resnet = uda_json_integer(uda_json_get(model, "resnet"), 0) != 0;
    read.model.drop_path = (float)uda_json_number(uda_json_get(model, "drop_path"));
    UDA_TRY(check_about(&read, path, err));
    *about = read;
    return 0;
}

int uda_weights_about_parse(struct uda_weights_about *about, const char *text, const char *path,
                            struct uda_arena *arena, struct uda_err *err)
{
    struct uda_json *root = NULL;
    UDA_TRY(uda_json_parse(&root, text, strlen(text), path, err));
    int rc = parse_about(about, root, path, arena, err);
    uda_json_destroy(&root);
    return rc;
}

int uda_weights_describe(struct uda_model_config *config, struct uda_class_map *map,
                         const char *path, struct uda_err *err)
{
    struct uda_store *store = NULL;
    struct uda_arena arena = {0};
    UDA_TRY(uda_store_open(&store, path, err));
    struct uda_weights_about about;
    int rc = uda_weights_get_about(&about, store, &arena, err);
    if (rc == 0) {
        *config = about.model;
        *map = about.map;
    }
    uda_store_close(&store);
    uda_arena_finish(&arena);
    return rc;
}

static int load_one(float *values, const struct uda_store *store, const struct uda_param *p,
                    struct uda_err *err)
{
    char name[NAME_BYTES];
    struct uda_store_info info;
    name_in_group(name, "params", p);
    bool head = strstr(p->name, "class_embed") != NULL;
    if (!uda_store_has(store, name) && head) {
        uda_log(UDA_LOG_WARN, "'%s' has no '%s': it starts anew", uda_store_path(store), p->name);
        return 0;
    }
    UDA_TRY(uda_store_info(&info, store, name, err));
    bool same = info.ndim == p->ndim;
    for (int i = 0; same && i < p->ndim; i++) {
        same = info.dims[i] == p->dim[i];
    }
    if (!same && head) {
        uda_log(UDA_LOG_WARN, "'%s': '%s' is for another number of classes: it starts anew",
                uda_store_path(store), p->name);
        return 0;
    }
    if (!same) {
        return uda_fail(err, UDA_SHAPE, "'%s': '%s' has another shape than this model", uda_store_path(store),
                        p->name);
    }
    return uda_store_get_f32(values + p->offset, store, name, p->count, err);
}

int uda_weights_load_init(float *values, const char *path, const struct uda_params *params,
                          struct uda_err *err)
{
    struct uda_store *store = NULL;
    UDA_TRY(uda_store_open(&store, path, err));
    int rc = 0;
    for (int i = 0; i < params->count && rc == 0; i++) {
        rc = load_one(values, store, &params->item[i], err);
    }
    uda_store_close(&store);
    return rc;
}
