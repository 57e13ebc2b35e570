#include "src/eval/ap.h"

#include "io/fs.h"

#include <math.h>
#include <string.h>

#define BAR_CELLS 24

double uda_ap_mean(const double *value, int64_t count)
{
    double sum = 0;
    int64_t defined = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isnan(value[i])) {
            sum += value[i];
            defined++;
        }
    }
    return defined > 0 ? sum / (double)defined : (double)NAN;
}

static void add_percent(struct uda_str *text, double value)
{
    if (isnan(value)) {
        uda_str_add(text, "  %6s", "-");
    } else {
        uda_str_add(text, "  %6.2f", 100 * value);
    }
}

/* A bar of eighths of a cell, so that small figures are seen; nothing behind its end. */
static void add_bar(struct uda_str *text, double value)
{
    static const char *const eighth[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    if (isnan(value)) {
        return;
    }
    int64_t eighths = llround(value * BAR_CELLS * 8);
    uda_str_add(text, "%s", eighths > 0 ? "  " : "");
    for (int64_t i = 0; i < eighths / 8; i++) {
        uda_str_add(text, "█");
    }
    uda_str_add(text, "%s", eighth[eighths % 8]);
}

static void add_row(struct uda_str *text, int width, const char *name, bool sizes,
                    const double value[6])
{
    uda_str_add(text, "%-*s", width, name);
    for (int i = 0; i < (sizes ? 6 : 2); i++) {
        add_percent(text, value[i]);
    }
    add_bar(text, value[0]);
    uda_str_add(text, "\n");
}

static void add_rule(struct uda_str *text, int width, bool sizes)
{
    for (int i = 0; i < width + (sizes ? 6 : 2) * 8; i++) {
        uda_str_add(text, "─");
    }
    uda_str_add(text, "\n");
}

void uda_ap_table(struct uda_str *text, const struct uda_ap *ap)
{
    int width = 10;
    for (int64_t i = 0; i < ap->classes; i++) {
        size_t length = strlen(ap->cls[i].name);
        width = length > (size_t)width && length < 40 ? (int)length : width;
    }
    uda_str_add(text, "%-*s  %6s  %6s", width, ap->protocol, "AP", "AP50");
    if (ap->has_sizes) {
        uda_str_add(text, "  %6s  %6s  %6s  %6s", "AP75", "APs", "APm", "APl");
    }
    uda_str_add(text, "\n");
    add_rule(text, width, ap->has_sizes);
    for (int64_t i = 0; i < ap->classes; i++) {
        const struct uda_ap_class *c = &ap->cls[i];
        add_row(text, width, c->name, ap->has_sizes,
                (const double[6]){c->ap, c->ap50, c->ap75, c->ap_small, c->ap_medium,
                                  c->ap_large});
    }
    add_rule(text, width, ap->has_sizes);
    add_row(text, width, "mean", ap->has_sizes,
            (const double[6]){ap->ap, ap->ap50, ap->ap75, ap->ap_small, ap->ap_medium,
                              ap->ap_large});
    uda_str_add(text, "%lld images\n", (long long)ap->images);
}

static void add_number(struct uda_str *text, const char *key, double value)
{
    if (isnan(value)) {
        uda_str_add(text, "\"%s\": null", key);
    } else {
        uda_str_add(text, "\"%s\": %.17g", key, value);
    }
}

static void add_numbers(struct uda_str *text, bool sizes, const double value[6])
{
    static const char *const key[] = {"AP", "AP50", "AP75", "APs", "APm", "APl"};
    for (int i = 0; i < (sizes ? 6 : 2); i++) {
        uda_str_add(text, "%s", i > 0 ? ", " : "");
        add_number(text, key[i], value[i]);
    }
}

void uda_ap_json(struct uda_str *text, const struct uda_ap *ap)
{
    uda_str_add(text, "{");
    add_numbers(text, ap->has_sizes,
                (const double[6]){ap->ap, ap->ap50, ap->ap75, ap->ap_small, ap->ap_medium,
                                  ap->ap_large});
    uda_str_add(text, ",\n \"classes\": {");
    for (int64_t i = 0; i < ap->classes; i++) {
        const struct uda_ap_class *c = &ap->cls[i];
        uda_str_add(text, "%s\n  ", i > 0 ? "," : "");
        uda_str_json(text, c->name);
        uda_str_add(text, ": {");
        add_numbers(text, ap->has_sizes,
                    (const double[6]){c->ap, c->ap50, c->ap75, c->ap_small, c->ap_medium,
                                      c->ap_large});
        uda_str_add(text, "}");
    }
    uda_str_add(text, "}}");
}

int uda_ap_write(const char *path, const struct uda_ap *ap, struct uda_err *err)
{
    struct uda_arena arena = {0};
    struct uda_str text;
    uda_str_init(&text, &arena);
    uda_ap_json(&text, ap);
    uda_str_add(&text, "\n");
    int rc = uda_str_status(&text, err);
    if (rc == 0) {
        rc = uda_fs_write(path, text.text, text.bytes, err);
    }
    uda_arena_finish(&arena);
    return rc;
}
