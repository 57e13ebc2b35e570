/* inspect: what it prints, and its exit codes for whole, damaged, equal and different files. */
#include "io/fs.h"
#include "io/store.h"
#include "src/cmd/cmd.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <unistd.h>

static char dir[SCRATCH_BYTES];

static void write_store(const char *path, float third, int64_t step, const char *program)
{
    struct uda_err err = {0};
    struct uda_store_writer *w = NULL;
    const float x[4] = {1, 2, third, NAN};
    const char *texts[2] = {"a", "b"};
    char *args[] = {"uda4inst"};
    CHECK_OK(uda_store_begin(&w, 0, &err), &err);
    CHECK_OK(uda_store_put_f32(w, "params/x", x, 1, (int64_t[]){4}, &err), &err);
    CHECK_OK(uda_store_put_texts(w, "names", texts, 2, &err), &err);
    CHECK_OK(uda_store_put_text(w, "note", "tab\there", &err), &err);
    CHECK_OK(uda_store_put_attr_i64(w, "", "step", step, &err), &err);
    CHECK_OK(uda_store_put_provenance(w, program, 1, args, &err), &err);
    CHECK_OK(uda_store_commit(&w, path, &err), &err);
}

/* Runs inspect with up to three arguments and returns what it printed. */
static const char *inspect(int *rc, struct uda_arena *arena, const char *a, const char *b,
                           const char *c)
{
    char out[SCRATCH_BYTES], words[4][SCRATCH_BYTES] = {"inspect"};
    const char *in[] = {"inspect", a, b, c};
    char *argv[5] = {NULL};
    struct uda_err err = {0};
    unsigned char *data = NULL;
    size_t bytes = 0;
    int argc = 0;
    for (; argc < 4 && in[argc] != NULL; argc++) {
        (void)snprintf(words[argc], SCRATCH_BYTES, "%s", in[argc]);
        argv[argc] = words[argc];
    }
    scratch_path(out, dir, "out.txt");
    (void)fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    CHECK(freopen(out, "wb", stdout) != NULL);
    *rc = uda_cmd_inspect(argc, argv, &err);
    (void)fflush(stdout);
    CHECK(dup2(saved, STDOUT_FILENO) >= 0 && close(saved) == 0);
    CHECK_OK(uda_fs_read(&data, &bytes, arena, out, 1 << 20, &err) == 0 ? 0 : 1, &err);
    return data == NULL ? "" : (const char *)data;
}

int main(void)
{
    char a[SCRATCH_BYTES], b[SCRATCH_BYTES], c[SCRATCH_BYTES], kinds[SCRATCH_BYTES];
    struct uda_arena arena = {0};
    int rc = 0;
    scratch_make(dir);
    scratch_path(a, dir, "a.h5");
    scratch_data(kinds, "io/kinds.safetensors");
    scratch_path(b, dir, "b.h5");
    scratch_path(c, dir, "c.h5");
    write_store(a, 3, 7, "1.0.0");
    write_store(b, 3, 7, "1.0.1");
    write_store(c, 3.5f, 8, "1.0.0");
    const char *text = inspect(&rc, &arena, a, NULL, NULL);
    CHECK(rc == 0 && strstr(text, "params/x") != NULL && strstr(text, "f32 [4]") != NULL);
    CHECK(strstr(text, "@step = 7\n") != NULL && strstr(text, "\"tab?here\"") != NULL);
    CHECK(strstr(text, "provenance@program = \"1.0.0\"") != NULL);
    text = inspect(&rc, &arena, a, "--verify", NULL);
    CHECK(rc == 0 && strstr(text, "whole") != NULL);
    text = inspect(&rc, &arena, a, "--diff", b);
    CHECK(rc == 0);
    CHECK_STR(text, "");
    text = inspect(&rc, &arena, a, "--diff", c);
    CHECK(rc == UDA_FORMAT);
    CHECK_STR(text, "params/x: 1 of 4 values differ, most by 0.5 at [2]: 3 against 3.5\n"
                    "@step: 7 against 8\n");
    CHECK(truncate(c, 100) == 0);
    text = inspect(&rc, &arena, c, "--verify", NULL);
    CHECK(rc == UDA_FORMAT);
    CHECK_STR(text, "");
    (void)inspect(&rc, &arena, a, "--diff", c);
    CHECK(rc == UDA_FORMAT);
    (void)inspect(&rc, &arena, a, "--dif", c);
    CHECK(rc == UDA_MANIFEST);
    (void)inspect(&rc, &arena, kinds, "--verify", NULL);
    CHECK(rc == UDA_MANIFEST);
    text = inspect(&rc, &arena, kinds, NULL, NULL);
    CHECK(rc == 0 && strstr(text, "c.bf16") != NULL && strstr(text, "BF16 [3]") != NULL);
    uda_arena_finish(&arena);
    scratch_remove(dir);
    return check_result();
}
