#include "src/dist/device_sum.h"

#include "src/base/arena.h"

#include <stdio.h>
#include <string.h>

#define ALIGN 64 /* floats: slices begin where a device reads fastest */
/* When the group breaks the watch may know why: it is given so many looks, about two seconds. */
#define PATIENCE 2000
#define PATIENCE_TURN 1000 /* each of a millisecond: uda_dist_pause */

struct uda_device_sum {
    struct uda_dist dist;
    struct uda_device *device;
    const struct uda_backend_group *group;
    void *member; /* NULL: given up */
    int64_t slice; /* floats of a rank in a bucket */
    float *parts;  /* [ranks][slice] of the device: every rank's part of this rank's slice */
    struct uda_group_part *part; /* [ranks] */
};

/* What a rank tells the others before they decide. */
struct claim {
    int32_t able;
    char text[200];  /* the library, or why not */
    char place[160]; /* machine and device */
};

/* What rank 0 sends to all: the id of the group, or why there is none. */
struct invitation {
    int32_t good;
    unsigned char id[UDA_GROUP_ID_BYTES];
    char why[200];
};

/* ---- deciding ---- */

static void make_claim(struct claim *claim, const struct uda_device *device)
{
    const struct uda_backend *backend = device->backend;
    struct uda_err why = {0};
    char place[64] = "", host[UDA_DIST_HOST_BYTES];
    memset(claim, 0, sizeof *claim);
    if (backend == NULL) {
        (void)snprintf(claim->text, sizeof claim->text, "its device is the CPU");
    } else if (backend->group == NULL) {
        (void)snprintf(claim->text, sizeof claim->text, "its module was built without NCCL");
    } else if (!backend->group->library(claim->text, sizeof claim->text)) {
        return; /* the library has said why */
    } else if (backend->group->place(place, sizeof place, device->stream.native, &why) != 0) {
        (void)snprintf(claim->text, sizeof claim->text, "%.180s", why.text);
    } else {
        uda_dist_host(host);
        (void)snprintf(claim->place, sizeof claim->place, "%s of '%s'", place, host);
        claim->able = 1;
    }
}

/* The same answer on all ranks. how: the reason why not. */
static bool agree(const struct claim *claim, int ranks, char *how, size_t bytes)
{
    for (int r = 0; r < ranks; r++) {
        if (claim[r].able == 0) {
            (void)snprintf(how, bytes, "on the host: rank %d: %s", r, claim[r].text);
            return false;
        }
        if (strcmp(claim[r].text, claim[0].text) != 0) {
            (void)snprintf(how, bytes, "on the host: rank %d has %s, rank 0 has %s", r, claim[r].text,
                           claim[0].text);
            return false;
        }
        for (int other = 0; other < r; other++) {
            if (strcmp(claim[r].place, claim[other].place) == 0) {
                (void)snprintf(how, bytes, "on the host: ranks %d and %d share the device %s", other, r,
                               claim[r].place);
                return false;
            }
        }
    }
    (void)snprintf(how, bytes, "on the devices by %s", claim[0].text);
    return true;
}

static int decide(bool *able, char how[UDA_DEVICE_SUM_TEXT], const struct uda_dist *dist,
                  const struct uda_device *device, struct uda_err *err)
{
    struct claim *claim = uda_calloc((size_t)dist->ranks * sizeof *claim);
    if (claim == NULL) {
        return uda_fail(err, UDA_NOMEM, "ranks: out of memory");
    }
    make_claim(&claim[dist->rank], device);
    int rc = uda_dist_gather(dist, claim, sizeof *claim, err);
    if (rc == 0) {
        *able = agree(claim, dist->ranks, how, UDA_DEVICE_SUM_TEXT);
    }
    uda_free(claim);
    return rc;
}

static int invite(struct invitation *invitation, const struct uda_dist *dist,
                  const struct uda_backend_group *group, struct uda_err *err)
{
    memset(invitation, 0, sizeof *invitation);
    if (dist->rank == 0) {
        struct uda_err why = {0};
        invitation->good = group->invite(invitation->id, &why) == 0;
        (void)snprintf(invitation->why, sizeof invitation->why, "%.190s", why.text);
    }
    return uda_dist_broadcast(dist, invitation, sizeof *invitation, err);
}

/* ---- waiting ---- */

/* The group says that it broke; a rank that failed or died is the better reason, once it is known. */
static int explain(const struct uda_device_sum *sum, struct uda_err *err)
{
    struct uda_err known = {0};
    for (int64_t turn = 0; turn < PATIENCE && sum->dist.ranks > 1; turn++) {
        if (uda_dist_pause(&sum->dist, PATIENCE_TURN + turn, &known) != 0) {
            *err = known;
            break;
        }
    }
    return (int)err->code;
}

/* Until the group has come as far as `wanted`. */
static int await(const struct uda_device_sum *sum, enum uda_group_state wanted, struct uda_err *err)
{
    enum uda_group_state state = UDA_GROUP_BEGINNING;
    for (int64_t turn = 0;; turn++) {
        if (sum->group->look(sum->member, &state, err) != 0) {
            return explain(sum, err);
        }
        if (state >= wanted) {
            return 0;
        }
        UDA_TRY(uda_dist_pause(&sum->dist, turn, err));
    }
}

/* Kernels of a device that wait for one that is gone must not keep this process. */
static int give_up(struct uda_device_sum *sum, int rc)
{
    if (rc != 0) {
        sum->group->leave(&sum->member, false);
    }
    return rc;
}

/* ---- life ---- */

static int begin(struct uda_device_sum *sum, const struct invitation *invitation, struct uda_err *err)
{
    const struct uda_dist *dist = &sum->dist;
    void *parts = NULL;
    sum->part = uda_calloc((size_t)dist->ranks * sizeof *sum->part);
    if (sum->part == NULL) {
        return uda_fail(err, UDA_NOMEM, "ranks: out of memory");
    }
    UDA_TRY(uda_device_alloc(&parts, sum->device, (size_t)(sum->slice * dist->ranks) * sizeof(float), err));
    sum->parts = parts;
    UDA_TRY(sum->group->join(&sum->member, sum->device->stream.native, invitation->id, dist->rank,
                             dist->ranks, err));
    return await(sum, UDA_GROUP_RUNNING, err);
}

int uda_device_sum_create(struct uda_device_sum **out, char how[UDA_DEVICE_SUM_TEXT],
                          const struct uda_dist *dist, struct uda_device *device, int64_t bucket,
                          struct uda_err *err)
{
    bool able = false;
    struct invitation invitation;
    UDA_TRY(decide(&able, how, dist, device, err));
    if (able) {
        UDA_TRY(invite(&invitation, dist, device->backend->group, err));
        able = invitation.good != 0;
        if (!able) {
            (void)snprintf(how, UDA_DEVICE_SUM_TEXT, "on the host: rank 0: %s", invitation.why);
        }
    }
    if (!able) {
        *out = NULL;
        return 0;
    }
    struct uda_device_sum *sum = uda_calloc(sizeof *sum);
    if (sum == NULL) {
        return uda_fail(err, UDA_NOMEM, "ranks: out of memory");
    }
    int64_t slice = (bucket / dist->ranks + ALIGN - 1) / ALIGN * ALIGN;
    *sum = (struct uda_device_sum){.dist = *dist, .device = device, .group = device->backend->group,
                                   .slice = slice > 0 ? slice : ALIGN};
    int rc = begin(sum, &invitation, err);
    if (rc != 0) {
        (void)give_up(sum, rc);
        uda_device_sum_destroy(&sum);
        return rc;
    }
    *out = sum;
    return 0;
}

void uda_device_sum_destroy(struct uda_device_sum **out)
{
    struct uda_device_sum *sum = *out;
    if (sum != NULL) {
        if (sum->member != NULL) {
            sum->group->leave(&sum->member, true);
        }
        uda_device_free(sum->device, sum->parts);
        uda_free(sum->part);
        uda_free(sum);
        *out = NULL;
    }
}

/* ---- sums ---- */

/* Slice r of n floats, at most `slice` each: its place and length. */
static int64_t slice_of(int64_t *first, const struct uda_device_sum *sum, int64_t n, int r)
{
    int64_t each = ((n + sum->dist.ranks - 1) / sum->dist.ranks + ALIGN - 1) / ALIGN * ALIGN;
    *first = each * r < n ? each * r : n;
    return *first + each < n ? each : n - *first;
}

/* Every rank gets all parts of its own slice. */
static int exchange(struct uda_device_sum *sum, const float *x, int64_t n, struct uda_err *err)
{
    int64_t own = 0, mine = slice_of(&own, sum, n, sum->dist.rank);
    for (int r = 0; r < sum->dist.ranks; r++) {
        int64_t first = 0, theirs = slice_of(&first, sum, n, r);
        sum->part[r] = (struct uda_group_part){.send = x + first, .send_count = theirs,
                                               .recv = sum->parts + r * sum->slice, .recv_count = mine};
    }
    UDA_TRY(sum->group->swap(sum->member, sum->part, err));
    return await(sum, UDA_GROUP_RUNNING, err);
}

/* parts[0] = sum of all parts, in the order of uda_dist_sum's tree. */
static int add_parts(struct uda_device_sum *sum, int64_t n, struct uda_err *err)
{
    int64_t own = 0, mine = slice_of(&own, sum, n, sum->dist.rank);
    for (int step = 1; step < sum->dist.ranks; step *= 2) {
        for (int r = 0; r < sum->dist.ranks; r += 2 * step) {
            struct uda_scale_add_args a = {.y = sum->parts + r * sum->slice,
                                           .x = sum->parts + (r + step) * sum->slice, .count = mine,
                                           .factor = 1.0f};
            int rc = sum->device->kernels->scale_add(&sum->device->stream, &a);
            if (rc != 0) {
                return uda_fail(err, (enum uda_code)rc, "ranks: kernel 'scale_add' failed");
            }
        }
    }
    return 0;
}

/* The summed slices to all. */
static int share(struct uda_device_sum *sum, float *x, int64_t n, struct uda_err *err)
{
    int64_t own = 0, mine = slice_of(&own, sum, n, sum->dist.rank);
    for (int r = 0; r < sum->dist.ranks; r++) {
        int64_t first = 0, theirs = slice_of(&first, sum, n, r);
        sum->part[r] = (struct uda_group_part){.send = sum->parts, .send_count = mine, .recv = x + first,
                                               .recv_count = theirs};
    }
    UDA_TRY(sum->group->swap(sum->member, sum->part, err));
    return await(sum, UDA_GROUP_RUNNING, err);
}

static int sum_all(struct uda_device_sum *sum, float *x, int64_t count, struct uda_err *err)
{
    int64_t bucket = sum->slice * sum->dist.ranks;
    for (int64_t done = 0; done < count; done += bucket) {
        int64_t n = count - done < bucket ? count - done : bucket;
        UDA_TRY(exchange(sum, x + done, n, err));
        UDA_TRY(add_parts(sum, n, err));
        UDA_TRY(share(sum, x + done, n, err));
    }
    return await(sum, UDA_GROUP_IDLE, err);
}

int uda_device_sum_run(struct uda_device_sum *sum, float *x, int64_t count, struct uda_err *err)
{
    if (sum->member == NULL) {
        return uda_fail(err, UDA_COMM, "ranks: the devices' group was given up");
    }
    return give_up(sum, sum_all(sum, x, count, err));
}
