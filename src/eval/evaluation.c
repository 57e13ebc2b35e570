#include "src/eval/evaluation.h"

#include "src/base/classes.h"
#include "src/eval/measured.h"
#include "src/eval/protocol.h"

#include <string.h>

struct uda_evaluation {
    enum uda_eval_protocol protocol;
    struct uda_arena arena;
    struct uda_measured *image; /* [count], uda_alloc */
    int64_t count, room;
};

static const char *const protocol_name[] = {"cityscapes", "kitti360", "coco"};

int uda_eval_protocol_of_name(const char *name)
{
    for (int i = 0; i < (int)UDA_LEN(protocol_name); i++) {
        if (strcmp(name, protocol_name[i]) == 0) {
            return i;
        }
    }
    return -1;
}

const char *uda_eval_protocol_name(enum uda_eval_protocol protocol)
{
    return protocol_name[protocol];
}

static int no_memory(struct uda_err *err)
{
    return uda_fail(err, UDA_NOMEM, "no memory to evaluate more images");
}

int uda_evaluation_create(struct uda_evaluation **out, enum uda_eval_protocol protocol,
                          struct uda_err *err)
{
    struct uda_evaluation *evaluation = uda_calloc(sizeof *evaluation);
    if (evaluation == NULL) {
        return no_memory(err);
    }
    evaluation->protocol = protocol;
    *out = evaluation;
    return 0;
}

void uda_evaluation_destroy(struct uda_evaluation **evaluation)
{
    if (*evaluation != NULL) {
        uda_arena_finish(&(*evaluation)->arena);
        uda_free((*evaluation)->image);
        uda_free(*evaluation);
        *evaluation = NULL;
    }
}

static int reserve(struct uda_evaluation *evaluation, int64_t more, struct uda_err *err)
{
    if (evaluation->room - evaluation->count >= more) {
        return 0;
    }
    int64_t room = 2 * evaluation->room > evaluation->count + more ? 2 * evaluation->room
                                                                   : evaluation->count + more + 8;
    struct uda_measured *image = uda_alloc((size_t)room * sizeof *image);
    if (image == NULL) {
        return no_memory(err);
    }
    if (evaluation->count > 0) {
        memcpy(image, evaluation->image, (size_t)evaluation->count * sizeof *image);
    }
    uda_free(evaluation->image);
    evaluation->image = image;
    evaluation->room = room;
    return 0;
}

static int measure_regions(struct uda_region_image *image, struct uda_arena *scratch,
                           const struct uda_region_protocol *protocol,
                           const struct uda_eval_truth *truth,
                           const struct uda_image_detections *found, struct uda_err *err)
{
    struct uda_region_map map;
    struct uda_region_guess *guess = NULL;
    int64_t guesses = 0;
    if (truth->ids != NULL) {
        UDA_TRY(uda_region_map_of_ids(&map, scratch, protocol, truth->ids, truth->confidence,
                                      truth->name, err));
    } else {
        UDA_TRY(uda_region_map_of_labels(&map, scratch, protocol, truth->labels, truth->void_mask,
                                         truth->name, err));
    }
    UDA_TRY(uda_region_guesses(&guess, &guesses, scratch, protocol, found, err));
    return uda_region_measure(image, scratch, &map, guess, guesses, truth->name, err);
}

static int measure_coco(struct uda_coco_image *image, struct uda_arena *scratch,
                        const struct uda_eval_truth *truth,
                        const struct uda_image_detections *found, struct uda_err *err)
{
    const struct uda_labels *labels = truth->labels;
    if (labels == NULL) {
        return uda_fail(err, UDA_SHAPE, "'%s': the coco protocol needs labels, not instance ids",
                        truth->name);
    }
    struct uda_coco_truth *t = uda_arena_alloc(scratch, (size_t)labels->count * sizeof *t);
    struct uda_coco_guess *g = uda_arena_alloc(scratch, (size_t)found->count * sizeof *g);
    if (t == NULL || g == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < labels->count; i++) {
        const struct uda_instance *instance = &labels->instance[i];
        struct uda_box box = {instance->x0, instance->y0, instance->x1, instance->y1};
        t[i] = (struct uda_coco_truth){.cls = instance->cls,
                                       .area = (double)instance->area_px,
                                       .crowd = instance->crowd};
        UDA_TRY(uda_rle_encode_box(&t[i].mask, scratch, instance->mask, box, labels->height,
                                   labels->width, err));
    }
    for (int64_t i = 0; i < found->count; i++) {
        const struct uda_detection *item = &found->item[i];
        g[i] = (struct uda_coco_guess){item->cls, item->score, (double)item->area_px, item->mask};
    }
    return uda_coco_measure(image, scratch, t, labels->count, g, found->count, truth->name, err);
}

static int measure(struct uda_measured *measured, struct uda_arena *scratch,
                   enum uda_eval_protocol protocol, const struct uda_eval_truth *truth,
                   const struct uda_image_detections *found, struct uda_err *err)
{
    if (protocol == UDA_EVAL_COCO) {
        return measure_coco(&measured->coco, scratch, truth, found, err);
    }
    const struct uda_region_protocol *rules = protocol == UDA_EVAL_KITTI360
                                                  ? &uda_protocol_kitti360
                                                  : &uda_protocol_cityscapes;
    return measure_regions(&measured->region, scratch, rules, truth, found, err);
}

/* A loader and what it loads for. */
struct work {
    enum uda_eval_protocol protocol;
    int (*load)(void *args, int64_t i, struct uda_arena *scratch, struct uda_eval_truth *truth,
                struct uda_image_detections *found, struct uda_err *err);
    void *args;
};

static int load_and_measure(void *args, int64_t i, struct uda_arena *scratch,
                            struct uda_measured *measured, struct uda_err *err)
{
    const struct work *work = args;
    struct uda_eval_truth truth = {0};
    struct uda_image_detections found = {0};
    UDA_TRY(work->load(work->args, i, scratch, &truth, &found, err));
    return measure(measured, scratch, work->protocol, &truth, &found, err);
}

int uda_evaluation_add_all(struct uda_evaluation *evaluation, struct uda_team *team, int64_t images,
                           int (*load)(void *args, int64_t i, struct uda_arena *scratch,
                                       struct uda_eval_truth *truth,
                                       struct uda_image_detections *found, struct uda_err *err),
                           void *args, struct uda_err *err)
{
    struct work work = {evaluation->protocol, load, args};
    UDA_TRY(reserve(evaluation, images, err));
    UDA_TRY(uda_measure_all(evaluation->image + evaluation->count, &evaluation->arena, team, images,
                            load_and_measure, &work, err));
    evaluation->count += images;
    return 0;
}

/* One image that is already there. */
struct given {
    const struct uda_eval_truth *truth;
    const struct uda_image_detections *found;
};

static int load_given(void *args, int64_t i, struct uda_arena *scratch,
                      struct uda_eval_truth *truth, struct uda_image_detections *found,
                      struct uda_err *err)
{
    const struct given *given = args;
    (void)i;
    (void)scratch;
    (void)err;
    *truth = *given->truth;
    *found = *given->found;
    return 0;
}

int uda_evaluation_add(struct uda_evaluation *evaluation, const struct uda_eval_truth *truth,
                       const struct uda_image_detections *found, struct uda_err *err)
{
    struct given given = {truth, found};
    return uda_evaluation_add_all(evaluation, NULL, 1, load_given, &given, err);
}

int uda_evaluation_finish(struct uda_ap *ap, const struct uda_evaluation *evaluation,
                          struct uda_arena *arena, struct uda_err *err)
{
    int64_t count = evaluation->count;
    const struct uda_region_image **region = uda_arena_alloc(arena, (size_t)count * sizeof *region);
    const struct uda_coco_image **coco = uda_arena_alloc(arena, (size_t)count * sizeof *coco);
    const char **name = uda_arena_alloc(arena, UDA_CLASSES * sizeof *name);
    if (region == NULL || coco == NULL || name == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < count; i++) {
        region[i] = &evaluation->image[i].region;
        coco[i] = &evaluation->image[i].coco;
    }
    for (int c = 0; c < UDA_CLASSES; c++) {
        name[c] = uda_classes[c].name;
    }
    if (evaluation->protocol == UDA_EVAL_COCO) {
        return uda_coco_ap(ap, arena, name, UDA_CLASSES, coco, count, err);
    }
    const struct uda_region_protocol *rules = evaluation->protocol == UDA_EVAL_KITTI360
                                                  ? &uda_protocol_kitti360
                                                  : &uda_protocol_cityscapes;
    return uda_region_ap(ap, arena, rules, region, count, err);
}
