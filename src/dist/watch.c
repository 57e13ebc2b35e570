#include "src/dist/watch.h"

#include "src/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL_S 30
#define LINGER_S 5
#define TEXT_BYTES 1024

enum { BEAT, STOP, FAILURE, GOODBYE };

/* What goes over a connection: a head, then text. */
struct head {
    int32_t kind, code, rank, text_bytes;
};

struct link {
    int fd; /* -1: none, or over */
    int silent_s;
    bool goodbye;
    size_t have; /* bytes of a message under way */
    unsigned char buffer[sizeof(struct head) + TEXT_BYTES];
};

struct uda_watch {
    int rank, ranks, links;
    int listening, wake[2]; /* -1: none */
    unsigned char token[16];
    struct uda_dist_hooks hooks;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* of sending, and of the failure */
    _Atomic bool broken, orphan, quit, stop_told;
    struct uda_err failure; /* of the rank that failed first */
    struct link
        *link; /* [links]: rank 0 has one to each other rank, at index rank - 1; others one */
    struct pollfd *poll; /* [links + 1] */
};

/* ---- sending; under the mutex ---- */

/* A small message fits into the system's buffer; where it does not, the peer is beyond help. */
static void send_to(struct link *link, int kind, int code, int rank, const char *text)
{
    unsigned char message[sizeof(struct head) + TEXT_BYTES];
    size_t bytes = strlen(text) < TEXT_BYTES ? strlen(text) : TEXT_BYTES - 1;
    const struct head head = {
        .kind = kind, .code = code, .rank = rank, .text_bytes = (int32_t)bytes};
    memcpy(message, &head, sizeof head);
    memcpy(message + sizeof head, text, bytes);
    if (link->fd >= 0) {
        (void)!send(link->fd, message, sizeof head + bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void send_all(struct uda_watch *w, int kind, int code, int rank, const char *text)
{
    for (int i = 0; i < w->links; i++) {
        send_to(&w->link[i], kind, code, rank, text);
    }
}

/* ---- failures ---- */

/* The first failure stays; rank 0 passes it on. own: this rank's. */
static void record(struct uda_watch *w, int code, int rank, const char *text)
{
    (void)pthread_mutex_lock(&w->mutex);
    if (!atomic_load(&w->broken)) {
        (void)uda_fail(&w->failure, (enum uda_code)code, "%s", text);
        if (w->rank == 0 || rank == w->rank) {
            send_all(w, FAILURE, code, rank, text);
        }
        atomic_store(&w->broken, true);
    }
    (void)pthread_mutex_unlock(&w->mutex);
}

static void record_lost(struct uda_watch *w, int rank, const char *how)
{
    char text[TEXT_BYTES];
    (void)snprintf(text, sizeof text,
                   "rank %d of %d %s: the job ends; the last checkpoint is good, run the same "
                   "command to continue",
                   rank, w->ranks, how);
    if (rank == 0 && !atomic_load(&w->broken)) {
        atomic_store(&w->orphan, true);
    }
    record(w, UDA_COMM, rank, text);
}

/* The main thread had its time: nothing waits for this process any more. */
static void end_process(struct uda_watch *w)
{
    if (atomic_load(&w->orphan)) {
        uda_log_set_level(UDA_LOG_ERROR);
    }
    uda_log(UDA_LOG_ERROR, "%s", w->failure.text);
    _exit(uda_code_exit(w->failure.code));
}

/* ---- receiving; the watch's thread alone ---- */

static void take(struct uda_watch *w, struct link *link, const struct head *head, const char *text)
{
    char line[TEXT_BYTES + 32];
    switch (head->kind) {
    case STOP:
        if (w->hooks.request_stop != NULL) {
            (void)snprintf(line, sizeof line, "rank %d %s", (int)head->rank, text);
            w->hooks.request_stop(line);
        }
        break;
    case FAILURE:
        /* Rank 0 puts the number in front; what it passes on has it. */
        if (w->rank == 0) {
            (void)snprintf(line, sizeof line, "rank %d: %s", (int)head->rank, text);
        } else {
            (void)snprintf(line, sizeof line, "%s", text);
        }
        record(w, head->code, head->rank, line);
        break;
    case GOODBYE: link->goodbye = true; break;
    default: break;
    }
}

/* Messages that are whole; false when what came cannot be one. */
static bool take_messages(struct uda_watch *w, struct link *link)
{
    while (link->have >= sizeof(struct head)) {
        struct head head;
        char text[TEXT_BYTES];
        memcpy(&head, link->buffer, sizeof head);
        if (head.text_bytes < 0 || head.text_bytes >= TEXT_BYTES) {
            return false;
        }
        size_t bytes = sizeof head + (size_t)head.text_bytes;
        if (link->have < bytes) {
            return true;
        }
        memcpy(text, link->buffer + sizeof head, (size_t)head.text_bytes);
        text[head.text_bytes] = '\0';
        take(w, link, &head, text);
        memmove(link->buffer, link->buffer + bytes, link->have - bytes);
        link->have -= bytes;
    }
    return true;
}

static void hear(struct uda_watch *w, int i)
{
    struct link *link = &w->link[i];
    ssize_t n =
        recv(link->fd, link->buffer + link->have, sizeof link->buffer - link->have, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    link->silent_s = 0;
    if (n > 0) {
        link->have += (size_t)n;
        if (take_messages(w, link)) {
            return;
        }
    }
    (void)pthread_mutex_lock(&w->mutex);
    (void)close(link->fd);
    link->fd = -1;
    (void)pthread_mutex_unlock(&w->mutex);
    if (!link->goodbye) {
        record_lost(w, w->rank == 0 ? i + 1 : 0,
                    "is gone without a word (killed, or out of memory)");
    }
}

/* Once a second of this process's own time. */
static void tick(struct uda_watch *w, int *broken_s)
{
    (void)pthread_mutex_lock(&w->mutex);
    send_all(w, BEAT, 0, w->rank, "");
    (void)pthread_mutex_unlock(&w->mutex);
    for (int i = 0; i < w->links; i++) {
        if (w->link[i].fd >= 0 && !w->link[i].goodbye &&
            ++w->link[i].silent_s == UDA_WATCH_SILENCE_S) {
            char how[64];
            (void)snprintf(how, sizeof how, "has not been heard of for %d s", UDA_WATCH_SILENCE_S);
            record_lost(w, w->rank == 0 ? i + 1 : 0, how);
        }
    }
    if (atomic_load(&w->broken) && ++*broken_s > UDA_WATCH_GRACE_S) {
        end_process(w);
    }
}

static void *keep_watch(void *args)
{
    struct uda_watch *w = args;
    double last = uda_net_now();
    int broken_s = 0;
    while (!atomic_load(&w->quit)) {
        for (int i = 0; i < w->links; i++) {
            w->poll[i] = (struct pollfd){.fd = w->link[i].fd, .events = POLLIN};
        }
        w->poll[w->links] = (struct pollfd){.fd = w->wake[0], .events = POLLIN};
        int n = poll(w->poll, (nfds_t)w->links + 1, 1000);
        for (int i = 0; i < w->links && n > 0; i++) {
            if (w->poll[i].revents != 0 && w->link[i].fd >= 0) {
                hear(w, i);
            }
        }
        if (uda_net_now() - last >= 1.0) {
            last = uda_net_now();
            tick(w, &broken_s);
        }
    }
    return NULL;
}

/* ---- life ---- */

static int create(struct uda_watch **out, int rank, int ranks, struct uda_err *err)
{
    int links = rank == 0 ? ranks - 1 : 1;
    struct uda_watch *w = uda_calloc(sizeof *w);
    if (w == NULL) {
        return uda_fail(err, UDA_NOMEM, "ranks: out of memory");
    }
    *w = (struct uda_watch){
        .rank = rank, .ranks = ranks, .links = links, .listening = -1, .wake = {-1, -1}};
    w->link = uda_calloc((size_t)links * sizeof *w->link);
    w->poll = uda_calloc(((size_t)links + 1) * sizeof *w->poll);
    for (int i = 0; i < links && w->link != NULL; i++) {
        w->link[i].fd = -1;
    }
    int rc =
        w->link == NULL || w->poll == NULL ? uda_fail(err, UDA_NOMEM, "ranks: out of memory") : 0;
    if (rc == 0 && (pipe(w->wake) != 0 || pthread_mutex_init(&w->mutex, NULL) != 0)) {
        rc = uda_fail(err, UDA_COMM, "ranks: cannot make a pipe: %s", strerror(errno));
    }
    if (rc != 0) {
        uda_watch_destroy(&w);
        return rc;
    }
    *out = w;
    return 0;
}

static int start(struct uda_watch *w, const struct uda_dist_hooks *hooks, struct uda_err *err)
{
    w->hooks = *hooks;
    if (pthread_create(&w->thread, NULL, keep_watch, w) != 0) {
        return uda_fail(err, UDA_NOMEM, "ranks: cannot start the watch's thread");
    }
    w->started = true;
    return 0;
}

int uda_watch_listen(struct uda_watch **watch, struct uda_net_place *place, int ranks,
                     struct uda_err *err)
{
    struct uda_watch *w = NULL;
    UDA_TRY(create(&w, 0, ranks, err));
    int rc = uda_net_listen(&w->listening, place, err);
    if (rc != 0) {
        uda_watch_destroy(&w);
        return rc;
    }
    memcpy(w->token, place->token, sizeof w->token);
    *watch = w;
    return 0;
}

int uda_watch_accept(struct uda_watch *w, const struct uda_dist_hooks *hooks, struct uda_err *err)
{
    for (int n = 0; n < w->links; n++) {
        int fd = -1, rank = 0;
        UDA_TRY(uda_net_accept(&fd, &rank, w->listening, w->token, CALL_S, err));
        if (rank < 1 || rank > w->links || w->link[rank - 1].fd >= 0) {
            (void)close(fd);
            return uda_fail(err, UDA_COMM, "ranks: two processes say they are rank %d", rank);
        }
        w->link[rank - 1].fd = fd;
    }
    (void)close(w->listening);
    w->listening = -1;
    return start(w, hooks, err);
}

int uda_watch_call(struct uda_watch **watch, const struct uda_net_place *place, int rank, int ranks,
                   const struct uda_dist_hooks *hooks, struct uda_err *err)
{
    struct uda_watch *w = NULL;
    UDA_TRY(create(&w, rank, ranks, err));
    int rc = uda_net_call(&w->link[0].fd, place, rank, CALL_S, err);
    if (rc == 0) {
        rc = start(w, hooks, err);
    }
    if (rc != 0) {
        uda_watch_destroy(&w);
        return rc;
    }
    *watch = w;
    return 0;
}

void uda_watch_destroy(struct uda_watch **watch)
{
    struct uda_watch *w = *watch;
    if (w == NULL) {
        return;
    }
    if (w->started) {
        (void)pthread_mutex_lock(&w->mutex);
        send_all(w, GOODBYE, 0, w->rank, "");
        (void)pthread_mutex_unlock(&w->mutex);
        atomic_store(&w->quit, true);
        (void)!write(w->wake[1], "", 1);
        (void)pthread_join(w->thread, NULL);
    }
    const int open[] = {w->listening, w->wake[0], w->wake[1]};
    for (int64_t i = 0; i < UDA_LEN(open); i++) {
        if (open[i] >= 0) {
            (void)close(open[i]);
        }
    }
    for (int i = 0; i < w->links && w->link != NULL; i++) {
        if (w->link[i].fd >= 0) {
            (void)close(w->link[i].fd);
        }
    }
    (void)pthread_mutex_destroy(&w->mutex);
    uda_free(w->link);
    uda_free(w->poll);
    uda_free(w);
    *watch = NULL;
}

/* ---- the main thread's side ---- */

int uda_watch_look(struct uda_watch *w, struct uda_err *err)
{
    if (w == NULL || !atomic_load(&w->broken)) {
        return 0;
    }
    return uda_fail(err, w->failure.code, "%s", w->failure.text);
}

bool uda_watch_orphan(const struct uda_watch *w) { return w != NULL && atomic_load(&w->orphan); }

void uda_watch_tell_failure(struct uda_watch *w, const struct uda_err *why)
{
    char line[TEXT_BYTES + 32];
    if (w == NULL) {
        return;
    }
    (void)snprintf(line, sizeof line, "%s%s", w->rank == 0 ? "rank 0: " : "", why->text);
    record(w, (int)why->code, w->rank, line);
}

void uda_watch_tell_stop(struct uda_watch *w, const char *reason)
{
    if (w == NULL || atomic_exchange(&w->stop_told, true)) {
        return;
    }
    (void)pthread_mutex_lock(&w->mutex);
    send_all(w, STOP, 0, w->rank, reason);
    (void)pthread_mutex_unlock(&w->mutex);
}

void uda_watch_linger(struct uda_watch *w)
{
    double end = uda_net_now() + LINGER_S;
    while (w != NULL && !atomic_load(&w->orphan) && uda_net_now() < end) {
        (void)pthread_mutex_lock(&w->mutex);
        bool over = w->link[0].fd < 0;
        (void)pthread_mutex_unlock(&w->mutex);
        if (over) {
            return;
        }
        (void)poll(NULL, 0, 20);
    }
}
