#include "src/eval/results.h"

#include "io/fs.h"
#include "io/png.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT_BYTES ((size_t)4 << 20)

static int no_memory(struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "no memory for a results folder");
}

static int by_name(const void *a, const void *b)
{
    const struct uda_results_file *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : strcmp(x->path, y->path);
}

int uda_results_open(struct uda_results *results, struct uda_arena *arena, const char *root,
                     struct uda_err *err)
{
    char **paths = NULL;
    int64_t count = 0;
    if (!uda_fs_is_dir(root)) {
        return uda_fail(err, UDA_IO, "'%s' is not a folder of results", root);
    }
    UDA_TRY(uda_fs_walk(&paths, &count, arena, root, ".txt", err));
    struct uda_results_file *file = uda_arena_alloc(arena, (size_t)count * sizeof *file);
    char *copy = uda_arena_strdup(arena, root);
    if (file == NULL || copy == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < count; i++) {
        const char *slash = strrchr(paths[i], '/');
        file[i] = (struct uda_results_file){.name = slash != NULL ? slash + 1 : paths[i],
                                            .path = paths[i]};
    }
    qsort(file, (size_t)count, sizeof *file, by_name);
    *results = (struct uda_results){.root = copy, .file = file, .files = count};
    return 0;
}

int uda_results_find(const char **path, struct uda_arena *arena, const struct uda_results *results,
                     const char *prefix, const char *truth, struct uda_err *err)
{
    size_t length = strlen(prefix);
    int64_t low = 0, high = results->files;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (strncmp(results->file[middle].name, prefix, length) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == results->files || strncmp(results->file[low].name, prefix, length) != 0) {
        return uda_fail(err, UDA_FORMAT, "'%s': no prediction file '%s*.txt' below '%s'", truth,
                        prefix, results->root);
    }
    if (low + 1 < results->files &&
        strncmp(results->file[low + 1].name, prefix, length) == 0) {
        return uda_fail(err, UDA_FORMAT, "'%s': two prediction files '%s' and '%s' below '%s'",
                        truth, results->file[low].path, results->file[low + 1].path,
                        results->root);
    }
    const char *joined = uda_fs_join(arena, results->root, results->file[low].path);
    if (joined == NULL) {
        return no_memory(err);
    }
    *path = joined;
    return 0;
}

/* Resolves "." and ".." of a relative path in place; false if it climbs above its start. */
static bool normalize(char *path)
{
    char *out = path;
    for (char *part = path; part != NULL;) {
        char *slash = strchr(part, '/');
        size_t length = slash != NULL ? (size_t)(slash - part) : strlen(part);
        char *next = slash != NULL ? slash + 1 : NULL;
        if (length == 2 && part[0] == '.' && part[1] == '.') {
            if (out == path) {
                return false;
            }
            for (out--; out > path && out[-1] != '/'; out--) {
            }
        } else if (length > 0 && !(length == 1 && part[0] == '.')) {
            memmove(out, part, length);
            out += length;
            *out++ = '/';
        }
        part = next;
    }
    if (out > path) {
        out--; /* the last separator */
    }
    *out = '\0';
    return true;
}

/* A number as Python's float() takes it, without its rarities (underscores, NaN). */
static bool parse_number(double *number, const char *text)
{
    if (text[0] == '\0' || strpbrk(text, "xXpP(") != NULL) {
        return false;
    }
    char *end = NULL;
    double value = strtod(text, &end);
    while (end != text && (*end == '\t' || *end == '\r' || *end == '\v' || *end == '\f')) {
        end++;
    }
    if (end == text || *end != '\0' || isnan(value)) {
        return false;
    }
    *number = value;
    return true;
}

/* One line, cut at its spaces in place. file is the text file's path relative to the root. */
static int parse_line(struct uda_results_line *line, struct uda_arena *arena,
                      const struct uda_results *results, const char *file, char *text,
                      struct uda_err *err)
{
    char *label = strchr(text, ' ');
    char *score = label != NULL ? strchr(label + 1, ' ') : NULL;
    if (score == NULL || strchr(score + 1, ' ') != NULL) {
        return uda_fail(err, UDA_FORMAT, "%s: %s: expected 'mask label score', one space between",
                        line->where, text[0] == '\0' ? "empty line" : "not three fields");
    }
    *label++ = '\0';
    *score++ = '\0';
    double id = 0;
    if (!parse_number(&id, label) || !(fabs(id) < 1e9)) {
        return uda_fail(err, UDA_FORMAT, "%s: label '%s' is not a number", line->where, label);
    }
    if (!parse_number(&line->score, score)) {
        return uda_fail(err, UDA_FORMAT, "%s: score '%s' is not a number", line->where, score);
    }
    line->label = (int64_t)id;
    if (text[0] == '/' || text[0] == '\0') {
        return uda_fail(err, UDA_FORMAT, "%s: mask path '%s' must be relative", line->where, text);
    }
    const char *slash = strrchr(file, '/');
    int folder = slash != NULL ? (int)(slash - file + 1) : 0;
    char *path = uda_arena_printf(arena, "%.*s%s", folder, file, text);
    if (path == NULL) {
        return no_memory(err);
    }
    if (!normalize(path)) {
        return uda_fail(err, UDA_FORMAT, "%s: mask path '%s' leaves the results folder '%s'",
                        line->where, text, results->root);
    }
    line->path = uda_fs_join(arena, results->root, path);
    return line->path != NULL ? 0 : no_memory(err);
}

/* Keeps the later one of two lines with one mask, at the place of the first. */
static int64_t drop_repeated(struct uda_results_line *line, int64_t lines)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < lines; i++) {
        int64_t k = 0;
        while (k < kept && strcmp(line[k].path, line[i].path) != 0) {
            k++;
        }
        line[k] = line[i];
        kept += k == kept;
    }
    return kept;
}

int uda_results_read(struct uda_results_line **out, int64_t *lines, struct uda_arena *arena,
                     const struct uda_results *results, const char *path, struct uda_err *err)
{
    unsigned char *data = NULL;
    size_t bytes = 0;
    UDA_TRY(uda_fs_read(&data, &bytes, arena, path, MAX_TEXT_BYTES, err));
    if (memchr(data, '\0', bytes) != NULL) {
        return uda_fail(err, UDA_FORMAT, "'%s' is not a text file", path);
    }
    int64_t room = 1, count = 0;
    for (size_t i = 0; i < bytes; i++) {
        room += data[i] == '\n';
    }
    struct uda_results_line *line = uda_arena_calloc(arena, (size_t)room * sizeof *line);
    if (line == NULL) {
        return no_memory(err);
    }
    const char *file = path + strlen(results->root);
    file += strspn(file, "/");
    for (char *text = (char *)data; *text != '\0'; count++) {
        char *end = strchr(text, '\n');
        char *next = end != NULL ? end + 1 : text + strlen(text);
        if (end != NULL) {
            *end = '\0';
        }
        line[count].where = uda_arena_printf(arena, "%s:%lld", path, (long long)(count + 1));
        if (line[count].where == NULL) {
            return no_memory(err);
        }
        UDA_TRY(parse_line(&line[count], arena, results, file, text, err));
        text = next;
    }
    *lines = drop_repeated(line, count);
    *out = line;
    return 0;
}

/* Whether a pixel is above zero as 8-bit gray: ITU-R 601 luma in 16-bit fixed point, as Pillow
 * rounds. */
static bool is_lit(const uint16_t *sample, int64_t channels, int bits)
{
    if (channels < 3) {
        return sample[0] != 0;
    }
    int shift = bits == 16 ? 8 : 0;
    uint32_t r = sample[0] >> shift, g = sample[1] >> shift, b = sample[2] >> shift;
    return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16 != 0;
}

int uda_results_mask(struct uda_rle *mask, struct uda_arena *arena, struct uda_arena *scratch,
                     const struct uda_results_line *line, int64_t height, int64_t width,
                     struct uda_err *err)
{
    struct uda_raster raster;
    if (!uda_fs_exists(line->path)) {
        return uda_fail(err, UDA_FORMAT, "%s: mask '%s' does not exist", line->where, line->path);
    }
    UDA_TRY(uda_png_read_raster(&raster, scratch, line->path, err));
    if (raster.height != height || raster.width != width) {
        return uda_fail(err, UDA_FORMAT, "%s: mask '%s' is %lld x %lld but the image %lld x %lld",
                        line->where, line->path, (long long)raster.height,
                        (long long)raster.width, (long long)height, (long long)width);
    }
    uint8_t *lit = uda_arena_alloc(scratch, (size_t)(height * width));
    if (lit == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < height * width; i++) {
        lit[i] = is_lit(raster.sample + i * raster.channels, raster.channels, raster.bits);
    }
    return uda_rle_encode(mask, arena, lit, height, width, err);
}
