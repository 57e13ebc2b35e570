#include "src/scenes/scenes.h"

#include "io/durable.h"
#include "io/fs.h"
#include "io/png.h"
#include "src/base/log.h"
#include "src/scenes/sheet.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define BLOCK 8 /* scenes of one task: they share an arena */
#define README_BYTES 4096

const char *uda_scenes_format(int64_t i)
{
    const struct uda_scene_writer *writer = uda_scene_writer_at(i);
    return writer != NULL ? writer->format : NULL;
}

static int check_spec(const struct uda_scene_writer **writer, const char **split,
                      const struct uda_scenes_spec *spec, struct uda_err *err)
{
    *writer = uda_scene_writer_find(spec->format);
    if (*writer == NULL) {
        return uda_fail(
            err, UDA_MANIFEST,
            "scenes: unknown format '%s': use cityscapes, kitti360, urbansyn, synscapes, "
            "synthia or coco",
            spec->format);
    }
    if (spec->count < 1 || spec->count > UDA_SCENES_MOST || spec->first < 0 ||
        spec->first > (int64_t)UINT32_MAX - spec->count) {
        return uda_fail(err, UDA_MANIFEST,
                        "scenes: count %lld from %lld: count is 1 to %d, first at least 0",
                        (long long)spec->count, (long long)spec->first, UDA_SCENES_MOST);
    }
    if (spec->scene.height < UDA_SCENE_LEAST_SIDE || spec->scene.height > UDA_SCENE_MOST_SIDE ||
        spec->scene.width < UDA_SCENE_LEAST_SIDE || spec->scene.width > UDA_SCENE_MOST_SIDE) {
        return uda_fail(err, UDA_MANIFEST, "scenes: size %lld x %lld: sides are %d to %d px",
                        (long long)spec->scene.height, (long long)spec->scene.width,
                        UDA_SCENE_LEAST_SIDE, UDA_SCENE_MOST_SIDE);
    }
    if (!(spec->scene.gap >= 0.0f && spec->scene.gap <= 1.0f)) {
        return uda_fail(err, UDA_MANIFEST, "scenes: gap %g: it is 0 to 1", (double)spec->scene.gap);
    }
    bool given = spec->split != NULL && spec->split[0] != '\0';
    if (given && (*writer)->split == NULL) {
        return uda_fail(err, UDA_MANIFEST, "scenes: %s has no splits: leave '%s' out", spec->format,
                        spec->split);
    }
    *split = given ? spec->split : (*writer)->split != NULL ? (*writer)->split : "";
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    if (strspn(*split, letters) != strlen(*split)) {
        return uda_fail(err, UDA_MANIFEST, "scenes: split '%s': letters, digits, _ and - only",
                        *split);
    }
    return 0;
}

static char *readme_of(struct uda_arena *arena, const struct uda_scenes_spec *spec,
                       const struct uda_scene_writer *writer, const char *split)
{
    return uda_arena_printf(
        arena,
        "Procedurally drawn street scenes with labels, in the layout of a data set.\n"
        "No real image is in here; the names of the data set are borrowed for its readers.\n\n"
        "program: uda4inst scenes, drawing %d\n"
        "format: %s\nsplit: %s\nstyle: %s\ngap: %.4f\nseed: %llu\ncount: %lld\nfirst: %lld\n"
        "height: %lld\nwidth: %lld\n\n%s\n",
        UDA_SCENES_VERSION, writer->format, split, uda_scene_style_name(spec->scene.style),
        (double)spec->scene.gap, (unsigned long long)spec->scene.seed, (long long)spec->count,
        (long long)spec->first, (long long)spec->scene.height, (long long)spec->scene.width,
        writer->note);
}

/* What is in the folder: nothing of ours, a part, or all; anything else is an error. */
enum state { STATE_NEW, STATE_PART, STATE_DONE };

static int find_state(enum state *state, struct uda_arena *arena,
                      const struct uda_scenes_spec *spec, const char *readme, struct uda_err *err)
{
    char *path = uda_fs_join(arena, spec->dir, "README.txt");
    char *done = uda_fs_join(arena, spec->dir, "DONE");
    if (readme == NULL || path == NULL || done == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", spec->dir);
    }
    *state = STATE_NEW;
    if (!uda_fs_exists(spec->dir)) {
        return 0;
    }
    if (!uda_fs_exists(path)) {
        char **names = NULL;
        int64_t count = 0;
        UDA_TRY(uda_fs_list(&names, &count, arena, spec->dir, err));
        if (count > 0) {
            return uda_fail(err, UDA_MANIFEST,
                            "'%s' is not empty and holds no drawn scenes: choose another folder",
                            spec->dir);
        }
        return 0;
    }
    unsigned char *text = NULL;
    size_t bytes = 0;
    UDA_TRY(uda_fs_read(&text, &bytes, arena, path, README_BYTES, err));
    if (bytes != strlen(readme) || memcmp(text, readme, bytes) != 0) {
        return uda_fail(err, UDA_MANIFEST,
                        "'%s' holds other scenes than asked for (see its README.txt): remove it or "
                        "choose another folder",
                        spec->dir);
    }
    *state = uda_fs_exists(done) ? STATE_DONE : STATE_PART;
    return 0;
}

int uda_scenes_check(bool *done, const struct uda_scenes_spec *spec, struct uda_err *err)
{
    const struct uda_scene_writer *writer = NULL;
    const char *split = NULL;
    UDA_TRY(check_spec(&writer, &split, spec, err));
    struct uda_arena arena = {0};
    enum state state = STATE_NEW;
    int rc = find_state(&state, &arena, spec, readme_of(&arena, spec, writer, split), err);
    uda_arena_finish(&arena);
    if (rc == 0) {
        *done = state == STATE_DONE;
    }
    return rc;
}

/* The drawing of a folder. */
struct job {
    const struct uda_scenes_spec *spec;
    const struct uda_scene_writer *writer;
    const char *split;
    char **records;      /* [count] */
    struct uda_err *err; /* [blocks] of the running batch */
    int64_t from;        /* first scene of the batch */
};

static int draw_one(const struct job *job, int64_t number, struct uda_arena *arena,
                    struct uda_err *err)
{
    struct uda_drawing drawing;
    struct uda_sheet sheet = {.root = job->spec->dir,
                              .split = job->split,
                              .number = number,
                              .arena = arena,
                              .record = &job->records[number]};
    char *image = job->writer->image(&sheet);
    if (image == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", job->spec->dir);
    }
    if (!job->writer->records && uda_fs_exists(image)) {
        return 0;
    }
    UDA_TRY(uda_scene_draw(&drawing, arena, &job->spec->scene, job->spec->first + number, err));
    sheet.drawing = &drawing;
    UDA_TRY(job->writer->write(&sheet, err));
    return uda_png_write(image, drawing.image.rgb, drawing.image.height, drawing.image.width, 3, 8,
                         err);
}

static void draw_block(void *args, int64_t block)
{
    const struct job *job = args;
    struct uda_arena arena = {0};
    int64_t first = job->from + block * BLOCK, last = first + BLOCK;
    last = last > job->spec->count ? job->spec->count : last;
    for (int64_t i = first; i < last; i++) {
        if (draw_one(job, i, &arena, &job->err[block]) != 0) {
            break;
        }
        uda_arena_reset(&arena, 0);
    }
    uda_arena_finish(&arena);
}

static double seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Batches of blocks, so that progress and errors are seen between them. */
static int draw_batches(struct job *job, struct uda_team *team, struct uda_arena *arena,
                        struct uda_err *err)
{
    int64_t blocks = 8 * (team != NULL ? uda_team_threads(team) : 1);
    double start = seconds_now(); /* for the talk only */
    job->err = uda_arena_calloc(arena, (size_t)blocks * sizeof *job->err);
    if (job->err == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", job->spec->dir);
    }
    for (job->from = 0; job->from < job->spec->count; job->from += blocks * BLOCK) {
        int64_t left = (job->spec->count - job->from + BLOCK - 1) / BLOCK;
        int64_t now = left < blocks ? left : blocks;
        uda_team_run(team, now, draw_block, job);
        for (int64_t b = 0; b < now; b++) {
            if (job->err[b].code != UDA_OK) {
                *err = job->err[b];
                return (int)err->code;
            }
        }
        int64_t done = job->from + now * BLOCK;
        done = done > job->spec->count ? job->spec->count : done;
        double spent = seconds_now() - start;
        uda_log_progress(done == job->spec->count, "scenes '%s': %lld/%lld  %.0f/s  ETA %.0f s",
                         job->spec->dir, (long long)done, (long long)job->spec->count,
                         (double)done / (spent > 1e-3 ? spent : 1e-3),
                         spent * (double)(job->spec->count - done) / (double)done);
    }
    return 0;
}

/* Creates the folders; what a killed drawing left half written in them is removed. */
static int make_folders(const struct job *job, struct uda_arena *arena, struct uda_err *err)
{
    for (int i = 0; i < UDA_LEN(job->writer->folder) && job->writer->folder[i] != NULL; i++) {
        const char *folder = job->writer->folder[i], *mark = strstr(folder, "%s");
        char *path = mark == NULL
                         ? uda_arena_printf(arena, "%s/%s", job->spec->dir, folder)
                         : uda_arena_printf(arena, "%s/%.*s%s%s", job->spec->dir,
                                            (int)(mark - folder), folder, job->split, mark + 2);
        if (path == NULL) {
            return uda_fail(err, UDA_NOMEM, "'%s': out of memory", job->spec->dir);
        }
        UDA_TRY(uda_fs_mkdirs(path, err));
        UDA_TRY(uda_durable_sweep(NULL, path, err));
    }
    return 0;
}

static int write_text(struct uda_arena *arena, const char *dir, const char *name, const char *text,
                      struct uda_err *err)
{
    char *path = uda_fs_join(arena, dir, name);
    if (path == NULL) {
        return uda_fail(err, UDA_NOMEM, "'%s': out of memory", dir);
    }
    return uda_fs_write(path, text, strlen(text), err);
}

static int draw_folder(struct job *job, struct uda_team *team, struct uda_arena *arena,
                       struct uda_err *err)
{
    const struct uda_scenes_spec *spec = job->spec;
    char *readme = readme_of(arena, spec, job->writer, job->split);
    enum state state = STATE_NEW;
    UDA_TRY(find_state(&state, arena, spec, readme, err));
    if (state == STATE_DONE) {
        return 0;
    }
    UDA_TRY(uda_fs_mkdirs(spec->dir, err));
    UDA_TRY(uda_durable_sweep(NULL, spec->dir, err));
    UDA_TRY(write_text(arena, spec->dir, "README.txt", readme, err));
    UDA_TRY(make_folders(job, arena, err));
    UDA_TRY(draw_batches(job, team, arena, err));
    if (job->writer->end != NULL) {
        struct uda_sheet sheet = {.root = spec->dir, .split = job->split, .arena = arena};
        UDA_TRY(job->writer->end(&sheet, spec->count, job->records, err));
    }
    return write_text(arena, spec->dir, "DONE", "complete\n", err);
}

int uda_scenes_write(const struct uda_scenes_spec *spec, struct uda_team *team, struct uda_err *err)
{
    struct job job = {.spec = spec};
    struct uda_arena arena = {0};
    UDA_TRY(check_spec(&job.writer, &job.split, spec, err));
    job.records = uda_arena_calloc(&arena, (size_t)spec->count * sizeof *job.records);
    int rc = job.records == NULL ? uda_fail(err, UDA_NOMEM, "'%s': out of memory", spec->dir)
                                 : draw_folder(&job, team, &arena, err);
    for (int64_t i = 0; job.records != NULL && i < spec->count; i++) {
        uda_free(job.records[i]);
    }
    uda_arena_finish(&arena);
    return rc;
}
