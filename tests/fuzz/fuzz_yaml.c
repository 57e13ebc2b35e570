/*
 * libFuzzer target: any bytes as a manifest; what loads must also resolve, read back the same, and
 * plan.
 *
 *     CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined \
 *         -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
 *     build-fuzz/tests/fuzz/fuzz_yaml -max_len=4096 CORPUS tests/data/manifests/bad
 */
#include "src/plan/plan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_good(struct uda_arena *arena, const struct uda_manifest *manifest)
{
    struct uda_err err = {0};
    struct uda_plan plan;
    struct uda_str text, report, page;
    struct uda_manifest *again = NULL;
    uda_str_init(&text, arena);
    uda_str_init(&report, arena);
    uda_str_init(&page, arena);
    uda_manifest_resolved(&text, manifest);
    if (uda_manifest_parse(&again, arena, "resolved", text.text, text.bytes, NULL, 0, &report,
                           &err) != 0 ||
        uda_manifest_diff(&page, manifest, again, false) != 0) {
        abort();
    }
    if (uda_plan_init(&plan, arena, manifest, &err) != 0) {
        abort();
    }
    uda_plan_print(&page, &plan, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_manifest *manifest = NULL;
    struct uda_str report;
    char *text = uda_arena_alloc(&arena, size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    uda_str_init(&report, &arena);
    int rc = uda_manifest_parse(&manifest, &arena, "tests/data/manifests/bad/fuzz.yaml", text, size,
                                NULL, 0, &report, &err);
    if (rc == 0) {
        check_good(&arena, manifest);
    } else if (report.bytes == 0) {
        abort(); /* every refusal says why */
    }
    uda_arena_finish(&arena);
    return 0;
}
