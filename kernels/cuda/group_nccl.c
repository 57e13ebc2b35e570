/*
 * The group by NCCL: point to point messages on the stream. The library is opened when it is asked for: the
 * module needs its header alone, and does everything else on a machine that has none.
 */
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/group.h"
#include "src/base/arena.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LIBRARY "libnccl.so.2"
#define LEAVE_MS 3000 /* for the others' part of an orderly end */

/* What is used of the library. */
struct nccl {
    ncclResult_t (*GetVersion)(int *version);
    ncclResult_t (*GetUniqueId)(ncclUniqueId *id);
    ncclResult_t (*CommInitRankConfig)(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank,
                                       ncclConfig_t *config);
    ncclResult_t (*CommGetAsyncError)(ncclComm_t comm, ncclResult_t *state);
    ncclResult_t (*CommFinalize)(ncclComm_t comm);
    ncclResult_t (*CommDestroy)(ncclComm_t comm);
    ncclResult_t (*CommAbort)(ncclComm_t comm);
    ncclResult_t (*GroupStart)(void);
    ncclResult_t (*GroupEnd)(void);
    ncclResult_t (*Send)(const void *data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                         cudaStream_t stream);
    ncclResult_t (*Recv)(void *data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                         cudaStream_t stream);
    const char *(*GetErrorString)(ncclResult_t result);
    const char *(*GetLastError)(ncclComm_t comm);
};

struct member {
    struct nccl nccl;
    ncclComm_t comm; /* NULL: could not begin */
    struct uda_cuda_stream *stream;
    int ranks;
};

/* ISO C has no cast between pointers to data and to functions. */
#define FIND(nccl, library, name)                                                                  \
    do {                                                                                           \
        void *symbol = dlsym(library, "nccl" #name);                                               \
        memcpy(&(nccl)->name, &symbol, sizeof symbol);                                             \
        lacks = symbol == NULL && lacks == NULL ? "nccl" #name : lacks;                            \
    } while (0)

/* It stays open for the life of the program: it has threads. false: why in text. */
static bool open_library(struct nccl *nccl, char *text, size_t bytes)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) {
        const char *said = dlerror();
        (void)snprintf(text, bytes, "no NCCL: %s", said != NULL ? said : LIBRARY);
        return false;
    }
    const char *lacks = NULL;
    FIND(nccl, library, GetVersion);
    FIND(nccl, library, GetUniqueId);
    FIND(nccl, library, CommInitRankConfig);
    FIND(nccl, library, CommGetAsyncError);
    FIND(nccl, library, CommFinalize);
    FIND(nccl, library, CommDestroy);
    FIND(nccl, library, CommAbort);
    FIND(nccl, library, GroupStart);
    FIND(nccl, library, GroupEnd);
    FIND(nccl, library, Send);
    FIND(nccl, library, Recv);
    FIND(nccl, library, GetErrorString);
    FIND(nccl, library, GetLastError);
    if (lacks != NULL) {
        (void)snprintf(text, bytes, "this NCCL is too old: it has no %s", lacks);
    }
    (void)dlclose(library);
    return lacks == NULL;
}

static bool library(char *text, size_t bytes)
{
    struct nccl nccl;
    int version = 0;
    if (!open_library(&nccl, text, bytes)) {
        return false;
    }
    if (nccl.GetVersion(&version) != ncclSuccess) {
        (void)snprintf(text, bytes, "NCCL does not say its version");
        return false;
    }
    (void)snprintf(text, bytes, "NCCL %d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    return true;
}

static int must_open(struct nccl *nccl, struct uda_err *err)
{
    char why[300];
    return open_library(nccl, why, sizeof why) ? 0 : uda_fail(err, UDA_UNSUPPORTED, "%s", why);
}

/* What the library said last says more than its code. */
static int fail(const struct nccl *nccl, ncclComm_t comm, ncclResult_t code, const char *what,
                struct uda_err *err)
{
    const char *last = nccl->GetLastError(comm);
    return uda_fail(err, UDA_COMM, "NCCL: %s: %s%s%.160s", what,
                    nccl->GetErrorString(code), last != NULL && last[0] != '\0' ? ": " : "",
                    last != NULL ? last : "");
}

/* A communicator that does not block answers that it is at it. */
static bool good(ncclResult_t code) { return code == ncclSuccess || code == ncclInProgress; }

static int place(char *text, size_t bytes, void *stream, struct uda_err *err)
{
    const struct uda_cuda_stream *s = stream;
    char bus[32] = "";
    cudaError_t status = cudaDeviceGetPCIBusId(bus, (int)sizeof bus, s->device);
    if (status != cudaSuccess) {
        return uda_fail(err, UDA_DEVICE, "cuda: cannot ask where a device is: %s",
                        cudaGetErrorString(status));
    }
    (void)snprintf(text, bytes, "%s", bus);
    return 0;
}

static int invite(unsigned char id[UDA_GROUP_ID_BYTES], struct uda_err *err)
{
    struct nccl nccl;
    ncclUniqueId made;
    UDA_TRY(must_open(&nccl, err));
    ncclResult_t code = nccl.GetUniqueId(&made);
    if (code != ncclSuccess) {
        return fail(&nccl, NULL, code, "cannot begin a group", err);
    }
    _Static_assert(sizeof made == UDA_GROUP_ID_BYTES, "an id is NCCL's");
    memcpy(id, &made, sizeof made);
    return 0;
}

static int join(void **out, void *stream, const unsigned char id[UDA_GROUP_ID_BYTES], int rank, int ranks,
                struct uda_err *err)
{
    struct nccl nccl;
    UDA_TRY(must_open(&nccl, err));
    struct member *m = uda_calloc(sizeof *m);
    if (m == NULL) {
        return uda_fail(err, UDA_NOMEM, "NCCL: out of memory");
    }
    *m = (struct member){.nccl = nccl, .stream = stream, .ranks = ranks};
    ncclUniqueId made;
    memcpy(&made, id, sizeof made);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclResult_t code = ncclUnhandledCudaError;
    if (cudaSetDevice(m->stream->device) == cudaSuccess) {
        code = nccl.CommInitRankConfig(&m->comm, ranks, made, rank, &config);
    }
    if (!good(code)) {
        int rc = fail(&nccl, NULL, code, "a device cannot join the group", err);
        uda_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

static int swap(void *member, const struct uda_group_part *part, struct uda_err *err)
{
    struct member *m = member;
    ncclResult_t code = m->nccl.GroupStart();
    for (int r = 0; r < m->ranks && good(code); r++) {
        if (part[r].send_count > 0) {
            code = m->nccl.Send(part[r].send, (size_t)part[r].send_count, ncclFloat32, r, m->comm,
                                m->stream->native);
        }
        if (part[r].recv_count > 0 && good(code)) {
            code = m->nccl.Recv(part[r].recv, (size_t)part[r].recv_count, ncclFloat32, r, m->comm,
                                m->stream->native);
        }
    }
    ncclResult_t ended = m->nccl.GroupEnd();
    code = good(code) ? ended : code;
    return good(code) ? 0 : fail(&m->nccl, m->comm, code, "a swap between devices", err);
}

static int look(void *member, enum uda_group_state *state, struct uda_err *err)
{
    struct member *m = member;
    ncclResult_t async = ncclSuccess, code = m->nccl.CommGetAsyncError(m->comm, &async);
    code = code == ncclSuccess ? async : code;
    if (!good(code)) {
        return fail(&m->nccl, m->comm, code, "a device of the group", err);
    }
    if (code == ncclInProgress) {
        *state = UDA_GROUP_BEGINNING;
        return 0;
    }
    cudaError_t status = cudaStreamQuery(m->stream->native);
    if (status != cudaSuccess && status != cudaErrorNotReady) {
        return uda_fail(err, UDA_DEVICE, "cuda: the device failed: %s", cudaGetErrorString(status));
    }
    *state = status == cudaSuccess ? UDA_GROUP_IDLE : UDA_GROUP_RUNNING;
    return 0;
}

/* The others may be late or gone: false after LEAVE_MS. */
static bool finish(struct member *m)
{
    ncclResult_t state = m->nccl.CommFinalize(m->comm);
    for (int ms = 0; ms < LEAVE_MS && state == ncclInProgress; ms++) {
        if (m->nccl.CommGetAsyncError(m->comm, &state) != ncclSuccess) {
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return state == ncclSuccess;
}

static void leave(void **member, bool orderly)
{
    struct member *m = *member;
    if (m != NULL) {
        if (orderly && finish(m)) {
            (void)m->nccl.CommDestroy(m->comm);
        } else {
            (void)m->nccl.CommAbort(m->comm);
        }
        uda_free(m);
        *member = NULL;
    }
}

const struct uda_backend_group uda_cuda_group = {.library = library,
                                                 .place = place,
                                                 .invite = invite,
                                                 .join = join,
                                                 .swap = swap,
                                                 .look = look,
                                                 .leave = leave};
