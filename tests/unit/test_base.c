#include "src/base/arena.h"
#include "src/base/classes.h"
#include "src/base/err.h"
#include "src/base/hash.h"
#include "src/base/rng.h"
#include "src/base/str.h"
#include "src/base/team.h"
#include "tests/check.h"

#include <errno.h>
#include <stdatomic.h>

static void test_err(void)
{
    struct uda_err err = {0};
    CHECK(uda_fail(&err, UDA_FORMAT, "'%s' is no image", "a.png") == UDA_FORMAT);
    CHECK(uda_fail(&err, UDA_IO, "later") == UDA_IO);
    CHECK_STR(err.text, "'a.png' is no image");
    CHECK(err.code == UDA_FORMAT);
    uda_err_clear(&err);
    errno = ENOENT;
    CHECK(uda_fail_errno(&err, "cannot open '%s'", "b") == UDA_IO);
    CHECK_STR(err.text, "cannot open 'b': No such file or directory");
    CHECK(uda_code_exit(UDA_MANIFEST) == 2 && uda_code_exit(UDA_STOPPED) == 75);
    CHECK(uda_code_exit(UDA_UNSUPPORTED) == 77 && uda_code_exit(UDA_IO) == 1);
}

static void test_arena(void)
{
    struct uda_arena arena = {0};
    unsigned char *a = uda_arena_alloc(&arena, 10);
    size_t mark = uda_arena_mark(&arena);
    unsigned char *b = uda_arena_alloc(&arena, 300000);
    CHECK(a != NULL && b != NULL && (uintptr_t)b % UDA_ALIGN_BYTES == 0);
    memset(b, 7, 300000);
    uda_arena_reset(&arena, mark);
    int64_t before = uda_alloc_count();
    unsigned char *c = uda_arena_alloc(&arena, 300000);
    CHECK(UDA_SEPARATE_BLOCKS || (c == b && uda_alloc_count() == before));
    char *text = uda_arena_printf(&arena, "%d-%s", 5, "x");
    CHECK_STR(text, "5-x");
    char *grown = uda_arena_grow(&arena, text, 4, 4000);
    CHECK_STR(grown, "5-x");
    uda_arena_reset(&arena, 0);
    CHECK(UDA_SEPARATE_BLOCKS || uda_arena_alloc(&arena, 1) == (void *)a);
    uda_arena_finish(&arena);
    uda_alloc_fail_after(1);
    CHECK(uda_arena_alloc(&arena, 1) == NULL);
    CHECK(uda_arena_alloc(&arena, 1) != NULL);
    uda_arena_finish(&arena);
}

static void test_pool(void)
{
    struct uda_pool pool = {.slab_bytes = 1 << 16};
    void *block[64];
    for (int i = 0; i < 64; i++) {
        block[i] = uda_pool_get(&pool, (size_t)(i + 1) * 37);
        memset(block[i], i, (size_t)(i + 1) * 37);
    }
    for (int i = 0; i < 64; i += 2) {
        uda_pool_put(&pool, block[i]);
    }
    for (int i = 1; i < 64; i += 2) {
        const unsigned char *p = block[i];
        bool kept = true;
        for (int j = 0; j < (i + 1) * 37; j++) {
            kept = kept && p[j] == i;
        }
        CHECK(kept);
        uda_pool_put(&pool, block[i]);
    }
    CHECK(pool.used_bytes == 0);
    size_t held = pool.held_bytes;
    CHECK(uda_pool_get(&pool, held / 3 + 1) != NULL && pool.held_bytes <= 2 * held);
    uda_pool_finish(&pool);
}

/* Known answers of Random123's Philox4x32-10 (kat_vectors). */
static void test_rng(void)
{
    uint32_t out[4], zero[4] = {0}, zero_key[2] = {0};
    uda_philox(out, zero, zero_key);
    CHECK(out[0] == 0x6627e8d5u && out[1] == 0xe169c58du && out[2] == 0xbc57ac4cu &&
          out[3] == 0x9b00dbd8u);
    uint32_t ones[4] = {~0u, ~0u, ~0u, ~0u}, ones_key[2] = {~0u, ~0u};
    uda_philox(out, ones, ones_key);
    CHECK(out[0] == 0x408f276du && out[1] == 0x41c83b0eu && out[2] == 0xa20bc7c6u &&
          out[3] == 0x6d5451fdu);
    struct uda_rng a, b;
    uda_rng_init(&a, 1, UDA_RNG_TEST, 0, 5, 6);
    uda_rng_init(&b, 1, UDA_RNG_TEST, 0, 5, 6);
    for (int i = 0; i < 4; i++) {
        (void)uda_rng_u32(&a);
    }
    uda_rng_seek(&b, 1);
    CHECK(uda_rng_u32(&a) == uda_rng_u32(&b));
    for (int64_t n = 0; n < 300; n += 37) { /* filling is drawing, wherever it starts and ends */
        float filled[300];
        uda_rng_init(&a, 9, UDA_RNG_TEST, 1, 2, 3);
        uda_rng_init(&b, 9, UDA_RNG_TEST, 1, 2, 3);
        for (int64_t i = 0; i < n % 5; i++) {
            CHECK(uda_rng_u32(&a) == uda_rng_u32(&b));
        }
        uda_rng_fill(&a, filled, n);
        for (int64_t i = 0; i < n; i++) {
            CHECK(filled[i] == uda_rng_uniform(&b));
        }
        CHECK(uda_rng_u32(&a) == uda_rng_u32(&b));
    }
    int64_t order[100], seen = 0;
    for (int i = 0; i < 100; i++) {
        order[i] = i;
    }
    uda_rng_shuffle(&a, order, 100);
    for (int i = 0; i < 100; i++) {
        seen += order[i];
    }
    CHECK(seen == 4950);
    double mean = 0.0, square = 0.0;
    for (int i = 0; i < 20000; i++) {
        double x = uda_rng_normal(&a);
        mean += x / 20000.0;
        square += x * x / 20000.0;
    }
    CHECK_CLOSE(mean, 0.0, 5.0 / 141.0);           /* 5 sigma of the mean of 20000 draws */
    CHECK_CLOSE(square, 1.0, 5.0 * 1.414 / 141.0); /* 5 sigma of the mean of chi-squared */
}

static void count(void *args, int64_t i)
{
    _Atomic int *hits = args;
    atomic_fetch_add(&hits[i], 1);
}

static void test_team(void)
{
    for (int threads = 1; threads <= 4; threads++) {
        struct uda_team *team = NULL;
        struct uda_err err = {0};
        CHECK_OK(uda_team_create(&team, threads, &err), &err);
        for (int repeat = 0; repeat < 200; repeat++) {
            _Atomic int hits[37] = {0};
            uda_team_run(team, repeat % 38, count, hits);
            bool once = true;
            for (int i = 0; i < 37; i++) {
                once = once && hits[i] == (i < repeat % 38 ? 1 : 0);
            }
            CHECK(once);
        }
        uda_team_destroy(&team);
    }
}

static void test_text(void)
{
    struct uda_arena arena = {0};
    struct uda_err err = {0};
    struct uda_str str;
    uda_str_init(&str, &arena);
    for (int i = 0; i < 1000; i++) {
        uda_str_add(&str, "%d,", i);
    }
    uda_str_json(&str, "a\"\n");
    CHECK_OK(uda_str_status(&str, &err), &err);
    CHECK(strlen(str.text) == str.bytes && strstr(str.text, "999,\"a\\\"\\u000a\"") != NULL);
    struct uda_digest d = uda_digest_of("abc", 3), e;
    char text[UDA_DIGEST_TEXT_BYTES];
    uda_digest_text(text, d);
    CHECK_STR(text, "06b05ab6733a618578af5f94892f3950"); /* XXH128("abc") of xxhsum 0.8 */
    CHECK(uda_digest_parse(&e, text) && uda_digest_equal(d, e));
    CHECK(!uda_digest_parse(&e, "xyz"));
    uda_arena_finish(&arena);
}

int main(void)
{
    test_err();
    test_arena();
    test_pool();
    test_rng();
    test_team();
    test_text();
    CHECK(uda_class_of_name("train") == UDA_TRAIN && uda_class_of_label_id(33) == UDA_BICYCLE);
    CHECK(uda_class_of_train_id(11) == UDA_PERSON && uda_class_of_name("tree") == -1);
    return check_result();
}
