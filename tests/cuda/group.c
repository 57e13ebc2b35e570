#include "tests/cuda/group.h"

#include "src/base/arena.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMBERS 8
#define BOX ((int64_t)1 << 16) /* floats on their way between two members */

/* Filled by one member and emptied by another. */
struct box {
    _Atomic int64_t count; /* 0: empty */
    float data[BOX];
};

/* What all members share. */
struct room {
    _Atomic int joined;
    struct box box[MEMBERS][MEMBERS]; /* [from][to] */
};

struct member {
    struct room *room;
    int rank, ranks;
    struct uda_group_part part[MEMBERS]; /* what is left of the swap under way */
};

static FILE *invited; /* of who made the id: as long as it is open, others find it */

static bool told(const char *what)
{
    const char *group = getenv("UDA_GROUP");
    return group != NULL && strcmp(group, what) == 0;
}

bool group_library(char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "%s", told("none") ? "UDA_GROUP says that there is none" : "shared memory");
    return !told("none");
}

int group_invite(unsigned char id[UDA_GROUP_ID_BYTES], struct uda_err *err)
{
    if (invited != NULL) {
        (void)fclose(invited);
    }
    invited = tmpfile();
    if (invited == NULL || ftruncate(fileno(invited), (off_t)sizeof(struct room)) != 0) {
        return uda_fail(err, UDA_COMM, "shared memory: no temporary file");
    }
    memset(id, 0, UDA_GROUP_ID_BYTES);
    (void)snprintf((char *)id, UDA_GROUP_ID_BYTES, "/proc/%ld/fd/%d", (long)getpid(), fileno(invited));
    return 0;
}

int group_join(void **out, void *stream, const unsigned char id[UDA_GROUP_ID_BYTES], int rank, int ranks,
               struct uda_err *err)
{
    (void)stream;
    char refuses[16];
    (void)snprintf(refuses, sizeof refuses, "refuses:%d", rank);
    int fd = told(refuses) || ranks > MEMBERS ? -1 : open((const char *)id, O_RDWR);
    void *room = fd < 0 ? MAP_FAILED
                        : mmap(NULL, sizeof(struct room), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (room == MAP_FAILED) {
        return uda_fail(err, UDA_COMM, "shared memory: cannot join");
    }
    struct member *m = uda_calloc(sizeof *m);
    if (m == NULL) {
        return uda_fail(err, UDA_NOMEM, "shared memory: out of memory");
    }
    *m = (struct member){.room = room, .rank = rank, .ranks = ranks};
    (void)atomic_fetch_add(&m->room->joined, 1);
    *out = m;
    return 0;
}

int group_ranks(const void *member) { return ((const struct member *)member)->ranks; }

int group_swap(void *member, const struct uda_group_part *part, struct uda_err *err)
{
    struct member *m = member;
    for (int r = 0; r < m->ranks; r++) {
        if (m->part[r].send_count > 0 || m->part[r].recv_count > 0) {
            return uda_fail(err, UDA_COMM, "shared memory: a swap before the last one was through");
        }
    }
    memcpy(m->part, part, (size_t)m->ranks * sizeof *part);
    return 0;
}

static void send_some(struct member *m, int r, group_copy_fn *copy)
{
    struct uda_group_part *part = &m->part[r];
    struct box *box = &m->room->box[m->rank][r];
    int64_t n = part->send_count < BOX ? part->send_count : BOX;
    if (n > 0 && atomic_load(&box->count) == 0) {
        copy(box->data, part->send, (size_t)n * sizeof(float));
        part->send += n;
        part->send_count -= n;
        atomic_store(&box->count, n);
    }
}

/* false: more came than was to come. */
static bool take_some(struct member *m, int r, group_copy_fn *copy)
{
    struct uda_group_part *part = &m->part[r];
    struct box *box = &m->room->box[r][m->rank];
    int64_t n = atomic_load(&box->count);
    if (n > 0 && part->recv_count > 0) {
        if (n > part->recv_count) {
            return false;
        }
        copy(part->recv, box->data, (size_t)n * sizeof(float));
        part->recv += n;
        part->recv_count -= n;
        atomic_store(&box->count, 0);
    }
    return true;
}

int group_look(void *member, enum uda_group_state *state, group_copy_fn *copy, struct uda_err *err)
{
    struct member *m = member;
    *state = UDA_GROUP_BEGINNING;
    if (atomic_load(&m->room->joined) < m->ranks) {
        return 0;
    }
    int64_t left = 0;
    for (int r = 0; r < m->ranks; r++) {
        send_some(m, r, copy);
        if (!take_some(m, r, copy)) {
            return uda_fail(err, UDA_COMM, "shared memory: rank %d sent more than was to come", r);
        }
        left += m->part[r].send_count + m->part[r].recv_count;
    }
    *state = left > 0 ? UDA_GROUP_BEGINNING : UDA_GROUP_IDLE;
    return 0;
}

void group_leave(void **member, bool orderly)
{
    struct member *m = *member;
    (void)orderly;
    if (m != NULL) {
        (void)munmap(m->room, sizeof *m->room);
        uda_free(m);
        *member = NULL;
    }
}
