/* The YAML tree: structure, places, plain and quoted text, ${...}, aliases, limits, damage. */
#include "io/yaml.h"
#include "src/base/rng.h"
#include "tests/check.h"

static struct uda_yaml_node *parse(struct uda_arena *arena, struct uda_diag *diag, const char *text)
{
    struct uda_err err = {0};
    struct uda_source *source = uda_arena_calloc(arena, sizeof *source);
    *source = (struct uda_source){.name = "t", .text = text, .bytes = strlen(text)};
    uda_diag_init(diag, arena);
    struct uda_yaml_node *root = NULL;
    int rc = uda_yaml_parse(&root, arena, source, diag, &err);
    CHECK((rc == 0) == (root != NULL) && (rc == 0 || (rc == UDA_FORMAT && diag->count > 0)));
    return root;
}

static void test_tree(void)
{
    struct uda_arena arena = {0};
    struct uda_diag diag;
    const struct uda_yaml_node *root =
        parse(&arena, &diag, "\xEF\xBB\xBF" "a: 1\r\nb: {c: '1', d: [x, \"y\", ~]}\r\n"
                             "\xC3\xA4: |\r\n  text\r\ne:\r\n");
    CHECK(root != NULL && root->kind == UDA_YAML_MAPPING && root->count == 4 && diag.count == 0);
    const struct uda_yaml_node *a = uda_yaml_get(root, "a"), *b = uda_yaml_get(root, "b");
    CHECK(!a->quoted && a->place.line == 1 && a->place.column == 4);
    CHECK(uda_yaml_get(b, "c")->quoted && uda_yaml_get(b, "c")->place.column == 8);
    const struct uda_yaml_node *d = uda_yaml_get(b, "d");
    CHECK(d->kind == UDA_YAML_SEQUENCE && d->count == 3 && d->item[1]->quoted);
    CHECK(uda_yaml_is_null(d->item[2]) && uda_yaml_is_null(uda_yaml_get(root, "e")));
    const struct uda_yaml_node *text = uda_yaml_get(root, "\xC3\xA4");
    CHECK(text != NULL && text->quoted && text->place.line == 3 && text->place.column == 4);
    CHECK_STR(text->text, "text\n");
    CHECK(uda_yaml_get(root, "z") == NULL && uda_yaml_get(NULL, "z") == NULL && uda_yaml_get(a, "z") == NULL);
    uda_arena_finish(&arena);
}

static void test_references(void)
{
    struct uda_arena arena = {0};
    struct uda_diag diag;
    const struct uda_yaml_node *root =
        parse(&arena, &diag, "{a: ${X}, b: [${Y:-a,b}/c, '${Z}'], c: ${}, d: $x}");
    CHECK(root != NULL && root->count == 4);
    CHECK_STR(uda_yaml_get(root, "a")->text, "${X}");
    CHECK_STR(uda_yaml_get(root, "b")->item[0]->text, "${Y:-a,b}/c");
    CHECK_STR(uda_yaml_get(root, "b")->item[1]->text, "${Z}");
    CHECK_STR(uda_yaml_get(root, "c")->text, "${}");
    CHECK_STR(uda_yaml_get(root, "d")->text, "$x");
    CHECK(uda_yaml_get(root, "d")->place.column == 48);
    CHECK(parse(&arena, &diag, "a: \xEE\x80\x80\n") == NULL); /* the stand-ins cannot be smuggled in */
    uda_arena_finish(&arena);
}

static void test_aliases(void)
{
    struct uda_arena arena = {0};
    struct uda_diag diag;
    const struct uda_yaml_node *root = parse(&arena, &diag, "a: &x [1, 2]\nb: *x\nc: {d: *x}\n");
    CHECK(root != NULL && uda_yaml_get(root, "b") == uda_yaml_get(root, "a"));
    CHECK(root != NULL && root->weight == 4 + 3 + 3 + 1 + 1 + 3);
    /* The budget is met exactly by 9,999 items and exceeded by one more. */
    for (int more = 0; more < 2; more++) {
        struct uda_str s;
        uda_str_init(&s, &arena);
        for (int i = 0; i < UDA_YAML_MAX_NODES - 1 + more; i++) {
            uda_str_add(&s, "- x\n");
        }
        CHECK((parse(&arena, &diag, s.text) == NULL) == (more == 1));
    }
    uda_arena_finish(&arena);
}

/* No prefix, changed byte or random text of YAML's own characters does harm. */
static void test_damage(void)
{
    static const char sample[] = "a: &x {b: [1, '2', \"\\u00e4\"], c: *x}\nd: !t |\n  e\n"
                                 "? f\n: - g\n  - ${H}\n";
    static const char letters[] = "ab:-?,[]{}#&*!|>'\"%@`$ \n\t<0";
    struct uda_arena arena = {0};
    struct uda_diag diag;
    for (size_t cut = 0; cut < sizeof sample; cut++) {
        char *copy = uda_arena_printf(&arena, "%.*s", (int)cut, sample);
        (void)parse(&arena, &diag, copy);
        for (int byte = 1; byte < 256; byte += 7) {
            char *changed = uda_arena_strdup(&arena, sample);
            if (cut < sizeof sample - 1) {
                changed[cut] = (char)byte;
            }
            (void)parse(&arena, &diag, changed);
            struct uda_str shown;
            uda_str_init(&shown, &arena);
            uda_diag_print(&shown, &diag);
        }
        uda_arena_reset(&arena, 0);
    }
    for (uint32_t seed = 0; seed < 3000; seed++) {
        struct uda_rng rng;
        char text[48];
        uda_rng_init(&rng, seed, UDA_RNG_TEST, 0, 0, 0);
        for (size_t i = 0; i + 1 < sizeof text; i++) {
            text[i] = letters[uda_rng_below(&rng, (int64_t)sizeof letters - 1)];
        }
        text[sizeof text - 1] = '\0';
        (void)parse(&arena, &diag, text);
        uda_arena_reset(&arena, 0);
    }
    uda_arena_finish(&arena);
}

static void test_print(void)
{
    struct uda_arena arena = {0};
    struct uda_diag diag;
    struct uda_source one = {.name = "one", .text = "first\nsecond line\n", .bytes = 18};
    struct uda_source two = {.name = "two", .text = "x", .bytes = 1, .order = 1};
    struct uda_str out;
    uda_diag_init(&diag, &arena);
    uda_diag_add(&diag, (struct uda_place){&two, 1, 1}, "later %d", 2);
    uda_diag_add(&diag, (struct uda_place){&one, 2, 8}, "sooner");
    uda_diag_add(&diag, (struct uda_place){&one, 2, 8}, "sooner");
    uda_diag_add(&diag, (struct uda_place){&one, 0, 0}, "whole");
    uda_diag_add(&diag, (struct uda_place){NULL, 0, 0}, "nowhere");
    uda_str_init(&out, &arena);
    uda_diag_print(&out, &diag);
    CHECK_STR(out.text, "nowhere\none: whole\none:2:8: sooner\n    second line\n           ^\n"
                        "two:1:1: later 2\n    x\n    ^\n");
    uda_arena_finish(&arena);
}

int main(void)
{
    test_tree();
    test_references();
    test_aliases();
    test_damage();
    test_print();
    return check_result();
}
