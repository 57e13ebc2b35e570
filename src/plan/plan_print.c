/* The page that `uda4inst plan` prints. */
#include "src/plan/plan.h"

#include <inttypes.h>
#include <string.h>

static void put_bytes(struct uda_str *out, int64_t bytes)
{
    double mb = (double)bytes / 1e6;
    uda_str_add(out, mb < 1000 ? "%.1f MB" : "%.0f MB", mb);
}

static void put_dataset(struct uda_str *out, const struct uda_manifest_dataset *d)
{
    uda_str_add(out, "data set '%s': %s", d->name, uda_layout_name(d->format));
    uda_str_add(out, " in '%s'", d->root != NULL ? d->root : d->annotations);
    if (d->split != NULL && d->split[0] != '\0') {
        uda_str_add(out, ", split %s", d->split);
    }
    if (d->scenes.count > 0) {
        uda_str_add(out, ", %" PRId64 " scenes of %" PRId64 "x%" PRId64 " drawn when missing",
                    d->scenes.count, d->scenes.height, d->scenes.width);
    }
    if (d->hold_out.count > 0) {
        uda_str_add(out, ", %s of a hold-out of %" PRId64,
                    d->hold_out.part == UDA_PART_REST ? "rest" : "held-out part",
                    d->hold_out.count);
    }
    if (d->limit > 0) {
        uda_str_add(out, ", first %" PRId64, d->limit);
    }
    uda_str_add(out, d->labels == UDA_LABELS_NONE ? ", labels never opened\n" : "\n");
}

static void put_reads(struct uda_str *out, const struct uda_plan *plan,
                      const struct uda_plan_stage *s)
{
    for (int64_t i = 0; i < s->spec->data_count; i++) {
        uda_str_add(out, "      reads   ");
        put_dataset(out, &plan->manifest->dataset[s->spec->data[i]]);
    }
    for (int64_t i = 0; i < s->input_count; i++) {
        const struct uda_plan_stage *from = &plan->stage[s->input[i]];
        uda_str_add(out, "      reads   %s\n", from->weights != NULL ? from->weights : from->label_file);
    }
    bool measures_labels = s->kind == UDA_STAGE_EVALUATE && s->labels >= 0;
    if (s->spec->from < 0 && s->kind != UDA_STAGE_FUSE && !measures_labels) {
        const char *init = plan->manifest->model.init;
        uda_str_add(out, "      starts  from %s%s%s\n", init == NULL ? "drawn weights" : "'",
                    init == NULL ? "" : init, init == NULL ? "" : "'");
    }
}

static bool trains(const struct uda_plan_stage *s)
{
    return s->kind == UDA_STAGE_TRAIN || s->kind == UDA_STAGE_ADAPT;
}

static void put_writes(struct uda_str *out, const struct uda_plan *plan,
                       const struct uda_plan_stage *s)
{
    const struct uda_manifest *m = plan->manifest;
    if (trains(s)) {
        const struct uda_manifest_recipe *r = &s->spec->recipe;
        uda_str_add(out, "      costs   %" PRId64 " iterations of %" PRId64 " images at %" PRId64
                         "x%" PRId64 "\n", s->spec->iterations, r->batch, r->augment.crop[0],
                    r->augment.crop[1]);
        uda_str_add(out, "      writes  %s (", s->weights);
        put_bytes(out, 4 * uda_plan_parameters(&m->model));
        uda_str_add(out, "), %" PRId64 " checkpoints of ", m->checkpoint.keep);
        put_bytes(out, uda_plan_checkpoint_bytes(m, s->kind));
        uda_str_add(out, ", one every %" PRId64 " iterations\n", m->checkpoint.every);
    } else {
        const char *what = s->label_file;
        uda_str_add(out, "      writes  %s%s\n", what != NULL ? what : s->dir,
                    what != NULL       ? ""
                    : !s->spec->fused  ? "/ (average precision)"
                    : s->spec->fuse_rule == UDA_FUSE_PLAIN
                        ? "/ (average precision of all models together)"
                        : "/ (average precision of all models together, each for its classes)");
    }
}

static void put_status(struct uda_str *out, const struct uda_plan_stage *s,
                       const struct uda_plan_progress *p)
{
    static const char *const words[] = {"to do", "started", "done", "to re-do", "failed"};
    uda_str_add(out, "%s", words[p->status]);
    if (p->status == UDA_PLAN_PARTIAL) {
        uda_str_add(out, ", continues at iteration %" PRId64 " of %" PRId64, p->step,
                    s->spec->iterations);
    }
    uda_str_add(out, "%s%s", p->reason != NULL ? ": " : "", p->reason != NULL ? p->reason : "");
}

/* Newest checkpoints of all training stages, one being written, and the weights. */
static int64_t disk_bytes(const struct uda_plan *plan)
{
    int64_t bytes = 0, largest = 0;
    for (int64_t i = 0; i < plan->count; i++) {
        const struct uda_plan_stage *s = &plan->stage[i];
        if (trains(s)) {
            int64_t one = uda_plan_checkpoint_bytes(plan->manifest, s->kind);
            bytes += plan->manifest->checkpoint.keep * one;
            bytes += 4 * uda_plan_parameters(&plan->manifest->model);
            largest = one > largest ? one : largest;
        }
    }
    return bytes + largest;
}

void uda_plan_print(struct uda_str *out, const struct uda_plan *plan,
                    const struct uda_plan_progress *progress)
{
    const struct uda_manifest *m = plan->manifest;
    int64_t parameters = uda_plan_parameters(&m->model);
    uda_str_add(out, "%s: %" PRId64 " stages, a model of %" PRId64 " parameters\n", m->name,
                plan->count, parameters);
    for (int64_t i = 0; i < plan->count; i++) {
        const struct uda_plan_stage *s = &plan->stage[i];
        char fingerprint[UDA_DIGEST_TEXT_BYTES];
        uda_digest_text(fingerprint, s->fingerprint);
        uda_str_add(out, "\n%3" PRId64 "   %s (%s)", i + 1, s->name, uda_stage_kind_name(s->kind));
        if (progress != NULL) {
            uda_str_add(out, ": ");
            put_status(out, s, &progress[i]);
        }
        uda_str_add(out, "\n");
        put_reads(out, plan, s);
        put_writes(out, plan, s);
        uda_str_add(out, "      key     %.16s\n", fingerprint);
    }
    uda_str_add(out, "\ndisk: up to ");
    put_bytes(out, disk_bytes(plan));
    uda_str_add(out, " of weights and checkpoints in the run folder\n");
}
